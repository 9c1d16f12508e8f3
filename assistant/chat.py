"""An Assistant -> the chat page: conversation on one side, the cited passages on the other. The home of gradio.

Everything that comes from an article or from the user is escaped here and put into markup of our own; nothing
of it is ever read as Markdown or HTML. The page keeps no state but the conversation of its browser tab.
"""

from __future__ import annotations

import html
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from assistant.assistant import Assistant
from assistant.errors import AssistantError, IndexMissing
from assistant.questions import LENGTH_LIMIT
from assistant.schema import Answer, Article, Citation, Hit, Turn

EXAMPLES_FILE = ".examples"
"""In the corpus folder: questions to offer on the page, one per line. Without it, none are offered."""
_MOST_EXAMPLES = 6
_ANY_SOURCE = "All sources"

_EMPTY_EVIDENCE = "<p class='hint'>The passages that an answer rests on appear here, with the quoted words marked.</p>"

CSS = """
.gradio-container { max-width: 1280px !important; margin: 0 auto !important; }
#head h1 { font-size: 1.35rem; margin: .2rem 0 0; }
#head p { margin: .1rem 0 .4rem; opacity: .8; }
.reply .short { font-size: 1.15rem; font-weight: 650; margin: 0 0 .35rem; }
.reply p { margin: .25rem 0; line-height: 1.5; overflow-wrap: anywhere; }
.reply .meta, .hint, .card .where { color: var(--body-text-color); opacity: .8; font-size: .87rem; }
.reply.silent .short { font-weight: 600; font-size: 1rem; }
.reply.silent { border-left: 3px solid #b7791f; padding-left: .7rem; }
.number { font-size: .8em; font-weight: 600; color: var(--link-text-color); }
.card { border: 1px solid var(--border-color-primary); border-radius: 10px; padding: .7rem .85rem; margin: 0 0 .7rem;
        background: var(--background-fill-primary); }
.card h3 { font-size: .98rem; margin: 0 0 .1rem; overflow-wrap: anywhere; }
.card p.passage { margin: .45rem 0 .2rem; line-height: 1.5; white-space: pre-line; overflow-wrap: anywhere; }
.card mark { background: #ffe58a; color: #1a1a1a; padding: .05em .1em; border-radius: 3px; }
.card details { margin-top: .35rem; font-size: .92rem; }
.card details p { white-space: pre-line; line-height: 1.5; overflow-wrap: anywhere; }
.card summary { cursor: pointer; color: var(--link-text-color); }
"""


def build_page(assistant: Assistant) -> Any:
    """A gradio.Blocks, not yet served."""
    # Exactly so, before the import: otherwise gradio contacts its makers' hosts at launch.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    import gradio as gr

    with gr.Blocks(title="Article Assistant", analytics_enabled=False, fill_width=True) as page:
        head = gr.HTML(_head(assistant), elem_id="head")
        turns = gr.State([])
        with gr.Row():
            with gr.Column(scale=6, min_width=340):
                chatbot, box, send = _conversation(gr)
                offered = example_questions(assistant.settings.corpus)
                if offered:
                    gr.Examples([[question] for question in offered], inputs=[box], label="Examples")
                since, until, source = _filters(gr, assistant)
                clear = gr.Button("New conversation", variant="secondary", size="sm")
            with gr.Column(scale=5, min_width=320):
                gr.HTML("<h2>Evidence</h2>")
                evidence = gr.HTML(_EMPTY_EVIDENCE, elem_id="evidence")
        inputs, outputs = [box, turns, chatbot, since, until, source], [box, turns, chatbot, evidence]
        asked = gr.on(
            [box.submit, send.click],
            _responder(gr, assistant),
            inputs,
            outputs,
            show_progress="hidden",
            concurrency_limit=2,
        )
        # Gradio's own bin on the conversation must forget the turns too.
        emptied: tuple[Any, ...] = ("", [], [], _EMPTY_EVIDENCE)
        gr.on([clear.click, chatbot.clear], lambda: emptied, None, outputs, show_progress="hidden", cancels=[asked])
        # A sync may have changed the articles since the page was built.
        page.load(lambda: (_head(assistant), gr.Dropdown(_source_choices(assistant))), None, [head, source])
    page.queue(max_size=64)
    return page


def _conversation(gr: Any) -> tuple[Any, Any, Any]:
    """The conversation, the field for the next question, and its button."""
    chatbot = gr.Chatbot(
        label="Conversation",
        show_label=False,
        height=470,
        render_markdown=False,
        latex_delimiters=[],
        buttons=[],
        feedback_options=None,
        group_consecutive_messages=False,
        placeholder="Ask a question of the articles.",
    )
    with gr.Row(equal_height=True):
        box = gr.Textbox(
            label="Your question",
            placeholder="Ask a question of the articles…",
            lines=1,
            max_length=LENGTH_LIMIT,
            autofocus=True,
            scale=8,
        )
        send = gr.Button("Ask", variant="primary", scale=1, min_width=80)
    return chatbot, box, send


def _filters(gr: Any, assistant: Assistant) -> tuple[Any, Any, Any]:
    with gr.Accordion("Filters", open=False), gr.Row():
        since = gr.Textbox(label="Published from", placeholder="YYYY-MM-DD", max_length=10, min_width=120)
        until = gr.Textbox(label="Published to", placeholder="YYYY-MM-DD", max_length=10, min_width=120)
        source = gr.Dropdown(_source_choices(assistant), value=_ANY_SOURCE, label="Source", min_width=160)
    return since, until, source


def _responder(gr: Any, assistant: Assistant) -> Callable[..., Iterator[tuple[Any, ...]]]:
    """What happens to a question: it is shown at once, then its answer with the evidence."""

    def respond(
        question: str,
        turns: list[Turn],
        shown: list[dict[str, Any]],
        since: str | None,
        until: str | None,
        source: str | None,
    ) -> Iterator[tuple[Any, ...]]:
        shown = [*shown, _message(gr, "user", _escaped_line(question))]
        yield "", turns, [*shown, _message(gr, "assistant", "<p class='hint'>Searching the articles…</p>")], gr.skip()
        reply, evidence, turn = _turn(assistant, question, turns, since, until, source)
        yield gr.skip(), [*turns, *turn], [*shown, _message(gr, "assistant", reply)], evidence

    return respond


def theme() -> Any:
    """Blue on white (or on black), in the system's own fonts: nothing is fetched."""
    import gradio as gr

    fonts = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
    return gr.themes.Default(
        primary_hue="blue", neutral_hue="slate", font=fonts, font_mono=["ui-monospace", "monospace"]
    )


def example_questions(corpus: Path) -> list[str]:
    """Questions to offer, from the corpus folder's own file."""
    path = corpus / EXAMPLES_FILE
    if not path.is_file():
        return []
    lines = (line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    return [line for line in lines if line and not line.startswith("#")][:_MOST_EXAMPLES]


def _source_choices(assistant: Assistant) -> list[str]:
    return [_ANY_SOURCE, *assistant.outlets()]


def _message(gr: Any, role: str, markup: str) -> dict[str, Any]:
    return {"role": role, "content": gr.HTML(markup)}


def _turn(
    assistant: Assistant,
    question: str,
    turns: Sequence[Turn],
    since: str | None,
    until: str | None,
    source: str | None,
) -> tuple[str, str, list[Turn]]:
    """(reply, evidence, the turn to remember): what cannot be asked is a message with the reason, and no turn."""
    outlet = None if source == _ANY_SOURCE else source
    try:
        answer = assistant.ask(question, turns, since=_filled(since), until=_filled(until), source=outlet)
    except AssistantError as error:
        hint = " The page finds it once the index is there." if isinstance(error, IndexMissing) else ""
        return f"<div class='reply silent'><p>{html.escape(str(error) + hint)}</p></div>", _EMPTY_EVIDENCE, []
    remembered = Turn(answer.asked, answer.short or "")
    return reply_markup(answer), evidence_markup(answer), [remembered]


def _filled(value: str | None) -> str | None:
    """A text field's value; gradio gives None for an untouched one."""
    return (value or "").strip() or None


# -- markup: every value passes through html.escape ----------------------------------------------------------------


def _escaped_line(text: str) -> str:
    return f"<p>{html.escape(' '.join(text.split())[:LENGTH_LIMIT])}</p>"


def _head(assistant: Assistant) -> str:
    status = assistant.status()
    count = status["articles"]
    noun = "article" if count == 1 else "articles"
    return (
        "<h1>Article Assistant</h1>"
        f"<p>Answers from {count} {noun}, with the sentences they rest on; silence where the articles are silent.</p>"
    )


def reply_markup(answer: Answer) -> str:
    """One reply of the conversation."""
    lines = []
    if answer.asked != answer.question:
        lines.append(f"<p class='meta'>Asked as: {html.escape(answer.asked)}</p>")
    if answer.abstained:
        lines.append(f"<p class='short'>{html.escape(answer.text)}</p>")
        if answer.hits:
            lines.append("<p class='meta'>The nearest passages are shown as evidence.</p>")
        return f"<div class='reply silent'>{''.join(lines)}</div>"
    if answer.short:
        lines.append(f"<p class='short'>{html.escape(answer.short)}</p>")
    lines += [
        f"<p>{html.escape(citation.quote)} <span class='number'>[{citation.number}]</span></p>"
        for citation in answer.citations
    ]
    lines.append(f"<p class='meta'>{_sureness(answer.confidence)} ({answer.confidence:.0%})</p>")
    return f"<div class='reply'>{''.join(lines)}</div>"


def _sureness(confidence: float) -> str:
    if confidence >= 0.85:
        return "Very likely right"
    return "Likely right" if confidence >= 0.65 else "Possibly right: check the passage"


def evidence_markup(answer: Answer) -> str:
    """A card per citation; the nearest passages where the assistant abstained."""
    if answer.abstained:
        if not answer.hits:
            return "<p class='hint'>No passage matches the question and its filters.</p>"
        cards = [_hit_card(hit) for hit in answer.hits[:3]]
        return "<p class='hint'>Nearest passages; none of them answers surely enough.</p>" + "".join(cards)
    return "".join(_citation_card(citation, answer.hits) for citation in answer.citations)


def _citation_card(citation: Citation, hits: Sequence[Hit]) -> str:
    article = citation.article
    start, end = _passage_around(citation, hits)
    passage = _marked(article.text, start, end, citation)
    whole = _marked(article.text, 0, len(article.text), citation)
    names = html.escape(", ".join(citation.outlets), quote=True)
    elsewhere = f"<p class='where' title='{names}'>{citation.elsewhere}</p>" if citation.elsewhere else ""
    return _card(
        f"<span class='number'>[{citation.number}]</span> {html.escape(article.title)}",
        article,
        f"<p class='passage'>{passage}</p>{elsewhere}<details><summary>Whole article</summary><p>{whole}</p></details>",
    )


def _hit_card(hit: Hit) -> str:
    return _card(html.escape(hit.article.title), hit.article, f"<p class='passage'>{html.escape(hit.text)}</p>")


def _card(title: str, article: Article, body: str) -> str:
    """`title` and `body` are markup."""
    return f"<article class='card'><h3>{title}</h3><div class='where'>{_where(article)}</div>{body}</article>"


def _where(article: Article) -> str:
    day = article.published.isoformat() if article.published else "no date"
    parts = [html.escape(part) for part in (article.source, article.author, day) if part]
    if article.url.startswith(("https://", "http://")):
        link = html.escape(article.url, quote=True)
        parts.append(f"<a href='{link}' target='_blank' rel='noopener noreferrer nofollow'>original page</a>")
    else:
        parts.append(html.escape(article.location))
    return " · ".join(parts)


def _passage_around(citation: Citation, hits: Sequence[Hit]) -> tuple[int, int]:
    for hit in hits:
        same_article = hit.article.id == citation.article.id
        if same_article and hit.passage.start <= citation.start and citation.end <= hit.passage.end:
            return hit.passage.start, hit.passage.end
    return citation.start, citation.end


def _marked(text: str, start: int, end: int, citation: Citation) -> str:
    before, quote, after = text[start : citation.start], citation.quote, text[citation.end : end]
    return f"{html.escape(before)}<mark>{html.escape(quote)}</mark>{html.escape(after)}"
