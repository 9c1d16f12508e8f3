"""A saved HTML page -> Draft: the article's own text without navigation, metadata from the page's head."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from assistant.errors import ArticleUnreadable
from assistant.sources.cleaning import clean, join_paragraphs
from assistant.sources.dates import page_dates
from assistant.sources.draft import Draft
from assistant.sources.xml import drop

PAGE_LIMIT = 10_000_000
"""Characters of markup; taking a page apart costs a second for a million or two."""

_BLOCKS = frozenset(
    """address article aside blockquote body dd div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6
    header hr li main ol p pre section table tr ul""".split()
)
_HIDING_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d]*[1-9])|opacity\s*:\s*0(?![.\d]*[1-9])",
    re.IGNORECASE,
)


def parse_html(text: str, *, url: str = "", listed: Mapping[str, Any] | None = None) -> Draft:
    """Raises ArticleUnreadable if the page holds no article.

    `url` is where it was found; `listed` is the metadata that a feed or sitemap gives of it, which stands in where the
    page has none.
    """
    import trafilatura

    if len(text) > PAGE_LIMIT:
        raise ArticleUnreadable(f"a page of more than {PAGE_LIMIT:,} characters; save its article alone")
    dates = page_dates(_tree(text), url=url, listed=listed or {})
    tree = _visible_tree(text)
    found = trafilatura.bare_extraction(
        tree,
        with_metadata=True,
        include_comments=False,
        include_tables=True,
        favor_recall=True,
        # The extensive search makes the first of January of any year it meets, of a copyright line too.
        date_extraction_params={"extensive_search": False, "original_date": True},
        url=url or None,
    )
    if found is None or not (found.text or "").strip():
        raise ArticleUnreadable("no article text found in the page")
    metadata: dict[str, Any] = {
        "title": found.title,
        "source": found.sitename or (listed or {}).get("source") or found.hostname,
        "author": found.author,
        "url": found.url or url,
        "language": found.language or tree.get("lang"),
        "licence": found.license,
    }
    for name, value in (listed or {}).items():
        metadata[name] = metadata.get(name) or value
    metadata |= dates
    paragraphs = [_unmarked(line) for line in clean(found.text).split("\n")]
    if len(paragraphs) > 1 and paragraphs[0].split() == str(metadata["title"] or "").split():
        # The headline is the title, not a paragraph too, as in Markdown.
        del paragraphs[0]
    return Draft(join_paragraphs(paragraphs), metadata)


def _unmarked(line: str) -> str:
    """A line of trafilatura's text without its list and table marks; rows as in Markdown articles."""
    if line.startswith("|"):
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        return ", ".join(cell for cell in cells if cell.strip("-"))
    return line.removeprefix("- ")


def blocks(text: str) -> list[str]:
    """All that a reader sees, clean, of a page that is known to be nothing but the text: a chapter, a mail."""
    from lxml import etree

    found: list[str] = []
    line: list[str] = []

    def end() -> None:
        # Entities, which may stand for invisible characters, are decoded by now.
        found.append(" ".join(clean("".join(line)).split()).strip(", "))
        line.clear()

    if not text.strip():
        return []
    body = _visible_tree(text).find("body")
    for event, element in etree.iterwalk(body, events=("start", "end")) if body is not None else ():
        if element.tag in _BLOCKS:
            end()
        elif element.tag == "br":
            line.append(" ")
        if event == "start" and element.tag in ("td", "th") and line:
            line.append(", ")
        if element.tag not in ("script", "style") or event == "end":
            line.append((element.text if event == "start" else element.tail) or "")
    end()
    return [paragraph for paragraph in found if paragraph]


def _tree(text: str) -> Any:
    from lxml import etree, html

    # An encoding declaration contradicts text that is already decoded; lxml refuses the pair.
    text = re.sub(r"\A\s*<\?xml[^>]*\?>", "", text)
    # Without huge_tree, whatever lies below 256 unclosed tags is left out; with it, below 2,048.
    parser = html.HTMLParser(remove_comments=True, remove_pis=True, huge_tree=True)
    try:
        tree = html.document_fromstring(text, parser=parser)
    except (etree.ParserError, ValueError) as error:
        raise ArticleUnreadable("not an HTML page") from error
    if tree is None:
        raise ArticleUnreadable("not an HTML page")
    if any(entry.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT for entry in parser.error_log):
        # lxml hands over the stump without a word.
        raise ArticleUnreadable("nested too deep to be read whole; it lacks end tags")
    return tree


def _visible_tree(text: str) -> Any:
    """The page's element tree without what a reader would not see (text may hide instructions there)."""
    tree = _tree(text)
    drop(element for element in tree.iter("*") if _hidden(element))
    return tree


def _hidden(element: Any) -> bool:
    return (
        element.tag in ("template", "noscript", "nav")
        or element.get("role") in ("navigation", "menu")
        or element.get("hidden") is not None
        or element.get("aria-hidden") == "true"
        or bool(_HIDING_STYLE.search(element.get("style") or ""))
    )
