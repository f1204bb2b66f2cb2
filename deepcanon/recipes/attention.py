"""Translation with attention: each word is written while attending to the words that it translates.

Task: translate sentences of your own pairs (.tsv, .csv, .jsonl, or two files), of Multi30k,
or generated ones whose alignment is known. Metrics: perplexity per word, BLEU and chrF by
sacrebleu, and, where it is known, the share of words with the right alignment. The report draws
what each word attended to. Options are three forms, five scores, and two penalties:
on words that are not attended to once in total (Xu et al. 2015) and on attending again (See et al.
2017): what they penalise falls to 1 % and 4 % on new sentences, whose translations stay right
(three seeds, a minute each). In sentences of twice the training length 39 to 49 % of words are
aligned right, with `--form location-aware` (Chorowski et al. 2015) 98.7 % (three seeds each).
Multi30k, German to English, test of 2016: 36.7 BLEU, ignoring case, after nine minutes on one core
(one seed; public models: 28.8 with words, 33.5 and 38.5 with subwords).

    deepcanon train attention --data my-pairs.tsv
    deepcanon generate last --prompt "ein Hund läuft über die Wiese" --beam 5
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

from deepcanon.model_options import TINY_TRANSLATION, TranslationTraining
from deepcanon.options import Count, NonNegative, Number, Share
from deepcanon.targets import TRANSLATION, metric, target

SYSTEM = "sequence.attention"
DATA = ("pairs",)
METRICS = {
    **TRANSLATION,
    "doubly_stochastic": metric(
        "what --doubly-stochastic weighs, of the sentences of a batch over their words", "", "min"
    ),
    "objective": metric("nll and the weighted penalties, once they count", "nats", "min"),
}
HALF = "half of what is there without"
TARGETS = (
    target("multi30k", "test/bleu >= 25", "P", "10 epochs of a public GRU of 512 units: 28.77"),
    target("multi30k", "worst cpu_minutes <= 12", "P", "twelve minutes of one core"),
    target("aligned", "valid/alignment >= 0.95", "P", "the order is known by construction"),
    target("aligned", "test/alignment >= 0.95", "P", "sentences of up to twice the length"),
    target("longer", "valid/alignment >= 0.95", "P", "the same by --form location-aware"),
    target("longer", "test/alignment >= 0.95", "P", "sentences of up to twice the length"),
    target("plain", "valid/exact >= 0.95", "P", "half the passes of the run aligned"),
    target("doubly", "valid/uneven <= 0.052", "P", f"{HALF}, three seeds: 0.104"),
    target("doubly", "test/uneven <= 0.163", "P", f"{HALF}, three seeds: 0.326"),
    target("doubly - plain", "valid/bleu >= -0.3", "P", "what was learned stays"),
    target("covered", "valid/coverage_loss <= 0.115", "P", f"{HALF}, three seeds: 0.230"),
    target("covered - plain", "valid/bleu >= -0.3", "P", "what was learned stays"),
    target("covered - plain", "test/repeated <= 0", "P", "pairs of words that come again"),
    target("uniform", "test/exact <= 0.1", "P", "equal weights cannot say which word is next"),
)


@dataclass(frozen=True, kw_only=True)
class Config(TranslationTraining):
    form: Literal["bahdanau", "luong", "location-aware"] = "bahdanau"
    """Whether the context enters the recurrence, or the readout only, which is faster; or attention
    by nearby words and by where it was before, as right on longer sentences than those learned."""
    score: Literal["additive", "dot", "general", "location", "uniform"] = "additive"
    """How well a source word fits; location uses positions only, uniform gives equal weights."""
    keep_bias: Number = 0.0
    """Initial bias of the update gates towards keeping; a negative one forgets, so that attention
    depends on the nearby words."""
    window: Count = 5
    """location-aware: words that an annotation sees, an odd number: as long as the longest phrase
    that is translated as a whole, and what is before it."""
    reach: Count = 13
    """location-aware: places around its own whose weights before a score sees, an odd number."""
    doubly_stochastic: NonNegative = 0.0
    """Weight of the penalty on source words that are not attended to once in total (Xu et al.
    2015); 0: none."""
    coverage: NonNegative = 0.0
    """Weight of the penalty on attending to the same words again (See et al. 2017); 0: none."""
    penalty_from: Share = 0.6
    """The penalties begin after this share of the training: before, they disturb it."""


SMALL: dict[str, Any] = {
    "hidden": 64,
    "embedding": 48,
    "epochs": 12,
    "minimum_count": 1,
    "dropout": 0.1,
}
KNOWN = Config(**SMALL, batch=50, learning_rate=4e-3, keep_bias=-3.0)
LONGER: dict[str, Any] = {
    "form": "location-aware",
    "batch": 50,
    "learning_rate": 4e-3,
    "keep_bias": -3.0,
}
FEW, SHORT = replace(KNOWN, epochs=6), {"data": "lexical-translation", "evaluate_every": 600}
TINY = Config(**TINY_TRANSLATION)
CAPTIONS = Config(lower=True, epochs=6)
PRESETS = {
    "smoke": (TINY, {"data": "lexical-translation", "steps": 30, "threads": 1}),
    "default": (Config(), {"data": "lexical-translation", "options": {**SMALL, **LONGER}}),
    "paper": (Config(hidden=1000, embedding=620, batch=80, dropout=0.0), {"data": "multi30k"}),
    "verify:multi30k": (CAPTIONS, {"data": "multi30k", "precision": "auto", "evaluate_every": 900}),
    "verify:aligned": (KNOWN, {"data": "lexical-translation"}),
    "verify:longer": (replace(KNOWN, form="location-aware"), {"data": "lexical-translation"}),
    "verify:uniform": (replace(KNOWN, score="uniform"), {"data": "lexical-translation"}),
    "verify:plain": (FEW, SHORT),
    "verify:doubly": (replace(FEW, doubly_stochastic=1.0), SHORT),
    "verify:covered": (replace(FEW, coverage=1.0), SHORT),
}

from deepcanon.engine.exported_translators import ExportsTranslations
from deepcanon.errors import UsageError
from deepcanon.parts.attention import coverage_loss, doubly_stochastic_loss
from deepcanon.parts.masks import real_positions
from deepcanon.sequence.attention import AttentionSeq2Seq
from deepcanon.sequence.location_aware import LocationAwareSeq2Seq
from deepcanon.techniques.translation import Translation


class Recipe(Translation[Config], ExportsTranslations):
    @classmethod
    def learn(cls, config, data):
        if config.form == "location-aware" and config.score != "additive":
            raise UsageError(f"--score {config.score}: --form location-aware has an additive score")
        for name in ("window", "reach"):
            given = getattr(config, name)
            if given != getattr(Config, name) and config.form != "location-aware":
                raise UsageError(f"--{name} has no effect without --form location-aware")
            if given % 2 == 0:
                raise UsageError(f"--{name} {given}: give an odd number, which has a middle")
        if config.score == "uniform" and (config.doubly_stochastic or config.coverage):
            name = "doubly-stochastic" if config.doubly_stochastic else "coverage"
            raise UsageError(f"--{name} has no effect on equal weights: leave --score uniform out")
        return super().learn(config, data)

    def build(self):
        super().build()
        if self.config.doubly_stochastic or self.config.coverage:
            self.monitor = "valid/objective", "min"

    def network(self, words):
        c, sizes = self.config, (*words, self.config.hidden)
        shared: dict = {"embedding_size": c.embedding, "dropout": c.dropout}
        shared |= {"keep_bias": c.keep_bias, "device": self.run.device}
        if c.form == "location-aware":
            self.moving = LocationAwareSeq2Seq.moving
            return LocationAwareSeq2Seq(*sizes, window=c.window, reach=c.reach, **shared)
        longest = self.facts["reader"]["longest"] + 1  # and the sign of the end
        return AttentionSeq2Seq(*sizes, form=c.form, score=c.score, longest=longest, **shared)

    @property
    def penalised(self):
        """Whether the penalties count by now."""
        return self.run.step >= self.config.penalty_from * self.run.steps

    def penalties(self, weights, steps, lengths):
        c, found = self.config, {}
        if c.doubly_stochastic and self.penalised:
            real = real_positions(lengths, weights.shape[2])
            uneven = doubly_stochastic_loss(weights, steps, real)
            found["doubly_stochastic"] = c.doubly_stochastic, uneven
        if c.coverage and self.penalised:
            found["coverage_loss"] = c.coverage, coverage_loss(weights, steps)
        return found

    def evaluate(self, split):
        c, found = self.config, super().evaluate(split)
        if (c.doubly_stochastic or c.coverage) and self.penalised:
            penalty = c.doubly_stochastic * found["uneven"] + c.coverage * found["coverage_loss"]
            found["objective"] = found["nll"] + penalty
        return found
