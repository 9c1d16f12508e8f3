"""Remembered sources -> a sync when one may have changed: files by events, the web by clock. The home of watchfiles.

A round is one sync of some sources; the writer's lock is held only while it lasts. What is waited for and the clock are
given, so that nothing here sleeps by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from assistant import sources
from assistant.errors import AssistantError, IndexBusy
from assistant.schema import Outcome, Source, SyncReport

EVERY = 30 * 60.0
"""Seconds between two requests to a web source, and between two looks at files that gave no sign of a change."""
LONGEST = 24 * 60 * 60.0
"""Seconds; a source that fails is asked half as often each time, but once a day."""
BUSY = 5.0
"""Seconds until the next try while another process writes."""
TICK = 1.0
"""Seconds between two looks at what has no events: single files, and the clock."""
NAMED = 10.0
"""Seconds until a source is followed that another process names."""

_GROUPED, _STEP, _POLLED = 5_000, 300, 2_000
"""Milliseconds: changes are told when there was none for a step, or at the latest after so many; between two polls."""

Look = object
"""What is seen of a source from outside, to be compared with what was seen before."""


class Waiter(Protocol):
    def wait(self, folders: Mapping[Path, int]) -> AbstractSet[Path]:
        """Waits for a moment, or less if something changes; gives what changed below the folders since the last call.

        The folders come with the numbers of their inodes. One that was not waited for before is among the changed.
        """


@dataclass(frozen=True)
class Round:
    """What is worth telling of a round: its report if anything changed, new failures, or why there was none."""

    report: SyncReport | None = None
    failed: tuple[Outcome, ...] = ()
    problem: str = ""


@dataclass
class _Followed:
    """A source between two rounds."""

    source: Source
    due: float
    look: Look = None
    settled: Look = None
    """What was seen when it was last synced."""
    failures: int = 0
    told: frozenset[Outcome] = field(default_factory=frozenset)


class Watch:
    """Follows sources until it is interrupted (KeyboardInterrupt)."""

    def __init__(
        self,
        remembered: Callable[[], Mapping[str, Source]],
        refresh: Callable[[AbstractSet[str]], SyncReport],
        index: Path,
        tell: Callable[[Round], None],
        *,
        every: float = EVERY,
        waiter: Waiter | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`refresh` syncs the sources with these keys. What happens inside `index` is nobody's change."""
        self._remembered = remembered
        self._refresh = refresh
        self._index = index
        self._tell = tell
        self._every = every
        self._waiter = waiter or FolderWaiter()
        self._clock = clock
        self._followed: dict[str, _Followed] = {}
        self._taken_up = -NAMED
        self._trouble = ""
        self._troubles = 0

    def run(self) -> None:
        """Returns never; KeyboardInterrupt ends it, at any point without loss."""
        while True:
            self.step()

    def step(self) -> None:
        """Waits for a moment, then syncs what changed or is due."""
        if self._clock() >= self._taken_up + NAMED:
            self._take_up()
            self._taken_up = self._clock()
        self._notice(self._waiter.wait(self._folders()))
        due = {key for key, followed in self._followed.items() if followed.due <= self._clock()}
        if due:
            self._round(due)

    def _take_up(self) -> None:
        """The sources as they are remembered now: another process may have named or forgotten some."""
        try:
            remembered = self._remembered()
        except AssistantError:
            # The next round says what is wrong with the index.
            return
        for key in self._followed.keys() - remembered.keys():
            del self._followed[key]
        for key, source in remembered.items():
            if source.kind == sources.GIVEN:
                continue
            if key in self._followed:
                self._followed[key].source = source
            else:
                # Files are looked at once more: they may have changed between the first sync and the first wait.
                wait = self._every if source.on_the_web else 0.0
                self._followed[key] = _Followed(source, self._clock() + wait)

    # -- what changed ----------------------------------------------------------------------------------------

    def _folders(self) -> dict[Path, int]:
        roots = (_watched(followed.source) for followed in self._followed.values())
        found = ((root, _inode(root)) for root in roots if root is not None)
        return {root: inode for root, inode in found if inode is not None}

    def _notice(self, changed: AbstractSet[Path]) -> None:
        changed = {path for path in changed if not path.is_relative_to(self._index)}
        for followed in self._followed.values():
            if any(_concerns(followed.source, path) for path in changed):
                followed.due = self._clock()
                followed.failures = 0
            look = _look(followed.source)
            # Seen twice alike, so that no file is read, or believed to be gone, while an editor replaces it.
            if look == followed.look != followed.settled:
                followed.due = self._clock()
                followed.failures = 0
                followed.settled = look
            followed.look = look

    # -- a round -----------------------------------------------------------------------------------------------

    def _round(self, due: AbstractSet[str]) -> None:
        for key in due:
            self._followed[key].settled = _look(self._followed[key].source)
        try:
            report = self._refresh(due)
        except IndexBusy:
            self._put_off(due, BUSY)
            return
        except AssistantError as error:
            # Of the index as a whole: the disk is full, it was damaged, or built anew with another model.
            self._troubles += 1
            self._put_off(due, min(TICK * 2**self._troubles, self._every))
            if str(error) != self._trouble:
                self._trouble = str(error)
                self._tell(Round(problem=self._trouble))
            return
        self._trouble, self._troubles = "", 0
        # A file that was deleted is no source any longer.
        self._taken_up = -NAMED
        failed = [outcome for key in sorted(due) for outcome in self._schedule(key, report)]
        changed = any(outcome.what not in ("unchanged", "skipped", "failed") for outcome in report.outcomes)
        if changed or failed:
            self._tell(Round(report if changed else None, tuple(failed)))

    def _put_off(self, due: AbstractSet[str], seconds: float) -> None:
        for key in due:
            self._followed[key].due = self._clock() + seconds

    def _schedule(self, key: str, report: SyncReport) -> list[Outcome]:
        """Sets when the source is due again; gives its failures that were not told yet."""
        followed = self._followed[key]
        failed = frozenset(o for o in report.outcomes if o.what == "failed" and o.source == key)
        # One broken page of a feed does not make the feed a broken one.
        lost = any(outcome.location == followed.source.place for outcome in failed)
        followed.failures = followed.failures + 1 if lost else 0
        pause = min(self._every * 2 ** min(followed.failures, 20), max(LONGEST, self._every))
        followed.due = self._clock() + max(pause, report.rests.get(key, 0.0))
        new = failed - followed.told
        followed.told = failed
        return sorted(new, key=lambda outcome: outcome.location)


def _watched(source: Source) -> Path | None:
    """The folder whose events tell of a change in the source; None where it is looked at instead."""
    path = Path(source.place)
    if source.kind == "folder":
        return path
    # Without "**" the files are few levels deep, and what lies beside them may be very much.
    return sources.glob_root(path) if source.kind == "glob" and "**" in path.parts else None


def _concerns(source: Source, path: Path) -> bool:
    root = _watched(source)
    if root is None:
        return False
    return path.is_relative_to(root) and (source.kind == "glob" or sources.holds(source, path))


def _look(source: Source) -> Look:
    if source.on_the_web:
        return None
    root = _watched(source)
    if root is not None:
        return _inode(root)
    path = Path(source.place)
    paths = sources.expanded(path) if source.kind == "glob" else [path]
    return [(path, _signature(path)) for path in paths]


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


class FolderWaiter:
    """Waits for the operating system's events; where it has none to give, files are compared every few seconds."""

    def __init__(self) -> None:
        self._folders: dict[Path, int] = {}
        self._changes: Iterator[AbstractSet[tuple[object, str]]] = iter(())
        self._polling = False

    def wait(self, folders: Mapping[Path, int]) -> AbstractSet[Path]:
        new = folders.keys() if folders != self._folders else frozenset()
        if new:
            self._changes = self._begun(folders)
        self._folders = dict(folders)
        if not folders:
            time.sleep(TICK)
            return frozenset()
        try:
            return new | {Path(path) for _, path in next(self._changes)}
        except (OSError, RuntimeError) as error:
            # Mostly the system's limit on how many folders can be watched; or a folder went this moment.
            self._polling = self._polling or not isinstance(error, FileNotFoundError)
            self._folders = {}
            time.sleep(TICK)
            return new

    def _begun(self, folders: Mapping[Path, int]) -> Iterator[AbstractSet[tuple[object, str]]]:
        from watchfiles import watch

        return watch(
            *sorted(folders),
            watch_filter=None,
            debounce=_GROUPED,
            step=_STEP,
            rust_timeout=int(1000 * TICK),
            yield_on_timeout=True,
            force_polling=self._polling or None,
            poll_delay_ms=_POLLED,
            ignore_permission_denied=True,
        )
