"""A source of articles (folder, file, export, web page, feed, objects) -> its items, and each item -> an Article.

Formats are Markdown, plain text, HTML, MHTML, PDF, DOCX, EPUB and EML. What cannot be read is an outcome with a reason
(`ArticleUnreadable`), never an exception that ends a sync, and never half an article.
"""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.errors import ArticleUnreadable, InvalidSetting, SourceMissing
from assistant.schema import Source
from assistant.sources.apart import end as end_parsing
from assistant.sources.export import parse_mapping, rows
from assistant.sources.files import EXPORTS, FileItem, check_there, expanded, glob_root, globbed, items, parse
from assistant.sources.given import GIVEN, Document, given_listing
from assistant.sources.listing import Found, Item, Listing, Skipped, Unlisted, Unreadable

if TYPE_CHECKING:
    from assistant.sources.web import Web

__all__ = [
    "GIVEN",
    "Document",
    "FileItem",
    "Found",
    "Item",
    "Listing",
    "Skipped",
    "Unlisted",
    "Unreadable",
    "check_there",
    "end_parsing",
    "expanded",
    "given_listing",
    "glob_root",
    "holds",
    "is_address",
    "is_there",
    "items",
    "listing",
    "named",
    "parse",
    "parse_mapping",
]

_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+:")


def is_address(text: str) -> bool:
    """Whether a user means a place on the web; schemes may be written in capitals."""
    return text.lower().startswith(("http://", "https://"))


def named(
    what: str | os.PathLike[str], mapping: Mapping[str, str] | None = None, *, allow_private: bool = False
) -> Source:
    """The source that a user names: a path, a pattern or an address. Raises SourceMissing, InvalidSetting.

    The mapping is for an export, and the permission for an address; other kinds do without.
    """
    text = os.fspath(what)
    if is_address(text):
        from assistant.sources.web import checked_url

        try:
            url = checked_url(text)
        except ArticleUnreadable as error:
            raise InvalidSetting(f"{text} cannot be asked: {error}") from error
        return Source(url, url, "address", allow_private=allow_private)
    if "://" in text and _SCHEME.match(text):
        raise InvalidSetting(f"{text} is no source; name a folder, a file, or an http or https address")
    path = Path(text).expanduser()
    if glob.has_magic(text) and not path.exists():
        pattern = path.absolute()
        if not expanded(pattern):
            raise SourceMissing(f"no file fits {text}; check the pattern")
        return Source(str(pattern), str(pattern), "glob")
    path = path.resolve()
    kind = _kind(path)
    return Source(str(path), str(path), kind, mapping or {} if kind == "export" else {})


def _kind(path: Path) -> str:
    if stat.S_ISDIR(check_there(path)):
        return "folder"
    return "export" if path.suffix.lower() in EXPORTS else "file"


def listing(source: Source, web: Web) -> Listing:
    """All that a source shows now. Raises SourceMissing."""
    if source.on_the_web:
        from assistant.sources.pages import web_listing

        return web_listing(source, web)
    path = Path(source.place)
    if source.kind == "glob":
        if not glob_root(path).is_dir():
            raise SourceMissing(f"there is no folder {glob_root(path)}; check the name") from FileNotFoundError()
        return Listing(list(globbed(source.key, path)), "glob")
    kind = _kind(path)
    if kind == "export":
        found = rows(source.key, path, source.mapping)
        # Which article a broken row held, nobody can tell: none leaves before it is mended.
        return Listing(found, "export", complete=not any(isinstance(row, Unreadable) for row in found))
    return Listing(list(items(source.key, path)), kind)


def is_there(source: Source) -> bool:
    """Whether a folder or file, or the folder above a pattern, can be found; of others nothing is asked."""
    if source.on_the_web or source.kind == GIVEN:
        return True
    path = Path(source.place)
    try:
        check_there(glob_root(path) if source.kind == "glob" else path)
    except SourceMissing:
        return False
    return True


def holds(source: Source, path: Path) -> bool:
    """Whether a folder or file is a source that reads this path: it lies below, and not below a hidden folder."""
    root = Path(source.place)
    if source.kind not in ("folder", "file") or not path.is_relative_to(root):
        return False
    return not any(part.startswith(".") for part in path.relative_to(root).parts)
