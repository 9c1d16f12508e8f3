"""A Report, a Comparison and what was asked of them -> whether the build fails, and why."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from assistant.errors import InvalidSetting
from assistant.evaluation.baseline import Comparison
from assistant.evaluation.cases import Case
from assistant.evaluation.report import LOWER_IS_BETTER, METRICS, Report

PASS, FAIL, COULD_NOT = 0, 1, 3
_TAG = "tag:"


@dataclass(frozen=True)
class Verdict:
    """An exit code, and a line for each reason why it is not 0."""

    code: int
    reasons: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {"passed": self.code == PASS, "exit_code": self.code, "reasons": list(self.reasons)}


def parse_limits(text: str) -> dict[str, float]:
    """Of answer=.9,hit@5=.95,tag:short=.6, by name. Raises InvalidSetting; which tags a set has is not known yet."""
    limits = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, sign, value = part.partition("=")
        try:
            limits[name.strip()] = float(value)
        except ValueError:
            sign = ""
        if not sign or not math.isfinite(limits[name.strip()]):
            raise InvalidSetting(f"{part!r} is no threshold; write NAME=NUMBER, as answer=.9,hit@5=.95,tag:short=.6")
        if name.strip() not in METRICS and not name.strip().startswith(_TAG):
            raise InvalidSetting(f"there is no metric {name.strip()!r}; known: {', '.join(METRICS)}, tag:NAME")
    return limits


def check_tags(limits: Mapping[str, float], cases: Iterable[Case]) -> None:
    """Raises InvalidSetting for a limit on a tag that no case has which could count."""
    tags = {tag for case in cases if not case.draft for tag in case.tags}
    for tag in (name.removeprefix(_TAG) for name in limits if name.startswith(_TAG)):
        if tag not in tags:
            known = ", ".join(f"{_TAG}{tag}" for tag in sorted(tags)) or "none"
            raise InvalidSetting(f"no case that counts has the tag {tag!r}; these have: {known}")


def decide(
    report: Report,
    comparison: Comparison | None = None,
    limits: Mapping[str, float] | None = None,
    *,
    max_regressions: int = 0,
    every_case: bool = False,
) -> Verdict:
    """What was asked for decides: a baseline, limits, or (`every_case`) that no case fails. An error never passes.

    A limit that nothing measured is missed.
    """
    reasons = [reason for name, limit in (limits or {}).items() if (reason := _missed(report, name, limit))]
    if comparison and len(comparison.broke) > max_regressions:
        ids = ", ".join(f"{change.result.case.id} ({change.result.stage})" for change in comparison.broke)
        allowed = f", {max_regressions} allowed" if max_regressions else ""
        reasons.append(f"{_count(len(comparison.broke), 'regression')}{allowed}: {ids}")
    if every_case and report.failed:
        reasons.append(f"{_count(len(report.failed), 'case')} failed")
    if report.errors:
        ids = ", ".join(result.case.id for result in report.errors)
        return Verdict(COULD_NOT, (f"{_count(len(report.errors), 'case')} could not be asked: {ids}", *reasons))
    return Verdict(FAIL if reasons else PASS, tuple(reasons))


def _missed(report: Report, name: str, limit: float) -> str:
    value = report.metrics.get(name)
    if name.startswith(_TAG):
        tag = name.removeprefix(_TAG)
        if tag not in report.tags:
            return f"{name} is not measured: no case that counts has the tag"
        value = report.tags[tag][2]
    if value is None:
        return f"{name} is not measured by any case; it means: {METRICS[name]}"
    if name in LOWER_IS_BETTER:
        return f"{name} is {value:.4g}, above {limit:g}" if value > limit else ""
    return f"{name} is {value:.4g}, below {limit:g}" if value < limit else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
