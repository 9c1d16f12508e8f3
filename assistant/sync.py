"""Sources -> the index: what changed, in which order, safely.

The steps, each of which can be killed and repeated (design: generations.py, catalog.py, vectors.py):

    1 lock       one writer; what a killed sync left behind is discarded, its vectors stay
    2 read       every item's hash against the catalog; changed ones are parsed and split
    3 embed      texts without a stored vector, stored as they come
    4 write      new rows born in, old rows dead from, the next generation: one transaction
    5 build      copy the current generation aside, add and delete, close, flush
    6 verify     in a process of its own
    7 swap       rename CURRENT: from here on the new generation answers
    8 clean      drop what no kept generation can see
"""

from __future__ import annotations

import hashlib
import itertools
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import numpy as np

from assistant import sources, vectors
from assistant.catalog import Catalog, Known
from assistant.embedding import Embedder
from assistant.errors import ArticleUnreadable, IndexDamaged, IndexMismatch, ModelUnavailable, SourceMissing
from assistant.generations import KEPT, IndexFolder
from assistant.schema import Article, Outcome, Split, SyncReport
from assistant.splitting import SPLITTER_VERSION, Splitter

CORPUS = "corpus"
"""The key of the configured corpus among the sources; every other source's key is its path."""

Progress = Callable[[str, int, int], None]
"""Called with (step, done, total): step is "reading", "embedding" or "indexing"."""

_SAMPLES = 20
T = TypeVar("T")


@dataclass(frozen=True)
class _Change:
    """An article to write: new, or in the place of `replaced`."""

    source_key: str
    article: Article
    split: Split
    file_hash: str
    replaced: Known | None


@dataclass
class _Plan:
    outcomes: list[Outcome]
    changes: list[_Change]
    retired: list[Known]


def built_with(embedder: Embedder, passage_words: int, overlap_words: int) -> dict[str, str]:
    """What decides how passages and vectors come out; an index made with other values needs a rebuild."""
    return {
        "embedding": embedder.fingerprint,
        "splitter": f"{SPLITTER_VERSION}/{passage_words}/{overlap_words}",
    }


def check_built_with(recorded: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Raises IndexMismatch, naming what differs, unless the index was made with the wanted models and sizes.

    Raises IndexDamaged if nothing is recorded of the generation.
    """
    if not recorded:
        raise IndexDamaged("the catalog does not know the generation that answers; type: assistant sync --rebuild")
    for part, value in wanted.items():
        if recorded.get(part) != value:
            raise IndexMismatch(
                f"the index was built with {part} {recorded.get(part)}, asked for is {value}; "
                "type: assistant sync --rebuild"
            )


def synchronise(
    folder: IndexFolder,
    embedder: Embedder,
    *,
    corpus: Path,
    chosen: Sequence[Path] = (),
    passage_words: int,
    overlap_words: int,
    rebuild: bool = False,
    progress: Progress = lambda step, done, total: None,
) -> SyncReport:
    """Makes the index say what the sources say now: the chosen ones, else the corpus and all remembered ones.

    Raises IndexBusy, IndexMismatch, IndexDamaged, SourceMissing, ModelUnavailable; the index then answers as before.
    """
    started = time.monotonic()
    wanted = built_with(embedder, passage_words, overlap_words)
    with folder.writer():
        if rebuild:
            _set_damaged_aside(folder)
        catalog = Catalog(folder.catalog, create=True)
        try:
            splitter = Splitter(passage_words, overlap_words)
            run = _Run(folder, catalog, embedder, wanted, splitter, rebuild=rebuild, progress=progress)
            return run.sync(_source_paths(catalog, corpus, chosen), started)
        finally:
            catalog.close()


def _set_damaged_aside(folder: IndexFolder) -> None:
    """A rebuild starts from nothing if the catalog cannot be read; the old file is kept under another name."""
    if not folder.catalog.exists():
        return
    try:
        catalog = Catalog(folder.catalog)
        try:
            catalog.check()
        finally:
            catalog.close()
    except IndexDamaged:
        folder.catalog.replace(folder.catalog.with_suffix(".damaged"))
        for suffix in ("-wal", "-shm"):
            folder.catalog.with_name(folder.catalog.name + suffix).unlink(missing_ok=True)


def _source_paths(catalog: Catalog, corpus: Path, chosen: Sequence[Path]) -> dict[str, Path]:
    """Key -> path of the sources to sync."""
    if not chosen:
        remembered = {key: Path(path) for key, path in catalog.sources().items() if key != CORPUS}
        return {CORPUS: corpus, **remembered}
    resolved = [path.expanduser().resolve() for path in chosen]
    for path in resolved:
        if not path.exists():
            raise SourceMissing(f"there is no file or folder {path}; check the name")
    return {CORPUS if path == corpus else str(path): path for path in resolved}


class _Run:
    """One sync, from the moment it holds the lock."""

    def __init__(
        self,
        folder: IndexFolder,
        catalog: Catalog,
        embedder: Embedder,
        wanted: Mapping[str, str],
        splitter: Splitter,
        *,
        rebuild: bool,
        progress: Progress,
    ) -> None:
        self._folder = folder
        self._catalog = catalog
        self._embedder = embedder
        self._wanted = dict(wanted)
        self._splitter = splitter
        self._rebuild = rebuild
        self._progress = progress
        self._current = self._usable_current()
        self._next = max(folder.next_number(), self._current + 1)

    def _usable_current(self) -> int:
        if not self._rebuild:
            return self._folder.current()
        try:
            return self._folder.current()
        except IndexDamaged:
            # What the catalog recorded last was written in one transaction: it is whole, whether it answered or not.
            return max(self._catalog.generations(), default=0)

    def sync(self, paths: Mapping[str, Path], started: float) -> SyncReport:
        with self._catalog.transaction():
            self._catalog.discard_after(self._current)
        recorded = self._catalog.built_with(self._current)
        if self._current and not self._rebuild:
            check_built_with(recorded, self._wanted)
        if self._current and not self._rebuild:
            vectors.check_whole(self._folder.generation(self._current))
        plan = self._plan(paths)
        if plan.changes or plan.retired or not self._current or self._rebuild:
            self._embed(plan.changes)
            self._write(plan, paths)
            self._build()
            self._folder.swap(self._next)
            self._current = self._next
        else:
            self._remember(paths)
        self._clean()
        articles, passages = self._catalog.counts(self._current)
        return SyncReport(tuple(plan.outcomes), self._current, articles, passages, time.monotonic() - started)

    # -- 2 read ------------------------------------------------------------------------------------------------

    def _plan(self, paths: Mapping[str, Path]) -> _Plan:
        plan = _Plan([], [], [])
        listings = {key: self._listed(key, path, plan) for key, path in paths.items()}
        total = sum(len(found) for found in listings.values() if found is not None)
        done = 0
        for key, listing in listings.items():
            known = self._catalog.known(key, self._current)
            # A source that is gone keeps its articles: an unmounted folder must not empty the index.
            unseen = dict(known) if listing is not None else {}
            for found in listing or []:
                unseen.pop(found.location, None)
                if isinstance(found, sources.Skipped):
                    plan.outcomes.append(Outcome("skipped", found.location, reason=found.reason))
                else:
                    self._plan_item(key, found, known.get(found.location), plan)
                done += 1
                self._progress("reading", done, total)
            for location, article in sorted(unseen.items()):
                plan.retired.append(article)
                plan.outcomes.append(Outcome("removed", location, article.title))
        if self._rebuild:
            self._plan_unread(plan)
        return plan

    def _listed(self, key: str, path: Path, plan: _Plan) -> list[sources.Item | sources.Skipped] | None:
        """None, and an outcome, for a remembered source that is gone; the corpus has to be there."""
        try:
            return list(sources.items(key, path))
        except SourceMissing as error:
            if key == CORPUS:
                raise
            plan.outcomes.append(Outcome("failed", str(path), reason=f"{error}; its articles stay"))
            return None

    def _plan_unread(self, plan: _Plan) -> None:
        """In a rebuild, articles whose files could not be read again are taken from the catalog."""
        handled = {change.replaced.row for change in plan.changes if change.replaced}
        handled |= {article.row for article in plan.retired}
        for source_key, known in self._catalog.all_known(self._current):
            if known.row not in handled:
                article = self._catalog.article_in_row(known.row)
                split = self._splitter.split(article)
                plan.changes.append(_Change(source_key, article, split, known.file_hash, known))

    def _plan_item(self, key: str, item: sources.Item, known: Known | None, plan: _Plan) -> None:
        try:
            raw, file_hash = item.read()
            if known and known.file_hash == file_hash and not self._rebuild:
                plan.outcomes.append(Outcome("unchanged", item.location, known.title))
                return
            article = sources.parse(item, raw)
        except ArticleUnreadable as error:
            # The version that could be read stays: a bad edit must not lose an article.
            kept = "; its last readable version stays" if known else ""
            what = "skipped" if str(error).startswith("empty") else "failed"
            plan.outcomes.append(Outcome(what, item.location, known.title if known else "", f"{error}{kept}"))
            return
        plan.changes.append(_Change(key, article, self._splitter.split(article), file_hash, known))
        plan.outcomes.append(Outcome("changed" if known else "added", item.location, article.title))

    # -- 3 embed -----------------------------------------------------------------------------------------------

    def _embed(self, changes: Sequence[_Change]) -> None:
        texts = {key: text for change in changes for key, text in self._embedded_texts(change)}
        missing = sorted(self._catalog.missing_vectors(texts))
        done = 0
        found = self._embedder.passages([texts[key] for key in missing])
        for batch in _batched(found, 256):
            if not all(np.isfinite(vector).all() for _, vector in batch):
                raise ModelUnavailable(
                    "the embedding model gave vectors that are no numbers; check its files and sync again"
                )
            with self._catalog.transaction():
                self._catalog.add_vectors({missing[i]: vector for i, vector in batch})
            done += len(batch)
            self._progress("embedding", done, len(missing))

    def _embedded_texts(self, change: _Change) -> Iterator[tuple[str, str]]:
        """(vector key, text) per passage. The title goes before the passage; only the vector keeps it."""
        for passage in change.split.passages:
            text = f"{change.article.title}\n{change.article.text[passage.start : passage.end]}"
            yield hashlib.sha256(f"{self._wanted['embedding']}\0{text}".encode()).hexdigest()[:32], text

    # -- 4 write -----------------------------------------------------------------------------------------------

    def _write(self, plan: _Plan, paths: Mapping[str, Path]) -> None:
        with self._catalog.transaction():
            for change in plan.changes:
                if change.replaced:
                    self._catalog.retire(change.replaced.row, self._next)
                self._catalog.add_article(
                    change.article,
                    change.split,
                    [key for key, _ in self._embedded_texts(change)],
                    source_key=change.source_key,
                    file_hash=change.file_hash,
                    born=self._next,
                )
            for article in plan.retired:
                self._catalog.retire(article.row, self._next)
            versions = {name: version(name) for name in ("chromadb", "sentence-transformers", "llama-index-core")}
            self._catalog.record_generation(self._next, {**self._wanted, **versions})
            self._remember_all(paths)

    def _remember(self, paths: Mapping[str, Path]) -> None:
        with self._catalog.transaction():
            self._remember_all(paths)

    def _remember_all(self, paths: Mapping[str, Path]) -> None:
        for key, path in paths.items():
            self._catalog.remember_source(key, str(path))

    # -- 5 build, 6 verify -------------------------------------------------------------------------------------

    def _build(self) -> None:
        target = self._folder.generation(self._next)
        whole = self._rebuild or not self._current
        added = self._catalog.passage_ids("alive" if whole else "born", self._next)
        removed = [] if whole else self._catalog.passage_ids("died", self._next)
        written = 0

        def report(rows: int) -> None:
            nonlocal written
            written += rows
            self._progress("indexing", written, len(added))

        batches = (self._rows(added[i : i + 1000]) for i in range(0, len(added), 1000))
        previous = None if whole else self._folder.generation(self._current)
        vectors.write_generation(target, previous, removed, batches, report)
        _, expected = self._catalog.counts(self._next)
        # Of all passages, not of the new ones only: what was copied may have been torn since it was verified.
        ids = self._catalog.passage_ids("alive", self._next)
        sample = random.Random(self._next).sample(ids, min(_SAMPLES, len(ids)))  # noqa: S311 nothing secret
        vectors.verify(target, expected, self._rows(sample))

    def _rows(self, ids: Sequence[str]) -> list[vectors.Row]:
        return [vectors.Row(*row) for row in self._catalog.rows(ids)]

    # -- 8 clean -----------------------------------------------------------------------------------------------

    def _clean(self) -> None:
        # Numbers have gaps where a sync was killed, so the one before is looked up.
        kept = self._catalog.generations()[-KEPT:]
        with self._catalog.transaction():
            self._catalog.purge_before(kept[0])
        self._folder.remove_all_but(set(kept))


def _batched(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while batch := list(itertools.islice(items, size)):
        yield batch
