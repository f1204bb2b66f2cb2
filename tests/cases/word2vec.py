import numpy as np
import torch
from contract.cases import Case
from oracles import word2vec as oracle

from deepcanon.representation.word2vec import (
    Word2Vec,
    cbow_windows,
    cooccurrences,
    draw_noise,
    keep_probabilities,
    negative_sampling_loss,
    noise_distribution,
    noise_weights,
    rank_correlation,
    shifted_pmi,
    skip_gram_pairs,
)


def build():
    model = Word2Vec(9, 5)
    torch.nn.init.normal_(model.output_vectors)
    torch.nn.init.normal_(model.input_vectors)
    return model


def text(rng):
    """Words of some sentences, and a window for each."""
    return rng.integers(0, 6, 30), np.sort(rng.integers(0, 5, 30)), rng.integers(1, 4, 30)


def sorted_pairs(words, sentences, reach):
    pairs = torch.stack(skip_gram_pairs(words, sentences, reach), 1)
    return pairs[(pairs[:, 0] * 100 + pairs[:, 1]).argsort()]


def summed_windows(words, sentences, reach):
    """Of each centre the sum of its near words' shares by word."""
    centres, near, shares = cbow_windows(words, sentences, reach)
    return centres, torch.zeros(len(near), 6).to(shares).scatter_add_(1, near, shares).double()


def summed_windows_oracle(params, words, sentences, reach):
    found = oracle.cbow(words, sentences, reach)
    table = np.array([np.bincount(near, minlength=6) / len(near) for _, near in found])
    return np.array([centre for centre, _ in found]), table


def counted(words, sentences, reach):
    found = cooccurrences(words, sentences, 3, 6)
    table = torch.zeros(6, 6, dtype=torch.float64)
    table[found.words, found.near] = found.counts
    best = torch.full((6, 6), -torch.inf, dtype=torch.float64)
    best[found.words, found.near] = shifted_pmi(found, noise_distribution(words.bincount(minlength=6), 0.5), 2.0)
    return table, best


def counted_oracle(params, words, sentences, reach):
    table = oracle.cooccurrence(words, sentences, 3, 6)
    return table, oracle.optimum(table, oracle.noise(np.bincount(words, minlength=6), 0.5), 2)


def shares(rng):
    raw = rng.uniform(size=(4, 3))
    return raw / raw.sum(1, keepdims=True)


def updated(model, inputs, targets, given):
    model.update(inputs, targets, 0.3, shares=given, limit=2.0)
    return model.input_vectors.detach().clone(), model.output_vectors.detach().clone()


def fresh_update(inputs, targets, given):
    torch.manual_seed(0)
    return updated(build().double(), inputs, targets, given)


def updated_oracle(params, inputs, targets, given):
    torch.manual_seed(0)
    model = build()
    v, u = model.input_vectors.detach().double().numpy(), model.output_vectors.detach().double().numpy()
    return oracle.updated(v, u, inputs, targets, 0.3, given, 2.0)


def batch(rng):
    return rng.integers(0, 9, (4, 3)), rng.integers(0, 9, (4, 6))


def ranks(params, x, y):
    order = [np.array([np.mean(np.flatnonzero(np.sort(v) == value)) for value in v]) for v in (x, y)]
    return np.array(np.corrcoef(*order)[0, 1])


CASES = (
    Case(
        "word2vec",
        build,
        batch,
        lambda params, inputs, targets: oracle.scores(
            params["input_vectors"], params["output_vectors"], inputs, targets
        ),
    ),
    Case(
        "word2vec_shares",
        build,
        lambda rng: (*batch(rng), shares(rng)),
        lambda params, inputs, targets, given: oracle.scores(
            params["input_vectors"], params["output_vectors"], inputs, targets, given
        ),
    ),
)
FUNCTIONS = (
    Case(
        "word2vec_update",
        None,
        lambda rng: (*batch(rng), shares(rng)),
        updated_oracle,
        call=fresh_update,
        gradcheck=False,
        rows=False,
    ),
    Case("skip_gram_pairs", None, text, lambda params, *x: np.array(sorted(oracle.pairs(*x))), call=sorted_pairs),
    Case("cbow_windows", None, text, summed_windows_oracle, call=summed_windows, covers=("cbow_windows",)),
    Case(
        "cooccurrences",
        None,
        text,
        counted_oracle,
        call=counted,
        covers=("cooccurrences", "shifted_pmi", "noise_distribution"),
    ),
    Case(
        "keep_probabilities",
        None,
        lambda rng: (rng.integers(1, 90, 8).astype(float),),
        lambda params, counts: oracle.keep(counts, 0.1),
        call=lambda counts: keep_probabilities(counts, 0.1),
        gradcheck=False,
    ),
    Case(
        "noise_distribution",
        None,
        lambda rng: (rng.integers(0, 9, 8).astype(float),),
        lambda params, counts: oracle.noise(counts, 0.75),
        call=lambda counts: noise_distribution(counts),
        gradcheck=False,
    ),
    Case(
        "draw_noise",
        None,
        lambda rng: (np.array([0.0, 0.0, 1.0, 0.0]),),
        lambda params, noise: np.full((5, 2), 2),
        call=lambda noise: draw_noise(noise, (5, 2)),
    ),
    Case(
        "negative_sampling_loss",
        None,
        lambda rng: (rng.normal(size=(4, 6)) * 3, rng.uniform(size=(4, 6))),
        lambda params, scores, weights: oracle.loss(scores, weights),
        call=negative_sampling_loss,
        rows=True,
    ),
    Case(
        "noise_weights",
        None,
        lambda rng: (rng.integers(0, 3, (5, 4)),),
        lambda params, targets: np.array([[1, *(row[1:] != row[0])] for row in targets], float),
        call=lambda targets: noise_weights(targets),
    ),
    Case(
        "rank_correlation",
        None,
        lambda rng: (rng.integers(0, 9, 30).astype(float), rng.normal(size=30)),
        ranks,
        call=lambda x, y: torch.tensor(rank_correlation(x, y), dtype=torch.float64),
        gradcheck=False,
    ),
)
