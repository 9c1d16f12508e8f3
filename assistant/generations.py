"""The index folder -> which generation answers, and the lock that lets one process write.

index/
  catalog.sqlite3               see catalog.py
  generations/1767225600000/    see vectors.py; the number is the millisecond in which it was begun
  CURRENT                       the number of the generation that answers, swapped by rename
  sources.json                  the remembered sources once more, for an index whose catalog is lost
  lock, writer.json             one writer, by OS lock; who it is
"""

from __future__ import annotations

import datetime
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from assistant.errors import IndexBusy, IndexDamaged, IndexUnusable

KEPT = 2
"""Generations on disk: the one that answers, and the one before for readers that opened it."""


_FRESH = ".new"
"""How the file is called that is to take a file's place."""


class IndexFolder:
    """Paths and the two atomic steps: take the lock, swap the generation."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.catalog = root / "catalog.sqlite3"
        self.remembered = root / "sources.json"
        self._current = root / "CURRENT"
        self._generations = root / "generations"

    def generation(self, number: int) -> Path:
        return self._generations / f"{number:06d}"

    def current(self) -> int:
        """The generation that answers; 0 before the first sync has finished. Raises IndexDamaged, IndexUnusable."""
        try:
            text = self._current.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return 0
        except UnicodeDecodeError:
            text = "?"
        except OSError as error:
            raise IndexUnusable.of(self.root, error) from error
        if not text.isascii() or not text.isdigit():
            raise IndexDamaged(f"{self._current} does not name a generation; type: assistant sync --rebuild")
        return int(text)

    def swap(self, number: int) -> None:
        """From the rename on, `number` answers. Can be repeated."""
        self.put(self._current, f"{number:06d}\n")

    def put(self, path: Path, text: str) -> None:
        """Writes a file of the index folder in one step: whoever reads it reads the old or the new one."""
        fresh = path.with_suffix(_FRESH)
        with fresh.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        _sync_folder(self.root)

    def leftovers(self, kept: set[int]) -> list[Path]:
        """What killed syncs left: generations that are none of the kept ones, and halves of files."""
        begun = [path for path in self._generations.glob("*") if not path.name.isdigit() or int(path.name) not in kept]
        return sorted([*begun, *self.root.glob(f"*{_FRESH}")])

    def next_number(self) -> int:
        """The time in milliseconds, and above every generation on disk; so that no path is ever used twice.

        Not in a folder that was deleted and made anew either: readers, and Chroma, know a generation by its path.
        """
        begun = [int(path.name) for path in self._generations.glob("[0-9]*") if path.name.isdigit()]
        return max(time.time_ns() // 1_000_000, *(number + 1 for number in (self.readable_current(), *begun)))

    def is_new(self) -> bool:
        """Whether no sync ever finished here."""
        return not self._current.exists()

    def readable_current(self) -> int:
        """As `current`, and 0 if CURRENT is garbled."""
        try:
            return self.current()
        except IndexDamaged:
            return 0

    def remove_all_but(self, kept: set[int]) -> None:
        for path in self.leftovers(kept):
            if path.parent == self._generations:
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    @contextmanager
    def writer(self) -> Iterator[None]:
        """Holds the writer's lock. Raises IndexBusy at once if another process has it.

        What the operating system refuses meanwhile, a full disk for example, is raised as IndexUnusable.
        """
        try:
            with self._locked():
                yield
        except OSError as error:
            if isinstance(error, shutil.Error):
                # Of copytree; the first of its (from, to, reason) says enough.
                error = OSError(error.args[0][0][2])
            raise IndexUnusable.of(self.root, error) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        from filelock import FileLock, Timeout

        self.root.mkdir(parents=True, exist_ok=True)
        ignore = self.root / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n!.gitignore\n", encoding="ascii")
        lock = FileLock(self.root / "lock")
        try:
            lock.acquire(blocking=False)
        except Timeout as error:
            raise IndexBusy(f"the index is being written by {self._writer()}; try again when that is done") from error
        try:
            since = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
            (self.root / "writer.json").write_text(json.dumps(holder), encoding="utf-8")
            yield
        finally:
            try:
                (self.root / "writer.json").unlink(missing_ok=True)
            finally:
                lock.release()

    def _writer(self) -> str:
        holder = self._holder()
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}" if holder else "another process"

    def _holder(self) -> dict[str, Any] | None:
        try:
            holder = json.loads((self.root / "writer.json").read_text(encoding="utf-8"))
            return {"pid": int(holder["pid"]), "host": str(holder["host"]), "since": str(holder["since"])}
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def writing(self) -> str:
        """Who writes now, as far as can be told without taking the lock; "" if nobody does."""
        holder = self._holder()
        return self._writer() if holder and _lives(holder["pid"], holder["host"]) else ""

    def died_writing(self) -> str:
        """Who held the lock when it was killed; "" if nobody was. The lock itself ends with its process."""
        holder = self._holder()
        return self._writer() if holder and not _lives(holder["pid"], holder["host"]) else ""


def _lives(pid: int, host: str) -> bool:
    """Whether the process is there; of another machine, or where asking is no harmless thing, it is assumed to be."""
    if host != socket.gethostname() or os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
