"""A verdict on an answer -> a draft case in a file that `assistant eval` reads once a person has looked at it."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.assistant import Assistant
from assistant.chat.turns import ShownTurn, history
from assistant.errors import IndexUnusable, InputError
from assistant.evaluation.cases import load_cases
from assistant.schema import Answer

RIGHT, WRONG = "right", "wrong"
_HEAD = """\
# Cases saved on the chat page. Each is a draft: look at it, correct it, then remove its line `draft: true`.
# Run them: assistant eval FILE

cases:
"""
_writing = threading.Lock()


@dataclass(frozen=True)
class Verdict:
    """`right` is the answer as it should be, "" if not given; `silent`: the articles do not answer."""

    verdict: str
    right: str = ""
    silent: bool = False


class NothingExpected(InputError):
    """A wrong answer without the right one makes no case."""


def file_of(assistant: Assistant) -> Path:
    """Where cases are saved."""
    return assistant.settings.kept / "cases.yaml"


def save_case(assistant: Assistant, turns: Sequence[ShownTurn], verdict: Verdict) -> Path:
    """Appends the last of the turns, which follows the others, as a draft; returns the file.

    Raises NothingExpected, InvalidCases if the file cannot be read any longer, IndexUnusable if it cannot be written.
    """
    *before, turn = turns
    path = file_of(assistant)
    with _writing:
        taken = {case.id for case in load_cases(path)} if path.is_file() else set()
        text = _entry(_fields(turn, before, verdict, taken))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            head = "" if path.is_file() else _HEAD
            with path.open("a", encoding="utf-8") as file:
                file.write(head + text)
        except OSError as error:
            raise IndexUnusable.of(path.parent, error) from error
    return path


def _fields(turn: ShownTurn, before: Sequence[ShownTurn], verdict: Verdict, taken: set[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {"id": _free_id(turn.question, taken), "draft": True, "question": _line(turn.question)}
    earlier = [{"question": told.question, "answer": told.answer} for told in history(before)]
    if earlier and turn.answer and turn.answer.asked != turn.answer.question:
        # An earlier turn without an answer has the question alone.
        fields["history"] = [{key: text for key, text in told.items() if text} for told in earlier]
    return {**fields, **turn.filters, **_expected(turn.answer, verdict), "tags": ["from-the-page"]}


def _expected(answer: Answer | None, verdict: Verdict) -> dict[str, Any]:
    right = _line(verdict.right)
    if answer is None:
        raise NothingExpected("this was not asked, so it makes no case")
    if verdict.verdict == WRONG and verdict.silent:
        return {"abstain": True}
    if verdict.verdict == WRONG and right:
        return {"answers": [right]}
    if verdict.verdict == WRONG:
        raise NothingExpected("type the right answer, or tick that the articles do not say, then save again")
    if answer.abstained:
        return {"abstain": True}
    articles = list(dict.fromkeys(citation.article.location or citation.article.id for citation in answer.citations))
    if answer.short:
        return {"answers": [answer.short], "articles": articles}
    return {"quote": [_line(citation.quote) for citation in answer.citations], "articles": articles}


def _free_id(question: str, taken: set[str]) -> str:
    stem = "-".join(re.findall(r"[a-z0-9]+", question.lower()))[:60].strip("-") or "case"
    names = (stem if count == 1 else f"{stem}-{count}" for count in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)


def _line(text: str) -> str:
    return " ".join(text.split())


def _entry(fields: dict[str, Any]) -> str:
    import yaml

    text = yaml.safe_dump([fields], allow_unicode=True, sort_keys=False, width=110)
    return "".join(f"  {line}\n" for line in text.splitlines()) + "\n"
