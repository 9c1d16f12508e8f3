"""The README, held against the project: its examples run, its map and its commands are the real ones."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from conftest import ROOT
from test_architecture import LAYERS

from assistant import Assistant
from assistant.cli import cli
from assistant.evaluation import load_cases

README = (ROOT / "README.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "assistant"


def first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]


def mapped_modules() -> list[Path]:
    top = [path for path in PACKAGE.glob("*.py") if path.name != "__init__.py"]
    return [*top, *PACKAGE.glob("[a-z]*/__init__.py")]


def test_the_map_is_the_modules_own_first_lines() -> None:
    rows = dict(
        re.findall(
            r"^\| `([\w/]+(?:\.py)?)` \| (.+) \|$", README.split("### Map")[1].split("### Words")[0], re.MULTILINE
        )
    )
    expected = {}
    for path in mapped_modules():
        name = f"{path.parent.name}/" if path.name == "__init__.py" else path.name
        expected[name] = first_line(path).replace("|", "\\|")
    assert rows == expected
    layers = [i for name in rows for i, layer in enumerate(LAYERS) if name.removesuffix(".py").rstrip("/") in layer]
    assert len(layers) == len(rows)
    assert layers == sorted(layers)


def test_the_python_examples_run(
    huawei: Assistant, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASSISTANT_CORPUS", str(huawei.settings.corpus))
    monkeypatch.setenv("ASSISTANT_INDEX", str(huawei.settings.index))
    examples = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert examples
    for example in examples:
        exec(compile(example, "README.md", "exec"), {})  # noqa: S102
    assert "Voyah" in capsys.readouterr().out


def test_every_command_is_in_the_readme_and_every_named_one_exists() -> None:
    table = README.split("### The command line")[1].split("## Your own articles")[0]
    named = set(re.findall(r"`(\w+)[^`]*`(?=[,| ]+(?:`show|\|))|`(show) ID`", table))
    names = {name for pair in named for name in pair if name} - {"command"}
    assert names == set(cli.commands)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make (?:[A-Z]+=\S+ )?([a-z]+)", README)) - {"anew", "it"}))
def test_every_make_target_named_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE), target


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"(?<![\w/-])(?:tests|corpus|assistant|tools)/[\w./-]+\w", README)))
)
def test_every_file_named_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_the_readme_names_no_machine() -> None:
    assert not re.search(r"(?<![\w.])/(?:home|root|Users|tmp)/", README)


def test_the_cases_shown_are_cases(tmp_path: Path) -> None:
    shown = re.findall(r"```yaml\n(cases:.*?)```", README, re.DOTALL)
    assert shown
    for number, text in enumerate(shown):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text, encoding="utf-8")
        assert load_cases(path)
