"""A corpus -> questions to offer where nothing has been asked yet."""

from __future__ import annotations

from pathlib import Path

from assistant.assistant import Assistant
from assistant.evaluation.drafting import draft

EXAMPLES_FILE = ".examples"
"""In the corpus folder: questions to offer on the page, one per line."""
_MOST = 6
_DRAFTS = 12


def example_questions(assistant: Assistant) -> list[str]:
    """The lines of the corpus folder's own file; without one, questions made from its sentences that get an answer."""
    written = _written(assistant.settings.corpus)
    return _drawn(assistant) if written is None else written


def _written(corpus: Path) -> list[str] | None:
    path = corpus / EXAMPLES_FILE
    if not path.is_file():
        return None
    lines = (line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    return [line for line in lines if line and not line.startswith("#")][:_MOST]


def _drawn(assistant: Assistant) -> list[str]:
    """Drafts of cases, of which those are left out that would make a poor first impression."""
    import yaml

    cases = yaml.safe_load(draft(assistant, _DRAFTS)[0])["cases"]
    asked = (case["question"] for case in cases if not case.get("abstain"))
    return [question for question in asked if not assistant.ask(question).abstained][:_MOST]
