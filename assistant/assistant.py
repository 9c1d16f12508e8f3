"""The facade: open, sync, search, ask. The one place where parts are chosen and joined.

Readers follow the index: every question looks at CURRENT and opens a new generation when there is one.
"""

from __future__ import annotations

import asyncio
import functools
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import date, datetime
from types import TracebackType
from typing import Any, Self

from assistant import answering, questions, sync
from assistant.calibration import FILE, SHIPPED, Calibration, models_key
from assistant.catalog import Catalog
from assistant.conversation import standalone
from assistant.embedding import Embedder, load_embedder
from assistant.errors import AssistantError, IndexMissing, InvalidSetting, UnknownArticle
from assistant.generations import IndexFolder
from assistant.reading import Reader, fingerprint, load_reader
from assistant.retrieval import Retriever, search_terms
from assistant.schema import Answer, Article, Filter, Hit, Source, SyncReport, Turn
from assistant.settings import BUNDLED_READER, Settings
from assistant.vectors import VectorIndex
from assistant.watching import EVERY, Round, Watch

Day = date | str | None


class Assistant:
    """Ask questions of a corpus. Safe to use from several threads; a context manager."""

    def __init__(
        self, settings: Settings, embedder: Embedder, reader: Reader | None = None, *, read_only: bool = False
    ) -> None:
        self.settings = settings
        self._embedder = embedder
        self._given_reader = reader
        self._read_only = read_only
        self._folder = IndexFolder(settings.index)
        self._lock = threading.RLock()
        self._opened: Retriever | None = None
        self._kept: tuple[int, Calibration | None] | None = None
        """When the kept calibration was written, and what it says."""

    @classmethod
    def open(
        cls,
        corpus: str | os.PathLike[str] | None = None,
        index: str | os.PathLike[str] | None = None,
        settings: Settings | None = None,
        *,
        read_only: bool = False,
    ) -> Assistant:
        """With the given folders, the environment's or the defaults. Raises ModelUnavailable, InvalidSetting.

        Nothing is indexed yet: `sync()` does that. With `read_only`, `sync` is refused.
        """
        if settings is not None and (corpus or index):
            raise InvalidSetting("give either settings or corpus and index, not both")
        settings = settings or Settings.load(corpus, index)
        return cls(settings, load_embedder(settings.embedding_model), read_only=read_only)

    @functools.cached_property
    def _reader(self) -> Reader:
        """Loaded with the first question: a sync or a list needs none."""
        return self._given_reader or load_reader(self.settings.reader)

    @functools.cached_property
    def _reader_fingerprint(self) -> str:
        return type(self._given_reader).__name__ if self._given_reader else fingerprint(self.settings.reader)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            if self._opened:
                self._opened.vectors.close()
                self._opened.catalog.close()
                self._opened = None

    # -- the index -----------------------------------------------------------------------------------------

    def sync(
        self,
        sources: Sequence[sync.Named] = (),
        *,
        forget: Sequence[str | os.PathLike[str]] = (),
        mapping: Mapping[str, str] | None = None,
        allow_private: bool = False,
        rebuild: bool = False,
        progress: sync.Progress = lambda step, done, total: None,
    ) -> SyncReport:
        """Makes the index say what the sources say now: the given ones, else all remembered ones, else the corpus.

        A source is a folder, a file, a pattern of names, an address of a page, feed or sitemap, or an object: an
        Article or a llama-index Document. `mapping` gives the columns of the exports among them (Article's field ->
        column); `allow_private` lets addresses lie in private networks.
        `forget` names remembered sources whose articles leave. `progress(step, done, total)` is called as it goes.
        With `rebuild` everything is split and, where the model changed, embedded anew. Raises SourceMissing,
        IndexBusy, IndexMismatch, IndexDamaged, IndexUnusable; the index then answers as before.
        """
        return self._sync(
            chosen=sources,
            forget=forget,
            mapping=mapping,
            allow_private=allow_private,
            rebuild=rebuild,
            progress=progress,
        )

    def _sync(self, **options: Any) -> SyncReport:
        if self._read_only:
            raise InvalidSetting("this assistant was opened read-only; open it without read_only to sync")
        settings = self.settings
        return sync.synchronise(
            self._folder,
            self._embedder,
            corpus=settings.corpus,
            passage_words=settings.passage_words,
            overlap_words=settings.overlap_words,
            **options,
        )

    def watch(self, tell: Callable[[Round], None], *, every: float = EVERY, first: SyncReport | None = None) -> None:
        """Follows the remembered sources until KeyboardInterrupt: a sync of each when it may have changed.

        Files when they do, web sources each `every` seconds, more rarely where they fail or ask for it. `tell` gets
        each round that changed anything or failed anew. The writer's lock is held only during a round. A sync comes
        before: this begins with what is remembered; servers that asked for rest in `first`, its report, get it.
        """
        Watch(self._remembered, self._refresh, self.settings.index, tell, every=every, first=first).run()

    def _remembered(self) -> dict[str, Source]:
        """Read from the catalog, without opening the vectors. Raises IndexMissing, IndexDamaged, IndexUnusable."""
        catalog = Catalog(self._folder.catalog)
        try:
            return catalog.sources()
        finally:
            catalog.close()

    def _refresh(self, keys: AbstractSet[str]) -> SyncReport:
        if not self.indexed and not self._remembered():
            # Deleted meanwhile, with what it remembered; where only CURRENT is gone, a sync brings it back.
            raise IndexMissing(f"there is no index in {self.settings.index} any longer; type: assistant sync")
        return self._sync(only=keys)

    @property
    def indexed(self) -> bool:
        """Whether a sync has finished in this index folder."""
        return self._folder.current() > 0

    def articles(self) -> list[Article]:
        """All articles, newest first. Raises IndexMissing."""
        with self._lock:
            index = self._index()
            return index.catalog.articles(index.generation)

    def count(self, *, since: Day = None, until: Day = None, source: str | None = None) -> int:
        """How many articles meet the filters, as `ask` takes them. Raises InvalidSetting, IndexMissing."""
        where = make_filter(since, until, source)
        with self._lock:
            index = self._index()
            return index.catalog.matching(index.generation, where)

    def article(self, name: str) -> Article:
        """By id, the beginning of an id, or file name. Raises UnknownArticle."""
        with self._lock:
            index = self._index()
            found = index.catalog.articles_named(name, index.generation) if _is_text(name) else []
        if not found:
            raise UnknownArticle(f"there is no article {name!r}; type: assistant list")
        if len(found) > 1:
            ids = ", ".join(article.id for article in found[:5])
            raise UnknownArticle(f"{len(found)} articles fit {name!r}: {ids}; give the whole id")
        return found[0]

    def sources(self) -> list[Source]:
        """The remembered sources, when they were last read and how many articles they gave. Raises IndexMissing."""
        with self._lock:
            index = self._index()
            counts = index.catalog.source_counts(index.generation)
            return [replace(source, articles=counts.get(key, 0)) for key, source in index.catalog.sources().items()]

    def outlets(self) -> list[str]:
        """The outlets that articles name, alphabetically."""
        with self._lock:
            index = self._index()
            return index.catalog.names_of_sources(index.generation)

    def models(self) -> dict[str, str]:
        """The embedding model and the reader, by fingerprint. Raises ModelUnavailable."""
        return {"embedding": self._embedder.fingerprint, "reader": self._reader_fingerprint}

    def status(self) -> dict[str, Any]:
        """What is indexed, from where, with which models. Raises IndexMissing."""
        with self._lock:
            index = self._index()
            articles, passages = index.catalog.counts(index.generation)
            return {
                "index": str(self.settings.index),
                "generation": index.generation,
                "articles": articles,
                "passages": passages,
                "sources": {key: source.place for key, source in index.catalog.sources().items()},
                "built_with": index.catalog.built_with(index.generation),
                "reader": self._reader_fingerprint,
                "calibration": self._calibrated(),
            }

    # -- questions -----------------------------------------------------------------------------------------

    def search(
        self, query: str, limit: int = 10, *, since: Day = None, until: Day = None, source: str | None = None
    ) -> list[Hit]:
        """Passages for a query, best first. Raises InvalidQuestion, InvalidSetting, IndexMissing."""
        if not 1 <= limit <= 1000:
            raise InvalidSetting(f"limit is {limit}; use 1 to 1000")
        query = questions.checked(query)
        where = make_filter(since, until, source)
        with self._lock:
            index = self._index()
            with index.catalog.transaction():
                return index.search(query, limit, where)

    def ask(
        self,
        question: str,
        history: Sequence[Turn] = (),
        *,
        since: Day = None,
        until: Day = None,
        source: str | None = None,
        threshold: float | None = None,
    ) -> Answer:
        """An answer with citations, or an abstention with the nearest passages.

        `since` and `until` are inclusive days (date or "YYYY-MM-DD") of publication; `source` is an outlet's name.
        `threshold` is the least confidence that gives an answer, 0..1 (default: the setting, else as calibrated).
        Raises InvalidQuestion, InvalidSetting, IndexMissing.
        """
        return self.ask_at((threshold,), question, history, since=since, until=until, source=source)[0]

    def ask_at(
        self,
        thresholds: Sequence[float | None],
        question: str,
        history: Sequence[Turn] = (),
        *,
        since: Day = None,
        until: Day = None,
        source: str | None = None,
    ) -> list[Answer]:
        """`ask` with each of the thresholds, of one search and one reading: what is said, and what is held back."""
        for threshold in thresholds:
            if threshold is not None and not 0 <= threshold <= 1:
                raise InvalidSetting(f"threshold is {threshold}; use 0 to 1")
        question = questions.cleaned(question)
        asked = questions.checked(standalone(question, history))
        where = make_filter(since, until, source)
        clock = _Clock()
        with self._lock:
            index = self._index()
            calibration = self.calibration
            clock.lap("open")
            # One transaction is one state of the catalog, however many syncs finish meanwhile.
            with index.catalog.transaction():
                hits, evidence, frequencies = self._gather(index, asked, where, clock)
                filled = bool(hits) or index.catalog.counts(index.generation)[0] > 0
                answers = [
                    answering.compose(
                        question,
                        asked,
                        hits,
                        evidence,
                        frequencies,
                        lambda article: index.catalog.sentences(article.id, index.generation),
                        calibration=calibration,
                        threshold=self._threshold(calibration) if threshold is None else threshold,
                        filled=filled,
                        mentions=lambda word: index.catalog.mentions(word, index.generation),
                    )
                    for threshold in thresholds
                ]
            clock.lap("answer")
        return [replace(answer, timings={**clock.laps, "total": clock.total}) for answer in answers]

    def _gather(
        self, index: Retriever, asked: str, where: Filter, clock: _Clock
    ) -> tuple[list[Hit], list[answering.Evidence], dict[str, int]]:
        """The hits for a standalone question, what was read in them, and how many passages hold each asked word."""
        hits = index.search(asked, self.settings.read, where)
        frequencies = {term: index.catalog.frequency(term, index.generation) for term in search_terms(asked)}
        clock.lap("retrieve")
        spans = self._reader.read(asked, [hit.text for hit in hits], [hit.article.title for hit in hits])
        clock.lap("read")
        return hits, answering.weigh(asked, hits, spans, frequencies), frequencies

    @property
    def threshold(self) -> float:
        """The least confidence that gives an answer: the setting, else as calibrated."""
        return self._threshold(self.calibration)

    def _threshold(self, calibration: Calibration) -> float:
        return calibration.threshold if self.settings.threshold is None else self.settings.threshold

    @property
    def calibration(self) -> Calibration:
        """The one kept in the index if it was fitted with these models and passages, else the shipped one.

        Raises InvalidSetting if the kept one cannot be read.
        """
        try:
            written = (self.settings.index / FILE).stat().st_mtime_ns
        except OSError:
            return SHIPPED
        # One look: `calibrate` in another thread may forget it meanwhile.
        known = self._kept
        if known is None or known[0] != written:
            # Read anew when another process fits: a page that is open goes by it at once.
            known = self._kept = written, Calibration.load(self.settings.index)
        kept = known[1]
        return kept if kept and kept.fitted_with == self._fitted_with else SHIPPED

    @functools.cached_property
    def _fitted_with(self) -> str:
        settings = self.settings
        sizes = settings.passage_words, settings.overlap_words
        return models_key(self._embedder.fingerprint, *sizes, self._reader_fingerprint)

    def calibrate(self, calibration: Calibration | None) -> None:
        """Keeps a calibration in the index for these models, or with None goes back to the shipped one.

        Raises IndexUnusable, InvalidSetting.
        """
        if self._read_only:
            raise InvalidSetting("this assistant was opened read-only; open it without read_only to calibrate")
        if calibration:
            replace(calibration, fitted_with=self._fitted_with).save(self.settings.index)
        else:
            Calibration.remove(self.settings.index)
        self._kept = None

    def _calibrated(self) -> str:
        calibration = self.calibration
        if calibration is SHIPPED:
            fits = self.settings.reader == BUNDLED_READER
            return "as shipped" if fits else "as shipped, for another reader; type: assistant calibrate CASES"
        bound = f", at most {100 * calibration.max_error:.3g} % wrong" if calibration.max_error else ""
        return f"fitted to {calibration.cases} cases{bound}"

    async def aask(self, question: str, history: Sequence[Turn] = (), **options: Any) -> Answer:
        """`ask` in a thread."""
        return await asyncio.to_thread(self.ask, question, history, **options)

    async def asearch(self, query: str, limit: int = 10, **options: Any) -> list[Hit]:
        """`search` in a thread."""
        return await asyncio.to_thread(self.search, query, limit, **options)

    def _index(self) -> Retriever:
        """The current generation, opened anew after a sync. Raises IndexMissing, IndexMismatch, IndexDamaged."""
        current = self._folder.current()
        if current == 0:
            raise IndexMissing(f"there is no index in {self.settings.index}; type: assistant sync")
        if self._opened is None or self._opened.generation != current:
            self.close()
            self._opened = self._open_generation(current)
        return self._opened

    def _open_generation(self, number: int) -> Retriever:
        catalog = Catalog(self._folder.catalog)
        try:
            self._check_fits(catalog, number)
            vectors = VectorIndex(self._folder.generation(number))
        except AssistantError:
            catalog.close()
            raise
        return Retriever(catalog, vectors, number, self._embedder, self.settings.candidates, self.settings.dense_weight)

    def _check_fits(self, catalog: Catalog, number: int) -> None:
        """Raises IndexMismatch if the generation was built from, or with, something else than this assistant has."""
        recorded = catalog.built_with(number)
        wanted = sync.built_with(self._embedder, self.settings.passage_words, self.settings.overlap_words)
        sync.check_built_with(recorded, wanted)
        sync.check_corpus(catalog.sources(), self.settings.corpus, self.settings.index)


def make_filter(since: Day, until: Day, source: str | None) -> Filter:
    """Raises InvalidSetting for a day that is none, bounds in the wrong order, or a source that is no text."""
    if source and not _is_text(source):
        raise InvalidSetting(f"source is {source!a}, which is no text; give an outlet's name; type: assistant list")
    filter_ = Filter(_day(since, "since"), _day(until, "until"), source or None)
    if filter_.since and filter_.until and filter_.since > filter_.until:
        raise InvalidSetting(f"since {filter_.since} lies after until {filter_.until}; swap them")
    return filter_


def _is_text(name: str) -> bool:
    """Without lone surrogates, which bytes that are no UTF-8 become on the command line; SQLite takes none."""
    return name.isascii() or not any("\ud800" <= c <= "\udfff" for c in name)


def _day(value: Day, name: str) -> date | None:
    if not value:
        return None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise InvalidSetting(f"{name} is {value!r}; give a day as YYYY-MM-DD") from error


class _Clock:
    """Seconds per step."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._start = self._last = time.perf_counter()

    def lap(self, step: str) -> None:
        now = time.perf_counter()
        self.laps[step] = now - self._last
        self._last = now

    @property
    def total(self) -> float:
        return self._last - self._start
