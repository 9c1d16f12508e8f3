"""Bytes that nobody vouches for -> what their parser finds, in a process of its own, which can be ended.

Some bytes keep a parser busy forever, fill the memory or crash it, and nothing within its process can stop that. The
process starts with the first of them and serves all of a sync. The parsers' libraries are imported there and not here,
so that it costs no more than a second interpreter (0.1 s), and a file a millisecond. It ends with its standard input,
so also when this process is killed.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from assistant.errors import ArticleSkipped, ArticleUnreadable
from assistant.sources.draft import Draft
from assistant.sources.feeds import Entry

SECONDS_LIMIT = 40.0
"""For one file or list; a PDF stops itself after 30, and then says where."""
MEMORY_LIMIT = 4 * 2**30
"""Bytes of address space; a page of 10 million characters takes 1."""

_SERVER = "import sys; sys.path.append(sys.argv[1]); from assistant.sources.apart import serve; serve()"
"""Run with -P: nothing that lies in the working directory is imported. The folder is that of this package."""


def draft_apart(suffix: str, raw: bytes, **page: Any) -> Draft:
    """What the suffix's parser finds in a file. `page` are the options of `parse_html`, for UTF-8 text of a web page.

    Raises ArticleUnreadable: as the parser does, and if it takes too long, too much memory, or crashes.
    """
    found = _asked({"what": "page" if page else suffix, "options": page}, raw)
    return Draft(found["text"], found["metadata"])


def blocks_apart(text: str) -> list[str]:
    """The paragraphs of markup that is nothing but an article's text. Raises ArticleUnreadable, as above."""
    return list(_asked({"what": "blocks", "options": {}}, text.encode())["blocks"])


def entries_apart(kind: str, raw: bytes, url: str) -> tuple[list[Entry], bool]:
    """Of a "feed" or "sitemap": (entries, whether all pages are named). Raises ArticleUnreadable, as above."""
    found = _asked({"what": kind, "options": {"url": url}}, raw)
    return [Entry(**entry) for entry in found["entries"]], found["whole"]


def sitemaps_apart(raw: bytes, url: str) -> list[str]:
    """Of a sitemap index: the addresses of its sitemaps. Raises ArticleUnreadable, as above."""
    return list(_asked({"what": "sitemap index", "options": {"url": url}}, raw)["places"])


def _asked(job: Mapping[str, Any], raw: bytes) -> dict[str, Any]:
    with _lock:
        if _running and _running[0].ended:
            end()
        if not _running:
            _running.append(_Process())
        answer = _running[0].ask({**job, "size": len(raw)}, raw)
    if "reason" in answer:
        raise (ArticleSkipped if answer["skipped"] else ArticleUnreadable)(answer["reason"])
    return answer


def end() -> None:
    """Ends the process, if there is one; the next file starts another."""
    while _running:
        _running.pop().close()


class _Process:
    def __init__(self) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-P", "-c", _SERVER, str(Path(__file__).resolve().parents[2])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    @property
    def ended(self) -> bool:
        return self._popen.poll() is not None

    def ask(self, job: Mapping[str, Any], raw: bytes) -> dict[str, Any]:
        assert self._popen.stdin  # noqa: S101 - they are pipes
        assert self._popen.stdout  # noqa: S101
        started = time.monotonic()
        killer = threading.Timer(SECONDS_LIMIT, self._popen.kill)
        # A Ctrl-C that comes while it starts must not leave a program waiting for it.
        killer.daemon = True
        try:
            killer.start()
            self._popen.stdin.write(json.dumps(job, default=_plain).encode() + b"\n" + raw)
            self._popen.stdin.flush()
            line = self._popen.stdout.readline()
        except BrokenPipeError:
            line = b""
        finally:
            killer.cancel()
        if line.endswith(b"\n"):
            return dict(json.loads(line))
        self.close()
        if time.monotonic() - started >= SECONDS_LIMIT:
            raise ArticleUnreadable(f"takes longer than {SECONDS_LIMIT:.0f} s to read")
        raise ArticleUnreadable(f"crashes what reads it (exit code {self._popen.returncode})")

    def close(self) -> None:
        self._popen.kill()
        self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe:
                # What was still to be written, nobody reads.
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


_running: list[_Process] = []
"""One at most."""
_lock = threading.Lock()
atexit.register(end)


# -- within the process -----------------------------------------------------------------------------------------


def serve() -> None:
    """Jobs on standard input, an answer to each on standard output, until the input ends."""
    # What a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    jobs = sys.stdin.buffer
    while line := jobs.readline():
        job = json.loads(line)
        raw = jobs.read(job["size"])
        _limit()
        answers.write(json.dumps(_answer(job["what"], raw, job["options"]), default=_plain).encode() + b"\n")
        answers.flush()


def _limit() -> None:
    """Memory; and processor time, so that it ends on its own if the other process was killed meanwhile."""
    try:
        import resource
    except ImportError:
        # There is none on Windows.
        return
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, MEMORY_LIMIT),
        (resource.RLIMIT_CPU, int(used + 2 * SECONDS_LIMIT)),
    ):
        hard = resource.getrlimit(kind)[1]
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(kind, (allowed, hard))
        except (OSError, ValueError):
            # macOS knows the limit of memory and does not set it.
            continue


def _answer(what: str, raw: bytes, options: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return _found(what, raw, options)
    except ArticleUnreadable as error:
        return {"reason": str(error), "skipped": isinstance(error, ArticleSkipped)}
    except RecursionError:
        return {"reason": "nested too deep to read", "skipped": False}
    except MemoryError:
        return {"reason": f"takes more than {MEMORY_LIMIT // 2**30} GiB of memory to read", "skipped": False}


def _found(what: str, raw: bytes, options: Mapping[str, Any]) -> dict[str, Any]:
    """Raises ArticleUnreadable, RecursionError, MemoryError."""
    from assistant.sources import feeds
    from assistant.sources.files import PARSERS
    from assistant.sources.html import PAGE_LIMIT, blocks, parse_html

    if what == "blocks":
        if len(text := raw.decode()) > PAGE_LIMIT:
            raise ArticleUnreadable(f"markup of more than {PAGE_LIMIT:,} characters; give its text alone")
        return {"blocks": blocks(text)}
    if what == "feed":
        return {"entries": [asdict(entry) for entry in feeds.feed_entries(raw, **options)], "whole": False}
    if what == "sitemap":
        entries, whole = feeds.sitemap_entries(raw, **options)
        return {"entries": [asdict(entry) for entry in entries], "whole": whole}
    if what == "sitemap index":
        return {"places": feeds.sitemaps(raw, **options)}
    draft = parse_html(raw.decode(), **options) if what == "page" else PARSERS[what](raw)
    return {"text": draft.text, "metadata": draft.metadata}


def _plain(value: Any) -> str | None:
    """A metadata value that JSON does not know: a day as it is written, anything else as nothing."""
    return value.isoformat() if isinstance(value, date) else None
