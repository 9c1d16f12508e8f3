"""`assistant eval`: what is counted, compared and handed out, and when the build fails."""

from __future__ import annotations

import io
import math
import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from conftest import HOSTILE, WordEmbedder, write_article
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from scipy.stats import binomtest

from assistant import Answer, Article, Assistant, Citation, Hit, Passage, Settings, Turn
from assistant.errors import InvalidBaseline, InvalidSetting
from assistant.evaluation import Case, Report, Result, baseline, compare, load_cases, run
from assistant.evaluation.baseline import mcnemar
from assistant.evaluation.cases import Number
from assistant.evaluation.html import nearest, page, shown
from assistant.evaluation.junit import document
from assistant.evaluation.report import BY_STAGE, METRICS, MadeWith
from assistant.evaluation.table import show
from assistant.evaluation.verdict import Verdict, check_tags, decide, parse_limits
from assistant.reading import load_reader
from assistant.schema import Span

TOWN = """\
cases:
  - {id: opened, question: "Who opened the bridge over the Orve?", answers: [Mara Lind], articles: [bridge.md], tags: [who]}
  - {id: year, question: "When did Mara Lind open the bridge over the Orve?", date: 2024, articles: [bridge.md], tags: [when]}
  - {id: clocks, question: "How many clocks does the museum in Vell show?", number: 900, articles: [museum.md], tags: [number]}
  - {id: built, question: "Who built the harbour of Tansk?", answers: [Mara Lind], articles: [harbour.md], tags: [who], weight: 3}
  - {id: mayor, question: "Who is the mayor of Lundby?", abstain: true, until: 1990-01-01, tags: [silent]}
"""
"""All right but `built`, whose expected answer is wrong. Before 1990 there is no article, so that whether `mayor` is
answered does not hang on how sure a reader is."""


@pytest.fixture
def town(open_assistant: Callable[..., Assistant]) -> Assistant:
    assistant = open_assistant(threshold=0.01)
    assistant.sync()
    return assistant


@pytest.fixture
def cases(tmp_path: Path) -> list[Case]:
    (tmp_path / "town.yaml").write_text(TOWN, encoding="utf-8")
    return load_cases(tmp_path / "town.yaml")


def answer(*, short: str | None = "x", confidence: float = 0.5, abstained: bool = False, hits: int = 1) -> Answer:
    article = Article("a", "A", "x stands here.", location="a.md")
    found = tuple(Hit(Passage(str(i), "a", 0, 5), article, 0.5, 0.5, 0.5) for i in range(hits))
    return Answer("Q?", "Q?", None if abstained else short, "", abstained, "", confidence, (), found)


def result(id_: str, stage: str = "right", *, words: bool | None = None, **rest: Any) -> Result:
    case = rest.pop("case", Case(id_, "Q?", answers=("x",), tags=("t",), weight=rest.pop("weight", 1.0)))
    found = rest.pop("answer", answer(confidence=rest.pop("confidence", 0.5)))
    return Result(replace(case, id=id_), found, stage, words=stage == "right" if words is None else words, **rest)


def report(*results: Result, corpus: str = "c1") -> Report:
    made = MadeWith(corpus, 3, {"embedding": "e", "reader": "r"}, {"read": 24})
    return Report(tuple(results), made, {r.case.id: 0.1 for r in results})


# -- running -------------------------------------------------------------------------------------------------------


def test_a_small_set_is_asked_and_scored(town: Assistant, cases: list[Case]) -> None:
    seen = []
    found = run(town, cases, lambda done, total: seen.append((done, total)))
    assert {r.case.id: r.stage for r in found.results} == {
        "opened": "right", "year": "right", "clocks": "right", "built": "read but wrong", "mayor": "right",
    }  # fmt: skip
    assert seen == [(done, 5) for done in range(1, 6)]
    assert found.metrics["answer"] == pytest.approx(4 / 7)
    assert found.tags["who"] == (1, 2, pytest.approx(1 / 4))
    assert found.metrics["hit@1"] == found.metrics["exact"] == 1.0


def test_what_is_held_back_is_judged_too(open_assistant: Callable[..., Assistant], cases: list[Case]) -> None:
    assistant = open_assistant(threshold=1.0)
    assistant.sync()
    found = {r.case.id: r for r in run(assistant, cases).results}
    assert found["opened"].stage == "abstained wrongly"
    assert (found["opened"].words, found["opened"].given) == (True, "Mara Lind")
    assert found["built"].stage == "read but wrong"
    assert found["mayor"].right


def test_one_reading_gives_the_answers_that_two_would(open_assistant: Callable[..., Assistant]) -> None:
    assistant = open_assistant(threshold=1.0)
    assistant.sync()
    question = "Who opened the bridge over the Orve?"
    both = assistant.ask_at((None, 0.0), question)
    apart = [assistant.ask(question), assistant.ask(question, threshold=0.0)]
    assert [a.abstained for a in both] == [True, False]
    assert [replace(a, timings={}) for a in both] == [replace(a, timings={}) for a in apart]
    with pytest.raises(InvalidSetting, match="use 0 to 1"):
        assistant.ask_at((None, 2.0), question)


def test_filters_and_history_are_those_of_the_case(town: Assistant) -> None:
    asked = Case(
        "f",
        "And that of Tansk?",
        history=(Turn("Who opened the bridge over the Orve?", "Mara Lind"),),
        articles=("harbour.md",),
    )
    outside = Case("o", "Who opened the bridge over the Orve?", until=date(2024, 1, 1), abstain=True)
    other = Case("s", "Who opened the bridge over the Orve?", source="Evening Lamp", articles=("bridge.md",))
    found = {r.case.id: r for r in run(town, [asked, outside, other]).results}
    assert found["f"].answer is not None
    assert "harbour" in found["f"].answer.asked or "Tansk" in found["f"].answer.asked
    assert found["o"].answer is not None
    assert found["o"].answer.hits == ()
    assert found["s"].stage == "not retrieved"


def test_a_case_whose_article_left_is_stale_and_a_draft_is_left_out(
    town: Assistant, cases: list[Case], corpus: Path
) -> None:
    (corpus / "museum.md").unlink()
    town.sync()
    found = run(town, [*cases, replace(cases[0], id="d", draft=True)])
    assert [r.case.id for r in found.results if r.stage == "stale"] == ["clocks"]
    assert len(found.counted) == 4
    assert found.metrics["answer"] == pytest.approx(3 / 6)
    assert "clocks" not in {r.case.id for r in found.failed}


def test_a_question_that_cannot_be_asked_is_an_error_and_never_a_pass(town: Assistant, cases: list[Case]) -> None:
    found = run(
        town,
        [
            *cases[:2],
            Case("bad", "🙂🙂", abstain=True),
            Case("swap", "Who?", since=date(2024, 5, 2), until=date(2024, 5, 1), abstain=True),
        ],
    )
    assert [r.case.id for r in found.errors] == ["bad", "swap"]
    assert found.metrics["answer"] == 0.5
    verdict = decide(found, limits={"answer": 0.1})
    assert verdict.code == 3
    assert "bad, swap" in verdict.reasons[0]


def test_a_passage_found_and_not_read_is_told_from_one_not_found(open_assistant: Callable[..., Assistant]) -> None:
    assistant = open_assistant(read=1)
    assistant.sync()
    case = Case("c", "Who opened the bridge over the Orve?", answers=("Hollen Works",), articles=("harbour.md",))
    (found,) = run(assistant, [case]).results
    assert found.stage == "retrieved but not read"


# -- metrics -------------------------------------------------------------------------------------------------------


def test_retrieval_is_measured_by_the_place_of_the_evidence() -> None:
    found = report(result("a", rank=1), result("b", rank=4, weight=2.0), result("c", rank=None))
    assert found.metrics["hit@1"] == pytest.approx(1 / 4)
    assert found.metrics["hit@5"] == pytest.approx(3 / 4)
    assert found.metrics["mrr"] == pytest.approx((1 + 2 / 4) / 4)


def test_abstention_is_measured_over_the_silences() -> None:
    silent, wanted = answer(abstained=True), Case("x", "Q?", abstain=True)
    found = report(
        result("a", case=wanted, answer=silent),
        result("b", "answered though silent", case=wanted),
        result("c", "abstained wrongly", answer=silent),
        result("d"),
    )
    assert (found.metrics["abstain_precision"], found.metrics["abstain_recall"]) == (0.5, 0.5)
    assert found.metrics["abstain_f1"] == 0.5


def test_calibration_compares_the_confidence_with_whether_the_words_held() -> None:
    found = report(
        result("a", confidence=0.9), result("b", "read but wrong", confidence=0.9),
        result("c", "abstained wrongly", words=True, answer=answer(abstained=True, confidence=0.3)),
    )  # fmt: skip
    assert found.metrics["brier"] == pytest.approx((0.01 + 0.81 + 0.49) / 3)
    assert found.metrics["ece"] == pytest.approx((2 * abs(0.9 - 0.5) + abs(0.3 - 1.0)) / 3)
    assert [(b.probability, b.count, b.right) for b in found.reliability] == [(0.3, 1, 1.0), (0.9, 2, 0.5)]


def test_calibration_counts_a_case_as_much_as_it_weighs() -> None:
    found = report(result("a", confidence=0.9, weight=3.0), result("b", "read but wrong", confidence=0.9),
                   result("c", "read but wrong", confidence=0.2, weight=4.0))  # fmt: skip
    assert [(b.count, b.right) for b in found.reliability] == [(1, 0.0), (2, 0.75)]
    assert found.metrics["ece"] == pytest.approx((4 * 0.2 + 4 * (0.9 - 0.75)) / 8)
    assert found.metrics["brier"] == pytest.approx((3 * 0.01 + 0.81 + 4 * 0.04) / 8)


def test_what_shows_no_evidence_is_not_counted_in_retrieval() -> None:
    found = report(result("a", rank=1), result("b", case=Case("x", "Q?", regex="x"), rank=None))
    assert (found.metrics["hit@1"], found.metrics["mrr"]) == (1.0, 1.0)


def test_a_depth_that_is_not_read_is_said_to_be_another() -> None:
    found = report(result("a", rank=1))
    assert "read" not in found.about("hit@20")
    shallow = replace(found, made_with=replace(found.made_with, settings={"read": 12}))
    assert "only 12 are read, so this is hit@12" in shallow.about("hit@20")
    assert "read" not in shallow.about("hit@5")
    console = Console(width=200, record=True, file=io.StringIO())
    show(shallow, None, Verdict(0), console)
    assert "this is hit@12" in console.export_text()
    assert "this is hit@12" in page(shallow, None, Verdict(0))


class SlowAtFirst:
    """A reader whose first question takes as long as loading a model does."""

    def __init__(self) -> None:
        self.reader, self.asked = load_reader(), 0

    def read(self, question: str, texts: Sequence[str], titles: Sequence[str] = ()) -> list[Span]:
        self.asked += 1
        if self.asked == 1:
            time.sleep(3)
        return self.reader.read(question, texts, titles)


def test_no_time_holds_the_loading_of_models(tmp_path: Path, corpus: Path, cases: list[Case]) -> None:
    settings = Settings(corpus=corpus, index=tmp_path / "index")
    with Assistant(settings, WordEmbedder(), SlowAtFirst()) as assistant:
        assistant.sync()
        found = run(assistant, cases)
    assert found.metrics["p95"] is not None
    assert found.metrics["p95"] < 3_000


def test_a_citation_of_a_copy_is_counted_where_the_case_names_its_file(tmp_path: Path, corpus: Path) -> None:
    """Hits are not kept with an answer, and yet what they told of copies is."""
    story = "Mara Lind opened the bridge over the Orve in 2024, and it cost 12 million crowns. " * 3
    for name, outlet in (("bridge", "The Daily Stone"), ("copy", "Evening Lamp"), ("again", "Morning Post")):
        write_article(corpus / f"{name}.md", "The river bridge", outlet, "2024-03-01", story)
    settings = Settings(corpus=corpus, index=tmp_path / "index", threshold=0.01)
    with Assistant(settings, WordEmbedder()) as assistant:
        assistant.sync()
        cases = [Case(f"{n}", "Who opened the bridge over the Orve?", answers=("Mara Lind",), articles=(f"{n}.md",))
                 for n in ("bridge", "copy", "again")]  # fmt: skip
        found = run(assistant, cases)
    assert [r.stage for r in found.results] == ["right"] * 3
    assert (found.metrics["cited"], found.metrics["hit@1"]) == (1.0, 1.0)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.floats(0.1, 9)), min_size=1, max_size=30))
def test_metrics_stay_within_their_bounds(rows: list[tuple[float, bool, float]]) -> None:
    found = report(
        *(
            result(str(i), "right" if right else "read but wrong", confidence=c, weight=w)
            for i, (c, right, w) in enumerate(rows)
        )
    )
    values = [value for name, value in found.metrics.items() if value is not None and name not in ("p50", "p95")]
    assert all(0 <= value <= 1 + 1e-9 for value in values)
    assert sum(b.count for b in found.reliability) == len(rows)
    total = sum(w for _, _, w in rows)
    assert found.metrics["answer"] == pytest.approx(sum(w for _, right, w in rows if right) / total)
    assert found.metrics["brier"] == pytest.approx(sum(w * (c - right) ** 2 for c, right, w in rows) / total)


def test_what_no_case_measures_is_none_and_fails_a_limit() -> None:
    found = report(result("a", case=Case("x", "Q?", abstain=True), answer=answer(abstained=True)))
    assert found.metrics["hit@5"] is None
    verdict = decide(found, limits={"hit@5": 0.5})
    assert verdict.code == 1
    assert verdict.reasons[0].startswith("hit@5 is not measured by any case")


def test_every_metric_has_a_stage_and_a_meaning() -> None:
    assert {name for names in BY_STAGE.values() for name in names} == set(METRICS)
    assert set(report(result("a")).metrics) == set(METRICS)


# -- limits --------------------------------------------------------------------------------------------------------


def test_limits_are_floors_and_for_errors_and_times_ceilings() -> None:
    found = report(result("a", confidence=0.5), result("b", "read but wrong", confidence=0.5))
    assert decide(found, limits=parse_limits("answer=.5, tag:t=.5, brier=.25, p95=101")).code == 0
    verdict = decide(found, limits=parse_limits("answer=.51,tag:t=.6,brier=.24,p95=99"))
    assert verdict.code == 1
    assert [re.split(" is ", reason)[0] for reason in verdict.reasons] == ["answer", "tag:t", "brier", "p95"]


@pytest.mark.parametrize(
    ("text", "says"),
    [("answers=.9", "known: answer, hit@1"), ("answer", "NAME=NUMBER"), ("answer=high", "NAME=NUMBER"), ("answer=nan", "NAME=NUMBER")],
)  # fmt: skip
def test_an_unknown_limit_is_refused_with_the_names_there_are(text: str, says: str) -> None:
    with pytest.raises(InvalidSetting, match=re.escape(says)):
        parse_limits(text)


def test_a_tag_that_no_case_has_is_refused_with_the_tags_there_are() -> None:
    limits = parse_limits("tag:short=.5")
    short = Case("b", "Q?", answers=("x",), tags=("short",))
    with pytest.raises(InvalidSetting, match="these have: tag:t"):
        check_tags(limits, [result("a").case, replace(short, draft=True)])
    check_tags(limits, [short])
    verdict = decide(report(result("a"), Result(short, None, "stale")), limits=limits)
    assert verdict.code == 1
    assert verdict.reasons == ("tag:short is not measured: no case that counts has the tag",)


# -- baselines -----------------------------------------------------------------------------------------------------


def saved(tmp_path: Path, found: Report) -> dict[str, Any]:
    baseline.save(found, tmp_path / "baseline.json")
    return baseline.load(tmp_path / "baseline.json")


def test_flips_are_listed_pairwise(tmp_path: Path) -> None:
    was = report(result("same"), result("broke"), result("mended", "read but wrong"), result("moved", "not retrieved"),
                 result("reworded"), result("gone"), result("staled"))  # fmt: skip
    other = Case("x", "Another?", answers=("x",))
    now = report(result("same"), result("broke", "not retrieved"), result("mended"), result("moved", "read but wrong"),
                 result("reworded", "read but wrong", case=other), result("new", "read but wrong"),
                 result("staled", "stale", answer=None))  # fmt: skip
    found = compare(now, saved(tmp_path, was))
    assert [(c.result.case.id, c.was, c.result.stage) for c in found.broke] == [("broke", "right", "not retrieved")]
    assert [c.result.case.id for c in found.mended] == ["mended"]
    assert [(c.was, c.result.stage) for c in found.moved] == [("not retrieved", "read but wrong")]
    assert (found.rewritten, found.new, found.gone, found.pairs) == (("reworded",), ("new",), ("gone",), 4)
    assert decide(now, found).reasons == ("1 regression: broke (not retrieved)",)
    assert decide(now, found, max_regressions=1).code == 0


def test_a_baseline_that_shares_no_case_is_refused(tmp_path: Path) -> None:
    """Nothing can break then, and that would look like a pass."""
    before = saved(tmp_path, report(result("a"), result("b")))
    reworded = result("b", case=Case("x", "Another?", answers=("x",)))
    for other in (report(result("new")), report(reworded), report(result("a", "stale", answer=None), result("new"))):
        with pytest.raises(InvalidBaseline, match="shares no case"):
            compare(other, before)
    with pytest.raises(InvalidBaseline, match="shares no case"):
        baseline.check_shares_cases([reworded.case, replace(result("a").case, draft=True)], before)
    baseline.check_shares_cases([reworded.case, result("a").case], before)


def test_a_case_is_known_by_what_it_says_and_not_by_what_it_could_say() -> None:
    """So that a key that comes later leaves the baselines that are there as they are."""

    @dataclass(frozen=True)
    class LaterCase(Case):
        mood: str = ""

    case = Case("a", "Q?", answers=("x",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baseline, "Case", LaterCase)
        later = baseline.fingerprint(LaterCase("a", "Q?", answers=("x",)))
        assert baseline.fingerprint(LaterCase("a", "Q?", answers=("x",), mood="good")) != later
    assert baseline.fingerprint(case) == later
    assert baseline.fingerprint(replace(case, path="x", line=4, tags=("t",), weight=2.0, draft=True)) == later
    for change in ({"question": "P?"}, {"answers": ("y",)}, {"abstain": True}, {"number": Number(Decimal(0))}):
        assert baseline.fingerprint(replace(case, **change)) != later


def test_a_case_that_became_an_error_broke(tmp_path: Path) -> None:
    now = report(result("a", "error", answer=None), result("b"))
    found = compare(now, saved(tmp_path, report(result("a"), result("b"))))
    assert [c.result.stage for c in found.broke] == ["error"]
    assert decide(now, found, max_regressions=5).code == 3


def test_another_corpus_needs_force_and_another_model_is_said(tmp_path: Path) -> None:
    before = saved(tmp_path, report(result("a")))
    now = report(result("a"), corpus="c2")
    with pytest.raises(InvalidBaseline, match="--force"):
        baseline.check_same_corpus(now.made_with, before)
    baseline.check_same_corpus(report(result("a")).made_with, before)
    changed = replace(
        now, made_with=replace(now.made_with, models={"embedding": "e", "reader": "r2"}, settings={"read": 1})
    )
    assert compare(changed, before).differences == ("corpus: c1 -> c2", "reader: r -> r2", "read: 24 -> 1")


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_test_of_the_flips_is_the_exact_binomial_one(broke: int, mended: int) -> None:
    expected = binomtest(broke, broke + mended).pvalue if broke + mended else 1.0
    assert mcnemar(broke, mended) == pytest.approx(expected)


def test_the_test_of_many_flips_is_still_exact() -> None:
    assert math.isclose(mcnemar(4_000, 4_100), binomtest(4_000, 8_100).pvalue, rel_tol=1e-9)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 1}', '{"format": 99, "cases": {}}', "[" * 100_000, "\ud800"]
)
def test_what_is_no_baseline_is_refused_with_the_command_that_makes_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "b.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InvalidBaseline, match="assistant eval FILE --save"):
        baseline.load(tmp_path / "b.json")
    with pytest.raises(InvalidBaseline, match="assistant eval FILE --save"):
        baseline.load(tmp_path / "none.json")


# -- what is handed out --------------------------------------------------------------------------------------------


@pytest.fixture
def hostile(town: Assistant, corpus: Path) -> Report:
    """A report on a hostile article, asked by a hostile case."""
    write_article(
        corpus / "hostile.md",
        "<b>Vandal</b> & [red]co[/red]",
        "Evil",
        "2024-07-01",
        f"The vandal of Vell is called Orm Hask. `{HOSTILE}`",
    )
    town.sync()
    cases = [
        Case("<i>&]]>", f"Who is the vandal of Vell? {HOSTILE}", answers=("Orm Hask", HOSTILE), tags=(HOSTILE, "[bold]"), path="<x>.yaml"),
        Case("b", "[link=http://sink.example]Who opened the bridge?[/link]", answers=(HOSTILE,), articles=("hostile.md",)),
    ]  # fmt: skip
    return run(town, cases)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def test_the_page_shows_hostile_text_and_loads_nothing(hostile: Report, tmp_path: Path) -> None:
    text = page(hostile, compare(hostile, saved(tmp_path, hostile)), Verdict(1, (HOSTILE,)))
    tags = Tags()
    tags.feed(text)
    assert not {tag for tag, _ in tags.seen} & {"script", "img", "iframe", "object", "embed", "link", "i", "form"}
    attributes = {(name, value) for _, found in tags.seen for name, value in found.items()}
    assert not [name for name, _ in attributes if name.startswith("on") or name in ("src", "srcset")]
    assert all((value or "").startswith(("#", "https://", "http://")) for name, value in attributes if name == "href")
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text
    assert text.count("<svg") == 3
    assert "&lt;script&gt;alert(2)&lt;/script&gt;" in text


def test_the_page_shows_each_case_with_its_passage_marked_and_its_flip(
    town: Assistant, cases: list[Case], tmp_path: Path
) -> None:
    first = run(town, cases)
    before = saved(tmp_path, first)
    before["cases"]["built"] |= {"stage": "right", "given": "Somebody Else"}
    text = page(first, compare(first, before), Verdict(1, ("1 regression: built",)))
    assert re.search(r"<mark>The harbour of Tansk was built by <b>Hollen Works</b>\.</mark>", text)
    assert "Somebody Else" in text
    assert all(f'id="case-{case.id}"' in text for case in cases)
    assert text.index('id="case-built"') < text.index('id="case-opened"')


def test_the_page_marks_only_where_an_article_goes_on() -> None:
    text = " ".join(f"Sentence {n} stands here." for n in range(60))
    long = Article("a", "A", text, location="a.md")

    def quoted(number: int) -> tuple[bool, bool]:
        start = text.index(f"Sentence {number} ")
        quote = f"Sentence {number} stands here."
        citation = Citation(1, long, quote, start, start + len(quote), 1.0)
        (part,) = shown(replace(answer(), citations=(citation,)))
        return part.cut_before, part.cut_after

    assert [quoted(number) for number in (0, 2, 30, 57, 59)] == [
        (False, True),
        (False, True),
        (True, True),
        (True, False),
        (True, False),
    ]
    hit = Hit(Passage("p", "a", 0, 5), Article("a", "A", "x stands here."), 0.5, 0.5, 0.5)
    (part,) = nearest(replace(answer(), hits=(hit,)))
    assert (part.cut_before, part.cut_after) == (False, True)


def test_junit_is_xml_with_a_test_per_case(hostile: Report) -> None:
    extra = (result("e", "error", answer=None, detail="bad \x00\x1b"), result("s", "stale", answer=None, detail="gone"))
    whole = replace(hostile, results=(*hostile.results, *extra), seconds=hostile.seconds | {"e": 0.0, "s": 0.0})
    suite = ET.fromstring(document(whole))  # noqa: S314 our own
    assert {name: suite.get(name) for name in ("tests", "errors", "skipped")} == {
        "tests": "4",
        "errors": "1",
        "skipped": "1",
    }
    kinds = {test.get("name"): [child.tag for child in test] for test in suite}
    assert kinds["e"] == ["error"]
    assert kinds["s"] == ["skipped"]
    assert kinds["b"] == ["failure"]
    assert "<i>&]]>" in kinds


def test_the_terminal_shows_failures_first_and_text_as_it_is(hostile: Report) -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    show(hostile, None, Verdict(1, ("1 case failed",)), console)
    text = console.export_text()
    assert "[link=http://sink.example]Who opened the bridge?[/link]" in text
    assert text.index("Who opened the bridge?") < text.index("hit@5")
    assert "[bold]" in text
