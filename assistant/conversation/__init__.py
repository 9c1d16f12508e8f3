"""A follow-up and the turns before it -> a question that stands alone.

Rules, not a model, so that the same history always gives the same question, and the question that was
searched for can be shown. Four kinds of follow-up are completed:

    ellipsis   "And with Chery?", "What about 2022?"     the earlier question with the new part in its slot
    pronoun    "What does it cost?", "its price"         the pronoun's place taken by what was talked about
    pointer    "Is the company profitable?"              what was talked about behind the pointer
    fragment   "Since when?", "When was that?"           the earlier question's clause behind the fragment

A question that has a subject of its own for its pronoun ("Which analysts cut their forecasts?") is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from assistant.conversation.clauses import LEAD, TIME, asks_something, without_lead
from assistant.conversation.ellipsis import with_new_part
from assistant.conversation.fragments import complete, is_fragment, is_part
from assistant.conversation.references import resolve
from assistant.questions import LENGTH_LIMIT
from assistant.schema import Turn
from assistant.words import content_words, words

_COURTESY = re.compile(
    r"(?:many )?(?:thanks?|great|cool|nice|good|perfect|sure|hello|hi|yes|no|bye)"
    r"(?: (?:you|a lot|(?:very|so) much|there))*|i see|got it|understood",
    re.IGNORECASE,
)
_TURNS = 8
"""Follow-ups reach back a few turns; the bound keeps the time of a question the same however long people talk."""
_HAPPENS = r"(?:be|happen(?:ed)?|occur(?:red)?|take place|taken place|the case)"
_EVENT = re.compile(
    r"(?P<asks>(?:\w+ )?(?:why|when|where|how(?: long| often)?|(?:which|what) \w+))"
    rf"(?: (?:is|was|were|did|does|has|will|would) (?:(?:that|this)(?: {_HAPPENS})?|it {_HAPPENS})"
    r"|(?:(?<=when)|(?<=why)) (?:is|was) it)?",
    re.IGNORECASE,
)
"""Asks for the circumstances of the whole earlier clause: "why", "when was that", "where did it happen"."""


def standalone(question: str, history: Sequence[Turn]) -> str:
    """The question itself if nothing in it leans on the last turns of the history, or if it would get too long."""
    earlier, answer = "", ""
    for turn in history[-_TURNS:]:
        if not _asks_nothing(without_lead(turn.question)):
            earlier, answer = _kept_short(turn.question, earlier, answer), turn.answer or ""
    return _kept_short(question, earlier, answer)


def _kept_short(question: str, earlier: str, answer: str) -> str:
    """Nobody is told of a question too long who typed a short one."""
    standing = _standing(question, earlier, answer)
    return standing if len(standing) <= LENGTH_LIMIT else question


def _asks_nothing(bare: str) -> bool:
    return not words(bare) or _COURTESY.fullmatch(bare) is not None


def _standing(question: str, earlier: str, answer: str) -> str:
    """The question completed from the one before it, which stands alone already, and its answer."""
    bare = without_lead(question)
    if not words(earlier) or _asks_nothing(bare):
        return question
    if event := _EVENT.fullmatch(bare):
        return complete(event["asks"], earlier, answer)
    resolved = resolve(question, earlier, answer)
    if resolved != question:
        # "What about its sales?" is no whole question yet once the pronoun is replaced.
        led_part = LEAD.match(question) and not asks_something(bare)
        return with_new_part(without_lead(resolved), earlier) if led_part else resolved
    led = bare != question.strip(" ?.!")
    if not asks_something(bare) and (content_words(bare) or TIME.fullmatch(bare)):
        capitals = question[0].isupper()
        return with_new_part(bare, earlier, capitals=capitals) if led or is_part(bare, earlier) else question
    return complete(bare, earlier, answer) if is_fragment(bare) else question
