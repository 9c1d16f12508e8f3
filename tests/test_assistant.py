"""The facade over the index: what it says before, during and after a sync, and which uses it refuses."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import WordEmbedder, write_article
from test_sync import verified_here  # noqa: F401 a fixture that is used by itself

from assistant import Assistant, Settings, Turn
from assistant.errors import IndexBusy, IndexMismatch, IndexMissing, InvalidQuestion, InvalidSetting, UnknownArticle
from assistant.generations import IndexFolder
from assistant.reading import load_reader
from assistant.schema import Answer, Hit

Opener = Callable[..., Assistant]


@pytest.fixture
def synced(open_assistant: Opener) -> Assistant:
    assistant = open_assistant()
    assistant.sync()
    return assistant


def locations(hits: list[Hit]) -> set[str]:
    return {hit.article.location for hit in hits}


# -- before a sync -----------------------------------------------------------------------------------------


def test_without_an_index_every_use_names_sync_and_writes_nothing(open_assistant: Opener, tmp_path: Path) -> None:
    assistant = open_assistant()
    assert not assistant.indexed
    for use in (
        assistant.articles,
        assistant.sources,
        assistant.status,
        lambda: assistant.article("bridge"),
        lambda: assistant.search("bridge"),
        lambda: assistant.ask("What did the bridge cost?"),
    ):
        with pytest.raises(IndexMissing, match="type: assistant sync"):
            use()
    assert not (tmp_path / "index").exists()


# -- what is indexed ---------------------------------------------------------------------------------------


def test_articles_are_listed_newest_first_with_what_their_files_say(synced: Assistant) -> None:
    assert synced.indexed
    assert [article.location for article in synced.articles()] == ["museum.md", "harbour.md", "bridge.md"]
    bridge = synced.article("bridge.md")
    assert (bridge.title, bridge.source, bridge.published) == ("The river bridge", "The Daily Stone", date(2024, 3, 1))
    assert bridge.text == "Mara Lind opened the bridge over the Orve in 2024. It cost 12 million crowns."
    assert synced.article(bridge.id) == synced.article(bridge.id[:8]) == bridge
    assert synced.outlets() == ["Evening Lamp", "The Daily Stone"]


def test_a_name_that_fits_none_or_several_articles_is_refused(synced: Assistant, corpus: Path) -> None:
    with pytest.raises(UnknownArticle, match="assistant list"):
        synced.article("tunnel")
    with pytest.raises(UnknownArticle, match="assistant list"):
        synced.article("bridge\udcff")
    write_article(corpus / "bridges.md", "Bridges", "", "2024-01-01", "Of bridges.")
    synced.sync()
    with pytest.raises(UnknownArticle, match="2 articles fit 'bridge'"):
        synced.article("bridge")


def test_the_status_tells_what_is_indexed_from_where_with_what(synced: Assistant, corpus: Path, tmp_path: Path) -> None:
    status = synced.status()
    assert status["index"] == str(tmp_path / "index")
    assert (status["articles"], status["passages"]) == (3, 3)
    assert (tmp_path / "index" / "generations" / str(status["generation"])).is_dir()
    assert status["sources"] == {"corpus": str(corpus)}
    assert status["built_with"]["embedding"] == WordEmbedder.fingerprint
    assert {"splitter", "chromadb", "llama-index-core", "sentence-transformers"} <= set(status["built_with"])


# -- search ------------------------------------------------------------------------------------------------


def test_a_hit_is_a_piece_of_its_article(synced: Assistant) -> None:
    (first, *rest) = synced.search("Who opened the bridge over the Orve?")
    assert first.article.location == "bridge.md"
    assert first.text == first.article.text[first.passage.start : first.passage.end]
    assert all(first.score >= hit.score for hit in rest)


BOUNDS: list[tuple[Any, Any, str | None, set[str]]] = [
    ("2024-05-10", None, None, {"harbour.md", "museum.md"}),
    (None, "2024-05-10", None, {"harbour.md", "bridge.md"}),
    (date(2024, 5, 10), date(2024, 5, 10), None, {"harbour.md"}),
    (datetime(2024, 5, 10, 23, tzinfo=UTC), datetime(2024, 6, 20, 1, tzinfo=UTC), None, {"harbour.md", "museum.md"}),
    (datetime(2024, 5, 10, 23, tzinfo=UTC), "2024-05-10", None, {"harbour.md"}),
    ("0001-01-01", None, None, {"harbour.md", "bridge.md", "museum.md"}),
    (None, "9999-12-31", None, {"harbour.md", "bridge.md", "museum.md"}),
    (None, None, "The Daily Stone", {"harbour.md", "bridge.md"}),
    ("2024-04-01", None, "The Daily Stone", {"harbour.md"}),
    ("2024-07-01", None, None, set()),
    (None, None, "Nobody", set()),
]


def test_filters_say_how_many_articles_they_leave(open_assistant: Opener) -> None:
    assistant = open_assistant()
    assistant.sync()
    assert assistant.count() == 3
    assert assistant.count(since="2024-05-10") == 2
    assert assistant.count(since="2024-05-10", source="Evening Lamp") == 1
    assert assistant.count(until="2024-02-29") == 0


def test_bounds_are_inclusive_days_that_an_undated_article_never_meets(open_assistant: Opener, corpus: Path) -> None:
    (corpus / "undated.md").write_text("---\ntitle: Undated\n---\n\nA bridge of no date.\n")
    assistant = open_assistant()
    assistant.sync()
    assert "undated.md" in locations(assistant.search("bridge harbour museum"))
    for since, until, source, expected in BOUNDS:
        found = assistant.search("bridge harbour museum", since=since, until=until, source=source)
        assert locations(found) == expected, (since, until, source)


def test_values_that_cannot_work_are_named(open_assistant: Opener) -> None:
    """Before the index is looked at: there is none here."""
    assistant = open_assistant()
    for options, named in (
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"since": "yesterday"}, "since"),
        ({"until": "2024-02-30"}, "until"),
        ({"since": "2024-02-02", "until": "2024-02-01"}, "since"),
        ({"source": "Post \ud800"}, "source"),
    ):
        with pytest.raises(InvalidSetting, match=named):
            assistant.search("bridge", **options)  # type: ignore[arg-type]
    for question in ("", " \n", "?!", "😀", "x" * 2_001):
        with pytest.raises(InvalidQuestion):
            assistant.search(question)


# -- following a sync --------------------------------------------------------------------------------------


def test_a_reader_sees_the_old_state_until_the_swap_and_the_new_one_after_it(
    open_assistant: Opener, synced: Assistant, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = open_assistant()
    first = reader.status()["generation"]
    seen: list[tuple[str, bool, bool]] = []

    def look(step: str) -> None:
        text = " ".join(hit.text for hit in reader.search("bridge"))
        assert ("Mara Lind" in text) != ("Tove Aal" in text)
        seen.append((step, "Tove Aal" in text, reader.status()["generation"] > first))

    swap = IndexFolder.swap

    def watched(folder: IndexFolder, number: int) -> None:
        look("before the swap")
        swap(folder, number)
        look("after the swap")

    monkeypatch.setattr(IndexFolder, "swap", watched)
    write_article(corpus / "bridge.md", "The river bridge", "", "2024-03-01", "Tove Aal opened the bridge.")
    look("before the sync")
    synced.sync(progress=lambda step, done, total: look(step))
    look("after the sync")
    assert {step for step, *_ in seen} >= {"reading", "embedding", "indexing"}
    for step, new, later in seen:
        after = step.startswith("after")
        assert (new, later) == (after, after), step


def test_threads_share_an_assistant_while_another_syncs(
    open_assistant: Opener, synced: Assistant, corpus: Path
) -> None:
    shared = open_assistant()
    stop = threading.Event()
    found: list[set[str]] = []
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            while not stop.is_set():
                found.append(locations(shared.search("bridge harbour museum tower")))
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    write_article(corpus / "tower.md", "The tower", "", "2024-07-01", "A tower stands in Kell.")
    synced.sync()
    after = len(found)
    while len(found) < after + 8 and not failures:
        stop.wait(0.01)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    three = {"bridge.md", "harbour.md", "museum.md"}
    assert all(state in (three, three | {"tower.md"}) for state in found)
    assert found[-1] == three | {"tower.md"}


def test_the_asynchronous_twins_give_the_same(synced: Assistant) -> None:
    async def both() -> tuple[list[Hit], Answer]:
        return await asyncio.gather(synced.asearch("bridge", 2), synced.aask("What did the bridge cost?"))

    hits, answer = asyncio.run(both())
    assert hits == synced.search("bridge", 2)
    assert answer.text == synced.ask("What did the bridge cost?").text


def test_a_second_writer_is_refused_while_the_first_is_at_work(open_assistant: Opener) -> None:
    first, second = open_assistant(), open_assistant()
    refused = []

    def interfere(step: str, done: int, total: int) -> None:
        with pytest.raises(IndexBusy, match="process") as busy:
            second.sync()
        refused.append(busy.value)

    assert first.sync(progress=interfere).articles == 3
    assert refused
    assert second.sync().count("unchanged") == 3


# -- refusals ----------------------------------------------------------------------------------------------


def test_a_read_only_assistant_answers_and_never_syncs(
    synced: Assistant, corpus: Path, embedder: WordEmbedder, tmp_path: Path
) -> None:
    catalog = (tmp_path / "index" / "catalog.sqlite3").read_bytes()
    generation = str(synced.status()["generation"])
    settings = Settings(corpus, tmp_path / "index")
    with Assistant(settings, embedder, load_reader(), read_only=True) as reader:
        with pytest.raises(InvalidSetting, match="read-only"):
            reader.sync()
        assert "bridge.md" in locations(reader.search("bridge"))
        assert len(reader.articles()) == 3
    assert (tmp_path / "index" / "catalog.sqlite3").read_bytes() == catalog
    assert [path.name for path in (tmp_path / "index" / "generations").iterdir()] == [generation]


def test_an_index_of_another_corpus_is_not_answered_from(
    open_assistant: Opener, synced: Assistant, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    write_article(other / "tower.md", "The tower", "", "2024-07-01", "A tower stands in Kell.")
    assistant = open_assistant(corpus=other)
    with pytest.raises(IndexMismatch, match="sync this one") as refused:
        assistant.search("tower")
    assert str(other) in str(refused.value)
    assistant.sync()
    assert locations(assistant.search("tower bridge harbour")) == {"tower.md"}


def test_an_empty_index_says_so_and_not_that_filters_are_too_narrow(embedder: WordEmbedder, tmp_path: Path) -> None:
    assistant = Assistant(Settings(corpus=tmp_path / "none", index=tmp_path / "index"), embedder, load_reader())
    (tmp_path / "none").mkdir()
    article = tmp_path / "one" / "bridge.md"
    write_article(article, "The bridge", "", "2024-01-01", "Of the bridge.")
    assistant.sync([article])
    question = "Who opened the bridge?"
    assert "filters" in assistant.ask(question, since="2030-01-01").reason
    assistant.sync(forget=[article])
    for source in (None, "The Daily Stone"):
        answer = assistant.ask(question, source=source)
        assert answer.abstained
        assert "the index is empty; type: assistant sync" in answer.reason
    assistant.close()


def test_a_closed_assistant_opens_again_when_it_is_used(synced: Assistant) -> None:
    synced.close()
    synced.close()
    assert "bridge.md" in locations(synced.search("bridge"))


def test_opening_reads_nothing_and_names_the_folders_given(corpus: Path, tmp_path: Path) -> None:
    with Assistant.open(corpus=corpus, index=tmp_path / "elsewhere") as assistant:
        assert assistant.settings.corpus == corpus
        assert assistant.settings.index == tmp_path / "elsewhere"
        assert not assistant.indexed
    assert not (tmp_path / "elsewhere").exists()


def test_a_follow_up_of_function_words_is_asked_with_its_history(open_assistant: Callable[..., Assistant]) -> None:
    assistant = open_assistant()
    assistant.sync()
    with pytest.raises(InvalidQuestion):
        assistant.ask("Why?")
    answer = assistant.ask("Why?", history=[Turn("Did Mara Lind open the bridge?", "")])
    assert "bridge" in answer.asked


# -- what is in no passage ---------------------------------------------------------------------------------


def test_a_name_in_a_menu_is_not_said_to_be_mentioned_nowhere(open_assistant: Opener, corpus: Path) -> None:
    prose = "The river bridge was opened on Friday. It had cost twelve million crowns, the mayor of the town said."
    text = f"{prose}\n\nLatest news\n\nOdile Brandt\n\nWeather\n\nAbout our paper\n\n{prose}"
    write_article(corpus / "paper.md", "A bridge", "The Paper", "2024-05-01", text)
    assistant = open_assistant()
    assistant.sync()
    assert assistant.ask("Who is Odile Brandt?").reason == "no passage that is searched mentions Odile Brandt"
    assert assistant.ask("Who is Odile Brand?").reason == "they do not mention Odile Brand"
