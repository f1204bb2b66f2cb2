"""Translators that learn from words of their own: either network, what they draw while they learn, how long they write.

A recipe subclasses `OwnWords`, whose Config is `model_options.OwnWordsTraining` with fields of its own. Words are drawn
by uniform numbers of the global batch, a row for each sentence, so that several processes draw those of one; and
without dropout, as translations are written.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from deepcanon.data.splits import Dataset
from deepcanon.engine.contract import Facts
from deepcanon.model_options import OwnWordsTraining
from deepcanon.parts.masks import real_positions
from deepcanon.parts.tokenization import tokenize
from deepcanon.sequence.attention import AttentionSeq2Seq
from deepcanon.sequence.scheduled_sampling import mixed
from deepcanon.sequence.seq2seq import Seq2Seq
from deepcanon.sequence.sequence_level_training import sentence_bleu
from deepcanon.techniques.translation import Translation

__all__ = ["OwnWords", "Written"]

LONGER = 5
"""Words that a sentence may have more than the longest reference of its batch."""

C = TypeVar("C", bound=OwnWordsTraining)


class Written(NamedTuple):
    """Sentences that a model has written [B, W], their words with the ends [B], and what it says of them.

    log_probabilities [B, W] have gradients; states [B, W, R] are the readouts that wrote the words.
    """

    words: Tensor
    counts: Tensor
    log_probabilities: Tensor
    states: Tensor


class OwnWords(Translation[C]):
    """A translator of one of both kinds."""

    @classmethod
    def learn(cls, config: C, data: Dataset) -> Facts:
        train: Any = data["train"]
        longest = max(len(tokenize(text, config.lower)) for text in train.targets)
        return {**super().learn(config, data), "longest_target": longest}

    def network(self, words: tuple[int, int]) -> nn.Module:
        c = self.config
        sizes = {"embedding_size": c.embedding, "dropout": c.dropout, "device": self.run.device}
        kind = Seq2Seq if c.network == "seq2seq" else AttentionSeq2Seq
        return kind(words[0], words[1], c.hidden, **sizes)

    def longest_answer(self, words: int) -> int:
        """As of all translators, but never less than the longest target to learn from: some sources are short."""
        return max(super().longest_answer(words), self.facts["longest_target"] + 1)

    @contextlib.contextmanager
    def drawing(self) -> Iterator[None]:
        """Without dropout, as long as words are drawn."""
        self.model.eval()
        yield
        self.model.train()

    def written(self, source: Tensor, lengths: Tensor, true: Tensor, heads: Tensor, numbers: Tensor) -> Written:
        """Sentences with the true words up to a boundary, and drawn ones behind it up to their end.

        Args:
            true: words of the references, [B, T], which end in the sign of the end.
            heads: how many of them each sentence begins with.
            numbers: uniform, [B, T + LONGER + 1], by which words are drawn.
        """
        begin, more = true.new_full((len(true), 1), self.end), true.new_full((len(true), LONGER), self.end)
        given = torch.cat([begin, true, more], 1)
        keep = real_positions(heads + 1, given.shape[1])
        with torch.no_grad():
            read = mixed(self.model.step, self.model.start(source, lengths), given, keep, numbers)
        words, width = read[:, 1:], read.shape[1] - 1
        ends = words == self.end
        counts = torch.where(ends.any(1), ends.int().argmax(1) + 1, width)
        states, _ = self.model(source, lengths, read[:, :-1])
        chances = self.model.output(states).log_softmax(2).gather(2, words[:, :, None])[:, :, 0]
        return Written(words, counts, chances, states)

    def scored(self, written: Written, references: Sequence[Sequence[int]]) -> Tensor:
        """The BLEU of each written sentence [B], on the device; what is compared stands on the host."""
        rows = (row[:count] for row, count in zip(written.words.tolist(), written.counts.tolist(), strict=True))
        plain = [row[:-1] if row[-1] == self.end else row for row in rows]
        scores = [sentence_bleu(row, reference) for row, reference in zip(plain, references, strict=True)]
        return self.run.to(torch.tensor(scores))
