"""Articles and llama-index Documents from Python: indexed like any others, found again by their ids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest
from conftest import WordEmbedder

from assistant import Article, Assistant
from assistant.errors import SourceMissing
from assistant.schema import SyncReport
from assistant.sources.given import Document, GivenItem, given_listing

BRIDGE = Article(
    "bridge-1",
    "The bridge",
    "Mara Lind opened the bridge.\n\nIt cost 12 million.",
    "Stone",
    "Abby Tu",
    date(2024, 3, 1),
    "https://stone.example/bridge",
    updated=date(2024, 3, 2),
)


def counts(report: SyncReport) -> dict[str, int]:
    return {what: count for what, count in report.to_dict()["counts"].items() if count}


def failed(report: SyncReport) -> list[str]:
    return [outcome.reason for outcome in report.outcomes if outcome.what == "failed"]


def test_an_article_is_indexed_with_its_id_and_its_text_as_given(
    open_assistant: Callable[..., Assistant], embedder: WordEmbedder
) -> None:
    assistant = open_assistant()
    assert counts(assistant.sync([BRIDGE])) == {"added": 1}
    assert assistant.article("bridge-1") == replace(BRIDGE, location="bridge-1")
    embedder.embedded.clear()
    assert counts(assistant.sync([BRIDGE])) == {"unchanged": 1}
    assert counts(assistant.sync([replace(BRIDGE, text="The bridge was torn down.")])) == {"changed": 1}
    assert len(embedder.embedded) == 1
    assert assistant.search("bridge")[0].text == "The bridge was torn down."


def test_what_was_given_stays_until_it_is_forgotten(open_assistant: Callable[..., Assistant]) -> None:
    assistant = open_assistant()
    assistant.sync([BRIDGE])
    assistant.sync([Article("other", "Other", "Another text of the harbour.")])
    assert len(assistant.articles()) == 2
    assert counts(assistant.sync()) == {"added": 3}
    assert counts(assistant.sync(rebuild=True)) == {"changed": 3}
    assert len(assistant.articles()) == 5
    assert [(source.key, source.articles) for source in assistant.sources()] == [("given", 2), ("corpus", 3)]
    assert counts(assistant.sync(forget=["given"])) == {"unchanged": 3, "removed": 2}


def test_articles_paths_and_documents_may_be_named_together(
    open_assistant: Callable[..., Assistant], corpus: object
) -> None:
    from llama_index.core.schema import Document as LlamaDocument

    document = LlamaDocument(text="The tower of Kell leans.", metadata={"file_path": "/x/tower.pdf", "author": "Jo Ek"})
    assistant = open_assistant()
    assert counts(assistant.sync([BRIDGE, corpus, document])) == {"added": 5}  # type: ignore[list-item]
    (hit, *_) = assistant.search("tower Kell")
    assert (hit.text, hit.article.author) == ("The tower of Kell leans.", "Jo Ek")


def test_a_document_read_anew_is_the_same_article_though_its_id_is_random(
    open_assistant: Callable[..., Assistant],
) -> None:
    from llama_index.core.schema import Document as LlamaDocument

    def document(text: str) -> LlamaDocument:
        return LlamaDocument(text=text, metadata={"url": "https://stone.example/a", "headline": "The tower", "date": "2024-03-01"})  # fmt: skip

    assert isinstance(document("x"), Document)
    assistant = open_assistant()
    assert counts(assistant.sync([document("The tower leans.")])) == {"added": 1}
    assert counts(assistant.sync([document("The tower leans.")])) == {"unchanged": 1}
    assert counts(assistant.sync([document("The tower fell.")])) == {"changed": 1}
    (article,) = assistant.articles()
    assert (article.title, article.published, article.url) == (
        "The tower",
        date(2024, 3, 1),
        "https://stone.example/a",
    )


def test_a_document_s_own_id_tells_it_where_nothing_else_does(open_assistant: Callable[..., Assistant]) -> None:
    from llama_index.core.schema import Document as LlamaDocument

    assistant = open_assistant()
    for text in ("The tower leans.", "The tower fell."):
        assistant.sync([LlamaDocument(text=text, id_="tower-7")])
    assert [article.id for article in assistant.articles()] == ["tower-7"]


def pages(*texts: str, own_ids: bool = False, **metadata: str) -> list[Document]:
    """As SimpleDirectoryReader reads a PDF."""
    from llama_index.core.schema import Document as LlamaDocument

    place = {"file_path": "/x/tower.pdf", "file_name": "tower.pdf", **metadata}
    found: list[Document] = []
    for number, text in enumerate(texts, 1):
        facts = {**place, "page_label": str(number)}
        named = {"id_": f"part-{number}"} if own_ids else {}
        found.append(LlamaDocument(text=text, metadata=facts, **named))
    return found


def test_documents_of_one_origin_are_one_article_in_their_order(open_assistant: Callable[..., Assistant]) -> None:
    assistant = open_assistant()
    texts = "The tower of Kell leans.", "It was measured in May.", "Nobody climbs it."
    assert counts(assistant.sync([*pages(*texts), BRIDGE])) == {"added": 2}
    (tower,) = (article for article in assistant.articles() if article.title == "tower.pdf")
    assert tower.text == "\n\n".join(texts)
    assert counts(assistant.sync(pages(*texts))) == {"unchanged": 1}
    assert counts(assistant.sync(pages(*texts[:2]))) == {"changed": 1}


def test_parts_that_a_reader_numbered_are_one_article(open_assistant: Callable[..., Assistant]) -> None:
    from llama_index.core.schema import Document as LlamaDocument

    parts = [
        LlamaDocument(text=text, id_=f"/x/a.pdf_part_{number}", metadata={"file_path": "/x/a.pdf"})
        for number, text in enumerate(("The tower leans.", "It fell."))
    ]
    assert counts(open_assistant().sync(parts)) == {"added": 1}  # type: ignore[arg-type]


def test_documents_of_one_origin_with_ids_of_their_own_are_articles_of_their_own(
    open_assistant: Callable[..., Assistant],
) -> None:
    assistant = open_assistant()
    assert counts(assistant.sync(pages("The tower leans.", "The harbour froze.", own_ids=True))) == {"added": 2}
    assert {article.id for article in assistant.articles()} == {"part-1", "part-2"}


def test_a_document_that_is_given_twice_is_read_once() -> None:
    (item,) = given_listing([*pages("The tower leans.", "It fell."), *pages("The tower leans.", "It fell.")]).found
    assert isinstance(item, GivenItem)
    article = item.load("")[1]
    assert article
    assert article.text == "The tower leans.\n\nIt fell."


def test_each_object_with_an_id_that_was_given_has_a_line(open_assistant: Callable[..., Assistant]) -> None:
    report = open_assistant().sync([BRIDGE, BRIDGE, BRIDGE])
    assert counts(report) == {"added": 1, "failed": 2}


def test_an_id_of_another_source_is_refused_and_nothing_is_replaced(open_assistant: Callable[..., Assistant]) -> None:
    assistant = open_assistant()
    assistant.sync()
    report = assistant.sync(assistant.articles())
    assert counts(report) == {"failed": 3}
    assert all("another article has this id" in reason for reason in failed(report))
    assert counts(assistant.sync()) == {"unchanged": 3}


@pytest.mark.parametrize(("articles", "says"), [
    ([BRIDGE, replace(BRIDGE, text="Other.")], "two of the given articles"), ([replace(BRIDGE, id="x" * 200)], "120 characters"),
    ([replace(BRIDGE, id="a\nb")], "one line"), ([replace(BRIDGE, id="a\x00")], "one line"), ([replace(BRIDGE, text=5)], "int, not str"),  # type: ignore[arg-type]
])  # fmt: skip
def test_what_cannot_be_an_article_fails_alone(
    open_assistant: Callable[..., Assistant], articles: list[Article], says: str
) -> None:
    report = open_assistant().sync([*articles, Article("good", "Good", "A good text of the tower.")])
    assert says in failed(report)[0]
    assert report.count("added") == len(articles)


def test_an_empty_article_is_skipped(open_assistant: Callable[..., Assistant]) -> None:
    assert counts(open_assistant().sync([replace(BRIDGE, text=" \n")])) == {"skipped": 1}


def test_an_article_without_an_id_is_told_by_its_address(open_assistant: Callable[..., Assistant]) -> None:
    assistant = open_assistant()
    assistant.sync([replace(BRIDGE, id="")])
    assert counts(assistant.sync([replace(BRIDGE, id="", text="Edited.")])) == {"changed": 1}


def test_a_text_is_cleaned_and_a_clean_one_is_left_as_it_is() -> None:
    (item,) = given_listing([replace(BRIDGE, text="One\u200b.\r\n\r\nTwo.")]).found
    assert isinstance(item, GivenItem)
    article = item.load("")[1]
    assert article
    assert article.text == "One.\n\nTwo."


def test_given_is_no_source_that_can_be_forgotten_before_anything_was_given(
    open_assistant: Callable[..., Assistant],
) -> None:
    assistant = open_assistant()
    assistant.sync()
    with pytest.raises(SourceMissing):
        assistant.sync(forget=["given"])
