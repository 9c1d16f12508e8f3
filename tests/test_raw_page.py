"""A page as it was saved from the web, navigation lines and all, as the only source. Skipped where there is none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conftest import ROOT

from assistant import Assistant

PAGE = ROOT.parent / "shared" / "seed"
pytestmark = pytest.mark.skipif(not PAGE.is_dir(), reason="the saved page is not beside the repository")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assistant]:
    with Assistant.open(corpus=PAGE, index=tmp_path_factory.mktemp("page") / "index") as assistant:
        assistant.sync()
        yield assistant


@pytest.mark.parametrize(
    ("question", "words", "quoted"),
    [
        ("Which brand did Huawei launch with JAC?", "Maextro", ("Maextro", "JAC")),
        ("On which stock exchange will Voyah be listed?", "Hong Kong", ("Hong Kong Stock Exchange", "Voyah")),
        pytest.param(
            "Which company makes the BMW rival M9 with Huawei?", "Seres", ("Seres",),
            marks=pytest.mark.xfail(strict=True, reason="rival and maker stand in two passages; the reader reads one"),
        ),
    ],
)  # fmt: skip
def test_the_raw_page_answers_with_a_citation(
    page: Assistant, question: str, words: str, quoted: tuple[str, ...]
) -> None:
    answer = page.ask(question)
    assert words in (answer.short or "")
    assert all(part in answer.citations[0].quote for part in quoted)
    assert (
        answer.citations[0].article.text[answer.citations[0].start : answer.citations[0].end]
        == answer.citations[0].quote
    )


def test_the_raw_page_is_silent_where_it_says_nothing(page: Assistant) -> None:
    answer = page.ask("Who is the mayor of Shenzhen?")
    assert answer.abstained
    assert "Shenzhen" in answer.reason
