"""The chat page without a browser: its markup from answers, what a browser keeps, what can be taken away."""

from __future__ import annotations

import json
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
from assistant.chat.markup import age_of, conversation_markup, evidence_markup, pending_markup, reply_markup
from assistant.chat.past import put_away
from assistant.chat.turns import ShownTurn, from_browser, history, to_browser
from assistant.schema import Answer, Article, Citation, Disagreement, Hit, Passage
from assistant.server import BODY_LIMIT


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
        conversation_markup([turn], can_save=True),
        pending_markup(HOSTILE),
    ):
        elements = Elements(markup)
        assert {tag for tag, _ in elements.tags} <= {
            "a",
            "article",
            "b",
            "br",
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


def test_sources_that_disagree_stand_in_a_table_and_open_like_the_cited_ones() -> None:
    first = Article("a", "Toll", "It cost 12 million.", "Stone", published=date(2024, 3, 1))
    other = Article("b", "<b>Toll</b>", "It <i>cost</i> 15 million.", "Lamp <br>", published=date(2025, 6, 1))
    against = Disagreement("15 million", Citation(2, other, other.text, 0, len(other.text), 2.0))
    answer = Answer(
        "q", "q", "12 million", f"{first.text} [1]", False, "", 0.9, (Citation(1, first, first.text, 0, 19, 3.0),),
        disagreements=(against,),
    )  # fmt: skip
    table = Elements(reply_markup(answer, today=date(2025, 6, 15)))
    rows = table.text.split("The sources disagree")[1]
    assert (
        "ValueOutletDateSource12 millionStone2024-03-01 (15 months ago)[1]15 millionLamp <br>2025-06-01 (2 weeks ago)[2]"
        in rows
    )
    assert ("button", "2") in [(tag, attributes.get("data-cite")) for tag, attributes in table.tags]
    assert {tag for tag, _ in table.tags}.isdisjoint({"i", "br"})
    evidence = Elements(evidence_markup(answer))
    assert [attributes["data-number"] for tag, attributes in evidence.tags if tag == "article"] == ["1", "2"]
    exported = markdown(ShownTurn("q", {}, answer))
    assert "| 15 million[^2] | Lamp \\<br\\> | 2025-06-01 |" in exported
    assert "[^2]: " in exported


def test_the_words_that_answer_stand_out_in_their_sentence() -> None:
    answer = replace(answer_from("A & B won.", "A & B won."), short="A & B")
    assert "<b>A &amp; B</b> won." in reply_markup(answer)
    assert "<mark><b>A &amp; B</b> won.</mark>" in evidence_markup(answer)


def test_an_undated_article_has_the_age_of_its_last_edit() -> None:
    edited = answer_from("One.", "One.", updated=date(2025, 6, 5))
    assert "edited 10 days ago" in reply_markup(edited, today=date(2025, 6, 15))
    assert "no date" in reply_markup(answer_from("One.", "One."), today=date(2025, 6, 15))


def test_a_nearest_passage_is_told_by_its_beginning() -> None:
    answered = answer_from("word " * 100, "word")
    silent = Answer("q", "q", None, "The articles do not answer this: no.", True, "no", 0.1, (), answered.hits)
    told = Elements(reply_markup(silent)).text
    assert "word word" in told
    assert 100 < told.count("word ") * 5 < 200


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
        against = Disagreement("Ida Holm", replace(answered.answer.citations[0], number=9))
        contradicted = replace(answered, answer=replace(answered.answer, disagreements=(against,)))
        turns = [answered, silent, failed, contradicted]
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


def test_examples_are_the_lines_of_the_corpus_folders_own_file(open_assistant: Any, corpus: Path) -> None:
    with open_assistant() as assistant:
        assistant.sync()
        (corpus / ".examples").write_text("# note\nWho won?\n\n  When?  \n", encoding="utf-8")
        assert example_questions(assistant) == ["Who won?", "When?"]


def test_without_that_file_examples_are_drawn_from_the_articles_and_have_answers(open_assistant: Any) -> None:
    with open_assistant() as assistant:
        assistant.sync()
        drawn = example_questions(assistant)
        assert drawn
        assert not any(assistant.ask(question).abstained for question in drawn)
