"""A follow-up and the turns before it -> a question that stands alone.

Rules, not a model, so that the same history always gives the same question, and the question that was
searched for can be shown. Three kinds of follow-up are completed:

    ellipsis   "And with Chery?", "What about 2022?"     the earlier question with the new part in its slot
    pronoun    "What does it cost?", "its price"         the pronoun's place taken by what was talked about
    fragment   "Since when?"                             the earlier question's names behind the fragment
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from assistant.schema import Turn
from assistant.words import QUESTION_WORDS, Name, Word, content_words, names, words

_LEAD = re.compile(
    r"^(?:and|but|so|ok|okay|then|also|what about|how about|and what about|and how about|what of)\b[,:]?\s*", re.IGNORECASE
)
_POSSESSIVE = re.compile(r"\b(?:its|their|his|her)\b", re.IGNORECASE)
_PRONOUN = re.compile(r"\b(?:it|they|them|he|she|him)\b(?!['’])", re.IGNORECASE)
_POINTER = re.compile(
    r"\b(?:th(?:at|is|ese|ose)|the)\s+(?:same\s+)?"
    r"(company|brand|model|car|carmaker|automaker|firm|group|alliance|partner|event|suv|sedan|wagon)s?\b",
    re.IGNORECASE,
)
_DUMMY_IT = re.compile(r"\bis it (?:true|possible|likely|too)\b|\bit (?:is|was) (?:true|possible)\b", re.IGNORECASE)


def standalone(question: str, history: Sequence[Turn]) -> str:
    """The question itself if nothing in it leans on the history."""
    if not history:
        return question
    earlier = _resolve_chain(history)
    bare = _LEAD.sub("", question).strip()
    led = bare != question.strip()
    if led and not _asks(bare) or (_is_fragment(bare) and not _asks(bare)):
        return _ellipsis(bare, earlier)
    resolved = _pronouns(question, earlier, history[-1].answer)
    if resolved != question:
        return resolved
    if _is_fragment(bare):
        topic = _topic(earlier, "")
        return f"{bare.rstrip('?. ')} {earlier_rest(earlier, topic)}?" if topic else question
    return question


def _resolve_chain(history: Sequence[Turn]) -> str:
    """The last question, itself made standalone from the turns before it."""
    return standalone(history[-1].question, history[:-1])


def earlier_rest(earlier: str, topic: str) -> str:
    """What the earlier question was about: from its first name on."""
    return earlier[earlier.find(topic) :].rstrip("?. ")


def _asks(text: str) -> bool:
    """Whether it is a question of its own: opens with a question word (after a preposition) or an auxiliary verb."""
    tokens = [word.text.lower() for word in words(text)]
    return any(token in QUESTION_WORDS for token in tokens[:2]) and len(tokens) > 1 or (
        bool(tokens) and tokens[0] in {"is", "are", "was", "were", "did", "does", "do", "has", "have", "can", "will"}
    )


def _is_fragment(text: str) -> bool:
    return len(content_words(text)) <= 2 and not names(text, sentence_start_counts=False) or len(words(text)) <= 4


def _ellipsis(new: str, earlier: str) -> str:
    """The earlier question with its part of the same kind replaced by the new part."""
    new = new.rstrip("?. !")
    opening = re.match(r"(?:with|for|from|in|of|by|at|to|on)\s+(?:the\s+)?", new, re.IGNORECASE)
    core = new[opening.end() :] if opening else new
    new_names = names(core)
    kind = new_names[0].kind if new_names else "name"
    slots = [slot for slot in names(earlier, sentence_start_counts=False) if slot.kind == kind]
    if not slots:
        return f"{earlier.rstrip('?. ')} {new}?"
    slot = _slot(slots, earlier, opening.group().split()[0] if opening else "")
    return earlier[: slot.start] + core + earlier[slot.end :]


def _slot(slots: list[Name], earlier: str, preposition: str) -> Name:
    """The slot behind the same preposition, else the last one: what a question varies mostly stands at its end."""
    if preposition:
        for slot in slots:
            before = earlier[: slot.start].lower().rstrip()
            if re.search(rf"\b{re.escape(preposition.lower())}(?:\s+the)?$", before):
                return slot
    return slots[-1]


def _pronouns(question: str, earlier: str, answer: str) -> str:
    if _DUMMY_IT.search(question):
        return question
    own = names(question, sentence_start_counts=False)
    pronoun = _POSSESSIVE.search(question) or _PRONOUN.search(question) or _POINTER.search(question)
    if not pronoun:
        return question
    if any(name.end <= pronoun.start() and name.kind == "name" for name in own):
        # "What did Seres say about its margin?": the pronoun means the name before it.
        return question
    topic = _topic(earlier, answer)
    if not topic:
        return question
    possessive = topic + ("’" if topic.endswith("s") else "’s")
    question = _POSSESSIVE.sub(lambda m: possessive, question, count=1)
    question = _PRONOUN.sub(lambda m: topic, question, count=1) if possessive not in question else question
    if topic not in question:
        question = _POINTER.sub(lambda m: f"the {m.group(1)} {topic}", question, count=1)
    return question


def _topic(earlier: str, answer: str) -> str:
    """What was talked about: the answer if it is a name, else the earlier question's first name."""
    answered = [name for name in names(answer) if name.kind == "name"]
    if answered and len(words(answer)) <= 5 and answered[0].start == 0:
        return answer.strip()
    asked = [name for name in names(earlier, sentence_start_counts=False) if name.kind == "name"]
    if asked:
        return asked[0].text
    rest: list[Word] = content_words(earlier)
    return rest[-1].text if rest else ""
