"""A PDF -> Draft: its lines put together to paragraphs, title, author and dates from its metadata."""

from __future__ import annotations

import io
import logging
import re
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from assistant.errors import ArticleUnreadable
from assistant.sources.cleaning import clean, join_paragraphs
from assistant.sources.draft import Draft

PAGES_LIMIT = 5_000
SECONDS_LIMIT = 30.0
CHARACTERS_LIMIT = 10_000_000
CONTENT_LIMIT = 10 * 1024 * 1024
"""Decompressed bytes of what one page draws; a page of dense prose has 20,000."""

# What pypdf 7 lets through on garbage: random damage to good files found each of these.
_COMPLAINTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    zlib.error,
)
_NO_TITLE = re.compile(
    r"(?:untitled|document\d*|microsoft word\b.*|.*\.(?:docx?|pdf|indd|qxd|tex|pages))", re.IGNORECASE
)
_ENDS_SENTENCE = re.compile(r"[.!?:;][”\"’)\]]*$")
_FULL_LINE = 0.8
"""Share of the longest line; a line shorter than that which ends a sentence ends its paragraph."""


def parse_pdf(raw: bytes) -> Draft:
    """Raises ArticleUnreadable with the reason: encrypted, without a text layer, beyond a limit, or no PDF."""
    from pypdf import PdfReader
    from pypdf.errors import DeprecationError, PyPdfError

    # It tells every oddity of a file it can read all the same.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = PdfReader(io.BytesIO(raw))
        if reader.is_encrypted and not reader.decrypt(""):
            raise ArticleUnreadable("encrypted; save it without a password")
        pages = _pages(reader)
        metadata = _metadata(reader)
    except (PyPdfError, DeprecationError, *_COMPLAINTS) as error:
        raise ArticleUnreadable("not a PDF that can be read: damaged or cut off") from error
    if not any(line.strip() for page in pages for line in page):
        raise ArticleUnreadable("no text in the PDF, only pictures of it; run text recognition (OCR) over it")
    return Draft(join_paragraphs(list(_paragraphs(_without_running_heads(pages)))), metadata)


def _pages(reader: Any) -> list[list[str]]:
    """The lines of each page."""
    deadline = time.monotonic() + SECONDS_LIMIT

    def tick(*_: Any) -> None:
        # Called at every drawing step: forms that draw forms can multiply them beyond any size of the file.
        if time.monotonic() > deadline:
            raise ArticleUnreadable(f"takes longer than {SECONDS_LIMIT:.0f} s to read")

    if len(reader.pages) > PAGES_LIMIT:
        raise ArticleUnreadable(f"has more than {PAGES_LIMIT:,} pages")
    pages, characters = [], 0
    for page in reader.pages:
        tick()
        content = page.get_contents()
        if content is not None and len(content.get_data()) > CONTENT_LIMIT:
            raise ArticleUnreadable(f"draws more than {CONTENT_LIMIT // 2**20} MiB on one page")
        text = clean(page.extract_text(visitor_operand_before=tick))
        # Within a form, pypdf takes what tick raises for damage, and goes on.
        tick()
        characters += len(text)
        if characters > CHARACTERS_LIMIT:
            raise ArticleUnreadable(f"holds more than {CHARACTERS_LIMIT:,} characters; split it into articles")
        pages.append(text.split("\n"))
    return pages


def _metadata(reader: Any) -> dict[str, Any]:
    found = reader.metadata
    if found is None:
        return {}
    title = " ".join(str(found.title or "").split())
    return {
        "title": "" if _NO_TITLE.fullmatch(title) else title,
        "author": found.author,
        "published": _day(found, "creation_date"),
        "updated": _day(found, "modification_date"),
    }


def _day(found: Any, name: str) -> Any:
    try:
        return getattr(found, name)
    except ValueError:
        # Not written as a PDF's dates are.
        return None


def _without_running_heads(pages: Sequence[list[str]]) -> list[list[str]]:
    """Pages without the first and last lines that come back, but for their number, on most pages."""
    if len(pages) < 3:
        return list(pages)
    edges = Counter(key for page in pages for key in {_edge(line) for line in _edges(page)} if key)
    running = {key for key, count in edges.items() if count > len(pages) / 2}
    return [[line for line in page if not (line in _edges(page) and _edge(line) in running)] for page in pages]


def _edges(page: Sequence[str]) -> list[str]:
    lines = [line for line in page if line.strip()]
    return [*lines[:1], *lines[-1:]]


def _edge(line: str) -> str:
    return re.sub(r"\d+", "0", line.strip())


def _paragraphs(pages: Sequence[Sequence[str]]) -> Iterator[str]:
    """A paragraph ends at an empty line, or with a sentence on a line that leaves room; pages do not end one."""
    longest = max((len(line) for page in pages for line in page), default=0)
    paragraph = ""
    for page in pages:
        for line in (line.strip() for line in page):
            if not line:
                # At the end of a page too, there may be one: only a finished sentence ends there.
                if not paragraph or _ENDS_SENTENCE.search(paragraph) or len(paragraph.split()) < 12:
                    yield paragraph
                    paragraph = ""
                continue
            paragraph = _joined(paragraph, line)
            if len(line) < _FULL_LINE * longest and _ENDS_SENTENCE.search(line):
                yield paragraph
                paragraph = ""
    yield paragraph


def _joined(paragraph: str, line: str) -> str:
    if not paragraph:
        return line
    if re.search(r"[a-zà-ÿ]-$", paragraph) and line[:1].islower():
        return paragraph[:-1] + line
    return f"{paragraph} {line}"
