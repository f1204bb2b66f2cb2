"""Models that write a text of another one and may copy its words: what they read, how they are measured and shown.

`Summarization` is a `Translation` with one vocabulary for both sides, which each article extends by the words that it
lacks: they are written as the article has them. A recipe holds `model`, a `PointerGenerator`, and has the options
`copy`, `article` and `coverage`.

ROUGE is that of `parts.rouge`, times 100.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from deepcanon.data.splits import Dataset
from deepcanon.engine import shown
from deepcanon.engine.alignments import alignment_figure
from deepcanon.engine.contract import Facts, Metrics
from deepcanon.engine.exported_translators import ExportsTranslations
from deepcanon.engine.figures import Panels
from deepcanon.engine.pairs import EncodedPairs, Padded, portions
from deepcanon.errors import UsageError
from deepcanon.model_options import TranslationTraining
from deepcanon.parts.attention import coverage_loss
from deepcanon.parts.language_models import perplexity
from deepcanon.parts.masks import real_positions
from deepcanon.parts.rouge import rouge
from deepcanon.parts.tokenization import detokenize, tokenize
from deepcanon.parts.vocabulary import END, Vocabulary
from deepcanon.parts.vocabulary_loss import rows_nll
from deepcanon.sequence.pointer_generator import Written, copied_mass, copying_nll
from deepcanon.techniques.translation import Translation

__all__ = ["Article", "Losses", "Summarization"]

C = TypeVar("C", bound=TranslationTraining)

WIDTH = 240  # characters of an article in a figure
ROWS = 64  # texts whose copied words are sought at a time
SUMMARIES = (
    "Held-out articles: how they begin, what a person wrote, what the model wrote (greedily; copied words in [])."
)
LOOKED = "The words of the article that each word looked at; words in brackets were copied rather than generated."


class Article(NamedTuple):
    """A text as the model reads it: the numbers of its words, with the sign of the end, and the words that the
    vocabulary lacks, in the order of their numbers."""

    numbers: list[int]
    strangers: list[str]


class Losses(NamedTuple):
    """Of the real words of a batch: nats [N], and the share of the probability that copying gave [N]; the coverage loss
    of each row [batch]."""

    nll: Tensor
    copied: Tensor
    coverage: Tensor


class Summarization(Translation[C], ExportsTranslations):
    """The facts, the measures and the verbs of a recipe that holds such a model."""

    config: Any
    moving = ("hidden", "cell", "context", "coverage")

    @classmethod
    def learn(cls, config: Any, data: Dataset) -> Facts:
        """The words that enough pairs of the training split have, on either side; the longest of the summaries, and how
        many articles are read in part."""
        split: Any = data["train"]
        articles = [tokenize(text, config.lower) for text in split.x]
        summaries = [tokenize(text, config.lower) for text in split.targets]
        read = [words[: config.article] for words in articles]
        # Counted are pairs: a name of one article and of its summary is not a word that others have too.
        pairs = (dict.fromkeys([*words, *summary]) for words, summary in zip(read, summaries, strict=True))
        text = "\n".join(" ".join(words) for words in pairs)
        vocabulary = Vocabulary.build(text, "words", config.minimum_count, config.vocabulary)
        if len(vocabulary) < 3:
            what = f"no word occurs in {config.minimum_count} pairs"
            raise UsageError(f"{what}: lower --minimum-count, or give more pairs")
        cut = sum(len(words) > config.article for words in articles)
        return {"words": vocabulary.to_json(), "longest_summary": max(map(len, summaries)), "cut": cut}

    def begin_words(self) -> None:
        vocabulary = Vocabulary.from_json(self.facts["words"])
        self.words = vocabulary, vocabulary
        self._encoded: dict[str, EncodedPairs] = {}

    def begin(self) -> None:
        super().begin()
        if cut := self.facts["cut"]:
            first = self.config.article
            self.run.say(f"articles of more than {first} words and signs, read up to there (--article): {cut:,}")

    # From texts to numbers and back

    def read(self, text: str) -> Article:
        """The first `article` words of a text, in the numbers of its extended vocabulary."""
        words, known = tokenize(text, self.config.lower)[: self.config.article], self.words[0].number
        strangers = [word for word in dict.fromkeys(words) if word not in known] if self.config.copy else []
        return Article(self._numbered(words, strangers), strangers)

    def _numbered(self, words: Sequence[str], strangers: Sequence[str]) -> list[int]:
        known = self.words[0].number
        own = {word: len(known) + place for place, word in enumerate(strangers)}
        return [*(known.get(word, own.get(word, 0)) for word in words), self.end]

    def numbers(self, text: str, side: int) -> list[int]:
        if side:
            raise ValueError("the numbers of a summary depend on its article")
        return self.read(text).numbers

    def encoded(self, split: str) -> EncodedPairs:
        if split not in self._encoded:
            rows: Any = self.run.data[split]
            articles = [self.read(text) for text in rows.x]
            targets = [
                self._numbered(tokenize(text, self.config.lower), article.strangers)
                for text, article in zip(rows.targets, articles, strict=True)
            ]
            self._encoded[split] = EncodedPairs([article.numbers for article in articles], targets)
        return self._encoded[split]

    def target_words(self, numbers: Sequence[int], source: str = "") -> list[str]:
        row, symbols = list(numbers), [*self.words[1].symbols, *self.read(source).strangers]
        return [symbols[k] for k in (row[: row.index(self.end)] if self.end in row else row)]

    def longest_answer(self, words: int) -> int:
        """Half as many words more than the longest summary to learn from has, and the end."""
        return 3 * self.facts["longest_summary"] // 2 + 1

    @property
    def bound(self) -> tuple[int, int]:
        return 0, self.longest_answer(0)

    @property
    def stranger(self) -> str:
        if not self.config.copy:
            return super().stranger
        size = len(self.words[0])
        return f"{size}, {size + 1}, ... in the order in which the text has such words, the same word the same number,"

    # Measures

    def losses(self, written: Written, article: Tensor, targets: Padded, places: Tensor) -> Losses:
        """Of a batch that `model` answered; all tensors are on the device.

        Args:
            places: which words of all [batch * steps] are real.
        """
        words: int = self.model.words
        mass = copied_mass(written.weights, article, targets.tokens)
        wanted, generated, copied = (
            part.flatten().index_select(0, places) for part in (targets.tokens, written.generated, mass)
        )
        known = (wanted < words).to(copied.dtype)
        nll = self.generated_nll(
            written.readout.flatten(0, 1).index_select(0, places), torch.where(wanted < words, wanted, 0)
        )
        nll = copying_nll(nll, known, copied, generated)
        real = real_positions(targets.lengths, targets.tokens.shape[1])
        share = ((1 - generated) * copied * nll.exp()).detach()
        return Losses(nll, share, coverage_loss(written.weights, real))

    def generated_nll(self, readout: Tensor, wanted: Tensor) -> Tensor:
        """-log P_vocab of each word: the output layer's product is in bf16 where the run's precision says so."""
        output = self.model.output
        if self.run.settings.precision == "bf16" and torch.is_grad_enabled():
            weight, bias, half = output.weight, output.bias, torch.bfloat16
            return rows_nll(F.linear(readout.to(half), weight.to(half), bias.to(half)), wanted)
        return F.cross_entropy(output(readout), wanted, reduction="none")

    def evaluate(self, split: str) -> Metrics:
        pairs, rows = self.encoded(split), self.run.data[split]
        nats = had = copied = generated = count = 0.0
        for part in portions(pairs.lengths()):
            sources, targets, inputs = self.forced(pairs, part)
            article, lengths, inputs = map(self.run.to, (*sources, inputs))
            real = torch.arange(targets.tokens.shape[1]) < targets.lengths[:, None]
            places = self.run.to(real.flatten().nonzero()[:, 0])
            written = self.model(article, lengths, inputs)
            found = self.losses(written, article, Padded(*map(self.run.to, targets)), places)
            nats += float(found.nll.double().sum())
            had += float(found.coverage.double().sum())
            copied += float((found.copied > 0.5).sum())
            generated += float(written.generated.flatten().index_select(0, places).double().sum())
            count += len(places)
        measured = {"nll": nats / count, "perplexity": perplexity(nats / count), "coverage_loss": had / count,
                    "copied": copied / count, "p_gen": generated / count}  # fmt: skip
        weight = self.config.coverage
        if not weight or float(self.model.covering):  # before, the network is not the one that is to be chosen
            measured["objective"] = (nats + weight * had) / count
        return {**measured, **self.of_translations(split, rows)}

    def compared(self, written: Sequence[str], sources: Sequence[str], references: Sequence[str]) -> dict[str, float]:
        """ROUGE, what is repeated, and the rare words that could only be copied."""
        found = super().compared(written, sources, references)
        scores = [rouge(text, reference) for text, reference in zip(written, references, strict=True)]
        for name, of in zip("12L", zip(*scores, strict=True), strict=True):
            found[f"rouge{name}"] = 100 * sum(of) / len(of)
        asked = there = 0
        for text, source, reference in zip(written, sources, references, strict=True):
            rare = {w for w in tokenize(source, self.config.lower) if w not in self.words[0].number}
            wanted = Counter(word for word in tokenize(reference, self.config.lower) if word in rare)
            asked += wanted.total()
            there += (wanted & Counter(tokenize(text))).total()
        return {**found, "rare": there / asked} if asked else found

    # Verbs

    @torch.no_grad()
    def looked(self, texts: Sequence[str], rows: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
        """Of summaries [numbers] of texts: words of both sides, ends among them, the weights, the share of each word's
        probability that copying gave, and the summary's words with the copied ones in brackets."""
        found = []
        for at in range(0, len(texts), ROWS):
            some = [self.read(text) for text in texts[at : at + ROWS]]
            cut = [[*row, self.end][: [*row, self.end].index(self.end) + 1] for row in rows[at : at + ROWS]]
            sources, targets, inputs = self.forced(EncodedPairs([a.numbers for a in some], cut), range(len(some)))
            article, lengths, inputs = map(self.run.to, (*sources, inputs))
            written = self.model(article, lengths, inputs)
            mass = (1 - written.generated) * copied_mass(written.weights, article, self.run.to(targets.tokens))
            whole = self.model.distribution(written, article).gather(2, self.run.to(targets.tokens)[:, :, None])[
                :, :, 0
            ]
            share = (mass / whole.clamp_min(1e-30)).tolist()
            for place, (row, one) in enumerate(zip(cut, some, strict=True)):
                text, size = texts[at + place], len(one.numbers)
                words, copied = [*self.target_words(row, text), END], [round(s, 4) for s in share[place][: len(row)]]
                weights = [[round(v, 4) for v in line[:size]] for line in written.weights[place, : len(row)].tolist()]
                read = [*tokenize(text, self.config.lower)[: self.config.article], END]
                marked = [f"[{w}]" if c > 0.5 else w for w, c in zip(words, copied, strict=True)]
                found.append({"source": read, "target": words, "weights": weights, "copied": copied, "marked": marked})
        return found

    def alignment_of(self, text: str, numbers: Sequence[int]) -> dict[str, Any]:
        return self.looked([text], [numbers])[0]

    def noted(self, text: str, aligned: Mapping[str, Any]) -> dict[str, Any]:
        """What is told of a summary: the words that were copied, and the text with them in brackets; without copying
        the words of the article that training had too rarely."""
        if not self.config.copy:
            unknown = self.strangers(text)
            return {"unknown": unknown} if unknown else {}
        copied = [word for word, share in zip(aligned["target"], aligned["copied"], strict=True) if share > 0.5]
        return {"copied": [word for word in copied if word != END], "marked": detokenize(aligned["marked"][:-1])}

    def predict(self, inputs: list[str]) -> list[dict[str, Any]]:
        """The likeliest summary of each text."""
        texts = [self.admitted(text, f"input {place}") for place, text in enumerate(inputs, 1)]
        records = self.translated(texts, self.config.beam)
        aligned = self.looked(texts, [record["numbers"] for record in records])
        return [
            {"text": record["text"], "log_probability": record["log_probability"], **self.noted(text, one)}
            for text, record, one in zip(texts, records, aligned, strict=True)
        ]

    def generate(self, asked: Any, generator: torch.Generator | None) -> list[dict[str, Any]]:
        found = super().generate(asked, generator)
        for record in found:
            record.pop("unknown", None)
            record |= self.noted(asked.prompt, record["alignment"])
        return found

    # Pictures

    def figures(self) -> dict[str, Any]:
        rows: Any = self.run.data[self.run.pictured]
        texts = rows.x[:6]
        records = self.translated(texts, 1)
        aligned = self.looked(texts, [record["numbers"] for record in records])
        lines = [
            line
            for text, reference, one in zip(texts, rows.targets[:6], aligned, strict=True)
            for line in (
                f"article  {text[:WIDTH]}{' ...' * (len(text) > WIDTH)}", f"person   {reference}",
                f"model    {detokenize(one['marked'][:-1])}", "",
            )
        ]  # fmt: skip
        heats = [alignment_figure(one) for one in aligned[:4]]
        return {"summaries": shown.table(lines[:-1], SUMMARIES), "alignment": Panels(heats, columns=2, caption=LOOKED)}
