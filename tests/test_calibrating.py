"""`assistant calibrate`: fitted to a user's cases, kept in the index, bounded on request, refused when that is too much."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from assistant import Assistant, Settings
from assistant.calibration import SHIPPED, Calibration, upper_bound
from assistant.cli import cli
from assistant.errors import InvalidCases
from assistant.evaluation.calibrating import Asked, best_threshold, fit, observe
from assistant.evaluation.cases import load_cases
from assistant.reading import load_reader

KNOWN = {
    "Who opened the bridge over the Orve?": "Mara Lind",
    "When was the bridge over the Orve opened?": "2024",
    "How much did the bridge over the Orve cost?": "12 million crowns",
    "Who built the harbour of Tansk?": "Hollen Works",
    "How many people does the harbour of Tansk employ?": "300",
    "How many clocks does the clock museum in Vell show?": "900",
    "Which river does the bridge of Mara Lind cross?": "Orve",
    "When is entry to the clock museum free?": "Sundays",
}
UNKNOWN = (
    "Who opened the library of Tansk?",
    "Who designed the harbour of Vell?",
    "Which queen was buried in Ulm?",
    "How many ships did the museum sink?",
)


def write_cases(path: Path) -> Path:
    rows = [{"id": f"k{i}", "question": q, "answers": [a]} for i, (q, a) in enumerate(2 * list(KNOWN.items()))]
    rows += [{"id": f"u{i}", "question": q, "abstain": True} for i, q in enumerate(2 * UNKNOWN)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def some(count: int, wrong_above: float, seed: int = 1) -> list[Asked]:
    """Cases whose span's score says whether they are right: always above 0 but for a share of `wrong_above`."""
    chance = random.Random(seed)
    rows = []
    for _ in range(count):
        span = chance.uniform(-8, 8)
        right = span > 0 and chance.random() >= wrong_above
        rows.append(Asked({"span": span, "dense": 0.6, "lexical": 0.9, "covered": 0.8}, right, silent=span <= 0))
    return rows


def test_every_case_is_asked_and_judged_behind_a_silence(open_assistant, tmp_path: Path) -> None:
    assistant = open_assistant(threshold=1.0)
    assistant.sync()
    asked = observe(assistant, load_cases(write_cases(tmp_path / "cases.jsonl")))
    assert sum(a.silent for a in asked) == 8
    assert not any(a.right for a in asked if a.silent)
    assert sum(a.right for a in asked) >= 8, "the reader knows most of these"
    assert all("span" in a.seen for a in asked)


def test_drafts_and_stale_cases_are_not_asked(open_assistant, tmp_path: Path) -> None:
    assistant = open_assistant()
    assistant.sync()
    rows = [
        {"id": "a", "question": "Who built the harbour of Tansk?", "answers": ["Hollen Works"]},
        {"id": "b", "question": "Who built it?", "answers": ["x"], "articles": ["gone.md"]},
        {"id": "c", "question": "Who built it?", "answers": ["x"], "draft": True},
    ]
    path = tmp_path / "cases.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert len(observe(assistant, load_cases(path))) == 1


def test_the_threshold_treats_most_cases_rightly() -> None:
    asked = some(200, 0.0)
    fitted = fit(asked, SHIPPED)
    assert fitted.calibration is not None
    assert fitted.after.brier < fitted.before.brier
    assert fitted.wrong <= 0.05 * fitted.answered


def test_of_equal_thresholds_the_usual_one_stays() -> None:
    asked = [Asked({}, right=True, silent=False)] * 5
    assert best_threshold([0.9] * 5, asked, 0.35) == 0.35


def test_a_bound_is_kept_to() -> None:
    fitted = fit(some(400, 0.02), SHIPPED, max_error=0.1)
    assert fitted.calibration is not None
    assert fitted.calibration.max_error == 0.1
    assert upper_bound(fitted.wrong, fitted.answered) <= 0.1
    assert fitted.answered >= 100


def test_an_error_among_the_surest_does_not_end_it() -> None:
    asked = some(400, 0.0)
    surest = max(range(400), key=lambda i: asked[i].seen["span"])
    asked[surest] = Asked(asked[surest].seen, right=False, silent=False)
    assert fit(asked, SHIPPED, max_error=0.1).calibration is not None


def test_wrong_words_are_rather_held_back() -> None:
    probabilities = [0.9] * 10 + [0.2] * 10
    asked = [Asked({}, right=i < 12, silent=False) for i in range(20)]
    assert 0.2 < best_threshold(probabilities, asked, 0.35) <= 0.9


def test_a_bound_that_the_cases_are_too_few_for_says_how_many_are_needed() -> None:
    fitted = fit(some(40, 0.0), SHIPPED, max_error=0.02)
    assert fitted.calibration is None
    assert "at least 149 answered cases" in fitted.needed  # ln .05 / ln .98 = 148.3


def test_a_bound_that_no_number_of_cases_gives_is_said_to_be_so() -> None:
    assert "more cases alone will not do" in fit(some(300, 0.5), SHIPPED, max_error=0.05).needed


@pytest.mark.parametrize("asked", [some(10, 0.0), [Asked({"span": 1.0}, right=True, silent=False)] * 50])
def test_cases_that_tell_nothing_are_refused(asked: list[Asked]) -> None:
    with pytest.raises(InvalidCases, match="at least 20"):
        fit(asked, SHIPPED)


def test_it_changes_what_is_answered_until_it_is_reset(open_assistant) -> None:
    assistant: Assistant = open_assistant()
    assistant.sync()
    question = "Who opened the bridge over the Orve?"
    usual = assistant.ask(question).confidence
    assistant.calibrate(Calibration(-5.0, {}, threshold=0.5))
    assert assistant.ask(question).abstained
    assert open_assistant().ask(question).abstained, "kept in the index"
    assert "fitted to" in assistant.status()["calibration"]
    assistant.calibrate(None)
    assert assistant.ask(question).confidence == usual


def test_another_reader_does_not_go_by_it(open_assistant) -> None:
    assistant: Assistant = open_assistant()
    assistant.sync()
    Calibration(-5.0, {}, threshold=0.5, fitted_with="another reader").save(assistant.settings.index)
    assert assistant.calibration is SHIPPED


def test_the_command(tmp_path: Path, corpus: Path) -> None:
    cases = write_cases(tmp_path / "cases.jsonl")
    places = ["--corpus", str(corpus), "--index", str(tmp_path / "index")]
    runner = CliRunner()
    done = runner.invoke(cli, [*places, "calibrate", str(cases), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["cases"] == 24
    assert (tmp_path / "index" / "calibration.json").exists()
    shown = runner.invoke(cli, [*places, "calibrate", str(cases)])
    assert "threshold" in shown.stdout
    refused = runner.invoke(cli, [*places, "calibrate", str(cases), "--max-error", "0.01"])
    assert refused.exit_code == 1
    assert "at least 299 answered cases" in refused.stdout
    assert runner.invoke(cli, [*places, "calibrate", "--reset"]).exit_code == 0
    assert not (tmp_path / "index" / "calibration.json").exists()


def test_wrong_usage_is_said(tmp_path: Path) -> None:
    assert CliRunner().invoke(cli, ["calibrate"]).exit_code == 2
    assert CliRunner().invoke(cli, ["calibrate", "x.yaml", "--reset"]).exit_code == 2
    missing = CliRunner().invoke(cli, ["--index", str(tmp_path / "i"), "calibrate", str(tmp_path / "no.yaml")])
    assert isinstance(missing.exception, InvalidCases)


def test_a_case_that_cannot_be_asked_is_named(open_assistant, tmp_path: Path) -> None:
    assistant = open_assistant()
    assistant.sync()
    path = tmp_path / "cases.jsonl"
    path.write_text(json.dumps({"id": "a", "question": "?!", "abstain": True}) + "\n", encoding="utf-8")
    with pytest.raises(InvalidCases, match=r"cases\.jsonl:1"):
        observe(assistant, load_cases(path))


def test_an_open_assistant_sees_a_fit_made_elsewhere(open_assistant) -> None:
    first, second = open_assistant(), open_assistant()
    first.sync()
    assert second.calibration is SHIPPED
    first.calibrate(Calibration(-5.0, {}, threshold=0.5))
    assert second.calibration.bias == -5.0


class Raced(Assistant):
    """As if another thread calibrated after every look at what is kept."""

    _known: Any = None
    _looks = 0

    @property
    def _kept(self) -> Any:
        self._looks += 1
        return self._known if self._looks % 2 else None

    @_kept.setter
    def _kept(self, kept: Any) -> None:
        self._known = kept


def test_a_fit_may_change_while_another_thread_looks_at_it(corpus, embedder, tmp_path) -> None:
    with Raced(Settings(corpus=corpus, index=tmp_path / "index"), embedder, load_reader()) as assistant:
        assistant.sync()
        assistant.calibrate(Calibration(-5.0, {}, threshold=0.5))
        assert assistant.calibration.bias == -5.0


def test_a_fit_does_not_outlive_other_passages(open_assistant) -> None:
    assistant = open_assistant()
    assistant.sync()
    assistant.calibrate(Calibration(-5.0, {}, threshold=0.5))
    assert open_assistant(passage_words=60).calibration is SHIPPED
