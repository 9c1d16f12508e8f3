"""A page -> the days on which it was published and updated, from where they are stated most plainly.

In this order, and each day from the first place that states one: JSON-LD, meta tags and microdata, the feed or sitemap
that led to the page, `<time>` elements, what htmldate finds in the visible text, the address.
"""

from __future__ import annotations

import copy
import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from assistant.sources.draft import to_date
from assistant.sources.xml import drop

_ARTICLES = re.compile(r"(?:\w*Article|\w*Posting|Report|Review|\w*Page|CreativeWork|VideoObject)$")
_LEADING = re.compile(r"(?:\w*Article|\w*Posting|Report|Review)$")
_LD_DEPTH = 20
_LD_LIMIT = 1_000_000

_PUBLISHED_NAMES = """article:published_time og:published_time og:article:published_time article:published
    datepublished parsely-pub-date sailthru.date dcterms.created dcterms.issued dc.date.issued dc.date.created
    citation_publication_date citation_online_date pubdate publishdate publish-date publish_date published
    published-date publication_date originalpublicationdate cxenseparse:recs:publishtime displaydate datecreated
    article.published article.created dcterms.date dc.date date""".split()
"""Names of meta tags, most explicit first."""
_UPDATED_NAMES = """article:modified_time og:updated_time og:modified_time article:modified datemodified
    dcterms.modified dc.date.modified last-modified lastmod modified updated revised date_updated
    cxenseparse:recs:modtime""".split()

_TIME_IS_PUBLISHED = re.compile(r"publish|pubdate|posted|created|entry-date|dt-published|dateline", re.IGNORECASE)
_TIME_IS_UPDATED = re.compile(r"updat|modif|revis|edited|corrected", re.IGNORECASE)
_BESIDE = """(self::aside or self::nav or self::footer or contains(@class, 'related') or contains(@class, 'comment')
    or contains(@class, 'sidebar') or contains(@class, 'teaser') or contains(@class, 'recommend')
    or contains(@id, 'comment')) and not(self::body or .//h1)"""
"""Where a page shows other articles than its own, and what its readers say.

What holds the headline is not meant: a body may be of the class "comments-open" or "has-sidebar".
"""
_IN_ADDRESS = re.compile(r"/((?:19|20)\d\d)[/-](0?[1-9]|1[0-2])[/-](0?[1-9]|[12]\d|3[01])(?=[/._-]|$)")
_IN_ADDRESS_SHORT = re.compile(r"[/_-]((?:19|20)\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=[/._-]|$)")
_TIMES = 200
"""Of the `<time>` elements so many are looked at: each one's ancestors are."""
_NEVER = dt.date(1970, 1, 1)
"""What a program writes that has no date."""

Days = dict[str, dt.date | None]


def page_dates(tree: Any, *, url: str, listed: Mapping[str, Any]) -> Days:
    """{"published": …, "updated": …}: what a page's element tree (not altered), its lister and its address state."""
    language = str(tree.get("lang") or "")
    places = [_json_ld(tree), _meta(tree, language), _listed(listed), _times(tree, language)]
    published = _first(place.get("published") for place in places)
    updated = _first(place.get("updated") for place in places)
    published = published or _visible(tree) or _address(url or _canonical(tree))
    return {"published": published, "updated": updated}


def _first(days: Iterator[dt.date | None]) -> dt.date | None:
    return next((day for day in days if day), None)


def _plausible(value: Any, language: str = "") -> dt.date | None:
    day = to_date(value, day_first=not language.lower().startswith("en") or language.lower() in ("en-gb", "en-au"))
    # A day ahead, for those who live further east.
    latest = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1)
    return day if day and day <= latest and day != _NEVER else None


# -- JSON-LD -----------------------------------------------------------------------------------------------


def _json_ld(tree: Any) -> Days:
    """Of the article among the page's objects; of any page or work if none says that it is an article."""
    objects = [found for script in tree.iterfind(".//script") for found in _objects(script)]
    for kinds in (_LEADING, _ARTICLES):
        for found in objects:
            if any(kinds.match(kind) for kind in _types(found)):
                days = {
                    "published": _plausible(found.get("datePublished")) or _plausible(found.get("dateCreated")),
                    "updated": _plausible(found.get("dateModified")),
                }
                if any(days.values()):
                    return days
    return {}


def _objects(script: Any) -> Iterator[dict[str, Any]]:
    """Every object of a JSON-LD script that stands at its top, in its @graph, or as the main thing of a page."""
    if "ld+json" not in (script.get("type") or "").lower() or len(script.text or "") > _LD_LIMIT:
        return
    try:
        # A line end within a string is forbidden, and common.
        loaded = json.loads(re.sub(r"^\s*<!\[CDATA\[|\]\]>\s*$", "", script.text or ""), strict=False)
    except (ValueError, RecursionError):
        return
    waiting = [(loaded, 0)]
    while waiting:
        value, depth = waiting.pop(0)
        if isinstance(value, list) and depth < _LD_DEPTH:
            waiting += [(item, depth + 1) for item in value[:1_000]]
        elif isinstance(value, dict) and depth < _LD_DEPTH:
            yield value
            waiting += [(value.get(key), depth + 1) for key in ("@graph", "mainEntity", "mainEntityOfPage")]


def _types(found: Mapping[str, Any]) -> list[str]:
    named = found.get("@type")
    kinds = named if isinstance(named, list) else [named]
    return [kind.rsplit("/", 1)[-1] for kind in kinds if isinstance(kind, str)]


# -- meta tags, the lister -----------------------------------------------------------------------------------


def _meta(tree: Any, language: str) -> Days:
    """Meta tags by name, property or itemprop; microdata on other elements counts as well."""
    stated: dict[str, str] = {}
    for element in tree.iterfind(".//meta"):
        name = element.get("property") or element.get("name") or element.get("itemprop") or ""
        stated.setdefault(name.lower().strip(), element.get("content") or "")
    for element in tree.xpath("//*[@itemprop='datePublished' or @itemprop='dateModified'][not(self::meta)]"):
        value = element.get("datetime") or element.get("content") or element.text_content()
        stated.setdefault(element.get("itemprop").lower(), value[:100])
    return {
        "published": _first(_plausible(stated.get(name), language) for name in _PUBLISHED_NAMES),
        "updated": _first(_plausible(stated.get(name), language) for name in _UPDATED_NAMES),
    }


def _listed(listed: Mapping[str, Any]) -> Days:
    return {name: _plausible(listed.get(name)) for name in ("published", "updated")}


# -- the visible page ------------------------------------------------------------------------------------------


def _times(tree: Any, language: str) -> Days:
    """`<time>` elements outside of asides, comments and teasers: by their class, else the first is the publication."""
    found: Days = {}
    unnamed = None
    for element in islice(tree.iterfind(".//time"), _TIMES):
        text = element.text_content()[:200]
        day = _plausible(element.get("datetime"), language) or _plausible(text, language)
        if day is None or element.xpath(f"ancestor-or-self::*[{_BESIDE}]"):
            continue
        said = " ".join([*element.attrib.keys(), *element.attrib.values(), _said_before(element), text])
        if _TIME_IS_UPDATED.search(said):
            found.setdefault("updated", day)
        elif _TIME_IS_PUBLISHED.search(said):
            found.setdefault("published", day)
        else:
            unnamed = unnamed or day
    return {"published": unnamed} | found


def _said_before(element: Any) -> str:
    """The few words that lead to an element: "Updated on"."""
    before = element.getprevious()
    said = before.tail if before is not None else element.getparent().text
    return (said or "")[-30:]


def _visible(tree: Any) -> dt.date | None:
    from htmldate import find_date

    tree = copy.deepcopy(tree)
    # The head was read with more care above; htmldate would take an update or the site's own day from it.
    # One after the other: a union is sorted, in quadratic time.
    drop([*tree.iter("head", "script", "time"), *tree.xpath(f"//body//*[{_BESIDE}]")])
    # Its extensive search makes the first of January of any year that it meets, of a copyright line too.
    return _plausible(find_date(tree, extensive_search=False, original_date=True, url=""))


def _canonical(tree: Any) -> str:
    element = tree.find(".//link[@rel='canonical']")
    return str(element.get("href") or "") if element is not None else ""


def _address(url: str) -> dt.date | None:
    match = _IN_ADDRESS.search(url) or _IN_ADDRESS_SHORT.search(url)
    if not match:
        return None
    year, month, day = (int(part) for part in match.groups())
    try:
        return _plausible(dt.date(year, month, day))
    except ValueError:
        return None
