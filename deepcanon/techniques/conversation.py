"""What is done with a model of dialogues apart from training it: perplexity, slots that are known, replies, pictures.

A recipe inherits `Converses` before `engine.Recipe`; its options are those of `techniques.dialogue_streams`, and
`beam`.

A perplexity is per word, ends of turns among them. Held-out dialogues that occur in the training set too are measured
apart: `perplexity_all` has them, no other score does. `perplexity_new` leaves out those too of which a quarter or more
is in train, by stretches of eight words: what remembers its training set word by word is good at them alone.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from deepcanon.data import DataError, Problem
from deepcanon.data.dialogues import SEPARATOR
from deepcanon.engine.contract import Encodes, Exports, Metrics
from deepcanon.engine.export import Export
from deepcanon.engine.figures import Line, Panels, Passage, Plot
from deepcanon.engine.language import Primed, Speaks, refuse_idle
from deepcanon.errors import UsageError
from deepcanon.parts.decoding import beam_search
from deepcanon.parts.language_models import bits_per_character, continuations, perplexity
from deepcanon.parts.tokenization import detokenize
from deepcanon.parts.vocabulary import END, Vocabulary
from deepcanon.sequence.hred import StepCell, Talk, Writing
from deepcanon.techniques.dialogue_streams import DialogueStreams, Streams
from deepcanon.verb_options import TextSampling

__all__ = ["Converses"]

LONGEST = 60  # words of a turn that `predict` writes
BEAMS = 256  # turns that are followed at a time
FIRST, TALKS = 8, 50  # turns by whose number the gain is told, and dialogues that it is the mean of
SURPRISE = "Held-out dialogues: the stronger the colour, the less was a word expected, given all turns before it."
GAIN = "Bits per word of a turn by its number: below the others lies what has read all turns before it, if that helps."


class Converses(DialogueStreams, Speaks, Encodes, Exports):
    """The verbs of a recipe that holds a model of dialogues."""

    first: ClassVar[int] = 1
    model: Any
    vocabulary: Vocabulary

    @classmethod
    def units(cls, config: Any) -> Mapping[str, str]:
        per = "per word (with ends of turns)"
        unit = {name: per for name in ("perplexity", "perplexity_all", "perplexity_new")}
        return {"nll": f"nats {per}", **unit, "perplexity_of_words": "per word (without ends of turns)"}

    def begin(self) -> None:
        for split in ("valid", "test"):
            if split not in self.run.data or not (leaked := int((part := self.run.data[split]).leaked.sum())):
                continue
            if leaked < len(part):
                self.run.say(f"{split}: {leaked:,} dialogues that are in train too count in perplexity_all alone")
            else:
                self.run.say(f"{split}: all dialogues are in train too: its scores say nothing of others")

    # Measures

    def nll(self, texts: Sequence[Tensor]) -> list[float]:
        return [float(nats.mean()) for nats in self.nats([text[1:].cpu() for text in texts])]

    def evaluate(self, split: str) -> Metrics:
        rows, part = self.encoded(split), self.run.data[split]
        nats, hits = zip(*self.predicted(rows), strict=True)
        own = (~part.leaked).nonzero()[:, 0].tolist() or [*range(len(rows))]
        each, words = torch.cat([nats[row] for row in own]), torch.cat([rows[row] for row in own])
        mean = float(each.mean())
        found = {"nll": mean, "perplexity": perplexity(mean)}
        found["perplexity_of_words"] = perplexity(float(each[words != self.model.end].mean()))
        if len(own) < len(rows):
            found["perplexity_all"] = perplexity(float(torch.cat(nats).mean()))
        new = (~part.leaked & ~part.near).nonzero()[:, 0].tolist()
        if 0 < len(new) < len(own):
            found["perplexity_new"] = perplexity(float(torch.cat([nats[row] for row in new]).mean()))
        if unknown := int((words == self.vocabulary.unknown).sum()):
            found["unknown"] = unknown / len(words)
        return found | self.of_slots(rows, part.x, hits)

    def of_slots(
        self, rows: Sequence[Tensor], dialogues: Sequence[Sequence[str]], hits: Sequence[Tensor]
    ) -> dict[str, float]:
        """The share of words that are predicted where only the source knows what must follow, by its names.

        Args:
            hits: of each stream whether its words are the likeliest.
        """
        where = self.run.data.truth.get("slots")
        right: dict[str, list[bool]] = {}
        for row, turns, hit in zip(rows, dialogues, hits, strict=True) if where else ():
            begins = [0, *(1 + (row == self.model.end).nonzero()[:, 0]).tolist()]
            for name, slots in where(turns).items():
                right.setdefault(name, []).extend(bool(hit[begins[turn] + word]) for turn, word in slots)
        return {name: sum(some) / len(some) for name, some in right.items() if some}

    # Answers

    def primed(self, tokens: Tensor) -> Primed:
        """The model before the first word of a turn, after the complete ones of a stream, which ends in END."""
        return Primed(self.model.write, self.model.listen(tokens[None]))

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

    def predict(self, inputs: Any) -> list[dict[str, Any]]:
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
            state = self.listened([rows[place] for place in part])
            start = torch.full((len(part),), end, device=self.run.device)
            kept = beam_search(
                self.model.write, start, state, beam=self.config.beam, length=LONGEST, end=end,
                forbidden=(self.vocabulary.unknown,), logits=True,
            )  # fmt: skip
            for place, tokens, length in zip(part, kept.tokens[:, 0], kept.lengths[:, 0], strict=True):
                found[place] = self.written(self.vocabulary.decode(tokens[:length]))
        return found

    def listened(self, rows: Sequence[Tensor]) -> Writing:
        """The model after streams of complete turns, given without the sign that they begin with."""
        streams = Streams.of(rows, self.model.end)
        words = torch.cat([streams.inputs, streams.targets[:, -1:]], 1)  # a stream's last word too
        return self.model.listen(self.run.to(words), self.run.to(streams.lengths + 1))

    def surprises(self, text: Any) -> list[tuple[str, float]]:
        """The words of a dialogue, the end of a turn as "\\n", and -log p of each after all those before it."""
        row = self.numbers(text)
        symbols = [self.vocabulary.symbols[number] for number in row.tolist()]
        shown = ["\\n" if symbol == END else symbol for symbol in symbols]
        return list(zip(shown, self.nats([row])[0].tolist(), strict=True))

    def alternatives(self, text: str, count: int) -> list[tuple[str, float, list[tuple[str, float]]]]:
        """Nothing: a turn alone does not say which dialogue it answers."""
        return []

    def encode(self, inputs: list[Sequence[str]]) -> Tensor:
        """The state of the dialogue after each input: s of the model; the decoder's, if it has no s."""
        rows = [self.numbers(turns) for turns in inputs]
        found = [torch.zeros(0)] * len(rows)
        for part in self.portions(rows):
            state = self.listened([rows[place] for place in part])
            if self.model.context == "stream":
                _, state = self.model.write(torch.full((len(part),), self.model.end, device=self.run.device), state)
            codes = state.decoder if self.model.context == "stream" else state.session
            for place, code in zip(part, codes, strict=True):
                found[place] = code
        return torch.stack(found)

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


def _lengths(row: Tensor, end: int) -> list[int]:
    """Words of each turn of a stream."""
    ends = (row == end).nonzero()[:, 0] + 1
    return torch.diff(ends, prepend=ends.new_zeros(1)).tolist()
