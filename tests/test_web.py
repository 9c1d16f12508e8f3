"""Pages, feeds and sitemaps from a server on this machine -> Articles; politely, within limits, and to public hosts only."""

from __future__ import annotations

import gzip
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from conftest import WordEmbedder, write_article

from assistant.catalog import Catalog
from assistant.errors import ArticleUnreadable, InvalidSetting
from assistant.generations import IndexFolder
from assistant.schema import Article, Outcome, Source, SyncReport
from assistant.sources import named, web
from assistant.sources.feeds import feed_entries, kind_of, sitemap_entries
from assistant.sources.pages import PageItem, web_listing
from assistant.sources.web import Web, checked_url, is_public, unpacked
from assistant.sync import synchronise

FIRST = "The river bridge in Vell was opened on Friday by Mara Lind, who said it had cost twelve million crowns."
SECOND = "Traffic across the Orve had been carried by two slow ferries since the great flood of the year before."
THIRD = "The harbour of Tansk, which Hollen Works has built in nine years, employs three hundred people now."


def page(*paragraphs: str, head: str = "", title: str = "The bridge") -> str:
    body = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    return f"<html lang='en'><head><title>{title}</title>{head}</head><body><article><h1>{title}</h1>{body}</article></body></html>"


@dataclass
class Asked:
    path: str
    headers: dict[str, str]
    at: float


@dataclass
class Site:
    """A server whose pages a test sets: path -> (status, headers, body), or a function that answers by itself."""

    port: int = 0
    pages: dict[str, Any] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    together: int = 0
    most_together: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def put(self, path: str, body: str | bytes, kind: str = "text/html; charset=utf-8", **headers: str) -> str:
        raw = body.encode() if isinstance(body, str) else body
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages[path] = (200, {"Content-Type": kind, **named}, raw)
        return self.url + path

    def send(self, path: str, status: int, **headers: str) -> str:
        self.pages[path] = (status, {name.replace("_", "-"): value for name, value in headers.items()}, b"")
        return self.url + path

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked if asked.path != "/robots.txt"]


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.together += 1
            site.most_together = max(site.most_together, site.together)
            site.asked.append(Asked(self.path, {k.lower(): v for k, v in self.headers.items()}, time.monotonic()))
            try:
                answer = site.pages.get(self.path, (404, {}, b""))
                if callable(answer):
                    answer(self)
                    return
                status, headers, body = answer
                sent = self.headers.get("If-None-Match")
                if sent and sent == headers.get("ETag"):
                    status, body = 304, b""
                since = self.headers.get("If-Modified-Since")
                if since and since == headers.get("Last-Modified"):
                    status, body = 304, b""
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except (BrokenPipeError, ConnectionResetError):
                pass
            finally:
                site.together -= 1

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def fetcher() -> Iterator[Web]:
    fetcher = Web(pause=0)
    yield fetcher
    fetcher.close()


def get(fetcher: Web, url: str, **options: Any) -> web.Response:
    return fetcher.get(url, allow_private=True, **options)


def refusal(fetcher: Web, url: str, **options: Any) -> str:
    started = time.monotonic()
    with pytest.raises(ArticleUnreadable) as refused:
        fetcher.get(url, **options)
    assert "\n" not in str(refused.value)
    assert time.monotonic() - started < 20
    return str(refused.value)


def load(fetcher: Web, url: str, **options: Any) -> Article:
    article = PageItem(url, fetcher, allow_private=True, **options).load("")[1]
    assert article
    return article


# -- addresses ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("url", "form"), [
    ("HTTP://Stone.Example:80/a?b=1#part", "http://stone.example/a?b=1"), ("https://stone.example", "https://stone.example/"),
    ("https://stone.example:443/x", "https://stone.example/x"), ("https://stone.example/a?utm_source=x&id=7&fbclid=y", "https://stone.example/a?id=7"),
    ("https://zürich.example/ö", "https://xn--zrich-kva.example/%C3%B6"), ("http://[2606:4700::1111]:8080/", "http://[2606:4700::1111]:8080/"),
    ("https://stone.example/a%20b/c?d=%C3%B6", "https://stone.example/a%20b/c?d=%C3%B6"),
])  # fmt: skip
def test_an_address_has_one_form(url: str, form: str) -> None:
    assert checked_url(url) == form
    assert checked_url(form) == form


@pytest.mark.parametrize("url", [
    "file:///etc/passwd", "gopher://stone.example/", "ftp://stone.example/a", "javascript:alert(1)", "http://", "http:///a", "//stone.example",
    "http://user@stone.example/", "http://user:word@stone.example/", "http://a\\@stone.example/", "http://stone.example/a b",
    "http://stone.example/\x00", "http://stone.example/\r\nHost: evil", "http://stone.example:99999/", "http://stone.example:x/",
    "http://[::1/", "http://" + "a" * 300 + ".example/", "http://a..example/",
])  # fmt: skip
def test_what_is_no_plain_web_address_is_refused(url: str, fetcher: Web) -> None:
    assert refusal(fetcher, url)


@pytest.mark.parametrize("address", [
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255",
    "240.0.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "2002:a00:1::",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "192.0.0.1", "198.18.0.1", "::127.0.0.1",
])  # fmt: skip
def test_an_address_of_a_private_network_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "2130706433",
        "0x7f.1",
        "017700000001",
        "127.1",
        "0",
        "[::ffff:127.0.0.1]",
        "127.0.0.1.",
    ],
)
def test_this_machine_is_not_asked_however_it_is_written(host: str, fetcher: Web, site: Site) -> None:
    site.put("/", page(FIRST))
    assert refusal(fetcher, f"http://{host}:{site.port}/")
    assert site.asked == []


def test_a_name_is_judged_by_all_that_it_resolves_to(site: Site) -> None:
    site.put("/", page(FIRST))
    fetcher = Web(pause=0, resolve=lambda host, port: ["1.1.1.1", "127.0.0.1"])
    said = refusal(fetcher, f"http://stone.example:{site.port}/")
    assert "private network" in said
    assert "--allow-private" in said
    assert site.asked == []


def test_the_connection_goes_to_the_address_that_was_checked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is public when it is checked and private when it is connected to: it is resolved once only."""
    site.put("/", page(FIRST))
    answers = iter([["1.1.1.1"], ["127.0.0.1"], ["127.0.0.1"]])
    connected: list[str] = []

    def connect(backend: object, host: str, *rest: object, **options: object) -> None:
        connected.append(host)
        raise web.httpcore.ConnectError("refused")

    monkeypatch.setattr(web.httpcore.SyncBackend, "connect_tcp", connect)
    fetcher = Web(pause=0, resolve=lambda host, port: next(answers))
    refusal(fetcher, f"http://rebinding.example:{site.port}/")
    assert connected == ["1.1.1.1"]


def test_a_redirect_is_checked_like_any_address(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first host counts as public here, so that it can be reached at all; what it leads to does not."""
    site.put("/secret", page("CANARY"))
    site.send("/away", 302, Location=f"http://inner.example:{site.port}/secret")
    addresses = {"outer.example": "127.0.0.1", "inner.example": "127.0.0.2"}
    monkeypatch.setattr(web, "is_public", lambda address: address == "127.0.0.1")
    fetcher = Web(pause=0, resolve=lambda host, port: [addresses[host]])
    assert "inner.example lies in a private network" in refusal(fetcher, f"http://outer.example:{site.port}/away")
    assert site.paths() == ["/away"]


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "http://user@127.0.0.1/", "gopher://x/", "http://[", "http://a\\@b/"]
)
def test_a_redirect_to_what_is_no_web_address_is_refused(fetcher: Web, site: Site, target: str) -> None:
    url = site.send("/away", 302, Location=target)
    assert "redirects to" in refusal(fetcher, url, allow_private=True)


def test_redirects_are_followed_to_the_end_and_in_a_circle_they_end(fetcher: Web, site: Site) -> None:
    site.send("/a", 301, Location="/b")
    site.send("/b", 308, Location="c?x=1")
    site.put("/c?x=1", page(FIRST))
    assert get(fetcher, site.url + "/a").url == site.url + "/c?x=1"
    url = site.send("/circle", 302, Location="/circle")
    assert "more than 5 times" in refusal(fetcher, url, allow_private=True)


@pytest.mark.parametrize("charset", ["utf-8", "latin-1"])
def test_a_redirect_may_be_written_in_letters_of_any_language(fetcher: Web, site: Site, charset: str) -> None:
    place = "/art\u00edculo?a=\u00f1"
    site.put("/art%C3%ADculo?a=%C3%B1", page(FIRST))
    # The server writes its headers in latin-1.
    url = site.send("/a", 302, Location=place.encode(charset).decode("latin-1"))
    assert get(fetcher, url).status == 200


# -- limits ------------------------------------------------------------------------------------------------


def test_a_page_beyond_the_size_limit_is_cut_off_with_the_limit(fetcher: Web, site: Site) -> None:
    url = site.put("/", b"x" * 3_000_000)
    assert refusal(fetcher, url, limit=2 * 2**20, allow_private=True) == "larger than 2 MiB"


def test_a_gzip_bomb_is_cut_off_with_the_limit(fetcher: Web, site: Site) -> None:
    """A page of 100 kB that would be 100 MB."""
    url = site.put("/", gzip.compress(b"\x00" * 100_000_000, 9), Content_Encoding="gzip")
    assert "larger than 20 MiB" in refusal(fetcher, url, allow_private=True)


def test_a_compressed_page_is_read_and_a_broken_or_unknown_one_refused(fetcher: Web, site: Site) -> None:
    assert get(fetcher, site.put("/", gzip.compress(b"words"), Content_Encoding="gzip")).body == b"words"
    for body, encoding in ((b"no gzip", "gzip"), (zlib.compress(b"x"), "br")):
        assert refusal(fetcher, site.put("/x", body, Content_Encoding=encoding), allow_private=True)


def test_all_members_of_a_gzip_body_are_read_and_one_that_is_cut_off_is_refused(fetcher: Web, site: Site) -> None:
    first, second = gzip.compress(b"words "), gzip.compress(b"x" * 200_000)
    whole = {
        first + second: b"words " + b"x" * 200_000,
        first + bytes(100): b"words ",
        first + b"junk": b"words ",
        b"": b"",
    }
    for body, words in whole.items():
        assert get(fetcher, site.put("/a", body, Content_Encoding="gzip")).body == words
        assert unpacked(body, 2**20) == words
    for cut in (first[:-1], first[:12], first + second[:-9]):
        assert "cut off" in refusal(fetcher, site.put("/b", cut, Content_Encoding="gzip"), allow_private=True)
        with pytest.raises(ArticleUnreadable, match="cut off"):
            unpacked(cut, 2**20)


def test_members_of_a_gzip_body_stay_within_the_limit_together(fetcher: Web, site: Site) -> None:
    member, empty = gzip.compress(bytes(600_000), 9), gzip.compress(b"")
    for raw in (member * 2, empty * (2**20 // len(empty) + 1)):
        started = time.monotonic()
        with pytest.raises(ArticleUnreadable, match="larger than 1 MiB"):
            unpacked(raw, 2**20)
        url = site.put("/a", raw, Content_Encoding="gzip")
        assert refusal(fetcher, url, limit=2**20, allow_private=True) == "larger than 1 MiB"
        assert time.monotonic() - started < 10


def drip(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.1)


def drip_head(handler: BaseHTTPRequestHandler) -> None:
    for _ in range(100):
        handler.wfile.write(b"H")
        handler.wfile.flush()
        time.sleep(0.1)


def silent(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(10)


@pytest.mark.parametrize("answer", [drip, drip_head, silent])
def test_a_server_that_answers_too_slowly_is_left(
    fetcher: Web, site: Site, monkeypatch: pytest.MonkeyPatch, answer: Callable[[Any], None]
) -> None:
    monkeypatch.setattr(web, "SECONDS_LIMIT", 1.0)
    site.pages["/slow"] = answer
    started = time.monotonic()
    assert refusal(fetcher, site.url + "/slow", allow_private=True)
    assert time.monotonic() - started < 6


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """With a reset: nothing was read, and the close does not linger."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.wfile.close = handler.rfile.close = lambda: None  # type: ignore[method-assign]


def test_a_page_that_gets_no_answer_does_not_cost_the_others_of_its_host(
    fetcher: Web, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "SILENCE_LIMIT", 0.3)
    site.pages["/silent"], site.pages["/reset"] = silent, hang_up
    good = site.put("/a", page(FIRST))
    for bad in ("/silent", "/reset", "/silent", "/reset"):
        assert "does not answer" in refusal(fetcher, site.url + bad, allow_private=True)
        assert get(fetcher, good).status == 200


def test_a_host_that_gives_no_answer_three_times_in_a_row_is_left(
    fetcher: Web, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "SILENCE_LIMIT", 0.3)
    site.put("/robots.txt", "", "text/plain")
    for name in "abcd":
        site.pages[f"/{name}"] = silent
        assert "does not answer" in refusal(fetcher, f"{site.url}/{name}", allow_private=True)
    assert site.paths() == ["/a", "/b", "/c"]


@pytest.mark.parametrize("answer", [b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 300_000, b""])
def test_a_server_that_speaks_no_http_is_one_line(fetcher: Web, site: Site, answer: bytes) -> None:
    site.put("/robots.txt", "", "text/plain")
    site.pages["/x"] = lambda handler: handler.wfile.write(answer)
    assert refusal(fetcher, site.url + "/x", allow_private=True)


def test_a_server_that_cannot_prove_who_it_is_is_one_line(fetcher: Web, site: Site) -> None:
    """Here it speaks no TLS at all; a wrong certificate takes the same way."""
    assert "does not answer" in refusal(fetcher, f"https://127.0.0.1:{site.port}/a", allow_private=True)
    assert site.paths() == []


def test_a_host_that_is_not_there_is_tried_once_only(fetcher: Web) -> None:
    tried = []

    def resolve(host: str, port: int) -> list[str]:
        tried.append(host)
        raise OSError("no such host")

    fetcher = Web(pause=0, resolve=resolve)
    for path in ("a", "b", "c"):
        assert "there is no host" in refusal(fetcher, f"http://gone.example/{path}")
    assert tried == ["gone.example"]


# -- manners -----------------------------------------------------------------------------------------------


def test_robots_txt_is_asked_first_and_obeyed(fetcher: Web, site: Site) -> None:
    site.put("/robots.txt", "User-agent: *\nDisallow: /private/\nAllow: /private/open\n", "text/plain")
    site.put("/private/a", page(FIRST))
    site.put("/private/open", page(FIRST))
    assert "robots.txt" in refusal(fetcher, site.url + "/private/a", allow_private=True)
    assert get(fetcher, site.url + "/private/open").status == 200
    assert [asked.path for asked in site.asked] == ["/robots.txt", "/private/open"]
    assert site.asked[0].headers["user-agent"].startswith("article-assistant/")


def test_robots_txt_may_name_us(fetcher: Web, site: Site) -> None:
    site.put("/robots.txt", "User-agent: article-assistant\nDisallow: /\n\nUser-agent: *\nAllow: /\n", "text/plain")
    assert "robots.txt" in refusal(fetcher, site.put("/a", page(FIRST)), allow_private=True)


def test_robots_txt_may_begin_with_a_byte_order_mark(fetcher: Web, site: Site) -> None:
    site.put("/robots.txt", "\ufeffUser-agent: *\nDisallow: /\n", "text/plain")
    assert "robots.txt" in refusal(fetcher, site.put("/a", page(FIRST)), allow_private=True)


@pytest.mark.parametrize(("status", "allowed"), [(404, True), (403, True), (500, False), (503, False)])
def test_without_robots_txt_all_is_allowed_and_while_the_server_fails_nothing(
    fetcher: Web, site: Site, status: int, allowed: bool
) -> None:
    site.send("/robots.txt", status)
    url = site.put("/a", page(FIRST))
    if allowed:
        assert get(fetcher, url).status == 200
    else:
        assert refusal(fetcher, url, allow_private=True)
        assert site.paths() == []


def test_a_redirect_is_held_against_robots_txt_too(fetcher: Web, site: Site) -> None:
    site.put("/robots.txt", "User-agent: *\nDisallow: /no\n", "text/plain")
    url = site.send("/a", 302, Location="/no")
    assert "robots.txt" in refusal(fetcher, url, allow_private=True)


def test_between_two_requests_there_is_a_pause_and_a_longer_one_if_robots_txt_asks_for_it(site: Site) -> None:
    site.put("/a", page(FIRST))
    for pause, delay, least in ((0.2, "", 0.2), (0.0, "Crawl-delay: 0.4", 0.4)):
        site.asked.clear()
        site.put("/robots.txt", f"User-agent: *\nAllow: /\n{delay}\n", "text/plain")
        fetcher = Web(pause=pause)
        for _ in range(2):
            get(fetcher, site.url + "/a")
        fetcher.close()
        times = [asked.at for asked in site.asked if asked.path == "/a"]
        assert times[1] - times[0] >= least
    assert site.most_together == 1


def test_a_server_that_asks_for_rest_gets_it(fetcher: Web, site: Site) -> None:
    url = site.send("/busy", 429, Retry_After="60")
    site.put("/a", page(FIRST))
    assert "left alone" in refusal(fetcher, url, allow_private=True)
    assert "left alone" in refusal(fetcher, site.url + "/a", allow_private=True)
    assert site.paths() == ["/busy"]
    assert fetcher.rests == {urlsplit(url).netloc: 60}


@pytest.mark.parametrize(("header", "seconds"), [
    ("120", 120), (" 120 ", 120), ("9999999999999", web.LONGEST_REST), ("-5", 0), ("soon", 0), ("²", 0), ("", 0),
    ("Fri, 01 Mar 2024 10:00:00 GMT", 0), ("Fri, 01 Mar 2999 10:00:00 GMT", web.LONGEST_REST),
    ("Fri, 01 Mar 2999 10:00:00 -0000", web.LONGEST_REST), ("Fri, 99 Mar 2999 10:00:00 GMT", 0),
])  # fmt: skip
def test_rest_is_asked_for_in_seconds_or_by_a_date_and_for_a_day_at_most(
    fetcher: Web, site: Site, header: str, seconds: float
) -> None:
    url = site.send("/busy", 503, Retry_After=header.replace("²", "\xb2"))
    refusal(fetcher, url, allow_private=True)
    assert fetcher.rests.get(urlsplit(url).netloc, 0) == seconds


# -- pages -------------------------------------------------------------------------------------------------


def test_a_page_is_an_article_with_the_day_on_which_it_was_fetched(fetcher: Web, site: Site) -> None:
    head = "<meta property='article:published_time' content='2024-03-01'><meta property='og:site_name' content='The Stone'>"
    found = load(fetcher, site.put("/bridge", page(FIRST, SECOND, head=head)))
    assert found.text == f"{FIRST}\n\n{SECOND}"
    assert (found.title, found.source, found.published) == ("The bridge", "The Stone", date(2024, 3, 1))
    assert found.fetched == datetime.now(UTC).date()
    assert (found.url, found.location) == (site.url + "/bridge", site.url + "/bridge")


def test_a_page_may_not_claim_the_address_of_another_site(fetcher: Web, site: Site) -> None:
    head = "<link rel='canonical' href='https://bank.example/login'>"
    assert load(fetcher, site.put("/a", page(FIRST, SECOND, head=head))).url == site.url + "/a"
    for hostile in (
        "http://[",
        "javascript:alert(1)",
        "http://user@x\\@y/",
        "//bank.example",
        "http://\u2100.example/",
        "x" * 5_000,
    ):
        head = f"<link rel='canonical' href='{hostile}'><meta property='og:url' content='{hostile}'>"
        assert load(fetcher, site.put("/c", page(FIRST, SECOND, head=head))).url == site.url + "/c"
    own = f"<link rel='canonical' href='{site.url}/own'>"
    assert load(fetcher, site.put("/b", page(FIRST, SECOND, head=own))).url == site.url + "/own"


@pytest.mark.parametrize(
    ("charset", "header"),
    [
        ("utf-8", "text/html; charset=utf-8"),
        ("latin-1", "text/html; charset=ISO-8859-1"),
        ("cp1252", "text/html"),
        ("utf-8", "text/html; charset=no-such"),
    ],
)
def test_a_page_is_decoded_as_its_server_says_or_as_it_can_be(
    fetcher: Web, site: Site, charset: str, header: str
) -> None:
    text = "Das Café an der Brücke über die Orve öffnet am Freitag, sagte Mara Lind; es ist für alle geöffnet."
    assert text in load(fetcher, site.put("/a", page(text, text + " Später mehr.").encode(charset), header)).text


def test_a_page_that_names_its_own_charset_is_decoded_so(fetcher: Web, site: Site) -> None:
    text = "Мост через реку был открыт в пятницу утром, сказал мэр города."
    raw = page(text, text, head="<meta charset='windows-1251'>").encode("cp1251")
    assert text in load(fetcher, site.put("/a", raw, "text/html")).text


@pytest.mark.parametrize(("kind", "body", "says"), [
    ("image/png", b"\x89PNG", "image/png"), ("application/zip", b"PK", "application/zip"), ("text/html", b"", "empty"),
    ("text/html", b"\x00\x01\x02" * 500, "binary"), ("application/pdf", b"%PDF garbage", "PDF"),
])  # fmt: skip
def test_what_is_no_page_is_refused(fetcher: Web, site: Site, kind: str, body: bytes, says: str) -> None:
    with pytest.raises(ArticleUnreadable, match=says):
        load(fetcher, site.put("/a", body, kind))


def test_other_texts_than_pages_are_read(fetcher: Web, site: Site) -> None:
    from made_files import pdf

    assert load(fetcher, site.put("/a", FIRST, "text/plain")).text == FIRST
    assert load(fetcher, site.put("/b", f"---\ntitle: T\n---\n{FIRST}", "text/markdown")).title == "T"
    assert (
        load(fetcher, site.put("/c", pdf([["The bridge is open."]]), "application/pdf")).text == "The bridge is open."
    )


# -- feeds and sitemaps ------------------------------------------------------------------------------------


def rss(*items: str, title: str = "The Daily Stone") -> str:
    return f"<?xml version='1.0'?><rss version='2.0'><channel><title>{title}</title><language>en</language>{''.join(items)}</channel></rss>"


def rss_item(url: str, day: str = "Fri, 01 Mar 2024 10:00:00 +0000", title: str = "The bridge") -> str:
    return f"<item><title>{title}</title><link>{url}</link><pubDate>{day}</pubDate></item>"


def atom(*entries: str) -> str:
    return f"<?xml version='1.0'?><feed xmlns='http://www.w3.org/2005/Atom'><title>The Daily Stone</title>{''.join(entries)}</feed>"


def atom_entry(url: str, updated: str) -> str:
    return (
        f"<entry><title>A &lt;b&gt;bridge&lt;/b&gt;</title><link href='{url}'/><author><name>Mara Lind</name></author>"
        f"<published>2024-03-01T10:00:00Z</published><updated>{updated}</updated></entry>"
    )


def sitemap(*entries: tuple[str, str], news: str = "") -> str:
    urls = "".join(f"<url><loc>{url}</loc><lastmod>{day}</lastmod>{news}</url>" for url, day in entries)
    return (
        "<?xml version='1.0'?><urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'"
        f" xmlns:news='http://www.google.com/schemas/sitemap-news/0.9'>{urls}</urlset>"
    )


def test_an_entry_of_a_feed_says_what_it_says() -> None:
    (one,) = feed_entries(rss(rss_item("/a")).encode(), "https://stone.example/feed")
    assert one.url == "https://stone.example/a"
    assert (one.metadata["title"], one.metadata["source"], one.stamp) == ("The bridge", "The Daily Stone", "")
    (two,) = feed_entries(atom(atom_entry("https://stone.example/b", "2024-03-02")).encode(), "https://stone.example/")
    assert (two.metadata["title"], two.metadata["author"], two.stamp) == ("A bridge", "Mara Lind", "2024-03-02")
    assert two.metadata["published"] == "2024-03-01T10:00:00Z"


@pytest.mark.parametrize(("link", "place"), [
    ("<guid>https://stone.example/a</guid>", "https://stone.example/a"), ("<guid isPermaLink='true'>https://stone.example/a</guid>", "https://stone.example/a"),
    ("<link>/b</link><guid>episode-7</guid>", "https://stone.example/b"), ("<guid>episode-7</guid>", ""), ("<guid isPermaLink='true'>tag:7</guid>", ""),
    ("<guid isPermaLink='false'>https://stone.example/a</guid>", ""), ("<enclosure url='https://stone.example/a.mp3' type='audio/mpeg' length='9'/>", ""), ("<link/>", ""),
])  # fmt: skip
def test_an_entry_leads_to_its_link_or_to_the_address_that_names_it(link: str, place: str) -> None:
    raw = rss(f"<item><title>Episode 7</title>{link}</item>").encode()
    assert [(one.url, one.metadata["title"]) for one in feed_entries(raw, "https://stone.example/feed")] == [
        (place, "Episode 7")
    ]


@pytest.mark.parametrize(("raw", "kind"), [
    (rss(), "feed"), (atom(), "feed"), ("<rdf:RDF xmlns:rdf='x'/>", "feed"), (sitemap(), "sitemap"), ("<sitemapindex/>", "sitemap index"),
    ("\ufeff<?xml version='1.0'?>\n<!-- a --><!DOCTYPE rss [<!ENTITY a 'b'>]>\n<rss/>", "feed"), (page(FIRST), ""), ("", ""), ("<!DOCTYPE html><html>", ""),
    ("words", ""), ("<" * 1000, ""), ("<!--" * 30_000, ""), ("<?" * 50_000, ""),
    ("<!---->" * 14_000 + "x", ""), ("<!---->\n" * 10_000 + "<rss/>", "feed"), ("<?a?>" * 19_000 + "x", ""), ("<!DOCTYPE a>" * 8_000, ""),
    ("<!DOCTYPE a [ ]" * 6_000, ""), ("<!DOCTYPE a " + " " * 90_000, ""), ("<!DOCTYPE a [" + "]  " * 30_000, ""), (" " * 99_000, ""),
    ("<" + "a" * 99_000, ""), ("<!DOCTYPE rss SYSTEM 'x'><rss/>", "feed"), ("<!-- a --><?b?><!DOCTYPE x [<!ENTITY a 'b'>] ><a:urlset/>", "sitemap"),
])  # fmt: skip
def test_a_list_is_known_by_its_first_element(raw: str, kind: str) -> None:
    started = time.monotonic()
    assert kind_of(raw.encode()) == kind
    assert time.monotonic() - started < 2


LAUGHS = "<!DOCTYPE l [<!ENTITY a 'ha'>" + "".join(
    f"<!ENTITY {chr(98 + i)} '{f'&{chr(97 + i)};' * 10}'>" for i in range(9)
)


def test_entities_of_a_feed_or_sitemap_bring_nothing_in(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("CANARY")
    external = f"<!DOCTYPE rss [<!ENTITY j SYSTEM 'file://{tmp_path}/secret'>]>"
    for prologue in (f"{LAUGHS}]>", external):
        raw = f"<?xml version='1.0'?>{prologue}" + rss(rss_item("https://stone.example/&j;", title="&j;"))[21:]
        started = time.monotonic()
        assert "CANARY" not in str(feed_entries(raw.encode(), "https://stone.example/"))
        assert len(str(feed_entries(raw.encode(), "https://stone.example/"))) < 10_000
        with pytest.raises(ArticleUnreadable):
            sitemap_entries(f"<?xml version='1.0'?>{prologue}<urlset><url><loc>&j;</loc></url></urlset>".encode(), "")
        assert time.monotonic() - started < 10


@pytest.mark.parametrize("raw", [
    "<rss", "<rss><channel><item><title>x", "<feed>" * 2_000, "<rss><channel><item><link/></item></channel></rss", "<rss>\x00</rss>",
])  # fmt: skip
def test_a_broken_feed_gives_what_can_be_read_or_one_line(raw: str) -> None:
    try:
        assert all(
            entry.url or entry.metadata["title"] for entry in feed_entries(raw.encode(), "https://stone.example/")
        )
    except ArticleUnreadable as error:
        assert "\n" not in str(error)  # noqa: PT017


def listed(fetcher: Web, url: str, kind: str = "address") -> tuple[str, bool, list[str]]:
    found = web_listing(Source(url, url, kind, allow_private=True), fetcher)
    return found.kind, found.complete, [item.location for item in found.found]


def test_an_address_is_what_it_turns_out_to_be(fetcher: Web, site: Site) -> None:
    assert listed(fetcher, site.put("/page", page(FIRST))) == ("page", True, [site.url + "/page"])
    feed = rss(rss_item("/a?utm_source=rss"), rss_item("/b"), rss_item("/a"))
    assert listed(fetcher, site.put("/feed", feed)) == ("feed", False, [site.url + "/a", site.url + "/b"])
    whole = site.put("/map", sitemap((site.url + "/a", "2024-03-01")), "application/xml")
    assert listed(fetcher, whole) == ("sitemap", True, [site.url + "/a"])
    packed = site.put("/map.xml.gz", gzip.compress(sitemap((site.url + "/b", "2024")).encode()), "application/gzip")
    news = "<news:news><news:title>T</news:title></news:news>"
    recent = site.put("/news", sitemap((site.url + "/c", "2024"), news=news))
    assert listed(fetcher, recent)[1] is False
    index = f"<sitemapindex><sitemap><loc>{whole}</loc></sitemap><sitemap><loc>{packed}</loc></sitemap></sitemapindex>"
    assert listed(fetcher, site.put("/index", index)) == ("sitemap", True, [site.url + "/a", site.url + "/b"])
    twice = index.replace(
        packed, f"{whole}</loc></sitemap><sitemap><loc>{site.put('/map2', sitemap((site.url + '/a', '2025')))}"
    )
    assert listed(fetcher, site.put("/i1", twice)) == ("sitemap", True, [site.url + "/a"])
    broken = f"<sitemapindex><sitemap><loc>{whole}</loc></sitemap><sitemap><loc>/gone</loc></sitemap></sitemapindex>"
    assert listed(fetcher, site.put("/i2", broken)) == ("sitemap", False, [site.url + "/a", site.url + "/gone"])


# -- in an index -------------------------------------------------------------------------------------------


@dataclass
class Index:
    folder: IndexFolder
    corpus: Path
    embedder: WordEmbedder

    def sync(self, *chosen: str, rebuild: bool = False, forget: tuple[str, ...] = ()) -> SyncReport:
        return synchronise(
            self.folder, self.embedder, corpus=self.corpus, chosen=chosen, allow_private=True, web=Web(pause=0),
            passage_words=90, overlap_words=25, rebuild=rebuild, forget=forget,
        )  # fmt: skip

    def articles(self) -> list[Article]:
        catalog = Catalog(self.folder.catalog)
        try:
            return catalog.articles(self.folder.current())
        finally:
            catalog.close()

    def sources(self) -> dict[str, Source]:
        catalog = Catalog(self.folder.catalog)
        try:
            return catalog.sources()
        finally:
            catalog.close()


@pytest.fixture
def index(index_folder: IndexFolder, tmp_path: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch) -> Index:
    """Of no articles yet; a bare sync refreshes what was named alone."""
    (tmp_path / "none").mkdir()
    monkeypatch.setattr("assistant.sync.default_corpus", lambda: tmp_path / "none")
    monkeypatch.setattr("assistant.vectors.verify", lambda *arguments: None)
    return Index(index_folder, tmp_path / "none", embedder)


def counts(report: SyncReport) -> dict[str, int]:
    return {what: count for what, count in report.to_dict()["counts"].items() if count}


def told(report: SyncReport, what: str) -> list[Outcome]:
    return [outcome for outcome in report.outcomes if outcome.what == what]


def test_a_page_that_has_not_changed_is_not_sent_again(index: Index, site: Site) -> None:
    url = site.put("/a", page(FIRST, SECOND), ETag='"1"', Last_Modified="Fri, 01 Mar 2024 10:00:00 GMT")
    assert counts(index.sync(url)) == {"added": 1}
    site.asked.clear()
    assert counts(index.sync()) == {"unchanged": 1}
    (asked,) = (asked for asked in site.asked if asked.path == "/a")
    assert asked.headers["if-none-match"] == '"1"'
    assert asked.headers["if-modified-since"] == "Fri, 01 Mar 2024 10:00:00 GMT"
    site.put("/a", page(FIRST, THIRD), ETag='"2"')
    assert counts(index.sync()) == {"changed": 1}
    assert THIRD in index.articles()[0].text
    assert index.sources()[url].kind == "page"


@pytest.mark.parametrize("kept", [False, True], ids=["new", "stored by an earlier version"])
def test_an_odd_header_is_not_sent_back_and_ends_no_sync(
    index: Index, site: Site, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    odd = {"ETag": '"\xe9"', "Last-Modified": "Fr, 01 M\xe4r 2024 10:00:00 GMT"}
    site.put("/a", page(FIRST, SECOND), **odd)
    url = site.put("/feed", rss(rss_item("/a")), **odd)
    index.sync(url)
    if kept:
        catalog = Catalog(index.folder.catalog)
        validators = {
            place: replace(each, etag=odd["ETag"], modified=odd["Last-Modified"])
            for place, each in catalog.validators().items()
        }
        assert validators
        with catalog.transaction():
            catalog.add_validators(validators)
        catalog.close()
    site.asked.clear()
    assert counts(index.sync()) == {"unchanged": 1}
    assert site.paths() == ["/feed", "/a"]
    assert not any("if-none-match" in asked.headers for asked in site.asked)


def test_a_page_whose_bytes_differ_each_time_is_unchanged_while_its_article_is(index: Index, site: Site) -> None:
    url = site.put("/a", page(FIRST, SECOND, head="<meta name='nonce' content='1'>"))
    index.sync(url)
    fetched = index.articles()[0].fetched
    site.put("/a", page(FIRST, SECOND, head="<meta name='nonce' content='2'>"))
    index.embedder.embedded.clear()
    assert counts(index.sync()) == {"unchanged": 1}
    assert (index.articles()[0].fetched, index.embedder.embedded) == (fetched, [])


def test_a_page_that_is_gone_leaves_and_one_that_fails_stays(index: Index, site: Site) -> None:
    url = site.put("/a", page(FIRST, SECOND))
    index.sync(url)
    site.send("/a", 500)
    report = index.sync()
    assert counts(report) == {"failed": 1}
    assert "status 500; its last readable version stays" in told(report, "failed")[0].reason
    assert len(index.articles()) == 1
    site.send("/a", 410)
    assert counts(index.sync()) == {"removed": 1}
    assert index.articles() == []


def test_a_feed_s_articles_come_and_stay_when_they_leave_the_feed(index: Index, site: Site) -> None:
    site.put("/a", page(FIRST, SECOND, title="A"))
    site.put("/b", page(THIRD, SECOND, title="B"))
    url = site.put("/feed", rss(rss_item("/a", title="A")), ETag='"1"')
    assert counts(index.sync(url)) == {"added": 1}
    (first,) = index.articles()
    assert first.published == date(2024, 3, 1)
    site.put("/feed", rss(rss_item("/b", title="B")), ETag='"2"')
    assert counts(index.sync()) == {"added": 1}
    assert {article.title for article in index.articles()} == {"A", "B"}
    assert index.sources()[url].kind == "feed"


def test_a_feed_that_has_not_changed_is_asked_for_alone(index: Index, site: Site) -> None:
    site.put("/a", page(FIRST, SECOND))
    url = site.put("/feed", rss(rss_item("/a")), ETag='"1"')
    index.sync(url)
    site.asked.clear()
    assert counts(index.sync()) == {"unchanged": 1}
    assert site.paths() == ["/feed"]


def test_a_sync_says_which_sources_have_to_rest(index: Index, site: Site) -> None:
    site.put("/a", page(FIRST, SECOND))
    url = site.put("/feed", rss(rss_item("/a")))
    index.sync(url)
    site.send("/feed", 429, Retry_After="90")
    assert index.sync().rests == {urlsplit(url).netloc: 90}


def test_a_feed_that_was_forgotten_is_read_again_when_it_is_named_again(index: Index, site: Site) -> None:
    site.put("/a", page(FIRST, SECOND))
    url = site.put("/feed", rss(rss_item("/a")), ETag='"1"')
    index.sync(url)
    assert counts(index.sync(forget=(f"{url.upper().replace('/FEED', '/feed')}?utm_source=x#top",))) == {"removed": 1}
    assert counts(index.sync(url)) == {"added": 1}


def test_what_a_killed_sync_had_fetched_comes_though_the_feed_has_not_changed(
    index: Index, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed when all was written, and nothing of it answered yet."""

    def killed(folder: IndexFolder, number: int) -> None:
        raise KeyboardInterrupt

    index.sync(site.put("/b", page(SECOND, FIRST)))
    site.put("/a", page(FIRST, SECOND), ETag='"a"')
    url = site.put("/feed", rss(rss_item("/a")), ETag='"1"')
    with monkeypatch.context() as patch:
        patch.setattr(IndexFolder, "swap", killed)
        with pytest.raises(KeyboardInterrupt):
            index.sync(url)
    assert counts(index.sync(url)) == {"added": 1}


def test_what_failed_is_tried_again_though_the_feed_has_not_changed(index: Index, site: Site) -> None:
    site.send("/a", 500)
    url = site.put("/feed", rss(rss_item("/a")), ETag='"1"')
    assert counts(index.sync(url)) == {"failed": 1}
    site.put("/a", page(FIRST, SECOND))
    assert counts(index.sync()) == {"added": 1}


def test_an_entry_that_says_that_it_has_not_changed_is_not_asked_for(index: Index, site: Site) -> None:
    site.put("/a", page(FIRST, SECOND))
    site.put("/b", page(THIRD, SECOND))
    days = {"a": "2024-03-01", "b": "2024-03-02"}
    url = site.put("/map", sitemap(*((f"{site.url}/{name}", day) for name, day in days.items())))
    assert counts(index.sync(url)) == {"added": 2}
    site.asked.clear()
    site.put("/b", page(THIRD, FIRST))
    days["b"] = "2024-03-09"
    site.put("/map", sitemap(*((f"{site.url}/{name}", day) for name, day in days.items())))
    assert counts(index.sync()) == {"changed": 1, "unchanged": 1}
    assert site.paths() == ["/map", "/b"]


def test_what_a_whole_sitemap_does_not_name_any_longer_leaves(index: Index, site: Site) -> None:
    site.put("/a", page(FIRST, SECOND))
    site.put("/b", page(THIRD, SECOND))
    url = site.put("/map", sitemap((f"{site.url}/a", "2024"), (f"{site.url}/b", "2024")))
    index.sync(url)
    site.put("/map", sitemap((f"{site.url}/b", "2024")))
    assert counts(index.sync()) == {"removed": 1, "unchanged": 1}


def test_a_page_that_two_sitemaps_of_an_index_name_is_one_article(index: Index, site: Site) -> None:
    site.put("/a", page(FIRST, SECOND))
    site.put("/b", page(THIRD, SECOND))
    entry = (f"{site.url}/a", "2024")
    site.put("/one", sitemap(entry))
    site.put("/two", sitemap(entry, (f"{site.url}/b", "2024")))
    maps = "".join(f"<sitemap><loc>/{name}</loc></sitemap>" for name in ("one", "two", "one"))
    url = site.put("/maps", f"<sitemapindex>{maps}</sitemapindex>")
    assert counts(index.sync(url)) == {"added": 2}
    assert site.paths() == ["/maps", "/one", "/two", "/a", "/b"]
    assert counts(index.sync()) == {"unchanged": 2}


@pytest.mark.parametrize("empty", ["<urlset/>", "<sitemapindex/>"])
def test_a_sitemap_that_is_empty_all_at_once_keeps_its_articles(index: Index, site: Site, empty: str) -> None:
    site.put("/a", page(FIRST, SECOND))
    site.put("/b", page(THIRD, SECOND))
    whole = sitemap((f"{site.url}/a", "2024"), (f"{site.url}/b", "2024"))
    url = site.put("/map", whole, ETag='"1"')
    index.sync(url)
    site.put("/map", empty, ETag='"2"')
    for _ in range(2):
        report = index.sync()
        assert counts(report) == {"failed": 1}
        assert "names no page now; its articles stay" in told(report, "failed")[0].reason
    assert len(index.articles()) == 2
    site.put("/map", whole, ETag='"1"')
    assert counts(index.sync()) == {"unchanged": 2}


@pytest.mark.parametrize("answer", ["down", "page", "error", "broken"])
def test_a_feed_that_cannot_be_read_keeps_its_articles(index: Index, site: Site, answer: str) -> None:
    site.put("/a", page(FIRST, SECOND))
    url = site.put("/feed", sitemap((f"{site.url}/a", "2024")))
    index.sync(url)
    if answer == "page":
        site.put("/feed", page("We are having a break. " * 20))
    elif answer == "broken":
        site.put("/feed", "<?xml version='1.0'?><urlset><url>")
    else:
        site.send("/feed", 500 if answer == "error" else 503)
    report = index.sync()
    assert counts(report) == {"failed": 1}
    assert "its articles stay; to remove them type: assistant sync --forget" in told(report, "failed")[0].reason
    assert len(index.articles()) == 1
    assert counts(index.sync(forget=(url,))) == {"removed": 1}


def test_an_address_that_never_answered_is_failed_and_not_remembered(index: Index, site: Site) -> None:
    report = index.sync(site.url + "/nowhere")
    assert counts(report) == {"failed": 1}
    assert index.sources() == {}


def test_an_article_in_two_sources_is_indexed_once(index: Index, site: Site) -> None:
    single = site.put("/a", page(FIRST, SECOND))
    feed = site.put("/feed", rss(rss_item("/a")))
    assert counts(index.sync(single)) == {"added": 1}
    report = index.sync(feed)
    assert counts(report) == {"skipped": 1}
    assert f"already in {single}" in told(report, "skipped")[0].reason
    assert counts(index.sync()) == {"unchanged": 1, "skipped": 1}
    assert len(index.articles()) == 1


def test_what_a_forgotten_source_held_comes_from_the_other_that_shows_it(index: Index, site: Site) -> None:
    """Though the list of the other has not changed."""
    site.put("/a", page(FIRST, SECOND))
    site.put("/b", page(THIRD, SECOND))
    first = site.put("/first", rss(rss_item("/a")), ETag='"1"')
    second = site.put("/second", sitemap((f"{site.url}/a", "2024"), (f"{site.url}/b", "2024")), ETag='"2"')
    index.sync(first)
    assert counts(index.sync(second)) == {"added": 1, "skipped": 1}
    assert counts(index.sync(forget=(first,))) == {"removed": 1, "added": 1, "unchanged": 1}
    assert {article.location for article in index.articles()} == {f"{site.url}/a", f"{site.url}/b"}


def test_what_leaves_one_source_comes_from_the_other_that_shows_it(index: Index, site: Site) -> None:
    site.put("/a", page(FIRST, SECOND))
    site.put("/b", page(THIRD, SECOND))
    first = site.put("/first", sitemap((f"{site.url}/a", "2024"), (f"{site.url}/b", "2024")))
    second = site.put("/second", rss(rss_item("/a")), ETag='"2"')
    index.sync(first)
    assert counts(index.sync(second)) == {"skipped": 1}
    site.put("/first", sitemap((f"{site.url}/b", "2024")))
    index.sync()
    index.sync()
    assert {article.location for article in index.articles()} == {f"{site.url}/a", f"{site.url}/b"}


def test_a_page_of_which_a_sitemap_gives_no_day_is_asked_for_though_the_sitemap_has_not_changed(
    index: Index, site: Site
) -> None:
    site.put("/a", page(FIRST, SECOND), ETag='"a"')
    site.put("/b", page(THIRD, SECOND), ETag='"b1"')
    url = site.put("/map", sitemap((f"{site.url}/a", ""), (f"{site.url}/b", "")), ETag='"1"')
    index.sync(url)
    site.put("/b", page(THIRD, FIRST), ETag='"b2"')
    site.asked.clear()
    assert counts(index.sync()) == {"changed": 1, "unchanged": 1}
    assert {asked.path: asked.headers.get("if-none-match") for asked in site.asked if asked.path in ("/a", "/b")} == {
        "/a": '"a"',
        "/b": '"b1"',
    }


def test_a_sitemap_that_gives_every_day_and_has_not_changed_is_asked_for_alone(index: Index, site: Site) -> None:
    site.put("/a", page(FIRST, SECOND))
    url = site.put("/map", sitemap((f"{site.url}/a", "2024")), ETag='"1"')
    index.sync(url)
    site.asked.clear()
    assert counts(index.sync()) == {"unchanged": 1}
    assert site.asked[-1].headers.get("if-none-match") == '"1"'
    assert site.paths() == ["/map"]


def test_a_rebuild_asks_for_everything_again_and_keeps_what_cannot_be_had(index: Index, site: Site) -> None:
    url = site.put("/a", page(FIRST, SECOND), ETag='"1"')
    index.sync(url)
    assert counts(index.sync(rebuild=True)) == {"changed": 1}
    site.send("/a", 500)
    assert counts(index.sync(rebuild=True)) == {"failed": 1}
    assert len(index.articles()) == 1


def test_a_private_address_behind_a_feed_is_refused_and_the_rest_is_read(
    index: Index, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The site itself counts as public here; metadata services of clouds do not."""
    site.put("/a", page(FIRST, SECOND))
    url = site.put("/feed", rss(rss_item("/a"), rss_item("http://169.254.169.254/latest/meta-data/")))
    monkeypatch.setattr(web, "is_public", lambda address: address == "127.0.0.1")
    report = synchronise(
        index.folder, index.embedder, corpus=index.corpus, chosen=[url], web=Web(pause=0), passage_words=90, overlap_words=25
    )  # fmt: skip
    assert counts(report) == {"added": 1, "failed": 1}
    assert "private network" in told(report, "failed")[0].reason


def test_hostile_entries_of_a_feed_are_outcomes(index: Index, site: Site) -> None:
    site.put("/a", page(FIRST, SECOND))
    links = ["file:///etc/passwd", "javascript:alert(1)", "http://user@127.0.0.1/", "/a"]
    report = index.sync(site.put("/feed", rss(*(rss_item(link) for link in links))))
    assert counts(report) == {"added": 1, "failed": 3}


def test_what_a_feed_names_and_nobody_may_read_is_skipped_and_no_failure(index: Index, site: Site) -> None:
    """A dead link, a picture or a forbidden page in a feed would make every sync fail for ever."""
    site.put("/robots.txt", "User-agent: *\nDisallow: /no\n", "text/plain")
    site.put("/a", page(FIRST, SECOND))
    site.put("/no", page(THIRD, SECOND))
    site.put("/picture", b"\x89PNG", "image/png")
    report = index.sync(site.put("/feed", rss(*(rss_item(link) for link in ("/a", "/no", "/gone", "/picture")))))
    assert counts(report) == {"added": 1, "skipped": 3}
    assert [outcome.reason.split(" (")[0] for outcome in told(report, "skipped")] == [
        f"the robots.txt of 127.0.0.1:{site.port} asks not to read it",
        "the server says that it is gone",
        "not a format that can be read",
    ]


def test_entries_that_name_no_page_are_told_and_are_no_failure(index: Index, site: Site) -> None:
    """An episode that is only to be heard would make every sync fail for ever."""
    site.put("/a", page(FIRST, SECOND))
    sound = "<item><title>Episode &lt;b&gt;7&lt;/b&gt;</title><guid isPermaLink='false'>7</guid></item>"
    url = site.put("/feed", rss(rss_item("/a"), sound, sound), ETag='"1"')
    report = index.sync(url)
    assert counts(report) == {"added": 1, "skipped": 2}
    assert {(one.location, one.reason) for one in told(report, "skipped")} == {
        ("Episode 7", "the feed names no page for it")
    }
    site.asked.clear()
    assert counts(index.sync()) == {"unchanged": 1}
    assert site.paths() == ["/feed"]


def test_addresses_that_are_none_are_wrong_input(tmp_path: Path) -> None:
    for what in ("ftp://stone.example/a", "http://user:word@stone.example/", "file:///etc/passwd"):
        with pytest.raises(InvalidSetting):
            named(what)
    write_article(tmp_path / "http:" / "a.md", "A", "B", "2024-01-01", "Text of a file in a folder of an odd name.")
    assert named(tmp_path / "http:").kind == "folder"
