"""An assistant and cases -> a Report: what is said to each question, and what is held back, judged."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace

from assistant.assistant import Assistant
from assistant.errors import InputError, NothingToEvaluate
from assistant.evaluation.cases import Case
from assistant.evaluation.report import MadeWith, Report
from assistant.evaluation.scoring import DRAFT, ERROR, NOT_RETRIEVED, STALE, Result, judge
from assistant.schema import Article

_NO_SETTING = ("corpus", "index", "embedding_model", "reader")
"""Fields of Settings that name places or models, which are known by their fingerprints."""


def run(
    assistant: Assistant, cases: Sequence[Case], progress: Callable[[int, int], None] = lambda done, total: None
) -> Report:
    """Asks the cases in order; the same index, models and settings give the same report but for its times.

    `progress(done, total)` is called after each case. A question that cannot be asked is an error of its case. One
    question is asked beforehand and not counted, so that no time holds the loading of models. Raises NothingToEvaluate
    if no case could pass or fail, and what `Assistant.ask` raises of the index and the models.
    """
    articles = assistant.articles()
    known = by_name(articles)
    if any(not case.draft for case in cases):
        assistant.ask("Is the reader loaded?")
    results, seconds = [], {}
    for done, case in enumerate(cases, 1):
        started = time.perf_counter()
        result = ask(assistant, case, known)
        if result.answer:
            seconds[case.id] = result.answer.timings["total"]
        else:
            seconds[case.id] = time.perf_counter() - started
        results.append(result)
        progress(done, len(cases))
    if not any(result.counted for result in results):
        raise NothingToEvaluate(_nothing(results))
    return Report(tuple(results), made_with(assistant, articles), seconds)


def by_name(articles: Sequence[Article]) -> dict[str, list[Article]]:
    """By file name, id and address, as a case may expect them; articles of several sources may share a file name."""
    found: dict[str, list[Article]] = {}
    for article in articles:
        for name in {article.location, article.id, article.url} - {""}:
            found.setdefault(name, []).append(article)
    return found


def is_stale(case: Case, known: Collection[str]) -> bool:
    """Whether none of the articles that it expects is known, by any of their names."""
    return bool(case.articles) and not any(name in known for name in case.articles)


def ask(assistant: Assistant, case: Case, known: Mapping[str, Sequence[Article]]) -> Result:
    """The result of one case; `known` are the corpus's articles by_name.

    Of the hits of its answer the best one is kept.
    """
    if case.draft:
        return Result(case, None, DRAFT, "a draft: look at it, then remove the line `draft: true`")
    if is_stale(case, known):
        return Result(case, None, STALE, f"not in the corpus: {', '.join(case.articles)}")
    expected = [article for name in case.articles for article in known.get(name, ())]
    try:
        answer, free = assistant.ask_at((None, 0.0), case.question, case.history, **case.filters)
        result = judge(case, answer, free, articles=expected)
        if result.stage == NOT_RETRIEVED:
            beyond = assistant.search(answer.asked, assistant.settings.candidates, **case.filters)
            result = judge(case, answer, free, beyond, expected)
    except InputError as error:
        return Result(case, None, ERROR, " ".join(str(error).split()))
    # Each hit brings its whole article along: kept, the hits of thousands of cases would fill the memory.
    return replace(result, answer=replace(answer, hits=answer.hits[:1]))


def made_with(assistant: Assistant, articles: Sequence[Article]) -> MadeWith:
    """What the answers depend on, besides the questions."""
    identity = sorted([a.location, a.id, a.title, a.source, a.day, a.text] for a in articles)
    settings = {name: value for name, value in asdict(assistant.settings).items() if name not in _NO_SETTING}
    calibration = json.dumps(asdict(assistant.calibration), sort_keys=True)
    settings |= {
        "threshold": assistant.threshold,
        "calibration": hashlib.sha256(calibration.encode()).hexdigest()[:16],
    }
    return MadeWith(
        corpus=hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16],
        articles=len(articles),
        models=assistant.models(),
        settings=settings,
    )


def _nothing(results: Sequence[Result]) -> str:
    drafts = sum(result.stage == DRAFT for result in results)
    stale = len(results) - drafts
    return (
        f"no case could be counted: {drafts} drafts, {stale} stale; look at the drafts and remove their `draft: true`, "
        "or name the corpus that the cases are about: assistant --corpus DIR eval FILE"
    )
