"""What a source holds, item by item: the shapes that every kind of source gives to a sync."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from assistant.schema import Article


class Item(Protocol):
    """Something that should hold an article."""

    @property
    def location(self) -> str:
        """Unique in its source: a relative path with forward slashes, an address, or a row's name."""

    @property
    def path(self) -> Path | None:
        """The file it lies in, if it lies in one of its own."""

    def load(self, known: str) -> tuple[str, Article | None]:
        """(hash, article), without the article if the hash is the known one.

        Raises ArticleUnreadable with the reason, ArticleGone if it is known not to exist any longer.
        """


@dataclass(frozen=True)
class Skipped:
    """Something in a source that is no article, and why."""

    location: str
    reason: str


@dataclass(frozen=True)
class Unreadable:
    """Something in a source that should be an article and cannot even be listed as an item, and why."""

    location: str
    reason: str


@dataclass(frozen=True)
class Unlisted:
    """A folder in a folder whose files nobody can tell, and why."""

    location: str
    reason: str


Found = Item | Skipped | Unreadable | Unlisted


@dataclass(frozen=True)
class Listing:
    """All that a source shows. What a complete one does not show any longer is gone; a feed shows the newest only."""

    found: Sequence[Found]
    kind: str
    complete: bool = True
    unchanged: bool = False
    """The list itself is the one of last time: so is everything in it, and `found` is empty."""


def article_id(source: str, location: str) -> str:
    """Readable and stable: the last part of the location, and a hash of source and location."""
    slug = re.sub(r"[^a-z0-9]+", "-", PurePosixPath(location).stem.lower()).strip("-")[:60].strip("-")
    # Ten digits: with six, five thousand files named index.html would share one more likely than not.
    digest = hashlib.sha256(f"{source}\0{location}".encode()).hexdigest()[:10]
    return f"{slug}-{digest}" if slug else digest
