"""A CSV, TSV, JSONL or JSON export -> one Item per row, by a mapping of Article's fields to the export's columns."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.errors import ArticleSkipped, ArticleUnreadable, InvalidSetting, SourceMissing
from assistant.schema import Article
from assistant.sources.apart import blocks_apart
from assistant.sources.cleaning import clean, decode
from assistant.sources.draft import ALIASES, Draft, to_article, to_date
from assistant.sources.files import PARSER_VERSION, SIZE_LIMIT, read_whole
from assistant.sources.html import blocks
from assistant.sources.listing import Unreadable, article_id
from assistant.sources.text import paragraphs

FIELDS = ("id", "title", "text", "source", "author", "published", "updated", "fetched", "url", "language", "licence")
_SHOWN = 1_000
"""Rows that are looked at for columns, and for the order of day and month."""
_DATES = ("published", "updated", "fetched")
_SLASHED = re.compile(r"\s*(\d{1,2})[/-](\d{1,2})[/-]\d{4}(?!\d)")
_MARKUP = re.compile(r"</|<(?:p|br|div)[\s/>]", re.IGNORECASE)
_BLOCK = re.compile(
    r"<(?:p|br|div|h[1-6r]|[ou]l|li|d[ltd]|table|t[rdh]|blockquote|pre|section|article|main|header|footer|aside|figure"
    r"|figcaption|form|fieldset|address|body)[\s/>]",
    re.IGNORECASE,
)
_HERE = 100_000
"""Characters of markup that are taken apart in this process; more might keep it busy."""
_NAME_LIMIT = 200
"""Characters of a row's name; of a longer one its beginning and a hash."""
_TEXTS = ("text", "body", "content", "article", "story", "full_text", "maintext")
_IDS = ("id", "uuid", "guid", "article_id")

Row = dict[str, Any]


@dataclass(frozen=True)
class RowItem:
    """One row: `fields` under Article's names, as found."""

    source: str
    location: str
    fields: Mapping[str, Any]
    path: Path | None = None
    """None: the file is not of this row alone."""

    def load(self, known: str) -> tuple[str, Article | None]:
        """(hash, article), or None for the article if the hash is the known one. Raises ArticleUnreadable."""
        stated = json.dumps(self.fields, sort_keys=True, default=str)
        digest = hashlib.sha256(f"{PARSER_VERSION}\0row\0{stated}".encode("utf-8", "replace")).hexdigest()
        if digest == known:
            return digest, None
        found = _paragraphs(self.fields.get("text"))
        if not found:
            raise ArticleSkipped("empty: no text in the row")
        draft = Draft("\n\n".join(found), {**self.fields})
        return digest, to_article(draft, article_id(self.source, self.location), self.location)


def _paragraphs(text: Any) -> list[str]:
    """Of a text, or a list of texts. Raises ArticleUnreadable."""
    if isinstance(text, list):
        if not all(isinstance(piece, str) for piece in text):
            raise ArticleUnreadable("its text is a list, and not of texts alone")
        return [paragraph for piece in text for paragraph in _paragraphs(piece)]
    return _of_column(clean(text)) if isinstance(text, str) else []


def _of_column(text: str) -> list[str]:
    """The paragraphs of a column that holds text, or the markup of an article's body. Raises ArticleUnreadable."""
    if not _MARKUP.search(text):
        return paragraphs(text)
    if not _BLOCK.search(text):
        # Plain text with a word in bold. A rule parts its paragraphs and leaves open what is open, such as what hides.
        text = re.sub(r"\n\s*\n", "\n<hr>\n", text)
    return blocks(text) if len(text) <= _HERE else blocks_apart(text)


def parse_mapping(stated: str) -> dict[str, str]:
    """Of "title=headline,text=body": {"title": "headline", "text": "body"}. Raises InvalidSetting."""
    mapping = {}
    for part in stated.split(","):
        field, sign, column = (piece.strip() for piece in part.partition("="))
        if not sign or not column or field not in FIELDS:
            raise InvalidSetting(
                f"--map has {part.strip()!r}; write FIELD=COLUMN with FIELD one of {', '.join(FIELDS)}"
            )
        mapping[field] = column
    return mapping


def rows(source: str, path: Path, mapping: Mapping[str, str]) -> Iterator[RowItem | Unreadable]:
    """The rows of an export in their order. Raises SourceMissing if the file or a mapped column is not there.

    Dots in a column's name lead into nested JSON: "author.name". Where the first rows of a column show that its days
    stand before its months (13/03/2024), 05/03/2024 is the fifth of March; in any other it is the third of May.
    """
    lines = list(_read(path))
    shown = [row for _, row in lines[:_SHOWN] if isinstance(row, dict)]
    # Objects may leave out what they have not got, so that one row does not show all columns.
    columns = {column: value for row in shown for column, value in row.items()}
    chosen = _chosen(path, columns, mapping) if columns else {}
    dates = [field for field in _DATES if field in chosen and _day_first(_value(row, chosen[field]) for row in shown)]
    seen: dict[str, int] = {}
    for number, row in lines:
        place = f"{path.name}#line {number}"
        if not isinstance(row, dict):
            yield Unreadable(place, str(row))
            continue
        fields = {field: value for field, column in chosen.items() if (value := _value(row, column)) not in (None, "")}
        name = _name(fields)
        if name in seen:
            yield Unreadable(place, f"has the id of line {seen[name]}")
            continue
        seen[name] = number
        for field in dates:
            if _SLASHED.match(str(fields.get(field))):
                fields[field] = to_date(fields[field], day_first=True)
        yield RowItem(source, f"{path.name}#{name}", fields)


def _read(path: Path) -> Iterator[tuple[int, Row | str]]:
    """(line, row), or what is wrong with the line."""
    try:
        if path.stat().st_size > SIZE_LIMIT:
            raise SourceMissing(f"{path} is larger than {SIZE_LIMIT // 2**20} MiB; split it into several exports")
        # Of an export that is still being written, the rows that are not there yet would be taken for gone.
        text = decode(read_whole(path))
    except OSError as error:
        raise SourceMissing(f"{path} cannot be read ({error.strerror}); name an export") from error
    except ArticleUnreadable as error:
        raise SourceMissing(f"{path} cannot be read: {error}") from error
    suffix = path.suffix.lower()
    if suffix == ".json":
        return _json(path, text)
    if suffix in (".jsonl", ".ndjson"):
        return _json_lines(text)
    return _table(path, text)


def _json(path: Path, text: str) -> Iterator[tuple[int, Row | str]]:
    try:
        loaded = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SourceMissing(f"{path} is not valid JSON ({error}); name a list of objects, or a .jsonl file") from error
    if not isinstance(loaded, list):
        raise SourceMissing(f"{path} holds no list of objects; name one, or a .jsonl file")
    return ((n, row if isinstance(row, dict) else "is no object") for n, row in enumerate(loaded, 1))


def _json_lines(text: str) -> Iterator[tuple[int, Row | str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            yield number, f"is not valid JSON: {getattr(error, 'msg', 'a number too long')}"
        except RecursionError:
            yield number, "is not valid JSON: nested too deep"
        else:
            yield number, row if isinstance(row, dict) else "is no object"


def _table(path: Path, text: str) -> Iterator[tuple[int, Row | str]]:
    # Beyond the default of 128 kB: articles are longer. It can be set for the whole process only.
    csv.field_size_limit(SIZE_LIMIT)
    sample = text[:20_000].split("\n", 1)[0]
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t|", key=sample.count)
    reader = csv.reader(io.StringIO(text.replace("\0", ""), newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, f"is not valid CSV: {error}"
            continue
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = [cell.strip() for cell in cells]
        elif len(cells) != len(header):
            yield line, f"has {len(cells)} columns where the first line has {len(header)}"
        else:
            yield line, dict(zip(header, cells, strict=True))


def _chosen(path: Path, row: Row, mapping: Mapping[str, str]) -> dict[str, str]:
    """The column of each field: as mapped, else the one that is called like it. Raises SourceMissing."""
    columns = {str(column).lower(): str(column) for column in row}
    found = {field: columns[field] for field in FIELDS if field in columns}
    for alias, field in ALIASES.items():
        if alias in columns:
            found.setdefault(field, columns[alias])
    for field, names in (("text", _TEXTS), ("id", _IDS)):
        for name in names:
            if name in columns:
                found.setdefault(field, columns[name])
    chosen = {**found, **mapping}
    has = ", ".join(" ".join(clean(column).split())[:100] for column in list(columns.values())[:20])
    for field, column in mapping.items():
        if _value(row, column) is None and column.split(".")[0] not in row:
            raise SourceMissing(f"{path} has no column {column!r} for {field}; it has {has}")
    if "text" not in chosen:
        raise SourceMissing(f"{path} has no column for the text; name it: --map text=COLUMN (it has {has})")
    return chosen


def _day_first(values: Iterable[Any]) -> bool:
    """Whether a column's dates like 13/03/2024 show that the day comes first, and none that the month does."""
    found = [match for value in values if isinstance(value, str) and (match := _SLASHED.match(value))]
    return any(int(match[1]) > 12 for match in found) and not any(int(match[2]) > 12 for match in found)


def _value(row: Row, column: str) -> Any:
    """A column's value; of an object or a list of objects its name."""
    value: Any = row.get(column)
    if value is None and "." in column:
        value = row
        for part in column.split("."):
            value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, list):
        return [item.get("name") if isinstance(item, dict) else item for item in value]
    return value.get("name") if isinstance(value, dict) else value


def _name(fields: Mapping[str, Any]) -> str:
    """What tells a row from the others, wherever it stands: its id, its address, or else its content."""
    for field in ("id", "url"):
        value = str(fields.get(field) or "")
        name = " ".join(clean(value).split())
        if len(name) > _NAME_LIMIT:
            return f"{name[: _NAME_LIMIT - 13]} {_hashed(name)}"
        if name:
            return name
    return _hashed(json.dumps(fields, sort_keys=True, default=str))


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]
