"""Words, stems, names and numbers, with exact offsets."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.words import content_stems, content_words, names, stem, words


def kinds(text: str, **options: bool) -> list[tuple[str, str]]:
    return [(name.text, name.kind) for name in names(text, **options)]


@given(st.text(max_size=200))
@settings(max_examples=50, deadline=None)
def test_words_and_names_are_exact_offsets_in_order(text):
    for found in (words(text), names(text)):
        assert all(text[part.start : part.end] == part.text and part.text for part in found)
        assert all(a.end <= b.start for a, b in pairwise(found))


@given(st.text(max_size=200))
@settings(max_examples=50, deadline=None)
def test_a_stem_is_in_lower_case_and_listed_once(text):
    stems = content_stems(text)
    assert len(set(stems)) == len(stems)
    assert all(found == found.lower() for found in stems)


@pytest.mark.parametrize(("text", "expected"), [
    ("Seres’s profit", ["Seres", "profit"]),
    ("Huawei's cars", ["Huawei", "cars"]),
    ("28.9% of 387,000", ["28.9%", "of", "387,000"]),
    ("the M9, S9T and 3M", ["the", "M9", "S9T", "and", "3M"]),
    ("café über", ["café", "über"]),
    ("snake_case", ["snake", "case"]),
    ("in 2024.", ["in", "2024"]),
    ("", []),
])  # fmt: skip
def test_words_are_what_a_reader_would_call_words(text, expected):
    assert [word.text for word in words(text)] == expected


@pytest.mark.parametrize(("one", "other"), [
    ("launch", "launched"), ("vehicle", "vehicles"), ("partner", "Partners"), ("387,000", "387000"), ("87%", "87"),
])  # fmt: skip
def test_forms_of_one_word_share_a_stem(one, other):
    assert stem(one) == stem(other)


@pytest.mark.parametrize(("one", "other"), [("price", "profit"), ("2022", "2023"), ("M8", "M9"), ("Seres", "Stelato")])
def test_different_words_have_different_stems(one, other):
    assert stem(one) != stem(other)


def test_a_question_s_shaping_words_carry_no_content():
    assert [word.text for word in content_words("Which brand did Huawei launch with JAC?")] == [
        "brand", "Huawei", "launch", "JAC",
    ]  # fmt: skip
    assert content_words("What is it that they have?") == []


@pytest.mark.parametrize(("text", "expected"), [
    ("What is the US?", ["US"]),
    ("What did the WHO say?", ["WHO"]),
    ("Who is Will May?", ["Will", "May"]),
    ("Which ferry sank in May?", ["ferry", "sank", "May"]),
    ("US’s ferries", ["US", "ferries"]),
    ("What did He Xiling paint?", ["He", "Xiling", "paint"]),
    ("The IT of the harbour", ["IT", "harbour"]),
    ("WHO IS THE HEAD OF HOLLEN WORKS", ["HEAD", "HOLLEN", "WORKS"]),
    ("WHO IS THE HEAD OF Hollen Works?", ["HEAD", "Hollen", "Works"]),
    ("What Is the Price of the Ferry?", ["Price", "Ferry"]),
    ("Which ferry did NOT sink, and WHICH did", ["ferry", "sink", "WHICH"]),
    ("ferry OR barge", ["ferry", "barge"]),
    ("It sank. Will it float? She said so. May be.", ["sank", "float"]),
    ("She said: “He sank it”, Which did she mean", ["sank", "mean"]),
    ("hello Can you say who sank the ferry", ["hello", "sank", "ferry"]),
    ("a ferry for US$50", ["ferry", "50"]),
    ("us and it may", []),
])  # fmt: skip
def test_a_stop_word_written_as_a_name_is_one(text, expected):
    assert [word.text for word in content_words(text)] == expected


@pytest.mark.parametrize(("text", "expected"), [
    ("the US met Will May", [("US", "name"), ("Will May", "name")]),
    ("listed on the Hong Kong Stock Exchange", [("Hong Kong Stock Exchange", "name")]),
    ("in 2024 it sold 387,000 cars", [("2024", "year"), ("387,000", "number")]),
    ("the M8 and M9", [("M8", "name"), ("M9", "name")]),
    ("by S&P Global", [("S&P Global", "name")]),
    ("nearly 87% of it", [("87%", "number")]),
    ("with BAIC, Chery and JAC", [("BAIC", "name"), ("Chery", "name"), ("JAC", "name")]),
    ("nothing in it is capitalised", []),
])  # fmt: skip
def test_names_years_and_numbers_are_found(text, expected):
    assert kinds(text) == expected


def test_the_first_word_of_a_question_is_no_name_unless_written_in_capitals():
    assert kinds("Bridges of the Orve", sentence_start_counts=False) == [("Orve", "name")]
    assert kinds("HIMA leads", sentence_start_counts=False) == [("HIMA", "name")]
    assert kinds("M9 prices", sentence_start_counts=False) == [("M9", "name")]


def test_a_word_knows_whether_it_is_a_number_or_a_code():
    number, code, plain = words("387,000 S800 Huawei")
    assert (number.number, code.number, plain.number) == (True, False, False)
    assert (number.code, code.code, plain.code) == (False, True, False)
    assert (code.capitalised, plain.capitalised) == (True, True)
