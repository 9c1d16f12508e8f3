"""A file of cases -> its entries, each value with the line it stands on, and every mistake in its form.

YAML is read as events: nothing in a file is resolved, constructed or expanded, so that tags, anchors and aliases are
seen and refused. Where YAML cannot be read on, reading starts again with the next case.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SIZE_LIMIT = 8_000_000
"""Bytes."""
_DEPTH_LIMIT = 8

YAML = (".yaml", ".yml")
JSON_LINES = (".jsonl", ".ndjson")
SUFFIXES = (*YAML, *JSON_LINES, ".csv")
CSV_COLUMNS = ("question", "answer", "article", "id", "tags")

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")
_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
# Line ends of YAML 1.1 that are none in an editor; their lines would be counted otherwise.
_ODD_LINE_ENDS = str.maketrans(dict.fromkeys("\x0b\x0c\x85\u2028\u2029", " "))
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_BOM = "\ufeff"


@dataclass(frozen=True, order=True)
class Mistake:
    """What is wrong on a line (counted from 1) of a file."""

    line: int
    text: str


@dataclass(frozen=True)
class Scalar:
    """A single value, as written. `kind` is text, number, flag or nothing; quoted values are text."""

    line: int
    text: str
    kind: str = "text"
    start: int = 0
    """Column; with `end`, shows which values touch each other."""
    end: int = 0
    plain: bool = False
    """Whether it stands in YAML without quotes."""


@dataclass(frozen=True)
class Items:
    """A list."""

    line: int
    items: tuple[Node, ...]


@dataclass(frozen=True)
class Pairs:
    """A mapping, keys in the order of the file; one may stand there twice."""

    line: int
    pairs: tuple[tuple[Scalar, Node], ...]


Node = Scalar | Items | Pairs


def read(path: Path) -> tuple[list[Node], list[Mistake]]:
    """The entries that could be read, and all that is wrong with the form of the others. Raises OSError."""
    if path.suffix.lower() not in SUFFIXES:
        return [], [Mistake(1, f"the file's name must end in one of {', '.join(SUFFIXES)}")]
    if path.stat().st_size > SIZE_LIMIT:
        return [], [Mistake(1, f"the file is larger than {SIZE_LIMIT // 1_000_000} MB; split it")]
    return parse(path.read_bytes(), path.suffix.lower())


def parse(raw: bytes, suffix: str) -> tuple[list[Node], list[Mistake]]:
    """`read` of what such a file holds; `suffix` is one of SUFFIXES."""
    text, mistakes = _text(raw)
    reader = _csv if suffix == ".csv" else _json_lines if suffix in JSON_LINES else _yaml
    entries, more = reader(text, {mistake.line for mistake in mistakes})
    if not entries and not mistakes and not more:
        more = [Mistake(1, "the file holds no case")]
    return entries, sorted({*mistakes, *more})


def _text(raw: bytes) -> tuple[str, list[Mistake]]:
    """A mark at the very start and any line ends are fine; what no editor shows within the text is a mistake."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "", [Mistake(1, "the file is UTF-16; save it as UTF-8")]
    raw = raw.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    mistakes, lines = [], []
    for number, line in enumerate(raw.split(b"\n"), 1):
        text = line.decode("utf-8", "replace")
        if "\ufffd" in text and b"\xef\xbf\xbd" not in line:
            mistakes.append(Mistake(number, "not UTF-8; save the file as UTF-8"))
        if _BOM in text:
            mistakes.append(Mistake(number, "a byte order mark within the file (were two files joined?); delete it"))
        if found := _CONTROLS.search(text):
            mistakes.append(Mistake(number, f"a control character (U+{ord(found.group()):04X}); delete it"))
        lines.append(_CONTROLS.sub(" ", text.replace(_BOM, " ")).translate(_ODD_LINE_ENDS))
    return "\n".join(lines), mistakes


# -- YAML ----------------------------------------------------------------------------------------------------------


def _yaml(text: str, bad_lines: set[int]) -> tuple[list[Node], list[Mistake]]:
    """A list of cases, alone or under the key `cases`."""
    lines = text.split("\n")
    tabs = [
        Mistake(number, "a tab at the start of the line; indent with spaces")
        for number, line in enumerate(lines, 1)
        if "\t" in line[: len(line) - len(line.lstrip())] and line.strip()
    ]
    bad_lines = bad_lines | {mistake.line for mistake in tabs}
    if not bad_lines:
        builder = _Builder(first_line=1)
        if builder.build(text):
            entries, mistakes = _under_cases(builder.roots)
            return entries, mistakes + builder.mistakes
    entries, mistakes = _yaml_by_case(lines, bad_lines)
    return entries, tabs + mistakes


def _under_cases(roots: Sequence[Node]) -> tuple[list[Node], list[Mistake]]:
    if not roots or (isinstance(roots[0], Scalar) and roots[0].kind == "nothing"):
        return [], []
    mistakes = [Mistake(root.line, "a second document (---); keep all cases in one") for root in roots[1:]]
    root = roots[0]
    if isinstance(root, Items):
        return list(root.items), mistakes
    if isinstance(root, Scalar):
        return [], [*mistakes, Mistake(root.line, "expected `cases:` and a list of cases below it")]
    entries: list[Node] = []
    for place, (key, value) in enumerate(root.pairs):
        if key.text != "cases":
            mistakes.append(Mistake(key.line, f"unknown key `{printable(key.text)}` beside `cases`"))
        elif any(earlier.text == "cases" for earlier, _ in root.pairs[:place]):
            mistakes.append(Mistake(key.line, "`cases` stands here twice; put all cases under one"))
        elif isinstance(value, Items):
            entries += value.items
        else:
            mistakes.append(Mistake(key.line, "`cases` must be a list: each case begins with - "))
    if not any(key.text == "cases" for key, _ in root.pairs):
        mistakes.append(Mistake(root.line, "the key `cases` is missing"))
    return entries, mistakes


def _yaml_by_case(lines: list[str], bad_lines: set[int]) -> tuple[list[Node], list[Mistake]]:
    """Each case read alone, so that a mistake in one hides none in the others; cases with `bad_lines` are left."""
    starts = _starts(lines)
    if not starts:
        builder = _Builder(first_line=1)
        builder.build("\n".join(lines))
        return [], builder.mistakes
    entries: list[Node] = []
    head = [line for line in lines[: starts[0]] if line.strip() and not line.lstrip().startswith("#")]
    mistakes = []
    if [line.split("#")[0].strip() for line in head] not in ([], ["cases:"], ["---"], ["---", "cases:"]):
        mistakes.append(Mistake(1, "expected `cases:` and nothing else before the first case"))
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        if not bad_lines.isdisjoint(range(start + 1, end + 1)):
            continue
        builder = _Builder(first_line=start + 1)
        if builder.build("\n".join(lines[start:end])):
            entries += [item for root in builder.roots if isinstance(root, Items) for item in root.items]
        mistakes += builder.mistakes
    return entries, mistakes


def _starts(lines: Sequence[str]) -> list[int]:
    """Places in `lines` where a case begins: a dash in the column of the first dash."""
    dashes = [(i, match.end()) for i, line in enumerate(lines) if (match := re.match(r" *-(?= |$)", line))]
    return [i for i, column in dashes if column == dashes[0][1]]


class _Builder:
    """YAML's events -> nodes. What a case needs none of (tags, anchors, aliases, depth) is a mistake."""

    def __init__(self, first_line: int) -> None:
        self.roots: list[Node] = []
        self.mistakes: list[Mistake] = []
        self._first = first_line
        self._open: list[tuple[bool, int, list[Node]]] = []
        """For each container that is open: whether it is a mapping, its line, and what it holds so far."""

    def build(self, text: str) -> bool:
        """Whether the text could be read to its end."""
        try:
            for event in yaml.parse(text, Loader=_Loader):
                self._take(event)
                if len(self._open) > _DEPTH_LIMIT:
                    self._complain(event, "too many brackets or lists within each other")
                    return False
        except yaml.MarkedYAMLError as error:
            # What is never closed is shown where it was opened.
            unclosed = "end of stream" in (error.problem or "")
            mark = (unclosed and error.context_mark) or error.problem_mark
            line = self._first + (mark.line if mark else 0)
            self.mistakes.append(Mistake(line, f"not YAML: {error.problem or error.context}"))
            return False
        return True

    def _complain(self, event: Any, text: str) -> None:
        self.mistakes.append(Mistake(self._first + event.start_mark.line, text))

    def _take(self, event: Any) -> None:
        kind = type(event)
        self._refuse(event, kind)
        if kind is yaml.AliasEvent:
            self._add(Scalar(self._first + event.start_mark.line, "", "refused"))
        elif kind is yaml.ScalarEvent:
            self._add(self._scalar(event))
        elif kind in (yaml.MappingStartEvent, yaml.SequenceStartEvent):
            self._open.append((kind is yaml.MappingStartEvent, self._first + event.start_mark.line, []))
        elif kind in (yaml.MappingEndEvent, yaml.SequenceEndEvent):
            mapping, line, held = self._open.pop()
            self._add(self._pairs(line, held) if mapping else Items(line, tuple(held)))

    def _refuse(self, event: Any, kind: type) -> None:
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if kind is yaml.AliasEvent:
            self._complain(event, f"an alias (*{printable(anchor)}); write the value out")
        elif anchor:
            self._complain(event, f"an anchor (&{printable(anchor)}); write the value where it is needed")
        if tag:
            self._complain(event, f"a tag ({printable(tag)}); remove it, tags are never followed")

    def _add(self, node: Node) -> None:
        (self._open[-1][2] if self._open else self.roots).append(node)

    def _scalar(self, event: Any) -> Scalar:
        line = self._first + event.start_mark.line
        if event.tag or event.anchor:
            return Scalar(line, "", "refused")
        plain = event.style not in ("'", '"', "|", ">")
        kind = _kind(event.value) if plain else "text"
        return Scalar(line, event.value, kind, event.start_mark.column, event.end_mark.column, plain)

    def _pairs(self, line: int, held: Sequence[Node]) -> Pairs:
        pairs = []
        for key, value in zip(held[::2], held[1::2], strict=True):
            if isinstance(key, Scalar):
                pairs.append((key, value))
            else:
                self.mistakes.append(Mistake(key.line, "a key must be a single word"))
        return Pairs(line, tuple(pairs))


def _kind(plain: str) -> str:
    if plain in ("", "~") or plain.lower() == "null":
        return "nothing"
    if plain.lower() in _FLAGS:
        return "flag"
    return "number" if _NUMBER.fullmatch(plain) else "text"


def truth(flag: Scalar) -> bool:
    """Of a scalar whose kind is flag."""
    return _FLAGS[flag.text.lower()]


def printable(text: str | None) -> str:
    """At most 40 characters of what a file holds, for a message: line ends and control characters are written out."""
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in (text or "")[:41])
    return line if len(line) <= 40 else f"{line[:37]}..."


# -- JSON lines ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Number:
    text: str


class _RawPairs(list[tuple[str, Any]]):
    """An object's pairs, all of them."""


def _json_lines(text: str, bad_lines: set[int]) -> tuple[list[Node], list[Mistake]]:
    """One JSON object a line; empty lines are left out."""
    entries: list[Node] = []
    mistakes = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or number in bad_lines:
            continue
        try:
            value = json.loads(
                line, object_pairs_hook=_RawPairs, parse_int=_Number, parse_float=_Number, parse_constant=_refuse
            )
            entries.append(_node(value, number, 0))
        except json.JSONDecodeError as error:
            mistakes.append(Mistake(number, f"not JSON: {error.msg} (column {error.colno})"))
        except (ValueError, RecursionError) as error:
            deep = isinstance(error, RecursionError)
            mistakes.append(Mistake(number, "too many brackets within each other" if deep else str(error)))
    return entries, mistakes


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number that can be compared")


def _node(value: Any, line: int, depth: int) -> Node:
    if depth > _DEPTH_LIMIT:
        raise ValueError("too many brackets within each other")
    if isinstance(value, _RawPairs):
        return Pairs(line, tuple((Scalar(line, key), _node(held, line, depth + 1)) for key, held in value))
    if isinstance(value, list):
        return Items(line, tuple(_node(item, line, depth + 1) for item in value))
    if isinstance(value, bool):
        return Scalar(line, str(value).lower(), "flag")
    if isinstance(value, _Number):
        return Scalar(line, value.text, "number")
    return Scalar(line, "", "nothing") if value is None else Scalar(line, value)


# -- CSV -----------------------------------------------------------------------------------------------------------


def _csv(text: str, bad_lines: set[int]) -> tuple[list[Node], list[Mistake]]:
    """A first line that names the columns, then a case a row; several answers or articles are parted by |."""
    entries: list[Node] = []
    mistakes: list[Mistake] = []
    header: list[str] = []
    try:
        for line, row in _rows(text):
            if not any(cell.strip() for cell in row):
                continue
            if not header:
                header = [cell.strip().lower() for cell in row]
                mistakes += _header_mistakes(header, line)
                if mistakes:
                    break
            elif len(row) != len(header):
                mistakes.append(Mistake(line, f"{len(row)} columns, the first line has {len(header)}"))
            elif line not in bad_lines:
                entries.append(_row(dict(zip(header, row, strict=True)), line))
    except csv.Error as error:
        mistakes.append(Mistake(1, f"not CSV: {error}"))
    return entries, mistakes


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """(line it begins on, cells); spreadsheets of some countries part cells by semicolons or tabs."""
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    line = 1
    try:
        for row in reader:
            yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise csv.Error(f"{error}, in the row that begins on line {line}") from error


def _header_mistakes(header: Sequence[str], line: int) -> list[Mistake]:
    unknown = [name for name in header if name not in CSV_COLUMNS]
    mistakes = [
        Mistake(line, f"unknown column `{printable(name)}`; known: {', '.join(CSV_COLUMNS)}") for name in unknown
    ]
    mistakes += [Mistake(line, f"the column `{name}` is missing") for name in CSV_COLUMNS[:3] if name not in header]
    if len(set(header)) < len(header):
        mistakes.append(Mistake(line, "a column is named twice"))
    return mistakes


def _row(cells: dict[str, str], line: int) -> Pairs:
    def several(column: str) -> Items:
        parts = (part.strip() for part in cells.get(column, "").split("|"))
        return Items(line, tuple(Scalar(line, part) for part in parts if part))

    question = " ".join(cells["question"].split())
    name = cells.get("id", "").strip() or "-".join(re.findall(r"\w+", question.lower()))[:80]
    fields: dict[str, Node] = {"id": Scalar(line, name), "question": Scalar(line, question)}
    for key, column in (("answers", "answer"), ("articles", "article"), ("tags", "tags")):
        if several(column).items:
            fields[key] = several(column)
    return Pairs(line, tuple((Scalar(line, key), value) for key, value in fields.items()))
