"""Article -> sentences and passages, as offsets. The home of llama-index's node parsers.

Sentences come from llama-index's bundled Punkt model, paragraph by paragraph; passages from its
`SentenceSplitter`, then widened to whole sentences. Both are offsets of `Article.text`.
"""

from __future__ import annotations

import bisect
import hashlib
import re
from collections.abc import Callable

from assistant.schema import Article, Passage, Split

SPLITTER_VERSION = "5"
"""Recorded in the index: raise it when the same article would be split differently."""

_UNIT = re.compile(r"\w+|[^\w\s]")
_SPACE = re.compile(r"\s*")
_SENTENCE_LIMIT = 2_000
"""Characters; a longer "sentence" is a table or a list without full stops and is cut at spaces."""
_PUNCTUATION = re.compile(r"[^\w\s](?:\s?[^\w\s]){39,}")
"""A row of forty marks or more is a line or a leader. Punkt looks at each pair of them: a thousand took it minutes."""
# Behind a title or an initial the sentence goes on, and so it does where the next one would open in lower case:
# Punkt, without a list of abbreviations, made a sentence of "Mr." and cut "at 5 p.m. on Friday".
_GOES_ON = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Gen|Gov|Sen|Rep|Col|Lt|Capt|Sgt|Rev)|(?<![.\w])[A-Z])\.\s*$")

_SHORT_WORDS, _SHORT_CHARACTERS = 6, 60
_CLOSING = ".!?:;,”\"'’)。！？：；，」』）"
_FACT = re.compile(r"\d|\w: +\S|\w：\S")


class Splitter:
    """`split(article) -> Split`; sizes in words and punctuation marks."""

    def __init__(self, passage_words: int, overlap_words: int) -> None:
        from llama_index.core.node_parser import SentenceSplitter
        from llama_index.core.node_parser.text.utils import split_by_sentence_tokenizer

        self._sentences: Callable[[str], list[str]] = split_by_sentence_tokenizer()
        self._splitter = SentenceSplitter(
            chunk_size=passage_words,
            chunk_overlap=overlap_words,
            tokenizer=_UNIT.findall,
            paragraph_separator="\n\n",
        )

    def split(self, article: Article) -> Split:
        # Of the same length, so that its offsets are those of the text.
        text = _PUNCTUATION.sub(
            lambda row: ("x" * 7 + " ") * (len(row[0]) // 8) + "x" * (len(row[0]) % 8), article.text
        )
        sentences = self._sentence_spans(text)
        passages: list[tuple[int, int]] = []
        for start, end in prose_stretches(text):
            for span in self._passage_spans(text[start:end]):
                widened = widen(sentences, start + span[0], start + span[1])
                if passages and widened[1] <= passages[-1][1]:
                    continue
                if passages and widened[0] <= passages[-1][0]:
                    passages.pop()
                passages.append(widened)
        passages = _headings_moved_on(article.text, sentences, passages)
        return Split(tuple(sentences), tuple(_passage(article, start, end) for start, end in passages))

    def _sentence_spans(self, text: str) -> list[tuple[int, int]]:
        spans = []
        for paragraph in re.finditer(r"[^\n]+", text):
            position = paragraph.start()
            for sentence in _joined(self._sentences(paragraph.group())):
                end = position + len(sentence)
                spans.extend(_pieces(text, position, position + len(sentence.rstrip())))
                position = end
        return spans

    def _passage_spans(self, text: str) -> list[tuple[int, int]]:
        spans = []
        covered = 0
        for chunk in self._splitter.split_text(text):
            # A chunk may overlap the one before but leaves no gap to it. In a text that repeats itself it has several
            # places: the last of these that leaves no gap loses nothing.
            space = _SPACE.match(text, covered)
            latest = space.end() if space else covered
            start = text.rindex(chunk, 0, latest + len(chunk))
            spans.append((start, start + len(chunk)))
            covered = max(covered, start + len(chunk))
        return spans


def _headings_moved_on(
    text: str, sentences: list[tuple[int, int]], passages: list[tuple[int, int]]
) -> list[tuple[int, int]]:
    """A heading at the end of a passage belongs to what follows: it opens the next passage instead."""
    starts = [sentence[0] for sentence in sentences]
    moved: list[tuple[int, int]] = []
    carried: list[int] = []
    for number, (begin, end) in enumerate(passages, 1):
        start = min([begin, *carried])
        first, behind = bisect.bisect_left(starts, start), bisect.bisect_left(starts, end)
        carried = []
        # Two at most: in a text of short lines only, all of them look like headings.
        while (
            number < len(passages) and behind > first and len(carried) < 2 and _is_heading(text, sentences[behind - 1])
        ):
            behind -= 1
            carried.append(starts[behind])
        if behind > first:
            moved.append((start, sentences[behind - 1][1]))
    return moved


def _is_heading(text: str, sentence: tuple[int, int]) -> bool:
    start, end = sentence
    alone = text[max(start - 1, 0) : start] in ("", "\n") and text[end : end + 1] in ("", "\n")
    return alone and _is_short_line(text[start:end])


def _joined(sentences: list[str]) -> list[str]:
    """Sentences with those put together that were cut at an abbreviation."""
    joined: list[str] = []
    for sentence in sentences:
        # Looked for at the end alone: "Mr. Mr. Mr. …" becomes one sentence, and all of it would be searched each time.
        if joined and (_GOES_ON.search(joined[-1], max(len(joined[-1]) - 40, 0)) or sentence[:1].islower()):
            joined[-1] += sentence
        else:
            joined.append(sentence)
    return joined


def _pieces(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """The sentence, or stretches of at most 2,000 characters of it, cut at spaces where there are any."""
    pieces = []
    while end - start > _SENTENCE_LIMIT:
        cut = text.rfind(" ", start + 1, start + _SENTENCE_LIMIT)
        cut = cut if cut > start else start + _SENTENCE_LIMIT
        pieces.append((start, cut))
        start = cut + 1 if text[cut] == " " else cut
    if end > start:
        pieces.append((start, end))
    return pieces


def widen(sentences: list[tuple[int, int]] | tuple[tuple[int, int], ...], start: int, end: int) -> tuple[int, int]:
    """The whole sentences that `start:end` touches. Sentences are sorted and do not overlap."""
    first = max(bisect.bisect_right(sentences, (start, float("inf"))) - 1, 0)
    if sentences[first][1] <= start and first + 1 < len(sentences):
        first += 1
    last = max(bisect.bisect_left(sentences, (end, -1)) - 1, first)
    return sentences[first][0], sentences[last][1]


def fits(article: Article, split: Split) -> bool:
    """Whether this is a split of this very article: what a citation quotes is then in its text, word for word."""
    starts = {start for start, _ in split.sentences}
    ends = {end for _, end in split.sentences}
    flat = [0, *(offset for sentence in split.sentences for offset in sentence), len(article.text)]
    return flat == sorted(flat) and all(
        passage.start in starts
        and passage.end in ends
        and passage.start < passage.end
        and passage == _passage(article, passage.start, passage.end)
        for passage in split.passages
    )


def prose_stretches(text: str) -> list[tuple[int, int]]:
    """Runs of paragraphs worth searching: all but navigation, that is, three or more short lines in a row.

    A short line has at most six words, no closing punctuation and no figure, and is no fact of a table ("Architect:
    Odile Brandt"). A heading stands alone and stays. A text of short lines only (a poem, a list) stays whole.
    """
    paragraphs = [(m.start(), m.end()) for m in re.finditer(r"[^\n]+", text)]
    short = [_is_short_line(text[start:end]) for start, end in paragraphs]
    keep = [True] * len(paragraphs)
    i = 0
    while i < len(paragraphs):
        j = i
        while j < len(paragraphs) and short[j]:
            j += 1
        if j - i >= 3:
            keep[i:j] = [False] * (j - i)
        i = max(j, i + 1)
    if not any(keep):
        return [(0, len(text))]
    stretches: list[tuple[int, int]] = []
    for (start, end), kept, previous in zip(paragraphs, keep, [False, *keep], strict=False):
        if kept and previous:
            stretches[-1] = (stretches[-1][0], end)
        elif kept:
            stretches.append((start, end))
    return stretches


def _is_short_line(line: str) -> bool:
    # Where no spaces stand between words, only the length tells a line from a paragraph.
    few = len(line.split()) <= _SHORT_WORDS and len(line) <= _SHORT_CHARACTERS
    return few and line.rstrip()[-1:] not in _CLOSING and not _FACT.search(line)


def _passage(article: Article, start: int, end: int) -> Passage:
    """The id changes with the words, the place and what filters see: an edited article's passages are new ones."""
    known = (article.id, article.title, article.source, article.published, start, end, article.text[start:end])
    return Passage(hashlib.sha256(repr(known).encode()).hexdigest()[:24], article.id, start, end)
