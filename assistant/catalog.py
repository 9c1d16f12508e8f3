"""Articles, passages, their vectors and full text, by generation. The home of SQLite.

The truth of the index: Chroma's generations can be made again from it. Every article row carries the
generation in which it was `born` and the one in which it `died`; generation g consists of the rows with
born <= g and (died is null or died > g). So a sync may write long before its generation answers, readers see
one consistent version, and whatever a killed sync left behind is born after the current generation and gone
with the next one.

Full text is FTS5 with Porter stems; vectors are kept by the hash of the embedded text and the model's
fingerprint, so that nothing is embedded twice.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.errors import AssistantError, IndexDamaged, IndexMismatch, IndexMissing, IndexUnusable
from assistant.schema import LIST_DIGEST, Article, Filter, Passage, Source, Split, Validator, iso

SCHEMA_VERSION = 2
"""Kept in the file (`user_version`); raise it when an older version could not read what this one writes."""

_ADDED_IN_2 = """
create table if not exists validators (
    url text primary key, etag text not null, modified text not null, digest text not null, stamp text not null
);
create table if not exists signatures (article_row integer primary key, signature blob not null);
create table if not exists copies (
    generation integer not null, article_id text not null, story text not null, primary key (generation, article_id)
) without rowid;
create index if not exists copies_by_story on copies (generation, story);
"""
_SCHEMA = (
    """
create table if not exists generations (number integer primary key, built_with text not null);
create table if not exists sources (
    key text primary key,
    place text not null,
    kind text not null default 'folder',
    options text not null default '{}',
    synced text
);
create table if not exists articles (
    row integer primary key,
    id text not null,
    source_key text not null,
    location text not null,
    file_hash text not null,
    title text not null, source text not null, author text not null, published text,
    url text not null, language text not null, licence text not null,
    text text not null,
    sentences blob not null,
    born integer not null,
    died integer,
    updated text,
    fetched text
);
create index if not exists articles_by_id on articles (id);
create table if not exists passages (
    row integer primary key,
    article_row integer not null references articles (row),
    id text not null,
    start integer not null,
    end integer not null,
    vector_key text not null
);
create index if not exists passages_by_id on passages (id);
create index if not exists passages_by_article on passages (article_row);
create virtual table if not exists full_text using fts5 (
    title, text, tokenize = 'porter unicode61 remove_diacritics 2'
);
create table if not exists vectors (key text primary key, vector blob not null) without rowid;
"""
    + _ADDED_IN_2
)

_MIGRATIONS = {
    1: """
alter table sources rename column path to place;
alter table sources add column kind text not null default 'folder';
alter table sources add column options text not null default '{}';
alter table sources add column synced text;
alter table articles add column updated text;
alter table articles add column fetched text;
"""
    + _ADDED_IN_2,
}
"""What makes a catalog of this form one of the next."""

_ALIVE = "articles.born <= :generation and (articles.died is null or articles.died > :generation)"
_ARTICLE_COLUMNS = (
    "articles.id, title, articles.text, source, author, published, url, language, licence, articles.location,"
    " updated, fetched"
)
_IDS_PER_QUERY = 500
_DISCARDED_AT_ONCE = 100
"""Articles."""
_BEYOND = 1_000
"""How many rows of a damaged table are looked for in vain, one by one, and how far after the last that was found."""
_OF_THE_DISK = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
)


@dataclass(frozen=True)
class Known:
    """What a sync needs of an article that is already there."""

    row: int
    id: str
    location: str
    file_hash: str
    title: str


class Catalog:
    """One SQLite file. Threads may share an object if they take turns, as the facade's lock makes them."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self._folder, self._path = path.parent, path
        self._seen = _state_of(path)
        if not create and not path.is_file():
            raise IndexMissing(f"there is no index in {path.parent}; type: assistant sync")
        try:
            self._db = _opened(path, create=create)
            if create and not self._version():
                self._db.executescript(f"{_SCHEMA} pragma user_version = {SCHEMA_VERSION};")
            self._db.execute("select count(*) from generations")
            self._migrate()
            version = self._version()
        except sqlite3.DatabaseError as error:
            if "_db" in vars(self):
                self._db.close()
            raise self._typed(error) from error
        if version != SCHEMA_VERSION:
            self._db.close()
            raise IndexMismatch(
                f"the catalog {path} has form {version}, this version reads {SCHEMA_VERSION}; "
                "name another --index, or use the version of article-assistant that made it"
            )

    def _version(self) -> int:
        return int(self._db.execute("pragma user_version").fetchone()[0])

    def _migrate(self) -> None:
        """An older form becomes the present one, in one transaction: nothing of it is lost, or embedded again."""
        if self._version() not in _MIGRATIONS:
            return
        self._db.execute("begin immediate")
        try:
            # Looked at again: another process may have done it meanwhile.
            while (version := self._version()) in _MIGRATIONS:
                for statement in _MIGRATIONS[version].split(";"):
                    self._db.execute(statement)
                self._db.execute(f"pragma user_version = {version + 1}")
            self._db.execute("commit")
        finally:
            if self._db.in_transaction:
                self._db.execute("rollback")

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; also gives reads one consistent state."""
        try:
            self._follow_the_writer()
            self._db.execute("begin")
            yield
            self._db.execute("commit")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("rollback")
            if isinstance(error, sqlite3.DatabaseError):
                raise self._typed(error) from error
            raise

    def _follow_the_writer(self) -> None:
        """A folder that only others can write is taken to be still (`_to_read_only`) until it is seen to change."""
        if os.access(self._folder, os.W_OK) or (now := _state_of(self._path)) == self._seen:
            return
        db = _opened(self._path, create=False)
        self._db.close()
        self._db, self._seen = db, now

    def check(self) -> None:
        """Raises IndexDamaged unless every page of the file can be read, and its tables and indexes belong together."""
        findings = [finding for (finding,) in self._read("pragma integrity_check(1)")]
        if findings != ["ok"]:
            reason = " ".join(findings[0].split())
            raise IndexDamaged(f"the catalog is damaged ({reason}); type: assistant sync --rebuild")
        if strays := len(self._read("pragma foreign_key_check")):
            raise IndexDamaged(f"the catalog has {strays} passages of no article; type: assistant sync --rebuild")
        self._check_full_text()

    def _check_full_text(self) -> None:
        try:
            # To SQLite this is a change, though it changes nothing: not for a folder that cannot be written.
            self._db.execute("insert into full_text (full_text) values ('integrity-check')")
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY):
                raise self._typed(error) from error

    def _read(self, query: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> list[Any]:
        try:
            return self._db.execute(query, parameters).fetchall()
        except sqlite3.DatabaseError as error:
            raise self._typed(error) from error

    def _typed(self, error: sqlite3.DatabaseError) -> Exception:
        """A complaint of the file -> IndexDamaged; of the disk -> IndexUnusable; of another process ->
        AssistantError; else as it is.
        """
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR):
            return IndexDamaged(f"the catalog cannot be read ({error}); type: assistant sync --rebuild")
        if code in _OF_THE_DISK:
            return IndexUnusable.of(self._folder, error)
        if code in (sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISUSE):
            return error
        return AssistantError(f"the catalog cannot be used ({error}); mend that, then type: assistant sync")

    # -- what the index was built with ---------------------------------------------------------------------

    def built_with(self, generation: int) -> dict[str, str]:
        """What made the generation: models, parameters, versions. Empty if there is no such generation."""
        rows = self._read("select built_with from generations where number = ?", (generation,))
        return dict(json.loads(rows[0][0])) if rows else {}

    def record_generation(self, generation: int, built_with: Mapping[str, str]) -> None:
        self._db.execute("insert or replace into generations values (?, ?)", (generation, json.dumps(dict(built_with))))

    def generations(self) -> list[int]:
        """Numbers of the recorded generations, oldest first."""
        return [number for (number,) in self._read("select number from generations order by number")]

    def sources(self) -> dict[str, Source]:
        """Remembered sources by key, in the order in which they were first named; without counts."""
        rows = self._read("select key, place, kind, options, synced from sources order by rowid")
        return {source.key: source for source in (_source(*row) for row in rows)}

    def source_counts(self, generation: int) -> dict[str, int]:
        """Articles in a generation, by the key of their source."""
        return dict(
            self._read(
                f"select source_key, count(*) from articles where {_ALIVE} group by source_key",
                {"generation": generation},
            )
        )

    def remember_source(self, source: Source) -> None:
        options = json.dumps({"mapping": dict(source.mapping), "allow_private": source.allow_private})
        synced = source.synced.isoformat() if source.synced else None
        self._db.execute(
            "insert into sources values (?, ?, ?, ?, ?) on conflict (key) do update set place = excluded.place,"
            " kind = excluded.kind, options = excluded.options, synced = coalesce(excluded.synced, synced)",
            (source.key, source.place, source.kind, options, synced),
        )

    def forget_source(self, key: str) -> None:
        self._db.execute("delete from sources where key = ?", (key,))
        # Though they have not changed, feeds have to be read again: this one when it is named again, and others that
        # show what it held.
        self._db.execute(
            "delete from validators where url = :key or digest like :list", {"key": key, "list": f"%{LIST_DIGEST}"}
        )

    def validators(self) -> dict[str, Validator]:
        """What servers said of the versions that were fetched, by address."""
        rows = self._read("select url, etag, modified, digest, stamp from validators")
        return {url: Validator(*row) for url, *row in rows}

    def add_validators(self, validators: Mapping[str, Validator]) -> None:
        rows = [(url, v.etag, v.modified, v.digest, v.stamp) for url, v in validators.items()]
        self._db.executemany("insert or replace into validators values (?, ?, ?, ?, ?)", rows)

    # -- what a doctor asks -----------------------------------------------------------------------------------

    def incomplete(self, generation: int) -> int:
        """Passages of a generation without a vector, or whose words the full text does not have as the article does."""
        return self._one(
            "select count(*) from passages join articles on articles.row = article_row"
            " left join vectors on vectors.key = vector_key left join full_text on full_text.rowid = passages.row"
            f" where {_ALIVE} and (vector is null or full_text.text is null"
            " or full_text.text <> substr(articles.text, start + 1, end - start))",
            {"generation": generation},
        )

    def odd_vectors(self) -> list[str]:
        """Keys of the vectors that are not as long as most, or no unit vectors, which all are when they are made."""
        lengths = self._read("select length(vector), count(*) from vectors group by 1 order by 2 desc")
        if not lengths:
            return []
        usual = lengths[0][0]
        return [
            key
            for key, vector in self._each("select key, vector from vectors")
            if len(vector) != usual or not is_unit(vector)
        ]

    def drop_vectors(self, keys: Iterable[str]) -> None:
        self._db.executemany("delete from vectors where key = ?", [(key,) for key in keys])

    def _each(self, query: str) -> Iterator[Any]:
        """Row by row: not all need to be in memory."""
        try:
            yield from self._db.execute(query)
        except sqlite3.DatabaseError as error:
            raise self._typed(error) from error

    def splits(self, generation: int) -> Iterator[tuple[Article, Split]]:
        """Every article of a generation with its sentences and passages."""
        for (row,) in self._read(f"select row from articles where {_ALIVE} order by row", {"generation": generation}):
            article = self.article_in_row(row)
            blob = self._read("select sentences from articles where row = ?", (row,))[0][0]
            passages = self._read("select id, start, end from passages where article_row = ? order by row", (row,))
            yield article, Split(_spans(blob), tuple(Passage(id_, article.id, *span) for id_, *span in passages))

    # -- copies -----------------------------------------------------------------------------------------------

    def signatures(self, generation: int) -> list[tuple[int, str, NDArray[np.uint32] | None]]:
        """(row, article id, signature or None) of every article in a generation, by id."""
        rows = self._read(
            "select row, id, signature from articles left join signatures on article_row = row"
            f" where {_ALIVE} order by id",
            {"generation": generation},
        )
        return [(row, id_, None if blob is None else np.frombuffer(blob, dtype="<u4")) for row, id_, blob in rows]

    def add_signatures(self, signatures: Mapping[int, NDArray[np.uint32]]) -> None:
        rows = [(row, np.ascontiguousarray(value, dtype="<u4").tobytes()) for row, value in signatures.items()]
        self._db.executemany("insert or replace into signatures values (?, ?)", rows)

    def carry_copies(self, before: int, generation: int) -> None:
        """Of a generation with the same articles as the one before."""
        self._db.execute(
            "insert or replace into copies select ?, article_id, story from copies where generation = ?",
            (generation, before),
        )

    def record_copies(self, generation: int, stories: Iterable[Sequence[str]]) -> None:
        """`stories` are the ids of articles that tell one story in nearly the same words, two or more each."""
        rows = [(generation, id_, story[0]) for story in stories for id_ in story]
        self._db.execute("delete from copies where generation = ?", (generation,))
        self._db.executemany("insert into copies values (?, ?, ?)", rows)

    def copies(
        self, article_ids: Sequence[str], generation: int, where: Filter = Filter()
    ) -> dict[str, list[tuple[str, str, str]]]:
        """The other articles of each article's story that meet the filter: (id, source, url), by id.

        Articles that stand alone are left out.
        """
        conditions, parameters = _filter_sql(where)
        found: dict[str, list[tuple[str, str, str]]] = {}
        for chunk in _chunks(article_ids):
            marks = ",".join(f":id{i}" for i in range(len(chunk)))
            for id_, *other in self._read(
                "select mine.article_id, articles.id, source, url from copies as mine"
                " join copies as theirs on theirs.generation = mine.generation and theirs.story = mine.story"
                " join articles on articles.id = theirs.article_id"
                f" where mine.generation = :generation and mine.article_id in ({marks}) and {_ALIVE}{conditions}"
                " and theirs.article_id <> mine.article_id order by articles.id",
                {"generation": generation, **{f"id{i}": value for i, value in enumerate(chunk)}, **parameters},
            ):
                found.setdefault(id_, []).append((other[0], other[1], other[2]))
        return found

    # -- writing, by the one sync that holds the lock -------------------------------------------------------

    def known(self, source_key: str, generation: int) -> dict[str, Known]:
        """The articles of a source in a generation, by location."""
        rows = self._read(
            f"select row, id, location, file_hash, title from articles where source_key = :source_key and {_ALIVE}",
            {"source_key": source_key, "generation": generation},
        )
        return {known.location: known for known in (Known(*row) for row in rows)}

    def all_known(self, generation: int) -> list[tuple[str, Known]]:
        """(source key, article) of every article in a generation."""
        rows = self._read(
            f"select source_key, row, id, location, file_hash, title from articles where {_ALIVE} order by row",
            {"generation": generation},
        )
        return [(key, Known(*row)) for key, *row in rows]

    def article_in_row(self, row: int) -> Article:
        return _article(self._read(f"select {_ARTICLE_COLUMNS} from articles where row = ?", (row,))[0])

    def add_article(
        self,
        article: Article,
        split: Split,
        vector_keys: Sequence[str],
        *,
        source_key: str,
        file_hash: str,
        born: int,
    ) -> int:
        """The row that it has. Its words are found once `make_searchable` was called."""
        sentences = np.asarray(split.sentences, dtype=np.int32).tobytes()
        row = self._db.execute(
            "insert into articles values (null, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, null, ?, ?)",
            (article.id, source_key, article.location, file_hash, article.title, article.source, article.author,
             iso(article.published), article.url, article.language, article.licence, article.text, sentences, born,
             iso(article.updated), iso(article.fetched)),
        ).lastrowid  # fmt: skip
        for passage, key in zip(split.passages, vector_keys, strict=True):
            self._db.execute(
                "insert into passages values (null, ?, ?, ?, ?, ?)",
                (row, passage.id, passage.start, passage.end, key),
            )
        return int(row or 0)

    def make_searchable(self) -> None:
        """Gives every passage that has none its full text.

        BM25 counts all rows of the table, also those that no generation which answers can see: so they come late.
        """
        last = self._read("select rowid from full_text order by rowid desc limit 1")
        self._db.execute(
            "insert into full_text (rowid, title, text)"
            " select passages.row, title, substr(text, start + 1, end - start)"
            " from passages join articles on articles.row = article_row where passages.row > ? order by passages.row",
            (last[0][0] if last else 0,),
        )

    def retire(self, row: int, died: int) -> None:
        self._db.execute("update articles set died = ? where row = ?", (died, row))

    def discard_after(self, generation: int) -> None:
        """Undoes what a sync that was killed or failed wrote for a generation that never came.

        The record of it goes first. Its rows go some at a time: a full disk has no room to do it at once.
        """
        with self.transaction():
            if any(number > generation for number in self.generations()):
                # Its articles go: the feeds that brought them have to be read again although they have not changed.
                self._db.execute("delete from validators where digest like ?", (f"%{LIST_DIGEST}",))
            self._db.execute("delete from generations where number > ?", (generation,))
            self._db.execute("delete from copies where generation > ?", (generation,))
            self._db.execute("update articles set died = null where died > ?", (generation,))
        while rows := self._read(f"select row from articles where born > ? limit {_DISCARDED_AT_ONCE}", (generation,)):
            with self.transaction():
                self._delete("row in (select value from json_each(?))", json.dumps([row for (row,) in rows]))

    def unrecorded(self) -> int:
        """Articles that a sync stored before it was killed or failed; nobody reads them."""
        last = max(self.generations(), default=0)
        return self._one("select count(*) from articles where born > :last", {"last": last})

    def purge_before(self, generation: int) -> None:
        """Drops what no generation from this one on can see, with the vectors that only that used.

        Vectors that no passage ever used stay: a killed sync stored them, and finds them when it is repeated.
        """
        gone = "select row from articles where died is not null and died <= :generation"
        self._db.execute(
            f"delete from vectors where key in (select vector_key from passages where article_row in ({gone}))"
            f" and key not in (select vector_key from passages where article_row not in ({gone}))",
            {"generation": generation},
        )
        self._delete("died is not null and died <= ?", generation)
        self._db.execute("delete from copies where generation < ?", (generation,))
        self._db.execute(
            "delete from validators where digest not like ? and digest not in (select file_hash from articles)",
            (f"%{LIST_DIGEST}",),
        )
        self._db.execute("delete from generations where number < ?", (generation,))

    def drop_unused_vectors(self) -> None:
        """Those of killed syncs that were never repeated, too."""
        self._db.execute("delete from vectors where key not in (select vector_key from passages)")

    def _delete(self, condition: str, value: int | str) -> None:
        gone = f"select row from articles where {condition}"
        passages = f"select row from passages where article_row in ({gone})"
        self._db.execute(f"delete from full_text where rowid in ({passages})", (value,))
        self._db.execute(f"delete from passages where article_row in ({gone})", (value,))
        self._db.execute(f"delete from signatures where article_row in ({gone})", (value,))
        self._db.execute(f"delete from articles where {condition}", (value,))

    def vectors(self, keys: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        """Those of the keys that have one; what is stored there and is no unit vector is none."""
        return {key: np.frombuffer(blob, dtype="<f4") for key, blob in self._unit_vectors(keys)}

    def missing_vectors(self, keys: Iterable[str]) -> set[str]:
        wanted = set(keys)
        return wanted - {key for key, _ in self._unit_vectors(wanted)}

    def _unit_vectors(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """One by one: whoever only asks which there are need not hold them all."""
        for chunk in _chunks(sorted(set(keys))):
            marks = ",".join("?" * len(chunk))
            for key, blob in self._read(f"select key, vector from vectors where key in ({marks})", chunk):
                if is_unit(blob):
                    yield key, blob

    def add_vectors(self, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """In the place of others, where there are any under these keys."""
        rows = [(key, np.ascontiguousarray(vector, dtype="<f4").tobytes()) for key, vector in vectors.items()]
        self._db.executemany("insert or replace into vectors values (?, ?)", rows)

    def embedded(self, generation: int) -> dict[str, str]:
        """The key of the vector of every passage of a generation, by passage id."""
        rows = self._read(
            f"select passages.id, vector_key from passages join articles on articles.row = article_row where {_ALIVE}",
            {"generation": generation},
        )
        return dict(rows)

    def embedded_words(self, keys: Iterable[str], generation: int) -> dict[str, tuple[str, str]]:
        """(title of the article, text of the passage) of what a generation keeps under these keys."""
        found = {}
        for chunk in _chunks(sorted(set(keys))):
            marks = ",".join(f":key{i}" for i in range(len(chunk)))
            for key, title, text, start, end in self._read(
                "select vector_key, title, articles.text, start, end from passages"
                f" join articles on articles.row = article_row where vector_key in ({marks}) and {_ALIVE}",
                {"generation": generation, **{f"key{i}": key for i, key in enumerate(chunk)}},
            ):
                found[key] = title, text[start:end]
        return found

    def passage_ids(self, which: str, generation: int) -> list[str]:
        """Ids of the passages of articles "born" in, "died" from, or "alive" in this generation."""
        condition = {"born": "born = :generation", "died": "died = :generation", "alive": _ALIVE}[which]
        rows = self._read(
            f"select passages.id from passages join articles on articles.row = article_row where {condition}"
            " order by passages.row",
            {"generation": generation},
        )
        return [id_ for (id_,) in rows]

    def rows(self, ids: Sequence[str], generation: int) -> list[tuple[str, NDArray[np.float32], str, date | None]]:
        """(passage id, vector, source, published) of passages of a generation."""
        found = {}
        for chunk in _chunks(ids):
            marks = ",".join(f":id{i}" for i in range(len(chunk)))
            for id_, blob, source, published in self._read(
                "select passages.id, vector, source, published from passages"
                " join articles on articles.row = article_row join vectors on vectors.key = vector_key"
                f" where passages.id in ({marks}) and {_ALIVE}",
                {"generation": generation, **{f"id{i}": id_ for i, id_ in enumerate(chunk)}},
            ):
                found[id_] = (id_, np.frombuffer(blob, dtype="<f4"), source, _date(published))
        if lost := [id_ for id_ in ids if id_ not in found]:
            raise IndexDamaged(f"the catalog has no vector of {len(lost)} passages; type: assistant doctor --fix")
        return [found[id_] for id_ in ids]

    # -- reading one generation -------------------------------------------------------------------------------

    def counts(self, generation: int) -> tuple[int, int]:
        """(articles, passages)"""
        passages = self._one(
            f"select count(*) from passages join articles on articles.row = article_row where {_ALIVE}",
            {"generation": generation},
        )
        return self.matching(generation), passages

    def matching(self, generation: int, where: Filter = Filter()) -> int:
        """How many articles meet the filter."""
        conditions, parameters = _filter_sql(where)
        return self._one(
            f"select count(*) from articles where {_ALIVE}{conditions}", {"generation": generation, **parameters}
        )

    def articles(self, generation: int) -> list[Article]:
        rows = self._read(
            f"select {_ARTICLE_COLUMNS} from articles where {_ALIVE} order by published desc, title, id",
            {"generation": generation},
        )
        return [_article(row) for row in rows]

    def articles_named(self, name: str, generation: int) -> list[Article]:
        """Articles whose id is `name` or starts with it, or whose location is or ends with it."""
        escaped = name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        rows = self._read(
            f"select {_ARTICLE_COLUMNS} from articles where (id = :name or id like :prefix escape '\\'"
            f" or location = :name or location like :suffix escape '\\') and {_ALIVE} order by id",
            {"name": name, "prefix": escaped + "%", "suffix": "%/" + escaped, "generation": generation},
        )
        articles = [_article(row) for row in rows]
        exact = [article for article in articles if article.id == name]
        return exact or articles

    def names_of_sources(self, generation: int) -> list[str]:
        """The outlets that articles name, alphabetically."""
        rows = self._read(
            f"select distinct source from articles where source <> '' and {_ALIVE} order by source",
            {"generation": generation},
        )
        return [name for (name,) in rows]

    def sentences(self, article_id: str, generation: int) -> list[tuple[int, int]]:
        blob = self._read(
            f"select sentences from articles where id = :id and {_ALIVE}", {"id": article_id, "generation": generation}
        )[0][0]
        return list(_spans(blob))

    def passages(self, ids: Sequence[str], generation: int) -> dict[str, tuple[Passage, Article, NDArray[np.float32]]]:
        """Passage, article and vector per id; ids that this generation does not hold are left out."""
        found = {}
        articles: dict[int, Article] = {}
        for chunk in _chunks(ids):
            marks = ",".join(f":id{i}" for i in range(len(chunk)))
            parameters = {"generation": generation, **{f"id{i}": id_ for i, id_ in enumerate(chunk)}}
            for row, id_, start, end, blob in self._read(
                "select article_row, passages.id, start, end, vector from passages"
                " join articles on articles.row = article_row join vectors on vectors.key = vector_key"
                f" where passages.id in ({marks}) and {_ALIVE}",
                parameters,
            ):
                if row not in articles:
                    articles[row] = self.article_in_row(row)
                article = articles[row]
                found[id_] = (Passage(id_, article.id, start, end), article, np.frombuffer(blob, dtype="<f4"))
        return found

    def lexical(
        self, terms: Sequence[str], limit: int, generation: int, where: Filter = Filter()
    ) -> list[tuple[str, float]]:
        """(passage id, BM25 score > 0), best first, of the passages that hold any of the terms and meet the filter."""
        if not terms:
            return []
        conditions, parameters = _filter_sql(where)
        rows = self._read(
            "select passages.id, -bm25(full_text, 1.0, 1.0) as score from full_text"
            " join passages on passages.row = full_text.rowid join articles on articles.row = article_row"
            f" where full_text match :match and {_ALIVE}{conditions} order by score desc, passages.id limit :limit",
            {"match": " OR ".join(_quoted(t) for t in terms), "generation": generation, "limit": limit, **parameters},
        )
        return [(id_, score) for id_, score in rows]

    def frequency(self, term: str, generation: int, at_most: int = 1_000) -> int:
        """How many passages hold the term in any inflection, counted up to `at_most`."""
        return self._one(
            "select count(*) from (select 1 from full_text join passages on passages.row = full_text.rowid"
            f" join articles on articles.row = article_row where full_text match :match and {_ALIVE} limit :at_most)",
            {"match": _quoted(term), "generation": generation, "at_most": at_most},
        )

    def mentions(self, word: str, generation: int) -> bool:
        """Whether an article has the word anywhere: also in the lists and menus that no passage holds."""
        whole = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)
        texts = self._read(
            f"select title || ' ' || text from articles where instr(lower(title || ' ' || text), :word) and {_ALIVE}",
            {"word": word.lower(), "generation": generation},
        )
        return any(whole.search(text) for (text,) in texts)

    def _one(self, query: str, parameters: Mapping[str, object]) -> int:
        return int(self._read(query, parameters)[0][0])


def _opened(path: Path, *, create: bool) -> sqlite3.Connection:
    """To read only, where nothing can be written."""
    if create or os.access(path.parent, os.W_OK):
        db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        try:
            db.execute("pragma journal_mode = wal")
            db.execute("pragma synchronous = full")
        except sqlite3.DatabaseError:
            db.close()
            raise
        return db
    return sqlite3.connect(_to_read_only(path), uri=True, timeout=30, isolation_level=None, check_same_thread=False)


def _state_of(path: Path) -> tuple[int, ...]:
    """Changes when somebody writes: of the file and of the log beside it, size and time."""
    found: list[int] = []
    for file in (path, _log(path)):
        with suppress(OSError):
            seen = file.stat()
            found += [seen.st_size, seen.st_mtime_ns]
    return tuple(found)


def _log(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _to_read_only(path: Path) -> str:
    """So that SQLite leaves no files there. Who writes meanwhile has one beside it; then what changes is looked at."""
    still = "" if _log(path).exists() else "&immutable=1"
    return f"{path.absolute().as_uri()}?mode=ro{still}"


@dataclass(frozen=True)
class Salvage:
    """What can still be read of a damaged catalog."""

    sources: Mapping[str, Source]
    articles: Sequence[tuple[str, str, Article]]
    """(source key, file hash, article) of those that no sync had removed or replaced."""
    vectors: Mapping[str, NDArray[np.float32]]


def salvaged(path: Path) -> Salvage:
    """Whatever can be read, around the pages that cannot. Never raises for damage.

    The vectors are unit vectors, which does not make them right: a repair compares them with Chroma's.
    """
    found: dict[str, Source] = {}
    articles, vectors = [], {}
    with closing(sqlite3.connect(_to_read_only(path), uri=True)) as db:
        # Bytes that are no text cost themselves, not the article.
        db.text_factory = lambda text: text.decode("utf-8", "replace")
        # A file that was cut is refused as a whole otherwise.
        for pragma in ("writable_schema", "ignore_check_constraints"):
            with suppress(sqlite3.DatabaseError):
                db.execute(f"pragma {pragma} = on")
        for _, key, *facts in _readable(db, "sources", "rowid", "key, place, kind, options, synced"):
            with suppress(ValueError, TypeError, AttributeError):
                found[key] = _source(key, *facts)
        columns = f"source_key, file_hash, {_ARTICLE_COLUMNS}"
        for _, key, file_hash, *facts in _readable(db, "articles", "row", columns, "died is null"):
            with suppress(ValueError, TypeError):
                articles.append((_text(key), _text(file_hash), _salvaged_article(facts)))
        for _, key, blob in _readable(db, "vectors", "key", "key, vector"):
            if is_unit(blob):
                vectors[key] = np.frombuffer(blob, dtype="<f4")
    return Salvage(found, articles, vectors)


def _salvaged_article(facts: Sequence[object]) -> Article:
    """Raises TypeError, ValueError where damage has made other values of them."""
    days = {5, 10, 11}
    return _article([None if fact is None and i in days else _text(fact) for i, fact in enumerate(facts)])


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def written_through(path: Path) -> None:
    """Brings what SQLite keeps beside a catalog into the file, as far as that can be."""
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(path)) as db:
        db.execute("pragma wal_checkpoint(truncate)")


def is_unit(blob: object) -> bool:
    """Whether bytes are a vector of length 1, give or take 0.001."""
    if not isinstance(blob, bytes) or len(blob) % 4:
        return False
    # Whatever the bytes are: what is no number, or a very large one, is no reason for a warning.
    with np.errstate(all="ignore"):
        length = float(np.linalg.norm(np.frombuffer(blob, dtype="<f4").astype(np.float64)))
    return abs(length - 1) < 1e-3


def _readable(db: sqlite3.Connection, table: str, key: str, columns: str, where: str = "true") -> list[Any]:
    """Rows with their key before them, by it: from both ends, then each between, where the keys are numbers."""
    rows: dict[Any, Any] = {}
    query = f"select {key}, {columns} from {table} where {where}"
    for order in ("asc", "desc"):
        with suppress(sqlite3.DatabaseError):
            for row in db.execute(f"{query} order by {key} {order}"):
                rows.setdefault(row[0], row)
            return [rows[each] for each in sorted(rows)]
    failed = 0
    last = max(rows, default=0) + _BEYOND if key != "key" else 0
    for number in range(1, last):
        if number in rows or failed > _BEYOND:
            continue
        try:
            found = db.execute(f"{query} and {key} = ?", (number,)).fetchone()
        except sqlite3.DatabaseError:
            failed += 1
        else:
            rows |= {number: found} if found else {}
    return [rows[each] for each in sorted(rows)]


def _quoted(term: str) -> str:
    # FTS5 reads its query as a C string: a NUL would end it inside the quotes.
    return '"' + term.replace('"', '""').replace("\0", " ") + '"'


def _filter_sql(where: Filter) -> tuple[str, dict[str, str]]:
    conditions, parameters = "", {}
    if where.since:
        conditions += " and published >= :since"
        parameters["since"] = where.since.isoformat()
    if where.until:
        conditions += " and published <= :until"
        parameters["until"] = where.until.isoformat()
    if where.source is not None:
        conditions += " and source = :source"
        parameters["source"] = where.source
    return conditions, parameters


def _article(row: Sequence[Any]) -> Article:
    id_, title, text, source, author, published, url, language, licence, location, updated, fetched = row
    return Article(
        id_, title, text, source, author, _date(published), url, language, licence, location, _date(updated),
        _date(fetched),
    )  # fmt: skip


def _spans(blob: bytes) -> tuple[tuple[int, int], ...]:
    return tuple((int(start), int(end)) for start, end in np.frombuffer(blob, dtype=np.int32).reshape(-1, 2))


def _source(key: str, place: str, kind: str, options: str, synced: str | None) -> Source:
    chosen = json.loads(options)
    return Source(
        key,
        place,
        kind,
        chosen.get("mapping", {}),
        bool(chosen.get("allow_private")),
        datetime.fromisoformat(synced) if synced else None,
    )


def _date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), _IDS_PER_QUERY):
        yield values[start : start + _IDS_PER_QUERY]
