"""Sources -> the index: what changed, in which order, safely.

The steps, each of which can be killed and repeated (design: generations.py, catalog.py, vectors.py), with the State of
an index after a kill within the step, and what else that leaves:

    1 lock       one writer; what a killed sync left behind is discarded, its vectors stay
                     as it was: writer.json says who died; the operating system frees the lock itself
    2 read       every item's hash against the catalog; changed ones are parsed and split, and then, some at a time, so
                 that no corpus is held in memory (but for JSON arrays, and objects given from Python),
      embed      texts without a stored vector, stored as they come
                     as it was: vectors of no passage, which the next sync finds and does not make again
      store      new rows born in, rows in whose place they come dead from, the next generation
                     as it was: rows of a generation that is not recorded, which nobody reads
    3 record     rows that left dead from the next generation, full text, who copies whom, and that there is one: in one
                 transaction
                     as it was, or WRITTEN
    4 build      copy the current generation aside, add and delete, close, flush
                     WRITTEN: half a Chroma folder
    5 verify     in a process of its own
                     WRITTEN: a Chroma folder that is whole, and that nobody relies on
    6 swap       rename CURRENT: from here on the new generation answers
                     WRITTEN, maybe with CURRENT.new; or SETTLED
    7 clean      drop what no kept generation can see
                     SETTLED: rows and folders that nobody reads

In each of these states the generation that CURRENT names answers (none, in a NEW index), and the next sync takes away
what was left, then does the work again. Where CURRENT is gone, or a first sync was killed before its swap, what was
written last is made to answer before that: it is whole, and an article may be nowhere else. LOST is no state that a
sync can leave: CURRENT or the catalog was damaged, deleted, or put back from elsewhere. `sync --rebuild` mends it; so
does `doctor --fix`, which also sees what a sync does not look at (doctor.py).
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import itertools
import json
import os
import random
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from assistant import copies, sources, vectors
from assistant.catalog import Catalog, Known, Salvage, salvaged, written_through
from assistant.embedding import Embedder
from assistant.errors import (
    ArticleGone,
    ArticleSkipped,
    ArticleUnreadable,
    AssistantError,
    IndexDamaged,
    IndexMismatch,
    IndexUnusable,
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

CATALOG = "the catalog"
"""The location of what a rebuild has to say of it."""

Progress = Callable[[str, int, int], None]
"""Called with (step, done, total): step is "reading", "embedding" or "indexing"."""

Named = str | os.PathLike[str] | Article | Document
"""What may be named as a source: a path, a pattern, an address, or an article itself."""

_EMPTY = {"folder": "is empty", "glob": "fits no file", "export": "holds no row", "sitemap": "names no page"}
"""What is said of a source that shows nothing, by kind."""
_SAMPLES = 20
_AT_A_TIME = 2_000_000
"""Characters that are read before they are embedded and stored: some 400 articles, of which a batch pads little."""
_SPARE = 16 * 2**20
_BYTES_A_CHARACTER = 12
"""Of text, its sentences, its vectors and the journal of writing them, on the disk; somewhat more than measured."""
_COMPARED_AT_ONCE = 5_000
_EMBEDDED_AT_ONCE = 64
"""Passages between two reports of progress, at each of which a sync can be stopped."""
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
    corpus_needed: bool = True
    """Whether a corpus that is missing ends the sync: it must not hold up other sources that are followed."""

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


def check_corpus(remembered: Mapping[str, Source], corpus: Path, index: Path) -> None:
    """Raises IndexMismatch if the index holds another corpus than this one."""
    indexed = remembered.get(CORPUS)
    if indexed is not None and Path(indexed.place) != corpus:
        raise IndexMismatch(
            f"the index in {index} holds {indexed.place}, not {corpus}; name another --index, or sync this one"
        )


class State(Enum):
    """How CURRENT and what the catalog has recorded stand to each other."""

    NEW = "no sync has recorded anything"
    WRITTEN = "a sync was killed, or is at work, between recording its articles and the swap"
    SETTLED = "the generation that answers is the last that was written"
    LOST = "the catalog does not know the generation that answers"


def state(folder: IndexFolder, catalog: Catalog) -> State:
    """Raises IndexUnusable."""
    current, recorded = folder.readable_current(), catalog.generations()
    if folder.is_new():
        return State.WRITTEN if recorded else State.NEW
    if current not in recorded or not catalog.built_with(current):
        return State.LOST
    return State.WRITTEN if recorded[-1] > current else State.SETTLED


def answering(folder: IndexFolder, catalog: Catalog) -> int:
    """The generation that CURRENT names if the catalog knows it, else the last that it recorded; 0 if none is.

    What the catalog recorded is whole, whether it answered or not: the record is written last.
    """
    current, recorded = folder.readable_current(), catalog.generations()
    return current if current in recorded else max(recorded, default=0)


def synchronise(
    folder: IndexFolder,
    embedder: Embedder,
    *,
    corpus: Path,
    chosen: Sequence[Named] = (),
    only: Collection[str] | None = None,
    forget: Sequence[str | os.PathLike[str]] = (),
    mapping: Mapping[str, str] | None = None,
    allow_private: bool = False,
    web: Web | None = None,
    passage_words: int,
    overlap_words: int,
    rebuild: bool = False,
    corpus_needed: bool = True,
    progress: Progress = lambda step, done, total: None,
) -> SyncReport:
    """Makes the index say what the sources say now: the chosen ones, else the corpus and all remembered ones.

    With nothing chosen, `only` limits a sync to the sources with these keys. Then, and with `corpus_needed` unset, a
    corpus that is missing is an outcome, as a missing source is. The articles of the remembered sources in `forget` are
    removed, whether their files are there or not. `mapping` is for the chosen exports, `allow_private` for the chosen
    addresses; both are remembered. `web` fetches, if not the usual one shall.
    Raises InvalidSetting, IndexBusy, IndexMismatch, IndexDamaged, IndexUnusable, SourceMissing (also of an unknown
    source to forget), ModelUnavailable; the index then answers as before.
    """
    started = time.monotonic()
    wanted = built_with(embedder, passage_words, overlap_words)
    named = _named(chosen, mapping or {}, allow_private=allow_private)
    given = [what for what in chosen if isinstance(what, (Article, Document))]
    web = web or Web()
    with folder.writer():
        if not rebuild and folder.aside():
            raise _interrupted_repair()
        old = _set_damaged_aside(folder) if rebuild else None
        catalog = Catalog(folder.catalog, create=True)
        try:
            if old:
                _take_over(catalog, old, max(folder.readable_current(), 1))
                folder.taken_over()
            if not rebuild and folder.is_new() and state(folder, catalog) is State.WRITTEN:
                check_built_with(catalog.built_with(answering(folder, catalog)), wanted)
                _restored(folder, catalog, lambda: embedder, progress)
            selection = _select(catalog, corpus, named, given, forget, only, corpus_needed=corpus_needed)
            splitter = functools.partial(Splitter, passage_words, overlap_words)
            run = _Run(folder, catalog, embedder, wanted, splitter, web, rebuild=rebuild, progress=progress)
            return run.sync(selection, started, old.notices() if old else [])
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


@dataclass(frozen=True)
class Rescued:
    """What a new catalog begins with where the old one is lost."""

    sources: Mapping[str, Source]
    salvage: Salvage | None
    """None if there is no file to read."""

    @property
    def articles(self) -> list[tuple[str, str, Article]]:
        """As in Salvage. Those of a source that was forgotten since stay away."""
        found = self.salvage.articles if self.salvage else ()
        return [each for each in found if each[0] in self.sources or not self.sources]

    @property
    def lost(self) -> list[Source]:
        """Sources that give no article twice, and of which none could be read."""
        left = {key for key, _, _ in self.articles}
        only = (source for source in self.sources.values() if source.kind in (sources.GIVEN, "feed"))
        return [source for source in only if source.key not in left]

    def notices(self) -> list[Outcome]:
        reasons = ["sources named before are forgotten; name them again"] if not self.sources else []
        if self.salvage:
            reasons.append(f"it was damaged; articles taken over from it: {len(self.articles)}")
        if self.lost:
            places = ", ".join(source.place for source in self.lost)
            reasons.append(f"what only it had cannot come back, and it had no article left of: {places}")
        return [Outcome("skipped", CATALOG, reason=reason) for reason in reasons]


def _set_damaged_aside(folder: IndexFolder) -> Rescued | None:
    """A rebuild starts from nothing if the catalog is damaged; the old file is kept under another name.

    None if the catalog stays, and knows what there is. Its articles and vectors are taken over as far as they can be
    read, its sources too, and where these cannot, from the copy beside it.
    """
    problem = catalog_problem(folder)
    if problem is None:
        return None
    if not isinstance(problem, _CatalogLost):
        if folder.aside() is None:
            written_through(folder.catalog)
        folder.set_catalog_aside()
    return rescued(folder)


def _interrupted_repair() -> IndexDamaged:
    return IndexDamaged("a repair of the catalog was interrupted; type: assistant doctor --fix")


class _CatalogLost(IndexDamaged):
    """There is none, or an empty one, although a generation answers."""


def catalog_problem(folder: IndexFolder) -> IndexDamaged | None:
    """What is wrong with the catalog as a file, or None; before the first sync nothing is. Raises IndexMismatch."""
    if folder.aside():
        return _interrupted_repair()
    if not folder.catalog.exists():
        lost = _CatalogLost("the catalog is gone; type: assistant doctor --fix")
        return None if folder.is_new() else lost
    try:
        catalog = Catalog(folder.catalog)
    except IndexDamaged as error:
        return error
    try:
        catalog.check()
        if not catalog.generations() and not folder.is_new():
            return _CatalogLost("the catalog is gone, and a new one is empty; type: assistant doctor --fix")
    except IndexDamaged as error:
        return error
    finally:
        catalog.close()
    return None


def rescued(folder: IndexFolder) -> Rescued:
    """What can be taken over of a catalog that is damaged, or lies aside, or is gone."""
    aside = folder.aside()
    file = aside if aside and aside.exists() else folder.catalog
    salvage = salvaged(file) if file.exists() else None
    kept = remembered(folder)
    return Rescued(kept or (salvage.sources if salvage else {}), salvage)


def remembered(folder: IndexFolder) -> dict[str, Source]:
    """The sources as the copy beside the catalog has them; none if it cannot be read."""
    try:
        listed = json.loads(folder.remembered.read_text(encoding="utf-8"))
        found = [Source(**{name: each[name] for name in _KEPT_OF_A_SOURCE}) for each in listed]
    except (OSError, ValueError, TypeError, KeyError):
        return {}
    return {source.key: source for source in found}


_KEPT_OF_A_SOURCE = ("key", "place", "kind", "mapping", "allow_private")


def _keep_sources(folder: IndexFolder, sources: Iterable[Source]) -> None:
    """The copy is for a lost catalog: when the sources were read last is not of interest then."""
    listed = [{name: source.to_dict()[name] for name in _KEPT_OF_A_SOURCE} for source in sources]
    text = json.dumps(listed, ensure_ascii=False, indent=1) + "\n"
    if not folder.remembered.is_file() or folder.remembered.read_bytes() != text.encode():
        folder.put(folder.remembered, text)


def _take_over(catalog: Catalog, rescued: Rescued, generation: int) -> None:
    """Articles without passages, in a generation of which nothing is recorded: no reader answers from them."""
    with catalog.transaction():
        for source in rescued.sources.values():
            catalog.remember_source(source)
        if rescued.salvage is None or catalog.generations():
            return
        catalog.record_generation(generation, {})
        catalog.add_vectors(rescued.salvage.vectors)
        for key, file_hash, article in rescued.articles:
            catalog.add_article(article, Split((), ()), [], source_key=key, file_hash=file_hash, born=generation)


def _select(
    catalog: Catalog,
    corpus: Path,
    named: Sequence[Source],
    given: Sequence[Article | Document],
    forget: Sequence[str | os.PathLike[str]],
    only: Collection[str] | None,
    *,
    corpus_needed: bool,
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
        if only is not None:
            chosen = {key: source for key, source in chosen.items() if key in only}
    every = {**remembered, **chosen}
    if CORPUS in every:
        every = {CORPUS: every[CORPUS], **every}
    kept = {key: source for key, source in every.items() if key not in forgotten}
    read = frozenset(chosen) - forgotten
    needed = corpus_needed and only is None
    return _Selection(kept, read, forgotten, given, frozenset(remembered), corpus_needed=needed)


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


def _each_once(listing: sources.Listing) -> sources.Listing:
    """Without the items that are shown again: two rows of one article, which Chroma refuses, would end every sync."""
    shown: set[str] = set()
    found: list[sources.Found] = []
    for each in listing.found:
        if not isinstance(each, (sources.Skipped, sources.Unreadable, sources.Unlisted)):
            if each.location in shown:
                continue
            shown.add(each.location)
        found.append(each)
    return replace(listing, found=found)


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
        self._due: list[_Change] = []
        """Read, and still to be stored."""
        self._due_size = 0
        """Characters."""
        self._stored = 0
        """Changes, in all."""
        self._replaced: set[int] = set()
        """Rows of the catalog, of all changes."""
        self._items = (0, 0)
        """How many are read, of how many."""
        self._embedded = self._to_embed = 0
        """How many passages are embedded, and how many may have to be in all."""

    def _usable_current(self) -> int:
        return answering(self._folder, self._catalog) if self._rebuild else self._folder.current()

    @functools.cached_property
    def _splitter(self) -> Splitter:
        # Made when there is something to split: it imports llama_index, which takes 1.9 s.
        return self._make_splitter()

    def sync(self, selection: _Selection, started: float, notices: Sequence[Outcome]) -> SyncReport:
        if self._current and not self._rebuild:
            check_built_with(self._catalog.built_with(self._current), self._wanted)
            vectors.check_whole(self._folder.generation(self._current))
        self._catalog.discard_after(self._current)
        # Half a generation, of a sync that was killed or found the disk full, would take the room of the next.
        self._folder.remove_all_but({self._folder.readable_current(), *self._catalog.generations()})
        if self._rebuild:
            with self._catalog.transaction():
                self._catalog.drop_vectors(self._catalog.odd_vectors())
        try:
            plan = self._plan(selection, notices)
        except BaseException:
            # Else the next sync does it, as after a kill; a disk that is full may refuse it now.
            with contextlib.suppress(AssistantError):
                self._catalog.discard_after(self._current)
            raise
        if self._stored or plan.retired or not self._current or self._rebuild:
            self._record(plan, selection)
            self._build()
            self._folder.swap(self._next)
            self._current = self._next
        else:
            with self._catalog.transaction():
                self._remember(plan, selection)
        self._clean()
        _keep_sources(self._folder, self._catalog.sources().values())
        articles, passages = self._catalog.counts(self._current)
        seconds = time.monotonic() - started
        return SyncReport(tuple(plan.outcomes), self._current, articles, passages, seconds, self._web.rests)

    # -- 2 read ------------------------------------------------------------------------------------------------

    def _plan(self, selection: _Selection, notices: Sequence[Outcome]) -> _Plan:
        if not self._rebuild:
            self._web.validators |= self._catalog.validators()
        if selection.forgotten:
            # What a forgotten source held may stand in a list that has not changed.
            self._web.forget_lists()
        plan = _Plan([*notices], [], set(selection.forgotten))
        for key in sorted(selection.forgotten):
            self._remove(key, self._catalog.known(key, self._current), plan)
        listings = {key: self._listed(key, selection, plan) for key in selection.sources if key in selection.read}
        self._items = 0, sum(len(listing.found) for listing in listings.values() if listing)
        held = _Held(self._catalog.all_known(self._current), selection)
        for key, listing in listings.items():
            if listing is not None:
                self._plan_source(key, listing, selection, held, plan)
        if self._rebuild:
            self._plan_unread(plan)
        self._store()
        if self._embedded != self._to_embed:
            self._progress("embedding", self._embedded, self._embedded)
        return plan

    def _advance(self) -> None:
        self._items = self._items[0] + 1, self._items[1]
        self._progress("reading", *self._items)

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
            return self._not_empty(source, _each_once(sources.listing(source, self._web)))
        except SourceMissing as error:
            needed = key == CORPUS and selection.corpus_needed
            if needed or (not source.on_the_web and key not in selection.remembered):
                raise
            self._plan_missing(source, error, selection, plan)
            return None

    def _not_empty(self, source: Source, listing: sources.Listing) -> sources.Listing:
        """Raises SourceMissing for a source that had articles and shows nothing now."""
        if listing.found or listing.unchanged or listing.kind not in _EMPTY:
            return listing
        if listing.complete and len(self._catalog.known(source.key, self._current)) > 1:
            # Else it would be taken for unchanged the next time.
            self._web.fresh.pop(source.place, None)
            raise SourceMissing(f"{source.place} {_EMPTY[listing.kind]} now")
        return listing

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
            # A disk that is not mounted, and the empty folder that it leaves, must not empty the index.
            drop = "its articles stay; put it back, or name another: --corpus DIR"
            if key != CORPUS:
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
        lent = False
        for found in listing.found:
            if isinstance(found, sources.Unlisted):
                plan.outcomes.append(
                    Outcome("failed", found.location, reason=f"{found.reason}; its articles stay", source=key)
                )
            elif isinstance(found, (sources.Skipped, sources.Unreadable)):
                what = "skipped" if isinstance(found, sources.Skipped) else "failed"
                plan.outcomes.append(Outcome(what, found.location, reason=found.reason, source=key))
            elif holder := held.by(found, source, selection):
                lent = True
                self._plan_duplicate(key, found, known.get(found.location), holder, selection, plan)
            else:
                self._plan_item(key, found, known.get(found.location), unseen, held, plan)
            self._advance()
        if listing.complete:
            self._remove(key, unseen.left, plan)
        if lent or any(outcome.what == "failed" for outcome in plan.outcomes[first:]):
            # Asked for again in full, although the list itself may not change until then: what failed may be readable,
            # and what another source holds may leave that one.
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
        handled = self._replaced | {article.row for article in plan.retired}
        for source_key, known in self._catalog.all_known(self._current):
            if known.row not in handled:
                article = self._catalog.article_in_row(known.row)
                split = self._splitter.split(article)
                self._take(_Change(source_key, article, split, known.file_hash, known))

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
        self._take(_Change(key, article, self._splitter.split(article), file_hash, known or moved))
        what = "changed" if known else "renamed" if moved else "added"
        tell(what, article.title, f"was {moved.location}" if moved else "")

    # -- embed, store ------------------------------------------------------------------------------------------

    def _take(self, change: _Change) -> None:
        self._due.append(change)
        self._due_size += len(change.article.text)
        if change.replaced:
            self._replaced.add(change.replaced.row)
        if self._due_size >= _AT_A_TIME:
            self._store()

    def _store(self) -> None:
        changes, size = self._due, self._due_size
        self._due, self._due_size = [], 0
        if changes:
            self._check_room(size)
            self._embed(changes)
            self._store_rows(changes)
            self._stored += len(changes)
            _return_freed_memory()

    def _check_room(self, characters: int) -> None:
        """Raises IndexUnusable before the disk is full: to take away what was stored needs room, too."""
        free, needed = shutil.disk_usage(self._folder.root).free, _SPARE + characters * _BYTES_A_CHARACTER
        if free < needed:
            raise IndexUnusable(
                f"{free // 2**20} MiB are free where {self._folder.root} lies, and {needed // 2**20} are needed now; "
                "make room there, then type: assistant sync"
            )

    def _embed(self, changes: Sequence[_Change]) -> None:
        texts = {key: text for change in changes for key, text in self._embedded_texts(change)}
        missing = self._catalog.missing_vectors(texts)
        if self._rebuild:
            missing |= self._doubted(changes)
        before = self._embedded
        # A guess: what is still to be read may need as many for each item.
        read = min(self._items[0] + 1, self._items[1])
        self._to_embed = total = round((before + len(missing)) * (self._items[1] / read if read else 1))

        def report(step: str, done: int, _: int) -> None:
            self._progress(step, before + done, total)

        _embed(self._catalog, self._embedder, {key: texts[key] for key in sorted(missing)}, report)
        self._embedded += len(missing)

    def _store_rows(self, changes: Sequence[_Change]) -> None:
        signatures = copies.signatures({change.article.id: change.article.text for change in changes})
        with self._catalog.transaction():
            for change in changes:
                if change.replaced:
                    self._catalog.retire(change.replaced.row, self._next)
                row = self._catalog.add_article(
                    change.article,
                    change.split,
                    [key for key, _ in self._embedded_texts(change)],
                    source_key=change.source_key,
                    file_hash=change.file_hash,
                    born=self._next,
                )
                self._catalog.add_signatures({row: signatures[change.article.id]})

    def _doubted(self, changes: Sequence[_Change]) -> set[str]:
        """Keys of vectors that Chroma's own copy contradicts; of a damaged file, of those that it does not confirm."""
        if self._catalog.built_with(self._current):
            return self._contradicted & {key for change in changes for key, _ in self._embedded_texts(change)}
        keys = {
            passage.id: key
            for change in changes
            for passage, (key, _) in zip(change.split.passages, self._embedded_texts(change), strict=True)
        }
        stored = self._catalog.vectors(keys.values())
        due = {id_: stored[key] for id_, key in keys.items() if key in stored}
        lacking, other = vectors.differing(self._folder.generation(self._current), [due])
        return {keys[id_] for id_ in other | lacking}

    @functools.cached_property
    def _contradicted(self) -> set[str]:
        """Looked up once a sync."""
        return _contradicted(self._folder, self._catalog, self._current)

    def _embedded_texts(self, change: _Change) -> Iterator[tuple[str, str]]:
        """(vector key, text) per passage."""
        for passage in change.split.passages:
            text = _embedded_text(change.article.title, change.article.text[passage.start : passage.end])
            yield hashlib.sha256(f"{self._wanted['embedding']}\0{text}".encode()).hexdigest()[:32], text

    # -- 3 record ----------------------------------------------------------------------------------------------

    def _record(self, plan: _Plan, selection: _Selection) -> None:
        with self._catalog.transaction():
            for article in plan.retired:
                self._catalog.retire(article.row, self._next)
            versions = {name: version(name) for name in ("chromadb", "sentence-transformers", "llama-index-core")}
            self._catalog.record_generation(self._next, {**self._wanted, **versions})
            self._catalog.make_searchable()
            self._record_copies()
            self._remember(plan, selection)

    def _record_copies(self) -> None:
        """Which articles of the next generation tell one story. Signatures that are not there yet are stored."""
        rows = {id_: (row, signature) for row, id_, signature in self._catalog.signatures(self._next)}

        def text_of(id_: str) -> str:
            return self._catalog.article_in_row(rows[id_][0]).text

        # Those of a catalog that knew no signatures when they were written.
        missing = [id_ for id_, (_, signature) in rows.items() if signature is None]
        made = {id_: copies.signatures({id_: text_of(id_)})[id_] for id_ in missing}
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

    # -- 4 build, 5 verify -------------------------------------------------------------------------------------

    def _build(self) -> None:
        previous = 0 if self._rebuild else self._current
        _build_generation(self._folder, self._catalog, previous, self._next, self._progress)

    # -- 7 clean -----------------------------------------------------------------------------------------------

    def _clean(self) -> None:
        with self._catalog.transaction():
            if self._rebuild:
                self._catalog.drop_unused_vectors()
        _clean(self._folder, self._catalog)


def _return_freed_memory() -> None:
    """To the system, with glibc: torch's batches leave it in pieces, and a long sync grew by a tenth."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _embedded_text(title: str, passage: str) -> str:
    """The title goes before the passage; only the vector keeps it."""
    return f"{title}\n{passage}"


def _embed(catalog: Catalog, embedder: Embedder, texts: Mapping[str, str], progress: Progress) -> None:
    """Stores the vectors of texts by their keys. Raises ModelUnavailable."""
    keys, done = list(texts), 0
    for batch in _batched(embedder.passages(list(texts.values())), _EMBEDDED_AT_ONCE):
        if not all(np.isfinite(vector).all() for _, vector in batch):
            raise ModelUnavailable(
                "the embedding model gave vectors that are no numbers; check its files and sync again"
            )
        with catalog.transaction():
            catalog.add_vectors({keys[i]: vector for i, vector in batch})
        done += len(batch)
        progress("embedding", done, len(keys))


def _build_generation(folder: IndexFolder, catalog: Catalog, previous: int, number: int, progress: Progress) -> None:
    """What the catalog holds of generation `number`, as a change of `previous` or, if that is 0, from nothing."""
    added = catalog.passage_ids("born" if previous else "alive", number)
    removed = catalog.passage_ids("died", number) if previous else []
    written = 0

    def report(rows: int) -> None:
        nonlocal written
        written += rows
        progress("indexing", written, len(added))

    def rows(ids: Sequence[str]) -> list[vectors.Row]:
        return [vectors.Row(*row) for row in catalog.rows(ids, number)]

    target = folder.generation(number)
    batches = (rows(added[i : i + 1000]) for i in range(0, len(added), 1000))
    vectors.write_generation(target, folder.generation(previous) if previous else None, removed, batches, report)
    _, expected = catalog.counts(number)
    # Of all passages, not of the new ones only: what was copied may have been torn since it was verified.
    ids = catalog.passage_ids("alive", number)
    sample = random.Random(number).sample(ids, min(_SAMPLES, len(ids)))  # noqa: S311 nothing secret
    vectors.verify(target, expected, rows(sample))


def _clean(folder: IndexFolder, catalog: Catalog) -> None:
    # Numbers have gaps where a sync was killed, so the one before is looked up.
    kept = catalog.generations()[-KEPT:]
    with catalog.transaction():
        catalog.purge_before(kept[0])
    folder.remove_all_but(set(kept))


def restore(
    folder: IndexFolder, embedder: Callable[[], Embedder], progress: Progress = lambda step, done, total: None
) -> int:
    """Writes the generation that answers, or the last one recorded, once more from the catalog's vectors.

    For a Chroma folder that is gone, torn, or says something else than the catalog; nothing is read. Where the two have
    different vectors of a passage, either may be the damaged one: it is embedded anew, and only then is `embedder`
    called. Gives the new number. Raises IndexBusy, IndexMissing, IndexDamaged, IndexMismatch, IndexUnusable,
    ModelUnavailable.
    """
    with folder.writer():
        catalog = Catalog(folder.catalog)
        try:
            return _restored(folder, catalog, embedder, progress)
        finally:
            catalog.close()


def _restored(folder: IndexFolder, catalog: Catalog, embedder: Callable[[], Embedder], progress: Progress) -> int:
    current = answering(folder, catalog)
    if not catalog.built_with(current):
        raise IndexDamaged("the catalog has no generation that is whole; type: assistant sync --rebuild")
    _embed_doubted(folder, catalog, current, embedder, progress)
    catalog.discard_after(current)
    with catalog.transaction():
        number = max(folder.next_number(), current + 1)
        catalog.record_generation(number, catalog.built_with(current))
        catalog.carry_copies(current, number)
    folder.remove_all_but({folder.readable_current(), *catalog.generations()})
    _build_generation(folder, catalog, 0, number, progress)
    folder.swap(number)
    _clean(folder, catalog)
    return number


def _embed_doubted(
    folder: IndexFolder, catalog: Catalog, current: int, embedder: Callable[[], Embedder], progress: Progress
) -> None:
    doubted = _contradicted(folder, catalog, current, unknown=True)
    if not doubted:
        return
    model = embedder()
    check_built_with(catalog.built_with(current), {"embedding": model.fingerprint})
    words = catalog.embedded_words(doubted, current)
    _embed(catalog, model, {key: _embedded_text(*words[key]) for key in sorted(doubted)}, progress)


def _contradicted(folder: IndexFolder, catalog: Catalog, current: int, *, unknown: bool = False) -> set[str]:
    """Keys of the vectors of a generation of which Chroma has other ones; with `unknown`, of those that are not stored.

    What cannot be a vector as it was made is not stored.
    """
    keys = catalog.embedded(current)
    odd = set(catalog.odd_vectors())
    held: set[str] = set()

    def stored() -> Iterator[dict[str, NDArray[np.float32]]]:
        for ids in _batched(iter(keys), _COMPARED_AT_ONCE):
            found = catalog.vectors({keys[id_] for id_ in ids} - odd)
            held.update(found)
            yield {id_: found[keys[id_]] for id_ in ids if keys[id_] in found}

    _, other = vectors.differing(folder.generation(current), stored())
    return {key for id_, key in keys.items() if id_ in other or (unknown and key not in held)}


def _batched(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while batch := list(itertools.islice(items, size)):
        yield batch
