"""Copies of an agency's story: found whatever the order, given one place in a search, and told apart from look-alikes."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from conftest import write_article
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant import Article, Assistant
from assistant.chat.markup import evidence_markup
from assistant.cli import _print_answer
from assistant.copies import signatures, stories

AGENCY = """The ferry Orve Maiden ran aground on Tuesday night near the island of Kell with 214 passengers on board, the coastguard
said. Nobody was seriously hurt, but eleven people were taken to the hospital of Vell with bruises and shock.

The ship had left the harbour of Tansk at 7.40 in the evening and struck a sandbank 50 minutes later in thick fog. Two
lifeboats and a fishing vessel took the passengers off in the course of four hours, in darkness and a rising swell.

"The captain did what he could, but the channel marker was not lit," said Harbour Master Jonas Rehm. The lamp of the
marker had been reported broken twice since the beginning of the month, according to documents seen by the agency.

The operator, Orve Lines, said that the hull was damaged below the waterline over a length of nine metres and that the
ship would be towed to the yard of Hollen Works as soon as the weather allowed it. Crossings to Kell are cancelled until
Friday at least; a replacement with room for 90 people sails from Thursday morning.

The transport ministry has opened an inquiry. It is the third accident on the line in six years. In 2019 the same ship
lost power in the strait and drifted for two hours before a tug reached it."""

OWN = [
    ("Ferry hits sandbank off Kell", "The Daily Stone", "Readers on the island spoke of a night that nobody will soon forget, and of neighbours who brought blankets to the pier."),
    ("Passengers saved after ferry accident", "Evening Lamp", "An evening crossing ended in the dark for more than two hundred people who only wanted to get home."),
    ("Fog, a dark marker and a stranded ship", "Northern Post", "By our own correspondent in Vell. It is the accident that the islanders say they had been waiting for."),
    ("Orve Maiden aground", "Shipping Weekly", "Trade sources expect the insurers to look closely at the condition of the aids to navigation in the strait."),
    ("Over two hundred rescued near Kell", "The Courier", "Families waited on the quay of Vell until the small hours; many had heard of the accident by telephone."),
    ("Night of fear on the Kell ferry", "Tansk Tribune", "We were sitting at dinner when it shook, a pensioner from Tansk told this newspaper. Then the lights went out."),
    ("Ferry line stopped until Friday", "Commuter News", "If you travel to Kell this week, plan for a longer way: here is what is known, and what runs instead."),
    ("Inquiry into ferry accident", "Capital Gazette", "The opposition has called for the minister to answer questions in parliament before the week is over."),
    ("Broken lamp may have caused accident", "Coast Mirror", "Questions are being asked about who looks after the lights along the fairway, and how often."),
    ("Third accident in six years", "Island Voice", "Enough is enough, say the people of Kell, whose council meets tonight to talk about the line and its owner."),
]  # fmt: skip
DISTINCT = {
    "engineer": ("What a lighting engineer says of the Kell marker", "Harbour Review", "Channel markers like the one near Kell fail because their batteries are not changed, says Ida Brenn, who has serviced lamps for thirty years. The ferry accident did not surprise her. A lamp costs 400 crowns, a service trip by boat 2,000, so the trips are put off. She asks for solar cells and a remote alarm, as other ports have had since 2015."),
    "island": ("How Kell lives without its ferry", "Slow Travel", "Bread comes by fishing boat, and the doctor by helicopter. Since the ferry ran aground, the 900 people of Kell have shared cars, freezers and a single pharmacy. The school has stayed open because two of its teachers were on the island that night. Shopkeeper Lena Osk has counted her flour and says that it will last until Sunday."),
    "owner": ("The owners behind Orve Lines", "Money Page", "Orve Lines, the company whose ferry ran aground off Kell, belongs to two funds registered in Lund. It bought the line in 2018 for 31 million crowns and has not ordered a new ship since. Its annual report speaks of a careful approach to investment. Dividends rose in each of the last four years, while the number of deckhands fell from 140 to 85."),
}  # fmt: skip


def copy(number: int, *, cut: int = 0) -> str:
    """The agency's story as one outlet prints it: own opening, own byline, perhaps without the last paragraphs."""
    _, outlet, opening = OWN[number]
    paragraphs = AGENCY.split("\n\n")
    kept = paragraphs[: len(paragraphs) - cut]
    return "\n\n".join([f"By the {outlet} newsroom and agencies", opening, *kept])


def grouped(texts: dict[str, str]) -> list[tuple[str, ...]]:
    return stories(signatures(texts), texts.__getitem__)


# -- which are copies --------------------------------------------------------------------------------------


def test_copies_with_their_own_openings_and_bylines_are_one_story_and_others_stand_alone() -> None:
    texts = {f"copy{i}": copy(i) for i in range(10)} | {name: text for name, (_, _, text) in DISTINCT.items()}
    assert grouped(texts) == [tuple(f"copy{i}" for i in range(10))]


def test_a_copy_without_the_last_paragraph_is_one_too() -> None:
    assert grouped({"a": copy(0), "b": copy(1, cut=1)}) == [("a", "b")]


def test_short_texts_are_copies_only_if_their_words_are_the_same() -> None:
    assert grouped({"a": "Rain in Vell.", "b": "Rain  in Vell", "c": "Rain in Kell."}) == [("a", "b")]


PATTERN = (
    "{name} reported a profit of {a} million crowns for the quarter, compared with {b} million a year before. Sales rose"
    " by {c} percent to {d} million. The company employs {e} people and expects sales of {f} million for the whole year."
    " The board will propose a dividend of {g} crowns a share. The shares closed at {h} crowns on the exchange of Tansk."
)


def test_reports_made_after_one_pattern_are_no_copies() -> None:
    """They share most of their words, and none of their figures."""
    texts = {}
    for number, name in enumerate(("Hollen Works", "Orve Lines", "Stone Press")):
        figures = {key: str(17 * (number + 1) * (i + 3)) for i, key in enumerate("abcdefgh")}
        texts[name] = PATTERN.format(name=name, **figures)
    assert grouped(texts) == []
    assert grouped({"a": texts["Orve Lines"], "b": texts["Orve Lines"] + " It was founded in 1950."}) == [("a", "b")]


MONTHLY = (
    "Deliveries in {month}. The carmaker Tarvo handed over {count} vehicles to customers in {month}, the company said on"
    " Monday. All of its models sold better than expected, and dealers reported full order books in the big cities. The"
    " head of sales thanked the teams at the plant and in the shops, who had worked through several weekends to bring the"
    " cars to their buyers in time. The company did not change its outlook for the year and will publish results soon."
)


def test_monthly_reports_with_few_figures_are_no_copies() -> None:
    counts = {"May": "40,012", "June": "44,380", "July": "31,250"}
    texts = {month: MONTHLY.format(month=month, count=count) for month, count in counts.items()}
    assert grouped(texts) == []


def test_a_correction_of_the_one_figure_is_no_copy() -> None:
    assert grouped({c: MONTHLY.format(month="May", count=c) for c in ("40,012", "20,012")}) == []


def test_an_outlet_s_own_figures_do_not_set_a_copy_apart() -> None:
    story = MONTHLY.format(month="May", count="40,012")
    texts = {
        "a": f"{story} Reporting by desk 14 in Vell.",
        "b": f"Vell, 3 June, 09:40. {story}",
        "c": f"The 2 pm briefing for the 7th. {story}",
    }
    assert grouped(texts) == [("a", "b", "c")]


def test_two_different_stories_of_one_event_are_no_copies() -> None:
    texts = {name: text for name, (_, _, text) in DISTINCT.items()}
    assert grouped(texts | {"agency": AGENCY}) == []


@given(st.randoms(use_true_random=False))
@settings(max_examples=15, deadline=None)
def test_the_order_of_articles_plays_no_role(chance: random.Random) -> None:
    texts = {f"copy{i}": copy(i, cut=i % 2) for i in range(6)} | {n: text for n, (_, _, text) in DISTINCT.items()}
    shuffled = list(texts.items())
    chance.shuffle(shuffled)
    assert grouped(dict(shuffled)) == grouped(texts)


def test_a_signature_is_the_same_in_every_process() -> None:
    code = "from assistant.copies import signatures; print(signatures({'a': 'one two three ' * 20})['a'].tolist())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(signatures({"a": "one two three " * 20})["a"].tolist())


def test_the_share_of_equal_places_estimates_the_share_of_common_runs() -> None:
    """Of 600 runs of five words, half are common: the estimate lies within three standard deviations."""
    chance = random.Random(3)
    common, one, other = ([f"w{chance.randrange(10**9)}" for _ in range(300)] for _ in range(3))
    found = signatures({"a": " ".join(common + one), "b": " ".join(common + other)})
    assert abs(float(np.mean(found["a"] == found["b"])) - 296 / 896) < 3 * 0.042


# -- in an index -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ferry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assistant]:
    """Ten copies and three distinct stories, really embedded."""
    folder = tmp_path_factory.mktemp("ferry")
    for number, (title, outlet, _) in enumerate(OWN):
        write_article(folder / "corpus" / f"copy{number}.md", title, outlet, f"2024-03-{number + 1:02}", copy(number))
    for name, (title, outlet, text) in DISTINCT.items():
        write_article(folder / "corpus" / f"{name}.md", title, outlet, "2024-03-04", text)
    with Assistant.open(corpus=folder / "corpus", index=folder / "index") as assistant:
        assistant.sync()
        yield assistant


@pytest.mark.parametrize(
    "query",
    ["ferry accident near Kell", "Why did the ferry run aground off Kell?", "Kell ferry", "Orve Lines ferry aground"],
)
def test_all_three_distinct_stories_are_among_the_five_best_hits_beside_ten_copies(
    ferry: Assistant, query: str
) -> None:
    hits = ferry.search(query, 100)
    best = [hit.article.location for hit in hits[:5]]
    assert {f"{name}.md" for name in DISTINCT} <= set(best)
    assert len({hit.article.location for hit in hits if hit.article.location.startswith("copy")}) == 1
    assert len(hits) > 5
    assert len({hit.passage.id for hit in hits}) == len(hits)


def test_the_one_place_names_the_other_articles_and_outlets(ferry: Assistant) -> None:
    (hit, *_) = [
        hit for hit in ferry.search("ferry accident near Kell", 100) if hit.article.location.startswith("copy")
    ]
    others = {ferry.article(id_).location for id_ in hit.copies}
    assert others == {f"copy{i}.md" for i in range(10)} - {hit.article.location}
    assert set(hit.outlets) == {outlet for _, outlet, _ in OWN} - {hit.article.source}
    (alone, *_) = [hit for hit in ferry.search("lamp batteries", 100) if hit.article.location == "engineer.md"]
    assert (alone.copies, alone.outlets) == ((), ())


def test_a_citation_says_in_how_many_outlets_the_story_appeared(
    ferry: Assistant, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = ferry.ask("How many passengers were on board the Orve Maiden?")
    assert not answer.abstained
    citation = answer.citations[0]
    assert len(citation.outlets) == 9
    assert len(citation.also) == 9
    assert "also in 9 outlets" in str(answer)
    _print_answer(answer)
    assert "also in 9 outlets" in capsys.readouterr().out
    assert answer.to_dict()["citations"][0]["outlets"] == list(citation.outlets)


def test_the_page_says_so_too_and_an_outlet_s_name_is_text(ferry: Assistant) -> None:
    answer = ferry.ask("How many passengers were on board the Orve Maiden?")
    assert "also in 9 outlets" in evidence_markup(answer)
    hostile = replace(answer.citations[0], outlets=("'><img src=x onerror=alert(1)>",))
    markup = evidence_markup(replace(answer, citations=(hostile,)))
    assert "also in 1 outlet<" in markup
    assert "<img" not in markup


def test_copies_that_a_filter_excludes_are_not_named(ferry: Assistant) -> None:
    hits = ferry.search("ferry accident near Kell", 100, until="2024-03-03")
    (hit, *_) = [hit for hit in hits if hit.article.location.startswith("copy")]
    assert len(hit.copies) == 2
    assert all(ferry.article(id_).published <= date(2024, 3, 3) for id_ in hit.copies)  # type: ignore[operator]
    assert ferry.search("ferry", 100, source="Island Voice")[0].article.location == "copy9.md"


def test_copies_do_not_starve_the_others_of_candidates(
    open_assistant: Callable[..., Assistant], tmp_path: Path
) -> None:
    """With five candidates of each search, thirty copies would be all that is found."""
    for number in range(30):
        write_article(
            tmp_path / "many" / f"copy{number}.md", f"Ferry {number}", f"Outlet {number}", "2024-03-01", AGENCY
        )
    write_article(tmp_path / "many" / "other.md", "Other", "Lamp", "2024-03-01", DISTINCT["owner"][2])
    assistant = open_assistant(candidates=5, corpus=tmp_path / "many")
    assistant.sync()
    places = [hit.article.location for hit in assistant.search("ferry ran aground near Kell", 20)]
    assert "other.md" in places
    assert len({place for place in places if place.startswith("copy")}) == 1


def recorded(assistant: Assistant) -> set[frozenset[str]]:
    index = assistant._index()
    ids = [article.id for article in index.catalog.articles(index.generation)]
    copies = index.catalog.copies(ids, index.generation)
    return {frozenset([id_, *(other for other, _, _ in others)]) for id_, others in copies.items()}


def articles(names: str) -> list[Article]:
    return [Article(name, OWN[int(name)][0], copy(int(name)), OWN[int(name)][1]) for name in names]


def test_a_story_is_the_same_whether_its_copies_come_at_once_or_one_by_one(
    open_assistant: Callable[..., Assistant], tmp_path: Path
) -> None:
    at_once = open_assistant(index=tmp_path / "at once")
    at_once.sync(articles("0123"))
    assert recorded(at_once) == {frozenset("0123")}
    for number, order in enumerate(("0123", "3210", "2031")):
        one_by_one = open_assistant(index=tmp_path / f"one by one {number}")
        for name in order:
            one_by_one.sync(articles(name))
        assert recorded(one_by_one) == recorded(at_once)
        one_by_one.sync([Article("other", "Other", DISTINCT["owner"][2])])
        assert recorded(one_by_one) == recorded(at_once)


def test_a_copy_that_is_edited_or_leaves_leaves_its_story(
    open_assistant: Callable[..., Assistant], tmp_path: Path
) -> None:
    folder = tmp_path / "few"
    for number in range(3):
        write_article(folder / f"{number}.md", OWN[number][0], OWN[number][1], "2024-03-01", copy(number))
    assistant = open_assistant(corpus=folder)
    assistant.sync()
    (whole,) = recorded(assistant)
    write_article(folder / "0.md", "Bread", "The Daily Stone", "2024-03-01", "A recipe for bread of rye and oats. " * 9)
    assistant.sync()
    (two,) = recorded(assistant)
    assert len(whole) == 3
    assert two < whole
    (folder / "1.md").unlink()
    assistant.sync()
    assert recorded(assistant) == set()
    assert assistant.search("ferry")[0].copies == ()


def test_an_address_that_is_none_names_no_outlet(open_assistant: Callable[..., Assistant]) -> None:
    assistant = open_assistant()
    hostile = [replace(article, source="", url="http://[") for article in articles("01")]
    assistant.sync([*hostile, replace(articles("2")[0], source="", url="https://www.stone.example/a")])
    (hit, *_) = assistant.search("ferry")
    assert len(hit.copies) == 2
    assert hit.outlets in (("stone.example",), ())


def test_a_rebuild_finds_the_same_stories(open_assistant: Callable[..., Assistant]) -> None:
    assistant = open_assistant()
    assistant.sync(articles("012"))
    assistant.sync(rebuild=True)
    assert recorded(assistant) == {frozenset("012")}
