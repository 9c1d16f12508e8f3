"""The articles tab: what the index holds, as a table and charts; files are added and removed.

Added files are kept in `Settings.kept`, beside the index, and that folder is a source like any other: a later
`assistant sync` reads it too. Files of other sources belong to their owners and are never touched here.
"""

from __future__ import annotations

import html
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from assistant.assistant import Assistant
from assistant.chat.charts import by_outlet, over_time
from assistant.errors import AssistantError, IndexUnusable, InvalidSetting
from assistant.schema import Article, SyncReport, is_web_address

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
) -> Any:
    """The tab's contents; without `can_change` there is no way to add or remove.

    `refresh` gives the values of `refreshed`, other components that show what is indexed. Returns what brings this
    tab up to date: (function, its inputs, its outputs).
    """
    with gr.Row():
        with gr.Column(scale=7, min_width=300):
            search = gr.Textbox(label="Search the articles", placeholder="Title, outlet or author", max_length=200)
            table = gr.HTML(elem_id="articles", apply_default_css=False, js_on_load=SCRIPT)
        with gr.Column(scale=4, min_width=280):
            adding = _Adding(gr, assistant) if can_change else None
            about = gr.HTML(elem_id="about", apply_default_css=False)
    order = gr.State(_FIRST_ORDER)

    def show(query: str, order: dict[str, Any]) -> tuple[Any, ...]:
        try:
            articles = assistant.articles()
            markup = table_markup(found(articles, query), len(articles), order), about_markup(assistant, articles)
        except AssistantError as error:
            markup = f"<p class='hint'>{html.escape(str(error))}</p>", ""
        return *markup, *([gr.Dropdown(choices=_added(assistant), value=[])] if adding else [])

    def sort(query: str, order: dict[str, Any], event: Any) -> tuple[Any, ...]:
        order = {"by": event.by, "falling": order["by"] == event.by and not order["falling"]}
        return order, *show(query, order)

    sort.__annotations__["event"] = gr.EventData
    shown, quiet = [table, about, *([adding.remove_which] if adding else [])], {"show_progress": "hidden"}
    search.change(show, [search, order], shown, trigger_mode="always_last", **quiet)
    table.sort(sort, [search, order], [order, *shown], **quiet)
    for event in adding.events() if adding else ():
        event.then(show, [search, order], shown, **quiet).then(refresh, None, list(refreshed), **quiet)
    return show, [search, order], shown


class _Adding:
    """The part that takes files and gives them up again."""

    def __init__(self, gr: Any, assistant: Assistant) -> None:
        self._gr, self._assistant = gr, assistant
        self._files = gr.File(
            label="Add articles: drop files here, or choose them",
            file_count="multiple",
            type="filepath",
            height=140,
            elem_id="add",
        )
        self._address = gr.Textbox(
            label="Add an address: a page, a feed or a sitemap; press Enter", placeholder="https://…", max_length=2000
        )
        self._outcomes = gr.HTML("", elem_id="outcomes", apply_default_css=False)
        self.remove_which = gr.Dropdown(_added(assistant), multiselect=True, label="Added files to remove", value=[])
        self._remove = gr.Button("Remove", size="sm")

    def events(self) -> list[Any]:
        """Adding and removing, each an event after which the index has changed."""
        gr = self._gr
        progress = gr.Progress()

        def add(files: list[str] | None, progress: Any = progress) -> tuple[Any, str]:
            paths = [Path(path) for path in files or []]
            told = _told(lambda: add_files(self._assistant, paths, _reporter(progress)))
            for path in paths:
                path.unlink(missing_ok=True)  # gradio's own copy
            return None, told

        def fetch(address: str, progress: Any = progress) -> tuple[str, str]:
            return "", _told(lambda: add_address(self._assistant, address, _reporter(progress)))

        def remove(names: list[str], progress: Any = progress) -> str:
            return _told(lambda: remove_files(self._assistant, names, _reporter(progress)))

        one_at_a_time = {"concurrency_limit": 1, "concurrency_id": "sync"}
        return [
            self._files.upload(
                add, [self._files], [self._files, self._outcomes], show_progress_on=[self._outcomes], **one_at_a_time
            ),
            self._address.submit(fetch, [self._address], [self._address, self._outcomes], **one_at_a_time),
            self._remove.click(remove, [self.remove_which], [self._outcomes], **one_at_a_time),
        ]


def _reporter(progress: Any) -> Callable[[str, int, int], None]:
    return lambda step, done, total: progress((done, total), desc=step)


def _told(change: Callable[[], SyncReport]) -> str:
    try:
        return outcomes_markup(change())
    except AssistantError as error:
        return f"<p class='failed' role='status'>{html.escape(str(error))}</p>"


# -- files -----------------------------------------------------------------------------------------------------------


def folder_of(assistant: Assistant) -> Path:
    """Where added files are kept."""
    return assistant.settings.kept / "articles"


def add_files(assistant: Assistant, paths: Sequence[Path], progress: Callable[[str, int, int], None]) -> SyncReport:
    """Copies files to where they stay and syncs; a file of the same name is a new version of it.

    Raises IndexUnusable if they cannot be kept, and what a sync raises.
    """
    folder = folder_of(assistant)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            # A leading dot would hide it from the sync.
            shutil.copyfile(path, folder / (path.name.lstrip(".") or "article.txt"))
    except OSError as error:
        raise IndexUnusable.of(folder, error) from error
    return assistant.sync([folder], progress=progress)


def add_address(assistant: Assistant, address: str, progress: Callable[[str, int, int], None]) -> SyncReport:
    """Reads a page, feed or sitemap, which is remembered as a source. Raises InvalidSetting, and what a sync raises."""
    if not is_web_address(address.strip()):
        raise InvalidSetting("an address begins with https:// or http://; files can be dropped above")
    return assistant.sync([address.strip()], progress=progress)


def remove_files(assistant: Assistant, names: Sequence[str], progress: Callable[[str, int, int], None]) -> SyncReport:
    """Deletes added files and syncs. Raises IndexUnusable, and what a sync raises."""
    folder = folder_of(assistant)
    for name in set(names) & set(_added(assistant)):
        try:
            (folder / name).unlink()
        except OSError as error:
            raise IndexUnusable.of(folder, error) from error
    return assistant.sync([folder], progress=progress)


def _added(assistant: Assistant) -> list[str]:
    folder = folder_of(assistant)
    return sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


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


def outcomes_markup(report: SyncReport) -> str:
    """What became of each file."""
    rows = [
        f"<li class='{outcome.what}'><b>{outcome.what}</b> {html.escape(outcome.location)}"
        f"{html.escape(f' ({outcome.reason or outcome.title})' if outcome.reason or outcome.title else '')}</li>"
        for outcome in report.outcomes
        if outcome.what != "unchanged"
    ]
    listed = f"<ul>{''.join(rows)}</ul>" if rows else "<p>Nothing has changed.</p>"
    return f"<div role='status'>{listed}<p class='hint'>{report.articles} articles in the index</p></div>"


def about_markup(assistant: Assistant, articles: Sequence[Article]) -> str:
    """The state of the index, and the charts."""
    status = assistant.status()
    facts = {
        "Articles": str(status["articles"]),
        "Passages": str(status["passages"]),
        "Index": f"{status['index']}, generation {status['generation']}",
        "Sources": ", ".join(str(path) for path in status["sources"].values()),
        "Added files": str(folder_of(assistant)),
    }
    rows = "".join(f"<dt>{name}</dt><dd>{html.escape(value)}</dd>" for name, value in facts.items())
    return f"{over_time(articles)}{by_outlet(articles)}<h2>The index</h2><dl>{rows}</dl>"
