"""A folder, file or glob -> its files in a stable order (or Skipped with the reason), and a file's bytes -> Article."""

from __future__ import annotations

import glob
import hashlib
import itertools
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from assistant.errors import ArticleSkipped, ArticleUnreadable, SourceMissing
from assistant.schema import Article
from assistant.sources.apart import draft_apart
from assistant.sources.cleaning import clean, decode
from assistant.sources.draft import Draft, to_article
from assistant.sources.epub import parse_epub
from assistant.sources.html import parse_html
from assistant.sources.listing import Skipped, Unlisted, article_id
from assistant.sources.mail import parse_eml, parse_mhtml
from assistant.sources.markdown import parse_markdown
from assistant.sources.office import parse_docx
from assistant.sources.pdf import parse_pdf
from assistant.sources.text import parse_text

PARSER_VERSION = "4"
"""Part of every item's hash: raise it when the same bytes would give another Article."""

SIZE_LIMIT = 50 * 1024 * 1024
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")
EXPORTS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")


def _of_text(parser: Callable[[str], Draft]) -> Callable[[bytes], Draft]:
    """A parser of bytes from one of decoded and cleaned text."""

    def parse_bytes(raw: bytes) -> Draft:
        text = clean(decode(raw))
        if not text.strip():
            raise ArticleSkipped("empty")
        return parser(text)

    return parse_bytes


PARSERS: dict[str, Callable[[bytes], Draft]] = {
    **dict.fromkeys((".md", ".markdown"), _of_text(parse_markdown)),
    **dict.fromkeys((".txt", ".text"), _of_text(parse_text)),
    **dict.fromkeys((".html", ".htm", ".xhtml"), _of_text(parse_html)),
    ".pdf": parse_pdf,
    ".docx": parse_docx,
    ".epub": parse_epub,
    ".eml": parse_eml,
    **dict.fromkeys((".mhtml", ".mht"), parse_mhtml),
}


@dataclass(frozen=True)
class FileItem:
    """One file that should hold an article. `location` is relative to its source, with forward slashes."""

    source: str
    location: str
    path: Path

    @property
    def article_id(self) -> str:
        return article_id(self.source, self.location)

    def read(self) -> tuple[bytes, str]:
        """The file's bytes and their hash. Raises ArticleUnreadable."""
        raw = self._read_once()
        if raw is None and (raw := self._read_once()) is None:
            raise ArticleUnreadable("changes while it is read; sync again when it is written")
        digest = hashlib.sha256(f"{PARSER_VERSION}\0{self.path.suffix.lower()}\0".encode() + raw).hexdigest()
        return raw, digest

    def _read_once(self) -> bytes | None:
        """None if the file changed meanwhile: half of one version and half of another are no article."""
        try:
            before = self.path.stat()
            if before.st_size > SIZE_LIMIT:
                raise ArticleUnreadable(f"larger than {SIZE_LIMIT // 2**20} MiB; split it into articles")
            raw = self.path.read_bytes()
            after = self.path.stat()
        except OSError as error:
            raise ArticleUnreadable(f"cannot be read: {error.strerror}") from error
        same = (before.st_size, before.st_mtime_ns, before.st_ino) == (after.st_size, after.st_mtime_ns, after.st_ino)
        return raw if same else None

    def load(self, known: str) -> tuple[str, Article | None]:
        """(hash, article), without the article if the hash is the known one. Raises ArticleUnreadable."""
        raw, digest = self.read()
        return digest, None if digest == known else parse(self, raw)


def items(source: str, root: Path) -> Iterator[FileItem | Skipped | Unlisted]:
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
    waiting = [str(root)]
    # Not os.walk, which calls itself for each level and has no stack for a thousand of them before Python 3.12.
    while waiting:
        folders, linked, files = _listed(folder := waiting.pop(), unlisted)
        for name in linked:
            yield Skipped(_relative(root, Path(folder) / name), "a link to a folder")
        for name in files:
            yield _item(source, root, Path(folder) / name)
        waiting += [os.path.join(folder, name) for name in reversed(folders)]  # noqa: PTH118 - a Path parses it anew

    for error in unlisted:
        place = Path(error.filename)
        if place == root:
            raise SourceMissing(f"{root} cannot be listed ({error.strerror}); name a folder of articles") from error
        yield Unlisted(_relative(root, place), f"cannot be listed: {error.strerror}")


def _listed(folder: str, unlisted: list[OSError]) -> tuple[list[str], list[str], list[str]]:
    """Names of a folder's folders, links to folders, and other files, without the hidden ones; an error is kept."""
    folders: list[str] = []
    linked: list[str] = []
    files: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                kind = files if not _is_folder(entry) else linked if entry.is_symlink() else folders
                kind.append(entry.name)
    except OSError as error:
        unlisted.append(error)
    return sorted(folders), sorted(linked), sorted(files)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def globbed(source: str, pattern: Path) -> Iterator[FileItem | Skipped]:
    """The files that fit a pattern like /articles/**/2024-*.md, relative to the folder above its first wildcard."""
    root = glob_root(pattern)
    for path in expanded(pattern):
        yield _item(source, root, path)


def expanded(pattern: Path) -> list[Path]:
    """Files only, in alphabetical order; what is hidden has to be named without a wildcard."""
    found = glob.iglob(str(pattern), recursive=True)  # noqa: PTH207 - Path.glob would list hidden files
    return sorted(path for path in map(Path, found) if not path.is_dir())


def glob_root(pattern: Path) -> Path:
    parts = itertools.takewhile(lambda part: not glob.has_magic(part), pattern.parts)
    return Path(*parts)


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


def _item(source: str, root: Path, path: Path) -> FileItem | Skipped:
    location = _relative(root, path)
    reason = _why_skipped(root, path)
    return Skipped(location, reason) if reason else FileItem(source, location, path)


def _why_skipped(root: Path, path: Path) -> str:
    name = str(path.relative_to(root))
    if any("\ud800" <= c <= "\udfff" for c in name):
        # How Python shows a byte that is not UTF-8.
        return "its name is not UTF-8; rename it"
    if _CONTROLS.search(name):
        return "its name holds control characters; rename it"
    try:
        if path.is_symlink() and not _inside(root, path):
            return "a link out of the folder, or to nothing"
        regular = stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return _why_not_read(path.suffix) if regular else "not a regular file"


def _why_not_read(suffix: str) -> str:
    if suffix.lower() in EXPORTS:
        return "an export of many articles is read when it is named by itself"
    return "" if suffix.lower() in PARSERS else f"not a format that can be read ({suffix or 'no suffix'})"


def _inside(root: Path, path: Path) -> bool:
    try:
        return path.resolve(strict=True).is_relative_to(root.resolve())
    except (OSError, RuntimeError):
        return False


def parse(item: FileItem, raw: bytes, draft: Callable[[str, bytes], Draft] = draft_apart) -> Article:
    """The article in a file, as `draft` understands (suffix, bytes). Raises ArticleUnreadable with the reason."""
    if not raw.strip():
        raise ArticleSkipped("empty")
    return to_article(draft(item.path.suffix.lower(), raw), item.article_id, item.location)
