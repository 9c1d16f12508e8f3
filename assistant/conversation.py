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

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from assistant.questions import AUXILIARIES, LENGTH_LIMIT, wanted
from assistant.schema import Turn
from assistant.words import QUESTION_WORDS, Name, Word, content_words, is_content, names, words

_LEAD = re.compile(
    r"^(?:(?:and|but|so|ok|okay|then|also|what about|how about|what of)\b[,:]?\s*)+",
    re.IGNORECASE,
)
_COURTESY = re.compile(
    r"(?:many )?(?:thanks?|great|cool|nice|good|perfect|sure|hello|hi|yes|no|bye)"
    r"(?: (?:you|a lot|(?:very|so) much|there))*|i see|got it|understood",
    re.IGNORECASE,
)
_POSSESSIVE = re.compile(
    r"\b(?:its|their|his|her(?=\s+(?!(?:with|for|from|in|by|at|to|on|as|after|before|about|when|and)\b)\w))\b",
    re.IGNORECASE,
)
_PRONOUN = re.compile(r"\b(?:it|they|them|he|she|him|her)\b(?!['’])", re.IGNORECASE)
_OF_PERSONS = frozenset(("he", "she", "him", "his", "her"))
_PLURAL = frozenset(("they", "them", "their"))
_OF_THINGS = _PLURAL | {"it", "its"}
_POINTER = re.compile(
    r"\b(?P<which>th(?:at|is|ese|ose)|the)\s+(?:same\s+)?"
    r"(?P<noun>(?:company|brand|model|car|carmaker|automaker|firm|group|alliance|partner|event|suv|sedan|wagon)s?)\b"
    r"(?P<own>['’]s)?(?!\s+(?-i:[A-Z]))",
    re.IGNORECASE,
)
_MENTIONED_ONLY = frozenset(("alliance", "event", "partner"))
"""Pointers that mean something of the earlier question only if it speaks of one."""
_BARE_THAT = re.compile(
    r"\b(?:is|are|was|were|did|does|has|had|will)\s+(?:that|this)\s*(?:[?.!]|$|\w+ed\b|happen)", re.IGNORECASE
)
_WHICH_ONLY = re.compile(r"(?:\w+ )?(?:which|what) \w+", re.IGNORECASE)
_ASKED_FOR = re.compile(r"\b(?:which|what)\s+$", re.IGNORECASE)
_TO_DO = r"\s+to\s+\w+\s+(?!(?:with|for|from|in|by|at|to|on|after|before|during|since|until|one|there|again)\b)\w"
_JUDGED = r"(?:hard|easy|difficult|safe|legal|illegal|necessary|allowed|harder|easier|cheaper|better|safer)"
_DUMMY_IT = re.compile(
    r"\b(?:is|was) it (?:true|possible|likely|too|that)\b|\bit (?:is|was) (?:true|possible|likely)\b"
    rf"|\bit (?:(?:\w+ )?(?:takes?|costs?|taken|took)\b(?:\s+\w+){{0,3}}?|(?:be )?{_JUDGED}){_TO_DO}"
    r"|\bwhat time is it\b|\bit (?:will |would )?(?:rain|snow)",
    re.IGNORECASE,
)
"""An "it" that stands for nothing; "to charge the M9" has its object, so "it" is none in "How long does it take"."""
_SAME_REFERENT = ("it its", "they them their", "he him his", "she her")
_SUBORDINATE_IT = re.compile(
    r"(?:\b(?:that|because|when|after|before|if|while|since|though|as)\s+it$)"
    rf"|it\s+(?:{'|'.join(sorted(AUXILIARIES))}|\w+(?:ed|[^s]s))\b",
    re.IGNORECASE,
)
_RELATIVE = re.compile(r"(?!(?:say|says|said|true|clear|likely)\b)\b[a-z]+ (?:that|which|who) \w+", re.IGNORECASE)
_PEOPLE = frozenset(("people", "men", "women", "children"))
_OWN_SUBJECT = re.compile(
    r"(?P<the>(?:the|an?)\s+)?(?!(?:it|they|he|she)\b)(?P<noun>[\w-]+)\s+(?!(?:of|for|in|at|to|and|be|been)\b)\w"
)
"""Behind the auxiliary, whatever its case: "seres say about" its margin; but "sales of" its cars."""
_DESCRIBED = re.compile(r"\s+(?:that|which|who|whose|of|with)\b")
_NEXT_WORDS = re.compile(r"\s+([a-z][a-z-]*)(?:\s+([\w-]+))?")
_ADVERB = re.compile(r"\w+ly|now|today|yesterday|tomorrow|abroad|overseas|online|first|last|next|worth|worldwide")
_SAID_IN_FRONT = re.compile(r"(?:how \w+|what|who|which(?: \w+)?) (?:is|are|was|were)\b", re.IGNORECASE)
_ADJECTIVE = re.compile(r"\w+(?:able|ible|ous|ive|ful|al|ant|ent)")
_NEVER_A_VERB = re.compile(
    r"\w+[^s]s|\w+(?:tion|ity|ness|ship|stry|ctory|maker)|market|sector|business|division|price|name|owner"
)
_PREPOSITION = re.compile(r"(with|for|from|in|of|by|at|to|on)\s+", re.IGNORECASE)
_MONTHS = "January|February|March|April|June|July|August|September|October|November|December"
_UNIT = r"(?:year|quarter|half|month|week|decade|season|spring|summer|autumn|winter)"
_PART = (
    rf"(?:(?:{_MONTHS}|(?<=.)May|(?<=\b[Ii]n )(?i:{_MONTHS}|May))(?:\s+\d\d?(?:st|nd|rd|th)?(?!\d))?|[QHqh][1-4]"
    r"|(?i:(?:the\s+)?(?:(?:first|second|third|fourth|last)\s+(?:quarter|half)|spring|summer|autumn|winter)))\b"
)
_RELATIVE_TIME = (
    rf"(?i:(?:this|last|next)\s+{_UNIT}|the\s+(?:same|previous|following|past|next|last)\s+{_UNIT}"
    r"|yesterday|today|tomorrow|now|currently|(?:a|an|one|two|three|\d+)\s+\w+\s+ago)\b"
)
_YEAR = r"(?:1[5-9]|20)\d\d\b"
_TIME = re.compile(
    r"(?:\b(?P<preposition>(?i:in|during|since|until|before|after|by|for|from|on))\s+)?"
    rf"\b(?P<core>(?P<part>{_PART})(?:,?\s+(?:of\s+)?(?P<of_year>{_YEAR}))?|(?P<year>{_YEAR})|(?P<relative>{_RELATIVE_TIME}))"
)
"""When something was: "in March 2024", "2024", "the third quarter", "last year"."""
_MODIFIER = re.compile(r"\w+ly|abroad|overseas|worldwide|online|elsewhere", re.IGNORECASE)
_COMMON = re.compile(r"(?:the\s+)?(?P<noun>[a-z][a-z-]*(?:\s+[a-z][a-z-]*){0,2})")
_COMMON_PHRASE = re.compile(r"(?:the|an?)\s+[a-z]")
_SPANS = frozenset(("since", "until", "before", "after", "by", "from"))
_NAME_AND_PLACE = re.compile(r"(?P<name>[A-Z]\S*(?:\s+[A-Z]\S*)*)\s+(?P<place>(?:in|at|with|from|to)\s+\S.*)")
_OWNED = re.compile(
    r"\b(?:[A-Z][\w-]*(?:\s+[A-Z][\w-]*)*|[a-z][\w-]*)(?:['’]s|(?<=s)['’])"
    r"\s+[a-z][a-z-]*(?:\s+(?!(?:in|for|during)\b)[a-z][a-z-]*)?"
)
_ASKED_NOUN = re.compile(
    r"^how (?:much|(?P<many>many)) (?P<counted>[a-z][a-z -]*?)(?= (?:is|are|was|were|do|does|did|has|have|had|will)\b)"
    r"|^what (?:is|are|was|were) (?:the |.*['’]s )(?P<told>[a-z][a-z -]*?)(?=\s+(?:of|in|for|during)\b|[?. ]*$)",
    re.IGNORECASE,
)
"""The noun asked for: "profit" in "How much profit did Seres post", "What was the profit of Seres"."""
_BEHIND_PREPOSITION = r"\b{}\s+(.+?)(?=\s+(?:with|for|from|in|of|by|at|to|on)\b|[?.!\s]*$)"
_TURNS = 8
"""Follow-ups reach back a few turns; the bound keeps the time of a question the same however long people talk."""
_REFERENCES = 6
"""Pronouns of a question that are looked at; the bound does the same however many it has."""
_GAP_PREPOSITION = r"(?:with|for|from|in|by|at|to|on|as|after|before|during|since|until|about)"
_TAIL = re.compile(
    rf"\s+(?:(?!{_GAP_PREPOSITION}(?:\s+{_GAP_PREPOSITION}\b|$)){_GAP_PREPOSITION}|last|next|yesterday|today|when)\b"
)
"""Where what follows a verb's object begins; not at the preposition left behind in "play for in 2020"."""
_NOUNS = r"(?:(?:the|an?|its|their|his|her)\s+)?(?:[A-Z]\S*(?:\s+[A-Z]\S*)*|\w+)"
_SUBJECT_AND_VERB = re.compile(rf"{_NOUNS}(?:\s+(?:of|over|{_GAP_PREPOSITION})\s+{_NOUNS})*\s+\w+")
_SUBJECT_AHEAD = re.compile(r"(?:the|an?|its|their|his|her|it|they|he|she)\b|[A-Z]")
_PARTICIPLE = re.compile(
    r"(?<!\bthe )(?<!\ban )(?<!\ba )\b(?:[a-z]{2,}(?:ed|ing)"
    r"|born|bought|built|chosen|given|held|known|led|made|paid|sold|spent|taken|won|written)\b"
)
_BE = frozenset(("is", "are", "was", "were"))
_ARTICLES = frozenset(("the", "a", "an"))
_HAPPENS = r"(?:be|happen(?:ed)?|occur(?:red)?|take place|taken place|the case)"
_EVENT = re.compile(
    r"(?P<asks>(?:\w+ )?(?:why|when|where|how(?: long| often)?|(?:which|what) \w+))"
    rf"(?: (?:is|was|were|did|does|has|will|would) (?:(?:that|this)(?: {_HAPPENS})?|it {_HAPPENS})"
    r"|(?:(?<=when)|(?<=why)) (?:is|was) it)?",
    re.IGNORECASE,
)
"""Asks for the circumstances of the whole earlier clause: "why", "when was that", "where did it happen"."""
_AMOUNT = re.compile(
    r"\b(?:it|that)(?=\s+(?:(?:so|as|too) \w|more|less|fewer|higher|lower|larger|smaller|greater|bigger|better|worse))",
    re.IGNORECASE,
)
"""A pronoun that is compared: it means the figure or thing asked for, not who has it."""
_OF_PHRASE = re.compile(
    r"\b(?:how \w+ (?:is|are|was|were) (?=the )|(?:what|which|who) (?:is|are|was|were) (?=the .* of ))"
    r"(the (?!name|type|kind|sort)[^?]+?)[?. ]*$",
    re.IGNORECASE,
)
_COUNTED = re.compile(
    r"\bhow (?:much|(?P<many>many)) (?P<counted>[a-z ]+?) (?:do|does|did|has|have|will)\b"
    rf"|^(?:do|does|did|has|have|had|will)\b.*\ban? (?P<made>[a-z][a-z -]*?)(?=\s+(?:of|{_GAP_PREPOSITION})\b|[?. ]*$)",
    re.IGNORECASE,
)
"""What is asked for in "How much profit did Seres post", made in "Did Seres make a profit"."""
_LEFT_BEHIND = re.compile(rf"\b{_GAP_PREPOSITION}$")
_PERIOD = re.compile(r"\s+(?:in|during|for)\s(?=.*\d).*$")


def standalone(question: str, history: Sequence[Turn]) -> str:
    """The question itself if nothing in it leans on the last turns of the history, or if it would get too long."""
    earlier, answer = "", ""
    for turn in history[-_TURNS:]:
        if not _asks_nothing(_bare(turn.question)):
            earlier, answer = _kept_short(turn.question, earlier, answer), turn.answer or ""
    return _kept_short(question, earlier, answer)


def _kept_short(question: str, earlier: str, answer: str) -> str:
    """Nobody is told of a question too long who typed a short one."""
    standing = _standing(question, earlier, answer)
    return standing if len(standing) <= LENGTH_LIMIT else question


def _bare(question: str) -> str:
    return _LEAD.sub("", question).strip(" ?.!")


def _asks_nothing(bare: str) -> bool:
    return not words(bare) or _COURTESY.fullmatch(bare) is not None


def _standing(question: str, earlier: str, answer: str) -> str:
    """The question completed from the one before it, which stands alone already, and its answer."""
    bare = _bare(question)
    if not words(earlier) or _asks_nothing(bare):
        return question
    if event := _EVENT.fullmatch(bare):
        return _completed(event["asks"], earlier, answer)
    resolved = _resolved(question, earlier, answer)
    if resolved != question:
        # "What about its sales?" is no whole question yet once the pronoun is replaced.
        led_part = _LEAD.match(question) and not _asks(bare)
        return _ellipsis(_bare(resolved), earlier) if led_part else resolved
    led = bare != question.strip(" ?.!")
    if not _asks(bare) and (content_words(bare) or _TIME.fullmatch(bare)):
        capitals = question[0].isupper()
        return _ellipsis(bare, earlier, capitals=capitals) if led or _is_part(bare, earlier) else question
    return _completed(bare, earlier, answer) if _is_fragment(bare) else question


def _asks(text: str) -> bool:
    """Whether it opens as a question of its own: a question word (after a preposition) or an auxiliary verb."""
    tokens = [word.text.lower() for word in words(text)]
    return any(token in QUESTION_WORDS for token in tokens[:2]) or tokens[0] in AUXILIARIES


def _is_fragment(text: str) -> bool:
    """A question word with nothing to ask about but perhaps a year, "on which date", or one about a bare "that"."""
    if _WHICH_ONLY.fullmatch(text):
        return True
    if that := _BARE_THAT.search(text):
        # "When was that announced: where will Voyah be listed" was completed before.
        return ":" not in text[that.end() :]
    found = words(text)
    asks = any(word.number or word.text.lower() in QUESTION_WORDS for word in found)
    return asks and all(word.number for word in found if is_content(word))


def _is_part(text: str, earlier: str) -> bool:
    """Whether it is a part of a question, not a search of its own ("Maextro price")."""
    if _PREPOSITION.match(text):
        return len(words(text)) <= 6
    if _TIME.fullmatch(text):
        return True
    found = names(text)
    lower_case = not names(earlier, sentence_start_counts=False) and len(words(text)) == 1
    return lower_case or (len(found) == 1 and len(found[0].text) == len(text))


def _completed(fragment: str, earlier: str, answer: str) -> str:
    lower = fragment.lower()
    about_that = _BARE_THAT.search(fragment)
    same = words(lower)[0].text == words(earlier)[0].text.lower()
    if same and any(word.number for word in words(fragment)) and not about_that:
        # "How many in 2023?" after "How many vehicles did AITO deliver in 2024?".
        return _ellipsis(_without_opening(fragment), earlier)
    parts = _parts(earlier)
    if parts and not about_that:
        if not re.match(r"(?:which|what|who|how (?:much|many)\b)", lower) or wanted(fragment).kind == "time":
            return f"{fragment} {_clause(parts, answer)}?"
        if re.match(r"(?:which|what|whose) (?!\w+ed\b|else|next)\w", lower) and _stand_in(parts, ""):
            # "Which brands?" after "Which automakers have joined HIMA?".
            return " ".join(filter(None, (fragment, parts.auxiliary, parts.rest))) + "?"
    return f"{fragment}: {earlier[0].lower()}{earlier[1:].rstrip('?. ')}?"


@dataclass(frozen=True)
class _Parts:
    """A question in its parts, each "" if missing: "in", "which city", "did", "Peter Aske sign the treaty"."""

    preposition: str
    asks: str
    auxiliary: str
    rest: str


def _parts(question: str) -> _Parts | None:
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
    return _Parts(
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
        if lower[i] in _ARTICLES and lower[i - 1] != "of":
            return None
    return None


def _asking_words(found: Sequence[Word]) -> int:
    """How many words ask in a question without auxiliary: 1 in "Who won", 2 in "Which club won the cup"."""
    asking = 2 if found[0].text.lower() == "how" and found[1:] else 1
    plain = itertools.takewhile(lambda word: is_content(word) and word.text[0].islower(), found[asking:])
    run = [word.text for word in plain]
    if found[0].text.lower() in ("who", "whom") or len(run) < 2:
        return asking
    verb = next((i for i, word in enumerate(run) if i and _PARTICIPLE.fullmatch(word)), 1)
    return asking + verb


def _stand_in(parts: _Parts, answer: str) -> str:
    """What stands for the thing asked for when its clause is told: the answer, or "that brand", "so much"."""
    first, *head = parts.asks.split() or [""]
    first = first.lower()
    if first in ("", "when", "where", "why") or (first == "how" and not head) or wanted(parts.asks).kind == "time":
        return ""
    if first == "how":
        return " ".join(head[1:]) if head[0] in ("much", "many") and head[1:] else f"so {' '.join(head)}"
    if first != "whose" and _names_something(answer):
        return answer.strip(" .")
    if first in ("who", "whom"):
        return "someone"
    plural = head[-1].endswith("s") if head else parts.auxiliary in ("are", "were")
    return " ".join(("those" if plural else "that", *head))


def _clause(parts: _Parts, answer: str) -> str:
    """The question as a clause behind "why": "did Huawei launch Maextro with JAC"."""
    thing, rest = _stand_in(parts, answer), parts.rest
    if not parts.auxiliary:
        # "Why is it that that caused the delay" would stumble.
        thing = "something" if thing == "that" else re.sub(r"^th(?:at|ose)\b", "the", thing)
        return f"{'was' if _PARTICIPLE.match(rest) else 'is'} it that {thing} {rest}"
    if not thing:
        told = rest
    elif parts.preposition:
        told = f"{rest} {parts.preposition} {thing}"
    elif _asks_for_subject(parts):
        told = f"{thing} {rest}"
    else:
        at = _object_at(parts)
        told = f"{rest[:at]} {thing}{rest[at:]}"
    return f"{parts.auxiliary} {told}"


def _asks_for_subject(parts: _Parts) -> bool:
    """Whether the subject is missing behind the auxiliary: "was sacked in March", "is the mayor of Vell"."""
    if parts.auxiliary in ("do", "does", "did"):
        return False
    predicate = parts.auxiliary in _BE and not _PARTICIPLE.search(parts.rest) and not _LEFT_BEHIND.search(parts.rest)
    names_a_role = re.match(r"the [a-z]", parts.rest) and not parts.asks.lower().startswith("how")
    return not _SUBJECT_AHEAD.match(parts.rest) or bool(predicate and names_a_role)


def _object_at(parts: _Parts) -> int:
    """Where the object goes: behind subject and verb, at the end behind a form of "be"."""
    ahead = _SUBJECT_AND_VERB.match(parts.rest)
    if not ahead or (parts.auxiliary in _BE and not _PARTICIPLE.search(parts.rest)):
        return len(parts.rest)
    tail = _TAIL.search(parts.rest, ahead.end())
    return tail.start() if tail else len(parts.rest)


def _without_opening(question: str) -> str:
    """The question behind its question words and the auxiliary verb that follows them."""
    for word in words(question):
        lower = word.text.lower()
        if lower not in QUESTION_WORDS and lower not in AUXILIARIES and lower not in ("much", "many"):
            return question[word.start :].rstrip("?. ")
    return question.rstrip("?. ")


def _ellipsis(new: str, earlier: str, *, capitals: bool = True) -> str:
    """The earlier question with its part of the same kind replaced by the new part.

    Where the asker writes capitals, a word without is no name.
    """
    if time := _TIME.fullmatch(new):
        return _at_time(time, earlier)
    tail = next((time for time in _TIME.finditer(new) if time.end() == len(new)), None)
    if tail and content_words(new[: tail.start()]):
        # "Chery in 2022": each goes to its own slot.
        return _ellipsis(new[: tail.start()].rstrip(" ,"), _at_time(tail, earlier), capitals=capitals)
    if both := _NAME_AND_PLACE.fullmatch(new):
        return _ellipsis(both["place"], _ellipsis(both["name"], earlier))
    return _replaced(new, earlier, capitals=capitals)


def _replaced(new: str, earlier: str, *, capitals: bool) -> str:
    """The earlier question with one new part, which is no time."""
    if _MODIFIER.fullmatch(new):
        return _appended(new.lower(), earlier)
    opening = _PREPOSITION.match(new)
    if not opening and (asked := _of_another_thing(new, earlier, capitals=capitals)):
        return asked
    core = re.sub(r"['’]s$", "", new[opening.end() :] if opening else new)
    found = names(core)
    if {"name", "year"} <= {name.kind for name in found}:
        for name in found:
            earlier = _filled(name.text, name.kind, "", earlier)
        return earlier
    if not (found or opening or _COMMON_PHRASE.match(core)) and any(slot.kind == "name" for slot in _slots(earlier)):
        return _appended(core, earlier)
    kind = found[0].kind if found else "name"
    return _filled(core, kind, opening.group(1) if opening else "", earlier)


def _at_time(new: re.Match[str], earlier: str) -> str:
    """The earlier question asked of another time."""
    times = list(_TIME.finditer(earlier))
    old = times[-1] if times else None
    spans = (new["preposition"] or "").lower() in _SPANS
    if old and new["year"] and not spans and (old["year"] or old["of_year"]):
        # "in the first half of 2025", and in 2024; "since 2020", and in 2022; "the 2018 cup final", and in 2022.
        whole = old["year"] and old["preposition"] and new["preposition"]
        start, end = old.span() if whole else old.span("of_year" if old["of_year"] else "year")
        return earlier[:start] + (_time_told(new, new["year"], "") if whole else new["year"]) + earlier[end:]
    if old is None or len(times) > 1 or (old["year"] and not old["preposition"]):
        return _appended(_time_told(new, new["core"], "in"), earlier)
    if spans:
        told = _time_told(new, new["core"], "")
    elif new["year"] and old["part"]:
        told = old.group() + _within(old["part"], new["year"])
    else:
        told = _time_told(new, new["core"] + _year_kept(new, old), old["preposition"] or "in")
    return earlier[: old.start()] + told + earlier[old.end() :]


def _year_kept(new: re.Match[str], old: re.Match[str]) -> str:
    """The year of the old time behind a month or quarter that names none, else ""."""
    year = old["of_year"] or old["year"] or old["relative"]
    if not new["part"] or new["of_year"] or not year or not re.search(r"\d$|\byear$", year):
        return ""
    return _within(new["part"], year)


def _within(part: str, year: str) -> str:
    """The year behind its part: "March 2024", "the third quarter of 2024"."""
    return f" of {year}" if part.lower().startswith("the ") else f" {year}"


def _time_told(time: re.Match[str], core: str, preposition: str) -> str:
    if not re.match(rf"{_MONTHS}|May|[QH]\d", core):
        core = core[0].lower() + core[1:]
    lead = (time["preposition"] or "").lower() or ("" if time["relative"] else preposition)
    return f"{lead} {core}".strip()


def _appended(new: str, earlier: str) -> str:
    return f"{earlier.rstrip('?. ')} {new[0].lower()}{new[1:]}?"


def _of_another_thing(new: str, earlier: str, *, capitals: bool) -> str:
    """The earlier question with another noun asked for, "" if the new part may be a name.

    Else the words to search for: "How much net profit did Seres post in 2024", "profit Seres 2024".
    """
    times = [time["core"] for time in _TIME.finditer(earlier)]
    if _OWNED.fullmatch(new):
        owned = _OWNED.search(earlier)
        return earlier[: owned.start()] + new + earlier[owned.end() :] if owned else " ".join((new, *times))
    common = _COMMON.fullmatch(new)
    if not common or (new.startswith("the ") and _noun_phrase(earlier)):
        return ""
    noun, asked = common["noun"], _ASKED_NOUN.search(earlier)
    if not all(is_content(word) for word in words(noun)):
        return ""
    if capitals and asked and (asked["told"] or bool(asked["many"]) == _is_plural(noun)):
        start, end = asked.span("told" if asked["told"] else "counted")
        return earlier[:start] + noun + earlier[end:]
    subjects = [name.text for name in _slots(earlier) if name.kind == "name"]
    return " ".join((noun, subjects[0], *times)) if subjects else ""


def _filled(core: str, kind: str, preposition: str, earlier: str) -> str:
    slot = _slot(core, kind, preposition, earlier)
    if slot is None:
        return (
            _appended(preposition.lower() + " " + core, earlier) if preposition else f"{earlier.rstrip('?. ')} {core}?"
        )
    before = earlier[: slot[0]]
    if re.match(r"the\s", core, re.IGNORECASE):
        before = re.sub(r"\bthe\s+$", "", before, flags=re.IGNORECASE)
    return before + core + earlier[slot[1] :]


def _slots(question: str) -> list[Name]:
    """The names and numbers of a question; a month is no name."""
    times = [time.span() for time in _TIME.finditer(question)]
    found = names(question, sentence_start_counts=False)
    return [n for n in found if n.kind != "name" or not any(start <= n.start < end for start, end in times)]


def _slot(core: str, kind: str, preposition: str, earlier: str) -> tuple[int, int] | None:
    """Where the new part goes: behind the same preposition, without one in place of the last part of its kind.

    What a question varies mostly stands at its end. None: "in Europe" says more, and takes no other part's place.
    """
    slots = [slot for slot in _slots(earlier) if slot.kind == kind]
    if preposition:
        for slot in slots:
            if re.search(rf"\b{preposition}(?:\s+the)?\s+$", earlier[: slot.start], re.IGNORECASE):
                return slot.start, slot.end
        if preposition.lower() not in ("of", "by") or len(slots) != 1:
            return _behind_preposition(preposition, earlier) if kind == "name" else None
    if kind == "name" and _COMMON_PHRASE.match(core):
        phrase = _noun_phrase(earlier)
        return (phrase.start, phrase.end) if phrase else None
    if slots:
        return slots[-1].start, slots[-1].end
    return _plain_slot(earlier) if kind == "name" else None


def _plain_slot(earlier: str) -> tuple[int, int] | None:
    """The slot in a question without capitals: behind a preposition, else behind the first auxiliary."""
    behind = _behind_preposition("with|for|from|in|of|by|at|to|on", earlier)
    if behind:
        return behind
    subject = _behind_auxiliary(earlier)
    return (subject.start, subject.end) if subject else None


def _behind_preposition(prepositions: str, earlier: str) -> tuple[int, int] | None:
    """What stands behind the last of the prepositions, but no time."""
    for word in reversed(re.findall(rf"\b({prepositions})\b", earlier, re.IGNORECASE)):
        match = re.search(_BEHIND_PREPOSITION.format(word), earlier, re.IGNORECASE)
        if match and not match.group(1)[0].isdigit() and not _TIME.match(match.group(1)):
            return match.span(1)
    return None


def _behind_auxiliary(text: str) -> Word | None:
    found = words(text)
    for auxiliary, word in itertools.pairwise(found):
        if auxiliary.text.lower() in AUXILIARIES and is_content(word):
            return word
    return None


def _resolved(question: str, earlier: str, answer: str) -> str:
    """The question with its first pronoun or pointer, and all that mean the same, replaced by what they stand for."""
    leaning = [match for match in _references(question) if not _means_its_own(question, match)]
    while leaning and leaning[0].re is _POINTER:
        if (pointed := _pointed(question, leaning[0], earlier, answer)) != question:
            return pointed
        del leaning[0]
    if not leaning:
        return question
    resolved = question
    for match in reversed([match for match in leaning if match is leaning[0] or _same_referent(match, leaning[0])]):
        topic = _phrase(question, match, earlier, answer) or _topic(match.group().lower(), earlier, answer)
        if not topic:
            return question
        topic = _possessive(topic) if match.re is _POSSESSIVE else topic
        resolved = resolved[: match.start()] + topic + resolved[match.end() :]
    return resolved


def _references(question: str) -> list[re.Match[str]]:
    """The first pronouns and pointers, in order, each once."""
    found: dict[int, re.Match[str]] = {}
    for pattern in (_POSSESSIVE, _AMOUNT, _PRONOUN, _POINTER):
        for match in pattern.finditer(question):
            found.setdefault(match.start(), match)
    return [found[start] for start in sorted(found)[:_REFERENCES]]


def _same_referent(one: re.Match[str], other: re.Match[str]) -> bool:
    return any({one.group().lower(), other.group().lower()} <= set(forms.split()) for forms in _SAME_REFERENT)


def _means_its_own(question: str, match: re.Match[str]) -> bool:
    """Whether a pronoun or pointer means something in its own question, or nothing, so that it leans on no other."""
    before = question[: match.start()]
    own = [name for name in names(question, sentence_start_counts=False) if name.end <= match.start()]
    if any(name.kind == "name" and not _ASKED_FOR.search(question[: name.start]) for name in own):
        # "What did Seres say about its margin?": the pronoun means the name before it; not in "Which BMW do they".
        return True
    if match.re is _POINTER:
        return _is_described(question, match)
    if any(dummy.start() <= match.start() < dummy.end() for dummy in _DUMMY_IT.finditer(question)):
        return True
    if match.re is _POSSESSIVE:
        return _RELATIVE.search(before, 1) is not None or _has_own_subject(before, match)
    return _is_subordinate(question, match) and _has_own_subject(before, match)


def _is_subordinate(question: str, match: re.Match[str]) -> bool:
    """Whether a pronoun is the subject of a clause within: "said it would"; an object never means its own subject."""
    word = match.group().lower()
    if word == "it":
        return any(m.start() <= match.start() < m.end() for m in _SUBORDINATE_IT.finditer(question))
    behind_auxiliary = words(question[: match.start()])[-1:]
    return word in ("they", "he", "she") and not any(w.text.lower() in AUXILIARIES for w in behind_auxiliary)


def _has_own_subject(before: str, match: re.Match[str]) -> bool:
    """Whether what stands before a pronoun has a subject that it can mean: "which analysts cut" their forecasts."""
    before, word = _LEAD.sub("", before), match.group().lower()
    if not words(before):
        return False
    if not _asks(before):
        return word in _PLURAL and any(_is_plural(w.text) for w in content_words(before))
    parts = _parts(before)
    if parts is None or re.fullmatch(r"(?:\w+ )?(?:be|been|become)", parts.rest):
        # "In which city is" its factory, "Which company has been" its rival.
        return False
    asks = parts.asks.lower().split()
    if asks == ["which"] and (noun := re.match(r"(\w+) (?!of\b)\w", parts.rest)):
        # "Which company said": a verb that is no content word.
        asks.append(noun[1])
    if asks and (not parts.auxiliary or _asks_for_subject(parts)):
        if asks[0] == "who":
            return word not in ("it", "its")
        if (asks[0] in ("which", "what", "whose") and asks[1:]) or (asks[:2] == ["how", "many"] and asks[2:]):
            return word not in ("it", "its") or not _is_plural(asks[-1])
    return bool(parts.auxiliary) and _is_own_agent(parts, match)


def _is_own_agent(parts: _Parts, match: re.Match[str]) -> bool:
    """Whether the subject behind the auxiliary does something with what is its own: "has the club sold" its ground."""
    subject = _OWN_SUBJECT.match(parts.rest)
    if subject is None:
        return False
    if match.group().lower() in _PLURAL and _is_plural(subject["noun"]):
        return True
    if match.re is not _POSSESSIVE:
        return False
    if parts.auxiliary in ("do", "does", "did"):
        return True
    if parts.auxiliary in _BE and not re.search(r"[a-z]{2}ing\b", parts.rest[subject.end("noun") :]):
        return False
    return bool(subject["the"]) or not _LEFT_BEHIND.search(parts.rest)


def _is_plural(noun: str) -> bool:
    lower = noun.lower()
    return lower in _PEOPLE or (lower.endswith("s") and not re.search(r"(?:[aius]s|^series|^species|^news)$", lower))


def _is_described(question: str, pointer: re.Match[str]) -> bool:
    """Whether what follows a pointer's noun says which is meant, "the company that …", or makes it "the car market"."""
    behind = question[pointer.end() :]
    following = _NEXT_WORDS.match(behind)
    if _DESCRIBED.match(behind) or pointer["own"] or following is None:
        return _DESCRIBED.match(behind) is not None
    word, second = following[1], following[2] or ""
    if not content_words(word) or _PARTICIPLE.fullmatch(word) or _ADVERB.fullmatch(word):
        return False
    before = words(question[: pointer.start()])
    auxiliary = before[-1].text.lower() if before else ""
    if auxiliary in _BE:
        # "How big is the car market": what is said of it stands in front, or behind in "the car market growing".
        said_behind = content_words(second) or _PARTICIPLE.search(behind, following.end(1))
        return not _ADJECTIVE.fullmatch(word) and bool(said_behind or _SAID_IN_FRONT.match(_bare(question)))
    if auxiliary in AUXILIARIES:
        takes_object = second and (second in _ARTICLES or second[0].isupper())
        return _NEVER_A_VERB.fullmatch(word) is not None and not takes_object
    # "Who regulates the car market": no verb can follow an object.
    return True


def _phrase(question: str, match: re.Match[str], earlier: str, answer: str) -> str:
    """The whole "the X of Y" that a pronoun stands for after a question about it, "" if there is none."""
    want = wanted(earlier).kind
    if match.re is _POSSESSIVE or (want == "thing" and _names_something(answer)):
        return ""
    of_right_kind = match.group().lower() in (_OF_PERSONS if want == "person" else _OF_THINGS | {"that"})
    phrase = _OF_PHRASE.search(earlier)
    if phrase and of_right_kind and not _PARTICIPLE.search(phrase[1]):
        # "What was it in 2023?" has a period of its own.
        own_period = match.re is not _AMOUNT or any(word.number for word in words(question))
        return _PERIOD.sub("", phrase[1]) if own_period else phrase[1]
    noun = _COUNTED.search(earlier) if match.re is _AMOUNT else None
    if not noun:
        return ""
    number = "number of " if noun["many"] else ""
    return f"the {number}{noun['counted'] or noun['made']} of {_subject(earlier)}"


def _pointed(question: str, match: re.Match[str], earlier: str, answer: str) -> str:
    noun = match["noun"].lower().rstrip("s")
    if noun in _MENTIONED_ONLY and match["which"].lower() == "the" and noun not in earlier.lower():
        return question
    topic = _topic(noun, earlier, answer)
    if not topic:
        return question
    topic = _possessive(topic) if match["own"] else topic
    # A topic that is described as "the brand Huawei launch with JAC" names the noun itself.
    named = topic if topic.startswith("the ") else f"the {match['noun']} {topic}"
    return question[: match.start()] + named + question[match.end() :]


def _possessive(topic: str) -> str:
    return topic + ("’" if topic.endswith("s") else "’s")


def _topic(word: str, earlier: str, answer: str) -> str:
    """What a pronoun or a pointer's noun stands for: the answer if it can be, else the earlier question's subject."""
    want = wanted(earlier)
    heads = [head.rstrip("s") for head in want.head]
    plural = re.search(r",| and ", answer) is not None
    if _names_something(answer):
        if want.kind == "person" and word in _OF_PERSONS | _PLURAL:
            return answer.strip()
        fits = not (plural and word.startswith("it")) if word in _OF_THINGS else word in heads
        if want.kind == "thing" and fits:
            return answer.strip()
    elif (
        _untold(answer)
        and want.kind == "thing"
        and word not in _OF_PERSONS
        and (described := _described(want.head, earlier))
    ):
        return described
    return _subject(earlier)


def _names_something(answer: str) -> bool:
    """Whether it is short and a name or a definite thing, not a figure and not a sentence."""
    if _untold(answer):
        return False
    found = names(answer)
    return bool(found and found[0].kind == "name" and found[0].start <= 4) or answer.lower().startswith("the ")


def _untold(answer: str) -> bool:
    """Whether the answer is missing or too long to stand for itself; "a luxury sedan" is neither."""
    return not answer or "[" in answer or len(words(answer)) > 8


def _described(head: tuple[str, ...], question: str) -> str:
    """The unknown in the question's own words: "the brand Huawei launch with JAC"."""
    noun = " ".join(head)
    behind = re.search(rf"\b(?:which|what)\s+{re.escape(noun)}\s+\w+\s+(.+?)[?. ]*$", question, re.IGNORECASE)
    return f"the {noun} {behind.group(1)}" if noun and behind else ""


def _subject(question: str) -> str:
    """The first name or "the …" of a question; without either, the word behind its auxiliary, or its last one."""
    named = next((n for n in _slots(question) if n.kind == "name"), None)
    phrase = _noun_phrase(question)
    if phrase and (named is None or phrase.start < named.start):
        return phrase.text
    if named:
        return named.text
    content = content_words(question)
    return (_behind_auxiliary(question) or content[-1]).text if content else ""


def _noun_phrase(question: str) -> Name | None:
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
