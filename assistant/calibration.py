"""What was seen of the best evidence -> the probability that its words are right, and the least that gives an answer.

A logistic regression (Platt scaling over several features). The shipped constants are fitted by
tests/benchmarks/confidence.py; `assistant calibrate` fits others to a user's own cases and keeps them in the index.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.errors import IndexUnusable, InvalidSetting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

FILE = "calibration.json"
LEVEL = 0.95
"""Confidence level of the bound on errors."""

_FOLDS = 5
_SPREAD = {"span": 4.0, "unmentioned": 0.6, "explains": 0.4}
"""Typical spread of a feature; of the others, which lie in 0..1, a quarter."""


@dataclass(frozen=True)
class Calibration:
    """`weights` by the name of the feature (see answering.features); a feature without a weight does not count."""

    bias: float
    weights: Mapping[str, float]
    threshold: float
    fitted_with: str = ""
    """Reader, embedding model and passages that the cases were asked with; of the shipped one nothing."""
    cases: int = 0
    max_error: float | None = None
    """The share of wrong answers that the threshold keeps to, with 95 % confidence, on cases like those fitted to."""

    def probability(self, seen: Mapping[str, float]) -> float:
        return logistic(self.bias + sum(w * seen.get(name, 0.0) for name, w in self.weights.items()))

    def save(self, folder: Path) -> None:
        """Raises IndexUnusable."""
        path = folder / FILE
        try:
            partial = path.with_suffix(".partial")
            partial.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
            partial.replace(path)
        except OSError as error:
            raise IndexUnusable.of(folder, error) from error

    @classmethod
    def load(cls, folder: Path) -> Calibration | None:
        """None if there is none. Raises InvalidSetting if it cannot be read."""
        path = folder / FILE
        try:
            return cls(**_checked(json.loads(path.read_text(encoding="utf-8"))))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise InvalidSetting(f"the calibration {path} cannot be read; type: assistant calibrate --reset") from error

    @staticmethod
    def remove(folder: Path) -> None:
        """Raises IndexUnusable."""
        try:
            (folder / FILE).unlink(missing_ok=True)
        except OSError as error:
            raise IndexUnusable.of(folder, error) from error


def _checked(raw: Any) -> dict[str, Any]:
    """Raises ValueError for what no calibration can be."""
    numbers = [raw["bias"], raw["threshold"], *raw["weights"].values()] if _has_fields(raw) else [None]
    if not all(isinstance(n, int | float) and math.isfinite(n) for n in numbers) or not 0 <= raw["threshold"] <= 1:
        raise ValueError(FILE)
    return dict(raw)


def _has_fields(raw: Any) -> bool:
    return isinstance(raw, dict) and {"bias", "threshold"} <= raw.keys() and isinstance(raw.get("weights"), dict)


def models_key(embedding: str, passage_words: int, overlap_words: int, reader: str) -> str:
    """What a calibration is fitted with, and holds for: the models by fingerprint, and the sizes of passages."""
    return f"{embedding} {passage_words} {overlap_words} {reader}"


def logistic(logit: float) -> float:
    """Log-odds -> probability."""
    return 1 / (1 + math.exp(-logit))


SHIPPED = Calibration(
    bias=-1.415,
    weights={"span": 0.229, "dense": 0.0, "lexical": 1.203, "covered": 0.0, "unmentioned": 0.0, "explains": 0.501},
    threshold=0.45,
)


# -- fitting -----------------------------------------------------------------------------------------------------


def fit(seen: Sequence[Mapping[str, float]], right: Sequence[bool], prior: Calibration = SHIPPED) -> Calibration:
    """The likeliest constants for these cases, held near `prior`'s: few cases move them little, many as far as needed.

    Maximum a posteriori, with a normal prior of one unit of log-odds per typical spread of a feature, and three for
    the bias. What speaks for an answer (span, retrieval, words) never comes to count against it.
    """
    names = tuple(prior.weights)
    constants = _held_near(prior, _matrix(seen, names), right)
    weights = {name: round(float(w), 4) for name, w in zip(names, constants[1:], strict=True)}
    return Calibration(round(float(constants[0]), 4), weights, prior.threshold, cases=len(right))


def cross_fitted(
    seen: Sequence[Mapping[str, float]], right: Sequence[bool], prior: Calibration = SHIPPED
) -> list[float]:
    """Each case's probability from a fit to the others (five folds, case i in fold i mod 5)."""
    import numpy as np

    x, y = _matrix(seen, tuple(prior.weights)), np.asarray(right, dtype=float)
    fold = np.arange(len(y)) % _FOLDS
    found = np.zeros(len(y))
    for f in range(_FOLDS):
        inside = fold == f
        found[inside] = x[inside] @ _held_near(prior, x[~inside], y[~inside])
    return [float(p) for p in 1 / (1 + np.exp(-found))]


def _matrix(seen: Sequence[Mapping[str, float]], names: Sequence[str]) -> Array:
    import numpy as np

    return np.array([[1.0, *(row.get(name, 0.0) for name in names)] for row in seen]).reshape(-1, len(names) + 1)


def _held_near(prior: Calibration, x: Array, right: Sequence[bool] | Array) -> Array:
    """Shape (features + 1,), the bias first."""
    import numpy as np

    start = np.array([prior.bias, *prior.weights.values()])
    spread = np.array([1 / 3, *(_SPREAD.get(name, 0.25) for name in prior.weights)])
    y = np.asarray(right, dtype=float)
    return regression(x, y, tuple(prior.weights), start, spread, np.ones(len(y)))


def regression(x: Array, y: Array, names: Sequence[str], start: Array, hold: Array, weights: Array) -> Array:
    """Logistic regression, shape (features + 1,), in which more of what speaks for an answer never counts against it.

    Only `unmentioned` speaks against it. Without these bounds features that overlap (two searches, shared words) get
    large weights of opposite signs, which hold for the data fitted to alone. `x` has shape (cases, features + 1), its
    first column is 1; `hold` is how many standard deviations from `start` one unit of a constant lies, and `weights`
    count the cases.
    """
    import numpy as np
    from scipy.optimize import minimize
    from scipy.special import expit

    def loss(constants: Array) -> tuple[float, Array]:
        z = x @ constants
        apart = (constants - start) * hold
        likelihood = weights @ (np.logaddexp(0, z) - y * z)
        return float(likelihood + apart @ apart / 2), x.T @ (weights * (expit(z) - y)) + apart * hold

    signs: dict[str, tuple[float | None, float | None]] = {"unmentioned": (None, 0.0), "explains": (None, None)}
    bounds = [(None, None), *(signs.get(name, (0.0, None)) for name in names)]
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x)


# -- the bound ---------------------------------------------------------------------------------------------------


def upper_bound(errors: int, answered: int, level: float = LEVEL) -> float:
    """Clopper & Pearson's (1934) one-sided upper bound on the error rate, from `errors` of `answered`."""
    from scipy.stats import beta

    return 1.0 if errors >= answered else float(beta.ppf(level, errors + 1, answered - errors))


def cases_needed(max_error: float, error_rate: float = 0.0, level: float = LEVEL) -> int | None:
    """How many answered cases a bound of `max_error` takes if `error_rate` of them are wrong; None: no number will do.

    Doubling, then halving: the bound falls with the number of cases but for rounding to whole errors.
    """
    if error_rate >= max_error:
        return None

    def enough(answered: int) -> bool:
        return upper_bound(math.ceil(error_rate * answered), answered, level) <= max_error

    high = 1
    while not enough(high):
        high *= 2
        if high > 10_000_000:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def bounded_threshold(
    probabilities: Sequence[float], right: Sequence[bool], max_error: float, level: float = LEVEL
) -> float | None:
    """The lowest threshold whose upper bound on errors among the answered is at most `max_error`; None if none is.

    Thresholds are tried from high to low, and the first that fails ends it: tests in a fixed order need no correction
    for their number (Angelopoulos et al. 2021, "Learn then Test"). So that one error among the surest does not end
    everything, it is begun several times, with as many answers as the bound takes at least, twice, four times as many,
    and so on; the level is divided among these beginnings.
    """
    order = sorted(range(len(right)), key=lambda i: -probabilities[i])
    beginnings = _doubled(cases_needed(max_error, level=level), len(order))
    each = 1 - (1 - level) / max(len(beginnings), 1)
    beginnings = _doubled(cases_needed(max_error, level=each), len(order))
    errors = list(accumulate(not right[i] for i in order))
    found = [_descend(probabilities, order, errors, begin, max_error, each) for begin in beginnings]
    return min((lowest for lowest in found if lowest is not None), default=None)


def _doubled(fewest: int | None, most: int) -> list[int]:
    return [fewest << n for n in range((most // fewest).bit_length())] if fewest else []


def _descend(
    probabilities: Sequence[float],
    order: Sequence[int],
    errors: Sequence[int],
    begin: int,
    max_error: float,
    level: float,
) -> float | None:
    """The last threshold, from the `begin` surest cases downwards, before the bound is first above `max_error`."""
    lowest = None
    for answered in range(begin, len(order) + 1):
        probability = probabilities[order[answered - 1]]
        if answered < len(order) and probabilities[order[answered]] == probability:
            continue  # cases of one probability are answered all or none
        if upper_bound(errors[answered - 1], answered, level) > max_error:
            break
        lowest = probability
    return lowest


# -- how good it is ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bin:
    """Cases of like probability."""

    count: int
    probability: float
    """Mean of what was promised."""
    right: float
    """Share that was right."""


@dataclass(frozen=True)
class Diagnosis:
    """Of probabilities that were promised to cases."""

    bins: tuple[Bin, ...]
    brier: float
    calibration_error: float
    """Expected calibration error: mean distance of promised and right over the bins, weighted by count."""
    coverage: tuple[float, ...] = field(repr=False)
    """Share answered, case by case from the surest down."""
    risk: tuple[float, ...] = field(repr=False)
    """Share wrong among these."""

    @property
    def area(self) -> float:
        """Area under the risk-coverage curve: 0 is perfect (El-Yaniv & Wiener 2010)."""
        return sum(self.risk) / len(self.risk) if self.risk else 0.0

    def to_dict(self) -> dict[str, Any]:
        return {
            "bins": [asdict(b) for b in self.bins],
            "brier": round(self.brier, 4),
            "calibration_error": round(self.calibration_error, 4),
            "aurc": round(self.area, 4),
        }


def diagnose(
    probabilities: Sequence[float], right: Sequence[bool], bins: int = 10, weights: Sequence[float] | None = None
) -> Diagnosis:
    """Of at least one case; bins are of equal width, and empty ones are left out.

    `weights` (1 each unless told) count in the bins and both errors, not in coverage and risk.
    """
    weights = weights or [1.0] * len(right)

    def mean(values: Sequence[float], group: Sequence[int]) -> float:
        held = [weights[i] for i in group]
        return sum(w * values[i] for w, i in zip(held, group, strict=True)) / sum(held)

    groups: dict[int, list[int]] = {}
    for i, p in enumerate(probabilities):
        groups.setdefault(min(int(p * bins), bins - 1), []).append(i)
    found, gaps = [], [0.0] * len(right)
    for _, g in sorted(groups.items()):
        found.append(Bin(len(g), mean(probabilities, g), mean(right, g)))
        for i in g:
            gaps[i] = abs(found[-1].probability - found[-1].right)
    total = len(right)
    wrong = 0
    risk = []
    for answered, i in enumerate(sorted(range(total), key=lambda i: -probabilities[i]), 1):
        wrong += not right[i]
        risk.append(wrong / answered)
    return Diagnosis(
        bins=tuple(found),
        brier=mean([(p - r) ** 2 for p, r in zip(probabilities, right, strict=True)], range(total)),
        calibration_error=mean(gaps, range(total)),
        coverage=tuple((n + 1) / total for n in range(total)),
        risk=tuple(risk),
    )
