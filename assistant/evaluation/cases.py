"""Files of questions and expected answers -> Cases, or every mistake by file and line; and a JSON Schema for editors.

KEYS is the one table of what a case may hold: the checks, the schema and the list in a drafted file come from it.
"""

from __future__ import annotations

import difflib
import os
import re
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from assistant.errors import InvalidCases
from assistant.evaluation.files import (
    CSV_COLUMNS,
    JSON_LINES,
    YAML,
    Items,
    Mistake,
    Node,
    Pairs,
    Scalar,
    parse,
    printable,
    read,
    truth,
)
from assistant.questions import LENGTH_LIMIT
from assistant.schema import Turn
from assistant.values import Day, numbers

REGEX_LIMIT = 1_000
"""Characters."""
_WRITTEN_OUT_LIMIT = 200_000
"""Characters that a regular expression may come to if its counts are written out, which is how it is compiled: some
400 bytes each."""
_FIGURE_LIMIT = 100
"""Characters."""


@dataclass(frozen=True)
class Number:
    """An expected figure; another one is right if it lies no further away than `tolerance`."""

    value: Decimal
    tolerance: Decimal = Decimal(0)

    def fits(self, other: Decimal) -> bool:
        return abs(self.value - other) <= self.tolerance

    def __str__(self) -> str:
        return f"{self.value:,f}" + (f" ± {self.tolerance:,f}" if self.tolerance else "")


@dataclass(frozen=True)
class Case:
    """A question and what is expected of its answer. Every expectation that is named has to hold."""

    id: str
    question: str
    history: tuple[Turn, ...] = ()
    since: date | None = None
    until: date | None = None
    source: str = ""
    tags: tuple[str, ...] = ()
    weight: float = 1.0
    draft: bool = False
    answers: tuple[str, ...] = ()
    all: tuple[str, ...] = ()
    number: Number | None = None
    date: Day | None = None
    regex: str = ""
    quote: tuple[str, ...] = ()
    articles: tuple[str, ...] = ()
    abstain: bool = False
    path: str = ""
    """The file that holds it, as it was named."""
    line: int = 0

    @property
    def filters(self) -> dict[str, Any]:
        """The articles that it is asked of, as keywords of `Assistant.ask`."""
        return {"since": self.since, "until": self.until, "source": self.source or None}

    @property
    def worded(self) -> bool:
        """Whether the words of the short answer are expected, not only a sentence or an article."""
        return bool(self.answers or self.all or self.number or self.date or self.regex)

    @property
    def traceable(self) -> bool:
        """Whether it says what evidence is: an expression may be found in any passage, and shows none."""
        return bool(self.articles or self.quote or self.answers or self.all or self.number or self.date)


class _Wrong(Exception):
    def __init__(self, node: Node, text: str) -> None:
        super().__init__(text)
        self.mistake = Mistake(node.line, text)


_UNSPEAKABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


# -- what a key may hold -------------------------------------------------------------------------------------------


def _text(node: Node) -> str:
    """Quoted or not, but no number and no true: `question: 5` is a slip."""
    if not isinstance(node, Scalar) or node.kind in ("number", "flag"):
        raise _Wrong(node, f"must be text, is {_named(node)}")
    return _written(node)


def _word(node: Node) -> str:
    """Text as written: an expected 2021, 5.0 or no needs no quotes."""
    if not isinstance(node, Scalar):
        raise _Wrong(node, f"must be text, is {_named(node)}")
    return _written(node)


def _written(node: Scalar) -> str:
    if node.kind == "nothing" or (not node.text.strip() and node.kind == "text"):
        raise _Wrong(node, "is empty")
    if _UNSPEAKABLE.search(node.text):
        raise _Wrong(node, "holds a control character or half of one (as \\ud800 writes)")
    return node.text.strip()


def _id(node: Node) -> str:
    name = _word(node)
    if "\n" in name:
        raise _Wrong(node, "must be one line")
    return name


def _question(node: Node) -> str:
    text = " ".join(_text(node).split())
    if len(text) > LENGTH_LIMIT:
        raise _Wrong(node, f"has {len(text):,} characters; at most {LENGTH_LIMIT:,} can be asked")
    return text


def _words(node: Node) -> tuple[str, ...]:
    """A list; `387,000` without quotes would be two items of it."""
    if not isinstance(node, Items):
        raise _Wrong(node, f"must be a list, is {_named(node)}")
    if not node.items:
        raise _Wrong(node, "is empty")
    for left, right in zip(node.items, node.items[1:], strict=False):
        if isinstance(left, Scalar) and isinstance(right, Scalar) and _torn(left, right):
            both = printable(f"{left.text},{right.text}")
            raise _Wrong(left, f"{both} without quotes is two items; put it in quotes")
    return tuple(_word(item) for item in node.items)


def _torn(left: Scalar, right: Scalar) -> bool:
    if not (left.plain and right.plain):
        return False
    touching = left.line == right.line and right.start == left.end + 1 and left.end > left.start
    return touching and left.text[-1:].isdigit() and bool(re.match(r"\d{3}(?!\d)", right.text))


def _one_or_several(node: Node) -> tuple[str, ...]:
    return _words(node) if isinstance(node, Items) else (_word(node),)


def _flag(node: Node) -> bool:
    if not isinstance(node, Scalar) or node.kind != "flag":
        raise _Wrong(node, f"must be true or false, is {_named(node)}")
    return truth(node)


def _weight(node: Node) -> float:
    if not isinstance(node, Scalar) or node.kind != "number":
        raise _Wrong(node, f"must be a number, is {_named(node)}")
    value = float(node.text)
    if not 0 < value <= 1_000_000:
        raise _Wrong(node, f"is {printable(node.text)}; use a number above 0, up to 1,000,000")
    return value


def _calendar_day(node: Node) -> date:
    if isinstance(node, Scalar):
        try:
            return date.fromisoformat(node.text) if re.fullmatch(r"\d{4}-\d\d-\d\d", node.text) else _no_day(node)
        except ValueError as error:
            raise _Wrong(node, f"{printable(node.text)} is no day: {error}") from error
    return _no_day(node)


def _no_day(node: Node) -> date:
    raise _Wrong(node, f"must be a day as YYYY-MM-DD, is {_named(node)}")


def _expected_day(node: Node) -> Day:
    if isinstance(node, Scalar):
        try:
            return Day.parse(node.text)
        except ValueError:
            pass
    raise _Wrong(node, f"must be a date as YYYY-MM-DD, YYYY-MM or YYYY, is {_named(node)}")


def _number(node: Node) -> Number:
    if not isinstance(node, Pairs):
        return Number(_figure(node))
    fields = _fields(node, ("value", "tolerance"))
    value = _figure(fields["value"])
    return Number(value, _tolerance(fields["tolerance"], value) if "tolerance" in fields else Decimal(0))


def _fields(node: Pairs, known: Sequence[str]) -> dict[str, Node]:
    """By name, the first of `known` among them."""
    fields: dict[str, Node] = {}
    for key, value in node.pairs:
        if key.text not in known:
            raise _Wrong(key, f"has an unknown key `{printable(key.text)}`; known: {', '.join(known)}")
        if key.text in fields:
            raise _Wrong(key, f"has `{key.text}` twice")
        fields[key.text] = value
    if known[0] not in fields:
        raise _Wrong(node, f"lacks the key `{known[0]}`")
    return fields


def _figure(node: Node) -> Decimal:
    """A number, or words that state exactly one: 387 thousand."""
    if not isinstance(node, Scalar) or node.kind in ("nothing", "flag"):
        raise _Wrong(node, f'must be a number, as 387000 or "387 thousand", is {_named(node)}')
    if len(node.text) > _FIGURE_LIMIT:
        raise _Wrong(
            node, f"{printable(node.text)} is too long for a figure; at most {_FIGURE_LIMIT} characters are read"
        )
    if _AMBIGUOUS.search(node.text):
        said = f"{printable(node.text)} may be read in two ways"
        raise _Wrong(node, f'{said}; write 387000 or "387,000" for thousands, 387.5 for a fraction')
    if node.kind == "number":
        return _decimal(node)
    found = numbers(node.text)
    if len(found) != 1:
        raise _Wrong(node, f"{printable(node.text)} states {len(found) or 'no'} numbers; name one")
    return found[0].value


# 56.200 is fifty-six thousand to some, and fifty-six to others; 0.387 is clear.
_AMBIGUOUS = re.compile(r"^\s*[-+]?[1-9]\d{0,2}(?:\.\d{3})+\s*$|\d_\d")


def _decimal(node: Scalar) -> Decimal:
    try:
        value = Decimal(node.text)
    except InvalidOperation as error:
        raise _Wrong(node, f"{printable(node.text)} is no number") from error
    if abs(value.adjusted()) > 30:
        raise _Wrong(node, f"{printable(node.text)} is too large or too small to be compared")
    return value


def _tolerance(node: Node, value: Decimal) -> Decimal:
    """A distance, or a share of the value: 1000, 5%."""
    share = isinstance(node, Scalar) and re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)\s*%", node.text.strip())
    tolerance = abs(value) * Decimal(share.group(1)) / 100 if share else _figure(node)
    if tolerance < 0:
        raise _Wrong(node, "tolerance must not be below 0")
    return tolerance


def _regex(node: Node) -> str:
    pattern = _text(node)
    if len(pattern) > REGEX_LIMIT:
        raise _Wrong(node, f"has {len(pattern):,} characters, at most {REGEX_LIMIT:,} are taken")
    if _VERBOSE.search(pattern):
        raise _Wrong(node, "is in verbose form, (?x); write it on one line, without spaces and comments")
    if _written_out(pattern) > _WRITTEN_OUT_LIMIT:
        raise _Wrong(
            node, "has counts, as {99}, that multiply to more than can be searched for; use smaller ones, or +"
        )
    import regex

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            regex.compile(pattern)
    except (regex.error, ValueError, OverflowError, RecursionError) as error:
        raise _Wrong(node, f"is no regular expression: {' '.join(str(error).split())[:200]}") from error
    return pattern


_COUNT = re.compile(r"(?P<group>\)\s*)?\{(?P<least>\d*),?(?P<most>\d*)\}")
# In it, spaces and comments could stand within a count.
_VERBOSE = re.compile(r"(?<!\\)(?:\\\\)*\(\?[a-zA-Z0-9]*x")


def _written_out(pattern: str) -> int:
    """Characters with all counts written out, at most: counts of groups are taken to nest, whether they do or not."""
    groups, single = 1, 1
    for found in _COUNT.finditer(pattern):
        count = max(int(found["least"] or 0), int(found["most"] or 0), 1)
        if found["group"]:
            groups *= count
        else:
            single = max(single, count)
    return len(pattern) * groups * single


def _history(node: Node) -> tuple[Turn, ...]:
    if not isinstance(node, Items) or not node.items:
        raise _Wrong(node, f"must be a list of turns (question, answer), is {_named(node)}")
    return tuple(_turn(item) for item in node.items)


def _turn(node: Node) -> Turn:
    if not isinstance(node, Pairs):
        raise _Wrong(node, f"each turn has a question and an answer, this is {_named(node)}")
    fields = _fields(node, ("question", "answer"))
    return Turn(_question(fields["question"]), _word(fields["answer"]) if "answer" in fields else "")


def _named(node: Node) -> str:
    if isinstance(node, Items):
        return "a list"
    if isinstance(node, Pairs):
        return "a group of keys"
    if node.kind == "nothing":
        return "empty"
    shown = printable(node.text)
    return {"number": f"the number {shown}", "flag": shown}.get(node.kind, f"'{shown}'")


# -- the table -----------------------------------------------------------------------------------------------------

_STRING = {"type": "string", "minLength": 1}
_SCALAR = {"type": ["string", "number", "boolean"]}
_LIST = {"type": "array", "items": _SCALAR, "minItems": 1}
_FIGURE = {"type": ["number", "string"]}
_TURN = {
    "type": "object",
    "properties": {"question": _STRING, "answer": _SCALAR},
    "required": ["question"],
    "additionalProperties": False,
}
_NUMBER = {
    "type": "object",
    "properties": {"value": _FIGURE, "tolerance": _FIGURE},
    "required": ["value"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Key:
    """What a case may hold under a name, how it is read, and how an editor checks it."""

    name: str
    about: str
    read: Callable[[Node], Any]
    schema: Mapping[str, Any]


KEYS = (
    Key("id", "a name of its own; a baseline knows the case by it", _id, {"type": ["string", "number"]}),
    Key("question", "what the user types", _question, _STRING),
    Key("history", "earlier turns, oldest first, each with question and answer", _history,
        {"type": "array", "items": _TURN, "minItems": 1}),
    Key("since", "only articles published on this day or later, YYYY-MM-DD", _calendar_day, _STRING),
    Key("until", "only articles published on this day or earlier, YYYY-MM-DD", _calendar_day, _STRING),
    Key("source", "only articles of this outlet", _text, _STRING),
    Key("tags", "words to count results by", _words, _LIST),
    Key("weight", "how much the case counts; 1 unless told", _weight, {"type": "number", "exclusiveMinimum": 0}),
    Key("draft", "true: skipped until a person has looked at it and removed this line", _flag, {"type": "boolean"}),
    Key("answers", "right if the answer is any one of these; case, punctuation at the ends, a/an/the and words such as "
        "about or more than in front do not count", _words, _LIST),
    Key("all", "right if the answer holds every one of these", _words, _LIST),
    Key("number", 'a figure, however it is written: 387000, "387 thousand", or value and tolerance (1000 or 5%)',
        _number, {"anyOf": [_FIGURE, _NUMBER]}),
    Key("date", "a date as YYYY-MM-DD, YYYY-MM or YYYY, however the answer writes it", _expected_day,
        {"type": ["string", "number"]}),
    Key("regex", "a regular expression that is found in the answer", _regex, _STRING),
    Key("quote", "words, or a list of alternatives, of which one must stand in a cited sentence", _one_or_several,
        {"anyOf": [_STRING, _LIST]}),
    Key("articles", "one of these must be cited: file names, ids or addresses as `assistant show` prints them",
        _words, _LIST),
    Key("abstain", "true: the articles do not answer this, so the assistant must not either", _flag,
        {"type": "boolean"}),
)  # fmt: skip
REQUIRED = ("id", "question")
EXPECTED = ("answers", "all", "number", "date", "regex", "quote", "articles")
_BY_NAME = {key.name: key for key in KEYS}


def schema() -> dict[str, Any]:
    """A JSON Schema (2020-12) of YAML files of cases, for editors that check while one types."""
    expects = {"anyOf": [{"required": [name]} for name in EXPECTED]}
    case = {
        "type": "object",
        "properties": {key.name: {"description": key.about, **key.schema} for key in KEYS},
        "required": list(REQUIRED),
        "additionalProperties": False,
        "if": {"properties": {"abstain": {"const": True}}, "required": ["abstain"]},
        "then": {"not": expects},
        "else": expects,
    }
    listed = {"type": "array", "items": {"$ref": "#/$defs/case"}, "minItems": 1}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Cases of assistant eval",
        "$defs": {"case": case},
        "anyOf": [
            listed,
            {
                "type": "object",
                "properties": {"cases": listed},
                "required": ["cases"],
                "additionalProperties": False,
            },
        ],
    }


# -- files -> cases ------------------------------------------------------------------------------------------------


def load_cases(*paths: str | os.PathLike[str]) -> list[Case]:
    """The cases of YAML, JSONL or CSV files, in order, drafts among them; ids are unique over all files.

    Nothing in a file is executed or expanded. Raises InvalidCases, whose message lists every mistake as
    `file:line: what is wrong`.
    """
    cases: list[Case] = []
    wrong: list[str] = []
    seen: dict[str, Case] = {}
    for path in paths:
        name = os.fspath(path)
        try:
            entries, mistakes = read(Path(path))
        except OSError as error:
            raise InvalidCases(
                f"{name} cannot be read ({error.strerror}); to begin a file of cases: assistant eval --init FILE"
            ) from error
        for entry in entries:
            case, more = _case(entry, name)
            mistakes += more
            if case and (first := seen.setdefault(case.id, case)) is not case:
                where = f"line {first.line}" if first.path == name else f"{first.path}:{first.line}"
                mistakes.append(Mistake(case.line, f"the id '{printable(case.id)}' is taken ({where}); give another"))
            elif case:
                cases.append(case)
        wrong += [f"{name}:{mistake.line}: {mistake.text}" for mistake in sorted(set(mistakes))]
    if wrong:
        raise InvalidCases("\n".join([_count(len(wrong), paths), *wrong]))
    return cases


def is_readable(text: str) -> bool:
    """Whether a list of cases in YAML has no mistake: for those who write some."""
    entries, mistakes = parse(text.encode("utf-8", "surrogatepass"), YAML[0])
    return not mistakes and not any(_case(entry, "")[1] for entry in entries)


def _count(mistakes: int, paths: Sequence[str | os.PathLike[str]]) -> str:
    where = os.fspath(paths[0]) if len(paths) == 1 else f"{len(paths)} files"
    return f"{mistakes} {'mistake' if mistakes == 1 else 'mistakes'} in {where}; correct and run it again:"


def _case(entry: Node, path: str) -> tuple[Case | None, list[Mistake]]:
    """The case, and its mistakes; a case with mistakes is given as far as its id, so that a second one is noticed."""
    if not isinstance(entry, Pairs):
        return None, [Mistake(entry.line, f"a case is a group of keys (id, question, …), this is {_named(entry)}")]
    values: dict[str, Any] = {}
    mistakes = []
    for key, node in entry.pairs:
        if key.text not in _BY_NAME:
            mistakes.append(Mistake(key.line, _unknown(key.text)))
        elif key.text in values:
            mistakes.append(Mistake(key.line, f"`{key.text}` stands here twice"))
        else:
            values[key.text] = None
            if _refused(node):
                continue
            try:
                values[key.text] = _BY_NAME[key.text].read(node)
            except _Wrong as wrong:
                mistakes.append(Mistake(wrong.mistake.line, f"`{key.text}` {wrong.mistake.text}"))
    mistakes += [Mistake(entry.line, text) for text in _contradictions(values, {key.text for key, _ in entry.pairs})]
    if mistakes:
        return (Case(values["id"], "", path=path, line=entry.line) if values.get("id") else None), mistakes
    return Case(**values, path=path, line=entry.line), []


def _refused(node: Node) -> bool:
    """Whether it holds a tag, an anchor or an alias: that is a mistake already, and its value unknown."""
    if isinstance(node, Items):
        return any(_refused(item) for item in node.items)
    if isinstance(node, Pairs):
        return any(_refused(value) for _, value in node.pairs)
    return node.kind == "refused"


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name[:40], _BY_NAME, 1)
    return f"unknown key `{printable(name)}`; " + (
        f"did you mean `{near[0]}`?" if near else f"known: {', '.join(_BY_NAME)}"
    )


def _contradictions(values: Mapping[str, Any], named: Collection[str]) -> list[str]:
    """What is wrong with a case as a whole. A key whose value was refused holds None and counts as given.

    An unknown key among those `named` may be a slip for an expectation, so that none is missed beside it.
    """
    found = [f"the key `{name}` is missing" for name in REQUIRED if name not in values]
    given = [name for name in EXPECTED if name in values]
    if values.get("abstain") and given:
        found.append(f"with `abstain: true` nothing else can be expected; remove `{given[0]}` or `abstain`")
    if not given and values.get("abstain", False) is False and all(name in _BY_NAME for name in named):
        found.append(f"nothing is expected; give one of {', '.join(EXPECTED)}, or `abstain: true`")
    since, until = values.get("since"), values.get("until")
    if since and until and since > until:
        found.append(f"since {since} lies after until {until}; swap them")
    return found


def looks_like_cases(path: Path) -> bool:
    """Whether a file is probably meant as cases: for those who collect files, and must leave other people's alone."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            head = file.read(100_000)
    except OSError:
        return False
    suffix = path.suffix.lower()
    if suffix in YAML:
        return bool(re.search(r"^cases\s*:|^\s*- +(?:id|question)\s*:", head, re.MULTILINE))
    if suffix in JSON_LINES:
        return '"question"' in head.split("\n", 1)[0]
    return suffix == ".csv" and set(CSV_COLUMNS[:3]) <= set(re.findall(r"\w+", head.split("\n", 1)[0].lower()))
