"""What a doctor finds in a damaged index, and that the repair leaves what a sync from nothing would make."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
import pytest
from chromadb.config import Settings as ChromaSettings
from click.testing import CliRunner
from conftest import ROOT, Built, WordEmbedder, write_article
from test_sync import CATALOG_DAMAGE, DAMAGE, contents

from assistant import Article, Assistant, Settings, doctor, sync, vectors
from assistant.calibration import SHIPPED
from assistant.catalog import Catalog, salvaged
from assistant.cli import cli
from assistant.doctor import Checkup, Finding, Kind, Remedy
from assistant.errors import IndexBusy, IndexDamaged
from assistant.generations import IndexFolder
from assistant.sources.web import Web
from assistant.sync import synchronise

STONE = "The Daily Stone"
NAMES = ("bridge", "ferry", "harbour", "museum")


@pytest.fixture(scope="module", autouse=True)
def looked_at_here() -> Iterator[None]:
    """What a process of its own would complain of, without the second that it takes to start; one test starts it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectors, "_complaint_elsewhere", complaint)
        yield


def complaint(order: dict[str, Any]) -> str | None:
    return vectors._complaint(json.loads(json.dumps(order)))


def story(corpus: Path, name: str, text: str, day: str = "2024-01-01") -> None:
    write_article(corpus / f"{name}.md", f"The {name}", STONE, day, f"{text} " * 12)


def sync_all(
    corpus: Path, root: Path, chosen: Sequence[str | Article] = (), embedder: WordEmbedder | None = None
) -> IndexFolder:
    folder = IndexFolder(root)
    synchronise(
        folder, embedder or WordEmbedder(), corpus=corpus, chosen=chosen, passage_words=90, overlap_words=25,
        web=Web(pause=0),
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, looked_at_here: None) -> Built:
    """An index in its second generation, to be copied and damaged."""
    root = tmp_path_factory.mktemp("built")
    for name in NAMES:
        story(root / "corpus", name, f"The {name} of Vell is open. It was built of stone by Hollen Works.")
    sync_all(root / "corpus", root / "index")
    story(root / "corpus", "ferry", "The ferry is closed. It sank.", "2024-01-02")
    sync_all(root / "corpus", root / "index")
    return Built(root / "corpus", root / "index", contents(sync_all(root / "corpus", root / "clean")))


@dataclass
class Patient:
    settings: Settings
    embedder: WordEmbedder
    folder: IndexFolder

    def examine(self) -> Checkup:
        return doctor.examine(self.settings, self.embedder)

    def lines(self) -> str:
        return "\n".join(str(finding) for finding in self.examine().findings)

    def mend(self) -> Checkup:
        self.embedder.embedded.clear()
        return doctor.mend(self.settings, self.embedder)

    def sql(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.folder.catalog)) as db:
            db.execute(statement, values)
            db.commit()


@pytest.fixture
def patient(built: Built, tmp_path: Path) -> Patient:
    shutil.copytree(built.index, tmp_path / "index")
    settings = Settings(built.corpus, tmp_path / "index")
    return Patient(settings, WordEmbedder(), IndexFolder(tmp_path / "index"))


def check_findings(findings: Sequence[Finding]) -> None:
    """Each is a line, and names what to do next."""
    assert findings
    for finding in findings:
        assert "\n" not in str(finding)
        assert finding.command.startswith("assistant ")


# -- a healthy one ---------------------------------------------------------------------------------------------


def test_in_a_healthy_index_nothing_is_found_and_nothing_is_touched(patient: Patient) -> None:
    def state() -> dict[str, tuple[int, bytes]]:
        # Chroma writes to its folder when it is opened to read.
        paths = (path for path in patient.folder.root.iterdir() if path.is_file())
        return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in paths}

    Catalog(patient.folder.catalog).close()
    before = state()
    checkup = patient.examine()
    assert checkup.findings == ()
    assert (checkup.articles, checkup.passages) == (4, len(contents(patient.folder)["passages"]))
    assert state() == before
    assert patient.mend() == checkup


def test_a_doctor_takes_no_lock_and_says_who_writes(patient: Patient) -> None:
    (patient.folder.root / "generations" / "77").mkdir()
    with patient.folder.writer():
        checkup = patient.examine()
        assert checkup.findings == ()
        assert "process" in checkup.writing
    assert "77" in patient.lines()


def test_a_repair_waits_for_no_other_writer(patient: Patient) -> None:
    DAMAGE["generation gone"](patient.folder.root)
    with patient.folder.writer(), pytest.raises(IndexBusy):
        patient.mend()


@pytest.mark.parametrize("writer", [{"host": "elsewhere"}, {"pid": 1}])
def test_a_note_that_a_dead_writer_left_hides_nothing_and_hinders_no_repair(
    patient: Patient, built: Built, writer: dict[str, Any]
) -> None:
    """Of another machine, or of a number that another process has now, nobody can say whether it lives."""
    with patient.folder.writer():
        note = json.loads((patient.folder.root / "writer.json").read_text())
    (patient.folder.root / "writer.json").write_text(json.dumps(note | writer))
    (patient.folder.root / "CURRENT").unlink()
    (finding,) = patient.examine().findings
    assert "no generation answers" in finding.what
    check_findings([finding])
    assert patient.mend().findings == ()
    assert contents(patient.folder) == built.clean
    assert not (patient.folder.root / "writer.json").exists()


def test_what_is_wrong_still_is_not_said_to_be_mended_because_it_is_said_in_other_words(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each repair makes another generation, which the finding names."""
    found = iter(range(100))
    monkeypatch.setattr(vectors, "_complaint_elsewhere", lambda order: f"bad disk {next(found)}")
    monkeypatch.setattr(vectors, "verify", lambda *arguments: None)
    checkup = patient.mend()
    assert len(checkup.findings) == 1
    assert checkup.mended == ()


def test_an_index_that_cannot_be_written_is_one_finding_and_is_looked_at_and_asked_all_the_same(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def state() -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in patient.folder.root.rglob("*")}

    Catalog(patient.folder.catalog).close()
    before = state()
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
        (finding,) = patient.examine().findings
        assert "cannot be written" in finding.what
        with Assistant(patient.settings, patient.embedder) as assistant:
            assert "ferry" in assistant.search("ferry")[0].text
    assert state() == before
    ROWS["a row is missing"](patient.folder)
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    assert [finding.kind for finding in patient.examine().findings] == [Kind.PLACE, Kind.CHROMA]


def test_where_no_index_is_the_repair_makes_one(built: Built, tmp_path: Path) -> None:
    patient = Patient(Settings(built.corpus, tmp_path / "new"), WordEmbedder(), IndexFolder(tmp_path / "new"))
    assert patient.lines() == f"there is no index in {tmp_path / 'new'}; type: assistant sync"
    assert not (tmp_path / "new").exists()
    assert patient.mend().findings == ()
    assert contents(patient.folder) == built.clean


def test_a_sync_that_begins_during_the_look_is_no_finding(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it is at work on looks like what a killed one left."""
    real = sync.catalog_problem
    with contextlib.ExitStack() as at_work:

        def look(folder: IndexFolder) -> IndexDamaged | None:
            if not folder.writing():
                at_work.enter_context(folder.writer())
                (folder.root / "generations" / "77").mkdir()
            return real(folder)

        monkeypatch.setattr(sync, "catalog_problem", look)
        checkup = patient.examine()
    assert checkup.findings == ()
    assert checkup.writing


def test_syncs_that_end_during_the_look_are_no_finding(
    patient: Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two, so that the generation that is looked at is gone when its turn comes."""
    shutil.copytree(patient.settings.corpus, tmp_path / "corpus")
    sync_all(tmp_path / "corpus", patient.folder.root)
    patient.settings = replace(patient.settings, corpus=tmp_path / "corpus")
    real, compared = vectors.compare, []

    def compare(folder: Path, *rest: Any) -> None:
        if not compared:
            for text in ("The bridge has fallen.", "It is built anew."):
                story(tmp_path / "corpus", "bridge", text, "2024-01-03")
                sync_all(tmp_path / "corpus", patient.folder.root)
            assert not folder.exists()
        compared.append(folder)
        real(folder, *rest)

    monkeypatch.setattr(vectors, "compare", compare)
    assert patient.examine().findings == ()
    assert len(compared) == 2


# -- files that are damaged ------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [*DAMAGE, "CURRENT gone"])
def test_a_damaged_file_is_found_and_mended(built: Built, patient: Patient, damage: str) -> None:
    others = {"CURRENT gone": lambda index: (index / "CURRENT").unlink()}
    {**DAMAGE, **others}[damage](patient.folder.root)
    checkup = patient.mend()
    assert checkup.findings == ()
    check_findings(checkup.mended)
    assert contents(patient.folder) == built.clean
    if damage not in CATALOG_DAMAGE:
        assert patient.embedder.embedded == []
        assert {finding.remedy for finding in checkup.mended} == {Remedy.RESTORE}


def _collection(folder: IndexFolder) -> Any:
    place = str(folder.generation(folder.current()))
    client = chromadb.PersistentClient(place, settings=ChromaSettings(_env_file=None, anonymized_telemetry=False))
    return client, client.get_collection(vectors.COLLECTION, embedding_function=None)


def _change_rows(folder: IndexFolder, change: Callable[[Any, list[str]], object]) -> None:
    client, collection = _collection(folder)
    try:
        change(collection, collection.get()["ids"])
    finally:
        client.close()


def _other_dimension(folder: IndexFolder) -> None:
    ids = [f"p{i}" for i in range(_count(folder))]
    rows = [vectors.Row(id_, np.eye(3, dtype=np.float32)[i % 3], STONE, None) for i, id_ in enumerate(ids)]
    vectors.write_generation(folder.generation(folder.current()), None, [], [rows])


def _count(folder: IndexFolder) -> int:
    return len(contents(folder)["passages"])


ROWS: dict[str, Callable[[IndexFolder], object]] = {
    "a row is missing": lambda folder: _change_rows(folder, lambda rows, ids: rows.delete(ids=ids[:1])),
    "a row too many": lambda folder: _change_rows(
        folder, lambda rows, ids: rows.add(ids=["x"], embeddings=np.ones((1, 256), dtype=np.float32))
    ),
    "a row instead of another": lambda folder: _change_rows(
        folder,
        lambda rows, ids: (
            rows.delete(ids=ids[:1]),
            rows.add(ids=["x"], embeddings=np.ones((1, 256), dtype=np.float32)),
        ),
    ),
    "another vector": lambda folder: _change_rows(
        folder, lambda rows, ids: rows.update(ids=ids[1:2], embeddings=np.ones((1, 256), dtype=np.float32))
    ),
    "another day": lambda folder: _change_rows(
        folder, lambda rows, ids: rows.update(ids=ids[1:2], metadatas=[{"published": 7}])
    ),
    "another dimension": _other_dimension,
}


@pytest.mark.parametrize("change", ROWS)
def test_vectors_that_are_not_the_catalog_s_are_found(patient: Patient, change: str) -> None:
    ROWS[change](patient.folder)
    (finding,) = patient.examine().findings
    assert "are not those of the catalog" in finding.what
    assert finding.remedy is Remedy.RESTORE


def test_they_are_written_anew_from_the_catalog_and_only_what_both_have_otherwise_is_embedded(
    built: Built, patient: Patient
) -> None:
    for change in ("a row is missing", "another vector", "another day"):
        ROWS[change](patient.folder)
    checkup = patient.mend()
    assert (checkup.findings, len(checkup.mended)) == ((), 1)
    assert contents(patient.folder) == built.clean
    assert len(patient.embedder.embedded) == 1


def test_where_the_catalog_has_the_wrong_vector_it_is_not_copied_over_the_right_one(
    built: Built, patient: Patient
) -> None:
    """A unit vector, of which only Chroma's copy tells that it is another passage's; which is right, the model says."""
    other = np.eye(256, dtype="<f4")[0].tobytes()
    patient.sql("update vectors set vector = ? where key = (select vector_key from passages limit 1)", other)
    (finding,) = patient.mend().mended
    assert finding.remedy is Remedy.RESTORE
    assert contents(patient.folder) == built.clean
    assert len(patient.embedder.embedded) == 1


STATEMENTS = {
    "a text was changed": "update articles set text = replace(text, 'stone', 'straw') where title = 'The bridge'",
    "a text was cut": "update articles set text = substr(text, 1, 100) where title = 'The bridge'",
    "a passage lies elsewhere": "update passages set start = start + 3 where row = (select max(row) from passages)",
    "sentences overlap": "update articles set sentences = x'00000000FF00000005000000FF000000'",
    "a vector is missing": "delete from vectors where key = (select vector_key from passages where article_row = 1 limit 1)",
    "all vectors are missing": "delete from vectors",
    "a vector is short": "update vectors set vector = substr(vector, 1, 400) where key = (select max(key) from vectors)",
    "a vector is no number": "update vectors set vector = cast(substr(vector, 1, 1020) || x'0000C07F' as blob)"
    " where key = (select max(key) from vectors)",
    "a vector is too long": "update vectors set vector = cast(x'00006144' || substr(vector, 5) as blob)"
    " where key = (select max(key) from vectors)",
    "a vector is very long": "update vectors set vector = cast(x'FFFF7F7F' || substr(vector, 5) as blob)"
    " where key = (select max(key) from vectors)",
    "the full text lacks a passage": "delete from full_text where rowid = (select max(row) from passages)",
    "the full text has other words": "update full_text set text = 'x' where rowid = (select max(row) from passages)",
    "the full text's words are gone": "delete from full_text_data where id > 10",
    "passages of no article": "update passages set article_row = 99 where row = (select max(row) from passages)",
    "nothing is known of the generations": "update generations set built_with = '{}'",
}  # fmt: skip


@pytest.mark.parametrize("damage", STATEMENTS)
def test_a_catalog_that_contradicts_itself_is_found(patient: Patient, damage: str) -> None:
    patient.sql(STATEMENTS[damage])
    findings = patient.examine().findings
    check_findings(findings)
    assert {finding.remedy for finding in findings} == {Remedy.REBUILD}


OF_THE_FILE = "the full text's words are gone", "passages of no article"
"""What makes the repair begin with a new file."""


@pytest.mark.parametrize("damages", [tuple(name for name in STATEMENTS if name not in OF_THE_FILE), OF_THE_FILE])
def test_all_of_it_at_once_is_mended(built: Built, patient: Patient, damages: tuple[str, ...]) -> None:
    for damage in damages:
        patient.sql(STATEMENTS[damage])
    assert patient.mend().findings == ()
    assert contents(patient.folder) == built.clean


class Killed(BaseException):
    pass


# -- nothing is lost -------------------------------------------------------------------------------------------


@pytest.fixture
def lone(patient: Patient, built: Built, tmp_path: Path) -> Patient:
    """Beside the corpus, an article of a folder that is gone, and one that came from Python: only the catalog has them."""
    story(tmp_path / "extra", "tower", "The tower of Vell leans.")
    given = Article("given-1", "Given", "A story that was given from Python by Mara Lind.", STONE)
    sync_all(built.corpus, patient.folder.root, [str(tmp_path / "extra"), given])
    shutil.rmtree(tmp_path / "extra")
    return patient


def titles(patient: Patient) -> set[str]:
    return {article.title for article in contents(patient.folder)["articles"]}


ALL = {*(f"The {name}" for name in NAMES), "The tower", "Given"}


def _spoil(table: str) -> Callable[[Path], None]:
    def spoil(index: Path) -> None:
        path = index / "catalog.sqlite3"
        with closing(sqlite3.connect(path)) as db:
            db.execute("pragma wal_checkpoint(truncate)")
            query = "select rootpage, page_size from sqlite_master, pragma_page_size where name = ?"
            ((page, size),) = db.execute(query, (table,))
        with path.open("r+b") as file:
            file.seek((page - 1) * size)
            file.write(b"\xff" * size)

    return spoil


LOSSES: dict[str, Callable[[Path], object]] = {
    "generation gone": DAMAGE["generation gone"],
    "CURRENT garbage": DAMAGE["CURRENT garbage"],
    "CURRENT gone": lambda index: (index / "CURRENT").unlink(),
    "passages torn": _spoil("passages"),
    "an index torn": _spoil("articles_by_id"),
    "sources torn": _spoil("sources"),
}


def _kill(*arguments: object, **options: object) -> None:
    raise Killed


def _move_and_kill(folder: IndexFolder, move: Callable[[IndexFolder], None] = IndexFolder.set_catalog_aside) -> None:
    move(folder)
    raise Killed


KILLS: dict[str, tuple[Any, str]] = {
    "before it is moved": (IndexFolder, "set_catalog_aside"),
    "once it is moved": (IndexFolder, "set_catalog_aside"),
    "before it is taken over": (sync, "_take_over"),
    "before that is noted": (IndexFolder, "taken_over"),
    "within the first sync": (sync._Run, "_record"),
}


@pytest.mark.parametrize("kill", KILLS)
def test_a_repair_that_was_killed_is_taken_up_where_it_was(
    lone: Patient, kill: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _spoil("passages")(lone.folder.root)
    with monkeypatch.context() as patch:
        patch.setattr(*KILLS[kill], _move_and_kill if kill == "once it is moved" else _kill)
        with pytest.raises(Killed):
            lone.mend()
    if kill != "before it is moved":
        with pytest.raises(IndexDamaged, match=r"type: assistant (doctor --fix|sync --rebuild)"):
            sync_all(lone.settings.corpus, lone.folder.root)
    lone.mend()
    assert titles(lone) == ALL
    assert lone.embedder.embedded == []
    assert lone.folder.aside() is None


def test_what_sqlite_keeps_beside_the_file_is_set_aside_with_it_though_a_kill_comes_between(
    lone: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that has it open keeps SQLite from writing all of it into the file."""
    folder = lone.folder
    with closing(sqlite3.connect(folder.catalog)) as reader:
        reader.execute("pragma wal_autocheckpoint = 0")
        reader.execute("update articles set title = 'Given at last' where title = 'Given'")
        reader.commit()
        beside = folder.catalog.with_name("catalog.sqlite3-wal").read_bytes()
        assert beside
        moves: list[Path] = []
        replace_ = Path.replace

        def move(path: Path, target: Path) -> Path:
            if path == folder.catalog:
                raise Killed
            moves.append(target)
            return replace_(path, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", move)
            with pytest.raises(Killed):
                folder.set_catalog_aside()
        assert moves[-1].read_bytes() == beside
        folder.set_catalog_aside()
        aside = folder.aside()
        assert aside
        assert "Given at last" in {article.title for _, _, article in salvaged(aside).articles}


def test_a_damaged_catalog_of_an_earlier_repair_is_kept_and_nothing_is_taken_from_it(lone: Patient) -> None:
    _spoil("passages")(lone.folder.root)
    lone.mend()
    first = (lone.folder.root / "catalog.damaged").read_bytes()
    sync_all(lone.settings.corpus, lone.folder.root, [Article("given-1", "Given anew", "Another story.", STONE)])
    _spoil("passages")(lone.folder.root)
    lone.mend()
    assert (lone.folder.root / "catalog.damaged").read_bytes() == first
    assert (lone.folder.root / "catalog-2.damaged").exists()
    assert "Given anew" in titles(lone)
    lone.folder.catalog.unlink()
    lone.mend()
    assert titles(lone).isdisjoint({"Given", "Given anew"})


def _cut(index: Path, share: float) -> None:
    path = index / "catalog.sqlite3"
    with closing(sqlite3.connect(path)) as db:
        db.execute("pragma wal_checkpoint(truncate)")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def test_of_a_catalog_that_was_cut_the_rest_is_taken_over_and_it_is_said_how_much(lone: Patient) -> None:
    whole = salvaged(lone.folder.catalog)
    _cut(lone.folder.root, 0.8)
    left = salvaged(lone.folder.catalog)
    assert len(left.articles) > 0.5 * len(whole.articles)
    assert left.sources.keys() == whole.sources.keys()
    lines = lone.lines().splitlines()
    assert f"articles that can be taken over from it: {len(left.articles)}; type: assistant doctor --fix" in lines[0]
    checkup = lone.mend()
    assert f"it was damaged; articles taken over from it: {len(left.articles)}" in checkup.notes
    assert not list(lone.folder.root.glob("catalog.damaged-*"))
    assert titles(lone) >= {article.title for _, _, article in left.articles}


def test_of_a_damaged_catalog_too_it_is_said_which_articles_cannot_come_back(lone: Patient) -> None:
    (lone.folder.root / "catalog.sqlite3").write_bytes(b"garbage " * 2000)
    assert "only the catalog had cannot come back: those of objects given from Python" in lone.lines()
    checkup = lone.mend()
    assert any("no article left of: objects given from Python" in note for note in checkup.notes)
    assert "cannot come back" not in str(checkup.mended)


def test_random_bytes_in_the_file_cost_no_article_and_leave_no_wrong_vector(
    lone: Patient, built: Built, tmp_path: Path
) -> None:
    """Within the vectors, where SQLite cannot see them, and beside a torn page, so that the file is given up."""
    path = lone.folder.catalog
    with closing(sqlite3.connect(path)) as db:
        db.execute("pragma wal_checkpoint(truncate)")
        # A vector fills more than a page; this much of it lies together.
        beginnings = [blob for (blob,) in db.execute("select substr(vector, 1, 400) from vectors order by key")]
    content = path.read_bytes()
    once = [blob for blob in beginnings if content.count(blob) == 1]
    for number, blob in enumerate(once):
        content = content.replace(blob, blob[:100] + np.random.default_rng(number).bytes(200) + blob[300:])
    assert once
    path.write_bytes(content)
    _spoil("articles_by_id")(lone.folder.root)
    lone.mend()
    assert titles(lone) == ALL
    assert len(lone.embedder.embedded) == len(once)
    given = Article("given-1", "Given", "A story that was given from Python by Mara Lind.", STONE)
    story(tmp_path / "extra", "tower", "The tower of Vell leans.")
    clean = sync_all(built.corpus, tmp_path / "clean", [str(tmp_path / "extra"), given])
    sync_all(built.corpus, tmp_path / "clean")
    assert contents(lone.folder) == contents(clean)


@pytest.mark.parametrize("loss", LOSSES)
def test_an_article_that_only_the_catalog_has_outlives_the_repair(lone: Patient, loss: str, tmp_path: Path) -> None:
    assert lone.lines().count("\n") == 0
    LOSSES[loss](lone.folder.root)
    checkup = lone.mend()
    (left,) = checkup.findings
    assert left.command == f"assistant sync --forget {tmp_path / 'extra'}"
    assert titles(lone) == ALL
    assert lone.embedder.embedded == []


def test_a_catalog_that_is_gone_is_made_anew_from_the_remembered_sources_and_what_cannot_come_back_is_said(
    lone: Patient, built: Built, tmp_path: Path
) -> None:
    story(tmp_path / "extra", "tower", "The tower of Vell leans.")
    lone.folder.catalog.unlink()
    lines = lone.lines().splitlines()
    assert lines[0] == "the catalog is gone; type: assistant doctor --fix"
    assert "only the catalog had cannot come back: those of objects given from Python" in lines[1]
    assert lone.mend().findings == ()
    assert titles(lone) == ALL - {"Given"}
    assert sync_all(built.corpus, lone.folder.root).current() == lone.folder.current()


def test_a_sync_that_met_the_lost_catalog_before_the_doctor_changes_nothing_for_the_worse(
    lone: Patient, built: Built, tmp_path: Path
) -> None:
    """It leaves an empty catalog, which does not say any longer what was there."""
    story(tmp_path / "extra", "tower", "The tower of Vell leans.")
    lone.folder.catalog.unlink()
    with pytest.raises(IndexDamaged):
        sync_all(built.corpus, lone.folder.root)
    check_findings(lone.examine().findings)
    assert lone.mend().findings == ()
    assert titles(lone) == ALL - {"Given"}


def test_without_the_copy_of_the_sources_it_is_said_that_they_are_forgotten(lone: Patient) -> None:
    lone.folder.catalog.unlink()
    lone.folder.remembered.unlink()
    assert "name them again; type: assistant sync SOURCE" in lone.lines()
    assert lone.mend().findings == ()
    assert titles(lone) == ALL - {"Given", "The tower"}


def test_a_source_forgotten_by_the_user_does_not_come_back_with_an_older_damaged_catalog(
    lone: Patient, built: Built, tmp_path: Path
) -> None:
    shutil.copy(lone.folder.catalog, lone.folder.catalog.with_suffix(".damaged"))
    synchronise(lone.folder, lone.embedder, corpus=built.corpus, forget=[str(tmp_path / "extra")],
                passage_words=90, overlap_words=25)  # fmt: skip
    lone.folder.catalog.unlink()
    lone.mend()
    assert "The tower" not in titles(lone)


def test_a_question_after_current_is_gone_costs_no_article(lone: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the catalog alone has answers, as before."""
    from assistant import assistant as facade

    monkeypatch.setattr(facade, "load_embedder", lambda model: lone.embedder)
    (lone.folder.root / "CURRENT").unlink()
    places = ["--corpus", str(lone.settings.corpus), "--index", str(lone.folder.root)]
    for command in (["search", "story given from Python by Mara Lind"], ["ask", "By whom was a story given?"]):
        done = CliRunner().invoke(cli, [*places, *command])
        assert (done.exit_code, "Mara Lind" in done.stdout) == (0, True)
    assert titles(lone) == ALL


# -- syncs that were killed, models, sources -------------------------------------------------------------------


STEPS: dict[str, tuple[Any, str, str]] = {
    "embed": (WordEmbedder, "passages", ""),
    "record": (sync._Run, "_record", "interrupted"),
    "build": (sync._Run, "_build", "interrupted"),
    "swap": (IndexFolder, "swap", "interrupted"),
    "clean": (sync._Run, "_clean", ""),
}


@pytest.mark.parametrize("step", STEPS)
def test_what_a_killed_sync_left_is_found_and_its_work_is_done(
    patient: Patient, tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(patient.settings.corpus, tmp_path / "corpus")
    # The same articles in another place, so that nothing but the edits changes.
    sync_all(tmp_path / "corpus", patient.folder.root)
    story(tmp_path / "corpus", "bridge", "The bridge has fallen.", "2024-01-03")
    (tmp_path / "corpus" / "museum.md").unlink()
    patient.settings = replace(patient.settings, corpus=tmp_path / "corpus")
    home, name, says = STEPS[step]

    def kill(*arguments: object, **options: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(home, name, kill)
        with pytest.raises(Killed):
            sync_all(tmp_path / "corpus", patient.folder.root)
    _leave_dead_writer(patient.folder)
    checkup = patient.mend()
    assert checkup.findings == ()
    check_findings(checkup.mended)
    lines = "\n".join(str(finding) for finding in checkup.mended)
    assert "a sync was killed: process" in lines
    assert says in lines
    assert contents(patient.folder) == contents(sync_all(tmp_path / "corpus", tmp_path / "clean"))
    assert (patient.embedder.embedded == []) == (step != "embed")
    assert not (patient.folder.root / "writer.json").exists()


def _leave_dead_writer(folder: IndexFolder) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with folder.writer():
        record = json.loads((folder.root / "writer.json").read_text())
    (folder.root / "writer.json").write_text(json.dumps(record | {"pid": process.pid}))


def test_left_files_are_named_and_taken_away(patient: Patient) -> None:
    (patient.folder.root / "CURRENT.new").write_text("0")
    (patient.folder.root / "generations" / "77").mkdir()
    assert "CURRENT.new, 77" in patient.lines()
    assert patient.mend().findings == ()
    assert not (patient.folder.root / "generations" / "77").exists()


def test_both_a_torn_generation_and_an_interrupted_sync_are_mended(
    patient: Patient, built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*arguments: object) -> None:
        raise Killed

    story(tmp_path / "extra", "tower", "The tower of Vell leans.")
    extra = [str(tmp_path / "extra")]
    with monkeypatch.context() as patch:
        patch.setattr(IndexFolder, "swap", kill)
        with pytest.raises(Killed):
            sync_all(built.corpus, patient.folder.root, extra)
    DAMAGE["generation gone"](patient.folder.root)
    assert patient.mend().findings == ()
    sync_all(built.corpus, tmp_path / "clean")
    assert contents(patient.folder) == contents(sync_all(built.corpus, tmp_path / "clean", extra))
    assert "The tower" in titles(patient)


def test_an_index_of_another_model_is_found_and_embedded_anew(patient: Patient) -> None:
    patient.embedder.fingerprint = "words-other"
    (finding,) = patient.examine().findings
    assert "words-256" in finding.what
    assert "words-other" in finding.what
    assert patient.mend().findings == ()
    assert patient.embedder.embedded


def test_a_source_that_is_gone_is_said_and_its_articles_stay(lone: Patient, tmp_path: Path) -> None:
    (finding,) = lone.examine().findings
    assert str(tmp_path / "extra") in finding.what
    assert finding.remedy is Remedy.BY_HAND
    assert lone.mend().findings == (finding,)
    assert titles(lone) == ALL


def test_a_corpus_that_is_gone_does_not_hinder_the_repair(patient: Patient, built: Built, tmp_path: Path) -> None:
    shutil.copytree(built.corpus, tmp_path / "corpus")
    sync_all(tmp_path / "corpus", patient.folder.root)
    shutil.rmtree(tmp_path / "corpus")
    patient.settings = replace(patient.settings, corpus=tmp_path / "corpus")
    patient.sql(STATEMENTS["a vector is missing"])
    checkup = patient.mend()
    assert ["--corpus" in finding.what for finding in checkup.findings] == [True]
    assert len(titles(patient)) == 4


def test_a_repair_replaces_no_articles_by_those_of_another_corpus(patient: Patient, tmp_path: Path) -> None:
    story(tmp_path / "other", "tower", "The tower of Vell leans.")
    patient.settings = replace(patient.settings, corpus=tmp_path / "other")
    patient.sql(STATEMENTS["a vector is missing"])
    (left,) = patient.mend().findings
    assert str(tmp_path / "other") in left.what
    assert len(titles(patient)) == 4


def test_a_model_that_is_not_there_is_said_and_the_index_is_looked_at_all_the_same(patient: Patient) -> None:
    DAMAGE["generation gone"](patient.folder.root)
    settings = replace(patient.settings, embedding_model="/no/such/model", reader="/no/such/reader")
    lines = [str(finding) for finding in doctor.examine(settings).findings]
    assert ["/no/such/model" in line for line in lines] == [True, False, False]
    assert "/no/such/reader" in lines[1]
    assert "gone or torn" in lines[2]


def test_a_calibration_for_other_models_is_said_and_kept(patient: Patient) -> None:
    replace(SHIPPED, fitted_with="others").save(patient.folder.root)
    (finding,) = patient.mend().findings
    assert "made for other models" in finding.what
    assert finding.command == "assistant calibrate CASES (or --reset)"
    (patient.folder.root / "calibration.json").write_text("{")
    (finding,) = patient.examine().findings
    assert finding.command == "assistant calibrate --reset"


def test_too_little_room_is_said(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 10**6))
    (finding,) = patient.examine().findings
    assert "0 MiB are free" in finding.what


def test_an_installed_file_that_was_changed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As pip records it: sha256 in base64."""
    from importlib import metadata

    package = tmp_path / "package"
    package.mkdir()
    for name in ("whole.onnx", "changed.onnx"):
        (package / name).write_bytes(b"")
    empty = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
    info = tmp_path / "article_assistant-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: article-assistant\nVersion: 1\n")
    records = [f"package/{name},sha256={empty},0" for name in ("whole.onnx", "changed.onnx", "gone.onnx")]
    (info / "RECORD").write_text("\n".join(records))
    (package / "changed.onnx").write_bytes(b"x")
    monkeypatch.setattr(metadata, "files", lambda name: metadata.PathDistribution(info).files)
    found = [finding.what for finding in doctor._of_installed_files(package)]
    assert [Path(what.split(" is not")[0]).name for what in found] == ["changed.onnx", "gone.onnx"]


# -- the command -----------------------------------------------------------------------------------------------


@pytest.fixture
def run(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setattr(doctor, "load_embedder", lambda model: patient.embedder)
    places = ["--corpus", str(patient.settings.corpus), "--index", str(patient.settings.index)]
    return lambda *arguments: CliRunner().invoke(cli, [*places, "doctor", *arguments])


def test_the_command_fails_while_something_is_wrong(run: Callable[..., Any], patient: Patient) -> None:
    done = run()
    assert done.exit_code == 0
    assert done.output.startswith("nothing is wrong: 4 articles")
    DAMAGE["generation gone"](patient.folder.root)
    done = run()
    assert done.exit_code == 1
    assert done.output.startswith("wrong     the vectors in ")
    assert done.output.endswith("; type: assistant doctor --fix\n")
    found = json.loads(run("--json").output)
    assert (found["healthy"], found["findings"][0]["remedy"]) == (False, "restore")
    done = run("--fix")
    assert done.exit_code == 0
    assert done.output.splitlines()[0].startswith("mended    the vectors in ")
    assert json.loads(run("--json").output) == {
        "healthy": True, "findings": [], "mended": [], "notes": [], "articles": 4, "passages": _count(patient.folder), "writing": "",
    }  # fmt: skip


def test_in_a_process_of_its_own_a_look_loads_no_model_and_no_chroma(patient: Patient) -> None:
    """Chroma is opened in yet another process: a torn index can crash the one that opens it."""
    code = f"""
import sys
sys.path.insert(0, {str(ROOT / "tests")!r})
from pathlib import Path
from assistant import Settings, doctor
class Embedder:
    fingerprint = "words-256"
checkup = doctor.examine(Settings(Path({str(patient.settings.corpus)!r}), Path({str(patient.settings.index)!r})), Embedder())
heavy = "chromadb", "llama_index", "sentence_transformers", "torch", "onnxruntime", "transformers"
print([str(finding) for finding in checkup.findings], [name for name in heavy if name in sys.modules])
"""
    for damage, found in ((None, "[] []"), ("a row is missing", "rows where")):
        if damage:
            ROWS[damage](patient.folder)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
        assert found in done.stdout
        assert done.stdout.endswith(" []\n")
