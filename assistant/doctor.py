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
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from enum import IntEnum, StrEnum
from importlib import metadata
from pathlib import Path
from typing import Any

from assistant import reading, sources, sync, vectors
from assistant.calibration import Calibration, models_key
from assistant.catalog import Catalog
from assistant.embedding import Embedder, load_embedder
from assistant.errors import (
    AssistantError,
    IndexDamaged,
    IndexMismatch,
    IndexUnusable,
    InvalidSetting,
    ModelUnavailable,
)
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
_LOOKS = 4
"""How often an index is looked at, at most, in which syncs begin and end."""
_ROUNDS = 3
"""Repairs at most: one may show what another damage hid."""
_SPARE = 64 * 2**20


class Remedy(IntEnum):
    """What `mend` does about a finding, the mildest first; a stronger one mends what a milder one would."""

    BY_HAND = 0
    SYNC = 1
    """Take away what was left, and do the work again that was interrupted."""
    RESTORE = 2
    """Write Chroma's folder anew from the catalog's vectors; embed only what the two have different vectors of."""
    REBUILD = 3
    """Read and split everything anew, keep what cannot be read, embed what has no vector; then sync."""


class Kind(StrEnum):
    """What a finding is of: after a repair the same thing may be said in other words, of another generation."""

    MODEL = "model"
    PLACE = "place"
    KILLED = "killed"
    CATALOG = "catalog"
    ANSWERING = "answering"
    LEFT = "left"
    MAKE = "make"
    ARTICLES = "articles"
    STORED = "stored vectors"
    CHROMA = "vectors"
    SOURCES = "sources"
    CALIBRATION = "calibration"


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, in a line, and the command that mends it."""

    kind: Kind
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
    notes: tuple[str, ...] = ()
    """What a repair has to say of a catalog that it began anew: what was taken over, and what was not there to be."""

    def to_dict(self) -> dict[str, Any]:
        def shown(findings: tuple[Finding, ...]) -> list[dict[str, Any]]:
            return [{**asdict(finding), "remedy": finding.remedy.name.lower()} for finding in findings]

        return {
            "healthy": not self.findings,
            "findings": shown(self.findings),
            "mended": shown(self.mended),
            "notes": list(self.notes),
            "articles": self.articles,
            "passages": self.passages,
            "writing": self.writing,
        }


def examine(settings: Settings, embedder: Embedder | None = None) -> Checkup:
    """All checks; `embedder` is the one to compare with, if not the settings' own. Raises nothing of what it finds."""
    folder = IndexFolder(settings.index)
    for _ in range(_LOOKS):
        before = _moment(folder)
        examination = _Examination(settings, embedder)
        findings = tuple(dict.fromkeys(examination.findings()))
        # What a sync was doing that began or ended meanwhile looks like damage.
        if not findings or _moment(folder) == before:
            break
    return Checkup(findings, *examination.counts, examination.writing)


def _moment(folder: IndexFolder) -> tuple[str, int]:
    try:
        return folder.writing(), folder.readable_current()
    except IndexUnusable:
        return folder.writing(), 0


def mend(
    settings: Settings,
    embedder: Embedder | None = None,
    progress: Progress = lambda step, done, total: None,
) -> Checkup:
    """Mends what can be mended without losing an article, and says what was and what is left.

    Raises IndexBusy, IndexUnusable, IndexMismatch, ModelUnavailable, SourceMissing if it cannot go on.
    """
    treated: list[Finding] = []
    notes: dict[str, None] = {}
    checkup = examine(settings, embedder)
    if checkup.writing:
        # Raises IndexBusy if that is so. The lock is the truth: a note that its writer left behind is taken away.
        with IndexFolder(settings.index).writer():
            pass
        checkup = examine(settings, embedder)
    for _ in range(_ROUNDS):
        treatable = [finding for finding in checkup.findings if finding.remedy]
        if not treatable:
            break
        wanted = {finding.remedy for finding in treatable}
        notes |= dict.fromkeys(_apply(max(wanted), settings, embedder, progress))
        if max(wanted) is Remedy.RESTORE and Remedy.SYNC in wanted:
            # What was interrupted was taken away with the rest.
            _apply(Remedy.SYNC, settings, embedder, progress)
        checkup = examine(settings, embedder)
        known = {finding.kind for finding in treated}
        treated += [finding for finding in treatable if finding.kind not in known]
    left = {finding.kind for finding in checkup.findings}
    mended = tuple(finding for finding in treated if finding.kind not in left)
    return replace(checkup, mended=mended, notes=tuple(notes))


def _apply(remedy: Remedy, settings: Settings, embedder: Embedder | None, progress: Progress) -> list[str]:
    """Gives what there is to say of the catalog."""
    folder = IndexFolder(settings.index)
    if remedy is Remedy.RESTORE:
        sync.restore(folder, lambda: embedder or load_embedder(settings.embedding_model), progress)
        return []
    known = _remembered(folder)
    corpus = known.get(sync.CORPUS)
    report = sync.synchronise(
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
    return [outcome.reason for outcome in report.outcomes if outcome.location == sync.CATALOG]


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


def _found(kind: Kind, error: AssistantError, remedy: Remedy = Remedy.BY_HAND, command: str = "") -> Finding:
    """An error's line as a finding: its own next step stays, unless the doctor has one."""
    what, _, named = str(error).rpartition("; type: ")
    if not what:
        what, named = str(error), ""
    return Finding(kind, what, FIX if remedy else command or named, remedy)


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
            yield Finding(Kind.PLACE, f"there is no index in {self._folder.root}", "assistant sync", Remedy.SYNC)
            return
        yield from self._of_the_folder()
        yield from self._of_the_catalog()
        yield from self._of_the_calibration()

    # -- models ----------------------------------------------------------------------------------------------

    def _of_models(self) -> Iterator[Finding]:
        try:
            self._embedder = self._embedder or load_embedder(self._settings.embedding_model)
        except ModelUnavailable as error:
            yield _found(Kind.MODEL, error)
        try:
            self._reader = reading.fingerprint(self._settings.reader)
        except ModelUnavailable as error:
            self._reader = ""
            yield _found(Kind.MODEL, error)
        if self._settings.reader == BUNDLED_READER:
            yield from _of_installed_files(reading.MODEL)

    # -- folder ------------------------------------------------------------------------------------------------

    def _of_the_folder(self) -> Iterator[Finding]:
        root = self._folder.root
        if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
            yield _unwritable(root)
        size = _size(root)
        free = shutil.disk_usage(root).free
        if free < size + _SPARE:
            yield Finding(
                Kind.PLACE,
                f"{free // 2**20} MiB are free where {root} lies, and a sync may need {(size + _SPARE) // 2**20}; "
                "make room there",
                "assistant doctor",
            )
        if dead := self._folder.died_writing():
            yield Finding(Kind.KILLED, f"a sync was killed: {dead}", FIX, Remedy.SYNC)

    # -- catalog -----------------------------------------------------------------------------------------------

    def _of_the_catalog(self) -> Iterator[Finding]:
        try:
            problem = sync.catalog_problem(self._folder)
        except AssistantError as error:
            yield _found(Kind.CATALOG, error)
            return
        if problem:
            yield from self._of_a_lost_catalog(problem)
            return
        if not self._folder.catalog.exists():
            yield Finding(Kind.CATALOG, f"there is no index in {self._folder.root}", "assistant sync", Remedy.SYNC)
            return
        catalog = Catalog(self._folder.catalog)
        try:
            with catalog.transaction():
                yield from self._of_the_state(catalog)
                yield from self._of_sources(catalog.sources())
        except IndexDamaged as error:
            yield _found(Kind.CATALOG, error, Remedy.REBUILD)
        except AssistantError as error:
            yield _found(Kind.CATALOG, error)
        finally:
            catalog.close()

    def _of_a_lost_catalog(self, problem: IndexDamaged) -> Iterator[Finding]:
        old = sync.rescued(self._folder)
        found = _found(Kind.CATALOG, problem, Remedy.REBUILD)
        if old.salvage:
            found = replace(found, what=f"{found.what}; articles that can be taken over from it: {len(old.articles)}")
        yield found
        if not old.sources:
            yield Finding(
                Kind.CATALOG,
                "which sources were named is not known any longer; name them again",
                "assistant sync SOURCE",
            )
        elif old.lost:
            places = ", ".join(source.place for source in old.lost)
            yield Finding(
                Kind.CATALOG,
                f"articles that only the catalog had cannot come back: those of {places}; give or name them again",
                "assistant sync SOURCE",
            )
        yield from self._of_sources(old.sources)

    def _of_the_state(self, catalog: Catalog) -> Iterator[Finding]:
        state = sync.state(self._folder, catalog)
        if state is State.NEW:
            yield Finding(Kind.ANSWERING, f"there is no index in {self._folder.root}", "assistant sync", Remedy.SYNC)
            return
        if state is State.LOST:
            number = sync.answering(self._folder, catalog)
            restorable = catalog.built_with(number) and catalog.counts(number)[1]
            what = "the generation that answers is none that the catalog knows"
            yield Finding(Kind.ANSWERING, what, FIX, Remedy.RESTORE if restorable else Remedy.REBUILD)
            return
        if state is State.WRITTEN and self._folder.is_new():
            at_work = f", unless {self.writing} is at work on it" if self.writing else ""
            yield Finding(
                Kind.ANSWERING, f"no generation answers, although one was written{at_work}", FIX, Remedy.RESTORE
            )
            return
        current = self._folder.current()
        self.counts = catalog.counts(current)
        if not self.writing:
            yield from self._of_leftovers(catalog, state)
        yield from self._of_the_make(catalog, current)
        yield from _of_articles(catalog, current)
        yield from self._of_vectors(catalog, current)

    def _of_leftovers(self, catalog: Catalog, state: State) -> Iterator[Finding]:
        if state is State.WRITTEN or catalog.unrecorded():
            yield Finding(Kind.LEFT, "a sync was interrupted before what it wrote could answer", FIX, Remedy.SYNC)
        left = self._folder.leftovers(set(catalog.generations()))
        if left:
            names = ", ".join(path.name for path in left[:3])
            more = f" and {len(left) - 3} more" if len(left) > 3 else ""
            yield Finding(Kind.LEFT, f"left by a sync that was interrupted: {names}{more}", FIX, Remedy.SYNC)

    def _of_the_make(self, catalog: Catalog, current: int) -> Iterator[Finding]:
        if self._embedder is None:
            return
        settings = self._settings
        wanted = sync.built_with(self._embedder, settings.passage_words, settings.overlap_words)
        try:
            sync.check_built_with(catalog.built_with(current), wanted)
        except IndexMismatch as error:
            yield _found(Kind.MAKE, error, Remedy.REBUILD)
        try:
            sync.check_corpus(catalog.sources(), settings.corpus, settings.index)
        except IndexMismatch as error:
            yield _found(Kind.MAKE, error)

    def _of_vectors(self, catalog: Catalog, current: int) -> Iterator[Finding]:
        if odd := catalog.odd_vectors():
            yield Finding(
                Kind.STORED, f"{len(odd)} vectors of the catalog cannot be as they were made", FIX, Remedy.REBUILD
            )
            return
        if catalog.incomplete(current):
            return
        ids = catalog.passage_ids("alive", current)
        chance = random.Random(current)  # noqa: S311 nothing secret
        compared = chance.sample(ids, min(_COMPARED, len(ids)))
        rows = [vectors.Row(*row) for row in catalog.rows(compared, current)]
        try:
            vectors.compare(self._folder.generation(current), len(ids), rows, rows[:_SEARCHED])
        except IndexDamaged as error:
            yield _found(Kind.CHROMA, error, Remedy.RESTORE)

    # -- sources, calibration ------------------------------------------------------------------------------------

    def _of_sources(self, remembered: Mapping[str, Source]) -> Iterator[Finding]:
        for source in remembered.values():
            if sources.is_there(source):
                continue
            what = f"the source {source.place} is not there; its articles stay"
            if source.key == sync.CORPUS:
                yield Finding(Kind.SOURCES, f"{what}; put it back, or name another: --corpus DIR", "assistant sync")
            else:
                yield Finding(
                    Kind.SOURCES,
                    f"{what}; put it back, or remove them",
                    f"assistant sync --forget {shlex.quote(source.place)}",
                )

    def _of_the_calibration(self) -> Iterator[Finding]:
        try:
            kept = Calibration.load(self._settings.index)
        except InvalidSetting as error:
            yield _found(Kind.CALIBRATION, error)
            return
        if kept is None or self._embedder is None or not self._reader:
            return
        settings = self._settings
        key = models_key(self._embedder.fingerprint, settings.passage_words, settings.overlap_words, self._reader)
        if kept.fitted_with != key:
            yield Finding(
                Kind.CALIBRATION,
                "the calibration was made for other models or passages, so the shipped one is used",
                "assistant calibrate CASES (or --reset)",
            )


def _unwritable(root: Path) -> Finding:
    if hasattr(os, "statvfs") and os.statvfs(root).f_flag & os.ST_RDONLY:
        what = f"the index folder {root} lies on a disk that cannot be written; mount it for writing"
        return Finding(Kind.PLACE, what, "assistant doctor")
    return Finding(Kind.PLACE, f"the index folder {root} cannot be written", f"chmod -R u+rwX {shlex.quote(str(root))}")


def _of_articles(catalog: Catalog, current: int) -> Iterator[Finding]:
    if count := catalog.incomplete(current):
        yield Finding(
            Kind.ARTICLES, f"{count} passages have no vector, or other words than their article", FIX, Remedy.REBUILD
        )
    wrong = [article.location for article, split in catalog.splits(current) if not fits(article, split)]
    if wrong:
        names = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
        yield Finding(
            Kind.ARTICLES, f"what would be quoted does not stand in the article: {names}", FIX, Remedy.REBUILD
        )


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
            yield Finding(
                Kind.MODEL, f"{path} is not as it was installed", "pip install --force-reinstall article-assistant"
            )


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
