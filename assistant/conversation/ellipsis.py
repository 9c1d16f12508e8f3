"""A new part of the earlier question ("And with Chery?", "What about 2022?") -> that question with it in its slot."""

from __future__ import annotations

import re

from assistant.conversation.clauses import (
    MONTHS,
    PREPOSITION,
    TIME,
    is_plural,
    noun_phrase,
    slots_of,
    word_behind_auxiliary,
)
from assistant.words import content_words, is_content, names, words

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


def with_new_part(new: str, earlier: str, *, capitals: bool = True) -> str:
    """The earlier question with its part of the same kind replaced by the new part.

    Where the asker writes capitals, a word without is no name.
    """
    if time := TIME.fullmatch(new):
        return _at_time(time, earlier)
    tail = next((time for time in TIME.finditer(new) if time.end() == len(new)), None)
    if tail and content_words(new[: tail.start()]):
        # "Chery in 2022": each goes to its own slot.
        return with_new_part(new[: tail.start()].rstrip(" ,"), _at_time(tail, earlier), capitals=capitals)
    if both := _NAME_AND_PLACE.fullmatch(new):
        return with_new_part(both["place"], with_new_part(both["name"], earlier))
    return _replaced(new, earlier, capitals=capitals)


def _replaced(new: str, earlier: str, *, capitals: bool) -> str:
    """The earlier question with one new part, which is no time."""
    if _MODIFIER.fullmatch(new):
        return _appended(new.lower(), earlier)
    opening = PREPOSITION.match(new)
    if not opening and (asked := _of_another_thing(new, earlier, capitals=capitals)):
        return asked
    core = re.sub(r"['’]s$", "", new[opening.end() :] if opening else new)
    found = names(core)
    if {"name", "year"} <= {name.kind for name in found}:
        for name in found:
            earlier = _filled(name.text, name.kind, "", earlier)
        return earlier
    if not (found or opening or _COMMON_PHRASE.match(core)) and any(slot.kind == "name" for slot in slots_of(earlier)):
        return _appended(core, earlier)
    kind = found[0].kind if found else "name"
    return _filled(core, kind, opening.group(1) if opening else "", earlier)


def _at_time(new: re.Match[str], earlier: str) -> str:
    """The earlier question asked of another time."""
    times = list(TIME.finditer(earlier))
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
    if not re.match(rf"{MONTHS}|May|[QH]\d", core):
        core = core[0].lower() + core[1:]
    lead = (time["preposition"] or "").lower() or ("" if time["relative"] else preposition)
    return f"{lead} {core}".strip()


def _appended(new: str, earlier: str) -> str:
    return f"{earlier.rstrip('?. ')} {new[0].lower()}{new[1:]}?"


def _of_another_thing(new: str, earlier: str, *, capitals: bool) -> str:
    """The earlier question with another noun asked for, "" if the new part may be a name.

    Else the words to search for: "How much net profit did Seres post in 2024", "profit Seres 2024".
    """
    times = [time["core"] for time in TIME.finditer(earlier)]
    if _OWNED.fullmatch(new):
        owned = _OWNED.search(earlier)
        return earlier[: owned.start()] + new + earlier[owned.end() :] if owned else " ".join((new, *times))
    common = _COMMON.fullmatch(new)
    if not common or (new.startswith("the ") and noun_phrase(earlier)):
        return ""
    noun, asked = common["noun"], _ASKED_NOUN.search(earlier)
    if not all(is_content(word) for word in words(noun)):
        return ""
    if capitals and asked and (asked["told"] or bool(asked["many"]) == is_plural(noun)):
        start, end = asked.span("told" if asked["told"] else "counted")
        return earlier[:start] + noun + earlier[end:]
    subjects = [name.text for name in slots_of(earlier) if name.kind == "name"]
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


def _slot(core: str, kind: str, preposition: str, earlier: str) -> tuple[int, int] | None:
    """Where the new part goes: behind the same preposition, without one in place of the last part of its kind.

    What a question varies mostly stands at its end. None: "in Europe" says more, and takes no other part's place.
    """
    slots = [slot for slot in slots_of(earlier) if slot.kind == kind]
    if preposition:
        for slot in slots:
            if re.search(rf"\b{preposition}(?:\s+the)?\s+$", earlier[: slot.start], re.IGNORECASE):
                return slot.start, slot.end
        if preposition.lower() not in ("of", "by") or len(slots) != 1:
            return _behind_preposition(preposition, earlier) if kind == "name" else None
    if kind == "name" and _COMMON_PHRASE.match(core):
        phrase = noun_phrase(earlier)
        return (phrase.start, phrase.end) if phrase else None
    if slots:
        return slots[-1].start, slots[-1].end
    return _plain_slot(earlier) if kind == "name" else None


def _plain_slot(earlier: str) -> tuple[int, int] | None:
    """The slot in a question without capitals: behind a preposition, else behind the first auxiliary."""
    behind = _behind_preposition("with|for|from|in|of|by|at|to|on", earlier)
    if behind:
        return behind
    subject = word_behind_auxiliary(earlier)
    return (subject.start, subject.end) if subject else None


def _behind_preposition(prepositions: str, earlier: str) -> tuple[int, int] | None:
    """What stands behind the last of the prepositions, but no time."""
    for word in reversed(re.findall(rf"\b({prepositions})\b", earlier, re.IGNORECASE)):
        match = re.search(_BEHIND_PREPOSITION.format(word), earlier, re.IGNORECASE)
        if match and not match.group(1)[0].isdigit() and not TIME.match(match.group(1)):
            return match.span(1)
    return None
