"""A folder or file -> Items in a stable order (or Skipped with the reason), and an Item's bytes -> Article."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from assistant.errors import ArticleUnreadable, SourceMissing
from assistant.schema import Article
from assistant.sources.cleaning import clean, decode
from assistant.sources.draft import Draft, to_article
from assistant.sources.html import parse_html
from assistant.sources.markdown import parse_markdown
from assistant.sources.text import parse_text

PARSER_VERSION = "2"
"""Part of every item's hash: raise it when the same bytes would give another Article."""

SIZE_LIMIT = 50 * 1024 * 1024
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")
_PARSERS: dict[str, Callable[[str], Draft]] = {
    ".md": parse_markdown,
    ".markdown": parse_markdown,
    ".txt": parse_text,
    ".text": parse_text,
    ".html": parse_html,
    ".htm": parse_html,
    ".xhtml": parse_html,
}


@dataclass(frozen=True)
class Item:
    """One file that should hold an article. `location` is relative to its source, with forward slashes."""

    source: str
    location: str
    path: Path

    @property
    def article_id(self) -> str:
        """Readable and stable: the file's name, and a hash of source and location."""
        slug = re.sub(r"[^a-z0-9]+", "-", Path(self.location).stem.lower()).strip("-")[:60].strip("-")
        # Ten digits: with six, five thousand files named index.html would share one more likely than not.
        digest = hashlib.sha256(f"{self.source}\0{self.location}".encode()).hexdigest()[:10]
        return f"{slug}-{digest}" if slug else digest

    def read(self) -> tuple[bytes, str]:
        """The file's bytes and their hash. Raises ArticleUnreadable."""
        try:
            size = self.path.stat().st_size
            if size > SIZE_LIMIT:
                raise ArticleUnreadable(f"larger than {SIZE_LIMIT // 2**20} MiB; split it into articles")
            raw = self.path.read_bytes()
        except OSError as error:
            raise ArticleUnreadable(f"cannot be read: {error.strerror}") from error
        digest = hashlib.sha256(f"{PARSER_VERSION}\0{self.path.suffix.lower()}\0".encode() + raw).hexdigest()
        return raw, digest


@dataclass(frozen=True)
class Skipped:
    """Something in a folder that is no article, and why."""

    location: str
    reason: str


@dataclass(frozen=True)
class Unlisted:
    """A folder in a folder whose files nobody can tell, and why."""

    location: str
    reason: str


def items(source: str, root: Path) -> Iterator[Item | Skipped | Unlisted]:
    """Every file below `root` (or `root` itself) in alphabetical order; hidden files and folders are passed over.

    `source` is the key under which the articles are remembered. Folders that cannot be listed come last.
    Raises SourceMissing.
    """
    mode = check_there(root)
    if stat.S_ISREG(mode):
        yield _item(source, root.parent, root)
        return
    if not stat.S_ISDIR(mode):
        raise SourceMissing(f"{root} is neither a folder nor a file; name a folder of articles")
    unlisted: list[OSError] = []
    for folder, folders, files in os.walk(root, followlinks=False, onerror=unlisted.append):
        folders.sort()
        folders[:] = [name for name in folders if not name.startswith(".")]
        linked = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in linked:
            yield Skipped(_relative(root, Path(folder) / name), "a link to a folder")
        for name in sorted(name for name in files if not name.startswith(".")):
            yield _item(source, root, Path(folder) / name)

    for error in unlisted:
        place = Path(error.filename)
        if place == root:
            raise SourceMissing(f"{root} cannot be listed ({error.strerror}); name a folder of articles") from error
        yield Unlisted(_relative(root, place), f"cannot be listed: {error.strerror}")


def check_there(root: Path) -> int:
    """The mode (see `stat`) of a file or folder. Raises SourceMissing."""
    try:
        return root.stat().st_mode
    except FileNotFoundError as error:
        raise SourceMissing(f"there is no file or folder {root}; check the name") from error
    except OSError as error:
        raise SourceMissing(f"{root} cannot be read ({error.strerror}); name a folder of articles") from error


def _relative(root: Path, path: Path) -> str:
    """The path below root; bytes that are not UTF-8, and control characters, are shown escaped."""
    shown = os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "backslashreplace")
    return _CONTROLS.sub(lambda c: f"\\x{ord(c[0]):02x}", shown)


def _item(source: str, root: Path, path: Path) -> Item | Skipped:
    location = _relative(root, path)
    reason = _why_skipped(root, path)
    return Skipped(location, reason) if reason else Item(source, location, path)


def _why_skipped(root: Path, path: Path) -> str:
    name = str(path.relative_to(root))
    if any("\ud800" <= c <= "\udfff" for c in name):
        # How Python shows a byte that is not UTF-8.
        return "its name is not UTF-8; rename it"
    if _CONTROLS.search(name):
        return "its name holds control characters; rename it"
    if path.is_symlink() and not _inside(root, path):
        return "a link out of the folder, or to nothing"
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not regular:
        return "not a regular file"
    readable = path.suffix.lower() in _PARSERS
    return "" if readable else f"not a format that can be read ({path.suffix or 'no suffix'})"


def _inside(root: Path, path: Path) -> bool:
    try:
        return path.resolve(strict=True).is_relative_to(root.resolve())
    except (OSError, RuntimeError):
        return False


def parse(item: Item, raw: bytes) -> Article:
    """The article in a file. Raises ArticleUnreadable with the reason."""
    text = clean(decode(raw))
    if not text.strip():
        raise ArticleUnreadable("empty")
    draft = _PARSERS[item.path.suffix.lower()](text)
    if not draft.text.strip():
        raise ArticleUnreadable("empty: no text below its metadata")
    return to_article(draft, item.article_id, item.location)
