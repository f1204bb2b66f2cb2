"""Nearest words by cosine, analogies by 3CosAdd and 3CosMul, similarity of pairs, over an embedding of any size.

Papers: Mikolov et al. 2013, "Efficient estimation of word representations in vector space" (arXiv:1301.3781); Levy and
Goldberg 2014, "Linguistic regularities in sparse and explicit word representations" (CoNLL: the names and 3CosMul);
Finkelstein et al. 2001, "Placing search in context" (WWW: pairs of words with people's scores, compared by rank).

V words, rows e_w of D numbers. "a is to b as c is to ?":

    u_w = e_w / |e_w|                                  rows are normalised first                      (1)
    neighbours of q:   argmax_w u_w . u_q                                                             (2)
    3CosAdd:           argmax_{w not in {a, b, c}} u_w . (u_b - u_a + u_c)                            (3)
    3CosMul:           argmax_{w not in {a, b, c}} s(w, b) s(w, c) / (s(w, a) + eps)                  (4)
                       s(w, v) = (u_w . u_v + 1) / 2                                                  (5)
    similarity:        the correlation of the ranks of u_a . u_b and of a score of each pair (a, b)   (6)

On unit vectors |u - v|^2 = 2 - 2 u . v, so that the nearest by distance are the nearest by cosine.

Departures
- Ties go to the word of the smaller index (the more frequent one in a vocabulary sorted by frequency); the papers do
  not say.
- Questions and pairs with a word outside the vocabulary are counted, and named as `skipped`; the accuracy over all
  questions counts them as missed, that over the known ones leaves them out. The C tool drops them silently.

Shown by: word2vec

    >>> import torch
    >>> from deepcanon.parts.embedding_queries import EmbeddingQueries
    >>> e = torch.tensor([[1.0, 0, 1], [1, 0, -1], [0.2, 1, 1], [0.2, 1, -1], [-1, 0.1, 0]])
    >>> words = EmbeddingQueries(["king", "queen", "man", "woman", "tree"], e)
    >>> words.analogy("man", "woman", "king", 1)
    [('queen', 0.9...)]
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

__all__ = [
    "AnalogyScore", "EmbeddingQueries", "Neighbours", "SimilarityScore", "analogies", "cosine_neighbours",
    "rank_correlation", "score_analogies", "unit_rows",
]  # fmt: skip

ROWS = 1 << 15
"""Words of the vocabulary that are compared at a time."""
METHODS = ("3cosadd", "3cosmul")


class Neighbours(NamedTuple):
    """The best words of each query, best first, and how good they are."""

    words: Int[Tensor, "queries kept"]
    scores: Float[Tensor, "queries kept"]


class AnalogyScore(NamedTuple):
    """Counts of analogy questions: with all words known, answered correctly, and skipped for an unknown word."""

    known: int
    right: int
    skipped: int

    @property
    def accuracy(self) -> float:
        """Over the questions whose words are known; 0 if there are none."""
        return self.right / self.known if self.known else 0.0

    @property
    def accuracy_of_all(self) -> float:
        """With the skipped ones counted as missed."""
        return self.accuracy * self.coverage

    @property
    def coverage(self) -> float:
        """The share of the questions whose words are known."""
        return self.known / max(1, self.known + self.skipped)


class SimilarityScore(NamedTuple):
    """Counts of pairs of words, both known or skipped, and Spearman's correlation over the known ones, equation (6)."""

    known: int
    skipped: int
    correlation: float

    @property
    def coverage(self) -> float:
        """The share of the pairs that are known."""
        return self.known / max(1, self.known + self.skipped)


def rank_correlation(x: Float[Tensor, "n"], y: Float[Tensor, "n"]) -> float:
    """Spearman's: the correlation of the ranks, equal values sharing their mean rank."""
    if x.ndim != 1 or x.shape != y.shape or len(x) < 2:
        raise ValueError(f"expected two vectors of one length above 1, got {tuple(x.shape)} and {tuple(y.shape)}")
    ranks = []
    for values in (x, y):
        _, where, many = values.unique(return_inverse=True, return_counts=True)
        ranks.append((many.cumsum(0) - (many - 1) / 2)[where].double())
    return float(torch.corrcoef(torch.stack(ranks))[0, 1].nan_to_num())


def unit_rows(vectors: Float[Tensor, "words dims"]) -> Float[Tensor, "words dims"]:
    """Rows of length one, equation (1); a row of zeros stays one, and is similar to no word."""
    if vectors.ndim != 2 or not vectors.numel():
        raise ValueError(f"expected vectors [words, dims], got {tuple(vectors.shape)}")
    if not bool(torch.isfinite(vectors).all()):
        raise ValueError("the vectors hold NaN or infinity")
    return F.normalize(vectors, dim=1, eps=torch.finfo(vectors.dtype).tiny)


class _Best:
    """The best words so far of each query while the vocabulary passes in blocks."""

    def __init__(self, queries: int, kept: int, like: Tensor) -> None:
        self.kept = kept
        self.scores = like.new_full((queries, 0), 0.0)
        self.words = torch.zeros(queries, 0, dtype=torch.long, device=like.device)

    def add(self, scores: Tensor, first: int) -> None:
        words = torch.arange(first, first + scores.shape[1], device=scores.device).expand_as(scores)
        scores, words = torch.cat([self.scores, scores], 1), torch.cat([self.words, words], 1)
        best = scores.topk(min(self.kept, scores.shape[1]), 1)
        reach = scores >= best.values[:, -1:]
        width = int(reach.sum(1).max())
        if width > best.indices.shape[1]:  # ties: all that reach the last kept score remain candidates
            order = reach.int().argsort(dim=1, descending=True, stable=True)[:, :width]
        else:
            order = best.indices.sort(dim=1).values
        # In the order of their index, so that a stable sort breaks ties.
        scores, words = scores.gather(1, order), words.gather(1, order)
        order = scores.argsort(dim=1, descending=True, stable=True)[:, : self.kept]
        self.scores, self.words = scores.gather(1, order), words.gather(1, order)


def _search(unit: Tensor, score, queries: int, kept: int, excluded: Tensor) -> Neighbours:
    """The best words by `score` of a block of rows, block by block; excluded ones [queries, any] never come back."""
    room = len(unit) - excluded.shape[1]
    if not 1 <= kept <= room:
        raise ValueError(f"{kept} words of {len(unit)} with {excluded.shape[1]} excluded: give 1 to {room}")
    best = _Best(queries, kept, unit)
    for first in range(0, len(unit), ROWS):
        found = score(unit[first : first + ROWS])
        for place in range(excluded.shape[1]):
            inside = (excluded[:, place] >= first) & (excluded[:, place] < first + found.shape[1])
            rows = inside.nonzero()[:, 0]
            found[rows, excluded[rows, place] - first] = -torch.inf
        best.add(found, first)
    return Neighbours(best.words, best.scores)


def cosine_neighbours(
    unit: Float[Tensor, "words dims"],
    queries: Float[Tensor, "queries dims"],
    kept: int = 10,
    excluded: Tensor | None = None,
) -> Neighbours:
    """The nearest words of each query vector, equation (2); `excluded` [queries, any] holds words to leave out."""
    if queries.ndim != 2 or queries.shape[1] != unit.shape[1]:
        raise ValueError(f"queries {tuple(queries.shape)} do not fit words {tuple(unit.shape)}")
    if excluded is None:
        excluded = torch.zeros(len(queries), 0, dtype=torch.long, device=unit.device)
    directions = unit_rows(queries)
    return _search(unit, lambda rows: directions @ rows.mT, len(queries), kept, excluded)


def analogies(
    unit: Float[Tensor, "words dims"],
    questions: Int[Tensor, "questions 3"],
    kept: int = 1,
    method: Literal["3cosadd", "3cosmul"] = "3cosadd",
    eps: float = 1e-3,
) -> Neighbours:
    """The best answers to "a is to b as c is to ?", equations (3) and (4), without a, b and c themselves."""
    if questions.ndim != 2 or questions.shape[1] != 3:
        raise ValueError(f"expected questions [questions, 3], got {tuple(questions.shape)}")
    if len(questions) and not (int(questions.min()) >= 0 and int(questions.max()) < len(unit)):
        raise ValueError(f"questions name words outside 0..{len(unit) - 1}")
    if method not in METHODS:
        raise ValueError(f"method is one of {', '.join(METHODS)}, not {method!r}")
    a, b, c = (unit[questions[:, place]] for place in range(3))
    if method == "3cosadd":
        wanted = b - a + c
        return _search(unit, lambda rows: wanted @ rows.mT, len(questions), kept, questions)  # (3)

    def multiplied(rows: Tensor) -> Tensor:
        near_a, near_b, near_c = ((v @ rows.mT + 1) / 2 for v in (a, b, c))  # (5)
        return near_b * near_c / (near_a + eps)  # (4)

    return _search(unit, multiplied, len(questions), kept, questions)


def score_analogies(
    unit: Float[Tensor, "words dims"],
    questions: Int[Tensor, "questions 4"],
    method: Literal["3cosadd", "3cosmul"] = "3cosadd",
    block: int = 256,
) -> AnalogyScore:
    """How many of the questions a, b, c, d have d as the best answer; a row with an index below 0 is skipped."""
    if questions.ndim != 2 or questions.shape[1] != 4:
        raise ValueError(f"expected questions [questions, 4], got {tuple(questions.shape)}")
    known = questions[(questions >= 0).all(1)]
    right = sum(
        int((analogies(unit, part[:, :3], 1, method).words[:, 0] == part[:, 3]).sum())
        for part in known.split(block)
        if len(part)
    )
    return AnalogyScore(len(known), right, len(questions) - len(known))


class EmbeddingQueries:
    """Questions to an embedding by word.

    Args:
        words: the vocabulary; the index of a word is its row.
        vectors: [words, dims].
    """

    def __init__(self, words: Sequence[str], vectors: Float[Tensor, "words dims"]) -> None:
        if len(words) != len(vectors) or len(set(words)) != len(words):
            raise ValueError(f"{len(set(words))} different words do not fit vectors {tuple(vectors.shape)}")
        self.words, self.unit = list(words), unit_rows(vectors)
        self.index = {word: place for place, word in enumerate(self.words)}

    def _place(self, word: str) -> int:
        if word not in self.index:
            raise ValueError(f"the vocabulary of {len(self.words)} words does not hold {word!r}")
        return self.index[word]

    def _named(self, found: Neighbours) -> list[tuple[str, float]]:
        return [(self.words[w], s) for w, s in zip(found.words[0].tolist(), found.scores[0].tolist(), strict=True)]

    def neighbours(self, word: str, kept: int = 10) -> list[tuple[str, float]]:
        """The nearest other words and their cosines."""
        place = torch.tensor([self._place(word)], device=self.unit.device)
        return self._named(cosine_neighbours(self.unit, self.unit[place], kept, place[:, None]))

    def nearest(self, vector: Float[Tensor, "dims"], kept: int = 10, without: Sequence[str] = ()) -> list:
        """The words nearest to a vector and their cosines, `kept` at most; none for a vector of zeros."""
        places = [self.index[word] for word in dict.fromkeys(without) if word in self.index]
        kept = min(kept, len(self.words) - len(places))
        if kept < 1 or not bool(vector.any()):
            return []
        excluded = torch.tensor([places], dtype=torch.long, device=self.unit.device)
        return self._named(cosine_neighbours(self.unit, vector[None], kept, excluded))

    def analogy(
        self, a: str, b: str, c: str, kept: int = 5, method: Literal["3cosadd", "3cosmul"] = "3cosadd"
    ) -> list[tuple[str, float]]:
        """What is to c as b is to a."""
        question = torch.tensor([[self._place(word) for word in (a, b, c)]], device=self.unit.device)
        return self._named(analogies(self.unit, question, kept, method))

    def score(
        self, questions: Sequence[Sequence[str]], method: Literal["3cosadd", "3cosmul"] = "3cosadd"
    ) -> AnalogyScore:
        """How many questions (a, b, c, d) are answered correctly; those with an unknown word are counted as skipped."""
        rows = [[self.index.get(word, -1) for word in question] for question in questions]
        places = torch.tensor(rows, dtype=torch.long, device=self.unit.device).reshape(-1, 4)
        return score_analogies(self.unit, places, method)

    def similarity(self, pairs: Sequence[tuple[str, str, float]]) -> SimilarityScore:
        """How the cosines of pairs (a, b, score) rank against the scores; 0 with fewer than two known pairs."""
        known = [(self.index[a], self.index[b], score) for a, b, score in pairs if a in self.index and b in self.index]
        if len(known) < 2:
            return SimilarityScore(len(known), len(pairs) - len(known), 0.0)
        left, right = (torch.tensor([row[place] for row in known], device=self.unit.device) for place in (0, 1))
        cosines = (self.unit[left] * self.unit[right]).sum(1)
        scores = torch.tensor([score for _, _, score in known], dtype=torch.float64, device=self.unit.device)
        return SimilarityScore(len(known), len(pairs) - len(known), rank_correlation(cosines, scores))  # (6)

    def measures(self, pairs: Sequence[tuple[str, str, float]], questions: Sequence[Sequence[str]]) -> dict[str, float]:
        """`similarity` of the pairs and the share of `analogies` answered correctly, each with its coverage.

        Pairs and questions with an unknown word count in the coverage only; a list that is empty is left out.
        """
        found: dict[str, float] = {}
        if pairs:
            likeness = self.similarity(pairs)
            found |= {"similarity": likeness.correlation, "similarity_coverage": likeness.coverage}
        if questions:
            score = self.score(questions)
            found |= {"analogies": score.accuracy, "analogies_coverage": score.coverage}
        return found

    def answers(self, words: Sequence[str], vector: Float[Tensor, "dims"], kept: int = 8) -> list[tuple[str, float]]:
        """What completes the analogy "a b c ?"; for any other words the nearest ones, without themselves."""
        if list(words[3:]) == ["?"] and set(words[:3]) <= self.index.keys() and len(self.words) > 3:
            return self.analogy(words[0], words[1], words[2], min(kept, len(self.words) - 3))
        return self.nearest(vector, kept, words)
