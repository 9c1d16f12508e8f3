"""A question on the page -> the turn that it makes; questions that were stopped or failed are kept and asked again.

Before a question is asked, the browser is given it as a turn without an answer. So it is there whatever happens then:
a reload, a stop, a server that ends. An answer takes all cores, so questions are answered one at a time, in the order
in which they came, and each can be stopped while it waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

from assistant.assistant import Assistant
from assistant.chat.export import FILTERS
from assistant.chat.markup import pending_markup
from assistant.chat.turns import ShownTurn, from_browser, history, to_browser
from assistant.errors import AssistantError, IndexMissing

ANY_SOURCE = "All sources"
LEFT = "There was no answer yet when the page was left, or the next question asked."
STOPPED = "Stopped before there was an answer."
FAILED = "Something went wrong while this was answered; the server's terminal says what."
AT_ONCE = 64
"""Questions that may wait; more are refused."""

Updates = AsyncIterator[tuple[Any, ...]]
"""What becomes of the question's field, the turns in the browser, the conversation and the pending question."""


class Asking:
    """The events of a conversation. `render(turns)` makes its markup."""

    def __init__(self, gr: Any, assistant: Assistant, render: Callable[[list[ShownTurn]], str]) -> None:
        self._skip = gr.skip
        self._assistant = assistant
        self._render = render
        self._one_at_a_time = asyncio.Semaphore(1)
        self._waiting: dict[str, set[asyncio.Future[bool]]] = {}
        """By session: what is told whether a question, which waits no longer, is to be shown as stopped."""
        # Gradio finds the parameters that it fills in by their annotations, which cannot be written before the import.
        for name in ("offered", "again"):
            getattr(Asking, name).__annotations__["event"] = gr.EventData
        for name in ("typed", "offered", "again", "linked", "stop"):
            getattr(Asking, name).__annotations__["request"] = gr.Request

    async def typed(
        self, question: str, kept: object, since: str | None, until: str | None, source: str | None, request: Any
    ) -> Updates:
        """What stands in the field is asked, which is then empty."""
        async for update in self._answered(request, question, kept, filled(since, until, source), ""):
            yield update

    async def offered(
        self, kept: object, since: str | None, until: str | None, source: str | None, event: Any, request: Any
    ) -> Updates:
        """An example is asked; what was being typed stays."""
        filters = filled(since, until, source)
        async for update in self._answered(request, str(event.question), kept, filters, self._skip()):
            yield update

    async def again(
        self, kept: object, since: str | None, until: str | None, source: str | None, event: Any, request: Any
    ) -> Updates:
        """A turn without an answer is asked once more, under the filters that are set now."""
        turns = await asyncio.to_thread(from_browser, kept, self._assistant)
        if not 0 <= event.place < len(turns):
            return
        question = turns.pop(event.place).question
        filters = filled(since, until, source)
        async for update in self._answered(request, question, to_browser(turns), filters, self._skip()):
            yield update

    async def linked(
        self, question: str, kept: object, since: str | None, until: str | None, source: str | None, request: Any
    ) -> Updates:
        """A link that names a question asks it; without one nothing happens."""
        # A generator that yields nothing would empty its outputs.
        yield (self._skip(),) * 4
        if question:
            async for update in self._answered(request, question, kept, filled(since, until, source), self._skip()):
                yield update

    async def stop(self, kept: object, request: Any) -> tuple[Any, ...]:
        """The session's questions wait no longer; one that a server left waiting, which has ended since, is told so."""
        waiting = self._waiting.pop(request.session_hash, set())
        for question in waiting:
            _settle(question, shown=True)
        if waiting:
            return (self._skip(),) * 3
        return *await asyncio.to_thread(self._stopped, kept), ""

    def drop(self, session: str) -> None:
        """The session's questions wait no longer, and nothing is shown of them; from any thread."""
        for question in self._waiting.pop(session, set()):
            question.get_loop().call_soon_threadsafe(_settle, question, False)  # noqa: FBT003 as the loop calls it

    async def _answered(
        self, request: Any, question: str, kept: object, filters: dict[str, str], field: Any
    ) -> Updates:
        """The question is shown at once, then its answer."""
        waiting = ShownTurn(question, filters, failure=LEFT)
        kept = kept if isinstance(kept, list) else []
        yield field, [*kept, waiting.to_dict()], self._skip(), pending_markup(question)
        answering = asyncio.create_task(self._in_turn(waiting, kept))
        ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(request.session_hash, set()).add(ended)
        try:
            awaited: list[asyncio.Future[Any]] = [answering, ended]
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # A thread cannot be stopped: its answer is dropped.
            answering.cancel()
            self._forget(request.session_hash, ended)
        if not ended.done():
            try:
                yield self._skip(), *answering.result(), ""
            except Exception:
                yield self._skip(), *await asyncio.to_thread(self._with, kept, replace(waiting, failure=FAILED)), ""
                raise
        elif ended.result():
            yield self._skip(), *await asyncio.to_thread(self._with, kept, replace(waiting, failure=STOPPED)), ""

    async def _in_turn(self, waiting: ShownTurn, kept: list[Any]) -> tuple[Any, str]:
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._asked, waiting, kept)

    def _asked(self, waiting: ShownTurn, kept: list[Any]) -> tuple[Any, str]:
        turns = from_browser(kept, self._assistant)
        turns.append(ask(self._assistant, waiting.question, turns, dict(waiting.filters)))
        return to_browser(turns), self._render(turns)

    def _with(self, kept: list[Any], turn: ShownTurn) -> tuple[Any, str]:
        turns = [*from_browser(kept, self._assistant), turn]
        return to_browser(turns), self._render(turns)

    def _stopped(self, kept: object) -> tuple[Any, str]:
        turns = [
            replace(turn, failure=STOPPED) if turn.failure == LEFT else turn
            for turn in from_browser(kept, self._assistant)
        ]
        return to_browser(turns), self._render(turns)

    def _forget(self, session: str, ended: asyncio.Future[bool]) -> None:
        others = self._waiting.get(session, set()) - {ended}
        if others:
            self._waiting[session] = others
        else:
            self._waiting.pop(session, None)


def _settle(waiting: asyncio.Future[bool], shown: bool) -> None:  # noqa: FBT001 as the loop calls it
    if not waiting.done():
        waiting.set_result(shown)


def ask(assistant: Assistant, question: str, turns: list[ShownTurn], filters: dict[str, str]) -> ShownTurn:
    """The turn that a question makes after the earlier ones; what cannot be asked has the reason."""
    turn = ShownTurn(question, filters)
    try:
        return replace(turn, answer=assistant.ask(question, history(turns), **filters))  # type: ignore[arg-type]
    except AssistantError as error:
        hint = " The page finds it once the index is there." if isinstance(error, IndexMissing) else ""
        return replace(turn, failure=str(error) + hint)


def filled(since: str | None, until: str | None, source: str | None) -> dict[str, str]:
    """The filters that are set; gradio gives None for an untouched field."""
    values = ((since or "").strip(), (until or "").strip(), "" if source == ANY_SOURCE else (source or ""))
    return {name: value for name, value in zip(FILTERS, values, strict=True) if value}
