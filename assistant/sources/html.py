"""A saved HTML page -> Draft: the article's own text without navigation, metadata from the page's head."""

from __future__ import annotations

import re
from typing import Any

from assistant.errors import ArticleUnreadable
from assistant.sources.cleaning import clean, join_paragraphs
from assistant.sources.draft import Draft

_HIDING_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d]*[1-9])|opacity\s*:\s*0(?![.\d]*[1-9])",
    re.IGNORECASE,
)


def parse_html(text: str) -> Draft:
    """Raises ArticleUnreadable if the page holds no article."""
    import trafilatura

    tree = _visible_tree(text)
    found = trafilatura.bare_extraction(
        tree,
        with_metadata=True,
        include_comments=False,
        include_tables=True,
        favor_recall=True,
        # The extensive search makes the first of January of any year it meets, of a copyright line too.
        date_extraction_params={"extensive_search": False, "original_date": True},
    )
    if found is None or not (found.text or "").strip():
        raise ArticleUnreadable("no article text found in the page")
    metadata: dict[str, Any] = {
        "title": found.title,
        "source": found.sitename or found.hostname,
        "author": found.author,
        "published": found.date,
        "url": found.url,
        "language": found.language or tree.get("lang"),
        "licence": found.license,
    }
    return Draft(join_paragraphs([_unmarked(line) for line in clean(found.text).split("\n")]), metadata)


def _unmarked(line: str) -> str:
    """A line of trafilatura's text without its list and table marks; rows as in Markdown articles."""
    if line.startswith("|"):
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        return ", ".join(cell for cell in cells if cell.strip("-"))
    return line.removeprefix("- ")


def _visible_tree(text: str) -> Any:
    """The page's element tree without what a reader would not see (text may hide instructions there)."""
    from lxml import etree, html

    # An encoding declaration contradicts text that is already decoded; lxml refuses the pair.
    text = re.sub(r"\A\s*<\?xml[^>]*\?>", "", text)
    parser = html.HTMLParser(remove_comments=True, remove_pis=True)
    try:
        tree = html.document_fromstring(text, parser=parser)
    except (etree.ParserError, ValueError) as error:
        raise ArticleUnreadable("not an HTML page") from error
    if tree is None:
        raise ArticleUnreadable("not an HTML page")
    for element in tree.xpath(
        "//*[@hidden or @style or @aria-hidden='true' or self::template or self::noscript]"
        " | //nav | //*[@role='navigation' or @role='menu']"
    ):
        style = element.get("style") or ""
        if (
            element.tag in ("template", "noscript", "nav")
            or element.get("role") in ("navigation", "menu")
            or element.get("hidden") is not None
            or element.get("aria-hidden") == "true"
            or _HIDING_STYLE.search(style)
        ) and element.getparent() is not None:
            element.drop_tree()
    return tree
