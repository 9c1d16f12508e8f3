"""Find the words that a trained reader would wrongly give, for the next run to learn from.

Every question that stands alone or has no answer is read with the passages of its cluster that look most like it. The
places of the best-scoring spans that are no answer go to OUT/mined.json, around which data.py cuts hard windows.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import data
from evaluate import PASSAGE_CHARS, OnnxReader, Span, f1

LOOKS = 7
"""Passages that are read for a question."""
KEPT = 3
"""Places that are kept for a question."""


@dataclass(frozen=True)
class Passage:
    """Whole sentences of an article of the cluster, from the character `begin` on."""

    article: int
    begin: int
    window: data.Window


def passages(cluster: data.Cluster) -> list[Passage]:
    return [
        Passage(i, begin, data.Window(article.paragraphs[0].text[begin:end], article.title))
        for i, article in enumerate(cluster.articles)
        for begin, end in data.sequential_windows(article.paragraphs[0].text, PASSAGE_CHARS)
    ]


def questions(cluster: data.Cluster) -> Iterator[data.Question]:
    """Only a name or figure can be told from another answer: why and how are answered in many words."""
    for article in cluster.articles:
        for question in (*article.paragraphs[0].alone, *article.paragraphs[0].bridge):
            if question.answers and len(question.consensus()[0].split()) <= 4:
                yield question
    yield from (data.Question(silent.id, silent.text, ()) for silent in cluster.silent)


def wrong(question: data.Question, window: data.Window, words: str) -> bool:
    """Not an answer in other words, as far as words tell: "ninety" may be 90."""
    if data.holds_answer(window.text, question.answers):
        return False
    digits = any(c.isdigit() for c in words)
    return all(f1(answer, words) == 0 and any(c.isdigit() for c in answer) == digits for answer, _ in question.answers)


def mined(cluster: data.Cluster, reader: OnnxReader) -> dict[str, list[tuple[int, int, int]]]:
    """Question id → (article, start, end) of the best wrong spans, best first."""
    every = passages(cluster)
    index = data.WindowIndex([passage.window for passage in every])
    place = {id(passage.window): passage for passage in every}
    pairs = [
        (question, place[id(window)])
        for question in questions(cluster)
        for window in index.ranked(question.text, LOOKS)
    ]
    read = reader.read([(data.asked(q.text, p.window.title), p.window.text) for q, p in pairs], batch=32)
    found: dict[str, list[tuple[float, tuple[int, int, int]]]] = {}
    for (question, passage), span in zip(pairs, read, strict=True):
        if wrong(question, passage.window, _words(passage, span)):
            at = (passage.article, passage.begin + span.start, passage.begin + span.end)
            found.setdefault(question.id, []).append((span.score, at))
    return {key: [at for _, at in sorted(spots, reverse=True)[:KEPT]] for key, spots in found.items()}


def _words(passage: Passage, span: Span) -> str:
    return passage.window.text[span.start : span.end]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="reader.*.onnx")
    parser.add_argument("--out", type=Path, required=True, help="the next training's --out")
    parser.add_argument("--tokenizer", type=Path, help="tokenizer.json (default: the base encoder's)")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    tokenizer = data.load_tokenizer(args.tokenizer or data.base_folder() / "tokenizer.json")
    reader = OnnxReader(args.model, tokenizer, args.threads)
    clusters = [cluster for cluster in data.read_news() if not cluster.held_out]
    random.Random(0).shuffle(clusters)  # so that the time left is foretold well
    found: dict[str, list[tuple[int, int, int]]] = {}
    began = time.monotonic()
    for done, cluster in enumerate(clusters, 1):
        found |= mined(cluster, reader)
        took = time.monotonic() - began
        left = took / done * (len(clusters) - done)
        print(f"\r{done}/{len(clusters)} clusters, {done / took:.2f}/s, {left:.0f} s left ", end="", file=sys.stderr)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "mined.json").write_text(json.dumps(found))
    print(f"\n{sum(map(len, found.values()))} places for {len(found)} questions", file=sys.stderr)


if __name__ == "__main__":
    main()
