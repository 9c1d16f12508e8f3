"""Files and web addresses on the page -> sources of the index: added, brought up to date, removed.

Added files are kept in `Settings.kept`, beside the index, and that folder is a source like any other: a later
`assistant sync` reads it too. Files of other sources belong to their owners and are never touched here.
"""

from __future__ import annotations

import html
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from assistant.assistant import Assistant
from assistant.chat.work import Work
from assistant.errors import IndexUnusable, InvalidSetting
from assistant.schema import Outcome, SyncReport, is_web_address

_STOPPED = "Stopped: the index answers as before. What was added is kept; Update all takes it up again."

Progress = Callable[[str, int, int], None]


class Adding:
    """The part of the articles tab that takes files and addresses and gives them up again."""

    def __init__(self, gr: Any, assistant: Assistant) -> None:
        self._gr, self._assistant = gr, assistant
        self._work = Work(_STOPPED)
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
        with gr.Row():
            self._update = gr.Button("Update all", size="sm", min_width=100)
            self._stop = gr.Button("Stop", size="sm", min_width=100, interactive=False, elem_id="stop-sync")
        self.remove_which = gr.Dropdown(
            added(assistant), multiselect=True, label="Added files and addresses to remove", value=[]
        )
        self._remove = gr.Button("Remove", size="sm")

    def events(self) -> list[Any]:
        """Adding, updating and removing, each an event after which the index has changed."""
        shown, quiet = [self._outcomes, self._stop], {"show_progress": "hidden"}
        self._stop.click(self._work.stop, None, None, **quiet)
        return [
            self._files.upload(self._add, [self._files], [self._files, *shown], **quiet),
            self._address.submit(self._fetch, [self._address], [self._address, *shown], **quiet),
            self._remove.click(self._give_up, [self.remove_which], shown, **quiet),
            self._update.click(self._bring_up_to_date, None, shown, **quiet),
        ]

    def resumed(self) -> tuple[Any, ...]:
        """For a page that was loaded anew: (function, its inputs, its outputs) that show what is being done."""
        return self._resume, None, [self._outcomes, self._stop]

    async def _add(self, files: list[str] | None) -> AsyncIterator[tuple[Any, ...]]:
        paths = [Path(path) for path in files or []]

        def sync() -> SyncReport:
            try:
                return add_files(self._assistant, paths, self._work.report_or_stop)
            finally:
                for path in paths:
                    path.unlink(missing_ok=True)  # gradio's own copy

        async for shown in self._told(sync):
            yield None, *shown

    async def _fetch(self, address: str) -> AsyncIterator[tuple[Any, ...]]:
        async for shown in self._told(lambda: add_address(self._assistant, address, self._work.report_or_stop)):
            yield self._gr.skip(), *shown
        # One that was stopped or failed stays in the field, to be tried again.
        yield self._gr.skip() if self._work.failed else "", *shown

    async def _give_up(self, names: list[str]) -> AsyncIterator[tuple[Any, ...]]:
        async for shown in self._told(lambda: remove(self._assistant, names, self._work.report_or_stop)):
            yield shown

    async def _bring_up_to_date(self) -> AsyncIterator[tuple[Any, ...]]:
        async for shown in self._told(lambda: update(self._assistant, self._work.report_or_stop)):
            yield shown

    async def _resume(self) -> AsyncIterator[tuple[Any, ...]]:
        async for markup, more in self._work.followed():
            yield markup, self._gr.Button(interactive=more)

    async def _told(self, sync: Callable[[], SyncReport]) -> AsyncIterator[tuple[Any, ...]]:
        async for markup, more in self._work.carry_out(lambda: outcomes_markup(sync())):
            yield markup, self._gr.Button(interactive=more)


def folder_of(assistant: Assistant) -> Path:
    """Where added files are kept."""
    return assistant.settings.kept / "articles"


def add_files(assistant: Assistant, paths: Sequence[Path], progress: Progress) -> SyncReport:
    """Copies files to where they stay and syncs; a file of the same name is a new version of it.

    Raises IndexUnusable if they cannot be kept, and what a sync raises.
    """
    folder = _made(folder_of(assistant))
    try:
        for path in paths:
            # A leading dot would hide it from the sync.
            shutil.copyfile(path, folder / (path.name.lstrip(".") or "article.txt"))
    except OSError as error:
        raise IndexUnusable.of(folder, error) from error
    return assistant.sync([folder], progress=progress)


def add_address(assistant: Assistant, address: str, progress: Progress) -> SyncReport:
    """Reads a page, feed or sitemap, which is remembered as a source. Raises InvalidSetting, and what a sync raises."""
    if not is_web_address(address.strip()):
        raise InvalidSetting("an address begins with https:// or http://; files can be dropped above")
    return assistant.sync([address.strip()], progress=progress)


def update(assistant: Assistant, progress: Progress) -> SyncReport:
    """Reads all sources again, and the added files if a stop kept them from becoming one. Raises what a sync raises."""
    folder, outcomes = folder_of(assistant), tuple[Outcome, ...]()
    if _files(assistant) and str(folder) not in {source.place for source in assistant.sources()}:
        outcomes = assistant.sync([folder], progress=progress).outcomes
    report = assistant.sync(progress=progress)
    return replace(report, outcomes=outcomes + report.outcomes)


def remove(assistant: Assistant, names: Sequence[str], progress: Progress) -> SyncReport:
    """Deletes added files, forgets addresses, and syncs; names that were not added here are passed over.

    Raises IndexUnusable, and what a sync raises.
    """
    folder = _made(folder_of(assistant))
    for name in set(names) & set(_files(assistant)):
        try:
            (folder / name).unlink()
        except OSError as error:
            raise IndexUnusable.of(folder, error) from error
    # With a source named, the others are not read for what does not concern them.
    return assistant.sync([folder], forget=sorted(set(names) & set(_addresses(assistant))), progress=progress)


def added(assistant: Assistant) -> list[str]:
    """What can be removed here: the names of the files, and the addresses."""
    return [*_files(assistant), *_addresses(assistant)]


def _files(assistant: Assistant) -> list[str]:
    folder = folder_of(assistant)
    return sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def _addresses(assistant: Assistant) -> list[str]:
    return sorted(source.key for source in assistant.sources() if source.on_the_web) if assistant.indexed else []


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise IndexUnusable.of(folder, error) from error
    return folder


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
