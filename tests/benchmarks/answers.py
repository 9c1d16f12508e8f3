"""What each part is worth: the whole product's answers over SQuAD's 21,085 paragraphs, with parts taken out.

    python tests/benchmarks/answers.py --squad DIR --work DIR [--pictures DIR]

Asks questions of eval-v2.0.json.gz, which nothing was trained, tuned or calibrated on, of the index that retrieval.py
left in --work. Prints exact match and token F1 (as SQuAD counts them; an abstention counts as no answer) by part, and
how well the assistant tells what it cannot answer, beside two baselines: a threshold on the best cosine similarity,
fitted to what confidence.py saw, and one of .25. With --pictures it draws the reliability diagram and the risk-coverage
curve.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import squad
from confidence import weighted
from retrieval import by_dense, by_lexical
from rich.progress import track

from assistant import Assistant, Hit, Settings, answering
from assistant.answering import Evidence
from assistant.calibration import SHIPPED, diagnose
from assistant.evaluation.scoring import squad_tokens, token_f1
from assistant.retrieval import search_terms
from assistant.schema import Span
from assistant.words import content_stems, content_words

COSINE = 0.25
"""The fixed baseline: a similarity that tutorials use."""


@dataclass(frozen=True)
class Seen:
    """All that the variants are put together from: one question's candidates and what the reader read in them."""

    asked: squad.Asked
    pool: Sequence[Hit]
    spans: dict[str, Span]
    """By passage id."""
    frequencies: dict[str, int]

    def evidence(self, hits: Sequence[Hit]) -> list[Evidence]:
        spans = [self.spans[hit.passage.id] for hit in hits]
        return answering.weigh(self.asked.question, hits, spans, self.frequencies)


@dataclass(frozen=True)
class Given:
    """A variant's answer to one question; `sure` orders questions by how likely it is right."""

    words: str
    sure: float
    answered: bool


Variant = Callable[[Seen], Given]


def fused(seen: Seen) -> list[Hit]:
    return list(seen.pool)[: Settings.read]


def dense(seen: Seen) -> list[Hit]:
    return by_dense(seen.pool)[: Settings.read]


def lexical(seen: Seen) -> list[Hit]:
    return by_lexical(seen.pool)[: Settings.read]


def product(search: Callable[[Seen], list[Hit]], *, abstaining: bool = True) -> Variant:
    """The product after one of the searches."""

    def give(seen: Seen) -> Given:
        evidence = seen.evidence(search(seen))
        if not evidence:
            return Given("", 0.0, answered=False)
        sure = SHIPPED.probability(answering.features(evidence[0]))
        return Given(evidence[0].span.text, sure, answered=sure >= SHIPPED.threshold or not abstaining)

    return give


def by_span_alone(seen: Seen) -> Given:
    """Without the learnt ranking: the passage with the highest reader's score wins, and above 0 it is the answer."""
    evidence = seen.evidence(fused(seen))
    best = max(evidence, key=lambda e: e.span.score, default=None)
    return Given(best.span.text, best.span.score, answered=best.span.score > 0) if best else Given("", -99.0, False)


def without_reader(seen: Seen) -> Given:
    """The sentence of the best passage that shares most words with the question."""
    hits = fused(seen)
    if not hits:
        return Given("", 0.0, answered=False)
    asked = set(content_stems(seen.asked.question))
    sentences = [s for s in hits[0].text.split(". ") if s]
    best = max(sentences, key=lambda s: len(asked & set(content_stems(s))), default="")
    return Given(best, hits[0].score, answered=True)


ANSWERED = {
    "the product": product(fused),
    "… never abstaining": product(fused, abstaining=False),
    "… dense search alone": product(dense, abstaining=False),
    "… lexical search alone": product(lexical, abstaining=False),
    "… the reader's score alone ranks": by_span_alone,
    "… without the reader: the nearest sentence": without_reader,
}
"""What is scored by its answers. From the second on nothing abstains but by the reader's own no-answer."""


def look(assistant: Assistant, asked: squad.Asked) -> Seen:
    index = assistant._index()
    pool = index.pool(asked.question, Settings.candidates)
    taken = {
        hit.passage.id: hit for ranking in (pool, by_dense(pool), by_lexical(pool)) for hit in ranking[: Settings.read]
    }
    spans = assistant._reader.read(
        asked.question, [hit.text for hit in taken.values()], [hit.article.title for hit in taken.values()]
    )
    frequencies = {term: index.catalog.frequency(term, index.generation) for term in search_terms(asked.question)}
    return Seen(asked, pool, dict(zip(taken, spans, strict=True)), frequencies)


def scores(asked: squad.Asked, given: Given) -> tuple[float, float]:
    """(exact match, token F1), best over the gold answers."""
    if not given.answered:
        return 0.0, 0.0
    return (
        max(float(squad_tokens(given.words) == squad_tokens(gold)) for gold in asked.answers),
        max(token_f1(given.words, gold) for gold in asked.answers),
    )


def is_right(asked: squad.Asked, given: Given) -> bool:
    return any(token_f1(given.words, gold) >= 0.6 for gold in asked.answers)


def silence(unanswerable: np.ndarray, silent: np.ndarray) -> tuple[float, float, float]:
    """(precision, recall, F1) of "the articles do not answer this"."""
    both = float((unanswerable & silent).sum())
    precision, recall = both / max(silent.sum(), 1), both / unanswerable.sum()
    return precision, recall, 2 * precision * recall / (precision + recall) if both else 0.0


def fitted_cosine(observed: Path) -> float:
    """The threshold under which most questions of confidence.py are treated rightly, weighed as its fit weighs them."""
    rows = json.loads(observed.read_text(encoding="utf-8"))
    weighted(rows)
    best = [max(r, key=lambda row: sum(answering._RANKING[n] * row[n] for n in answering.RANKED_BY)) for r in rows]
    cosine, right, silent, weight = (
        np.array([row[k] for row in best]) for k in ("cosine", "right", "silent", "weight")
    )
    return max(
        np.arange(0, 1, 0.01), key=lambda t: float(np.average(np.where(cosine >= t, right, silent), weights=weight))
    )


def draw(folder: Path, name: str, curves: dict[str, tuple[Sequence[float], Sequence[bool]]], reliable: str) -> None:
    """The reliability diagram of one curve and the risk-coverage curves of all, side by side in one SVG file."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "assistant"
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    diagnosis = diagnose(*curves[reliable])
    left.plot((0, 1), (0, 1), color="0.7", linewidth=1)
    left.plot([b.probability for b in diagnosis.bins], [b.right for b in diagnosis.bins], "o-", color="#2b6cb0")
    for b in diagnosis.bins:
        left.annotate(str(b.count), (b.probability, b.right), textcoords="offset points", xytext=(5, -11), fontsize=7)
    left.set(xlabel="confidence given", ylabel="share that was right", xlim=(0, 1), ylim=(0, 1))
    left.set_title(f"Reliability (with counts); calibration error {diagnosis.calibration_error:.3f}", fontsize=9)
    for label, (sure, correct) in curves.items():
        found = diagnose([1 / (1 + np.exp(-s)) for s in sure] if min(sure) < 0 else sure, correct)
        right.plot(found.coverage, found.risk, label=f"{label} ({found.area:.3f})", linewidth=1.4)
    right.set(xlabel="coverage: share of questions answered", ylabel="risk: share of answers wrong", xlim=(0, 1))
    right.set_title("Risk and coverage (area)", fontsize=9)
    right.legend(fontsize=7)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--squad", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="the --work of retrieval.py and confidence.py")
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--pictures", type=Path, help="folder for the pictures")
    options = parser.parse_args()
    settings = Settings(corpus=options.work / "squad", index=options.work / f"squad-index-{Settings.passage_words}")
    every = [q for q in squad.load(options.squad / "eval-v2.0.json.gz") if content_words(q.question)]
    sample = random.Random(1).sample(every, min(options.questions, len(every)))
    with Assistant.open(settings=settings) as assistant:
        seen = [look(assistant, asked) for asked in track(sample, "asking")]
    answerable = [s for s in seen if s.asked.answers]
    print(f"\n{len(answerable)} questions with an answer, over {settings.corpus.name}\n\n| | EM | F1 |\n|---|---|---|")
    for name, variant in ANSWERED.items():
        exact, overlap = np.mean([scores(s.asked, variant(s)) for s in answerable], axis=0)
        print(f"| {name} | {100 * exact:.1f} | {100 * overlap:.1f} |")

    given = [ANSWERED["the product"](s) for s in seen]
    right = [is_right(s.asked, g) for s, g in zip(seen, given, strict=True)]
    cosine = np.array([max(hit.dense for hit in s.pool) for s in seen])
    fitted = fitted_cosine(options.work / "observed.json")
    sure = np.array([g.sure for g in given])
    ways = {
        "the product's confidence": (sure, SHIPPED.threshold),
        f"cosine similarity, fitted threshold {fitted:.2f}": (cosine, fitted),
        f"cosine similarity, {COSINE}": (cosine, COSINE),
    }
    unanswerable = np.array([not s.asked.answers for s in seen])
    print(f"\n{len(seen)} questions, {unanswerable.sum()} without an answer; the same words are given or held back\n")
    print("| | area under risk-coverage | unanswerable: precision | recall | F1 |\n|---|---|---|---|---|")
    for name, (value, threshold) in ways.items():
        figures = silence(unanswerable, value < threshold)
        area = diagnose(list(value), right).area
        print(f"| {name} | {area:.3f} | " + " | ".join(f"{figure:.3f}" for figure in figures) + " |")
    found = diagnose(list(sure), right)
    print(f"\nconfidence: Brier {found.brier:.3f}, calibration error {found.calibration_error:.3f}")
    if options.pictures:
        curves = {"confidence": (list(sure), right), "cosine similarity": (list(cosine), right)}
        draw(options.pictures, "confidence", curves, "confidence")


if __name__ == "__main__":
    main()
