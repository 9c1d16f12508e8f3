"""The calibration collection: made-up news articles and what would be asked of them -> a corpus folder and questions.

Written for fitting the confidence and for nothing else: nothing is measured on it, and the reader never saw it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from squad import Asked, escape_markdown

FOLDER = Path(__file__).parent / "calibration"


def load(folder: Path = FOLDER) -> list[Asked]:
    """In the order of the files; the answers are the article's words first, then other articles' words for the same.

    Last come those that share nearly all words with what some article says, and that no article answers.
    """
    asked = [
        Asked(
            str(q["q"]),
            article["title"],
            article["text"].strip(),
            () if q.get("none") else (str(q["a"]), *(str(other) for other in q.get("also", ()))),
        )
        for article in _articles(folder)
        for q in article["questions"]
    ]
    return asked + [Asked(str(q["q"]), "", "", ()) for story in _stories(folder) for q in story.get("silent", ())]


def write_corpus(target: Path, folder: Path = FOLDER) -> None:
    """One Markdown file per article."""
    target.mkdir(parents=True, exist_ok=True)
    for number, article in enumerate(_articles(folder)):
        front = "\n".join(f"{key}: {json.dumps(str(article[key]))}" for key in ("title", "source", "published"))
        text = "\n\n".join(escape_markdown(line.strip()) for line in article["text"].splitlines() if line.strip())
        (target / f"{number:02d}.md").write_text(f"---\n{front}\n---\n\n{text}\n", encoding="utf-8")


def _articles(folder: Path) -> list[dict[str, Any]]:
    return [article for story in _stories(folder) for article in story["articles"]]


def _stories(folder: Path) -> list[dict[str, Any]]:
    return [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.yaml"))]
