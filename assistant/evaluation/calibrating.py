"""A user's own cases -> a calibration: probabilities that come true on them, and a threshold, bounded if asked for.

Every figure about the fit is cross-fitted: a case's probability comes from a fit to the other cases.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from assistant import calibration
from assistant.calibration import LEVEL, Calibration, Diagnosis, bounded_threshold, cases_needed, diagnose
from assistant.errors import InputError, InvalidCases
from assistant.evaluation.cases import Case
from assistant.evaluation.running import by_name, is_stale
from assistant.evaluation.scoring import words_right

if TYPE_CHECKING:
    from assistant.assistant import Assistant

FEWEST = 20
"""Cases below which a fit would say more about chance than about the corpus."""

_STEPS = 20
_COST = 0.5
"""Of a wrong answer, where a right one is worth 1 and silence nothing."""


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
            "max_error": found.max_error if found else None,
            "level": LEVEL,
            "needed": self.needed,
        }


def observe(
    assistant: Assistant,
    cases: Sequence[Case],
    progress: Callable[[str, int, int], None] = lambda step, done, total: None,
) -> list[Asked]:
    """Asks every case that is neither a draft nor stale, allowing any answer; where nothing was read, it is left out.

    The weights of cases do not count. Raises InvalidCases for one that cannot be asked, and what `ask` raises of the
    index.
    """
    known = by_name(assistant.articles())
    asked = [case for case in cases if not case.draft and not is_stale(case, known)]
    found = []
    for done, case in enumerate(asked, 1):
        try:
            answer = assistant.ask(case.question, case.history, **case.filters, threshold=0.0)
        except InputError as error:
            raise InvalidCases(f"{case.path}:{case.line}: {error}") from error
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
        calibration=None if threshold is None else replace(made, threshold=threshold, max_error=max_error),
        cases=len(asked),
        silent=sum(a.silent for a in asked),
        before=diagnose([in_force.probability(row) for row in seen], right),
        after=diagnose(probabilities, right),
        answered=len(above),
        wrong=wrong,
        needed=_needed(probabilities, right, max_error) if max_error and threshold is None else "",
    )


def best_threshold(probabilities: Sequence[float], asked: Sequence[Asked], usual: float) -> float:
    """In steps of .05, the one that is worth most if a wrong answer costs half of what a right one is worth.

    With probabilities that come true that is a third. Of equals the nearest to the usual one: a few cases should not
    swing it.
    """

    def worth(threshold: float) -> float:
        return sum(1.0 if a.right else -_COST for p, a in zip(probabilities, asked, strict=True) if p >= threshold)

    steps = [step / _STEPS for step in range(1, _STEPS)]
    return max(steps, key=lambda t: (worth(t), -abs(t - usual)))


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
        return f"{least}; even of the surest {100 * min(rates):.3g} % are wrong here, so more cases alone will not do"
    return f"{least}; about {likely:,} at the {100 * min(rates):.3g} % wrong that the surest of these show"
