"""The regression tab: a file of cases -> its run, with the failures and their evidence, against the last one kept."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from assistant.assistant import Assistant
from assistant.chat.feedback import file_of
from assistant.chat.markup import evidence_markup
from assistant.errors import AssistantError, InvalidBaseline
from assistant.evaluation import baseline
from assistant.evaluation.baseline import Change, Comparison
from assistant.evaluation.cases import load_cases
from assistant.evaluation.report import Report
from assistant.evaluation.running import run
from assistant.evaluation.scoring import Result
from assistant.evaluation.table import summary

_AROUND = 600
"""Characters of an article shown before and after a quote."""


def build(gr: Any, assistant: Assistant) -> None:
    """The tab's contents."""
    gr.HTML(_about(assistant), apply_default_css=False)
    file = gr.File(label="A file of cases; without one, those saved on the page are run", type="filepath", height=120)
    with gr.Row():
        keep = gr.Checkbox(label="Keep the result, to compare later ones with", min_width=240)
        start = gr.Button("Run", variant="primary", min_width=120)
    shown = gr.HTML("", elem_id="report", apply_default_css=False, min_height=80)
    progress = gr.Progress()

    def evaluate(path: str | None, kept: object, progress: Any = progress) -> str:
        chosen = Path(path) if path else file_of(assistant)

        def report(done: int, total: int) -> None:
            progress((done, total), desc="asking")

        try:
            return run_file(assistant, chosen, keep=bool(kept), progress=report)
        except AssistantError as error:
            return f"<pre class='failed' role='status'>{html.escape(str(error))}</pre>"

    start.click(evaluate, [file, keep], [shown], concurrency_limit=1)


def baseline_of(assistant: Assistant) -> Path:
    """Where the result to compare with is kept."""
    return assistant.settings.kept / "baseline.json"


def run_file(assistant: Assistant, path: Path, *, keep: bool, progress: Callable[[int, int], None]) -> str:
    """The markup of a run. Raises InvalidCases, NothingToEvaluate, InvalidBaseline."""
    report = run(assistant, load_cases(path), progress)
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
    return report_markup(report, comparison)


def report_markup(report: Report, comparison: Comparison | None) -> str:
    """How many were right, what has changed, and each failure with its evidence."""
    failures = "".join(_failure(result) for result in report.failed)
    return (
        f"<p class='short' role='status'>{html.escape(summary(report))}</p>{_compared(comparison)}"
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
