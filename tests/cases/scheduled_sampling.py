import numpy as np
import torch
from contract.cases import Case
from oracles import scheduled_sampling as oracle

from deepcanon.sequence import drawn_words, mixed, true_share
from deepcanon.sequence.scheduled_sampling import exponential, inverse_sigmoid, linear

STEPS = (0, 1, 7, 40, 300, 5000)
BY_STEP = {
    "linear": (lambda i: linear(i, 0.02, 0.1, 0.9), lambda i: oracle.linear(i, 0.02, 0.1, 0.9)),
    "exponential": (lambda i: exponential(i, 0.97), lambda i: oracle.exponential(i, 0.97)),
    "inverse_sigmoid": (lambda i: inverse_sigmoid(i, 25.0), lambda i: oracle.inverse_sigmoid(i, 25.0)),
}
DECAYS = ("linear", "exponential", "inverse-sigmoid")


def schedule(name):
    ours, theirs = BY_STEP[name]
    return Case(
        name=name,
        build=None,
        call=lambda steps: torch.tensor([ours(int(i)) for i in steps], dtype=torch.float64),
        inputs=lambda rng: (np.array(STEPS),),
        oracle=lambda params, steps: theirs(steps),
        covers=(name,),
    )


def written(rng):
    """Inputs, coins and numbers of three sentences, a table of logits and what each word leaves in the memory."""
    words, size = 5, (3, 6)
    return (
        rng.integers(words, size=size),
        rng.random(size) < 0.5,
        rng.random(size),
        rng.normal(size=(words, words)),
        rng.normal(size=(words, words)),
    )


def own(inputs, keep, numbers, table, memory):
    def step(tokens, state):
        state = 0.5 * state + memory[tokens]
        return table[tokens] + state, state

    return mixed(step, torch.zeros(len(inputs), table.shape[1], dtype=table.dtype), inputs, keep, numbers)


FUNCTIONS = (
    *map(schedule, BY_STEP),
    Case(
        name="halved_after",
        build=None,
        call=lambda steps: torch.tensor(
            [[true_share(decay, int(i), float(i)) for i in steps] for decay in DECAYS], dtype=torch.float64
        ),
        inputs=lambda rng: (np.array([1, 3, 50, 20_000]),),
        oracle=lambda params, steps: np.full((3, len(steps)), 0.5),
        covers=("halved_after", "true_share"),
    ),
    Case(
        name="drawn_words",
        build=None,
        call=drawn_words,
        inputs=lambda rng: (rng.normal(size=(8, 5)), rng.random(8)),
        oracle=lambda params, logits, numbers: np.array(
            [
                int((np.cumsum(np.exp(row) / np.exp(row).sum()) <= u).sum())
                for row, u in zip(logits, numbers, strict=True)
            ]
        ),
    ),
    Case(
        name="mixed_words",
        build=None,
        call=own,
        inputs=written,
        oracle=lambda params, *values: oracle.mixed(*values),
        gradcheck=False,
    ),
)
