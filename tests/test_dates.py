"""Saved pages of our own making -> the day of publication and of the last update, from the place that states it best."""

from __future__ import annotations

import datetime as dt
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lxml.html
import pytest

from assistant.schema import Article
from assistant.sources import FileItem, dates, parse
from assistant.sources.html import parse_html

FIRST = "The river bridge in Vell was opened on Friday by Mara Lind, who said it had cost twelve million crowns."
SECOND = "Traffic across the Orve had been carried by two slow ferries since the great flood of the year 1998."
PROSE = f"<p>{FIRST}</p><p>{SECOND}</p><p>{FIRST}</p>"


@dataclass(frozen=True)
class Page:
    """A page and what a person who looks at it and at its source would say."""

    name: str
    head: str = ""
    body: str = PROSE
    url: str = ""
    published: str | None = None
    updated: str | None = None
    lang: str = "en"
    after: str = ""
    """Behind the article."""

    @property
    def markup(self) -> str:
        canonical = f"<link rel='canonical' href='{self.url}'>" if self.url else ""
        return (
            f"<!DOCTYPE html><html lang='{self.lang}'><head><meta charset='utf-8'><title>The bridge of Vell</title>{canonical}"
            f"{self.head}</head><body><header><a href='/'>The Daily Stone</a></header><main><article><h1>The bridge of"
            f" Vell</h1>{self.body}</article></main>{self.after}<footer>© 2012–2026 The Daily Stone</footer></body></html>"
        )


def ld(*objects: dict[str, Any], raw: str = "") -> str:
    content = raw or json.dumps(objects[0] if len(objects) == 1 else objects)
    return f'<script type="application/ld+json">{content}</script>'


def article(kind: str = "NewsArticle", **fields: Any) -> dict[str, Any]:
    return {"@context": "https://schema.org", "@type": kind, "headline": "The bridge of Vell", **fields}


def meta(name: str, value: str, key: str = "property") -> str:
    return f'<meta {key}="{name}" content="{value}">'


SITE = {"@context": "https://schema.org", "@type": "WebSite", "name": "The Daily Stone", "datePublished": "2012-01-01"}
OTHER = "<aside><h2>Most read</h2><ul><li><a href='/x'>A flood</a> <time datetime='2025-12-24'>24 December</time></li></ul></aside>"
COMMENTS = "<section class='comments'><div class='comment'><time datetime='2025-11-11'>11 Nov</time> I agree with it.</div></section>"
RELATED = (
    "<div class='related-teasers'><time datetime='2025-10-10'>10 Oct 2025</time> Another story about a ferry.</div>"
)

PAGES = [
    # JSON-LD
    Page("ld news", ld(article(datePublished="2024-03-01T09:30:00+01:00", dateModified="2024-03-02T10:00:00Z")), published="2024-03-01", updated="2024-03-02"),
    Page("ld date only", ld(article(datePublished="2024-03-01")), published="2024-03-01"),
    Page("ld late in the evening", ld(article(datePublished="2024-03-01T23:50:00-05:00")), published="2024-03-01"),
    Page("ld graph", ld({"@context": "https://schema.org", "@graph": [SITE, article("Article", datePublished="2024-03-01")]}), published="2024-03-01"),
    Page("ld list", ld(SITE, article("BlogPosting", datePublished="2024-03-01", dateModified="2024-04-01")), published="2024-03-01", updated="2024-04-01"),
    Page("ld several types", ld({**article(datePublished="2024-03-01"), "@type": ["NewsArticle", "WebPage"]}), published="2024-03-01"),
    Page("ld full type name", ld({**article(datePublished="2024-03-01"), "@type": "http://schema.org/NewsArticle"}), published="2024-03-01"),
    Page("ld main entity", ld({"@type": "WebPage", "datePublished": "2019-01-01", "mainEntity": article(datePublished="2024-03-01")}), published="2024-03-01"),
    Page("ld page only", ld({"@context": "https://schema.org", "@type": "WebPage", "datePublished": "2024-03-01"}), published="2024-03-01"),
    Page("ld of the site only", ld(SITE)),
    Page("ld created", ld(article(dateCreated="2024-03-01")), published="2024-03-01"),
    Page("ld line end in a string", ld(raw='{"@type": "NewsArticle", "description": "one\ntwo", "datePublished": "2024-03-01"}'), published="2024-03-01"),
    Page("ld in cdata", ld(raw='<![CDATA[ {"@type": "NewsArticle", "datePublished": "2024-03-01"} ]]>'), published="2024-03-01"),
    Page("ld broken, meta good", ld(raw='{"@type": "NewsArticle", "datePublished": "2024-') + meta("article:published_time", "2024-03-01"), published="2024-03-01"),
    Page("ld written date", ld(article(datePublished="March 1, 2024")), published="2024-03-01"),
    Page("ld updated only, meta published", ld(article(dateModified="2024-03-05")) + meta("article:published_time", "2024-03-01"), published="2024-03-01", updated="2024-03-05"),
    Page("ld live blog", ld(article("LiveBlogPosting", datePublished="2024-03-01T06:00:00Z", dateModified="2024-03-01T20:00:00Z")), published="2024-03-01", updated="2024-03-01"),
    Page("ld epoch", ld(article(datePublished="1970-01-01T00:00:00Z")) + meta("article:published_time", "2024-03-01"), published="2024-03-01"),
    Page("ld far ahead", ld(article(datePublished="2999-01-01")) + meta("article:published_time", "2024-03-01"), published="2024-03-01"),
    Page("ld breadcrumbs beside", ld({"@type": "BreadcrumbList", "itemListElement": []}) + ld(article(datePublished="2024-03-01")), published="2024-03-01"),
    # meta tags
    Page("og article", meta("article:published_time", "2024-03-01T10:00:00Z") + meta("article:modified_time", "2024-03-03T10:00:00Z"), published="2024-03-01", updated="2024-03-03"),
    Page("og updated only", meta("og:updated_time", "2024-03-03T10:00:00Z"), updated="2024-03-03"),
    Page("meta date", meta("date", "2024-03-01", "name"), published="2024-03-01"),
    Page("meta dublin core", meta("DC.date.issued", "2024-03-01", "name"), published="2024-03-01"),
    Page("meta parsely", meta("parsely-pub-date", "2024-03-01T10:00:00Z", "name"), published="2024-03-01"),
    Page("meta sailthru", meta("sailthru.date", "Fri, 01 Mar 2024 10:00:00 +0000", "name"), published="2024-03-01"),
    Page("meta citation", meta("citation_publication_date", "2024/03/01", "name"), published="2024-03-01"),
    Page("meta compact", meta("pubdate", "20240301", "name"), published="2024-03-01"),
    Page("meta itemprop", meta("datePublished", "2024-03-01", "itemprop") + meta("dateModified", "2024-03-04", "itemprop"), published="2024-03-01", updated="2024-03-04"),
    Page("meta german", meta("date", "01.03.2024", "name"), published="2024-03-01", lang="de"),
    Page("meta british slashes", meta("publish_date", "01/03/2024", "name"), published="2024-03-01", lang="en-GB"),
    Page("meta american slashes", meta("publish_date", "03/01/2024", "name"), published="2024-03-01", lang="en-US"),
    Page("meta impossible", meta("date", "2024-99-99", "name")),
    Page("meta year only", meta("date", "2024", "name")),
    # microdata, <time>, visible text
    Page("microdata", body=f"<span itemprop='datePublished' content='2024-03-01'>1 March</span>{PROSE}", published="2024-03-01"),
    Page("microdata time", body=f"<time itemprop='datePublished' datetime='2024-03-01T10:00'>today</time>{PROSE}", published="2024-03-01"),
    Page("time pubdate", body=f"<p class='byline'>By Mara Lind <time pubdate datetime='2024-03-01'>1 March</time></p>{PROSE}", published="2024-03-01"),
    Page("time plain", body=f"<p><time datetime='2024-03-01T08:00:00Z'>1 March 2024</time></p>{PROSE}", published="2024-03-01"),
    Page("time text only", body=f"<p><time>1 March 2024</time></p>{PROSE}", published="2024-03-01"),
    Page("time twice", body=f"<p>Published <time datetime='2024-03-01'>1 March</time>, updated <time datetime='2024-03-09'>9 March</time></p>{PROSE}", published="2024-03-01", updated="2024-03-09"),
    Page("time updated first", body=f"<p>Updated <time datetime='2024-03-09'>9 March</time></p><p>Published <time datetime='2024-03-01'>1 March</time></p>{PROSE}", published="2024-03-01", updated="2024-03-09"),
    Page("time by class", body=f"<time class='updated' datetime='2024-03-09'>x</time><time class='entry-date published' datetime='2024-03-01'>y</time>{PROSE}", published="2024-03-01", updated="2024-03-09"),
    Page("time of others only", after=OTHER + COMMENTS + RELATED),
    Page("time among others", body=f"<p><time datetime='2024-03-01'>1 March</time></p>{PROSE}", after=OTHER + COMMENTS + RELATED, published="2024-03-01"),
    Page("others before it", body=f"{RELATED}<p><time datetime='2024-03-01'>1 March</time></p>{PROSE}", published="2024-03-01"),
    Page("time in a wrapper named after comments", body=f"</article></main><div class='post comments-open has-sidebar'><h1>The bridge of Vell</h1><time datetime='2024-03-01'>1 March</time>{PROSE}</div><main><article>", published="2024-03-01"),
    Page("visible date line", body=f"<p class='date'>1 March 2024</p>{PROSE}", published="2024-03-01"),
    Page("visible byline", body=f"<div class='post-meta'><span class='author'>Mara Lind</span> <span class='posted-on'>March 1, 2024</span></div>{PROSE}", published="2024-03-01"),
    # the address
    Page("address", url="https://stone.example/2024/03/01/bridge", published="2024-03-01"),
    Page("address with dashes", url="https://stone.example/news/2024-03-01-bridge.html", published="2024-03-01"),
    Page("address compact", url="https://stone.example/a/bridge-20240301.html", published="2024-03-01"),
    Page("address year and month", url="https://stone.example/2024/03/bridge"),
    Page("address impossible", url="https://stone.example/2024/02/31/bridge"),
    Page("address number", url="https://stone.example/article/20991399/bridge"),
    # none
    Page("none"),
    Page("none but years in the text", body=f"<p>In 1912, and on 4 May 1998, the flood came to Vell.</p>{PROSE}"),
    Page("none but a copyright", after="<p>Copyright 2019 The Daily Stone. All rights reserved.</p>"),
    # conflicting
    Page("ld against meta", ld(article(datePublished="2024-03-01")) + meta("article:published_time", "2024-06-06"), published="2024-03-01"),
    Page("ld against all", ld(article(datePublished="2024-03-01")) + meta("date", "2024-06-06", "name"), body=f"<time datetime='2024-07-07'>7 July</time>{PROSE}", url="https://stone.example/2024/08/08/x", published="2024-03-01"),
    Page("meta against time", meta("article:published_time", "2024-03-01"), body=f"<time datetime='2024-07-07'>7 July</time>{PROSE}", published="2024-03-01"),
    Page("meta against address", meta("article:published_time", "2024-03-01"), url="https://stone.example/2024/08/08/x", published="2024-03-01"),
    Page("time against address", body=f"<time datetime='2024-03-01'>1 March</time>{PROSE}", url="https://stone.example/2024/08/08/x", published="2024-03-01"),
    Page("published after og date", meta("date", "2024-09-09", "name") + meta("article:published_time", "2024-03-01"), published="2024-03-01"),
    Page("old story, new copyright", ld(article(datePublished="1998-11-02")), published="1998-11-02"),
]  # fmt: skip


def day(stated: str | None) -> dt.date | None:
    return dt.date.fromisoformat(stated) if stated else None


def read(page: Page) -> Article:
    return parse(FileItem("corpus", "a.html", Path("/nowhere/a.html")), page.markup.encode())


def test_the_day_of_publication_is_right_on_at_least_95_of_100_saved_pages() -> None:
    found = {page.name: read(page).published for page in PAGES}
    wrong = {page.name: found[page.name] for page in PAGES if found[page.name] != day(page.published)}
    assert len(PAGES) >= 60
    assert len(found) == len(PAGES)
    assert len(wrong) <= 0.05 * len(PAGES), wrong


def test_the_day_of_the_update_is_right_on_at_least_95_of_100_saved_pages() -> None:
    wrong = {page.name: read(page).updated for page in PAGES if read(page).updated != day(page.updated)}
    assert len(wrong) <= 0.05 * len(PAGES), wrong


def test_a_day_is_kept_apart_from_the_others() -> None:
    found = read(Page("x", meta("article:modified_time", "2024-03-03")))
    assert (found.published, found.updated, found.fetched) == (None, dt.date(2024, 3, 3), None)


LISTED = {"published": "2024-03-01", "updated": "2024-03-02"}


@pytest.mark.parametrize(("page", "expected"), [
    (Page("ld", ld(article(datePublished="2024-01-01"))), "2024-01-01"), (Page("meta", meta("date", "2024-01-01", "name")), "2024-01-01"),
    (Page("time", body=f"<time datetime='2024-01-01'>x</time>{PROSE}"), "2024-03-01"),
    (Page("visible", body=f"<p class='date'>1 January 2024</p>{PROSE}"), "2024-03-01"),
    (Page("address", url="https://stone.example/2024/01/01/x"), "2024-03-01"), (Page("none"), "2024-03-01"),
])  # fmt: skip
def test_what_a_feed_says_stands_behind_meta_tags_and_before_the_visible_page(page: Page, expected: str) -> None:
    found = parse_html(page.markup, url=page.url, listed=LISTED).metadata
    assert found["published"] == day(expected)
    assert found["updated"] == dt.date(2024, 3, 2)


@pytest.mark.parametrize("head", [
    ld(raw="[" * 100_000), ld(raw='{"@graph": ' * 500 + "1" + "}" * 500), ld(raw='{"@type": "NewsArticle", "datePublished": {"a": 1}}'),
    ld(raw='{"@type": 5, "datePublished": "2024-03-01"}'), ld(raw="null"), ld(raw=f'{{"@type": "Article", "datePublished": "{"9" * 5000}"}}'),
    ld(raw='{"@type": "NewsArticle", "datePublished": "\\ud800"}'), meta("date", "x" * 100_000), meta("date", "9" * 10_000, "name"),
    "<script type='application/ld+json'></script>", "<time datetime=''></time>",
])  # fmt: skip
def test_hostile_metadata_dates_nothing_and_breaks_nothing(head: str) -> None:
    found = read(Page("x", head))
    assert (found.published, found.updated) == (None, None)
    assert FIRST in found.text


def test_many_times_deep_in_a_page_take_no_longer() -> None:
    """Each one's ancestors are looked at: of all of them it took half a minute."""
    tree = lxml.html.document_fromstring("<div>" * 200 + "<time datetime='2024-03-01'>1 March</time>" * 60_000)
    began = time.perf_counter()
    assert dates._times(tree, "en")["published"] == dt.date(2024, 3, 1)
    assert time.perf_counter() - began < 2
