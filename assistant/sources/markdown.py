"""A Markdown file -> Draft: front matter as metadata, the rest as plain paragraphs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from assistant.errors import ArticleUnreadable
from assistant.sources.cleaning import clean, join_paragraphs
from assistant.sources.draft import ALIASES, Draft
from assistant.sources.html import blocks

if TYPE_CHECKING:
    from markdown_it.token import Token

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_OPENED = re.compile(r"""\A---[ \t]*\n["']?[\w.-]+["']?[ \t]*:(?:\s|\Z)""")
_FRONT_MATTER_LIMIT = 20_000
_FRONT_MATTER_DEPTH = 20


def parse_markdown(text: str) -> Draft:
    metadata, body = _front_matter(text)
    tokens = _tokens(body)
    # Entities, which may stand for invisible characters, are decoded by now.
    paragraphs = [clean(text) for text in _paragraphs(tokens)]
    if not metadata.get("title") and tokens and tokens[0].type == "heading_open" and tokens[0].tag == "h1":
        metadata["title"] = paragraphs.pop(0)
    return Draft(join_paragraphs(paragraphs), metadata)


def _front_matter(text: str) -> tuple[dict[str, Any], str]:
    import yaml

    match = _FRONT_MATTER.match(text)
    if not match:
        if _OPENED.match(text):
            raise ArticleUnreadable("front matter is not closed with a line ---")
        return {}, text
    if len(match.group(1)) > _FRONT_MATTER_LIMIT:
        raise ArticleUnreadable(f"front matter is longer than {_FRONT_MATTER_LIMIT:,} characters")
    try:
        loaded = yaml.load(match.group(1), Loader=_plain_loader())  # noqa: S506 - a narrowed safe loader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 2}: {error.problem}" if mark else ""  # type: ignore[attr-defined]
        raise ArticleUnreadable(f"front matter is not valid YAML{where}") from error
    except ValueError as error:
        raise ArticleUnreadable(f"front matter has an impossible date: {error}") from error
    if not isinstance(loaded, dict):
        # A thematic break and text between two of them, not metadata.
        return {}, text
    metadata: dict[str, Any] = {}
    for key, value in loaded.items():
        name = str(key).lower()
        # The field's own name wins over another name of it, wherever it stands.
        metadata[ALIASES.get(name, name)] = value if name not in ALIASES else metadata.get(ALIASES[name], value)
    return metadata, text[match.end() :]


def _plain_loader() -> Any:
    """YAML's safe loader with text, dates and nulls only, which refuses what nobody needs in an article.

    That is aliases, which nested fill the memory; tags; and values nested deeper than the stack bears.
    """
    import yaml

    class PlainLoader(yaml.SafeLoader):
        depth = 0
        # A title of 12:30, 3.10 or No is these characters, not a number or a truth value.
        yaml_implicit_resolvers = {  # noqa: RUF012 - mypy: an instance variable in the base class
            first: [(tag, pattern) for tag, pattern in found if tag.endswith((":timestamp", ":null"))]
            for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

        def compose_node(self, parent: Any, index: Any) -> Any:
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]
            refused = "aliases" if self.check_event(yaml.AliasEvent) else "tags" if event.tag else ""
            self.depth += 1
            if refused or self.depth > _FRONT_MATTER_DEPTH:
                reason = f"{refused or 'values nested so deep'} are not allowed"
                raise yaml.composer.ComposerError(None, None, reason, event.start_mark)
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

    return PlainLoader


def _tokens(body: str) -> list[Token]:
    from markdown_it import MarkdownIt

    # Text nested deeper than the limit is dropped; the default of 20 is less than some quoted mails have.
    return MarkdownIt("commonmark", {"maxNesting": 100}).enable("table").parse(body)


def _paragraphs(tokens: Sequence[Token]) -> Iterator[str]:
    """One string per paragraph, heading, list item, table row or code block, and those of HTML blocks."""
    row: list[str] | None = None
    for token in tokens:
        if token.type == "tr_open":
            row = []
        elif token.type == "tr_close" and row is not None:
            yield ", ".join(row)
            row = None
        elif token.type == "inline":
            text = _inline(token.children or [])
            if row is None:
                yield text
            else:
                row.append(text)
        elif token.type in ("fence", "code_block"):
            yield from re.split(r"\n\s*\n", token.content)
        elif token.type == "html_block":
            # Within a body, for a comment alone is no page.
            yield from blocks(f"<body>{token.content}</body>")


def _inline(children: Sequence[Token]) -> str:
    parts = []
    for token in children:
        if token.type in ("text", "code_inline"):
            parts.append(token.content)
        elif token.type in ("softbreak", "hardbreak"):
            parts.append(" ")
        elif token.type == "image":
            parts.append(_inline(token.children or []))
    return "".join(parts)
