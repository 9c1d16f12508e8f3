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

import functools
import hashlib
import itertools
import random
import shlex
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
_Found = sources.Item | sources.Skipped | sources.Unlisted
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
    forgotten: set[str]
    """Keys of the sources that are not remembered any longer."""


@dataclass(frozen=True)
class _Selection:
    """The sources by key, the corpus first and the others in the order in which they were named."""

    paths: Mapping[str, Path]
    """All of them, absolute."""
    read: frozenset[str]
    """Keys of those that this sync reads."""
    forgotten: frozenset[str]

    def holder(self, key: str, path: Path) -> Path | None:
        """The earlier source to which this file belongs, if any."""
        earlier = [self.paths[other] for other in itertools.takewhile(lambda other: other != key, self.paths)]
        real = path.resolve() if earlier else path
        return next((root for root in earlier if _holds(root, real)), None)


def _holds(root: Path, path: Path) -> bool:
    """Whether a source reads this file or folder: it lies below, and not below a hidden folder."""
    return path.is_relative_to(root) and not any(part.startswith(".") for part in path.relative_to(root).parts)


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
    forget: Sequence[Path] = (),
    passage_words: int,
    overlap_words: int,
    rebuild: bool = False,
    progress: Progress = lambda step, done, total: None,
) -> SyncReport:
    """Makes the index say what the sources say now: the chosen ones, else the corpus and all remembered ones.

    The articles of the remembered sources in `forget` are removed, whether their files are there or not.
    Raises IndexBusy, IndexMismatch, IndexDamaged, IndexUnusable, SourceMissing (also of an unknown source to
    forget), ModelUnavailable; the index then answers as before.
    """
    started = time.monotonic()
    wanted = built_with(embedder, passage_words, overlap_words)
    with folder.writer():
        named_before = _set_damaged_aside(folder) if rebuild else {}
        catalog = Catalog(folder.catalog, create=True)
        try:
            with catalog.transaction():
                for key, path in (named_before or {}).items():
                    catalog.remember_source(key, path)
            selection = _select(catalog, corpus, chosen, forget)
            splitter = functools.partial(Splitter, passage_words, overlap_words)
            run = _Run(folder, catalog, embedder, wanted, splitter, rebuild=rebuild, progress=progress)
            return run.sync(selection, started, [_FORGOTTEN] if named_before is None else [])
        finally:
            catalog.close()


_FORGOTTEN = Outcome("skipped", "the catalog", reason="sources named before are forgotten; name them again")


def _set_damaged_aside(folder: IndexFolder) -> dict[str, str] | None:
    """A rebuild starts from nothing if the catalog cannot be read; the old file is kept under another name.

    Gives the sources (key -> path) to remember again: none if the catalog stays, None if they cannot be read.
    """
    if not folder.catalog.exists():
        return {} if folder.is_new() else None
    try:
        catalog = Catalog(folder.catalog)
    except IndexDamaged:
        found = None
    else:
        try:
            catalog.check()
        except IndexDamaged:
            found = _readable_sources(catalog)
        else:
            return {}
        finally:
            catalog.close()
    folder.catalog.replace(folder.catalog.with_suffix(".damaged"))
    for suffix in ("-wal", "-shm"):
        folder.catalog.with_name(folder.catalog.name + suffix).unlink(missing_ok=True)
    return found


def _readable_sources(catalog: Catalog) -> dict[str, str] | None:
    try:
        return catalog.sources()
    except IndexDamaged:
        return None


def _select(catalog: Catalog, corpus: Path, chosen: Sequence[Path], forget: Sequence[Path]) -> _Selection:
    remembered = {key: Path(path) for key, path in catalog.sources().items()}
    forgotten = frozenset(_remembered_key(remembered, path) for path in forget)
    if chosen:
        resolved = [path.expanduser().resolve() for path in chosen]
        for path in resolved:
            sources.check_there(path)
        named = {CORPUS if path == corpus else str(path): path for path in resolved}
    else:
        named = {**remembered, CORPUS: corpus}
    every = {**remembered, **named}
    if CORPUS in every:
        every = {CORPUS: every[CORPUS], **every}
    paths = {key: path for key, path in every.items() if key not in forgotten}
    return _Selection(paths, frozenset(named) - forgotten, forgotten)


def _remembered_key(remembered: Mapping[str, Path], path: Path) -> str:
    for key in (str(path), str(path.expanduser().resolve())):
        if key in remembered and key != CORPUS:
            return key
    raise SourceMissing(f"{path} is no source that can be forgotten; for those that can, type: assistant status")


class _Run:
    """One sync, from the moment it holds the lock."""

    def __init__(
        self,
        folder: IndexFolder,
        catalog: Catalog,
        embedder: Embedder,
        wanted: Mapping[str, str],
        splitter: Callable[[], Splitter],
        *,
        rebuild: bool,
        progress: Progress,
    ) -> None:
        self._folder = folder
        self._catalog = catalog
        self._embedder = embedder
        self._wanted = dict(wanted)
        self._make_splitter = splitter
        self._rebuild = rebuild
        self._progress = progress
        self._current = self._usable_current()
        self._next = max(folder.next_number(), self._current + 1)

    def _usable_current(self) -> int:
        if not self._rebuild:
            return self._folder.current()
        current, recorded = self._folder.readable_current(), self._catalog.generations()
        # What the catalog recorded last was written in one transaction: it is whole, whether it answered or not.
        return current if current in recorded else max(recorded, default=0)

    @functools.cached_property
    def _splitter(self) -> Splitter:
        # Made when there is something to split: it imports llama_index, which takes 1.9 s.
        return self._make_splitter()

    def sync(self, selection: _Selection, started: float, notices: Sequence[Outcome]) -> SyncReport:
        if self._current and not self._rebuild:
            check_built_with(self._catalog.built_with(self._current), self._wanted)
            vectors.check_whole(self._folder.generation(self._current))
        with self._catalog.transaction():
            self._catalog.discard_after(self._current)
        # Half a generation, of a sync that was killed or found the disk full, would take the room of the next.
        self._folder.remove_all_but({self._folder.readable_current(), *self._catalog.generations()})
        plan = self._plan(selection, notices)
        if plan.changes or plan.retired or not self._current or self._rebuild:
            self._embed(plan.changes)
            self._write(plan, selection)
            self._build()
            self._folder.swap(self._next)
            self._current = self._next
        else:
            with self._catalog.transaction():
                self._remember(plan, selection)
        self._clean()
        articles, passages = self._catalog.counts(self._current)
        return SyncReport(tuple(plan.outcomes), self._current, articles, passages, time.monotonic() - started)

    # -- 2 read ------------------------------------------------------------------------------------------------

    def _plan(self, selection: _Selection, notices: Sequence[Outcome]) -> _Plan:
        plan = _Plan([*notices], [], [], set(selection.forgotten))
        for key in sorted(selection.forgotten):
            self._remove(self._catalog.known(key, self._current), plan)
        listings = {
            key: self._listed(key, path, plan) for key, path in selection.paths.items() if key in selection.read
        }
        total = sum(len(found) for found in listings.values() if found is not None)
        done = itertools.count(1)
        for key, listing in listings.items():
            if listing is not None:
                self._plan_source(key, listing, selection, plan, lambda: self._progress("reading", next(done), total))
        if self._rebuild:
            self._plan_unread(plan)
        return plan

    def _remove(self, known: Mapping[str, Known], plan: _Plan) -> None:
        for location, article in sorted(known.items()):
            plan.retired.append(article)
            plan.outcomes.append(Outcome("removed", location, article.title))

    def _listed(self, key: str, path: Path, plan: _Plan) -> list[_Found] | None:
        """None, and outcomes, for a remembered source that is gone; the corpus has to be there."""
        try:
            return list(sources.items(key, path))
        except SourceMissing as error:
            if key == CORPUS:
                raise
            known = self._catalog.known(key, self._current)
            gone = isinstance(error.__cause__, FileNotFoundError)
            if gone and set(known) == {path.name} and path.parent.is_dir():
                # It was a file, and is deleted.
                self._remove(known, plan)
                plan.forgotten.add(key)
            else:
                # An unmounted folder must not empty the index.
                drop = f"its articles stay; to remove them type: assistant sync --forget {shlex.quote(str(path))}"
                plan.outcomes.append(
                    Outcome("failed", str(path), reason=f"{'not there now' if gone else error}; {drop}")
                )
            return None

    def _plan_source(
        self,
        key: str,
        listing: Sequence[_Found],
        selection: _Selection,
        plan: _Plan,
        advance: Callable[[], None],
    ) -> None:
        known = self._catalog.known(key, self._current)
        unseen = dict(known)
        for found in listing:
            if isinstance(found, sources.Unlisted):
                unseen = {place: k for place, k in unseen.items() if not place.startswith(found.location + "/")}
                plan.outcomes.append(Outcome("failed", found.location, reason=f"{found.reason}; its articles stay"))
            elif isinstance(found, sources.Skipped):
                unseen.pop(found.location, None)
                plan.outcomes.append(Outcome("skipped", found.location, reason=found.reason))
            else:
                article = unseen.pop(found.location, None)
                holder = selection.holder(key, found.path)
                if holder:
                    self._plan_duplicate(found, article, holder, selection, plan)
                else:
                    self._plan_item(key, found, article, plan)
            advance()
        self._remove(unseen, plan)
        if selection.holder(key, selection.paths[key]):
            plan.forgotten.add(key)

    def _plan_duplicate(
        self, item: sources.Item, known: Known | None, holder: Path, selection: _Selection, plan: _Plan
    ) -> None:
        if known:
            plan.retired.append(known)
        unread = holder not in (selection.paths[key] for key in selection.read)
        advice = "; to read that again type: assistant sync" if unread else ""
        plan.outcomes.append(Outcome("skipped", item.location, reason=f"already in {holder}{advice}"))

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

    def _write(self, plan: _Plan, selection: _Selection) -> None:
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
            self._remember(plan, selection)

    def _remember(self, plan: _Plan, selection: _Selection) -> None:
        for key, path in selection.paths.items():
            if key in selection.read:
                self._catalog.remember_source(key, str(path))
        for key in plan.forgotten:
            self._catalog.forget_source(key)

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
            if self._rebuild:
                self._catalog.drop_unused_vectors()
        self._folder.remove_all_but(set(kept))


def _batched(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while batch := list(itertools.islice(items, size)):
        yield batch
