"""SQuAD files (https://rajpurkar.github.io/SQuAD-explorer/, CC BY-SA 4.0) -> a corpus folder and questions."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Asked:
    """A question, the paragraph it was written for, and its gold answers (none: the paragraph does not answer)."""

    question: str
    title: str
    paragraph: str
    answers: tuple[str, ...]


def load(path: Path) -> list[Asked]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        data = json.load(file)["data"]
    return [
        Asked(qa["question"].strip(), article["title"], paragraph["context"], tuple(a["text"] for a in qa["answers"]))
        for article in data
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
    ]


def write_corpus(paragraphs: Path, folder: Path) -> dict[str, str]:
    """One Markdown article per paragraph; returns paragraph text -> file name."""
    with gzip.open(paragraphs, "rt", encoding="utf-8") as file:
        rows = json.load(file)
    folder.mkdir(parents=True, exist_ok=True)
    names = {}
    for number, row in enumerate(rows):
        name = f"{number:05d}.md"
        title = json.dumps(row["title"].replace("_", " "), ensure_ascii=False)
        # Indented text would be read as code, so the paragraph's own white space is folded.
        text = " ".join(row["text"].split())
        (folder / name).write_text(f"---\ntitle: {title}\n---\n\n{escape_markdown(text)}\n", encoding="utf-8")
        names[text] = name
    return names


def escape_markdown(text: str) -> str:
    return "".join("\\" + c if c in "\\`*_{}[]<>()#+-.!|&~$:\"'" else c for c in text)
