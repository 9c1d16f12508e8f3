"""XML bytes -> an element tree that holds nothing from outside the file: no entities, no network; a tree, thinned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from assistant.errors import ArticleUnreadable


def parse_xml(raw: bytes) -> Any:
    """The root element. Raises ArticleUnreadable, also for entities: what is read here needs none."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(raw, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ArticleUnreadable(f"not valid XML ({' '.join(str(error).split())[:200]})") from error
    dtd = root.getroottree().docinfo.internalDTD
    if dtd is not None and any(True for _ in dtd.iterentities()):
        raise ArticleUnreadable("declares entities, which are not read")
    return root


def drop(elements: Iterable[Any]) -> None:
    """Takes elements out of their tree, but for its root. The text behind each stays.

    In linear time, other than `drop_tree` of lxml, which copies the text before an element for each of them.
    """
    dropped = set(elements)
    for parent in {parent for element in dropped if (parent := element.getparent()) is not None}:
        kept, said = None, [parent.text]
        for child in list(parent):
            if child in dropped:
                said.append(child.tail)
                parent.remove(child)
            else:
                _say(parent, kept, said)
                kept, said = child, [child.tail]
        _say(parent, kept, said)


def _say(parent: Any, kept: Any, said: list[str | None]) -> None:
    """Puts together the text behind a child that stays, or before the first."""
    if len(said) == 1:
        return
    text = "".join(each or "" for each in said)
    if kept is None:
        parent.text = text
    else:
        kept.tail = text
