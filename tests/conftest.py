"""Shared parts of the tests: a readable embedder, small corpora, one real index of the project's corpus."""

from __future__ import annotations

import hashlib
import html
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if os.environ.get("PYTEST_XDIST_WORKER"):
    # Workers side by side, and the commands that they start: torch reads this when it is imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest

from assistant import Assistant, Settings
from assistant.generations import IndexFolder
from assistant.reading import load_reader
from assistant.words import content_stems

ROOT = Path(__file__).parent.parent
CORPUS = ROOT / "corpus"


HOSTILE = (
    "<img src=x onerror=alert(1)> <script>alert(2)</script> ![x](http://sink.example/x.png) [a](javascript:alert(3))"
)
"""Text of an article or a question that must never become markup."""


class WordEmbedder:
    """A text's vector counts its content stems, each in one of 256 places; so texts that share words are near."""

    fingerprint = "words-256"

    def __init__(self) -> None:
        self.embedded: list[str] = []
        """Every passage text that was embedded, in order."""

    def question(self, text: str) -> np.ndarray:
        vector = np.full(256, 1e-3, dtype=np.float32)
        for stem in content_stems(text):
            vector[int(hashlib.sha256(stem.encode()).hexdigest(), 16) % 256] += 1
        return vector / np.linalg.norm(vector)

    def passages(self, texts: Sequence[str]) -> Iterator[tuple[int, np.ndarray]]:
        for i, text in enumerate(texts):
            self.embedded.append(text)
            yield i, self.question(text)


@dataclass(frozen=True)
class Built:
    """A corpus, and an index of it to be damaged."""

    corpus: Path
    index: Path
    clean: dict[str, Any]
    """What an index made of the corpus in one go says."""


@pytest.fixture
def embedder() -> WordEmbedder:
    return WordEmbedder()


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Three short articles, from two outlets, of three days."""
    folder = tmp_path / "corpus"
    write_article(folder / "bridge.md", "The river bridge", "The Daily Stone", "2024-03-01",
                  "Mara Lind opened the bridge over the Orve in 2024. It cost 12 million crowns.")  # fmt: skip
    write_article(folder / "harbour.md", "The new harbour", "The Daily Stone", "2024-05-10",
                  "The harbour of Tansk was built by Hollen Works. It employs 300 people.")  # fmt: skip
    write_article(folder / "museum.md", "The clock museum", "Evening Lamp", "2024-06-20",
                  "The clock museum in Vell shows 900 clocks. Entry is free on Sundays.")  # fmt: skip
    return folder


def write_article(path: Path, title: str, source: str, published: str, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'---\ntitle: "{title}"\nsource: {source}\npublished: {published}\n---\n\n{text}\n', encoding="utf-8"
    )


@pytest.fixture
def index_folder(tmp_path: Path) -> IndexFolder:
    return IndexFolder(tmp_path / "index")


@pytest.fixture
def open_assistant(tmp_path: Path, corpus: Path, embedder: WordEmbedder) -> Iterator[Callable[..., Assistant]]:
    """Opens assistants on the small corpus, with the readable embedder; closes them afterwards."""
    opened = []

    def open_(**settings: object) -> Assistant:
        values = {"corpus": corpus, "index": tmp_path / "index", **settings}
        assistant = Assistant(Settings(**values), embedder, load_reader())  # type: ignore[arg-type]
        opened.append(assistant)
        return assistant

    yield open_
    for assistant in opened:
        assistant.close()


@pytest.fixture(scope="session")
def huawei(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assistant]:
    """The project's corpus, really embedded."""
    with Assistant.open(corpus=CORPUS, index=tmp_path_factory.mktemp("huawei") / "index") as assistant:
        assistant.sync()
        yield assistant


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of the page, served by a process of its own on the project's articles, a hostile one, and two that disagree."""
    folder = tmp_path_factory.mktemp("chat")
    shutil.copytree(CORPUS, folder / "corpus")
    paragraph = f"<p>The vandal of Vell is called Orm Hask. {html.escape(HOSTILE)}</p>"
    page = (
        f"<html><head><title>Vandal</title></head><body><article><h1>Vandal</h1>{paragraph * 2}</article></body></html>"
    )
    (folder / "corpus" / "hostile.html").write_text(page, encoding="utf-8")
    for outlet, cost in (("Lamp", 12), ("Stone", 15)):
        text = (
            f"The lighthouse of Orvik was opened in May. The lighthouse of Orvik cost {cost} million crowns to build."
        )
        write_article(folder / "corpus" / f"{outlet}.md", "The lighthouse", outlet, "2024-05-02", text)
    places = ["--corpus", str(folder / "corpus"), "--index", str(folder / "index")]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "assistant.cli", *places, "chat", "--port", "0"],
            stderr=log, stdout=log, env=os.environ | {"HOME": str(folder)},
        )  # fmt: skip
        try:
            yield _announced(folder / "log", server)
        finally:
            server.terminate()
            server.wait(20)


def _announced(log: Path, server: subprocess.Popen[bytes]) -> str:
    """The address that the server prints once it can be asked."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        found = re.search(r"http://\S+/", log.read_text(encoding="utf-8"))
        if found:
            return found.group()
        time.sleep(0.2)
    raise AssertionError(log.read_text(encoding="utf-8"))
