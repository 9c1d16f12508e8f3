"""A question and texts -> per text the words that answer best, with a score. The home of onnxruntime.

The reader is a six-layer BERT with one linear layer that points at the first and last token of the answer, or
at [CLS] if the text holds none (Devlin et al. 2019, section 4.3). tools/reader/ trains it; it runs here as
int8 ONNX without torch.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from assistant.errors import ModelUnavailable
from assistant.questions import wanted
from assistant.schema import Span
from assistant.words import content_stems, content_words, stem

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

MODEL = Path(__file__).parent / "models" / "reader"
_SPAN_TOKENS = 30
_PAIR_TOKENS = 384
_QUESTION_TOKENS = 64
_BATCH = 12
_TRIED = 20
"""Best spans looked at until one says more than the question does."""

_NO_SPAN = -99.0
_CURRENCY = re.compile(r"(?:\b[A-Z]{1,2})?[$€£¥]$")

Logits = NDArray[np.float32]


class Reader(Protocol):
    def read(self, question: str, texts: Sequence[str]) -> list[Span]:
        """One span per text, in order; its score is its logits' sum less that of no answer."""


def load_reader(folder: Path = MODEL) -> Reader:
    """The trained reader. Raises ModelUnavailable."""
    model, tokenizer = folder / "reader.int8.onnx", folder / "tokenizer.json"
    if not model.is_file() or not tokenizer.is_file():
        raise ModelUnavailable(f"the reader's files are not in {folder}; reinstall article-assistant")
    return OnnxReader(model, tokenizer)


class OnnxReader:
    """A model that gives `start_logits` and `end_logits` for `input_ids`, `attention_mask` and `token_type_ids`."""

    def __init__(self, model: Path, tokenizer: Path) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = min(4, os.cpu_count() or 1)
        # Spinning threads starve each other on a busy machine: beside another process they took 4 times as long.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._tokenizer: Tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(_PAIR_TOKENS, strategy="only_second")
        self._tokenizer_file = tokenizer
        self._model_file = model

    @functools.cached_property
    def fingerprint(self) -> str:
        """Of the weights: the first digits of their SHA-256."""
        with self._model_file.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]

    @functools.cached_property
    def _untruncated(self) -> Tokenizer:
        """A second one, since the first refuses to shorten a question without a text; few questions need it."""
        from tokenizers import Tokenizer

        tokenizer: Tokenizer = Tokenizer.from_file(str(self._tokenizer_file))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer

    def read(self, question: str, texts: Sequence[str]) -> list[Span]:
        question = self._shortened(question)
        encoded = self._tokenizer.encode_batch([(question, text) for text in texts])
        # Why, how and yes-or-no questions get sentences, which may well repeat the question's words.
        asked = frozenset(content_stems(question)) if wanted(question).short else frozenset()
        # Length-sorted, so that a batch pads little.
        order = sorted(range(len(texts)), key=lambda i: len(encoded[i]))
        spans: dict[int, Span] = {}
        for start in range(0, len(order), _BATCH):
            batch = order[start : start + _BATCH]
            logits = self._logits([encoded[i] for i in batch])
            for row, i in enumerate(batch):
                spans[i] = best_span(logits[0][row], logits[1][row], encoded[i], texts[i], asked)
        return [spans[i] for i in range(len(texts))]

    def _shortened(self, question: str) -> str:
        """The question's first 64 tokens: room is left for the text."""
        if len(question) <= _QUESTION_TOKENS:
            # No token is shorter than a character.
            return question
        offsets = self._untruncated.encode(question, add_special_tokens=False).offsets
        return question[: offsets[_QUESTION_TOKENS - 1][1]] if len(offsets) > _QUESTION_TOKENS else question

    def _logits(self, batch: Sequence[Encoding]) -> tuple[Logits, Logits]:
        """Start and end logits, each of shape (batch, longest)."""
        longest = max(len(encoding) for encoding in batch)
        inputs: dict[str, Any] = {}
        for name, field in (("input_ids", "ids"), ("attention_mask", "attention_mask"), ("token_type_ids", "type_ids")):
            padded = np.zeros((len(batch), longest), dtype=np.int64)
            for row, encoding in enumerate(batch):
                padded[row, : len(encoding)] = getattr(encoding, field)
            inputs[name] = padded
        start, end = self._session.run(["start_logits", "end_logits"], inputs)
        return np.asarray(start), np.asarray(end)


def best_span(start: Logits, end: Logits, encoding: Encoding, text: str, asked: frozenset[str]) -> Span:
    """The likeliest span of at most 30 tokens, in one paragraph, that says something the question does not.

    Empty if there is none.
    """
    inside = [i for i, sequence in enumerate(encoding.sequence_ids) if sequence == 1]
    if not inside:
        return Span(0, 0, "", _NO_SPAN)
    first, last = inside[0], inside[-1] + 1
    nothing = float(start[0] + end[0])
    for a, b, total in _likeliest(start[first:last], end[first:last]):
        begin, stop = _whole_words(text, encoding.offsets[first + a][0], encoding.offsets[first + b][1])
        if "\n" in text[begin:stop]:
            continue
        if any(stem(word.text) not in asked for word in content_words(text[begin:stop])):
            return Span(begin, stop, text[begin:stop], total - nothing)
    return Span(0, 0, "", _NO_SPAN)


def _likeliest(start: Logits, end: Logits) -> Iterator[tuple[int, int, float]]:
    """(first token, last token, logit sum), best first."""
    sums = start[:, None] + end[None, :]
    length = len(start)
    allowed = np.triu(np.ones((length, length), dtype=bool)) & np.tril(
        np.ones((length, length), dtype=bool), _SPAN_TOKENS - 1
    )
    flat = np.where(allowed, sums, -np.inf).ravel()
    count = min(_TRIED, int(allowed.sum()))
    top = np.argpartition(-flat, count - 1)[:count]
    for position in sorted(top.tolist(), key=lambda p: (-flat[p], p)):
        yield position // length, position % length, float(flat[position])


def _whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    """Widened to word boundaries and a currency's sign: a token may be a piece of a word, or of "US$56,200"."""
    sign = _CURRENCY.search(text, max(start - 4, 0), start)
    if sign and text[start].isdigit():
        start = sign.start()
    while start > 0 and text[start - 1].isalnum() and text[start].isalnum():
        start -= 1
    while end < len(text) and text[end].isalnum() and text[end - 1].isalnum():
        end += 1
    return start, end
