import numpy as np
import torch
from contract.cases import Case
from oracles import sentiment as oracle

from deepcanon.sequence import SentimentRNN
from deepcanon.sequence.sentiment import pooled

VARIANTS = (
    ("lstm", True, "last", 1),
    ("gru", True, "last", 2),
    ("rnn", False, "last", 1),
    ("lstm", True, "mean", 2),
    ("gru", False, "max", 1),
)


def texts(rng):
    """Tokens of four texts of 6, 1, 3 and 4 words, padded to 6."""
    lengths = np.array([[6], [1], [3], [4]])
    return (np.where(np.arange(6) < lengths, rng.integers(1, 9, size=(4, 6)), 0),)


def build(cell, both, pool, layers):
    model = SentimentRNN(9, 3, dimensions=4, hidden_size=3, num_layers=layers, cell=cell, both=both, pool=pool)
    torch.nn.init.normal_(model.embedding.weight)  # also in the rows of padding and of unknown words
    return model


def padded(rng):
    return rng.normal(size=(3, 5, 2)), np.arange(5) < np.array([[5], [2], [0]])


CASES = tuple(
    Case(
        "sentiment_" + "_".join(map(str, given)).lower(),
        lambda given=given: build(*given),
        texts,
        lambda params, tokens, given=given: oracle.module(params, tokens, *given),
        covers=("SentimentRNN",),
    )
    for given in VARIANTS
)
FUNCTIONS = (
    *(
        Case(
            f"pooled_{pool}",
            None,
            padded,
            lambda _, states, real, pool=pool: oracle.pooled(states, real, pool),
            call=lambda states, real, pool=pool: pooled(states, real, pool),
            covers=("pooled",),
        )
        for pool in ("mean", "max")
    ),
)
