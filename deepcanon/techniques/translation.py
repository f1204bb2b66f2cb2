"""Models from sentences to sentences: how they begin and learn, by teacher forcing on batches of similar length.

A recipe subclasses `Translation`, whose Config is `model_options.TranslationTraining` with fields of its own, and gives
`network`. Words that occur too rarely become the unknown one, which is never written.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypeVar

import torch
from torch import Tensor, nn

from deepcanon.data.batches import Buckets
from deepcanon.data.splits import Dataset
from deepcanon.engine.contract import Facts, Recipe
from deepcanon.engine.pairs import Padded, Translates
from deepcanon.engine.text_scores import MISSING, has_sacrebleu
from deepcanon.model_options import TranslationTraining
from deepcanon.parts.clipping import clip_in_step
from deepcanon.parts.masks import real_positions
from deepcanon.parts.vocabulary_loss import linear_nll
from deepcanon.techniques.optimizers import optimizer_of, set_rate
from deepcanon.techniques.schedules import scheduled

__all__ = ["Translation"]

C = TypeVar("C", bound=TranslationTraining)


class Translation(Translates, Recipe[C]):
    """Cross-entropy of the next word, given all words before it, over real words and ends."""

    state: ClassVar[tuple[str, ...]] = ("model", "optimizer")
    parallel = "gradients"
    monitor: tuple[str, Literal["min", "max"]] | None = ("valid/nll", "min")
    precisions = ("fp32", "bf16")
    computed = ("_encoded", "_buckets")

    @classmethod
    def learn(cls, config: C, data: Dataset) -> Facts:
        return {"words": cls.vocabularies(config, data)}

    @abstractmethod
    def network(self, words: tuple[int, int]) -> nn.Module:
        """The model for so many words of source and target, on the run's device."""

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        return self.config.learning_rate * scheduled(self.config, step, self.run.steps)

    def shown(self, source: Tensor, lengths: Tensor, inputs: Tensor) -> Tensor:
        """What the model reads in a step, of this process's rows: the true words, unless a recipe mixes in others."""
        return inputs

    def build(self) -> None:
        self.begin_words()
        self.model = self.network((len(self.words[0]), len(self.words[1])))
        self.optimizer = optimizer_of(self.config, self.model, betas=(0.9, 0.99))
        self._buckets: Buckets | None = None

    def begin(self) -> None:
        if not has_sacrebleu():
            self.run.say(MISSING)

    def taken(self, step: int) -> tuple[Padded, Padded, Tensor]:
        """Sources, targets and inputs of the global batch of a step: pairs of similar length.

        As wide as the global batch, so that dropout masks of several processes are those of one.
        """
        pairs = self.encoded("train")
        if self._buckets is None:
            self._buckets = Buckets(pairs.lengths(), self.config.batch, self.run.seed, "order")
        return self.forced(pairs, self._buckets.rows(step).tolist())

    def step(self, step: int) -> Mapping[str, Tensor]:
        config, run = self.config, self.run
        (sources, targets, inputs), mine = self.taken(step), run.rows(config.batch)
        real = real_positions(targets.lengths[mine], targets.tokens.shape[1])
        places = real.flatten().nonzero()[:, 0]
        wanted = targets.tokens[mine].flatten()[places]
        rate = self.rate(step)
        set_rate(self.optimizer, rate)
        self.optimizer.zero_grad()
        source, lengths, inputs = (run.to(value[mine]) for value in (*sources, inputs))
        readout, weights = self.model(source, lengths, self.shown(source, lengths, inputs))
        loss = self.word_loss(readout.flatten(0, 1).index_select(0, run.to(places)), run.to(wanted))
        found = {"nll": loss.detach()}
        for name, (weight, penalty) in self.penalties(weights, run.to(real), lengths).items():
            # The papers add it to the nats of a sentence: of words, both are means.
            found[name] = penalty.detach().sum() / len(wanted)
            loss = loss + weight * penalty.sum() / len(wanted)
        loss = run.backward(loss, self.model, count=len(wanted))
        norm = clip_in_step(self.optimizer, config.clip)
        told = found if len(found) > 1 else {}
        return {"loss": loss, **told, "gradient_norm": norm, "learning_rate": torch.tensor(rate, dtype=torch.float64)}

    def penalties(self, weights: Tensor, steps: Tensor, lengths: Tensor) -> dict[str, tuple[float, Tensor]]:
        """What a recipe adds to the nats of the sentences for where the model looked: by name a weight and [batch].

        Args:
            weights: [batch, steps, places], or None if the model does not look.
            steps: which of them are real [batch, steps].
            lengths: of the sources [batch].
        """
        return {}

    def word_loss(self, readout: Tensor, wanted: Tensor) -> Tensor:
        """Nats of each word of a batch: the output layer's product is in bf16 where the run's precision says so."""
        output: Any = self.model.output
        products = torch.bfloat16 if self.run.settings.precision == "bf16" else None
        return linear_nll(readout, output.weight, output.bias, wanted, products)
