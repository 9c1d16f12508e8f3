"""A plain text file, or a page saved as text -> Draft: paragraphs, and a byline and date if they stand on top."""

from __future__ import annotations

import re
from typing import Any

from assistant.sources.cleaning import join_paragraphs
from assistant.sources.draft import Draft, to_date

_CAPITAL = "[A-ZÀ-ÖØ-Þ\u0100-\u017f]"
_BYLINE = re.compile(
    rf"(?:[Bb]y|BY|Author:)\s+({_CAPITAL}[\w.’'-]*(?:\s+(?:and\s+|de\s+|van\s+|von\s+)?{_CAPITAL}[\w.’'-]*){{1,5}})"
)
_DATE_LABEL = re.compile(r"(?:published|updated|posted|date)\s*(?:on)?\s*:?\s*", re.IGNORECASE)
_PROSE_WORDS = 12
_WRAP_COLUMNS = 120


def parse_text(text: str) -> Draft:
    lines = paragraphs(text)
    return Draft(join_paragraphs(lines), _head(lines))


def paragraphs(text: str) -> list[str]:
    """The paragraphs of clean text: blocks between empty lines, or lines, unless these are hard-wrapped."""
    return [line for block in re.split(r"\n\s*\n", text) for line in _unwrap(block)]


def _unwrap(block: str) -> list[str]:
    """The paragraphs of a block without empty lines: each line is one, unless the block is hard-wrapped.

    Hard-wrapped means: no line beyond 120 columns, and all but the last reach three fifths of the longest.
    """
    lines = [line.strip() for line in block.split("\n") if line.strip()]
    longest = max((len(line) for line in lines), default=0)
    if len(lines) > 1 and 50 <= longest <= _WRAP_COLUMNS and all(len(line) >= 0.6 * longest for line in lines[:-1]):
        return [" ".join(lines)]
    return lines


def _head(lines: list[str]) -> dict[str, Any]:
    """Author and date from the short lines above the first prose, and a title if the first line is one."""
    found: dict[str, Any] = {}
    head = []
    for line in lines[:60]:
        if len(line.split()) >= _PROSE_WORDS:
            break
        head.append(line)
    for line in head:
        byline = _BYLINE.fullmatch(line.strip())
        if byline:
            found.setdefault("author", byline.group(1))
        elif any(c.isdigit() for c in line) and len(line) <= 60:
            published = to_date(_DATE_LABEL.sub("", line, count=1))
            if published:
                found.setdefault("published", published)
    # One short line alone, then prose, a byline or a date: a headline. A run of short lines is a menu.
    first = head[0] if head else ""
    if 0 < len(head) <= 4 and len(first.split()) >= 3 and not _BYLINE.fullmatch(first) and not to_date(first):
        found["title"] = first
    return found
