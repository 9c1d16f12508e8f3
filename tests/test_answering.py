"""Evidence to answers: exact quotes, agreement, order, abstention and its reasons."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.answering import RANKED_BY, compose, features, rarity, weigh
from assistant.calibration import SHIPPED
from assistant.schema import Answer, Article, Hit, Passage, Span
from assistant.splitting import Splitter

SPLITTER = Splitter(90, 25)

BRIDGE = Article(
    "bridge", "The river bridge", "The town waited long. Mara Lind opened the bridge over the Orve in 2019. It cost 12 million crowns.",
    "Daily Stone", published=date(2024, 3, 1),
)  # fmt: skip
ALSO = Article(
    "also",
    "Ten years of bridges",
    "Nobody forgets the day. The bridge over the Orve was opened by Mara Lind.",
    "Evening Lamp",
)
OTHER = Article("other", "The clock museum", "The clock museum in Vell shows 900 clocks.", "Evening Lamp")


def hit(article: Article, score: float = 0.8) -> Hit:
    return Hit(Passage(f"p-{article.id}", article.id, 0, len(article.text)), article, score, score, score)


def span(article: Article, words: str, score: float) -> Span:
    start = article.text.index(words)
    return Span(start, start + len(words), words, score)


def answer(question: str, found: list[tuple[Hit, Span]], frequencies: dict[str, int], threshold: float = 0.5) -> Answer:
    evidence = weigh(question, [h for h, _ in found], [s for _, s in found], frequencies)
    return compose(
        question,
        question,
        [h for h, _ in found],
        evidence,
        frequencies,
        lambda a: SPLITTER.split(a).sentences,
        calibration=SHIPPED,
        threshold=threshold,
    )


WHO = "Who opened the bridge over the Orve?"
KNOWN = {"opened": 2, "bridge": 2, "orve": 2}


def test_the_quote_is_the_whole_sentence_and_stands_where_it_says() -> None:
    given_ = answer(WHO, [(hit(BRIDGE), span(BRIDGE, "Mara Lind", 8.0))], KNOWN)
    (citation,) = given_.citations
    assert citation.quote == "Mara Lind opened the bridge over the Orve in 2019."
    assert BRIDGE.text[citation.start : citation.end] == citation.quote
    assert given_.short == "Mara Lind"
    assert given_.text.endswith("in 2019. [1]")


def test_articles_that_say_the_same_are_cited_together() -> None:
    found = [(hit(BRIDGE), span(BRIDGE, "Mara Lind", 8.0)), (hit(ALSO), span(ALSO, "Mara Lind", 7.0))]
    given_ = answer(WHO, found, KNOWN)
    assert {citation.article.id for citation in given_.citations} == {"bridge", "also"}
    assert [citation.number for citation in given_.citations] == [1, 2]
    assert "Mara Lind [1][2]" in given_.text


def test_words_that_more_passages_give_win_over_a_span_that_says_more() -> None:
    third = Article("third", "A bridge's birthday", "The bridge over the Orve is old. Mara Lind opened it in 2019.")
    longer = (hit(BRIDGE), span(BRIDGE, "Mara Lind opened the bridge", 8.1))
    shorter = [(hit(a), span(a, "Mara Lind", 8.0)) for a in (ALSO, third)]
    assert answer(WHO, [longer, *shorter], KNOWN).short == "Mara Lind"
    assert answer(WHO, [longer], KNOWN).short == "Mara Lind opened the bridge"


def test_the_second_choice_of_two_passages_wins_over_the_first_of_one() -> None:
    def both(article: Article, first: str) -> tuple[Hit, Span]:
        return hit(article), replace(span(article, first, 5.1), others=(span(article, "Mara Lind", 5.0),))

    found = [both(BRIDGE, "Mara Lind opened the bridge over the Orve"), both(ALSO, "Orve was opened by Mara Lind")]
    assert answer(WHO, found, KNOWN).short == "Mara Lind"


def test_many_weak_passages_do_not_outvote_a_sure_one() -> None:
    others = [Article(f"o{i}", "Mayors", f"{i}. The mayor Tor Vann spoke.") for i in range(12)]
    found = [(hit(BRIDGE), span(BRIDGE, "Mara Lind", 9.0)), *((hit(a, 0.3), span(a, "Tor Vann", -1.0)) for a in others)]
    assert answer(WHO, found, KNOWN).short == "Mara Lind"


def test_a_copy_corroborates_nothing() -> None:
    copy = Article("copy", BRIDGE.title, BRIDGE.text)
    both = answer(WHO, [(hit(a), span(a, "Mara Lind", 8.0)) for a in (BRIDGE, copy)], KNOWN)
    assert len(both.citations) == 1


def test_passages_without_a_span_are_still_the_nearest() -> None:
    given_ = answer("The clock museum in Vell?", [(hit(OTHER), Span(0, 0, "", -99.0))], {"clock": 1})
    assert given_.abstained
    assert [h.article.id for h in given_.hits] == ["other"]
    assert "filters" not in given_.reason


def test_more_articles_than_are_cited_are_named() -> None:
    copies = [Article(f"copy{i}", BRIDGE.title, f"{BRIDGE.text} This is version {i}.") for i in range(5)]
    given_ = answer(WHO, [(hit(c), span(c, "Mara Lind", 8.0)) for c in copies], KNOWN)
    named = {citation.article.id for citation in given_.citations} | set(given_.citations[0].also)
    assert named == {article.id for article in copies}


def test_nothing_found_is_an_abstention_without_hits() -> None:
    given_ = answer(WHO, [], KNOWN)
    assert given_.abstained
    assert given_.hits == ()
    assert "filters" in given_.reason


def test_below_the_threshold_it_abstains_and_keeps_the_nearest_passages() -> None:
    given_ = answer(
        "Who is the mayor of Shenzhen?", [(hit(OTHER, 0.1), span(OTHER, "Vell", -6.0))], {"mayor": 0, "shenzhen": 0}
    )
    assert given_.abstained
    assert given_.short is None
    assert given_.citations == ()
    assert [h.article.id for h in given_.hits] == ["other"]
    assert given_.reason == "they do not mention Shenzhen"


def test_a_name_that_stands_elsewhere_only_is_the_reason() -> None:
    given_ = answer("Who opened the bridge in Vell?", [(hit(BRIDGE), span(BRIDGE, "Mara Lind", -9.0))], {"opened": 2, "bridge": 2, "vell": 3}, 0.99)  # fmt: skip
    assert given_.reason == "no passage that fits the question mentions Vell"


@pytest.mark.parametrize("worse", ["span", "covered", "unmentioned"])
def test_weaker_evidence_never_gives_more_confidence(worse: str) -> None:
    strong = weigh(WHO, [hit(BRIDGE)], [span(BRIDGE, "Mara Lind", 8.0)], KNOWN)
    weak = {
        "span": weigh(WHO, [hit(BRIDGE)], [span(BRIDGE, "Mara Lind", 1.0)], KNOWN),
        "covered": weigh(WHO, [hit(BRIDGE)], [span(BRIDGE, "Mara Lind", 8.0)], {**KNOWN, "ferry": 1}),
        "unmentioned": weigh(
            "Who opened the bridge over the Orve in Vell?", [hit(BRIDGE)], [span(BRIDGE, "Mara Lind", 8.0)], KNOWN
        ),
    }[worse]
    assert SHIPPED.probability(features(weak[0])) <= SHIPPED.probability(features(strong[0]))


def test_why_questions_get_sentences_and_no_fragment() -> None:
    found = [(hit(BRIDGE), span(BRIDGE, "12 million crowns", 8.0))]
    given_ = answer("Why did the bridge over the Orve cost so much?", found, {"bridge": 2, "orve": 2, "cost": 1})
    assert given_.short is None
    assert given_.citations[0].quote == "It cost 12 million crowns."
    assert given_.text == "It cost 12 million crowns. [1]"


def test_sentences_that_repeat_each_other_are_given_once() -> None:
    twin = Article("twin", BRIDGE.title, BRIDGE.text)
    found = [(hit(a), span(a, "12 million crowns", 8.0)) for a in (BRIDGE, twin)]
    given_ = answer("Why did the bridge over the Orve cost so much?", found, {"bridge": 2, "orve": 2, "cost": 1})
    assert len(given_.citations) == 1


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_rarer_words_weigh_more(a: int, b: int) -> None:
    assert (rarity(a) > rarity(b)) == (a < b)
    assert 0 < rarity(a) <= 1


def test_features_are_the_ones_that_were_fitted() -> None:
    (evidence,) = weigh(WHO, [hit(BRIDGE)], [span(BRIDGE, "Mara Lind", 99.0)], KNOWN)
    assert features(evidence) == {
        "span": 10.0,
        "dense": 0.8,
        "lexical": 0.8,
        "covered": 1.0,
        "unmentioned": 0.0,
        "explains": 0.0,
    }
    assert tuple(features(evidence)) == RANKED_BY


def test_a_country_that_looks_like_a_stop_word_counts_as_asked_and_as_missing() -> None:
    question, asked = "Which tolls did the US raise?", {"us": 3, "tolls": 2, "raise": 1}
    told = Article("told", "Tolls", "The US was quick to raise tolls on barges.")
    other = Article("other", "Tolls", "Vell was quick to raise tolls on barges.")
    weighed = weigh(question, [hit(told), hit(other)], [span(a, "on barges", 5.0) for a in (told, other)], asked)
    seen = {evidence.hit.article.id: evidence for evidence in weighed}
    assert (seen["told"].covered, seen["told"].unmentioned) == (1.0, ())
    assert seen["other"].covered < 1
    assert seen["other"].unmentioned == ("US",)


def test_near_counts_the_span_s_own_sentence_only() -> None:
    (cost,) = weigh(WHO, [hit(BRIDGE)], [span(BRIDGE, "12 million crowns", 1.0)], KNOWN)
    (opened,) = weigh(WHO, [hit(BRIDGE)], [span(BRIDGE, "Mara Lind", 1.0)], KNOWN)
    assert cost.covered == opened.covered == 1.0
    assert cost.near == 0.0
    assert opened.near == 1.0


HOW_MUCH = "How much did the bridge over the Orve cost?"
COST = {"bridge": 3, "orve": 3, "cost": 3}
COSTLY = Article(
    "costly", "A dear bridge", "The bridge over the Orve cost 14 million crowns.", "Evening Lamp", published=date(2025, 1, 1)
)  # fmt: skip
CHEAP = Article("cheap", "The bridge", "The bridge over the Orve cost 12 million crowns.", "Daily Stone")


def said_otherwise(other: Article, words: str, score: float = 8.0) -> Answer:
    return answer(
        HOW_MUCH,
        [(hit(CHEAP, 0.9), span(CHEAP, "12 million crowns", 9.0)), (hit(other, 0.8), span(other, words, score))],
        COST,
    )


def test_another_figure_in_another_article_is_a_disagreement_and_not_a_citation() -> None:
    given_ = said_otherwise(COSTLY, "14 million crowns")
    assert given_.short == "12 million crowns"
    assert [c.article.id for c in given_.citations] == ["cheap"]
    [disagreement] = given_.disagreements
    assert disagreement.value == "14 million crowns"
    told = disagreement.citation
    assert (told.number, told.article.id) == (2, "costly")
    assert COSTLY.text[told.start : told.end] == told.quote
    assert "14 million crowns" in told.quote
    assert "otherwise: 14 million crowns · A dear bridge · Evening Lamp · 2025-01-01" in str(given_)
    assert given_.to_dict()["disagreements"][0]["citation"]["number"] == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "The bridge over the Orve cost 12 million crowns; with the roads it was 14 million crowns.",
            "14 million crowns",
        ),
        ("The library of Tansk had cost 14 million crowns.", "14 million crowns"),
        ("The bridge over the Orve cost 12m crowns.", "12m crowns"),
    ],
    ids=["tells both", "is about something else", "says the same"],
)
def test_what_is_no_disagreement(text: str, words: str) -> None:
    assert said_otherwise(Article("x", "News", text, "Evening Lamp"), words).disagreements == ()


@pytest.mark.parametrize(("one", "other"), [
    ("up 5%", "down 5%"), ("-5%", "5%"), ("5%", "5"), ("more than 900", "less than 900"), ("up to 900", "up 900"),
    ("$5 million", "€5 million"), ("HK$5 million", "$5 million"), ("before 2019", "after 2019"), ("since 2019", "until 2019"),
    ("not profitable", "profitable"), ("wasn't paid", "was paid"), ("with a crew", "without a crew"), ("May and June", "June"),
])  # fmt: skip
def test_what_says_another_thing_corroborates_nothing(one: str, other: str) -> None:
    assert cited_together(one, other) == 1


@pytest.mark.parametrize(("one", "other"), [
    ("about 900", "900"), ("the Orve", "Orve"), ("US$5 million", "$5 million"), ("$5 million", "5 million dollars"),
    ("5%", "5 percent"), ("5 per cent", "5 %"), ("more than 900", "over 900"), ("in 2019", "2019"), ("May", "in May"),
    ("the US", "US"), ("the old clocks", "old clock"),
])  # fmt: skip
def test_what_says_the_same_in_other_words_does(one: str, other: str) -> None:
    assert cited_together(one, other) == 2


def cited_together(one: str, other: str) -> int:
    """Of two articles that tell them of the bridge."""
    told = [Article(said, said, f"Of the bridge over the Orve: {said}.") for said in (one, other)]
    score = iter((9.0, 8.0))
    found = [(hit(a), span(a, said, next(score))) for a, said in zip(told, (one, other), strict=True)]
    return len(answer("What is said of the bridge over the Orve?", found, {"bridge": 2, "orve": 2}).citations)


@pytest.mark.parametrize(("ours", "against"), [("up 5%", ["down 5%"]), ("up 5%, not down 5%", [])])
def test_the_opposite_is_a_disagreement_although_the_figure_is_told(ours: str, against: list[str]) -> None:
    rose = Article("rose", "Tolls", f"Tolls of the bridge over the Orve went {ours}.", "Daily Stone")
    fell = Article("fell", "More tolls", "Tolls of the bridge over the Orve went down 5%.", "Evening Lamp")
    found = [(hit(rose, 0.9), span(rose, "up 5%", 9.0)), (hit(fell), span(fell, "down 5%", 8.0))]
    given_ = answer("How much did the tolls of the bridge over the Orve change?", found, {"tolls": 2, "bridge": 2})
    assert given_.short == "up 5%"
    assert [citation.article.id for citation in given_.citations] == ["rose"]
    assert [d.value for d in given_.disagreements] == against


def test_what_the_reader_is_unsure_of_contradicts_nothing() -> None:
    assert said_otherwise(COSTLY, "14 million crowns", -9.0).disagreements == ()


def test_every_value_is_told_once() -> None:
    texts = {"one": 12, "two": 12, "three": 12, "four": 14, "five": 14, "six": 16}
    articles = {
        name: Article(
            name, f"News {name}", f"The bridge over the Orve cost {figure} million crowns, says {name}.", "Post"
        )
        for name, figure in texts.items()
    }
    found = [(hit(a), span(a, f"{texts[name]} million crowns", 8.0)) for name, a in articles.items()]
    given_ = answer(HOW_MUCH, found, COST)
    assert given_.short == "12 million crowns"
    assert [d.value for d in given_.disagreements] == ["14 million crowns", "16 million crowns"]
    assert [d.citation.number for d in given_.disagreements] == [4, 5]


def test_the_unit_in_which_sources_agree_is_not_the_answer() -> None:
    def read(article: Article, figure: str, score: float) -> tuple[Hit, Span]:
        unit = span(article, "crowns", score - 1)
        return hit(article), replace(span(article, f"{figure} crowns", score), others=(unit,))

    given_ = answer(HOW_MUCH, [read(CHEAP, "12 million", 9.0), read(COSTLY, "14 million", 8.0)], COST)
    assert given_.short == "12 million crowns"
    assert [d.value for d in given_.disagreements] == ["14 million crowns"]
