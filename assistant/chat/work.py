"""Long work (a sync, a run of cases) -> its progress, a way to stop it, and an outcome that outlives a reload."""

from __future__ import annotations

import asyncio
import html
import threading
from collections.abc import AsyncIterator, Callable

from assistant.errors import AssistantError

_PAUSE = 0.25
"""Seconds between two looks at the progress."""


class Stopped(AssistantError):
    """Someone stopped the work; the message says what that means."""


class Work:
    """One piece of work at a time, in a thread of its own: a page that is left neither ends nor loses it.

    `stopped` is told where work was stopped.
    """

    def __init__(self, stopped: str) -> None:
        self._stopped = stopped
        self._busy = threading.Lock()
        self._stop = threading.Event()
        self._progress = ("", 0, 0)
        self._outcome = ""
        self.failed = False
        """Whether what was done last was stopped, or could not be done."""

    def carry_out(self, job: Callable[[], str]) -> AsyncIterator[tuple[str, bool]]:
        """Does the job, once others are done; the markup to show, as it changes, and whether there is more to come.

        The job gives the markup of its outcome. It calls `report` or `report_or_stop` as it goes.
        """
        return self._followed(job)

    def followed(self) -> AsyncIterator[tuple[str, bool]]:
        """As `carry_out`, of the work that is under way, or that was done last."""
        return self._followed(None)

    async def _followed(self, job: Callable[[], str] | None) -> AsyncIterator[tuple[str, bool]]:
        waiting, shown = job, ""
        while self._busy.locked() or waiting:
            if waiting and self._begun(waiting):
                waiting = None
            if shown != (shown := self._progress_markup()):
                yield shown, True
            await asyncio.sleep(_PAUSE)
        yield self._outcome, False

    def stop(self) -> None:
        """The work ends at its next report."""
        self._stop.set()

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def report(self, step: str, done: int, total: int) -> None:
        """What is being done, and how far it is."""
        self._progress = (step, done, total)

    def report_or_stop(self, step: str, done: int, total: int) -> None:
        """Raises Stopped where `stop` was called: for work that can be broken off anywhere."""
        self.report(step, done, total)
        if self.stopping:
            raise Stopped(self._stopped)

    def _begun(self, job: Callable[[], str]) -> bool:
        if not self._busy.acquire(blocking=False):
            return False
        self._stop.clear()
        self._progress = ("beginning", 0, 0)
        self.failed = True
        threading.Thread(target=self._do, args=(job,), daemon=True).start()
        return True

    def _do(self, job: Callable[[], str]) -> None:
        try:
            self._outcome = job()
            self.failed = False
        except AssistantError as error:
            self._outcome = failure_markup(str(error))
        except BaseException:
            self._outcome = failure_markup(
                "Something went wrong; the server's terminal says what. Nothing is half done."
            )
            raise
        finally:
            self._busy.release()

    def _progress_markup(self) -> str:
        step, done, total = self._progress
        told = f"{step}: {done} of {total}" if total else step
        if self.stopping:
            told = f"stopping after this step ({told})"
        bar = f"<progress max='{total}' value='{min(done, total)}' aria-label='{html.escape(step)}'></progress> "
        return f"<p class='hint'>{bar if total else ''}<span role='status'>{html.escape(told)} …</span></p>"


def failure_markup(reason: str) -> str:
    return f"<pre class='failed' role='status'>{html.escape(reason)}</pre>"
