"""An EPUB -> Draft: its chapters in reading order as one text, metadata from its package file.

Own code, for the one library that reads EPUB is under the AGPL.
"""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from assistant.errors import ArticleUnreadable
from assistant.sources.archive import leads_out, open_archive
from assistant.sources.cleaning import decode, join_paragraphs
from assistant.sources.draft import Draft
from assistant.sources.html import blocks
from assistant.sources.xml import parse_xml

_CONTAINER = "META-INF/container.xml"
_ENCRYPTED = "META-INF/encryption.xml"
_FONTS_ONLY = (b"http://www.idpf.org/2008/embedding", b"http://ns.adobe.com/pdf/enc#RC")


def parse_epub(raw: bytes) -> Draft:
    """Raises ArticleUnreadable."""
    with open_archive(raw) as archive:
        if _ENCRYPTED in archive.namelist() and not any(method in archive.read(_ENCRYPTED) for method in _FONTS_ONLY):
            raise ArticleUnreadable("protected by DRM; it cannot be read")
        root = parse_xml(_member(archive, _CONTAINER)).find(".//{*}rootfile")
        place = root.get("full-path", "") if root is not None else ""
        package = parse_xml(_member(archive, place))
        texts = [text for name in _spine(package, place) for text in blocks(decode(_member(archive, name)))]
    return Draft(join_paragraphs(texts), _metadata(package))


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        if not leads_out(name):
            return archive.read(name)
    except KeyError:
        pass
    raise ArticleUnreadable(f"not an EPUB that can be read: it lacks {name[:100]!r}")


def _spine(package: Any, place: str) -> Iterator[str]:
    """Names of the members to read, in order."""
    hrefs = {item.get("id"): item.get("href", "") for item in package.iterfind(".//{*}manifest/{*}item")}
    for reference in package.iterfind(".//{*}spine/{*}itemref"):
        href = unquote(hrefs.get(reference.get("idref"), ""))
        if href and reference.get("linear") != "no":
            yield posixpath.normpath(posixpath.join(posixpath.dirname(place), href))


def _metadata(package: Any) -> dict[str, Any]:
    def values(name: str) -> list[str]:
        return [text for e in package.iterfind(f".//{{*}}metadata/{{*}}{name}") if (text := (e.text or "").strip())]

    def first(name: str) -> str:
        return (values(name) or [""])[0]

    modified = [e.text for e in package.iterfind(".//{*}metadata/{*}meta") if e.get("property") == "dcterms:modified"]
    return {
        "title": first("title"),
        "author": values("creator"),
        "source": first("publisher"),
        "published": first("date"),
        "updated": modified[0] if modified else None,
        "language": first("language"),
        "licence": first("rights"),
    }
