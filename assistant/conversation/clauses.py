"""What rules about follow-ups know of a question: its parts, its subject, and what in it tells a time."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from assistant.questions import AUXILIARIES
from assistant.words import QUESTION_WORDS, Name, Word, content_words, is_content, names, words

LEAD = re.compile(
    r"^(?:(?:and|but|so|ok|okay|then|also|what about|how about|what of)\b[,:]?\s*)+",
    re.IGNORECASE,
)
_PEOPLE = frozenset(("people", "men", "women", "children"))
PREPOSITION = re.compile(r"(with|for|from|in|of|by|at|to|on)\s+", re.IGNORECASE)
MONTHS = "January|February|March|April|June|July|August|September|October|November|December"
_UNIT = r"(?:year|quarter|half|month|week|decade|season|spring|summer|autumn|winter)"
_PART = (
    rf"(?:(?:{MONTHS}|(?<=.)May|(?<=\b[Ii]n )(?i:{MONTHS}|May))(?:\s+\d\d?(?:st|nd|rd|th)?(?!\d))?|[QHqh][1-4]"
    r"|(?i:(?:the\s+)?(?:(?:first|second|third|fourth|last)\s+(?:quarter|half)|spring|summer|autumn|winter)))\b"
)
_RELATIVE_TIME = (
    rf"(?i:(?:this|last|next)\s+{_UNIT}|the\s+(?:same|previous|following|past|next|last)\s+{_UNIT}"
    r"|yesterday|today|tomorrow|now|currently|(?:a|an|one|two|three|\d+)\s+\w+\s+ago)\b"
)
_YEAR = r"(?:1[5-9]|20)\d\d\b"
TIME = re.compile(
    r"(?:\b(?P<preposition>(?i:in|during|since|until|before|after|by|for|from|on))\s+)?"
    rf"\b(?P<core>(?P<part>{_PART})(?:,?\s+(?:of\s+)?(?P<of_year>{_YEAR}))?|(?P<year>{_YEAR})|(?P<relative>{_RELATIVE_TIME}))"
)
"""When something was: "in March 2024", "2024", "the third quarter", "last year"."""
GAP_PREPOSITION = r"(?:with|for|from|in|by|at|to|on|as|after|before|during|since|until|about)"
_TAIL = re.compile(
    rf"\s+(?:(?!{GAP_PREPOSITION}(?:\s+{GAP_PREPOSITION}\b|$)){GAP_PREPOSITION}|last|next|yesterday|today|when)\b"
)
"""Where what follows a verb's object begins; not at the preposition left behind in "play for in 2020"."""
_NOUNS = r"(?:(?:the|an?|its|their|his|her)\s+)?(?:[A-Z]\S*(?:\s+[A-Z]\S*)*|\w+)"
_SUBJECT_AND_VERB = re.compile(rf"{_NOUNS}(?:\s+(?:of|over|{GAP_PREPOSITION})\s+{_NOUNS})*\s+\w+")
_SUBJECT_AHEAD = re.compile(r"(?:the|an?|its|their|his|her|it|they|he|she)\b|[A-Z]")
PARTICIPLE = re.compile(
    r"(?<!\bthe )(?<!\ban )(?<!\ba )\b(?:[a-z]{2,}(?:ed|ing)"
    r"|born|bought|built|chosen|given|held|known|led|made|paid|sold|spent|taken|won|written)\b"
)
BE = frozenset(("is", "are", "was", "were"))
ARTICLES = frozenset(("the", "a", "an"))
LEFT_BEHIND = re.compile(rf"\b{GAP_PREPOSITION}$")


def without_lead(question: str) -> str:
    return LEAD.sub("", question).strip(" ?.!")


def asks_something(text: str) -> bool:
    """Whether it opens as a question of its own: a question word (after a preposition) or an auxiliary verb."""
    tokens = [word.text.lower() for word in words(text)]
    return any(token in QUESTION_WORDS for token in tokens[:2]) or tokens[0] in AUXILIARIES


@dataclass(frozen=True)
class Parts:
    """A question in its parts, each "" if missing: "in", "which city", "did", "Peter Aske sign the treaty"."""

    preposition: str
    asks: str
    auxiliary: str
    rest: str


def parsed(question: str) -> Parts | None:
    """None for what is no question, or one about nothing ("How?")."""
    found = words(question)
    lower = [word.text.lower() for word in found]
    start = next((i for i, word in enumerate(lower[:2]) if word in QUESTION_WORDS), 0)
    if lower[start] not in QUESTION_WORDS | AUXILIARIES:
        return None
    at = _auxiliary_at(lower, start)
    behind = start + _asking_words(found[start:]) if at is None else at
    ends = question.rstrip("?. ")
    rest_from = found[behind + (at is not None) :][:1]
    if not rest_from:
        return None
    return Parts(
        preposition=question[: found[start].start].strip().lower(),
        asks=question[found[start].start : found[behind - 1].end] if behind > start else "",
        auxiliary="" if at is None else lower[at],
        rest=ends[rest_from[0].start :],
    )


def _auxiliary_at(lower: list[str], start: int) -> int | None:
    """The auxiliary of the question itself: right behind "who" or "when", a few words behind "which" or "how"."""
    reach = 6 if lower[start] in ("which", "what", "whose", "how") else 1
    for i in range(start, min(start + reach + 1, len(lower))):
        if lower[i] in AUXILIARIES:
            return i
        if lower[i] in ARTICLES and lower[i - 1] != "of":
            return None
    return None


def _asking_words(found: Sequence[Word]) -> int:
    """How many words ask in a question without auxiliary: 1 in "Who won", 2 in "Which club won the cup"."""
    asking = 2 if found[0].text.lower() == "how" and found[1:] else 1
    plain = itertools.takewhile(lambda word: is_content(word) and word.text[0].islower(), found[asking:])
    run = [word.text for word in plain]
    if found[0].text.lower() in ("who", "whom") or len(run) < 2:
        return asking
    verb = next((i for i, word in enumerate(run) if i and PARTICIPLE.fullmatch(word)), 1)
    return asking + verb


def asks_for_subject(parts: Parts) -> bool:
    """Whether the subject is missing behind the auxiliary: "was sacked in March", "is the mayor of Vell"."""
    if parts.auxiliary in ("do", "does", "did"):
        return False
    predicate = parts.auxiliary in BE and not PARTICIPLE.search(parts.rest) and not LEFT_BEHIND.search(parts.rest)
    names_a_role = re.match(r"the [a-z]", parts.rest) and not parts.asks.lower().startswith("how")
    return not _SUBJECT_AHEAD.match(parts.rest) or bool(predicate and names_a_role)


def object_at(parts: Parts) -> int:
    """Where the object goes: behind subject and verb, at the end behind a form of "be"."""
    ahead = _SUBJECT_AND_VERB.match(parts.rest)
    if not ahead or (parts.auxiliary in BE and not PARTICIPLE.search(parts.rest)):
        return len(parts.rest)
    tail = _TAIL.search(parts.rest, ahead.end())
    return tail.start() if tail else len(parts.rest)


def slots_of(question: str) -> list[Name]:
    """The names and numbers of a question; a month is no name."""
    times = [time.span() for time in TIME.finditer(question)]
    found = names(question, sentence_start_counts=False)
    return [n for n in found if n.kind != "name" or not any(start <= n.start < end for start, end in times)]


def word_behind_auxiliary(text: str) -> Word | None:
    found = words(text)
    for auxiliary, word in itertools.pairwise(found):
        if auxiliary.text.lower() in AUXILIARIES and is_content(word):
            return word
    return None


def is_plural(noun: str) -> bool:
    lower = noun.lower()
    return lower in _PEOPLE or (lower.endswith("s") and not re.search(r"(?:[aius]s|^series|^species|^news)$", lower))


def names_something(answer: str) -> bool:
    """Whether it is short and a name or a definite thing, not a figure and not a sentence."""
    if untold(answer):
        return False
    found = names(answer)
    return bool(found and found[0].kind == "name" and found[0].start <= 4) or answer.lower().startswith("the ")


def untold(answer: str) -> bool:
    """Whether the answer is missing or too long to stand for itself; "a luxury sedan" is neither."""
    return not answer or "[" in answer or len(words(answer)) > 8


def subject_of(question: str) -> str:
    """The first name or "the …" of a question; without either, the word behind its auxiliary, or its last one."""
    named = next((n for n in slots_of(question) if n.kind == "name"), None)
    phrase = noun_phrase(question)
    if phrase and (named is None or phrase.start < named.start):
        return phrase.text
    if named:
        return named.text
    content = content_words(question)
    return (word_behind_auxiliary(question) or content[-1]).text if content else ""


def noun_phrase(question: str) -> Name | None:
    """The first "the …" of common nouns; not the X of "the X of Y", which speaks of Y."""
    found = words(question)
    for i, article in enumerate(found):
        if article.text.lower() != "the":
            continue
        run = []
        for word in found[i + 1 :]:
            if not is_content(word) or not word.text[0].islower():
                break
            run.append(word)
        after = found[i + 1 + len(run) :][:1]
        if not run or (after and after[0].text == "of"):
            continue
        before = found[i - 1].text.lower() if i else ""
        if len(run) > 1 and _ends_in_verb(before, run[-1].text):
            run.pop()
        return Name(question[article.start : run[-1].end], article.start, run[-1].end, "name")
    return None


def _ends_in_verb(before: str, last: str) -> bool:
    """Whether the last word behind "did the bridge cost", "was the bridge opened" is the verb."""
    if before in ("is", "are", "was", "were"):
        return last.endswith("ed") or last in ("built", "made", "sold")
    return before in AUXILIARIES or last in ("open", "free")
