import numpy as np
import torch
from contract.cases import Case
from oracles import word2vec as oracle

from deepcanon.representation.word2vec import (
    Word2Vec,
    cbow_windows,
    draw_noise,
    keep_probabilities,
    negative_sampling_loss,
    noise_distribution,
    noise_weights,
    shared_noise_loss,
    shared_rows,
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


def shares(rng):
    raw = rng.uniform(size=(4, 3))
    return raw / raw.sum(1, keepdims=True)


def tables(model):
    return [
        x.detach().clone()
        for x in (model.input_vectors, model.input_squares, model.output_vectors, model.output_squares)
    ]


def fresh():
    torch.manual_seed(0)
    model = build().double()
    model.input_squares.uniform_()
    model.output_squares.uniform_()
    return model


def fresh_arrays():
    v, squares_v, u, squares_u = (x.numpy() for x in tables(fresh()))
    return v, u, squares_v, squares_u


def update(inputs, targets, given):
    model = fresh()
    model.update(inputs, targets, 0.3, shares=given, power=0.4)
    return tables(model)


def update_oracle(params, inputs, targets, given):
    return oracle.updated(*fresh_arrays(), inputs, targets, 0.3, given, 0.4)


def rows_of_text(rng):
    """A text and the noise words of its rows."""
    words, sentences, _ = text(rng)
    return words, sentences, rng.integers(0, 9, (4, 3))


def weights_by_pair(words, sentences, noise):
    """Of each word and target the sums of their weights as true word and as noise."""
    rows = shared_rows(words, sentences, noise, 3, 2, dtype=torch.float64)
    found = torch.zeros(2, 9, 9, dtype=torch.float64)
    for table, targets, weights in zip(found, (rows.near, rows.noise), (rows.right, rows.wrong), strict=True):
        keys = rows.words[:, :, None] * 9 + targets[:, None, :]
        table.view(-1).index_add_(0, keys.flatten(), weights.flatten())
    return found


def weights_by_pair_oracle(params, words, sentences, noise):
    found = np.zeros((2, 9, 9))
    for word, target, right, wrong in oracle.shared_pairs(words, sentences, noise, 3, 2.0):
        found[:, word, target] += right, wrong
    return found


def update_shared(words, sentences, noise):
    model = fresh()
    model.update_shared(shared_rows(words, sentences, noise, 3, 2, dtype=torch.float64), 0.3, power=0.4)
    return tables(model)


def update_shared_oracle(params, words, sentences, noise):
    terms = oracle.shared_pairs(words, sentences, noise, 3, 2.0)
    return oracle.shared_updated(*fresh_arrays(), terms, 0.3, 0.4)


def loss_of_rows(words, sentences, noise):
    model, rows = fresh(), shared_rows(words, sentences, noise, 3, 2, dtype=torch.float64)
    hidden = torch.nn.functional.embedding(rows.words, model.input_vectors)
    outputs = torch.nn.functional.embedding(torch.cat([rows.near, rows.noise], 1), model.output_vectors)
    return shared_noise_loss(hidden @ outputs.mT, rows.right, rows.wrong).sum()


def loss_of_rows_oracle(params, words, sentences, noise):
    v, u, *_ = fresh_arrays()
    return np.array(oracle.shared_loss(v, u, oracle.shared_pairs(words, sentences, noise, 3, 2.0)))


def batch(rng):
    return rng.integers(0, 9, (4, 3)), rng.integers(0, 9, (4, 6))


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
        update_oracle,
        call=update,
        gradcheck=False,
        rows=False,
    ),
    Case("skip_gram_pairs", None, text, lambda params, *x: np.array(sorted(oracle.pairs(*x))), call=sorted_pairs),
    Case("cbow_windows", None, text, summed_windows_oracle, call=summed_windows, covers=("cbow_windows",)),
    Case("shared_rows", None, rows_of_text, weights_by_pair_oracle, call=weights_by_pair, covers=("shared_rows",)),
    Case("word2vec_update_shared", None, rows_of_text, update_shared_oracle, call=update_shared, gradcheck=False),
    Case(
        "shared_noise_loss",
        None,
        rows_of_text,
        loss_of_rows_oracle,
        call=loss_of_rows,
        covers=("shared_noise_loss",),
        gradcheck=False,
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
)
