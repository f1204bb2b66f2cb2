import numpy as np
import torch
from contract.cases import Case
from oracles import text_cnn as oracle

from deepcanon.sequence import TextCNN
from deepcanon.sequence.text_cnn import max_over_time, windows_of


def texts(rng):
    """Tokens of four texts of 7, 2, 1 and 5 words, padded to 7."""
    lengths = np.array([[7], [2], [1], [5]])
    return (np.where(np.arange(7) < lengths, rng.integers(1, 9, size=(4, 7)), 0),)


def build(**options):
    model = TextCNN(9, 3, dimensions=4, filters=5, **options)
    torch.nn.init.normal_(model.embedding.weight)  # also in the rows of padding and of unknown words
    return model


CASES = tuple(
    Case(
        f"text_cnn{'' if fast else '_convolved'}",
        lambda fast=fast: build(fast=fast),
        texts,
        oracle.module,
        covers=("TextCNN",),
    )
    for fast in (True, False)
) + (
    Case(
        "text_cnn_widths",
        lambda: build(widths=(1, 2, 9)),
        texts,
        lambda params, tokens: oracle.module(params, tokens, (1, 2, 9)),
    ),
)
FUNCTIONS = (
    Case(
        "windows_of",
        None,
        lambda rng: (rng.integers(0, 2, size=(3, 6)).astype(bool),),
        lambda _, real: oracle.windows(real, 3),
        call=lambda real: windows_of(real, 3),
        covers=("windows_of",),
    ),
    Case(
        "max_over_time",
        None,
        lambda rng: (rng.normal(size=(3, 4, 6)), np.arange(6) < np.array([[6], [2], [0]])),
        lambda _, sums, inside: oracle.largest(sums, inside),
        call=max_over_time,
    ),
)
