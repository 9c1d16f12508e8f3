"""The articles tab: its table and charts, files that are added and removed; and verdicts that become cases."""

from __future__ import annotations

import contextlib
import http.server
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import HOSTILE, ROOT, write_article
from test_chat import Elements, answer_from

from assistant import Assistant, Settings
from assistant.chat.adding import add_address, add_files, added, folder_of, outcomes_markup, remove
from assistant.chat.articles import about_markup, found, table_markup
from assistant.chat.charts import by_outlet, over_time
from assistant.chat.feedback import NothingExpected, Verdict, file_of, save_case
from assistant.chat.regression import run_file
from assistant.chat.turns import ShownTurn
from assistant.chat.work import Work
from assistant.errors import AssistantError, InvalidCases
from assistant.evaluation.cases import load_cases
from assistant.schema import Article, Turn

NEWEST = {"by": "published", "falling": True}


def quiet(step: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def article(title: str, source: str = "", published: date | None = None, **more: Any) -> Article:
    return Article(id=title, title=title, text=title, source=source, published=published, **more)


def titles(markup: str) -> list[str]:
    return [cell.split("</td>")[0] for cell in markup.split("<tr><td>")[1:]]


# -- the table and the charts ----------------------------------------------------------------------------------------


def test_the_table_is_sorted_as_asked() -> None:
    articles = [article("B", published=date(2024, 1, 1)), article("a", published=date(2025, 1, 1)), article("C")]
    assert titles(table_markup(articles, 3, NEWEST)) == ["a", "B", "C"]
    assert titles(table_markup(articles, 3, {"by": "title", "falling": False})) == ["a", "B", "C"]
    assert titles(table_markup(articles, 3, {"by": "title", "falling": True})) == ["C", "B", "a"]
    assert titles(table_markup(articles, 3, {"by": "__class__", "falling": True})) == ["a", "B", "C"]


def test_an_article_is_found_by_all_words_wherever_they_stand() -> None:
    articles = [
        article("The bridge", "Daily Stone"),
        article("The harbour", "Daily Stone"),
        article("Bridge toll", "Lamp"),
    ]
    assert [a.title for a in found(articles, "BRIDGE stone")] == ["The bridge"]
    assert found(articles, "") == articles
    assert found(articles, "museum") == []


def test_charts_count_by_month_and_by_year_where_months_would_be_too_many() -> None:
    few = [
        article("a", "X", date(2024, 11, 3)),
        article("b", "X", date(2025, 1, 9)),
        article("c", "Y", date(2025, 1, 1)),
    ]
    assert "Articles over time: 2024-11: 1, 2024-12: 0, 2025-01: 2" in over_time(few)
    assert "Articles by outlet: X: 2, Y: 1" in by_outlet(few)
    many = [article("a", "", date(1990, 1, 1)), article("b", "", date(2005, 1, 1)), article("c")]
    assert "1990: 1, 1991: 0" in over_time(many)
    assert "1 without a date" in over_time(many)
    assert "Articles over time: none" in over_time([])


def test_tables_and_charts_never_take_an_article_for_markup() -> None:
    hostile = [article(HOSTILE, HOSTILE, date(2024, 1, 1), author=HOSTILE, url=f"https://a.example/'{HOSTILE}")]
    for markup in (table_markup(hostile, 1, NEWEST), by_outlet(hostile), over_time(hostile)):
        elements = Elements(markup)
        assert not {tag for tag, _ in elements.tags} & {"img", "script", "iframe", "form"}
        assert not any(name.startswith("on") for _, attributes in elements.tags for name in attributes)


# -- files -----------------------------------------------------------------------------------------------------------


def test_an_added_file_answers_stays_and_can_be_removed(
    open_assistant: Callable[..., Assistant], tmp_path: Path
) -> None:
    assistant = open_assistant()
    assistant.sync()
    write_article(
        tmp_path / "drop" / "tram.md",
        "The tram",
        "Evening Lamp",
        "2024-07-01",
        "The tram of Vell was paid for by Ossian Grell.",
    )
    (tmp_path / "drop" / "picture.png").write_bytes(b"\x89PNG\x00\x01")
    report = add_files(assistant, sorted((tmp_path / "drop").iterdir()), quiet)
    assert {(o.what, o.location) for o in report.outcomes} == {("added", "tram.md"), ("skipped", "picture.png")}
    assert "picture.png" in outcomes_markup(report)
    assert assistant.ask("Who paid for the tram of Vell?").short == "Ossian Grell"
    assert len(assistant.articles()) == 4
    # A sync that names nothing keeps them: their folder is remembered.
    assistant.sync()
    assert len(assistant.articles()) == 4
    remove(assistant, ["tram.md", "picture.png", "../index/CURRENT"], quiet)
    assert len(assistant.articles()) == 3
    assert list(folder_of(assistant).iterdir()) == []
    assert assistant.indexed


def test_a_file_of_the_same_name_is_a_new_version(open_assistant: Callable[..., Assistant], tmp_path: Path) -> None:
    assistant = open_assistant()
    assistant.sync()
    for payer in ("Ossian Grell", "Ida Holm"):
        write_article(
            tmp_path / "tram.md", "The tram", "Lamp", "2024-07-01", f"The tram of Vell was paid for by {payer}."
        )
        report = add_files(assistant, [tmp_path / "tram.md"], quiet)
    assert [o.what for o in report.outcomes] == ["changed"]
    assert assistant.ask("Who paid for the tram of Vell?").short == "Ida Holm"


@pytest.mark.parametrize("address", ["", "/etc", "file:///etc/passwd", "corpus", "http://127.0.0.1:9/page"])
def test_only_addresses_on_the_web_are_added(open_assistant: Callable[..., Assistant], address: str) -> None:
    assistant = open_assistant()
    assistant.sync()
    try:
        report = add_address(assistant, address, quiet)
    except AssistantError:
        pass
    else:
        assert {outcome.what for outcome in report.outcomes} <= {"failed", "skipped"}
    assert len(assistant.articles()) == 3


def test_an_added_address_is_listed_with_its_age_and_can_be_removed(open_assistant: Callable[..., Assistant]) -> None:
    assistant = open_assistant()
    assistant.sync()
    with serving(
        "<html><title>Tram</title><article><p>The tram of Vell was paid for by Ida Holm.</p></article>"
    ) as page:
        assistant.sync([page], allow_private=True)
        assert len(assistant.articles()) == 4
        assert page in added(assistant)
        assert f"<li>{page} <span class='age'>page, 1 article, read today" in about_markup(assistant, [])
        report = remove(assistant, [page, "https://another.example/"], quiet)
    assert [(outcome.what, outcome.location) for outcome in report.outcomes] == [("removed", page)]
    assert len(assistant.articles()) == 3
    assert added(assistant) == []


@contextlib.contextmanager
def serving(body: str) -> Iterator[str]:
    """The address of a page on this machine."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/page" else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(body.encode() if self.path == "/page" else b"")

        def log_message(self, *_: object) -> None:
            """Nothing: the test's output stays clean."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/page"
        finally:
            server.shutdown()
            thread.join()


def test_added_files_are_kept_beside_the_index_and_never_in_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Settings(corpus=tmp_path, index=tmp_path / "index").kept == tmp_path / "index-kept"
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
        kept = Settings(corpus=tmp_path, index=tmp_path / "cache" / "article-assistant" / "index" / "ab12").kept
        assert kept == tmp_path / "data" / "article-assistant" / "kept" / "ab12"


# -- cases -----------------------------------------------------------------------------------------------------------


def turn(question: str = "Which?", **answer: Any) -> ShownTurn:
    return ShownTurn(question, {}, replace(answer_from("One. Two is here.", "Two is here.", title="T"), **answer))


def saved(assistant: Assistant, turns: list[ShownTurn], verdict: Verdict) -> Any:
    return load_cases(save_case(assistant, turns, verdict))[-1]


def test_a_verdict_becomes_a_draft_case(open_assistant: Callable[..., Assistant]) -> None:
    assistant = open_assistant()
    case = saved(assistant, [turn("Who won?", short="Ada: 3")], Verdict("right"))
    assert (case.question, case.answers, case.articles, case.draft) == ("Who won?", ("Ada: 3",), ("a.md",), True)
    case = saved(assistant, [turn("Who won?")], Verdict("wrong", right=" Bo  Li\n"))
    assert (case.id, case.answers, case.articles) == ("who-won-2", ("Bo Li",), ())
    assert saved(assistant, [turn("Who won?")], Verdict("wrong", silent=True)).abstain
    assert saved(assistant, [turn("Who?", short=None, abstained=True, citations=())], Verdict("right")).abstain
    assert saved(assistant, [turn("Why?", short=None)], Verdict("right")).quote == ("Two is here.",)
    assert len(load_cases(file_of(assistant))) == 5


def test_a_case_has_the_history_and_the_filters_it_was_asked_with(open_assistant: Callable[..., Assistant]) -> None:
    first, second = turn("Who won?", asked="Who won?"), turn("And then?", asked="Who won then?")
    case = saved(
        open_assistant(), [first, replace(second, filters={"since": "2024-01-01", "source": "S: x"})], Verdict("right")
    )
    assert case.history == (Turn("Who won?", "short"),)
    assert (case.since, case.source) == (date(2024, 1, 1), "S: x")


def test_hostile_words_stay_words_in_the_file_of_cases(open_assistant: Callable[..., Assistant]) -> None:
    question = f"Who? {HOSTILE} !!python/object:os.system {{a: b}} # no\n- id: x"
    case = saved(open_assistant(), [turn(question)], Verdict("wrong", right="*anchor &x: |"))
    assert case.question == " ".join(question.split())
    assert case.answers == ("*anchor &x: |",)


def test_a_wrong_answer_without_the_right_one_is_no_case(open_assistant: Callable[..., Assistant]) -> None:
    assistant = open_assistant()
    with pytest.raises(NothingExpected, match="right answer"):
        save_case(assistant, [turn()], Verdict("wrong"))
    assert not file_of(assistant).exists()


def test_a_file_of_cases_with_a_mistake_is_not_added_to(open_assistant: Callable[..., Assistant]) -> None:
    assistant = open_assistant()
    path = save_case(assistant, [turn()], Verdict("right"))
    path.write_text(path.read_text(encoding="utf-8") + "  - id: half\n", encoding="utf-8")
    before = path.read_bytes()
    with pytest.raises(InvalidCases):
        save_case(assistant, [turn()], Verdict("right"))
    assert path.read_bytes() == before


# -- the regression tab ----------------------------------------------------------------------------------------------


def test_a_run_names_its_failures_and_what_has_changed_since_the_kept_one(
    open_assistant: Callable[..., Assistant], tmp_path: Path
) -> None:
    assistant = open_assistant()
    assistant.sync()

    def run_with(question: str, expected: str, *, keep: bool) -> str:
        cases = [
            {"id": "harbour", "question": "Who built the harbour of Tansk?", "answers": ["Hollen Works"]},
            {"id": "bridge", "question": question, "answers": [expected]},
        ]
        path = tmp_path / "cases.yaml"
        path.write_text(yaml.safe_dump(cases), encoding="utf-8")
        return run_file(assistant, path, Work("stopped"), keep=keep)

    markup = run_with("Who opened the bridge over the Orve?", "Mara Lind", keep=True)
    assert "2 of 2 right" in markup
    assert "No result is kept" in markup
    markup = run_with("Who opened the bridge over the Orve?", "Mara Lind", keep=False)
    assert "No case is right or wrong that was not before (2 compared)" in markup
    markup = run_with("Who <b>opened</b> the bridge over the Orve?", "Ida Holm", keep=False)
    assert "1 of 2 right" in markup
    assert "<h3>Who &lt;b&gt;opened&lt;/b&gt; the bridge" in markup
    assert "<mark>" in markup


def test_what_the_page_keeps_is_not_committed() -> None:
    assert "index-kept/" in (ROOT / ".gitignore").read_text(encoding="utf-8").split()
