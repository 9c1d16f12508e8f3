"""What a question asks for, and what is no question."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.errors import InvalidQuestion
from assistant.questions import LENGTH_LIMIT, anchors, checked, wanted


@pytest.mark.parametrize(("question", "kind"), [
    ("Who leads HIMA?", "person"),
    ("By whom was the bridge opened?", "person"),
    ("Where will Voyah be listed?", "place"),
    ("In which city does it stand?", "place"),
    ("Which country is it from?", "place"),
    ("When did the bridge open?", "time"),
    ("In what year was AITO launched?", "time"),
    ("On which date was the event?", "time"),
    ("How many cars were sold?", "number"),
    ("How much does the S800 cost?", "number"),
    ("How high is the margin?", "number"),
    ("What percentage of sales was AITO's?", "number"),
    ("Which brand did Huawei launch with JAC?", "thing"),
    ("What does HIMA stand for?", "thing"),
    ("Name the fifth partner of HIMA.", "thing"),
    ("Why did sales rise?", "sentences"),
    ("How does Huawei work with carmakers?", "sentences"),
    ("Does Huawei build cars?", "sentences"),
    ("Is Voyah listed?", "sentences"),
    ("What happened in September?", "sentences"),
    ("why did sales rise", "sentences"),
    ("How expensive is the ferry?", "number"),
    ("How heavy were the bells of Vell?", "number"),
    ("How important is the harbour?", "sentences"),
    ("How well did the ferry sell?", "sentences"),
    ("Can you tell me which harbour Hollen Works built?", "thing"),
    ("Do you know who founded Hollen Works?", "person"),
    ("please could you say in which city the museum stands", "place"),
    ("Would you please let me know when the bridge opened?", "time"),
    ("Does anyone know how many clocks there are?", "number"),
    ("Would you mind telling me what the ferry cost?", "thing"),
    ("May I ask who opened the bridge?", "person"),
    ("Do you know why the ferry sank?", "sentences"),
    ("Could you tell me if the harbour is profitable?", "sentences"),
    ("Can you tell me about the harbour?", "sentences"),
    ("Can you explain how many clocks there are?", "sentences"),
    ("Please, is the museum free?", "sentences"),
    ("Did anyone say who did it?", "sentences"),
    ("Do you know Hollen Works?", "sentences"),
])  # fmt: skip
def test_the_question_word_says_what_is_wanted(question, kind):
    want = wanted(question)
    assert want.kind == kind
    assert want.short == (kind != "sentences")


def test_the_class_of_the_answer_stands_behind_which():
    assert wanted("Which luxury brand did Huawei launch with JAC?").head == ("luxury", "brand")


@pytest.mark.parametrize(
    "text", ["", " ", "\n\t", "?", "...", "😀🎉", "what is it", "the of and", "\u200b\u202e", "\x00"]
)
def test_a_text_without_content_is_no_question(text):
    with pytest.raises(InvalidQuestion):
        checked(text)


def test_a_question_of_more_than_the_limit_is_refused_with_the_limit():
    with pytest.raises(InvalidQuestion, match=r"2,001.*2,000"):
        checked("a" * (LENGTH_LIMIT + 1))
    with pytest.raises(InvalidQuestion):
        checked("Who? " * 200_000)
    assert checked("a" * LENGTH_LIMIT) == "a" * LENGTH_LIMIT


@pytest.mark.parametrize("text", [
    "  Who\r\nleads\tHIMA? ", "Who\u00a0leads HIMA?", "\ufeffWho leads HIMA?", "Who le\x00ads HI\u202eMA?", "Who leads HIMA?\x1b",
])  # fmt: skip
def test_a_question_is_one_clean_line(text):
    assert checked(text) == "Who leads HIMA?"


def test_a_lone_surrogate_does_not_stop_a_question():
    assert checked("Who leads HIMA \ud800?") == "Who leads HIMA \ufffd?"


def test_markup_in_a_question_stays_text():
    assert checked("Who is <b>Mara</b> ![x](http://sink)?") == "Who is <b>Mara</b> ![x](http://sink)?"


@given(st.text(max_size=120))
@settings(max_examples=50, deadline=None)
def test_any_text_is_refused_or_becomes_one_line_that_is_checked_alike(text):
    try:
        line = checked(text)
    except InvalidQuestion:
        return
    assert "\n" not in line
    assert line == line.strip()
    assert checked(line) == line
    assert wanted(line).kind in {"person", "place", "time", "number", "thing", "sentences"}


def test_anchors_are_the_names_years_and_figures_of_a_question():
    found = [(name.text, name.kind) for name in anchors("How many of the 10 cars did Seres sell in 2024?")]
    assert found == [("10", "number"), ("Seres", "name"), ("2024", "year")]
