"""Sources to the index: what is done, what is left alone, and what survives a kill or a damaged file."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import Built, WordEmbedder, write_article

from assistant import Assistant, Settings, sources, sync, vectors
from assistant.catalog import Catalog
from assistant.errors import (
    IndexDamaged,
    IndexMismatch,
    IndexMissing,
    IndexUnusable,
    ModelUnavailable,
    SourceMissing,
)
from assistant.generations import IndexFolder
from assistant.reading import load_reader
from assistant.schema import Article, Outcome, Source, SyncReport
from assistant.sources.web import Web
from assistant.sync import State, synchronise
from assistant.vectors import VectorIndex

STONE = "The Daily Stone"


@pytest.fixture(autouse=True)
def verified_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same verification, without the second that a process of its own takes to start.

    The fixtures that build once, the syncs that are killed and test_vectors.py verify in a process of their own.
    """
    monkeypatch.setattr(
        vectors, "_complaint_elsewhere", lambda order: vectors._complaint(json.loads(json.dumps(order)))
    )


def counts(report: SyncReport) -> dict[str, int]:
    return {what: count for what, count in report.to_dict()["counts"].items() if count}


def outcomes(report: SyncReport, what: str) -> list[Outcome]:
    return [outcome for outcome in report.outcomes if outcome.what == what]


def texts(assistant: Assistant, query: str, **where: Any) -> str:
    """All that a search finds, in one string: small corpora are found whole."""
    return "\n".join(hit.text for hit in assistant.search(query, 100, **where))


def generations(folder: IndexFolder) -> list[str]:
    return sorted(path.name for path in folder.generation(1).parent.iterdir())


def contents(folder: IndexFolder) -> dict[str, Any]:
    """What the index says, without the numbers of generations: articles, passages, vectors in both places, full text."""
    number = folder.current()
    catalog = Catalog(folder.catalog)
    index = VectorIndex(folder.generation(number))
    try:
        articles = catalog.articles(number)
        ids = catalog.passage_ids("alive", number)
        words = {word for article in articles for word in f"{article.title} {article.text}".split()}
        stored = index._collection.get(include=["embeddings", "metadatas"])
        return {
            "articles": articles,
            "sentences": [catalog.sentences(article.id, number) for article in articles],
            "passages": {id_: (p, a.id, v.tolist()) for id_, (p, a, v) in catalog.passages(ids, number).items()},
            "full text": {word: sorted(id_ for id_, _ in catalog.lexical([word], 1000, number)) for word in words},
            "chroma": {
                id_: (np.round(vector, 4).tolist(), metadata)
                for id_, vector, metadata in zip(stored["ids"], stored["embeddings"], stored["metadatas"], strict=True)
            },
        }
    finally:
        index.close()
        catalog.close()


def sync_clean(corpus: Path, root: Path) -> IndexFolder:
    """An index made in one go, to compare with."""
    folder = IndexFolder(root)
    synchronise(folder, WordEmbedder(), corpus=corpus, passage_words=90, overlap_words=25)
    return folder


# -- what changed ------------------------------------------------------------------------------------------


def test_a_first_sync_adds_every_article(open_assistant: Callable[..., Assistant], embedder: WordEmbedder) -> None:
    assistant = open_assistant()
    steps: list[tuple[str, int, int]] = []
    report = assistant.sync(progress=lambda *step: steps.append(step))
    assert counts(report) == {"added": 3}
    assert (report.articles, report.passages) == (3, 3)
    assert len(embedder.embedded) == 3
    for step in ("reading", "embedding", "indexing"):
        assert [s for s in steps if s[0] == step][-1] == (step, 3, 3)


def test_articles_are_embedded_and_stored_some_at_a_time(
    open_assistant: Callable[..., Assistant],
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = contents(sync_clean(corpus, tmp_path / "whole"))
    monkeypatch.setattr(sync, "_AT_A_TIME", 1)
    batches: list[int] = []
    passages = WordEmbedder.passages

    def counted(embedder: WordEmbedder, texts: Sequence[str]) -> Iterator[tuple[int, Any]]:
        batches.append(len(texts))
        return passages(embedder, texts)

    monkeypatch.setattr(WordEmbedder, "passages", counted)
    assistant = open_assistant()
    steps: list[tuple[str, int, int]] = []
    report = assistant.sync(progress=lambda *step: steps.append(step))
    assert counts(report) == {"added": 3}
    assert batches == [1, 1, 1]
    assert contents(IndexFolder(assistant.settings.index)) == whole
    embedding = [(done, total) for step, done, total in steps if step == "embedding"]
    # The total is a guess, from the articles read, until all are.
    assert embedding == [(1, 3), (2, 3), (3, 3)]
    (corpus / "museum.md").unlink()
    write_article(corpus / "a.md", "A", STONE, "2024-01-01", "The first to be read is the only one that is new.")
    steps.clear()
    report = assistant.sync(progress=lambda *step: steps.append(step))
    assert counts(report) == {"added": 1, "unchanged": 2, "removed": 1}
    assert [step for step in steps if step[0] == "embedding"][-1] == ("embedding", 1, 1)
    assert counts(assistant.sync(rebuild=True)) == {"changed": 3}


def test_a_second_sync_does_nothing(
    open_assistant: Callable[..., Assistant], embedder: WordEmbedder, index_folder: IndexFolder
) -> None:
    assistant = open_assistant()
    first = assistant.sync().generation
    embedder.embedded.clear()
    before = index_folder.generation(first).stat().st_mtime_ns
    report = assistant.sync()
    assert counts(report) == {"unchanged": 3}
    assert report.generation == index_folder.current() == first
    assert embedder.embedded == []
    assert generations(index_folder) == [str(first)]
    assert index_folder.generation(first).stat().st_mtime_ns == before


def test_only_changed_articles_are_embedded_again_and_replace_the_old(
    open_assistant: Callable[..., Assistant],
    embedder: WordEmbedder,
    corpus: Path,
    index_folder: IndexFolder,
    tmp_path: Path,
) -> None:
    """An edited, a removed and a new article; the index equals one made in one go; the last two generations stay."""
    assistant = open_assistant()
    first = assistant.sync().generation
    embedder.embedded.clear()
    write_article(corpus / "bridge.md", "The river bridge", STONE, "2024-03-01", "The bridge was torn down.")
    (corpus / "museum.md").unlink()
    write_article(corpus / "tower.md", "The tower", STONE, "2024-07-01", "A tower stands in Kell.")
    report = assistant.sync()
    assert counts(report) == {"added": 1, "changed": 1, "unchanged": 1, "removed": 1}
    assert [outcome.location for outcome in outcomes(report, "removed")] == ["museum.md"]
    assert sorted(text.split("\n")[0] for text in embedder.embedded) == ["The river bridge", "The tower"]
    found = texts(assistant, "bridge museum tower harbour clocks Mara Lind")
    assert "torn down" in found
    assert "tower stands" in found
    assert "Mara Lind" not in found
    assert "clocks" not in found
    assert contents(index_folder) == contents(sync_clean(corpus, tmp_path / "clean"))
    assert generations(index_folder) == [str(first), str(report.generation)]
    write_article(corpus / "tower.md", "The tower", STONE, "2024-07-02", "A tower stands in Kell.")
    newest = assistant.sync().generation
    assert generations(index_folder) == [str(report.generation), str(newest)]


def test_an_edit_at_the_end_keeps_the_passages_before_it(
    open_assistant: Callable[..., Assistant],
    embedder: WordEmbedder,
    corpus: Path,
    index_folder: IndexFolder,
    tmp_path: Path,
) -> None:
    """The same passage id dies and is born in one sync, and stays findable."""
    body = "\n\n".join(f"Paragraph {i} tells of the lighthouse number {i} and what its keeper saw." for i in range(30))
    write_article(corpus / "long.md", "Lighthouses", STONE, "2024-01-01", body)
    assistant = open_assistant()
    total = assistant.sync().passages
    embedder.embedded.clear()
    write_article(corpus / "long.md", "Lighthouses", STONE, "2024-01-01", body + "\n\nThe zebra came last.")
    assistant.sync()
    assert 1 <= len(embedder.embedded) <= 2 < total - 3
    assert "zebra" in assistant.search("zebra")[0].text
    assert contents(index_folder) == contents(sync_clean(corpus, tmp_path / "clean"))


def test_a_renamed_file_is_the_same_text_under_a_new_name(
    open_assistant: Callable[..., Assistant], embedder: WordEmbedder, corpus: Path
) -> None:
    assistant = open_assistant()
    assistant.sync()
    embedder.embedded.clear()
    (corpus / "bridge.md").rename(corpus / "crossing.md")
    report = assistant.sync()
    assert counts(report) == {"renamed": 1, "unchanged": 2}
    assert [(o.location, o.reason) for o in outcomes(report, "renamed")] == [("crossing.md", "was bridge.md")]
    assert embedder.embedded == []
    assert [hit.article.location for hit in assistant.search("Mara Lind", 100) if "Mara" in hit.text] == ["crossing.md"]


def test_a_new_date_is_what_the_filter_sees_and_nothing_is_embedded(
    open_assistant: Callable[..., Assistant], embedder: WordEmbedder, corpus: Path
) -> None:
    assistant = open_assistant()
    assistant.sync()
    embedder.embedded.clear()
    path = corpus / "bridge.md"
    path.write_text(path.read_text().replace("2024-03-01", "2025-03-01").replace(STONE, "Evening Lamp"))
    report = assistant.sync()
    assert counts(report) == {"changed": 1, "unchanged": 2}
    assert embedder.embedded == []
    assert assistant.article("bridge.md").published == date(2025, 3, 1)
    assert "Mara Lind" in texts(assistant, "bridge", since="2025-03-01", until="2025-03-01", source="Evening Lamp")
    assert "Mara Lind" not in texts(assistant, "bridge", until="2025-02-28")
    assert "Mara Lind" not in texts(assistant, "bridge", source=STONE)


def test_all_articles_may_go(open_assistant: Callable[..., Assistant], corpus: Path) -> None:
    assistant = open_assistant()
    assistant.sync()
    # A folder that is empty all at once is taken for a disk that is not there.
    for left in (1, 0):
        for path in sorted(corpus.iterdir())[left:]:
            path.unlink()
        report = assistant.sync()
    assert (counts(report), report.articles, report.passages) == ({"removed": 1}, 0, 0)
    assert assistant.search("bridge") == []


# -- what cannot be read -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoiled", "what", "reason"),
    [(b'---\ntitle: "open\n---\n\nText.\n', "failed", "YAML"), (b" \n\n", "skipped", "empty")],
    ids=["broken front matter", "empty"],
)
def test_a_file_that_became_unreadable_keeps_its_last_readable_version(
    open_assistant: Callable[..., Assistant], corpus: Path, spoiled: bytes, what: str, reason: str
) -> None:
    assistant = open_assistant()
    assistant.sync()
    readable = (corpus / "bridge.md").read_bytes()
    (corpus / "bridge.md").write_bytes(spoiled)
    for report in (assistant.sync(), assistant.sync(), assistant.sync(rebuild=True)):
        (outcome,) = outcomes(report, what)
        assert outcome.location == "bridge.md"
        assert reason in outcome.reason
        assert "its last readable version stays" in outcome.reason
        assert "Mara Lind" in texts(assistant, "bridge")
    (corpus / "bridge.md").write_bytes(readable.replace(b"Mara Lind", b"Tove Aal"))
    assert counts(assistant.sync()) == {"changed": 1, "unchanged": 2}
    assert "Mara Lind" not in texts(assistant, "bridge")


def test_files_that_never_were_articles_are_reported_and_the_rest_is_indexed(
    open_assistant: Callable[..., Assistant], corpus: Path
) -> None:
    (corpus / "empty.md").write_text("")
    (corpus / "picture.png").write_bytes(b"\x89PNG")
    (corpus / "broken.md").write_text('---\ntitle: "open\n---\n\nText.\n')
    report = open_assistant().sync()
    assert counts(report) == {"added": 3, "skipped": 2, "failed": 1}
    assert all(outcome.reason for outcome in report.outcomes if outcome.what in ("skipped", "failed"))


def test_a_folder_of_hostile_files_costs_no_article_and_every_file_has_its_outcome(
    open_assistant: Callable[..., Assistant], corpus: Path
) -> None:
    from made_files import docx, pdf, zipped

    hostile: dict[str, bytes] = {
        "bomb.docx": zipped({"word/document.xml": b"\x00" * 30_000_000}),
        "bomb.epub": zipped({f"{i}.xhtml": b"x" * 1_000_000 for i in range(100)}),
        "bomb.pdf": pdf([], stream=b"q\n" * 60_000_000),
        "traversal.epub": zipped({"../../../etc/cron.d/evil": "x"}),
        "scanned.pdf": pdf([[]]),
        "cut.pdf": pdf([["Words."]])[:200],
        "cut.docx": docx(["Words."])[:3_000],
        "entities.epub": zipped({"META-INF/container.xml": "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><x>&e;</x>"}),
        "line.txt": b"x" * 6_000_000,
        "nul.txt": b"\x00" * 10_000,
        "bytes.md": bytes(range(128, 256)) * 50,
        "deep.html": b"<div>" * 10_000 + b"words",
        "mail.eml": b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--x\n" * 5_000,
    }  # fmt: skip
    for name, raw in hostile.items():
        (corpus / name).write_bytes(raw)
    before = sorted(path for path in corpus.parent.rglob("*") if path.is_file())
    report = open_assistant().sync()
    assert report.count("added") == 3
    told = {outcome.location: outcome for outcome in report.outcomes if outcome.what in ("failed", "skipped")}
    assert set(told) == set(hostile)
    assert all(outcome.reason and "\n" not in outcome.reason for outcome in told.values())
    after = sorted(
        path for path in corpus.parent.rglob("*") if path.is_file() and corpus.parent / "index" not in path.parents
    )
    assert after == before
    assert report.articles == 3


# -- sources -----------------------------------------------------------------------------------------------


@pytest.fixture
def extra(tmp_path: Path) -> Path:
    folder = tmp_path / "extra"
    write_article(folder / "tower.md", "The tower", STONE, "2024-07-01", "A tower stands in Kell.")
    return folder


def test_an_extra_source_is_remembered_and_keeps_its_articles_when_it_is_gone(
    open_assistant: Callable[..., Assistant], extra: Path
) -> None:
    assistant = open_assistant()
    assistant.sync()
    assert counts(assistant.sync([extra])) == {"added": 1}
    assert len(assistant.articles()) == 4
    write_article(extra / "tower.md", "The tower", STONE, "2024-07-01", "The tower of Kell leans.")
    assert counts(assistant.sync()) == {"changed": 1, "unchanged": 3}
    shutil.rmtree(extra)
    for rebuild in (False, True):
        report = assistant.sync(rebuild=rebuild)
        (failed,) = outcomes(report, "failed")
        assert failed.location == str(extra)
        assert "its articles stay" in failed.reason
        assert failed.reason.endswith(f"type: assistant sync --forget {extra}")
        assert "leans" in texts(assistant, "tower")


def test_what_a_listing_shows_twice_is_one_article(
    open_assistant: Callable[..., Assistant], extra: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever kind of source has the fault: two rows of one article would end every sync."""
    listing = sources.listing

    def twice(source: Source, web: Web) -> sources.Listing:
        shown = listing(source, web)
        return replace(shown, found=[*shown.found, *shown.found])

    monkeypatch.setattr(sources, "listing", twice)
    assistant = open_assistant()
    assert counts(assistant.sync([extra])) == {"added": 1}
    assert counts(assistant.sync([extra])) == {"unchanged": 1}


def test_a_source_that_never_was_there_is_refused_and_not_remembered(
    open_assistant: Callable[..., Assistant], tmp_path: Path
) -> None:
    assistant = open_assistant()
    assistant.sync()
    with pytest.raises(SourceMissing, match="nowhere"):
        assistant.sync([tmp_path / "nowhere"])
    assert counts(assistant.sync()) == {"unchanged": 3}


def test_a_corpus_that_is_gone_is_an_error_and_empties_nothing(
    open_assistant: Callable[..., Assistant], corpus: Path
) -> None:
    assistant = open_assistant()
    assistant.sync()
    shutil.move(corpus, corpus.with_name("moved"))
    with pytest.raises(SourceMissing):
        assistant.sync()
    assert len(assistant.articles()) == 3


def test_a_folder_that_is_empty_all_at_once_keeps_its_articles(
    open_assistant: Callable[..., Assistant], tmp_path: Path
) -> None:
    assistant = open_assistant()
    folder, aside = tmp_path / "disk", tmp_path / "aside"
    for name in ("a", "b"):
        write_article(folder / f"{name}.md", f"News {name}", "Post", "2024-01-01", f"The lamp {name} was lit in Vell.")
    assistant.sync([folder])
    folder.rename(aside)
    folder.mkdir()
    report = assistant.sync([folder])
    [failed] = [outcome for outcome in report.outcomes if outcome.what == "failed"]
    assert (
        failed.reason
        == f"{folder} is empty now; its articles stay; to remove them type: assistant sync --forget {folder}"
    )
    assert len(assistant.articles()) == 2
    folder.rmdir()
    aside.rename(folder)
    assert counts(assistant.sync([folder])) == {"unchanged": 2}


@pytest.mark.parametrize(
    ("name", "empty", "says"),
    [
        ("e.csv", "", "holds no row now"),
        ("e.csv", "title,text\n", "holds no row now"),
        ("e.json", "[]", "holds no row now"),
        ("*.md", None, "fits no file now"),
    ],
)
def test_an_export_or_pattern_that_is_empty_all_at_once_keeps_its_articles(
    open_assistant: Callable[..., Assistant], tmp_path: Path, name: str, empty: str | None, says: str
) -> None:
    assistant = open_assistant()
    folder = tmp_path / "exports"
    folder.mkdir()
    rows = [{"title": f"News {each}", "text": f"The lamp {each} was lit in Vell."} for each in "ab"]
    if empty is None:
        for row in rows:
            write_article(folder / f"{row['title']}.md", row["title"], "Post", "2024-01-01", row["text"])
    elif name == "e.csv":
        (folder / name).write_text("title,text\n" + "".join(f"{row['title']},{row['text']}\n" for row in rows))
    else:
        (folder / name).write_text(json.dumps(rows))
    place = folder / name
    assert counts(assistant.sync([place])) == {"added": 2}
    if empty is None:
        for path in folder.iterdir():
            path.unlink()
    else:
        place.write_text(empty)
    for rebuild in (False, True):
        [failed] = outcomes(assistant.sync(rebuild=rebuild), "failed")
        assert f"{place} {says}; its articles stay; to remove them type: assistant sync --forget" in failed.reason
    assert {"News a", "News b"} <= {article.title for article in assistant.articles()}


def sync_by_hand(folder: IndexFolder, corpus: Path, **options: Any) -> SyncReport:
    return synchronise(folder, WordEmbedder(), corpus=corpus, passage_words=90, overlap_words=25, **options)


def remembered(folder: IndexFolder) -> set[str]:
    catalog = Catalog(folder.catalog)
    try:
        return set(catalog.sources())
    finally:
        catalog.close()


def test_a_bare_sync_of_named_sources_does_not_bring_in_the_bundled_corpus(
    index_folder: IndexFolder, extra: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "default_corpus", lambda: corpus)
    assert sync_by_hand(index_folder, corpus, chosen=[extra]).articles == 1
    assert counts(sync_by_hand(index_folder, corpus)) == {"unchanged": 1}
    assert remembered(index_folder) == {str(extra)}
    assert sync_by_hand(index_folder, corpus, chosen=[corpus]).articles == 4
    assert counts(sync_by_hand(index_folder, corpus)) == {"unchanged": 4}


def test_a_bare_sync_of_named_sources_reads_a_corpus_that_was_asked_for(
    index_folder: IndexFolder, extra: Path, corpus: Path
) -> None:
    """One that is not the bundled one was named: by an option, the environment or from Python."""
    sync_by_hand(index_folder, corpus, chosen=[extra])
    assert sync_by_hand(index_folder, corpus).articles == 4


def test_a_pattern_is_a_source_of_what_fits_it(index_folder: IndexFolder, corpus: Path, extra: Path) -> None:
    pattern = extra / "**" / "t*.md"
    write_article(extra / "sub" / "tunnel.md", "Tunnel", STONE, "2024-07-01", "A tunnel leads to Kell.")
    write_article(extra / "other.md", "Other", STONE, "2024-07-01", "Another text.")
    assert counts(sync_by_hand(index_folder, corpus, chosen=[pattern])) == {"added": 2}
    (extra / "sub" / "tunnel.md").unlink()
    assert counts(sync_by_hand(index_folder, corpus, chosen=[pattern])) == {"unchanged": 1, "removed": 1}
    report = sync_by_hand(index_folder, corpus, chosen=[extra])
    assert counts(report) == {"added": 1, "skipped": 1}
    report = sync_by_hand(index_folder, corpus, forget=[pattern])
    # The pattern's file is the folder's from now on, and the corpus, which was asked for, is read too.
    assert counts(report) == {"removed": 1, "added": 4, "unchanged": 1}
    with pytest.raises(SourceMissing, match="no file fits"):
        sync_by_hand(index_folder, corpus, chosen=[extra / "x*.md"])


def test_two_files_that_change_places_are_both_changed_and_two_that_moved_are_renamed(
    index_folder: IndexFolder, corpus: Path
) -> None:
    sync_by_hand(index_folder, corpus)
    bridge, museum = (corpus / "bridge.md").read_bytes(), (corpus / "museum.md").read_bytes()
    (corpus / "bridge.md").write_bytes(museum)
    (corpus / "museum.md").write_bytes(bridge)
    assert counts(sync_by_hand(index_folder, corpus)) == {"changed": 2, "unchanged": 1}
    (corpus / "sub").mkdir()
    for name in ("bridge.md", "museum.md"):
        (corpus / name).rename(corpus / "sub" / name)
    report = sync_by_hand(index_folder, corpus)
    assert counts(report) == {"renamed": 2, "unchanged": 1}
    assert report.articles == 3


@pytest.mark.parametrize("rebuild", [False, True])
def test_a_source_that_was_a_deleted_file_goes_with_its_article(
    index_folder: IndexFolder, corpus: Path, extra: Path, rebuild: bool
) -> None:
    sync_by_hand(index_folder, corpus)
    assert sync_by_hand(index_folder, corpus, chosen=[extra / "tower.md"]).articles == 4
    (extra / "tower.md").unlink()
    report = sync_by_hand(index_folder, corpus, rebuild=rebuild)
    assert [outcome.location for outcome in outcomes(report, "removed")] == ["tower.md"]
    assert (report.articles, report.count("failed")) == (3, 0)
    assert remembered(index_folder) == {"corpus"}


def test_a_file_whose_folder_is_gone_too_keeps_its_article(
    index_folder: IndexFolder, corpus: Path, extra: Path
) -> None:
    sync_by_hand(index_folder, corpus)
    sync_by_hand(index_folder, corpus, chosen=[extra / "tower.md"])
    shutil.rmtree(extra)
    report = sync_by_hand(index_folder, corpus)
    assert (report.articles, report.count("failed")) == (4, 1)


@pytest.mark.parametrize("gone", [True, False])
def test_a_source_can_be_forgotten_with_its_articles_whether_its_files_are_there_or_not(
    index_folder: IndexFolder, corpus: Path, extra: Path, gone: bool
) -> None:
    sync_by_hand(index_folder, corpus)
    sync_by_hand(index_folder, corpus, chosen=[extra])
    if gone:
        shutil.rmtree(extra)
    report = sync_by_hand(index_folder, corpus, forget=[extra])
    assert counts(report) == {"unchanged": 3, "removed": 1}
    assert [outcome.location for outcome in outcomes(report, "removed")] == ["tower.md"]
    assert remembered(index_folder) == {"corpus"}
    assert counts(sync_by_hand(index_folder, corpus)) == {"unchanged": 3}


def test_a_source_without_articles_can_be_forgotten_too(
    index_folder: IndexFolder, corpus: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    sync_by_hand(index_folder, corpus, chosen=[tmp_path / "empty"])
    assert len(remembered(index_folder)) == 1
    sync_by_hand(index_folder, corpus, forget=[tmp_path / "empty"])
    assert remembered(index_folder) == {"corpus"}


def test_only_a_remembered_source_can_be_forgotten_and_never_the_corpus(
    index_folder: IndexFolder, corpus: Path, extra: Path
) -> None:
    sync_by_hand(index_folder, corpus)
    for path in (extra, corpus, Path("corpus")):
        with pytest.raises(SourceMissing, match="assistant sources"):
            sync_by_hand(index_folder, corpus, forget=[path])


def test_a_file_of_the_corpus_named_by_itself_is_not_indexed_twice(index_folder: IndexFolder, corpus: Path) -> None:
    sync_by_hand(index_folder, corpus)
    report = sync_by_hand(index_folder, corpus, chosen=[corpus / "bridge.md"])
    (skipped,) = outcomes(report, "skipped")
    assert (skipped.location, report.articles) == ("bridge.md", 3)
    assert skipped.reason == f"already in {corpus}; to read that again type: assistant sync"
    assert counts(sync_by_hand(index_folder, corpus)) == {"unchanged": 3}


def test_a_file_indexed_before_its_folder_is_retired_for_the_folders_own(
    index_folder: IndexFolder, corpus: Path
) -> None:
    assert sync_by_hand(index_folder, corpus, chosen=[corpus / "bridge.md"]).articles == 1
    report = sync_by_hand(index_folder, corpus)
    assert counts(report) == {"added": 3, "skipped": 1}
    assert (report.articles, outcomes(report, "skipped")[0].reason) == (3, f"already in {corpus}")
    assert remembered(index_folder) == {"corpus"}
    assert counts(sync_by_hand(index_folder, corpus)) == {"unchanged": 3}


def test_a_folder_around_an_earlier_source_adds_only_what_that_has_not(
    index_folder: IndexFolder, corpus: Path, tmp_path: Path
) -> None:
    """Hidden folders of the earlier source are not read there, and so not its own."""
    sync_by_hand(index_folder, corpus)
    write_article(corpus / ".drafts" / "hidden.md", "Hidden", STONE, "2024-01-01", "A hidden draft.")
    write_article(tmp_path / "around" / "link.md", "x", "x", "2024-01-01", "x")
    (tmp_path / "around" / "link.md").unlink()
    corpus.rename(tmp_path / "around" / "corpus")
    corpus = tmp_path / "around" / "corpus"
    write_article(tmp_path / "around" / "new.md", "New", STONE, "2024-01-01", "A new text.")
    (tmp_path / "around" / "link.md").symlink_to(corpus / "museum.md")
    for _ in range(2):
        report = sync_by_hand(index_folder, corpus, chosen=[corpus, tmp_path / "around"])
        assert report.articles == 4
        assert sorted(outcome.location for outcome in outcomes(report, "skipped")) == [
            "corpus/bridge.md", "corpus/harbour.md", "corpus/museum.md", "link.md",
        ]  # fmt: skip
    assert sync_by_hand(index_folder, corpus, chosen=[corpus / ".drafts"]).articles == 5


def test_a_subfolder_that_cannot_be_listed_keeps_its_articles_and_the_rest_is_synced(
    index_folder: IndexFolder, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_article(corpus / "sub" / "tower.md", "The tower", STONE, "2024-07-01", "A tower stands in Kell.")
    sync_by_hand(index_folder, corpus)
    (corpus / "bridge.md").unlink()
    scandir = os.scandir

    def refusing(path: str) -> Any:
        # As without permission, which the tests' user, being root, may have everywhere.
        if str(path) == str(corpus / "sub"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    for rebuild in (False, True):
        report = sync_by_hand(index_folder, corpus, rebuild=rebuild)
        (failed,) = outcomes(report, "failed")
        assert (failed.location, report.articles) == ("sub", 3)
        assert failed.reason == "cannot be listed: Permission denied; its articles stay"


def test_a_sync_with_nothing_to_split_does_not_import_the_splitters_framework(built: Built, tmp_path: Path) -> None:
    shutil.copytree(built.index, tmp_path / "index")
    code = (
        "import sys; from pathlib import Path; corpus, root, here = sys.argv[1:]; sys.path.insert(0, here);"
        "from conftest import WordEmbedder; from assistant.generations import IndexFolder;"
        "from assistant.sync import synchronise;"
        "report = synchronise(IndexFolder(Path(root)), WordEmbedder(), corpus=Path(corpus), passage_words=90, overlap_words=25);"
        "print(report.count('unchanged'), [m for m in ('llama_index', 'chromadb') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code, built.corpus, tmp_path / "index", Path(__file__).parent]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "12 []\n"


# -- other models and sizes --------------------------------------------------------------------------------


class OtherEmbedder(WordEmbedder):
    """Another model: its vectors have twice the length."""

    fingerprint = "words-512"

    def question(self, text: str) -> np.ndarray:
        half = super().question(text)
        return np.concatenate([half, half]) / np.float32(2**0.5)


def test_another_passage_size_needs_a_rebuild_which_works(
    open_assistant: Callable[..., Assistant], corpus: Path, index_folder: IndexFolder, tmp_path: Path
) -> None:
    body = " ".join(f"Sentence number {i} tells of the lighthouse keeper." for i in range(20))
    write_article(corpus / "long.md", "Lighthouses", STONE, "2024-01-01", body)
    wide = open_assistant()
    passages = wide.sync().passages
    narrow = open_assistant(passage_words=30, overlap_words=5)
    for refused in (narrow.sync, lambda: narrow.search("keeper"), narrow.articles):
        with pytest.raises(IndexMismatch, match=r"splitter.*assistant sync --rebuild"):
            refused()
    assert len(wide.search("keeper", 100)) == passages
    assert narrow.sync(rebuild=True).passages > passages
    assert "keeper" in texts(narrow, "keeper")
    with pytest.raises(IndexMismatch, match=r"splitter.*assistant sync --rebuild"):
        wide.search("keeper")


def test_another_embedding_model_needs_a_rebuild_which_embeds_everything(
    open_assistant: Callable[..., Assistant], corpus: Path, tmp_path: Path
) -> None:
    open_assistant().sync()
    other = OtherEmbedder()
    assistant = Assistant(Settings(corpus, tmp_path / "index"), other, load_reader())
    for refused in (assistant.sync, lambda: assistant.search("bridge")):
        with pytest.raises(IndexMismatch, match=r"words-256.*words-512.*assistant sync --rebuild"):
            refused()
    assert counts(assistant.sync(rebuild=True)) == {"changed": 3}
    assert len(other.embedded) == 3
    assert "Mara Lind" in assistant.search("bridge")[0].text
    assistant.close()


class BrokenEmbedder(WordEmbedder):
    """Half way through, its vectors are no numbers."""

    def passages(self, texts: Sequence[str]) -> Any:
        for i, vector in super().passages(texts):
            yield i, vector * (np.nan if i else 1)


def test_vectors_that_are_no_numbers_are_refused_and_never_kept(
    open_assistant: Callable[..., Assistant], corpus: Path, index_folder: IndexFolder, tmp_path: Path
) -> None:
    with pytest.raises(ModelUnavailable, match="no numbers"):
        synchronise(index_folder, BrokenEmbedder(), corpus=corpus, passage_words=90, overlap_words=25)
    assert index_folder.current() == 0
    open_assistant().sync()
    assert contents(index_folder) == contents(sync_clean(corpus, tmp_path / "clean"))


# -- damage ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """An index in its second generation, to be copied and damaged."""
    root = tmp_path_factory.mktemp("built")
    for i in range(12):
        write_article(
            root / "corpus" / f"a{i}.md", f"Article {i}", STONE, "2024-01-01", f"The bridge {i} is open. " * 40
        )
    folder = sync_clean(root / "corpus", root / "index")
    write_article(root / "corpus" / "a3.md", "Article 3", STONE, "2024-01-02", "The ferry is closed.")
    sync_clean(root / "corpus", root / "index")
    assert len(generations(folder)) == 2
    return Built(root / "corpus", root / "index", contents(sync_clean(root / "corpus", root / "clean")))


def _tear_pages(index: Path) -> None:
    path = index / "catalog.sqlite3"
    content = path.read_bytes()
    path.write_bytes(content[:8192] + b"\xff" * (len(content) - 8192))


def _answering(index: Path) -> Path:
    folder = IndexFolder(index)
    return folder.generation(folder.current())


def _halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


CATALOG_DAMAGE: dict[str, Callable[[Path], object]] = {
    "catalog garbage": lambda index: (index / "catalog.sqlite3").write_bytes(b"garbage " * 2000),
    "catalog cut": lambda index: _halve(index / "catalog.sqlite3"),
    "catalog pages torn": _tear_pages,
    "catalog gone": lambda index: (index / "catalog.sqlite3").unlink(),
}
OTHER_DAMAGE: dict[str, Callable[[Path], object]] = {
    "CURRENT garbage": lambda index: (index / "CURRENT").write_text("garbage"),
    "CURRENT empty": lambda index: (index / "CURRENT").write_text(""),
    "CURRENT of no sync": lambda index: (index / "CURRENT").write_text("000099\n"),
    "CURRENT too high": lambda index: (index / "CURRENT").write_text("9" * 15),
    "generation gone": lambda index: shutil.rmtree(_answering(index)),
    "all generations gone": lambda index: shutil.rmtree(index / "generations"),
    "generation cut": lambda index: _halve(_answering(index) / "chroma.sqlite3"),
    "generation without manifest": lambda index: (_answering(index) / "sizes.json").unlink(),
}
DAMAGE = {**CATALOG_DAMAGE, **OTHER_DAMAGE}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_index_is_one_typed_line_and_a_rebuild_mends_it(built: Built, tmp_path: Path, damage: str) -> None:
    shutil.copytree(built.index, tmp_path / "index")
    DAMAGE[damage](tmp_path / "index")
    embedder = WordEmbedder()
    with Assistant(Settings(built.corpus, tmp_path / "index"), embedder, load_reader()) as assistant:
        for use in (lambda: assistant.search("bridge"), lambda: assistant.ask("Is the bridge open?"), assistant.status):
            with pytest.raises((IndexDamaged, IndexMissing, IndexMismatch)) as refused:
                use()
            assert "type: assistant sync" in str(refused.value)
            assert "\n" not in str(refused.value)
        with pytest.raises(IndexDamaged, match="type: assistant sync --rebuild"):
            assistant.sync()
        assistant.sync(rebuild=True)
        assert contents(IndexFolder(tmp_path / "index")) == built.clean
        assert "ferry" in assistant.search("ferry")[0].text
        embedded = len(embedder.embedded)
        assert embedded == 0 or damage in CATALOG_DAMAGE
        assert counts(assistant.sync()) == {"unchanged": 12}
        assert len(embedder.embedded) == embedded


def test_a_rebuild_after_a_garbled_current_keeps_what_only_the_catalog_holds(
    open_assistant: Callable[..., Assistant], extra: Path, index_folder: IndexFolder
) -> None:
    assistant = open_assistant()
    assistant.sync()
    assistant.sync([extra])
    shutil.rmtree(extra)
    (index_folder.root / "CURRENT").write_text("garbage")
    assert outcomes(assistant.sync(rebuild=True), "failed")[0].location == str(extra)
    assert "A tower stands" in texts(assistant, "tower")


@pytest.mark.parametrize("content", ["000099", "garbage"])
def test_a_current_that_names_nothing_costs_no_article(
    open_assistant: Callable[..., Assistant], extra: Path, index_folder: IndexFolder, content: str
) -> None:
    """Not even one whose file is gone: nothing is discarded after a generation that never was."""
    assistant = open_assistant()
    assistant.sync()
    assistant.sync([extra])
    shutil.rmtree(extra)
    (index_folder.root / "CURRENT").write_text(content)
    with pytest.raises(IndexDamaged):
        assistant.sync()
    assert assistant.sync(rebuild=True).articles == 4


@pytest.mark.parametrize("rebuild", [False, True])
def test_a_current_that_is_gone_costs_no_article(
    open_assistant: Callable[..., Assistant], extra: Path, index_folder: IndexFolder, *, rebuild: bool
) -> None:
    """Neither one that was given, nor one whose file is gone: what was written last answers again."""
    assistant = open_assistant()
    assistant.sync()
    assistant.sync([extra, Article("given-1", "Given", "A story that was given from Python.", STONE)])
    shutil.rmtree(extra)
    (index_folder.root / "CURRENT").unlink()
    report = assistant.sync(rebuild=rebuild)
    assert (report.articles, report.count("added")) == (5, 0)
    assert "given from Python" in texts(assistant, "story given Python")


def test_a_first_sync_that_was_killed_before_its_swap_is_finished_without_doing_it_again(
    open_assistant: Callable[..., Assistant], index_folder: IndexFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assistant = open_assistant()
    with monkeypatch.context() as patch:
        patch.setattr(IndexFolder, "swap", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            assistant.sync()
    assert state_of(index_folder) is State.WRITTEN
    assert counts(assistant.sync()) == {"unchanged": 3}
    assert "Mara Lind" in texts(assistant, "bridge")


def test_a_reader_follows_an_index_that_was_deleted_and_made_anew(
    open_assistant: Callable[..., Assistant], corpus: Path, index_folder: IndexFolder
) -> None:
    """In one process, so that Chroma's memory of paths would be in the way too."""
    reader, writer = open_assistant(), open_assistant()
    writer.sync()
    assert "Mara Lind" in texts(reader, "bridge")
    shutil.rmtree(index_folder.root)
    write_article(corpus / "bridge.md", "The river bridge", STONE, "2024-03-01", "Tove Aal opened the bridge.")
    writer.sync()
    assert "Tove Aal" in texts(reader, "bridge")


@pytest.mark.parametrize("damage", CATALOG_DAMAGE)
def test_a_rebuild_remembers_the_sources_or_says_that_they_are_forgotten(
    built: Built, extra: Path, tmp_path: Path, damage: str
) -> None:
    shutil.copytree(built.index, tmp_path / "index")
    folder = IndexFolder(tmp_path / "index")
    sync = {"corpus": built.corpus, "passage_words": 90, "overlap_words": 25}
    synchronise(folder, WordEmbedder(), chosen=[extra], **sync)
    CATALOG_DAMAGE[damage](tmp_path / "index")
    report = synchronise(folder, WordEmbedder(), rebuild=True, **sync)
    told = [outcome.reason for outcome in outcomes(report, "skipped")]
    forgotten = "sources named before are forgotten; name them again"
    assert (forgotten in told) == (report.articles != 13)


def test_a_rebuild_of_a_catalog_whose_sources_can_be_read_remembers_them(
    built: Built, extra: Path, tmp_path: Path
) -> None:
    shutil.copytree(built.index, tmp_path / "index")
    folder = IndexFolder(tmp_path / "index")
    sync = {"corpus": built.corpus, "passage_words": 90, "overlap_words": 25}
    synchronise(folder, WordEmbedder(), chosen=[extra], **sync)
    _spoil_table(folder.catalog, "vectors")
    report = synchronise(folder, WordEmbedder(), rebuild=True, **sync)
    assert report.articles == 13
    assert [outcome.reason for outcome in outcomes(report, "skipped")] == [
        "it was damaged; articles taken over from it: 13"
    ]


def test_a_first_rebuild_has_forgotten_nothing(open_assistant: Callable[..., Assistant]) -> None:
    assert counts(open_assistant().sync(rebuild=True)) == {"added": 3}


def _spoil_table(path: Path, table: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("pragma wal_checkpoint(truncate)")
        ((page, size),) = db.execute(
            "select rootpage, page_size from sqlite_master, pragma_page_size where name = ?", (table,)
        )
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)


def test_a_rebuild_finds_damage_in_any_page_of_the_catalog(built: Built, tmp_path: Path) -> None:
    """Here in the vectors, while the articles are whole."""
    shutil.copytree(built.index, tmp_path / "index")
    folder = IndexFolder(tmp_path / "index")
    _spoil_table(folder.catalog, "vectors")
    synchronise(folder, WordEmbedder(), corpus=built.corpus, passage_words=90, overlap_words=25, rebuild=True)
    assert contents(folder) == built.clean


def test_a_damaged_catalog_is_kept_aside(built: Built, tmp_path: Path) -> None:
    shutil.copytree(built.index, tmp_path / "index")
    CATALOG_DAMAGE["catalog garbage"](tmp_path / "index")
    sync = {"corpus": built.corpus, "passage_words": 90, "overlap_words": 25}
    synchronise(IndexFolder(tmp_path / "index"), WordEmbedder(), rebuild=True, **sync)
    assert (tmp_path / "index" / "catalog.damaged").read_bytes().startswith(b"garbage")


def test_an_untouched_index_rebuilds_to_itself_without_embedding(built: Built, tmp_path: Path) -> None:
    shutil.copytree(built.index, tmp_path / "index")
    folder, embedder = IndexFolder(tmp_path / "index"), WordEmbedder()
    report = synchronise(folder, embedder, corpus=built.corpus, passage_words=90, overlap_words=25, rebuild=True)
    assert (counts(report), embedder.embedded) == ({"changed": 12}, [])
    assert contents(folder) == built.clean


def _vector(number: int) -> bytes:
    """Bytes of a unit vector that no text has."""
    return np.eye(256, dtype="<f4")[number].tobytes()


GARBAGE = {
    "no unit vector": np.full(256, 7, dtype="<f4").tobytes(),
    "very large numbers": np.full(256, 3e38, dtype="<f4").tobytes(),
    "no numbers": b"\xff\xff\x8f\x7f" * 256,
    "nothing": bytes(1024),
    "another text's": _vector(0),
}


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_rebuild_does_not_trust_a_vector_that_cannot_be_or_that_chroma_contradicts(
    built: Built, tmp_path: Path, garbage: str
) -> None:
    shutil.copytree(built.index, tmp_path / "index")
    folder, embedder = IndexFolder(tmp_path / "index"), WordEmbedder()
    with closing(sqlite3.connect(folder.catalog)) as db:
        db.execute("update vectors set vector = ? where key = (select min(key) from vectors)", (GARBAGE[garbage],))
        db.commit()
    synchronise(folder, embedder, corpus=built.corpus, passage_words=90, overlap_words=25, rebuild=True)
    assert contents(folder) == built.clean
    assert len(embedder.embedded) <= 1


@pytest.mark.parametrize("chroma", [True, False])
def test_of_a_damaged_file_no_vector_is_taken_that_chroma_does_not_confirm(
    built: Built, tmp_path: Path, *, chroma: bool
) -> None:
    """Another unit vector in it could not be told from the right one."""
    shutil.copytree(built.index, tmp_path / "index")
    folder, embedder = IndexFolder(tmp_path / "index"), WordEmbedder()
    with closing(sqlite3.connect(folder.catalog)) as db:
        db.execute("update vectors set vector = ? where key = (select min(key) from vectors)", (_vector(1),))
        db.commit()
    _spoil_table(folder.catalog, "passages")
    if not chroma:
        shutil.rmtree(folder.generation(folder.current()))
    synchronise(folder, embedder, corpus=built.corpus, passage_words=90, overlap_words=25, rebuild=True)
    assert contents(folder) == built.clean
    texts = {tuple(vector) for _, _, vector in built.clean["passages"].values()}
    assert len(embedder.embedded) == (1 if chroma else len(texts))


def test_a_sync_puts_no_stored_vector_into_an_index_that_cannot_be_one(built: Built, tmp_path: Path) -> None:
    """Here that of a passage whose article only gets another day."""
    shutil.copytree(built.corpus, tmp_path / "corpus")
    folder = sync_clean(tmp_path / "corpus", tmp_path / "index")
    with closing(sqlite3.connect(folder.catalog)) as db:
        of_the_article = "select vector_key from passages join articles on articles.row = article_row where title = ?"
        change = f"update vectors set vector = ? where key in ({of_the_article})"
        db.execute(change, (GARBAGE["very large numbers"], "Article 3"))
        db.commit()
    path = tmp_path / "corpus" / "a3.md"
    path.write_text(path.read_text().replace("2024-01-02", "2024-01-03"))
    sync_clean(tmp_path / "corpus", tmp_path / "index")
    assert contents(folder) == contents(sync_clean(tmp_path / "corpus", tmp_path / "clean"))


# -- kills -------------------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
corpus, root, here, *steps = sys.argv[1:]
sys.path.insert(0, here)
from conftest import WordEmbedder
from assistant import sync, vectors
from assistant.catalog import Catalog
from assistant.generations import IndexFolder

def kill(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)

def killed_at(call, function, calls=[]):
    def counted(*arguments, **options):
        calls.append(1)
        return kill() if len(calls) == call else function(*arguments, **options)
    return counted

homes = {
    "embed": (WordEmbedder, "passages", 1),
    "store": (sync._Run, "_store_rows", 1),
    "within store": (Catalog, "add_article", 2),
    "store again": (sync._Run, "_store_rows", 2),
    "record": (sync._Run, "_record", 1),
    "within record": (Catalog, "record_copies", 1),
    "build": (sync._Run, "_build", 1),
    "within build": (vectors, "_metadata", 2),
    "verify": (vectors, "verify", 1),
    "swap": (IndexFolder, "swap", 1),
    "clean": (sync._Run, "_clean", 1),
}
# What a sync imports, once for all.
import chromadb.api.rust, filelock
for item in sync.sources.items("corpus", Path(corpus)):
    sync.Splitter(90, 25).split(sync.sources.parse(item, item.read()[0]))
for step in steps:
    child = os.fork()
    if child == 0:
        home, name, call = homes[step]
        setattr(home, name, killed_at(call, getattr(home, name)))
        folder = IndexFolder(Path(root) / ("index " + step))
        if step == "store again":
            sync._AT_A_TIME = 1
        sync.synchronise(folder, WordEmbedder(), corpus=Path(corpus), passage_words=90, overlap_words=25)
        os._exit(0)
    print(step, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), sep=":", flush=True)
"""
STEPS = {
    **dict.fromkeys(("embed", "store", "within store", "store again", "record", "within record"), State.SETTLED),
    **dict.fromkeys(("build", "within build", "verify", "swap"), State.WRITTEN),
    "clean": State.SETTLED,
}
"""What each leaves an index in."""


@dataclass(frozen=True)
class Killed:
    corpus: Path
    root: Path
    codes: dict[str, int]
    clean: dict[str, Any]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    """One index per step, in which a sync of an edited corpus was killed before, or within, that step."""
    root = tmp_path_factory.mktemp("killed")
    corpus = root / "corpus"
    for name in ("bridge", "harbour", "museum"):
        write_article(corpus / f"{name}.md", f"The {name}", STONE, "2024-01-01", f"An old sentence of the {name}.")
    sync_clean(corpus, root / "before")
    write_article(corpus / "bridge.md", "The bridge", STONE, "2024-01-02", "A new sentence of the bridge.")
    (corpus / "museum.md").unlink()
    write_article(corpus / "tower.md", "The tower", STONE, "2024-01-02", "A new sentence of the tower.")
    for step in STEPS:
        shutil.copytree(root / "before", root / f"index {step}")
    command = [sys.executable, "-c", KILLED, corpus, root, Path(__file__).parent, *STEPS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    codes = {step: int(code) for step, code in (line.split(":") for line in done.stdout.splitlines())}
    return Killed(corpus, root, codes, contents(sync_clean(corpus, root / "clean")))


def state_of(folder: IndexFolder) -> State:
    catalog = Catalog(folder.catalog)
    try:
        return sync.state(folder, catalog)
    finally:
        catalog.close()


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_sync_leaves_the_old_answers_and_the_next_one_finishes(killed: Killed, step: str) -> None:
    assert killed.codes[step] == -9
    folder, embedder = IndexFolder(killed.root / f"index {step}"), WordEmbedder()
    with Assistant(Settings(killed.corpus, folder.root), embedder, load_reader()) as assistant:
        swapped = step == "clean"
        found = texts(assistant, "sentence bridge harbour museum tower")
        assert ("old sentence of the bridge" in found) != swapped
        assert ("old sentence of the museum" in found) != swapped
        assert ("new sentence of the bridge" in found) == swapped
        assert ("new sentence of the tower" in found) == swapped
        assert assistant.status()["articles"] == 3
        assert state_of(folder) is STEPS[step]
        assistant.sync()
        assert state_of(folder) is State.SETTLED
        embedded = sorted(text.split("\n")[0] for text in embedder.embedded)
        assert embedded == (["The bridge", "The tower"] if step == "embed" else [])
        assert contents(folder) == killed.clean
        assert "new sentence of the tower" in texts(assistant, "sentence tower")
    # The two that were swapped in, whatever numbers the killed one used up.
    before = str(IndexFolder(killed.root / "before").current())
    assert generations(folder) == [before, str(folder.current())]
    assert not (folder.root / "writer.json").exists()


def test_a_reader_keeps_its_generation_though_a_killed_sync_used_up_a_number(killed: Killed, tmp_path: Path) -> None:
    """What is kept beside the new generation is the one that readers may have open, not the one between."""
    shutil.copytree(killed.root / "before", tmp_path / "index")
    folder = IndexFolder(tmp_path / "index")
    opened = folder.current()
    folder.generation(opened + 1).mkdir()
    catalog, index = Catalog(folder.catalog), VectorIndex(folder.generation(opened))
    synchronise(folder, WordEmbedder(), corpus=killed.corpus, passage_words=90, overlap_words=25)
    ids = [id_ for id_, _ in index.nearest(WordEmbedder().question("museum"), 10)]
    assert len(catalog.passages(ids, opened)) == len(ids) == 3
    index.close()
    catalog.close()
    assert generations(folder) == [str(opened), str(folder.current())]


def test_what_a_killed_sync_of_a_source_embedded_outlives_other_syncs(
    index_folder: IndexFolder, corpus: Path, extra: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync_by_hand(index_folder, corpus)
    with monkeypatch.context() as patch:
        patch.setattr(Catalog, "add_article", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            sync_by_hand(index_folder, corpus, chosen=[extra])
    write_article(corpus / "bridge.md", "The river bridge", STONE, "2024-03-01", "Tove Aal opened the bridge.")
    sync_by_hand(index_folder, corpus)
    sync_by_hand(index_folder, corpus)
    embedder = WordEmbedder()
    report = synchronise(index_folder, embedder, corpus=corpus, chosen=[extra], passage_words=90, overlap_words=25)
    assert (counts(report), embedder.embedded) == ({"added": 1}, [])


@pytest.mark.parametrize("fault", ["room", "model", "stop"])
def test_a_sync_that_fails_between_two_batches_leaves_nothing(
    built: Built, tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(built.index, tmp_path / "index")
    shutil.copytree(built.corpus, tmp_path / "corpus")
    for name in ("one", "two", "three"):
        write_article(tmp_path / "corpus" / f"{name}.md", name, STONE, "2024-01-01", f"A new sentence of {name}.")
    folder = IndexFolder(tmp_path / "index")
    before = folder.current()
    monkeypatch.setattr(sync, "_AT_A_TIME", 1)
    passages, stored = WordEmbedder.passages, Catalog.add_article
    done: list[str] = []

    def stores(catalog: Catalog, article: Article, *arguments: Any, **options: Any) -> int:
        done.append(article.title)
        return stored(catalog, article, *arguments, **options)

    def embeds(embedder: WordEmbedder, texts: Sequence[str]) -> Iterator[tuple[int, Any]]:
        if done and fault == "model":
            raise ModelUnavailable("gone")
        return passages(embedder, texts)

    def progress(step: str, read: int, total: int) -> None:
        if done and fault == "stop":
            raise KeyboardInterrupt

    def usage(path: Path) -> Any:
        return SimpleNamespace(free=2**20 if done and fault == "room" else 2**40)

    with monkeypatch.context() as patch:
        patch.setattr(Catalog, "add_article", stores)
        patch.setattr(WordEmbedder, "passages", embeds)
        patch.setattr(sync.shutil, "disk_usage", usage)
        raised = {"room": IndexUnusable, "model": ModelUnavailable, "stop": KeyboardInterrupt}[fault]
        with pytest.raises(raised):
            synchronise(
                folder, WordEmbedder(), corpus=tmp_path / "corpus", passage_words=90, overlap_words=25,
                progress=progress,
            )  # fmt: skip
    assert len(done) == 1
    assert folder.current() == before
    with closing(Catalog(folder.catalog)) as catalog:
        assert catalog.unrecorded() == 0
        assert sync.state(folder, catalog) is State.SETTLED
    assert sync_by_hand(folder, tmp_path / "corpus").articles == 15


def _interrupt(*arguments: object, **options: object) -> None:
    raise KeyboardInterrupt


FULL = """
import resource, sys
from pathlib import Path
corpus, root, here, limit = sys.argv[1:]
sys.path.insert(0, here)
from conftest import WordEmbedder
import chromadb.api.rust, filelock
from assistant.errors import IndexUnusable
from assistant.generations import IndexFolder
from assistant.sync import synchronise
resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
try:
    synchronise(IndexFolder(Path(root)), WordEmbedder(), corpus=Path(corpus), passage_words=90, overlap_words=25)
except IndexUnusable as error:
    print(error)
"""


@pytest.mark.parametrize(("limit", "sentences"), [(10, 1), (40_000, 2_000), (200_000, 1)])
def test_without_room_a_sync_is_one_typed_line_and_the_index_answers_as_before(
    built: Built, tmp_path: Path, limit: int, sentences: int
) -> None:
    """No file may grow beyond the limit: not writer.json, not the catalog, or not the copy of the generation."""
    shutil.copytree(built.index, tmp_path / "index")
    shutil.copytree(built.corpus, tmp_path / "corpus")
    write_article(tmp_path / "corpus" / "new.md", "New", STONE, "2024-01-01", "The tunnel is new. " * sentences)
    command = [sys.executable, "-c", FULL, tmp_path / "corpus", tmp_path / "index", Path(__file__).parent, str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1, done.stdout
    folder = IndexFolder(tmp_path / "index")
    before = IndexFolder(built.index).current()
    assert folder.current() == before
    assert sync_by_hand(folder, tmp_path / "corpus").articles == 13
    assert generations(folder) == [str(before), str(folder.current())]
