"""The nouns as JSON and as text; the tree of errors."""

from __future__ import annotations

import dataclasses
import inspect
import json
from datetime import date

import pytest

from assistant import errors, schema
from assistant.schema import (
    OUTCOMES,
    Answer,
    Article,
    Citation,
    Disagreement,
    Filter,
    Hit,
    Outcome,
    Passage,
    SyncReport,
)

ARTICLE = Article(
    "bridge-1",
    "The bridge",
    "It cost 12 million. It is long.",
    "Stone",
    "Mara Lind",
    date(2024, 3, 1),
    "https://x.example",
)
CITATION = Citation(1, ARTICLE, "It cost 12 million.", 0, 19, 0.987654321, ("ferry-2",))
HIT = Hit(Passage("p", "bridge-1", 0, 19), ARTICLE, 0.5, 0.25, 1.0)


def an_answer(**fields) -> Answer:
    values = {"question": "q", "asked": "Q?", "short": "12 million", "text": "It cost 12 million. [1]", "abstained": False,
              "reason": "", "confidence": 0.9, "citations": (CITATION,), "hits": (HIT,), "timings": {"read": 0.01234}}  # fmt: skip
    return Answer(**{**values, **fields})


def test_an_answer_as_json_has_exactly_the_keys_of_the_design():
    found = an_answer().to_dict()
    assert list(found) == [
        "question", "asked", "short", "text", "abstained", "reason", "confidence", "citations", "disagreements", "timings_ms",
    ]  # fmt: skip
    assert set(found["citations"][0]) == {"number", "article", "quote", "start", "end", "score", "also", "outlets"}
    assert {"id", "title", "source", "author", "published", "url"} <= set(found["citations"][0]["article"])
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_what_another_source_says_is_told_with_its_citation():
    other = dataclasses.replace(CITATION, number=2, article=Article("lamp-2", "The toll", "It cost 15.", "Lamp"))
    answer = an_answer(disagreements=(Disagreement("15", other),))
    assert str(answer).splitlines()[-1] == "[2] otherwise: 15 · The toll · Lamp"
    assert answer.to_dict()["disagreements"] == [{"value": "15", "citation": other.to_dict()}]


def test_a_date_is_written_in_iso_and_its_absence_is_null():
    assert ARTICLE.to_dict()["published"] == "2024-03-01"
    assert Article("a", "T", "x").to_dict()["published"] is None


def test_the_text_of_an_article_is_not_repeated_in_json():
    assert "It is long." not in json.dumps(an_answer().to_dict())


def test_timings_are_seconds_inside_and_milliseconds_in_json():
    assert an_answer().to_dict()["timings_ms"] == {"read": 12.3}


def test_an_answer_as_text_names_title_outlet_and_date_of_what_it_cites():
    assert str(an_answer()).splitlines() == ["It cost 12 million. [1]", "[1] The bridge · Stone · 2024-03-01"]


def test_an_article_without_outlet_and_date_leaves_no_empty_parts():
    bare = dataclasses.replace(CITATION, article=Article("a", "T", "x"))
    assert str(an_answer(citations=(bare,))).splitlines()[1] == "[1] T"


def test_a_hit_s_text_is_its_passage_of_the_article():
    assert HIT.text == "It cost 12 million."
    assert HIT.to_dict()["text"] == HIT.text
    assert json.dumps(HIT.to_dict())


def test_a_filter_is_true_only_if_it_filters():
    assert not Filter()
    assert all([Filter(since=date(2024, 1, 1)), Filter(until=date(2024, 1, 1)), Filter(source="Stone")])


def test_a_report_counts_every_kind_of_outcome_and_lists_what_is_not_unchanged():
    outcomes = (Outcome("added", "a.md"), Outcome("unchanged", "b.md"), Outcome("failed", "c.md", reason="empty"))
    report = SyncReport(outcomes, generation=3, articles=2, passages=5, seconds=1.23456)
    found = report.to_dict()
    assert found["counts"] == dict.fromkeys(OUTCOMES, 0) | {"added": 1, "unchanged": 1, "failed": 1}
    assert [outcome["location"] for outcome in found["outcomes"]] == ["a.md", "c.md"]
    assert found["outcomes"][1]["reason"] == "empty"
    assert json.dumps(found)


def test_every_noun_is_frozen():
    nouns = [noun for _, noun in inspect.getmembers(schema, dataclasses.is_dataclass)]
    assert len(nouns) >= 11
    for noun in nouns:
        assert noun.__dataclass_params__.frozen, noun


ERRORS = [error for _, error in inspect.getmembers(errors, inspect.isclass) if issubclass(error, Exception)]


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_has_one_root_and_an_exit_code(error):
    assert issubclass(error, errors.AssistantError)
    assert error.exit_code == (2 if issubclass(error, errors.InputError) else 3)
    assert str(error("one line")) == "one line"


def test_the_tree_in_the_module_s_docstring_names_every_error():
    assert [error.__name__ for error in ERRORS if error.__name__ not in errors.__doc__] == []


def test_wrong_input_is_told_from_what_could_not_be_done():
    assert {error.__name__ for error in ERRORS if error.exit_code == 2} == {
        "InputError", "InvalidBaseline", "InvalidCases", "InvalidQuestion", "InvalidSetting", "UnknownArticle",
    }  # fmt: skip
