"""`sync --watch`: what is synced when, without sleeping; then the operating system's events, and a whole process."""

from __future__ import annotations

import contextlib
import errno
import functools
import itertools
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import watchfiles
from click.testing import CliRunner
from conftest import ROOT, write_article

from assistant import Assistant
from assistant.cli import cli
from assistant.errors import AssistantError, IndexBusy, IndexUnusable
from assistant.generations import IndexFolder
from assistant.schema import Outcome, Source, SyncReport
from assistant.watching import BUSY, EVERY, LONGEST, NAMED, TICK, FolderWaiter, Round, Watch

DAY = 24 * 60 * 60.0


@dataclass
class Time:
    """A waiter that never waits: a moment has passed, and what a test says has changed."""

    now: float = 0.0
    changed: set[Path] = field(default_factory=set)
    folders: Mapping[Path, int] = field(default_factory=dict)
    moment: float = TICK

    def wait(self, folders: Mapping[Path, int]) -> AbstractSet[Path]:
        self.now += self.moment
        self.folders = folders
        found, self.changed = self.changed, set()
        return found


# -- the clock, with hand-made reports -----------------------------------------------------------------------


@dataclass
class Watched:
    """A watch of hand-made sources, whose syncs bring the outcomes that a test sets."""

    sources: dict[str, Source] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    rests: dict[str, float] = field(default_factory=dict)
    error: AssistantError | None = None
    first: SyncReport | None = None
    time: Time = field(default_factory=Time)
    synced: list[tuple[float, set[str]]] = field(default_factory=list)
    told: list[Round] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.watch = Watch(
            lambda: dict(self.sources), self.refresh, Path("/index"), self.told.append,
            first=self.first, waiter=self.time, clock=lambda: self.time.now,
        )  # fmt: skip

    def add(self, place: str, kind: str) -> str:
        self.sources[place] = Source(place, place, kind)
        return place

    def refresh(self, keys: AbstractSet[str]) -> SyncReport:
        self.synced.append((self.time.now, set(keys)))
        if self.error:
            raise self.error
        outcomes = tuple(outcome for outcome in self.outcomes if outcome.source in keys)
        return SyncReport(outcomes, 1, 1, 1, 0.1, self.rests)

    def fail(self, key: str, location: str, reason: str = "down") -> None:
        self.outcomes = [Outcome("failed", location, reason=reason, source=key)]

    def until(self, moment: float) -> None:
        while self.time.now < moment:
            self.watch.step()

    def times(self, key: str) -> list[float]:
        return [moment for moment, keys in self.synced if key in keys]

    def pauses(self, key: str) -> list[float]:
        times = [0.0, *self.times(key)]
        return [later - earlier for earlier, later in itertools.pairwise(times)]


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_a_web_source_is_asked_when_its_time_has_come_and_not_before(watched: Watched) -> None:
    feed = watched.add("https://stone.example/feed", "feed")
    watched.until(3 * EVERY + 10)
    assert watched.pauses(feed) == pytest.approx([EVERY] * 3, abs=2 * TICK)
    assert watched.told == []


def test_a_source_that_fails_is_asked_half_as_often_each_time_but_daily_and_as_before_once_it_answers(
    watched: Watched,
) -> None:
    feed = watched.add("https://stone.example/feed", "feed")
    watched.fail(feed, feed)
    watched.time.moment = 60
    watched.until(5 * DAY)
    expected = [EVERY * 2**n for n in range(6)]
    assert watched.pauses(feed)[:6] == pytest.approx(expected, abs=120)
    assert watched.pauses(feed)[-1] == pytest.approx(LONGEST, abs=120)
    assert [round_.failed for round_ in watched.told] == [tuple(watched.outcomes)]
    watched.outcomes = []
    watched.until(7 * DAY)
    assert watched.pauses(feed)[-1] == pytest.approx(EVERY, abs=120)


def test_a_broken_page_of_a_feed_is_said_once_and_does_not_slow_the_feed(watched: Watched) -> None:
    feed = watched.add("https://stone.example/feed", "feed")
    watched.fail(feed, "https://stone.example/a")
    watched.until(3 * EVERY + 10)
    assert watched.pauses(feed) == pytest.approx([EVERY] * 3, abs=2 * TICK)
    assert len(watched.told) == 1
    watched.fail(feed, "https://stone.example/a", "another reason")
    watched.until(5 * EVERY)
    assert [round_.failed[0].reason for round_ in watched.told] == ["down", "another reason"]


def test_a_server_that_asks_for_rest_gets_it(watched: Watched) -> None:
    feed, other = watched.add("https://stone.example/feed", "feed"), watched.add("https://lamp.example/", "page")
    watched.fail(feed, "https://stone.example/a")
    same = watched.add("https://stone.example/other", "feed")
    watched.rests = {"stone.example": 4.5 * EVERY}
    watched.until(EVERY + 10)
    watched.rests = {}
    watched.until(6 * EVERY + 10)
    assert watched.pauses(feed)[:2] == pytest.approx([EVERY, 4.5 * EVERY], abs=2 * TICK)
    assert watched.times(same)[:2] == watched.times(feed)[:2]
    assert len(watched.times(other)) == 6


def test_a_server_of_a_feed_s_pages_that_asks_for_rest_gets_it_too(watched: Watched) -> None:
    feed = watched.add("https://stone.example/feed", "feed")
    watched.fail(feed, "https://pages.example/a")
    watched.rests = {"pages.example": 4.5 * EVERY}
    watched.until(EVERY + 10)
    watched.rests = {}
    watched.until(6 * EVERY)
    assert watched.pauses(feed) == pytest.approx([EVERY, 4.5 * EVERY], abs=2 * TICK)


def test_what_a_server_asked_for_in_the_sync_before_the_watch_is_kept_to() -> None:
    feed = "https://stone.example/feed"
    watched = Watched(first=SyncReport((), 1, 1, 1, 0.1, {"stone.example": 3.5 * EVERY}))
    watched.add(feed, "feed")
    watched.until(4 * EVERY)
    assert watched.times(feed) == pytest.approx([3.5 * EVERY], abs=2 * TICK)


def test_while_another_process_writes_it_is_tried_again_soon_and_nothing_is_said(watched: Watched) -> None:
    feed = watched.add("https://stone.example/feed", "feed")
    watched.error = IndexBusy("another process writes")
    watched.until(EVERY + 2 * BUSY + 2)
    assert watched.pauses(feed)[1:] == pytest.approx([BUSY] * 2, abs=TICK)
    assert watched.told == []
    watched.error = None
    watched.until(EVERY + 60)
    assert len(watched.times(feed)) == 4


def test_what_is_wrong_with_the_index_is_said_once_and_ends_nothing(watched: Watched) -> None:
    feed = watched.add("https://stone.example/feed", "feed")
    watched.error = IndexUnusable("no room")
    watched.until(3 * EVERY)
    assert watched.told == [Round(problem="no room")]
    tries = len(watched.times(feed))
    assert 5 < tries < 20
    watched.error = None
    watched.until(6 * EVERY)
    assert len(watched.times(feed)) > tries
    watched.error = IndexUnusable("no room")
    watched.until(8 * EVERY)
    assert watched.told == [Round(problem="no room")] * 2


def test_sources_that_another_process_names_are_followed_and_forgotten_ones_are_not(watched: Watched) -> None:
    first = watched.add("https://stone.example/feed", "feed")
    watched.until(10)
    second = watched.add("https://lamp.example/feed", "feed")
    watched.add("given", "given")
    del watched.sources[first]
    watched.until(EVERY + NAMED + 20)
    assert watched.synced == [(pytest.approx(EVERY + NAMED, abs=NAMED), {second})]


# -- files, with real syncs ------------------------------------------------------------------------------------


@dataclass
class Following:
    """A watch of an assistant's real sources."""

    assistant: Assistant
    time: Time = field(default_factory=Time)
    told: list[Round] = field(default_factory=list)
    synced: list[set[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        def refresh(keys: AbstractSet[str]) -> SyncReport:
            self.synced.append(set(keys))
            return self.assistant._refresh(keys)

        self.watch = Watch(
            self.assistant._remembered, refresh, self.assistant.settings.index, self.told.append,
            waiter=self.time, clock=lambda: self.time.now,
        )  # fmt: skip
        self.steps(3)

    def steps(self, count: int = 1, *changed: Path) -> list[Round]:
        """What is told in so many moments, after these paths have changed."""
        self.time.changed |= set(changed)
        before = len(self.told)
        for _ in range(count):
            self.watch.step()
        return self.told[before:]


Follow = Callable[..., Following]


@pytest.fixture
def follow(open_assistant: Callable[..., Assistant], monkeypatch: pytest.MonkeyPatch) -> Follow:
    """Syncs once, then follows; the verification of generations is tested elsewhere."""
    monkeypatch.setattr("assistant.vectors.verify", lambda *arguments: None)

    def follow_(*sources: Path, **settings: object) -> Following:
        assistant = open_assistant(**settings)
        assistant.sync()
        if sources:
            assistant.sync([str(source) for source in sources])
        return Following(assistant)

    return follow_


def titles(assistant: Assistant) -> list[str]:
    return sorted(article.title for article in assistant.articles())


def test_a_changed_file_is_synced_at_once_and_an_open_reader_answers_from_it(
    follow: Follow, open_assistant: Callable[..., Assistant], corpus: Path
) -> None:
    following, reader = follow(), open_assistant()
    assert "300 people" in reader.search("people employed in the harbour of Tansk")[0].text
    path = corpus / "harbour.md"
    write_article(path, "The new harbour", "The Daily Stone", "2024-05-11", "The harbour of Tansk employs 450 people.")
    (told,) = following.steps(1, path)
    assert told.report
    assert [(o.what, o.location) for o in told.report.outcomes if o.what != "unchanged"] == [("changed", "harbour.md")]
    assert "450 people" in reader.search("people employed in the harbour of Tansk")[0].text


def test_a_round_that_changes_nothing_is_not_told(follow: Follow, corpus: Path) -> None:
    following = follow()
    assert following.told == []
    synced = len(following.synced)
    assert following.steps(3, corpus / "harbour.md") == []
    assert len(following.synced) == synced + 1


def test_what_changed_before_the_watch_began_is_found(open_assistant: Callable[..., Assistant], corpus: Path) -> None:
    assistant = open_assistant()
    assistant.sync()
    (corpus / "harbour.md").unlink()
    following = Following(assistant)
    assert [round_.report and round_.report.count("removed") for round_ in following.told] == [1]


def test_only_the_source_that_changed_is_read(follow: Follow, corpus: Path, tmp_path: Path) -> None:
    extra = tmp_path / "extra" / "a.md"
    write_article(extra, "Extra", "Evening Lamp", "2024-01-01", "A story of the lamp.")
    following = follow(extra.parent)
    following.synced.clear()
    following.steps(2, extra)
    assert following.synced == [{str(extra.parent)}]
    following.steps(2, corpus / "bridge.md")
    assert following.synced[1:] == [{"corpus"}]


@pytest.mark.parametrize(
    "name", ["corpus/.git/HEAD", "corpus/.a.md.swp", "index/catalog.sqlite3-wal", "elsewhere/a.md"]
)
def test_hidden_files_the_index_and_what_lies_elsewhere_wake_nobody(follow: Follow, tmp_path: Path, name: str) -> None:
    following = follow()
    following.synced.clear()
    following.steps(3, tmp_path / name)
    assert following.synced == []


def test_an_index_inside_a_followed_folder_does_not_set_off_a_sync_by_its_own_writing(
    follow: Follow, corpus: Path
) -> None:
    following = follow(index=corpus / "index")
    following.synced.clear()
    following.steps(3, *(corpus / "index").rglob("*"))
    assert following.synced == []


def test_files_are_looked_at_now_and_then_though_no_event_came(follow: Follow, corpus: Path) -> None:
    """As on network drives."""
    following = follow()
    write_article(corpus / "tower.md", "The tower", "Lamp", "2024-01-02", "The tower of Vell leans.")
    following.steps(5)
    assert "The tower" not in titles(following.assistant)
    following.time.now += EVERY
    following.steps(2)
    assert "The tower" in titles(following.assistant)


def test_a_single_file_is_followed_and_not_forgotten_while_an_editor_replaces_it(
    follow: Follow, tmp_path: Path
) -> None:
    path = tmp_path / "elsewhere" / "tower.md"
    write_article(path, "The tower", "Lamp", "2024-01-02", "The tower of Vell leans.")
    following = follow(path)
    assert path.parent not in following.time.folders
    text = path.read_text()
    path.unlink()
    following.steps(1)
    path.write_text(text.replace("leans", "fell"))
    following.steps(3)
    assert [round_.report and round_.report.count("changed") for round_ in following.told] == [1]
    assert [source.place for source in following.assistant.sources()][1:] == [str(path)]
    path.unlink()
    following.steps(3)
    assert "The tower" not in titles(following.assistant)
    following.synced.clear()
    following.steps(20)
    assert following.synced == []


def test_a_pattern_is_followed(follow: Follow, tmp_path: Path) -> None:
    write_article(tmp_path / "news" / "a.md", "A", "Lamp", "2024-01-01", "A story of the lamp.")
    following = follow(tmp_path / "news" / "*.md")
    write_article(tmp_path / "news" / "b.md", "B", "Lamp", "2024-01-01", "A story of the river.")
    following.steps(3)
    assert {"A", "B"} < set(titles(following.assistant))


def test_a_corpus_that_is_gone_holds_up_no_other_source_and_is_taken_up_when_it_is_back(
    follow: Follow, corpus: Path, tmp_path: Path
) -> None:
    extra = tmp_path / "extra"
    write_article(extra / "a.md", "Extra", "Evening Lamp", "2024-01-01", "A story of the lamp.")
    following = follow(extra)
    corpus.rename(tmp_path / "away")
    write_article(extra / "b.md", "More", "Evening Lamp", "2024-01-02", "A story of the oil.")
    told = following.steps(4, extra / "b.md")
    assert [outcome.location for round_ in told for outcome in round_.failed] == [str(corpus)]
    assert "put it back" in next(outcome.reason for round_ in told for outcome in round_.failed)
    assert "More" in titles(following.assistant)
    assert len(titles(following.assistant)) == 5
    (tmp_path / "away").rename(corpus)
    (corpus / "bridge.md").unlink()
    following.steps(4)
    assert len(titles(following.assistant)) == 4


def test_the_lock_is_free_between_two_rounds(follow: Follow, corpus: Path, index_folder: IndexFolder) -> None:
    following = follow()
    path = corpus / "bridge.md"
    with index_folder.writer():
        path.write_text(path.read_text().replace("12 million", "14 million"))
        assert following.steps(2, path) == []
    (told,) = following.steps(int(BUSY / TICK) + 1)
    assert told.report
    assert told.report.count("changed") == 1


def test_an_index_that_was_deleted_is_said_and_not_made_anew_without_its_sources(
    follow: Follow, corpus: Path, tmp_path: Path
) -> None:
    following = follow()
    following.assistant.close()
    shutil.rmtree(tmp_path / "index")
    (told,) = following.steps(3, corpus / "bridge.md")
    assert "there is no index" in told.problem
    assert not (tmp_path / "index").exists()


def test_a_current_that_is_gone_comes_back_with_the_next_round(
    follow: Follow, corpus: Path, index_folder: IndexFolder
) -> None:
    following = follow()
    (index_folder.root / "CURRENT").unlink()
    following.steps(3, corpus / "bridge.md")
    assert len(titles(following.assistant)) == 3


# -- the operating system --------------------------------------------------------------------------------------


def inodes(*folders: Path) -> dict[Path, int]:
    return {folder: folder.stat().st_ino for folder in folders}


def waited(waiter: FolderWaiter, folders: Mapping[Path, int], wanted: Path) -> bool:
    """Whether the path is told within ten seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if wanted in waiter.wait(folders):
            return True
    return False


def test_the_waiter_tells_what_changed_below_a_folder_though_nobody_waited_then(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    waiter, folders = FolderWaiter(), inodes(tmp_path)
    assert waiter.wait(folders) == {tmp_path}
    path = tmp_path / "deep" / "a.md"
    path.write_text("one")
    time.sleep(0.2)
    assert waited(waiter, folders, path)
    assert waiter.wait(folders) == set()


def test_another_folder_is_waited_for_as_soon_as_it_is_named(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    waiter = FolderWaiter()
    waiter.wait(inodes(first))
    assert second in waiter.wait(inodes(first, second))
    (second / "a.md").write_text("one")
    assert waited(waiter, inodes(first, second), second / "a.md")


def test_where_the_system_watches_no_more_folders_files_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = watchfiles.watch

    def limited(*paths: Path, **options: object) -> Iterator[set[tuple[watchfiles.Change, str]]]:
        if not options["force_polling"]:
            raise OSError(errno.ENOSPC, "OS file watch limit reached")
        yield from real(*paths, **{**options, "poll_delay_ms": 100})

    monkeypatch.setattr(watchfiles, "watch", limited)
    waiter, folders = FolderWaiter(), inodes(tmp_path)
    waiter.wait(folders)
    assert tmp_path in waiter.wait(folders)
    (tmp_path / "a.md").write_text("one")
    assert waited(waiter, folders, tmp_path / "a.md")


# -- a whole process ---------------------------------------------------------------------------------------------

PROCESS = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from conftest import WordEmbedder
import assistant.assistant, assistant.cli
assistant.assistant.load_embedder = lambda model: WordEmbedder()
assistant.cli.main()
"""


class Running:
    """`assistant sync --watch` in a process of its own, with the readable embedder."""

    def __init__(self, options: Sequence[str]) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ASSISTANT_")}
        command = [sys.executable, "-c", PROCESS, str(ROOT / "tests"), *options]
        # A shell's background job, which these tests may be, ignores Ctrl-C; so would what it starts.
        ctrl_c = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            cwd=ROOT,
            preexec_fn=ctrl_c,  # noqa: PLW1509 as the child runs no thread
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))

    def line_with(self, text: str) -> str:
        while text not in (line := self._lines.get(timeout=60)):
            pass
        return line

    def stop(self, how: signal.Signals) -> int:
        for _ in range(5):
            # Python drops what is raised within a destructor, so also this: a person then presses Ctrl-C again.
            self.process.send_signal(how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self.process.wait(25)
        raise AssertionError("it goes on")


@pytest.fixture
def running(follow: Follow, corpus: Path, tmp_path: Path) -> Iterator[Running]:
    """On an index that is there already."""
    follow()
    running = Running(["--corpus", str(corpus), "--index", str(tmp_path / "index"), "sync", "--watch"])
    yield running
    running.process.kill()
    running.process.wait()
    assert running.process.stdout
    running.process.stdout.close()


def test_a_watch_says_a_line_when_something_changed_and_ends_well_when_it_is_stopped(
    running: Running, corpus: Path, index_folder: IndexFolder, open_assistant: Callable[..., Assistant]
) -> None:
    assert running.line_with("articles in the index").startswith("3 unchanged; 3 articles")
    running.line_with("watching")
    reader = open_assistant()
    assert len(titles(reader)) == 3
    write_article(corpus / "tower.md", "The tower", "Lamp", "2024-01-02", "The tower of Vell leans.")
    assert "1 added, 3 unchanged; 4 articles in the index" in running.line_with("articles in the index")
    assert "The tower" in titles(reader)
    with index_folder.writer():
        pass
    assert running.stop(signal.SIGTERM) == 0
    assert running.line_with("stopped")
    assert not (index_folder.root / "writer.json").exists()


def test_ctrl_c_ends_a_watch_well_in_the_middle_of_a_round(
    running: Running, index_folder: IndexFolder, corpus: Path
) -> None:
    running.line_with("watching")
    write_article(corpus / "tower.md", "The tower", "Lamp", "2024-01-02", "The tower of Vell leans.")
    deadline = time.monotonic() + 60
    while not (index_folder.root / "writer.json").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert running.stop(signal.SIGINT) == 0
    assert "Traceback" not in "".join(running._lines.queue)
    assert not (index_folder.root / "writer.json").exists()
    with index_folder.writer():
        pass


def test_every_needs_watch_and_a_minute_at_least(tmp_path: Path) -> None:
    for options in (["--every", "5"], ["--watch", "--every", "0"]):
        assert CliRunner().invoke(cli, ["--index", str(tmp_path), "sync", *options]).exit_code == 2
