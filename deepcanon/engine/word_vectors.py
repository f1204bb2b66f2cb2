"""What is done with word vectors apart from training them: asked, drawn, taken out of their run.

The update is the recipe's own. The rest is the same for all vectors of words: a recipe holds `vocabulary`, gives
`vectors`, and inherits what is learned of the text, and the verbs.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from deepcanon.data import DataError, Problem
from deepcanon.data.queries import read_analogies, read_pairs
from deepcanon.data.seeds import stream_seed
from deepcanon.engine.contract import Encodes, Exports, Predicts
from deepcanon.engine.export import Export
from deepcanon.engine.figures import Scatter
from deepcanon.engine.run import Run
from deepcanon.engine.shown import table
from deepcanon.parts.embedding_queries import EmbeddingQueries
from deepcanon.parts.principal_plane import on_a_plane
from deepcanon.parts.sentences import Sentences, sentences_of, shuffled
from deepcanon.parts.vocabulary import Vocabulary, encode_once

__all__ = ["FIRST", "HoldsWords", "svd_vectors"]

FIRST = 2
"""The first word of a vocabulary: the numbers before it stand for an unknown word and a sentence's end."""
NEAR = "Frequent words and their nearest words by cosine: good neighbours have similar meanings or similar uses."
MAP = (
    "Frequent words in the plane of their largest variance, named where there is room: words of similar meaning "
    "should lie together."
)
ANALOGIES = 'Questions "a is to b as c is to ?" by section: how many of those with known words are answered correctly.'
SHOWN, LISTED = 60, 24  # words on the map, and with their neighbours


class Words(Protocol):
    """The options of a recipe that say what a word is and what is asked of the vectors."""

    @property
    def dimensions(self) -> int: ...
    @property
    def lowercase(self) -> bool: ...
    @property
    def minimum_count(self) -> int: ...
    @property
    def vocabulary(self) -> int: ...
    @property
    def similarities(self) -> str: ...
    @property
    def analogies(self) -> str: ...


def folded(config: Words) -> Callable[[str], str]:
    """What is done to the letters of the text and of all questions."""
    return str.lower if config.lowercase else str


class HoldsWords(Predicts, Encodes, Exports):
    """The verbs of a recipe that trains word vectors."""

    config: Any
    facts: dict[str, Any]
    run: Run
    vocabulary: Vocabulary

    @classmethod
    def learn(cls, config: Words, data: Any) -> dict[str, Any]:
        """The vocabulary of the training text, how often each word occurs, and what will be asked.

        Raises:
            DataError: fewer than two words, or a file of questions that cannot be read.
        """
        fold = folded(config)
        text = fold(data["train"].x)
        vocabulary = Vocabulary.build(text, "words", config.minimum_count, config.vocabulary)
        if len(vocabulary) < FIRST + 2:
            what = f"the text has {len(vocabulary) - FIRST} words that occur at least {config.minimum_count} times"
            raise DataError(Problem("", "", what, "give a longer text, or a lower --minimum-count"))
        pairs = read_pairs(config.similarities) if config.similarities else []
        sections = read_analogies(config.analogies) if config.analogies else {}
        return {
            "shape": [config.dimensions],  # vectors of this size may stand for words wherever a verb takes raw values
            "vocabulary": vocabulary.to_json(),
            "counts": encode_once(text, vocabulary).bincount(minlength=len(vocabulary)),
            "similarities": [(fold(a), fold(b), score) for a, b, score in pairs],
            "analogies": {name: [[fold(w) for w in row] for row in rows] for name, rows in sections.items()},
        }

    @abstractmethod
    def vectors(self) -> Tensor:
        """A vector [symbols, D] for each symbol of the vocabulary."""

    @property
    def words(self) -> tuple[str, ...]:
        return self.vocabulary.symbols[FIRST:]

    def read(self, text: str) -> Tensor:
        """The numbers of a text, remembered for the last few."""
        return encode_once(folded(self.config)(text), self.vocabulary)

    @property
    def preprocess(self) -> Callable[[str], Tensor]:
        return lambda text: self.vocabulary.encode(folded(self.config)(text))

    def sentences(self, split: str) -> Sentences:
        """The known words of a split; those to train on in sentences of a drawn order."""
        text = sentences_of(self.read(self.run.data[split].x), FIRST, end=1)
        order = torch.Generator().manual_seed(stream_seed(self.run.seed, 0, "sentences"))
        return shuffled(text, order) if split == "train" else text

    def queries(self, vectors: Tensor | None = None) -> EmbeddingQueries:
        """Questions to the recipe's vectors, or to others of the same symbols."""
        vectors = self.vectors() if vectors is None else vectors
        return EmbeddingQueries(self.words, vectors.detach()[FIRST:].cpu())

    def asked(self, vectors: Tensor | None = None) -> dict[str, float]:
        """Metrics of the published pairs and questions."""
        questions = [question for section in self.facts["analogies"].values() for question in section]
        return self.queries(vectors).measures(self.facts["similarities"], questions)

    def compared(self, vectors: Tensor) -> dict[str, float]:
        """Rank correlation of the published pairs under other vectors, and how much better the recipe's are."""
        pairs = self.facts["similarities"]
        ours, theirs = (self.queries(some).similarity(pairs).correlation for some in (None, vectors))
        return {"ppmi_similarity": theirs, "similarity_above_ppmi": ours - theirs} if pairs else {}

    def figures(self) -> dict[str, Any]:
        queries, counts = self.queries(), torch.as_tensor(self.facts["counts"])[FIRST:]
        frequent = [self.words[word] for word in counts.argsort(descending=True, stable=True).tolist()]
        # Long words say more than the most frequent ones of all.
        telling = [word for word in frequent if len(word) > 3] or frequent
        near = [(word, queries.neighbours(word, min(6, len(frequent) - 1))) for word in telling[:LISTED]]
        rows = [f"{word:16} " + " ".join(f"{w} {cosine:.2f}" for w, cosine in found) for word, found in near]
        shown: dict[str, Any] = {"neighbours": table(rows, NEAR)}
        points = on_a_plane(queries.unit[[queries.index[word] for word in telling[:SHOWN]]])
        axes = "first principal component", "second principal component"
        shown["map"] = Scatter(points, *axes, texts=dict(enumerate(telling[:SHOWN])), equal=False, caption=MAP)
        scores = {name: queries.score(questions) for name, questions in self.facts["analogies"].items()}
        if scores:
            rows = [f"{n:28} {s.right:6,} of {s.known:6,} known, {s.skipped:6,} skipped" for n, s in scores.items()]
            shown["analogies"] = table(rows, ANALOGIES)
        return shown

    def predict(self, inputs: Any) -> list[dict[str, Any]]:
        """The nearest words of each line (or vector); a line "a b c ?" is an analogy, completed by 3CosAdd."""
        queries, records = self.queries(), []
        fold = folded(self.config)
        lines = [[] if isinstance(inputs, Tensor) else fold(line).split() for line in inputs]
        for line, vector in zip(lines, self.encode(inputs).cpu(), strict=True):
            found = queries.answers(line, vector)
            unknown = [word for word in line if word not in queries.index and word != "?"]
            records.append({"label": found[0][0] if found else "", "neighbours": dict(found), "unknown": unknown})
        return records

    def encode(self, inputs: Any) -> Tensor:
        """Of a line the mean vector of its known words, zeros without any; vectors stay as they are."""
        if isinstance(inputs, Tensor):
            return self.run.to(inputs)
        known = [self.run.to(tokens[tokens >= FIRST]) for tokens in map(self.preprocess, inputs)]
        vectors = self.vectors()
        return torch.stack([vectors[words].sum(0) / max(1, len(words)) for words in known])

    def export(self) -> Export:
        about = {"task": "the vector of a word", "unknown": self.vocabulary.unknown, **self.vocabulary.to_json()}
        module = nn.Embedding.from_pretrained(self.vectors().detach())
        inputs = (torch.zeros(2, dtype=torch.int64, device=self.run.device),)
        return Export(module, inputs, ("word",), ("vector",), about)


def svd_vectors(rows: Tensor, columns: Tensor, values: Tensor, start: Tensor, dimensions: int) -> Tensor:
    """U S^(1/2) of the largest singular values of a square sparse matrix: vectors [N, K] without learning.

    Args:
        rows, columns, values: the entries of the matrix.
        start: [N], where the search for singular vectors begins.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import svds

    size = len(start)
    table = csr_array((values.numpy(), (rows.numpy(), columns.numpy())), shape=(size, size))
    left, singular, _ = svds(table, min(dimensions, size - 1), v0=start.double().numpy())
    return torch.from_numpy(left * singular**0.5)
