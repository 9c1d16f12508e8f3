"""Vectors -> a generation (a Chroma folder), and a question's vector -> its nearest passages. The home of chromadb.

A generation is written once by one sync, verified in a process of its own, and never written again. Chroma's
files can be torn by a kill while it persists, and a torn index can crash the process that opens it; that is
why nothing is ever changed in place, and why the verification runs elsewhere.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.errors import AssistantError, IndexDamaged, IndexUnusable
from assistant.schema import Filter

COLLECTION = "passages"
MANIFEST = "sizes.json"
"""The sizes of the files, written last: where one is missing or smaller, the generation is torn."""
_BATCH = 2_000
"""Rows per call; Chroma refuses more than 5,461."""
_VERIFY_SECONDS = 600
_VERIFIER = "import sys; sys.path.append(sys.argv[1]); from assistant.vectors import verify_as_told; verify_as_told()"
"""Run with -P and not with -m, which would import a numpy.py that lies in the working directory. The appended
folder holds this package, for those who run a checkout that is not installed.
"""


@dataclass(frozen=True)
class Row:
    """One passage as Chroma keeps it: its id, its vector and what filters need."""

    id: str
    vector: NDArray[np.float32]
    source: str
    published: date | None


def write_generation(
    folder: Path,
    previous: Path | None,
    removed: Sequence[str],
    added: Iterable[Sequence[Row]],
    progress: Callable[[int], None] = lambda rows: None,
) -> None:
    """Fills `folder` with the previous generation's rows, less `removed`, plus the batches of `added`.

    Raises IndexDamaged, IndexUnusable, and OSError of the copying and flushing.
    """
    from chromadb.errors import ChromaError

    shutil.rmtree(folder, ignore_errors=True)
    if previous is not None:
        check_whole(previous)
        shutil.copytree(previous, folder)
    else:
        folder.mkdir(parents=True)
    client, collection = _open(folder, create=previous is None)
    try:
        _change(collection, removed, added, progress)
    except ChromaError as error:
        raise _unwritable(folder, error) from error
    finally:
        client.close()
    (folder / MANIFEST).write_text(json.dumps(_sizes(folder)), encoding="utf-8")
    _flush_to_disk(folder)


def _change(
    collection: Any, removed: Sequence[str], added: Iterable[Sequence[Row]], progress: Callable[[int], None]
) -> None:
    for start in range(0, len(removed), _BATCH):
        collection.delete(ids=list(removed[start : start + _BATCH]))
    for rows in added:
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            collection.add(
                ids=[row.id for row in batch],
                embeddings=np.stack([row.vector for row in batch]),
                metadatas=[_metadata(row) for row in batch],
            )
            progress(len(batch))


def _unwritable(folder: Path, error: Exception) -> AssistantError:
    reason = " ".join(str(error).split())
    return IndexUnusable(
        f"the vectors in {folder} cannot be written ({reason}); make room there, then type: assistant sync --rebuild"
    )


def _metadata(row: Row) -> dict[str, Any]:
    return {"source": row.source, "published": row.published.toordinal() if row.published else 0}


def _open(folder: Path, *, create: bool) -> tuple[Any, Any]:
    import chromadb
    from chromadb.config import Settings as ChromaSettings
    from chromadb.errors import ChromaError

    try:
        client = chromadb.PersistentClient(
            path=str(folder),
            # No settings from a file .env that happens to lie in the working directory.
            settings=ChromaSettings(_env_file=None, anonymized_telemetry=False, allow_reset=False),
        )
        if create:
            collection = client.create_collection(
                COLLECTION, embedding_function=None, configuration={"hnsw": {"space": "cosine", "ef_search": 200}}
            )
        else:
            collection = client.get_collection(COLLECTION, embedding_function=None)
    except (ChromaError, ValueError, RuntimeError) as error:
        if create:
            raise _unwritable(folder, error) from error
        raise IndexDamaged(
            f"the vectors in {folder} cannot be opened ({error}); type: assistant sync --rebuild"
        ) from error
    return client, collection


def _sizes(folder: Path) -> dict[str, int]:
    # Below 1,000 rows Chroma has no pickle yet, keeps the vectors in SQLite, and readers overwrite its other files.
    persisted = [path for pickle in folder.glob("*/index_metadata.pickle") for path in pickle.parent.iterdir()]
    files = sorted([folder / "chroma.sqlite3", *persisted])
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def check_whole(folder: Path) -> None:
    """Raises IndexDamaged if files are missing or cut: Chroma would make an empty index of it, or crash the process."""
    try:
        recorded = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        torn = any((folder / name).stat().st_size < size for name, size in recorded.items())
    except (OSError, ValueError):
        torn = True
    if torn:
        raise IndexDamaged(f"the vectors in {folder} are gone or torn; type: assistant sync --rebuild")


def _flush_to_disk(folder: Path) -> None:
    """Flush (fsync) every file and folder, so that a power cut after the swap finds all of it."""
    for path in (folder, *folder.rglob("*")):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _copied(folder: Path, target: Path) -> Path:
    """Without what the files may be used for, which is not to write them."""
    for path in folder.rglob("*"):
        place = target / path.relative_to(folder)
        if path.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
    return target


class VectorIndex:
    """One generation, opened for reading."""

    def __init__(self, folder: Path) -> None:
        check_whole(folder)
        # Chroma writes where it only reads.
        self._copy = None if os.access(folder, os.W_OK) else tempfile.TemporaryDirectory()
        if self._copy:
            folder = _copied(folder, Path(self._copy.name))
        try:
            self._client, self._collection = _open(folder, create=False)
        except IndexDamaged:
            self._drop_copy()
            raise

    def close(self) -> None:
        self._client.close()
        self._drop_copy()

    def _drop_copy(self) -> None:
        if self._copy:
            self._copy.cleanup()

    def count(self) -> int:
        return int(self._collection.count())

    def rows(self, ids: Sequence[str]) -> dict[str, tuple[NDArray[np.float32], dict[str, Any]]]:
        """(vector, what filters see) of those that are there. Raises IndexDamaged."""
        from chromadb.errors import ChromaError

        try:
            found = self._collection.get(ids=list(ids), include=["embeddings", "metadatas"])
        except (ChromaError, RuntimeError) as error:
            raise IndexDamaged(f"the vectors cannot be read ({error}); type: assistant sync --rebuild") from error
        facts = zip(found["embeddings"], found["metadatas"], strict=True)
        return {
            id_: (np.asarray(vector, dtype=np.float32), dict(seen))
            for id_, (vector, seen) in zip(found["ids"], facts, strict=True)
        }

    def nearest(self, vector: NDArray[np.float32], limit: int, where: Filter = Filter()) -> list[tuple[str, float]]:
        """(passage id, cosine similarity in -1..1), best first, of the passages that meet the filter."""
        from chromadb.errors import ChromaError

        try:
            found = self._collection.query(
                query_embeddings=vector[None, :], n_results=limit, where=_where(where), include=["distances"]
            )
        except (ChromaError, RuntimeError) as error:
            raise IndexDamaged(f"the vectors cannot be searched ({error}); type: assistant sync --rebuild") from error
        return [(id_, 1.0 - d) for id_, d in zip(found["ids"][0], found["distances"][0], strict=True)]


def _where(where: Filter) -> dict[str, Any] | None:
    conditions: list[dict[str, Any]] = []
    if where.since or where.until:
        # 0 stands for "no date", which meets no bound.
        conditions.append({"published": {"$gte": where.since.toordinal() if where.since else 1}})
    if where.until:
        conditions.append({"published": {"$lte": where.until.toordinal()}})
    if where.source is not None:
        conditions.append({"source": {"$eq": where.source}})
    if len(conditions) > 1:
        return {"$and": conditions}
    return conditions[0] if conditions else None


def verify(folder: Path, expected: int, samples: Sequence[Row]) -> None:
    """Raises IndexDamaged unless a fresh process counts the rows and finds each sample by its own vector."""
    order = {
        "folder": str(folder),
        "expected": expected,
        "samples": [[row.id, row.vector.tolist(), row.source] for row in samples],
    }
    if complaint := _complaint_elsewhere(order):
        raise IndexDamaged(f"the new generation failed its verification ({complaint}); type: assistant sync --rebuild")


def compare(folder: Path, expected: int, rows: Sequence[Row], samples: Sequence[Row]) -> None:
    """As `verify`, for a generation that answers; and each of `rows` has to be there as it is here.

    Raises IndexDamaged.
    """
    check_whole(folder)
    with tempfile.TemporaryDirectory() as scratch:
        held = Path(scratch) / "rows.npz"
        np.savez(
            held,
            ids=np.array([row.id for row in rows], dtype=str),
            vectors=np.array([row.vector for row in rows], dtype=np.float32),
            metadata=np.array([json.dumps(_metadata(row), sort_keys=True) for row in rows], dtype=str),
        )
        order = {
            "folder": str(folder),
            "expected": expected,
            "samples": [[row.id, row.vector.tolist(), row.source] for row in samples],
            "rows": str(held),
        }
        if complaint := _complaint_elsewhere(order):
            raise IndexDamaged(
                f"the vectors in {folder} are not those of the catalog ({complaint}); type: assistant sync --rebuild"
            )


def differing(folder: Path, due: Iterable[Mapping[str, NDArray[np.float32]]]) -> tuple[set[str], set[str]]:
    """Of passages with their vectors, by id: (those that the generation lacks, those of which it has another vector).

    They come some at a time and are not kept in memory. A generation that cannot be read lacks them all. The vectors
    are of one length.
    """
    with tempfile.TemporaryDirectory() as scratch:
        held, told = [], Path(scratch) / "told.json"
        ids: set[str] = set()
        for number, some in enumerate(due):
            if some:
                held.append(str(Path(scratch) / f"rows-{number}.npz"))
                np.savez(held[-1], ids=np.array(list(some), dtype=str), vectors=np.stack(list(some.values())))
                ids.update(some)
        if not held:
            return set(), set()
        try:
            check_whole(folder)
            complaint = _complaint_elsewhere({"folder": str(folder), "rows": held, "told": str(told)})
        except IndexDamaged as error:
            complaint = str(error)
        if complaint:
            return ids, set()
        lacking, other = json.loads(told.read_text(encoding="utf-8"))
    return set(lacking), set(other)


def _complaint_elsewhere(order: dict[str, Any]) -> str | None:
    """What a process of its own has to complain of, or None. Raises IndexDamaged if it takes too long."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _VERIFIER, str(Path(__file__).resolve().parents[1])],
            input=json.dumps(order),
            capture_output=True,
            text=True,
            timeout=_VERIFY_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        name = Path(order["folder"]).name
        raise IndexDamaged(f"verifying {name} took over {_VERIFY_SECONDS} s; type: assistant sync") from error
    if done.returncode == 0:
        return None
    return (done.stdout.strip() or done.stderr.strip().split("\n")[-1]) or f"exit code {done.returncode}"


def _complaint(order: dict[str, Any]) -> str | None:
    """What is wrong with the generation, or None. A query without and one with a filter, per sample."""
    with contextlib.closing(VectorIndex(Path(order["folder"]))) as index:
        return _complaint_of(index, order)


def _complaint_of(index: VectorIndex, order: dict[str, Any]) -> str | None:
    if "told" in order:
        Path(order["told"]).write_text(json.dumps(_differing(index, order["rows"])), encoding="utf-8")
        return None
    if index.count() != order["expected"]:
        return f"{index.count()} rows where {order['expected']} are due"
    if "rows" in order and (difference := _difference(index, np.load(order["rows"]))):
        return difference
    missed: dict[str, tuple[NDArray[np.float32], str]] = {}
    found = 0
    for id_, numbers, source in order["samples"]:
        vector = np.asarray(numbers, dtype=np.float32)
        # Passages with the same words have the same vector: any of the nearest five may be first.
        for where in (Filter(), Filter(source=source)):
            nearest = dict(index.nearest(vector, 5, where))
            if nearest.get(id_, -1.0) < 1 - 1e-4 and (len(nearest) < 5 or min(nearest.values()) < 1 - 1e-4):
                missed[id_] = vector, source
            else:
                found += 1
    # Where very many are alike, a search by approximation passes some by, which is no damage if they are there.
    held = index.rows(list(missed)) if missed else {}
    for id_, (vector, source) in missed.items():
        stored, seen = held.get(id_, (vector * 0, {}))
        if not found or not _alike(stored, vector) or seen.get("source", "") != source:
            return f"passage {id_} is not found by its own vector"
    return None


def _difference(index: VectorIndex, due: Mapping[str, NDArray[Any]]) -> str | None:
    metadata = due["metadata"].tolist()
    for i, (id_, wanted, held) in enumerate(_side_by_side(index, due)):
        if held is None:
            return f"passage {id_} is missing"
        vector, seen = held
        if len(vector) != len(wanted):
            return f"vectors of {len(vector)} numbers where {len(wanted)} are due"
        if not _alike(vector, wanted):
            return f"passage {id_} has another vector"
        if json.dumps(seen, sort_keys=True) != metadata[i]:
            return f"passage {id_} has another outlet or day"
    return None


def _differing(index: VectorIndex, files: Sequence[str]) -> tuple[list[str], list[str]]:
    lacking, other = [], []
    for file in files:
        for id_, wanted, held in _side_by_side(index, np.load(file)):
            if held is None:
                lacking.append(id_)
            elif not _alike(held[0], wanted):
                other.append(id_)
    return lacking, other


_Held = tuple[NDArray[np.float32], dict[str, Any]]


def _side_by_side(
    index: VectorIndex, due: Mapping[str, NDArray[Any]]
) -> Iterator[tuple[str, NDArray[np.float32], _Held | None]]:
    """(id, the vector that is due, what the generation holds) in the order of what is due."""
    ids, vectors = due["ids"].tolist(), due["vectors"]
    for start in range(0, len(ids), _BATCH):
        chunk = ids[start : start + _BATCH]
        found = index.rows(chunk)
        yield from ((id_, vectors[i], found.get(id_)) for i, id_ in enumerate(chunk, start))


def _alike(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Whether two vectors point the same way: where there are many, Chroma keeps them scaled."""
    return len(one) == len(other) and np.allclose(_unit(one), _unit(other), atol=1e-4)


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float64]:
    # What was damaged may be no number, or a very large one; it is alike to nothing, and no reason for a warning.
    with np.errstate(all="ignore"):
        whole = vector.astype(np.float64)
        return np.asarray(whole / max(float(np.linalg.norm(whole)), 1e-12))


def verify_as_told() -> None:
    """The process of its own: an order on stdin -> exit code 0, or 1 and the complaint on stdout."""
    problem = _complaint(json.load(sys.stdin))
    if problem:
        sys.stdout.write(problem + "\n")
    sys.exit(1 if problem else 0)
