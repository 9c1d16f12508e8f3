"""Objects from Python, Articles of ours and llama-index Documents -> Items, without importing llama-index."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, runtime_checkable

from assistant.errors import ArticleUnreadable
from assistant.schema import Article
from assistant.sources.cleaning import clean
from assistant.sources.draft import ALIASES, Draft, to_article
from assistant.sources.files import PARSER_VERSION
from assistant.sources.listing import Found, Listing, Unreadable, article_id
from assistant.sources.text import paragraphs

GIVEN = "given"
"""The key of the source that they are remembered under."""
ID_LIMIT = 120
"""Characters: with what a passage adds, within what Chroma takes."""
_NAMES = ("file_name", "file_path", "title")


@runtime_checkable
class Document(Protocol):
    """What every llama-index Document, or node, has."""

    metadata: dict[str, Any]

    @property
    def node_id(self) -> str: ...

    def get_content(self) -> str: ...


@dataclass(frozen=True)
class GivenItem:
    """One object, or the Documents of one origin; `location` is its id."""

    location: str
    given: Article | tuple[Document, ...]
    path: None = None

    def load(self, known: str) -> tuple[str, Article | None]:
        """(hash, article), without the article if the hash is the known one. Raises ArticleUnreadable."""
        article = _whole(self.given) if isinstance(self.given, Article) else _of_documents(self.given, self.location)
        article = replace(article, id=self.location, location=article.location or self.location)
        stated = "\0".join(str(getattr(article, each.name)) for each in fields(article))
        digest = hashlib.sha256(f"{PARSER_VERSION}\0given\0{stated}".encode()).hexdigest()
        # It is found again by its id, whatever the place says that it once came from.
        return digest, None if digest == known else replace(article, location=self.location)


def given_listing(objects: Iterable[Article | Document]) -> Listing:
    """What was given at an earlier time stays: nobody can tell whether it is gone."""
    found: list[Found] = []
    names: set[str] = set()
    for name, given in _gathered(objects):
        if name in names:
            found.append(Unreadable(name, "two of the given articles have this id"))
        elif len(name) > ID_LIMIT or clean(name) != name or name != name.strip() or "\n" in name:
            reason = f"give an id of one line and {ID_LIMIT} characters at most"
            found.append(Unreadable(clean(name)[:ID_LIMIT], reason))
        else:
            found.append(GivenItem(name, given))
        names.add(name)
    return Listing(found, GIVEN, complete=False)


def _gathered(objects: Iterable[Article | Document]) -> Iterator[tuple[str, Article | tuple[Document, ...]]]:
    """With their ids. Documents of one origin, such as a PDF's pages, are together where the first of them stands."""
    gathered: list[Article | list[Document]] = []
    of_origin: dict[str, list[Document]] = {}
    for given in objects:
        if isinstance(given, Article):
            gathered.append(given)
        elif (origin := _origin(given)) in of_origin:
            of_origin[origin].append(given)
        else:
            gathered.append(documents := [given])
            if origin:
                of_origin[origin] = documents
    for each in gathered:
        if isinstance(each, Article):
            yield each.id or article_id(GIVEN, each.url or each.location or each.title), each
        elif _told_apart(each):
            yield from ((document.node_id, (document,)) for document in each)
        else:
            # A Document made anew has a new random id: where it came from tells it again.
            origin = _origin(each[0])
            yield article_id(GIVEN, origin) if origin else each[0].node_id, tuple(each)


def _origin(document: Document) -> str:
    return str(document.metadata.get("url") or document.metadata.get("file_path") or "")


def _told_apart(documents: Sequence[Document]) -> bool:
    """Whether somebody gave Documents of one origin different ids; llama-index's own are random, or number parts."""
    ids = {document.node_id for document in documents}
    return len(ids) > 1 and not any(_is_random(id_) or id_.startswith(f"{_origin(documents[0])}_part_") for id_ in ids)


def _is_random(id_: str) -> bool:
    try:
        uuid.UUID(id_)
    except ValueError:
        return False
    return True


def _whole(article: Article) -> Article:
    """With its text and fields as every article has them; a clean text stays as it is, character for character."""
    facts = {each.name: getattr(article, each.name) for each in fields(article)}
    return to_article(Draft(_text(article.text), facts), article.id, article.location)


def _of_documents(documents: Sequence[Document], name: str) -> Article:
    found: dict[str, Any] = {}
    for document in documents:
        for key, value in _flat(document.metadata).items():
            found.setdefault(ALIASES.get(key.lower(), key.lower()), value)
    if not found.get("title"):
        found["title"] = next((found[key] for key in _NAMES if isinstance(found.get(key), str)), "")
    # A file that was read twice is not twice as long.
    texts = dict.fromkeys(_text(document.get_content()) for document in documents)
    return to_article(Draft("\n\n".join(text for text in texts if text), found), name, name)


def _flat(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key): value for key, value in metadata.items() if not isinstance(value, (dict, bytes))}


def _text(text: Any) -> str:
    if not isinstance(text, str):
        raise ArticleUnreadable(f"its text is {type(text).__name__}, not str")
    return "\n\n".join(paragraphs(clean(text)))
