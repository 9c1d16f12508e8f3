"""What happens to a question on the page, without a browser: answered, stopped, failed, asked again; and to long work."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from conftest import WordEmbedder, write_article

from assistant import Assistant, Settings
from assistant.chat.adding import add_files, update
from assistant.chat.asking import FAILED, LEFT, STOPPED, Asking
from assistant.chat.markup import conversation_markup
from assistant.chat.regression import run_file
from assistant.chat.turns import ShownTurn, from_browser, to_browser
from assistant.chat.work import Stopped, Work
from assistant.reading import load_reader
from assistant.schema import Span

SKIP = object()
GRADIO = SimpleNamespace(skip=lambda: SKIP, EventData=object, Request=object)
SESSION = SimpleNamespace(session_hash="s")
BRIDGE = "Who opened the bridge over the Orve?"


class HeldReader:
    """Reads when it is let; so that a test decides what happens before an answer."""

    def __init__(self) -> None:
        self.let, self.reading = threading.Event(), threading.Event()
        self._reader = load_reader()

    def read(self, question: str, texts: Sequence[str], titles: Sequence[str] = ()) -> list[Span]:
        self.reading.set()
        if not self.let.wait(30):
            raise TimeoutError
        return self._reader.read(question, texts, titles)


class SpoiltReader:
    def read(self, question: str, texts: Sequence[str], titles: Sequence[str] = ()) -> list[Span]:  # noqa: ARG002 the Protocol's
        raise RuntimeError("a fault in a reader")


@pytest.fixture
def asking_with(tmp_path: Path, corpus: Path, embedder: WordEmbedder) -> Callable[[Any], Asking]:
    def asking_with_(reader: Any) -> Asking:
        assistant = Assistant(Settings(corpus=corpus, index=tmp_path / "index"), embedder, reader)
        assistant.sync()
        return Asking(GRADIO, assistant, conversation_markup)

    return asking_with_


def typed(asking: Asking, question: str, kept: Any = (), session: Any = SESSION) -> AsyncIterator[tuple[Any, ...]]:
    return asking.typed(question, list(kept), None, None, None, session)


async def told_to_read(reader: HeldReader) -> None:
    assert await asyncio.to_thread(reader.reading.wait, 30)


def test_a_question_is_in_the_browser_before_it_is_answered(asking_with: Callable[[Any], Asking]) -> None:
    async def go() -> list[tuple[Any, ...]]:
        return [update async for update in typed(asking_with(load_reader()), BRIDGE)]

    (field, kept, conversation, pending), (_, answered, shown, done) = asyncio.run(go())
    assert (field, conversation) == ("", SKIP)
    assert [(turn["question"], turn["answer"], turn["failure"]) for turn in kept] == [(BRIDGE, None, LEFT)]
    assert BRIDGE in pending
    assert answered[0]["answer"]["short"] == "Mara Lind"
    assert "Mara Lind" in shown
    assert done == ""


def test_a_stopped_question_is_kept_and_the_next_one_is_answered(asking_with: Callable[[Any], Asking]) -> None:
    reader = HeldReader()
    asking = asking_with(reader)

    async def go() -> tuple[Any, ...]:
        first = typed(asking, BRIDGE)
        _, kept, *_ = await anext(first)
        end = asyncio.create_task(anext(first))
        await told_to_read(reader)
        assert await asking.stop(kept, SESSION) == (SKIP,) * 3
        _, kept, shown, pending = await end
        assert [turn["failure"] for turn in kept] == [STOPPED]
        assert "data-again" in shown
        assert pending == ""
        reader.let.set()
        event = SimpleNamespace(place=0)
        return [update async for update in asking.again(kept, None, None, None, event, SESSION)][-1]

    _, kept, *_ = asyncio.run(go())
    assert [turn["answer"]["short"] for turn in kept] == ["Mara Lind"]


def test_one_that_waits_for_its_turn_can_be_stopped_too_and_another_session_goes_on(
    asking_with: Callable[[Any], Asking],
) -> None:
    reader = HeldReader()
    asking = asking_with(reader)

    async def go() -> tuple[Any, Any]:
        first = typed(asking, BRIDGE)
        await anext(first)
        answered = asyncio.create_task(anext(first))
        await told_to_read(reader)
        other = SimpleNamespace(session_hash="other")
        second = typed(asking, "Who built the harbour of Tansk?", session=other)
        _, kept, *_ = await anext(second)
        end = asyncio.create_task(anext(second))
        await asyncio.sleep(0)
        await asking.stop(kept, other)
        stopped = await end
        reader.let.set()
        return stopped, await answered

    stopped, answered = asyncio.run(go())
    assert stopped[1][0]["failure"] == STOPPED
    assert answered[1][0]["answer"]["short"] == "Mara Lind"


def test_nothing_of_a_dropped_question_is_shown(asking_with: Callable[[Any], Asking]) -> None:
    reader = HeldReader()
    asking = asking_with(reader)

    async def go() -> list[tuple[Any, ...]]:
        question = typed(asking, BRIDGE)
        await anext(question)
        rest = asyncio.create_task(_rest(question))
        await told_to_read(reader)
        await asyncio.to_thread(asking.drop, "s")
        reader.let.set()
        return await rest

    assert asyncio.run(go()) == []


def test_a_question_left_waiting_by_a_server_that_has_ended_can_be_stopped(
    asking_with: Callable[[Any], Asking],
) -> None:
    asking = asking_with(load_reader())
    kept = to_browser([ShownTurn("Who?", failure=LEFT)])
    turns, shown, pending = asyncio.run(asking.stop(kept, SESSION))
    assert turns[0]["failure"] == STOPPED
    assert STOPPED in shown
    assert pending == ""


def test_a_fault_is_said_in_the_conversation_and_is_not_swallowed(asking_with: Callable[[Any], Asking]) -> None:
    asking = asking_with(SpoiltReader())
    seen: list[tuple[Any, ...]] = []

    async def go() -> None:
        async for shown in typed(asking, BRIDGE):
            seen.append(shown)  # noqa: PERF401 what was shown before the fault counts

    with pytest.raises(RuntimeError, match="a fault in a reader"):
        asyncio.run(go())
    assert seen[-1][1][0]["failure"] == FAILED
    assert "data-again" in seen[-1][2]


async def _rest(updates: AsyncIterator[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [update async for update in updates]


# -- long work -------------------------------------------------------------------------------------------------------


def test_work_goes_on_when_its_page_is_left_and_its_outcome_is_there_for_the_next() -> None:
    work, let = Work("stopped"), threading.Event()

    def job() -> str:
        work.report("reading", 1, 3)
        assert let.wait(30)
        return "<p>done</p>"

    async def go() -> list[tuple[str, bool]]:
        async for markup, more in work.carry_out(job):
            if "1 of 3" in markup:
                assert more
                break
        following = asyncio.create_task(_rest(work.followed()))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        let.set()
        return await following  # type: ignore[return-value]

    assert asyncio.run(go())[-1] == ("<p>done</p>", False)


def test_a_second_piece_of_work_waits_for_the_first() -> None:
    work, done = Work("stopped"), []

    def job(name: str) -> Callable[[], str]:
        return lambda: (done.append(name), name)[1]

    async def go() -> None:
        await asyncio.gather(*(_rest(work.carry_out(job(name))) for name in "ab"))  # type: ignore[arg-type]

    asyncio.run(go())
    assert sorted(done) == ["a", "b"]


def test_a_stopped_sync_leaves_the_index_as_it_was_and_can_be_taken_up_again(
    open_assistant: Callable[..., Assistant], tmp_path: Path
) -> None:
    assistant = open_assistant()
    assistant.sync()
    write_article(tmp_path / "tram.md", "The tram", "Lamp", "2024-07-01", "The tram of Vell was paid for by Ida Holm.")
    work = Work("stopped: the index answers as before")

    def job() -> str:
        work.stop()
        add_files(assistant, [tmp_path / "tram.md"], work.report_or_stop)
        return "not stopped"

    shown = asyncio.run(_rest(work.carry_out(job)))  # type: ignore[arg-type]
    assert "the index answers as before" in shown[-1][0]
    assert work.failed
    assert len(assistant.articles()) == 3
    report = update(assistant, lambda step, done, total: None)
    assert [outcome.location for outcome in report.outcomes if outcome.what == "added"] == ["tram.md"]
    assert len(assistant.articles()) == 4


def test_a_stopped_run_shows_what_was_asked_until_then(
    open_assistant: Callable[..., Assistant], tmp_path: Path
) -> None:
    assistant = open_assistant()
    assistant.sync()
    cases = [
        {"id": "bridge", "question": BRIDGE, "answers": ["Mara Lind"]},
        {"id": "harbour", "question": "Who built the harbour of Tansk?", "answers": ["Hollen Works"]},
    ]
    path = tmp_path / "cases.yaml"
    path.write_text(yaml.safe_dump(cases), encoding="utf-8")

    class StoppedAfterOne(Work):
        def report(self, step: str, done: int, total: int) -> None:
            super().report(step, done, total)
            self.stop()

    markup = run_file(assistant, path, StoppedAfterOne("stopped"), keep=True)
    assert "Stopped after 1 of 2 cases" in markup
    assert "1 of 1 right" in markup
    assert not (assistant.settings.kept / "baseline.json").exists()
    at_once = Work("stopped")
    at_once.stop()
    with pytest.raises(Stopped):
        run_file(assistant, path, at_once, keep=False)


def test_a_failed_turn_comes_back_from_the_browser(open_assistant: Callable[..., Assistant]) -> None:
    assistant = open_assistant()
    assistant.sync()
    (turn,) = from_browser(to_browser([ShownTurn("Who?", {"since": "2024-01-01"}, failure=LEFT)]), assistant)
    assert (turn.question, turn.filters, turn.failure) == ("Who?", {"since": "2024-01-01"}, LEFT)
