"""Recurrent language models: how they begin, learn by truncated backpropagation, are measured and are exported.

A recipe subclasses `RecurrentLanguageModel`; its Config has the options of `model_options.RecurrentLanguage`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from deepcanon.data.splits import Dataset
from deepcanon.engine.contract import Encodes, Exports, Facts, Metrics, Recipe
from deepcanon.engine.export import Export
from deepcanon.engine.figures import Panels, Passage
from deepcanon.engine.initial import Start
from deepcanon.engine.language import Primed, Speaks, step_export
from deepcanon.engine.vocabularies import vocabulary_facts, vocabulary_of
from deepcanon.model_options import RecurrentLanguage
from deepcanon.parts.clipping import clip_in_step
from deepcanon.parts.language_models import border, text_nll, token_nats
from deepcanon.parts.recurrence import detach, read_window, window
from deepcanon.parts.vocabulary import Vocabulary
from deepcanon.sequence import rnn_lm
from deepcanon.sequence.sampled_softmax import proposal
from deepcanon.techniques.mixtures import mixed_with_ngrams
from deepcanon.techniques.optimizers import optimizer_of, set_rate
from deepcanon.techniques.schedules import scheduled

__all__ = ["RecurrentLanguageModel", "exported", "primed_by"]

UNITS = 6  # that are drawn over a text
HIDDEN = (
    "Units over a held-out text, each after it has read the token; some follow lines, names or the place in a word."
)
C = TypeVar("C", bound=RecurrentLanguage)


def primed_by(model: rnn_lm.RecurrentLM, tokens: Tensor) -> Primed:
    """A model that has read all tokens of a prompt but the last."""
    state = model.start(1)
    if len(tokens) > 1:
        _, state = model(tokens[None, :-1], state)
    return Primed(model.step, state, state_axis=1)


def exported(model: rnn_lm.RecurrentLM, vocabulary: Vocabulary) -> Export:
    """One step of a model, for ONNX."""
    state = [part.transpose(0, 1) for part in model.start(1)]
    return step_export(rnn_lm.StepCell(model), state, vocabulary)


class RecurrentLanguageModel(Speaks, Recipe[C], Encodes, Exports):
    """`sequence.rnn_lm` on a text that is read in parallel streams, with the state carried from window to window."""

    state: ClassVar[tuple[str, ...]] = ("model", "optimizer", "carry")
    monitor = ("valid/nll", "min")
    parallel = "gradients"
    precisions = ("fp32", "bf16")
    first = 1
    temperature = 0.8

    config: C
    model: rnn_lm.RecurrentLM

    @classmethod
    def learn(cls, config: C, data: Dataset) -> Facts:
        facts, vocabulary, tokens = vocabulary_facts(config, data, config.window + 1)
        # Short texts: fewer streams rather than windows that are mostly empty.
        facts["streams"] = min(config.batch, (len(tokens) - 1) // config.window)
        if config.samples or config.frequency_bias:
            # One more of each: what never occurs may be asked for, and must be drawn now and then.
            facts["counts"] = tokens.bincount(minlength=len(vocabulary)) + 1
        return facts

    def build(self) -> None:
        config, facts, run = self.config, self.facts, self.run
        self.vocabulary = vocabulary_of(facts["vocabulary"])
        self.model = rnn_lm.RecurrentLM(
            len(self.vocabulary),
            config.hidden,
            embedding_size=config.embedding,
            layers=config.layers,
            cell=getattr(nn, config.cell.upper()),
            dropout=config.dropout,
            input_dropout=config.input_dropout,
            tied=config.tied,
            device=run.device,
        )
        for parameter in self.model.parameters() if config.uniform else ():
            nn.init.uniform_(parameter, -config.uniform, config.uniform)
        if initial := facts.get("initial"):
            self.start = Start(self.model, config, initial, self.model.of_symbols)
        slower = self.start.slower if self.start else ()
        self.optimizer = optimizer_of(config, self.model, betas=(0.9, 0.99), slower=slower, share=config.copied_rate)
        self.carry: rnn_lm.State | None = None
        counts = torch.as_tensor(facts.get("counts", ())).to(run.device)
        if config.frequency_bias:
            self.model.output.bias.data.copy_((counts / counts.sum()).log())
        samples = min(config.samples, len(counts))
        self.source = proposal(counts, samples) if samples else None

    def plan(self) -> int:
        length = (len(self.tokens("train")) - 1) // self.facts["streams"]
        return max(1, round(self.config.epochs * -(-length // self.config.window)))

    def step(self, step: int) -> Mapping[str, Tensor]:
        config, run = self.config, self.run
        tokens, streams = self.tokens("train"), self.facts["streams"]
        here = window(step, (len(tokens) - 1) // streams, config.window)
        x, y = map(run.to, read_window(tokens, streams, here, run.rows(streams)))
        rate = config.learning_rate * scheduled(config, step, run.steps)
        set_rate(self.optimizer, rate)
        state, noise = None if here.fresh else self.carry, run.generator("samples", run.device)
        with run.autocast():
            loss, state = rnn_lm.window_nll(self.model, x, y, state, self.source, noise, corrected=config.correction)
        self.carry = detach(state)
        times = x.shape[1] if config.summed else 1
        loss = run.backward(loss * times, self.model) / times
        norm = clip_in_step(self.optimizer, config.clip)
        self.optimizer.zero_grad()
        return {"loss": loss, "gradient_norm": norm, "learning_rate": torch.tensor(rate, dtype=torch.float64)}

    def evaluate(self, split: str) -> Metrics:
        if split != "test" or not self.config.ngram or "valid" not in self.run.data:
            return super().evaluate(split)
        return mixed_with_ngrams(self, self.config.ngram)

    def nll(self, texts: Sequence[Tensor]) -> list[float]:
        with self.run.autocast():
            return text_nll(self.model, texts, rnn_lm.sequence_nll)

    def log_probabilities(self, tokens: Any, streams: int = 16) -> Tensor:
        """log p [tokens - 1] of each token of a text but the first, in float64.

        Args:
            streams: in which a long text is read side by side; one is exact.
        """
        with self.run.autocast():
            return -token_nats(self.model, tokens, rnn_lm.sequence_nll, streams=streams)

    def nll_of_each(self, tokens: Tensor) -> list[float]:
        before = tokens.new_tensor([border(self.vocabulary, self.vocabulary.unknown)])
        return (-self.log_probabilities(torch.cat([before, tokens]), streams=1)).tolist()

    def figures(self) -> dict[str, Any]:
        return {**super().figures(), "hidden_units": self.hidden_units()}

    def hidden_units(self) -> Panels:
        """The units of the top layer that vary most over the text that is shown, each as the text in its colours."""
        tokens, texts = self.shown()
        with self.run.autocast():
            hidden = self.model.features(tokens[None])[0][0].float()
        apart = self.vocabulary.unit == "words"
        drawn = [
            Passage(texts, hidden[:, unit], "activation", apart, diverging=True, most=1.0, title=f"unit {unit}")
            for unit in hidden.std(0, correction=0).argsort(descending=True, stable=True)[:UNITS].tolist()
        ]
        return Panels(drawn, columns=2, caption=HIDDEN)

    def primed(self, tokens: Tensor) -> Primed:
        return primed_by(self.model, tokens)

    def encode(self, inputs: list[str]) -> Tensor:
        """The top layer's hidden vector after each text."""
        return torch.stack([self.model(self.read(text)[None])[1][0][-1, 0] for text in inputs])

    def export(self) -> Export:
        return exported(self.model, self.vocabulary)
