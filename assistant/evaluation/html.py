"""A Report -> one page that needs no network and no script: summary, charts, changes, and every case with its passage.

The home of Jinja. Everything is escaped by the template's engine; nothing of a case or an article becomes markup.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assistant import __version__
from assistant.evaluation.baseline import Change, Comparison
from assistant.evaluation.report import BY_STAGE, LOWER_IS_BETTER, Report
from assistant.evaluation.scoring import CITED_WRONG, ERROR, FAILURES, RIGHT, STAGES, expected
from assistant.evaluation.table import metric, summary
from assistant.evaluation.verdict import Verdict
from assistant.schema import Answer, Article

_TEMPLATE = Path(__file__).with_name("page.html")
GENERATOR = "article-assistant eval"
"""What the page names as its maker, by which it is known when it is to be written over."""
_TOLD = frozenset(FAILURES) - {CITED_WRONG, ERROR}
"""Stages whose detail says no more than the lines above it."""
_AROUND = 240
"""Characters of the article shown on each side of a quote."""


@dataclass(frozen=True)
class Shown:
    """A passage on the page: the quote between what stands around it, and in the quote the short answer."""

    article: Article
    before: str
    quote: str
    short: str
    rest: str
    after: str
    cut_before: bool
    """Whether the article goes on there."""
    cut_after: bool


@dataclass(frozen=True)
class Bar:
    """A line of a bar chart."""

    label: str
    value: str
    share: float
    kind: str
    """Class of its colour: good, bad or aside."""


@dataclass(frozen=True)
class Row:
    """A metric, the same of the baseline, and whether it became better or worse."""

    name: str
    about: str
    value: str
    before: str
    trend: str


def page(report: Report, comparison: Comparison | None, verdict: Verdict) -> str:
    """The whole document."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    changes = _by_case(comparison)
    order = {stage: place for place, stage in enumerate((*FAILURES, *(s for s in STAGES if s not in FAILURES)))}
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        report=report,
        comparison=comparison,
        verdict=verdict,
        version=__version__,
        generator=GENERATOR,
        summary=summary(report),
        groups={stage: [_row(report, comparison, name) for name in names] for stage, names in BY_STAGE.items()},
        stages=list(_stage_bars(report)),
        tags=list(_tag_bars(report)),
        results=sorted(report.results, key=lambda r: (r.case.id not in changes, order[r.stage])),
        changes=changes,
        expected=expected,
        shown=shown,
        nearest=nearest,
        told=_TOLD,
    )


def shown(answer: Answer) -> Iterator[Shown]:
    """The cited passages, quotes apart from what stands around them."""
    for citation in answer.citations:
        text, short = citation.article.text, answer.short or ""
        place = citation.quote.find(short) if short else -1
        head, tail = (place, place + len(short)) if place >= 0 else (len(citation.quote), len(citation.quote))
        yield Shown(
            article=citation.article,
            before=_until_a_word(text[max(0, citation.start - _AROUND) : citation.start], start=citation.start),
            quote=citation.quote[:head],
            short=citation.quote[head:tail],
            rest=citation.quote[tail:],
            after=text[citation.end : citation.end + _AROUND],
            cut_before=citation.start > _AROUND,
            cut_after=citation.end + _AROUND < len(text),
        )


def nearest(answer: Answer) -> Iterator[Shown]:
    """The best passage that was read, where nothing is cited."""
    for hit in answer.hits[:1]:
        start, end = hit.passage.start, hit.passage.end
        yield Shown(hit.article, hit.text, "", "", "", "", start > 0, end < len(hit.article.text))


def _until_a_word(text: str, *, start: int) -> str:
    """Without the piece of a word that it may begin with."""
    return text.partition(" ")[2] if start > _AROUND else text


def _row(report: Report, comparison: Comparison | None, name: str) -> Row:
    value, before = report.metrics[name], comparison.metrics.get(name) if comparison else None
    trend = ""
    if value is not None and before is not None and metric(name, value) != metric(name, before):
        trend = "better" if (value < before) == (name in LOWER_IS_BETTER) else "worse"
    return Row(name, report.about(name), metric(name, value), metric(name, before) if before is not None else "", trend)


def _stage_bars(report: Report) -> Iterator[Bar]:
    for stage, count in report.stages.items():
        if count or stage in (RIGHT, *FAILURES):
            kind = "good" if stage == RIGHT else "bad" if stage in FAILURES else "aside"
            yield Bar(stage, str(count), count / len(report.results), kind)


def _tag_bars(report: Report) -> Iterator[Bar]:
    for tag, (right, count, share) in report.tags.items():
        yield Bar(tag, f"{right} of {count}", share, "good")


def _by_case(comparison: Comparison | None) -> dict[str, Change]:
    if not comparison:
        return {}
    return {c.result.case.id: c for c in (*comparison.broke, *comparison.mended, *comparison.moved)}
