"""Topics that multiply: a replicated softmax of the word counts of documents, or of documents that it draws itself.

Task: a density of bags of words. Data: documents (the most frequent words), or none (`--data ""`): four topics of ten
words each. Metric: perplexity per word of the documents as sequences, beside that of single words; exact with up to 16
hidden units, and on the test split by AIS with a Z of its own for each length. Sentences of film reviews: 376 beside
388 of single words (one seed), a minute on one core.

    deepcanon train replicated-softmax --data rt-polarity
"""

from dataclasses import dataclass
from typing import Literal

SYSTEM = "representation.replicated_softmax"
DATA = ("documents", "task")
TARGETS = (
    {"run": "topics", "metric": "test/gain", "relation": ">=", "value": 0.0, "statistic": "worst",
     "mark": "P", "source": "B10: perplexity below that of single words (nats per word)"},
    {"run": "films", "metric": "test/gain_ais", "relation": ">=", "value": 0.0, "statistic": "worst",
     "mark": "P", "source": "B10: perplexity below that of single words (nats per word), by AIS"},
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    hidden: int = 50
    """Hidden units."""
    words: int = 2000
    """Documents: most frequent words that are counted; others are left out."""
    longest: int = 100
    """Documents: words after so many are left out."""
    gibbs: int = 1
    """Gibbs steps of CD at the start (k); it rises by one in each tenth of the training where `rising`."""
    rising: bool = True
    """From CD-k to CD-(k + 9), as better gradients are needed."""
    weighting: Literal["documents", "words"] = "documents"
    """What counts alike in the gradient: documents, as in the paper, or words (each document divided by its length)."""
    learning_rate: float = 0.01
    """At the start; it falls linearly to zero."""
    momentum: float = 0.9
    """Of the stochastic gradient."""
    decay: float = 0.0001
    """L2 penalty of the weights."""
    batch: int = 100
    """Documents per step."""
    epochs: int = 50
    """Passes over the training set, where no steps are given."""
    temperatures: int = 500
    """Steps of AIS on the test split; 0 leaves it out."""
    chains: int = 20
    """Chains of AIS for each length."""
    valid_share: float = 0.1
    """Share of the training data that is held out for validation."""
    test_share: float = 0.1
    """Share that is held out for the test where the data bring none."""


def smoke():
    return Config(hidden=6, batch=50, temperatures=50), {"data": "", "steps": 60}


def default():
    return Config(), {"data": "rt-polarity"}


def paper():
    return Config(temperatures=1000, chains=100), {"data": "rt-polarity"}


def verify():
    topics = Config(hidden=8, temperatures=2000, chains=400)
    return {
        "topics": (topics, {"data": "", "steps": 5_000, "threads": 1}),
        "films": (Config(), {"data": "rt-polarity", "threads": 1}),
    }


import re
from collections import Counter

import torch

from deepcanon.engine import Export
from deepcanon.engine.errors import UsageError
from deepcanon.representation.replicated_softmax import (
    ENUMERABLE,
    ReplicatedSoftmax,
    annealed_log_z,
    draw_words,
    exact_log_z,
)

WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
TOPICS, EACH, SHORTEST, LONGEST, OWN = 4, 10, 5, 15, 0.9  # of the task; OWN: share of words that are the topic's
DOCUMENTS, MIXING = 2000, 100  # of the task that are measured; Gibbs steps to a document that is shown


def words_of(text):
    return WORD.findall(text.lower())


def topic_words():
    """Probabilities [topics, words] of the task: each topic its own ten words, and a tenth of all."""
    words = torch.arange(TOPICS * EACH)
    own = (words // EACH == torch.arange(TOPICS)[:, None]).double()
    return OWN * own / EACH + (1 - OWN) / len(words)


def topic_documents(noise):
    """Word counts of documents of one topic each; noise [N, 2 + LONGEST] in [0, 1)."""
    p = topic_words().to(noise)[(noise[:, 0] * TOPICS).long()]
    return draw_words(p, SHORTEST + (noise[:, 1] * (LONGEST - SHORTEST + 1)).floor(), noise[:, 2:])


class Recipe:
    state = ("model", "optimizer")
    monitor = None  # what can be measured cheaply does not say which weights are best: the last are taken
    parallel = "gradients"
    precisions = ("fp32",)
    splits = None

    @staticmethod
    def learn(config, data) -> dict:
        if min(config.hidden, config.words, config.gibbs, config.batch, config.longest) < 1:
            raise UsageError("--hidden, --words, --gibbs, --batch and --longest are at least 1")
        if data.describe()["kind"] == "task":
            names = [f"{topic}{word}" for topic in "abcd" for word in range(EACH)]
            shares, length = topic_words().mean(0).float(), (SHORTEST + LONGEST) // 2
            return {"shape": [len(names)], "words": names, "shares": shares, "length": length, "longest": LONGEST}
        found: Counter = Counter()
        for text in data["train"].x:
            found.update(words_of(text)[: config.longest])
        if len(found) < 2:
            raise UsageError("the documents have fewer than two different words")
        kept = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[: config.words]
        counts = torch.tensor([count for _, count in kept], dtype=torch.float64)
        length = max(1, round(float(counts.sum()) / len(data["train"])))
        about = {"shape": [len(kept)], "words": [word for word, _ in kept], "length": length}
        return {**about, "shares": (counts / counts.sum()).float(), "longest": config.longest}

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        self.task = facts["reader"]["kind"] == "task"
        self.splits = ("valid", "test") if self.task else None
        self.number = {word: place for place, word in enumerate(facts["words"])}
        self.log_shares = torch.as_tensor(facts["shares"]).log().to(run.device)
        self.model = ReplicatedSoftmax(len(self.number), config.hidden).to(run.device)
        with torch.no_grad():
            self.model.word_bias.copy_(self.log_shares)
        others = [self.model.word_bias, self.model.hidden_bias]
        groups = [{"params": [self.model.weight], "weight_decay": config.decay}, {"params": others}]
        self.optimizer = torch.optim.SGD(groups, config.learning_rate, config.momentum)

    def plan(self) -> int:
        count = DOCUMENTS if self.task else len(self.run.data["train"])
        return self.config.epochs * max(1, count // self.config.batch)

    def counts(self, texts):
        """Word counts [N, K] of texts."""
        found = torch.zeros(len(texts), len(self.number))
        for row, text in enumerate(texts):
            known = [self.number[w] for w in words_of(text)[: self.facts["longest"]] if w in self.number]
            found[row] = torch.bincount(torch.tensor(known, dtype=torch.long), minlength=len(self.number))
        return self.run.to(found)

    def step(self, step: int) -> dict:
        config, run = self.config, self.run
        if self.task:
            data = topic_documents(run.rand("documents", (config.batch, 2 + LONGEST)))
        else:
            texts = run.data["train"].x
            data = self.counts([texts[i] for i in run.indices(len(texts), config.batch).tolist()])
        data = data.to(self.model.weight)
        k = config.gibbs + (10 * step // max(run.steps, 1) if config.rising else 0)
        share, random = (run.rank, run.world), run.generator("gibbs")
        samples = self.model.gibbs(data, k, random, longest=self.facts["longest"], share=share)
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * (1 - step / max(run.steps, step + 1))
        self.optimizer.zero_grad()
        loss = self.model.contrast(data, samples, by_length=config.weighting == "words")
        loss = run.backward(loss, self.model)
        self.optimizer.step()
        return {"loss": loss}

    def evaluate(self, split: str) -> dict:
        config, known = self.config, []
        if self.task:
            random = torch.Generator().manual_seed({"valid": 1, "test": 2}[split])
            parts = iter([self.run.to(topic_documents(torch.rand(DOCUMENTS, 2 + LONGEST, generator=random)))])
        else:
            texts = self.run.data[split].x
            parts = map(self.counts, (texts[i : i + 500] for i in range(0, len(texts), 500)))
        for counts in parts:  # length, free energy and log-likelihood by single words of each document
            each = [counts.sum(1), self.model.free_energy(counts.to(self.model.weight)), counts @ self.log_shares]
            if self.task:
                given = counts.double() @ topic_words().log().T.to(counts.device)
                each.append(torch.logsumexp(given, 1) - torch.tensor(TOPICS).log())
            known.append(torch.stack([value.double() for value in each]))
        length, energy, unigram, *source = torch.cat(known, 1)
        some = length > 0  # a document without a known word has no perplexity
        length, energy, unigram = length[some], energy[some], unigram[some]
        single = -(unigram / length).mean()
        found = {"free_energy": (energy / length).mean(), "perplexity_unigram": single.exp(), "empty": (~some).sum()}
        if source:
            found["perplexity_source"] = (-source[0] / length).mean().exp()
        lengths, places = length.long().unique(return_inverse=True)
        exact = exact_log_z(lengths, *self.model.parts()) if config.hidden <= ENUMERABLE else None
        if exact is not None:
            nats = ((energy + exact[places]) / length).mean()
            found |= {"perplexity": nats.exp(), "gain": single - nats}
        if split == "test" and config.temperatures:
            how = {"temperatures": config.temperatures, "chains": config.chains}
            ais, error = annealed_log_z(lengths, *self.model.parts(), generator=self.run.generator("ais"), **how)
            nats = ((energy + ais[places]) / length).mean()
            found |= {"perplexity_ais": nats.exp(), "gain_ais": single - nats, "ais_error": error.max()}
            found |= {} if exact is None else {"ais_gap": (ais - exact).abs().max()}
        return found

    def figures(self) -> dict:
        """The words that each hidden unit makes likelier and less likely, and documents that are drawn."""
        names, rows = self.facts["words"], []
        for unit, column in enumerate(self.model.weight.detach().T[:100]):
            order = column.argsort(descending=True).tolist()
            up, down = (" ".join(names[i] for i in some[:10]) for some in (order, order[::-1]))
            rows.append(f"{unit:3d}  more: {up}\n     less: {down}")
        drawn = self.generate(count=10, generator=torch.Generator().manual_seed(0))
        return {"topics": "\n".join(rows), "documents": "\n".join(record["text"] for record in drawn)}

    def encode(self, inputs):
        """Probabilities of the hidden units, of texts or of word counts."""
        counts = inputs.to(self.run.device) if isinstance(inputs, torch.Tensor) else self.counts(inputs)
        return self.model(counts)

    def generate(self, prompt="", count=1, temperature=1.0, beam=0, generator=None, **options):
        """Bags of as many words as a document has on average, the frequent ones first."""
        if prompt or temperature != 1:
            raise UsageError("word counts are drawn as they are: leave the prompt and --temperature out")
        length = torch.full((count,), float(self.facts["length"]))
        noise = torch.rand(count, self.facts["length"], generator=generator)
        start = draw_words(self.log_shares.exp().cpu().expand(count, -1), length, noise).to(self.run.device)
        rows = self.model.gibbs(start.to(self.model.weight), MIXING, generator).long().tolist()
        names = self.facts["words"]
        return [{"text": " ".join(w for w, n in zip(names, row, strict=True) for _ in range(n))} for row in rows]

    def export(self):
        example = torch.zeros(2, len(self.number), device=self.run.device)
        about = {"task": "encode", "words": self.facts["words"]}
        return Export(self.model, (example,), ("counts",), ("code",), about)
