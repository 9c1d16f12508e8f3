"""The catalog: generations by birth and death, full text, filters, and what is said of a damaged file."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant import catalog as catalog_module
from assistant.catalog import Catalog
from assistant.errors import IndexDamaged, IndexMismatch, IndexMissing, IndexUnusable
from assistant.schema import Article, Filter, Passage, Source, Split

VECTOR = np.array([0.6, 0.8], dtype=np.float32)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog(tmp_path / "catalog.sqlite3", create=True)
    yield catalog
    catalog.close()


def add(
    catalog: Catalog,
    id_: str,
    text: str,
    *,
    born: int = 1,
    title: str = "",
    source: str = "",
    published: date | None = None,
    location: str = "",
    key: str = "",
) -> str:
    """An article of one sentence and one passage; the passage's id."""
    article = Article(id_, title, text, source, published=published, location=location or f"{id_}.md")
    passage = Passage(f"{id_}-{born}", id_, 0, len(text))
    catalog.add_vectors({key or id_: VECTOR})
    split = Split(((0, len(text)),), (passage,))
    catalog.add_article(article, split, [key or id_], source_key="corpus", file_hash=f"hash of {id_}", born=born)
    catalog.make_searchable()
    return passage.id


def found(catalog: Catalog, *terms: str, generation: int = 1) -> list[str]:
    return [id_ for id_, _ in catalog.lexical(terms, 100, generation)]


# -- the file ----------------------------------------------------------------------------------------------


def test_who_cannot_write_the_folder_sees_what_its_owner_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "catalog.sqlite3"
    owner = Catalog(path, create=True)
    add(owner, "a", "The bridge is open.")
    owner.close()
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda _path, mode: not mode & os.W_OK)
        reader = Catalog(path)
    owner = Catalog(path)
    for number in range(200):
        add(owner, f"b{number}", f"Ferry {number} rests in the harbour, and nobody takes it out. " * 20)
    owner.close()
    monkeypatch.setattr(os, "access", lambda _path, mode: not mode & os.W_OK)
    with closing(reader), reader.transaction():
        assert len(found(reader, "ferry")) == 100
        assert found(reader, "bridge") == ["a-1"]


def test_a_folder_without_a_catalog_is_index_missing_and_names_sync(tmp_path: Path) -> None:
    with pytest.raises(IndexMissing, match="assistant sync"):
        Catalog(tmp_path / "catalog.sqlite3")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"no catalog at all " * 500, b"SQLite format 3\0" + b"\xff" * 8000])
def test_a_file_that_is_no_catalog_is_damaged_and_names_rebuild(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "catalog.sqlite3"
    path.write_bytes(content)
    with pytest.raises(IndexDamaged, match="assistant sync --rebuild"):
        Catalog(path)


def test_a_catalog_that_cannot_be_opened_is_unusable_and_names_the_option(tmp_path: Path) -> None:
    (tmp_path / "catalog.sqlite3").mkdir()
    with pytest.raises(IndexUnusable, match=r"unable to open database file\); name another: --index DIR"):
        Catalog(tmp_path / "catalog.sqlite3", create=True)


def test_a_catalog_without_room_is_unusable_and_keeps_what_it_had(catalog: Catalog) -> None:
    id_ = add(catalog, "small", "lighthouse")
    catalog._db.execute("pragma max_page_count = 1")  # as many as there are
    with pytest.raises(IndexUnusable, match="full"), catalog.transaction():
        add(catalog, "large", "word " * 100_000)
    assert found(catalog, "lighthouse") == [id_]


def test_pages_torn_behind_a_whole_beginning_are_found_by_check_and_typed_on_reading(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite3"
    catalog = Catalog(path, create=True)
    for i in range(50):
        add(catalog, f"a{i}", "word " * 400)
    catalog.check()
    catalog.close()
    content = path.read_bytes()
    path.write_bytes(content[:8192] + b"\xff" * (len(content) - 8192))
    torn = Catalog(path)
    with pytest.raises(IndexDamaged, match="assistant sync --rebuild"):
        torn.articles(1)
    with pytest.raises(IndexDamaged, match="assistant sync --rebuild"):
        torn.check()
    torn.close()


def test_a_transaction_that_fails_leaves_nothing(catalog: Catalog) -> None:
    with pytest.raises(KeyboardInterrupt), catalog.transaction():
        _add_and_stop(catalog)
    assert catalog.counts(1) == (0, 0)
    assert found(catalog, "half") == []


def _add_and_stop(catalog: Catalog) -> None:
    add(catalog, "half", "half an article")
    raise KeyboardInterrupt


def test_threads_that_take_turns_may_share_a_catalog(catalog: Catalog) -> None:
    add(catalog, "a", "some words")
    counts = []
    thread = threading.Thread(target=lambda: counts.append(catalog.counts(1)))
    thread.start()
    thread.join()
    assert counts == [(1, 1)]


# -- generations -------------------------------------------------------------------------------------------


@pytest.fixture
def edited(catalog: Catalog) -> Catalog:
    """Generation 1 holds a kept and an old article; generation 2 the kept and a new version of the other."""
    add(catalog, "kept", "lighthouse keeper")
    add(catalog, "edited", "old harbour", key="old")
    catalog.record_generation(1, {"embedding": "e"})
    row = catalog.known("corpus", 1)["edited.md"].row
    with catalog.transaction():
        catalog.retire(row, 2)
        add(catalog, "edited", "new harbour", born=2, key="new")
        catalog.record_generation(2, {"embedding": "e"})
    return catalog


def test_each_generation_sees_its_own_version(edited: Catalog) -> None:
    for generation, word, other in ((1, "old", "new"), (2, "new", "old")):
        assert [a.text for a in edited.articles(generation) if a.id == "edited"] == [f"{word} harbour"]
        assert edited.counts(generation) == (2, 2)
        assert found(edited, word, generation=generation) == [f"edited-{generation}"]
        assert found(edited, other, generation=generation) == []
        assert edited.frequency("harbour", generation) == 1
        assert set(edited.passages(["edited-1", "edited-2", "kept-1"], generation)) == {
            f"edited-{generation}",
            "kept-1",
        }


def test_rows_that_nobody_reads_yet_change_no_score(catalog: Catalog) -> None:
    for id_ in ("a", "b", "c"):
        add(catalog, id_, f"the clock of {id_} and its bell")
    catalog.record_generation(1, {})
    before = catalog.lexical(["clock", "bell"], 10, 1)
    for number in range(50):
        article = Article(f"n{number}", "", "a clock", location=f"n{number}.md")
        split = Split(((0, 7),), (Passage(f"n{number}", article.id, 0, 7),))
        catalog.add_article(article, split, ["a"], source_key="corpus", file_hash="", born=2)
    assert catalog.lexical(["clock", "bell"], 10, 1) == before
    assert catalog.unrecorded() == 50
    catalog.make_searchable()
    assert found(catalog, "clock", generation=2) != found(catalog, "clock")
    catalog.discard_after(1)
    assert catalog.lexical(["clock", "bell"], 10, 1) == before
    assert catalog.unrecorded() == 0


def test_what_a_killed_sync_wrote_is_discarded_and_its_vectors_stay(edited: Catalog) -> None:
    edited.discard_after(1)
    for generation in (1, 2):
        assert sorted(a.text for a in edited.articles(generation)) == ["lighthouse keeper", "old harbour"]
    assert found(edited, "new", generation=2) == []
    assert edited.generations() == [1]
    assert edited.missing_vectors(["old", "new", "kept"]) == set()


def test_purging_keeps_every_generation_from_the_given_one_on(edited: Catalog) -> None:
    edited.purge_before(1)
    assert found(edited, "old", generation=1) == ["edited-1"]
    assert edited.generations() == [1, 2]
    edited.purge_before(2)
    assert found(edited, "new", generation=2) == ["edited-2"]
    assert edited.generations() == [2]


def test_purging_drops_the_vectors_that_only_purged_passages_used(edited: Catalog) -> None:
    """Not those that no passage used yet: a killed sync stored them for the next."""
    edited.add_vectors({"of a killed sync": VECTOR})
    edited.purge_before(2)
    assert edited.missing_vectors(["old", "new", "kept", "of a killed sync"]) == {"old"}
    edited.drop_unused_vectors()
    assert edited.missing_vectors(["new", "kept", "of a killed sync"]) == {"of a killed sync"}


def test_a_vector_that_a_living_passage_shares_survives_the_purge(catalog: Catalog) -> None:
    add(catalog, "dead", "same words", key="shared")
    add(catalog, "living", "same words", key="shared")
    catalog.retire(catalog.known("corpus", 1)["dead.md"].row, 2)
    catalog.purge_before(2)
    assert catalog.counts(2) == (1, 1)
    assert catalog.missing_vectors(["shared"]) == set()


def test_sources_keep_the_order_in_which_they_were_first_named(catalog: Catalog) -> None:
    for key, path in (("z", "/z"), ("a", "/a"), ("m", "/m"), ("z", "/moved")):
        catalog.remember_source(Source(key, path, "folder"))
    assert [(s.key, s.place) for s in catalog.sources().values()] == [("z", "/moved"), ("a", "/a"), ("m", "/m")]
    catalog.forget_source("a")
    assert list(catalog.sources()) == ["z", "m"]


def test_more_ids_than_one_query_takes_are_all_found(catalog: Catalog) -> None:
    with catalog.transaction():
        ids = [add(catalog, f"a{i}", f"text {i}") for i in range(1_201)]
    assert set(catalog.passages(ids, 1)) == set(ids)
    assert [id_ for id_, *_ in catalog.rows(ids, 1)] == ids
    assert catalog.missing_vectors([*(f"a{i}" for i in range(1_201)), "other"]) == {"other"}


def test_a_vector_comes_back_as_it_was_stored(catalog: Catalog) -> None:
    id_ = add(catalog, "a", "text")
    assert catalog.passages([id_], 1)[id_][2].tolist() == VECTOR.tolist()
    assert catalog.sentences("a", 1) == [(0, 4)]


# -- names -------------------------------------------------------------------------------------------------


def test_an_article_is_found_by_id_by_its_beginning_and_by_file_name(catalog: Catalog) -> None:
    add(catalog, "bridge-12", "x", location="rivers/bridge.md")
    add(catalog, "harbour-34", "x", location="harbour.md")
    for name in ("bridge-12", "bridge", "rivers/bridge.md", "bridge.md"):
        assert [a.id for a in catalog.articles_named(name, 1)] == ["bridge-12"], name
    for name in ("", "%"):
        assert [a.id for a in catalog.articles_named(name, 1)] in ([], ["bridge-12", "harbour-34"]), name
    for name in ("%", "_ridge", "idge.md", "12"):
        assert catalog.articles_named(name, 1) == [], name


def test_a_whole_id_wins_over_one_that_begins_with_it(catalog: Catalog) -> None:
    add(catalog, "car", "x")
    add(catalog, "car-two", "x")
    assert [a.id for a in catalog.articles_named("car", 1)] == ["car"]
    assert [a.id for a in catalog.articles_named("ca", 1)] == ["car", "car-two"]


def test_articles_come_newest_first_and_undated_last(catalog: Catalog) -> None:
    add(catalog, "old", "x", published=date(2023, 12, 31))
    add(catalog, "undated", "x")
    add(catalog, "new", "x", published=date(2024, 1, 1))
    assert [a.id for a in catalog.articles(1)] == ["new", "old", "undated"]


def test_names_of_sources_are_sorted_and_each_once(catalog: Catalog) -> None:
    for id_, source in (("a", "Stone"), ("b", "Lamp"), ("c", "Stone"), ("d", "")):
        add(catalog, id_, "x", source=source)
    assert catalog.names_of_sources(1) == ["Lamp", "Stone"]


# -- full text ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "written"),
    [("listing", "listed"), ("launches", "launch"), ("cars", "car"), ("CAFE", "café"), ("2024", "2024"), ("M9", "m9")],
)
def test_an_inflection_finds_the_other(catalog: Catalog, asked: str, written: str) -> None:
    id_ = add(catalog, "a", f"what was {written} here")
    add(catalog, "b", "nothing of the kind")
    assert found(catalog, asked) == [id_]
    assert catalog.frequency(asked, 1) == 1


def test_a_title_is_searched_like_the_text(catalog: Catalog) -> None:
    id_ = add(catalog, "a", "nothing here", title="The lighthouse")
    assert found(catalog, "lighthouse") == [id_]


def test_the_passage_that_holds_more_of_the_terms_comes_first(catalog: Catalog) -> None:
    one = add(catalog, "one", "the bridge over a river somewhere far away")
    both = add(catalog, "both", "the harbour bridge over a river somewhere far away")
    add(catalog, "none", "a museum of clocks")
    ranked = catalog.lexical(["bridge", "harbour"], 100, 1)
    assert [id_ for id_, _ in ranked] == [both, one]
    assert ranked[0][1] > ranked[1][1] > 0
    assert [id_ for id_, _ in catalog.lexical(["bridge", "harbour"], 1, 1)] == [both]


def test_a_frequency_is_counted_up_to_a_limit(catalog: Catalog) -> None:
    for i in range(7):
        add(catalog, f"a{i}", "a bridge")
    assert catalog.frequency("bridges", 1) == 7
    assert catalog.frequency("bridges", 1, at_most=5) == 5
    assert catalog.frequency("tunnel", 1) == 0


OPERATORS = ['"', '""', "AND", "OR", "NOT", "NEAR(", "NEAR(bridge, 2)", "*", "bri*", ":", "title:bridge", "^bridge", "-", "(",
             ")", "{", "+", "'", "';--", "\\", "%", "", " ", "\0", "😀", "\u202e"]  # fmt: skip


@pytest.mark.parametrize("term", OPERATORS)
def test_operators_and_quotes_are_words_like_others(catalog: Catalog, term: str) -> None:
    id_ = add(catalog, "a", "a bridge")
    assert id_ in found(catalog, term, "bridge")
    assert catalog.frequency(term, 1) <= 1


def test_operators_do_not_operate(catalog: Catalog) -> None:
    add(catalog, "a", "a bridge")
    for term in ("bri*", "NOT tunnel", "title:bridge", "bridge OR tunnel"):
        assert found(catalog, term) == [], term


def test_a_question_of_a_thousand_different_words_is_searched(catalog: Catalog) -> None:
    id_ = add(catalog, "a", "a bridge")
    assert found(catalog, *(f"w{i}" for i in range(1_000)), "bridge") == [id_]


@pytest.fixture(scope="module")
def one_bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    catalog = Catalog(tmp_path_factory.mktemp("bridge") / "catalog.sqlite3", create=True)
    add(catalog, "a", "a bridge")
    yield catalog
    catalog.close()


@given(terms=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5))
@settings(max_examples=200, deadline=None)
def test_any_terms_can_be_searched(one_bridge: Catalog, terms: list[str]) -> None:
    assert found(one_bridge, *terms, "bridge") == ["a-1"]


# -- filters -----------------------------------------------------------------------------------------------

DAYS = [date(2024, 1, day) for day in range(1, 6)]
SOURCES = ["", "Stone", "stone", 'The "O\'Neill" %_', "Ö"]
FILTERS = st.builds(
    Filter,
    since=st.none() | st.sampled_from(DAYS),
    until=st.none() | st.sampled_from(DAYS),
    source=st.none() | st.sampled_from(SOURCES),
)


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """An article of each source on each day, and one of each without a date."""
    catalog = Catalog(tmp_path_factory.mktemp("kinds") / "catalog.sqlite3", create=True)
    for i, source in enumerate(SOURCES):
        for j, day in enumerate([None, *DAYS]):
            add(catalog, f"{i}/{j}", "a bridge", source=source, published=day)
    yield catalog
    catalog.close()


@given(where=FILTERS)
@settings(max_examples=150, deadline=None)
def test_a_filter_lets_through_exactly_what_meets_it(every_kind: Catalog, where: Filter) -> None:
    """Inclusive bounds; an undated article meets none."""
    expected = {
        f"{i}/{j}-1"
        for i, source in enumerate(SOURCES)
        for j, day in enumerate([None, *DAYS])
        if where.source in (None, source)
        and (where.since is None or (day is not None and day >= where.since))
        and (where.until is None or (day is not None and day <= where.until))
    }
    assert {id_ for id_, _ in every_kind.lexical(["bridge"], 100, 1, where)} == expected


def test_a_catalog_of_a_newer_form_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite3"
    Catalog(path, create=True).close()
    with sqlite3.connect(path) as db:
        db.execute("pragma user_version = 99")
    db.close()
    for create in (False, True):
        with pytest.raises(IndexMismatch, match="form 99"):
            Catalog(path, create=create)


FORM_1 = """
create table generations (number integer primary key, built_with text not null);
create table sources (key text primary key, path text not null);
create table articles (
    row integer primary key, id text not null, source_key text not null, location text not null, file_hash text not null,
    title text not null, source text not null, author text not null, published text, url text not null,
    language text not null, licence text not null, text text not null, sentences blob not null, born integer not null,
    died integer
);
create table passages (
    row integer primary key, article_row integer not null references articles (row), id text not null,
    start integer not null, end integer not null, vector_key text not null
);
create virtual table full_text using fts5 (title, text, tokenize = 'porter unicode61 remove_diacritics 2');
create table vectors (key text primary key, vector blob not null) without rowid;
insert into generations values (1, '{"embedding": "e"}');
insert into sources values ('corpus', '/corpus'), ('/extra', '/extra');
insert into articles values (null, 'a', 'corpus', 'a.md', 'hash', 'Title', 'Stone', '', '2024-03-01', '', '', '', 'bridge', x'0000000006000000', 1, null);
insert into passages values (null, 1, 'p', 0, 6, 'v');
insert into full_text (rowid, title, text) values (1, 'Title', 'bridge');
insert into vectors values ('v', x'9a99193fcdcc4c3f');
pragma user_version = 1;
"""
"""What version 0.1.0 wrote at first."""


def test_a_catalog_of_the_first_form_is_taken_over_whole(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite3"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(FORM_1)
    for _ in range(2):
        old = Catalog(path)
        (article,) = old.articles(1)
        assert (article.title, article.published, article.updated, article.fetched) == (
            "Title",
            date(2024, 3, 1),
            None,
            None,
        )
        assert [(s.key, s.place, s.kind, s.synced) for s in old.sources().values()] == [
            ("corpus", "/corpus", "folder", None),
            ("/extra", "/extra", "folder", None),
        ]
        assert found(old, "bridge") == ["p"]
        assert old.passages(["p"], 1)["p"][2].tolist() == VECTOR.tolist()
        assert old.signatures(1) == [(1, "a", None)]
        old.close()
    old = Catalog(path)
    id_ = add(old, "b", "tower", published=date(2024, 5, 5))
    assert found(old, "tower") == [id_]
    old.close()


def test_a_migration_that_fails_leaves_the_catalog_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "catalog.sqlite3"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(FORM_1)
    before = _schema(path)
    monkeypatch.setitem(catalog_module._MIGRATIONS, 1, catalog_module._MIGRATIONS[1] + "; alter table no_such add x")
    with pytest.raises(IndexDamaged):
        Catalog(path)
    assert _schema(path) == before


def _schema(path: Path) -> list[tuple[str]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("select sql from sqlite_master order by name").fetchall()


def test_dates_of_publication_update_and_fetching_come_back_apart(catalog: Catalog) -> None:
    days = (date(2024, 3, 1), date(2024, 3, 2), None)
    article = Article("a", "T", "text", published=days[0], updated=days[1], fetched=days[2], location="a.md")
    catalog.add_vectors({"v": VECTOR})
    split = Split(((0, 4),), (Passage("p", "a", 0, 4),))
    catalog.add_article(article, split, ["v"], source_key="corpus", file_hash="", born=1)
    assert catalog.articles(1) == [article]
