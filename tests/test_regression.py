"""The project's regression set: sound in itself, and what was right in the committed baseline is right now.

The baseline is made anew, once it has been looked at, by

    assistant --index NEW eval tests/regression/huawei.yaml --save tests/regression/huawei.baseline.json
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import CORPUS

from assistant import Assistant
from assistant.evaluation import Report, baseline, compare, load_cases, run
from assistant.evaluation.verdict import decide
from assistant.sources import FileItem, items, parse

FOLDER = Path(__file__).parent / "regression"
CASES = load_cases(FOLDER / "huawei.yaml")
ON_THE_EDGE = 3
"""Cases that may flip: processors round differently, with bfloat16 and without, and two answers may be as likely."""


@pytest.fixture(scope="module")
def report(huawei: Assistant) -> Report:
    return run(huawei, CASES)


def test_cases_have_not_broken_since_the_baseline(report: Report) -> None:
    """Cases that were wrong then are findings that are known; they are mended by making the product better."""
    saved = baseline.load(FOLDER / "huawei.baseline.json")
    baseline.check_same_corpus(report.made_with, saved)
    comparison = compare(report, saved)
    assert comparison.pairs == len(CASES), comparison
    verdict = decide(report, comparison, max_regressions=ON_THE_EDGE)
    assert verdict.code == 0, "\n".join([*verdict.reasons, *(str(c.to_dict()) for c in comparison.broke)])


def test_every_citation_is_an_exact_span_of_its_article(report: Report) -> None:
    answers = [result.answer for result in report.results if result.answer]
    assert sum(len(answer.citations) for answer in answers) > 100
    assert report.metrics["exact"] == 1.0
    for answer in answers:
        assert answer.abstained == (not answer.citations)
        assert all(c.article.text[c.start : c.end] == c.quote for c in answer.citations)


def test_the_same_set_gives_the_same_report_twice(huawei: Assistant, report: Report) -> None:
    some = replace(report, results=report.results[::10], seconds={})
    again = replace(run(huawei, CASES[::10]), seconds={})
    for one, other in zip(some.results, again.results, strict=True):
        assert one.answer is not None
        assert other.answer is not None
        assert replace(one, answer=replace(one.answer, timings={})) == replace(
            other, answer=replace(other.answer, timings={})
        )


def test_the_set_is_as_large_and_as_mixed_as_it_should_be() -> None:
    tags = Counter(tag for case in CASES for tag in case.tags)
    assert len(CASES) >= 90
    assert tags["short"] >= 55
    assert tags["unanswerable"] >= 15
    assert tags["adversarial"] >= tags["unanswerable"] / 2
    assert tags["follow-up"] >= 10
    assert tags["why"] + tags["how"] >= 10


def test_every_expected_answer_and_quote_stands_in_an_article_named() -> None:
    texts = {}
    for item in items("corpus", CORPUS):
        assert isinstance(item, FileItem)
        texts[item.location] = parse(item, item.read()[0]).text.lower()
    for case in CASES:
        assert set(case.articles) <= set(texts), case.id
        for expected in case.answers:
            assert any(expected.lower() in texts[name] for name in case.articles), f"{case.id}: {expected}"
        if case.quote:
            assert any(quote.lower() in text for quote in case.quote for text in texts.values()), case.id
        assert sum(map(bool, (case.answers, case.quote, case.abstain))) == 1, case.id
