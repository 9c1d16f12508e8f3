"""A corpus -> questions to offer where nothing has been asked yet."""

from __future__ import annotations

from pathlib import Path

EXAMPLES_FILE = ".examples"
"""In the corpus folder: questions to offer on the page, one per line. Without it, none are offered."""
_MOST = 6


def example_questions(corpus: Path) -> list[str]:
    """Questions to offer, from the corpus folder's own file."""
    path = corpus / EXAMPLES_FILE
    if not path.is_file():
        return []
    lines = (line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    return [line for line in lines if line and not line.startswith("#")][:_MOST]
