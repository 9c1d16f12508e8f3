"""A question and texts -> per text the words that answer best, with a score. The home of onnxruntime and transformers.

The bundled reader is a six-layer BERT with one linear layer that points at the first and last token of the answer, or
at [CLS] if the text holds none (Devlin et al. 2019, section 4.3). tools/reader/ trains it; it runs here as int8 ONNX
without torch. A BERT-like question-answering model of Hugging Face (its first token stands for no answer) reads in the
same way, with torch.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from assistant import hub
from assistant.errors import ModelUnavailable
from assistant.questions import wanted
from assistant.schema import Span
from assistant.settings import BUNDLED_READER
from assistant.words import content_stems, content_words, stem

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

MODEL = Path(__file__).parent / "models" / "reader"
_SPAN_TOKENS = 30
_PAIR_TOKENS = 384
_QUESTION_TOKENS = 64
_TITLE_CHARACTERS = 120
_READS = "titles"
"""Of the bundled reader's fingerprint: what it is given beside question and text."""
_BATCH = 12
_TRIED = 20
"""Best spans looked at until one says more than the question does."""

_KEPT = 4
"""Spans of a text that are kept: words that many texts give as their second choice may still be the likeliest."""

_NO_SPAN = -99.0
_NEXT_SENTENCE = re.compile(r"[a-z0-9]{4}[.!?][”\"’)]*\s+[“\"‘(]?[A-Z]")
"""Not after an abbreviation, most of which are shorter."""
_CURRENCY = re.compile(r"(?:\b[A-Z]{1,2})?[$€£¥]$")
_FIGURE = re.compile(r"(?:[A-Z]{0,2}[$€£¥])?\d")
_SIGN = re.compile(r"(?<![\w$€£¥.,%)-])[-−–+]$")
"""Not of a range: "2-3"."""

Logits = NDArray[np.float32]
Inputs = Mapping[str, NDArray[np.int64]]
"""`input_ids`, `attention_mask` and `token_type_ids`, each of shape (batch, longest)."""


class Reader(Protocol):
    def read(self, question: str, texts: Sequence[str], titles: Sequence[str] = ()) -> list[Span]:
        """One span per text, in order; its score is its logits' sum less that of no answer.

        Scores compare between texts of one call; the bundled reader's int8 arithmetic takes one scale for a batch, so
        that beside other texts the same text may score some tenths more or less.
        `titles`, if given, are those of the texts' articles: a passage says "the company" where its title names it.
        """


def load_reader(model: str = BUNDLED_READER) -> Reader:
    """The bundled reader by its name, or any question-answering folder or hub name. Raises ModelUnavailable."""
    return load_bundled(MODEL) if model == BUNDLED_READER else load_transformer(model)


def fingerprint(model: str) -> str:
    """Changes when scores may: a calibration holds for one reader. Nothing is loaded. Raises ModelUnavailable."""
    if model != BUNDLED_READER:
        return hub.located(model, "question-answering")[1]
    return f"{BUNDLED_READER}@{hub.sha256(_bundled_files(MODEL)[0])[:16]}+{_READS}"


def _bundled_files(folder: Path) -> tuple[Path, Path]:
    model, tokenizer = folder / "reader.int8.onnx", folder / "tokenizer.json"
    if not model.is_file() or not tokenizer.is_file():
        raise ModelUnavailable(f"the reader's files are not in {folder}; reinstall article-assistant")
    return model, tokenizer


def load_bundled(folder: Path) -> SpanReader:
    """`reader.int8.onnx` and `tokenizer.json` of a folder. Raises ModelUnavailable."""
    import onnxruntime
    from tokenizers import Tokenizer

    model, tokenizer = _bundled_files(folder)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(4, os.cpu_count() or 1)
    # Spinning threads starve each other on a busy machine: beside another process they took 4 times as long.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    def run(inputs: Inputs) -> tuple[Logits, Logits]:
        start, end = session.run(["start_logits", "end_logits"], dict(inputs))
        return np.asarray(start), np.asarray(end)

    return SpanReader(Tokenizer.from_file(str(tokenizer)), run, separator="[SEP]")


def load_transformer(model: str) -> SpanReader:
    """A question-answering model of Hugging Face, in torch. Raises ModelUnavailable."""
    place, _ = hub.located(model, "question-answering")
    offline = hub.prepared()
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=offline)
        network, loading = AutoModelForQuestionAnswering.from_pretrained(
            place, local_files_only=offline, output_loading_info=True, dtype=torch.float32
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise hub.unloadable(model, "reader") from error
    if loading["missing_keys"]:
        # The head would be random: an encoder without question answering loads with a mere warning.
        raise ModelUnavailable(f"{model!r} was not trained for question answering; name a model that was")
    if not tokenizer.is_fast:
        raise ModelUnavailable(f"{model!r} has no fast tokenizer, which gives the places of words; name another model")
    if tokenizer("a", "b")["input_ids"][0] != tokenizer.cls_token_id:
        raise ModelUnavailable(f"{model!r} has its no-answer token elsewhere than in front; name a BERT-like model")
    network.eval()
    taken = tokenizer.model_input_names

    def run(inputs: Inputs) -> tuple[Logits, Logits]:
        with torch.inference_mode():
            found = network(**{name: torch.from_numpy(inputs[name]) for name in taken})
        return found.start_logits.numpy(), found.end_logits.numpy()

    return SpanReader(tokenizer.backend_tokenizer, run, padding=tokenizer.pad_token_id or 0)


class SpanReader:
    """Reads with any model that gives start and end logits, the first token's standing for no answer."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        run: Callable[[Inputs], tuple[Logits, Logits]],
        padding: int = 0,
        separator: str = "",
    ) -> None:
        """`separator` is the token between question and title; "" for a model that has not learnt to read titles."""
        self._run = run
        self._separator = separator
        self._padding = padding
        self._tokenizer = tokenizer
        tokenizer.no_padding()
        tokenizer.enable_truncation(_PAIR_TOKENS, strategy="only_second")

    @functools.cached_property
    def _untruncated(self) -> Tokenizer:
        """A second one, since the first refuses to shorten a question without a text; few questions need it."""
        tokenizer = type(self._tokenizer).from_str(self._tokenizer.to_str())
        tokenizer.no_truncation()
        return tokenizer

    def read(self, question: str, texts: Sequence[str], titles: Sequence[str] = ()) -> list[Span]:
        question = self._shortened(question)
        named = [self._with_title(question, title) for title in titles] or [question] * len(texts)
        encoded = self._tokenizer.encode_batch(list(zip(named, texts, strict=True)))
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

    def _with_title(self, question: str, title: str) -> str:
        """On the question's side, where no answer can be pointed at, as tools/reader/ shows it in training."""
        return f"{question} {self._separator} {title[:_TITLE_CHARACTERS]}" if title and self._separator else question

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
        inputs = {}
        for name, field, padding in (
            ("input_ids", "ids", self._padding),
            ("attention_mask", "attention_mask", 0),
            ("token_type_ids", "type_ids", 0),
        ):
            padded = np.full((len(batch), longest), padding, dtype=np.int64)
            for row, encoding in enumerate(batch):
                padded[row, : len(encoding)] = getattr(encoding, field)
            inputs[name] = padded
        return self._run(inputs)


def best_span(start: Logits, end: Logits, encoding: Encoding, text: str, asked: frozenset[str]) -> Span:
    """The likeliest span of at most 30 tokens, in one paragraph, that says something the question does not.

    Empty if there is none.
    """
    inside = [i for i, sequence in enumerate(encoding.sequence_ids) if sequence == 1]
    if not inside:
        return Span(0, 0, "", _NO_SPAN)
    first, last = inside[0], inside[-1] + 1
    nothing = float(start[0] + end[0])
    # Of the whole text, which shows that the US and May are names.
    telling = [word for word in content_words(text) if stem(word.text) not in asked]
    found: dict[str, Span] = {}
    for a, b, total in _likeliest(start[first:last], end[first:last]):
        begin, stop = _whole_words(text, encoding.offsets[first + a][0], encoding.offsets[first + b][1])
        words = text[begin:stop]
        # A short answer lies in one sentence: from a name in one to the same name in the next is none.
        if "\n" in words or words in found or (asked and _NEXT_SENTENCE.search(words)):
            continue
        if any(word.start < stop and begin < word.end for word in telling):
            found[words] = Span(begin, stop, words, total - nothing)
        if len(found) == _KEPT:
            break
    if not found:
        return Span(0, 0, "", _NO_SPAN)
    best, *others = found.values()
    return replace(best, others=tuple(others))


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
    """Widened to word boundaries and the signs of a figure: a token may be a piece of a word, or of "-US$56,200"."""
    if text[start].isdigit() and (currency := _CURRENCY.search(text, max(start - 4, 0), start)):
        start = currency.start()
    if _FIGURE.match(text, start) and (sign := _SIGN.search(text, max(start - 2, 0), start)):
        start = sign.start()
    while start > 0 and text[start - 1].isalnum() and text[start].isalnum():
        start -= 1
    while end < len(text) and text[end].isalnum() and text[end - 1].isalnum():
        end += 1
    return start, end
