import numpy as np
import torch
from contract.cases import Case
from oracles import ctc_speech as oracle

from deepcanon.parts.log_mel import LogMel
from deepcanon.sequence import CTCSpeech, ctc_nll
from deepcanon.sequence.ctc_speech import align

LABELS = np.array([[1, 1, -100], [2, 1, 2], [-100, -100, -100], [1, -100, -100], [1, 1, 1]])
FRAMES = np.array([5, 5, 2, 1, 4])  # the last row needs 5


def energies():
    return LogMel(1000, 4, shift=torch.tensor([1.0, -2.0, 0.5, 3.0]), scale=torch.tensor([0.5, 2.0, 1.5, 4.0]))


def recordings(rng):
    return rng.uniform(-1, 1, size=(3, 190)), np.array([190, 190, 190])


def speaking():
    return CTCSpeech(LogMel(1000, 4), 3, joined=2, hidden=5, layers=2)


def rows(params, x, lengths):
    return np.stack(oracle.forward(params, x, lengths)), np.array([9] * len(x))


def first_steps(module, x, lengths):
    log_probs, steps = module(x, lengths)
    return log_probs[:, :9], steps


def log_probs(rng):
    logits = rng.normal(size=(5, 5, 3))
    return logits - np.log(np.exp(logits).sum(2, keepdims=True)), LABELS, FRAMES


def possible(rng):
    values = log_probs(rng)
    return tuple(value[:4] for value in values)


def without_symbols(rng):
    return (log_probs(rng)[0], FRAMES)


CASES = (
    Case(
        "ctc_speech", speaking, recordings, rows, call=first_steps, constants=(1,),
        covers=("CTCSpeech",),
    ),
    Case(
        "log_mel", energies, lambda rng: (rng.uniform(-1, 1, size=(3, 190)),),
        lambda params, x: np.stack([(oracle.log_mel(row, 1000, 4) - params["shift"]) / params["scale"] for row in x]),
    ),
)  # fmt: skip
FUNCTIONS = (
    Case(
        "ctc_nll", None, possible, lambda params, *values: oracle.nll(*values), call=ctc_nll, constants=(1, 2),
    ),
    Case(
        "align", None, possible, lambda params, *values: oracle.align(*values), call=align, constants=(1, 2),
        gradcheck=False,
    ),
)  # fmt: skip
