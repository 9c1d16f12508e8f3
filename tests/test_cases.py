"""Files of cases: what a person may write, and what is refused with its line and a reason."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from assistant import Turn
from assistant.errors import InputError, InvalidCases
from assistant.evaluation import Case, load_cases
from assistant.evaluation.cases import KEYS, Number, looks_like_cases, schema
from assistant.values import Day, days, numbers


def written(tmp_path: Path, text: str | bytes, name: str = "cases.yaml") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def mistakes(path: Path) -> dict[int, list[str]]:
    """Line -> what is wrong with it."""
    with pytest.raises(InvalidCases) as caught:
        load_cases(path)
    found: dict[int, list[str]] = {}
    for line in str(caught.value).splitlines()[1:]:
        number, _, text = line.removeprefix(f"{path}:").partition(": ")
        found.setdefault(int(number), []).append(text)
    return found


WHOLE = """\
cases:
  - id: whole
    history:
      - {question: "Who built the bridge?", answer: Mara Lind}
    question: And what did it cost?
    since: 2024-01-01
    until: "2024-12-31"
    source: The Daily Stone
    tags: [short, money]
    weight: 2.5
    answers: [12 million crowns, 2021, no]
    all: [crowns]
    number: {value: 12 million, tolerance: 5%}
    date: 2024-03
    regex: '(?i)^\\d+ million'
    quote: It cost 12 million
    articles: [bridge.md]
"""


def test_every_key_is_read_as_it_is_meant(tmp_path: Path) -> None:
    path = written(tmp_path, WHOLE)
    (case,) = load_cases(path)
    assert case.history == (Turn("Who built the bridge?", "Mara Lind"),)
    assert (str(case.since), str(case.until), case.source) == ("2024-01-01", "2024-12-31", "The Daily Stone")
    assert (case.tags, case.weight, case.draft) == (("short", "money"), 2.5, False)
    assert case.answers == ("12 million crowns", "2021", "no")
    assert (case.all, case.quote, case.articles) == (("crowns",), ("It cost 12 million",), ("bridge.md",))
    assert case.number == Number(Decimal(12_000_000), Decimal(600_000))
    assert case.date == Day(2024, 3)
    assert case.regex == r"(?i)^\d+ million"
    assert (case.path, case.line) == (str(path), 2)
    assert set(re.findall(r"^ {2,4}-? ?(\w+):", WHOLE, re.MULTILINE)) == {k.name for k in KEYS} - {"abstain", "draft"}


def test_the_same_cases_can_be_written_as_lines_of_json_or_as_a_table(tmp_path: Path) -> None:
    yaml_ = written(
        tmp_path, 'cases:\n- {id: a-1, question: "Who, then?", answers: [Lind, Mara Lind], articles: [b.md]}'
    )
    lines = '{"id": "a-1", "question": "Who, then?", "answers": ["Lind", "Mara Lind"], "articles": ["b.md"]}\n\n'
    table = 'question,answer,article,id\n"Who, then?",Lind | Mara Lind,b.md,a-1\n'
    semicolons = "id;question;answer;article\r\na-1;Who, then?;Lind|Mara Lind;b.md\r\n"
    (first,) = load_cases(yaml_)
    for text, name in ((lines, "c.jsonl"), (table, "c.csv"), (semicolons, "d.csv")):
        (case,) = load_cases(written(tmp_path, text, name))
        assert (case.id, case.question, case.answers, case.articles) == (
            first.id, first.question, first.answers, first.articles,
        )  # fmt: skip


def test_a_row_of_a_table_is_known_by_its_question(tmp_path: Path) -> None:
    path = written(tmp_path, "question,answer,article\nWho built it?,Lind,\n\nWhen was that?,,b.md\n", "c.csv")
    assert [(case.id, case.line) for case in load_cases(path)] == [("who-built-it", 2), ("when-was-that", 4)]


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_what_windows_editors_write_is_no_mistake_and_shifts_no_line(tmp_path: Path, ends: str, mark: bytes) -> None:
    text = "cases:\n  - id: a\n    question: Who?\n    answers: [Lind]\n  - id: b\n    question: Who?\n    anwsers: [Lind]\n"
    good, bad = text.split("  - id: b", maxsplit=1)[0], text
    assert len(load_cases(written(tmp_path, mark + good.replace("\n", ends).encode()))) == 1
    assert list(mistakes(written(tmp_path, mark + bad.replace("\n", ends).encode()))) == [7]


GOOD = "  - {id: ok, question: Who?, answers: [x]}\n"


@pytest.mark.parametrize(
    ("case", "line", "says"),
    [
        ("  - id: a\n    answers: [x]\n", 2, "the key `question` is missing"),
        ("  - question: Who?\n    answers: [x]\n", 2, "the key `id` is missing"),
        ("  - id: a\n    question: Who?\n", 2, "nothing is expected"),
        ("  - id: a\n    question: Who?\n    abstain: false\n", 2, "nothing is expected"),
        ("  - id: a\n    question: Who?\n    abstain: true\n    answers: [x]\n", 2, "nothing else can be expected"),
        ("  - id: a\n    question: Who?\n    abstain: maybe\n", 4, "must be true or false, is 'maybe'"),
        ("  - id: a\n    question: 5\n    answers: [x]\n", 3, "must be text, is the number 5"),
        ("  - id: a\n    question:\n    answers: [x]\n", 3, "`question` is empty"),
        ("  - id: a\n    question: Who?\n    answers: x\n", 4, "must be a list, is 'x'"),
        ("  - id: a\n    question: Who?\n    answers: []\n", 4, "`answers` is empty"),
        ("  - id: a\n    question: Who?\n    answers: [{b: c}]\n", 4, "must be text, is a group of keys"),
        ("  - id: a\n    question: Who?\n    answers: [387,000]\n", 4, "387,000 without quotes is two items"),
        ("  - id: a\n    question: Who?\n    answer: [x]\n", 4, "unknown key `answer`; did you mean `answers`?"),
        ("  - id: a\n    question: Who?\n    zzz: 1\n    answers: [x]\n", 4, "unknown key `zzz`; known: id"),
        ("  - id: a\n    question: Who?\n    question: Who?\n    answers: [x]\n", 4, "stands here twice"),
        ("  - id: a\n    question: Who?\n    weight: heavy\n    answers: [x]\n", 4, "must be a number"),
        ("  - id: a\n    question: Who?\n    weight: 0\n    answers: [x]\n", 4, "use a number above 0"),
        ("  - id: a\n    question: Who?\n    weight: 1e999\n    answers: [x]\n", 4, "up to 1,000,000"),
        ("  - id: a\n    question: Who?\n    since: yesterday\n    answers: [x]\n", 4, "as YYYY-MM-DD"),
        ("  - id: a\n    question: Who?\n    since: 2025-02-30\n    answers: [x]\n", 4, "is no day"),
        ("  - id: a\n    question: Who?\n    since: 2025-02-03\n    until: 2025-02-01\n    answers: [x]\n", 2, "swap"),
        ("  - id: a\n    question: Who?\n    date: 2025-13\n", 4, "must be a date"),
        ("  - id: a\n    question: Who?\n    number: many\n", 4, "states no numbers"),
        ("  - id: a\n    question: Who?\n    number: 387.000\n", 4, "may be read in two ways"),
        ("  - id: a\n    question: Who?\n    number: 56.200\n", 4, "may be read in two ways"),
        ("  - id: a\n    question: Who?\n    number: {value: '-1.387.500'}\n", 4, "may be read in two ways"),
        ("  - id: a\n    question: Who?\n    number: " + "9" * 1_100_000 + "\n", 4, "too long for a figure"),
        ("  - id: a\n    question: Who?\n    number: 'about " + "9" * 1_100_000 + "'\n", 4, "too long for a figure"),
        ("  - id: a\n    question: Who?\n    number: {value: 4, value: 5}\n", 4, "has `value` twice"),
        ("  - id: a\n    question: Who?\n    history: [{question: x, question: y}]\n    answers: [x]\n", 4, "has `question` twice"),
        ("  - id: a\n    question: Who?\n    date: 2025-00\n", 4, "must be a date"),
        ("  - id: a\n    question: Who?\n    date: 2025-09-00\n", 4, "must be a date"),
        ("  - id: a\n    question: Who?\n    regex: '(?V0)(?V1)a'\n", 4, "is no regular expression"),
        ("  - id: a\n    question: Who?\n    regex: '(?a)(?u)b'\n", 4, "is no regular expression"),
        ('  - id: "a\\nb"\n    question: Who?\n    answers: [x]\n', 2, "must be one line"),
        ('  - id: a\n    question: "Who\\x9b31m?"\n    answers: [x]\n', 3, "holds a control character"),
        ("  - id: a\n    question: Who?\n    number: 387_000\n", 4, "may be read in two ways"),
        ("  - id: a\n    question: Who?\n    number: 3 or 4\n", 4, "states 2 numbers"),
        ("  - id: a\n    question: Who?\n    number: {tolerance: 4}\n", 4, "lacks the key `value`"),
        ("  - id: a\n    question: Who?\n    number: {value: 4, by: 3}\n", 4, "unknown key `by`"),
        ("  - id: a\n    question: Who?\n    number: {value: 4, tolerance: -3}\n", 4, "below 0"),
        ("  - id: a\n    question: Who?\n    number: 1e999999999\n", 4, "too large"),
        ("  - id: a\n    question: Who?\n    regex: '(x'\n", 4, "is no regular expression"),
        ("  - id: a\n    question: Who?\n    history: before\n    answers: [x]\n", 4, "must be a list of turns"),
        ("  - id: a\n    question: Who?\n    history: [{answer: x}]\n    answers: [x]\n", 4, "lacks the key `question`"),
        ("  - id: ok\n    question: Who?\n    answers: [x]\n", 2, "the id 'ok' is taken (line 5)"),
        ("  - just words\n", 2, "a case is a group of keys"),
        ("  - id: a\n\t  question: Who?\n    answers: [x]\n", 3, "a tab at the start of the line"),
        ("  - id: a\n    question: Who said: it?\n    answers: [x]\n", 3, "not YAML"),
        ("  - id: a\n    question: 'Who?\n    answers: [x]\n", 3, "not YAML"),
        ("  - id: !!python/object/apply:os.system [x]\n    question: Who?\n    abstain: true\n", 2, "tags are never followed"),
        ("  - id: &a a\n    question: Who?\n    abstain: true\n", 2, "an anchor (&a)"),
        ("  - id: a\n    question: Who?\n    answers: *b\n", 4, "an alias (*b)"),
        ("  - id: a\n    question: Who?\n    answers: " + "[" * 200 + "]" * 200 + "\n", 4, "too many brackets"),
        ('  - id: a\n    question: "Who\\uD800?"\n    abstain: true\n', 3, ""),
        ("  - id: a\n    question: Who\x07?\n    abstain: true\n", 3, "a control character (U+0007)"),
        ("  - id: a\n    question: Who\ufeff?\n    abstain: true\n", 3, "a byte order mark within the file"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line_and_hides_no_other(tmp_path: Path, case: str, line: int, says: str) -> None:
    """Another mistake behind it is still found."""
    behind = "  - id: behind\n    question: Who?\n    ansers: [x]\n"
    text = "cases:\n" + case + GOOD + behind
    if "'ok'" in says:
        text = "cases:\n" + GOOD + case + behind
        line, says = 3, says.replace("line 5", "line 2")
    found = mistakes(written(tmp_path, text))
    assert any(says in text for text in found[line]), found
    last = text.count("\n")
    assert any("`ansers`" in text for text in found[last])
    assert set(found) <= {line, last, last - 2}, found


@pytest.mark.parametrize(
    ("text", "name", "line", "says"),
    [
        ("", "c.yaml", 1, "holds no case"),
        ("cases:\n  - {id: a, question: b, answers: [x]}\ncases: []\n", "c.yaml", 3, "`cases` stands here twice"),
        ('[{"id": "a", "question": "q", "abstain": true}]', "c.json", 1, "must end in one of"),
        ("cases:\n", "c.yaml", 1, "must be a list"),
        ("- {id: a, question: b, answers: [x]}\n---\n- 3\n", "c.yaml", 3, "second document"),
        ("case:\n  - id: a\n", "c.yaml", 1, "`cases` is missing"),
        ("version: 2\ncases:\n  - {id: a, question: b, answers: [x]}\n", "c.yaml", 1, "unknown key `version`"),
        ("c", "c.txt", 1, "must end in one of"),
        (b"\xff\xfec\x00a\x00", "c.yaml", 1, "UTF-16"),
        (b"cases:\n  - {id: a, question: caf\xe9, answers: [x]}\n", "c.yaml", 2, "not UTF-8"),
        ('{"id": "a"\n', "c.jsonl", 1, "not JSON"),
        ('{"id": "a", "id": "b", "question": "q", "abstain": true}', "c.jsonl", 1, "stands here twice"),
        ('{"id": "a", "question": "q", "number": NaN}', "c.jsonl", 1, "NaN is no number"),
        ("[" * 100_000, "c.jsonl", 1, "too many brackets"),
        ("question,answer\nWho?,x\n", "c.csv", 1, "`article` is missing"),
        ("question,answer,article,mood\nWho?,x,y,z\n", "c.csv", 1, "unknown column `mood`"),
        ("question,answer,article\nWho?,x\n", "c.csv", 2, "2 columns, the first line has 3"),
        ("question,answer,article\nWho?,,\n", "c.csv", 2, "nothing is expected"),
        ('question,answer,article\n"Who?,x,y\n', "c.csv", 1, "row that begins on line 2"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str | bytes, name: str, line: int, says: str) -> None:
    found = mistakes(written(tmp_path, text, name))
    assert any(says in text for text in found[line]), found


@pytest.mark.parametrize(
    "pattern",
    ["((a{999}){999}){999}", "(?:(?:ab|cd|ef|gh){99}){99}" * 30, "a{999999}", "(?x)(?:(?:a){99 9}){99#\n9}", "(?i)((((a{2,99}b){,99}) {99}){99,})"],
)  # fmt: skip
def test_an_expression_that_would_fill_the_memory_is_refused_unread(tmp_path: Path, pattern: str) -> None:
    """In a process that has little: compiled, each would take gigabytes, or end it."""
    path = written(tmp_path, f"cases:\n  - id: a\n    question: Who?\n    regex: {json.dumps(pattern)}\n")
    code = (
        "import resource, sys; from assistant.evaluation import load_cases; from assistant.errors import InvalidCases\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4_000_000_000,) * 2)\n"
        "try: load_cases(sys.argv[1])\n"
        "except InvalidCases as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True, timeout=20
    )
    assert re.search(r":4: `regex` (has counts|is in verbose form)", done.stdout), done.stdout


@pytest.mark.parametrize(
    "pattern", [r"(?i)\b\d{1,3}(?:,\d{3})*\b", r"^(\w+\s){0,10}\d{4}-\d{2}-\d{2}$", r"\(?xpeng", r"a{999}"]
)
def test_expressions_that_people_write_are_taken(tmp_path: Path, pattern: str) -> None:
    (case,) = load_cases(written(tmp_path, f"- {{id: a, question: Who?, regex: {json.dumps(pattern)}}}\n"))
    assert case.regex == pattern


def test_numbers_in_quotes_stay_apart_and_those_without_are_refused(tmp_path: Path) -> None:
    (case,) = load_cases(written(tmp_path, 'cases:\n  - {id: a, question: Who?, answers: ["12","345"]}\n'))
    assert case.answers == ("12", "345")
    assert "two items" in mistakes(written(tmp_path, "cases:\n  - {id: a, question: Who?, answers: [12,345]}\n"))[2][0]


@pytest.mark.parametrize(
    "text",
    [
        '- {id: a, question: Who?, "\\e[31m\\nother.yaml:9: all is well": x, answers: [x]}',
        '- {id: a, question: Who?, number: {value: 4, "\\e[31m\\nother.yaml:9: x": 5}}',
        '- {id: a, question: Who?, history: [{question: x, "\\e[31m\\nother.yaml:9: x": 5}], answers: [x]}',
        '- {id: a, question: Who?, number: "\\e[31m\\nother.yaml:9: x"}',
        '- {id: a, question: Who?, number: "3_0\\e[31m\\nother.yaml:9: x"}',
        '- {id: a, question: Who?, abstain: "\\e[31m\\nother.yaml:9: x"}',
        "- {id: a, question: Who?, answers: !<x%1b[31m%0aother.yaml:9:> [x]}",
        '{cases: [], "\\e[31m\\nother.yaml:9: x": 5}',
        '- {id: a, question: Who?, "' + "k" * 5_000 + '": x, answers: [x]}',
        '- {id: a, question: Who?, number: "' + "k " * 40 + '"}',
    ],
)
def test_what_a_file_holds_is_told_in_one_short_line_without_codes_for_the_terminal(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InvalidCases) as caught:
        load_cases(path)
    lines = str(caught.value).split("\n")
    assert all(line.startswith(f"{path}:1: ") for line in lines[1:])
    assert all(len(line) < len(f"{path}") + 320 for line in lines)
    assert str(caught.value).replace("\n", "").isprintable()


def test_a_missing_file_names_the_next_command_and_a_large_one_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="assistant eval --init"):
        load_cases(tmp_path / "none.yaml")
    with (tmp_path / "big.yaml").open("wb") as file:
        file.truncate(3_000_000_000)
    assert "larger than" in mistakes(tmp_path / "big.yaml")[1][0]


def test_an_id_is_taken_over_all_files(tmp_path: Path) -> None:
    first, second = (written(tmp_path, f"cases:\n{GOOD}", name) for name in ("a.yaml", "b.yaml"))
    with pytest.raises(InvalidCases, match=r"b\.yaml:2: the id 'ok' is taken \(.*a\.yaml:2\)"):
        load_cases(first, second)


def test_ten_thousand_lines_of_every_mistake_are_refused_line_by_line_in_seconds(tmp_path: Path) -> None:
    chance = random.Random(4)
    bad = {
        "\tquestion: Who?": "a tab",
        "    weight: heavy": "must be a number",
        "    question: [Who?]": "must be text",
        "    regex: '(((['": "regular expression",
        "    tags: !!python/name:os.system x": "a tag",
        "    tags: &x [a]": "an anchor",
        "    tags: [*x, *x, *x, *x, *x, *x]": "an alias",
        "    mood: good": "unknown key",
        "    question: Who\ufeff?": "byte order mark",
        "    answers: [387,000]": "two items",
        "    answers: [x": "not YAML",
        "    \x00": "control character",
    }
    lines, wanted = ["cases:"], {}
    while len(lines) < 10_000:
        lines += [f"  - id: c{len(lines) % 4_000}", "    source: x", "    since: 2024-01-01", "    until: 2024-01-02"]
        line, says = chance.choice(list(bad.items()))
        lines.append(line)
        wanted[len(lines)] = says
    path = written(tmp_path, "\ufeff" + "\r\n".join(lines))
    started = time.perf_counter()
    found = mistakes(path)
    assert time.perf_counter() - started < 5
    # An unclosed bracket is noticed where the next key stands in it, or the case ends.
    missed = [n for n, says in wanted.items() if not any(says in t for near in (n, n + 1) for t in found.get(near, []))]
    assert not missed, [(n, wanted[n], found.get(n)) for n in missed[:5]]
    assert any("is taken" in text for texts in found.values() for text in texts)


def test_a_bomb_of_anchors_is_neither_expanded_nor_run(tmp_path: Path) -> None:
    levels = ["a: &a0 [x, x, x, x, x, x, x, x, x]"] + [
        f"b{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)
    ]
    started = time.perf_counter()
    found = mistakes(written(tmp_path, "\n".join(levels)))
    assert time.perf_counter() - started < 1
    assert all(any("an anchor" in text for text in found[line]) for line in range(1, 31))


@given(
    st.binary(max_size=300) | st.text(alphabet="-:[]{}&*!|>'\"\n\t #cases idquestion,", max_size=200).map(str.encode)
)
def test_any_bytes_give_cases_or_mistakes_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    folder = tmp_path_factory.mktemp("any")
    for name in ("c.yaml", "c.jsonl", "c.csv"):
        path = folder / name
        path.write_bytes(raw)
        said, cases = "", []
        try:
            cases = load_cases(path)
        except InvalidCases as error:
            said = str(error)
        assert re.search(r":\d+: ", said) or (cases and all(isinstance(case, Case) for case in cases))


def test_the_schema_accepts_what_the_reader_does(tmp_path: Path) -> None:
    """The project's set, and the case with every key, as an editor's checker sees them."""
    checker = jsonschema.Draft202012Validator(schema())
    jsonschema.Draft202012Validator.check_schema(schema())
    checker.validate(yaml.load((ROOT / "tests/regression/huawei.yaml").read_text(encoding="utf-8"), yaml.SafeLoader))
    # Editors keep days as text, as YAML 1.2 has it.
    checker.validate(yaml.load(WHOLE.replace("2024-01-01", '"2024-01-01"'), yaml.SafeLoader))


@pytest.mark.parametrize(
    "change",
    [{"abstain": True}, {"mood": "good"}, {"weight": -1}, {"question": 5}, {"tags": "a"}, {"abstain": "maybe"}, {"history": [{}]}, {"answers": []}],
)  # fmt: skip
def test_the_schema_refuses_what_the_reader_does(change: dict[str, Any]) -> None:
    case = {"id": "a", "question": "Who?", "answers": ["x"]}
    checker = jsonschema.Draft202012Validator(schema())
    assert checker.is_valid({"cases": [case]})
    assert not checker.is_valid({"cases": [case | change]})
    assert not checker.is_valid({"cases": [{"id": "a", "question": "Who?"}]})
    assert not checker.is_valid({"cases": [{"id": "a", "question": "Who?", "abstain": False}]})
    assert checker.is_valid({"cases": [{"id": "a", "question": "Who?", "abstain": True}]})


def test_other_people_s_files_are_left_alone(tmp_path: Path) -> None:
    assert looks_like_cases(written(tmp_path, f"# ours\ncases:\n{GOOD}", "a.yaml"))
    assert not looks_like_cases(written(tmp_path, "services:\n  web: {image: x}\n", "b.yaml"))
    assert not looks_like_cases(written(tmp_path, '{"text": "x"}\n', "c.jsonl"))
    assert not looks_like_cases(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("387,000", [387_000]),
        ("387 thousand", [387_000]),
        ("0.387 million", [387_000]),
        ("387k", [387_000]),
        ("three hundred and eighty-seven thousand", [387_000]),
        ("387\u202f000", [387_000]),
        ("US$56,200", [56_200]),
        ("28.9bn yuan", [28_900_000_000]),
        ("half a million", [500_000]),
        ("one hundred million", [100_000_000]),
        ("nearly 87%", [87]),
        ("−5 degrees", [-5]),
        ("3-5", [3, 5]),
        ("the M9, 5G, the 1990s and the 21st", []),
        ("in 2024, 12 dozen", [2024, 144]),
        ("between three and five models", [3, 5]),
        ("between two hundred and three hundred", [200, 300]),
        ("from one thousand to two thousand and five", [1_000, 2_005]),
        ("one million and five hundred thousand", [1_500_000]),
        ("two hundred thousand million", [200_000_000_000]),
        ("twenty and five, seventeen, Sixty-Four", [20, 5, 17, 64]),
        ("9" * 1_100_000 + " or 5", [5]),
    ],
)
def test_a_number_is_read_however_it_is_written(text: str, values: list[int]) -> None:
    assert [figure.value for figure in numbers(text)] == values


@given(st.integers(0, 10**12), st.sampled_from(["{:,}", "{}", "a total of {:,} cars.", "({:,})"]))
def test_any_whole_number_is_read_back(value: int, form: str) -> None:
    assert [figure.value for figure in numbers(form.format(value))] == [value]


@pytest.mark.parametrize(
    ("wanted", "stated", "told"),
    [
        ("2025-09-23", "September 23, 2025", True),
        ("2025-09-23", "on 23 Sept. 2025", True),
        ("2025-09-23", "2025-09-23", True),
        ("2025-09-23", "September 23", True),
        ("2025-09-23", "September 2025", False),
        ("2025-09-23", "September 23, 2024", False),
        ("2025-09", "late September 2025", True),
        ("2025-09", "September 23, 2025", True),
        ("2025-09", "2025", False),
        ("2025", "in 2025", True),
        ("2025", "2,025 cars", False),
        ("2025-05", "it may be", False),
    ],
)
def test_a_date_is_told_by_one_as_fine_or_finer(wanted: str, stated: str, told: bool) -> None:
    assert any(Day.parse(wanted).is_told_by(day) for day in days(stated)) == told
