"""Results -> Report: the metrics of each stage, counts by tag, and everything as JSON values.

Means are weighted by the cases' weights. A metric that no case measures is None, never 0 or 1.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assistant.calibration import Bin, Diagnosis, diagnose
from assistant.evaluation.scoring import ERROR, STAGES, Result, exact_spans, expected, holds_quote
from assistant.schema import Answer

METRICS = {
    "answer": "cases that are right",
    "hit@1": "evidence in the first passage",
    "hit@5": "evidence in the first 5 passages",
    "hit@20": "evidence in the first 20 passages",
    "mrr": "mean of 1 / place of the first evidence",
    "words": "answerable cases whose words are right, held back or not",
    "em": "words that are an expected answer exactly (SQuAD)",
    "f1": "token F1 of words and expected answer (SQuAD)",
    "cited": "answers that cite an expected article",
    "quoted": "answers that cite the expected words",
    "exact": "answers whose quotes are their articles' own text",
    "abstain_precision": "silences that were right",
    "abstain_recall": "cases that want silence and got it",
    "abstain_f1": "harmonic mean of the two",
    "brier": "mean squared error of the confidence; lower is better",
    "ece": "expected calibration error, ten bins; lower is better",
    "p50": "median time of an answer in ms; lower is better",
    "p95": "time in ms that 95 of 100 answers take at most; lower is better",
}
"""Name -> meaning. They are taken where a threshold names a metric, beside tag:NAME."""
LOWER_IS_BETTER = ("brier", "ece", "p50", "p95")
BY_STAGE = {
    "all": ("answer",),
    "retrieval": ("hit@1", "hit@5", "hit@20", "mrr"),
    "reading": ("words", "em", "f1"),
    "citation": ("cited", "quoted", "exact"),
    "abstention": ("abstain_precision", "abstain_recall", "abstain_f1"),
    "calibration": ("brier", "ece"),
    "latency": ("p50", "p95"),
}
_DIGITS = 4


@dataclass(frozen=True)
class MadeWith:
    """What answers depend on, besides the questions."""

    corpus: str
    """Hash of all articles."""
    articles: int
    models: Mapping[str, str]
    settings: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return {
            "corpus": self.corpus,
            "articles": self.articles,
            "models": dict(self.models),
            "settings": dict(self.settings),
        }


@dataclass(frozen=True)
class Report:
    """What became of the cases, in their order."""

    results: tuple[Result, ...]
    made_with: MadeWith
    seconds: Mapping[str, float]
    """How long each case's answer took, by the case's id."""

    @property
    def counted(self) -> list[Result]:
        """All but drafts and stale cases."""
        return [result for result in self.results if result.counted]

    @property
    def failed(self) -> list[Result]:
        return [result for result in self.counted if not result.right]

    @property
    def errors(self) -> list[Result]:
        return [result for result in self.results if result.stage == ERROR]

    @functools.cached_property
    def metrics(self) -> dict[str, float | None]:
        """By the names of METRICS."""
        asked = [(r, r.answer) for r in self.counted if r.answer]
        return {
            "answer": _mean((r, r.right) for r in self.counted),
            **_retrieval(asked),
            **_reading(asked),
            **_citation(asked),
            **_abstention(asked),
            "brier": self._diagnosis.brier if self._diagnosis else None,
            "ece": self._diagnosis.calibration_error if self._diagnosis else None,
            **{f"p{share}": self._latency(share) for share in (50, 95)},
        }

    @functools.cached_property
    def tags(self) -> dict[str, tuple[int, int, float]]:
        """Tag -> right, counted, weighted share that is right."""
        found: dict[str, list[Result]] = {}
        for result in self.counted:
            for tag in result.case.tags:
                found.setdefault(tag, []).append(result)
        return {
            tag: (sum(r.right for r in results), len(results), _mean((r, r.right) for r in results) or 0.0)
            for tag, results in sorted(found.items())
        }

    @functools.cached_property
    def stages(self) -> dict[str, int]:
        """How many results ended at each of STAGES."""
        counts = Counter(result.stage for result in self.results)
        return {stage: counts[stage] for stage in STAGES}

    @functools.cached_property
    def _diagnosis(self) -> Diagnosis | None:
        """None if no case was asked."""
        asked = [(r, r.answer.confidence) for r in self.counted if r.answer]
        if not asked:
            return None
        return diagnose(
            [sure for _, sure in asked],
            [r.words for r, _ in asked],
            weights=[r.case.weight for r, _ in asked],
        )

    @property
    def reliability(self) -> tuple[Bin, ...]:
        """Bins of confidence that hold answers, lowest first: how sure the assistant was, how often its words held.

        What it held back counts too. In a case that wants silence no words are right.
        """
        return self._diagnosis.bins if self._diagnosis else ()

    def about(self, name: str) -> str:
        """The meaning of a metric; of what was not read no place is known."""
        read = self.made_with.settings.get("read")
        depth = int(name.removeprefix("hit@")) if name.startswith("hit@") else 0
        return METRICS[name] + (f"; only {read} are read, so this is hit@{read}" if read and read < depth else "")

    def _latency(self, share: int) -> float | None:
        """Milliseconds, by nearest rank."""
        times = sorted(self.seconds[r.case.id] for r in self.counted if r.answer)
        return 1000 * times[math.ceil(share / 100 * len(times)) - 1] if times else None

    def to_dict(self) -> dict[str, Any]:
        """JSON values; whatever differs between two runs of the same stands under `timings_ms`."""
        latency = {name: value and round(value, 1) for name, value in self.metrics.items() if name in ("p50", "p95")}
        return {
            "summary": {
                "cases": len(self.results),
                "counted": len(self.counted),
                "right": sum(result.right for result in self.results),
                "failed": len(self.failed),
                "errors": len(self.errors),
            },
            "metrics": {
                name: value if value is None else round(value, _DIGITS)
                for name, value in self.metrics.items()
                if name not in latency
            },
            "tags": {
                tag: {"right": right, "cases": count, "share": round(share, _DIGITS)}
                for tag, (right, count, share) in self.tags.items()
            },
            "stages": self.stages,
            "reliability": [
                {"count": b.count, "confidence": round(b.probability, _DIGITS), "right": round(b.right, _DIGITS)}
                for b in self.reliability
            ],
            "made_with": self.made_with.to_dict(),
            "cases": [_to_dict(result) for result in self.results],
            "timings_ms": {**latency, "cases": {id_: round(1000 * s, 1) for id_, s in self.seconds.items()}},
        }


def _to_dict(result: Result) -> dict[str, Any]:
    case, answer = result.case, result.answer
    found: dict[str, Any] = {
        "id": case.id,
        "file": case.path,
        "line": case.line,
        "question": case.question,
        "tags": list(case.tags),
        "weight": case.weight,
        "stage": result.stage,
        "right": result.right,
        "expected": expected(case),
        "given": result.given,
        "detail": result.detail,
    }
    if answer:
        found |= {
            "asked": answer.asked,
            "abstained": answer.abstained,
            "reason": answer.reason,
            "confidence": round(answer.confidence, _DIGITS),
            "words_right": result.words,
            "rank": result.rank,
            "exact": result.exact,
            "f1": None if result.f1 is None else round(result.f1, _DIGITS),
            "citations": [citation.to_dict() for citation in answer.citations],
        }
    return found


_Asked = Sequence[tuple[Result, Answer]]


def _mean(values: Iterable[tuple[Result, float]]) -> float | None:
    """Weighted by the cases' weights."""
    pairs = [(result.case.weight, float(value)) for result, value in values]
    total = math.fsum(weight for weight, _ in pairs)
    return math.fsum(weight * value for weight, value in pairs) / total if total else None


def _retrieval(asked: _Asked) -> dict[str, float | None]:
    sought = [result for result, _ in asked if result.case.traceable and not result.case.abstain]

    def within(depth: int) -> float | None:
        return _mean((r, r.rank is not None and r.rank <= depth) for r in sought)

    return {
        **{f"hit@{depth}": within(depth) for depth in (1, 5, 20)},
        "mrr": _mean((r, 1 / r.rank if r.rank else 0.0) for r in sought),
    }


def _reading(asked: _Asked) -> dict[str, float | None]:
    results = [result for result, _ in asked]
    return {
        "words": _mean((r, r.words) for r in results if not r.case.abstain),
        "em": _mean((r, r.exact) for r in results if r.exact is not None),
        "f1": _mean((r, r.f1) for r in results if r.f1 is not None),
    }


def _citation(asked: _Asked) -> dict[str, float | None]:
    answered = [(result, answer) for result, answer in asked if not answer.abstained]

    def share(test: Callable[[Result, Answer], bool], wanted: Callable[[Result], bool]) -> float | None:
        return _mean((r, test(r, a)) for r, a in answered if wanted(r))

    return {
        "cited": share(lambda r, a: bool(r.cited), lambda r: r.cited is not None),
        "quoted": share(lambda r, a: holds_quote(r.case, a), lambda r: bool(r.case.quote)),
        "exact": share(lambda r, a: exact_spans(a), lambda r: True),
    }


def _abstention(asked: _Asked) -> dict[str, float | None]:
    precision = _mean((r, r.case.abstain) for r, answer in asked if answer.abstained)
    recall = _mean((r, answer.abstained) for r, answer in asked if r.case.abstain)
    f1 = None
    if recall is not None:
        f1 = 2 * precision * recall / (precision + recall) if precision and recall else 0.0
    return {"abstain_precision": precision, "abstain_recall": recall, "abstain_f1": f1}
