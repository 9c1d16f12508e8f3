"""The chat page: its markup from answers, and the page itself in headless Chromium."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from conftest import HOSTILE, write_article
from markdown_it import MarkdownIt

from assistant.chat.examples import example_questions
from assistant.chat.export import as_json, markdown, query_string
from assistant.chat.markup import age_of, conversation_markup, evidence_markup, reply_markup
from assistant.chat.past import put_away
from assistant.chat.turns import ShownTurn, from_browser, history, to_browser
from assistant.schema import Answer, Article, Citation, Hit, Passage
from assistant.server import BODY_LIMIT

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


def test_the_quote_is_marked_in_its_whole_article() -> None:
    markup = evidence_markup(answer_from("One. Two is here. Three.", "Two is here."))
    assert "One. <mark>Two is here.</mark> Three." in markup


def test_a_long_article_is_shown_around_the_quote() -> None:
    markup = evidence_markup(answer_from("a" * 500 + "Two is here." + "b" * 500, "Two is here.", title="T"), around=100)
    elements = Elements(markup)
    assert "a" * 100 + "Two is here." + "b" * 100 in elements.text
    assert "a" * 101 not in elements.text
    assert "goes on" in elements.text


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
    turn = ShownTurn(HOSTILE, {"source": HOSTILE}, answer)
    for markup in (
        evidence_markup(answer),
        reply_markup(answer),
        conversation_markup([turn], HOSTILE, can_save=True),
    ):
        elements = Elements(markup)
        assert {tag for tag, _ in elements.tags} <= {
            "a",
            "article",
            "button",
            "details",
            "div",
            "h3",
            "header",
            "input",
            "label",
            "mark",
            "p",
            "path",
            "pre",
            "section",
            "span",
            "summary",
            "svg",
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
    completed = replace(answer, question="And <b>it</b>?", asked="What of <b>Seres</b>?")
    shown = conversation_markup([ShownTurn("And <b>it</b>?", {}, completed)])
    assert "Asked as: What of &lt;b&gt;Seres&lt;/b&gt;?" in shown


@pytest.mark.parametrize(
    ("published", "said"),
    [
        (date(2025, 6, 15), "today"),
        (date(2025, 6, 14), "yesterday"),
        (date(2025, 6, 5), "10 days ago"),
        (date(2025, 5, 25), "3 weeks ago"),
        (date(2024, 5, 10), "13 months ago"),
        (date(2020, 6, 1), "5 years ago"),
        (date(2025, 6, 16), "dated in the future"),
    ],
)
def test_an_age_is_said_in_the_unit_a_reader_would_use(published: date, said: str) -> None:
    assert age_of(published, date(2025, 6, 15)) == said


# -- what the browser keeps ------------------------------------------------------------------------------------------


def test_a_conversation_comes_back_from_the_browser_as_it_was_shown(open_assistant: Any) -> None:
    with open_assistant() as assistant:
        assistant.sync()
        answered = ShownTurn(
            "Who opened the bridge?",
            {"source": "The Daily Stone"},
            assistant.ask("Who opened the bridge over the Orve?"),
        )
        silent = ShownTurn("Who is Hesk?", {}, assistant.ask("Who painted the ceiling of Hesk abbey?"))
        assert answered.answer
        assert answered.answer.citations
        assert silent.answer
        assert silent.answer.hits
        failed = ShownTurn("???", {}, None, "there is no question")
        turns = [answered, silent, failed]
        values = json.loads(json.dumps(to_browser(turns)))
        assert conversation_markup(from_browser(values, assistant)) == conversation_markup(turns)
        assert history(from_browser(values, assistant)) == history(turns)


def test_a_quote_is_found_again_where_its_article_has_changed(open_assistant: Any, corpus: Path) -> None:
    with open_assistant() as assistant:
        assistant.sync()
        answer = assistant.ask("Who opened the bridge over the Orve?")
        values = to_browser([ShownTurn("q", {}, answer)])
        quote = answer.citations[0].quote
        write_article(
            corpus / "bridge.md", "The river bridge", "The Daily Stone", "2024-03-01", f"A word ahead. {quote}"
        )
        assistant.sync()
        (turn,) = from_browser(values, assistant)
        assert turn.answer
        citation = turn.answer.citations[0]
        assert citation.article.text[citation.start : citation.end] == quote
        assert citation.article.text.startswith("A word ahead.")
        (corpus / "bridge.md").unlink()
        assistant.sync()
        (turn,) = from_browser(values, assistant)
        assert turn.answer
        assert turn.answer.citations[0].article.text == quote


@pytest.mark.parametrize(
    "value",
    [None, "x", {}, {"question": 1}, {"question": "q", "answer": {}, "filters": {}, "failure": "", "saved": ""}],
)
def test_what_is_no_turn_is_left_out(open_assistant: Any, value: object) -> None:
    with open_assistant() as assistant:
        assistant.sync()
        assert from_browser([value], assistant) == []
        assert from_browser(value, assistant) == []


def test_the_shelf_forgets_the_oldest_conversations_first() -> None:
    shelf: list[dict[str, Any]] = []
    for number in range(40):
        shelf = put_away(shelf, [{"question": f"Question {number}", "answer": "x" * 20_000}])
    assert shelf[0]["title"] == "Question 39"
    assert 5 < len(shelf) < 40
    assert len(json.dumps(shelf)) < BODY_LIMIT / 2
    assert put_away(shelf, []) == shelf
    assert put_away("spoilt", []) == []


# -- taking an answer away -------------------------------------------------------------------------------------------


def test_markdown_has_a_footnote_per_citation_and_no_markup_of_the_article() -> None:
    answer = answer_from(f"{HOSTILE} Two.", f"{HOSTILE} Two.", title="Head_line", source="Outlet", published=date(2024, 5, 1), url="https://a.example/x")  # fmt: skip
    shown = markdown(ShownTurn("Which?", {}, answer))
    assert "short[^1]" in shown
    assert "[^1]: Head\\_line, Outlet, 2024-05-01. <https://a.example/x>" in shown
    rendered = MarkdownIt("commonmark", {"html": True}).render(shown)
    assert {tag for tag, _ in Elements(rendered).tags} <= {"p", "strong", "blockquote", "a"}
    assert [a["href"] for tag, a in Elements(rendered).tags if tag == "a"] == ["https://a.example/x"]


def test_json_is_the_answer_with_its_filters() -> None:
    answer = answer_from("One.", "One.")
    assert json.loads(as_json(ShownTurn("q", {"source": "S"}, answer))) == {
        **answer.to_dict(),
        "filters": {"source": "S"},
    }


def test_a_link_names_the_standalone_question_and_the_filters() -> None:
    answer = replace(answer_from("One.", "One."), asked="What of A & B?")
    parsed = parse_qs(query_string(ShownTurn("And it?", {"since": "2024-01-01"}, answer)).removeprefix("?"))
    assert parsed == {"q": ["What of A & B?"], "since": ["2024-01-01"]}


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
