"""Objects from Python, Articles of ours and llama-index Documents -> Items, without importing llama-index."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
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
    """One object; `location` is its id."""

    location: str
    given: Article | Document
    path: None = None

    def load(self, known: str) -> tuple[str, Article | None]:
        """(hash, article), without the article if the hash is the known one. Raises ArticleUnreadable."""
        article = _whole(self.given) if isinstance(self.given, Article) else _of_document(self.given, self.location)
        article = replace(article, id=self.location, location=article.location or self.location)
        stated = "\0".join(str(getattr(article, each.name)) for each in fields(article))
        digest = hashlib.sha256(f"{PARSER_VERSION}\0given\0{stated}".encode()).hexdigest()
        # It is found again by its id, whatever the place says that it once came from.
        return digest, None if digest == known else replace(article, location=self.location)


def given_listing(objects: Iterable[Article | Document]) -> Listing:
    """What was given at an earlier time stays: nobody can tell whether it is gone."""
    found: dict[str, Found] = {}
    for given in objects:
        name = _id(given)
        if name in found:
            found[f"{name} again"] = Unreadable(name, "two of the given articles have this id")
        elif len(name) > ID_LIMIT or clean(name) != name or name != name.strip() or "\n" in name:
            found[name] = Unreadable(
                clean(name)[:ID_LIMIT], f"give an id of one line and {ID_LIMIT} characters at most"
            )
        else:
            found[name] = GivenItem(name, given)
    return Listing(list(found.values()), GIVEN, complete=False)


def _id(given: Article | Document) -> str:
    if isinstance(given, Article):
        return given.id or article_id(GIVEN, given.url or given.location or given.title)
    stated = given.metadata.get("url") or given.metadata.get("file_path")
    # A Document made anew has a new random id: where it came from tells it again.
    return article_id(GIVEN, str(stated)) if stated else given.node_id


def _whole(article: Article) -> Article:
    """With its text and fields as every article has them; a clean text stays as it is, character for character."""
    facts = {each.name: getattr(article, each.name) for each in fields(article)}
    return to_article(Draft(_text(article.text), facts), article.id, article.location)


def _of_document(document: Document, name: str) -> Article:
    found: dict[str, Any] = {}
    for key, value in _flat(document.metadata).items():
        field = ALIASES.get(key.lower(), key.lower())
        found.setdefault(field, value)
    if not found.get("title"):
        found["title"] = next((found[key] for key in _NAMES if isinstance(found.get(key), str)), "")
    return to_article(Draft(_text(document.get_content()), found), name, name)


def _flat(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key): value for key, value in metadata.items() if not isinstance(value, (dict, bytes))}


def _text(text: Any) -> str:
    if not isinstance(text, str):
        raise ArticleUnreadable(f"its text is {type(text).__name__}, not str")
    return "\n\n".join(paragraphs(clean(text)))
