"""What points back ("What does it cost?", "Is the company profitable?") -> what was talked about in its place."""

from __future__ import annotations

import re

from assistant.conversation.clauses import (
    ARTICLES,
    BE,
    GAP_PREPOSITION,
    LEAD,
    LEFT_BEHIND,
    PARTICIPLE,
    Parts,
    asks_for_subject,
    asks_something,
    is_plural,
    names_something,
    parsed,
    subject_of,
    untold,
    without_lead,
)
from assistant.questions import AUXILIARIES, wanted
from assistant.words import content_words, names, words

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
_REFERENCES = 6
"""Pronouns of a question that are looked at; the bound does the same however many it has."""
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
    rf"|^(?:do|does|did|has|have|had|will)\b.*\ban? (?P<made>[a-z][a-z -]*?)(?=\s+(?:of|{GAP_PREPOSITION})\b|[?. ]*$)",
    re.IGNORECASE,
)
"""What is asked for in "How much profit did Seres post", made in "Did Seres make a profit"."""
_PERIOD = re.compile(r"\s+(?:in|during|for)\s(?=.*\d).*$")


def resolve(question: str, earlier: str, answer: str) -> str:
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
    before, word = LEAD.sub("", before), match.group().lower()
    if not words(before):
        return False
    if not asks_something(before):
        return word in _PLURAL and any(is_plural(w.text) for w in content_words(before))
    parts = parsed(before)
    if parts is None or re.fullmatch(r"(?:\w+ )?(?:be|been|become)", parts.rest):
        # "In which city is" its factory, "Which company has been" its rival.
        return False
    asks = parts.asks.lower().split()
    if asks == ["which"] and (noun := re.match(r"(\w+) (?!of\b)\w", parts.rest)):
        # "Which company said": a verb that is no content word.
        asks.append(noun[1])
    if asks and (not parts.auxiliary or asks_for_subject(parts)):
        if asks[0] == "who":
            return word not in ("it", "its")
        if (asks[0] in ("which", "what", "whose") and asks[1:]) or (asks[:2] == ["how", "many"] and asks[2:]):
            return word not in ("it", "its") or not is_plural(asks[-1])
    return bool(parts.auxiliary) and _is_own_agent(parts, match)


def _is_own_agent(parts: Parts, match: re.Match[str]) -> bool:
    """Whether the subject behind the auxiliary does something with what is its own: "has the club sold" its ground."""
    subject = _OWN_SUBJECT.match(parts.rest)
    if subject is None:
        return False
    if match.group().lower() in _PLURAL and is_plural(subject["noun"]):
        return True
    if match.re is not _POSSESSIVE:
        return False
    if parts.auxiliary in ("do", "does", "did"):
        return True
    if parts.auxiliary in BE and not re.search(r"[a-z]{2}ing\b", parts.rest[subject.end("noun") :]):
        return False
    return bool(subject["the"]) or not LEFT_BEHIND.search(parts.rest)


def _is_described(question: str, pointer: re.Match[str]) -> bool:
    """Whether what follows a pointer's noun says which is meant, "the company that …", or makes it "the car market"."""
    behind = question[pointer.end() :]
    following = _NEXT_WORDS.match(behind)
    if _DESCRIBED.match(behind) or pointer["own"] or following is None:
        return _DESCRIBED.match(behind) is not None
    word, second = following[1], following[2] or ""
    if not content_words(word) or PARTICIPLE.fullmatch(word) or _ADVERB.fullmatch(word):
        return False
    before = words(question[: pointer.start()])
    auxiliary = before[-1].text.lower() if before else ""
    if auxiliary in BE:
        # "How big is the car market": what is said of it stands in front, or behind in "the car market growing".
        said_behind = content_words(second) or PARTICIPLE.search(behind, following.end(1))
        return not _ADJECTIVE.fullmatch(word) and bool(said_behind or _SAID_IN_FRONT.match(without_lead(question)))
    if auxiliary in AUXILIARIES:
        takes_object = second and (second in ARTICLES or second[0].isupper())
        return _NEVER_A_VERB.fullmatch(word) is not None and not takes_object
    # "Who regulates the car market": no verb can follow an object.
    return True


def _phrase(question: str, match: re.Match[str], earlier: str, answer: str) -> str:
    """The whole "the X of Y" that a pronoun stands for after a question about it, "" if there is none."""
    want = wanted(earlier).kind
    if match.re is _POSSESSIVE or (want == "thing" and names_something(answer)):
        return ""
    of_right_kind = match.group().lower() in (_OF_PERSONS if want == "person" else _OF_THINGS | {"that"})
    phrase = _OF_PHRASE.search(earlier)
    if phrase and of_right_kind and not PARTICIPLE.search(phrase[1]):
        # "What was it in 2023?" has a period of its own.
        own_period = match.re is not _AMOUNT or any(word.number for word in words(question))
        return _PERIOD.sub("", phrase[1]) if own_period else phrase[1]
    noun = _COUNTED.search(earlier) if match.re is _AMOUNT else None
    if not noun:
        return ""
    number = "number of " if noun["many"] else ""
    return f"the {number}{noun['counted'] or noun['made']} of {subject_of(earlier)}"


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
    if names_something(answer):
        if want.kind == "person" and word in _OF_PERSONS | _PLURAL:
            return answer.strip()
        fits = not (plural and word.startswith("it")) if word in _OF_THINGS else word in heads
        if want.kind == "thing" and fits:
            return answer.strip()
    elif (
        untold(answer)
        and want.kind == "thing"
        and word not in _OF_PERSONS
        and (described := _described(want.head, earlier))
    ):
        return described
    return subject_of(earlier)


def _described(head: tuple[str, ...], question: str) -> str:
    """The unknown in the question's own words: "the brand Huawei launch with JAC"."""
    noun = " ".join(head)
    behind = re.search(rf"\b(?:which|what)\s+{re.escape(noun)}\s+\w+\s+(.+?)[?. ]*$", question, re.IGNORECASE)
    return f"the {noun} {behind.group(1)}" if noun and behind else ""
