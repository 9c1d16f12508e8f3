"""A question and texts -> per text the words that answer best, with a score. The home of the reader model.

This first reader knows no model: it finds the sentence that shares the question's rarer words, and in it the
name, number or date of the wanted kind that stands nearest to them. Its score is a sum of shares of what the
question asks for, centred so that above 0 an answer is likelier than none.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from assistant.questions import Wanted, wanted
from assistant.schema import Span
from assistant.words import Word, content_stems, is_content, names, stem, words


class Reader(Protocol):
    def read(self, question: str, texts: Sequence[str]) -> list[Span]:
        """One span per text, in order; scores compare between texts of one question."""


def load_reader() -> Reader:
    return SentenceReader()


_MONTH = (
    r"(?:Jan(?:uary|\.)?|Feb(?:ruary|\.)?|Mar(?:ch|\.)?|Apr(?:il|\.)?|May|June?|July?|Aug(?:ust|\.)?|Sept?(?:ember|\.)?"
    r"|Oct(?:ober|\.)?|Nov(?:ember|\.)?|Dec(?:ember|\.)?)"
)
_YEAR = r"(?:1[5-9]|20)\d\d"
_TIME = re.compile(
    rf"(?:(?:early|mid|late)[ -])?(?:\d{{1,2}} {_MONTH} {_YEAR}|{_MONTH} \d{{1,2}}(?:, {_YEAR})?|\d{{1,2}} {_MONTH}"
    rf"|{_MONTH} {_YEAR}|(?:first|second) half of {_YEAR}|\b{_YEAR}\b|{_MONTH}\b(?! \d))"
)
_SCALE = r"(?:thousand|million|billion|trillion)"
_UNIT = r"(?:percent|per cent|%|yuan|dollars?|euros?|pounds?|kilomet(?:re|er)s?|km|miles?|years?|months?|weeks?|days?|hours?|minutes?)"
_WRITTEN = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety dozen half"
)
_NUMBER = re.compile(
    rf"(?:US\$|[$€£¥])?\b\d+(?:[.,]\d+)*(?: {_SCALE})?(?: ?{_UNIT}(?!\w))?"
    rf"|\b(?:{'|'.join(_WRITTEN.split())})\b(?: {_SCALE})?(?: {_UNIT}\b)?",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"”’)]*\s+(?=[\"“‘(]?[A-Z0-9])|\n+")


@dataclass(frozen=True)
class _Candidate:
    start: int
    end: int
    fit: float
    """How well its form fits the wanted kind, 0..1."""


class SentenceReader:
    """Weighs words by how few of the texts' sentences hold them, as BM25 does."""

    def read(self, question: str, texts: Sequence[str]) -> list[Span]:
        want = wanted(question)
        asked = content_stems(question)
        sentences = [list(_sentences(text)) for text in texts]
        weights = _weights(asked, [text[a:b] for text, spans in zip(texts, sentences, strict=True) for a, b in spans])
        return [
            self._read(text, spans, want, asked, weights) for text, spans in zip(texts, sentences, strict=True)
        ]

    def _read(
        self, text: str, sentences: list[tuple[int, int]], want: Wanted, asked: list[str], weights: dict[str, float]
    ) -> Span:
        around = _coverage(set(content_stems(text)), weights)
        best = Span(0, 0, "", -9.0)
        for start, end in sentences:
            sentence = text[start:end]
            inside = _coverage(set(content_stems(sentence)), weights)
            ground = 4.0 * inside + 2.0 * around - 4.0
            if want.short:
                for candidate in _candidates(sentence, want, asked):
                    score = ground + 1.5 * candidate.fit + 2.0 * _nearness(sentence, candidate, weights) - 1.5
                    if score > best.score:
                        a, b = start + candidate.start, start + candidate.end
                        best = Span(a, b, text[a:b], score)
            elif ground > best.score:
                best = Span(start, end, sentence, ground)
        return best


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in _SENTENCE_END.finditer(text):
        yield start, match.start()
        start = match.end()
    if start < len(text):
        yield start, len(text)


def _weights(asked: Sequence[str], sentences: Sequence[str]) -> dict[str, float]:
    """Inverse sentence frequency per asked stem, scaled to sum 1."""
    frequency = Counter(s for sentence in sentences for s in set(content_stems(sentence)))
    raw = {s: math.log(1 + (len(sentences) + 0.5) / (frequency[s] + 0.5)) for s in asked}
    total = sum(raw.values()) or 1.0
    return {s: weight / total for s, weight in raw.items()}


def _coverage(stems: set[str], weights: dict[str, float]) -> float:
    """Share, by weight, of the question's words that are there, 0..1."""
    return sum(weight for s, weight in weights.items() if s in stems)


def _nearness(sentence: str, candidate: _Candidate, weights: dict[str, float]) -> float:
    """Share of the question's words, each discounted by its distance in words from the candidate, 0..1."""
    tokens = words(sentence)
    inside = [i for i, w in enumerate(tokens) if candidate.start <= w.start < candidate.end]
    if not inside:
        return 0.0
    nearest: dict[str, int] = {}
    for i, word in enumerate(tokens):
        s = stem(word.text)
        if s in weights and not inside[0] <= i <= inside[-1]:
            distance = inside[0] - i if i < inside[0] else i - inside[-1]
            nearest[s] = min(nearest.get(s, 999), distance)
    return sum(weights[s] / (1 + (distance - 1) / 4) for s, distance in nearest.items())


def _candidates(sentence: str, want: Wanted, asked: Sequence[str]) -> Iterator[_Candidate]:
    """Words that could be the answer: never ones that the question already holds."""
    found: list[_Candidate] = []
    if want.kind == "time":
        found += [_Candidate(m.start(), m.end(), 1.0) for m in _TIME.finditer(sentence)]
    elif want.kind == "number":
        found += [_Candidate(m.start(), m.end(), _number_fit(m.group(), sentence, m.end(), want)) for m in _NUMBER.finditer(sentence)]
    else:
        found += [_Candidate(n.start, n.end, _name_fit(n.text, want)) for n in names(sentence) if n.kind == "name"]
        if want.kind == "thing":
            found += [_Candidate(a, b, 0.2) for a, b in _phrases(sentence, set(asked))]
    for candidate in found:
        if any(stem(w.text) not in asked for w in words(sentence[candidate.start : candidate.end])):
            yield candidate


def _number_fit(text: str, sentence: str, end: int, want: Wanted) -> float:
    """A bare year is rarely the figure asked for; a figure of the thing asked for is followed by its name."""
    if re.fullmatch(_YEAR, text):
        return 0.1
    following = [stem(w.text) for w in words(sentence[end : end + 60])[:4]]
    head = [stem(word) for word in want.head]
    percent = bool(re.search(r"%|per ?cent", text))
    if percent and any(word in ("percentage", "percent", "share", "margin") for word in want.head):
        return 1.0
    if any(h in following for h in head):
        return 1.0
    return 0.5


def _name_fit(text: str, want: Wanted) -> float:
    """A name that holds the class asked for ("Hong Kong Stock Exchange" for "stock exchange") fits best."""
    inside = {stem(w.text) for w in words(text)}
    head = {stem(word) for word in want.head if is_content(Word(word, 0, len(word)))}
    if head and head <= inside:
        return 1.0
    if want.kind == "person":
        return 0.8 if len(text.split()) in (2, 3) else 0.6
    return 0.6


def _phrases(sentence: str, asked: set[str]) -> Iterator[tuple[int, int]]:
    """Runs of up to five content words that the question does not hold."""
    run: list[Word] = []
    for word in [*words(sentence), None]:
        joined = run and word and sentence[run[-1].end : word.start] in (" ", "-", "’s ", "'s ")
        if run and (not joined or word is None or not is_content(word) or stem(word.text) in asked):
            if len(run) <= 5:
                yield run[0].start, run[-1].end
            run = []
        if word is not None and is_content(word) and stem(word.text) not in asked:
            run.append(word)
