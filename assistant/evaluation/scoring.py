"""A case and the answer to it -> Result: right or wrong, and if wrong, at which stage. Deterministic.

An answer passes four stages: passages are retrieved, the best are read, the words are cited, and they are shown or
held back. A failed case names the first stage that lost it. Retrieval, reading and abstention are measured apart:
whether the words are right is judged on an answer that was not allowed to abstain.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from assistant.errors import InvalidCases
from assistant.evaluation.cases import Case
from assistant.schema import Answer, Article, Citation, Hit
from assistant.values import Day, days, numbers

RIGHT = "right"
NOT_RETRIEVED = "not retrieved"
NOT_READ = "retrieved but not read"
READ_WRONG = "read but wrong"
CITED_WRONG = "wrongly cited"
ABSTAINED = "abstained wrongly"
ANSWERED = "answered though silent"
ERROR = "error"
STALE = "stale"
DRAFT = "draft"
FAILURES = (NOT_RETRIEVED, NOT_READ, READ_WRONG, CITED_WRONG, ABSTAINED, ANSWERED, ERROR)
"""The stages at which a case fails, in the order of the way of a question."""
STAGES = (RIGHT, *FAILURES, STALE, DRAFT)

_REGEX_SECONDS = 1.0
_ALTERNATIVES_SHOWN = 3
_AT_THE_ENDS = " .,;:!?'()"
_APPROXIMATE = re.compile(r"(?:more than|nearly|about|over|around|almost|roughly|some|at least|a|an|the)\s+")


@dataclass(frozen=True)
class Result:
    """What became of a case. `answer` is None where none was asked for or given: a draft, a stale case, an error."""

    case: Case
    answer: Answer | None
    stage: str
    """One of STAGES."""
    detail: str = ""
    """One line: what was expected and what was given, or what went wrong. Empty where all is right."""
    words: bool = False
    """Whether the words were right, held back or not."""
    given: str = ""
    """Those words: the answer's, or what it would have been had the assistant not abstained."""
    rank: int | None = None
    """Place, from 1, of the first passage read that is evidence; None if none is, or the case names none."""
    exact: float | None = None
    """1 if the words are one of the expected ones as SQuAD compares them, else 0; None where no `answers` are named."""
    f1: float | None = None
    """The words' token F1 with the nearest of the expected ones, as SQuAD defines it."""
    cited: bool | None = None
    """Whether an expected article is cited; None where none is expected, or none was given an answer."""

    @property
    def right(self) -> bool:
        return self.stage == RIGHT

    @property
    def counted(self) -> bool:
        return self.stage not in (STALE, DRAFT)


def judge(
    case: Case,
    answer: Answer,
    free: Answer | None = None,
    beyond: Sequence[Hit] = (),
    articles: Sequence[Article] = (),
) -> Result:
    """`answer` is what the assistant says; `free` what it says with threshold 0, where it abstained.

    `beyond` are hits that were found but not read: they tell a passage that was not retrieved from one that was not
    read. Without them, what was not read counts as not retrieved. `articles` are those of the corpus that the case may
    name: of a copy that has no hit of its own, an answer tells the id only. Raises InvalidCases if the case's regular
    expression does not come to an end within a second.
    """
    free = free if free is not None and answer.abstained else answer
    said = _said(free)
    named = with_ids(case, [*articles, *_found(answer, beyond)])
    words = words_right(named, free)
    stage = _stage(named, answer, free, beyond)
    cited = cites(named, answer)
    return Result(
        case=case,
        answer=answer,
        stage=stage,
        detail="" if stage == RIGHT else _detail(case, answer, stage, said, article_cited=cited),
        words=words,
        given=said,
        rank=evidence_rank(named, answer.hits),
        exact=max((float(squad_tokens(said) == squad_tokens(a)) for a in case.answers), default=None),
        f1=max((token_f1(said, a) for a in case.answers), default=None),
        cited=cited if case.articles and not answer.abstained else None,
    )


def words_right(case: Case, answer: Answer) -> bool:
    """Whether the words are right, wherever they stand; give an answer made with threshold 0 to look behind a silence.

    The words are those of the short answer where the case expects any, else the cited sentences, else the article.
    To a case that wants silence no words are right.
    """
    if case.abstain or answer.abstained:
        return False
    if case.worded:
        return _says(case, answer)
    return holds_quote(case, answer) if case.quote else cites(with_ids(case, _found(answer)), answer)


def _stage(case: Case, answer: Answer, free: Answer, beyond: Sequence[Hit]) -> str:
    if case.abstain:
        return RIGHT if answer.abstained else ANSWERED
    words = words_right(case, answer)
    if words and cites(case, answer) and holds_quote(case, answer) and exact_spans(answer):
        return RIGHT
    if case.traceable and evidence_rank(case, answer.hits) is None:
        return NOT_READ if any(is_evidence(case, hit) for hit in beyond) else NOT_RETRIEVED
    if case.traceable and not words and _passed_over(case, answer.hits):
        return NOT_READ
    if words:
        return CITED_WRONG
    # Wrong words held back were lost in reading; the silence itself was right.
    return ABSTAINED if free.abstained or words_right(case, free) else READ_WRONG


# -- retrieval -----------------------------------------------------------------------------------------------------


def is_evidence(case: Case, hit: Hit) -> bool:
    """A passage of one of the case's articles; where it names none, a passage that holds what is expected."""
    if not case.articles:
        return holds(case, hit.text)
    return names_article(case, hit.article) or not set(hit.copies).isdisjoint(case.articles)


def names_article(case: Case, article: Article) -> bool:
    return not {article.location, article.id, article.url}.isdisjoint(case.articles)


def with_ids(case: Case, articles: Iterable[Article]) -> Case:
    """The case, its articles named by their ids too: copies are told by nothing else."""
    ids = dict.fromkeys(article.id for article in articles if names_article(case, article))
    return replace(case, articles=tuple(dict.fromkeys((*case.articles, *ids))))


def _found(answer: Answer, beyond: Sequence[Hit] = ()) -> list[Article]:
    return [hit.article for hit in (*answer.hits, *beyond)]


def evidence_rank(case: Case, hits: Sequence[Hit]) -> int | None:
    """From 1; None also where the case does not say what evidence is."""
    if case.abstain or not case.traceable:
        return None
    return next((rank for rank, hit in enumerate(hits, 1) if is_evidence(case, hit)), None)


def _passed_over(case: Case, hits: Iterable[Hit]) -> bool:
    """Whether the articles were found, and say what is expected, but in no passage that was read."""
    evidence = [hit for hit in hits if is_evidence(case, hit)]
    said_somewhere = any(holds(case, hit.article.text) for hit in evidence)
    return said_somewhere and not any(holds(case, hit.text) for hit in evidence)


def holds(case: Case, text: str) -> bool:
    """Whether a text holds everything that is expected to be said; False for a case that expects no words."""
    folded = fold(text)
    tests: list[tuple[bool, Callable[[], bool]]] = [
        (bool(case.answers), lambda: any(_holds_words(folded, answer) for answer in case.answers)),
        (bool(case.all), lambda: all(_holds_words(folded, answer) for answer in case.all)),
        (bool(case.quote), lambda: any(fold(quote) in folded for quote in case.quote)),
        (case.number is not None, lambda: any(_number_fits(case, text))),
        (case.date is not None, lambda: any(_date_fits(case, text))),
        (bool(case.regex), lambda: _regex_found(case, text)),
    ]
    named = [test for expected, test in tests if expected]
    return bool(named) and all(test() for test in named)


# -- words ---------------------------------------------------------------------------------------------------------


def normalised(text: str) -> str:
    """Folded, without punctuation at the ends, articles (a, an, the) and words of approximation in front."""
    text = " ".join(fold(text).replace('"', "").split()).strip(_AT_THE_ENDS)
    while match := _APPROXIMATE.match(text):
        text = text[match.end() :].strip(_AT_THE_ENDS)
    return text


def fold(text: str) -> str:
    """Lower case, one kind of quotation mark, apostrophe and dash, single spaces: for finding words in a text."""
    text = re.sub("[“”„«»]", '"', re.sub("[’‘ʼ]", "'", text.lower()))
    return " ".join(re.sub("[‐‑–—−]", "-", text).split())


def _holds_words(folded: str, expected: str) -> bool:
    wanted = re.escape(normalised(expected))
    return bool(re.search(rf"(?<!\w){wanted}(?!\w)", folded))


def _said(answer: Answer) -> str:
    """The short answer; where there is none, the sentences."""
    return answer.short or " ".join(" ".join(citation.quote.split()) for citation in answer.citations)


def _says(case: Case, answer: Answer) -> bool:
    """In a short answer every number and date has to be the expected one; in whole sentences one of them has to."""
    said, every = _said(answer), all if answer.short else any
    numbers_fit, dates_fit = _number_fits(case, said), _date_fits(case, said)
    return (
        (not case.answers or normalised(answer.short or "") in {normalised(a) for a in case.answers})
        and all(_holds_words(fold(said), expected) for expected in case.all)
        and (case.number is None or (bool(numbers_fit) and every(numbers_fit)))
        and (case.date is None or (bool(dates_fit) and every(dates_fit)))
        and (not case.regex or _regex_found(case, said))
    )


def _number_fits(case: Case, text: str) -> list[bool]:
    """For each number of the text; years beside another number are not meant, unless it must be a year that fits."""
    if case.number is None:
        return []
    found = numbers(text)
    plain = [figure for figure in found if not figure.year]
    if not 1000 <= case.number.value < 2100:
        found = plain or found
    elif any(case.number.fits(figure.value) for figure in plain):
        found = plain
    return [case.number.fits(figure.value) for figure in found]


def _date_fits(case: Case, text: str) -> list[bool]:
    wanted: Day | None = case.date
    return [] if wanted is None else [wanted.is_told_by(stated) for stated in days(text)]


def _regex_found(case: Case, text: str) -> bool:
    """Bounded in time: some expressions take longer than anyone lives."""
    import regex

    try:
        return regex.search(case.regex, text, timeout=_REGEX_SECONDS) is not None
    except TimeoutError as error:
        raise InvalidCases(
            f"{case.path}:{case.line}: `regex` {case.regex!r} takes more than {_REGEX_SECONDS:g} s; simplify it"
        ) from error


def squad_tokens(text: str) -> list[str]:
    """As SQuAD's evaluation script does: lower case, no punctuation, no articles."""
    return re.sub(r"\b(a|an|the)\b", " ", re.sub(r"[^\w\s]|_", "", text.lower())).split()


def token_f1(given: str, expected: str) -> float:
    """Harmonic mean of precision and recall of the tokens (Rajpurkar et al. 2016); two empty texts agree."""
    a, b = squad_tokens(given), squad_tokens(expected)
    if not a or not b:
        return float(a == b)
    return 2 * sum((Counter(a) & Counter(b)).values()) / (len(a) + len(b))


# -- citations -----------------------------------------------------------------------------------------------------


def cites(case: Case, answer: Answer) -> bool:
    """Whether one of the case's articles is cited, or named as one that says the same; True where none is expected."""
    return not case.articles or any(cites_article(case, citation) for citation in answer.citations)


def cites_article(case: Case, citation: Citation) -> bool:
    return names_article(case, citation.article) or not set(citation.also).isdisjoint(case.articles)


def holds_quote(case: Case, answer: Answer) -> bool:
    """Whether a cited sentence holds the expected words; True where none are expected."""
    quotes = [fold(citation.quote) for citation in answer.citations]
    return not case.quote or any(fold(wanted) in quote for wanted in case.quote for quote in quotes)


def exact_spans(answer: Answer) -> bool:
    """Whether every quote is the article's own text at its place, and the short answer stands in one."""
    placed = all(c.article.text[c.start : c.end] == c.quote for c in answer.citations)
    return placed and (answer.short is None or any(answer.short in c.quote for c in answer.citations))


# -- in words for people -------------------------------------------------------------------------------------------


def expected(case: Case, most: int = 1_000) -> str:
    """What is expected, in one line that names at most `most` alternatives of each kind."""
    if case.abstain:
        return "no answer"
    parts = [
        _either([f'"{answer}"' for answer in case.answers], most),
        " and ".join(f'"{answer}"' for answer in case.all),
        str(case.number or ""),
        str(case.date or ""),
        case.regex and f"/{case.regex}/",
        _either([f"“{quote}”" for quote in case.quote], most),
    ]
    return ", ".join(part for part in parts if part) or f"a citation of {_either(case.articles, most)}"


def _either(alternatives: Sequence[str], most: int) -> str:
    more = len(alternatives) - most
    return " or ".join(alternatives[:most]) + (f" or {more} more" if more > 0 else "")


def _detail(case: Case, answer: Answer, stage: str, said: str, *, article_cited: bool) -> str:
    if stage == CITED_WRONG:
        if not exact_spans(answer):
            return "a quote is not the article's own text"
        wanted = _either(case.quote if article_cited else case.articles, _ALTERNATIVES_SHOWN)
        cited = ", ".join(dict.fromkeys(c.article.location or c.article.id for c in answer.citations))
        return f"expected a citation of {wanted}, cited {cited}"
    given = f'would have said "{said}"' if answer.abstained and said else f'got "{said}"' if said else "got nothing"
    return f"expected {expected(case, _ALTERNATIVES_SHOWN)}, {given} ({answer.confidence:.2f})"
