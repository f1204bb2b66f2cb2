"""What recipes share that classify documents by their words in order: vocabulary, folds, the update, what decided.

A recipe subclasses `DocumentClassifier`, whose Config is `model_options.DocumentTraining` with fields of its own, and
gives `network`, a module from tokens [N, T] (0 is padding, 1 an unknown word) to logits [N, K] with `embedding.weight`
and `reset_parameters`.

With folds, one run trains one model after the other, each from new weights: `span` steps for each fold, the last for
all documents. A fold's vocabulary is that of its own training documents, and its test documents are looked at once, by
the weights of the epoch that was best on a tenth of the training documents.

What decided: for each word, by how much the log-odds of the predicted class fall if that word is read as an unknown one
and all others stay,

    d_i = log p_c / (1 - p_c) - log q_c / (1 - q_c),   p of the text, q of the text without word i            (1)

computed by reading the text once for each of its words, unless the network can do with less. In texts of more than
`STRETCHES` words, neighbours are left out together and share the sum evenly.
"""

import functools
import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepcanon.data.batches import Order
from deepcanon.data.seeds import stream_seed
from deepcanon.data.splits import Dataset
from deepcanon.engine.classifier import Classifier, Classifies, Seen, cross_validated, require_classes
from deepcanon.engine.contract import Facts, Metrics, Recipe
from deepcanon.engine.export import Export
from deepcanon.engine.figures import Passage
from deepcanon.engine.given_vectors import read_vectors
from deepcanon.errors import UsageError
from deepcanon.model_options import DocumentTraining
from deepcanon.parts.bag_of_words import stratified_folds
from deepcanon.parts.classification import measures, records
from deepcanon.parts.clipping import clip_in_step
from deepcanon.parts.word_embedding import UNKNOWN_WORD
from deepcanon.parts.word_numbers import FIRST_WORD, WordNumbers
from deepcanon.techniques.optimizers import optimizer_of, set_rate
from deepcanon.techniques.schedules import scheduled

__all__ = ["STRETCHES", "DocumentClassifier", "Part", "word_effects"]

C = TypeVar("C", bound=DocumentTraining)
TOKENS = 16_384  # of a portion, padding among them
STRETCHES = 100
NONE_YET = -1.0  # below every accuracy: a fold that was not held out, since the run ended before it
TOGETHER = 128  # documents whose words' effects are computed together
SHOWN = 8
LEAST_STEPS = 400
"""Of each training: few documents take more passes, since vectors of words that begin at random need many updates."""
PASSAGE = (
    "Held-out documents, and by how much each word raises or lowers the log-odds of the predicted class: a good "
    "classifier is decided by words that a reader would point to."
)


class Part(NamedTuple):
    """One training of a run: documents to learn from, to choose the epoch by (none without folds), and held out."""

    train: Tensor
    dev: Tensor
    test: Tensor


def word_effects(read: Sequence[Tensor], lengths: Sequence[int]) -> list[list[float]]:
    """Equation (1) for each word of some texts.

    Args:
        read: of each text [1 + S, K]: its logits, and those without each of its S stretches, which are of equal length
            but for the last ones.
        lengths: words of each text.
    """
    logits, rows, words = torch.cat([*read]).double(), torch.tensor([*map(len, read)]), torch.tensor([*lengths])
    first = rows.cumsum(0) - rows
    chosen = logits[first].argmax(1).repeat_interleave(rows)[:, None]
    others = logits.scatter(1, chosen, -math.inf).logsumexp(1)
    odds = logits.gather(1, chosen)[:, 0] - others
    text = torch.arange(len(words)).repeat_interleave(words)
    place = torch.arange(len(text)) - (words.cumsum(0) - words)[text]
    stretch = first[text] + 1 + place * (rows - 1)[text] // words[text]
    shared = (odds[first][text] - odds[stretch]) / stretch.bincount()[stretch]
    return [part.tolist() for part in shared.split([*lengths])]


class DocumentClassifier(Classifies, Recipe[C]):
    """A network over the words of a document, trained by gradients on batches that are padded to their longest."""

    state = ("model", "optimizer", "kept", "best", "accuracy")
    monitor: tuple[str, Literal["min", "max"]] | None = ("valid/nll", "min")
    parallel = "gradients"
    wants = "classes"
    needs = "texts are classified: folders CLASS/*.txt, or a table or .jsonl with text and label (--target)"

    @classmethod
    def learn(cls, config: C, data: Dataset) -> Facts:
        train, classes = data["train"], require_classes(data, cls.needs)
        labels: Any = train.y
        least = min(torch.bincount(labels, minlength=len(classes)).tolist())
        if config.folds == 1 or least < max(1, config.folds):
            what = f"the smallest class has {least} training document{'s' * (least != 1)}"
            raise UsageError(f"{what}: --folds is 0 or from 2 to that number")
        if config.static and not config.vectors:
            raise UsageError("--static keeps given vectors of words: it needs --vectors")
        numbers = cls.numbers_of(config, train.x)
        if len(numbers) == FIRST_WORD:
            raise UsageError("no word is left: the training documents hold none that is frequent enough")
        facts = {"words": list(numbers.words), "wide": max(1, *(len(numbers.split(text)) for text in train.x))}
        if config.vectors:
            places, vectors = read_vectors(config.vectors, numbers.words)
            facts |= {"given_places": places, "given_vectors": vectors}
        return facts

    @staticmethod
    def numbers_of(config: C, texts: Sequence[str]) -> WordNumbers:
        """The numbers of the words of some training documents."""
        how = {"minimum_count": config.minimum_count, "most": config.vocabulary, "longest": config.longest}
        return WordNumbers.build(texts, config.tokens, **how)

    @abstractmethod
    def network(self, symbols: int, classes: int, dimensions: int) -> nn.Module:
        """The network, on the run's device."""

    @classmethod
    def unsharded(cls, config: C) -> str:
        return "each fold begins with new weights in the middle of a run" if config.folds else ""

    def build(self) -> None:
        config, run, facts = self.config, self.run, self.facts
        self.numbers = WordNumbers(facts["words"], config.tokens, config.longest)
        self.classes = facts["reader"].get("classes", [])
        given = torch.as_tensor(facts["given_vectors"]) if config.vectors else None
        size = config.dimensions if given is None else given.shape[1]
        shape = len(self.numbers), len(self.classes), size
        self.model = self.network(*shape)
        self.kept: Any = self.network(*shape).requires_grad_(False) if config.folds else None
        self.optimizer = optimizer_of(config, self.model)
        self.accuracy = torch.full((config.folds,), NONE_YET, dtype=torch.float64, device=run.device)
        self.best = self.accuracy.new_full((), NONE_YET)
        prepare: Any = self.encoded
        self.preprocess = prepare
        self.part = functools.cache(self._part)
        self.numbered = functools.cache(lambda part: [self.known(part).encode(x) for x in run.data["train"].x])
        self.known = functools.cache(self._known)
        self.order = functools.cache(lambda part: Order(len(self.part(part).train), run.seed, f"part {part}"))
        self.classifier = Classifier(run, self.model, nn.Identity(), [facts["wide"]], facts["reader"], prepare=prepare)
        if config.folds:
            self.monitor, self.splits = None, ("test",)  # the folds choose for themselves

    def encoded(self, texts: Sequence[str]) -> Tensor:
        """Tokens [N, T] of raw documents."""
        return self.numbers.padded([self.numbers.encode(text) for text in texts])

    # The trainings of a run

    def plan(self) -> int:
        steps = self.run.steps_of(self.config.epochs, self.config.batch, self.smallest())
        return (self.config.folds + 1) * max(steps, LEAST_STEPS)

    def smallest(self) -> int:
        """Documents that the smallest training learns from."""
        return min(len(self.part(index).train) for index in range(self.config.folds + 1))

    @property
    def span(self) -> int:
        """Steps of each training of the run."""
        return max(1, self.run.steps // (self.config.folds + 1))

    def _part(self, index: int) -> Part:
        y, config = self.run.data["train"].y, self.config
        rows, none = torch.arange(len(y)), torch.zeros(0, dtype=torch.int64)
        if not config.folds:
            return Part(rows, none, none)
        seeded = [torch.Generator().manual_seed(stream_seed(self.run.seed, i, "folds")) for i in (0, 1 + index)]
        held = stratified_folds(y, config.folds, seeded[0]) == index
        rest = rows[~held]
        dev = stratified_folds(y[rest], 10, seeded[1]) == 0
        return Part(rest[~dev], rest[dev], rows[held])

    def _known(self, index: int) -> WordNumbers:
        """The numbers of words in a training: those of its own documents, with the documents that choose the epoch."""
        if index == self.config.folds:
            return self.numbers
        texts, part = self.run.data["train"].x, self.part(index)
        return self.numbers_of(self.config, [texts[row] for row in torch.cat([part.train, part.dev]).tolist()])

    def start(self, index: int) -> None:
        """New weights, and vectors of words where some are given; equal in every process."""
        self.model.reset_parameters()
        self.optimizer.state.clear()
        self.best.fill_(NONE_YET)
        if self.config.vectors:
            places, vectors = (torch.as_tensor(self.facts[f"given_{name}"]) for name in ("places", "vectors"))
            table, own = self.model.embedding.weight.data, self.known(index).number
            # Kim: the others have the same variance
            table[FIRST_WORD:].uniform_(-1, 1).mul_(math.sqrt(3) * float(vectors.std()))
            rows = [(own[word], k) for k, p in enumerate(places.tolist()) if (word := self.numbers.words[p]) in own]
            to, of = torch.tensor(rows, dtype=torch.int64).view(-1, 2).T
            table[self.run.to(to)] = self.run.to(vectors[of]).to(table)

    # The update

    def step(self, step: int) -> Mapping[str, Tensor]:
        config, run = self.config, self.run
        index = min(step // self.span, config.folds)
        at, part = step - index * self.span, self.part(index)
        if at == 0 and (step or config.vectors):
            self.start(index)
        read, y = self.numbered(index), run.data["train"].y
        batch = part.train[self.order(index).rows(at, config.batch)]
        # As wide as the global batch, so that every process drops the same places.
        wide = max(len(read[row]) for row in batch.tolist())
        rows = batch[run.rows(config.batch)]
        tokens = run.to(WordNumbers.padded([read[row] for row in rows.tolist()], wide))
        set_rate(self.optimizer, rate := config.learning_rate * scheduled(config, at, self.span))
        self.optimizer.zero_grad()
        with run.autocast():
            logits = self.model(tokens)
            loss = F.cross_entropy(logits, run.to(y[rows]))
        loss = run.backward(loss, self.model)
        norm = clip_in_step(self.optimizer, config.clip)
        self.limit()
        found = {"loss": loss, "gradient_norm": norm, "learning_rate": torch.tensor(rate, dtype=torch.float64)}
        epoch = max(1, len(part.train) // config.batch)
        if config.folds and ((at + 1) % epoch == 0 or step + 1 == run.steps or at + 1 == self.span):
            self.choose(index, part, last=step + 1 == run.steps or (at + 1 == self.span and index < config.folds))
        return found

    def limit(self) -> None:
        """What bounds the weights after an update."""

    @torch.no_grad()
    def choose(self, index: int, part: Part, last: bool) -> None:
        """Keeps the weights if they are better than those kept; at a training's end, tests the fold by the kept."""
        read, y = self.numbered(index), self.run.data["train"].y
        self.model.eval()
        right = self.logits([read[row] for row in part.dev.tolist()]).argmax(1) == self.run.to(y[part.dev])
        better = right.double().mean() > self.best
        self.best = torch.where(better, right.double().mean(), self.best)
        for kept, now in zip(self.kept.parameters(), self.model.parameters(), strict=True):
            kept.copy_(torch.where(better, now, kept))
        if last:
            for kept, now in zip(self.kept.parameters(), self.model.parameters(), strict=True):
                now.copy_(kept)
            if index < self.config.folds:
                right = self.logits([read[row] for row in part.test.tolist()]).argmax(1) == self.run.to(y[part.test])
                self.accuracy[index] = right.double().mean()
        self.model.train()

    # What is asked

    def portions(self, read: Sequence[Tensor]) -> Iterator[tuple[list[int], Tensor]]:
        """Documents as numbers in portions of similar length: which they are, and their tokens [N, T]."""
        rest = sorted(range(len(read)), key=lambda row: (len(read[row]), row))
        while rest:
            count = next((n for n in range(len(rest), 0, -1) if n * len(read[rest[n - 1]]) <= TOKENS), 1)
            taken, rest = rest[:count], rest[count:]
            yield taken, self.run.to(WordNumbers.padded([read[row] for row in taken]))

    def logits(self, read: Sequence[Tensor]) -> Tensor:
        """Of documents as numbers, in portions of similar length."""
        found, places = [], []
        for taken, tokens in self.portions(read):
            found.append(self.model(tokens))
            places += taken
        logits = torch.cat(found)
        return torch.empty_like(logits).index_copy_(0, self.run.to(torch.tensor(places)), logits)

    def of_texts(self, texts: Sequence[str]) -> Tensor:
        """The logits [N, K] of raw documents, on the CPU."""
        with self.run.autocast():
            return self.logits([self.numbers.encode(text) for text in texts]).float().cpu()

    def evaluate(self, split: str) -> Metrics:
        if not self.config.folds:
            rows = self.run.data[split]
            return measures(self.of_texts(rows.x), rows.y)
        done = self.accuracy > NONE_YET
        found = {"folds_done": float(done.sum())}
        if bool(done.all()):
            found |= cross_validated(self.accuracy)
        return found

    def effects(self, texts: Sequence[str]) -> list[list[tuple[str, float]]]:
        """Of each document each word that is read, and its effect (1) in the log-odds of the predicted class."""
        rows, found = [self.numbers.encode(text) for text in texts], []
        for begin in range(0, len(rows), TOGETHER):
            some = rows[begin : begin + TOGETHER]
            found += word_effects([part.cpu() for part in self.left_out(some)], [*map(len, some)])
        return [
            list(zip(self.numbers.split(text), effects, strict=True))
            for text, effects in zip(texts, found, strict=True)
        ]

    def left_out(self, read: Sequence[Tensor]) -> Sequence[Tensor]:
        """Of each document as numbers [1 + S, K]: its logits, and those without each of its stretches."""
        asked = [row for tokens in read for row in (tokens, *self.without(tokens))]
        return self.logits(asked).split([1 + min(len(tokens), STRETCHES) for tokens in read])

    @staticmethod
    def without(tokens: Tensor) -> Tensor:
        """A document without each of its stretches, [S, T]: their words are unknown."""
        pieces = min(len(tokens), STRETCHES)
        stretch = torch.arange(len(tokens)) * pieces // max(1, len(tokens))
        return torch.where(stretch == torch.arange(pieces)[:, None], UNKNOWN_WORD, tokens)

    def predict(self, inputs: Sequence[str]) -> list[dict[str, Any]]:
        found = records(self.of_texts(inputs), self.classes)
        with self.run.autocast():
            effects = self.effects(inputs)
        for record, words in zip(found, effects, strict=True):
            record["words"] = [{"word": word, "effect": effect} for word, effect in words]
        return found

    def figures(self) -> dict[str, Any]:
        rows = self.run.data[self.run.pictured]
        logits = self.of_texts(rows.x)
        shown = self.classifier.figures(Seen(rows.x, rows.y, logits))
        tokens: list[str] = []
        values: list[float] = []
        for text, true, guess in zip(rows.x[:SHOWN], rows.y.tolist(), logits.argmax(1).tolist(), strict=False):
            told = "" if true == guess else f", in truth {self.classes[true]}"
            tokens.append(f"[{self.classes[guess]}{told}]")
            found = self.effects([text])[0][:200]
            tokens += [word for word, _ in found] + ["\n"]
            values += [0.0, *(effect for _, effect in found), 0.0]
        words = Passage(tokens, values, "log-odds of the predicted class", apart=True, diverging=True, caption=PASSAGE)
        return {**shown, "words": words}

    def export(self) -> Export:
        """Tokens [N, T] to probabilities; T is that of the longest training document."""
        about = {"task": "classify", "classes": list(self.classes), **self.numbers.describe()}
        example = torch.zeros(2, self.facts["wide"], dtype=torch.int64, device=self.run.device)
        module = nn.Sequential(self.model, nn.Softmax(1))
        return Export(module, (example,), ("tokens",), ("probabilities",), about)
