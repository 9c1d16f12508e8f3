"""The regression tab: a file of cases -> its run, with the failures and their evidence, against the last one kept."""

from __future__ import annotations

import html
import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

from assistant.assistant import Assistant
from assistant.chat.feedback import file_of
from assistant.chat.markup import evidence_markup
from assistant.chat.work import Stopped, Work
from assistant.errors import InvalidBaseline, NothingToEvaluate
from assistant.evaluation import baseline
from assistant.evaluation.baseline import Change, Comparison
from assistant.evaluation.cases import Case, load_cases
from assistant.evaluation.report import Report
from assistant.evaluation.running import run
from assistant.evaluation.scoring import Result
from assistant.evaluation.table import summary

_AROUND = 600
"""Characters of an article shown before and after a quote."""
_STOPPED = "Stopped before a case was asked."


def build(gr: Any, assistant: Assistant) -> tuple[Any, ...]:
    """The tab's contents. Returns what is to happen when it is opened: (function, its inputs, its outputs)."""
    gr.HTML(_about(assistant), apply_default_css=False)
    file = gr.File(label="A file of cases; without one, those saved on the page are run", type="filepath", height=120)
    with gr.Row():
        keep = gr.Checkbox(label="Keep the result, to compare later ones with", min_width=240)
        start = gr.Button("Run", variant="primary", min_width=120)
        stop = gr.Button("Stop", min_width=120, interactive=False, elem_id="stop-run")
    report = gr.HTML("", elem_id="report", apply_default_css=False, min_height=80)
    work, shown, quiet = Work(_STOPPED), [report, stop], {"show_progress": "hidden"}

    async def evaluate(path: str | None, kept: object) -> AsyncIterator[tuple[Any, ...]]:
        chosen = Path(path) if path else file_of(assistant)
        async for markup, more in work.carry_out(lambda: run_file(assistant, chosen, work, keep=bool(kept))):
            yield markup, gr.Button(interactive=more)

    async def resume() -> AsyncIterator[tuple[Any, ...]]:
        async for markup, more in work.followed():
            yield markup, gr.Button(interactive=more)

    start.click(evaluate, [file, keep], shown, **quiet)
    stop.click(work.stop, None, None, **quiet)
    return resume, None, shown


def baseline_of(assistant: Assistant) -> Path:
    """Where the result to compare with is kept."""
    return assistant.settings.kept / "baseline.json"


class _UntilStopped(Sequence[Case]):
    """The cases, which come to an end where the work is stopped: what was asked until then counts."""

    def __init__(self, cases: Sequence[Case], work: Work) -> None:
        self._cases, self._work = cases, work

    @overload
    def __getitem__(self, place: int) -> Case: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Case]: ...
    def __getitem__(self, place: int | slice) -> Case | Sequence[Case]:
        return self._cases[place]

    def __len__(self) -> int:
        return len(self._cases)

    def __iter__(self) -> Iterator[Case]:
        return itertools.takewhile(lambda _: not self._work.stopping, self._cases)


def run_file(assistant: Assistant, path: Path, work: Work, *, keep: bool) -> str:
    """The markup of a run, of the cases that were asked until the work was stopped.

    Raises InvalidCases, NothingToEvaluate, InvalidBaseline, Stopped.
    """
    cases = load_cases(path)

    def asked(done: int, total: int) -> None:
        work.report("asking", done, total)

    try:
        report = run(assistant, _UntilStopped(cases, work), asked)
    except NothingToEvaluate as error:
        if work.stopping:
            raise Stopped(_STOPPED) from error
        raise
    if len(report.results) < len(cases):
        told = f"Stopped after {len(report.results)} of {len(cases)} cases: not compared, and not kept."
        return f"<p class='failed' role='status'>{told}</p>{report_markup(report)}"
    return report_markup(report, _compared(_comparison(assistant, report, keep=keep)))


def _comparison(assistant: Assistant, report: Report, *, keep: bool) -> Comparison | None:
    """With the result that is kept, if there is one; `keep` puts this one in its place."""
    kept = baseline_of(assistant)
    comparison = None
    if kept.is_file():
        saved = baseline.load(kept)
        if not keep:
            baseline.check_same_corpus(report.made_with, saved)
        try:
            comparison = baseline.compare(report, saved)
        except InvalidBaseline:
            # What is to be kept from now on may be another set.
            if not keep:
                raise
    if keep:
        kept.parent.mkdir(parents=True, exist_ok=True)
        baseline.save(report, kept)
    return comparison


def report_markup(report: Report, compared: str = "") -> str:
    """How many were right, what has changed, and each failure with its evidence."""
    failures = "".join(_failure(result) for result in report.failed)
    return (
        f"<p class='short' role='status'>{html.escape(summary(report))}</p>{compared}"
        f"{'<h2>Failures</h2>' if failures else ''}{failures}"
    )


def _compared(comparison: Comparison | None) -> str:
    if comparison is None:
        return "<p class='hint'>No result is kept yet to compare with.</p>"
    if not comparison.broke and not comparison.mended:
        return f"<p class='hint'>No case is right or wrong that was not before ({comparison.pairs} compared).</p>"
    return _changes("Right before, wrong now", comparison.broke) + _changes(
        "Wrong before, right now", comparison.mended
    )


def _changes(title: str, changes: Sequence[Change]) -> str:
    listed = "".join(f"<li>{html.escape(change.result.case.question)}</li>" for change in changes)
    return f"<h2>{title}: {len(changes)}</h2><ul>{listed}</ul>" if changes else ""


def _failure(result: Result) -> str:
    evidence = evidence_markup(result.answer, _AROUND) if result.answer else ""
    opened = f"<details><summary>Evidence</summary>{evidence}</details>" if evidence else ""
    return (
        f"<section class='failure'><h3>{html.escape(result.case.question)}</h3>"
        f"<p><b>{html.escape(result.stage)}</b> {html.escape(result.detail)}</p>{opened}</section>"
    )


def _about(assistant: Assistant) -> str:
    return (
        "<p class='hint'>Runs a set of questions with expected answers, as <code>assistant eval</code> does. "
        f"Cases saved on the page are drafts in {html.escape(str(file_of(assistant)))} until a person removes their "
        "line <code>draft: true</code>.</p>"
    )
