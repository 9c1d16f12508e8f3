"""Probabilities and bounds: the exact bound, thresholds that keep to it, fits that few cases hardly move."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant import calibration
from assistant.calibration import SHIPPED, Calibration, bounded_threshold, cases_needed, diagnose, upper_bound
from assistant.errors import InvalidSetting


@pytest.mark.parametrize(
    ("errors", "answered", "bound"),
    # The rule of three's exact form, 1 - .05 ** (1/n), and tabulated one-sided 95 % limits (Clopper & Pearson 1934).
    [(0, 29, 1 - 0.05 ** (1 / 29)), (0, 59, 0.0495), (1, 20, 0.2161), (5, 100, 0.1023), (0, 0, 1.0), (3, 3, 1.0)],
)
def test_the_bound_is_clopper_and_pearson_s(errors: int, answered: int, bound: float) -> None:
    assert upper_bound(errors, answered) == pytest.approx(bound, abs=2e-4)


@given(st.integers(1, 60), st.data())
def test_the_bound_is_where_so_few_errors_become_unlikely(answered: int, data: st.DataObject) -> None:
    errors = data.draw(st.integers(0, answered - 1))
    p = upper_bound(errors, answered)
    chance = sum(math.comb(answered, k) * p**k * (1 - p) ** (answered - k) for k in range(errors + 1))
    assert chance == pytest.approx(0.05, abs=1e-6)


@pytest.mark.parametrize(("max_error", "needed"), [(0.1, 29), (0.05, 59), (0.01, 299)])
def test_cases_needed_without_an_error(max_error: float, needed: int) -> None:
    assert cases_needed(max_error) == needed


def test_more_errors_need_more_cases_and_too_many_cannot_be_helped() -> None:
    needed = cases_needed(0.1, 0.05)
    assert needed is not None
    assert upper_bound(math.ceil(0.05 * needed), needed) <= 0.1
    assert needed > 29
    assert cases_needed(0.1, 0.1) is None


def test_the_threshold_keeps_to_the_bound_on_new_cases() -> None:
    """In 400 worlds, where p is right with probability p, the true error rate is above the bound in at most 5 %."""
    chance, broken, found = random.Random(3), 0, 0
    for _ in range(400):
        probabilities = [chance.random() for _ in range(150)]
        right = [chance.random() < p for p in probabilities]
        threshold = bounded_threshold(probabilities, right, 0.2)
        if threshold is not None:
            found += 1
            # Above t, p is uniform in (t, 1): the error rate is the mean of 1 - p.
            broken += (1 - threshold) / 2 > 0.2
    assert found > 100
    assert broken <= 0.05 * 400 + 9  # two standard deviations


def test_too_few_cases_promise_nothing() -> None:
    assert bounded_threshold([0.9] * 28, [True] * 28, 0.1) is None
    assert bounded_threshold([0.9] * 29, [True] * 29, 0.1) == 0.9


def test_cases_of_one_probability_are_answered_all_or_none() -> None:
    probabilities = [0.9] * 40 + [0.5] * 40
    right = [True] * 40 + [True] * 20 + [False] * 20
    assert bounded_threshold(probabilities, right, 0.1) == 0.9


def world(count: int, seed: int = 1) -> tuple[list[dict[str, float]], list[bool]]:
    """Cases whose answers are right as another calibration says."""
    chance = random.Random(seed)
    truth = Calibration(1.0, {"span": 1.0, "dense": 0.0, "lexical": 0.0, "covered": 0.0, "unmentioned": -1.0}, 0.5)
    seen = [
        {
            "span": chance.gauss(0, 3),
            "dense": chance.random(),
            "lexical": chance.random(),
            "unmentioned": chance.choice((0.0, 1.0)),
        }
        for _ in range(count)
    ]
    return seen, [chance.random() < truth.probability(row) for row in seen]


def test_without_cases_nothing_moves() -> None:
    assert calibration.fit([], []).weights == SHIPPED.weights
    assert calibration.fit([], []).bias == SHIPPED.bias


def test_many_cases_win_over_the_prior_and_few_hardly_move_it() -> None:
    few, many = calibration.fit(*world(5)), calibration.fit(*world(3000))
    assert many.weights["span"] == pytest.approx(1.0, abs=0.15)
    assert many.weights["unmentioned"] == pytest.approx(-1.0, abs=0.3)
    assert abs(few.weights["span"] - SHIPPED.weights["span"]) < 0.25
    assert many.cases == 3000


def test_a_fit_promises_what_comes_true() -> None:
    seen, right = world(600)
    fitted = diagnose(calibration.cross_fitted(seen, right), right)
    shipped = diagnose([SHIPPED.probability(row) for row in seen], right)
    assert fitted.calibration_error < shipped.calibration_error
    assert fitted.calibration_error < 0.08
    assert fitted.brier < shipped.brier


def test_what_speaks_for_an_answer_never_counts_against_it() -> None:
    seen, right = world(400)
    fitted = calibration.fit(seen, [not r for r in right])
    assert all(w >= 0 for name, w in fitted.weights.items() if name not in ("unmentioned", "explains"))


def test_risk_and_coverage() -> None:
    found = diagnose([0.9, 0.8, 0.3, 0.1], [True, False, True, False])
    assert found.coverage == (0.25, 0.5, 0.75, 1.0)
    assert found.risk == pytest.approx((0.0, 0.5, 1 / 3, 0.5))
    assert found.area == pytest.approx(1 / 3)
    assert found.brier == pytest.approx((0.01 + 0.64 + 0.49 + 0.01) / 4)


def test_it_is_kept_and_removed(tmp_path: Path) -> None:
    kept = replace(calibration.fit(*world(40)), fitted_with="reader@1", max_error=0.1)
    kept.save(tmp_path)
    assert Calibration.load(tmp_path) == kept
    Calibration.remove(tmp_path)
    assert Calibration.load(tmp_path) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"bias": 1, "weights": 3, "threshold": 0.5}',
        '{"bias": "x", "weights": {}, "threshold": 0.5}',
        '{"bias": 1, "weights": {"span": NaN}, "threshold": 0.5}',
        '{"bias": 1, "weights": {}, "threshold": 7}',
        '{"bias": 1, "weights": {}, "threshold": 0.5, "colour": 1}',
    ],
)
def test_a_broken_file_is_said_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / calibration.FILE).write_text(text)
    with pytest.raises(InvalidSetting, match="type: assistant calibrate"):
        Calibration.load(tmp_path)
