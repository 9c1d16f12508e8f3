"""Text -> words, stems, names and numbers: the small linguistics that search, reading and follow-ups share.

English only. Offsets are characters of the text given.
"""

from __future__ import annotations

import functools
import re
import threading
import unicodedata
from dataclasses import dataclass, replace
from typing import Any

# 28.9bn is a number and its unit; 3M, 5G and 1990s are one word each, as for the full-text index.
_TOKEN = re.compile(r"\d+(?:[.,]\d+)+%?|\d+%?(?![^\W_])|[^\W_]+(?:[’'](?:s|S|t|re|ve|ll|d|m)\b)?")

# Closed-class words and the verbs and nouns that only shape a question. Nothing here names a thing.
STOPWORDS = frozenset(
    """a an the this that these those there here it its it's they them their theirs he him his she her hers we us our
    you your i me my who whom whose which what when where why how and or but nor so if then than as of in on at by for
    with from to into onto over under about between among through during before after since until against within
    without per via is are was were be been being am do does did done doing have has had having will would shall should
    can could may might must not no yes also too very just only even still yet ever never any some all each every both
    either neither other another such same own more most much many few less least lot up down out off again further once
    because while whether however therefore thus though although s t re ve ll d m don doesn didn isn aren wasn weren
    tell explain describe give name please say says said know many""".split()
)

SMALL_IN_TITLES = frozenset("a an the and or but nor of as at by for from in into on onto to with via per than".split())
"""Written in lower case even where a title's other words are not."""

QUESTION_WORDS = frozenset("who whom whose which what when where why how".split())

_STRESSED = frozenset(
    """a an the this that these those not no never only and or but if all any each every both either neither many much
    more most few less least very too even still yet just same own other am is are was were be been do does did has have
    had will would shall should can could may might must""".split()
)
"""Stop words that people write in capitals for stress or as a search engine's operators; the others so written (US,
WHO, IT) are names."""


@dataclass(frozen=True)
class Word:
    """`text` as written (without a possessive 's), at `start:end`.

    `proper`: it looks like a stop word, but the way it is capitalised in its text makes it a name: the US, in May.
    """

    text: str
    start: int
    end: int
    proper: bool = False

    @property
    def capitalised(self) -> bool:
        return self.text[0].isupper()

    @property
    def number(self) -> bool:
        return self.text[0].isdigit() and self.text.rstrip("%").replace(",", "").replace(".", "").isdigit()

    @property
    def code(self) -> bool:
        """A name such as M9, S9T or 3M: letters and digits together; but not 1990s, 21st or 100km."""
        mixed = any(c.isdigit() for c in self.text) and any(c.isalpha() for c in self.text)
        return mixed and (self.text[0].isalpha() or any(c.isupper() for c in self.text))


def words(text: str) -> list[Word]:
    found = []
    for match in _TOKEN.finditer(text):
        word = re.sub(r"[’'][sS]$", "", match.group())
        found.append(Word(word, match.start(), match.start() + len(word)))
    acronyms = [i for i, word in enumerate(found) if _acronym(text, word)]
    inside = [i for i in range(1, len(found)) if _capitalised_inside(text, found[i - 1], found[i])]
    proper = {
        *(acronyms if acronyms and not _shouted(found) else ()),
        *(inside if inside and not _titled(found) else ()),
    }
    return [replace(word, proper=True) if i in proper else word for i, word in enumerate(found)] if proper else found


def _stops(word: Word) -> bool:
    return word.text.lower().replace("’", "'") in STOPWORDS


def _shouted(found: list[Word]) -> bool:
    """Whether capitals mean nothing in a text: most of its words, and all of its stop words, are written in them."""
    plain = [word for word in found if not word.number and len(word.text) > 1]
    shouted = [word for word in plain if word.text.isupper()]
    return 2 * len(shouted) > len(plain) and all(word.text.isupper() for word in plain if _stops(word))


def _titled(found: list[Word]) -> bool:
    """Whether every word begins with a capital but for those that are small even in a title."""
    return all(not word.text[0].islower() or word.text in SMALL_IN_TITLES for word in found)


def _acronym(text: str, word: Word) -> bool:
    """US and WHO; not the sign of US$5."""
    shouted = word.text.isupper() and len(word.text) > 1 and _stops(word)
    return shouted and word.text.lower() not in _STRESSED and text[word.end : word.end + 1] != "$"


def _capitalised_inside(text: str, before: Word, word: Word) -> bool:
    """May and Will inside a sentence; not ", Which", “He or "so Can you"."""
    if not (word.capitalised and word.text[1:].islower() and _stops(word)) or word.text.lower() in QUESTION_WORDS:
        return False
    return bool(_INSIDE.fullmatch(text, before.end, word.start)) and not _PRONOUN_AHEAD.match(text, word.end)


_INSIDE = re.compile(r"[ ’'s\-‑–/(]+")
"""Between two words of one sentence."""
_PRONOUN_AHEAD = re.compile(r"\s+(?:i|you|he|she|it|we|they|there|this|that|these|those|the|an?)\b", re.IGNORECASE)


_STEMMING = threading.Lock()
"""The stemmer keeps the word it is at in itself."""


@functools.lru_cache(maxsize=1)
def _stemmer() -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer("porter")


@functools.lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """Porter stem in lower case without accents: the same that the full-text index uses."""
    decomposed = unicodedata.normalize("NFD", word.lower().replace("’", "'"))
    lower = "".join(c for c in decomposed if not unicodedata.combining(c))
    if not lower.isalpha():
        return lower.replace(",", "").rstrip("%")
    with _STEMMING:
        return str(_stemmer().stemWord(lower))


def is_content(word: Word) -> bool:
    return word.proper or not _stops(word)


def content_words(text: str) -> list[Word]:
    """The words that carry meaning, in order."""
    return [word for word in words(text) if is_content(word)]


def content_stems(text: str) -> list[str]:
    """Their stems, each once, in order."""
    return list(dict.fromkeys(stem(word.text) for word in content_words(text)))


@dataclass(frozen=True)
class Name:
    """A capitalised run, a code or a number in a text: `text[start:end]`."""

    text: str
    start: int
    end: int
    kind: str
    """"name", "year" or "number"."""


_YEAR = re.compile(r"(?:1[5-9]|20)\d\d")


def names(text: str, *, sentence_start_counts: bool = True) -> list[Name]:
    """Capitalised runs ("Hong Kong Stock Exchange"), codes ("M9"), years and other numbers, in order.

    A capitalised stop word opens no name unless its text makes it one (`Word.proper`). With
    `sentence_start_counts=False` the first word of the text is a name only if it is a code or written in capitals.
    """
    found: list[Name] = []
    run: list[Word] = []

    def close() -> None:
        if run:
            found.append(Name(text[run[0].start : run[-1].end], run[0].start, run[-1].end, "name"))
            run.clear()

    previous_end = 0
    for i, word in enumerate(words(text)):
        gap = text[previous_end : word.start]
        if run and not re.fullmatch(r"[ ’'s&\-‑–]*|\. ", gap):
            close()
        previous_end = word.end
        if word.number:
            close()
            kind = "year" if _YEAR.fullmatch(word.text) else "number"
            found.append(Name(word.text, word.start, word.end, kind))
            continue
        shouted = word.code or (len(word.text) > 1 and word.text.isupper())
        plain_start = i == 0 and not sentence_start_counts and not shouted
        # The S of S&P is no stop word.
        names_something = is_content(word) or (run and word.text == "US") or text[word.end : word.end + 1] == "&"
        if (word.capitalised or word.code) and not plain_start and names_something:
            run.append(word)
        else:
            close()
    close()
    return found
