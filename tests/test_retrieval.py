"""A question to hits: both searches under one filter, fused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import WordEmbedder
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant import Assistant
from assistant.catalog import Catalog
from assistant.retrieval import RRF_K, Retriever, fuse, fuse_ranks, search_terms
from assistant.schema import Article, Filter, Passage, Split
from assistant.vectors import Row, VectorIndex, write_generation

# -- fusion ------------------------------------------------------------------------------------------------

SHARES = st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 1))
COSINES = st.dictionaries(st.sampled_from("abcdef"), st.floats(-1, 1))
WEIGHTS = st.floats(0, 1)


@given(dense=COSINES, lexical=SHARES, weight=WEIGHTS)
def test_whatever_either_search_found_is_fused_to_a_score_between_0_and_1(
    dense: dict[str, float], lexical: dict[str, float], weight: float
) -> None:
    fused = fuse(dense, lexical, weight)
    assert set(fused) == set(dense) | set(lexical)
    assert all(-1e-12 <= score <= 1 + 1e-12 for score in fused.values())


@given(dense=COSINES, lexical=SHARES, weight=WEIGHTS, key=st.sampled_from("abcdef"), gain=st.floats(0, 1))
def test_a_better_score_never_lowers_the_fused_one_and_moves_no_other(
    dense: dict[str, float], lexical: dict[str, float], weight: float, key: str, gain: float
) -> None:
    before = fuse({key: 0.0, **dense}, lexical, weight)
    for better in (
        fuse({**dense, key: dense.get(key, 0.0) + gain}, lexical, weight),
        fuse({key: 0.0, **dense}, {**lexical, key: lexical.get(key, 0.0) + gain}, weight),
    ):
        assert better.pop(key) >= before[key]
        assert better == {other: score for other, score in before.items() if other != key}


@given(dense=SHARES, lexical=SHARES)
def test_the_whole_weight_on_one_search_gives_its_own_ranking(
    dense: dict[str, float], lexical: dict[str, float]
) -> None:
    for weight, alone in ((1.0, dense), (0.0, lexical)):
        fused = fuse(dense, lexical, weight)
        assert fused == {key: alone.get(key, 0.0) for key in {**dense, **lexical}}


@given(dense=SHARES, lexical=SHARES, weight=WEIGHTS)
def test_the_two_searches_may_change_places_with_their_weights(
    dense: dict[str, float], lexical: dict[str, float], weight: float
) -> None:
    assert fuse(dense, lexical, weight) == pytest.approx(fuse(lexical, dense, 1 - weight))


def test_an_opposite_direction_counts_as_unrelated() -> None:
    assert fuse({"a": -0.5}, {"a": 1.0}, 0.6) == pytest.approx({"a": 0.4})


@given(rankings=st.lists(st.permutations("abcd"), min_size=1, max_size=4))
def test_reciprocal_ranks_stay_within_their_bounds_and_the_unanimous_first_stays_first(
    rankings: list[list[str]],
) -> None:
    fused = fuse_ranks(*rankings)
    assert set(fused) == set("abcd")
    for score in fused.values():
        assert len(rankings) / (RRF_K + 4) - 1e-12 <= score <= len(rankings) / (RRF_K + 1) + 1e-12
    if len({ranking[0] for ranking in rankings}) == 1:
        assert max(fused, key=lambda key: fused[key]) == rankings[0][0]


def test_reciprocal_ranks_add_up() -> None:
    assert fuse_ranks("ab", "bc") == pytest.approx({"a": 1 / 61, "b": 1 / 62 + 1 / 61, "c": 1 / 62})
    assert fuse_ranks() == {}


# -- terms -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "terms"),
    [
        ("Which brand did Huawei launch with JAC?", ["brand", "huawei", "launch", "jac"]),
        ("Bridge, bridge and BRIDGE", ["bridge"]),
        ("Who is it?", ["who", "is", "it"]),
        ("?!", []),
        ("How did the US answer the tolls?", ["us", "answer", "tolls"]),
        ("HOW DID SERES ANSWER IT?", ["seres", "answer"]),
    ],
)
def test_the_content_words_are_searched_for_and_all_words_where_there_are_none(question: str, terms: list[str]) -> None:
    assert search_terms(question) == terms


# -- both searches together --------------------------------------------------------------------------------


@contextmanager
def retriever(folder: Path, articles: list[Article], weight: float = 0.6, candidates: int = 50) -> Iterator[Retriever]:
    """Over articles of one passage each; the passage's id is the article's."""
    embedder = WordEmbedder()
    catalog = Catalog(folder / "catalog.sqlite3", create=True)
    rows = []
    with catalog.transaction():
        for article in articles:
            vector = embedder.question(article.text)
            end = len(article.text)
            catalog.add_vectors({article.id: vector})
            split = Split(((0, end),), (Passage(article.id, article.id, 0, end),))
            catalog.add_article(article, split, [article.id], source_key="corpus", file_hash="", born=1)
            rows.append(Row(article.id, vector, article.source, article.published))
        catalog.make_searchable()
    write_generation(folder / "000001", None, [], [rows])
    vectors = VectorIndex(folder / "000001")
    try:
        yield Retriever(catalog, vectors, 1, embedder, candidates, weight)
    finally:
        vectors.close()
        catalog.close()


WORDS = ["bridge", "bridges", "harbour", "museum", "clock", "river"]
DAYS = [date(2024, 1, 1), date(2024, 1, 2), date(2024, 2, 29)]
SOURCES = ["", "Stone", 'The "Lamp"', "Ö"]
ARTICLES = st.lists(
    st.builds(
        lambda words, source, published: ("The " + " ".join(words) + ".", source, published),
        st.lists(st.sampled_from(WORDS), min_size=1, max_size=4),
        st.sampled_from(SOURCES),
        st.none() | st.sampled_from(DAYS),
    ),
    min_size=1,
    max_size=12,
)
FILTERS = st.builds(
    Filter,
    since=st.none() | st.sampled_from(DAYS),
    until=st.none() | st.sampled_from(DAYS),
    source=st.none() | st.sampled_from(SOURCES),
)


def meets(article: Article, where: Filter) -> bool:
    """The specification: inclusive bounds, which an undated article does not meet; the source to the letter."""
    if where.source is not None and article.source != where.source:
        return False
    if where.since is None and where.until is None:
        return True
    if article.published is None:
        return False
    return (where.since or date.min) <= article.published <= (where.until or date.max)


@given(drawn=ARTICLES, filters=st.lists(FILTERS, min_size=1, max_size=6))
@settings(max_examples=10, deadline=None)
def test_hits_are_exactly_the_passages_that_meet_the_filter(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, str, date | None]], filters: list[Filter]
) -> None:
    articles = [Article(f"a{i}", "", text, source, published=day) for i, (text, source, day) in enumerate(drawn)]
    with retriever(tmp_path_factory.mktemp("drawn"), articles, candidates=1) as search:
        for where in [Filter(), *filters]:
            hits = search.search("the bridge over the harbour", 1000, where)
            allowed = {article.id for article in articles if meets(article, where)}
            assert sorted(hit.passage.id for hit in hits) == sorted(allowed)
            vector = search.embedder.question("bridge")
            assert {id_ for id_, _ in search.vectors.nearest(vector, 1000, where)} == allowed
            spoken = {a.id for a in articles if a.id in allowed and "bridge" in a.text}
            assert {id_ for id_, _ in search.catalog.lexical(["bridge"], 1000, 1, where)} == spoken
            for hit in hits:
                assert meets(hit.article, where)
                assert 0 <= hit.score <= 1 + 1e-6
                assert -1 - 1e-6 <= hit.dense <= 1 + 1e-6
                assert 0 <= hit.lexical <= 1
            assert all(one.score >= next_.score for one, next_ in pairwise(hits))


def article(id_: str, text: str) -> Article:
    return Article(id_, "", text)


def test_what_only_the_full_text_found_has_its_real_similarity(tmp_path: Path) -> None:
    """With one candidate each, the dense search gives "same" and the lexical one another; neither's other score is 0."""
    texts = [article("same", "clock"), article("more", "clock clock river harbour museum bridge")]
    with retriever(tmp_path, texts, candidates=1) as search:
        hits = {hit.passage.id: hit for hit in search.search("clock", 2)}
    assert hits["same"].dense == pytest.approx(1, abs=1e-3)
    assert 0.3 < hits["more"].dense < 0.9
    assert hits["same"].lexical == 1 or hits["more"].lexical == 1


def test_a_limit_keeps_the_best(tmp_path: Path) -> None:
    texts = [article("both", "harbour bridge"), article("one", "bridge of stone"), article("none", "museum")]
    with retriever(tmp_path, texts) as search:
        assert [hit.passage.id for hit in search.search("harbour bridge", 3)] == ["both", "one", "none"]
        assert [hit.passage.id for hit in search.search("harbour bridge", 1)] == ["both"]


def test_the_weight_decides_between_the_searches(tmp_path: Path) -> None:
    """FTS5 stems "museums" to the word asked for; so does the embedder: the passages differ only in length."""
    texts = [article("short", "museums"), article("long", "museum museum river clock harbour bridge stone water")]
    with retriever(tmp_path, texts, weight=1.0) as search:
        (first, *_) = search.search("museum", 2)
    assert first.passage.id == "short"
    assert first.score == pytest.approx(first.dense)


def test_equal_scores_keep_one_order(tmp_path: Path) -> None:
    with retriever(tmp_path, [article(id_, "bridge") for id_ in "dbac"]) as search:
        assert [hit.passage.id for hit in search.search("bridge", 4)] == ["a", "b", "c", "d"]


def test_an_index_without_articles_gives_no_hits(tmp_path: Path) -> None:
    with retriever(tmp_path, []) as search:
        assert search.search("bridge", 10) == []


@pytest.mark.parametrize(
    "question", ['the "bridge"', "bridge AND", "NEAR(bridge", "bridge*", "title:bridge", "'bridge", "bridge\\"]
)
def test_quotes_and_operators_in_a_question_are_searched_through(huawei: Assistant, question: str) -> None:
    assert huawei.search(question, 3)


# -- the real corpus and model -----------------------------------------------------------------------------


def test_a_question_finds_the_article_about_it(huawei: Assistant) -> None:
    (first, *_) = huawei.search("Voyah listing in Hong Kong")
    assert first.article.location == "voyah-heads-for-hong-kong.md"


def test_a_filter_on_the_real_corpus_is_met_by_every_hit_and_loses_none(huawei: Assistant) -> None:
    days = sorted({a.published for a in huawei.articles() if a.published})
    middle = days[len(days) // 2]
    whole = {hit.passage.id: hit.article for hit in huawei.search("cars", 1000)}
    for since, until in ((middle, None), (None, middle), (middle, middle)):
        expected = {id_ for id_, article in whole.items() if meets(article, Filter(since, until))}
        assert {hit.passage.id for hit in huawei.search("cars", 1000, since=since, until=until)} == expected
        assert expected
    assert len(whole) == huawei.status()["passages"]
