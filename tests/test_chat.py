"""The chat page: its markup from answers, and the page itself in headless Chromium."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from conftest import HOSTILE

from assistant.chat import evidence_markup, example_questions, reply_markup
from assistant.schema import Answer, Article, Citation, Hit, Passage

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt install chromium)")


class Elements(HTMLParser):
    """Tags and visible text of some markup."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def answer_from(text: str, quote: str, **article: Any) -> Answer:
    source = Article(**{"id": "a", "title": "T", "text": text, "location": "a.md", **article})
    start = text.index(quote)
    hit = Hit(Passage("p", "a", 0, len(text)), source, 0.9, 0.8, 1.0)
    citation = Citation(1, source, quote, start, start + len(quote), 3.0)
    return Answer("q", "q", "short", f"{quote} [1]", False, "", 0.9, (citation,), (hit,))


def test_the_quote_is_marked_in_its_passage() -> None:
    markup = evidence_markup(answer_from("One. Two is here. Three.", "Two is here."))
    assert "One. <mark>Two is here.</mark> Three." in markup


def test_a_card_names_title_source_author_date_and_link() -> None:
    answer = answer_from("One.", "One.", title="Head", source="Outlet", author="Ada", published=date(2024, 5, 1), url="https://a.example/x?a=1&b=2")  # fmt: skip
    elements = Elements(evidence_markup(answer))
    assert all(part in elements.text for part in ("Head", "Outlet", "Ada", "2024-05-01"))
    (link,) = [attributes for tag, attributes in elements.tags if tag == "a"]
    assert link["href"] == "https://a.example/x?a=1&b=2"
    assert "noopener" in (link["rel"] or "")


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//evil.example"])
def test_only_web_addresses_become_links(url: str) -> None:
    assert not [tag for tag, _ in Elements(evidence_markup(answer_from("One.", "One.", url=url))).tags if tag == "a"]


def test_article_text_never_becomes_markup() -> None:
    answer = answer_from(f"{HOSTILE} Then prose.", HOSTILE, title=HOSTILE, source=HOSTILE, author=HOSTILE, url=f"https://a.example/'\"{HOSTILE}")  # fmt: skip
    for markup in (evidence_markup(answer), reply_markup(answer)):
        elements = Elements(markup)
        assert {tag for tag, _ in elements.tags} <= {
            "article",
            "h3",
            "div",
            "p",
            "span",
            "mark",
            "details",
            "summary",
            "a",
        }
        assert not any(name.startswith("on") for _, attributes in elements.tags for name in attributes)
        assert HOSTILE in elements.text


def test_an_abstention_looks_different_and_shows_the_nearest_passages() -> None:
    answered = answer_from("One. Two is here.", "Two is here.")
    silent = Answer("q", "q", None, "The articles do not answer this: no.", True, "no", 0.1, (), answered.hits)
    assert "silent" in reply_markup(silent)
    assert "silent" not in reply_markup(answered)
    assert "One. Two is here." in evidence_markup(silent)


def test_a_completed_follow_up_is_shown_as_it_was_asked() -> None:
    answer = answer_from("One.", "One.")
    completed = Answer("And <b>it</b>?", "What of <b>Seres</b>?", *list(vars(answer).values())[2:])
    assert "Asked as: What of &lt;b&gt;Seres&lt;/b&gt;?" in reply_markup(completed)


def test_examples_come_from_the_corpus_folder(tmp_path: Path) -> None:
    assert example_questions(tmp_path) == []
    (tmp_path / ".examples").write_text("# note\nWho won?\n\n  When?  \n", encoding="utf-8")
    assert example_questions(tmp_path) == ["Who won?", "When?"]


# -- in the browser ------------------------------------------------------------------------------------------------


@pytest.fixture
def page(address: str) -> Iterator[Any]:
    """A page that notes console errors and requests that leave this machine."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                  "--disable-component-update", "--disable-sync"],
        )  # fmt: skip
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.errors = []  # type: ignore[attr-defined]
        page.on("console", lambda m: page.errors.append(m.text) if m.type == "error" else None)  # type: ignore[attr-defined]
        page.on("pageerror", lambda e: page.errors.append(str(e)))  # type: ignore[attr-defined]
        page.on("request", lambda r: page.errors.append(r.url) if _leaves(r.url) else None)  # type: ignore[attr-defined]
        page.goto(address)
        page.locator("textarea").first.wait_for(timeout=60_000)
        yield page
        assert page.errors == []  # type: ignore[attr-defined]
        browser.close()


def _leaves(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:"))


def ask(page: Any, question: str) -> float:
    """Types a question, waits for its reply, and returns the seconds that took."""
    before = page.locator(".reply").count()
    box = page.locator("textarea").first
    box.fill(question)
    started = time.perf_counter()
    box.press("Enter")
    page.wait_for_function(f"document.querySelectorAll('.reply').length > {before}", timeout=20_000)
    return time.perf_counter() - started


@needs_chromium
@pytest.mark.browser
def test_the_first_answer_comes_within_two_seconds_with_its_quote_marked(page: Any) -> None:
    assert ask(page, "Which brand did Huawei launch with JAC?") < 2
    assert page.locator(".reply .short").last.inner_text() == "Maextro"
    page.locator("#evidence mark").first.wait_for()
    marked = page.locator("#evidence mark").first.inner_text()
    assert "Maextro" in marked
    assert "JAC" in marked


@needs_chromium
@pytest.mark.browser
def test_a_follow_up_is_completed_and_a_new_conversation_forgets(page: Any) -> None:
    ask(page, "Which brand did Huawei launch with JAC?")
    ask(page, "And with Chery?")
    assert "Which brand did Huawei launch with Chery?" in page.locator(".reply").last.inner_text()
    page.get_by_role("button", name="New conversation").click()
    page.wait_for_function("document.querySelectorAll('.reply').length === 0")
    ask(page, "And with Chery?")
    assert "Asked as" not in page.locator(".reply").last.inner_text()


@needs_chromium
@pytest.mark.browser
def test_an_example_fills_the_question(page: Any) -> None:
    page.get_by_text("On which stock exchange will Voyah be listed?").first.click()
    page.wait_for_function("document.querySelector('textarea').value.includes('Voyah')")


@needs_chromium
@pytest.mark.browser
def test_filters_apply_and_a_bad_day_is_said(page: Any) -> None:
    page.get_by_text("Filters").first.click()
    page.get_by_label("Published to").fill("2020-01-01")
    ask(page, "Which brand did Huawei launch with JAC?")
    assert "no article in the index meets the filters" in page.locator(".reply").last.inner_text()
    page.get_by_label("Published to").fill("soon")
    ask(page, "Which brand did Huawei launch with JAC?")
    assert "YYYY-MM-DD" in page.locator(".reply").last.inner_text()


@needs_chromium
@pytest.mark.browser
def test_bad_questions_get_a_line_and_the_page_stays_usable(page: Any) -> None:
    ask(page, "???")
    assert "no question" in page.locator(".reply").last.inner_text()
    ask(page, "Who is the mayor of Shenzhen?")
    assert "do not mention Shenzhen" in page.locator(".reply").last.inner_text()


@needs_chromium
@pytest.mark.browser
def test_a_hostile_article_shows_as_text_and_nothing_leaves_this_machine(page: Any) -> None:
    ask(page, "What is the vandal of Vell called?")
    assert "onerror=alert(1)" in page.locator("#evidence").inner_text()
    assert page.locator("#evidence img, #evidence script").count() == 0
    ask(page, HOSTILE)
    assert page.locator(".bot img[src='x'], .user img[src='x']").count() == 0
