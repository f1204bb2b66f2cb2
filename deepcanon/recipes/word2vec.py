"""Word vectors: skip-gram or CBOW with negative sampling, and what they are asked: neighbours, analogies, likeness.

Data: a text, words between blanks; sets of the catalogue may be joined by a +. Metrics: the held-out loss; Spearman's
correlation between w.c and the PMI - log k that it factorises; the share of analogies that 3CosAdd answers of those
with all words known; Spearman's correlation of cosines with people's scores of pairs. Ours in docs/results; the paper's
61 % of analogies takes a billion words: not run. `predict` gives the nearest words of a line, or completes "a b c ?".

    deepcanon train word2vec --data ptb+brown --lowercase --similarities wordsim353 --analogies questions-words
"""

from dataclasses import dataclass, replace
from typing import Literal

SYSTEM = "representation.word2vec"
DATA = ("text",)
TARGETS = (
    {"run": "ptb", "metric": "test/pmi_correlation", "relation": ">=", "value": 0.7, "mark": "X",
     "source": "B12: pairs with count >= 20, d = 300; Levy and Goldberg 2014"},
    {"run": "ptb", "minus": "ptb-early", "metric": "test/pmi_correlation", "relation": ">=", "value": 0.0, "mark": "X",
     "source": "B12: rising with epochs"},
    {"run": "planted", "metric": "test/analogies", "relation": ">=", "value": 0.95, "mark": "P",
     "source": "B12: 3CosAdd on a planted grammar"},
    {"run": "published", "metric": "test/similarity", "relation": ">=", "value": 0.2, "mark": "P",
     "source": "B12: WordSim-353 on Penn Treebank and Brown"},
    {"run": "published", "metric": "test/similarity_above_ppmi", "relation": ">=", "value": -0.05, "mark": "P",
     "source": "B12: against the SVD of the same text's PPMI"},
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    architecture: Literal["skip-gram", "cbow"] = "skip-gram"
    """A word predicts those near it, or their mean predicts the word."""
    dimensions: int = 100
    """Numbers of each vector."""
    window: int = 5
    """The largest distance of words that are near; for each word it is drawn from 1 up to this."""
    negatives: int = 5
    """Noise words of each pair."""
    shared: int = 32
    """Words that share as many noise words, the fast form of skip-gram; 0: each pair draws its own, as CBOW does."""
    noise_power: float = 0.75
    """Noise words are drawn in proportion to their counts to this power."""
    subsample: float = 1e-3
    """Words of a larger frequency f are dropped with probability 1 - sqrt(this / f); 0 keeps all."""
    lowercase: bool = False
    """Capital letters of the text and of all questions become small ones."""
    minimum_count: int = 5
    """Rarer words are left out of the text."""
    vocabulary: int = 0
    """Most words to keep, by frequency; 0 keeps all."""
    learning_rate: float = 0.15
    """At the start; it falls linearly to a ten-thousandth of it."""
    adagrad: float = 0.3
    """Power of a word's sum of squared gradients that divides its steps: 0.5 is AdaGrad, 0 plain descent."""
    epochs: float = 5.0
    """Passes over the text if no steps are given."""
    batch: int = 2_000
    """Words of the text that a step reads."""
    pmi_count: float = 20.0
    """How often two words must be near each other to enter the correlation with the PMI."""
    similarities: str = ""
    """Pairs of words with scores of their likeness: wordsim353, or a CSV file of word, word, score."""
    analogies: str = ""
    """Questions: questions-words, planted-analogies, or a text file of lines `a b c d` under lines `: section`."""
    ppmi: bool = False
    """Compare the likeness of pairs with vectors from the SVD of the text's PPMI."""
    valid_share: float = 0.1
    """Share of the text, at its end, that is held out for validation."""
    test_share: float = 0.1
    """Share that is held out for the test where the data bring none."""


def smoke():
    return Config(dimensions=16, negatives=3, minimum_count=10), {"data": "pydoc", "steps": 30}


def default():
    return Config(epochs=20.0, batch=1_000), {"data": "pydoc"}


def paper():
    plain = Config(dimensions=300, negatives=15, shared=0, adagrad=0.0, learning_rate=0.025, batch=500)
    return plain, {"data": "ptb"}


def verify():
    # The noise of the theorem, which needs every pair often enough to be fitted.
    exact = Config(dimensions=300, noise_power=1.0, subsample=0.0, window=2)
    asked = Config(similarities="wordsim353", analogies="questions-words", lowercase=True, ppmi=True)
    whole = {"epochs": 20.0, "subsample": 1e-4, "valid_share": 0.0, "test_share": 0.0}
    return {
        "ptb": (replace(exact, epochs=5.0), {"data": "ptb"}),
        "ptb-early": (replace(exact, epochs=1.0), {"data": "ptb"}),
        "planted": (Config(dimensions=50, analogies="planted-analogies"), {"data": "planted-grammar"}),
        "published": (replace(asked, **whole), {"data": "ptb+brown", "evaluate_every": 10_000}),
    }


import functools

import torch
from torch import nn

from deepcanon.data import DataError, Problem
from deepcanon.data.queries import read_analogies, read_pairs
from deepcanon.data.seeds import stream_seed
from deepcanon.engine import Export
from deepcanon.parts.vocabulary import Vocabulary, encode_once
from deepcanon.representation import word2vec as w2v
from deepcanon.representation.embedding_queries import EmbeddingQueries, rank_correlation
from deepcanon.representation.mutual_information import cooccurrences, ppmi, shifted_pmi
from deepcanon.representation.pca import PCA

FIRST = 2  # the numbers before stand for an unknown word and a sentence's end
LEAST_RATE = 1e-4
ROWS = 10_000


class Recipe:
    state = ("model",)
    monitor = None
    parallel = "none: each step changes the vectors of its own words only"

    @staticmethod
    def learn(config, data) -> dict:
        fold = str.lower if config.lowercase else str
        text = fold(data["train"].x)
        vocabulary = Vocabulary.build(text, "words", config.minimum_count, config.vocabulary)
        if len(vocabulary) < FIRST + 2:
            what = f"the text has {len(vocabulary) - FIRST} words that occur {config.minimum_count} times"
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

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run, size = config, facts, run, len(facts["counts"])
        self.fold = str.lower if config.lowercase else str
        self.vocabulary = Vocabulary.from_json(facts["vocabulary"])
        self.words = self.vocabulary.symbols[FIRST:]
        self.counts = torch.as_tensor(facts["counts"]) * (torch.arange(size) >= FIRST)
        self.noise = w2v.noise_distribution(self.counts, config.noise_power)
        self.kept = w2v.keep_probabilities(self.counts, config.subsample)
        self.model = w2v.Word2Vec(size, config.dimensions, device=run.device)
        self.text = functools.cache(self._text)
        self.near = functools.cache(lambda: cooccurrences(*self.text("train"), config.window, size))
        self.counted = functools.cache(self._counted)

    @property
    def preprocess(self):
        return lambda text: self.vocabulary.encode(self.fold(text))

    def _text(self, split):
        """The known words of a split and the numbers of their sentences; those to train on in a drawn order."""
        tokens = encode_once(self.fold(self.run.data[split].x), self.vocabulary)
        known = tokens >= FIRST
        words, sentences = tokens[known], (tokens == self.vocabulary.end).long().cumsum(0)[known]
        if split != "train" or not len(words):
            return words, sentences
        order = torch.Generator().manual_seed(stream_seed(self.run.seed, 0, "sentences"))
        sentences = torch.randperm(int(sentences.max()) + 1, generator=order)[sentences]
        sentences, places = sentences.sort(stable=True)
        return words[places], sentences

    def _thinned(self, words, sentences, generator):
        stays = torch.rand(len(words), generator=generator) < self.kept[words]
        return words[stays], sentences[stays]

    def _examples(self, words, sentences, generator):
        """Inputs, their shares, and targets with their noise, of a stretch of text."""
        reach = torch.randint(1, self.config.window + 1, words.shape, generator=generator)
        if self.config.architecture == "cbow":
            true, inputs, shares = w2v.cbow_windows(words, sentences, reach)
        else:
            centres, true = w2v.skip_gram_pairs(words, sentences, reach)
            inputs, shares = centres[:, None], torch.ones(len(centres), 1)
        noise = w2v.draw_noise(self.noise, (len(true), self.config.negatives), generator)
        return [self.run.to(x) for x in (inputs, shares, torch.cat([true[:, None], noise], 1))]

    def plan(self) -> int:
        return max(1, round(self.config.epochs * len(self.text("train")[0]) / self.config.batch))

    def step(self, step: int) -> dict:
        config, (words, sentences), generator = self.config, self.text("train"), self.run.generator("examples")
        begin = config.batch * int(self.run.indices(-(-len(words) // config.batch), 1))
        here = slice(begin, begin + config.batch)
        words, sentences = self._thinned(words[here], sentences[here], generator)
        rate = config.learning_rate * max(LEAST_RATE, 1 - step / self.run.steps)
        if config.shared and config.architecture == "skip-gram":
            noise = w2v.draw_noise(self.noise, (max(1, -(-len(words) // config.shared)), config.shared), generator)
            rows = w2v.shared_rows(words, sentences, noise, config.window, config.negatives)
            rows = w2v.SharedRows(*(self.run.to(x) for x in rows))
            loss = self.model.update_shared(rows, rate, power=config.adagrad)
        else:
            inputs, shares, targets = self._examples(words, sentences, generator)
            loss = self.model.update(inputs, targets, rate, shares=shares, power=config.adagrad)
        return {"loss": loss, "learning_rate": rate}

    def evaluate(self, split: str) -> dict:
        generator, (words, sentences) = self.run.generator("examples"), self.text(split)
        words, sentences = self._thinned(words, sentences, generator)
        examples, total = self._examples(words, sentences, generator), 0.0
        for inputs, shares, targets in zip(*(x.split(ROWS) for x in examples), strict=True):
            losses = w2v.negative_sampling_loss(self.model(inputs, targets, shares), w2v.noise_weights(targets))
            total += float(losses.double().sum())
        return {"loss": total / max(1, len(examples[0]))} | self._factorisation() | self._asked()

    def _factorisation(self) -> dict:
        """How the scores of the pairs that are often near each other rank, against what the theorem says."""
        pairs = self.near()
        often = (pairs.counts >= self.config.pmi_count).nonzero()[:, 0]
        if len(often) < 2:
            return {}
        best = shifted_pmi(pairs, self.noise, float(self.config.negatives))[often]
        blocks = zip(*(self.run.to(x[often, None]).split(ROWS) for x in (pairs.words, pairs.near)), strict=True)
        scores = [self.model(words, near)[:, 0] for words, near in blocks]
        return {"pmi_correlation": rank_correlation(torch.cat(scores).cpu(), best), "pmi_pairs": len(often)}

    def _counted(self) -> EmbeddingQueries:
        """Vectors without learning: the rows of U S^(1/2) of the PPMI's largest singular values (Levy and Goldberg)."""
        from scipy.sparse import csr_array
        from scipy.sparse.linalg import svds

        pairs, size = self.near(), len(self.vocabulary)
        cells = (ppmi(pairs, size).numpy(), (pairs.words.numpy(), pairs.near.numpy()))
        table, kept = csr_array(cells, shape=(size, size)), min(self.config.dimensions, size - 1)
        left, values, _ = svds(table, kept, v0=self.counts.double().numpy())
        return EmbeddingQueries(self.words, torch.from_numpy(left * values**0.5)[FIRST:])

    def _asked(self) -> dict:
        """Published pairs and questions; those with an unknown word count in the coverage only."""
        queries, pairs, result = self._queries(), self.facts["similarities"], {}
        if pairs:
            likeness = queries.similarity(pairs)
            result = {"similarity": likeness.correlation, "similarity_coverage": likeness.coverage}
        if pairs and self.config.ppmi:
            counted = self.counted().similarity(pairs).correlation
            result |= {"ppmi_similarity": counted, "similarity_above_ppmi": likeness.correlation - counted}
        questions = [question for section in self.facts["analogies"].values() for question in section]
        if questions:
            score = queries.score(questions)
            result |= {"analogies": score.accuracy, "analogies_coverage": score.coverage}
        return result

    def _queries(self) -> EmbeddingQueries:
        return EmbeddingQueries(self.words, self.model.input_vectors.detach()[FIRST:].cpu())

    def figures(self) -> dict:
        from matplotlib.figure import Figure

        queries = self._queries()
        frequent = [self.words[w] for w in self.counts[FIRST:].argsort(descending=True, stable=True).tolist()]
        # Long words say more than the most frequent ones of all.
        telling = [word for word in frequent if len(word) > 3] or frequent
        near = [(word, queries.neighbours(word, min(6, len(frequent) - 1))) for word in telling[:24]]
        rows = [f"{word:16} " + " ".join(f"{w} {cosine:.2f}" for w, cosine in found) for word, found in near]
        flat = PCA(min(2, self.config.dimensions)).fit_transform(queries.unit[[queries.index[w] for w in telling[:60]]])
        points = nn.functional.pad(flat, (0, 2 - flat.shape[1]))
        figure = Figure(figsize=(8, 6), layout="constrained")
        axes = figure.subplots()
        axes.plot(*points.T.numpy(), ".", markersize=3)
        for word, (x, y) in zip(telling, points.tolist(), strict=False):
            axes.annotate(word, (x, y), fontsize=8)
        shown = {"neighbours": "\n".join(rows) + "\n", "map": figure}
        scores = {name: queries.score(questions) for name, questions in self.facts["analogies"].items()}
        rows = [f"{n:28} {s.right:6,} of {s.known:6,} known, {s.skipped:6,} skipped" for n, s in scores.items()]
        return shown | ({"analogies": "\n".join(rows) + "\n"} if rows else {})

    def predict(self, inputs) -> list[dict]:
        """The nearest words of each line (or vector); a line "a b c ?" is an analogy, completed by 3CosAdd."""
        queries, records = self._queries(), []
        lines = [[] if isinstance(inputs, torch.Tensor) else self.fold(line).split() for line in inputs]
        for line, vector in zip(lines, self.encode(inputs).cpu(), strict=True):
            unknown = [word for word in line if word not in queries.index and word != "?"]
            if line[3:] == ["?"] and set(line[:3]) <= queries.index.keys() and len(self.words) > 3:
                found = queries.analogy(line[0], line[1], line[2], min(8, len(self.words) - 3))
            else:
                found = queries.nearest(vector, 8, line)
            records.append({"label": found[0][0] if found else "", "neighbours": dict(found), "unknown": unknown})
        return records

    def encode(self, inputs):
        """Of a line the mean vector of its known words, zeros without any; vectors stay as they are."""
        if isinstance(inputs, torch.Tensor):
            return self.run.to(inputs)
        known = [self.run.to(tokens[tokens >= FIRST]) for tokens in map(self.preprocess, inputs)]
        return torch.stack([self.model.input_vectors[words].sum(0) / max(1, len(words)) for words in known])

    def export(self):
        about = {"task": "the vector of a word", "unknown": self.vocabulary.unknown, **self.vocabulary.to_json()}
        module = nn.Embedding.from_pretrained(self.model.input_vectors.detach())
        inputs = (torch.zeros(2, dtype=torch.int64, device=self.run.device),)
        return Export(module, inputs, ("word",), ("vector",), about)
