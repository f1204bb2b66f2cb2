"""Dialogues as streams of words: the vocabulary, batches of similar length, and what each word costs a model.

A recipe inherits `DialogueStreams` (by `techniques.conversation`); its data are dialogues, its options include
`tokens`, `lower`, `minimum_count`, `vocabulary`, `longest` and `batch`, and it holds a `model` like
`sequence.hred.HRED`. A dialogue is one stream of words in which the sentence end of the vocabulary closes each turn,
and with which it begins.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from deepcanon.data import DataError, Problem
from deepcanon.data.batches import Buckets
from deepcanon.data.splits import Dataset
from deepcanon.engine.contract import Facts
from deepcanon.engine.run import Run
from deepcanon.errors import UsageError
from deepcanon.parts.tokenization import tokenize
from deepcanon.parts.turns import Turns, turns_of
from deepcanon.parts.vocabulary import Vocabulary

__all__ = ["DialogueStreams", "Streams"]

WORDS = 8000  # of dialogues that are read together, pads among them
ROWS = 2048  # words whose logits exist at a time


class Streams(NamedTuple):
    """Dialogues side by side: inputs and the words that follow them [batch, time], words of each, where turns lie, and
    the sign that closes a turn."""

    inputs: Tensor
    targets: Tensor
    lengths: Tensor
    turns: Turns
    end: int

    @classmethod
    def of(cls, rows: Sequence[Tensor], end: int) -> "Streams":
        """Of streams without the sign that they begin with."""
        lengths = torch.tensor([len(row) for row in rows])
        targets = torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=end)
        inputs = torch.cat([torch.full((len(rows), 1), end), targets[:, :-1]], 1)
        return cls(inputs, targets, lengths, turns_of(inputs, lengths, end), end)

    def mine(self, run: Run) -> "Streams":
        """This process's rows, as wide as the whole."""
        if run.world == 1:
            return self
        inputs, targets, lengths = (part[run.rows(len(self.inputs))] for part in self[:3])
        return Streams(inputs, targets, lengths, turns_of(inputs, lengths, self.end), self.end)

    def places(self) -> Tensor:
        """Where the real words are, among all places."""
        return (torch.arange(self.targets.shape[1]) < self.lengths[:, None]).flatten().nonzero()[:, 0]


class DialogueStreams:
    """Dialogues of a run in numbers."""

    config: Any
    run: Run
    model: Any
    vocabulary: Vocabulary
    _encoded: dict[str, list[Tensor]]
    _buckets: Buckets | None

    @staticmethod
    def words_of(config: Any, turn: str) -> list[str]:
        """The words of a turn, as the model reads them."""
        if config.tokens == "marks":
            return tokenize(turn, config.lower)
        return (turn.lower() if config.lower else turn).split()

    @classmethod
    def lines_of(cls, config: Any, turns: Sequence[str]) -> str:
        """A dialogue as a vocabulary reads it: a line of words for each turn."""
        return "".join(" ".join(cls.words_of(config, turn)) + "\n" for turn in turns)

    @classmethod
    def texts_of(cls, config: Any, dialogues: Sequence[Sequence[str]], split: str) -> list[str]:
        """The lines of all dialogues of a split.

        Raises:
            DataError: one has more words than `longest`.
        """
        texts = [cls.lines_of(config, turns) for turns in dialogues]
        for number, text in enumerate(texts, 1):
            if (words := _length(text)) > config.longest:
                raise DataError(_too_long(f"dialogue {number} of {split}", words, config.longest))
        return texts

    @classmethod
    def word_facts(cls, config: Any, data: Dataset) -> Facts:
        """The words that training dialogues have often enough, and how often each occurs.

        Raises:
            DataError: a dialogue has more words than `longest`.
            UsageError: no word occurs often enough.
        """
        texts = {split: cls.texts_of(config, part.x, split) for split, part in data.splits.items()}
        text = "".join(texts["train"])
        vocabulary = Vocabulary.build(text, "words", config.minimum_count, config.vocabulary)
        if len(vocabulary) < 3:
            what = f"no word of the dialogues occurs {config.minimum_count} times"
            raise UsageError(f"{what}: lower --minimum-count, or give more dialogues")
        # One more of each: what never occurs may be asked for, and must be drawn now and then.
        counts = vocabulary.encode(text).bincount(minlength=len(vocabulary)) + 1
        return {"vocabulary": vocabulary.to_json(), "counts": counts}

    # From dialogues to numbers

    def numbers(self, turns: Sequence[str]) -> Tensor:
        """The stream of a dialogue without the sign that it begins with.

        Raises:
            DataError: it has more words than `longest`.
        """
        found = self.vocabulary.encode(self.lines_of(self.config, turns))
        if len(found) > self.config.longest:
            raise DataError(_too_long("", len(found), self.config.longest))
        return found

    def encoded(self, split: str) -> list[Tensor]:
        """The streams of a split, once."""
        if split not in self._encoded:
            texts = self.texts_of(self.config, self.run.data[split].x, split)
            tokens = self.vocabulary.encode("".join(texts))
            self._encoded[split] = list(tokens.split([_length(text) for text in texts]))
        return self._encoded[split]

    def batch(self, step: int) -> Streams:
        """This process's dialogues of a training step, which have similar lengths."""
        rows = self.encoded("train")
        if self._buckets is None:
            lengths = torch.tensor([len(row) for row in rows])
            self._buckets = Buckets(lengths, self.config.batch, self.run.seed, "order")
        # As wide as the global batch, so that dropout masks of several processes are those of one.
        chosen = self._buckets.rows(step).tolist()
        return Streams.of([rows[row] for row in chosen], self.model.end).mine(self.run)

    def portions(self, rows: Sequence[Tensor]) -> Iterator[list[int]]:
        """Streams of similar length, some at a time."""
        order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
        while order:
            count = max(1, WORDS // max(1, len(rows[order[-1]])))
            yield order[-count:]
            order = order[:-count]

    def nats(self, rows: Sequence[Tensor]) -> list[Tensor]:
        """-log p of each word of each stream, float64 on the CPU."""
        return [nats for nats, _ in self.predicted(rows)]

    @torch.no_grad()
    def predicted(self, rows: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Of each word of each stream -log p, float64, and whether no other word is likelier; on the CPU."""
        found = [(torch.zeros(0), torch.zeros(0))] * len(rows)
        for part in self.portions(rows):
            streams = Streams.of([rows[place] for place in part], self.model.end)
            readout = self.readout(streams)
            wanted = self.run.to(streams.targets.flatten()[streams.places()])
            nats, hits = [], []
            for r, y in zip(readout.split(ROWS), wanted.split(ROWS), strict=True):
                logits = self.model.output(r).float()
                nats.append(F.cross_entropy(logits, y, reduction="none").double())
                hits.append(logits.argmax(1) == y)
            sizes = streams.lengths.tolist()
            both = (torch.cat(each).cpu().split(sizes) for each in (nats, hits))
            for place, *each in zip(part, *both, strict=True):
                found[place] = (each[0], each[1])
        return found

    def readout(self, streams: Streams) -> Tensor:
        """r at the real words of streams, [words, readout]."""
        inputs, places = self.run.to(streams.inputs), self.run.to(streams.places())
        return self.model(inputs, streams.turns.moved(self.run.to)).flatten(0, 1).index_select(0, places)


def _length(text: str) -> int:
    """Words of the lines of a dialogue, ends of turns among them."""
    return len(text.split()) + text.count("\n")


def _too_long(place: str, words: int, longest: int) -> Problem:
    what = f"has {words:,} words, ends of turns among them, and {longest:,} are the most"
    return Problem("", place, what, "cut it, or train with --longest raised", skippable=False)
