"""Translators that learn from words of their own: which network, what they draw while they learn, how long they write.

A recipe subclasses `OwnWords`, whose Config is `model_options.OwnWordsTraining` with fields of its own. Words are drawn
by uniform numbers of the global batch, a row for each sentence, so that several processes draw those of one; and
without dropout, as translations are written.

With `--init-from` such a recipe continues where another translator stands, as Ranzato et al. 2016 begin with one that
was trained by cross-entropy: with its words, its weights, and the form of its network.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from deepcanon.data import DataError, Problem
from deepcanon.data.splits import Dataset
from deepcanon.engine.contract import Facts
from deepcanon.engine.exported_translators import ExportsTranslations
from deepcanon.engine.initial import Source, Start, options_of, shapes_of, source_of
from deepcanon.engine.vocabularies import named
from deepcanon.errors import UsageError
from deepcanon.model_options import OwnWordsTraining
from deepcanon.parts.masks import real_positions
from deepcanon.parts.tokenization import tokenize
from deepcanon.parts.vocabulary import UNKNOWN, Vocabulary
from deepcanon.sequence.attention import AttentionSeq2Seq
from deepcanon.sequence.location_aware import LocationAwareSeq2Seq
from deepcanon.sequence.scheduled_sampling import mixed
from deepcanon.sequence.seq2seq import Seq2Seq
from deepcanon.sequence.sequence_level_training import sentence_bleu
from deepcanon.techniques.optimizers import optimizer_of
from deepcanon.techniques.translation import Translation

__all__ = ["OwnWords", "Written"]

LONGER = 5
"""Words that a sentence may have more than the longest reference of its batch."""

FORMS = {"attention": ("form", "score"), "location-aware": ("window", "reach"), "seq2seq": ("peeky", "backwards")}
"""The options that say which of its forms a network has, by the network; the recipes that train it have them."""

NETWORKS = {"attention": AttentionSeq2Seq, "location-aware": LocationAwareSeq2Seq, "seq2seq": Seq2Seq}

C = TypeVar("C", bound=OwnWordsTraining)


class Written(NamedTuple):
    """Sentences that a model has written [B, W], their words with the ends [B], and what it says of them.

    log_probabilities [B, W] have gradients; states [B, W, R] are the readouts that wrote the words.
    """

    words: Tensor
    counts: Tensor
    log_probabilities: Tensor
    states: Tensor


class OwnWords(Translation[C], ExportsTranslations):
    """A translator of one of the kinds of NETWORKS."""

    start: Start | None = None
    """The weights that the run begins with, if `build` has made any."""

    @classmethod
    def learn(cls, config: C, data: Dataset) -> Facts:
        train: Any = data["train"]
        longest = max(len(tokenize(text, config.lower)) for text in train.targets)
        source = source_of(config)
        if source is None or not source.facts:
            facts = {**super().learn(config, data), **(shapes_of(source, False) if source else {})}
        else:
            facts = {**taken_over(config, source), **shapes_of(source, True)}
            facts["strangers"] = strangers_of(config, facts["words"], train)
        return {**facts, "longest_target": longest}

    def network(self, words: tuple[int, int]) -> nn.Module:
        c, form = self.config, self.facts.get("form", {})
        sizes = {"embedding_size": c.embedding, "dropout": c.dropout, "device": self.run.device}
        return NETWORKS[c.network](words[0], words[1], c.hidden, **sizes, **form)

    def build(self) -> None:
        super().build()
        self.moving = getattr(self.model, "moving", self.moving)
        if initial := self.facts.get("initial"):
            c = self.config
            self.start = Start(self.model, c, initial, ("source", "target", "output"))
            slower = self.start.slower
            self.optimizer = optimizer_of(c, self.model, betas=(0.9, 0.99), slower=slower, share=c.copied_rate)

    def begin(self) -> None:
        super().begin()
        if self.start:
            self.start.load(self.run)
        for side, strange in self.facts.get("strangers", {}).items():
            many = f"of the {side}s {strange['words']:,} of {strange['of']:,} words to train on"
            which = named(strange["first"], strange["different"])
            self.run.say(f"{many} are read as {UNKNOWN}, since {self.config.init_from} lacks them: {which}")

    def longest_answer(self, words: int) -> int:
        """As of all translators, but never less than the longest target to learn from: some sources are short."""
        return max(super().longest_answer(words), self.facts["longest_target"] + 1)

    @property
    def bound(self) -> tuple[int, int]:
        each, more = super().bound
        return each, max(more, self.facts["longest_target"] + 1)

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


def taken_over(config: OwnWordsTraining, source: Source) -> dict[str, Any]:
    """What a run takes over from the translator with which it begins, apart from its weights: words and form.

    Raises:
        UsageError: it is no translator, or an option says another thing of it.
    """
    of = f"--init-from {config.init_from}"
    name, options = options_of(config.init_from)
    kind = name if name in FORMS else options.get("network")
    if options.get("form") == "location-aware":
        kind = "location-aware"
    if kind not in FORMS or "words" not in source.facts:
        names = "attention, seq2seq, scheduled-sampling or sequence-level-training"
        raise UsageError(f"{of}: is a run of {name}, not of {names}")
    if kind != config.network:
        raise UsageError(f"{of}: its network is {kind}: give --network {kind}")
    for option in ("lower", "hidden", "embedding"):
        if options.get(option) != getattr(config, option):
            said = f"--{option} {str(options.get(option)).lower()}"
            raise UsageError(f"{of}: was trained with {said}: give that here too")
    form = source.facts.get("form") or {name: options[name] for name in FORMS[kind] if name in options}
    if form.get("score") == "location":
        form = {**form, "longest": source.state["attention.query.weight"].shape[0]}
        if config.longest >= form["longest"]:
            raise UsageError(
                f"{of}: its score knows {form['longest'] - 1} places: give --longest {form['longest'] - 1}"
            )
    return {"words": source.facts["words"], "form": form}


def strangers_of(config: OwnWordsTraining, words: Mapping[str, Any], train: Any) -> dict[str, Any]:
    """By side, the words of the training pairs that a vocabulary lacks: the first ones, how many, and of how many.

    Raises:
        DataError: most words of a side are unknown.
    """
    found = {}
    for side, texts in (("source", train.x), ("target", train.targets)):
        known = Vocabulary.from_json(words[side]).number
        read = [word for text in texts for word in tokenize(text, config.lower)]
        strange = [word for word in read if word not in known]
        if 2 * len(strange) > len(read):
            what = f"{len(strange):,} of {len(read):,} words of the {side}s are unknown to {config.init_from}"
            raise DataError(Problem("", "", what, "train a new model on them, without --init-from"))
        if strange:
            different = list(dict.fromkeys(strange))
            found[side] = {"first": different[:5], "different": len(different), "words": len(strange), "of": len(read)}
    return found
