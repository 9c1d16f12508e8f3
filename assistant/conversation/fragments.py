"""Questions that are no sentence ("Since when?", "When was that?") -> the earlier clause behind them."""

from __future__ import annotations

import re

from assistant.conversation.clauses import (
    PARTICIPLE,
    PREPOSITION,
    TIME,
    Parts,
    asks_for_subject,
    names_something,
    object_at,
    parsed,
)
from assistant.conversation.ellipsis import with_new_part
from assistant.questions import AUXILIARIES, wanted
from assistant.words import QUESTION_WORDS, is_content, names, words

_BARE_THAT = re.compile(
    r"\b(?:is|are|was|were|did|does|has|had|will)\s+(?:that|this)\s*(?:[?.!]|$|\w+ed\b|happen)", re.IGNORECASE
)
_WHICH_ONLY = re.compile(r"(?:\w+ )?(?:which|what) \w+", re.IGNORECASE)


def is_fragment(text: str) -> bool:
    """A question word with nothing to ask about but perhaps a year, "on which date", or one about a bare "that"."""
    if _WHICH_ONLY.fullmatch(text):
        return True
    if that := _BARE_THAT.search(text):
        # "When was that announced: where will Voyah be listed" was completed before.
        return ":" not in text[that.end() :]
    found = words(text)
    asks = any(word.number or word.text.lower() in QUESTION_WORDS for word in found)
    return asks and all(word.number for word in found if is_content(word))


def is_part(text: str, earlier: str) -> bool:
    """Whether it is a part of a question, not a search of its own ("Maextro price")."""
    if PREPOSITION.match(text):
        return len(words(text)) <= 6
    if TIME.fullmatch(text):
        return True
    found = names(text)
    lower_case = not names(earlier, sentence_start_counts=False) and len(words(text)) == 1
    return lower_case or (len(found) == 1 and len(found[0].text) == len(text))


def complete(fragment: str, earlier: str, answer: str) -> str:
    lower = fragment.lower()
    about_that = _BARE_THAT.search(fragment)
    same = words(lower)[0].text == words(earlier)[0].text.lower()
    if same and any(word.number for word in words(fragment)) and not about_that:
        # "How many in 2023?" after "How many vehicles did AITO deliver in 2024?".
        return with_new_part(_without_opening(fragment), earlier)
    parts = parsed(earlier)
    if parts and not about_that:
        if not re.match(r"(?:which|what|who|how (?:much|many)\b)", lower) or wanted(fragment).kind == "time":
            return f"{fragment} {_clause(parts, answer)}?"
        if re.match(r"(?:which|what|whose) (?!\w+ed\b|else|next)\w", lower) and _stand_in(parts, ""):
            # "Which brands?" after "Which automakers have joined HIMA?".
            return " ".join(filter(None, (fragment, parts.auxiliary, parts.rest))) + "?"
    return f"{fragment}: {earlier[0].lower()}{earlier[1:].rstrip('?. ')}?"


def _stand_in(parts: Parts, answer: str) -> str:
    """What stands for the thing asked for when its clause is told: the answer, or "that brand", "so much"."""
    first, *head = parts.asks.split() or [""]
    first = first.lower()
    if first in ("", "when", "where", "why") or (first == "how" and not head) or wanted(parts.asks).kind == "time":
        return ""
    if first == "how":
        return " ".join(head[1:]) if head[0] in ("much", "many") and head[1:] else f"so {' '.join(head)}"
    if first != "whose" and names_something(answer):
        return answer.strip(" .")
    if first in ("who", "whom"):
        return "someone"
    plural = head[-1].endswith("s") if head else parts.auxiliary in ("are", "were")
    return " ".join(("those" if plural else "that", *head))


def _clause(parts: Parts, answer: str) -> str:
    """The question as a clause behind "why": "did Huawei launch Maextro with JAC"."""
    thing, rest = _stand_in(parts, answer), parts.rest
    if not parts.auxiliary:
        # "Why is it that that caused the delay" would stumble.
        thing = "something" if thing == "that" else re.sub(r"^th(?:at|ose)\b", "the", thing)
        return f"{'was' if PARTICIPLE.match(rest) else 'is'} it that {thing} {rest}"
    if not thing:
        told = rest
    elif parts.preposition:
        told = f"{rest} {parts.preposition} {thing}"
    elif asks_for_subject(parts):
        told = f"{thing} {rest}"
    else:
        at = object_at(parts)
        told = f"{rest[:at]} {thing}{rest[at:]}"
    return f"{parts.auxiliary} {told}"


def _without_opening(question: str) -> str:
    """The question behind its question words and the auxiliary verb that follows them."""
    for word in words(question):
        lower = word.text.lower()
        if lower not in QUESTION_WORDS and lower not in AUXILIARIES and lower not in ("much", "many"):
            return question[word.start :].rstrip("?. ")
    return question.rstrip("?. ")
