"""The nouns: Article, Passage, Hit, Span, Citation, Disagreement, Answer, Turn, Filter, and what a sync did.

Frozen dataclasses without behaviour that needs anything of ours. Offsets count characters
(Python's `str` indices) of `Article.text`; `end` is exclusive. Scores and probabilities are floats,
times are seconds unless a name says `_ms`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from urllib.parse import urlsplit


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
    """Where it was read: a path relative to its source, with forward slashes, or an address."""
    updated: date | None = None
    """The day of the last edit that the article itself states."""
    fetched: date | None = None
    """The day on which this text was taken from the web."""

    @property
    def day(self) -> str:
        """The day of publication as YYYY-MM-DD; empty if it is not known."""
        return iso(self.published) or ""

    @property
    def link(self) -> str:
        """The address, if it is one that a browser may open; else empty."""
        return self.url if is_web_address(self.url) else ""

    def to_dict(self) -> dict[str, Any]:
        """The fields that identify an article to a reader (not its text), as JSON values."""
        return {
            "id": self.id,
            "title": self.title,
            "source": self.source,
            "author": self.author,
            "published": iso(self.published),
            "updated": iso(self.updated),
            "fetched": iso(self.fetched),
            "url": self.url,
            "location": self.location,
        }


def is_web_address(url: str) -> bool:
    return url.startswith(("https://", "http://"))


def host_of(url: str) -> str:
    """The host of an address, without a leading "www."; "" for what is none. Addresses come from pages, and may lie."""
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


def iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


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
    copies: tuple[str, ...] = ()
    """Ids of further articles that tell the same story in nearly the same words; they have no hits of their own."""
    outlets: tuple[str, ...] = ()
    """The other outlets that these appeared in."""

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
            "copies": list(self.copies),
            "outlets": list(self.outlets),
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
    others: tuple[Span, ...] = ()
    """The next best spans of the same text, best first."""


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
    """Ids of further articles that say the same, copies of this one among them."""
    outlets: tuple[str, ...] = ()
    """The other outlets in which copies of this article appeared."""

    @property
    def elsewhere(self) -> str:
        """For people: "also in 9 outlets"; empty if there are no copies elsewhere."""
        count = len(self.outlets)
        return f"also in {count} outlet{'s' if count > 1 else ''}" if count else ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "article": self.article.to_dict(),
            "quote": self.quote,
            "start": self.start,
            "end": self.end,
            "score": round(self.score, 4),
            "also": list(self.also),
            "outlets": list(self.outlets),
        }


@dataclass(frozen=True)
class Disagreement:
    """What another source says in the place of the short answer."""

    value: str
    """Its words, in the quote of `citation`."""
    citation: Citation
    """Numbered on from the citations of the answer."""

    def to_dict(self) -> dict[str, Any]:
        return {"value": self.value, "citation": self.citation.to_dict()}


@dataclass(frozen=True)
class Turn:
    """One earlier question of a conversation, and the short answer or text it got ("" or None if none)."""

    question: str
    answer: str | None = ""


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
    disagreements: tuple[Disagreement, ...] = ()
    """Where sources contradict the short answer: their values, never blended with it."""
    seen: Mapping[str, float] = field(default_factory=dict)
    """What the confidence went by, of the best passage read: see answering.features."""
    timings: Mapping[str, float] = field(default_factory=dict)
    """Seconds per step."""

    def __str__(self) -> str:
        lines = [self.text]
        for citation in self.citations:
            article = citation.article
            parts = (article.title, article.source, article.day, citation.elsewhere)
            lines.append(f"[{citation.number}] " + " · ".join(part for part in parts if part))
        for disagreement in self.disagreements:
            article = disagreement.citation.article
            parts = (f"otherwise: {disagreement.value}", article.title, article.source, article.day)
            lines.append(f"[{disagreement.citation.number}] " + " · ".join(part for part in parts if part))
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
            "disagreements": [disagreement.to_dict() for disagreement in self.disagreements],
            "timings_ms": {step: round(1000 * seconds, 1) for step, seconds in self.timings.items()},
        }


@dataclass(frozen=True)
class Source:
    """Where articles come from, as an index remembers it.

    `kind` is folder, file, glob, export, page, feed, sitemap or given (objects from Python); `place` is an absolute
    path or an address. `key` names it in the catalog: "corpus", "given", or its place.
    """

    key: str
    place: str
    kind: str
    mapping: Mapping[str, str] = field(default_factory=dict)
    """Of an export: Article's field -> column."""
    allow_private: bool = False
    """Whether addresses in this machine's own networks may be asked."""
    synced: datetime | None = None
    """When a sync last read it, UTC."""
    articles: int = 0

    @property
    def on_the_web(self) -> bool:
        # "address" until it was asked for the first time what it is.
        return self.kind in ("page", "feed", "sitemap", "address")

    def to_dict(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "place": self.place,
            "kind": self.kind,
            "mapping": dict(self.mapping),
            "allow_private": self.allow_private,
            "synced": self.synced.isoformat(timespec="seconds") if self.synced else None,
            "articles": self.articles,
        }


LIST_DIGEST = ":list"
"""How the digest of a feed's or sitemap's validator ends: it says nothing of an article of its own."""


@dataclass(frozen=True)
class Validator:
    """What a server said of the version that was fetched, to ask for a newer one only; "" where it said nothing."""

    etag: str
    modified: str
    """Its Last-Modified header, as sent."""
    digest: str
    """The hash of what was made of it."""
    stamp: str
    """What the list that led to it said of its last change."""


OUTCOMES = ("added", "changed", "renamed", "unchanged", "removed", "skipped", "failed")


@dataclass(frozen=True)
class Outcome:
    """What a sync did with one item of a source: `what` is one of OUTCOMES, `source` the source's key."""

    what: str
    location: str
    title: str = ""
    reason: str = ""
    source: str = ""


@dataclass(frozen=True)
class SyncReport:
    """What a sync did: one outcome per item, in order, and how long it took in seconds."""

    outcomes: tuple[Outcome, ...]
    generation: int
    articles: int
    passages: int
    seconds: float
    rests: Mapping[str, float] = field(default_factory=dict)
    """Seconds for which servers ask to be left alone, by host as it stands in an address."""

    def count(self, what: str, source: str | None = None) -> int:
        """How many items had this outcome, of one source or of all."""
        return sum(outcome.what == what and source in (None, outcome.source) for outcome in self.outcomes)

    def to_dict(self) -> dict[str, Any]:
        return {
            "generation": self.generation,
            "articles": self.articles,
            "passages": self.passages,
            "seconds": round(self.seconds, 3),
            "counts": {what: self.count(what) for what in OUTCOMES},
            "outcomes": [
                {"what": o.what, "location": o.location, "title": o.title, "reason": o.reason, "source": o.source}
                for o in self.outcomes
                if o.what != "unchanged"
            ],
        }
