"""`assistant eval` as a user types it: exit codes, files, and what a retrieval broken on purpose looks like."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, WordEmbedder

from assistant import Assistant, Settings
from assistant.evaluation import baseline, compare, judge, load_cases, run
from assistant.evaluation.verdict import decide

HUAWEI = ROOT / "tests/regression/huawei.yaml"
RIGHT = '  - {id: jac, question: "Which brand did Huawei launch with JAC?", answers: [Maextro], tags: [short]}\n'
SILENT = '  - {id: mayor, question: "Who is the mayor of Shenzhen?", abstain: true}\n'
WRONG = (
    '  - {id: wrong, question: "Which brand is sold by Huawei together with JAC?", answers: [Toyota], tags: [short]}\n'
)
ERROR = '  - {id: bad, question: "🙂", abstain: true}\n'
STALE = '  - {id: left, question: "Who left?", articles: [left.md]}\n'


def evaluate(assistant: Assistant, *arguments: object, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    places = ["--corpus", str(assistant.settings.corpus), "--index", str(assistant.settings.index)]
    return subprocess.run(
        [sys.executable, "-m", "assistant.cli", *places, "eval", *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=250, cwd=folder,
    )  # fmt: skip


def written(folder: Path, *cases: str) -> Path:
    path = folder / "cases.yaml"
    path.write_text("cases:\n" + "".join(cases), encoding="utf-8")
    return path


def test_a_set_that_is_right_passes_and_says_so(huawei: Assistant, tmp_path: Path) -> None:
    done = evaluate(huawei, written(tmp_path, RIGHT, SILENT, STALE))
    assert done.returncode == 0, done.stderr
    assert "2 of 2 right; not counted: 1 stale" in done.stdout
    assert "left.md" in done.stdout
    assert done.stdout.rstrip().endswith("passed")


@pytest.mark.parametrize(
    ("cases", "options", "code", "says"),
    [
        ((RIGHT, WRONG), (), 1, "1 case failed"),
        ((RIGHT, WRONG), ("--fail-under", "answer=.5"), 0, ""),
        ((RIGHT, WRONG), ("--fail-under", "answer=.6,tag:short=.4"), 1, "answer is 0.5, below 0.6"),
        ((RIGHT, ERROR), ("--fail-under", "answer=.1"), 3, "1 case could not be asked: bad"),
        ((STALE,), (), 3, "no case could be counted: 0 drafts, 1 stale"),
        ((RIGHT,), ("--fail-under", "anwser=.5"), 2, "known: answer, hit@1"),
        ((RIGHT,), ("--baseline", "none.json"), 2, "assistant eval FILE --save"),
        ((RIGHT,), ("--max-regressions", "2"), 2, "need --baseline"),
        ((RIGHT,), ("--html", "no/such/folder.html"), 2, "in a folder that exists"),
        ((RIGHT,), ("--set", "read=many"), 2, "write read=NUMBER"),
        ((RIGHT,), ("--set", "corpus=x"), 2, "candidates, dense_weight, read, threshold"),
        ((RIGHT.replace("answers", "answer"),), (), 2, "cases.yaml:2: unknown key `answer`; did you mean `answers`?"),
    ],
)
def test_exit_codes_tell_a_failure_from_a_bad_file_and_from_what_could_not_run(
    huawei: Assistant, tmp_path: Path, cases: tuple[str, ...], options: tuple[str, ...], code: int, says: str
) -> None:
    done = evaluate(huawei, written(tmp_path, *cases), *options, folder=tmp_path)
    assert done.returncode == code, done.stdout + done.stderr
    assert says in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_file_the_next_step_is_named(huawei: Assistant, tmp_path: Path) -> None:
    done = evaluate(huawei)
    assert (done.returncode, "assistant eval --init" in done.stderr) == (2, True)
    done = evaluate(huawei, tmp_path / "none.yaml")
    assert (done.returncode, "assistant eval --init" in done.stderr) == (2, True)


def test_a_missing_corpus_is_what_could_not_run(tmp_path: Path) -> None:
    places = ["--corpus", str(tmp_path / "nowhere"), "--index", str(tmp_path / "index")]
    path = written(tmp_path, RIGHT)
    done = subprocess.run(
        [sys.executable, "-m", "assistant.cli", *places, "eval", str(path)],
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert done.returncode == 3


def test_json_is_the_same_twice_but_for_its_times(huawei: Assistant, tmp_path: Path) -> None:
    """In two processes, whose sets and dictionaries hash differently."""
    text = HUAWEI.read_text(encoding="utf-8")
    path = written(tmp_path, "  - id:".join(["", *text.split("  - id:")[1::12]]))
    runs = [evaluate(huawei, path, "--json", "--fail-under", "answer=0") for _ in range(2)]
    assert [done.returncode for done in runs] == [0, 0], runs[0].stderr
    found: list[dict[str, Any]] = [json.loads(done.stdout) for done in runs]
    assert len(found[0]["cases"]) > 10
    for one in found:
        assert set(one.pop("timings_ms")) == {"p50", "p95", "cases"}
    assert json.dumps(found[0]) == json.dumps(found[1])


def test_all_outputs_are_written_and_a_baseline_compared(huawei: Assistant, tmp_path: Path) -> None:
    path = written(tmp_path, RIGHT, WRONG)
    done = evaluate(huawei, path, "--save", "b.json", "--html", "r.html", "--junit", "r.xml", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {"b.json", "r.html", "r.xml"} <= {file.name for file in tmp_path.iterdir()}
    assert evaluate(huawei, path, "--baseline", "b.json", folder=tmp_path).returncode == 0
    kept = json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))
    kept["cases"]["wrong"]["stage"] = "right"
    (tmp_path / "b.json").write_text(json.dumps(kept), encoding="utf-8")
    done = evaluate(huawei, path, "--baseline", "b.json", folder=tmp_path)
    assert done.returncode == 1
    assert "1 regression: wrong (read but wrong)" in done.stdout
    assert evaluate(huawei, path, "--baseline", "b.json", "--max-regressions", 1, folder=tmp_path).returncode == 0
    kept["made_with"]["corpus"] = "another"
    (tmp_path / "b.json").write_text(json.dumps(kept), encoding="utf-8")
    refused = evaluate(huawei, path, "--baseline", "b.json", folder=tmp_path)
    assert (refused.returncode, "--force" in refused.stderr) == (2, True)
    assert evaluate(huawei, path, "--baseline", "b.json", "--force", folder=tmp_path).returncode == 1


def test_a_baseline_is_replaced_by_a_run_that_passes_only(huawei: Assistant, tmp_path: Path) -> None:
    path = written(tmp_path, RIGHT, WRONG)
    assert evaluate(huawei, path, "--save", "b.json", folder=tmp_path).returncode == 0
    again = evaluate(huawei, path, "--baseline", "b.json", "--save", "b.json", folder=tmp_path)
    assert again.returncode == 0, again.stderr
    kept = json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))
    kept["cases"]["wrong"]["stage"] = "right"
    (tmp_path / "b.json").write_text(json.dumps(kept), encoding="utf-8")
    done = evaluate(huawei, path, "--baseline", "b.json", "--save", "b.json", folder=tmp_path)
    assert (done.returncode, "was not saved" in done.stderr) == (1, True)
    assert json.loads((tmp_path / "b.json").read_text(encoding="utf-8")) == kept


def test_only_what_eval_wrote_is_written_over(huawei: Assistant, tmp_path: Path) -> None:
    path = written(tmp_path, RIGHT)
    outputs = ("--save", "b.json", "--html", "r.html", "--junit", "r.xml")
    for _ in range(2):
        assert evaluate(huawei, path, *outputs, folder=tmp_path).returncode == 0
    text = path.read_text(encoding="utf-8")
    (tmp_path / "own.html").write_text("<p>my own</p>", encoding="utf-8")
    for wrong in (("--save", path), ("--html", path), ("--junit", path), ("--html", "own.html"), ("--save", "own.html"),
                  ("--html", "b.json"), ("--junit", "r.html"), ("--html", "x", "--junit", "x")):  # fmt: skip
        refused = evaluate(huawei, path, *wrong, folder=tmp_path)
        assert refused.returncode == 2, (wrong, refused.stdout)
    assert path.read_text(encoding="utf-8") == text
    assert (tmp_path / "own.html").read_text(encoding="utf-8") == "<p>my own</p>"
    (tmp_path / "empty").touch()
    assert evaluate(huawei, path, "--html", "empty", folder=tmp_path).returncode == 0


@pytest.mark.parametrize("name", ["new.csv", "new", "no/such/new.yaml"])
def test_drafts_are_refused_a_place_before_they_are_made(tmp_path: Path, name: str) -> None:
    """Of a corpus that is not there: were the place looked at later, that would be said."""
    settings = Settings(corpus=tmp_path / "nowhere", index=tmp_path / "index")
    with Assistant(settings, WordEmbedder()) as assistant:
        refused = evaluate(assistant, "--init", name, folder=tmp_path)
    assert (refused.returncode, "--init: " in refused.stderr) == (2, True), refused.stderr


def test_what_cannot_be_compared_or_limited_is_refused_before_anything_is_asked(tmp_path: Path, corpus: Path) -> None:
    """The one case cannot be asked: were it asked first, the exit code would be 3."""
    settings = Settings(corpus=corpus, index=tmp_path / "index")
    path = written(tmp_path, ERROR.replace("abstain: true", "abstain: true, tags: [odd]"))
    (case,) = load_cases(path)
    made = {"corpus": "another", "models": {}, "settings": {}}
    known = {"bad": {"case": baseline.fingerprint(case), "stage": "right", "given": ""}}
    for name, cases in (("other.json", known), ("apart.json", {})):
        text = json.dumps({"format": 1, "made_with": made, "cases": cases, "metrics": {}})
        (tmp_path / name).write_text(text, encoding="utf-8")
    with Assistant(settings, WordEmbedder()) as assistant:
        for options, says in (
            (("--baseline", "other.json"), "made of another corpus"),
            (("--baseline", "apart.json", "--force"), "shares no case"),
            (("--fail-under", "tag:od=.5"), "these have: tag:odd"),
        ):
            refused = evaluate(assistant, path, *options, folder=tmp_path)
            assert (refused.returncode, says in refused.stderr) == (2, True), refused.stderr
        asked = evaluate(assistant, path, "--baseline", "other.json", "--force", folder=tmp_path)
        assert asked.returncode == 3


def test_articles_that_were_edited_or_deleted_are_seen(tmp_path: Path, corpus: Path) -> None:
    path = written(
        tmp_path,
        '  - {id: opened, question: "Who opened the bridge over the Orve?", regex: Lind, articles: [bridge.md]}\n',
        '  - {id: clocks, question: "How many clocks does the museum in Vell show?", number: 900, articles: [museum.md]}\n',
    )
    settings = Settings(corpus=corpus, index=tmp_path / "index")
    with Assistant(settings, WordEmbedder()) as assistant:
        first = evaluate(assistant, path, "--json")
        assert [case["given"] for case in json.loads(first.stdout)["cases"]] == ["Mara Lind", "900"]
        text = (corpus / "bridge.md").read_text(encoding="utf-8")
        (corpus / "bridge.md").write_text(text.replace("Mara Lind", "Orm Hask"), encoding="utf-8")
        (corpus / "museum.md").unlink()
        second = evaluate(assistant, path, "--json")
    assert [case["given"] for case in json.loads(second.stdout)["cases"]] == ["Orm Hask", ""]
    assert json.loads(second.stdout)["cases"][1]["stage"] == "stale"
    assert "1 changed, 1 unchanged, 1 removed" in second.stderr


def test_a_limit_that_nothing_measured_is_missed(huawei: Assistant, tmp_path: Path) -> None:
    done = evaluate(huawei, written(tmp_path, SILENT), "--fail-under", "hit@5=.5")
    assert done.returncode == 1
    assert "hit@5 is not measured by any case" in done.stdout


def test_no_baseline_is_saved_of_a_run_with_an_error(huawei: Assistant, tmp_path: Path) -> None:
    done = evaluate(huawei, written(tmp_path, RIGHT, ERROR), "--save", "b.json", folder=tmp_path)
    assert done.returncode == 3
    assert not (tmp_path / "b.json").exists()


def test_init_drafts_cases_that_can_be_run_once_they_are_reviewed(huawei: Assistant, tmp_path: Path) -> None:
    done = evaluate(huawei, "--init", "new.yaml", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    refused = evaluate(huawei, "--init", "new.yaml", folder=tmp_path)
    assert (refused.returncode, "is there already" in refused.stderr) == (2, True)
    unseen = evaluate(huawei, "new.yaml", folder=tmp_path)
    assert (unseen.returncode, "drafts" in unseen.stderr) == (3, True)
    text = (tmp_path / "new.yaml").read_text(encoding="utf-8")
    (tmp_path / "new.yaml").write_text(text.replace("    draft: true\n", ""), encoding="utf-8")
    reviewed = evaluate(huawei, "new.yaml", "--fail-under", "answer=0", folder=tmp_path)
    assert reviewed.returncode == 0, reviewed.stderr


def test_the_schema_is_printed_for_editors(huawei: Assistant) -> None:
    assert "cases" in json.loads(evaluate(huawei, "--schema").stdout)["anyOf"][1]["properties"]


# -- broken on purpose ---------------------------------------------------------------------------------------------

CASES = load_cases(HUAWEI)


@pytest.fixture(scope="module")
def one_passage(huawei: Assistant, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The baseline of an assistant that reads one passage, so that its place decides and a run takes seconds."""
    with Assistant.open(settings=replace(huawei.settings, read=1)) as assistant:
        report = run(assistant, CASES)
    path = tmp_path_factory.mktemp("baseline") / "one-passage.json"
    baseline.save(report, path)
    return path


def check_flips(found: list[tuple[str, str]], before: Path, broken: Assistant) -> None:
    """That exactly the cases right in the baseline and wrong now are named, each with the stage that `judge` gives."""
    was_right = {id_ for id_, kept in json.loads(before.read_text())["cases"].items() if kept["stage"] == "right"}
    expected = []
    for case in (case for case in CASES if case.id in was_right):
        answer, free = broken.ask_at((None, 0.0), case.question, case.history)
        beyond = broken.search(answer.asked, broken.settings.candidates)
        if not (result := judge(case, answer, free, beyond, broken.articles())).right:
            expected.append((case.id, result.stage))
    assert sorted(found) == sorted(expected)
    assert expected


def test_one_passage_per_question_fails_and_names_the_cases_that_flipped(huawei: Assistant) -> None:
    committed = HUAWEI.with_name("huawei.baseline.json")
    done = evaluate(huawei, HUAWEI, "--baseline", committed, "--set", "read=1", "--json")
    assert done.returncode == 1, done.stderr
    broke = [(c["id"], c["now"]) for c in json.loads(done.stdout)["comparison"]["broke"]]
    with Assistant.open(settings=replace(huawei.settings, read=1)) as broken:
        check_flips(broke, committed, broken)
    assert "retrieved but not read" in {stage for _, stage in broke}
    assert all(id_ in done.stderr for id_, _ in broke)


def test_only_lexical_search_fails_and_names_the_cases_that_flipped(huawei: Assistant, one_passage: Path) -> None:
    done = evaluate(huawei, HUAWEI, "--baseline", one_passage, "--set", "read=1", "--set", "dense_weight=0", "--json")
    assert done.returncode == 1, done.stderr
    comparison = json.loads(done.stdout)["comparison"]
    assert comparison["differences"] == ["dense_weight: 0.7 -> 0.0"]
    with Assistant.open(settings=replace(huawei.settings, read=1, dense_weight=0.0)) as broken:
        check_flips([(c["id"], c["now"]) for c in comparison["broke"]], one_passage, broken)
    assert {"not retrieved", "retrieved but not read"} & {c["now"] for c in comparison["broke"]}


def test_another_embedding_fails_and_names_the_cases_that_flipped(
    huawei: Assistant, one_passage: Path, tmp_path: Path
) -> None:
    settings = replace(huawei.settings, read=1, dense_weight=1.0, index=tmp_path / "index")
    with Assistant(settings, WordEmbedder()) as broken:
        broken.sync()
        report = run(broken, CASES)
        saved = baseline.load(one_passage)
        baseline.check_same_corpus(report.made_with, saved)
        comparison = compare(report, saved)
        assert decide(report, comparison).code == 1
        check_flips([(c.result.case.id, c.result.stage) for c in comparison.broke], one_passage, broken)
    assert any(line.startswith("embedding: all-MiniLM-L6-v2") for line in comparison.differences)
