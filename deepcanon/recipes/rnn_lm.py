"""Recurrent language model over characters, words or pieces, by truncated backpropagation.

Task: the next token of a text; your own .txt files work, and `--init-from RUN` fine-tunes a trained
model on them. Metric: valid/nll and perplexity over the whole split with the state carried along.
Tiny Shakespeare, last 10 %: nanoGPT's readme gives 1.88 for 3 minutes of CPU and 1.4697 for its GPU
run; ours 1.48 after 2.2 CPU minutes on one core, below 1.46 after 5.

Presets of papers, on Penn Treebank words unless said otherwise; times are those of one core:
`paper` Karpathy's char-rnn on Shakespeare; `simple` a network of tanh units mixed with Kneser-Ney
(Mikolov 2010: 124.7 alone, 105.7 mixed), minutes; `small`, `medium` and `large` the LSTMs of
Zaremba et al. 2014 (about 115, 82.7 and 78.4): a quarter of an hour, 3 hours, 14 hours.

    deepcanon train rnn-lm --data tinyshakespeare
"""

from dataclasses import dataclass, replace

from deepcanon.model_options import RecurrentLanguage
from deepcanon.targets import LANGUAGE, MIXED, target

SYSTEM = "sequence.rnn_lm"
DATA = ("text",)
METRICS = {**LANGUAGE, **MIXED}
TARGETS = (
    target("short", "valid/nll <= 1.55", "P", "nanoGPT's readme has 1.88 for as much CPU time"),
    target("short", "worst cpu_minutes <= 3", "P", "as long as nanoGPT's CPU run"),
    target("long", "valid/nll <= 1.47", "C", "nanoGPT's readme, GPU 1.4697"),
    target("long", "worst cpu_minutes <= 15", "P", "a quarter of an hour of one core"),
    target("simple", "test/perplexity <= 150", "P", "Mikolov 2010 has 124.7, trained to the end"),
    target("simple", "test/mixed_perplexity <= 118", "P", "Mikolov 2010 has 105.7"),
    target("simple", "worst cpu_minutes <= 12", "P", "twelve minutes of one core"),
    target("small", "valid/perplexity <= 138", "P", "4 of 13 epochs; Kneser-Ney 5-grams 148.0"),
)


@dataclass(frozen=True, kw_only=True)
class Config(RecurrentLanguage):
    pass


SMALL = Config(hidden=64, embedding=32, batch=8, window=32, learning_rate=1e-2, sample=40)
# char-rnn's own settings (Karpathy 2015), RMSProp replaced by AdamW.
NET = Config(hidden=128, layers=2, embedding=0, dropout=0.0, batch=50, window=50, epochs=50.0)
RUN, PTB = {"data": "tinyshakespeare"}, {"data": "ptb"}
# The sizes of Mikolov 2010; AdamW and a linear input layer replace plain SGD and one-hot vectors.
SIMPLE = Config(
    unit="words",
    cell="rnn",
    hidden=200,
    embedding=200,
    dropout=0.2,
    window=20,
    epochs=6.0,
    learning_rate=3e-3,
    frequency_bias=True,
    ngram=5,
    sample=60,
)


def zaremba(size, window, epochs, full, decay, uniform, dropout=0.0, clip=5.0):
    """Zaremba et al. 2014 as in their script: `full` epochs at rate 1, then lower after each."""
    return Config(
        unit="words",
        hidden=size,
        embedding=size,
        layers=2,
        uniform=uniform,
        dropout=dropout,
        input_dropout=dropout,
        batch=20,
        window=window,
        epochs=float(epochs),
        optimizer="sgd",
        momentum=0.0,
        weight_decay=0.0,
        learning_rate=1.0,
        schedule="steps",
        drops=tuple(epoch / epochs for epoch in range(full, epochs)),
        drop_factor=1 / decay,
        summed=True,
        clip=clip,
        sample=60,
    )


LSTM = zaremba(200, 20, 13, 5, 2.0, 0.1)
PRESETS = {
    "smoke": (SMALL, {"data": "pydoc", "steps": 30, "threads": 1}),
    "default": (Config(), {"data": "pydoc", "options": {"hidden": 256, "epochs": 8.0}}),
    "paper": (replace(NET, learning_rate=2e-3, weight_decay=0.0, clip=5.0), RUN),
    "simple": (SIMPLE, PTB),
    "small": (LSTM, PTB),
    "medium": (zaremba(650, 35, 39, 7, 1.2, 0.05, dropout=0.5), PTB),
    "large": (zaremba(1500, 35, 55, 15, 1.15, 0.04, dropout=0.65, clip=10.0), PTB),
    "verify:short": (Config(dropout=0.2), {**RUN, "steps": 1800, "evaluate_every": 600}),
    "verify:long": (Config(dropout=0.2), {**RUN, "steps": 4000, "evaluate_every": 1000}),
    "verify:simple": (SIMPLE, PTB),
    "verify:small": (replace(LSTM, epochs=4.0, schedule="constant"), PTB),
}

from deepcanon.techniques.recurrent_language import RecurrentLanguageModel


class Recipe(RecurrentLanguageModel[Config]):
    pass
