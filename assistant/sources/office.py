"""A DOCX file -> Draft: paragraphs, list items and table rows in their order, metadata from its properties."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from typing import Any

from assistant.errors import ArticleUnreadable
from assistant.sources.archive import open_archive
from assistant.sources.cleaning import clean, join_paragraphs
from assistant.sources.draft import Draft

_TEMPLATE_MADE = dt.datetime(2013, 12, 23, 23, 15, tzinfo=dt.UTC)
"""What a document says of its days that a program made with python-docx and did not date."""
_NOT_SHOWN = frozenset(("del", "moveFrom", "drawing", "pict", "object", "Fallback", "rt"))
"""Taken out or moved away by a tracked change; pictures, with what is written in them; how a word is pronounced."""
_WITHIN = frozenset(("sdtContent", "sdt", "ins", "moveTo", "customXml", "smartTag"))
"""What may stand around paragraphs, rows and cells."""
_WHITE = {"tab": " ", "ptab": " ", "br": " ", "cr": " ", "noBreakHyphen": "-"}


def parse_docx(raw: bytes) -> Draft:
    """Raises ArticleUnreadable."""
    if raw.startswith(b"\xd0\xcf\x11\xe0"):
        # An OLE file: what Word makes of a document with a password, or wrote before 2007.
        raise ArticleUnreadable("encrypted, or of Word before 2007; save it as .docx without a password")
    open_archive(raw).close()
    from docx import Document
    from docx.opc.exceptions import OpcError
    from lxml import etree

    try:
        document = Document(io.BytesIO(raw))
        paragraphs = [clean(text) for text in _paragraphs(document.element.body)]
        properties = document.core_properties
        metadata: dict[str, Any] = {
            "title": properties.title or _titled(document),
            "author": properties.author if properties.author != "python-docx" else "",
            "published": _day(properties.created),
            "updated": _day(properties.modified),
            "language": properties.language,
        }
    except (OpcError, etree.LxmlError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ArticleUnreadable("not a Word document that can be read: damaged, or of another kind") from error
    return Draft(join_paragraphs(paragraphs), metadata)


def _day(stated: dt.datetime | None) -> dt.datetime | None:
    made = stated and (stated if stated.tzinfo else stated.replace(tzinfo=dt.UTC))
    return None if made == _TEMPLATE_MADE else stated


def _titled(document: Any) -> str:
    """The first paragraph, if its style is that of a title."""
    from docx.text.paragraph import Paragraph

    for element in _found(document.element.body, "p"):
        if text := _text(element).strip():
            style = Paragraph(element, document).style
            return text if style is not None and style.name in ("Title", "Heading 1") else ""
    return ""


# python-docx itself passes over content controls, tracked insertions and smart tags, with the words in them.
def _paragraphs(parent: Any) -> Iterator[str]:
    """Of a body or a cell: its paragraphs, and its tables' rows."""
    for element in _found(parent, "p", "tbl"):
        if _name(element) == "p":
            yield _text(element)
        else:
            yield from _rows(element)


def _rows(table: Any) -> Iterator[str]:
    above: dict[int, str] = {}
    for row in _found(table, "tr"):
        if row.find("{*}trPr/{*}del") is not None:
            continue
        texts = []
        column = 0
        for cell in _found(row, "tc"):
            merged = cell.find("{*}tcPr/{*}vMerge")
            if merged is None or _value(merged) == "restart":
                above[column] = " ".join(" ".join(_paragraphs(cell)).split())
            texts.append(above.get(column, ""))
            span = cell.find("{*}tcPr/{*}gridSpan")
            column += int(_value(span)) if span is not None else 1
        yield ", ".join(text for text in texts if text)


def _found(parent: Any, *names: str) -> Iterator[Any]:
    """Elements of these names right below a parent, or below what may stand around them there."""
    for element in parent.iterchildren("{*}*"):
        if _name(element) in names:
            yield element
        elif _name(element) in _WITHIN and not _is_made_by_word(element):
            yield from _found(element, *names)


def _text(element: Any) -> str:
    parts = []
    for child in element.iterchildren("{*}*"):
        name = _name(child)
        if name == "t":
            parts.append(child.text or "")
        elif name in _WHITE:
            parts.append(_WHITE[name])
        elif name not in _NOT_SHOWN and not _is_made_by_word(child):
            parts.append(_text(child))
    return "".join(parts)


def _is_made_by_word(element: Any) -> bool:
    """A content control that waits for a text, or a table of contents."""
    if _name(element) != "sdt":
        return False
    gallery = element.find("{*}sdtPr/{*}docPartObj/{*}docPartGallery")
    contents = gallery is not None and _value(gallery) == "Table of Contents"
    return contents or element.find("{*}sdtPr/{*}showingPlcHdr") is not None


def _name(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _value(element: Any) -> str:
    return next((value for name, value in element.items() if name.endswith("}val")), "")
