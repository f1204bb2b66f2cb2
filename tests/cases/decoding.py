import numpy as np
import torch
from contract.cases import Case
from oracles import decoding as oracle

from deepcanon.parts.decoding import beam_search, length_penalty, sample_sequence


def tables(rng):
    """log p(next | previous) for each of 4 steps, of 3 models side by side."""
    a = rng.normal(size=(3, 4, 5, 5)) * 2
    return (a - np.log(np.exp(a).sum(-1, keepdims=True)),)


def stepper(table):
    """State: the row's own table and the time."""

    def step(tokens, state):
        mine, t = state
        return mine[torch.arange(len(tokens)), t, tokens], (mine, t + 1)

    return step, (table, torch.zeros(len(table), dtype=torch.int64))


def search(table):
    step, state = stepper(table)
    found = beam_search(step, torch.zeros(3, dtype=torch.int64), state, beam=3, length=4, end=1, alpha=0.5)
    return found.tokens, found.scores


def search_oracle(params, table):
    tokens, scores = np.ones((3, 3, 4), dtype=np.int64), np.zeros((3, 3))
    for row in range(3):
        for k, (score, found) in enumerate(oracle.sutskever(table[row], 0, 4, 3, end=1, alpha=0.5)):
            tokens[row, k, : len(found)], scores[row, k] = found, score
    return tokens, scores


def greedy(table):
    step, state = stepper(table)
    return sample_sequence(step, torch.zeros(3, dtype=torch.int64), state, 4, temperature=0.0, end=1)


def greedy_oracle(params, table):
    tokens, scores = np.ones((3, 4), dtype=np.int64), np.zeros(3)
    for row in range(3):
        previous = 0
        for t in range(4):
            token = int(table[row, t, previous].argmax())
            tokens[row, t] = token
            scores[row] += table[row, t, previous, token]
            previous = token
            if token == 1:
                break
    longest = max(int(np.argmax(row == 1)) if (row == 1).any() else 3 for row in tokens) + 1
    return tokens[:, :longest], scores


CASES = ()
FUNCTIONS = (
    Case("beam_search", None, tables, search_oracle, call=search, gradcheck=False),
    Case("sample_sequence", None, tables, greedy_oracle, call=greedy, gradcheck=False),
    Case(
        "length_penalty",
        None,
        lambda rng: (rng.integers(1, 20, size=6),),
        lambda params, lengths: ((5.0 + lengths) / 6) ** 0.7,
        call=lambda lengths: length_penalty(lengths, 0.7),
    ),
)
