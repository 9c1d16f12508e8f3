"""A DOCX file -> Draft: paragraphs, list items and table rows in their order, metadata from its properties."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from assistant.errors import ArticleUnreadable
from assistant.sources.archive import open_archive
from assistant.sources.cleaning import clean, join_paragraphs
from assistant.sources.draft import Draft


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
        paragraphs = [clean(text) for text in _paragraphs(document.iter_inner_content())]
        properties = document.core_properties
        metadata: dict[str, Any] = {
            "title": properties.title or _titled(document),
            "author": properties.author if properties.author != "python-docx" else "",
            "published": properties.created,
            "updated": properties.modified,
            "language": properties.language,
        }
    except (OpcError, etree.LxmlError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ArticleUnreadable("not a Word document that can be read: damaged, or of another kind") from error
    return Draft(join_paragraphs(paragraphs), metadata)


def _titled(document: Any) -> str:
    """The first paragraph, if its style is that of a title."""
    first = next((paragraph for paragraph in document.paragraphs if paragraph.text.strip()), None)
    if first is not None and first.style is not None and first.style.name in ("Title", "Heading 1"):
        return str(first.text)
    return ""


def _paragraphs(blocks: Iterator[Any]) -> Iterator[str]:
    from docx.table import Table

    for block in blocks:
        if not isinstance(block, Table):
            yield block.text
            continue
        for row in block.rows:
            # Merged cells are named once for each column they span.
            cells = list(dict.fromkeys(cell._tc for cell in row.cells))  # noqa: SLF001 - its only identity
            texts = (" ".join(node.text or "" for node in cell.iter() if node.tag.endswith("}t")) for cell in cells)
            yield ", ".join(" ".join(text.split()) for text in texts if text.strip())
