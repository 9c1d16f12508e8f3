"""Drafted cases: made of the articles' own sentences, well-formed, and counting for nothing until a person looked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import HOSTILE, write_article

from assistant import Article, Assistant
from assistant.errors import NothingToEvaluate
from assistant.evaluation import load_cases, run
from assistant.evaluation.cases import KEYS
from assistant.evaluation.drafting import _of_article, draft
from assistant.splitting import Splitter
from assistant.words import names


def drafted(text: str) -> dict[str, object]:
    """Question -> what is expected, of every draft that a text gives."""
    return {d.question: d.expected for d in _of_article(Article("a", "T", text), Splitter(90, 25))}


@pytest.mark.parametrize(
    ("sentence", "question", "expected"),
    [
        ("Mara Lind opened the bridge over the Orve in 2024.", "When did Mara Lind open the bridge over the Orve?", {"date": "2024"}),
        ("Mara Lind opened the bridge over the Orve in 2024.", "Who opened the bridge over the Orve in 2024?", {"answers": ["Mara Lind"]}),
        ("In May 2024, Tansk was linked to Vell.", "When was Tansk linked to Vell?", {"date": "2024-05"}),
        ("The harbour of Tansk was built by Hollen Works.", "By whom was the harbour of Tansk built?", {"answers": ["Hollen Works"]}),
        ("Hollen Works employs more than 3,000 people in Tansk.", "How many people does Hollen Works employ in Tansk?", {"number": "3,000"}),
        ("In 2022 Seres lost 3.83 billion yuan.", "How much did Seres lose in 2022?", {"number": "3.83 billion"}),
        ("Seres achieved a gross margin of 28.9% in 2025.", "What gross margin did Seres achieve in 2025?", {"number": "28.9"}),
        ("Hollen Works bought the Vell Shipyard in 2021, which had lost money.", "What did Hollen Works buy in 2021?", {"answers": ["Vell Shipyard"]}),
        ("Tansk is the largest port of the Orve valley.", "What is Tansk?", {"quote": "the largest port of the Orve valley"}),
    ],
)  # fmt: skip
def test_a_plain_sentence_gives_a_well_formed_question(
    sentence: str, question: str, expected: dict[str, object]
) -> None:
    found = drafted(f"{sentence} They were seen in Vell, Tansk, Seres and elsewhere.")
    assert found[question] == expected, found


@pytest.mark.parametrize(
    "sentence",
    [
        "It opened the bridge over the Orve in 2024.",
        "This bridge was opened in 2024.",
        "Why was Tansk linked to Vell in 2024?",
        "“We opened the bridge in 2024,” Mara Lind said.",
        "Cars launched in 2024 sold well in Vell.",
        "Vell counts five bridges since Mara Lind opened another in 2024.",
        "The company opened the harbour while Vell waited until 2024.",
        "A coup led by officers in 2024 shook Vell.",
    ],
)
def test_a_sentence_that_leans_on_another_or_may_be_misread_gives_none(sentence: str) -> None:
    assert not drafted(sentence), drafted(sentence)


@pytest.fixture
def town(corpus: Path) -> Path:
    text = "In 2019 Orm Hask sold the mill to Vell. Orm Hask founded Hask Mills in 1988. The mill of Vell was built in 1850."
    write_article(corpus / "mill.md", "The mill", "Evening Lamp", "2024-06-21", f"{text}\n\n{HOSTILE} &x *y !!python/z")
    return corpus


def test_the_file_is_one_of_cases_that_are_all_drafts(
    town: Path, open_assistant: Callable[..., Assistant], tmp_path: Path
) -> None:
    assistant = open_assistant()
    assistant.sync()
    text, count = draft(assistant)
    assert draft(assistant) == (text, count)
    (tmp_path / "drafted.yaml").write_text(text, encoding="utf-8")
    cases = load_cases(tmp_path / "drafted.yaml")
    assert len(cases) == count
    assert all(case.draft for case in cases)
    assert {case.articles[0] for case in cases if case.articles} >= {"bridge.md", "harbour.md", "mill.md", "museum.md"}
    assert any(case.abstain for case in cases)
    assert all(f"#   {key.name} " in text for key in KEYS)
    with pytest.raises(NothingToEvaluate, match="remove their `draft: true`"):
        run(assistant, cases)


def test_a_question_without_an_answer_names_what_no_paragraph_holds_together(
    town: Path, open_assistant: Callable[..., Assistant], tmp_path: Path
) -> None:
    assistant = open_assistant()
    assistant.sync()
    (tmp_path / "drafted.yaml").write_text(draft(assistant)[0], encoding="utf-8")
    answerable = {case.question for case in load_cases(tmp_path / "drafted.yaml") if not case.abstain}
    silent = [case.question for case in load_cases(tmp_path / "drafted.yaml") if case.abstain]
    assert silent
    assert not answerable & set(silent)
    paragraphs = [part for article in assistant.articles() for part in article.text.split("\n")]
    for question in silent:
        named = [name.text for name in names(question, sentence_start_counts=False)]
        assert named
        assert not [part for part in paragraphs if all(name in part for name in named)], question


def test_what_the_reader_of_cases_would_refuse_is_not_drafted() -> None:
    """A figure that may be read in two ways, and a sentence with a character that no editor shows."""
    assert drafted("Hollen Works employs 3,950 people in Tansk.") == {
        "How many people does Hollen Works employ in Tansk?": {"number": "3,950"}
    }
    assert not drafted("Hollen Works employs 3.950 people in Tansk.")
    assert not drafted("Hollen Works employs 3,950 people in Tan\x07sk.")


def test_a_corpus_without_a_plain_sentence_gives_an_empty_file(
    corpus: Path, open_assistant: Callable[..., Assistant]
) -> None:
    for path in corpus.iterdir():
        path.unlink()
    write_article(corpus / "a.md", "A", "B", "2024-01-01", "Nothing much. It was so. They said this and that.")
    assistant = open_assistant()
    assistant.sync()
    text, count = draft(assistant)
    assert count == 0
    assert text.endswith("cases: []\n")
