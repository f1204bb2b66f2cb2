"""A translator as one module for use elsewhere: from the numbers of words to the likeliest words, greedily.

The sources may have any number of words, and a batch any number of sources: the loops over words are kept as loops
(`parts.exported_loops`).
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from deepcanon.engine.contract import Exports
from deepcanon.engine.export import Export
from deepcanon.parts.exported_loops import looped, put
from deepcanon.parts.tokenization import token_pattern
from deepcanon.parts.vocabulary import END, UNKNOWN, Vocabulary

__all__ = ["ExportsTranslations", "GreedyTranslator"]

BOUND = (2, 10)
HOW = (
    "Find the words and signs of a text by `pattern` (Python's re); number each by source_words, {stranger} if it is"
    " not there; put the number of the end behind; fill the sources of a batch up with it. What is written ends before"
    " the first number of the end."
)


class GreedyTranslator(nn.Module):
    """The greedy translations that `generate --beam 1` writes, of a model that has `start` and `step`.

    Args:
        end: the number of the sign at which sentences begin and end.
        bound: (a, b): a words are written at most for each of the source, its end among them, and b more.
        moving: the parts of the state that a step changes.
    """

    def __init__(
        self, model: nn.Module, end: int, bound: tuple[int, int] = BOUND, moving: Sequence[str] = ("hidden",)
    ) -> None:
        super().__init__()
        self.model, self.end, self.bound, self.moving = model, end, bound, tuple(moving)

    def forward(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers of the words [batch, a * width + b], the end from the end on, and the log probability [batch].

        Args:
            source: numbers of words, ends among them [batch, width].
            lengths: how many of them are real [batch].
        """
        model: Any = self.model
        begun, end = model.start(source, lengths), self.end

        def body(t: Tensor, values: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            last, ended, total, written, *moved = values
            logits, state = model.step(last, begun._replace(**dict(zip(self.moving, moved, strict=True))))
            chances = logits.log_softmax(1)
            # The first word, the unknown one, is never written. (Sums of sizes cannot be saved, so there is no arange.)
            unknown = torch.ones_like(chances[:1]).cumsum(1) == 1
            best, words = chances.masked_fill(unknown, -torch.inf).max(1)
            words = torch.where(ended, end, words)
            total = total + torch.where(ended, 0.0, best.double())
            moved = [getattr(state, name) for name in self.moving]
            return words, ended | (words == end), total, put(written, t, words), *moved

        first = torch.full_like(lengths, end)
        count = self.bound[0] * source.shape[1] + self.bound[1]
        written = torch.full((source.shape[0], count), end, dtype=torch.int64, device=source.device)
        none, zero = first != end, torch.zeros_like(lengths, dtype=torch.float64)
        values = (first, none, zero, written, *(getattr(begun, name) for name in self.moving))
        _, _, total, written, *_ = looped(body, values, count, lambda values: ~values[1].all())
        return written, total


class ExportsTranslations(Exports):
    """The verb `export` of a recipe that holds such a model; see `engine.pairs.Translates`."""

    config: Any
    run: Any
    model: Any
    words: tuple[Vocabulary, Vocabulary]
    moving: tuple[str, ...] = ("hidden",)
    """The parts of the model's state that a step changes."""

    @property
    @abstractmethod
    def end(self) -> int:
        """The number of the sign at which sentences begin and end."""

    @property
    def bound(self) -> tuple[int, int]:
        """(a, b): a words are written at most for each of the source, its end among them, and b more."""
        return BOUND

    @property
    def stranger(self) -> str:
        """How a word is numbered that the vocabulary lacks."""
        return "0"

    def export(self) -> Export:
        source, (each, more) = torch.full((2, 5), self.end, device=self.run.device), self.bound
        about = {
            "task": "translate",
            "how": HOW.format(stranger=self.stranger),
            "pattern": token_pattern(),
            "lower": self.config.lower,
            "source_words": list(self.words[0].symbols),
            "target_words": list(self.words[1].symbols),
            "end": self.end,
            "marks": {"unknown": UNKNOWN, "end": END},
            "longest": f"{each} * width + {more} words" if each else f"{more} words",
        }
        return Export(
            GreedyTranslator(self.model, self.end, self.bound, self.moving),
            (source, torch.tensor([5, 3], device=self.run.device)),
            ("source", "lengths"),
            ("words", "log_probability"),
            about,
            lengths={"source": "width"},
        )
