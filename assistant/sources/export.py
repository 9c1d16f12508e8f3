"""A CSV, TSV, JSONL or JSON export -> one Item per row, by a mapping of Article's fields to the export's columns."""

from __future__ import annotations

import codecs
import csv
import functools
import hashlib
import io
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

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
_CHUNK = 2**16
"""Bytes, of which the first 20,000 characters show whether it is text."""
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
Opened = Callable[[], BinaryIO]
"""Opens an export's UTF-8 text."""


@dataclass(frozen=True)
class RowItem:
    """One row. It is read once more when it is wanted, so that an export's texts are not all held in memory."""

    source: str
    location: str
    digest: str
    read: Callable[[], Mapping[str, Any]]
    """The row's columns under Article's names, as found. Raises OSError, and ValueError where there is no row."""
    path: Path | None = None
    """None: the file is not of this row alone."""

    def load(self, known: str) -> tuple[str, Article | None]:
        """(hash, article), or None for the article if the hash is the known one. Raises ArticleUnreadable."""
        if self.digest == known:
            return known, None
        try:
            fields = self.read()
        except OSError as error:
            raise ArticleUnreadable(f"cannot be read: {error.strerror}") from error
        except ValueError:
            fields = {}
        if _digest(fields) != self.digest:
            raise ArticleUnreadable("changes while it is read; sync again when it is written")
        found = _paragraphs(fields.get("text"))
        if not found:
            raise ArticleSkipped("empty: no text in the row")
        draft = Draft("\n\n".join(found), {**fields})
        return self.digest, to_article(draft, article_id(self.source, self.location), self.location)


def _digest(fields: Mapping[str, Any]) -> str:
    stated = json.dumps(fields, sort_keys=True, default=str)
    return hashlib.sha256(f"{PARSER_VERSION}\0row\0{stated}".encode("utf-8", "replace")).hexdigest()


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


def rows(source: str, path: Path, mapping: Mapping[str, str]) -> list[RowItem | Unreadable]:
    """The rows of an export in their order. Raises SourceMissing if the file or a mapped column is not there.

    Dots in a column's name lead into nested JSON: "author.name". Where the first rows of a column show that its days
    stand before its months (13/03/2024), 05/03/2024 is the fifth of March; in any other it is the third of May.
    """
    try:
        # Of an export that is still being written, the rows that are not there yet would be taken for gone.
        return read_whole(path, lambda path: list(_rows(source, path, mapping)))
    except OSError as error:
        raise SourceMissing(f"{path} cannot be read ({error.strerror}); name an export") from error
    except ArticleUnreadable as error:
        raise SourceMissing(f"{path} cannot be read: {error}") from error


def _rows(source: str, path: Path, mapping: Mapping[str, str]) -> Iterator[RowItem | Unreadable]:
    lines = _read(path)
    head = list(itertools.islice(lines, _SHOWN))
    columns = _columns(path, [line.row for line in head if isinstance(line.row, dict)], mapping)
    seen: dict[str, int] = {}
    for line in itertools.chain(head, lines):
        place = f"{path.name}#line {line.number}"
        if not isinstance(line.row, dict):
            yield Unreadable(place, line.row)
            continue
        name = _name(columns.stated(line.row))
        if name in seen:
            yield Unreadable(place, f"has the id of line {seen[name]}")
            continue
        seen[name] = line.number
        read = functools.partial(_fields, columns, line.again)
        yield RowItem(source, f"{path.name}#{name}", _digest(columns.fields(line.row)), read)


def _fields(columns: _Columns, again: Callable[[], Row]) -> dict[str, Any]:
    return columns.fields(again())


class _Line(NamedTuple):
    """A row or what is wrong with it, by the number of its first line; and how to read the row once more."""

    number: int
    row: Row | str
    again: Callable[[], Row] = dict


@dataclass(frozen=True)
class _Columns:
    chosen: Mapping[str, str]
    """Of each field, the column."""
    day_first: frozenset[str]
    """Fields in which 05/03/2024 is the fifth of March."""

    def stated(self, row: Row) -> dict[str, Any]:
        found = {field: _value(row, column) for field, column in self.chosen.items()}
        return {field: value for field, value in found.items() if value not in (None, "")}

    def fields(self, row: Row) -> dict[str, Any]:
        found = self.stated(row)
        for field in self.day_first:
            if _SLASHED.match(str(found.get(field))):
                found[field] = to_date(found[field], day_first=True)
        return found


def _columns(path: Path, shown: Sequence[Row], mapping: Mapping[str, str]) -> _Columns:
    # Objects may leave out what they have not got, so that one row does not show all columns.
    columns = {column: value for row in shown for column, value in row.items()}
    chosen = _chosen(path, columns, mapping) if columns else {}
    dates = (field for field in _DATES if field in chosen)
    return _Columns(
        chosen, frozenset(field for field in dates if _day_first(_value(row, chosen[field]) for row in shown))
    )


def _read(path: Path) -> Iterator[_Line]:
    """Raises OSError, ArticleUnreadable, SourceMissing."""
    if path.stat().st_size > SIZE_LIMIT:
        raise SourceMissing(f"{path} is larger than {SIZE_LIMIT // 2**20} MiB; split it into several exports")
    suffix = path.suffix.lower()
    if suffix == ".json":
        return _json(path, decode(read_whole(path, Path.read_bytes)))
    opened = _opened(path)
    return _json_lines(opened) if suffix in (".jsonl", ".ndjson") else _table(opened, tabs=suffix == ".tsv")


def _opened(path: Path) -> Opened:
    """Of text in another encoding than UTF-8, which has to be known as a whole, from memory."""
    if _holds_utf8(path):
        return lambda: path.open("rb")
    return functools.partial(io.BytesIO, decode(path.read_bytes()).encode())


def _holds_utf8(path: Path) -> bool:
    """Raises OSError, and ArticleUnreadable if it looks binary."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as stream:
            decode(decoder.decode(stream.read(_CHUNK)).encode())
            while chunk := stream.read(_CHUNK):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


class _Lines:
    """The lines of UTF-8 text from a byte on, with their ends; `offset` is that behind the last one given."""

    def __init__(self, stream: BinaryIO, offset: int = 0) -> None:
        self._stream = stream
        self.offset = offset or (len(codecs.BOM_UTF8) if stream.read(3) == codecs.BOM_UTF8 else 0)

    def __iter__(self) -> Iterator[str]:
        self._stream.seek(self.offset)
        for line in self._stream:
            # A table of old ends its lines with a carriage return alone.
            for piece in line.splitlines(keepends=True):
                self.offset += len(piece)
                # That it is UTF-8 is known; of a file that changed since, others tell that.
                yield piece.decode("utf-8", "replace")


def _json(path: Path, text: str) -> Iterator[_Line]:
    try:
        loaded = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SourceMissing(f"{path} is not valid JSON ({error}); name a list of objects, or a .jsonl file") from error
    if not isinstance(loaded, list):
        raise SourceMissing(f"{path} holds no list of objects; name one, or a .jsonl file")
    for number, row in enumerate(loaded, 1):
        yield _Line(number, row, row.copy) if isinstance(row, dict) else _Line(number, "is no object")


def _json_lines(opened: Opened) -> Iterator[_Line]:
    with opened() as stream:
        lines = _Lines(stream)
        end = lines.offset
        for number, line in enumerate(lines, 1):
            start, end = end, lines.offset
            if not line.strip():
                continue
            try:
                row = _object(line)
            except ValueError as error:
                yield _Line(number, str(error))
            else:
                yield _Line(number, row, functools.partial(_json_at, opened, start))


def _json_at(opened: Opened, offset: int) -> Row:
    with opened() as stream:
        return _object(next(iter(_Lines(stream, offset)), ""))


def _object(line: str) -> Row:
    """Raises ValueError that says what is wrong."""
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ValueError(f"is not valid JSON: {getattr(error, 'msg', 'a number too long')}") from error
    except RecursionError as error:
        raise ValueError("is not valid JSON: nested too deep") from error
    if isinstance(row, dict):
        return row
    raise ValueError("is no object")


def _table(opened: Opened, *, tabs: bool) -> Iterator[_Line]:
    # Beyond the default of 128 kB: articles are longer. It can be set for the whole process only.
    csv.field_size_limit(SIZE_LIMIT)
    with opened() as stream:
        sample = stream.readline(20_000).decode("utf-8", "ignore")
    delimiter = "\t" if tabs else max(",;\t|", key=sample.count)
    header: list[str] | None = None
    with opened() as stream:
        lines = _Lines(stream)
        reader = _csv_reader(lines, delimiter)
        while True:
            number, start = reader.line_num + 1, lines.offset
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield _Line(number, f"is not valid CSV: {error}")
                continue
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = [cell.strip() for cell in cells]
            elif len(cells) != len(header):
                yield _Line(number, f"has {len(cells)} columns where the first line has {len(header)}")
            else:
                again = functools.partial(_table_at, opened, start, header, delimiter)
                yield _Line(number, dict(zip(header, cells, strict=True)), again)


def _table_at(opened: Opened, offset: int, header: Sequence[str], delimiter: str) -> Row:
    with opened() as stream:
        try:
            cells: list[str] = next(_csv_reader(_Lines(stream, offset), delimiter), [])
        except csv.Error as error:
            raise ValueError("is not valid CSV any longer") from error
    return dict(zip(header, cells, strict=True))


def _csv_reader(lines: Iterable[str], delimiter: str) -> Any:
    return csv.reader((line.replace("\0", "") for line in lines), delimiter=delimiter, strict=True)


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
