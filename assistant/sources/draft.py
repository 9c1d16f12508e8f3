"""What a format's parser found -> Article, with dates and text fields made whole."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from assistant.errors import ArticleSkipped, ArticleUnreadable
from assistant.schema import Article
from assistant.sources.cleaning import clean

TEXT_LIMIT = 5_000_000
"""Characters of one article; a long novel has two million."""
PARAGRAPH_LIMIT = 20_000
"""Characters. No writer makes such paragraphs, but a broken export does; in one of a million, finding the sentences
takes longer than its library allows itself (nltk's five seconds a match).
"""
_EARLIEST = dt.datetime(1990, 1, 1, tzinfo=dt.UTC)
"""Of the days that are counted from 1970; a small number is more likely something else."""
_FIRST_PRINTED = 1600
"""The years of newspapers."""
_FIELD_LIMIT = 500
_TITLE_LIMIT = 90


@dataclass
class Draft:
    """A parser's findings: paragraphs, and metadata under Article's field names, as found."""

    text: str
    metadata: dict[str, Any] = field(default_factory=dict)


ALIASES = {
    "license": "licence",
    "rights": "licence",
    "date": "published",
    "published_at": "published",
    "publication_date": "published",
    "pubdate": "published",
    "modified": "updated",
    "last_modified": "updated",
    "lastmod": "updated",
    "updated_at": "updated",
    "accessed": "fetched",
    "retrieved": "fetched",
    "crawled": "fetched",
    "lang": "language",
    "outlet": "source",
    "publisher": "source",
    "site": "source",
    "headline": "title",
    "authors": "author",
    "byline": "author",
    "creator": "author",
    "link": "url",
    "permalink": "url",
}
"""Other usual names of Article's fields."""


def to_article(draft: Draft, article_id: str, location: str) -> Article:
    """Raises ArticleUnreadable if there is no text, or more than an article can have."""
    meta = draft.metadata
    if not draft.text.strip():
        raise ArticleSkipped("empty: no text below its metadata")
    if len(draft.text) > TEXT_LIMIT:
        raise ArticleUnreadable(f"longer than {TEXT_LIMIT:,} characters; split it into articles")
    text = "\n\n".join(piece for paragraph in draft.text.split("\n\n") for piece in _cut(paragraph))
    return Article(
        id=article_id,
        title=_line(meta.get("title")) or opening(text),
        text=text,
        source=_line(meta.get("source")),
        author=_line(meta.get("author")),
        published=_stated_date(meta.get("published")),
        updated=_stated_date(meta.get("updated")),
        fetched=_stated_date(meta.get("fetched")),
        url=_line(meta.get("url")),
        language=_line(meta.get("language")),
        licence=_line(meta.get("licence")),
        location=location,
    )


def _cut(paragraph: str) -> Iterator[str]:
    """The paragraph, or pieces of at most 20,000 characters, cut behind sentences if there are any, else at spaces."""
    while len(paragraph) > PARAGRAPH_LIMIT:
        end = paragraph.rfind(". ", 1, PARAGRAPH_LIMIT - 1) + 1 or paragraph.rfind(" ", 1, PARAGRAPH_LIMIT)
        end = end if end > 0 else PARAGRAPH_LIMIT
        yield paragraph[:end].rstrip()
        paragraph = paragraph[end:].lstrip()
    if paragraph:
        yield paragraph


def _line(value: Any) -> str:
    """A metadata value as one clean line: lists joined, anything but text and numbers ignored."""
    if isinstance(value, (list, tuple)):
        value = ", ".join(str(item) for item in value if isinstance(item, (str, int, float)))
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        return ""
    return re.sub(r"\s+", " ", clean(str(value))).strip()[:_FIELD_LIMIT]


def _stated_date(value: Any) -> dt.date | None:
    """What a field for days says: a date as `to_date` knows it, or a number, which would be no day in a text.

    Numbers are 20240403, or seconds or milliseconds since 1970 (UTC) from 1990 until a year from now.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _of_number(value)
    digits = isinstance(value, str) and re.fullmatch(r"\s*(\d{9,13})(?:\.\d*)?\s*", value)
    return _of_number(int(digits[1])) if digits else to_date(value)


def to_date(value: Any, *, day_first: bool = False) -> dt.date | None:
    """A date from YAML, ISO 8601 or a written date with day, month and year; None for anything else.

    `day_first` reads 3/4/2024 as the third of April; 3.4.2024 is that always.
    """
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    if not isinstance(value, str):
        return None
    if not re.search(r"\d{4}", value):
        # Without a year in full, "1.2.3" would be a date.
        return None
    from dateutil import parser

    value = value.strip()
    dotted = re.match(r"\d{1,2}\.\s?\d{1,2}\.\s?\d{4}", value)
    # Of a date that begins with its year, the month follows, whatever the place.
    day_first = bool(dotted) or (day_first and not re.match(r"\d{4}", value))
    try:
        # Two defaults that differ in every part: a date that takes part of either was incomplete.
        # A date is the place's own: time zones, which dateutil knows only in part, play no role.
        first = parser.parse(value, default=dt.datetime(2000, 1, 1), ignoretz=True, dayfirst=day_first)
        second = parser.parse(value, default=dt.datetime(2004, 2, 2), ignoretz=True, dayfirst=day_first)
    except (ValueError, ArithmeticError):
        # Arithmetic: dateutil makes Decimals of digits, and has too many of them in some.
        return None
    return first.date() if first.date() == second.date() else None


def _of_number(value: float) -> dt.date | None:
    latest = dt.datetime.now(dt.UTC) + dt.timedelta(days=366)
    for unit in (1, 1000):
        if _EARLIEST.timestamp() <= value // unit <= latest.timestamp():
            return dt.datetime.fromtimestamp(value // unit, dt.UTC).date()
    if not _FIRST_PRINTED <= value // 10_000 <= latest.year or value != int(value):
        return None
    try:
        return dt.date(int(value) // 10_000, int(value) // 100 % 100, int(value) % 100)
    except ValueError:
        return None


def opening(text: str) -> str:
    """The first prose paragraph's first words, as the title of a text that has none."""
    paragraphs = text.split("\n\n")
    prose = next((p for p in paragraphs if len(p.split()) >= 8), paragraphs[0])
    sentence = re.split(r"(?<=[.!?])\s", prose, maxsplit=1)[0]
    if len(sentence) <= _TITLE_LIMIT:
        return sentence.rstrip(". ") or sentence
    return sentence[:_TITLE_LIMIT].rsplit(" ", 1)[0].rstrip(",;:") + "…"
