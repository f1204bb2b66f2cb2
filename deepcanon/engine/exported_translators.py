"""A translator as one module for use elsewhere: from the numbers of words to the likeliest words, greedily.

The sources may have any number of words, and a batch any number of sources: the loops over words are kept as loops
(`parts.exported_loops`).
"""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from deepcanon.engine.contract import Exports
from deepcanon.engine.export import Export
from deepcanon.parts.exported_loops import looped, put
from deepcanon.parts.vocabulary import END, UNKNOWN, Vocabulary

__all__ = ["ExportsTranslations", "GreedyTranslator"]

HOW = (
    "Split a text into words and signs; number each by source_words, 0 if it is not there; put the number of the end"
    " behind; fill the sources of a batch up with it. What is written ends before the first number of the end."
)


class GreedyTranslator(nn.Module):
    """The greedy translations that `generate --beam 1` writes, of a model that has `start` and `step`.

    Args:
        end: the number of the sign at which sentences begin and end.
    """

    def __init__(self, model: nn.Module, end: int) -> None:
        super().__init__()
        self.model, self.end = model, end

    def forward(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers of the words [batch, 2 * width + 10], the end from the end on, and the log probability [batch].

        Args:
            source: numbers of words, ends among them [batch, width].
            lengths: how many of them are real [batch].
        """
        model: Any = self.model
        begun, end = model.start(source, lengths), self.end

        def body(t: Tensor, values: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            last, ended, total, written, hidden = values
            logits, state = model.step(last, begun._replace(hidden=hidden))
            chances = logits.log_softmax(1)
            unknown = torch.arange(logits.shape[1], device=logits.device) == 0  # is never written
            best, words = chances.masked_fill(unknown, -torch.inf).max(1)
            words = torch.where(ended, end, words)
            total = total + torch.where(ended, 0.0, best.double())
            return words, ended | (words == end), total, put(written, t, words), state.hidden

        first = torch.full_like(lengths, end)
        count = 2 * source.shape[1] + 10
        written = torch.full((source.shape[0], count), end, dtype=torch.int64, device=source.device)
        none, zero = first != end, torch.zeros_like(lengths, dtype=torch.float64)
        values = (first, none, zero, written, begun.hidden)
        _, _, total, written, _ = looped(body, values, count, lambda values: ~values[1].all())
        return written, total


class ExportsTranslations(Exports):
    """The verb `export` of a recipe that holds such a model; see `engine.pairs.Translates`."""

    config: Any
    run: Any
    model: Any
    words: tuple[Vocabulary, Vocabulary]

    @property
    @abstractmethod
    def end(self) -> int:
        """The number of the sign at which sentences begin and end."""

    def export(self) -> Export:
        source = torch.full((2, 5), self.end, device=self.run.device)
        about = {
            "task": "translate",
            "how": HOW,
            "lower": self.config.lower,
            "source_words": list(self.words[0].symbols),
            "target_words": list(self.words[1].symbols),
            "end": self.end,
            "marks": {"unknown": UNKNOWN, "end": END},
            "longest": "2 * width + 10 words",
        }
        return Export(
            GreedyTranslator(self.model, self.end),
            (source, torch.tensor([5, 3], device=self.run.device)),
            ("source", "lengths"),
            ("words", "log_probability"),
            about,
            lengths={"source": "width"},
        )
