"""A mail (EML) or a page saved as MHTML -> Draft: the text of its body, metadata from its headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assistant.errors import ArticleSkipped, ArticleUnreadable
from assistant.sources.cleaning import clean, decode
from assistant.sources.draft import Draft
from assistant.sources.html import blocks, parse_html
from assistant.sources.text import paragraphs, parse_text

if TYPE_CHECKING:
    from email.message import EmailMessage

PARTS_LIMIT = 1_000
_DEPTH_LIMIT = 50


def parse_eml(raw: bytes) -> Draft:
    """What a mail shows as its body, as text or HTML; attachments are not read. Raises ArticleUnreadable."""
    from email.utils import parseaddr

    message = _message(raw)
    for number, _ in enumerate(message.walk()):
        if number > PARTS_LIMIT:
            raise ArticleUnreadable(f"has more than {PARTS_LIMIT:,} parts")
    draft = parse_text("\n\n".join(_shown(message)))
    if not draft.text:
        raise ArticleSkipped("empty: the mail has no text")
    name, address = parseaddr(_header(message, "from"))
    headers = {
        "title": _header(message, "subject"),
        "author": name or address,
        "published": _header(message, "date"),
        "language": _header(message, "content-language"),
    }
    return Draft(draft.text, draft.metadata | {key: value for key, value in headers.items() if value})


def parse_mhtml(raw: bytes) -> Draft:
    """The page that a browser saved, with the day on which it did. Raises ArticleUnreadable."""
    message = _message(raw)
    page = _part(message, "text/html")
    if not page.strip():
        raise ArticleUnreadable("no page in the MHTML file")
    url = _header(message, "snapshot-content-location")
    draft = parse_html(clean(page), url=url)
    found: dict[str, Any] = {"fetched": _header(message, "date")}
    if not draft.metadata.get("title"):
        found["title"] = _header(message, "subject")
    if not draft.metadata.get("url"):
        found["url"] = url
    return Draft(draft.text, draft.metadata | found)


def _message(raw: bytes) -> EmailMessage:
    import email.policy
    from email.message import EmailMessage

    message = email.message_from_bytes(raw, policy=email.policy.default)
    if not isinstance(message, EmailMessage) or not message.keys():
        raise ArticleUnreadable("not a mail: it has no headers")
    return message


def _header(message: EmailMessage, name: str) -> str:
    """A header, decoded; "" if it is missing or written as none may be."""
    try:
        return str(message.get(name, ""))
    except (ValueError, LookupError, AttributeError, TypeError):
        # The parser of headers in the standard library trips over some malformed ones.
        return ""


def _shown(part: Any, depth: int = 0) -> list[str]:
    """The paragraphs of a part; of one that holds others, of those that follow each other, or of the best version."""
    if depth > _DEPTH_LIMIT:
        raise ArticleUnreadable(f"has parts nested deeper than {_DEPTH_LIMIT}")
    kind = part.get_content_type()
    if part.get_content_disposition() == "attachment" or kind.startswith("message/"):
        return []
    if kind == "text/plain":
        return paragraphs(clean(_decoded(part)))
    if kind == "text/html":
        return blocks(_decoded(part))
    if not part.is_multipart():
        return []
    inner = [found for each in part.get_payload() if (found := _shown(each, depth + 1))]
    if kind == "multipart/alternative":
        return _best(inner)
    # Of related parts, the others are there for the first to show.
    return inner[0] if inner and kind == "multipart/related" else [text for found in inner for text in found]


def _best(versions: list[list[str]]) -> list[str]:
    """The plainest of a text's versions, which comes first, unless it only says that there is another."""
    best: list[str] = []
    for version in versions:
        if not best or _words(version) > 2 * _words(best):
            best = version
    return best


def _words(texts: list[str]) -> int:
    return sum(len(text.split()) for text in texts)


def _part(message: EmailMessage, kind: str) -> str:
    """The first part of a type that is no attachment."""
    for number, part in enumerate(message.walk()):
        if number > PARTS_LIMIT:
            raise ArticleUnreadable(f"has more than {PARTS_LIMIT:,} parts")
        if part.get_content_type() == kind and part.get_content_disposition() != "attachment":
            return _decoded(part)
    return ""


def _decoded(part: Any) -> str:
    return decode(part.get_payload(decode=True) or b"", part.get_content_charset() or "")
