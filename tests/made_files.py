"""Small files of every format, made by hand for the tests: PDF, DOCX, EPUB, mails and MHTML."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime


def pdf(
    pages: Sequence[Sequence[str]],
    info: str = "",
    *,
    stream: bytes | None = None,
    resources: str = "/Font << /F1 4 0 R >>",
    more: Sequence[bytes] = (),
) -> bytes:
    """A PDF whose pages show lines of text; `stream` is drawn in their place, `more` are further objects, from 5 on."""
    drawn = [stream] if stream is not None else [_drawn(lines) for lines in pages]
    first = 5 + len(more)
    kids = " ".join(f"{first + 2 * i} 0 R" for i in range(len(drawn)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(drawn)} >>".encode(),
        f"<< {info} >>".encode("latin-1"),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        *more,
    ]
    for i, content in enumerate(drawn):
        page = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << {resources} >> "
            f"/Contents {first + 2 * i + 1} 0 R >>"
        )
        objects += [page.encode(), compressed(content)]
    return _file(objects)


def _drawn(lines: Sequence[str]) -> bytes:
    moves = [b"BT /F1 11 Tf 14 TL 60 780 Td"]
    for line in lines:
        text = line.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
        moves.append(b"(" + text + b") Tj T*")
    return b"\n".join([*moves, b"ET"])


def compressed(content: bytes, entries: str = "") -> bytes:
    """A stream object."""
    data = zlib.compress(content, 9)
    return f"<< /Length {len(data)} /Filter /FlateDecode {entries} >>\nstream\n".encode() + data + b"\nendstream"


def _file(objects: Sequence[bytes]) -> bytes:
    out, offsets = io.BytesIO(), []
    out.write(b"%PDF-1.5\n")
    for number, body in enumerate(objects, 1):
        offsets.append(out.tell())
        out.write(f"{number} 0 obj\n".encode() + body + b"\nendobj\n")
    start = out.tell()
    out.write(f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode())
    for offset in offsets:
        out.write(f"{offset:010d} 00000 n \n".encode())
    out.write(f"trailer << /Size {len(objects) + 1} /Root 1 0 R /Info 3 0 R >>\nstartxref\n{start}\n%%EOF".encode())
    return out.getvalue()


def zipped(members: Mapping[str, bytes | str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def docx(
    paragraphs: Sequence[str], *, title: str = "", rows: Sequence[Sequence[str]] = (), made: datetime | None = None
) -> bytes:
    """A Word document as Word writes it, less what nobody needs."""
    import docx as word

    document = word.Document()
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    if rows:
        table = document.add_table(len(rows), len(rows[0]))
        for row, texts in zip(table.rows, rows, strict=True):
            for cell, text in zip(row.cells, texts, strict=True):
                cell.text = text
    document.core_properties.title = title
    if made:
        document.core_properties.created = made
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


CONTAINER = """<?xml version="1.0"?><container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0">
<rootfiles><rootfile full-path="OEBPS/package.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""


def epub(chapters: Sequence[str], metadata: str = "", **more: bytes | str) -> bytes:
    """`chapters` are the markup of bodies, `metadata` is markup of the package file, `more` further members."""
    manifest = "".join(f'<item id="c{i}" href="text/{i}.xhtml"/>' for i in range(len(chapters)))
    spine = "".join(f'<itemref idref="c{i}"/>' for i in range(len(chapters)))
    package = (
        '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0">'
        f'<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">{metadata}</metadata>'
        f"<manifest>{manifest}</manifest><spine>{spine}</spine></package>"
    )
    page = "<html xmlns='http://www.w3.org/1999/xhtml'><head><title>x</title></head><body>{}</body></html>"
    files = {f"OEBPS/text/{i}.xhtml": page.format(chapter) for i, chapter in enumerate(chapters)}
    return zipped({"META-INF/container.xml": CONTAINER, "OEBPS/package.opf": package, **files, **more})


def eml(headers: Mapping[str, str], body: str, subtype: str = "plain") -> bytes:
    from email.message import EmailMessage

    message = EmailMessage()
    for name, value in headers.items():
        message[name] = value
    message.set_content(body, subtype=subtype)
    return message.as_bytes()


def mhtml(page: str, url: str, day: str) -> bytes:
    """As Chromium saves it: quoted-printable parts with their addresses."""
    import quopri

    encoded = quopri.encodestring(page.encode()).decode()
    return (
        f"From: <Saved by Blink>\r\nSnapshot-Content-Location: {url}\r\nSubject: =?utf-8?Q?Saved=20page?=\r\n"
        f"Date: {day}\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/related; type="text/html"; boundary="--b--"\r\n\r\n\r\n'
        f"----b--\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n"
        f"Content-Location: {url}\r\n\r\n{encoded}\r\n"
        "----b--\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n----b----\r\n"
    ).encode()
