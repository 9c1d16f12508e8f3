"""A Report -> what a terminal shows: failures first, then the metrics of each stage, tags, changes and the verdict.

Questions, answers and article text are shown as they are, never as markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from assistant.evaluation.baseline import Change, Comparison
from assistant.evaluation.report import BY_STAGE, METRICS, Report
from assistant.evaluation.scoring import DRAFT, FAILURES, STALE, Result
from assistant.evaluation.verdict import Verdict

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_WIDTH = 140
"""Columns where stdout is no terminal."""
_DETAIL = 300
"""Characters."""


def show(report: Report, comparison: Comparison | None, verdict: Verdict, console: Console | None = None) -> None:
    """Prints to stdout, or to the console given."""
    from rich.console import Console
    from rich.text import Text

    console = console or Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, _WIDTH)
    failed = sorted(report.failed, key=lambda result: FAILURES.index(result.stage))
    if failed:
        console.print(_failures(failed))
    for result in report.results:
        if result.stage == STALE:
            console.print(Text(f"stale  {result.case.id}  ({result.detail})"))
    console.print(_metrics(report, comparison))
    if report.tags:
        console.print(_tags(report))
    if comparison:
        for line in _changes(comparison):
            console.print(Text(line))
    console.print(Text(summary(report)))
    for reason in verdict.reasons:
        console.print(Text(reason, style="bold red"))
    if verdict.code == 0:
        console.print(Text("passed", style="bold green"))


def summary(report: Report) -> str:
    """How many were right, and where the others were lost, in one line."""
    right, counted = len(report.counted) - len(report.failed), len(report.counted)
    lost = [f"{count} {stage}" for stage, count in report.stages.items() if count and stage in FAILURES]
    aside = [f"{report.stages[stage]} {stage}" for stage in (STALE, DRAFT) if report.stages[stage]]
    line = f"{right} of {counted} right" + (f": {', '.join(lost)}" if lost else "")
    return line + (f"; not counted: {', '.join(aside)}" if aside else "")


def shortened(text: str, length: int = _DETAIL) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def metric(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if METRICS[name].split()[0] in ("median", "time") else f"{value:.3f}"


def _failures(failed: Sequence[Result]) -> Table:
    table = _table("stage", "case", "question, and what was expected")
    for result in failed:
        where = f"{result.case.id}\n{result.case.path}:{result.case.line}"
        _add(table, result.stage, where, f"{result.case.question}\n{shortened(result.detail)}")
    return table


def _metrics(report: Report, comparison: Comparison | None) -> Table:
    table = _table("stage", "metric", "value", *(["baseline"] if comparison else []), "share or mean of")
    for stage, names in BY_STAGE.items():
        for name in names:
            cells = [stage if name == names[0] else "", name, metric(name, report.metrics[name])]
            if comparison:
                cells.append(metric(name, comparison.metrics.get(name)))
            _add(table, *cells, report.about(name))
    return table


def _tags(report: Report) -> Table:
    table = _table("tag", "right", "of", "share")
    for tag, (right, count, share) in report.tags.items():
        _add(table, tag, str(right), str(count), f"{share:.3f}")
    return table


def _changes(comparison: Comparison) -> Iterable[str]:
    yield from (f"differs from the baseline: {line}" for line in comparison.differences)
    for word, changes in (("broke", comparison.broke), ("mended", comparison.mended), ("moved", comparison.moved)):
        yield from (_change(word, change) for change in changes)
    for word, ids in (("new", comparison.new), ("gone", comparison.gone), ("rewritten", comparison.rewritten)):
        if ids:
            yield f"{word:<9} {', '.join(ids)}"
    broke, mended = len(comparison.broke), len(comparison.mended)
    yield (
        f"of {comparison.pairs} cases compared {broke} broke and {mended} mended "
        f"(exact McNemar test: p = {comparison.p_value:.3g})"
    )


def _change(word: str, change: Change) -> str:
    gave, gives = shortened(change.gave, 80), shortened(change.result.given, 80)
    return f'{word:<9} {change.result.case.id}: {change.was} ("{gave}") -> {change.result.stage} ("{gives}")'


def _table(*columns: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _add(table: Table, *cells: str) -> None:
    from rich.text import Text

    table.add_row(*(Text(cell) for cell in cells))
