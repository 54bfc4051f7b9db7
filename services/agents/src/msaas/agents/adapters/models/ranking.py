"""Chooses the sentences that answer a question, by their vectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from msaas.agents.application.ports import Embedder

MAX_SENTENCES: Final = 160
_DIVERSITY: Final = 0.3
# Vectors of multilingual-e5 lie close together: only differences within this range mean anything.
_BEST_GAP: Final = 0.06


@dataclass(frozen=True, slots=True)
class Ranked:
    index: int
    score: float


async def rank(
    embedder: Embedder, query: str, sentences: Sequence[str], limit: int
) -> list[Ranked]:
    """Return the best sentences, the best first, each unlike those before it (MMR).

    Sentences that are clearly worse than the best are left out. Of very many, those are compared
    that share most words with the question.
    """
    candidates = list(dict.fromkeys(sentences))
    if not candidates or not query.strip():
        return []
    bonus = _lexical_bonus(query, candidates)
    order: list[int] = np.argsort(-bonus, kind="stable")[:MAX_SENTENCES].tolist()
    candidates, bonus = [candidates[each] for each in order], bonus[order]
    passages = np.asarray(await embedder.embed(candidates), dtype=np.float32)
    question = np.asarray((await embedder.embed([query], query=True))[0], dtype=np.float32)
    relevance = passages @ question + bonus
    chosen = _choose(relevance, passages @ passages.T, limit)
    places = {sentence: index for index, sentence in reversed(list(enumerate(sentences)))}
    return [Ranked(places[candidates[i]], float(relevance[i])) for i in chosen]


def _choose(relevance: np.ndarray, likeness: np.ndarray, limit: int) -> list[int]:
    floor = float(relevance.max()) - _BEST_GAP
    open_ = [i for i in range(len(relevance)) if relevance[i] >= floor]
    chosen: list[int] = []
    while open_ and len(chosen) < limit:
        best = max(
            open_,
            key=lambda i: (
                (1 - _DIVERSITY) * float(relevance[i])
                - _DIVERSITY * max((float(likeness[i, j]) for j in chosen), default=0.0)
            ),
        )
        chosen.append(best)
        open_.remove(best)
    return chosen


def _lexical_bonus(query: str, sentences: Sequence[str]) -> np.ndarray:
    """Prefer sentences that share rare words of the question: names, numbers, product terms."""
    words = _words(query)
    if not words:
        return np.zeros(len(sentences), dtype=np.float32)
    sets = [_words(sentence) for sentence in sentences]
    count = len(sentences)
    weights = {word: np.log(1 + count / (1 + sum(word in each for each in sets))) for word in words}
    total = sum(weights.values()) or 1.0
    shares = [sum(weights[word] for word in words & each) / total for each in sets]
    return np.asarray(shares, dtype=np.float32) * np.float32(0.1)


def _words(text: str) -> set[str]:
    return {_stem(word) for word in _split(text) if len(word) > 2 and word not in _COMMON}  # noqa: PLR2004  # shorter words say little


def _split(text: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in text.casefold()).split()


def _stem(word: str) -> str:
    for ending in ("ing", "es", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) > 2:  # noqa: PLR2004  # see above
            return word.removesuffix(ending)
    return word


_COMMON_TEXT: Final = """
the and for are was were what which who whom whose how why when where does did has have had that
this these those with from into about can could will would should you your our their its his her
not but any all many much per
"""
_COMMON: Final = frozenset(_COMMON_TEXT.split())
