"""The corpus -> a file of drafted cases: questions made of the articles' own sentences, for a person to look at.

By rules, and only where the rules are sure of the grammar: one clause, a subject that names something, a verb that is
known in all its forms. Few sentences pass; most of what passes reads well. English only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from assistant.assistant import Assistant
from assistant.evaluation.cases import KEYS, is_readable
from assistant.schema import Article
from assistant.splitting import Splitter
from assistant.values import days, numbers
from assistant.words import names, words

MOST = 30
"""Drafts with an answer; one with none is made for every fifth."""
_WITHOUT = 5
_SENTENCE_WORDS = (5, 32)
_SUBJECT_WORDS = 7

_REGULAR = """accept accuse achieve acquire add adopt advance agree aim allow announce appear appoint approve arrest
    arrive ask attend attract award ban belong block boost borrow cancel carry celebrate champion charge claim climb
    close collapse collect combine comprise complete confirm connect conquer construct consume contain continue control
    convert cover create criticise declare decline defeat defend deliver demolish deploy describe design destroy
    develop die direct discover dismiss dissolve donate double drop earn edit elect employ enable enact encounter end
    enter equip establish examine exceed expand explain explore export express face feature finance finish fire fit
    form fund gain generate govern grant halt handle hire host import improve include increase influence inherit
    injure inspire install introduce invade invent invest investigate invite issue join jump kill land last launch
    license list live locate love manage manufacture mark marry measure merge move name narrow negotiate nominate
    obtain occupy open operate oppose order organise organize oversee own paint pass perform plant play possess
    prepare present preserve prevent produce promise promote propose prove provide publish purchase quit raise rank
    reach receive recognise recognize record recruit reduce regain reject release relocate remain remove rename
    renovate repair replace represent require rescue resign restore restrict result retain retire return reveal
    reverse review save score secure select separate serve settle share ship sign sponsor start state store study
    succeed suffer supply support surpass survive target test top total touch track transfer transform travel treat
    triple unite unveil urge use value visit vote warn weigh welcome widen""".split()
_DOUBLED = {
    "ban": "banned", "cancel": "cancelled", "control": "controlled", "drop": "dropped", "equip": "equipped",
    "fit": "fitted", "quit": "quit", "ship": "shipped", "top": "topped", "transfer": "transferred",
    "oversee": "oversaw", "travel": "travelled",
}  # fmt: skip
_IRREGULAR = {
    "become": "became become", "begin": "began begun", "bring": "brought", "build": "built", "buy": "bought",
    "catch": "caught", "cost": "cost", "draw": "drew drawn", "fall": "fell fallen", "find": "found",
    "found": "founded", "get": "got", "give": "gave given", "grow": "grew grown", "have": "had", "hold": "held",
    "keep": "kept", "lead": "led", "leave": "left", "lose": "lost", "make": "made", "meet": "met", "pay": "paid",
    "rise": "rose risen", "run": "ran", "sell": "sold", "send": "sent", "set": "set", "spend": "spent",
    "take": "took taken", "teach": "taught", "win": "won", "write": "wrote written", "show": "showed shown",
}  # fmt: skip
_BE = frozenset("is are was were has have had will would can".split())
# Words that lean on an earlier sentence, or open a clause within the clause.
_LEANING = frozenset(
    """it they he she this these those his hers her them him i we you my our your there then here such that who which
    whose what when where while although because if as but or so than also too again both either same other another
    latter former since until respectively however therefore not no never only alone""".split()
)
_TWO_OBJECTS = frozenset(
    "become have give offer provide send award grant ask pay teach name rename appoint elect".split()
)
_MONEY = frozenset("yuan dollars euros pounds crowns francs yen rupees dollar euro pound".split())


def _forms() -> dict[str, tuple[str, str]]:
    """Form -> base and how a question helps it: did, does or do."""
    found: dict[str, tuple[str, str]] = {}
    pasts = {base: [_DOUBLED.get(base) or _past(base)] for base in _REGULAR}
    pasts |= {base: past.split() for base, past in _IRREGULAR.items()}
    for base, past in pasts.items():
        found.setdefault(base, (base, "do"))
        found[_third(base)] = (base, "does")
        found[past[0]] = (base, "did")
    # To find and to found are told apart by no rule.
    del found["found"]
    return found


def _past(base: str) -> str:
    if base.endswith("e"):
        return f"{base}d"
    return f"{base[:-1]}ied" if re.search("[^aeiou]y$", base) else f"{base}ed"


def _third(base: str) -> str:
    if base == "have":
        return "has"
    if re.search("[^aeiou]y$", base):
        return f"{base[:-1]}ies"
    return f"{base}es" if re.search("(?:s|sh|ch|x|z)$", base) else f"{base}s"


_FORMS = _forms()
_PARTICIPLES = frozenset({"been", *" ".join(_IRREGULAR.values()).split()})
_MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_DATE = (
    rf"(?:(?:early |mid-|late |the end of )?{_MONTH}(?: \d{{1,2}})?(?:,? \d{{4}})?|\d{{1,2}} {_MONTH}(?: \d{{4}})?"
    r"|(?:1[5-9]|20)\d\d)"
)
_WHEN = re.compile(rf"\b(?:in|on) (?P<date>{_DATE})(?=$|[ ,])", re.IGNORECASE)
_FIGURE = r"(?P<figure>\d[\d.,]*\d|\d)(?P<scale> (?:thousand|million|billion|trillion))?"
_HEDGE = r"(?:(?:more than|over|about|around|nearly|almost|some|at least) )?"
_MANY = re.compile(rf"^{_HEDGE}{_FIGURE} (?P<noun>[a-z]+(?: [a-z]+)?)(?P<rest>.*)$")
_SHARE = re.compile(rf"^an? (?P<noun>[a-z]+(?: [a-z]+)?) of {_HEDGE}{_FIGURE}(?P<unit>%| [a-z]+)(?P<rest>.*)$")
_NAME = r"(?:[A-Z][\w’'&-]*)(?: (?:[A-Z][\w’'&-]*|\d+))*"
_OBJECT = re.compile(rf"^(?:the )?(?P<name>{_NAME})(?P<rest>(?: (?:in|on|at|for|to|with|from) .*)?)$")
_FRONT = re.compile(
    r"(?P<front>(?:In|On|By|Since|At|During|For|From|Under|With|Together with|After|Before) [^,]{3,60}), (?P<rest>.+)"
)
_FRONT_DATE = re.compile(rf"(?P<front>(?:In|On|By|Since) {_DATE}) (?P<rest>(?:[A-Z]|the |a ).+)")
# What follows a comma and can be left away.
_APPENDED = re.compile(
    r",?(?: (?:on|in|of|for|to|with|at|by|from|under))? (?:which|who|whose|where) .*"
    r"|,? (?:while|although|because|but|so|though|whereas|including) .*"
    r"|, (?:and|with|according to|as|after|before|by|for|not|then) .*|(?: ?[—–]|[;:]) .*"
)


@dataclass(frozen=True)
class Clause:
    """Subject, verb and what follows: "The tower" "was" "finished in 1912"."""

    subject: str
    verb: str
    base: str
    helper: str
    """did, does or do; empty where the verb itself stands in front of the subject in a question."""
    tail: str

    def asked(self, tail: str) -> str:
        """As the rest of a question: "was the tower finished", "did Lind open the bridge"."""
        middle = f"{self.helper} {self.subject} {self.base}" if self.helper else f"{self.verb} {self.subject}"
        return " ".join(f"{middle} {tail}".split())


@dataclass(frozen=True)
class Draft:
    """A question, what is expected, and the sentence both come from."""

    question: str
    expected: dict[str, Any]
    sentence: str
    article: Article
    tag: str
    named: tuple[str, ...] = ()
    """The names and years in the question."""
    subject: str = ""
    """The clause's, if it is a name and nothing else, so that another name can stand there."""


def draft(assistant: Assistant, most: int = MOST) -> tuple[str, int]:
    """The text of a YAML file, and how many drafts are in it; spread over the articles, the same every time.

    Raises IndexMissing.
    """
    articles = sorted(assistant.articles(), key=lambda article: (article.location, article.id))
    chosen = _spread(articles, most)
    without = list(_unanswerable(chosen, articles, most // _WITHOUT))
    return _file([*chosen, *without], articles), len(chosen) + len(without)


def _spread(articles: Sequence[Article], most: int) -> list[Draft]:
    """Round after round one from each article, and of the kinds of question the one that is rarest so far."""
    splitter = Splitter(90, 25)
    waiting = [list(_of_article(article, splitter)) for article in articles[: most * 4]]
    chosen: list[Draft] = []
    seen: set[str] = set()
    kinds: dict[str, int] = {}
    while len(chosen) < most and any(waiting):
        for drafts in waiting:
            drafts[:] = [d for d in drafts if d.question not in seen]
            if not drafts or len(chosen) == most:
                continue
            best = min(drafts, key=lambda d: kinds.get(d.tag, 0))
            # Of a sentence one question is enough.
            drafts[:] = [d for d in drafts if d.sentence != best.sentence]
            seen.add(best.question)
            kinds[best.tag] = kinds.get(best.tag, 0) + 1
            chosen.append(best)
    return chosen


def _of_article(article: Article, splitter: Splitter) -> Iterator[Draft]:
    for start, end in splitter.split(article).sentences:
        sentence = " ".join(article.text[start:end].split())
        clause = parse(sentence, article.text)
        for rule in _RULES if clause else ():
            made = rule(clause)  # type: ignore[arg-type]
            if not made:
                continue
            question, expected, tag = made
            named = tuple(n.text for n in names(question, sentence_start_counts=False) if n.kind != "number")
            subject = clause.subject if clause and clause.subject in named else ""
            found = Draft(f"{question[0].upper()}{question[1:]}?", expected, sentence, article, tag, named, subject)
            if named and len(question) < 200 and is_readable(_written(found, [article], set())):
                yield found


def parse(sentence: str, text: str) -> Clause | None:
    """The main clause of a plain sentence of `text`, what stands in front of it moved to its end.

    None where anything is unsure.
    """
    least, limit = _SENTENCE_WORDS
    plain = re.fullmatch(r"[A-Z0-9][^\n\"“”?!()\[\]<>*_`]+\w\w\.", sentence)
    if not plain or len(words(sentence)) > limit:
        return None
    body = _main(sentence[:-1])
    tokens = body.split(" ")
    place = _verb(tokens)
    if not 1 <= place <= _SUBJECT_WORDS or len(tokens) < max(place + 2, least) or not _stands_alone(body):
        return None
    subject = _subject(tokens[:place], text)
    if not subject or _second_verb(tokens, place):
        return None
    return _clause(subject, tokens[place], tokens[place + 1 :])


def _main(body: str) -> str:
    for front in (_FRONT, _FRONT_DATE):
        if found := front.fullmatch(body):
            opening = found["front"]
            rest = _APPENDED.sub("", found["rest"])
            return f"{rest} {opening[0].lower()}{opening[1:]}"
    return _APPENDED.sub("", body)


def _verb(tokens: Sequence[str]) -> int:
    """Place of the first token that can only be the clause's verb; 0 if there is none.

    A form that may be a noun as well (plans, reports) is taken for a verb only behind a name.
    """
    for i, token in enumerate(tokens[1:], 1):
        before = tokens[i - 1]
        if token in _BE or (token in _FORMS and _FORMS[token][1] == "did"):
            return i
        if token in _FORMS and _FORMS[token][1] == "does" and before[0].isupper() and not before.endswith(("'s", "’s")):
            return i
    return 0


def _second_verb(tokens: Sequence[str], place: int) -> bool:
    """Whether another verb follows, as in "Cars launched in May sold well": a participle behind was is none."""
    rest = tokens[place + 1 :]
    if tokens[place] in _BE:
        rest = rest[1:]
    if rest and rest[0] == "by" and tokens[place] not in _BE:
        # A coup led by officers: what is told of it comes later.
        return True
    for before, token in zip([tokens[place], *rest], rest, strict=False):
        if token in _BE or (token in _FORMS and _FORMS[token][1] == "did"):
            return True
        if before == "and" and token in _FORMS:
            return True
    return False


def _subject(tokens: Sequence[str], text: str) -> str:
    """As it stands within a sentence; empty if it is none that a question can name."""
    first, *rest = tokens
    if any("," in token for token in tokens) or (not rest and first.lower() in ("the", "a", "an")):
        return ""
    if any(a[0].isupper() and re.fullmatch("[a-z]+s", b) for a, b in zip(tokens, rest, strict=False)):
        # "HIMA counts five brands": likely a verb that is not known.
        return ""
    if first in ("The", "A", "An"):
        first = first.lower()
    elif not rest[:1] or not rest[0][0].isupper():
        return _lowered(tokens, text)
    return " ".join([first, *rest])


def _lowered(tokens: Sequence[str], text: str) -> str:
    """With the first word as the text writes it elsewhere; empty if it is nowhere else."""
    first, *rest = tokens
    if not re.search(rf"[\w,] {re.escape(first)}(?!\w)", text):
        # Nowhere in the text is it a name, so that only its place makes it a capital.
        if not re.search(rf"[\w,] {re.escape(first.lower())}(?!\w)", text):
            return ""
        first = first.lower()
    return " ".join([first, *rest])


def _clause(subject: str, verb: str, tail: Sequence[str]) -> Clause:
    following = tail[0]
    has_object = verb in ("has", "have", "had") and following not in _PARTICIPLES and not following.endswith("ed")
    if verb in _BE and not has_object:
        return Clause(subject, verb, verb, "", " ".join(tail))
    base, helper = _FORMS[verb]
    return Clause(subject, verb, base, helper, " ".join(tail))


def _stands_alone(body: str) -> bool:
    """No comma but in a number or date, and no word that leans on another sentence."""
    plain = re.sub(rf"(?<=\d),(?=\d)|({_MONTH} \d{{1,2}}),", r"\1", body)
    spoken = words(plain.replace("more than ", ""))
    return "," not in plain and _LEANING.isdisjoint(word.text.lower() for word in spoken)


# -- rules: a clause -> question, what is expected, tag ------------------------------------------------------------

Made = tuple[str, dict[str, Any], str] | None


def _when(clause: Clause) -> Made:
    found = list(_WHEN.finditer(clause.tail))
    if len(found) != 1 or len(days(found[0]["date"])) != 1:
        return None
    told = days(found[0]["date"])[0]
    if told.year is None:
        return None
    rest = clause.tail[: found[0].start()] + clause.tail[found[0].end() :]
    return f"When {clause.asked(rest)}", {"date": str(told)}, "when"


def _how_many(clause: Clause) -> Made:
    found = _MANY.match(clause.tail)
    if not found or not clause.helper or " and " in found["rest"]:
        return None
    noun, rest = found["noun"], found["rest"]
    first, *more = noun.split(" ")
    value = {"number": f"{found['figure']}{found['scale'] or ''}"}
    if len(numbers(value["number"])) != 1:
        return None
    if first in _MONEY:
        return f"How much {clause.asked(' '.join([*more, rest]))}", value, "number"
    plural = next((i for i, word in enumerate([first, *more]) if word.endswith("s") or word == "people"), None)
    if plural is None or first in ("years", "months", "days", "weeks", "hours", "percent"):
        return None
    things = " ".join([first, *more][: plural + 1])
    return f"How many {things} {clause.asked(' '.join([*[first, *more][plural + 1 :], rest]))}", value, "number"


def _what_share(clause: Clause) -> Made:
    found = _SHARE.match(clause.tail)
    if not found or not clause.helper or " and " in found["rest"]:
        return None
    if found["unit"] != "%" and found["unit"].strip() not in _MONEY:
        return None
    value = {"number": f"{found['figure']}{found['scale'] or ''}"}
    return f"What {found['noun']} {clause.asked(found['rest'])}", value, "number"


def _who(clause: Clause) -> Made:
    """A name that did something; what it did must name something, too."""
    subject = re.sub("^the ", "", clause.subject)
    if clause.helper != "did" or clause.base in ("have", "cost", "become"):
        return None
    if re.search(r"\b(?:its|their)\b", clause.tail):
        return None
    if not all(token[0].isupper() for token in subject.split(" ")):
        return None
    return f"Who {clause.verb} {clause.tail}", {"answers": list(dict.fromkeys([subject, clause.subject]))}, "who"


def _what(clause: Clause) -> Made:
    found = _OBJECT.match(clause.tail)
    if not found or not clause.helper or clause.base in _TWO_OBJECTS:
        return None
    return f"What {clause.asked(found['rest'])}", {"answers": [found["name"]]}, "what"


def _by_whom(clause: Clause) -> Made:
    found = re.match(r"^(?P<done>[a-z]+ed|built|made|written|sold|led|founded) by (?P<rest>.+)$", clause.tail)
    actor = found and _OBJECT.match(found["rest"])
    if not found or not actor or clause.verb not in ("is", "are", "was", "were"):
        return None
    return f"By whom {clause.asked(found['done'] + actor['rest'])}", {"answers": [actor["name"]]}, "who"


def _what_is(clause: Clause) -> Made:
    """Of a name that is said to be something: judged by the sentence that is cited. What was is mostly a person."""
    subject = re.sub("^the ", "", clause.subject)
    if clause.verb != "is" or not subject[0].isupper() or not re.match(r"(?:a|an|the)(?: \S+){3}", clause.tail):
        return None
    return f"What {clause.asked('')}", {"quote": clause.tail}, "what"


_RULES: tuple[Callable[[Clause], Made], ...] = (_when, _how_many, _what_share, _by_whom, _what, _who, _what_is)


# -- questions without an answer -----------------------------------------------------------------------------------


def _unanswerable(drafts: Sequence[Draft], articles: Sequence[Article], most: int) -> Iterator[Draft]:
    """Drafts with another name or year put in, where no paragraph holds all that the question then names."""
    paragraphs = [part for article in articles for part in article.text.split("\n") if part.strip()]
    swaps = sorted(
        {name for d in drafts for name in (d.subject, *d.named) if name == d.subject or name.isdigit()} - {""}
    )
    made = 0
    for place, given in enumerate(drafts):
        if made == most:
            return
        turn = place % (len(swaps) or 1)
        for other in (*swaps[turn:], *swaps[:turn]):
            if swapped := _swapped(given, other, paragraphs):
                yield swapped
                made += 1
                break


def _swapped(given: Draft, other: str, paragraphs: Sequence[str]) -> Draft | None:
    year = other.isdigit()
    target = next((name for name in given.named if name.isdigit() and year), given.subject if not year else "")
    answers = " ".join(given.expected.get("answers", []))
    if not target or other in given.sentence or other in answers or len(given.named) + (given.tag == "when") < 2:
        return None
    named = [other if name == target else name for name in given.named]
    if any(all(name in paragraph for name in named) for paragraph in paragraphs):
        return None
    question = re.sub(rf"(?<![\w–-]){re.escape(target)}(?![\w–-])", lambda _: other, given.question, count=1)
    if question == given.question:
        return None
    return Draft(question, {"abstain": True}, given.sentence, given.article, "unanswerable")


# -- the file ------------------------------------------------------------------------------------------------------

_HEAD = """\
# Cases for `assistant eval`, drafted from the articles by rules. Nothing here counts yet.
#
# Look at each case:
#   1. Is it a question that a reader would ask? Reword it as you like.
#   2. Is the answer right? Add the other wordings that you would accept to `answers`. The sentence that the question
#      comes from stands above it. A case with `abstain: true` is such a sentence with another name or year in it: make
#      sure that no article answers it.
#   3. Do all `articles` listed say so, and are others missing? One of them has to be cited.
#   4. Then remove the line `draft: true`, or the whole case if it is no good.
#
# Run them with: assistant eval FILE
# Keep the results to compare with later: assistant eval FILE --save baseline.json
# Compare: assistant eval FILE --baseline baseline.json
#
# All keys of a case:
"""


def _file(drafts: Sequence[Draft], articles: Sequence[Article]) -> str:
    width = max(len(key.name) for key in KEYS)
    lines = [_HEAD, *(f"#   {key.name:<{width}}  {key.about}\n" for key in KEYS), "\ncases:\n"]
    taken: set[str] = set()
    lines += [_written(made, articles, taken) for made in drafts]
    return "".join(lines) if drafts else "".join([*lines[:-1], "\ncases: []\n"])


def _written(made: Draft, articles: Sequence[Article], taken: set[str]) -> str:
    return f"  # {made.sentence}\n{_entry(_fields(made, articles, taken))}"


def _fields(made: Draft, articles: Sequence[Article], taken: set[str]) -> dict[str, Any]:
    name = stem = "-".join(re.findall(r"[a-z0-9]+", made.question.lower()))[:60].strip("-")
    count = 1
    while name in taken:
        count += 1
        name = f"{stem}-{count}"
    taken.add(name)
    fields: dict[str, Any] = {"id": name, "draft": True, "question": made.question, **made.expected}
    if "abstain" not in made.expected:
        fields["articles"] = [_name(article) for article in _that_say_so(made, articles)]
    return fields | {"tags": [made.tag]}


def _that_say_so(made: Draft, articles: Sequence[Article]) -> list[Article]:
    """The article itself, and those of which a paragraph holds the question's names and an expected answer."""
    answers = made.expected.get("answers", [])

    def says(paragraph: str) -> bool:
        return all(n in paragraph for n in made.named) and any(answer in paragraph for answer in answers)

    return [a for a in articles if a is made.article or any(says(part) for part in a.text.split("\n"))]


def _name(article: Article) -> str:
    return article.location or article.id


def _entry(fields: dict[str, Any]) -> str:
    import yaml

    text = yaml.safe_dump([fields], allow_unicode=True, sort_keys=False, width=110)
    return "".join(f"  {line}\n" for line in text.splitlines()) + "\n"
