"""Translation with attention: each word is written while looking at the words that it stands for.

Task: sentences to sentences, of own pairs (a .tsv, a .jsonl, two files line by line), of Multi30k,
or of generated ones whose alignment is known. Metrics: perplexity per word, BLEU and chrF by
sacrebleu, and the share of words that look at the right place where that is known. What each word
looked at is drawn. Bahdanau's form and Luong's are options, and five scores. Multi30k, German to
English, test of 2016: 36.7 BLEU, capitals aside, after nine minutes of one core (one seed; public
models of words 28.8, of subwords 33.5 and 38.5).

    deepcanon train attention --data my-pairs.tsv
    deepcanon generate last --prompt "ein Hund läuft über die Wiese" --beam 5
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

from deepcanon.model_options import TINY_TRANSLATION, TranslationTraining
from deepcanon.options import Number
from deepcanon.targets import TRANSLATION, target

SYSTEM = "sequence.attention"
DATA = ("pairs",)
METRICS = TRANSLATION
TARGETS = (
    target("multi30k", "test/bleu >= 25", "P", "10 epochs of a public GRU of 512 units: 28.77"),
    target("multi30k", "worst cpu_minutes <= 12", "P", "twelve minutes of one core"),
    target("aligned", "valid/alignment >= 0.95", "P", "the order is known by construction"),
    target("aligned", "test/alignment >= 0.95", "P", "sentences of up to twice the length"),
    target("uniform", "test/exact <= 0.1", "P", "equal weights cannot say which word is next"),
)


@dataclass(frozen=True, kw_only=True)
class Config(TranslationTraining):
    form: Literal["bahdanau", "luong"] = "bahdanau"
    """Whether the context enters the recurrence, or the readout only, which is faster."""
    score: Literal["additive", "dot", "general", "location", "uniform"] = "additive"
    """How well a word of the source fits; location knows places alone, uniform gives equal
    weights."""
    keep_bias: Number = 0.0
    """Initial bias of the update gates towards keeping; a negative one forgets, so that where to
    look follows from the words around."""


SMALL: dict[str, Any] = {
    "hidden": 64,
    "embedding": 48,
    "epochs": 12,
    "minimum_count": 1,
    "dropout": 0.1,
}
KNOWN = Config(**SMALL, batch=50, learning_rate=4e-3, keep_bias=-3.0)
TINY = Config(**TINY_TRANSLATION)
CAPTIONS = Config(lower=True, epochs=6)
PRESETS = {
    "smoke": (TINY, {"data": "lexical-translation", "steps": 30, "threads": 1}),
    "default": (Config(), {"data": "lexical-translation", "options": SMALL}),
    "paper": (Config(hidden=1000, embedding=620, batch=80, dropout=0.0), {"data": "multi30k"}),
    "verify:multi30k": (CAPTIONS, {"data": "multi30k", "precision": "auto", "evaluate_every": 900}),
    "verify:aligned": (KNOWN, {"data": "lexical-translation"}),
    "verify:uniform": (replace(KNOWN, score="uniform"), {"data": "lexical-translation"}),
}

from deepcanon.sequence.attention import AttentionSeq2Seq
from deepcanon.techniques.translation import Translation


class Recipe(Translation[Config]):
    def network(self, words):
        c = self.config
        return AttentionSeq2Seq(
            words[0],
            words[1],
            c.hidden,
            embedding_size=c.embedding,
            form=c.form,
            score=c.score,
            longest=self.facts["reader"]["longest"] + 1,  # and the sign of the end
            dropout=c.dropout,
            keep_bias=c.keep_bias,
            device=self.run.device,
        )
