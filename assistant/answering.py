"""Hits and spans -> Answer: quotes, citations, confidence, abstention, disagreement.

The quote is the whole sentence around the span, so `article.text[start:end] == quote` holds by construction.
Two logistic regressions over the same features decide: one ranks the passages that were read, one (calibration.py)
gives the probability that the best one's words are right. tests/benchmarks/confidence.py fits both.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from assistant.calibration import Calibration, logistic
from assistant.questions import anchors, wanted
from assistant.schema import Answer, Article, Citation, Disagreement, Hit, Span
from assistant.splitting import widen
from assistant.values import LESS, MORE, NEGATED, contradict, numbers, states
from assistant.words import SMALL_IN_TITLES, STOPWORDS, content_stems, content_words, stem, words

MOST_CITATIONS = 3
MOST_SENTENCES = 3
_COMES_CLOSE = 1.5
"""How far, in rank, a further sentence of a why or how answer may lie below the best."""
_MOSTLY = 0.5
"""Share, by rarity, of the question's words in a sentence that speaks of what was asked."""
_ADD_UP = 3
"""Passages whose probabilities count for the same words: many weak ones must not outvote a sure one."""
_SECOND_CHOICE = 1.0
"""How much less likely, in log-odds, what a passage has for a further choice is than its rank alone says."""
_SAME_SAID = 0.6
"""Share of the shorter sentence's words that a sentence repeats if it says the same."""

_RANKING = {"span": 0.249, "dense": 1.161, "lexical": 1.706, "covered": 0.0, "unmentioned": 0.0, "explains": 0.285}
_RANKING_BIAS = -3.301
RANKED_BY = tuple(_RANKING)
"""The names in `features`, in the order of the fits."""

Sense = tuple[tuple[str, ...], frozenset[str]]
"""Of a short answer: its telling words, and its currencies and percent signs."""
_SIGN = re.compile(r"(?:\b[A-Z]{1,3})?[$€£¥₩₹]|%")
_SIGN_OF = (
    (re.compile(r"\bper ?cent\b", re.IGNORECASE), "%"),
    (re.compile(r"\bUS\$|\b(?:US )?[Dd]ollars?\b|\bUSD\b"), "$"),
    (re.compile(r"\beuros?\b|\bEUR\b", re.IGNORECASE), "€"),
    (re.compile(r"\bup to\b", re.IGNORECASE), "at most"),
    (re.compile(r"(?<![\w.,])[-−](?=[\d.$€£¥])"), "minus "),
    (re.compile(r"(?<![\w.,])\+(?=[\d.$€£¥])"), "plus "),
)
_TURNS = {
    **dict.fromkeys(MORE, "more"),
    **dict.fromkeys(LESS, "less"),
    **dict.fromkeys(NEGATED | {"neither", "nor"}, "not"),
    **{word: word for word in "up down least most before after since until without".split()},
}
"""Stop words that turn what is said into another thing, or its opposite."""
_EMPTY = "the index is empty; type: assistant sync FOLDER"
_SENTENCE_END = re.compile(r"[.!?][”\"’)]*\s+|\n+")

Sentences = Callable[[Article], Sequence[tuple[int, int]]]


@dataclass(frozen=True)
class Evidence:
    """One hit, what the reader read in it, and how well the two cover the question."""

    hit: Hit
    span: Span
    covered: float
    """Share, by rarity, of the question's words that the passage or its title holds, 0..1."""
    near: float
    """The same of the sentence that holds the span, and without the title."""
    unmentioned: tuple[str, ...]
    """Names, years and figures of the question that neither the passage nor its title holds."""
    explains: bool
    """Whether the question wants sentences: the reader, which learnt short answers, is less sure of these."""

    @property
    def start(self) -> int:
        return self.hit.passage.start + self.span.start

    @property
    def end(self) -> int:
        return self.hit.passage.start + self.span.end

    @property
    def rank(self) -> float:
        """Logit: its differences order passages; it is no probability of its own."""
        seen = features(self)
        return sum(weight * seen[name] for name, weight in _RANKING.items())


def features(evidence: Evidence) -> dict[str, float]:
    """What ranking and confidence go by; the span's score is capped so that it cannot outvote all else."""
    return {
        "span": max(min(evidence.span.score, 10.0), -10.0),
        "dense": evidence.hit.dense,
        "lexical": evidence.hit.lexical,
        "covered": evidence.covered,
        "unmentioned": float(min(len(evidence.unmentioned), 3)),
        "explains": float(evidence.explains),
    }


def weigh(question: str, hits: Sequence[Hit], spans: Sequence[Span], frequencies: Mapping[str, int]) -> list[Evidence]:
    """Evidence, best first. `frequencies` counts the index's passages that hold each asked word (see `rarity`)."""
    rarities = {stem(word): rarity(count) for word, count in frequencies.items()}
    total = sum(rarities.values()) or 1.0
    named, explains = anchors(question), not wanted(question).short
    found = []

    def share(held: set[str]) -> float:
        return sum(weight for s, weight in rarities.items() if s in held) / total

    for hit, span in zip(hits, spans, strict=True):
        if not span.text:
            continue
        held = {stem(word.text) for word in words(f"{hit.article.title}\n{hit.text}")}
        around = {stem(word.text) for word in words(sentence_around(hit.text, span))}
        unmentioned = tuple(n.text for n in named if not all(stem(w.text) in held for w in words(n.text)))
        found.append(Evidence(hit, span, share(held), share(around), unmentioned, explains))
    return sorted(found, key=lambda e: (-e.rank, e.hit.passage.id))


def sentence_around(text: str, span: Span) -> str:
    """From the sentence end before the span to the one behind it; rough, since only words are counted in it."""
    before = [match.end() for match in _SENTENCE_END.finditer(text, 0, span.start)]
    behind = _SENTENCE_END.search(text, span.end)
    return text[before[-1] if before else 0 : behind.start() if behind else len(text)]


def rarity(count: int) -> float:
    """Weight of a word that `count` passages hold: falls with the logarithm, never to 0."""
    return 1 / math.log(math.e + count)


def compose(
    question: str,
    asked: str,
    hits: Sequence[Hit],
    evidence: Sequence[Evidence],
    frequencies: Mapping[str, int],
    sentences: Sentences,
    *,
    calibration: Calibration,
    threshold: float,
    filled: bool = True,
    mentions: Callable[[str], bool] = lambda _: False,
) -> Answer:
    """The answer from the hits and what was read in them; `sentences` gives an article's sentence offsets.

    `mentions` says whether a word that no passage holds stands elsewhere in an article, in a list that is not searched.
    `filled` says whether the index holds any article: without hits, either that or a filter is the reason.

    Agreement of articles does not raise the confidence: where many tell a fact, they agree as much on the near miss
    that an unanswerable question ("…launch with Mazda?") brings up.
    """
    hits = tuple(hits)
    if not hits:
        reason = "no article in the index meets the filters" if filled else _EMPTY
        return _abstain(question, asked, reason, 0.0, ())
    if not evidence:
        return _abstain(question, asked, _reason(asked, evidence, frequencies, mentions), 0.0, hits)
    wants_short = wanted(asked).short
    best = _likeliest_wording(evidence) if wants_short else evidence[0]
    seen = features(best)
    sure = calibration.probability(seen)
    if sure < threshold:
        return _abstain(question, asked, _reason(asked, evidence, frequencies, mentions), sure, hits, seen)
    short = best.span.text if wants_short else None
    chosen = [best, *_same_elsewhere(best, evidence)] if short else _sentences_that_answer(evidence, sentences)
    citations = _cite(chosen, sentences)
    against = []
    if short:
        against = _contradicting(best, [e for e in evidence if calibration.probability(features(e)) >= threshold])
    return Answer(
        question=question,
        asked=asked,
        short=short,
        text=_text(short, citations),
        abstained=False,
        reason="",
        confidence=sure,
        citations=citations,
        hits=hits,
        disagreements=_disagreements(against, len(citations), sentences),
        seen=seen,
    )


def _likeliest_wording(evidence: Sequence[Evidence]) -> Evidence:
    """The best evidence for the words that are likeliest over all articles.

    Each passage gives several spans. Their probabilities add up over the passages that say the same, as far as three:
    so "Maextro", which two passages have for their second choice, wins over a span from one name to another that is the
    first choice of one.
    """
    said: dict[Sense, dict[str, tuple[float, Evidence]]] = {}
    for e in evidence:
        for span in (e.span, *(other for other in e.span.others if not _loses_the_figure(other, e.span))):
            read = replace(e, span=span)
            passages = said.setdefault(_sense(span.text), {})
            likely = logistic(_RANKING_BIAS + read.rank - (span is not e.span) * _SECOND_CHOICE)
            key = e.hit.passage.id
            if key not in passages or likely > passages[key][0]:
                passages[key] = (likely, read)

    def total(found: Mapping[str, tuple[float, Evidence]]) -> float:
        return sum(sorted((likely for likely, _ in found.values()), reverse=True)[:_ADD_UP])

    return max(max(said.values(), key=total).values(), key=lambda pair: pair[0])[1]


def _loses_the_figure(part: Span, whole: Span) -> bool:
    """Whether it is the unit of a figure alone: "crowns", in which all sources agree that disagree about how many."""
    inside = whole.start <= part.start and part.end <= whole.end
    return inside and bool(numbers(whole.text)) and not numbers(part.text)


def _same_elsewhere(best: Evidence, evidence: Sequence[Evidence]) -> list[Evidence]:
    """What the reader, too, holds for the same answer in other articles: one per article, best first.

    A copy of a passage already counted corroborates nothing.
    """
    same = _sense(best.span.text)
    articles, texts = {best.hit.article.id}, {best.hit.text}
    found = []
    for other in evidence:
        if other.hit.article.id in articles or other.hit.text in texts or not _stands_alone(other):
            continue
        if _sense(other.span.text) == same:
            found.append(other)
            articles.add(other.hit.article.id)
            texts.add(other.hit.text)
    return found


def _stands_alone(evidence: Evidence) -> bool:
    """Whether a person would see the answer in it: the reader does, or its sentence speaks of what was asked."""
    return evidence.span.score > 0 or (evidence.near >= _MOSTLY and not evidence.unmentioned)


def _contradicting(best: Evidence, evidence: Sequence[Evidence]) -> list[Evidence]:
    """What other articles, as surely, say instead: one per value, best first.

    Only figures and days contradict: names differ, too, where an answer has several parts. An article that tells both
    values, or a sentence that is less about what was asked, tells another thing (last year's figure).
    """
    own = best.hit.article.text
    found: list[Evidence] = []
    for other in evidence:
        words = other.span.text
        if (
            contradict(best.span.text, words)
            and not other.unmentioned
            and other.near >= max(best.near, _MOSTLY)
            and not _tells_too(own, words, best.span.text)
            and not _tells_too(other.hit.article.text, best.span.text, words)
            and all(contradict(e.span.text, words) for e in found)
        ):
            found.append(other)
    return found


def _tells_too(text: str, value: str, opposed: str) -> bool:
    """Whether a text that tells `opposed` tells the value, too: of "up 5%" and "down 5%" the figure shows nothing."""
    return value.lower() in text.lower() if states(opposed, value) else states(text, value)


def _disagreements(chosen: Sequence[Evidence], cited: int, sentences: Sentences) -> tuple[Disagreement, ...]:
    """Numbered on from the `cited` ones."""
    told = [replace(citation, number=cited + citation.number, also=()) for citation in _cite(chosen, sentences)]
    return tuple(Disagreement(e.span.text, citation) for e, citation in zip(chosen, told, strict=False))


def _sense(text: str) -> Sense:
    """What a short answer says: "the Maextro" is Maextro, "5 percent" is 5%, but "down 5%", "-5%" and "€5" are not 5.

    Its words by stem and in order, without those that say nothing; and its currencies and percent signs, which stand
    before or behind their figures.
    """
    for pattern, sign in _SIGN_OF:
        text = pattern.sub(sign, text)
    signs = frozenset(match.group() for match in _SIGN.finditer(text))
    said = []
    for word in words(_SIGN.sub(" ", text)):
        lower = word.text.lower().replace("’", "'")
        if lower in _TURNS or lower.endswith("n't"):
            said.append(_TURNS.get(lower, "not"))
        elif lower not in STOPWORDS or (word.capitalised and lower not in SMALL_IN_TITLES):
            said.append(stem(word.text))
    return tuple(said) or (text.lower(),), signs


def _sentences_that_answer(evidence: Sequence[Evidence], sentences: Sentences) -> list[Evidence]:
    """The best sentence, and up to two more that come close to it and say something else."""
    best = evidence[0]
    chosen = [best]
    said = [set(content_stems(_quote(best, sentences)[2]))]
    for other in evidence[1:]:
        if len(chosen) == MOST_SENTENCES or other.rank < best.rank - _COMES_CLOSE:
            break
        told = set(content_stems(_quote(other, sentences)[2]))
        if all(len(told & s) < _SAME_SAID * min(len(told), len(s)) for s in said):
            chosen.append(other)
            said.append(told)
    return chosen


def _quote(evidence: Evidence, sentences: Sentences) -> tuple[int, int, str]:
    article = evidence.hit.article
    start, end = widen(list(sentences(article)), evidence.start, evidence.end)
    return start, end, article.text[start:end]


def _cite(chosen: Sequence[Evidence], sentences: Sentences) -> tuple[Citation, ...]:
    """Numbered from 1; articles beyond the third are named in the first citation's `also`."""
    also = tuple(dict.fromkeys(e.hit.article.id for e in chosen[MOST_CITATIONS:]))
    citations = []
    for number, evidence in enumerate(chosen[:MOST_CITATIONS], 1):
        start, end, quote = _quote(evidence, sentences)
        hit, further = evidence.hit, also if number == 1 else ()
        citations.append(
            Citation(number, hit.article, quote, start, end, evidence.span.score, further + hit.copies, hit.outlets)
        )
    return tuple(citations)


def _text(short: str | None, citations: Sequence[Citation]) -> str:
    quoted = [f"{' '.join(citation.quote.split())} [{citation.number}]" for citation in citations]
    if short is None:
        return "\n".join(quoted)
    return "\n".join([f"{short} {''.join(f'[{c.number}]' for c in citations)}", *quoted])


def _abstain(
    question: str, asked: str, reason: str, sure: float, hits: tuple[Hit, ...], seen: Mapping[str, float] | None = None
) -> Answer:
    return Answer(
        question=question,
        asked=asked,
        short=None,
        text=f"The articles do not answer this: {reason}.",
        abstained=True,
        reason=reason,
        confidence=sure,
        citations=(),
        hits=hits,
        seen=seen or {},
    )


def _reason(
    asked: str, evidence: Sequence[Evidence], frequencies: Mapping[str, int], mentions: Callable[[str], bool]
) -> str:
    """The plainest true reason: a name that stands nowhere, one that no passage read holds, or too weak a match."""
    unheld = {
        name.text: [word.text for word in content_words(name.text) if frequencies.get(word.text.lower(), 1) == 0]
        for name in anchors(asked)
    }
    unheld = {name: missing for name, missing in unheld.items() if missing}
    absent = [name for name, missing in unheld.items() if not all(map(mentions, missing))]
    if absent:
        return f"they do not mention {_listed(absent)}"
    if unheld:
        return f"no passage that is searched mentions {_listed([*unheld])}"
    unread = (
        [name for name in evidence[0].unmentioned if all(name in e.unmentioned for e in evidence)] if evidence else []
    )
    if unread:
        return f"no passage that fits the question mentions {_listed(unread)}"
    return "no passage answers it surely enough"


def _listed(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])} or {names[-1]}"
