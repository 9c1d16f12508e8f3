"""Chroma generations: nearest passages under a filter, copies that leave the original alone, and torn files."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from conftest import WordEmbedder
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.errors import IndexDamaged
from assistant.schema import Filter
from assistant.vectors import Row, VectorIndex, verify, write_generation

AXES = np.eye(4, dtype=np.float32)


def unit(*numbers: float) -> np.ndarray:
    vector = np.array(numbers, dtype=np.float32)
    return vector / np.linalg.norm(vector)


def nearest(folder: Path, vector: np.ndarray, limit: int = 10, where: Filter = Filter()) -> list[tuple[str, float]]:
    index = VectorIndex(folder)
    try:
        return index.nearest(vector, limit, where)
    finally:
        index.close()


def ids(folder: Path, vector: np.ndarray = AXES[0], limit: int = 10, where: Filter = Filter()) -> set[str]:
    return {id_ for id_, _ in nearest(folder, vector, limit, where)}


ROWS = [
    Row("a", unit(1, 0, 0, 0), "Stone", date(2024, 3, 1)),
    Row("b", unit(1, 1, 0, 0), "Stone", date(2024, 3, 2)),
    Row("c", unit(0, 1, 0, 0), "Lamp", None),
    Row("d", unit(-1, 0, 0, 0), "", date(2024, 3, 3)),
]


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("four") / "000001"
    write_generation(folder, None, [], [ROWS[:1], ROWS[1:]])
    return folder


def test_nearest_gives_cosine_similarity_best_first(four: Path) -> None:
    found = nearest(four, AXES[0])
    assert [id_ for id_, _ in found] == ["a", "b", "c", "d"]
    assert [score for _, score in found] == pytest.approx([1, 0.5**0.5, 0, -1], abs=1e-6)


def test_a_limit_limits(four: Path) -> None:
    assert [id_ for id_, _ in nearest(four, AXES[0], limit=2)] == ["a", "b"]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (Filter(), {"a", "b", "c", "d"}),
        (Filter(since=date(2024, 3, 2)), {"b", "d"}),
        (Filter(until=date(2024, 3, 2)), {"a", "b"}),
        (Filter(since=date(2024, 3, 2), until=date(2024, 3, 2)), {"b"}),
        (Filter(since=date.min), {"a", "b", "d"}),
        (Filter(until=date.max), {"a", "b", "d"}),
        (Filter(source="Stone"), {"a", "b"}),
        (Filter(source="stone"), set()),
        (Filter(source="Lamp", since=date.min), set()),
        (Filter(source="Stone", until=date(2024, 3, 1)), {"a"}),
        (Filter(source="nobody"), set()),
    ],
)
def test_bounds_are_inclusive_and_no_date_meets_none(four: Path, where: Filter, expected: set[str]) -> None:
    assert ids(four, where=where) == expected


def test_the_next_generation_adds_and_removes_and_the_previous_stays_as_it_was(four: Path, tmp_path: Path) -> None:
    following = tmp_path / "000002"
    write_generation(following, four, ["a", "c"], [[Row("e", AXES[3], "Lamp", None)]])
    assert ids(following) == {"b", "d", "e"}
    assert ids(four) == {"a", "b", "c", "d"}


def test_an_id_removed_and_added_again_has_its_new_vector_and_metadata(four: Path, tmp_path: Path) -> None:
    following = tmp_path / "000002"
    write_generation(following, four, ["a"], [[Row("a", AXES[3], "Lamp", None)]])
    assert nearest(following, AXES[3], 1) == [("a", pytest.approx(1, abs=1e-6))]
    assert ids(following, where=Filter(source="Lamp")) == {"a", "c"}


def test_what_a_killed_write_left_in_the_folder_is_overwritten(four: Path, tmp_path: Path) -> None:
    half = tmp_path / "000002"
    shutil.copytree(four, half)
    (half / "sizes.json").unlink()
    write_generation(half, None, [], [ROWS[:2]])
    assert ids(half) == {"a", "b"}


def test_an_index_without_passages_finds_nothing(tmp_path: Path) -> None:
    write_generation(tmp_path / "000001", None, [], [])
    assert ids(tmp_path / "000001") == set()


def test_progress_counts_every_row_once(tmp_path: Path) -> None:
    counted: list[int] = []
    write_generation(tmp_path / "000001", None, [], [ROWS[:3], ROWS[3:]], counted.append)
    assert sum(counted) == 4


@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_every_neighbour_is_found_in_the_order_of_exact_cosine(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, 60))
    random = np.random.default_rng(data.draw(st.integers(0, 1000)))
    vectors = random.normal(size=(count + 1, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    folder = tmp_path_factory.mktemp("random") / "000001"
    write_generation(folder, None, [], [[Row(str(i), vectors[i], "", None) for i in range(count)]])
    found = dict(nearest(folder, vectors[count], count + 5))
    assert len(found) == count
    assert list(found.values()) == sorted(found.values(), reverse=True)
    for id_, score in found.items():
        assert score == pytest.approx(float(vectors[int(id_)] @ vectors[count]), abs=1e-5)


FULL = """
import resource, sys
from pathlib import Path
import numpy as np
import chromadb.api.rust
from assistant.errors import IndexUnusable
from assistant.vectors import Row, write_generation
rows = [Row(f"p{i}", vector, "", None) for i, vector in enumerate(np.random.default_rng(0).normal(size=(3_000, 384)))]
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    write_generation(Path(sys.argv[1]), None, [], [rows])
except IndexUnusable as error:
    print(error)
"""


@pytest.mark.parametrize("limit", [10_000, 1_000_000], ids=["opening", "adding"])
def test_without_room_writing_is_one_typed_line_and_makes_no_whole_generation(tmp_path: Path, limit: int) -> None:
    command = [sys.executable, "-c", FULL, tmp_path / "1", str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 1, done.stdout
    assert "make room there, then type: assistant sync --rebuild" in done.stdout
    with pytest.raises(IndexDamaged):
        VectorIndex(tmp_path / "1")


# -- verification ------------------------------------------------------------------------------------------


def test_a_good_generation_passes_also_with_many_passages_of_the_same_words(tmp_path: Path) -> None:
    rows = [Row(f"same {i}", AXES[0], "Stone", None) for i in range(20)] + ROWS
    write_generation(tmp_path / "000001", None, [], [rows])
    verify(tmp_path / "000001", len(rows), rows)


def test_a_missing_row_fails_the_verification(four: Path) -> None:
    with pytest.raises(IndexDamaged, match="4 rows where 5 are due"):
        verify(four, 5, ROWS)


@pytest.mark.parametrize(
    "sample", [Row("a", AXES[3], "Stone", None), Row("a", AXES[0], "Lamp", None)], ids=["vector", "source"]
)
def test_a_row_that_is_not_what_it_should_be_fails_the_verification(four: Path, sample: Row) -> None:
    with pytest.raises(IndexDamaged, match="passage a is not found") as failed:
        verify(four, 4, [sample])
    assert "assistant sync --rebuild" in str(failed.value)


def test_verification_imports_nothing_from_the_working_directory(
    four: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be a folder of downloads: neither its modules nor its settings for Chroma are ours."""
    for name in ("numpy", "json", "chromadb", "assistant"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'CANARY')!r}, 'w')")
    (tmp_path / ".env").write_text("CHROMA_API_IMPL=numpy.Hostile\n")
    monkeypatch.chdir(tmp_path)
    verify(four, 4, ROWS)
    assert not (tmp_path / "CANARY").exists()


# -- damage ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More than the 1,000 rows from which on Chroma keeps its graph in files of its own."""
    folder = tmp_path_factory.mktemp("large") / "000001"
    vectors = np.random.default_rng(0).normal(size=(1_500, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    write_generation(folder, None, [], [[Row(f"p{i}", v, "", None) for i, v in enumerate(vectors)]])
    return folder


def test_more_passages_than_the_search_list_is_long_are_all_found(large: Path) -> None:
    vector = np.full(8, 8**-0.5, dtype=np.float32)
    assert len(ids(large, vector, 1_000)) == 1_000
    assert len(ids(large, vector, 1_500)) == 1_500


def test_readers_leave_a_generation_whole(large: Path, four: Path) -> None:
    for _ in range(5):
        assert len(ids(large, np.full(8, 8**-0.5, dtype=np.float32))) == 10
        assert len(ids(four)) == 4


def _cut(name: str) -> Callable[[Path], None]:
    def cut(folder: Path) -> None:
        (path,) = folder.rglob(name)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return cut


def _remove_graph(folder: Path) -> None:
    (graph,) = [path for path in folder.iterdir() if path.is_dir()]
    shutil.rmtree(graph)


DAMAGE = {
    "no folder": shutil.rmtree,
    "no graph": _remove_graph,
    "no database": lambda folder: (folder / "chroma.sqlite3").unlink(),
    "no manifest": lambda folder: (folder / "sizes.json").unlink(),
    "garbled manifest": lambda folder: (folder / "sizes.json").write_text("{"),
    **{
        f"cut {name}": _cut(name)
        for name in ("chroma.sqlite3", "data_level0.bin", "header.bin", "index_metadata.pickle")
    },
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_torn_generation_is_refused_before_chroma_can_crash_on_it(large: Path, tmp_path: Path, damage: str) -> None:
    """Uncaught, the cut graph is a segmentation fault and the missing folder a fresh, empty index."""
    torn = tmp_path / "000001"
    shutil.copytree(large, torn)
    DAMAGE[damage](torn)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(IndexDamaged, match="assistant sync --rebuild"):
        VectorIndex(torn)
    with pytest.raises(IndexDamaged, match="assistant sync --rebuild"):
        write_generation(tmp_path.parent / "000002", torn, [], [])
    assert sorted(tmp_path.rglob("*")) == before


def test_garbage_of_the_same_size_is_a_typed_error(large: Path, tmp_path: Path) -> None:
    torn = tmp_path / "000001"
    shutil.copytree(large, torn)
    (pickle,) = torn.rglob("index_metadata.pickle")
    pickle.write_bytes(b"x" * pickle.stat().st_size)
    with pytest.raises(IndexDamaged, match="assistant sync --rebuild"):
        nearest(torn, np.full(8, 8**-0.5, dtype=np.float32))


def test_many_passages_that_are_nearly_alike_are_no_damage(tmp_path: Path) -> None:
    """A graph of neighbours does not reach each of a thousand texts after one template."""
    embedder = WordEmbedder()
    texts = [f"Note {i}. The lamp number {i} was lit in Vell." for i in range(1_000)]
    rows = [Row(f"p{i}", embedder.question(text), "Stone", None) for i, text in enumerate(texts)]
    folder = tmp_path / "000001"
    write_generation(folder, None, [], [rows])
    verify(folder, len(rows), rows)
    spoilt = [*rows[1:], Row("p0", embedder.question("A harbour in Tansk."), "Stone", None)]
    with pytest.raises(IndexDamaged, match="p0 is not found"):
        verify(folder, len(rows), spoilt)
