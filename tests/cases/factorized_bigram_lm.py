from contract.cases import Case
from oracles import factorized_bigram_lm as oracle

from deepcanon.sequence import FactorizedBigramLM

CASES = (
    Case(
        "factorized_bigram_lm",
        lambda: FactorizedBigramLM(9, rank=4, dropout=0.1),
        lambda rng: (rng.integers(0, 9, size=(5, 1)),),
        oracle.forward,
        covers=("FactorizedBigramLM",),
    ),
)
