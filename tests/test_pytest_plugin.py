"""Cases as tests of pytest, in runs of their own."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from conftest import ROOT, WordEmbedder

from assistant import Assistant, Settings
from assistant.evaluation import baseline, load_cases, run

CASES = """\
cases:
  - {id: jac, question: "Which brand did Huawei launch with JAC?", answers: [Maextro], tags: [brands]}
  - {id: wrong, question: "Which brand is sold by Huawei together with JAC?", answers: [Toyota]}
  - {id: later, draft: true, question: "Who?", abstain: true}
  - {id: left, question: "Who left?", articles: [left.md]}
  - {id: bad, question: "🙂", abstain: true}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cases.yaml").write_text(CASES, encoding="utf-8")
    (tmp_path / "compose.yaml").write_text("services: {web: {image: x}}\n", encoding="utf-8")
    (tmp_path / "broken.yaml").write_text("cases:\n  - {id: a, question: Who?, anwsers: [x]}\n", encoding="utf-8")
    (tmp_path / "test_own.py").write_text("def test_own(): pass\n", encoding="utf-8")
    return tmp_path


def pytest_says(folder: Path, assistant: Assistant, *arguments: str) -> str:
    """What pytest printed; the installed entry point, or the option, loads the plugin."""
    settings = assistant.settings
    places = [f"--assistant-corpus={settings.corpus}", f"--assistant-index={settings.index}", "--rootdir=."]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "assistant.pytest_plugin",
        "-p",
        "no:cacheprovider",
        "-rA",
        *places,
    ]
    done = subprocess.run(
        [*command, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )  # fmt: skip
    return f"{done.returncode}\n{done.stdout}{done.stderr}"


def test_each_case_of_a_file_named_is_a_test(folder: Path, huawei: Assistant) -> None:
    said = pytest_says(folder, huawei, "cases.yaml")
    assert "1 passed" in said
    assert "2 skipped" in said
    assert "2 failed" in said
    assert "PASSED cases.yaml::jac" in said
    assert 'read but wrong: Which brand is sold by Huawei together with JAC?\nexpected "Toyota", got "Maextro"' in said
    assert "FAILED cases.yaml::bad" in said


def test_cases_are_chosen_by_name_and_tag(folder: Path, huawei: Assistant) -> None:
    assert "1 passed, 4 deselected" in pytest_says(folder, huawei, "cases.yaml", "-k", "brands")
    assert "1 passed" in pytest_says(folder, huawei, "cases.yaml::jac")


def test_nobody_s_files_are_taken_unasked(folder: Path, huawei: Assistant) -> None:
    (folder / "broken.yaml").unlink()
    said = pytest_says(folder, huawei, ".")
    assert said.startswith("0\n")
    assert "1 passed" in said
    assert "cases.yaml" not in said
    (folder / "pytest.ini").write_text("[pytest]\nassistant_cases = *.yaml\n", encoding="utf-8")
    said = pytest_says(folder, huawei, ".")
    assert "2 passed" in said
    assert "compose" not in said


def test_a_broken_file_is_an_error_with_its_lines(folder: Path, huawei: Assistant) -> None:
    said = pytest_says(folder, huawei, "broken.yaml")
    assert "broken.yaml:2: unknown key `anwsers`; did you mean `answers`?" in said
    assert "1 error" in said
    assert "Traceback" not in said


def test_what_was_wrong_in_the_baseline_is_expected_to_fail_but_an_error_is_not(
    folder: Path, huawei: Assistant
) -> None:
    (folder / "asked.yaml").write_text("".join(CASES.splitlines(keepends=True)[:-1]), encoding="utf-8")
    baseline.save(run(huawei, load_cases(folder / "asked.yaml")), folder / "baseline.json")
    said = pytest_says(folder, huawei, "cases.yaml", "--assistant-baseline", "baseline.json")
    assert "1 failed" in said
    assert "1 xfailed" in said
    assert "FAILED cases.yaml::bad" in said
    assert "none.json" in pytest_says(folder, huawei, "cases.yaml", "--assistant-baseline", "none.json")


def test_installing_the_package_is_enough() -> None:
    """The entry point bears the plugin's own name, so that naming it with -p as well loads it once."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"assistant.pytest_plugin": "assistant.pytest_plugin"}


def test_articles_that_changed_are_seen(tmp_path: Path, corpus: Path) -> None:
    case = '  - {id: opened, question: "Who opened the bridge over the Orve?", regex: Lind, articles: [bridge.md]}\n'
    (tmp_path / "cases.yaml").write_text(f"cases:\n{case}", encoding="utf-8")
    with Assistant(Settings(corpus=corpus, index=tmp_path / "index"), WordEmbedder()) as assistant:
        assert "1 passed" in pytest_says(tmp_path, assistant, "cases.yaml")
        text = (corpus / "bridge.md").read_text(encoding="utf-8")
        (corpus / "bridge.md").write_text(text.replace("Mara Lind", "Orm Hask"), encoding="utf-8")
        assert 'got "Orm Hask"' in pytest_says(tmp_path, assistant, "cases.yaml")


def test_any_form_of_a_case_file_is_taken_and_no_other(folder: Path, huawei: Assistant) -> None:
    (folder / "c.jsonl").write_text(
        '{"id": "j", "question": "Who?", "draft": true, "abstain": true}\n', encoding="utf-8"
    )
    (folder / "c.csv").write_text("question,answer,article\nWho left?,,left.md\n", encoding="utf-8")
    (folder / "c.json").write_text('[{"id": "j", "question": "Who?", "abstain": true}]', encoding="utf-8")
    assert "2 skipped" in pytest_says(folder, huawei, "c.jsonl", "c.csv")
    assert "not found" in pytest_says(folder, huawei, "c.json")


def test_the_plugin_loads_nothing_heavy() -> None:
    code = (
        "import sys, assistant.pytest_plugin;"
        "print([n for n in ('yaml', 'numpy', 'rich', 'click', 'chromadb') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
