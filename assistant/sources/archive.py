"""A zip file's bytes -> its members, read only after their real sizes were found to be within limits."""

from __future__ import annotations

import io
import posixpath
import zipfile
import zlib

from assistant.errors import ArticleUnreadable

OUTPUT_LIMIT = 75 * 1024 * 1024
"""Bytes of all members, decompressed."""
RATIO_LIMIT = 200
"""Decompressed bytes to one compressed byte; prose reaches 4, XML some 20."""
ENTRIES_LIMIT = 10_000
_SMALL = 1024 * 1024
"""Below it, a ratio harms nobody: an empty picture compresses by a thousand."""


def open_archive(raw: bytes) -> zipfile.ZipFile:
    """The archive, every member of which has been decompressed once. Raises ArticleUnreadable."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(raw))
        _check(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError) as error:
        raise ArticleUnreadable(f"not a whole file of its format ({str(error) or 'it is cut off'})") from error
    return archive


def _check(archive: zipfile.ZipFile) -> None:
    """The header of a member may lie about its size, so what comes out is counted."""
    members = archive.infolist()
    if len(members) > ENTRIES_LIMIT:
        raise ArticleUnreadable(f"holds more than {ENTRIES_LIMIT:,} files")
    total = 0
    for member in members:
        if member.flag_bits & 1:
            raise ArticleUnreadable("encrypted; save it without a password")
        if leads_out(member.filename):
            raise ArticleUnreadable("holds a file name that leads out of it")
        size = 0
        with archive.open(member) as file:
            while block := file.read(64 * 1024):
                size += len(block)
                if total + size > OUTPUT_LIMIT:
                    raise ArticleUnreadable(f"holds more than {OUTPUT_LIMIT // 2**20} MiB when decompressed")
                if size > max(_SMALL, RATIO_LIMIT * member.compress_size):
                    raise ArticleUnreadable(f"decompresses to more than {RATIO_LIMIT} times its size")
        total += size


def leads_out(name: str) -> bool:
    """Whether a member's name, taken for a path, would lie outside the archive."""
    path = name.replace("\\", "/")
    return path.startswith("/") or ":" in path.split("/")[0] or posixpath.normpath(path).split("/")[0] == ".."
