"""Fits the confidence: how sure the assistant may be, from what it saw of a question.

    python tests/benchmarks/confidence.py --squad DIR --work DIR

Asks questions that the reader was not trained on (held-out articles) of the index that retrieval.py left in --work,
among them adversarial unanswerable ones and ones with a name or year of another article put in, and fits two logistic
regressions: one over all passages read, which ranks them, and one over the best passage, which gives the probability.
Prints the constants of assistant/answering.py. Never uses eval-v2.0.json.gz or the regression set.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import squad
from rich.progress import track
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold

from assistant import Assistant, Settings, answering
from assistant.assistant import _Clock
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
EXPECTED = {"answerable": 0.75, "adversarial": 0.1, "swapped": 0.15}
"""Shares among the questions asked here, and among those of a user; the fit weighs the first up to the second.

The second is an assumption: most questions have an answer in the articles that they are put to, and few of the others
are as cunning as the adversarial ones.
"""


def tokens(text: str) -> list[str]:
    return re.sub(r"\b(a|an|the)\b", " ", re.sub(r"[^\w\s]", "", text.lower())).split()


def f1(given: str, gold: str) -> float:
    a, b = tokens(given), tokens(gold)
    same = sum((Counter(a) & Counter(b)).values())
    return 2 * same / (len(a) + len(b)) if same else 0.0


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


def observe(assistant: Assistant, kind: str, asked: squad.Asked) -> list[dict[str, float]]:
    """What the assistant saw in each passage it read, best first, and whether its words were right."""
    _, evidence, _ = assistant._gather(assistant._index(), asked.question, Filter(), _Clock())
    return [
        {
            **answering.features(e),
            "weight": EXPECTED[kind] / SAMPLED[kind],
            "right": float(max((f1(e.span.text, gold) for gold in asked.answers), default=0.0) >= 0.6),
        }
        for e in evidence
    ]


def fit(rows: Sequence[dict[str, float]], names: Sequence[str]) -> tuple[dict[str, float], np.ndarray]:
    """Constants by name, and for each row the probability from a fit to the other four fifths."""
    x = np.array([[row[name] for name in names] for row in rows])
    y, weights = (np.array([row[name] for row in rows]) for name in ("right", "weight"))
    model = LogisticRegression(C=10.0, max_iter=2000)
    apart = np.zeros(len(rows))
    for train, test in KFold(5, shuffle=True, random_state=1).split(x):
        apart[test] = model.fit(x[train], y[train], weights[train]).predict_proba(x[test])[:, 1]
    share = np.average(y, weights=weights)
    print(f"{len(rows):,} rows, {share:.3f} right, AUROC {roc_auc_score(y, apart, sample_weight=weights):.3f}")
    model.fit(x, y, weights)
    constants = {"bias": model.intercept_[0], **dict(zip(names, model.coef_[0], strict=True))}
    return {name: round(float(value), 3) for name, value in constants.items()}, apart


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--squad", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="the --work of retrieval.py")
    parser.add_argument("--count", type=int, default=1200)
    parser.add_argument("--observed", type=Path, help="keep what was seen there; read instead of asking if it exists")
    options = parser.parse_args()
    if options.observed and options.observed.exists():
        observed = json.loads(options.observed.read_text())
    else:
        settings = Settings(corpus=options.work / "squad", index=options.work / f"squad-index-{Settings.passage_words}")
        questions = gather_questions(options.squad, options.count, random.Random(7))
        with Assistant.open(settings=settings) as assistant:
            observed = [seen for kind, q in track(questions) if (seen := observe(assistant, kind, q))]
        if options.observed:
            options.observed.write_text(json.dumps(observed))
    ranking, _ = fit([row for rows in observed for row in rows], answering.RANKED_BY)
    print("Ranking:", json.dumps(ranking))

    def rank(row: dict[str, float]) -> float:
        return sum(ranking[name] * row[name] for name in answering.RANKED_BY)

    best = [max(rows, key=rank) for rows in observed]
    sure, probabilities = fit(best, answering.RANKED_BY)
    print("Confidence:", json.dumps(sure))
    right, weight = (np.array([row[name] for row in best]) for name in ("right", "weight"))
    for low in np.arange(0, 1, 0.1):
        inside = (probabilities >= low) & (probabilities < low + 0.1)
        if inside.any():
            print(
                f"{low:.1f}-{low + 0.1:.1f}: {inside.sum():4d} questions, "
                f"{np.average(right[inside], weights=weight[inside]):.2f} right"
            )


if __name__ == "__main__":
    main()
