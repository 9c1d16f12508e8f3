"""Where the articles and the index lie, and which values are refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from assistant.errors import InputError, InvalidSetting
from assistant.settings import BUNDLED_EMBEDDING, Settings

ROOT = Path(__file__).resolve().parents[1]


def test_without_options_a_checkout_uses_its_own_folders():
    found = Settings.load(environment={})
    assert (found.corpus, found.index) == (ROOT / "corpus", ROOT / "index")
    assert found.embedding_model == BUNDLED_EMBEDDING


def test_the_environment_wins_over_the_defaults(tmp_path):
    found = Settings.load(environment={
        "ASSISTANT_CORPUS": str(tmp_path / "c"),
        "ASSISTANT_INDEX": str(tmp_path / "i"),
        "ASSISTANT_EMBEDDING_MODEL": "some/model",
    })  # fmt: skip
    assert (found.corpus, found.index, found.embedding_model) == (tmp_path / "c", tmp_path / "i", "some/model")


def test_arguments_win_over_the_environment(tmp_path):
    environment = {"ASSISTANT_CORPUS": "/elsewhere/c", "ASSISTANT_INDEX": "/elsewhere/i"}
    found = Settings.load(corpus=tmp_path / "c", index=str(tmp_path / "i"), environment=environment)
    assert (found.corpus, found.index) == (tmp_path / "c", tmp_path / "i")


def test_empty_variables_count_as_unset():
    environment = {"ASSISTANT_CORPUS": "", "ASSISTANT_INDEX": "", "ASSISTANT_EMBEDDING_MODEL": ""}
    assert Settings.load(environment=environment) == Settings.load(environment={})


def test_another_corpus_has_another_index(tmp_path):
    """Naming another corpus must never answer from this one."""
    one, two = (Settings.load(corpus=tmp_path / name, environment={}).index for name in ("one", "two"))
    assert len({one, two, ROOT / "index"}) == 3
    assert Settings.load(corpus=tmp_path / "one", environment={}).index == one


def test_the_working_directory_plays_no_role(tmp_path, monkeypatch):
    before = Settings.load(environment={})
    monkeypatch.chdir(tmp_path)
    assert Settings.load(environment={}) == before


def test_paths_are_absolute_and_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert Settings.load(corpus="~/c", index="i", environment={}) == Settings(
        corpus=tmp_path / "c", index=tmp_path / "i"
    )


def test_loading_creates_nothing(tmp_path):
    Settings.load(corpus=tmp_path / "c", index=tmp_path / "i", environment={})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "value"), [
    ("passage_words", 19), ("passage_words", 251), ("overlap_words", -1), ("overlap_words", 46),
    ("dense_weight", -0.1), ("dense_weight", 1.1), ("dense_weight", float("nan")), ("threshold", 2.0), ("threshold", float("nan")),
    ("candidates", 0), ("candidates", 1001), ("read", 0), ("read", -5),
])  # fmt: skip
def test_a_value_that_cannot_work_is_refused_by_name(name, value):
    with pytest.raises(InvalidSetting, match=name):
        Settings(**{"corpus": Path("c"), "index": Path("i"), "passage_words": 90, name: value})
    assert issubclass(InvalidSetting, InputError)


@pytest.mark.parametrize(("name", "value"), [
    ("passage_words", 250), ("overlap_words", 0), ("overlap_words", 45), ("dense_weight", 0.0), ("dense_weight", 1.0),
    ("threshold", 0.0), ("threshold", 1.0), ("candidates", 1), ("read", 1000),
])  # fmt: skip
def test_bounds_are_allowed(name, value):
    assert getattr(Settings(corpus=Path("c"), index=Path("i"), **{name: value}), name) == value


def test_settings_do_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings.load(environment={}).read = 3  # type: ignore[misc]


def test_settings_made_by_hand_mean_the_same_folders_wherever_the_process_goes(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    found = Settings(corpus=Path("corpus"), index=Path("~/index"))
    monkeypatch.chdir("/")
    assert (found.corpus, found.index) == (tmp_path / "corpus", tmp_path / "index")
    assert found == Settings(corpus=tmp_path / "corpus", index=tmp_path / "index")
