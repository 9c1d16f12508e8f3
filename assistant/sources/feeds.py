"""The bytes of a feed or sitemap -> its entries: addresses, with what it says of each."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

from assistant.errors import ArticleUnreadable
from assistant.sources.xml import parse_xml

# What feedparser 6 lets through on damaged feeds, found by damaging some.
_COMPLAINTS = (AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
ENTRIES_LIMIT = 50_000
"""That of the sitemap protocol."""
# Each part of the prologue ends at its first end (?>) and is not given back (+): tried otherwise, a row of comments
# takes a time that doubles with each.
_PROLOGUE = rb"(?>(?><\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*+(?:\[.*?\]\s*+)?>)\s*+)*+"
_ROOT = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*+" + _PROLOGUE + rb"<(?:\w+:)?(\w+)", re.DOTALL)
_KINDS = {b"rss": "feed", b"feed": "feed", b"rdf": "feed", b"urlset": "sitemap", b"sitemapindex": "sitemap index"}


@dataclass(frozen=True)
class Entry:
    """`url` is "" if it names no page; `metadata` is under Article's field names, as found.

    `stamp` changes when the list says that the page did.
    """

    url: str
    metadata: dict[str, Any] = field(default_factory=dict)
    stamp: str = ""


def kind_of(raw: bytes) -> str:
    """feed, sitemap, sitemap index or "", by the first element."""
    match = _ROOT.match(raw[:100_000])
    return _KINDS.get(match.group(1).lower(), "") if match else ""


def feed_entries(raw: bytes, url: str) -> list[Entry]:
    """Of RSS or Atom, in their order. A broken feed gives what can be read of it. Raises ArticleUnreadable."""
    import feedparser

    try:
        # A stream, for a string would be taken for the name of a file or an address to open.
        found = feedparser.parse(io.BytesIO(raw), sanitize_html=False, resolve_relative_uris=False)
        entries = [_entry(entry, found.feed, url) for entry in found.entries[:ENTRIES_LIMIT]]
    except _COMPLAINTS as error:
        raise ArticleUnreadable("not a feed that can be read: damaged") from error
    if found.bozo and not entries:
        raise ArticleUnreadable("not a feed that can be read: damaged or cut off")
    return [entry for entry in entries if entry.url or entry.metadata["title"]]


def _entry(entry: Any, feed: Any, url: str) -> Entry:
    # Its own get() gives the publication day for a missing "updated", with a warning.
    updated = dict.get(entry, "updated")
    metadata = {
        "title": _text(entry.get("title")),
        "author": entry.get("author"),
        "published": entry.get("published"),
        "updated": updated,
        "source": _text(feed.get("title")),
        "language": feed.get("language"),
    }
    place = entry.get("link") or ""
    if entry.get("guidislink") and not place.lower().startswith(("http://", "https://")):
        # A name that does not say that it is no address, as most do not.
        place = ""
    return Entry(place and _joined(url, place), metadata, str(updated or ""))


def sitemap_entries(raw: bytes, url: str) -> tuple[list[Entry], bool]:
    """(entries, whether all pages are named): a news sitemap names those of the last days. Raises ArticleUnreadable."""
    entries, whole = [], True
    for element in _named(parse_xml(raw), "url"):
        news = next(_named(element, "news"), None)
        metadata: dict[str, Any] = {"updated": _child(element, "lastmod")}
        if news is not None:
            whole = False
            metadata |= {
                "published": _child(news, "publication_date"),
                "title": _child(news, "title"),
                "source": _child(news, "name"),
                "language": _child(news, "language"),
            }
        place = _child(element, "loc", direct=True)
        if place:
            entries.append(Entry(_joined(url, place), metadata, metadata["updated"]))
        if len(entries) == ENTRIES_LIMIT:
            # What comes after is not known to be gone.
            whole = False
            break
    return entries, whole


def sitemaps(raw: bytes, url: str) -> list[str]:
    """Addresses of the sitemaps in a sitemap index. Raises ArticleUnreadable."""
    places = [_child(element, "loc") for element in _named(parse_xml(raw), "sitemap")]
    return [_joined(url, place) for place in places if place]


def _joined(url: str, place: str) -> str:
    try:
        return urljoin(url, place.strip())
    except ValueError:
        # No address at all: the fetcher says so.
        return place


def _named(element: Any, name: str) -> Iterator[Any]:
    return iter(element.iterfind(f".//{{*}}{name}"))


def _child(element: Any, name: str, *, direct: bool = False) -> str:
    found = element.find(f"{{*}}{name}" if direct else f".//{{*}}{name}")
    return (found.text or "").strip() if found is not None else ""


def _text(markup: Any) -> str:
    """A title, which a feed may send as markup."""
    from lxml import etree, html

    if not isinstance(markup, str) or ("<" not in markup and "&" not in markup):
        return markup if isinstance(markup, str) else ""
    try:
        return str(html.fragment_fromstring(markup, create_parent="p").text_content())
    except (etree.LxmlError, ValueError):
        return markup
