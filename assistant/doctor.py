"""An index, its sources and its models -> what is wrong, a Finding each with the next command; and the repair.

Nothing is loaded that reads or embeds, and without `mend` nothing is written and no lock is taken. What is wrong with a
part, that part says itself: catalog.py, vectors.py, generations.py, sync.py (the states a killed sync leaves).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import random
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import IntEnum
from importlib import metadata
from pathlib import Path
from typing import Any

from assistant import reading, sources, sync, vectors
from assistant.calibration import Calibration, models_key
from assistant.catalog import Catalog
from assistant.embedding import Embedder, load_embedder
from assistant.errors import AssistantError, IndexDamaged, IndexMismatch, InvalidSetting, ModelUnavailable
from assistant.generations import IndexFolder
from assistant.schema import Source
from assistant.settings import BUNDLED_READER, Settings
from assistant.splitting import fits
from assistant.sync import Progress, State

FIX = "assistant doctor --fix"
_COMPARED = 10_000
"""Passages whose vectors are compared one by one; of a larger index as many, drawn by chance."""
_SEARCHED = 20
"""Passages that have to be found by their own vector."""
_ROUNDS = 3
"""Repairs at most: one may show what another damage hid."""
_SPARE = 64 * 2**20


class Remedy(IntEnum):
    """What `mend` does about a finding, the mildest first; a stronger one mends what a milder one would."""

    BY_HAND = 0
    SYNC = 1
    """Take away what was left, and do the work again that was interrupted."""
    RESTORE = 2
    """Write Chroma's folder anew from the catalog's vectors: nothing is read or embedded."""
    REBUILD = 3
    """Read and split everything anew, keep what cannot be read, embed what has no vector; then sync."""


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, in a line, and the command that mends it."""

    what: str
    command: str
    remedy: Remedy = Remedy.BY_HAND

    def __str__(self) -> str:
        return f"{self.what}; type: {self.command}" if self.command else self.what


@dataclass(frozen=True)
class Checkup:
    """What a doctor found: of a healthy index nothing."""

    findings: tuple[Finding, ...]
    articles: int = 0
    passages: int = 0
    writing: str = ""
    """Who is writing meanwhile: what that has not finished is no finding."""
    mended: tuple[Finding, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        def shown(findings: tuple[Finding, ...]) -> list[dict[str, Any]]:
            return [{**asdict(finding), "remedy": finding.remedy.name.lower()} for finding in findings]

        return {
            "healthy": not self.findings,
            "findings": shown(self.findings),
            "mended": shown(self.mended),
            "articles": self.articles,
            "passages": self.passages,
            "writing": self.writing,
        }


def examine(settings: Settings, embedder: Embedder | None = None) -> Checkup:
    """All checks; `embedder` is the one to compare with, if not the settings' own. Raises nothing of what it finds."""
    examination = _Examination(settings, embedder)
    findings = tuple(dict.fromkeys(examination.findings()))
    return Checkup(findings, *examination.counts, examination.writing)


def mend(
    settings: Settings,
    embedder: Embedder | None = None,
    progress: Progress = lambda step, done, total: None,
) -> Checkup:
    """Mends what can be mended without losing an article, and says what was and what is left.

    Raises IndexBusy, IndexUnusable, IndexMismatch, ModelUnavailable, SourceMissing if it cannot go on.
    """
    mended: dict[Finding, None] = {}
    checkup = examine(settings, embedder)
    for _ in range(_ROUNDS):
        treatable = [finding for finding in checkup.findings if finding.remedy]
        if not treatable:
            break
        wanted = {finding.remedy for finding in treatable}
        _apply(max(wanted), settings, embedder, progress)
        if max(wanted) is Remedy.RESTORE and Remedy.SYNC in wanted:
            # What was interrupted was taken away with the rest.
            _apply(Remedy.SYNC, settings, embedder, progress)
        checkup = examine(settings, embedder)
        mended |= dict.fromkeys(finding for finding in treatable if finding not in checkup.findings)
    return Checkup(checkup.findings, checkup.articles, checkup.passages, checkup.writing, tuple(mended))


def _apply(remedy: Remedy, settings: Settings, embedder: Embedder | None, progress: Progress) -> None:
    folder = IndexFolder(settings.index)
    if remedy is Remedy.RESTORE:
        sync.restore(folder, progress)
        return
    known = _remembered(folder)
    corpus = known.get(sync.CORPUS)
    sync.synchronise(
        folder,
        embedder or load_embedder(settings.embedding_model),
        # Of an index of another corpus, that other one: a repair replaces no articles by others.
        corpus=Path(corpus.place) if corpus else settings.corpus,
        corpus_needed=folder.is_new() or not known,
        passage_words=settings.passage_words,
        overlap_words=settings.overlap_words,
        rebuild=remedy is Remedy.REBUILD,
        progress=progress,
    )


def _remembered(folder: IndexFolder) -> dict[str, Source]:
    """By the catalog, or where that cannot say, by the copy beside it."""
    try:
        catalog = Catalog(folder.catalog)
    except AssistantError:
        return sync.remembered(folder)
    try:
        return catalog.sources() or sync.remembered(folder)
    except IndexDamaged:
        return sync.remembered(folder)
    finally:
        catalog.close()


def _found(error: AssistantError, remedy: Remedy = Remedy.BY_HAND, command: str = "") -> Finding:
    """An error's line as a finding: its own next step stays, unless the doctor has one."""
    what, _, named = str(error).rpartition("; type: ")
    if not what:
        what, named = str(error), ""
    return Finding(what, FIX if remedy else command or named, remedy)


class _Examination:
    """One look at everything. A check that cannot go on leaves the later ones, which need what it checked."""

    def __init__(self, settings: Settings, embedder: Embedder | None) -> None:
        self._settings = settings
        self._embedder = embedder
        self._folder = IndexFolder(settings.index)
        self.counts = (0, 0)
        self.writing = self._folder.writing()

    def findings(self) -> Iterator[Finding]:
        yield from self._of_models()
        if not self._folder.root.is_dir():
            # A file in its place is told by the sync that this names.
            yield Finding(f"there is no index in {self._folder.root}", "assistant sync", Remedy.SYNC)
            return
        yield from self._of_the_folder()
        yield from self._of_the_catalog()
        yield from self._of_the_calibration()

    # -- models ----------------------------------------------------------------------------------------------

    def _of_models(self) -> Iterator[Finding]:
        try:
            self._embedder = self._embedder or load_embedder(self._settings.embedding_model)
        except ModelUnavailable as error:
            yield _found(error)
        try:
            self._reader = reading.fingerprint(self._settings.reader)
        except ModelUnavailable as error:
            self._reader = ""
            yield _found(error)
        if self._settings.reader == BUNDLED_READER:
            yield from _of_installed_files(reading.MODEL)

    # -- folder ------------------------------------------------------------------------------------------------

    def _of_the_folder(self) -> Iterator[Finding]:
        root = self._folder.root
        if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
            yield Finding(f"the index folder {root} cannot be written", f"chmod -R u+rwX {shlex.quote(str(root))}")
        size = _size(root)
        free = shutil.disk_usage(root).free
        if free < size + _SPARE:
            yield Finding(
                f"{free // 2**20} MiB are free where {root} lies, and a sync may need {(size + _SPARE) // 2**20}; "
                "make room there",
                "assistant doctor",
            )
        if dead := self._folder.died_writing():
            yield Finding(f"a sync was killed: {dead}", FIX, Remedy.SYNC)

    # -- catalog -----------------------------------------------------------------------------------------------

    def _of_the_catalog(self) -> Iterator[Finding]:
        try:
            problem = sync.catalog_problem(self._folder)
        except AssistantError as error:
            yield _found(error)
            return
        if problem:
            yield from self._of_a_lost_catalog(problem)
            return
        if not self._folder.catalog.exists():
            yield Finding(f"there is no index in {self._folder.root}", "assistant sync", Remedy.SYNC)
            return
        catalog = Catalog(self._folder.catalog)
        try:
            yield from self._of_the_state(catalog)
            yield from self._of_sources(catalog.sources())
        except IndexDamaged as error:
            yield _found(error, Remedy.REBUILD)
        except AssistantError as error:
            yield _found(error)
        finally:
            catalog.close()

    def _of_a_lost_catalog(self, problem: IndexDamaged) -> Iterator[Finding]:
        yield _found(problem, Remedy.REBUILD)
        kept = sync.remembered(self._folder)
        lost = [place for place in kept.values() if place.kind in (sources.GIVEN, "feed")]
        if not kept:
            yield Finding(
                "which sources were named is not known any longer; name them again",
                "assistant sync SOURCE",
                Remedy.BY_HAND,
            )
        elif lost and not self._folder.catalog.exists():
            places = ", ".join(source.place for source in lost)
            yield Finding(
                f"articles that only the catalog had cannot come back: those of {places}", FIX, Remedy.REBUILD
            )
        yield from self._of_sources(kept)

    def _of_the_state(self, catalog: Catalog) -> Iterator[Finding]:
        state = sync.state(self._folder, catalog)
        if state is State.NEW:
            yield Finding(f"there is no index in {self._folder.root}", "assistant sync", Remedy.SYNC)
            return
        if state is State.LOST:
            number = sync.answering(self._folder, catalog)
            restorable = catalog.built_with(number) and catalog.counts(number)[1]
            what = "the generation that answers is none that the catalog knows"
            yield Finding(what, FIX, Remedy.RESTORE if restorable else Remedy.REBUILD)
            return
        if state is State.WRITTEN and self._folder.is_new():
            if not self.writing:
                yield Finding("no generation answers, although one was written", FIX, Remedy.RESTORE)
            return
        current = self._folder.current()
        self.counts = catalog.counts(current)
        if not self.writing:
            yield from self._of_leftovers(catalog, state)
        yield from self._of_the_make(catalog, current)
        yield from _of_articles(catalog, current)
        yield from self._of_vectors(catalog, current)

    def _of_leftovers(self, catalog: Catalog, state: State) -> Iterator[Finding]:
        if state is State.WRITTEN:
            yield Finding("a sync was interrupted before what it wrote could answer", FIX, Remedy.SYNC)
        left = self._folder.leftovers(set(catalog.generations()))
        if left:
            names = ", ".join(path.name for path in left[:3])
            more = f" and {len(left) - 3} more" if len(left) > 3 else ""
            yield Finding(f"left by a sync that was interrupted: {names}{more}", FIX, Remedy.SYNC)

    def _of_the_make(self, catalog: Catalog, current: int) -> Iterator[Finding]:
        if self._embedder is None:
            return
        settings = self._settings
        wanted = sync.built_with(self._embedder, settings.passage_words, settings.overlap_words)
        try:
            sync.check_built_with(catalog.built_with(current), wanted)
        except IndexMismatch as error:
            yield _found(error, Remedy.REBUILD)
        try:
            sync.check_corpus(catalog.sources(), settings.corpus, settings.index)
        except IndexMismatch as error:
            yield _found(error)

    def _of_vectors(self, catalog: Catalog, current: int) -> Iterator[Finding]:
        if odd := catalog.odd_vectors():
            yield Finding(f"{len(odd)} vectors of the catalog are none, or of another length", FIX, Remedy.REBUILD)
            return
        if catalog.incomplete(current):
            return
        ids = catalog.passage_ids("alive", current)
        chance = random.Random(current)  # noqa: S311 nothing secret
        compared = chance.sample(ids, min(_COMPARED, len(ids)))
        rows = [vectors.Row(*row) for row in catalog.rows(compared)]
        try:
            vectors.compare(self._folder.generation(current), len(ids), rows, rows[:_SEARCHED])
        except IndexDamaged as error:
            yield _found(error, Remedy.RESTORE)

    # -- sources, calibration ------------------------------------------------------------------------------------

    def _of_sources(self, remembered: dict[str, Source]) -> Iterator[Finding]:
        for source in remembered.values():
            if sources.is_there(source):
                continue
            what = f"the source {source.place} is not there; its articles stay"
            if source.key == sync.CORPUS:
                yield Finding(f"{what}; put it back, or name another: --corpus DIR", "assistant sync")
            else:
                yield Finding(
                    f"{what}; put it back, or remove them", f"assistant sync --forget {shlex.quote(source.place)}"
                )

    def _of_the_calibration(self) -> Iterator[Finding]:
        try:
            kept = Calibration.load(self._settings.index)
        except InvalidSetting as error:
            yield _found(error)
            return
        if kept is None or self._embedder is None or not self._reader:
            return
        settings = self._settings
        key = models_key(self._embedder.fingerprint, settings.passage_words, settings.overlap_words, self._reader)
        if kept.fitted_with != key:
            yield Finding(
                "the calibration was made for other models or passages, so the shipped one is used",
                "assistant calibrate CASES (or --reset)",
            )


def _of_articles(catalog: Catalog, current: int) -> Iterator[Finding]:
    if count := catalog.incomplete(current):
        yield Finding(f"{count} passages have no vector, or other words than their article", FIX, Remedy.REBUILD)
    wrong = [article.location for article, split in catalog.splits(current) if not fits(article, split)]
    if wrong:
        names = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
        yield Finding(f"what would be quoted does not stand in the article: {names}", FIX, Remedy.REBUILD)


def _of_installed_files(folder: Path) -> Iterator[Finding]:
    """Files of this package in a folder that are not as they were installed; a checkout has no list of them."""
    try:
        installed = metadata.files("article-assistant") or []
    except metadata.PackageNotFoundError:
        return
    for file in installed:
        path = Path(str(file.locate()))
        if file.hash is None or not path.is_relative_to(folder):
            continue
        if not path.is_file() or _record_hash(path, file.hash.mode) != file.hash.value:
            yield Finding(f"{path} is not as it was installed", "pip install --force-reinstall article-assistant")


def _record_hash(path: Path, mode: str) -> str:
    """As the RECORD of a wheel writes it (PEP 376, PEP 427)."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, mode).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _size(folder: Path) -> int:
    """Bytes in the files below; one that vanishes meanwhile has none."""
    size = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            size += path.lstat().st_size
    return size
