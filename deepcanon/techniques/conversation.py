"""What is done with a model of dialogues apart from training it: perplexity, slots that are known, replies, pictures.

A recipe inherits `Converses` before `engine.Recipe`; its data are dialogues, its options include `tokens`, `lower`,
`minimum_count`, `vocabulary`, `longest` and `beam`, and it holds a `model` like `sequence.hred.HRED`. A dialogue is one
stream of words in which the sentence end of the vocabulary closes each turn, and with which the stream begins.

A perplexity is per word, ends of turns among them. Held-out dialogues that occur in the training set too are measured
apart: `perplexity_all` has them, no other score does.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from deepcanon.data import DataError, Problem
from deepcanon.data.dialogues import SEPARATOR
from deepcanon.data.splits import Dataset
from deepcanon.engine.contract import Encodes, Exports, Facts, Metrics
from deepcanon.engine.export import Export
from deepcanon.engine.figures import Line, Panels, Passage, Plot
from deepcanon.engine.language import Primed, Speaks, refuse_idle
from deepcanon.engine.run import Run
from deepcanon.errors import UsageError
from deepcanon.parts.decoding import beam_search
from deepcanon.parts.language_models import bits_per_character, continuations, perplexity
from deepcanon.parts.tokenization import detokenize, tokenize
from deepcanon.parts.turns import Turns, turns_of
from deepcanon.parts.vocabulary import END, Vocabulary
from deepcanon.sequence.hred import StepCell, Talk
from deepcanon.verb_options import TextSampling

__all__ = ["Converses", "Streams"]

WORDS = 8000  # of dialogues that are read together, pads among them
LONGEST = 60  # words of a turn that `predict` writes
BEAMS = 256  # turns that are followed at a time
ROWS = 2048  # words whose logits exist at a time
FIRST, TALKS = 8, 50  # turns by whose number the gain is told, and dialogues that it is the mean of
SURPRISE = "Held-out dialogues: the stronger the colour, the less was a word expected, given all turns before it."
GAIN = "Bits per word of a turn by its number: below the others lies what has read all turns before it, if that helps."


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


class Converses(Speaks, Encodes, Exports):
    """The verbs of a recipe that holds a model of dialogues."""

    first: ClassVar[int] = 1
    model: Any

    @classmethod
    def units(cls, config: Any) -> Mapping[str, str]:
        per = "per word (with ends of turns)"
        unit = {name: per for name in ("perplexity", "perplexity_all")}
        return {"nll": f"nats {per}", **unit, "perplexity_of_words": "per word (without ends of turns)"}

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
    def word_facts(cls, config: Any, data: Dataset) -> Facts:
        """The words that training dialogues have often enough, and how often each occurs.

        Raises:
            DataError: a dialogue has more words than `longest`.
            UsageError: no word occurs often enough.
        """
        for split, part in data.splits.items():
            for number, turns in enumerate(part.x, 1):
                if (words := sum(len(cls.words_of(config, turn)) + 1 for turn in turns)) > config.longest:
                    raise DataError(_too_long(f"dialogue {number} of {split}", words, config.longest))
        text = "".join(cls.lines_of(config, turns) for turns in data["train"].x)
        vocabulary = Vocabulary.build(text, "words", config.minimum_count, config.vocabulary)
        if len(vocabulary) < 3:
            what = f"no word of the dialogues occurs {config.minimum_count} times"
            raise UsageError(f"{what}: lower --minimum-count, or give more dialogues")
        # One more of each: what never occurs may be asked for, and must be drawn now and then.
        counts = vocabulary.encode(text).bincount(minlength=len(vocabulary)) + 1
        return {"vocabulary": vocabulary.to_json(), "counts": counts}

    def begin(self) -> None:
        for split in ("valid", "test"):
            if split not in self.run.data or not (leaked := int((part := self.run.data[split]).leaked.sum())):
                continue
            if leaked < len(part):
                self.run.say(f"{split}: {leaked:,} dialogues that are in train too count in perplexity_all alone")
            else:
                self.run.say(f"{split}: all dialogues are in train too: its scores say nothing of others")

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
            self._encoded[split] = [self.numbers(turns) for turns in self.run.data[split].x]
        return self._encoded[split]

    _encoded: dict[str, list[Tensor]]

    def portions(self, rows: Sequence[Tensor]) -> Iterator[list[int]]:
        """Streams of similar length, some at a time."""
        order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
        while order:
            count = max(1, WORDS // max(1, len(rows[order[-1]])))
            yield order[-count:]
            order = order[:-count]

    # Measures

    @torch.no_grad()
    def nats(self, rows: Sequence[Tensor]) -> list[Tensor]:
        """-log p of each word of each stream, float64 on the CPU."""
        found: list[Tensor] = [torch.zeros(0)] * len(rows)
        for part in self.portions(rows):
            streams = Streams.of([rows[place] for place in part], self.model.end)
            readout = self.readout(streams)
            wanted = self.run.to(streams.targets.flatten()[streams.places()])
            each = [
                F.cross_entropy(self.model.output(r).float(), y, reduction="none").double()
                for r, y in zip(readout.split(ROWS), wanted.split(ROWS), strict=True)
            ]
            for place, nats in zip(part, torch.cat(each).cpu().split(streams.lengths.tolist()), strict=True):
                found[place] = nats
        return found

    def readout(self, streams: Streams) -> Tensor:
        """r at the real words of streams, [words, readout]."""
        inputs, places = self.run.to(streams.inputs), self.run.to(streams.places())
        return self.model(inputs, streams.turns.moved(self.run.to)).flatten(0, 1).index_select(0, places)

    def nll(self, texts: Sequence[Tensor]) -> list[float]:
        return [float(nats.mean()) for nats in self.nats([text[1:].cpu() for text in texts])]

    def evaluate(self, split: str) -> Metrics:
        rows, part = self.encoded(split), self.run.data[split]
        nats = self.nats(rows)
        own = (~part.leaked).nonzero()[:, 0].tolist() or [*range(len(rows))]
        each, words = torch.cat([nats[row] for row in own]), torch.cat([rows[row] for row in own])
        mean = float(each.mean())
        found = {"nll": mean, "perplexity": perplexity(mean)}
        found["perplexity_of_words"] = perplexity(float(each[words != self.model.end].mean()))
        if len(own) < len(rows):
            found["perplexity_all"] = perplexity(float(torch.cat(nats).mean()))
        if unknown := int((words == self.vocabulary.unknown).sum()):
            found["unknown"] = unknown / len(words)
        return found | self.of_slots(rows, part.x)

    def of_slots(self, rows: Sequence[Tensor], dialogues: Sequence[Sequence[str]]) -> dict[str, float]:
        """The share of words that are predicted where only the source knows what must follow, by its names."""
        where = self.run.data.truth.get("slots")
        right: dict[str, list[bool]] = {}
        for part in self.portions(rows) if where else ():
            streams = Streams.of([rows[place] for place in part], self.model.end)
            best = torch.cat([self.model.output(r).argmax(1) for r in self.readout(streams).split(ROWS)]).cpu()
            hits = (best == streams.targets.flatten()[streams.places()]).split(streams.lengths.tolist())
            for place, hit in zip(part, hits, strict=True):
                begins = [0, *(1 + (rows[place] == self.model.end).nonzero()[:, 0]).tolist()]
                for name, slots in where(dialogues[place]).items():
                    right.setdefault(name, []).extend(bool(hit[begins[turn] + word]) for turn, word in slots)
        return {name: sum(hits) / len(hits) for name, hits in right.items() if hits}

    # Answers

    def primed(self, tokens: Tensor) -> Primed:
        return Primed(self.model.step, self.model.read(tokens[None, :-1]) if len(tokens) > 1 else self.model.begin(1))

    def heard(self, turns: Sequence[str]) -> Tensor:
        """The stream of complete turns, on the run's device, with the sign that it begins with."""
        return self.run.to(torch.cat([torch.tensor([self.model.end]), self.numbers(turns)]))

    def turns_in(self, prompt: str) -> list[str]:
        """The turns of a prompt in the form of a line of a file.

        Raises:
            DataError: a turn is empty.
        """
        if not prompt.strip():
            return []
        separator = self.facts["reader"].get("separator", SEPARATOR)
        turns = [turn.strip() for turn in prompt.strip().split(separator)]
        turns = turns if turns[-1] else turns[:-1]
        for number, turn in enumerate(turns, 1):
            if not turn:
                what = f"has nothing in turn {number}"
                raise DataError(Problem("--prompt", "", what, f"remove one {separator!r}, or fill it", skippable=False))
        return turns

    def strangers(self, turns: Sequence[str]) -> list[str]:
        """Words that training had too rarely, each once; they are read as unknown."""
        return self.vocabulary.strangers(self.lines_of(self.config, turns))

    def generate(
        self, asked: TextSampling, generator: torch.Generator | None, tell: Callable[[str], None] | None = None
    ) -> list[dict[str, Any]]:
        """Turns that may follow those of the prompt; the first turn of a dialogue without one."""
        refuse_idle(asked)
        if 0 < asked.rank < asked.count:
            raise UsageError(f"--rank {asked.rank} draws fewer turns than --count {asked.count} keeps")
        turns = self.turns_in(asked.prompt)
        found, unknown = self.replies(self.heard(turns), asked, generator), self.strangers(turns)
        if tell:
            tell(found[0]["text"])
        return [{**one, **({"unknown": unknown} if unknown else {})} for one in found]

    def replies(self, tokens: Tensor, asked: TextSampling, generator: torch.Generator | None) -> list[dict[str, Any]]:
        """{text, score} of turns that follow a stream."""
        step, state, logits, axis = self.primed(tokens)
        options = {**vars(asked), "prompt": "", "stop": () if asked.beam else (*asked.stop, "\n")}
        found = continuations(
            step, tokens, state, self.vocabulary, generator, logits=logits, state_axis=axis, **options
        )  # fmt: skip
        return [{**one, "text": self.written(one["text"])} for one in found]

    def written(self, text: str) -> str:
        """A turn of words as people write it."""
        words = text.split()
        return detokenize(words) if self.config.tokens == "marks" else " ".join(words)

    def predict(self, inputs: list[Sequence[str]]) -> list[dict[str, Any]]:
        """How well each dialogue is predicted, and its likeliest next turn by beam search."""
        rows, found = [self.numbers(turns) for turns in inputs], []
        for turns, row, nats, text in zip(inputs, rows, self.nats(rows), self.likeliest(rows), strict=True):
            mean, written = float(nats.mean()), self.vocabulary.characters([self.lines_of(self.config, turns)])
            scores = {
                "value": mean,
                "unit": self.units(self.config)["nll"],
                "perplexity": perplexity(mean),
                "bits_per_character": bits_per_character(mean, len(row), written),
            }
            counts = {"tokens": len(row), "unknown": len(self.strangers(turns))}
            found.append({"text": text, **scores, **counts})
        return found

    def likeliest(self, rows: Sequence[Tensor]) -> list[str]:
        """The likeliest next turn of each stream of complete turns, found by beam search."""
        end, found = self.model.end, [""] * len(rows)
        size = max(1, BEAMS // self.config.beam)
        for part in (some[at : at + size] for some in self.portions(rows) for at in range(0, len(some), size)):
            streams = Streams.of([rows[place] for place in part], end)
            state = self.model.read(self.run.to(streams.inputs), self.run.to(streams.lengths))
            start = torch.full((len(part),), end, device=self.run.device)
            kept = beam_search(
                self.model.step, start, state, beam=self.config.beam, length=LONGEST, end=end,
                forbidden=(self.vocabulary.unknown,), logits=True,
            )  # fmt: skip
            for place, tokens, length in zip(part, kept.tokens[:, 0], kept.lengths[:, 0], strict=True):
                found[place] = self.written(self.vocabulary.decode(tokens[:length]))
        return found

    def surprises(self, text: Any) -> list[tuple[str, float]]:
        """The words of a dialogue, the end of a turn as "\\n", and -log p of each after all those before it."""
        row = self.numbers(text)
        symbols = [self.vocabulary.symbols[number] for number in row.tolist()]
        shown = ["\\n" if symbol == END else symbol for symbol in symbols]
        return list(zip(shown, self.nats([row])[0].tolist(), strict=True))

    def encode(self, inputs: list[Sequence[str]]) -> Tensor:
        """The state of the dialogue after each input: s of the model; the decoder's, if it has no s."""
        states = [self.model.read(self.heard(turns)[None]) for turns in inputs]
        return torch.cat([one.decoder if self.model.context == "stream" else one.session for one in states])

    def export(self) -> Export:
        """One step: a word and the state to the logits of the next word and the next state."""
        state = self.model.begin(1)
        names = Talk._fields
        about = {
            "task": "one step of a dialogue: feed the word and the state, choose from softmax(logits), feed back",
            "start": f"all states zero, begun false, and {END} as the first word, which also closes every turn",
            "unknown": self.vocabulary.unknown,
            **self.vocabulary.to_json(),
        }
        inputs = (torch.full((1,), self.model.end, device=self.run.device), *(part.clone() for part in state))
        return Export(StepCell(self.model), inputs, ("word", *names), ("logits", *(f"next_{n}" for n in names)), about)

    # Pictures

    def figures(self) -> dict[str, Any]:
        dialogues, part = self.run.data[self.run.pictured], self.run.pictured
        rows = [row for row, leaked in zip(self.encoded(part), dialogues.leaked.tolist(), strict=True) if not leaked]
        rows = rows or self.encoded(part)
        return {"surprise": self.surprise_of(rows), "gain": self.gain(rows[:TALKS])}

    def surprise_of(self, rows: Sequence[Tensor]) -> Panels:
        """The first dialogues of a middling length, coloured by how much each word surprised the model."""
        middle = sorted(len(row) for row in rows)[len(rows) // 2]
        few = [row for row in rows if len(row) <= middle][:2]
        panels = []
        for row, nats in zip(few, self.nats(few), strict=True):
            symbols = [self.vocabulary.symbols[number] for number in row.tolist()]
            words = ["\n" if symbol == END else symbol for symbol in symbols]
            panels.append(Passage(words, nats / math.log(2), "bits per word", True, most=16.0))
        return Panels(panels, columns=1, caption=SURPRISE)

    def gain(self, rows: Sequence[Tensor]) -> Plot:
        """Bits per word by the number of the turn, of a model that has read all turns before it, the last, or none."""
        turns = [row.split(_lengths(row, self.model.end)) for row in rows]
        lines = []
        for label, before in (("all turns before", FIRST), ("the last turn", 1), ("none", 0)):
            cut = [(n, torch.cat(some[max(0, n - before) : n + 1]), len(some[n]))
                   for some in turns for n in range(min(FIRST, len(some)))]  # fmt: skip
            nats, count = torch.zeros(FIRST, dtype=torch.float64), torch.zeros(FIRST, dtype=torch.float64)
            for (number, _, own), each in zip(cut, self.nats([row for _, row, _ in cut]), strict=True):
                nats[number] += each[-own:].sum()
                count[number] += own
            there = count > 0
            lines.append(Line((nats / count / math.log(2))[there], 1 + there.nonzero()[:, 0], label, style="o-"))
        return Plot(lines, "number of the turn", "bits per word", "what was read before", caption=GAIN)


def _too_long(place: str, words: int, longest: int) -> Problem:
    what = f"has {words:,} words, ends of turns among them, and {longest:,} are the most"
    return Problem("", place, what, "cut it, or train with --longest raised", skippable=False)


def _lengths(row: Tensor, end: int) -> list[int]:
    """Words of each turn of a stream."""
    ends = (row == end).nonzero()[:, 0] + 1
    return torch.diff(ends, prepend=ends.new_zeros(1)).tolist()
