"""The design's arrows, held against the syntax trees: who may import whom, and where each framework lives."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "assistant"

# From the top to the bottom: a module imports only from lines below its own.
LAYERS = [
    {"cli", "pytest_plugin"},
    {"server"},
    {"chat"},
    {"evaluation"},
    {"assistant", "doctor"},
    {"conversation", "retrieval", "reading", "answering"},
    {"questions", "calibration"},
    {"watching"},
    {"sync"},
    {"sources", "splitting", "embedding", "copies"},
    {"hub"},
    {"catalog"},
    {"vectors", "generations"},
    {"words", "values", "settings"},
    {"errors", "schema"},
]

HOMES = {
    "chromadb": {"vectors"},
    "llama_index": {"splitting"},
    "sentence_transformers": {"embedding"},
    "torch": {"embedding", "reading"},
    "transformers": {"reading"},
    "safetensors": {"embedding", "reading"},
    "tokenizers": {"embedding", "reading"},
    "onnxruntime": {"reading"},
    "sqlite3": {"catalog"},
    "gradio": {"chat", "server"},
    "fastapi": {"server"},
    "starlette": {"server"},
    "uvicorn": {"server"},
    "click": {"cli"},
    "pytest": {"pytest_plugin"},
    "rich": {"cli", "evaluation"},
    "trafilatura": {"sources"},
    "lxml": {"sources"},
    "yaml": {"sources", "evaluation", "chat"},
    "markdown_it": {"sources"},
    "jinja2": {"evaluation"},
    "filelock": {"generations"},
    "httpcore": {"sources"},
    "protego": {"sources"},
    "feedparser": {"sources"},
    "htmldate": {"sources"},
    "pypdf": {"sources"},
    "docx": {"sources"},
    "datasketch": {"copies"},
    "watchfiles": {"watching"},
}

DATA_HOMES = {"CURRENT": {"generations"}, "catalog.sqlite3": {"generations"}}


def modules() -> list[tuple[str, Path]]:
    """(top name below the package, file): every file of sources/ counts as "sources"."""
    found = [(path.relative_to(PACKAGE).parts[0].removesuffix(".py"), path) for path in sorted(PACKAGE.rglob("*.py"))]
    return [(name, path) for name, path in found if name != "__init__"]


def imported(path: Path) -> set[str]:
    """Dotted names of everything a file imports, anywhere in it, lazily or for types."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def layer(name: str) -> int:
    return next(i for i, names in enumerate(LAYERS) if name in names)


def test_every_module_has_its_place() -> None:
    assert {name for name, _ in modules()} == set().union(*LAYERS)


@pytest.mark.parametrize(("name", "path"), modules(), ids=lambda value: getattr(value, "name", value))
def test_imports_point_downwards(name: str, path: Path) -> None:
    ours = {parts[1] for parts in (n.split(".") for n in imported(path)) if parts[0] == "assistant" and len(parts) > 1}
    known = set().union(*LAYERS)
    for other in (ours & known) - {name}:
        assert layer(other) > layer(name), f"{path.name} imports {other}, which lies above or beside it"


@pytest.mark.parametrize(("name", "path"), modules(), ids=lambda value: getattr(value, "name", value))
def test_a_framework_is_imported_in_its_home_only(name: str, path: Path) -> None:
    for framework in {dotted.split(".")[0] for dotted in imported(path)} & set(HOMES):
        assert name in HOMES[framework], f"{path.name} imports {framework}"


def test_schema_imports_nothing_of_ours() -> None:
    assert not any(name.startswith("assistant") for name in imported(PACKAGE / "schema.py"))


def test_heavy_frameworks_are_loaded_by_no_import_of_ours() -> None:
    """`import` of every module but those that need it at the top stays free of what takes seconds."""
    heavy = (
        "chromadb",
        "llama_index",
        "sentence_transformers",
        "torch",
        "gradio",
        "fastapi",
        "trafilatura",
        "onnxruntime",
    )
    names = [
        f"assistant.{path.relative_to(PACKAGE).with_suffix('').as_posix().replace('/', '.')}" for _, path in modules()
    ]
    code = f"import importlib, sys\nfor name in {names!r}: importlib.import_module(name.removesuffix('.__init__'))\n"
    code += f"print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_except_is_bare_or_broad() -> None:
    for _, path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler):
                caught = ast.unparse(node.type) if node.type else "everything"
                reraises = any(isinstance(inner, ast.Raise) and inner.exc is None for inner in ast.walk(node))
                assert caught not in ("everything", "Exception", "BaseException") or reraises, (
                    f"{path.name}:{node.lineno}"
                )


def test_functions_fit_a_screen() -> None:
    for _, path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 62, f"{path.name}: {node.name} is longer than a screen"


def test_index_files_are_named_in_their_home_only() -> None:
    for name, path in modules():
        constants = {
            node.value
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant)
        }
        for data, homes in DATA_HOMES.items():
            assert data not in constants or name in homes, f"{path.name} names {data}"
