"""Hits and spans -> Answer: quotes, citations, confidence, abstention.

The quote is the whole sentence around the span, so every citation is `article.text[start:end] == quote` by
construction, and checked. The confidence is a logistic combination of what was seen (see `Evidence`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from assistant.questions import anchors, wanted
from assistant.schema import Answer, Article, Citation, Hit, Span
from assistant.splitting import widen
from assistant.words import content_words, stem, words

MOST_CITATIONS = 3
MOST_SENTENCES = 3

Sentences = Callable[[Article], Sequence[tuple[int, int]]]


@dataclass(frozen=True)
class Evidence:
    """One hit, what the reader read in it, and how well the two cover the question."""

    hit: Hit
    span: Span
    covered: float
    """Share, by rarity, of the question's words that the passage or its title holds, 0..1."""
    unmentioned: tuple[str, ...]
    """Names, years and figures of the question that neither the passage nor its title holds."""

    @property
    def start(self) -> int:
        return self.hit.passage.start + self.span.start

    @property
    def end(self) -> int:
        return self.hit.passage.start + self.span.end

    @property
    def rank(self) -> float:
        return self.span.score + 2.0 * self.hit.score + 2.0 * self.covered - 1.5 * len(self.unmentioned)


@dataclass(frozen=True)
class Weights:
    """Of the logistic regression; fitted by tests/benchmarks/confidence.py, never on what the README reports."""

    bias: float = -3.2
    span: float = 0.55
    dense: float = 2.2
    covered: float = 3.4
    unmentioned: float = -1.6
    agreeing: float = 0.35

    def probability(self, evidence: Evidence, agreeing: int) -> float:
        z = (
            self.bias
            + self.span * max(min(evidence.span.score, 6.0), -6.0)
            + self.dense * evidence.hit.dense
            + self.covered * evidence.covered
            + self.unmentioned * len(evidence.unmentioned)
            + self.agreeing * min(agreeing - 1, 3)
        )
        return 1 / (1 + math.exp(-z))


def weigh(question: str, hits: Sequence[Hit], spans: Sequence[Span], frequencies: Mapping[str, int]) -> list[Evidence]:
    """Evidence, best first. `frequencies` counts the passages of the index that hold each asked word (see `rarity`)."""
    rarities = {stem(word): rarity(count) for word, count in frequencies.items()}
    total = sum(rarities.values()) or 1.0
    named = anchors(question)
    found = []
    for hit, span in zip(hits, spans, strict=True):
        if not span.text:
            continue
        held = {stem(word.text) for word in words(f"{hit.article.title}\n{hit.text}")}
        covered = sum(weight for s, weight in rarities.items() if s in held) / total
        unmentioned = tuple(n.text for n in named if not all(stem(w.text) in held for w in words(n.text)))
        found.append(Evidence(hit, span, covered, unmentioned))
    return sorted(found, key=lambda e: (-e.rank, e.hit.passage.id))


def rarity(count: int) -> float:
    """Weight of a word that `count` passages hold: falls with the logarithm, never to 0."""
    return 1 / math.log(math.e + count)


def compose(
    question: str,
    asked: str,
    evidence: Sequence[Evidence],
    frequencies: Mapping[str, int],
    sentences: Sentences,
    *,
    threshold: float,
    weights: Weights = Weights(),
) -> Answer:
    """The answer from weighed evidence; `sentences` gives an article's sentence offsets."""
    want = wanted(asked)
    hits = tuple(e.hit for e in evidence)
    if not evidence:
        return _abstain(question, asked, "no article matches the question and its filters", 0.0, hits)
    best = evidence[0]
    same = _agreeing(best, evidence) if want.short else []
    confidence = weights.probability(best, 1 + len(same))
    if confidence < threshold:
        return _abstain(question, asked, _reason(asked, best, frequencies), confidence, hits)
    chosen = [best, *same] if want.short else _sentences_that_answer(evidence, sentences)
    citations = _cite(chosen, sentences)
    short = best.span.text if want.short else None
    return Answer(
        question=question,
        asked=asked,
        short=short,
        text=_text(short, citations),
        abstained=False,
        reason="",
        confidence=confidence,
        citations=citations,
        hits=hits,
    )


def _agreeing(best: Evidence, evidence: Sequence[Evidence]) -> list[Evidence]:
    """Evidence from other articles with the same short answer, one per article."""
    wanted_words = _normalised(best.span.text)
    found: dict[str, Evidence] = {}
    for other in evidence[1:]:
        article = other.hit.article.id
        if article != best.hit.article.id and article not in found and _normalised(other.span.text) == wanted_words:
            found[article] = other
    return list(found.values())


def _normalised(text: str) -> tuple[str, ...]:
    return tuple(stem(word.text) for word in content_words(text)) or (text.lower(),)


def _sentences_that_answer(evidence: Sequence[Evidence], sentences: Sentences) -> list[Evidence]:
    """The best sentence, and up to two more that come close to it and say something else."""
    best = evidence[0]
    chosen = [best]
    said = [_normalised(_quote(best, sentences)[2])]
    for other in evidence[1:]:
        if len(chosen) == MOST_SENTENCES or other.rank < best.rank - 1.5:
            break
        told = _normalised(_quote(other, sentences)[2])
        if all(len(set(told) & set(s)) < 0.6 * min(len(set(told)), len(set(s))) for s in said):
            chosen.append(other)
            said.append(told)
    return chosen


def _quote(evidence: Evidence, sentences: Sentences) -> tuple[int, int, str]:
    article = evidence.hit.article
    start, end = widen(list(sentences(article)), evidence.start, evidence.end)
    return start, end, article.text[start:end]


def _cite(chosen: Sequence[Evidence], sentences: Sentences) -> tuple[Citation, ...]:
    """Numbered from 1; articles beyond the third are named in the first citation's `also`."""
    cited = chosen[:MOST_CITATIONS]
    also = tuple(dict.fromkeys(e.hit.article.id for e in chosen[MOST_CITATIONS:]))
    citations = []
    for number, evidence in enumerate(cited, 1):
        start, end, quote = _quote(evidence, sentences)
        score = evidence.span.score
        citations.append(Citation(number, evidence.hit.article, quote, start, end, score, also if number == 1 else ()))
    return tuple(citations)


def _text(short: str | None, citations: Sequence[Citation]) -> str:
    quoted = [f"{' '.join(citation.quote.split())} [{citation.number}]" for citation in citations]
    if short is None:
        return "\n".join(quoted)
    return "\n".join([f"{short} {''.join(f'[{c.number}]' for c in citations)}", *quoted])


def _abstain(question: str, asked: str, reason: str, confidence: float, hits: tuple[Hit, ...]) -> Answer:
    text = f"The articles do not answer this: {reason}."
    return Answer(
        question=question,
        asked=asked,
        short=None,
        text=text,
        abstained=True,
        reason=reason,
        confidence=confidence,
        citations=(),
        hits=hits,
    )


def _reason(asked: str, best: Evidence, frequencies: Mapping[str, int]) -> str:
    """The plainest true reason: a word that stands nowhere, a name that stands elsewhere, or too weak a match."""
    named = anchors(asked)
    absent = [n.text for n in named if any(frequencies.get(w.text.lower(), 1) == 0 for w in content_words(n.text))]
    absent = absent or [word for word, count in frequencies.items() if count == 0]
    if absent:
        return f"they do not mention {_listed(absent)}"
    if best.unmentioned:
        return f"no passage that fits the question mentions {_listed(best.unmentioned)}"
    return "no passage answers it surely enough"


def _listed(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])} or {names[-1]}"

