"""A user's own cases -> a calibration: probabilities that come true on them, and a threshold, bounded if asked for.

Every figure about the fit is cross-fitted: a case's probability comes from a fit to the other cases.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from assistant import calibration
from assistant.calibration import LEVEL, Calibration, Diagnosis, bounded_threshold, cases_needed, diagnose, upper_bound
from assistant.errors import InvalidCases
from assistant.evaluation.cases import Case
from assistant.evaluation.running import names_of
from assistant.evaluation.scoring import words_right

if TYPE_CHECKING:
    from assistant.assistant import Assistant

FEWEST = 20
"""Cases below which a fit would say more about chance than about the corpus."""

_STEPS = 20


@dataclass(frozen=True)
class Asked:
    """A case's best evidence, shown or held back."""

    seen: dict[str, float]
    right: bool
    silent: bool
    """Whether the case wants silence."""


@dataclass(frozen=True)
class Fitted:
    """A calibration, and how it does on the cases beside the one in force before."""

    calibration: Calibration | None
    """None if no threshold keeps to the bound."""
    cases: int
    silent: int
    before: Diagnosis
    after: Diagnosis
    answered: int
    """Cases whose confidence reaches the threshold."""
    wrong: int
    """Of these."""
    bound: float
    """Upper bound, with 95 % confidence, on the share of wrong answers among those given."""
    needed: str = ""
    """How many cases the bound takes, in words, where these are too few."""

    def to_dict(self) -> dict[str, Any]:
        found = self.calibration
        return {
            "cases": self.cases,
            "silent": self.silent,
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
            "threshold": found.threshold if found else None,
            "answered": self.answered,
            "wrong": self.wrong,
            "bound": round(self.bound, 4),
            "level": LEVEL,
            "needed": self.needed,
        }


def observe(
    assistant: Assistant,
    cases: Sequence[Case],
    progress: Callable[[str, int, int], None] = lambda step, done, total: None,
) -> list[Asked]:
    """Asks every case that is neither a draft nor stale, allowing any answer; where nothing was read, it is left out.

    Raises what `ask` does.
    """
    known = names_of(assistant.articles())
    asked = [case for case in cases if not case.draft and (not case.articles or not known.isdisjoint(case.articles))]
    found = []
    for done, case in enumerate(asked, 1):
        answer = assistant.ask(
            case.question, case.history, since=case.since, until=case.until, source=case.source or None, threshold=0.0
        )
        if answer.seen:
            found.append(Asked(dict(answer.seen), words_right(case, answer), case.abstain))
        progress("asking", done, len(asked))
    return found


def fit(asked: Sequence[Asked], in_force: Calibration, max_error: float | None = None) -> Fitted:
    """Starts from the shipped calibration, so that the same cases twice give the same; `in_force` is compared with.

    Raises InvalidCases if there are too few cases, or all are right or all wrong.
    """
    seen, right = [a.seen for a in asked], [a.right for a in asked]
    if len(asked) < FEWEST or len(set(right)) < 2:
        raise InvalidCases(
            f"{len(asked)} cases, {sum(right)} of them read rightly: a calibration takes at least {FEWEST}, some right "
            "and some not (ask also what the articles do not say); type: assistant eval --init CASES"
        )
    probabilities = calibration.cross_fitted(seen, right)
    made = calibration.fit(seen, right)
    threshold = (
        best_threshold(probabilities, asked, calibration.SHIPPED.threshold)
        if max_error is None
        else bounded_threshold(probabilities, right, max_error)
    )
    above = [r for p, r in zip(probabilities, right, strict=True) if threshold is not None and p >= threshold]
    wrong = above.count(False)
    return Fitted(
        calibration=None if threshold is None else replace(made, threshold=round(threshold, 4), max_error=max_error),
        cases=len(asked),
        silent=sum(a.silent for a in asked),
        before=diagnose([in_force.probability(row) for row in seen], right),
        after=diagnose(probabilities, right),
        answered=len(above),
        wrong=wrong,
        bound=upper_bound(wrong, len(above)),
        needed=_needed(probabilities, right, max_error) if max_error and threshold is None else "",
    )


def best_threshold(probabilities: Sequence[float], asked: Sequence[Asked], usual: float) -> float:
    """In steps of .05, the one that treats most cases rightly (answers right, or holds back on what wants silence).

    Of equals the nearest to the usual one: a few cases should not swing it.
    """

    def treated_rightly(threshold: float) -> int:
        return sum(a.right if p >= threshold else a.silent for p, a in zip(probabilities, asked, strict=True))

    steps = [step / _STEPS for step in range(1, _STEPS)]
    return max(steps, key=lambda t: (treated_rightly(t), -abs(t - usual)))


def _needed(probabilities: Sequence[float], right: Sequence[bool], max_error: float) -> str:
    """In words: how many if none is wrong, and how many at the lowest rate of errors seen among the surest."""
    fewest = cases_needed(max_error)
    order = sorted(range(len(right)), key=lambda i: -probabilities[i])
    wrong, rates = 0, []
    for answered, i in enumerate(order, 1):
        wrong += not right[i]
        if answered >= min(FEWEST, len(order)):
            rates.append(wrong / answered)
    likely = cases_needed(max_error, min(rates))
    least = f"at least {fewest:,} answered cases, if none of them is wrong"
    if likely is None:
        return f"{least}; even of the surest {min(rates):.0%} are wrong here, so more cases alone will not do"
    return f"{least}; about {likely:,} at the {min(rates):.0%} wrong that the surest of these show"
