"""Two short answers that cannot both be right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.values import contradict


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("12 million crowns", "14 million crowns"),
        ("12 million crowns", "14 million"),
        ("900 clocks", "830"),
        ("US$56,200", "US$58,000"),
        ("28.9 billion yuan", "29.4bn yuan"),
        ("87%", "78 %"),
        ("2019", "2021"),
        ("May 2019", "June 2019"),
        ("3 May 2019", "4 May 2019"),
        ("May 2019", "2021"),
        ("three", "five"),
    ],
)
def test_different_values_of_one_kind_contradict(one: str, other: str) -> None:
    assert contradict(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("12 million crowns", "12m crowns"),
        ("12 million crowns", "12,000,000 crowns"),
        ("56,200", "56,000"),  # rounded
        ("900 clocks", "850"),  # rounded
        ("387,000 vehicles", "0.39 million vehicles"),
        ("2019", "May 2019"),
        ("May 2019", "3 May"),
        ("12 million crowns", "14 million euros"),  # may be converted
        ("US$56,200", "€51,000"),
        ("87%", "78"),
        ("900 clocks", "850 visitors"),
        ("more than 900 clocks", "950 clocks"),
        ("about 900", "950"),
        ("900 to 950 clocks", "1,000 clocks"),
        ("Mara Lind", "Ada Holm"),
        ("2019", "12 million crowns"),
        ("", "12"),
    ],
)
def test_what_may_both_be_right_does_not(one: str, other: str) -> None:
    assert not contradict(one, other)


@given(st.text(max_size=30), st.text(max_size=30))
def test_contradiction_is_mutual_and_never_with_itself(one: str, other: str) -> None:
    assert contradict(one, other) == contradict(other, one)
    assert not contradict(one, one)
