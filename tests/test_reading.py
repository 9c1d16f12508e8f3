"""The reader: exact spans, comparable scores, nothing that the question said itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant import reading
from assistant.errors import ModelUnavailable
from assistant.reading import MODEL, Reader, fingerprint, load_bundled, load_reader
from assistant.words import content_stems

BRIDGE = "Mara Lind opened the bridge over the Orve in 2019. It cost 12 million crowns and replaced a ferry."
MUSEUM = "The clock museum in Vell shows 900 clocks. Entry is free on Sundays."


@pytest.fixture(scope="module")
def reader() -> Reader:
    return load_reader()


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Who opened the bridge over the Orve?", "Mara Lind"),
        ("When was the bridge over the Orve opened?", "2019"),
        ("How much did the bridge cost?", "12 million crowns"),
        ("What did the bridge replace?", "ferry"),
    ],
)
def test_short_answers_are_pointed_at(reader: Reader, question: str, answer: str) -> None:
    assert answer in reader.read(question, [BRIDGE])[0].text


def test_the_text_that_answers_scores_above_one_that_does_not(reader: Reader) -> None:
    bridge, museum = reader.read("Who opened the bridge over the Orve?", [BRIDGE, MUSEUM])
    assert bridge.score > museum.score
    bridge, museum = reader.read("How many clocks does the museum show?", [BRIDGE, MUSEUM])
    assert museum.score > bridge.score
    assert "900" in museum.text


def test_a_short_answer_lies_in_one_sentence(reader: Reader) -> None:
    said = "Mara Lind opened the bridge over the Orve in 2024, and it cost 12 million crowns. "
    assert reader.read("Who opened the bridge over the Orve?", [said * 3])[0].text == "Mara Lind"


@pytest.mark.parametrize(
    ("text", "question", "answer"),
    [
        ("The US raised its tolls on barges in 2019.", "Which country raised its tolls on barges?", "US"),
        ("Hollen Works launched the ferry in May. Trips began in the summer.", "When was the ferry launched?", "May"),
        ("Will May opened the bridge over the Orve.", "Who opened the bridge over the Orve?", "Will May"),
    ],
)
def test_a_name_that_looks_like_a_stop_word_is_an_answer(reader: Reader, text: str, question: str, answer: str) -> None:
    span = reader.read(question, [text])[0].text
    assert span.removeprefix("in ").removeprefix("The ") == answer


def test_a_title_tells_whom_a_text_speaks_of(reader: Reader) -> None:
    texts = [
        "The company sold 12,400 cars in March, a tenth more than a year before. It plans a second shift at its plant.",
        "In March the maker sold 9,150 cars, fewer than its dealers had hoped for. The plant stood still for four days.",
    ]
    titles = ["Velden Motors has a good month", "Orbik starts the spring badly"]
    velden, orbik = reader.read("How many cars did Velden sell in March?", texts, titles)
    assert "12,400" in velden.text
    assert velden.score > orbik.score
    velden, orbik = reader.read("How many cars did Orbik sell in March?", texts, titles)
    assert "9,150" in orbik.text
    assert orbik.score > velden.score


def test_no_answer_is_taken_from_a_title(reader: Reader) -> None:
    span = reader.read("Who opened the bridge over the Orve?", [MUSEUM], ["Mara Lind opens the bridge over the Orve"])[
        0
    ]
    assert span.text == MUSEUM[span.start : span.end]


def test_there_is_one_span_per_text_in_order(reader: Reader) -> None:
    texts = [MUSEUM * 8, BRIDGE, "Short.", MUSEUM, BRIDGE * 4] * 4
    spans = reader.read("Who opened the bridge?", texts)
    assert len(spans) == len(texts)
    assert all(span.text == text[span.start : span.end] for span, text in zip(spans, texts, strict=True))


def test_no_texts_give_no_spans(reader: Reader) -> None:
    assert reader.read("Who opened the bridge?", []) == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=200), min_size=1, max_size=4), st.text(min_size=1, max_size=80))
def test_spans_are_exact_for_any_text(texts: list[str], question: str) -> None:
    for span, text in zip(load_reader().read(question, texts), texts, strict=True):
        assert span.text == text[span.start : span.end]


def test_the_question_s_own_words_are_no_answer(reader: Reader) -> None:
    for question in (
        "What is the clock museum in Vell?",
        "What is free on Sundays in the museum?",
        "Which museum shows clocks?",
    ):
        span = reader.read(question, [MUSEUM])[0]
        assert not set(content_stems(span.text)) <= set(content_stems(question))


def test_a_yes_or_no_question_may_be_answered_in_its_own_words(reader: Reader) -> None:
    span = reader.read("Is entry free on Sundays?", [MUSEUM])[0]
    assert span.start >= MUSEUM.index("Entry")


def test_a_span_starts_and_ends_at_word_boundaries(reader: Reader) -> None:
    text = "The Qiankunvoyahluxeed system was shown by Shangjiewagen in Vell."
    span = reader.read("Who showed the system?", [text])[0]
    assert text[span.start - 1 : span.start] in ("", " ", "“")
    assert not text[span.end : span.end + 1].isalnum()


def test_a_long_question_leaves_room_for_the_text(reader: Reader) -> None:
    question = "Who opened the bridge over the Orve, " + "which is a very long river, " * 60 + "?"
    assert reader.read(question, [BRIDGE])[0].text


def test_an_answer_behind_a_long_text_s_first_half_is_found(reader: Reader) -> None:
    text = "The town lies in a valley where little happens in winter. " * 15 + BRIDGE
    span = reader.read("Who opened the bridge over the Orve?", [text])[0]
    assert "Lind" in span.text
    assert span.start > len(text) // 2


@pytest.mark.xfail(strict=True, reason="the reader gives the surname alone where the text before is long")
def test_a_name_behind_a_long_text_is_given_whole(reader: Reader) -> None:
    text = "The town lies in a valley where little happens in winter. " * 15 + BRIDGE
    assert reader.read("Who opened the bridge over the Orve?", [text])[0].text == "Mara Lind"


def test_the_shipped_model_is_small(reader: Reader) -> None:
    assert (MODEL / "reader.int8.onnx").stat().st_size <= 25_000_000


def test_a_missing_model_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="reinstall"):
        load_bundled(tmp_path)


@pytest.mark.parametrize(
    ("text", "figure", "whole"),
    [
        ("Margins were -5.2 % in May.", "5.2", "-5.2"),
        ("Margins were (−5.2 %) in May.", "5.2", "−5.2"),
        ("It earned -US$56 in May.", "56", "-US$56"),
        ("Sales: +12 %.", "12", "+12"),
        ("From 2022-2023 on.", "2023", "2023"),
        ("From $2–$3 on.", "3", "$3"),
        ("The M-5 drives.", "5", "5"),
        ("+12", "12", "+12"),
        ("Then - 5 of them.", "5", "5"),
    ],
)
def test_a_figure_has_its_sign(text: str, figure: str, whole: str) -> None:
    start = text.index(figure)
    begin, end = reading._whole_words(text, start, start + len(figure))
    assert text[begin:end] == whole


def test_a_currency_s_sign_belongs_to_the_amount(reader: Reader) -> None:
    text = "The tower in Vell was sold to a bank for US$56,200 in the spring."
    assert "US$56,200" in reader.read("For how much was the tower sold?", [text])[0].text


def test_a_span_stays_in_its_paragraph(reader: Reader) -> None:
    text = "Who opened it?\n\nMara Lind\n\nWhen was that?\n\nIn 2019, on a rainy day in spring."
    for question in ("Who opened it?", "When was it opened?", "What happened in spring?"):
        assert "\n" not in reader.read(question, [text])[0].text


@pytest.fixture(scope="module")
def transformer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as Hugging Face keeps one, of a tiny untrained question-answering model, always the same."""
    import torch
    import transformers

    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("tiny-reader")
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.BertConfig(vocab_size=30522, **shape)
    transformers.BertForQuestionAnswering(config).save_pretrained(folder)
    transformers.BertTokenizerFast(tokenizer_file=str(MODEL / "tokenizer.json")).save_pretrained(folder)
    return folder


def test_any_question_answering_model_reads(transformer: Path) -> None:
    texts = [BRIDGE, MUSEUM * 30, "Short."]
    spans = load_reader(str(transformer)).read("Who opened the bridge over the Orve?", texts)
    assert all(span.text and span.text == text[span.start : span.end] for span, text in zip(spans, texts, strict=True))
    assert fingerprint(str(transformer)).startswith(f"{transformer.name}@")


def test_a_model_that_has_not_learnt_titles_reads_without(transformer: Path) -> None:
    reader = load_reader(str(transformer))
    texts = [BRIDGE, MUSEUM]
    untitled = reader.read("Who opened the bridge?", texts)
    assert reader.read("Who opened the bridge?", texts, ["A bridge", "A museum"]) == untitled


def test_a_transformer_s_scores_do_not_depend_on_the_batch(transformer: Path) -> None:
    reader = load_reader(str(transformer))
    alone = reader.read("Who opened the bridge?", [BRIDGE])[0]
    beside = reader.read("Who opened the bridge?", [MUSEUM * 10, BRIDGE])[1]
    assert (alone.text, alone.score) == (beside.text, pytest.approx(beside.score, abs=1e-4))


def test_a_model_without_question_answering_is_refused(transformer: Path, tmp_path: Path) -> None:
    import transformers

    transformers.BertModel.from_pretrained(transformer).save_pretrained(tmp_path)
    transformers.AutoTokenizer.from_pretrained(transformer).save_pretrained(tmp_path)
    with pytest.raises(ModelUnavailable, match="not trained for question answering"):
        load_reader(str(tmp_path))


def test_a_reader_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="no folder"):
        load_reader(str(tmp_path / "nowhere"))
    with pytest.raises(ModelUnavailable, match="HF_HUB_OFFLINE=0"):
        load_reader("nobody/no-such-reader")
