"""A web address -> its Listing: the page itself, or the pages of a feed or sitemap; and a page -> Article."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from assistant.errors import ArticleGone, ArticleSkipped, ArticleUnreadable, SourceMissing
from assistant.schema import LIST_DIGEST, Article, Source, Validator, host_of
from assistant.sources.apart import draft_apart, entries_apart, sitemaps_apart
from assistant.sources.cleaning import clean, decode
from assistant.sources.draft import Draft, to_article
from assistant.sources.feeds import Entry, kind_of
from assistant.sources.files import PARSER_VERSION
from assistant.sources.listing import Found, Listing, Skipped, Unreadable, article_id
from assistant.sources.web import LIST_BYTES, Response, Web, checked_url, sendable, unpacked

SITEMAPS_LIMIT = 500
_PLAIN = {"text/plain": ".txt", "text/markdown": ".md"}
_CHARSET = re.compile(rb"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
_LIST = f"{PARSER_VERSION}:2{LIST_DIGEST}"
"""The first form was kept of lists that must be read again although they do not change."""


@dataclass(frozen=True)
class PageItem:
    """One page; `location` is its address. `listed` and `stamp` are what a feed or sitemap says of it."""

    location: str
    web: Web = field(repr=False)
    allow_private: bool = False
    listed: Mapping[str, Any] = field(default_factory=dict)
    stamp: str = ""
    fetched: Response | None = None
    """Already there, if the address was asked to learn what it is."""
    path: None = None

    def load(self, known: str) -> tuple[str, Article | None]:
        """(hash, article), without the article if the hash is the known one. Raises ArticleUnreadable, ArticleGone."""
        validator = self.web.validators.get(self.location)
        # Of another version than the one in the index, or read by an older parser, it says nothing.
        if not known or validator is None or validator.digest != known or not known.startswith(f"{PARSER_VERSION}:"):
            validator = None
        if validator and self.stamp and validator.stamp == self.stamp:
            return known, None
        response = self.fetched or self.web.get(self.location, validator=validator, allow_private=self.allow_private)
        if response.status == 304 and validator:
            self.web.fresh[self.location] = replace(validator, stamp=self.stamp)
            return known, None
        if response.status in (404, 410):
            raise ArticleGone(f"the server says that it is gone (status {response.status})")
        article = self._article(_found(response))
        digest = _digest(article)
        self.web.fresh[self.location] = _validator(response, digest, self.stamp)
        if digest == known:
            return digest, None
        return digest, replace(article, fetched=dt.datetime.now(dt.UTC).date())

    def _article(self, response: Response) -> Article:
        draft = _parsed(response, self.listed)
        article = to_article(draft, article_id("web", self.location), self.location)
        # A page may name its own address, but not one of another site.
        return replace(article, url=article.url if host_of(article.url) == host_of(response.url) else response.url)


def _validator(response: Response, digest: str, stamp: str) -> Validator:
    headers = response.headers
    return Validator(sendable(headers.get("etag", "")), sendable(headers.get("last-modified", "")), digest, stamp)


def _digest(article: Article) -> str:
    """Of what was understood, for the bytes of a page differ each time it is sent."""
    stated = "\0".join(str(getattr(article, name)) for name in ("title", "text", "source", "author", "published",
        "updated", "url", "language", "licence"))  # fmt: skip
    return f"{PARSER_VERSION}:{hashlib.sha256(stated.encode()).hexdigest()}"


def _parsed(response: Response, listed: Mapping[str, Any]) -> Draft:
    kind = response.content_type
    if kind == "application/pdf" or (not kind and response.body.startswith(b"%PDF")):
        draft = draft_apart(".pdf", response.body)
        return Draft(draft.text, {**listed, **{name: value for name, value in draft.metadata.items() if value}})
    if kind not in ("", "text/html", "application/xhtml+xml", *_PLAIN):
        raise ArticleSkipped(f"not a format that can be read ({kind[:100]})")
    text = clean(_decoded(response))
    if not text.strip():
        raise ArticleSkipped("empty")
    if kind in _PLAIN:
        draft = draft_apart(_PLAIN[kind], text.encode())
        return Draft(draft.text, {**listed, **draft.metadata})
    return draft_apart(".html", text.encode(), url=response.url, listed=dict(listed))


def _decoded(response: Response) -> str:
    """As the server says, else as the page does, else by its bytes."""
    stated = _CHARSET.search(response.headers.get("content-type", "").encode()) or _CHARSET.search(response.body[:2048])
    return decode(response.body, stated.group(1).decode() if stated else "")


# -- lists ---------------------------------------------------------------------------------------------------


def web_listing(source: Source, web: Web) -> Listing:
    """Asks the address what it is, unless that is known to be a page. Raises SourceMissing; its articles then stay."""
    if source.kind == "page":
        return Listing([PageItem(source.place, web, source.allow_private)], "page")
    validator = web.validators.get(source.place)
    if validator and validator.digest != _LIST:
        validator = None
    try:
        response = web.get(source.place, validator=validator, limit=LIST_BYTES, allow_private=source.allow_private)
        if response.status == 304 and validator:
            return Listing([], source.kind, unchanged=True)
        return _listing(source, web, replace(_found(response), body=unpacked(response.body, LIST_BYTES)))
    except ArticleUnreadable as error:
        raise SourceMissing(f"{source.place} cannot be read: {error}") from error


def _found(response: Response) -> Response:
    if response.status != 200:
        raise ArticleUnreadable(f"the server answers with status {response.status}")
    return response


def _listing(source: Source, web: Web, response: Response) -> Listing:
    kind = kind_of(response.body)
    if not kind:
        if source.kind in ("feed", "sitemap"):
            raise ArticleUnreadable(f"there is no {source.kind} any longer")
        return Listing([PageItem(source.place, web, source.allow_private, fetched=response)], "page")
    if kind != "sitemap index":
        entries, whole = entries_apart(kind, response.body, response.url)
        # Not before it could be parsed: it would not be sent again. Nor may it then hide the edit of a page of which it
        # gives no day; a feed, which shows the newest only, cannot tell of most edits anyway.
        if kind == "feed" or all(entry.stamp for entry in entries):
            web.fresh[source.place] = _validator(response, _LIST, "")
        return Listing(_items(entries, source, web, kind), kind, complete=whole)
    return _all_sitemaps(source, web, response)


def _all_sitemaps(source: Source, web: Web, index: Response) -> Listing:
    """Of an index: it is complete if each sitemap could be read and is. A page of several is as the first says.

    It is sent whole each time: one of them may change while the index does not.
    """
    places = list(dict.fromkeys(sitemaps_apart(index.body, index.url)))
    entries: list[Entry] = []
    unread: list[Found] = []
    complete = len(places) <= SITEMAPS_LIMIT
    for place in places[:SITEMAPS_LIMIT]:
        try:
            response = _found(web.get(place, limit=LIST_BYTES, allow_private=source.allow_private))
            body = unpacked(response.body, LIST_BYTES)
            if kind_of(body) == "sitemap index":
                raise ArticleUnreadable("an index within an index of sitemaps; name it by itself")  # noqa: TRY301
            named, whole = entries_apart("sitemap", body, response.url)
        except ArticleUnreadable as error:
            unread.append(Unreadable(place, str(error)))
            complete = False
        else:
            entries += named
            complete = complete and whole
    return Listing(_items(entries, source, web, "sitemap") + unread, "sitemap", complete)


def _items(entries: Sequence[Entry], source: Source, web: Web, kind: str) -> list[Found]:
    """Each page once, as its first entry says; and what names no page, as often as it comes."""
    found: dict[str, Found] = {}
    for number, entry in enumerate(entries):
        if not entry.url:
            # An episode that is only to be heard is no failure.
            found[f"{number} "] = Skipped(_shown(entry.metadata["title"]), f"the {kind} names no page for it")
            continue
        try:
            url = checked_url(entry.url)
        except ArticleUnreadable as error:
            shown = _shown(entry.url)
            found.setdefault(shown, Unreadable(shown, str(error)))
        else:
            found.setdefault(url, PageItem(url, web, source.allow_private, entry.metadata, entry.stamp))
    return list(found.values())


def _shown(text: str) -> str:
    """As one line of a report."""
    return " ".join(clean(text).split())[:500]
