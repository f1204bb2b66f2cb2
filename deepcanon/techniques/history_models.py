"""Language models that predict each token from a fixed number of tokens before it: how they are trained and measured.

The model has `embedding`, `features(history)`, `output` (a linear layer over the vocabulary) and `length`, the tokens
of a history. Examples are all places of the text in random order; a history may reach over a sentence end.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from deepcanon.data.splits import Dataset
from deepcanon.engine.contract import Facts, Metrics, Recipe
from deepcanon.engine.initial import Start
from deepcanon.engine.language import Primed, Speaks
from deepcanon.engine.vocabularies import vocabulary_facts, vocabulary_of
from deepcanon.parts.clipping import clip_in_step
from deepcanon.parts.histories import histories
from deepcanon.parts.language_models import border
from deepcanon.sequence.neural_lm import next_token_nll
from deepcanon.techniques.mixtures import mixed_with_ngrams
from deepcanon.techniques.optimizers import optimizer_of, set_rate
from deepcanon.techniques.schedules import scheduled

__all__ = ["HistoryModel"]

ROWS = 512  # histories whose logits are computed at a time
OF_SYMBOLS = ("embedding", "output")  # layers whose weights belong to single symbols
C = TypeVar("C")


class HistoryModel(Speaks, Recipe[C]):
    """A recipe gives `network`, and inherits update, evaluation and the verbs of a language model.

    Its Config has the options of `Pieces`, `CopiedWeights`, `Batches`, `Optimization` and `Schedule`, and `ngram`, the
    order of the Kneser-Ney model with which it is mixed in evaluations of "test" (0: none).
    """

    state: ClassVar[tuple[str, ...]] = ("model", "optimizer")
    monitor = ("valid/nll", "min")
    parallel = "gradients"
    precisions = ("fp32", "bf16")

    @abstractmethod
    def network(self, size: int) -> Any:
        """The model over a vocabulary of so many tokens, on the device."""

    @classmethod
    def learn(cls, config: C, data: Dataset) -> Facts:
        facts, vocabulary, tokens = vocabulary_facts(config, data, least=2)
        # One more of each: what never occurs may be asked for.
        return {**facts, "counts": tokens.bincount(minlength=len(vocabulary)) + 1}

    def build(self) -> None:
        config: Any = self.config
        self.vocabulary = vocabulary_of(self.facts["vocabulary"])
        self.model = self.network(len(self.vocabulary))
        counts = torch.as_tensor(self.facts["counts"]).to(self.run.device)
        # The biases begin at the frequencies of the words, which would otherwise be learned first.
        self.model.output.bias.data.copy_((counts / counts.sum()).log())
        if initial := self.facts.get("initial"):
            self.start = Start(self.model, config, initial, OF_SYMBOLS)
        slower = self.start.slower if self.start else ()
        self.optimizer = optimizer_of(config, self.model, betas=(0.9, 0.99), slower=slower, share=config.copied_rate)
        self.border = border(self.vocabulary, self.vocabulary.unknown)

    def plan(self) -> int:
        config: Any = self.config
        return self.run.steps_of(config.epochs, config.batch, len(self.tokens("train")))

    def step(self, step: int) -> Mapping[str, Tensor]:
        config: Any = self.config
        run, tokens = self.run, self.tokens("train")
        places = run.indices(len(tokens), config.batch)
        history = run.to(histories(tokens, places, self.model.length, self.border))
        targets = run.to(tokens[places])
        rate = config.learning_rate * scheduled(config, step, run.steps)
        set_rate(self.optimizer, rate)
        with run.autocast():
            loss = next_token_nll(self.model.features(history), self.model.output, targets)
        loss = run.backward(loss, self.model)
        norm = clip_in_step(self.optimizer, config.clip)
        self.optimizer.zero_grad()
        return {"loss": loss, "gradient_norm": norm, "learning_rate": torch.tensor(rate, dtype=torch.float64)}

    @torch.no_grad()
    def log_probabilities(self, tokens: Any) -> Tensor:
        """log p of each token of a text [tokens], in float64."""
        found = torch.empty(len(tokens), dtype=torch.float64, device=self.run.device)
        for places in torch.arange(len(tokens), device=self.run.device).split(ROWS):
            history = histories(tokens, places, self.model.length, self.border)
            logits = self.model(self.run.to(history)).float().log_softmax(1)
            found[places] = logits.gather(1, self.run.to(tokens[places])[:, None])[:, 0].double()
        return found

    def nll_of_each(self, tokens: Tensor) -> list[float]:
        return (-self.log_probabilities(tokens)).tolist()

    def nll(self, texts: Sequence[Tensor]) -> list[float]:
        return [-float(self.log_probabilities(tokens).mean()) for tokens in texts]

    def evaluate(self, split: str) -> Metrics:
        config: Any = self.config
        if split != "test" or not config.ngram or "valid" not in self.run.data:
            return super().evaluate(split)
        return mixed_with_ngrams(self, config.ngram)

    def primed(self, tokens: Tensor) -> Primed:
        length = self.model.length
        padded = torch.cat([tokens.new_full((length,), self.border), tokens[:-1]])

        def step(token: Tensor, history: Tensor) -> tuple[Tensor, Tensor]:
            history = torch.cat([history, token[:, None]], 1)[:, -length:]
            return self.model(history), history

        return Primed(step, padded[None, -length:])
