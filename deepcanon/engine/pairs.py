"""What is done with a model from sentences to sentences apart from training it: measured, asked, shown.

The update is the recipe's own. The rest is the same for every model that reads a source and writes a target word by
word: a recipe holds `model`, which offers

    forward(source, lengths, inputs) -> (readout [B, T, R], weights [B, T, S] or None)     teacher forcing
    output                                                                                 from readout to logits
    start(source, lengths) -> state,  step(tokens, state) -> (logits, state)               decoding

and inherits the verbs. A perplexity is per real token, the sign at the end of a sentence among them.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from deepcanon.data import DataError, Problem
from deepcanon.engine import shown
from deepcanon.engine.alignments import ALIGNED, Looks, alignment_figure
from deepcanon.engine.contract import Generates, Metrics, Predicts
from deepcanon.engine.figures import Panels
from deepcanon.engine.run import Run
from deepcanon.engine.text_scores import has_sacrebleu, text_scores
from deepcanon.errors import UsageError
from deepcanon.parts.decoding import beam_search, sample_sequence
from deepcanon.parts.language_models import perplexity
from deepcanon.parts.masks import real_positions
from deepcanon.parts.progress import told
from deepcanon.parts.rouge import repeated
from deepcanon.parts.tokenization import detokenize, tokenize
from deepcanon.parts.vocabulary import END, Vocabulary
from deepcanon.verb_options import Translating

__all__ = ["EncodedPairs", "Padded", "Translates", "portions"]

ROWS = 128  # sentences that are read, or hypotheses that are followed, at a time
STEP = 8  # sources of up to so many more words are decoded together, and their translations limited alike
LOOKED_AT = 500  # pairs whose translations are scored while training
TRANSLATED = "Held-out sentences: what was read, what a person wrote, what the model wrote (greedily)."


class Padded(NamedTuple):
    """Sentences of one batch: word numbers [B, width] that end in the sign of the end, and how many are real [B]."""

    tokens: Tensor
    lengths: Tensor

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]], end: int) -> "Padded":
        lengths = [len(row) for row in rows]
        width = max(lengths)
        return cls(torch.tensor([[*row, *[end] * (width - len(row))] for row in rows]), torch.tensor(lengths))


class EncodedPairs(NamedTuple):
    """All pairs of a split in numbers, each sentence with the sign of its end."""

    sources: list[list[int]]
    targets: list[list[int]]

    def lengths(self) -> Tensor:
        """By which pairs are put into batches: the target's length first, where the work is."""
        return torch.tensor([1000 * len(t) + len(s) for s, t in zip(self.sources, self.targets, strict=True)])


class Translates(Predicts, Generates):
    """The verbs and the measures of a recipe that holds such a model.

    Attributes:
        words: vocabularies of source and target.
    """

    asked = Translating

    config: Any
    facts: dict[str, Any]
    run: Run
    model: Any
    words: tuple[Vocabulary, Vocabulary]
    signature: str = ""

    # From texts to numbers and back

    @staticmethod
    def vocabularies(config: Any, data: Any) -> dict[str, Any]:
        """The facts that `begin_words` takes: the words of both sides that the training split has often enough."""
        split, found = data["train"], {}
        for name, texts in (("source", split.x), ("target", split.targets)):
            text = "\n".join(" ".join(tokenize(one, config.lower)) for one in texts)
            vocabulary = Vocabulary.build(text, "words", config.minimum_count, config.vocabulary)
            if len(vocabulary) < 3:
                what = f"no word of the {name}s occurs {config.minimum_count} times"
                raise UsageError(f"{what}: lower --minimum-count, or give more pairs")
            found[name] = vocabulary.to_json()
        return found

    def begin_words(self) -> None:
        """Makes `words` of the facts."""
        source, target = (Vocabulary.from_json(self.facts["words"][name]) for name in ("source", "target"))
        self.words = source, target
        self._encoded: dict[str, EncodedPairs] = {}

    @property
    def end(self) -> int:
        """The number of the sign at which sentences begin and end, in both vocabularies."""
        return self.words[0].number[END]

    def numbers(self, text: str, side: int) -> list[int]:
        """The numbers of a sentence's words and its end; side 0 is the source."""
        known = self.words[side].number
        return [*(known.get(word, 0) for word in tokenize(text, self.config.lower)), self.end]

    def encoded(self, split: str) -> EncodedPairs:
        """The split in numbers, once."""
        if split not in self._encoded:
            rows = self.run.data[split]
            both = ([self.numbers(text, side) for text in texts] for side, texts in enumerate((rows.x, rows.targets)))
            self._encoded[split] = EncodedPairs(*both)
        return self._encoded[split]

    def forced(self, pairs: EncodedPairs, rows: Sequence[int]) -> tuple[Padded, Padded, Tensor]:
        """Sources, targets, and the inputs that teacher forcing gives: each target one word later."""
        sources = Padded.of([pairs.sources[row] for row in rows], self.end)
        targets = Padded.of([pairs.targets[row] for row in rows], self.end)
        inputs = torch.cat([torch.full((len(targets.tokens), 1), self.end), targets.tokens[:, :-1]], 1)
        return sources, targets, inputs

    def text(self, numbers: Sequence[int], source: str = "") -> str:
        """The sentence of some words of the target, up to its end; the source is for models that copy from it."""
        return detokenize(self.target_words(numbers, source))

    def target_words(self, numbers: Sequence[int], source: str = "") -> list[str]:
        row = list(numbers)
        return [self.words[1].symbols[k] for k in (row[: row.index(self.end)] if self.end in row else row)]

    # Measures

    def evaluate(self, split: str) -> Metrics:
        pairs, rows = self.encoded(split), self.run.data[split]
        nats, count, looks = 0.0, 0, Looks(self.run.data.truth.get("alignment"))
        for part in portions(pairs.lengths()):
            sources, targets, inputs = self.forced(pairs, part)
            source, lengths, inputs = map(self.run.to, (*sources, inputs))
            readout, weights = self.model(source, lengths, inputs)
            real = real_positions(targets.lengths, targets.tokens.shape[1])
            places = self.run.to(real.flatten().nonzero()[:, 0])
            logits = self.model.output(readout.flatten(0, 1).index_select(0, places)).double()
            wanted = self.run.to(targets.tokens).flatten().index_select(0, places)
            nats += float(F.cross_entropy(logits, wanted, reduction="sum"))
            count += len(places)
            if weights is not None:
                looks.add(weights, self.run.to(real), real_positions(lengths, source.shape[1]))
                looks.compare(weights, [rows.x[row].split() for row in part])
        measured = {"nll": nats / count, "perplexity": perplexity(nats / count), **looks.measured()}
        return {**measured, **self.of_translations(split, rows)}

    def of_translations(self, split: str, rows: Any) -> dict[str, float]:
        """`bleu`, `chrf` and `exact`: of the test all, by beam search; of other splits the first ones, greedily."""
        last = split == "test"
        sources, references = (texts if last else texts[:LOOKED_AT] for texts in (rows.x, rows.targets))
        beam = self.config.beam if last else 1
        written = [record["text"] for record in self.translated(sources, beam)]
        plain = [detokenize(tokenize(text, self.config.lower)) for text in references]
        right = sum(text == reference for text, reference in zip(written, plain, strict=True))
        found = {"exact": right / len(written), **self.compared(written, sources, plain)}
        if not has_sacrebleu():
            return found
        scores, signature = text_scores(written, references, self.config.lower)
        if signature != self.signature:
            self.signature = signature
            self.run.say(f"scores by sacrebleu: {signature}")
        return {**found, **scores}

    def compared(self, written: Sequence[str], sources: Sequence[str], references: Sequence[str]) -> dict[str, float]:
        """What else is measured of these texts."""
        return {"repeated": repeated(written)}

    # Decoding

    def longest_answer(self, words: int) -> int:
        """Words of a translation at most, its end among them: twice as many as its source has, and ten more."""
        return 2 * words + 10

    @torch.no_grad()
    def translated(self, texts: Sequence[str], beam: int, best: int = 1, alpha: float = 0.0) -> list[dict[str, Any]]:
        """{text, numbers, log_probability} of the ``best`` translations of each text, in their order.

        A translation ends after at most `longest_answer` words.
        """
        rows = [self.numbers(text, 0) for text in texts]
        groups: dict[int, list[int]] = {}
        for place, row in enumerate(rows):
            groups.setdefault(-(-len(row) // STEP) * STEP, []).append(place)
        found: list[list[dict[str, Any]]] = [[] for _ in rows]
        size = max(1, ROWS // beam)
        batches = [(w, places[at : at + size]) for w, places in groups.items() for at in range(0, len(places), size)]
        for width, some in told(batches):
            state = self.model.start(*map(self.run.to, Padded.of([rows[place] for place in some], self.end)))
            begin = torch.full((len(some),), self.end, device=self.run.device)
            kept = beam_search(
                self.model.step, begin, state, beam=beam, length=self.longest_answer(width), end=self.end,
                alpha=alpha, forbidden=(0,), logits=True,
            )  # fmt: skip
            first = (part[:, :best].tolist() for part in (kept.tokens, kept.log_probs))
            for place, tokens, chances in zip(some, *first, strict=True):
                real = [(t, c) for t, c in zip(tokens, chances, strict=True) if c > -torch.inf]
                found[place] += [
                    {"text": self.text(t, texts[place]), "numbers": t, "log_probability": c} for t, c in real
                ]
        return [record for records in found for record in records]

    def alignment_of(self, text: str, numbers: Sequence[int]) -> dict[str, Any] | None:
        """Words of both sides, ends among them, and the weights of a translation; None if the model does not look."""
        row = [*numbers]
        row = row[: row.index(self.end)] if self.end in row else row
        pairs = EncodedPairs([self.numbers(text, 0)], [[*row, self.end]])
        sources, _, inputs = self.forced(pairs, [0])
        with torch.no_grad():
            _, weights = self.model(*map(self.run.to, (*sources, inputs)))
        if weights is None:
            return None
        values = [[round(value, 4) for value in line] for line in weights[0].tolist()]
        return {"source": [*tokenize(text, self.config.lower), END], "target": [*self.target_words(row), END],
                "weights": values}  # fmt: skip

    def strangers(self, text: str) -> list[str]:
        """Words of a source that training had too rarely."""
        return [w for w in dict.fromkeys(tokenize(text, self.config.lower)) if w not in self.words[0].number]

    def predict(self, inputs: list[str]) -> list[dict[str, Any]]:
        """The likeliest translation of each text."""
        texts = [self.admitted(text, f"input {place}") for place, text in enumerate(inputs, 1)]
        records = self.translated(texts, self.config.beam)
        found = []
        for text, record in zip(inputs, records, strict=True):
            unknown = self.strangers(text)
            more = {"unknown": unknown} if unknown else {}
            found.append({"text": record["text"], "log_probability": record["log_probability"], **more})
        return found

    def admitted(self, text: str, where: str) -> str:
        """The text, which was given `where` it is said.

        Raises:
            DataError: it has no word, or more than the model's limit.
        """
        count, longest = len(tokenize(text)), self.facts["reader"]["longest"]
        if not count:
            raise DataError(Problem(where, "", "holds no word", "give a sentence", skippable=False))
        if count > longest:
            what = f"has {count} words and signs, more than the model's limit of {longest}"
            raise DataError(Problem(where, "", what, "split it into sentences", skippable=False))
        return text

    def generate(self, asked: Translating, generator: torch.Generator | None) -> list[dict[str, Any]]:
        """Translations of the prompt, drawn, or by beam search the likeliest, each with its alignment."""
        text = self.admitted(asked.prompt, "--prompt")
        if asked.beam and asked.count > asked.beam:
            raise UsageError(f"--beam {asked.beam} keeps fewer translations than --count {asked.count} asks for")
        if asked.beam and asked.temperature != 1:
            raise UsageError("--temperature is of drawing, and --beam searches: leave one of them out")
        if asked.length_penalty and not asked.beam:
            raise UsageError("--length-penalty compares translations of --beam: give that, or leave it out")
        if asked.beam:
            records = self.translated([text], asked.beam, asked.count, asked.length_penalty)
        else:
            row = [self.numbers(text, 0)] * asked.count
            state = self.model.start(*map(self.run.to, Padded.of(row, self.end)))
            begin = torch.full((asked.count,), self.end, device=self.run.device)
            tokens, chances = sample_sequence(
                self.model.step, begin, state, self.longest_answer(len(row[0])), generator,
                temperature=asked.temperature, forbidden=(0,), end=self.end,
            )  # fmt: skip
            records = [
                {"text": self.text(t, text), "numbers": t, "log_probability": c}
                for t, c in zip(tokens.tolist(), chances.tolist(), strict=True)
            ]
        found = []
        for record in records:
            aligned, unknown = self.alignment_of(text, record.pop("numbers")), self.strangers(text)
            more = {**({"alignment": aligned} if aligned else {}), **({"unknown": unknown} if unknown else {})}
            found.append({**record, **more})
        return found

    # Pictures

    def figures(self) -> dict[str, Any]:
        rows = self.run.data[self.run.pictured]
        texts, references = rows.x[:6], rows.targets[:6]
        written = self.translated(texts, 1)
        lines = [
            line
            for source, reference, record in zip(texts, references, written, strict=True)
            for line in (f"read     {source}", f"person   {reference}", f"model    {record['text']}", "")
        ]
        figures: dict[str, Any] = {"translations": shown.table(lines[:-1], TRANSLATED)}
        aligned = [self.alignment_of(t, record["numbers"]) for t, record in zip(texts[:4], written, strict=False)]
        if heats := [alignment_figure(one) for one in aligned if one]:
            figures["alignment"] = Panels(heats, columns=2, caption=ALIGNED)
        return figures


def portions(lengths: Tensor) -> Iterator[list[int]]:
    """Rows of similar length, some at a time."""
    for part in lengths.argsort(stable=True).split(ROWS):
        yield part.tolist()
