"""An Assistant -> the page: what stands where, and what happens when it is used.

The markup and the looks are our own (markup.py, page.css), what happens in the browser is in page.js: gradio carries
values to and fro, and its components are the fields and buttons. The server keeps nothing of a conversation.
"""

from __future__ import annotations

import functools
import html
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assistant.assistant import Assistant
from assistant.chat import articles, past, regression
from assistant.chat.asking import ANY_SOURCE, AT_ONCE, Asking, filled
from assistant.chat.examples import example_questions
from assistant.chat.export import FILTERS
from assistant.chat.feedback import Verdict, save_case
from assistant.chat.markup import conversation_markup, filters_told, welcome_markup
from assistant.chat.turns import from_browser, to_browser
from assistant.errors import AssistantError
from assistant.questions import LENGTH_LIMIT

_HERE = Path(__file__).parent
CSS = (_HERE / "page.css").read_text(encoding="utf-8")
_STORAGE_SECRET = "article-assistant"
"""Gradio enciphers what it keeps in the browser; a key of its own choosing would be another one after each start."""

_PENDING = "watch('value', () => document.dispatchEvent(new Event('pending')));"
_EVIDENCE = """
<section class='panel' aria-labelledby='evidence-title'>
  <div class='bar'><h2 id='evidence-title'>Evidence</h2>
    <span class='place' role='status'></span>
    <button type='button' class='minor' data-step='-1' disabled>Previous</button>
    <button type='button' class='minor' data-step='1' disabled>Next</button>
    <button type='button' class='minor' data-back disabled aria-label='Back to the answer'>Back</button>
  </div>
  <div class='body' tabindex='0' role='region' aria-label='The cited article'>
    <p class='hint'>The articles that an answer rests on appear here, with the quoted words marked.</p>
  </div>
</section>
"""


@dataclass(frozen=True)
class _Parts:
    """The components that several events read or write."""

    conversation: Any
    pending: Any
    """The question that is being asked; shown in the conversation."""
    box: Any
    send: Any
    since: Any
    until: Any
    source: Any
    matching: Any
    """How many articles the filters leave."""
    turns: Any
    """In the browser: the conversation that is shown."""
    shelf: Any
    """In the browser: the earlier ones."""
    set: Any
    """In the browser: the filters that are set."""
    earlier: Any
    head: Any
    new: Any

    @property
    def filters(self) -> list[Any]:
        return [self.since, self.until, self.source]


def build_page(assistant: Assistant, *, can_change: bool = False) -> Any:
    """A gradio.Blocks, not yet served; with `can_change`, articles can be added and removed and cases saved."""
    # Exactly so, before the import: otherwise gradio contacts its makers' hosts at launch.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    import gradio as gr

    welcome = welcome_markup(example_questions(assistant))
    with gr.Blocks(title="Article Assistant", analytics_enabled=False, fill_width=True) as page:
        head = gr.HTML(_head(assistant), elem_id="head", apply_default_css=False)
        with gr.Tab("Ask"), gr.Row(elem_id="ask"):
            with gr.Column(scale=6, min_width=300):
                parts = _asking(gr, assistant, head, welcome)
            with gr.Column(scale=5, min_width=300):
                gr.HTML(_EVIDENCE, elem_id="evidence", apply_default_css=False, js_on_load=None)
        with gr.Tab("Articles") as tab:

            def refresh() -> tuple[Any, ...]:
                return _head(assistant), gr.Dropdown(choices=_source_choices(assistant))

            for event in articles.build(gr, assistant, [head, parts.source], refresh, can_change=can_change):
                tab.select(*event, show_progress="hidden")
        if can_change:
            with gr.Tab("Regression") as tab:
                tab.select(*regression.build(gr, assistant), show_progress="hidden")
        _wire(gr, page, assistant, parts, welcome, can_save=can_change)
    page.queue(max_size=64)
    return page


def theme() -> Any:
    """Blue on white (or on black), in the system's own fonts: nothing is fetched."""
    import gradio as gr

    fonts = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
    return gr.themes.Default(
        primary_hue="blue", neutral_hue="slate", font=fonts, font_mono=["ui-monospace", "monospace"]
    ).set(
        # Gradio's own are too pale to be read by everyone.
        body_text_color_subdued="*neutral_600",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_dark="*primary_700",
    )


# -- what stands where -----------------------------------------------------------------------------------------------


def _asking(gr: Any, assistant: Assistant, head: Any, welcome: str) -> _Parts:
    """The conversation, the field for the next question, the filters and the earlier conversations."""
    conversation = gr.HTML(
        conversation_markup([], welcome=welcome),
        elem_id="conversation",
        apply_default_css=False,
        js_on_load=(_HERE / "page.js").read_text(encoding="utf-8"),
    )
    pending = gr.HTML("", elem_id="pending", apply_default_css=False, js_on_load=_PENDING)
    with gr.Row(equal_height=True, elem_id="question"):
        box = gr.Textbox(
            label="Your question",
            placeholder="Ask a question…",
            lines=1,
            max_length=LENGTH_LIMIT,
            autofocus=True,
            scale=8,
            min_width=200,
        )
        send = gr.Button("Ask", variant="primary", scale=1, min_width=80)
    with gr.Row(elem_id="tools"):
        new = gr.Button("New conversation", variant="secondary", size="sm", min_width=120)
    matching = gr.HTML("", elem_id="matching", apply_default_css=False)
    with gr.Accordion("Filters", open=False, elem_id="filters"), gr.Row():
        since = gr.Textbox(label="Published from", placeholder="YYYY-MM-DD", max_length=10, min_width=120)
        until = gr.Textbox(label="Published to", placeholder="YYYY-MM-DD", max_length=10, min_width=120)
        source = gr.Dropdown(_source_choices(assistant), value=ANY_SOURCE, label="Source", min_width=160)
    with gr.Accordion("Earlier conversations", open=False, elem_id="past"):
        earlier = gr.HTML(past.markup([]), apply_default_css=False, js_on_load=past.SCRIPT)
    turns = gr.BrowserState([], storage_key="article-assistant-turns", secret=_STORAGE_SECRET)
    shelf = gr.BrowserState([], storage_key="article-assistant-shelf", secret=_STORAGE_SECRET)
    set_ = gr.BrowserState({}, storage_key="article-assistant-filters", secret=_STORAGE_SECRET)
    return _Parts(
        conversation, pending, box, send, since, until, source, matching, turns, shelf, set_, earlier, head, new
    )


def _head(assistant: Assistant) -> str:
    count = assistant.count()
    noun = "article" if count == 1 else "articles"
    return (
        "<h1>Article Assistant</h1>"
        f"<p>Answers from {count} {noun}, with the sentences they rest on; silence where the articles are silent.</p>"
    )


def _source_choices(assistant: Assistant) -> list[str]:
    return [ANY_SOURCE, *assistant.outlets()]


# -- what happens ----------------------------------------------------------------------------------------------------


def _wire(gr: Any, page: Any, assistant: Assistant, parts: _Parts, welcome: str, *, can_save: bool) -> None:
    render = functools.partial(conversation_markup, welcome=welcome, can_save=can_save)
    asking = Asking(gr, assistant, render)
    kept = [parts.turns, *parts.filters]
    outputs = [parts.box, parts.turns, parts.conversation, parts.pending]
    quiet = {"show_progress": "hidden"}
    waiting = {"concurrency_limit": AT_ONCE, "concurrency_id": "ask", **quiet}
    gr.on([parts.box.submit, parts.send.click], asking.typed, [parts.box, *kept], outputs, **waiting)
    parts.conversation.ask(asking.offered, kept, outputs, **waiting)
    parts.conversation.again(asking.again, kept, outputs, **waiting)
    # Not queued: what is stopped may wait in the queue itself.
    parts.conversation.stop(asking.stop, [parts.turns], outputs[1:], queue=False, **quiet)
    unfiltered = ("", "", ANY_SOURCE)
    parts.conversation.unfilter(lambda: unfiltered, None, parts.filters, **quiet)
    # Several fields may change at once. Gradio then runs one event for each, in any order, and the stale one may be the
    # last to answer: the browser waits until all have changed, and sends one.
    gr.on([field.change for field in parts.filters], None, js="() => document.dispatchEvent(new Event('filters'))")
    told = [parts.matching, parts.set]
    parts.conversation.filtered(_matching(assistant), parts.filters, told, trigger_mode="always_last", **quiet)
    if can_save:
        save = _told(gr, _saver(assistant, render))
        parts.conversation.save(save, [parts.turns], [parts.turns, parts.conversation], **quiet)

    linked = gr.State("")
    loaded = page.load(
        _loader(gr, assistant, render),
        [parts.turns, parts.shelf, parts.set],
        [parts.head, parts.source, parts.conversation, parts.earlier, linked, *parts.filters[:2]],
        **quiet,
    )
    loaded.success(asking.linked, [linked, *kept], outputs, **waiting)
    loaded.then(None, None, None, js="() => { document.body.ariaBusy = 'false'; }")
    past.wire(gr, assistant, parts, render, asking.drop)


def _told(gr: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """Gradio finds the parameter for an event's data by its annotation, which cannot be written before the import."""
    function.__annotations__["event"] = gr.EventData
    return function


def _matching(assistant: Assistant) -> Callable[..., tuple[str, dict[str, str]]]:
    """How many articles the filters leave, or what is wrong with them; and the filters for the browser to keep."""

    def matching(since: str | None, until: str | None, source: str | None) -> tuple[str, dict[str, str]]:
        filters = filled(since, until, source)
        try:
            return matching_markup(assistant, filters), filters
        except AssistantError as error:
            return f"<p class='hint' role='status'>{html.escape(str(error))}</p>", filters

    return matching


def matching_markup(assistant: Assistant, filters: dict[str, str]) -> str:
    """Raises InvalidSetting for a day that is none, IndexMissing."""
    if not filters:
        return ""
    count, every = assistant.count(**filters), assistant.count()
    told = f"{count} of {every} articles" if count else f"None of the {every} articles"
    return (
        f"<p class='hint'><span role='status'>{filters_told(filters)} {told} can answer.</span> "
        "<button type='button' class='minor' data-unfilter>Clear the filters</button></p>"
    )


def _loader(gr: Any, assistant: Assistant, render: Callable[..., str]) -> Callable[..., tuple[Any, ...]]:
    """A page is opened or reloaded: the conversation and the filters as they were, or as the address names them.

    A sync may have changed the articles since the page was built.
    """

    def load(kept: list[Any], shelf: list[Any], filters: object, request: Any) -> tuple[Any, ...]:
        named = {name: request.query_params.get(name) for name in ("q", *FILTERS)}
        # A link's question is asked under the link's filters, and under no others.
        values = named if named["q"] or not isinstance(filters, dict) else filters | {"q": ""}
        wanted = {name: str(values.get(name) or "")[:LENGTH_LIMIT] for name in named}
        turns = from_browser(kept, assistant)
        choices = _source_choices(assistant)
        source = {"value": wanted["source"]} if wanted["source"] in choices else {}
        return (
            _head(assistant),
            gr.Dropdown(choices=choices, **source),
            # Where there was none, one that was begun while the page was loading stays, too.
            render(turns) if turns else gr.skip(),
            past.markup(shelf),
            wanted["q"],
            # What was typed while the page was loading stays.
            wanted["since"] or gr.skip(),
            wanted["until"] or gr.skip(),
        )

    load.__annotations__["request"] = gr.Request
    return load


def _saver(assistant: Assistant, render: Callable[..., str]) -> Callable[..., tuple[Any, ...]]:
    """A verdict is saved as a case; its turn then names the file, or says why it was not saved."""

    def save(kept: list[Any], event: Any) -> tuple[Any, ...]:
        turns = from_browser(kept, assistant)
        if not 0 <= event.place < len(turns):
            return to_browser(turns), render(turns)
        verdict = Verdict(str(event.verdict), str(event.right), bool(event.silent))
        try:
            told = f"Saved as a draft case in {save_case(assistant, turns[: event.place + 1], verdict)}"
        except AssistantError as error:
            told = str(error)
        turns[event.place] = replace(turns[event.place], saved=told)
        return to_browser(turns), render(turns)

    return save
