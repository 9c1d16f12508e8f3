"""The wheel: what it carries, and that it works from any folder with nothing of the checkout around it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import CORPUS, ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=ROOT, check=True)
    (found,) = folder.glob("article_assistant-*.whl")
    return found


def test_the_wheel_carries_code_corpus_examples_and_reader(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"assistant/corpus/{path.name}" for path in CORPUS.glob("*.md")} <= names
    assert {"assistant/py.typed", "assistant/corpus/.examples", "assistant/models/reader/reader.int8.onnx"} <= names
    assert "assistant/evaluation/page.html" in names
    tops = {name.split("/")[0] for name in names}
    assert tops == {"assistant", next(top for top in tops if top.endswith(".dist-info"))}


def test_an_installed_wheel_answers_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    """The wheel's files alone on the path; the index goes to the user's cache."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    (tmp_path / "elsewhere").mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ASSISTANT_")}
    environment |= {"PYTHONPATH": str(tmp_path / "site"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-m", "assistant.cli", "ask", "--json", "Which brand did Huawei launch with JAC?"],
        capture_output=True, text=True, check=False, cwd=tmp_path / "elsewhere", env=environment, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["short"] == "Maextro"
    assert list((tmp_path / "cache").rglob("CURRENT"))
    assert not list((tmp_path / "elsewhere").iterdir())


def test_the_package_is_typed_and_pinned() -> None:
    pins = [
        line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")
    ]
    assert all("==" in pin for pin in pins)
    assert "torch==2.13.0" in pins
    assert (ROOT / "assistant/py.typed").is_file()


def test_what_the_owner_fixed_at_the_top_is_all_there_is() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S607
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    tops = {path.split("/")[0] for path in listed.stdout.splitlines()}
    fixed = {"pyproject.toml", "assistant", "corpus", "index", "tests", "README.md"}
    beside = {"LICENSE", "CHANGELOG.md", "Makefile", "constraints.txt", "tools"}
    assert fixed <= tops
    assert {top for top in tops - fixed - beside if not top.startswith(".")} == set()
