"""How well retrieval finds the right article: dense alone, lexical alone, both fused; a table and a JSON file.

    python tests/benchmarks/retrieval.py --squad DIR     DIR holds paragraphs.json.gz, eval-v2.0.json.gz and,
                                                         to choose the weight (--tune), train-v1.1.json.gz

The regression set's corpus is measured always; SQuAD's 21,085 paragraphs where --squad names them. A question
counts as found at k if one of the k best different articles is (one of) the right one(s).
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import squad
import yaml
from rich.progress import track

from assistant import Assistant, Hit, Settings, Turn
from assistant.conversation import standalone
from assistant.retrieval import fuse, fuse_ranks
from assistant.words import content_words

ROOT = Path(__file__).parents[2]
Ranking = Callable[[Sequence[Hit]], list[Hit]]


def ranked(hits: Sequence[Hit], score: Callable[[Hit], float]) -> list[Hit]:
    return sorted(hits, key=lambda hit: (-score(hit), hit.passage.id))


def by_dense(hits: Sequence[Hit]) -> list[Hit]:
    """What dense search alone returns: the pool holds its 50 best, with their exact similarities."""
    return ranked(hits, lambda hit: hit.dense)[: Settings.candidates]


def by_lexical(hits: Sequence[Hit]) -> list[Hit]:
    return ranked([hit for hit in hits if hit.lexical > 0], lambda hit: hit.lexical)[: Settings.candidates]


def by_both(weight: float) -> Ranking:
    def ranking(hits: Sequence[Hit]) -> list[Hit]:
        dense, lexical = ({hit.passage.id: getattr(hit, part) for hit in hits} for part in ("dense", "lexical"))
        scores = fuse(dense, lexical, weight)
        return ranked(hits, lambda hit: scores[hit.passage.id])

    return ranking


def by_ranks(hits: Sequence[Hit]) -> list[Hit]:
    scores = fuse_ranks(*([hit.passage.id for hit in ranking(hits)] for ranking in (by_dense, by_lexical)))
    return ranked([hit for hit in hits if hit.passage.id in scores], lambda hit: scores[hit.passage.id])


def article_rank(ranking: Ranking, hits: Sequence[Hit], right: set[str]) -> int | None:
    """Rank, from 1, of the first right article among the different articles in the ranking."""
    order = list(dict.fromkeys(hit.article.location for hit in ranking(hits)))
    return next((rank for rank, name in enumerate(order, 1) if name in right), None)


def pool(assistant: Assistant, question: str) -> list[Hit]:
    """All candidates of both searches, as the product gathers them."""
    return assistant._index().pool(question, Settings.candidates)


def figures(ranks: Iterable[int | None]) -> dict[str, float]:
    ranks = list(ranks)
    found = {f"recall@{k}": sum(rank is not None and rank <= k for rank in ranks) / len(ranks) for k in (1, 5, 20)}
    return {**found, "mrr": statistics.fmean(1 / rank if rank else 0.0 for rank in ranks)}


def measure(assistant: Assistant, asked: Sequence[tuple[str, set[str]]], weight: float) -> dict[str, dict[str, float]]:
    rankings: dict[str, Ranking] = {
        "dense alone": by_dense,
        "lexical alone": by_lexical,
        "reciprocal ranks": by_ranks,
        f"fused ({weight:g} dense)": by_both(weight),
    }
    ranks: dict[str, list[int | None]] = {name: [] for name in rankings}
    for question, right in track(asked, description="asking"):
        hits = pool(assistant, question)
        for name, ranking in rankings.items():
            ranks[name].append(article_rank(ranking, hits, right))
    return {name: figures(values) for name, values in ranks.items()}


def tune(assistant: Assistant, asked: Sequence[tuple[str, set[str]]]) -> float:
    """The dense weight with the best MRR, in steps of .1. Never given the questions that are reported on."""
    weights = [step / 10 for step in range(11)]
    ranks: dict[float, list[int | None]] = {weight: [] for weight in weights}
    for question, right in track(asked, description="tuning"):
        hits = pool(assistant, question)
        for weight in weights:
            ranks[weight].append(article_rank(by_both(weight), hits, right))
    mrr = {weight: figures(values)["mrr"] for weight, values in ranks.items()}
    print("MRR by dense weight:", {weight: round(value, 4) for weight, value in mrr.items()})
    return max(weights, key=lambda weight: mrr[weight])


def regression_questions() -> list[tuple[str, set[str]]]:
    cases = yaml.safe_load((ROOT / "tests/regression/huawei.yaml").read_text(encoding="utf-8"))["cases"]
    asked = []
    for case in cases:
        if case.get("articles"):
            turns = [Turn(turn["question"], turn.get("answer", "")) for turn in case.get("history", [])]
            asked.append((standalone(case["question"], turns), set(case["articles"])))
    return asked


def squad_questions(path: Path, names: dict[str, str], limit: int) -> list[tuple[str, set[str]]]:
    answerable = [q for q in squad.load(path) if q.answers and content_words(q.question)]
    asked = [
        (q.question, {names[" ".join(q.paragraph.split())]})
        for q in answerable
        if " ".join(q.paragraph.split()) in names
    ]
    return random.Random(1).sample(asked, min(limit, len(asked)))


def table(name: str, count: int, rows: dict[str, dict[str, float]]) -> str:
    lines = [
        f"\n{name}, {count:,} questions",
        "",
        "| | recall@1 | recall@5 | recall@20 | MRR |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row} | " + " | ".join(f"{value:.3f}" for value in values.values()) + " |" for row, values in rows.items()
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--squad", type=Path, help="folder with the SQuAD files")
    parser.add_argument("--work", type=Path, help="folder to keep the corpus and index in (default: a temporary one)")
    parser.add_argument("--questions", type=int, default=3000, help="at most so many SQuAD questions")
    parser.add_argument("--tune", type=int, default=0, metavar="N", help="choose the weight on N training questions")
    parser.add_argument("--passage-words", type=int, default=Settings.passage_words)
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    weight = Settings.dense_weight
    results: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        if options.squad:
            names = squad.write_corpus(options.squad / "paragraphs.json.gz", work / "squad")
            settings = Settings(
                corpus=work / "squad",
                index=work / f"squad-index-{options.passage_words}",
                passage_words=options.passage_words,
            )
            with Assistant.open(settings=settings) as assistant:
                started = time.monotonic()
                report = assistant.sync(
                    progress=lambda step, done, total: (
                        print(f"\r{step} {done:,}/{total:,}", end="  ", flush=True) if done % 500 == 0 else None
                    )
                )
                print(
                    f"\n{report.articles:,} articles, {report.passages:,} passages in {time.monotonic() - started:.0f} s"
                )
                if options.tune:
                    weight = tune(assistant, squad_questions(options.squad / "train-v1.1.json.gz", names, options.tune))
                asked = squad_questions(options.squad / "eval-v2.0.json.gz", names, options.questions)
                results["squad"] = measure(assistant, asked, weight)
                print(table("SQuAD paragraphs", len(asked), results["squad"]))
        settings = Settings(
            corpus=ROOT / "corpus",
            index=Path(temporary) / "corpus-index",
            passage_words=options.passage_words,
        )
        with Assistant.open(settings=settings) as assistant:
            assistant.sync()
            asked = regression_questions()
            results["regression set"] = measure(assistant, asked, weight)
            print(table("Regression set", len(asked), results["regression set"]))
    if options.json:
        options.json.write_text(json.dumps({"dense_weight": weight, **results}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
