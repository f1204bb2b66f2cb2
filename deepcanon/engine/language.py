"""What is done with a language model apart from training it: measured, sampled, asked.

The update is the recipe's own. The rest is the same for every model of the next token over a vocabulary: a recipe holds
`vocabulary`, says what its tokens cost (`nll`) and how it is primed with a prompt (`primed`), and inherits the verbs.
"""

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from deepcanon.data import DataError, Problem
from deepcanon.data.large_text import LargeText
from deepcanon.data.pieces import Pieces
from deepcanon.data.tokens import Tokens
from deepcanon.engine.contract import Generates, Metrics, Predicts
from deepcanon.engine.export import Export
from deepcanon.engine.figures import Passage, Text
from deepcanon.engine.initial import Start
from deepcanon.engine.run import Run
from deepcanon.engine.vocabularies import build_vocabulary, named, numbered, told
from deepcanon.errors import UsageError
from deepcanon.options import LargeTokens
from deepcanon.parts.decoding import Step
from deepcanon.parts.language_models import bits_per_character, border, continuations, perplexity
from deepcanon.parts.vocabulary import END, UNKNOWN, Vocabulary
from deepcanon.verb_options import TextSampling

__all__ = ["Primed", "Speaks", "build_vocabulary", "step_export"]


PER = {
    "characters": "per character (with line ends)",
    "words": "per word (with sentence ends)",
    "pieces": "per piece (with line ends)",
}
"""What a perplexity is per, and which ends are counted among the tokens, by unit."""
SAMPLE = "Text written by the model: it should look like the training text, without copying or repeating."


@lru_cache(maxsize=8)
def _characters(text: "str | LargeText", vocabulary: Vocabulary, first: int) -> int:
    """The characters of a text from the token `first` on, as the tokens write it."""
    if vocabulary.unit == "characters":
        return len(text) - first
    pieces = [text] if isinstance(text, str) else text.strings("characters that are counted")
    return vocabulary.characters(pieces, first)


SHOWN = {"characters": (400, 8.0), "words": (90, 16.0), "pieces": (160, 12.0)}
"""By unit: tokens of a text that figures show, and the bits of the strongest colour."""
SURPRISE = "A held-out text: the stronger the colour, the less was a token expected. What good models know has none."


class Primed(NamedTuple):
    """A model that has read a prompt up to its last token: what sampling and beam search need of it."""

    step: Step
    state: Any
    logits: bool = True
    """Whether `step` gives logits, not log probabilities."""
    state_axis: int = 0
    """The axis of the rows in the state."""


class Speaks(Predicts, Generates):
    """The verbs of a recipe that holds a language model."""

    asked: ClassVar[type[TextSampling]] = TextSampling
    first: ClassVar[int] = 0
    """The first token of a text that the model predicts: 1 if it needs a first token as input."""
    temperature: ClassVar[float] = 1.0
    """Of the sample that is drawn at each evaluation."""

    config: Any
    facts: dict[str, Any]
    run: Run
    vocabulary: Vocabulary
    start: Start | None = None
    """The weights that the run begins with, if `build` has made any."""

    @classmethod
    def units(cls, config: Any) -> Mapping[str, str]:
        per = PER[config.unit]
        kinds = {"nll": f"nats {per}", "perplexity": per}
        return {f"{of}{name}": unit for of in ("", "ngram_", "mixed_", "valid_") for name, unit in kinds.items()}

    @property
    def preprocess(self) -> Callable[[str], Tensor]:
        return self.vocabulary.encode

    @abstractmethod
    def nll(self, texts: Sequence[Tensor]) -> list[float]:
        """Nats per token of each text [tokens], from the token `first` on."""

    @abstractmethod
    def primed(self, tokens: Tensor) -> Primed:
        """The model after all tokens of a prompt but the last, of which there is at least one."""

    def tokens(self, split: str) -> "Tensor | Tokens":
        """The text of a split in numbers."""
        return numbered(self.run.data[split].x, self.vocabulary)

    @property
    def evaluated(self) -> int:
        """Tokens that an evaluation reads at most; 0: all."""
        return self.config.evaluated if isinstance(self.config, LargeTokens) else 0

    def part_of(self, split: str) -> str:
        """What an evaluation reads of a split, as a line; "" if it reads all."""
        count = len(self.tokens(split)) if self.evaluated else 0
        if count <= self.evaluated + self.first:
            return ""
        return f"{split}: measured on the first {self.evaluated:,} of {count:,} {self.vocabulary.unit}"

    def begin(self) -> None:
        """Copies initial weights, and says what is told of the vocabulary and which splits are measured in part."""
        if self.start:
            self.start.load(self.run)
        for line in told(self.facts, self.vocabulary):
            self.run.say(line)
        for split in ("valid", "test"):
            if split in self.run.data and (part := self.part_of(split)):
                self.run.say(f"{part} (--evaluated 0: all)")

    def read(self, text: str) -> Tensor:
        """The numbers of a text, after the token that precedes it if the model needs one."""
        tokens = self.vocabulary.encode(text)
        before = tokens.new_tensor([border(self.vocabulary, self.vocabulary.unknown)])
        return self.run.to(torch.cat([before[: self.first], tokens]))

    def measured(self, texts: "Sequence[Tensor | Tokens]") -> list[float]:
        """The `nll` of each text; DataError if one is too short."""
        if any(len(tokens) <= self.first for tokens in texts):
            raise DataError(Problem("", "", "the text is too short to predict a token", "give a longer text"))
        return self.nll([tokens.to(self.run.device) for tokens in texts])  # type: ignore[misc]

    def part(self, split: str) -> "tuple[Tensor | Tokens, str | LargeText]":
        """What an evaluation reads of a split: the tokens, and the text; "" if that is not all of it."""
        tokens = self.tokens(split)
        if self.part_of(split):
            return tokens[: self.evaluated + self.first], ""
        return tokens, self.run.data[split].x

    def evaluate(self, split: str) -> Metrics:
        tokens, text = self.part(split)
        (nll,) = self.measured([tokens])
        return self.scores(nll, tokens, text)

    def scores(self, nll: float, tokens: "Tensor | Tokens", text: "str | LargeText" = "") -> dict[str, float]:
        """All that is said of a text whose tokens cost `nll` nats each.

        bits_per_character is left out where it cannot be known: of words that are unknown, without the text. It is
        too small where words are unknown, since their spelling costs nothing; `unknown` says how many are.

        Args:
            tokens: all of the text, also those before `first`.
            text: the same; "" if only the tokens are at hand.
        """
        found = {"nll": nll, "perplexity": perplexity(nll)}
        vocabulary, counts = self.vocabulary, tokens.bincount(minlength=len(self.vocabulary))
        unknown = int(counts[vocabulary.unknown])
        if isinstance(vocabulary, Pieces):  # whose text is that of the tokens
            written: int | None = vocabulary.written(tokens) - vocabulary.written(tokens[: self.first])
        elif text:
            written = _characters(text, vocabulary, self.first)
        else:
            written = None if unknown else vocabulary.written(tokens[self.first :])
        if written:
            found["bits_per_character"] = bits_per_character(nll, len(tokens) - self.first, written)
        return {**found, "unknown": unknown / len(tokens)} if unknown else found

    def figures(self) -> dict[str, Any]:
        asked = self.asked(temperature=self.temperature, length=self.config.sample)
        sample = Text(self.generate(asked, self.run.generator("sample"))[0]["text"], SAMPLE)
        return {"sample": sample, "surprise": self.surprise()}

    def shown(self) -> tuple[Tensor, list[str]]:
        """The first tokens of a held-out text (else of the training text) that figures show, and their texts."""
        split = "valid" if "valid" in self.run.data else "train"
        tokens = self.tokens(split)[: SHOWN[self.vocabulary.unit][0]]
        symbols = [self.vocabulary.symbols[number] for number in tokens.tolist()]
        return self.run.to(tokens), ["\n" if symbol == END else symbol for symbol in symbols]

    def surprise(self) -> Passage:
        """The text that is shown, coloured by how much each token surprised the model."""
        tokens, texts = self.shown()
        bits = [nats / math.log(2) for nats in self.nll_of_each(tokens)]
        unit = self.vocabulary.unit
        most = SHOWN[unit][1]
        return Passage(texts, bits, f"bits per {unit[:-1]}", unit == "words", most=most, caption=SURPRISE)

    def generate(
        self, asked: TextSampling, generator: torch.Generator | None, tell: Callable[[str], None] | None = None
    ) -> list[dict[str, Any]]:
        """Texts; `tell` is given the only one piece by piece as it is drawn."""
        vocabulary = self.vocabulary
        refuse_idle(asked)
        if 0 < asked.rank < asked.count:
            raise UsageError(f"--rank {asked.rank} draws fewer texts than --count {asked.count} keeps")
        if "" in asked.stop:
            raise UsageError("--stop: an empty text ends nothing")
        if strange := vocabulary.strangers(asked.prompt):
            what = f"{named(strange[:5], len(strange))} did not occur in the training text"
            words = f", or write {UNKNOWN}" if vocabulary.unit == "words" else ""
            raise DataError(Problem("--prompt", "", what, f"leave them out{words}", skippable=False))
        tokens = self.run.to(vocabulary.encode(asked.prompt, closed=False))
        if not len(tokens) or (self.first and vocabulary.end is not None):
            before = border(vocabulary, min(1, len(vocabulary) - 1))
            tokens = torch.cat([tokens.new_tensor([before]), tokens])
        step, state, logits, axis = self.primed(tokens)
        return continuations(
            step, tokens, state, vocabulary, generator, logits=logits, state_axis=axis, tell=tell, **vars(asked)
        )  # fmt: skip

    def predict(self, inputs: list[str]) -> list[dict[str, Any]]:
        """How well the model predicts each text."""
        texts = [self.read(text) for text in inputs]
        found = []
        for text, tokens, nll in zip(inputs, texts, self.measured(texts), strict=True):
            counts = {"tokens": len(tokens) - self.first, "unknown": len(self.vocabulary.strangers(text))}
            bits = bits_per_character(nll, counts["tokens"], self.vocabulary.characters([text]))
            scores = {"perplexity": perplexity(nll), "bits_per_character": bits, **counts}
            found.append({"value": nll, "unit": self.units(self.config)["nll"], **scores})
        return found

    def surprises(self, text: str) -> list[tuple[str, float]]:
        """The symbols of a text, a line end as "\\n", and -log p of each after all those before it, in nats.

        Raises:
            DataError: there is none.
        """
        tokens = self.run.to(self.vocabulary.encode(text))
        if not len(tokens):
            raise DataError(Problem("", "", "the text has no tokens", "give a longer text"))
        symbols = [self.vocabulary.symbols[number] for number in tokens.tolist()]
        shown = [symbol if symbol.isprintable() else repr(symbol)[1:-1] for symbol in symbols]
        return list(zip(shown, self.nll_of_each(tokens), strict=True))

    def nll_of_each(self, tokens: Tensor) -> list[float]:
        """Nats of each token of a text [tokens] after those before it, by one step of the model for each."""
        return [-float(chances[following]) for following, chances in self._stepped(tokens)]

    def alternatives(self, text: str, count: int) -> list[tuple[str, float, list[tuple[str, float]]]]:
        """The symbols of a text, each with its probability after those before it, and the likeliest ones in its place.

        Args:
            count: of the likeliest symbols that are named, each with its probability.
        """
        tokens, symbols = self.run.to(self.vocabulary.encode(text, closed=False)), self.vocabulary.symbols
        found = []
        for token, chances in self._stepped(tokens):
            best = chances.topk(min(count, len(chances)))
            named = [
                (symbols[k], math.exp(p)) for p, k in zip(best.values.tolist(), best.indices.tolist(), strict=True)
            ]
            found.append((symbols[token], math.exp(chances[token]), named))
        return found

    def _stepped(self, tokens: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Each token of a text, and log p of all tokens in its place [vocabulary]."""
        tokens = torch.cat([tokens.new_tensor([border(self.vocabulary, self.vocabulary.unknown)]), tokens])
        step, state, logits, _ = self.primed(tokens[:1])
        for here, following in pairwise(tokens.split(1)):
            scores, state = step(here, state)
            scores = scores[0].double()
            yield int(following), scores - (scores.logsumexp(0) if logits else 0.0)


def refuse_idle(asked: TextSampling) -> None:
    """Refuses options that have no effect next to others.

    Raises:
        UsageError: naming both.
    """
    changed = {field.name for field in fields(asked) if getattr(asked, field.name) != field.default}
    if asked.beam and changed & {"rank", "stop"}:
        raise UsageError("--beam searches the likeliest texts: leave --rank and --stop out, or --beam")
    if asked.beam and (idle := changed & {"temperature", "top_k", "top_p"}):
        raise UsageError(f"--{min(idle).replace('_', '-')} is of drawing, and --beam searches: leave one of them out")
    if asked.temperature == 0 and (idle := changed & {"top_k", "top_p", "rank"}):
        name = min(idle).replace("_", "-")
        raise UsageError(
            f"--temperature 0 always takes the likeliest symbol: leave --{name} out, or give a temperature"
        )
    if "length_penalty" in changed and not (asked.beam or asked.rank):
        raise UsageError("--length-penalty compares texts of --beam or --rank: give one of them, or leave it out")


def step_export(cell: nn.Module, state: Sequence[Tensor], vocabulary: Vocabulary) -> Export:
    """The export of one step of a recurrent model.

    Args:
        cell: (token [batch], parts of the state [batch, ...]) -> logits [batch, vocabulary], and the next state.
        state: before a text, of one row: the hidden vectors and, if the cell has one, the memory.
    """
    names = ("hidden", "memory")[: len(state)]
    about = {
        "task": "one step of generation: feed the token and the state, sample from softmax(logits), feed back",
        "start": "all states zero",
        "unknown": vocabulary.unknown,
        **vocabulary.to_json(),
    }
    inputs = (state[0].new_zeros(1, dtype=torch.int64), *(part.clone() for part in state))
    return Export(cell, inputs, ("token", *names), ("logits", *(f"next_{name}" for name in names)), about)
