"""CSV and JSONL exports -> one article per row; a mapping of columns that is remembered; broken rows by their line."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from conftest import WordEmbedder

from assistant import Assistant
from assistant.errors import ArticleUnreadable, InvalidSetting, SourceMissing
from assistant.schema import Article, SyncReport
from assistant.sources import Unreadable, apart, export, parse_mapping
from assistant.sources.export import RowItem, rows

CSV = """id,headline,body,day,desk
7,The bridge,"Mara Lind opened the bridge.

It cost ""twelve"" million, she said.",2024-03-01,Stone
8,The harbour,The harbour of Tansk was built by Hollen Works.,2024-05-10,Stone
"""
MAPPING = {"title": "headline", "text": "body", "published": "day", "source": "desk"}


def read(path: Path, mapping: Mapping[str, str] | None = None) -> tuple[list[Article], list[tuple[str, str]]]:
    found = list(rows("x", path, mapping or {}))
    articles = [item.load("")[1] for item in found if isinstance(item, RowItem)]
    refused = [(item.location, item.reason) for item in found if isinstance(item, Unreadable)]
    return [article for article in articles if article], refused


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_each_row_of_a_csv_file_is_an_article(tmp_path: Path) -> None:
    (bridge, harbour), refused = read(written(tmp_path, "e.csv", CSV), MAPPING)
    assert refused == []
    assert (bridge.title, bridge.source, bridge.published) == ("The bridge", "Stone", date(2024, 3, 1))
    assert bridge.text == 'Mara Lind opened the bridge.\n\nIt cost "twelve" million, she said.'
    assert (bridge.location, harbour.location) == ("e.csv#7", "e.csv#8")
    assert bridge.id != harbour.id


@pytest.mark.parametrize("name", ["e.jsonl", "e.ndjson", "e.json"])
def test_each_object_of_a_json_export_is_an_article(tmp_path: Path, name: str) -> None:
    objects = [
        {"url": "https://stone.example/bridge", "headline": "The bridge", "content": "It opened.", "authors": [{"name": "Mara"}]},
        {"url": "https://stone.example/b", "headline": "B", "content": "<p>One.</p><p hidden>CANARY</p><p>Two.</p>", "date": "2024-03-01"},
    ]  # fmt: skip
    text = json.dumps(objects) if name == "e.json" else "\n".join(json.dumps(one) for one in objects)
    (bridge, other), refused = read(written(tmp_path, name, text))
    assert refused == []
    assert (bridge.title, bridge.author, bridge.url) == ("The bridge", "Mara", "https://stone.example/bridge")
    assert (other.text, other.published) == ("One.\n\nTwo.", date(2024, 3, 1))


def test_a_dotted_column_leads_into_nested_json(tmp_path: Path) -> None:
    row = {"data": {"body": "It opened.", "meta": {"head": "The bridge"}}}
    (article,), _ = read(
        written(tmp_path, "e.jsonl", json.dumps(row)), {"text": "data.body", "title": "data.meta.head"}
    )
    assert (article.title, article.text) == ("The bridge", "It opened.")


@pytest.mark.parametrize(("name", "content"), [
    ("e.tsv", "title\ttext\nA\tOne, two.\n"), ("e.csv", "title;text\nA;One, two.\n"), ("e.csv", "\ufefftitle|text\r\nA|One, two.\r\n"),
    ("e.csv", 'title,text\n\nA,"One, two."\n\n'), ("e.csv", 'TITLE , Text\nA,"One, two."\n'),
])  # fmt: skip
def test_the_usual_forms_of_a_table_are_understood(tmp_path: Path, name: str, content: str) -> None:
    (article,), refused = read(written(tmp_path, name, content))
    assert (article.title, article.text, refused) == ("A", "One, two.", [])


def test_a_broken_row_is_told_by_its_line_and_the_others_are_read(tmp_path: Path) -> None:
    lines = ['{"id": 1, "text": "One."}', '{"id": 2, "text": ', "[1]", "", '{"id": 1, "text": "Again."}', '{"id": 3, "text": "Three."}', "[" * 5_000]  # fmt: skip
    articles, refused = read(written(tmp_path, "e.jsonl", "\n".join(lines)))
    assert [article.text for article in articles] == ["One.", "Three."]
    assert [place for place, _ in refused] == ["e.jsonl#line 2", "e.jsonl#line 3", "e.jsonl#line 5", "e.jsonl#line 7"]
    assert refused[2][1] == "has the id of line 1"
    assert all("\n" not in reason for _, reason in refused)


def test_a_csv_row_with_another_number_of_columns_is_told_by_its_line(tmp_path: Path) -> None:
    articles, refused = read(written(tmp_path, "e.csv", 'id,text\n1,"a\nb"\n2,b,c\n3,d\n'))
    assert [article.text for article in articles] == ["a\n\nb", "d"]
    assert refused == [("e.csv#line 4", "has 3 columns where the first line has 2")]


def test_a_cell_longer_than_the_csv_module_s_own_limit_is_read(tmp_path: Path) -> None:
    (article,), _ = read(written(tmp_path, "e.csv", f"id,text\n1,{'word ' * 60_000}\n"))
    assert len(article.text.split()) == 60_000


def test_a_row_s_name_is_its_id_its_address_or_its_content_and_never_its_place(tmp_path: Path) -> None:
    path = written(tmp_path, "e.jsonl", '{"text": "One."}\n{"text": "Two."}')
    before = {article.text: article.id for article in read(path)[0]}
    path.write_text('{"text": "Zero."}\n{"text": "Two."}\n{"text": "One."}')
    after = {article.text: article.id for article in read(path)[0]}
    assert {text: after[text] for text in before} == before


@pytest.mark.parametrize(("text", "expected"), [
    (["It opened.", "It cost twelve."], ["It opened.", "It cost twelve."]), (["<p>One.</p><p>Two.</p>", "Three.\n\nFour <b>4</b>."], ["One.", "Two.", "Three.", "Four 4."]),
    ("One <b>bold</b> word.\n\nTwo.\n \nThree.", ["One bold word.", "Two.", "Three."]), ("One <a\nhref='x'>link</a>\nin a line.\n\nTwo.", ["One link in a line.", "Two."]),
    ("One <span hidden>CANARY\n\nCANARY</span> one.\n\nTwo.", ["One one.", "Two."]), ("<div>One\n\none.</div><P>Two.", ["One one.", "Two."]),
    ("One.<br>One.\n\nOne <i>1</i>.", ["One. One. One 1."]), ("<h2>One</h2>\n\nTwo.", ["One", "Two."]),
    ("One <p.05 and <br4.\n\nTwo.", ["One <p.05 and <br4.", "Two."]),
])  # fmt: skip
def test_a_text_keeps_its_paragraphs(tmp_path: Path, text: str | list[str], expected: list[str]) -> None:
    (article,), _ = read(written(tmp_path, "e.jsonl", json.dumps({"text": text})))
    assert " ".join(article.text.split()) == " ".join(expected)
    assert article.text.split("\n\n") == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ([], "empty"),
        (["", " "], "empty"),
        (None, "empty"),
        (["One.", 2], "not of texts alone"),
        ([{"a": "One."}], "not of texts alone"),
    ],
)
def test_what_is_no_text_is_told(tmp_path: Path, text: Any, says: str) -> None:
    (row,) = rows("x", written(tmp_path, "e.jsonl", json.dumps({"title": "One", "text": text})), {})
    assert isinstance(row, RowItem)
    with pytest.raises(ArticleUnreadable, match=says):
        row.load("")


def test_a_column_of_much_markup_is_read_in_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    markup = "".join(f"<p>Paragraph {number} of the bridge.</p>" for number in range(5_000))
    path = written(tmp_path, "e.json", json.dumps([{"text": markup}]))
    monkeypatch.setattr(export, "blocks", None)
    (article,), _ = read(path)
    assert article.text.count("\n\n") == 4_999


def test_a_column_that_keeps_a_parser_busy_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "SECONDS_LIMIT", 0.0)
    objects = [{"id": 1, "text": "<p>One.</p>" * 20_000}, {"id": 2, "text": "<p>Two.</p>"}]
    slow, quick = rows("x", written(tmp_path, "e.json", json.dumps(objects)), {})
    assert isinstance(slow, RowItem)
    assert isinstance(quick, RowItem)
    with pytest.raises(ArticleUnreadable, match="takes longer than"):
        slow.load("")
    assert quick.load("")[1]


def test_a_column_of_more_markup_than_a_page_has_is_refused(tmp_path: Path) -> None:
    (row,) = rows("x", written(tmp_path, "e.json", json.dumps([{"text": "<p>One.</p>" * 1_000_000}])), {})
    assert isinstance(row, RowItem)
    with pytest.raises(ArticleUnreadable, match="more than 10,000,000 characters"):
        row.load("")


@pytest.mark.parametrize(("days", "expected"), [
    (["05/03/2024", "13/03/2024"], [date(2024, 3, 5), date(2024, 3, 13)]), (["05-03-2024 09:30", "13-03-2024"], [date(2024, 3, 5), date(2024, 3, 13)]),
    (["05/03/2024", "03/13/2024"], [date(2024, 5, 3), date(2024, 3, 13)]), (["05/03/2024", "06/03/2024"], [date(2024, 5, 3), date(2024, 6, 3)]),
    (["05/03/2024", "03/13/2024", "13/03/2024"], [date(2024, 5, 3), date(2024, 3, 13), date(2024, 3, 13)]),
    (["2024-05-03", "13/03/2024", "", "5 March 2024"], [date(2024, 5, 3), date(2024, 3, 13), None, date(2024, 3, 5)]),
])  # fmt: skip
def test_day_and_month_have_one_order_in_a_column(tmp_path: Path, days: list[str], expected: list[date | None]) -> None:
    lines = ["id,text,date", *(f"{number},Text {number}.,{day}" for number, day in enumerate(days))]
    articles, _ = read(written(tmp_path, "e.csv", "\n".join(lines)))
    assert [article.published for article in articles] == expected


def test_the_order_of_day_and_month_is_not_a_row_s_name(tmp_path: Path) -> None:
    path = written(tmp_path, "e.csv", "text,date\nOne.,05/03/2024\n")
    ((before,), _) = read(path)
    path.write_text("text,date\nOne.,05/03/2024\nTwo.,13/03/2024\n")
    after = read(path)[0][0]
    assert (before.id, before.published, after.published) == (after.id, date(2024, 5, 3), date(2024, 3, 5))


def test_long_addresses_that_begin_alike_are_different_rows(tmp_path: Path) -> None:
    place = f"https://stone.example/{'archive/' * 40}"
    objects = [{"url": f"{place}{number}", "text": f"Text {number}."} for number in range(3)]
    articles, refused = read(written(tmp_path, "e.json", json.dumps(objects)))
    assert refused == []
    assert len({article.id for article in articles}) == len({article.location for article in articles}) == 3


@pytest.mark.parametrize("value", ["../../etc/passwd", "a\x00b\x1b[31m", "x" * 5_000, "\ud800", "<script>"])
def test_a_hostile_id_is_a_harmless_name(tmp_path: Path, value: str) -> None:
    (article,), _ = read(written(tmp_path, "e.jsonl", json.dumps({"id": value, "text": "One."})))
    assert article.id.replace("-", "").isalnum()
    assert len(article.id) < 100
    assert article.location.isprintable()


@pytest.mark.parametrize(("name", "content", "says"), [
    ("e.csv", "a,b\n1,2\n", "no column for the text; name it: --map text=COLUMN (it has a, b)"),
    ("e.json", "{}", "no list of objects"), ("e.json", "[", "not valid JSON"), ("e.csv", b"\x00\x01\x02" * 500, "binary"),
])  # fmt: skip
def test_an_export_that_cannot_be_read_is_one_line_with_what_to_do(
    tmp_path: Path, name: str, content: str | bytes, says: str
) -> None:
    with pytest.raises(SourceMissing) as refused:
        read(written(tmp_path, name, content))
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_column_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match=r"no column 'story' for text; it has id, headline, body, day, desk"):
        read(written(tmp_path, "e.csv", CSV), {"text": "story"})


def test_an_export_beyond_the_size_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "SIZE_LIMIT", 1024 * 1024)
    with pytest.raises(SourceMissing, match="larger than 1 MiB"):
        read(written(tmp_path, "e.jsonl", '{"text": "' + "x" * 2_000_000 + '"}'))


@pytest.mark.parametrize("name", ["e.jsonl", "e.json"])
@pytest.mark.parametrize(("edits", "read_whole"), [(1, True), (2, False)])
def test_an_export_that_changes_while_it_is_read_is_read_again_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edits: int, read_whole: bool, name: str
) -> None:
    objects = [json.dumps({"id": number, "text": f"Text {number}."}) for number in range(edits + 1)]

    def content(count: int) -> str:
        return f"[{', '.join(objects[:count])}]" if name == "e.json" else "\n".join(objects[:count])

    path, left = written(tmp_path, name, content(1)), list(range(2, edits + 2))
    decoded = export.decode

    def grown(raw: bytes) -> str:
        if left:
            path.write_text(content(left.pop(0)))
        return decoded(raw)

    monkeypatch.setattr(export, "decode", grown)
    if read_whole:
        assert [article.text for article in read(path)[0]][-1] == "Text 1."
    else:
        with pytest.raises(SourceMissing, match="changes while it is read"):
            read(path)


@pytest.mark.parametrize(("name", "lines"), [
    ("e.jsonl", ['{"id": 1, "text": "Öne."}', "", '{"id": 2, "text": "Twö."}', '{"id": 3, "text": "Three."}']),
    ("e.csv", ["id,text", '1,"Öne.', "", 'Öne ""1""."', "", "2,Twö.", "3,Three."]),
])  # fmt: skip
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_row_that_is_read_alone_is_the_row_that_was_listed(
    tmp_path: Path, name: str, lines: list[str], end: str, encoding: str
) -> None:
    found = rows("x", written(tmp_path, name, end.join(lines).encode(encoding)), {})
    texts = []
    for item in reversed(found):
        assert isinstance(item, RowItem)
        article = item.load("")[1]
        assert article
        texts.append(article.text)
    assert texts == ["Three.", "Twö.", 'Öne.\n\nÖne "1".' if name == "e.csv" else "Öne."]


@pytest.mark.parametrize(("name", "content", "later"), [
    ("e.jsonl", '{"id": 1, "text": "One."}', '{"id": 1, "text": "Two."}'), ("e.jsonl", '{"id": 1, "text": "One."}', '{"id": 1, "te'), ("e.jsonl", '{"id": 1, "text": "One."}', ""),
    ("e.jsonl", '{"id": 1, "text": "One."}', b"\xff\xfe"), ("e.csv", "id,text\n1,One.\n", "id,text\n1,Two.\n"), ("e.csv", "id,text\n1,One.\n", "id,text\n"), ("e.csv", "id,text\n1,One.\n", 'id,text\n1,"On'),
    ("e.csv", "id,text\n1,One.\n", "id,text\n1,One.,1\n"),
])  # fmt: skip
def test_a_row_that_changed_since_it_was_listed_is_not_read(
    tmp_path: Path, name: str, content: str, later: str | bytes
) -> None:
    (item,) = rows("x", written(tmp_path, name, content), {})
    assert isinstance(item, RowItem)
    digest, _ = item.load("")
    written(tmp_path, name, later)
    assert item.load(digest) == (digest, None)
    with pytest.raises(ArticleUnreadable, match="changes while it is read"):
        item.load("")
    (tmp_path / name).unlink()
    with pytest.raises(ArticleUnreadable, match="cannot be read: No such file"):
        item.load("")


@pytest.mark.parametrize("name", ["e.jsonl", "e.csv"])
def test_the_texts_of_an_export_are_not_all_held_in_memory(tmp_path: Path, name: str) -> None:
    long = "The bridge. " * 400
    lines = (f'{{"id": {n}, "text": "{long}"}}' if name == "e.jsonl" else f'{n},"{long}"' for n in range(4_000))
    path = written(tmp_path, name, "\n".join(["id,text"] * (name == "e.csv") + list(lines)))
    tracemalloc.start()
    found = rows("x", path, {})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 4_000
    assert peak < path.stat().st_size / 2


@pytest.mark.parametrize("stated", ["title", "=x", "title=", "colour=x", "title=a,,text=b", ""])
def test_a_mapping_that_is_none_is_refused(stated: str) -> None:
    with pytest.raises(InvalidSetting, match="FIELD=COLUMN"):
        parse_mapping(stated)


def test_a_mapping_is_read_with_spaces() -> None:
    assert parse_mapping("title = headline, text=body") == {"title": "headline", "text": "body"}


def test_a_mapping_is_for_exports_alone(open_assistant: Callable[..., Assistant], tmp_path: Path) -> None:
    text, table = written(tmp_path, "a.md", "Text."), written(tmp_path, "e.csv", CSV)
    with pytest.raises(InvalidSetting, match="needs an export"):
        open_assistant().sync([text], mapping=MAPPING)
    report = open_assistant().sync([text, table], mapping=MAPPING)
    assert report.count("added") == 3
    assert [source.mapping for source in open_assistant().sources()] == [{}, MAPPING]


# -- in an index -------------------------------------------------------------------------------------------


def counts(report: SyncReport) -> dict[str, int]:
    return {what: count for what, count in report.to_dict()["counts"].items() if count}


def test_a_mapping_is_remembered_and_only_changed_rows_are_indexed_again(
    open_assistant: Callable[..., Assistant], embedder: WordEmbedder, tmp_path: Path
) -> None:
    path = written(tmp_path, "e.csv", CSV)
    assistant = open_assistant()
    assert counts(assistant.sync([path], mapping=MAPPING)) == {"added": 2}
    (source,) = assistant.sources()
    assert (source.kind, source.mapping, source.articles) == ("export", MAPPING, 2)
    embedder.embedded.clear()
    path.write_text(CSV.replace("Hollen Works", "Orm Hask"))
    assert counts(assistant.sync([path])) == {"changed": 1, "unchanged": 1}
    assert len(embedder.embedded) == 1
    path.write_text("".join(CSV.splitlines(keepends=True)[:4]))
    assert counts(assistant.sync([path])) == {"unchanged": 1, "removed": 1}
    assert assistant.search("bridge")[0].article.location == "e.csv#7"


def test_an_export_in_a_folder_is_passed_over_with_the_reason(
    open_assistant: Callable[..., Assistant], corpus: Path
) -> None:
    written(corpus, "e.csv", CSV)
    (skipped,) = (o for o in open_assistant().sync().outcomes if o.what == "skipped")
    assert (skipped.location, skipped.reason) == (
        "e.csv",
        "an export of many articles is read when it is named by itself",
    )


def test_a_row_that_was_broken_by_an_edit_keeps_its_article_until_it_is_mended(
    open_assistant: Callable[..., Assistant], tmp_path: Path
) -> None:
    lines = ['{"id": 1, "text": "One bridge."}', '{"id": 2, "text": "Two bridges."}', '{"id": 3, "text": "Three."}']
    path = written(tmp_path, "e.jsonl", "\n".join(lines))
    assistant = open_assistant()
    assistant.sync([path])
    path.write_text("\n".join([lines[0], lines[1][:-3]]))
    report = assistant.sync([path])
    assert (counts(report), report.articles) == ({"unchanged": 1, "failed": 1}, 3)
    path.write_text("\n".join(lines[:2]))
    report = assistant.sync([path])
    assert (counts(report), report.articles) == ({"unchanged": 2, "removed": 1}, 2)


def test_a_broken_row_fails_alone(open_assistant: Callable[..., Assistant], tmp_path: Path) -> None:
    path = written(tmp_path, "e.jsonl", '{"id": 1, "text": "One bridge."}\n{broken\n{"id": 2}\n')
    report: Any = open_assistant().sync([path])
    assert counts(report) == {"added": 1, "skipped": 1, "failed": 1}
