import numpy as np
import torch
from contract.cases import Case
from oracles import sequence_level_training as oracle

from deepcanon.sequence import Baseline, mixer_terms, risk, sentence_bleu


def sentences(rng):
    """Log probabilities [batch, time], lengths, boundaries, rewards and baselines of four sentences."""
    lengths = np.array([5, 3, 1, 4])
    return -rng.exponential(size=(4, 5)), lengths, np.array([0, 2, 1, 6]), rng.random(4), rng.random((4, 5))


def candidates(rng):
    return -rng.exponential(size=(3, 4)), rng.random((3, 4))


def texts(rng):
    """Pairs of rows of a few words; -1 fills the shorter ones."""
    rows = rng.integers(4, size=(12, 2, 7))
    for row in rows.reshape(-1, 7):
        row[rng.integers(1, 8) :] = -1
    rows[0, 0] = -1  # nothing was written
    return (rows,)


def scores(rows, score):
    plain = [[[int(word) for word in text if word >= 0] for text in pair] for pair in rows]
    return np.array([score(found, reference) for found, reference in plain])


CASES = (
    Case(
        "baseline",
        lambda: Baseline(5),
        lambda rng: (rng.normal(size=(2, 3, 5)),),
        lambda params, states: states @ params["linear.weight"][0] + params["linear.bias"][0],
        covers=("Baseline",),
        skips={"gradcheck": "no gradient flows into the states, by definition"},
    ),
)
FUNCTIONS = (
    Case(
        "mixer_terms",
        None,
        sentences,
        lambda params, *values: tuple(oracle.mixer(*values)),
        call=lambda *values: tuple(mixer_terms(*values)),
        constants=(3, 4),
        covers=("mixer_terms",),
        gradcheck=False,
    ),
    Case(
        "risk",
        None,
        candidates,
        lambda params, *values: oracle.risk(*values, 0.3),
        call=lambda *values: risk(*values, 0.3),
        constants=(1,),
        covers=("risk",),
    ),
    Case(
        "sentence_bleu",
        None,
        texts,
        lambda params, rows: scores(rows, oracle.sentence_bleu),
        call=lambda rows: torch.from_numpy(scores(rows, sentence_bleu)),
        covers=("sentence_bleu",),
        gradcheck=False,
    ),
)
