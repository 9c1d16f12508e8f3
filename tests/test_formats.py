"""PDF, DOCX, EPUB, mails and saved pages -> Articles; the hostile ones -> one line that names the reason."""

from __future__ import annotations

import io
import random
import re
import struct
import time
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

import lxml.html
import pytest
from made_files import CONTAINER, compressed, docx, eml, epub, mhtml, pdf, zipped

from assistant.errors import ArticleUnreadable
from assistant.schema import Article
from assistant.sources import FileItem, archive, parse
from assistant.sources import pdf as pdf_module
from assistant.sources.dates import page_dates
from assistant.sources.files import PARSERS
from assistant.sources.html import blocks
from assistant.splitting import Splitter

FIRST = "The river bridge in Vell was opened on Friday by Mara Lind, who said it had cost twelve million crowns."
SECOND = "Traffic across the Orve had been carried by two slow ferries since the great flood of the year before."
PAGE = f"<p>{FIRST}</p><p>{SECOND}</p>"


def read(name: str, raw: bytes) -> Article:
    # Here, and not apart as a sync does: what a test sets is set for this process, and any exception is seen.
    return parse(FileItem("corpus", name, Path("/nowhere") / name), raw, lambda suffix, raw: PARSERS[suffix](raw))


def refusal(name: str, raw: bytes) -> str:
    started = time.perf_counter()
    with pytest.raises(ArticleUnreadable) as caught:
        read(name, raw)
    assert "\n" not in str(caught.value)
    assert time.perf_counter() - started < 60
    return str(caught.value)


# -- PDF ---------------------------------------------------------------------------------------------------

WRAPPED = [
    "The river bridge in Vell was opened on Friday by Mara Lind,",
    "who said that it had cost twelve million crowns and that the",
    "people of both banks had waited for it since the great flood.",
    "It is free.",
    "Traffic across the Orve had been carried by two slow ferries,",
    "one of which sank in the spring, without loss of life, off Kell.",
]


def test_lines_of_a_pdf_are_put_together_to_paragraphs() -> None:
    assert read("a.pdf", pdf([WRAPPED])).text.split("\n\n") == [" ".join(WRAPPED[:4]), " ".join(WRAPPED[4:])]


def test_a_paragraph_goes_on_over_the_page_and_a_divided_word_is_whole_again() -> None:
    pages = [
        [
            "The commission that examined the accident of the second ferry",
            "said in its report of Tuesday that the exami-",
        ],
        ["nation had taken longer than planned because of the low water."],
    ]
    assert read("a.pdf", pdf(pages)).text == (
        "The commission that examined the accident of the second ferry said in its report of Tuesday that the "
        "examination had taken longer than planned because of the low water."
    )


def test_running_heads_and_page_numbers_are_not_text() -> None:
    pages = [
        ["The Daily Stone", f"{FIRST} This is part {i}.", f"Page {i} of 4"] for i in ("one", "two", "three", "four")
    ]
    pages = [[*page[:2], f"Page {number} of 4"] for number, page in enumerate(pages, 1)]
    text = read("a.pdf", pdf(pages)).text
    assert "Daily Stone" not in text
    assert "Page" not in text
    assert all(f"This is part {i}." in text for i in ("one", "two", "three", "four"))


def test_a_pdf_s_metadata_is_the_article_s() -> None:
    info = "/Title (The bridge) /Author (Mara Lind) /CreationDate (D:20240301100000+01'00') /ModDate (D:20240305)"
    found = read("a.pdf", pdf([WRAPPED], info))
    assert (found.title, found.author, found.published) == ("The bridge", "Mara Lind", date(2024, 3, 1))
    assert found.updated == date(2024, 3, 5)


@pytest.mark.parametrize("info", [
    "", "/Title (untitled)", "/Title (Microsoft Word - bridge.docx)", "/Title (bridge_final.pdf)", "/CreationDate (yesterday)",
])  # fmt: skip
def test_a_title_that_only_names_a_file_and_a_date_that_is_none_are_not_taken(info: str) -> None:
    found = read("a.pdf", pdf([WRAPPED], info))
    assert found.title.startswith("The river bridge in Vell")
    assert found.published is None


def test_an_encrypted_pdf_is_said_to_be_and_one_that_anyone_may_open_is_read() -> None:
    from pypdf import PdfReader, PdfWriter

    def encrypted(password: str) -> bytes:
        writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf([WRAPPED]))))
        writer.encrypt(password, owner_password="owner", algorithm="RC4-128")  # noqa: S106
        out = io.BytesIO()
        writer.write(out)
        return out.getvalue()

    assert "encrypted" in refusal("a.pdf", encrypted("secret"))
    assert read("a.pdf", encrypted("")).text == read("a.pdf", pdf([WRAPPED])).text


def test_a_scanned_pdf_is_said_to_need_text_recognition() -> None:
    assert "OCR" in refusal("a.pdf", pdf([[]]))


@pytest.mark.parametrize("raw", [b"%PDF-1.7\ngarbage", b"not a pdf at all " * 50, pdf([WRAPPED])[:300], b"\x00" * 1000])
def test_garbage_called_pdf_is_refused_and_never_read_as_text(raw: bytes) -> None:
    assert "PDF" in refusal("a.pdf", raw)


def test_a_filter_that_pypdf_has_given_up_is_a_damage_like_any_other() -> None:
    assert "PDF" in refusal("a.pdf", pdf([WRAPPED]).replace(b"/FlateDecode", b"/Fl         "))


def test_a_stream_that_decompresses_to_gigabytes_is_refused() -> None:
    bomb = pdf([], stream=b"q\n" * 60_000_000)
    assert len(bomb) < 200_000
    assert refusal("a.pdf", bomb)


def test_forms_that_draw_forms_are_stopped_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten levels of ten: a file of 3 kB that would draw a thousand million letters."""
    monkeypatch.setattr(pdf_module, "SECONDS_LIMIT", 1.0)
    levels = []
    for i in range(10):
        inner = b"/X Do\n" * 10 if i < 9 else b"BT /F1 9 Tf (x) Tj ET"
        resources = f"/XObject << /X {6 + i} 0 R >>" if i < 9 else "/Font << /F1 4 0 R >>"
        levels.append(compressed(inner, f"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << {resources} >>"))
    bomb = pdf([], stream=b"/X Do", resources="/XObject << /X 5 0 R >>", more=levels)
    started = time.perf_counter()
    assert "longer than 1 s" in refusal("a.pdf", bomb)
    assert time.perf_counter() - started < 20


def test_a_pdf_of_too_many_pages_names_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_module, "PAGES_LIMIT", 3)
    assert "more than 3 pages" in refusal("a.pdf", pdf([WRAPPED] * 4))


# -- DOCX --------------------------------------------------------------------------------------------------


def test_a_word_document_is_its_paragraphs_and_rows_in_order() -> None:
    found = read("a.docx", docx([FIRST, SECOND], title="The bridge", rows=[["Year", "Cost"], ["2024", "12"]]))
    assert found.title == "The bridge"
    assert found.text.split("\n\n") == [FIRST, SECOND, "Year, Cost", "2024, 12"]


def of_body(body: str) -> bytes:
    """A Word document with this markup of paragraphs and tables."""
    members = _members(docx(["HERE"]))
    document = members["word/document.xml"]
    assert isinstance(document, bytes)
    members["word/document.xml"] = re.sub(rb"<w:p>.*HERE.*?</w:p>", body.encode(), document, flags=re.DOTALL)
    return zipped(members)


def w_run(text: str) -> str:
    return f'<w:r><w:t xml:space="preserve">{text}</w:t></w:r>'


def w_paragraph(content: str) -> str:
    return f"<w:p>{content}</w:p>"


def w_control(content: str, properties: str = "") -> str:
    return f"<w:sdt><w:sdtPr>{properties}</w:sdtPr><w:sdtContent>{content}</w:sdtContent></w:sdt>"


def w_cell(text: str, properties: str = "") -> str:
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{w_paragraph(w_run(text))}</w:tc>"


@pytest.mark.parametrize(("body", "paragraphs"), [
    (w_paragraph(w_run("The toll was ") + f"<w:ins w:id='1'>{w_run('never ')}</w:ins><w:smartTag w:element='x'>{w_run('in Vell ')}</w:smartTag>" + w_run("paid.")),
     ["The toll was never in Vell paid."]),
    (w_paragraph(w_run("The toll was ") + f"<w:del w:id='1'><w:r><w:delText>never </w:delText></w:r></w:del><w:moveFrom w:id='2'>{w_run('soon ')}</w:moveFrom>" + w_run("paid.")),
     ["The toll was paid."]),
    (w_paragraph(w_run("One")) + w_control(w_paragraph(w_run("Two")) + w_control(w_paragraph(w_run("Three")))) + w_paragraph(w_control(w_run("Four"))),
     ["One", "Two", "Three", "Four"]),
    (w_paragraph(w_run("One")) + w_control(w_paragraph(w_run("One 3")), "<w:docPartObj><w:docPartGallery w:val='Table of Contents'/></w:docPartObj>")
     + w_paragraph(w_control(w_run("Click here"), "<w:showingPlcHdr/>") + w_run("Two")), ["One", "Two"]),
    (w_paragraph(f"<w:hyperlink>{w_run('Lind')}</w:hyperlink>{w_run('’s')}<w:r><w:tab/><w:t>toll</w:t><w:br/><w:t>rose</w:t></w:r>"), ["Lind’s toll rose"]),
    ("<w:tbl><w:tr>" + w_cell("Year", "<w:vMerge w:val='restart'/>") + w_control(w_cell("Cost")) + "</w:tr>"
     + w_control("<w:tr>" + w_cell("", "<w:vMerge/>") + w_cell("12") + "</w:tr>")
     + "<w:tr><w:trPr><w:del w:id='3'/></w:trPr>" + w_cell("gone") + "</w:tr></w:tbl>", ["Year, Cost", "Year, 12"]),
    (f"<w:tbl><w:tr><w:tc>{w_paragraph(w_run('mill') + w_run('ion'))}{w_paragraph(w_run('crowns'))}</w:tc></w:tr></w:tbl>", ["million crowns"]),
])  # fmt: skip
def test_a_word_document_is_all_that_it_shows_and_nothing_that_was_taken_out(body: str, paragraphs: list[str]) -> None:
    assert read("a.docx", of_body(body)).text.split("\n\n") == paragraphs


def test_a_word_document_that_a_program_did_not_date_has_no_day() -> None:
    found = read("a.docx", docx([FIRST]))
    assert (found.published, found.updated) == (None, None)
    dated = docx([FIRST], made=datetime(2024, 3, 1, tzinfo=UTC))
    assert read("a.docx", dated).published == date(2024, 3, 1)


def test_an_external_entity_in_a_word_document_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("CANARY")
    members = _members(docx([FIRST, "HERE"]))
    entity = f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{tmp_path}/secret">]>'.encode()
    document = members["word/document.xml"]
    head, body = document.split(b"?>", 1)
    members["word/document.xml"] = head + b"?>" + entity + body.replace(b"HERE", b"&e;")
    try:
        assert "CANARY" not in read("a.docx", zipped(members)).text
    except ArticleUnreadable as error:
        assert "CANARY" not in str(error)  # noqa: PT017


def _members(raw: bytes) -> dict[str, bytes | str]:
    with zipfile.ZipFile(io.BytesIO(raw)) as files:
        return {name: files.read(name) for name in files.namelist()}


@pytest.mark.parametrize(("raw", "reason"), [
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 500, "encrypted"), (b"PK\x03\x04 cut", "not a whole file"),
    (zipped({"a.txt": "no document"}), "Word"), (docx([FIRST])[:2_000], "not a whole file"), (b"words " * 500, "not a whole file"),
    (zipped({**_members(docx([FIRST])), "word/document.xml": "<broken"}), "Word"),
])  # fmt: skip
def test_what_is_no_word_document_is_refused(raw: bytes, reason: str) -> None:
    assert reason in refusal("a.docx", raw)


# -- EPUB --------------------------------------------------------------------------------------------------


def test_an_epub_is_its_chapters_in_reading_order() -> None:
    metadata = (
        "<dc:title>The bridge</dc:title><dc:creator>Mara Lind</dc:creator><dc:creator>Jo Ek</dc:creator>"
        "<dc:publisher>Stone Press</dc:publisher><dc:date>2024-03-01</dc:date><dc:language>en</dc:language>"
        '<meta property="dcterms:modified">2024-04-02T00:00:00Z</meta>'
    )
    found = read("a.epub", epub([f"<h1>One</h1><p>{FIRST}</p>", f"<p>{SECOND}<br/>It is free.</p>"], metadata))
    assert found.text.split("\n\n") == ["One", FIRST, f"{SECOND} It is free."]
    assert (found.title, found.author, found.source) == ("The bridge", "Mara Lind, Jo Ek", "Stone Press")
    assert (found.published, found.updated, found.language) == (date(2024, 3, 1), date(2024, 4, 2), "en")


@pytest.mark.parametrize("chapter", [
    "<script>CANARY</script>", "<style>CANARY</style>", "<p hidden='hidden'>CANARY</p>", "<!-- CANARY -->",
    "<p style='display:none'>CANARY</p>",
])  # fmt: skip
def test_what_a_reader_of_a_book_does_not_see_is_not_in_the_text(chapter: str) -> None:
    assert read("a.epub", epub([PAGE + chapter])).text == f"{FIRST}\n\n{SECOND}"


def test_a_book_under_drm_is_said_to_be() -> None:
    members = {"META-INF/encryption.xml": "<encryption><EncryptionMethod Algorithm='aes256-cbc'/></encryption>"}
    assert "DRM" in refusal("a.epub", epub([PAGE], **members))


def test_a_chapter_outside_of_the_book_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.xhtml").write_text("CANARY")
    package = f"""<package xmlns="http://www.idpf.org/2007/opf"><manifest>
    <item id="c" href="../..{tmp_path}/secret.xhtml"/></manifest><spine><itemref idref="c"/></spine></package>"""
    raw = zipped({"META-INF/container.xml": CONTAINER, "OEBPS/package.opf": package})
    assert "lacks" in refusal("a.epub", raw)


LAUGHS = "<!DOCTYPE l [<!ENTITY a 'ha'>" + "".join(
    f"<!ENTITY {chr(98 + i)} '{f'&{chr(97 + i)};' * 10}'>" for i in range(9)
)


@pytest.mark.parametrize("prologue", [f"{LAUGHS}]>", "<!DOCTYPE x [<!ENTITY j SYSTEM 'file:///etc/hostname'>]>"])
def test_entities_in_an_epub_are_refused(prologue: str) -> None:
    package = f"<?xml version='1.0'?>{prologue}<package xmlns='http://www.idpf.org/2007/opf'>&j;</package>"
    assert "entit" in refusal("a.epub", zipped({"META-INF/container.xml": CONTAINER, "OEBPS/package.opf": package}))


# -- archives ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.docx", "a.epub"])
def test_a_zip_bomb_is_refused_with_the_limit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = zipped({"word/document.xml": b"\x00" * 30_000_000})
    assert len(bomb) < 60_000
    assert "200 times" in refusal(name, bomb)
    monkeypatch.setattr(archive, "RATIO_LIMIT", 10_000)
    monkeypatch.setattr(archive, "OUTPUT_LIMIT", 20 * 1024 * 1024)
    assert "more than 20 MiB" in refusal(name, bomb)


def test_a_zip_that_lies_about_its_sizes_is_refused() -> None:
    raw = bytearray(zipped({"word/document.xml": b"\x00" * 30_000_000}))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = raw.rindex(signature) + offset
        raw[place : place + 4] = struct.pack("<I", 100)
    assert refusal("a.docx", bytes(raw))


def test_a_zip_of_too_many_files_is_refused() -> None:
    assert "10,000" in refusal("a.epub", zipped({f"{i}": b"" for i in range(10_001)}))


@pytest.mark.parametrize("name", ["../evil.xhtml", "/etc/evil", "a/../../evil", "..\\evil", "C:\\evil", "C:evil"])
def test_a_name_that_leads_out_of_an_archive_is_refused_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    assert "leads out" in refusal("a.epub", zipped({name: "evil"}))
    assert "leads out" in refusal("a.docx", zipped({**_members(docx([FIRST])), name: "evil"}))


@pytest.mark.parametrize("name", ["a..b.xhtml", "...", "text/a.xhtml", ".hidden"])
def test_a_name_with_dots_leads_nowhere(name: str) -> None:
    assert not archive.leads_out(name)


# -- mails and saved pages ---------------------------------------------------------------------------------

HEADERS = {
    "From": "Mara Lind <mara@stone.example>",
    "Subject": "The bridge — opened",
    "Date": "Fri, 01 Mar 2024 10:00:00 +0100",
}


def test_a_mail_is_its_text_with_its_headers() -> None:
    found = read("a.eml", eml(HEADERS, f"{FIRST}\n\n{SECOND}\n"))
    assert found.text == f"{FIRST}\n\n{SECOND}"
    assert (found.title, found.author, found.published) == ("The bridge — opened", "Mara Lind", date(2024, 3, 1))


def test_a_mail_of_html_alone_is_its_visible_text() -> None:
    page = f"<html><body><table><tr><td>{FIRST}</td></tr></table><p>{SECOND}</p><p hidden>CANARY</p></body></html>"
    assert read("a.eml", eml(HEADERS, page, "html")).text == f"{FIRST}\n\n{SECOND}"


def test_attachments_of_a_mail_are_not_read() -> None:
    from email.message import EmailMessage

    message = EmailMessage()
    message["Subject"] = "x"
    message.add_attachment("CANARY " * 20, filename="../../etc/evil.txt")
    message.add_attachment(FIRST, disposition="inline")
    assert "CANARY" not in read("a.eml", message.as_bytes()).text


def parts(kind: str, *inner: str) -> str:
    """A part that holds others, each written with its own headers."""
    mark = f"=={abs(hash((kind, inner)))}=="
    held = "".join(f"--{mark}\n{part}\n" for part in inner)
    return f'Content-Type: multipart/{kind}; boundary="{mark}"\n\n{held}--{mark}--\n'


def part(kind: str, body: str, more: str = "") -> str:
    return f"Content-Type: {kind}; charset=utf-8\n{more}\n{body}\n"


IMAGE = part("image/png", "iVBORw0KGgo=", "Content-Disposition: inline\nContent-Transfer-Encoding: base64\n")
FORWARDED = part("message/rfc822", f"Subject: another\nContent-Type: text/plain\n\n{'CANARY ' * 300}")
STUB = part("text/plain", "Your program does not show this mail.")


@pytest.mark.parametrize("body", [
    parts("mixed", part("text/html", PAGE), FORWARDED),
    parts("mixed", FORWARDED, part("text/plain", f"{FIRST}\n\n{SECOND}")),
    parts("mixed", part("text/plain", FIRST), IMAGE, part("text/plain", SECOND)),
    parts("mixed", part("text/html", f"<p>{FIRST}</p>"), IMAGE, part("text/html", f"<p>{SECOND}</p>")),
    parts("alternative", STUB, part("text/html", PAGE)),
    parts("alternative", STUB, parts("related", part("text/html", PAGE), IMAGE, part("text/html", "<p>CANARY, framed.</p>"))),
    parts("alternative", part("text/plain", f"{FIRST}\n\n{SECOND}"), part("text/html", f"{PAGE}<p>CANARY: sent by Stone.</p>")),
    parts("alternative", part("text/plain", ""), part("text/html", PAGE)),
    parts("mixed", parts("alternative", STUB, part("text/html", f"<p>{FIRST}</p>")), part("text/plain", SECOND)),
    parts("mixed", part("text/plain", f"{FIRST}\n\n{SECOND}"), parts("mixed", part("text/plain", "CANARY", "Content-Disposition: attachment\n"))),
])  # fmt: skip
def test_of_a_mail_in_parts_all_is_read_that_it_shows_and_once(body: str) -> None:
    assert read("a.eml", f"Subject: The bridge\nMIME-Version: 1.0\n{body}".encode()).text == f"{FIRST}\n\n{SECOND}"


@pytest.mark.parametrize("raw", [
    b"no headers at all", b"Subject: empty\n\n", b"\x00\x01\x02" * 100, b"Subject: x\nContent-Type: text/plain; charset=no-such\n\n",
    b"Content-Type: multipart/mixed\n\n" + FIRST.encode(),
])  # fmt: skip
def test_what_is_no_mail_or_has_no_text_is_refused(raw: bytes) -> None:
    assert refusal("a.eml", raw)


@pytest.mark.parametrize("header", [
    "Date: no date", "Date: Fri, 99 Zzz 99999 99:99:99", "From: <<<>>>,,,@", "From: =?utf-8?b?////?=", "Content-Type: text/plain; charset=bogus",
    "Subject: =?x?q?=?=", "From: " + "a" * 100_000,
])  # fmt: skip
def test_a_malformed_header_costs_no_text(header: str) -> None:
    assert "bridge" in read("a.eml", f"X-Kept: 1\n{header}\n\n{FIRST}\n".encode()).text


def test_a_text_that_is_not_of_the_charset_it_names_is_decoded_all_the_same() -> None:
    raw = (
        b"Subject: x\nContent-Type: text/plain; charset=us-ascii\n\n"
        + "Café in Zürich öffnet am Freitag wieder.".encode()
    )
    assert "Café in Zürich" in read("a.eml", raw).text


def test_a_page_saved_as_mhtml_is_the_page_with_the_day_on_which_it_was_saved() -> None:
    page = f"<html><head><title>The bridge</title><meta property='article:published_time' content='2024-03-01'></head><body><article>{PAGE}</article></body></html>"
    found = read("a.mhtml", mhtml(page, "https://stone.example/bridge", "Tue, 05 Mar 2024 10:00:00 -0000"))
    assert found.text == f"{FIRST}\n\n{SECOND}"
    assert (found.title, found.url) == ("The bridge", "https://stone.example/bridge")
    assert (found.published, found.fetched) == (date(2024, 3, 1), date(2024, 3, 5))


def test_mhtml_without_a_page_is_refused() -> None:
    assert "no page" in refusal("a.mht", eml(HEADERS, FIRST))


# -- damage -----------------------------------------------------------------------------------------------


def damaged(raw: bytes, chance: random.Random) -> bytes:
    spoiled = bytearray(raw)
    for _ in range(chance.randrange(1, 10)):
        place = chance.randrange(len(spoiled))
        kind = chance.randrange(4)
        if kind == 0:
            spoiled[place] = chance.randrange(256)
        elif kind == 1:
            del spoiled[place : place + chance.randrange(1, 60)]
        elif kind == 2:
            spoiled[place:place] = chance.choice([b"<", b"&#x0;", b"\x00", b"]]>", b"<!--", b"\xff", b'"', b"PK"])
        else:
            spoiled[place:place] = spoiled[:: max(1, len(spoiled) // 40)]
    return bytes(spoiled)


def damaged_inside(raw: bytes, chance: random.Random) -> bytes:
    members = _members(raw)
    name = chance.choice(sorted(members))
    content = members[name]
    assert isinstance(content, bytes)
    return zipped({**members, name: damaged(content, chance) if content else b""})


@pytest.mark.parametrize("seed", range(6))
def test_damaged_files_of_every_format_are_read_or_refused_in_one_line(seed: int) -> None:
    """What no parser foresaw must not end a sync."""
    chance = random.Random(seed)
    page = f"<html><body><article>{PAGE}</article></body></html>"
    whole = {
        "a.pdf": pdf([WRAPPED], "/Title (T) /CreationDate (D:20240301)"),
        "a.docx": docx([FIRST, SECOND], title="T", rows=[["a", "b"]]),
        "a.epub": epub([PAGE], "<dc:title>T</dc:title>"),
        "a.eml": eml(HEADERS, page, "html"),
        "a.mhtml": mhtml(page, "https://stone.example/", "Fri, 01 Mar 2024 10:00:00 +0000"),
    }
    for name, raw in whole.items():
        for _ in range(20):
            inside = name in ("a.docx", "a.epub") and chance.random() < 0.7
            try:
                assert read(name, damaged_inside(raw, chance) if inside else damaged(raw, chance)).text
            except ArticleUnreadable as error:
                assert "\n" not in str(error)  # noqa: PT017


# -- sizes -------------------------------------------------------------------------------------------------


def test_an_article_of_one_endless_line_is_refused_at_once() -> None:
    for content in (b"x" * 6_000_000, b"word " * 1_200_000):
        assert "longer than 5,000,000 characters" in refusal("a.txt", content)
        assert "longer than 5,000,000 characters" in refusal("a.md", content)


@pytest.mark.parametrize(
    "content", ["x" * 400_000, "word " * 80_000, "The word is here. " * 25_000, "no end, " * 50_000]
)
def test_a_paragraph_without_end_is_cut_so_that_its_sentences_can_be_found(content: str) -> None:
    article = read("a.txt", content.encode())
    assert max(len(paragraph) for paragraph in article.text.split("\n\n")) <= 20_000
    assert "".join(article.text.split()) == "".join(content.split())
    started = time.perf_counter()
    split = Splitter(90, 25).split(article)
    assert split.passages
    assert all(0 <= p.start < p.end <= len(article.text) for p in split.passages)
    assert time.perf_counter() - started < 30


def test_a_page_too_large_to_take_apart_is_refused_at_once() -> None:
    assert "10,000,000 characters" in refusal("a.html", b"<p>" + b"x" * 10_000_000)


@pytest.mark.parametrize("tag", ["div", "span", "blockquote", "b", "ul><li", "table><tr><td"])
def test_a_page_nested_ten_thousand_deep_is_read_or_refused_in_seconds(tag: str) -> None:
    page = f"<html><body><article>{PAGE}{f'<{tag}>' * 10_000}deep words{PAGE}</article></body></html>"
    started = time.perf_counter()
    try:
        assert FIRST in read("a.html", page.encode()).text
    except ArticleUnreadable as error:
        assert "\n" not in str(error)  # noqa: PT017
    assert time.perf_counter() - started < 30


@pytest.mark.parametrize("unit", [
    "<i hidden></i>more words ", "<p hidden>CANARY</p>more words ", "<i hidden><b hidden>CANARY</i></b>more words ",
    "<b><i style='display:none'>CANARY</i></b>more words ",
])  # fmt: skip
def test_hidden_elements_by_the_thousand_are_dropped_in_seconds(unit: str) -> None:
    started = time.perf_counter()
    assert set(" ".join(blocks(unit * 100_000)).split()) == {"more", "words"}
    assert time.perf_counter() - started < 30


def test_a_page_of_times_by_the_thousand_is_dated_in_seconds() -> None:
    tree = lxml.html.document_fromstring("<html><body><p>" + "<time></time>more words " * 100_000)
    started = time.perf_counter()
    page_dates(tree, url="", listed={})
    assert time.perf_counter() - started < 30


def unclosed(levels: int) -> str:
    """As editors of old wrote pages: a tag with each paragraph that nothing ends."""
    return f"<p>{FIRST}{'<font>' * levels}</p><p>{SECOND}</p>"


@pytest.mark.parametrize("levels", [300, 1_500])
@pytest.mark.parametrize("name", ["a.html", "a.eml", "a.epub", "a.mhtml"])
def test_no_words_are_lost_behind_tags_that_are_never_closed(name: str, levels: int) -> None:
    assert read(name, of_markup(name, unclosed(levels))).text == f"{FIRST}\n\n{SECOND}"


@pytest.mark.parametrize("levels", [3_000, 100_000])
@pytest.mark.parametrize("name", ["a.html", "a.eml", "a.epub", "a.mhtml"])
def test_a_page_nested_deeper_than_can_be_read_is_refused_and_never_cut(name: str, levels: int) -> None:
    assert "nested too deep" in refusal(name, of_markup(name, unclosed(levels)))


def of_markup(name: str, body: str) -> bytes:
    page = f"<html><body>{body}</body></html>"
    if name == "a.html":
        return page.encode()
    if name == "a.epub":
        return zipped({**_members(epub([""])), "OEBPS/text/0.xhtml": random_comment() + page})
    return eml(HEADERS, page, "html") if name == "a.eml" else mhtml(page, "https://stone.example/", HEADERS["Date"])


def random_comment() -> str:
    """What cannot be compressed, so that a monotonous page is not taken for a bomb."""
    return f"<!-- {random.Random(1).randbytes(4_000).hex()} -->"


@pytest.mark.parametrize("name", ["a.pdf", "a.docx", "a.epub", "a.eml", "a.mhtml"])
@pytest.mark.parametrize("raw", [b"", b" \n", b"\x00" * 10, bytes(range(256)) * 8, "é".encode("latin-1") * 50])
def test_any_bytes_are_read_or_refused_in_one_line(name: str, raw: bytes) -> None:
    assert refusal(name, raw)
