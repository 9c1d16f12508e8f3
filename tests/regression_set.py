"""The regression set's cases -> right or wrong, with the stage that failed. Until `assistant eval` does it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from assistant import Answer, Assistant, Turn

PATH = Path(__file__).parent / "regression" / "huawei.yaml"

_APPROXIMATE = re.compile(r"^(?:more than|nearly|about|over|around|almost|roughly|some|at least|a|an|the)\s+")


@dataclass(frozen=True)
class Case:
    id: str
    question: str
    history: tuple[Turn, ...]
    answers: tuple[str, ...]
    articles: tuple[str, ...]
    quotes: tuple[str, ...]
    abstain: bool
    tags: tuple[str, ...]


def load(path: Path = PATH) -> list[Case]:
    rows = yaml.safe_load(path.read_text(encoding="utf-8"))["cases"]
    return [
        Case(
            id=row["id"],
            question=row["question"],
            history=tuple(Turn(turn["question"], turn.get("answer", "")) for turn in row.get("history", [])),
            answers=tuple(row.get("answers", [])),
            articles=tuple(row.get("articles", [])),
            quotes=(row["quote"],) if isinstance(row.get("quote"), str) else tuple(row.get("quote", [])),
            abstain=row.get("abstain", False),
            tags=tuple(row["tags"]),
        )
        for row in rows
    ]


def normalised(text: str) -> str:
    """Lower case, without punctuation at the ends, articles and words of approximation in front."""
    text = re.sub(r"[“”\"‘]", "", text.lower().replace("’", "'")).strip(" .,;:!?'()")
    while (shorter := _APPROXIMATE.sub("", text)) != text:
        text = shorter
    return " ".join(text.split())


def failure(case: Case, answer: Answer) -> str:  # noqa: PLR0911 a line per stage
    """The stage that failed; nothing if the answer is right."""
    if case.abstain:
        return "" if answer.abstained else "answered though silent"
    found = {hit.article.location for hit in answer.hits}
    if case.articles and not found & set(case.articles):
        return "not retrieved"
    if answer.abstained:
        return "abstained wrongly"
    if case.answers and normalised(answer.short or "") not in {normalised(a) for a in case.answers}:
        return "read but wrong"
    if case.articles and not {c.article.location for c in answer.citations} & set(case.articles):
        return "wrong article cited"
    if case.quotes and not any(q.lower() in c.quote.lower() for q in case.quotes for c in answer.citations):
        return "other sentences cited"
    return ""


def run(assistant: Assistant, cases: Iterable[Case]) -> dict[str, tuple[Case, Answer, str]]:
    results = {}
    for case in cases:
        answer = assistant.ask(case.question, case.history)
        results[case.id] = (case, answer, failure(case, answer))
    return results


def summary(results: dict[str, tuple[Case, Answer, str]]) -> dict[str, tuple[int, int]]:
    """Tag -> (right, all)."""
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for case, _, failed in results.values():
        for tag in (*case.tags, "all"):
            total[tag] += 1
            right[tag] += not failed
    return {tag: (right[tag], total[tag]) for tag in total}


if __name__ == "__main__":
    with Assistant.open() as opened:
        opened.sync()
        outcome = run(opened, load())
    for case, answer, failed in outcome.values():
        if failed:
            print(f"{failed:<22} {case.id:<32} {case.question!r} -> {answer.short!r} ({answer.confidence:.2f})")
    print(Counter(failed or "right" for _, _, failed in outcome.values()))
    for tag, (good, count) in summary(outcome).items():
        print(f"{tag:<14} {good}/{count}")
