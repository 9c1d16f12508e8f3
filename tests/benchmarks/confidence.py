"""Fits the confidence: how sure the assistant may be, from what it saw of a question.

    python tests/benchmarks/confidence.py --squad DIR --work DIR

Asks two kinds of questions that the reader was not trained on: those of the calibration collection (made-up news, see
news.py), and those of SQuAD's held-out articles, put to the index that retrieval.py left in --work, among them
adversarial unanswerable ones and ones with a name or year of another article put in. Fits two logistic regressions: one
over all passages read, which ranks them, and one over the best passage, which gives the probability. Prints the
constants of assistant/answering.py and calibration.py. Never uses eval-v2.0.json.gz or the regression set.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import news
import numpy as np
import squad
from rich.progress import track
from scipy.special import expit
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from assistant import Assistant, Settings, answering, calibration
from assistant.assistant import _Clock
from assistant.evaluation.scoring import token_f1
from assistant.questions import anchors
from assistant.schema import Filter
from assistant.words import content_words

HELD_OUT = {
    "negatives-train.json.gz": ["European_Union_law", "Normans", "Prime_number", "Yuan_dynasty"],
    "train-v1.1.json.gz": [
        "Anti-aircraft_warfare",
        "Arena_Football_League",
        "British_Empire",
        "Catalan_language",
        "Ottoman_Empire",
    ],
}
"""As tools/reader/ left them out of the training."""


SAMPLED = {"answerable": 0.5, "adversarial": 0.2, "swapped": 0.3}
"""Shares among the questions asked of SQuAD's paragraphs."""

NEWS_SHARE = 0.6
ANSWERABLE = 0.75
"""Shares of the fit's weight: of the calibration collection, and of the questions that have an answer.

Both are assumptions about a user's questions: most are like the collection's, and have an answer in the articles that
they are put to.
"""


def gather_questions(folder: Path, count: int, chance: random.Random) -> list[tuple[str, squad.Asked]]:
    """(kind, question): `count` of them, in the shares of SAMPLED."""
    pools = [
        [q for q in squad.load(folder / name) if q.title in titles and content_words(q.question)]
        for name, titles in HELD_OUT.items()
    ]
    answerable = [q for pool in pools for q in pool if q.answers]
    found = {
        "answerable": answerable,
        "adversarial": [q for pool in pools for q in pool if not q.answers],
        "swapped": [s for q in chance.sample(answerable, len(answerable)) if (s := swap(q, answerable, chance))],
    }
    return [
        (kind, asked)
        for kind, share in SAMPLED.items()
        for asked in chance.sample(found[kind], min(int(share * count), len(found[kind])))
    ]


def swap(asked: squad.Asked, others: Sequence[squad.Asked], chance: random.Random) -> squad.Asked | None:
    """The question with one name or year replaced by one of the same kind from another article's question."""
    own = anchors(asked.question)
    for other in chance.sample(others, 30):
        for name in anchors(other.question):
            for mine in own:
                if (
                    other.title != asked.title
                    and name.kind == mine.kind
                    and name.text.lower() not in asked.paragraph.lower()
                ):
                    question = asked.question[: mine.start] + name.text + asked.question[mine.end :]
                    return squad.Asked(question, asked.title, asked.paragraph, ())
    return None


def observe(assistant: Assistant, kind: str, asked: squad.Asked) -> list[dict[str, float | str]]:
    """What the assistant saw in each passage it read, best first, and whether its words were right."""
    hits, evidence, _ = assistant._gather(assistant._index(), asked.question, Filter(), _Clock())
    cosine = max(hit.dense for hit in hits)
    return [
        {
            **answering.features(e),
            "kind": kind,
            "silent": float(not asked.answers),
            "cosine": cosine,
            "right": float(is_right(e, asked)),
        }
        for e in evidence
    ]


def is_right(evidence: answering.Evidence, asked: squad.Asked) -> bool:
    """A short answer shares three fifths of its words with a gold one; a sentence holds a gold one."""
    if any(token_f1(evidence.span.text, gold) >= 0.6 for gold in asked.answers):
        return True
    sentence = answering.sentence_around(evidence.hit.text, evidence.span).lower()
    return evidence.explains and any(gold.lower() in sentence for gold in asked.answers)


def fit(rows: Sequence[dict[str, float]], names: Sequence[str]) -> tuple[dict[str, float], np.ndarray]:
    """Constants by name, and for each row the probability from a fit to the other four fifths."""
    x = np.array([[1.0, *(row[name] for name in names)] for row in rows])
    y, weights = (np.array([row[name] for row in rows]) for name in ("right", "weight"))
    apart = np.zeros(len(rows))
    # A question's passages stay together: its best and its next-best are no two independent cases.
    for train, test in GroupKFold(5, shuffle=True, random_state=1).split(x, groups=[row["question"] for row in rows]):
        apart[test] = expit(x[test] @ logistic(x[train], y[train], weights[train], names))
    share = np.average(y, weights=weights)
    print(f"{len(rows):,} rows, {share:.3f} right, AUROC {roc_auc_score(y, apart, sample_weight=weights):.3f}")
    constants = logistic(x, y, weights, names)
    return {name: round(float(value), 3) for name, value in zip(("bias", *names), constants, strict=True)}, apart


def logistic(x: np.ndarray, y: np.ndarray, weights: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """From nothing, so the weights are held near 0, loosely, and the bias not at all."""
    start = np.zeros(x.shape[1])
    return calibration.regression(x, y, names, start, np.array([0.0, *[0.1] * len(names)]), weights)


def weighted(observed: Sequence[list[dict[str, float]]]) -> None:
    """Adds each row's weight: what NEWS_SHARE and ANSWERABLE make of its question's kind."""
    counts = Counter((rows[0]["kind"] == "news", rows[0]["silent"]) for rows in observed)
    for rows in observed:
        is_news, silent = rows[0]["kind"] == "news", rows[0]["silent"]
        share = (NEWS_SHARE if is_news else 1 - NEWS_SHARE) * (1 - ANSWERABLE if silent else ANSWERABLE)
        for row in rows:
            row["weight"] = len(observed) * share / counts[is_news, silent]


def ask_all(options: argparse.Namespace) -> Iterable[list[dict[str, float]]]:
    with tempfile.TemporaryDirectory() as folder:
        news.write_corpus(Path(folder) / "corpus")
        with Assistant.open(Path(folder) / "corpus", Path(folder) / "index") as assistant:
            assistant.sync()
            for asked in track(news.load(), "news"):
                yield observe(assistant, "news", asked)
    settings = Settings(corpus=options.work / "squad", index=options.work / f"squad-index-{Settings.passage_words}")
    questions = gather_questions(options.squad, options.count, random.Random(7))
    with Assistant.open(settings=settings) as assistant:
        for kind, asked in track(questions, "SQuAD"):
            yield observe(assistant, kind, asked)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--squad", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="the --work of retrieval.py")
    parser.add_argument("--count", type=int, default=800, help="questions asked of SQuAD's paragraphs")
    parser.add_argument("--refit", action="store_true", help="fit again to what was seen the last time")
    options = parser.parse_args()
    kept = options.work / "observed.json"
    if options.refit:
        observed = json.loads(kept.read_text())
    else:
        observed = [rows for rows in ask_all(options) if rows]
        kept.write_text(json.dumps(observed))
    weighted(observed)
    for number, rows in enumerate(observed):
        for row in rows:
            row["question"] = number
    ranking, _ = fit([row for rows in observed for row in rows], answering.RANKED_BY)
    print("Ranking:", json.dumps(ranking))

    def rank(row: dict[str, float]) -> float:
        return sum(ranking[name] * row[name] for name in answering.RANKED_BY)

    best = [max(rows, key=rank) for rows in observed]
    sure, probabilities = fit(best, answering.RANKED_BY)
    print("Confidence:", json.dumps(sure))
    right, weight = (np.array([row[name] for row in best]) for name in ("right", "weight"))
    silent = np.array([row["silent"] for row in best])
    for name, inside in (("news", True), ("SQuAD", False)):
        these = np.array([(row["kind"] == "news") is inside for row in best])
        auroc = roc_auc_score(right[these], probabilities[these])
        answerable = np.average(right[these & (silent == 0)])
        print(
            f"{name}: {these.sum()} questions, AUROC {auroc:.3f}, best words right for {answerable:.3f} of the answerable"
        )
    thresholds = np.arange(0.2, 0.71, 0.05)
    good = [np.average(np.where(probabilities >= t, right, silent), weights=weight) for t in thresholds]
    print("Answered rightly, or rightly not answered, by threshold:")
    print({round(float(t), 2): round(float(share), 3) for t, share in zip(thresholds, good, strict=True)})
    for low in np.arange(0, 1, 0.1):
        inside = (probabilities >= low) & (probabilities < low + 0.1)
        if inside.any():
            print(
                f"{low:.1f}-{low + 0.1:.1f}: {inside.sum():4d} questions, "
                f"{np.average(right[inside], weights=weight[inside]):.2f} right"
            )


if __name__ == "__main__":
    main()
