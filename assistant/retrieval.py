"""A question -> hits: dense and lexical search, fused, copies of a story collapsed to one place.

Both searches give 50 candidates under the same filter. What the other search did not return is not guessed: its
cosine similarity is computed from the stored vector, its BM25 score taken from the 1,000 best. The scores are fused by
a convex combination, which beats reciprocal-rank fusion when it is tuned (Bruch, Gai & Ingber 2023, "An Analysis of
Fusion Functions for Hybrid Retrieval"); tests/benchmarks/retrieval.py measures both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from assistant.catalog import Catalog
from assistant.embedding import Embedder
from assistant.schema import Article, Filter, Hit, host_of
from assistant.vectors import VectorIndex
from assistant.words import content_words, words

_LEXICAL_DEPTH = 1_000
"""BM25 is computed for every passage that holds an asked word; reading 1,000 of the scores costs a few ms."""

_FIRST = 5

RRF_K = 60
"""Cormack, Clarke & Buettcher 2009."""


@dataclass(frozen=True)
class Retriever:
    """One generation, open for questions."""

    catalog: Catalog
    vectors: VectorIndex
    generation: int
    embedder: Embedder
    candidates: int
    dense_weight: float

    def search(self, question: str, limit: int, where: Filter = Filter()) -> list[Hit]:
        """At most `limit` hits, best first; none if no article meets the filter."""
        return self.pool(question, max(self.candidates, limit), where)[:limit]

    def pool(self, question: str, size: int, where: Filter = Filter()) -> list[Hit]:
        """The `size` best of either search, all of them, best fused score first.

        A story that several articles tell in nearly the same words has one place: the hits are those of the article
        with the best one, and name the others; of the first five hits it has one, so that other stories are seen
        beside it. Where copies fill the searches, these are made to look further.
        """
        vector = self.embedder.question(question)
        depth = max(size, _LEXICAL_DEPTH)
        lexical = dict(self.catalog.lexical(search_terms(question), depth, self.generation, where))
        looked = size
        while True:
            found = self._found(vector, lexical, looked, where)
            hits = self._one_place_each(found, where)
            if len(hits) == len(found) or len(hits) >= size or len(found) < looked:
                return hits
            looked *= 2

    def _found(self, vector: NDArray[np.float32], lexical: Mapping[str, float], size: int, where: Filter) -> list[Hit]:
        dense = dict(self.vectors.nearest(vector, size, where))
        found = self.catalog.passages(
            [*dense, *(id_ for id_ in list(lexical)[:size] if id_ not in dense)], self.generation
        )
        dense = {id_: float(stored @ vector) for id_, (_, _, stored) in found.items()}
        best = max(lexical.values(), default=1.0)
        share = {id_: lexical.get(id_, 0.0) / best for id_ in found}
        fused = fuse(dense, share, self.dense_weight)
        ranked = sorted(fused, key=lambda id_: (-fused[id_], id_))
        return [Hit(*found[id_][:2], fused[id_], dense[id_], share[id_]) for id_ in ranked]

    def _one_place_each(self, hits: Sequence[Hit], where: Filter) -> list[Hit]:
        ids = list(dict.fromkeys(hit.article.id for hit in hits))
        copies = self.catalog.copies(ids, self.generation, where)
        kept: list[Hit] = []
        told: set[str] = set()
        for hit in hits:
            if hit.article.id in told:
                continue
            others = copies.get(hit.article.id, [])
            told |= {id_ for id_, _, _ in others}
            kept.append(replace(hit, copies=tuple(id_ for id_, _, _ in others), outlets=_outlets(hit.article, others)))
        return _varied(kept)


def _varied(hits: Sequence[Hit]) -> list[Hit]:
    """Hits in their order, but for further ones of a story with copies: these come behind the first five."""
    first: list[Hit] = []
    later: list[Hit] = []
    seen: set[str] = set()
    for hit in hits:
        if len(first) < _FIRST and hit.copies and hit.article.id in seen:
            later.append(hit)
            continue
        if len(first) == _FIRST:
            break
        first.append(hit)
        seen.add(hit.article.id)
    return [*first, *later, *hits[len(first) + len(later) :]]


def _outlets(article: Article, others: Sequence[tuple[str, str, str]]) -> tuple[str, ...]:
    """The names of the other outlets; of one without a name, its host."""
    own = article.source or host_of(article.url)
    names = {source or host_of(url) for _, source, url in others}
    return tuple(sorted(names - {own, ""}))


def search_terms(question: str) -> list[str]:
    """The question's content words; all its words if it has no others."""
    terms = [word.text for word in content_words(question)] or [word.text for word in words(question)]
    return list(dict.fromkeys(term.lower() for term in terms))


def fuse(dense: Mapping[str, float], lexical: Mapping[str, float], dense_weight: float) -> dict[str, float]:
    """Convex combination: dense similarity (below 0 counts as 0) and lexical share, both in 0..1."""
    return {
        key: dense_weight * max(dense.get(key, 0.0), 0.0) + (1 - dense_weight) * lexical.get(key, 0.0)
        for key in {**dense, **lexical}
    }


def fuse_ranks(*rankings: Sequence[str]) -> dict[str, float]:
    """Reciprocal-rank fusion, for comparison: the sum of 1 / (60 + rank) over the rankings."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        for rank, key in enumerate(ranking, 1):
            scores[key] = scores.get(key, 0.0) + 1 / (RRF_K + rank)
    return scores
