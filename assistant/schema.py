"""The nouns: Article, Passage, Hit, Span, Citation, Answer, Turn, Filter, and what a sync did.

Frozen dataclasses without behaviour that needs anything of ours. Offsets count characters
(Python's `str` indices) of `Article.text`; `end` is exclusive. Scores and probabilities are floats,
times are seconds unless a name says `_ms`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any


@dataclass(frozen=True)
class Article:
    """One published text. `text` is the cleaned plain text that every offset refers to."""

    id: str
    title: str
    text: str
    source: str = ""
    author: str = ""
    published: date | None = None
    url: str = ""
    language: str = ""
    licence: str = ""
    location: str = ""
    """Where it was read: a path relative to its source, with forward slashes."""

    def to_dict(self) -> dict[str, Any]:
        """The fields that identify an article to a reader (not its text), as JSON values."""
        return {
            "id": self.id,
            "title": self.title,
            "source": self.source,
            "author": self.author,
            "published": self.published.isoformat() if self.published else None,
            "url": self.url,
            "location": self.location,
        }


@dataclass(frozen=True)
class Passage:
    """A run of whole sentences: `article.text[start:end]`."""

    id: str
    article_id: str
    start: int
    end: int


@dataclass(frozen=True)
class Split:
    """An article's sentences and passages; sentences are (start, end), sorted and apart from each other."""

    sentences: tuple[tuple[int, int], ...]
    passages: tuple[Passage, ...]


@dataclass(frozen=True)
class Filter:
    """Which articles may answer. Bounds are inclusive; an article without a date meets no bound."""

    since: date | None = None
    until: date | None = None
    source: str | None = None

    def __bool__(self) -> bool:
        return any((self.since, self.until, self.source))


@dataclass(frozen=True)
class Hit:
    """A passage found for a question, best first.

    `score` orders the hits and lies in 0..1; `dense` is the cosine similarity of question and passage;
    `lexical` is the passage's BM25 score divided by the best one for the question.
    """

    passage: Passage
    article: Article
    score: float
    dense: float
    lexical: float

    @property
    def text(self) -> str:
        return self.article.text[self.passage.start : self.passage.end]

    def to_dict(self) -> dict[str, Any]:
        return {
            "article": self.article.to_dict(),
            "start": self.passage.start,
            "end": self.passage.end,
            "text": self.text,
            "score": round(self.score, 4),
            "dense": round(self.dense, 4),
            "lexical": round(self.lexical, 4),
        }


@dataclass(frozen=True)
class Span:
    """The words of one text that answer best: `text == texts[i][start:end]`.

    `score` is comparable between texts: above 0 the reader holds an answer likelier than none.
    """

    start: int
    end: int
    text: str
    score: float


@dataclass(frozen=True)
class Citation:
    """`article.text[start:end] == quote`, always."""

    number: int
    article: Article
    quote: str
    start: int
    end: int
    score: float
    also: tuple[str, ...] = ()
    """Ids of further articles that say the same."""

    def to_dict(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "article": self.article.to_dict(),
            "quote": self.quote,
            "start": self.start,
            "end": self.end,
            "score": round(self.score, 4),
            "also": list(self.also),
        }


@dataclass(frozen=True)
class Turn:
    """One earlier question of a conversation, and the short answer or text it got ("" if none)."""

    question: str
    answer: str = ""


@dataclass(frozen=True)
class Answer:
    """What comes back. `str(answer)` is for people, `to_dict()` for programs."""

    question: str
    asked: str
    """The standalone question that was searched for."""
    short: str | None
    """The exact words that answer, or None (why and how questions, abstention)."""
    text: str
    """The reply as shown: sentences, each followed by the [n] of its citation."""
    abstained: bool
    reason: str
    """Why it abstained, else ""."""
    confidence: float
    """Estimated probability that the answer is right."""
    citations: tuple[Citation, ...]
    hits: tuple[Hit, ...] = ()
    disagreements: tuple[str, ...] = ()
    seen: Mapping[str, float] = field(default_factory=dict)
    """What the confidence went by, of the best passage read: see answering.features."""
    timings: Mapping[str, float] = field(default_factory=dict)
    """Seconds per step."""

    def __str__(self) -> str:
        lines = [self.text]
        for citation in self.citations:
            article = citation.article
            parts = (article.title, article.source, article.published and article.published.isoformat())
            lines.append(f"[{citation.number}] " + " · ".join(part for part in parts if part))
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        return {
            "question": self.question,
            "asked": self.asked,
            "short": self.short,
            "text": self.text,
            "abstained": self.abstained,
            "reason": self.reason,
            "confidence": round(self.confidence, 4),
            "citations": [citation.to_dict() for citation in self.citations],
            "disagreements": list(self.disagreements),
            "timings_ms": {step: round(1000 * seconds, 1) for step, seconds in self.timings.items()},
        }


OUTCOMES = ("added", "changed", "unchanged", "removed", "skipped", "failed")


@dataclass(frozen=True)
class Outcome:
    """What a sync did with one item of a source: `what` is one of OUTCOMES."""

    what: str
    location: str
    title: str = ""
    reason: str = ""


@dataclass(frozen=True)
class SyncReport:
    """What a sync did: one outcome per item, in order, and how long it took in seconds."""

    outcomes: tuple[Outcome, ...]
    generation: int
    articles: int
    passages: int
    seconds: float

    def count(self, what: str) -> int:
        return sum(outcome.what == what for outcome in self.outcomes)

    def to_dict(self) -> dict[str, Any]:
        return {
            "generation": self.generation,
            "articles": self.articles,
            "passages": self.passages,
            "seconds": round(self.seconds, 3),
            "counts": {what: self.count(what) for what in OUTCOMES},
            "outcomes": [
                {"what": o.what, "location": o.location, "title": o.title, "reason": o.reason}
                for o in self.outcomes
                if o.what != "unchanged"
            ],
        }
