"""The chat page in headless Chromium, served by a process of its own. It notes every console error and foreign request."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import HOSTILE, write_article

from assistant.chat.markup import pending_markup

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt install chromium)"),
]
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
JAC = "Which brand did Huawei launch with JAC?"
LIGHTHOUSE = "How much did the lighthouse of Orvik cost to build?"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


SIZE = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def profile(browser: Any, address: str) -> Iterator[Any]:
    """A browser that has gradio's scripts already: fetching and compiling them took half of each test."""
    context = browser.new_context(viewport=SIZE)
    # What it keeps of one test is all that another could find: a new page forgets it, a reload does not.
    context.add_init_script("if (!sessionStorage.known) { localStorage.clear(); sessionStorage.known = 1; }")
    page = context.new_page()
    page.goto(address)
    ready(page)
    page.close()
    yield context
    context.close()


@pytest.fixture
def visit(browser: Any, profile: Any, address: str) -> Iterator[Callable[..., Any]]:
    """Opens the page in a browser that knows of no conversation; in the end there was no console error and no way out."""
    wrong: list[str] = []
    pages, contexts = [], []

    def visit_(path: str = "", **options: Any) -> Any:
        context = browser.new_context(**{"viewport": SIZE, **options}) if options else profile
        if options:
            contexts.append(context)
        page = context.new_page()
        pages.append(page)
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: wrong.append(request.url) if _leaves(request.url) else None)
        page.goto(address + path)
        ready(page)
        return page

    yield visit_
    for opened in (*pages, *contexts):
        opened.close()
    assert wrong == []


@pytest.fixture
def page(visit: Callable[..., Any]) -> Any:
    return visit()


def _leaves(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:"))


def ready(page: Any) -> None:
    """Until the page's load event has put everything where it was: what is measured before that still moves."""
    page.locator("#conversation .welcome, #conversation .turn").first.wait_for(timeout=60_000)
    page.locator("textarea").first.wait_for()
    page.wait_for_function("document.body.ariaBusy === 'false'", timeout=60_000)


def ask(page: Any, question: str) -> Any:
    """Types a question and waits for its turn."""
    before = replies(page).count()
    box = page.locator("textarea").first
    box.fill(question)
    box.press("Enter")
    replies(page).nth(before).wait_for(timeout=20_000)
    return page.locator("#conversation .turn").last


def replies(page: Any) -> Any:
    return page.locator("#conversation .reply")


def evidence(page: Any) -> Any:
    return page.locator("#evidence .body")


MARK_IN_VIEW = """() => {
    const body = document.querySelector('#evidence .body').getBoundingClientRect();
    const mark = document.querySelector('#evidence mark').getBoundingClientRect();
    const head = document.querySelector('#evidence header').getBoundingClientRect();
    return mark.top >= head.bottom - 1 && mark.top < body.bottom && mark.top < window.innerHeight;
}"""


def mark_in_view(page: Any) -> bool:
    return bool(page.evaluate(MARK_IN_VIEW))


# -- asking and checking ---------------------------------------------------------------------------------------------


def test_the_second_citation_opens_its_article_at_the_marked_quote(page: Any) -> None:
    turn = ask(page, JAC)
    assert turn.locator(".short").inner_text() == "Maextro"
    assert "Maextro" in evidence(page).locator("mark").inner_text()
    first = evidence(page).locator("h3").inner_text()
    turn.locator(".cite[data-cite='2']").click()
    quote = turn.locator(".cited").nth(1).inner_text().split(" [2]")[0]
    assert evidence(page).locator("mark").inner_text() == quote
    assert evidence(page).locator("h3").inner_text() != first
    assert evidence(page).locator("time").inner_text().startswith("20")
    assert mark_in_view(page)
    assert len(evidence(page).locator(".text").inner_text()) > 3 * len(quote)


def test_sources_are_gone_through_with_the_keyboard_alone(page: Any) -> None:
    turn = ask(page, JAC)
    count = turn.locator(".cite").count()
    assert count > 1
    turn.locator(".cite").first.focus()
    page.keyboard.press("Enter")
    place = page.locator("#evidence .place")
    assert place.inner_text() == f"Source 1 of {count}"
    page.keyboard.press("ArrowRight")
    assert place.inner_text() == f"Source 2 of {count}"
    assert mark_in_view(page)
    page.keyboard.press("ArrowLeft")
    assert place.inner_text() == f"Source 1 of {count}"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.textContent") == "[1]"


def test_an_answer_moves_nothing(page: Any) -> None:
    page.evaluate(
        "() => { window.moved = 0; new PerformanceObserver((list) => list.getEntries().forEach("
        "(entry) => { window.moved += entry.value; })).observe({ type: 'layout-shift' }); }"
    )
    places = "['#question', '#evidence .panel', '#filters'].map((s) => document.querySelector(s).getBoundingClientRect().top)"
    before = page.evaluate(places)
    ask(page, JAC)
    evidence(page).locator("mark").wait_for()
    # Two frames on, whatever the answer made the browser lay out is laid out.
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.evaluate(places) == before
    assert page.evaluate("window.moved") < 0.02


def test_a_follow_up_is_completed_and_a_new_conversation_forgets(page: Any) -> None:
    ask(page, JAC)
    turn = ask(page, "And with Chery?")
    assert "Asked as: Which brand did Huawei launch with Chery?" in turn.inner_text()
    assert turn.locator(".short").inner_text() == "Luxeed"
    page.get_by_role("button", name="New conversation").click()
    page.locator("#conversation .welcome").wait_for()
    assert page.locator("#evidence mark").count() == 0
    assert "Asked as" not in ask(page, "And with Chery?").inner_text()


def test_sources_that_disagree_are_told_and_open_at_what_they_say(page: Any) -> None:
    turn = ask(page, LIGHTHOUSE)
    rows = turn.locator(".disagreement tbody tr")
    assert sorted(cell.split()[0] for cell in rows.locator("td:first-child").all_inner_texts()) == ["12", "15"]
    other = rows.nth(1)
    said = other.locator("td").first.inner_text()
    other.locator(".cite").click()
    assert said in page.locator("#evidence mark").inner_text()
    assert other.locator("td").nth(1).inner_text() in evidence(page).inner_text()


def test_silence_looks_different_and_offers_the_nearest_passages(page: Any) -> None:
    turn = ask(page, "Who is the mayor of Shenzhen?")
    assert turn.locator(".reply.silent").count() == 1
    assert "do not mention Shenzhen" in turn.inner_text()
    turn.locator(".cite[data-cite='3']").click()
    assert page.locator("#evidence .place").inner_text() == "Nearest passage 3 of 3"
    assert mark_in_view(page)


def test_bad_questions_get_a_line_and_the_page_stays_usable(page: Any) -> None:
    assert "no question" in ask(page, "???").inner_text()
    assert ask(page, JAC).locator(".short").inner_text() == "Maextro"


def test_a_stopped_question_outlives_a_reload_and_is_asked_again(page: Any) -> None:
    # Clicked as soon as it is there: no test could be sure to come before the answer otherwise.
    page.evaluate(
        "new MutationObserver(() => document.querySelector('#conversation [data-stop]')?.click())"
        ".observe(document.querySelector('#conversation'), { childList: true, subtree: true })"
    )
    assert "Stopped before" in ask(page, JAC).inner_text()
    page.locator("#question textarea").fill("half a quest")
    page.reload()
    ready(page)
    assert page.locator("#question textarea").input_value() == "half a quest"
    page.get_by_role("button", name="Ask again").click()
    page.locator("#conversation .short").wait_for()
    assert replies(page).count() == 1
    assert page.locator("#conversation .short").inner_text() == "Maextro"
    assert page.locator("#question textarea").input_value() == "half a quest"


# -- finding ---------------------------------------------------------------------------------------------------------


def test_an_example_is_asked_with_one_click(page: Any) -> None:
    page.get_by_role("button", name="On which stock exchange will Voyah be listed?").click()
    replies(page).first.wait_for()
    assert "Hong Kong" in replies(page).first.inner_text()


def test_filters_hold_for_follow_ups_and_an_empty_choice_is_said_and_undone(page: Any) -> None:
    page.get_by_role("button", name="Filters").click()
    page.get_by_label("Published from").fill("2025-10-20")
    turn = ask(page, JAC)
    assert "Only articles from 2025-10-20." in turn.inner_text()
    turn = ask(page, "And with Chery?")
    assert "Only articles from 2025-10-20." in turn.inner_text()
    days = [day.split(" ")[0] for day in turn.locator(".sources time").all_text_contents()]
    assert days
    assert min(days) >= "2025-10-20"
    page.get_by_label("Published to").fill("soon")
    assert "YYYY-MM-DD" in ask(page, JAC).inner_text()
    page.get_by_label("Published from").fill("")
    page.get_by_label("Published to").fill("2020-01-01")
    page.get_by_text(re.compile(r"None of the \d+ articles can answer")).wait_for()
    # The filters outlive a reload, and are said though their fields are folded away.
    page.reload()
    ready(page)
    page.get_by_text(re.compile(r"to 2020-01-01. None of the \d+ articles can answer")).wait_for()
    turn = ask(page, JAC)
    assert "no article in the index meets the filters" in turn.inner_text()
    turn.get_by_role("button", name="Clear the filters").click()
    page.locator("#matching button").wait_for(state="hidden")
    assert ask(page, JAC).locator(".short").inner_text() == "Maextro"


def test_filters_that_change_together_are_counted_once(page: Any) -> None:
    """One request for each field would let the first one's count, with a filter still set, come last and stay."""
    page.get_by_role("button", name="Filters").click()
    page.get_by_label("Published from").fill("2019-01-01")
    page.get_by_text(re.compile(r"from 2019-01-01. \d+ of \d+ articles can answer")).wait_for()
    page.get_by_label("Published to").fill("2020-01-01")
    page.get_by_text(re.compile(r"2020-01-01. None of the \d+ articles can answer")).wait_for()
    sent = []
    page.on("request", lambda request: sent.append(request.post_data) if request.url.endswith("/queue/join?") else None)
    page.locator("#matching button").click()
    page.locator("#matching button").wait_for(state="hidden")
    page.wait_for_timeout(200)  # what else was to come
    assert len(sent) == 2  # the click, and the count
    assert '["","",' in sent[-1]


def test_a_reload_loses_nothing_and_earlier_conversations_open_again(page: Any) -> None:
    ask(page, JAC)
    ask(page, "And with Chery?")
    turns = page.locator("#conversation .turn")
    shown = turns.all_inner_texts()
    page.reload()
    turns.nth(1).wait_for()
    assert turns.all_inner_texts() == shown
    assert page.locator("#evidence mark").count() == 1
    assert "Asked as" in ask(page, "And with Seres?").inner_text()
    page.get_by_role("button", name="New conversation").click()
    page.locator("#conversation .welcome").wait_for()
    page.get_by_text("Earlier conversations").click()
    page.locator("#past").get_by_role("button", name=JAC, exact=True).click()
    turns.nth(2).wait_for()
    assert turns.all_inner_texts()[:2] == shown


def test_a_link_asks_the_same_under_the_same_filters_once(visit: Callable[..., Any]) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Filters").click()
    page.get_by_label("Published from").fill("2025-10-20")
    turn = ask(page, JAC)
    turn.get_by_role("button", name="Copy", exact=True).click()
    turn.get_by_text("Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert f"{turn.locator('.short').inner_text()}[^1]" in copied
    assert "[^1]: " in copied
    turn.get_by_role("button", name="Link", exact=True).click()
    page.wait_for_function("navigator.clipboard.readText().then((text) => text.startsWith('http'))")
    link = page.evaluate("navigator.clipboard.readText()")
    other = visit("?" + link.split("?")[1])
    replies(other).first.wait_for()
    assert "Only articles from 2025-10-20." in other.locator("#conversation").inner_text()
    other.reload()
    replies(other).first.wait_for()
    ready(other)
    assert replies(other).count() == 1
    assert not other.evaluate("location.search")


def test_an_answer_is_downloaded_as_json(page: Any) -> None:
    turn = ask(page, JAC)
    with page.expect_download() as waiting:
        turn.get_by_role("button", name="JSON").click()
    assert json.loads(Path(waiting.value.path()).read_text(encoding="utf-8"))["short"] == "Maextro"


# -- articles and cases ----------------------------------------------------------------------------------------------


def test_an_added_article_answers_what_only_it_can(page: Any, tmp_path: Path) -> None:
    question = "Who paid for the tram of Vell?"
    assert ask(page, question).locator(".reply.silent").count() == 1
    write_article(
        tmp_path / "tram.md", "The tram", "Lamp", "2024-07-01", "The tram of Vell was paid for by Ossian Grell."
    )
    page.get_by_role("tab", name="Articles").click()
    page.locator("#add input[type=file]").set_input_files(tmp_path / "tram.md")
    page.locator("#outcomes li.added").wait_for(timeout=60_000)
    assert "tram.md" in page.locator("#outcomes").inner_text()
    page.get_by_label("Search the articles").fill("tram")
    page.get_by_text(re.compile(r"^1 of \d+ articles")).wait_for()
    page.get_by_role("tab", name="Ask").click()
    assert ask(page, question).locator(".short").inner_text() == "Ossian Grell"
    page.get_by_role("tab", name="Articles").click()
    page.get_by_label("Added files and addresses to remove").click()
    page.get_by_role("option", name="tram.md").click()
    page.get_by_role("button", name="Remove", exact=True).click()
    page.locator("#outcomes li.removed").wait_for(timeout=60_000)


def test_a_thumbs_down_becomes_a_case_that_eval_runs(page: Any, tmp_path: Path) -> None:
    turn = ask(page, JAC)
    turn.get_by_role("button", name="This answer is wrong").click()
    turn.get_by_role("button", name="Save as test case").click()
    turn.get_by_text("type the right answer").wait_for()
    # The form stays open until the case is saved.
    turn.get_by_label("The right answer").fill("Maextro")
    page.keyboard.press("Enter")
    told = turn.get_by_text("Saved as a draft case in")
    told.wait_for()
    assert not turn.get_by_label("The right answer").is_visible()
    page.get_by_role("tab", name="Regression").click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("no case could be counted: 1 drafts").wait_for()
    path = Path(told.text_content().split(" in ", 1)[1])
    cases = tmp_path / "cases.yaml"
    cases.write_text(path.read_text(encoding="utf-8").replace("    draft: true\n", ""), encoding="utf-8")
    served = path.parent.parent
    places = ["--corpus", str(served / "corpus"), "--index", str(served / "index")]
    command = [sys.executable, "-m", "assistant.cli", *places, "eval", str(cases)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 1" in done.stdout + done.stderr


def test_a_form_that_was_begun_outlives_the_next_answer(page: Any) -> None:
    turn = ask(page, JAC)
    turn.get_by_role("button", name="This answer is wrong").click()
    turn.get_by_label("The right answer").fill("Maext")
    turn.get_by_label("The articles do not say").check()
    ask(page, "Who is the mayor of Shenzhen?")
    begun = page.locator("#conversation .turn").first
    assert begun.get_by_label("The right answer").input_value() == "Maext"
    assert begun.get_by_label("The articles do not say").is_checked()
    begun.get_by_role("button", name="This answer is wrong").click()
    ask(page, "Where is Voyah listed?")
    assert not begun.get_by_label("The right answer").is_visible()
    begun.get_by_role("button", name="This answer is wrong").click()
    begun.get_by_label("The right answer").fill("Maext")
    page.get_by_role("button", name="New conversation").click()
    page.locator("#conversation .welcome").wait_for()
    assert not ask(page, JAC).get_by_label("The right answer").is_visible()


def test_who_types_a_verdict_goes_on_typing_when_an_answer_comes(page: Any) -> None:
    turn = ask(page, JAC)
    turn.get_by_role("button", name="This answer is wrong").click()
    page.locator("textarea").first.fill("Where is Voyah listed?")
    page.locator("textarea").first.press("Enter")
    turn.get_by_label("The right answer").focus()
    page.keyboard.type("Maextro, a brand")
    replies(page).nth(1).wait_for()
    page.keyboard.type(" of 2025")
    page.wait_for_function("document.querySelector('.feedback input').value.endsWith(' of 2025')")


@pytest.mark.parametrize(
    ("server", "told"),
    [
        ("Promise.reject(new TypeError('gone'))", "The server does not answer. The question is kept"),
        ('Promise.resolve(new Response(\'{"app_id": "another"}\'))', "The server has begun anew. The question is kept"),
        (
            # One that is not told when to give up waits for ever.
            "new Promise((_, fail) => { options?.signal?.addEventListener('abort', () => fail(options.signal.reason)); })",
            "The server does not answer",
        ),
    ],
    ids=["gone", "begun anew", "hanging"],
)
def test_a_server_that_will_not_answer_any_more_is_told(page: Any, server: str, told: str) -> None:
    _with_server(page, server)
    _show_pending(page)
    page.locator("#conversation .pending").get_by_text(told).wait_for(timeout=10_000)


def test_a_server_that_paused_is_waited_for_again(page: Any) -> None:
    _with_server(page, "Promise.reject(new TypeError('gone'))")
    _show_pending(page)
    told = page.locator("#conversation .pending")
    told.get_by_text("The server does not answer").wait_for(timeout=10_000)
    page.evaluate("() => { window.fetch = window.usual; }")
    told.get_by_text("Searching the articles").wait_for(timeout=10_000)


def _with_server(page: Any, says: str) -> None:
    """What the page asks for, to see whether the server is there, goes as `says`; what gradio asks for goes on."""
    page.evaluate(
        "() => { window.usual = window.fetch; window.fetch = (url, options) =>"
        f" String(url).endsWith('app_id') ? {says} : window.usual(url, options); }}"
    )


def _show_pending(page: Any) -> None:
    """A question that is being asked, as the server sends it: to look at one that takes long would take long."""
    page.evaluate(
        "markup => { document.querySelector('#pending').insertAdjacentHTML('beforeend', markup);"
        " document.dispatchEvent(new Event('pending')); }",
        pending_markup("Who is the mayor of Shenzhen?"),
    )


def test_a_sync_is_stopped_and_what_it_was_to_add_is_removed(page: Any, tmp_path: Path) -> None:
    text = "".join(f"Ferry {i} left pier {i % 90} at {i % 24} o'clock with {i * 7} people. " for i in range(20_000))
    write_article(tmp_path / "ferries.md", "Ferries", "Lamp", "2024-07-01", text)
    page.get_by_role("tab", name="Articles").click()
    page.locator("#add input[type=file]").set_input_files(tmp_path / "ferries.md")
    page.locator("#outcomes").get_by_text("embedding:").wait_for(timeout=60_000)
    page.locator("#stop-sync").click()
    page.get_by_text("Stopped: the index answers as before").wait_for(timeout=60_000)
    page.get_by_label("Added files and addresses to remove").click()
    page.get_by_role("option", name="ferries.md").click()
    page.get_by_role("button", name="Remove", exact=True).click()
    page.get_by_text("Nothing has changed.").wait_for(timeout=60_000)
    page.get_by_label("Search the articles").fill("ferries")
    page.get_by_text(re.compile(r"^0 of \d+ articles")).wait_for()


def test_a_run_of_cases_is_stopped_and_tells_what_was_asked(page: Any, tmp_path: Path) -> None:
    case = "  - {{id: c{}, question: Which brand did Huawei launch with JAC?, answers: [Maextro]}}\n"
    (tmp_path / "many.yaml").write_text("cases:\n" + "".join(case.format(i) for i in range(2_000)))
    page.get_by_role("tab", name="Regression").click()
    page.locator("input[type=file]").last.set_input_files(tmp_path / "many.yaml")
    page.get_by_text("many.yaml").wait_for()
    page.get_by_role("button", name="Run", exact=True).click()
    page.locator("#report").get_by_text(re.compile(r"asking: [1-9]")).wait_for(timeout=60_000)
    page.locator("#stop-run").click()
    page.get_by_text(re.compile(r"Stopped after \d+ of 2000 cases")).wait_for(timeout=60_000)


# -- for everyone ----------------------------------------------------------------------------------------------------


def test_a_hostile_article_shows_as_text_and_nothing_leaves_this_machine(page: Any) -> None:
    ask(page, "What is the vandal of Vell called?")
    assert "onerror=alert(1)" in evidence(page).inner_text()
    ask(page, HOSTILE)
    assert page.locator("#evidence img, #evidence script, #conversation img, #conversation script").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(visit: Callable[..., Any], scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = visit(color_scheme=scheme)

    def serious() -> list[str]:
        # In the dark only the colours are other ones.
        rules = {"runOnly": {"type": "rule", "values": ["color-contrast"]}} if scheme == "dark" else {}
        return _serious(Axe().run(page, options={**rules, "resultTypes": ["violations"]}).response)

    ask(page, "Who is the mayor of Shenzhen?")
    assert ask(page, LIGHTHOUSE).locator(".disagreement").is_visible()
    ask(page, JAC).get_by_role("button", name="This answer is wrong").click()
    page.get_by_role("button", name="Filters").click()
    _show_pending(page)
    found = serious()
    page.get_by_role("tab", name="Articles").click()
    page.locator("#articles table").wait_for()
    found += serious()
    page.get_by_role("tab", name="Regression").click()
    page.get_by_role("button", name="Run", exact=True).wait_for()
    assert found + serious() == []


def _serious(response: dict[str, Any]) -> list[str]:
    return [
        f"{violation['id']}: {node['html'][:200]}"
        for violation in response["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def test_the_page_serves_a_phone(visit: Callable[..., Any]) -> None:
    page = visit(viewport={"width": 375, "height": 700}, has_touch=True, is_mobile=True)
    turn = ask(page, JAC)
    turn.locator(".cite[data-cite='2']").tap()
    page.wait_for_function(MARK_IN_VIEW)
    page.get_by_role("button", name="Back to the answer").tap()
    assert turn.locator(".cite[data-cite='2']").is_visible()
    page.get_by_role("tab", name="Articles").tap()
    page.locator("#articles table").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
