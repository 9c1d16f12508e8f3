"""Answers -> what the browser keeps of a conversation, as JSON values, and back.

The server keeps nothing of a conversation: with each question the browser sends what it holds, without the texts
of articles; these are looked up again. What comes from a browser is checked: a turn that is not as it was sent
is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from assistant.assistant import Assistant
from assistant.errors import AssistantError
from assistant.schema import Answer, Article, Citation, Disagreement, Hit, Passage, Turn

MOST_TURNS = 50
"""Of one conversation; the oldest leave."""
NEAREST = 3
"""Passages offered where the assistant abstains."""
_Article = Callable[[str], Article | None]


@dataclass(frozen=True)
class ShownTurn:
    """A question with its filters, and the answer it got or the reason why it could not be asked."""

    question: str
    filters: Mapping[str, str] = field(default_factory=dict)
    """since, until, source: those that were set."""
    answer: Answer | None = None
    failure: str = ""
    saved: str = ""
    """What became of saving it as a case."""

    def remembered(self) -> Turn | None:
        """What a follow-up knows of it."""
        return Turn(self.answer.asked, self.answer.short or "") if self.answer else None

    def to_dict(self) -> dict[str, Any]:
        answer = None
        if self.answer:
            answer = self.answer.to_dict()
            if self.answer.abstained:
                answer["nearest"] = [hit.to_dict() for hit in self.answer.hits[:NEAREST]]
        return {
            "question": self.question,
            "filters": dict(self.filters),
            "answer": answer,
            "failure": self.failure,
            "saved": self.saved,
        }


def history(turns: Sequence[ShownTurn]) -> list[Turn]:
    """The turns that a follow-up can refer to, oldest first."""
    return [turn for turn in (shown.remembered() for shown in turns) if turn]


def to_browser(turns: Sequence[ShownTurn]) -> list[dict[str, Any]]:
    return [turn.to_dict() for turn in turns[-MOST_TURNS:]]


def from_browser(values: object, assistant: Assistant) -> list[ShownTurn]:
    """The turns with their articles as the index has them now; what is no turn is left out."""

    def article(name: str) -> Article | None:
        try:
            return assistant.article(name)
        except AssistantError:
            return None

    found = [_turn(value, article) for value in values[-MOST_TURNS:]] if isinstance(values, list) else []
    return [turn for turn in found if turn]


def _turn(value: object, article: _Article) -> ShownTurn | None:
    try:
        return _checked(value, article)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _checked(value: Any, article: _Article) -> ShownTurn:
    given = value["answer"]
    return ShownTurn(
        question=_text(value["question"]),
        filters={
            name: _text(value["filters"][name]) for name in ("since", "until", "source") if name in value["filters"]
        },
        answer=None if given is None else _answer(given, article),
        failure=_text(value["failure"]),
        saved=_text(value["saved"]),
    )


def _answer(value: Mapping[str, Any], article: _Article) -> Answer:
    return Answer(
        question=_text(value["question"]),
        asked=_text(value["asked"]),
        short=None if value["short"] is None else _text(value["short"]),
        text=_text(value["text"]),
        abstained=bool(value["abstained"]),
        reason=_text(value["reason"]),
        confidence=float(value["confidence"]),
        citations=tuple(_citation(citation, article) for citation in value["citations"]),
        hits=tuple(_hit(hit, article) for hit in value.get("nearest", ())),
        disagreements=tuple(
            Disagreement(_text(other["value"]), _citation(other["citation"], article))
            for other in value["disagreements"]
        ),
        timings={step: float(ms) / 1000 for step, ms in value["timings_ms"].items()},
    )


def _citation(value: Mapping[str, Any], article: _Article) -> Citation:
    quote, start = _text(value["quote"]), int(value["start"])
    source, start = _located(value["article"], quote, start, article)
    also = tuple(_text(name) for name in value["also"])
    outlets = tuple(_text(name) for name in value["outlets"])
    return Citation(
        int(value["number"]), source, quote, start, start + len(quote), float(value["score"]), also, outlets
    )


def _hit(value: Mapping[str, Any], article: _Article) -> Hit:
    text, start = _text(value["text"]), int(value["start"])
    source, start = _located(value["article"], text, start, article)
    passage = Passage("", source.id, start, start + len(text))
    return Hit(passage, source, float(value["score"]), float(value["dense"]), float(value["lexical"]))


def _located(given: Mapping[str, Any], quote: str, start: int, article: _Article) -> tuple[Article, int]:
    """The article and where the quote stands in it; one that has changed or left is shown by its quote alone."""
    found = article(_text(given["id"]))
    if found and found.text[start : start + len(quote)] == quote and start >= 0:
        return found, start
    if found and quote in found.text:
        return found, found.text.index(quote)
    published = date.fromisoformat(given["published"]) if given["published"] else None
    name = {part: _text(given[part]) for part in ("id", "title", "source", "author", "url", "location")}
    gone = Article(name["id"], name["title"], quote, name["source"], name["author"], published, name["url"])
    return replace(gone, location=name["location"]), 0


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
