"""A question -> what kind of answer it wants, and the names, years and figures that the answer must be about.

Also the gate for what is no question at all. English only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from assistant.errors import InvalidQuestion
from assistant.sources.cleaning import clean
from assistant.words import Name, content_words, names, words

LENGTH_LIMIT = 2_000
"""Characters."""

AUXILIARIES = frozenset(
    """is are was were am be been do does did has have had will would shall should can could may might must isn't
    aren't wasn't weren't doesn't don't didn't hasn't haven't won't wouldn't can't couldn't shouldn't""".split()
)
_KINDS = {"where": "place", "when": "time", "why": "sentences", **dict.fromkeys(("who", "whom", "whose"), "person")}
_DEGREES = frozenset(
    """many much few little big large small long short old young high low deep far tall wide thick fast slow quickly
    often frequently soon expensive costly cheap pricey heavy light hot cold warm loud""".split()
)
"""What is measured or counted; "how good", "how important" or "how close" want sentences."""
_FIGURES = frozenset(("percentage", "percent", "share", "number", "amount", "price", "margin", "figure"))
_PLEASE = re.compile(r"(?:please|kindly)\b[,:]?\s*", re.IGNORECASE)
_FRAME = re.compile(
    r"(?:(?:can|could|would|will|do|does)\s+(?:you|any(?:one|body)|some(?:one|body))|(?:may|might|can|could)\s+I)\s+"
    r"(?:(?:please|kindly|perhaps|maybe|possibly|happen\s+to|also|be\s+able\s+to|mind)\s+)*"
    r"(?:(?:tell|telling|show|remind|inform|ask|asking)(?:\s+(?:me|us|you))?|let\s+(?:me|us)\s+know|know|say|saying"
    r"|find\s+out|remember|recall)(?:\s+please)?[,:]?\s+"
    # Behind "if", "about" or "the" no question of its own follows.
    r"(?=(?:(?:in|on|at|by|with|for|from|to|of|since|until)\s+)?(?:who|whom|whose|which|what|when|where|why|how)\b)",
    re.IGNORECASE,
)
"""Courtesy ahead of the question that is meant: "Could you please tell me". To explain or describe wants sentences."""


@dataclass(frozen=True)
class Wanted:
    """`kind` is one of person, place, time, number, thing (a short answer) or sentences (why, how, yes or no).

    `head` holds the words between "which" or "what" and the verb: the class that the answer belongs to.
    """

    kind: str
    head: tuple[str, ...] = ()

    @property
    def short(self) -> bool:
        return self.kind != "sentences"


def checked(question: str) -> str:
    """The question in one clean line. Raises InvalidQuestion if it names nothing to search for, or is too long."""
    line = cleaned(question)
    if not content_words(line):
        raise InvalidQuestion("there is no question to search for; ask with at least one word that names something")
    return line


def cleaned(question: str) -> str:
    """The question in one clean line; it may still lean on earlier ones ("Why?"). Raises InvalidQuestion."""
    if len(question) > LENGTH_LIMIT:
        raise InvalidQuestion(f"the question has {len(question):,} characters; ask in at most {LENGTH_LIMIT:,}")
    return re.sub(r"\s+", " ", clean(question)).strip()


def wanted(question: str) -> Wanted:
    tokens = [word.text.lower() for word in words(_plain(question))]
    for i, token in enumerate(tokens):
        following = tokens[i + 1 : i + 6]
        if token in _KINDS:
            return Wanted(_KINDS[token])
        if token == "how":
            return _how(following)
        if token in ("which", "what"):
            return _which(following)
        if token in AUXILIARIES and i == 0:
            return Wanted("sentences")
    return Wanted("thing")


def _plain(question: str) -> str:
    """Without the courtesy ahead of it."""
    question = question.lstrip()
    if polite := _PLEASE.match(question):
        question = question[polite.end() :]
    frame = _FRAME.match(question)
    return question[frame.end() :] if frame else question


def _how(following: list[str]) -> Wanted:
    if following and following[0] in _DEGREES:
        return Wanted("number", tuple(following[1:2]))
    return Wanted("sentences")


def _which(following: list[str]) -> Wanted:
    head = []
    for token in following:
        if token in AUXILIARIES:
            break
        head.append(token)
    if not head:
        explains = following[1:3] in (["the", "reason"], ["the", "reasons"]) or "happened" in following[:2]
        return Wanted("sentences" if explains else "thing", tuple(following[1:4]))
    if head[0] in ("happened", "happens"):
        return Wanted("sentences")
    if any(word in ("year", "date", "day", "month", "time", "century") for word in head[:3]):
        return Wanted("time")
    if any(word in _FIGURES for word in head):
        return Wanted("number", tuple(head))
    if any(word in ("city", "country", "region", "place", "state") for word in head[:2]):
        return Wanted("place", tuple(head))
    return Wanted("thing", tuple(head))


def anchors(question: str) -> list[Name]:
    """Names, codes, years and figures in the question: an answer that has nothing to do with one is no answer."""
    return names(question, sentence_start_counts=False)
