"""What makes an answer right, and which stage a wrong one names."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant import Answer, Article, Citation, Hit, Passage
from assistant.errors import InvalidCases
from assistant.evaluation import Case, judge, words_right
from assistant.evaluation.cases import Number
from assistant.evaluation.scoring import normalised, token_f1
from assistant.values import Day

BRIDGE = Article(
    "b1", "The bridge", "Mara Lind opened the bridge on 1 March 2024. It cost 12 million crowns.",
    source="The Daily Stone", published=date(2024, 3, 1), url="https://stone.example/bridge", location="bridge.md",
)  # fmt: skip
HARBOUR = Article("h1", "The harbour", "Hollen Works built the harbour. It employs 300 people.", location="harbour.md")


def hit(article: Article, words: str = "") -> Hit:
    """Of the passage that is these words; of the whole article without any."""
    start = article.text.index(words)
    end = start + len(words) if words else len(article.text)
    return Hit(Passage(f"{article.id}:{start}", article.id, start, end), article, 0.5, 0.5, 0.5)


def answered(short: str | None, quote: str, *hits: Hit, article: Article = BRIDGE) -> Answer:
    start = article.text.index(quote)
    citation = Citation(1, article, quote, start, start + len(quote), 1.0)
    found = hits or (hit(article),)
    return Answer("Q?", "Q?", short, f"{short} [1]", False, "", 0.8, (citation,), found)


def silent(*hits: Hit) -> Answer:
    return Answer("Q?", "Q?", None, "The articles do not answer this.", True, "unsure", 0.2, (), hits or (hit(BRIDGE),))


COST = "It cost 12 million crowns."
OPENED = "Mara Lind opened the bridge on 1 March 2024."
CASE = Case("c", "Q?", answers=("12 million crowns", "12 million"), articles=("bridge.md",))


@pytest.mark.parametrize("name", ["bridge.md", "b1", "https://stone.example/bridge"])
def test_an_article_is_known_by_file_id_or_address(name: str) -> None:
    assert judge(replace(CASE, articles=("x.md", name)), answered("12 million", COST)).right


@pytest.mark.parametrize(
    ("case", "answer", "stage"),
    [
        (CASE, answered("12 million crowns", COST), "right"),
        (CASE, answered("12 million", COST, hit(HARBOUR)), "right"),
        (CASE, answered("12", COST), "read but wrong"),
        (CASE, answered("12", COST, hit(HARBOUR)), "not retrieved"),
        (CASE, answered("Mara Lind", OPENED, hit(BRIDGE, OPENED)), "retrieved but not read"),
        (CASE, silent(), "abstained wrongly"),
        (CASE, silent(hit(HARBOUR)), "not retrieved"),
        (CASE, silent(hit(BRIDGE, OPENED)), "retrieved but not read"),
        (replace(CASE, articles=("harbour.md",)), answered("12 million", COST, hit(BRIDGE), hit(HARBOUR)), "wrongly cited"),
        (replace(CASE, quote=("opened the bridge",)), answered("12 million", COST), "wrongly cited"),
        (Case("c", "Q?", abstain=True), silent(), "right"),
        (Case("c", "Q?", abstain=True), answered("12 million", COST), "answered though silent"),
        (Case("c", "Q?", answers=("12 million",)), answered("12", COST), "read but wrong"),
        (Case("c", "Q?", answers=("12 million",)), answered("300", "It employs 300 people.", article=HARBOUR), "not retrieved"),
        (Case("c", "Q?", quote=("cost 12  million",)), answered(None, COST), "right"),
        (Case("c", "Q?", quote=("cost 12 million",)), answered(None, OPENED), "read but wrong"),
        (Case("c", "Q?", articles=("bridge.md",)), answered(None, OPENED), "right"),
        (Case("c", "Q?", articles=("harbour.md",)), answered(None, OPENED, hit(HARBOUR), hit(BRIDGE)), "read but wrong"),
    ],
)  # fmt: skip
def test_a_case_names_the_first_stage_that_lost_it(case: Case, answer: Answer, stage: str) -> None:
    result = judge(case, answer)
    assert result.stage == stage
    assert result.right == (stage == "right")
    assert bool(result.detail) == (stage != "right")


def test_a_passage_that_was_found_and_not_read_is_told_from_one_that_was_not_found() -> None:
    away = answered("300", "It employs 300 people.", article=HARBOUR)
    assert judge(CASE, away).stage == "not retrieved"
    assert judge(CASE, away, beyond=[hit(BRIDGE)]).stage == "retrieved but not read"


def test_a_silence_is_wrong_only_where_the_words_held_back_were_right() -> None:
    kept = judge(CASE, silent(), answered("12 million crowns", COST))
    assert (kept.stage, kept.words, kept.given) == ("abstained wrongly", True, "12 million crowns")
    prevented = judge(CASE, silent(), answered("Mara Lind", OPENED))
    assert (prevented.stage, prevented.words) == ("read but wrong", False)
    assert 'would have said "Mara Lind"' in prevented.detail


def test_no_words_are_right_where_silence_is_expected() -> None:
    assert not words_right(Case("c", "Q?", abstain=True), answered("12 million", COST))
    assert not words_right(CASE, silent())


def test_a_copy_that_is_named_beside_the_citation_counts_as_cited() -> None:
    answer = answered("12 million", COST, hit(BRIDGE), hit(HARBOUR))
    (citation,) = answer.citations
    named = replace(answer, citations=(replace(citation, also=("h1",)),))
    for name in ("h1", "harbour.md"):
        elsewhere = replace(CASE, articles=(name,))
        assert (judge(elsewhere, answer).right, judge(elsewhere, answer).cited) == (False, False)
        assert (judge(elsewhere, named).right, judge(elsewhere, named).cited) == (True, True)
    assert words_right(Case("c", "Q?", articles=("harbour.md",)), named)


def test_a_copy_that_has_no_hit_of_its_own_counts_by_its_file_name() -> None:
    """Retrieval tells a copy's id only; the corpus tells its name."""
    collapsed = replace(hit(BRIDGE), copies=("h1",))
    answer = answered("12 million", COST, collapsed)
    (citation,) = answer.citations
    answer = replace(answer, citations=(replace(citation, also=("h1",)),))
    elsewhere = replace(CASE, articles=("harbour.md",))
    assert judge(elsewhere, answer).stage == "not retrieved"
    found = judge(elsewhere, answer, articles=[HARBOUR])
    assert (found.stage, found.rank, found.cited, found.case) == ("right", 1, True, elsewhere)


def test_an_expression_alone_shows_no_evidence() -> None:
    """It may be found in any passage, so that none has a place."""
    case = Case("c", "Q?", regex="^Toyota")
    found = judge(case, answered("12 million", COST))
    assert (found.stage, found.rank) == ("read but wrong", None)
    assert judge(case, silent(), answered("12", COST)).stage == "read but wrong"
    right = judge(replace(case, regex="^12"), answered("12 million", COST))
    assert (right.stage, right.rank) == ("right", None)
    assert judge(replace(case, articles=("bridge.md",)), answered("12 million", COST)).rank == 1


def test_a_quote_that_is_not_the_article_s_text_fails_the_case() -> None:
    answer = answered("12 million", COST)
    (citation,) = answer.citations
    moved = replace(answer, citations=(replace(citation, start=citation.start + 1),))
    result = judge(CASE, moved)
    assert (result.stage, result.detail) == ("wrongly cited", "a quote is not the article's own text")


MILLION = Number(Decimal(12_000_000))


@pytest.mark.parametrize(
    ("case", "short", "right"),
    [
        (Case("c", "Q?", number=MILLION), "12 million crowns", True),
        (Case("c", "Q?", number=MILLION), "12,000,000", True),
        (Case("c", "Q?", number=MILLION), "0.012 billion", True),
        (Case("c", "Q?", number=MILLION), "in 2024 12 million", True),
        (Case("c", "Q?", number=MILLION), "12", False),
        (Case("c", "Q?", number=MILLION), "10 to 12 million", False),
        (Case("c", "Q?", number=Number(Decimal(11_500_000), Decimal(500_000))), "12 million", True),
        (Case("c", "Q?", number=Number(Decimal(11_500_000), Decimal(499_999))), "12 million", False),
        (Case("c", "Q?", number=Number(Decimal(2024))), "2024", True),
        (Case("c", "Q?", number=Number(Decimal(1500))), "1,500 cars in 2024", True),
        (Case("c", "Q?", number=Number(Decimal(1500))), "1,400 cars in 2024", False),
        (Case("c", "Q?", number=Number(Decimal(2024))), "12 million in 2024", False),
        (Case("c", "Q?", date=Day(2024, 3, 1)), "March 1st, 2024", True),
        (Case("c", "Q?", date=Day(2024, 3)), "on 1 March 2024", True),
        (Case("c", "Q?", date=Day(2024, 3, 1)), "2024", False),
        (Case("c", "Q?", date=Day(2024, 3, 1)), "from 1 March to 2 March 2024", False),
        (Case("c", "Q?", regex="^12 m"), "12 million", True),
        (Case("c", "Q?", regex="^million"), "12 million", False),
        (Case("c", "Q?", all=("Lind", "Hollen Works")), "Hollen Works and Mara Lind", True),
        (Case("c", "Q?", all=("Lind", "Hollen Works")), "Mara Lindt and Hollen Works", False),
        (Case("c", "Q?", answers=("12 million",), regex="crowns"), "12 million", False),
    ],
)
def test_every_expectation_of_the_words_has_to_hold(case: Case, short: str, right: bool) -> None:
    assert words_right(case, answered(short, COST)) == right


def test_whole_sentences_need_to_say_the_figure_somewhere() -> None:
    assert words_right(Case("c", "Q?", number=MILLION), answered(None, BRIDGE.text))
    assert words_right(Case("c", "Q?", date=Day(2024, 3, 1)), answered(None, BRIDGE.text))
    assert not words_right(Case("c", "Q?", number=Number(Decimal(13))), answered(None, BRIDGE.text))


def test_an_expression_that_takes_for_ever_is_a_fault_of_the_case() -> None:
    case = Case("c", "Q?", regex=r"^(x|xx)+$", path="cases.yaml", line=7)
    started = time.perf_counter()
    with pytest.raises(InvalidCases, match=r"cases\.yaml:7: .* simplify"):
        words_right(case, answered("x" * 60 + "!", COST))
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Maextro.", "maextro", True),
        ("more than 387,000", "387,000", True),
        ("the Hong Kong Stock Exchange", "Hong Kong Stock Exchange", True),
        ("about the “Orve”", "orve", True),
        ("2.45 billion yuan", "3.83 billion yuan", False),
        ("2019–2024", "2019-2024", True),
        ("Foton‑Daimler", "Foton—Daimler", True),
        ("the «Orve»", "„orve”", True),
        ("M7", "M8", False),
        ("another", "other", False),
    ],
)
def test_answers_are_compared_without_case_punctuation_and_approximation(one: str, other: str, same: bool) -> None:
    assert (normalised(one) == normalised(other)) == same


def test_words_are_measured_as_squad_does() -> None:
    """SQuAD's own example of its script: articles and punctuation do not count; F1 is over tokens."""
    result = judge(replace(CASE, answers=("12 million crowns",)), answered("the 12 million, crowns!", COST))
    assert (result.exact, result.f1) == (1.0, 1.0)
    result = judge(replace(CASE, answers=("12 million crowns", "x")), answered("12 million", COST))
    assert (result.exact, result.f1) == (0.0, pytest.approx(0.8))
    assert judge(Case("c", "Q?", quote=("x",)), answered("x", COST)).f1 is None


@given(st.text(max_size=40), st.text(max_size=40))
def test_token_f1_is_symmetric_and_whole_for_the_same_words(one: str, other: str) -> None:
    assert token_f1(one, other) == token_f1(other, one)
    assert 0 <= token_f1(one, other) <= 1
    assert token_f1(one, one) == 1


@given(st.text(max_size=60))
def test_the_normal_form_is_its_own(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)
