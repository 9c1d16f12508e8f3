"""Two short answers that cannot both be right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.values import contradict, states


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("12 million crowns", "14 million crowns"),
        ("900 clocks", "830 clocks"),
        ("US$56,200", "US$58,000"),
        ("28.9 billion yuan", "29.4bn yuan"),
        ("87%", "78 %"),
        ("87%", "78 percent"),
        ("87 per cent", "78 percent"),
        ("2019", "2021"),
        ("May 2019", "June 2019"),
        ("3 May 2019", "4 May 2019"),
        ("May 2019", "2021"),
        ("three", "five"),
        ("1450 litres", "1730 litres"),
        ("in early 2019", "since 2021"),
        ("the first half of 2019", "the third quarter of 2021"),
        ("Q3 2019", "2021"),
        ("before 2019", "after 2019"),
        ("before May 2019", "after June 2019"),
        ("more than 900 clocks", "fewer than 900 clocks"),
        ("over 900 clocks", "less than 800 clocks"),
        ("up 5%", "down 5%"),
        ("rose 5 percent", "fell 3%"),
        ("-5%", "5%"),
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
        ("12", "45 percent"),
        ("5 million", "US$700,000"),
        ("1 metre", "50"),
        ("at 5 pm", "7"),
        ("900 clocks", "850 visitors"),
        ("more than 900 clocks", "950 clocks"),
        ("about 900", "950"),
        ("900 to 950 clocks", "1,000 clocks"),
        ("Mara Lind", "Ada Holm"),
        ("2019", "12 million crowns"),
        ("", "12"),
        ("2000 barges", "1900 kilometres"),
        ("about 2000 barges", "1900 barges"),
        ("2000 barges", "1900 barges"),  # rounded
        ("2019", "1900 barges"),
        ("about 2019", "2020"),
        ("before 2019", "2018"),
        ("before 2019", "after 2017"),
        ("before May 2019", "April 2019"),
        ("before May", "after June"),
        ("more than 800 clocks", "fewer than 900 clocks"),
        ("no more than 900 clocks", "less than 900 clocks"),
        ("more or less 900 clocks", "less than 900 clocks"),
        ("more than 900 clocks", "less than 900 visitors"),
        ("up to 5%", "down 5%"),
        ("up 5%", "down to 5%"),
        ("$5 million", "€5 million"),  # rounded, near parity
    ],
)
def test_what_may_both_be_right_does_not(one: str, other: str) -> None:
    assert not contradict(one, other)


@given(st.text(max_size=30), st.text(max_size=30))
def test_contradiction_is_mutual_and_never_with_itself(one: str, other: str) -> None:
    assert contradict(one, other) == contradict(other, one)
    assert not contradict(one, one)


@pytest.mark.parametrize(
    ("text", "value", "told"),
    [
        ("It cost 2 million dollars.", "two million", True),
        ("It cost US$5m at first.", "$5 million", True),
        ("It was opened on March 3, 2024.", "3 March 2024", True),
        ("It was opened on March 3, 2024.", "2024", True),
        ("It was opened in 2024.", "3 March 2024", False),
        ("It cost 25 million dollars.", "5 million", False),
        ("It owns 1,900 barges.", "1900 barges", True),
        ("It was opened in 2019.", "since 2019", True),
    ],
)
def test_a_text_states_a_value_in_whatever_form(text: str, value: str, told: bool) -> None:
    assert states(text, value) is told
