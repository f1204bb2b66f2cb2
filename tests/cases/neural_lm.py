import numpy as np
import torch
from contract.cases import Case
from oracles import neural_lm as oracle
from torch import nn

from deepcanon.sequence import NeuralLM
from deepcanon.sequence.neural_lm import mixture_weight, next_token_nll


def history(rng):
    return (rng.integers(0, 9, size=(4, 3)),)


def model(**options):
    return lambda: NeuralLM(9, order=4, embedding_size=2, hidden_size=5, **options)


def nll(features, weight, bias, targets):
    output = nn.Linear(*weight.shape[::-1], dtype=weight.dtype)
    output.weight, output.bias = nn.Parameter(weight), nn.Parameter(bias)
    return next_token_nll(features, output, targets)


CASES = (
    Case("neural_lm", model(), history, oracle.forward, covers=("NeuralLM",)),
    Case("neural_lm_direct", model(direct=True, dropout=0.1), history, oracle.forward),
)
FUNCTIONS = (
    Case(
        "next_token_nll",
        None,
        lambda rng: (rng.normal(size=(5, 3)), rng.normal(size=(7, 3)), rng.normal(size=7), rng.integers(0, 7, size=5)),
        lambda params, *given: np.array(oracle.nll(*given)),
        call=nll,
        covers=("next_token_nll",),
        skips={"rows": "one number for all rows", "gradcheck": "the loss of a vocabulary has its own tests"},
    ),
    Case(
        "mixture_weight",
        None,
        lambda rng: (rng.uniform(0.01, 0.5, size=40), rng.uniform(0.01, 0.5, size=40)),
        lambda params, p, q: np.array(oracle.mixture_weight(p, q)),
        call=lambda p, q: torch.tensor(mixture_weight(p, q, rounds=20_000), dtype=torch.float64),
        covers=("mixture_weight",),
        skips={"rows": "one number for all rows", "gradcheck": "a number, found by iterations"},
    ),
)
