"""What is done with a language model of poems apart from training it: perplexity of whole poems, poems that it writes.

A recipe whose vocabulary has a `closing` symbol inherits `Verse` before `engine.Recipe`; its data are documents, one a
poem, and its options include `longest`, `written` and `ngram`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from deepcanon.engine.contract import Metrics
from deepcanon.engine.figures import Text
from deepcanon.engine.language import Speaks
from deepcanon.parts.language_models import perplexity
from deepcanon.sequence import poem
from deepcanon.sequence.ngram_lm import NgramLM
from deepcanon.verb_options import TextSampling

__all__ = ["Verse"]

SAMPLE = "Poems written by the model: they should have the form of the training poems, and no line of them."


class Verse(Speaks):
    """The verbs of a recipe that holds a model of poems."""

    first = 1
    pictured: ClassVar[int] = 4
    """Poems in the picture."""
    counted: NgramLM | None = None
    training: poem.TrainingPoems | None = None

    @classmethod
    def units(cls, config: Any) -> Mapping[str, str]:
        per = "per character (with the ends of poems)"
        return {"nll": f"nats {per}", "perplexity": per, "kneser_ney": per}

    def closed(self, text: str) -> Tensor:
        """The numbers of a poem and of the closing symbol after it."""
        return self.vocabulary.encode(text.rstrip("\n" + poem.CLOSING) + poem.CLOSING)

    def read(self, text: str) -> Tensor:
        """The same after the closing symbol that precedes it."""
        tokens = self.closed(text)
        return self.run.to(torch.cat([tokens[-1:], tokens]))

    def evaluate(self, split: str) -> Metrics:
        texts = [self.read(text) for text in self.run.data[split].x]
        counts = torch.tensor([len(text) - 1 for text in texts]).double()
        nll = float(torch.tensor(self.measured(texts), dtype=torch.float64) @ counts / counts.sum())
        found = self.scores(nll, torch.cat([text[1:] for text in texts]))
        written = [one["text"] for one in self.written(self.config.written, "written")]
        if self.training is None:
            self.training = poem.training_poems(self.run.data["train"].x)
        found |= poem.writing_measures(written, self.training)
        if split == "test" and self.config.ngram:
            theirs = self.kneser_ney(texts)
            found |= {"kneser_ney": perplexity(theirs), "ratio": perplexity(nll - theirs)}
        return found

    def kneser_ney(self, texts: list[Tensor]) -> float:
        """Nats per character of the Kneser-Ney model of the training poems."""
        if self.counted is None:
            self.counted = NgramLM(len(self.vocabulary), self.config.ngram, end=self.vocabulary.end)
            self.counted.fit(torch.cat([self.closed(text) for text in self.run.data["train"].x]))
        return -float(self.counted(torch.cat([text[1:] for text in texts]).cpu()[None]).mean())

    def written(self, count: int, stream: str) -> list[dict[str, Any]]:
        """Poems that are drawn, up to twice as long as the longest that was learned from."""
        length = min(self.config.longest, 2 * max(map(len, self.run.data["train"].x)))
        return self.generate(self.asked(count=count, length=length), self.run.generator(stream))

    def figures(self) -> dict[str, Any]:
        return {"sample": Text("\n\n".join(one["text"] for one in self.written(self.pictured, "sample")), SAMPLE)}

    def generate(
        self, asked: TextSampling, generator: torch.Generator | None, tell: Callable[[str], None] | None = None
    ) -> list[dict[str, Any]]:
        """Poems, each up to its end; of a beam search the likeliest. `tell` is given the only one piece by piece."""
        stop = asked.stop if asked.beam else (*asked.stop, poem.CLOSING)
        found = super().generate(replace(asked, stop=stop), generator, tell)
        return [{**one, "text": one["text"].rstrip(poem.CLOSING)} for one in found]
