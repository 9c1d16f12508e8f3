"""Articles' texts -> which of them tell one story in nearly the same words. The home of datasketch.

A text's signature is the MinHash (Broder 1997) of its runs of five words: the share of equal places of two signatures
estimates which share of their runs two texts have in common. Candidates come from locality-sensitive hashing. Whether
two articles are copies depends on these two alone, and a story is all that is linked by copies: so neither the order of
articles nor that of syncs plays a role.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHARED = 0.5
"""The least estimated share of common runs. An agency's story of 250 words with 50 of the outlet's own has 0.6."""
FIGURES_APART = 0.2
"""Reports made after one pattern share their words and not their figures and months: with more of those apart that
stand between the same words in both, they are no copies. Around the figures of an outlet's own opening stand words of
its own.
"""
_RUN = 5
_SHORTEST = 30
"""Words; of a shorter text, only one of the same words is a copy."""
_PLACES = 126
_BANDS = (42, 3)
"""Finds a pair that shares half of its runs with a probability of .996, and one that shares .6 with .99995."""
_SEED = 1
_SCHEME = "affine32"
_WORD = re.compile(r"\w+")
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|\w+")
_MONTHS = frozenset(name.lower() for name in [*calendar.month_name[1:], *calendar.month_abbr[1:]])
_BESIDE = 2
"""Words on each side of a figure that tell which one it is."""

Signature = NDArray[np.uint32]
Figures = dict[tuple[str, ...], set[str]]
"""Figures and months by the words around them, in which other figures leave a gap."""


def signatures(texts: Mapping[str, str]) -> dict[str, Signature]:
    """One per text, under the same keys: 126 numbers that depend on the text alone."""
    if not texts:
        return {}
    from datasketch import MinHash

    first = MinHash(num_perm=_PLACES, seed=_SEED, scheme=_SCHEME)
    found = {}
    for key, text in texts.items():
        minhash = MinHash(num_perm=_PLACES, seed=_SEED, scheme=_SCHEME, permutations=first.permutations)
        minhash.update_batch([run.encode() for run in _runs(text)])
        found[key] = np.asarray(minhash.hashvalues, dtype=np.uint32)
    return found


def _runs(text: str) -> set[str]:
    said = _WORD.findall(text.lower())
    if len(said) < _SHORTEST:
        return {" ".join(said)}
    return {" ".join(said[i : i + _RUN]) for i in range(len(said) - _RUN + 1)}


def stories(found: Mapping[str, Signature], text_of: Callable[[str], str]) -> list[tuple[str, ...]]:
    """Keys of texts that are copies of each other, two or more together, all in order."""
    same: dict[bytes, list[str]] = {}
    for key in sorted(found):
        same.setdefault(found[key].tobytes(), []).append(key)
    groups = _Groups(found)
    for equal in same.values():
        for other in equal[1:]:
            groups.join(equal[0], other)
    figures: dict[str, Figures] = {}
    for one, other in _candidates({equal[0]: found[equal[0]] for equal in same.values()}):
        if groups.joined(one, other) or np.mean(found[one] == found[other]) < SHARED:
            continue
        for key in (one, other):
            if key not in figures:
                figures[key] = _figures(text_of(key))
        if _same_figures(figures[one], figures[other]):
            groups.join(one, other)
    return groups.of_two_or_more()


def _candidates(found: Mapping[str, Signature]) -> Iterator[tuple[str, str]]:
    """Pairs that agree in a band of their signatures."""
    if len(found) < 2:
        return
    from datasketch import LeanMinHash, MinHashLSH

    index: Any = MinHashLSH(num_perm=_PLACES, params=_BANDS)
    for key, signature in found.items():
        minhash = LeanMinHash(seed=_SEED, hashvalues=signature, scheme=_SCHEME)
        for other in sorted(index.query(minhash)):
            yield other, key
        index.insert(key, minhash)


def _figures(text: str) -> Figures:
    tokens = _TOKEN.findall(text.lower())
    told = [token[0].isdigit() or token in _MONTHS for token in tokens]
    around = ["" if is_told else token for token, is_told in zip(tokens, told, strict=True)]
    found: dict[tuple[str, ...], set[str]] = {}
    for i, token in enumerate(tokens):
        if told[i]:
            place = *around[max(i - _BESIDE, 0) : i], "|", *around[i + 1 : i + 1 + _BESIDE]
            found.setdefault(place, set()).add(token)
    return found


def _same_figures(one: Figures, other: Figures) -> bool:
    shared = one.keys() & other.keys()
    apart = sum(one[place].isdisjoint(other[place]) for place in shared)
    return apart <= FIGURES_APART * len(shared)


class _Groups:
    """Keys, joined two by two."""

    def __init__(self, keys: Mapping[str, Signature]) -> None:
        self._above = {key: key for key in keys}

    def _top(self, key: str) -> str:
        while self._above[key] != key:
            self._above[key] = self._above[self._above[key]]
            key = self._above[key]
        return key

    def join(self, one: str, other: str) -> None:
        first, second = sorted((self._top(one), self._top(other)))
        self._above[second] = first

    def joined(self, one: str, other: str) -> bool:
        return self._top(one) == self._top(other)

    def of_two_or_more(self) -> list[tuple[str, ...]]:
        groups: dict[str, list[str]] = {}
        for key in sorted(self._above):
            groups.setdefault(self._top(key), []).append(key)
        return [tuple(keys) for keys in groups.values() if len(keys) > 1]
