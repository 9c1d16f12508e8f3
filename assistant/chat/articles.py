"""The articles tab: what the index holds, from where, as a table and charts."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from assistant.assistant import Assistant
from assistant.chat.adding import Adding, added, folder_of
from assistant.chat.charts import by_outlet, over_time
from assistant.chat.markup import age_of
from assistant.errors import AssistantError
from assistant.schema import Article, Source

_MOST_ROWS = 300
_COLUMNS = (("title", "Title"), ("source", "Outlet"), ("author", "Author"), ("published", "Published"))
_FIRST_ORDER = {"by": "published", "falling": True}

SCRIPT = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-sort]');
  if (button) trigger('sort', { by: button.dataset.sort });
});
"""


def build(
    gr: Any,
    assistant: Assistant,
    refreshed: Sequence[Any],
    refresh: Callable[[], Sequence[Any]],
    *,
    can_change: bool,
) -> list[tuple[Any, ...]]:
    """The tab's contents; without `can_change` there is no way to add or remove.

    `refresh` gives the values of `refreshed`, other components that show what is indexed. Returns what is to happen
    when the tab is opened: (function, its inputs, its outputs) each.
    """
    with gr.Row():
        with gr.Column(scale=7, min_width=300):
            search = gr.Textbox(label="Search the articles", placeholder="Title, outlet or author", max_length=200)
            table = gr.HTML(elem_id="articles", apply_default_css=False, js_on_load=SCRIPT)
        with gr.Column(scale=4, min_width=280):
            adding = Adding(gr, assistant) if can_change else None
            about = gr.HTML(elem_id="about", apply_default_css=False)
    order = gr.State(_FIRST_ORDER)

    def show(query: str, order: dict[str, Any]) -> tuple[Any, ...]:
        try:
            articles = assistant.articles()
            markup = table_markup(found(articles, query), len(articles), order), about_markup(assistant, articles)
        except AssistantError as error:
            markup = f"<p class='hint'>{html.escape(str(error))}</p>", ""
        return *markup, *([gr.Dropdown(choices=added(assistant), value=[])] if adding else [])

    def sort(query: str, order: dict[str, Any], event: Any) -> tuple[Any, ...]:
        order = {"by": event.by, "falling": order["by"] == event.by and not order["falling"]}
        return order, *show(query, order)

    sort.__annotations__["event"] = gr.EventData
    shown, quiet = [table, about, *([adding.remove_which] if adding else [])], {"show_progress": "hidden"}
    search.change(show, [search, order], shown, trigger_mode="always_last", **quiet)
    table.sort(sort, [search, order], [order, *shown], **quiet)
    if adding is None:
        return [(show, [search, order], shown)]
    for event in adding.events():
        event.then(show, [search, order], shown, **quiet).then(refresh, None, list(refreshed), **quiet)
    return [(show, [search, order], shown), adding.resumed()]


# -- markup ----------------------------------------------------------------------------------------------------------


def found(articles: Sequence[Article], query: str) -> list[Article]:
    """Those in whose title, outlet, author or file name every word of the query stands."""
    wanted = query.lower().split()
    return [
        article
        for article in articles
        if all(
            word in f"{article.title} {article.source} {article.author} {article.location}".lower() for word in wanted
        )
    ]


def table_markup(articles: Sequence[Article], total: int, order: dict[str, Any]) -> str:
    by, falling = str(order["by"]), bool(order["falling"])
    if by not in dict(_COLUMNS):
        by = "published"
    rows = sorted(articles, key=lambda article: str(getattr(article, by) or "").lower(), reverse=falling)
    heads = "".join(_column_head(name, label, by, falling=falling) for name, label in _COLUMNS)
    body = "".join(_row(article) for article in rows[:_MOST_ROWS])
    more = f", the first {_MOST_ROWS} shown" if len(rows) > _MOST_ROWS else ""
    return (
        f"<p class='hint' role='status'>{len(rows)} of {total} articles{more}</p><div class='scroll' tabindex='0' "
        f"role='region' aria-label='Articles'><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _column_head(name: str, label: str, by: str, *, falling: bool) -> str:
    sorted_ = ("descending" if falling else "ascending") if name == by else "none"
    arrow = {"descending": " ↓", "ascending": " ↑", "none": ""}[sorted_]
    return (
        f"<th scope='col' aria-sort='{sorted_}'><button type='button' class='as-link' data-sort='{name}'>{label}{arrow}"
        "</button></th>"
    )


def _row(article: Article) -> str:
    title = html.escape(article.title)
    if article.link:
        link = html.escape(article.link, quote=True)
        title = f"<a href='{link}' target='_blank' rel='noopener noreferrer nofollow'>{title}</a>"
    cells = [title, *(html.escape(text) for text in (article.source, article.author, article.day))]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def about_markup(assistant: Assistant, articles: Sequence[Article]) -> str:
    """The state of the index, and the charts."""
    status = assistant.status()
    facts = {
        "Articles": str(status["articles"]),
        "Passages": str(status["passages"]),
        "Index": f"{status['index']}, generation {status['generation']}",
        "Added files": str(folder_of(assistant)),
    }
    rows = "".join(f"<dt>{name}</dt><dd>{html.escape(value)}</dd>" for name, value in facts.items())
    sources = "".join(_source(source, date.today()) for source in assistant.sources())  # noqa: DTZ011
    return (
        f"{over_time(articles)}{by_outlet(articles)}<h2>Sources</h2><ul class='places'>{sources}</ul>"
        f"<h2>The index</h2><dl>{rows}</dl>"
    )


def _source(source: Source, today: date) -> str:
    noun = "article" if source.articles == 1 else "articles"
    read = f", read {age_of(source.synced.astimezone().date(), today)}" if source.synced else ""
    return (
        f"<li>{html.escape(source.place)} <span class='age'>{source.kind}, {source.articles} {noun}{read}</span></li>"
    )
