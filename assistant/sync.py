"""Sources -> the index: what changed, in which order, safely.

The steps, each of which can be killed and repeated (design: generations.py, catalog.py, vectors.py):

    1 lock       one writer; what a killed sync left behind is discarded, its vectors stay
    2 read       every item's hash against the catalog; changed ones are parsed and split
    3 embed      texts without a stored vector, stored as they come
    4 write      new rows born in, old rows dead from, the next generation, and who copies whom: one transaction
    5 build      copy the current generation aside, add and delete, close, flush
    6 verify     in a process of its own
    7 swap       rename CURRENT: from here on the new generation answers
    8 clean      drop what no kept generation can see
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import os
import random
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import numpy as np

from assistant import copies, sources, vectors
from assistant.catalog import Catalog, Known
from assistant.embedding import Embedder
from assistant.errors import (
    ArticleGone,
    ArticleSkipped,
    ArticleUnreadable,
    IndexDamaged,
    IndexMismatch,
    InvalidSetting,
    ModelUnavailable,
    SourceMissing,
)
from assistant.generations import KEPT, IndexFolder
from assistant.schema import Article, Outcome, Source, Split, SyncReport
from assistant.settings import default_corpus
from assistant.sources import Document
from assistant.sources.web import Web
from assistant.splitting import SPLITTER_VERSION, Splitter

CORPUS = "corpus"
"""The key of the configured corpus among the sources; every other source's key is its path or address."""

Progress = Callable[[str, int, int], None]
"""Called with (step, done, total): step is "reading", "embedding" or "indexing"."""

Named = str | os.PathLike[str] | Article | Document
"""What may be named as a source: a path, a pattern, an address, or an article itself."""

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
    forgotten: set[str]
    """Keys of the sources that are not remembered any longer."""
    read: dict[str, Source] = field(default_factory=dict)
    """The sources that could be read, by key, as what they turned out to be."""


@dataclass(frozen=True)
class _Selection:
    """The sources by key, the corpus first and the others in the order in which they were named."""

    sources: Mapping[str, Source]
    read: frozenset[str]
    """Keys of those that this sync reads."""
    forgotten: frozenset[str]
    given: Sequence[Article | Document] = ()
    remembered: frozenset[str] = frozenset()

    def holder(self, key: str, path: Path) -> Source | None:
        """The earlier source to which this file belongs, if any."""
        earlier = [self.sources[other] for other in itertools.takewhile(lambda other: other != key, self.sources)]
        real = path.resolve() if earlier else path
        return next((source for source in earlier if sources.holds(source, real) or real in self._fit(source)), None)

    def _fit(self, source: Source) -> frozenset[Path]:
        """The files that fit a pattern; looked up once a sync."""
        return self._patterns.get(source.key, frozenset())

    @functools.cached_property
    def _patterns(self) -> Mapping[str, frozenset[Path]]:
        patterns = (source for source in self.sources.values() if source.kind == "glob")
        return {source.key: frozenset(sources.expanded(Path(source.place))) for source in patterns}


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
    chosen: Sequence[Named] = (),
    forget: Sequence[str | os.PathLike[str]] = (),
    mapping: Mapping[str, str] | None = None,
    allow_private: bool = False,
    web: Web | None = None,
    passage_words: int,
    overlap_words: int,
    rebuild: bool = False,
    progress: Progress = lambda step, done, total: None,
) -> SyncReport:
    """Makes the index say what the sources say now: the chosen ones, else the corpus and all remembered ones.

    The articles of the remembered sources in `forget` are removed, whether their files are there or not. `mapping` is
    for the chosen exports, `allow_private` for the chosen addresses; both are remembered. `web` fetches, if not the
    usual one shall.
    Raises InvalidSetting, IndexBusy, IndexMismatch, IndexDamaged, IndexUnusable, SourceMissing (also of an unknown
    source to forget), ModelUnavailable; the index then answers as before.
    """
    started = time.monotonic()
    wanted = built_with(embedder, passage_words, overlap_words)
    named = _named(chosen, mapping or {}, allow_private=allow_private)
    given = [what for what in chosen if isinstance(what, (Article, Document))]
    web = web or Web()
    with folder.writer():
        named_before = _set_damaged_aside(folder) if rebuild else {}
        catalog = Catalog(folder.catalog, create=True)
        try:
            with catalog.transaction():
                for source in (named_before or {}).values():
                    catalog.remember_source(source)
            selection = _select(catalog, corpus, named, given, forget)
            splitter = functools.partial(Splitter, passage_words, overlap_words)
            run = _Run(folder, catalog, embedder, wanted, splitter, web, rebuild=rebuild, progress=progress)
            return run.sync(selection, started, [_FORGOTTEN] if named_before is None else [])
        finally:
            catalog.close()
            web.close()
            sources.end_parsing()


def _named(chosen: Sequence[Named], mapping: Mapping[str, str], *, allow_private: bool) -> list[Source]:
    """The mapping belongs to the exports among the chosen. Raises SourceMissing, InvalidSetting."""
    found = [
        sources.named(what, mapping, allow_private=allow_private)
        for what in chosen
        if not isinstance(what, (Article, Document))
    ]
    if mapping and not any(source.kind == "export" for source in found):
        raise InvalidSetting("--map needs an export to read; name one: assistant sync FILE.csv --map text=COLUMN")
    return found


_FORGOTTEN = Outcome("skipped", "the catalog", reason="sources named before are forgotten; name them again")


def _set_damaged_aside(folder: IndexFolder) -> dict[str, Source] | None:
    """A rebuild starts from nothing if the catalog cannot be read; the old file is kept under another name.

    Gives the sources to remember again: none if the catalog stays, None if they cannot be read.
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


def _readable_sources(catalog: Catalog) -> dict[str, Source] | None:
    try:
        return catalog.sources()
    except IndexDamaged:
        return None


def _select(
    catalog: Catalog,
    corpus: Path,
    named: Sequence[Source],
    given: Sequence[Article | Document],
    forget: Sequence[str | os.PathLike[str]],
) -> _Selection:
    remembered = catalog.sources()
    forgotten = frozenset(_remembered_key(remembered, what) for what in forget)
    own = Source(CORPUS, str(corpus), "folder")
    chosen = {source.key: source for source in (own if s.place == own.place else s for s in named)}
    for key in chosen.keys() & remembered.keys():
        chosen[key] = _renewed(chosen[key], remembered[key])
    if given:
        chosen[sources.GIVEN] = Source(sources.GIVEN, "objects given from Python", sources.GIVEN)
    if not chosen:
        chosen = {key: source for key, source in remembered.items() if key != sources.GIVEN}
        # An index of named sources is theirs alone: what comes with the program does not slip in.
        if CORPUS in remembered or not remembered or corpus != default_corpus():
            chosen[CORPUS] = own
    every = {**remembered, **chosen}
    if CORPUS in every:
        every = {CORPUS: every[CORPUS], **every}
    kept = {key: source for key, source in every.items() if key not in forgotten}
    return _Selection(kept, frozenset(chosen) - forgotten, forgotten, given, frozenset(remembered))


def _renewed(named: Source, before: Source) -> Source:
    """A source that is named again: what is not said anew stays as it was."""
    return replace(
        named,
        kind=before.kind if named.kind == "address" else named.kind,
        mapping=named.mapping or before.mapping,
        allow_private=named.allow_private or before.allow_private,
    )


def _remembered_key(remembered: Mapping[str, Source], what: str | os.PathLike[str]) -> str:
    text = os.fspath(what)
    path = Path(text).expanduser()
    written = [text, str(path.resolve()), str(path.absolute())]
    if sources.is_address(text):
        written.append(sources.named(text).key)
    for key in written:
        if key in remembered and key != CORPUS:
            return key
    raise SourceMissing(f"{text} is no source that can be forgotten; for those that can, type: assistant sources")


class _Unseen:
    """The articles of a source that its listing does not show any longer."""

    def __init__(self, known: Mapping[str, Known], listing: sources.Listing) -> None:
        shown = {found.location for found in listing.found}
        shut = tuple(f"{found.location}/" for found in listing.found if isinstance(found, sources.Unlisted))
        self.left = {
            place: article for place, article in known.items() if place not in shown and not place.startswith(shut)
        }
        self._by_hash: dict[str, list[str]] = {}
        for place in sorted(self.left, reverse=True):
            self._by_hash.setdefault(self.left[place].file_hash, []).append(place)

    def moved(self, file_hash: str) -> Known | None:
        """One with this content, which is then not left any longer: it came back under another name."""
        places = self._by_hash.get(file_hash)
        return self.left.pop(places.pop()) if places else None


class _Held:
    """Which source holds a file, an address or an id, so that nothing is indexed twice."""

    def __init__(self, known: Sequence[tuple[str, Known]], selection: _Selection) -> None:
        self._ids = {article.id: (key, article.location) for key, article in known if key not in selection.forgotten}
        self._addresses = {
            article.location: key
            for key, article in known
            if key in selection.sources and selection.sources[key].on_the_web
        }

    def by(self, item: sources.Item, source: Source, selection: _Selection) -> Source | None:
        """Another source than this one, if it holds the item."""
        if item.path is not None:
            return selection.holder(source.key, item.path)
        if source.on_the_web:
            key = self._addresses.setdefault(item.location, source.key)
            return selection.sources[key] if key != source.key else None
        return None

    def claim(self, article: Article, key: str, location: str) -> None:
        """Raises ArticleUnreadable if an article from elsewhere has this id."""
        holder = self._ids.setdefault(article.id, (key, location))
        if holder[0] != key and sources.GIVEN in (key, holder[0]):
            raise ArticleUnreadable(f"another article has this id: {holder[1]} of {holder[0]}")


class _Run:
    """One sync, from the moment it holds the lock."""

    def __init__(
        self,
        folder: IndexFolder,
        catalog: Catalog,
        embedder: Embedder,
        wanted: Mapping[str, str],
        splitter: Callable[[], Splitter],
        web: Web,
        *,
        rebuild: bool,
        progress: Progress,
    ) -> None:
        self._folder = folder
        self._catalog = catalog
        self._embedder = embedder
        self._wanted = dict(wanted)
        self._make_splitter = splitter
        self._web = web
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
        if not self._rebuild:
            self._web.validators |= self._catalog.validators()
        plan = _Plan([*notices], [], [], set(selection.forgotten))
        for key in sorted(selection.forgotten):
            self._remove(key, self._catalog.known(key, self._current), plan)
        listings = {key: self._listed(key, selection, plan) for key in selection.sources if key in selection.read}
        total = sum(len(listing.found) for listing in listings.values() if listing)
        done = itertools.count(1)
        held = _Held(self._catalog.all_known(self._current), selection)
        for key, listing in listings.items():
            if listing is not None:
                self._plan_source(
                    key, listing, selection, held, plan, lambda: self._progress("reading", next(done), total)
                )
        if self._rebuild:
            self._plan_unread(plan)
        return plan

    def _remove(self, key: str, known: Mapping[str, Known], plan: _Plan) -> None:
        for location, article in sorted(known.items()):
            plan.retired.append(article)
            plan.outcomes.append(Outcome("removed", location, article.title, source=key))

    def _listed(self, key: str, selection: _Selection, plan: _Plan) -> sources.Listing | None:
        """None, and outcomes, for a remembered source that is gone; the corpus has to be there."""
        source = selection.sources[key]
        try:
            if key == sources.GIVEN:
                return sources.given_listing(selection.given)
            return sources.listing(source, self._web)
        except SourceMissing as error:
            if key == CORPUS or (not source.on_the_web and key not in selection.remembered):
                raise
            self._plan_missing(source, error, selection, plan)
            return None

    def _plan_missing(self, source: Source, error: SourceMissing, selection: _Selection, plan: _Plan) -> None:
        key, path = source.key, Path(source.place)
        known = self._catalog.known(key, self._current)
        gone = isinstance(error.__cause__, FileNotFoundError)
        if key not in selection.remembered:
            # Named for the first time, and nothing came of it: a mistyped address is not asked for ever.
            plan.outcomes.append(Outcome("failed", source.place, reason=str(error), source=key))
            plan.forgotten.add(key)
        elif gone and set(known) == {path.name} and path.parent.is_dir():
            # It was a file, and is deleted.
            self._remove(key, known, plan)
            plan.forgotten.add(key)
        else:
            # An unmounted folder must not empty the index.
            drop = f"its articles stay; to remove them type: assistant sync --forget {shlex.quote(source.place)}"
            reason = f"{'not there now' if gone else error}; {drop}"
            plan.outcomes.append(Outcome("failed", source.place, reason=reason, source=key))

    def _plan_source(
        self,
        key: str,
        listing: sources.Listing,
        selection: _Selection,
        held: _Held,
        plan: _Plan,
        advance: Callable[[], None],
    ) -> None:
        source = plan.read[key] = replace(
            selection.sources[key], kind=listing.kind, synced=datetime.now(UTC).replace(microsecond=0)
        )
        known = self._catalog.known(key, self._current)
        if listing.unchanged:
            plan.outcomes += [Outcome("unchanged", place, k.title, source=key) for place, k in sorted(known.items())]
            return
        first = len(plan.outcomes)
        unseen = _Unseen(known, listing)
        for found in listing.found:
            if isinstance(found, sources.Unlisted):
                plan.outcomes.append(
                    Outcome("failed", found.location, reason=f"{found.reason}; its articles stay", source=key)
                )
            elif isinstance(found, (sources.Skipped, sources.Unreadable)):
                what = "skipped" if isinstance(found, sources.Skipped) else "failed"
                plan.outcomes.append(Outcome(what, found.location, reason=found.reason, source=key))
            elif holder := held.by(found, source, selection):
                self._plan_duplicate(key, found, known.get(found.location), holder, selection, plan)
            else:
                self._plan_item(key, found, known.get(found.location), unseen, held, plan)
            advance()
        if listing.complete:
            self._remove(key, unseen.left, plan)
        if any(outcome.what == "failed" for outcome in plan.outcomes[first:]):
            # Asked for again in full, although the list itself may not change until then.
            self._web.fresh.pop(source.place, None)
        if not source.on_the_web and selection.holder(key, Path(source.place)):
            plan.forgotten.add(key)

    def _plan_duplicate(
        self,
        key: str,
        item: sources.Item,
        known: Known | None,
        holder: Source,
        selection: _Selection,
        plan: _Plan,
    ) -> None:
        if known:
            plan.retired.append(known)
        advice = "" if holder.key in selection.read else "; to read that again type: assistant sync"
        plan.outcomes.append(Outcome("skipped", item.location, reason=f"already in {holder.place}{advice}", source=key))

    def _plan_unread(self, plan: _Plan) -> None:
        """In a rebuild, articles whose files could not be read again are taken from the catalog."""
        handled = {change.replaced.row for change in plan.changes if change.replaced}
        handled |= {article.row for article in plan.retired}
        for source_key, known in self._catalog.all_known(self._current):
            if known.row not in handled:
                article = self._catalog.article_in_row(known.row)
                split = self._splitter.split(article)
                plan.changes.append(_Change(source_key, article, split, known.file_hash, known))

    def _plan_item(
        self, key: str, item: sources.Item, known: Known | None, unseen: _Unseen, held: _Held, plan: _Plan
    ) -> None:
        def tell(what: str, title: str, reason: str = "") -> None:
            plan.outcomes.append(Outcome(what, item.location, title, reason, key))

        try:
            file_hash, article = item.load(known.file_hash if known and not self._rebuild else "")
            if article is None:
                tell("unchanged", known.title if known else "")
                return
            held.claim(article, key, item.location)
        except ArticleGone as error:
            if known:
                plan.retired.append(known)
            tell("removed" if known else "skipped", known.title if known else "", str(error))
            return
        except ArticleUnreadable as error:
            # The version that could be read stays: a bad edit must not lose an article.
            kept = "; its last readable version stays" if known else ""
            what = "skipped" if isinstance(error, ArticleSkipped) else "failed"
            tell(what, known.title if known else "", f"{error}{kept}")
            return
        moved = None if known else unseen.moved(file_hash)
        plan.changes.append(_Change(key, article, self._splitter.split(article), file_hash, known or moved))
        what = "changed" if known else "renamed" if moved else "added"
        tell(what, article.title, f"was {moved.location}" if moved else "")

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
        signatures = copies.signatures({change.article.id: change.article.text for change in plan.changes})
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
            self._record_copies(signatures)
            self._remember(plan, selection)

    def _record_copies(self, new: Mapping[str, copies.Signature]) -> None:
        """Which articles of the next generation tell one story. Signatures that are not there yet are stored."""
        rows = {id_: (row, signature) for row, id_, signature in self._catalog.signatures(self._next)}

        def text_of(id_: str) -> str:
            return self._catalog.article_in_row(rows[id_][0]).text

        missing = [id_ for id_, (_, signature) in rows.items() if signature is None]
        # Those of a catalog that knew no signatures when they were written.
        made = {**new, **copies.signatures({id_: text_of(id_) for id_ in missing if id_ not in new})}
        self._catalog.add_signatures({rows[id_][0]: made[id_] for id_ in missing})
        found = {id_: made[id_] if signature is None else signature for id_, (_, signature) in rows.items()}
        self._catalog.record_copies(self._next, copies.stories(found, text_of))

    def _remember(self, plan: _Plan, selection: _Selection) -> None:
        for key, source in selection.sources.items():
            if key in selection.read:
                self._catalog.remember_source(plan.read.get(key, source))
        for key in plan.forgotten:
            self._catalog.forget_source(key)
        self._catalog.add_validators(self._web.fresh)

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
