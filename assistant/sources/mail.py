"""A mail (EML) or a page saved as MHTML -> Draft: the text of its body, metadata from its headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assistant.errors import ArticleSkipped, ArticleUnreadable
from assistant.sources.cleaning import clean, decode, join_paragraphs
from assistant.sources.draft import Draft
from assistant.sources.html import blocks, parse_html
from assistant.sources.text import parse_text

if TYPE_CHECKING:
    from email.message import EmailMessage

PARTS_LIMIT = 1_000


def parse_eml(raw: bytes) -> Draft:
    """The plain text of a mail, else its HTML. Attachments are not read. Raises ArticleUnreadable."""
    from email.utils import parseaddr

    message = _message(raw)
    plain, page = _part(message, "text/plain"), _part(message, "text/html")
    if plain.strip():
        draft = parse_text(clean(plain))
    elif page.strip():
        draft = Draft(join_paragraphs([clean(text) for text in blocks(page)]))
    else:
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
