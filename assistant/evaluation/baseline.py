"""A Report -> a file to compare with, and a Report and such a file -> what changed, pairwise."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from assistant.errors import InvalidBaseline
from assistant.evaluation.cases import Case
from assistant.evaluation.report import MadeWith, Report
from assistant.evaluation.scoring import FAILURES, RIGHT, STAGES, Result

FORMAT = 1
_SIZE_LIMIT = 100_000_000
_ABOUT_NO_ANSWER = ("path", "line", "tags", "weight", "draft")
"""Fields of a case that change nothing in what is asked or expected."""


@dataclass(frozen=True)
class Change:
    """A case that ended at another stage than in the baseline."""

    result: Result
    was: str
    """Its stage in the baseline."""
    gave: str
    """The words that were given then."""

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.result.case.id,
            "was": self.was,
            "now": self.result.stage,
            "gave": self.gave,
            "gives": self.result.given,
            "detail": self.result.detail,
        }


@dataclass(frozen=True)
class Comparison:
    """Of the cases that the baseline and the report both counted and that ask and expect the same in both."""

    pairs: int
    broke: tuple[Change, ...]
    """Right in the baseline, wrong now: the regressions."""
    mended: tuple[Change, ...]
    moved: tuple[Change, ...]
    """Wrong in both, at different stages."""
    new: tuple[str, ...]
    """Ids that the baseline did not count."""
    gone: tuple[str, ...]
    """Ids that only the baseline counted."""
    rewritten: tuple[str, ...]
    """Ids of cases that ask or expect something else now."""
    differences: tuple[str, ...]
    """In corpus, models and settings, a line each."""
    metrics: Mapping[str, float | None]
    """Of the baseline."""

    @property
    def p_value(self) -> float:
        """Two-sided exact McNemar test: how likely chance alone splits the flips at least this unevenly."""
        return mcnemar(len(self.broke), len(self.mended))

    def to_dict(self) -> dict[str, Any]:
        return {
            "pairs": self.pairs,
            "broke": [change.to_dict() for change in self.broke],
            "mended": [change.to_dict() for change in self.mended],
            "moved": [change.to_dict() for change in self.moved],
            "new": list(self.new),
            "gone": list(self.gone),
            "rewritten": list(self.rewritten),
            "differences": list(self.differences),
            "p_value": float(f"{self.p_value:.4g}"),
        }


def mcnemar(broke: int, mended: int) -> float:
    """Two-sided exact: of broke + mended fair coins, the chance of a split at least as uneven (McNemar 1947)."""
    flips = broke + mended
    tail = sum(math.comb(flips, k) for k in range(min(broke, mended) + 1))
    return min(1.0, float(2 * tail / 2**flips))


def save(report: Report, path: Path) -> None:
    """Writes what a later report is compared with: lines that stay the same where nothing changed.

    Written aside and renamed, so that no half file is left. Raises InvalidBaseline if that cannot be done.
    """
    whole = report.to_dict()
    kept = {
        "format": FORMAT,
        **{key: whole[key] for key in ("summary", "metrics", "made_with")},
        "cases": {
            result.case.id: {
                "case": fingerprint(result.case),
                "stage": result.stage,
                "given": result.given,
                "confidence": None if result.answer is None else round(result.answer.confidence, 4),
            }
            for result in report.counted
        },
    }
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise InvalidBaseline(f"the baseline cannot be written to {path} ({error.strerror}); name another") from error


def fingerprint(case: Case) -> str:
    """Of what is asked and expected: a key that cases may hold from now on changes none that do not hold it."""
    unsaid = asdict(Case(id="", question=""))
    fields = {
        name: value for name, value in asdict(case).items() if name not in _ABOUT_NO_ANSWER and value != unsaid[name]
    }
    return hashlib.sha256(json.dumps(fields, sort_keys=True, default=str).encode()).hexdigest()[:12]


def load(path: Path) -> dict[str, Any]:
    """A saved baseline, its form checked. Raises InvalidBaseline."""
    try:
        if path.stat().st_size > _SIZE_LIMIT:
            raise InvalidBaseline(f"{path} is too large to be a baseline; make one: assistant eval FILE --save {path}")
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidBaseline(
            f"the baseline {path} cannot be read ({error.strerror}); make one: assistant eval FILE --save {path}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InvalidBaseline(f"{path} is no baseline; make one: assistant eval FILE --save {path}") from error
    if not _well_formed(found):
        raise InvalidBaseline(f"{path} is no baseline of this version; make it anew: assistant eval FILE --save {path}")
    return dict(found)


def _well_formed(found: Any) -> bool:
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        return False
    cases, made_with = found.get("cases"), found.get("made_with")
    return (
        isinstance(cases, dict)
        and isinstance(made_with, dict)
        and isinstance(made_with.get("corpus"), str)
        and all(isinstance(made_with.get(part), dict) for part in ("models", "settings"))
        and isinstance(found.get("metrics"), dict)
        and all(
            isinstance(case, dict) and case.get("stage") in STAGES and isinstance(case.get("given"), str)
            for case in cases.values()
        )
    )


def is_baseline(path: Path) -> bool:
    """Whether a file is a baseline, of whichever version: those are written over, other people's files are not."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and {"format", "made_with", "cases"} <= found.keys()


def check_shares_cases(cases: Iterable[Case], saved: Mapping[str, Any]) -> None:
    """Raises InvalidBaseline if no case that can count asks and expects the same as in the baseline."""
    was = saved["cases"]
    if not any(not case.draft and _is_same(case, was) for case in cases):
        raise InvalidBaseline(_NOTHING_SHARED)


_NOTHING_SHARED = "the baseline shares no case with these, so that nothing can be compared; make it anew: --save"


def _is_same(case: Case, was: Mapping[str, Any]) -> bool:
    return case.id in was and was[case.id].get("case") == fingerprint(case)


def check_same_corpus(made_with: MadeWith, saved: Mapping[str, Any]) -> None:
    """Raises InvalidBaseline if the baseline was made of other articles."""
    if saved["made_with"]["corpus"] != made_with.corpus:
        raise InvalidBaseline(
            f"the baseline was made of another corpus ({saved['made_with']['corpus']}, this one is "
            f"{made_with.corpus}); compare all the same: --force; or make it anew: --save"
        )


def compare(report: Report, saved: Mapping[str, Any]) -> Comparison:
    """What changed since `saved`, as `load` gives it. Corpora may differ: check_same_corpus asks.

    Raises InvalidBaseline if no case can be compared: that nothing broke would be no news.
    """
    was = saved["cases"]
    now = {result.case.id: result for result in report.counted}
    same = [r for r in now.values() if _is_same(r.case, was)]
    if not same:
        raise InvalidBaseline(_NOTHING_SHARED)
    changes = [Change(r, was[r.case.id]["stage"], was[r.case.id]["given"]) for r in same]
    changes = [change for change in changes if change.was != change.result.stage]
    known = {result.case.id for result in report.results}
    return Comparison(
        pairs=len(same),
        broke=tuple(c for c in changes if c.was == RIGHT),
        mended=tuple(c for c in changes if c.result.right),
        moved=tuple(c for c in changes if c.was in FAILURES and not c.result.right),
        new=tuple(id_ for id_ in now if id_ not in was),
        gone=tuple(id_ for id_ in was if id_ not in known),
        rewritten=tuple(id_ for id_, r in now.items() if id_ in was and not _is_same(r.case, was)),
        differences=tuple(_differences(saved["made_with"], report.made_with.to_dict())),
        metrics=saved["metrics"],
    )


def _differences(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    if was["corpus"] != now["corpus"]:
        yield f"corpus: {was['corpus']} -> {now['corpus']}"
    for part in ("models", "settings"):
        for name in sorted({*was[part], *now[part]}):
            before, after = was[part].get(name), now[part].get(name)
            if before != after:
                yield f"{name}: {before} -> {after}"
