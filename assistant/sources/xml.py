"""XML bytes -> an element tree that holds nothing from outside the file: no entities, no network."""

from __future__ import annotations

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
