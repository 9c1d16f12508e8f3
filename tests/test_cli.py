"""The command line as a user types it, in processes of their own where start-up or exit codes matter."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from conftest import CORPUS, write_article

from assistant import Assistant, __version__
from assistant.cli import _bring_up_to_date, cli
from assistant.errors import IndexMismatch, SourceMissing

COMMANDS = ("ask", "chat", "doctor", "eval", "list", "search", "show", "sources", "status", "sync")


def run(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ASSISTANT_")}
    return subprocess.run(
        [sys.executable, "-m", "assistant.cli", *arguments],
        capture_output=True, text=True, cwd=folder, env=environment, check=False, timeout=120,
    )  # fmt: skip


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Options that name the project's corpus, indexed."""
    options = ("--corpus", str(CORPUS), "--index", str(tmp_path_factory.mktemp("cli") / "index"))
    done = run(*options, "sync")
    assert done.returncode == 0, done.stderr
    return options


def test_help_names_every_command() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert all(f"  {command} " in done.stdout for command in COMMANDS)


def test_help_comes_at_once() -> None:
    """At most three times what Python with click alone needs: 0.3 s where that takes 0.1."""

    def seconds(*command: str) -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - started

    ours = statistics.median(seconds("-m", "assistant.cli", "--help") for _ in range(5))
    bare = statistics.median(seconds("-c", "import click") for _ in range(5))
    assert ours < 3 * bare + 0.05


def test_version_is_the_package_s() -> None:
    assert __version__ in run("--version").stdout


def test_an_answer_is_data_on_stdout(indexed: tuple[str, ...]) -> None:
    done = run(*indexed, "ask", "--json", "Which brand did Huawei launch with JAC?")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["short"] == "Maextro"
    quote = answer["citations"][0]["quote"]
    assert "Maextro" in quote
    assert "JAC" in quote
    assert set(answer) == {
        "question", "asked", "short", "text", "abstained", "reason", "confidence", "citations", "disagreements",
        "timings_ms",
    }  # fmt: skip
    assert set(answer["citations"][0]) == {
        "number", "article", "quote", "start", "end", "score", "also", "outlets",
    }  # fmt: skip


def test_a_silent_corpus_is_said_with_the_nearest_passages(indexed: tuple[str, ...]) -> None:
    done = run(*indexed, "ask", "Who is the mayor of Shenzhen?")
    assert done.returncode == 0
    assert "do not mention Shenzhen" in done.stdout
    assert "Nearest passages" in done.stdout


def test_list_show_search_and_status_print_the_corpus(indexed: tuple[str, ...]) -> None:
    listed = json.loads(run(*indexed, "list", "--json").stdout)
    assert len(listed) == len(list(CORPUS.glob("*.md")))
    shown = json.loads(run(*indexed, "show", listed[0]["id"], "--json").stdout)
    assert shown["title"] == listed[0]["title"]
    assert len(shown["text"]) > 500
    hits = json.loads(run(*indexed, "search", "--json", "--limit", "3", "Voyah listing").stdout)
    assert len(hits) == 3
    assert "Voyah" in hits[0]["text"]
    status = json.loads(run(*indexed, "status", "--json").stdout)
    assert status["articles"] == len(listed)
    assert status["built_with"]["embedding"].startswith("all-MiniLM-L6-v2@53aa51172d142c89")


def test_a_second_sync_says_that_there_was_nothing_to_do(indexed: tuple[str, ...]) -> None:
    report = json.loads(run(*indexed, "sync", "--json").stdout)
    assert report["counts"]["unchanged"] == len(list(CORPUS.glob("*.md")))
    assert sum(report["counts"].values()) == report["counts"]["unchanged"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("ask", "   "), 2, "no question"),
        (("ask", "🙂🙂"), 2, "no question"),
        (("ask", "x " * 1500), 2, "at most 2,000"),
        (("ask", "--since", "yesterday", "Who joined?"), 2, "YYYY-MM-DD"),
        (("ask", "--since", "2025-02-01", "--until", "2025-01-01", "Who joined?"), 2, "swap"),
        (("search", "--limit", "0", "Voyah"), 2, "1 to 1000"),
        (("show", "no-such-article"), 2, "assistant list"),
        (("frobnicate",), 2, "No such command"),
        (("sync", "/no/such/folder"), 3, "no file or folder"),
        (("sync", "ftp://stone.example/a"), 2, "no source"),
        (("sync", "http://user:word@stone.example/"), 2, "user name"),
        (("sync", "--map", "text=body"), 2, "name one"),
        (("sync", "--map", "colour=x", "a.csv"), 2, "FIELD=COLUMN"),
        (("sync", "--forget", "http://stone.example/"), 3, "assistant sources"),
    ],
)
def test_bad_input_gets_one_line_and_its_exit_code(
    indexed: tuple[str, ...], arguments: tuple[str, ...], code: int, says: str
) -> None:
    done = run(*indexed, *arguments)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_missing_corpus_is_said_in_one_line(tmp_path: Path) -> None:
    done = run("--corpus", str(tmp_path / "nowhere"), "--index", str(tmp_path / "index"), "ask", "Who joined HIMA?")
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "nowhere" in done.stderr


def test_an_index_of_another_corpus_is_refused(indexed: tuple[str, ...], tmp_path: Path) -> None:
    write_article(tmp_path / "other" / "a.md", "A", "B", "2024-01-01", "Nothing of note happened in Vell.")
    done = run("--corpus", str(tmp_path / "other"), *indexed[2:], "ask", "What happened in Vell?")
    assert done.returncode == 3
    assert "sync" in done.stderr


def test_a_failed_article_makes_sync_exit_with_3_and_loses_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    write_article(folder / "good.md", "Good", "Paper", "2024-01-01", "The tower of Vell was finished in 1912.")
    (folder / "bad.md").write_bytes(bytes(range(256)) * 20)
    options = ("--corpus", str(folder), "--index", str(tmp_path / "index"))
    done = run(*options, "sync")
    assert done.returncode == 3
    assert "bad.md" in done.stdout
    assert "binary" in done.stdout
    answer = json.loads(run(*options, "ask", "--json", "When was the tower of Vell finished?").stdout)
    assert answer["short"] == "1912"


def test_named_sources_are_listed_refreshed_and_counted_each(tmp_path: Path) -> None:
    """And the bundled corpus does not slip in beside them."""
    write_article(tmp_path / "news" / "a.md", "A", "Paper", "2024-01-01", "The tower of Vell was finished in 1912.")
    export = tmp_path / "export.csv"
    export.write_text("id,headline,story\n1,The bridge,The bridge of Vell was opened in 2024.\n")
    index = ("--index", str(tmp_path / "index"))
    done = run(*index, "sync", "news", "export.csv", "--map", "title=headline,text=story", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "added     a.md  (A)"
    table = lines[lines.index("") + 1 :]
    assert table[0].split() == ["source", "added"]
    assert [row.split() for row in table[1:3]] == [[str(tmp_path / "news"), "1"], [str(export), "1"]]
    listed = json.loads(run(*index, "sources", "--json").stdout)
    assert [(source["kind"], source["place"], source["articles"]) for source in listed] == [
        ("folder", str(tmp_path / "news"), 1),
        ("export", str(export), 1),
    ]
    assert listed[1]["mapping"] == {"title": "headline", "text": "story"}
    assert all(source["synced"] for source in listed)
    shown = run(*index, "sources").stdout
    assert "export" in shown
    assert "title=headline, text=story" in shown
    export.write_text("id,headline,story\n1,The bridge,The bridge of Vell was torn down in 2025.\n")
    assert json.loads(run(*index, "sync", "--json").stdout)["counts"]["changed"] == 1
    done = run(*index, "sync", "--forget", str(export))
    assert f"removed   {export.name}#1" in done.stdout
    assert len(json.loads(run(*index, "sources", "--json").stdout)) == 1


def test_the_three_days_of_an_article_are_shown(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "a.md").write_text(
        "---\ntitle: The tower\npublished: 2024-03-01\nupdated: 2024-03-02\nfetched: 2024-03-03\n---\nThe tower of Vell leans.\n"
    )
    options = ("--corpus", str(tmp_path / "corpus"), "--index", str(tmp_path / "index"))
    shown = run(*options, "show", "a.md").stdout.splitlines()
    assert shown[:3] == ["The tower · 2024-03-01", "updated 2024-03-02", "fetched 2024-03-03"]
    article = json.loads(run(*options, "show", "a.md", "--json").stdout)
    assert (article["published"], article["updated"], article["fetched"]) == ("2024-03-01", "2024-03-02", "2024-03-03")


def test_the_working_directory_decides_nothing(indexed: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    done = run(*indexed, "list", folder=tmp_path)
    assert done.returncode == 0
    assert not (tmp_path / "index").exists()


def test_a_traceback_is_shown_only_with_debug(tmp_path: Path) -> None:
    options = ("--corpus", str(tmp_path / "nowhere"), "--index", str(tmp_path / "index"))
    assert "Traceback" in run("--debug", *options, "status").stderr
    assert "Traceback" not in run(*options, "status").stderr


def test_every_option_is_explained() -> None:
    for name in COMMANDS:
        command = cli.commands[name]
        assert command.help
        assert all(option.help for option in command.params if isinstance(option, click.Option)), name
        assert CliRunner().invoke(cli, [name, "--help"]).exit_code == 0


def test_starting_the_page_makes_an_index_of_another_make_anew(
    open_assistant: Callable[..., Assistant], capsys: pytest.CaptureFixture[str]
) -> None:
    open_assistant().sync()
    other = open_assistant(passage_words=40, overlap_words=10)
    with pytest.raises(IndexMismatch):
        other.search("bridge")
    _bring_up_to_date(other)
    assert other.search("bridge")[0].article.location == "bridge.md"
    assert "doing that now" in capsys.readouterr().err


def test_an_empty_corpus_is_said_with_the_next_step(open_assistant: Callable[..., Assistant], corpus: Path) -> None:
    for path in corpus.iterdir():
        path.unlink()
    with pytest.raises(SourceMissing, match="files there, then type: assistant sync"):
        _bring_up_to_date(open_assistant())
