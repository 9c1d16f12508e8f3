"""Measure an exported reader as the product would use it, with SQuAD 2.0's own scoring.

A paragraph is cut into passages of whole sentences, all are read, and the best span of the best passage is
the answer; its score (span minus [CLS]) decides whether to answer.  Nothing here needs torch.
"""

from __future__ import annotations

import argparse
import json
import re
import string
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import data
import numpy as np
import onnxruntime as ort
from tokenizers import Encoding, Tokenizer

MAX_ANSWER_TOKENS = 30
PASSAGE_CHARS = 600
Measure = Callable[[str, str], float]


# ---- SQuAD 2.0's own scoring


def normalise(text: str) -> str:
    """As in the official script: lower case, no punctuation, no articles, single spaces."""
    text = "".join(ch for ch in text.lower() if ch not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def exact(gold: str, predicted: str) -> float:
    return float(normalise(gold) == normalise(predicted))


def f1(gold: str, predicted: str) -> float:
    gold_words, predicted_words = normalise(gold).split(), normalise(predicted).split()
    if not gold_words or not predicted_words:
        return float(gold_words == predicted_words)
    same = sum((Counter(gold_words) & Counter(predicted_words)).values())
    return 2 * same / (len(gold_words) + len(predicted_words))


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Chance that an answerable question scores above an unanswerable one, ties counted half."""
    values, inverse, counts = np.unique([*positive, *negative], return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    n, m = len(positive), len(negative)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m)) if n and m and len(values) else float("nan")


# ---- reading


@dataclass(frozen=True)
class Span:
    score: float
    start: int
    end: int


class OnnxReader:
    """The exported model with its tokenizer; `read` gives each passage's best span, in characters."""

    def __init__(self, model: Path, tokenizer: Tokenizer, threads: int = 2) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._tokenizer = tokenizer

    def read(self, pairs: list[tuple[str, str]], batch: int = 16) -> list[Span]:
        coded = self._tokenizer.encode_batch(pairs)
        order = sorted(range(len(coded)), key=lambda i: len(coded[i].ids))
        spans: list[Span | None] = [None] * len(coded)
        for at in range(0, len(order), batch):
            rows = order[at : at + batch]
            start, end = self.logits([coded[i] for i in rows])
            for row, i in enumerate(rows):
                spans[i] = best_span(start[row], end[row], coded[i])
        return [s for s in spans if s is not None]

    def logits(self, coded: list[Encoding]) -> tuple[np.ndarray, np.ndarray]:
        width = max(len(c.ids) for c in coded)
        ids, mask, types = (np.zeros((len(coded), width), dtype=np.int64) for _ in range(3))
        for row, c in enumerate(coded):
            ids[row, : len(c.ids)] = c.ids
            mask[row, : len(c.ids)] = 1
            types[row, : len(c.ids)] = c.type_ids
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        start, end = self._session.run(["start_logits", "end_logits"], feeds)
        return start, end


def best_span(start: np.ndarray, end: np.ndarray, coded: Encoding) -> Span:
    """The best start <= end of at most 30 tokens inside the passage, its score less that of [CLS]."""
    first, last = coded.type_ids.index(1), len(coded.ids) - 1
    sums = start[first:last, None] + end[None, first:last]
    allowed = np.triu(np.ones(sums.shape, dtype=bool)) & ~np.triu(np.ones(sums.shape, dtype=bool), MAX_ANSWER_TOKENS)
    i, j = divmod(int(np.where(allowed, sums, -np.inf).argmax()), sums.shape[1])
    score = float(sums[i, j] - start[0] - end[0])
    return Span(score, coded.offsets[first + i][0], coded.offsets[first + j][1])


# ---- evaluating


@dataclass(frozen=True)
class Prediction:
    question: data.Question
    text: str
    score: float

    @property
    def answerable(self) -> bool:
        return bool(self.question.answers)

    def best(self, measure: Measure) -> float:
        return max((measure(gold, self.text) for gold, _ in self.question.answers), default=0.0)


def predict(
    reader: OnnxReader, articles: Iterable[data.Article], every: int = 1, *, titles: bool = False
) -> list[Prediction]:
    """One prediction for each question (or every n-th, for a quick look), from all paragraphs that have it."""
    read: dict[str, tuple[data.Question, list[data.Paragraph]]] = {}
    for paragraph in (p for a in articles for p in a.paragraphs):
        for question in paragraph.questions:
            read.setdefault(question.id, (question, []))[1].append(paragraph)
    asked = list(read.values())[::every]
    pairs: list[tuple[str, str]] = []
    owners: list[int] = []
    for i, (question, paragraphs) in enumerate(asked):
        for p in paragraphs:
            for begin, end in data.sequential_windows(p.text, PASSAGE_CHARS, overlap=1):
                pairs.append((data.asked(question.text, p.title if titles else ""), p.text[begin:end]))
                owners.append(i)
    best: dict[int, tuple[float, str]] = {}
    for owner, (_, passage), span in zip(owners, pairs, reader.read(pairs), strict=True):
        if owner not in best or span.score > best[owner][0]:
            best[owner] = (span.score, passage[span.start : span.end])
    return [Prediction(q, best[i][1], best[i][0]) for i, (q, _) in enumerate(asked) if i in best]


def answerable_scores(predictions: list[Prediction]) -> dict[str, float]:
    """EM and F1 without abstaining, on the questions that have an answer."""
    asked = [p for p in predictions if p.answerable]
    return {
        "n": len(asked),
        "em": 100 * float(np.mean([p.best(exact) for p in asked])),
        "f1": 100 * float(np.mean([p.best(f1) for p in asked])),
    }


def squad2_at(predictions: list[Prediction], threshold: float) -> dict[str, float]:
    """SQuAD 2.0's EM and F1 where answers scoring at most `threshold` count as refusals."""

    def mean(measure: Measure) -> float:
        got = [
            (p.best(measure) if p.answerable else 0.0) if p.score > threshold else not p.answerable for p in predictions
        ]
        return 100 * float(np.mean(got))

    answerable = [p.best(f1) if p.score > threshold else 0.0 for p in predictions if p.answerable]
    refused = [p.score <= threshold for p in predictions if not p.answerable]
    return {
        "threshold": threshold,
        "em": mean(exact),
        "f1": mean(f1),
        "has_answer_f1": 100 * float(np.mean(answerable)),
        "no_answer_accuracy": 100 * float(np.mean(refused)),
    }


def best_threshold(predictions: list[Prediction]) -> float:
    """The threshold with the best F1; to be chosen on validation articles and then applied elsewhere."""
    ordered = sorted(predictions, key=lambda p: p.score)
    gains = [(p.best(f1) if p.answerable else 0.0) - (not p.answerable) for p in ordered]
    refused = np.concatenate([[0.0], -np.cumsum(gains)])
    cut = int(refused.argmax())
    return ordered[cut - 1].score if cut else ordered[0].score - 1.0


def with_no_answer(predictions: list[Prediction], threshold: float | None = None) -> dict[str, Any]:
    positive = [p.score for p in predictions if p.answerable]
    negative = [p.score for p in predictions if not p.answerable]
    return {
        "n": len(predictions),
        "unanswerable": len(negative),
        "answerable": answerable_scores(predictions),
        "auroc": auroc(positive, negative),
        "squad2": squad2_at(predictions, best_threshold(predictions) if threshold is None else threshold),
    }


def validate(reader: OnnxReader, sources: data.Sources, every: int = 1, *, titles: bool = False) -> dict[str, Any]:
    """All held-out sets: human no-answer questions on 4 articles, 5 SQuAD articles (all answerable), and news.

    "silent": the news questions that have an answer beside those that nothing in their cluster answers, each read with
    the whole cluster, as a search in a corpus of near-alike articles would. "alone": the questions that name their
    subject, read so, too. "bridge": those that two sentences answer together, likewise.
    """

    def read(articles: Iterable[data.Article]) -> list[Prediction]:
        return predict(reader, articles, every, titles=titles)

    news = read(article for cluster in sources.news_held_out for article in cluster.articles)
    silent = read(cluster.unanswered() for cluster in sources.news_held_out)
    return {
        "human": with_no_answer(read(sources.human_held_out)),
        "squad": answerable_scores(read(sources.squad_held_out)),
        "news": with_no_answer(news),
        "silent": with_no_answer([p for p in news if p.answerable] + silent),
        "alone": with_no_answer(read(cluster.asked_alone() for cluster in sources.news_held_out)),
        "bridge": answerable_scores(read(cluster.asked_across() for cluster in sources.news_held_out)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Score an exported reader on the held-out articles or on a file.")
    parser.add_argument("--model", type=Path, required=True, help="reader.*.onnx")
    parser.add_argument("--tokenizer", type=Path, help="tokenizer.json (default: the base encoder's)")
    parser.add_argument("--data", type=Path, help="folder of squad/ and qamr/: score the held-out articles")
    parser.add_argument("--file", type=Path, help="a SQuAD 2.0 .json.gz to score, at --threshold from validation")
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--titles", action="store_true", help="read each passage with the title of its article")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    tokenizer = data.load_tokenizer(args.tokenizer or data.base_folder() / "tokenizer.json", max_tokens=256)
    reader = OnnxReader(args.model, tokenizer, args.threads)
    if args.file:
        if args.threshold is None:
            parser.error("--file needs --threshold: it is chosen on validation, never on the file measured")
        result = with_no_answer(
            predict(reader, data.read_squad(args.file), args.every, titles=args.titles), args.threshold
        )
    elif args.data:
        result = validate(reader, data.read_sources(args.data), args.every, titles=args.titles)
    else:
        parser.error("--data or --file is needed")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
