"""Topics that multiply: a replicated softmax of the word counts of documents, or of documents that it draws itself.

Task: a density of bags of words. Data: documents (the most frequent words), or none (`--data ""`): four topics of ten
words each. Metric: perplexity per word of the documents as sequences, beside that of single words; exact with up to 16
hidden units, and on the test split by AIS with a Z of its own for each length. Sentences of film reviews: some 380
beside 399 of single words; `--baseline-topics 50` also measures latent Dirichlet allocation. A minute on one core.

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
    {"run": "films", "metric": "test/gain_lda", "relation": ">=", "value": 0.0, "statistic": "worst",
     "mark": "P", "source": "B10: below that of scikit-learn's LDA of 50 topics on the same counts (nats per word)"},
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
    learning_rate: float = 0.3
    """At the start, of the gradient per word; it falls linearly to zero."""
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
    baseline_topics: int = 0
    """Topics of scikit-learn's latent Dirichlet allocation, which is measured beside it on the test split; 0: none."""
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
        "films": (Config(baseline_topics=50), {"data": "rt-polarity", "threads": 1}),
    }


import functools
import math

import torch

from deepcanon.engine import Export
from deepcanon.engine.errors import UsageError
from deepcanon.parts.bag_of_words import BagOfWords
from deepcanon.representation.replicated_softmax import (
    ENUMERABLE,
    ReplicatedSoftmax,
    annealed_log_z,
    draw_words,
    exact_log_z,
    left_to_right,
)

TOPICS, EACH, SHORTEST, LONGEST, OWN = 4, 10, 5, 15, 0.9  # of the task; OWN: share of words that are the topic's
DOCUMENTS, MIXING = 2000, 100  # of the task that are measured; Gibbs steps to a document that is shown
BASELINES = ((1.0, 0.1, 20), (1.0, 0.02, 20), (1.0, 0.3, 20), (0.3, 0.1, 20), (0.1, 0.1, 20), (1.0, 0.1, 60))
"""Of latent Dirichlet allocation: concentration of the topics of a document, of the words of a topic, passes."""
PARTICLES = 20


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
        task = data.describe()["kind"] == "task"
        if config.baseline_topics and (task or "valid" not in data or "test" not in data or not config.temperatures):
            raise UsageError("--baseline-topics needs documents with a validation and a test split, and --temperatures")
        if task:
            names = [f"{topic}{word}" for topic in "abcd" for word in range(EACH)]
            shares, length = topic_words().mean(0).float(), (SHORTEST + LONGEST) // 2
            return {"shape": [len(names)], "words": names, "shares": shares, "length": length, "longest": LONGEST}
        bag = BagOfWords.build(data["train"].x, config.words, config.longest)
        if len(bag) < 2:
            raise UsageError("the documents have fewer than two different words")
        numbers = bag.pack(data["train"].x).numbers
        shares = torch.bincount(numbers, minlength=len(bag)).double() / len(numbers)
        length = max(1, round(len(numbers) / len(data["train"])))
        about = {"shape": [len(bag)], "words": list(bag.words), "length": length, "longest": config.longest}
        return {**about, "shares": shares.float()}

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        self.task = facts["reader"]["kind"] == "task"
        self.splits = ("valid", "test") if self.task else None
        self.bag = BagOfWords(facts["words"], facts["longest"])
        self.split = functools.cache(lambda name: run.data[name].counted(self.bag))
        self.log_shares = torch.as_tensor(facts["shares"]).log().to(run.device)
        self.model = ReplicatedSoftmax(len(self.bag), config.hidden).to(run.device)
        with torch.no_grad():
            self.model.word_bias.copy_(self.log_shares)
        # D multiplies the hidden bias, and so its gradient: at the rate of the others it would outrun them.
        groups = [
            {"params": [self.model.weight], "weight_decay": config.decay, "share": 1.0},
            {"params": [self.model.word_bias], "share": 1.0},
            {"params": [self.model.hidden_bias], "share": 1.0 / facts["length"]},
        ]
        self.optimizer = torch.optim.SGD(groups, config.learning_rate, config.momentum)

    def plan(self) -> int:
        count = DOCUMENTS if self.task else len(self.run.data["train"])
        return self.config.epochs * max(1, count // self.config.batch)

    def step(self, step: int) -> dict:
        config, run = self.config, self.run
        if self.task:
            data = topic_documents(run.rand("documents", (config.batch, 2 + LONGEST)))
        else:
            data = run.batch(self.split("train"), config.batch).x
        data = data.to(self.model.weight)
        k = config.gibbs + (10 * step // max(run.steps, 1) if config.rising else 0)
        share, random = (run.rank, run.world), run.generator("gibbs")
        samples = self.model.gibbs(data, k, random, longest=self.facts["longest"], share=share)
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * group["share"] * (1 - step / max(run.steps, step + 1))
        self.optimizer.zero_grad()
        by_word = config.weighting == "words"
        loss = self.model.contrast(data, samples, by_length=by_word) / (1 if by_word else self.facts["length"])
        loss = run.backward(loss, self.model)
        self.optimizer.step()
        return {"loss": loss}

    def evaluate(self, split: str) -> dict:
        config, known = self.config, []
        if self.task:
            random = torch.Generator().manual_seed({"valid": 1, "test": 2}[split])
            parts = iter([self.run.to(topic_documents(torch.rand(DOCUMENTS, 2 + LONGEST, generator=random)))])
        else:
            parts = (self.run.to(rows.x) for rows in self.split(split).chunks(500))
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
            if config.baseline_topics:
                other, *chosen = self.allocation()
                found |= {"perplexity_lda": math.exp(other), "gain_lda": other - nats}
                found |= dict(zip(("lda_concentration", "lda_prior", "lda_passes"), chosen, strict=True))
        return found

    def allocation(self) -> tuple[float, ...]:
        """Nats per word of the test split by scikit-learn's latent Dirichlet allocation, and its setting: of those
        in BASELINES the best on validation."""
        from scipy.sparse import csr_array, vstack
        from sklearn.decomposition import LatentDirichletAllocation

        topics, random = self.config.baseline_topics, self.run.generator("particles")
        train = vstack([csr_array(rows.x.numpy()) for rows in self.split("train").chunks(500)])

        def nats(split, setting, topics):
            rows = self.split(split)
            counts = rows.take(torch.arange(len(rows))).x
            counts = counts[counts.sum(1) > 0]
            log_p = left_to_right(counts, topics, setting[0], particles=PARTICLES, generator=random)
            return float(-(log_p / counts.sum(1)).mean())

        tried = []
        for setting in BASELINES:
            concentration, prior, passes = setting
            priors = {"doc_topic_prior": concentration, "topic_word_prior": prior}
            model = LatentDirichletAllocation(topics, **priors, max_iter=passes, random_state=self.run.seed).fit(train)
            shares = torch.from_numpy(model.components_ / model.components_.sum(1, keepdims=True)).float()
            tried.append((nats("valid", setting, shares), setting, shares))
        _, setting, shares = min(tried, key=lambda one: one[0])
        return nats("test", setting, shares), *setting

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
        counts = inputs if isinstance(inputs, torch.Tensor) else self.bag.counts(self.bag.pack(inputs))
        return self.model(counts.to(self.model.weight))

    def generate(self, prompt="", count=1, temperature=1.0, beam=0, generator=None, **options):
        """Bags of as many words as a document has on average, the frequent ones first."""
        if prompt or temperature != 1:
            raise UsageError("word counts are drawn as they are: leave the prompt and --temperature out")
        length = torch.full((count,), float(self.facts["length"]))
        noise = torch.rand(count, self.facts["length"], generator=generator)
        start = draw_words(self.log_shares.exp().cpu().expand(count, -1), length, noise).to(self.run.device)
        drawn = self.model.gibbs(start.to(self.model.weight), MIXING, generator)
        return [{"text": text} for text in self.bag.texts(drawn)]

    def export(self):
        example = torch.zeros(2, len(self.bag), device=self.run.device)
        about = {"task": "encode", "words": self.facts["words"]}
        return Export(self.model, (example,), ("counts",), ("code",), about)
