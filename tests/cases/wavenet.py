import numpy as np
import torch
from contract.cases import Case
from oracles import wavenet as oracle

from deepcanon.sequence import WaveNet
from deepcanon.sequence.wavenet import code_nll, mu_law_decode, mu_law_encode


def net(**options):
    return lambda: WaveNet(9, 3, skip_channels=4, dilations=(1, 2, 4, 1), **options)


def codes(rng):
    return (rng.integers(0, 9, size=(3, 14)),)


def labelled(rng):
    return rng.integers(0, 9, size=(3, 14)), rng.integers(0, 2, size=3)


def nll_oracle(params, logits, codes):
    top = logits.max(-1, keepdims=True)
    log_p = logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))
    picked = np.take_along_axis(log_p, np.maximum(codes, 0)[..., None], -1)[..., 0]
    return np.where(codes < 0, 0.0, -picked)


CASES = (
    Case("wavenet", net(), codes, oracle.forward, causal=True, covers=("WaveNet",)),
    Case("wavenet_three_taps", net(taps=3), codes, oracle.forward, causal=True),
    Case("wavenet_classes", net(classes=2), labelled, oracle.forward, causal=True),
)
FUNCTIONS = (
    Case(
        "mu_law_encode",
        None,
        lambda rng: (rng.uniform(-1.5, 1.5, size=(4, 50)),),
        lambda params, x: oracle.encode(x),
        call=mu_law_encode,
        gradcheck=False,
    ),
    Case(
        "mu_law_decode",
        None,
        lambda rng: (rng.integers(0, 256, size=(4, 50)),),
        lambda params, codes: oracle.decode(codes),
        call=lambda codes: mu_law_decode(codes, dtype=torch.float64),
        gradcheck=False,
    ),
    Case(
        "code_nll",
        None,
        lambda rng: (rng.normal(size=(3, 4, 6)), rng.integers(-1, 6, size=(3, 4))),
        nll_oracle,
        call=lambda logits, codes: code_nll(logits, codes, "none"),
        constants=(1,),
    ),
)
