# ruff: noqa: F811 - fixtures of test_web
"""Bytes, folders and lists made to break a sync -> one line each, while the other articles are read.

Where each fault of the issue is tested; those below are this module's, "full" ones only with `make test FULL=1`.

| fault | test |
|---|---|
| NUL bytes, invalid UTF-8, binary | test_sources, test_sync (a folder of hostile files) |
| PDF bomb, forms in forms, encrypted, scanned, garbage | test_formats |
| zip bombs, lying sizes, names that lead out, too many members | test_formats |
| external entities, laughs: DOCX, EPUB, HTML; feeds, sitemaps | test_formats, test_sources; test_web |
| HTML nested 10,000 deep, pages too large | test_formats |
| YAML: aliases, tags, floods, Python | test_sources |
| links out, in a loop, to nothing; FIFO, devices; no permission; names | test_sources |
| a file that changes or goes while it is read | test_sources |
| refused addresses, redirects, DNS that changes, decimal and mapped IPs | test_web |
| gzip bombs over HTTP, dripping and silent servers, bodies too large | test_web |
| CSV: broken rows, long cells | test_exports |
| a parser that never ends, crashes, or outlives its sync | here |
| 100 MB of one line, a line just below the limit | here, full |
| 100,000 tiny files; folders nested 1,500 deep, paths too long | here, full; here |
| front matter of 50 MB; front matter that names paths | here, full; here |
| a mail of 10,000 parts, side by side and nested; headers | here |
| a cell of 40 MB, 50,000 columns | here, full |
| texts that keep the sentence splitter busy | here |
| a body without end; a feed of 100,000 entries (full); sitemaps in a circle | here |
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from test_web import FIRST, Index, Site, fetcher, index, page, refusal, rss, rss_item, site  # noqa: F401 - fixtures

from assistant import Assistant
from assistant.errors import ArticleUnreadable
from assistant.schema import Article, SyncReport
from assistant.sources import apart, feeds, named
from assistant.sources.web import Web
from assistant.splitting import Splitter

Open = Callable[..., Assistant]
ENDLESS = b"![" * 160_000
"""Markdown over which its parser takes hours."""


def told(report: SyncReport) -> dict[str, str]:
    """The reasons of what was skipped or failed, by location; each is one line."""
    found = {o.location: o.reason for o in report.outcomes if o.what in ("failed", "skipped")}
    assert all(reason and "\n" not in reason and len(reason) < 300 for reason in found.values())
    return found


@pytest.fixture
def deep(corpus: Path) -> Iterator[Path]:
    """The small corpus, for folders that are deeper than pytest could remove."""
    yield corpus
    subprocess.run(["rm", "-rf", str(corpus)], check=True)  # noqa: S607


# -- parsers -----------------------------------------------------------------------------------------------------


def test_a_file_whose_parser_never_ends_is_left_and_the_others_are_read(
    open_assistant: Open, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "SECONDS_LIMIT", 10.0)  # the next process starts within it, on busy cores, too
    (corpus / "a.md").write_bytes(ENDLESS)
    started = time.monotonic()
    report = open_assistant().sync()
    assert told(report) == {"a.md": "takes longer than 10 s to read"}
    assert report.count("added") == 3
    assert time.monotonic() - started < 60


def test_a_file_that_crashes_its_parser_is_one_line_and_the_next_is_read() -> None:
    def crash() -> None:
        while not apart._running:
            time.sleep(0.01)
        time.sleep(1)
        apart._running[0]._popen.send_signal(signal.SIGSEGV)

    apart.end()
    thread = threading.Thread(target=crash)
    thread.start()
    with pytest.raises(ArticleUnreadable, match="crashes what reads it"):
        apart.draft_apart(".md", ENDLESS)
    thread.join()
    assert apart.draft_apart(".txt", FIRST.encode()).text == FIRST


def test_after_a_sync_no_process_is_left(open_assistant: Open) -> None:
    open_assistant().sync()
    assert not apart._running


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks into /proc")
def test_the_parsers_process_ends_with_a_sync_that_was_killed() -> None:
    code = (
        "import os, signal; from assistant.sources import apart; apart.draft_apart('.txt', b'words');"
        "print(apart._running[0]._popen.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    child = Path("/proc") / done.stdout.strip() / "stat"
    deadline = time.monotonic() + 10
    # A zombie has ended; who collects it is another matter.
    while child.exists() and child.read_text().rsplit(")", 1)[1].split()[0] != "Z" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert done.returncode == -signal.SIGKILL
    assert time.monotonic() < deadline


def test_deep_nesting_that_exhausts_a_parser_s_stack_is_one_line() -> None:
    with pytest.raises(ArticleUnreadable, match="nested too deep"):
        apart.draft_apart(".eml", b"From: " + b"(" * 100_000 + b"\n\nwords")


@pytest.mark.parametrize("unit", ["!", ". ", "?!", "...", "Mr. ", "a b\n", "\n\n a", "A. ", ".) "])
def test_no_text_keeps_the_splitter_busy(unit: str) -> None:
    """Ten or twenty thousand characters in seconds; a thousand exclamation marks took minutes."""
    splitter = Splitter(90, 25)
    text = (unit * 20_000)[:20_000].strip()
    article = Article("a", "t", f"{FIRST}\n\n{text}\n\n{FIRST}")
    started = time.process_time()
    split = splitter.split(article)
    assert time.process_time() - started < 5
    covered = {i for passage in split.passages for i in range(passage.start, passage.end)}
    assert all(i in covered for i in range(len(FIRST)))


# -- files and folders ------------------------------------------------------------------------------------------


@pytest.mark.full
def test_lines_of_a_hundred_and_of_49_megabytes_are_refused(open_assistant: Open, corpus: Path) -> None:
    (corpus / "hundred.txt").write_bytes(b"word " * 20_000_000)
    (corpus / "below.txt").write_bytes(b"word " * 9_800_000)
    (corpus / "below.md").write_bytes(b"word " * 9_800_000)
    report = open_assistant().sync()
    reasons = told(report)
    assert "larger than 50 MiB" in reasons["hundred.txt"]
    assert set(reasons) == {"hundred.txt", "below.txt", "below.md"}
    assert report.count("added") == 3


@pytest.mark.full
@pytest.mark.timeout(1500)
def test_a_hundred_thousand_tiny_files_have_an_outcome_each(open_assistant: Open, corpus: Path) -> None:
    chance, words = random.Random(1), [f"w{number}" for number in range(3_000)]
    for number in range(100_000):
        folder = corpus / "tiny" / f"{number // 1000:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        # Words of its own each: among a thousand vectors that are nearly one, Chroma does not find each again.
        text = " ".join(chance.choices(words, k=8)) + ".\n" if number % 100 == 0 else "\n"
        (folder / f"{number}.txt").write_text(text)
    report = open_assistant().sync()
    assert report.count("added") == 1_003
    assert report.count("skipped") == 99_000
    again = open_assistant().sync()
    assert again.count("unchanged") == 1_003


def test_folders_nested_deeper_than_the_stack_are_read(open_assistant: Open, deep: Path) -> None:
    folder = deep
    for _ in range(1_500):
        folder = folder / "a"
        folder.mkdir()
        if len(str(folder)) > 3_900:
            break
    (folder / "deep.txt").write_text(FIRST)
    assert open_assistant().sync().count("added") == 4


def test_a_path_too_long_to_open_costs_no_other_article(open_assistant: Open, deep: Path) -> None:
    here = os.open(deep, os.O_RDONLY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=here)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    report = open_assistant().sync()
    assert report.count("added") == 3
    assert any("cannot be listed" in reason for reason in (o.reason for o in report.outcomes))


def test_a_socket_in_a_folder_is_passed_over(
    open_assistant: Open, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(corpus)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.txt")
        report = open_assistant().sync()
    assert told(report) == {"s.txt": "not a regular file"}


@pytest.mark.full
def test_front_matter_of_fifty_megabytes_is_refused(open_assistant: Open, corpus: Path) -> None:
    (corpus / "closed.md").write_bytes(b"---\n" + b"key: value\n" * 4_000_000 + b"---\nwords\n")
    (corpus / "open.md").write_bytes(b"---\n" + b"key: value\n" * 4_000_000)
    report = open_assistant().sync()
    reasons = told(report)
    assert "front matter is longer" in reasons["closed.md"]
    assert "not closed" in reasons["open.md"]
    assert report.count("added") == 3


def test_front_matter_that_names_paths_reads_and_writes_nothing(open_assistant: Open, corpus: Path) -> None:
    (corpus.parent / "secret.txt").write_text("CANARY")
    place = "../secret.txt"
    fields = "\n".join(
        f"{name}: {place}" for name in ("id", "location", "path", "file", "text", "source", "author", "include")
    )
    (corpus / "x.md").write_text(f"---\ntitle: T\n{fields}\nurl: file:///etc/passwd\n---\n\n{FIRST}\n")
    before = sorted(corpus.parent.glob("*"))
    with open_assistant() as assistant:
        assistant.sync()
        [article] = [article for article in assistant.articles() if article.title == "T"]
    assert article.text == FIRST
    assert article.location == "x.md"
    assert article.link == ""
    assert sorted(corpus.parent.glob("*")) == sorted({*before, corpus.parent / "index"})


@pytest.mark.parametrize("raw", [
    b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--x\n\nwords\n" * 10_000,
    b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i) for i in range(10_000)) + b"\n\nwords",
    b"Subject: x\n" + b"Content-Type: message/rfc822\n\n" * 10_000 + b"words",
    b"Subject: " + b"=?utf-8?q?a?= " * 10_000 + b"\n\nwords",
])  # fmt: skip
def test_a_mail_of_ten_thousand_parts_is_read_or_one_line(raw: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "SECONDS_LIMIT", 10.0)
    try:
        assert "words" in apart.draft_apart(".eml", raw).text
    except ArticleUnreadable as error:
        assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.full
def test_huge_cells_and_columns_cost_their_rows_alone(open_assistant: Open, tmp_path: Path) -> None:
    wide = ",".join(f"c{i}" for i in range(50_000))
    (tmp_path / "cell.csv").write_text(
        f"id,text\n1,{FIRST.replace(',', '')}\n2,{'word ' * 8_000_000}\n3,{FIRST.replace(',', '')}\n"
    )
    (tmp_path / "wide.csv").write_text(f"id,text,{wide}\n1,{FIRST.replace(',', '')}{',x' * 50_000}\n2,short\n")
    report = open_assistant().sync([tmp_path / "cell.csv", tmp_path / "wide.csv"])
    reasons = told(report)
    assert "longer than 5,000,000 characters" in reasons["cell.csv#2"]
    assert len(reasons) == 2
    assert report.count("added") == 3


# -- the web ----------------------------------------------------------------------------------------------------


def test_a_body_without_end_is_cut_off_with_the_limit(fetcher: Web, site: Site) -> None:
    def endless(handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b"x" * 65_536)

    site.pages["/endless"] = endless
    assert "larger than 20 MiB" in refusal(fetcher, site.url + "/endless", allow_private=True)


def test_a_page_whose_parser_never_ends_is_left_and_the_others_are_read(
    index: Index,
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(apart, "SECONDS_LIMIT", 10.0)  # the next process starts within it, on busy cores, too
    endless = site.put("/a", ENDLESS, "text/markdown")
    report = index.sync(endless, site.put("/b", page(FIRST)))
    assert told(report) == {endless: "takes longer than 10 s to read"}
    assert report.count("added") == 1


def test_sitemaps_in_a_circle_end_and_their_pages_are_read(index: Index, site: Site) -> None:
    article = site.put("/a", page(FIRST))
    whole = site.put("/map", f"<urlset><url><loc>{article}</loc></url></urlset>", "application/xml")
    circle = f"{site.url}/index"
    site.put(
        "/index",
        f"<sitemapindex><sitemap><loc>{circle}</loc></sitemap><sitemap><loc>{whole}</loc></sitemap></sitemapindex>",
    )
    report = index.sync(circle)
    assert "an index within an index" in told(report)[circle]
    assert [a.location for a in index.articles()] == [article]
    assert site.paths().count("/index") == 2


def test_what_lies_beyond_the_limit_of_a_sitemap_is_not_taken_for_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "ENTRIES_LIMIT", 2)
    raw = b"<urlset>" + b"".join(b"<url><loc>http://stone.example/%d</loc></url>" % i for i in range(3)) + b"</urlset>"
    entries, whole = feeds.sitemap_entries(raw, "http://stone.example/")
    assert (len(entries), whole) == (2, False)


def test_a_feed_that_takes_too_long_is_one_line_and_the_other_sources_are_read(
    index: Index, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "SECONDS_LIMIT", 2.0)
    endless = site.put("/feed", rss(*(rss_item(f"/{i}") for i in range(60_000))), "application/rss+xml")
    report = index.sync(endless, site.put("/b", page(FIRST)))
    assert told(report) == {endless: f"{endless} cannot be read: takes longer than 2 s to read"}
    assert report.count("added") == 1


@pytest.mark.parametrize("followed", [True, False], ids=["followed", "named for the first time"])
def test_a_list_whose_parser_ended_once_is_read_the_next_time(
    index: Index, site: Site, monkeypatch: pytest.MonkeyPatch, followed: bool
) -> None:
    """Though the server says that it has not changed since."""
    first, second = (site.put(f"/{name}", page(FIRST)) for name in "ab")
    feed = f"{site.url}/feed"
    if followed:
        site.put("/feed", rss(rss_item(first)), "application/rss+xml", ETag='"1"')
        index.sync(feed)
    site.put("/feed", rss(rss_item(first), rss_item(second)), "application/rss+xml", ETag='"2"')
    with monkeypatch.context() as patch:
        patch.setattr(apart, "SECONDS_LIMIT", 0.001)
        assert index.sync(feed).count("failed") == 1
    index.sync(feed)
    assert sorted(article.location for article in index.articles()) == [first, second]


@pytest.mark.full
def test_a_feed_of_a_hundred_thousand_entries_is_read_up_to_its_limit() -> None:
    raw = rss(*(rss_item(f"https://stone.example/{i}") for i in range(100_000))).encode()
    assert len(feeds.feed_entries(raw, "https://stone.example/")) == feeds.ENTRIES_LIMIT


def test_a_source_named_by_a_huge_address_is_one_line() -> None:
    assert "\n" not in named("https://stone.example/" + "a" * 100_000).place
