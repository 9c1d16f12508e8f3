"""Bytes -> clean text: decoded, without control characters, one kind of line end.

The same article gives the same text whatever its byte-order mark, line ends or spaces were.
"""

from __future__ import annotations

import codecs
import re
import unicodedata

from assistant.errors import ArticleUnreadable

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# C0 and C1 controls but tab and line feed; zero-width, bidirectional, annotation and tag
# characters; the byte-order mark.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# Spaces that indent a line are kept: YAML means something by them.
_SPACES = re.compile("(^ +)|[\t \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+", re.MULTILINE)
_NOT_GUESSED = ["utf_16", "utf_16_le", "utf_16_be", "utf_32", "utf_32_le", "utf_32_be", "utf_7"]
_SAMPLE = 200_000
"""Bytes from which the encoding is guessed, half of them before the first that is not UTF-8."""


def decode(raw: bytes, stated: str = "") -> str:
    """Unicode text of a file: byte-order marks, then the stated encoding, UTF-8, detection. Raises ArticleUnreadable.

    An encoding that is stated wrongly, or that there is not, plays no role.
    """
    for mark, encoding in _BOMS:
        if raw.startswith(mark):
            return _decode_as(raw[len(mark) :], encoding)
    try:
        text = _decode_stated(raw, stated) or raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return _decode_detected(raw, error.start)
    if _looks_binary(text):
        raise ArticleUnreadable("looks binary")
    return text


def _decode_stated(raw: bytes, stated: str) -> str:
    try:
        name = codecs.lookup(stated).name if stated else ""
        if name == "iso8859-1":
            # Who states it means windows-1252, as browsers read it (WHATWG, Encoding, 4.2): quotes, dashes and the euro
            # are in that alone, and five bytes in neither. Nothing western is UTF-8 by chance: then the label is wrong.
            return "" if _is_utf8(raw) else raw.decode("cp1252", "ignore")
        if name.startswith(("utf-16", "utf-32")) and b"\x00" not in raw:
            # No text with a space or a line end; a page in which this could be read states it wrongly.
            return ""
        return raw.decode(name) if name else ""
    except (LookupError, ValueError):
        return ""


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decode_as(raw: bytes, encoding: str) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise ArticleUnreadable(f"not {encoding.upper()} at byte {error.start}; save it as UTF-8") from error


def _decode_detected(raw: bytes, bad_byte: int) -> str:
    from charset_normalizer import from_bytes

    if b"\x00" in raw:
        raise ArticleUnreadable("looks binary")
    # UTF-16 without its mark holds NUL bytes or is too rare: short western text is taken for it.
    matches = from_bytes(raw[max(0, bad_byte - _SAMPLE // 2) :][:_SAMPLE], cp_exclusion=_NOT_GUESSED)
    best = matches.best()
    if best is None:
        raise ArticleUnreadable(f"not UTF-8 at byte {bad_byte}, and no other encoding fits; save it as UTF-8")
    # Short western text fits a dozen code pages equally well; of these cp1252 is by far the most used.
    western = any("cp1252" in (match.encoding, *match.could_be_from_charset) for match in matches)
    text = _decode_as(raw, "cp1252" if western else best.encoding)
    if _looks_binary(text):
        raise ArticleUnreadable("looks binary")
    return text


def _looks_binary(text: str) -> bool:
    sample = text[:20_000]
    controls = sum(1 for c in sample if c < " " and c not in "\t\n\r\f\x0b")
    return controls > max(2, len(sample) // 100)


def clean(text: str) -> str:
    """One line end, no invisible characters, single spaces (but indents), composed accents.

    Lone surrogates become U+FFFD.
    """
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    text = _INVISIBLE.sub("", _LINE_ENDS.sub("\n", text))
    return unicodedata.normalize("NFC", _SPACES.sub(lambda run: run[1] or " ", text))


def join_paragraphs(paragraphs: list[str]) -> str:
    """Paragraphs without inner line ends, parted by one empty line: the form of `Article.text`."""
    tidy = (re.sub(r"\s+", " ", paragraph).strip() for paragraph in paragraphs)
    return "\n\n".join(paragraph for paragraph in tidy if paragraph)
