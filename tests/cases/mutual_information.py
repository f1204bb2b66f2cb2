import numpy as np
import torch
from contract.cases import Case
from oracles import mutual_information as oracle
from oracles import word2vec

from deepcanon.representation.mutual_information import cooccurrences, ppmi, shifted_pmi
from deepcanon.representation.word2vec import noise_distribution


def text(rng):
    """Words of some sentences."""
    return rng.integers(0, 6, 30), np.sort(rng.integers(0, 5, 30))


def table_of(pairs, values, size=6, empty=0.0):
    table = torch.full((size, size), empty, dtype=torch.float64)
    table[pairs.words, pairs.near] = values
    return table


def counted(words, sentences):
    pairs = cooccurrences(words, sentences, 3, 6)
    best = shifted_pmi(pairs, noise_distribution(words.bincount(minlength=6), 0.5), 2.0)
    return table_of(pairs, pairs.counts), table_of(pairs, best, empty=-torch.inf), table_of(pairs, ppmi(pairs, 6))


def counted_oracle(params, words, sentences):
    table = oracle.cooccurrence(words, sentences, 3, 6)
    best = oracle.optimum(table, word2vec.noise(np.bincount(words, minlength=6), 0.5), 2)
    return table, best, oracle.ppmi(table)


CASES = ()
FUNCTIONS = (
    Case("cooccurrences", None, text, counted_oracle, call=counted, covers=("cooccurrences", "shifted_pmi", "ppmi")),
)
