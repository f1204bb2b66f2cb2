"""The pointer-generator network in NumPy float64: each article alone, without padding, one word and place at a time."""

import numpy as np
from oracles import lstm, masks


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def linear(x, params, name):
    return params[f"{name}.weight"] @ x + params[f"{name}.bias"]


def cell(x, h, c, params, name):
    bias = params[f"{name}.bias_ih"] + params[f"{name}.bias_hh"]
    new_h, new_c, _ = lstm.step(
        x[None], h[None], c[None], params[f"{name}.weight_ih"], params[f"{name}.weight_hh"], bias
    )
    return new_h[0], new_c[0]


def embedded(params, number):
    """Of what the vocabulary lacks, the embedding of the unknown word."""
    table = params["embedding.weight"]
    return table[number if number < len(table) else 0]


def annotations(params, article):
    """h_i of one article, and the hidden vectors at its ends."""
    size = params["forwards.weight_hh"].shape[1]
    directions = {}
    for name, order in (("forwards", range(len(article))), ("backwards", range(len(article))[::-1])):
        h, c, found = np.zeros(size), np.zeros(size), {}
        for place in order:
            h, c = cell(embedded(params, article[place]), h, c, params, name)
            found[place] = h
        directions[name] = found
    h = [np.concatenate([directions["forwards"][i], directions["backwards"][i]]) for i in range(len(article))]
    return np.stack(h), np.concatenate([directions["forwards"][len(article) - 1], directions["backwards"][0]])


def steps(params, article, inputs, covering=1.0):
    """(P_vocab, a, p_gen) of each step of one summary."""
    memory, ends = annotations(params, article)
    size = len(ends) // 2
    begin = linear(ends, params, "start_layer")
    h, c, context, covered = np.tanh(begin[:size]), begin[size:], np.zeros(2 * size), np.zeros(len(article))
    for number in inputs:
        z = linear(np.concatenate([embedded(params, number), context]), params, "given")
        h, c = cell(z, h, c, params, "decoder")
        s = np.concatenate([h, c])
        scores = np.array([
            params["attention.vector"]
            @ np.tanh(
                params["attention.memory.weight"] @ memory[i]
                + params["attention.query.weight"] @ s
                + params["covered"] * covering * covered[i]
                + params["attention.query.bias"]
            )
            for i in range(len(article))
        ])  # fmt: skip
        a = masks.masked_softmax(scores[None], np.ones((1, len(article)), bool))[0]
        context = sum(a[i] * memory[i] for i in range(len(article)))
        covered = covered + a
        words = softmax(linear(linear(np.concatenate([h, context]), params, "readout"), params, "output"))
        generated = 1.0
        if "switch.weight" in params:
            generated = lstm.sigmoid(linear(np.concatenate([context, s, z]), params, "switch")[0])
        yield words, a, generated


def mixed(words, a, generated, article, extra):
    """P of one step: every place adds its weight to the word that it holds."""
    whole = np.concatenate([generated * words, np.zeros(extra)])
    for place, number in enumerate(article):
        whole[number] += (1 - generated) * a[place]
    return whole


def module(params, article, lengths, inputs, covering=1.0):
    """P [batch, steps, extended], a [batch, steps, places] and p_gen [batch, steps]."""
    extra = max(0, article.max() + 1 - len(params["embedding.weight"]))
    weights = np.zeros((len(article), inputs.shape[1], article.shape[1]))
    chances, switches = [], np.zeros(inputs.shape)
    for row, length in enumerate(lengths):
        own = article[row, :length]
        found = []
        for t, (words, a, generated) in enumerate(steps(params, own, inputs[row], covering)):
            weights[row, t, :length], switches[row, t] = a, generated
            found.append(mixed(words, a, generated, own, extra))
        chances.append(found)
    return np.array(chances), weights, switches


def extended_distribution(words, weights, generated, article, extra):
    return np.array([
        [mixed(words[b, t], weights[b, t], generated[b, t], article[b], extra) for t in range(words.shape[1])]
        for b in range(len(words))
    ])  # fmt: skip


def copied_mass(weights, article, targets):
    found = np.zeros(targets.shape)
    for b, t in np.ndindex(targets.shape):
        for place, number in enumerate(article[b]):
            if number == targets[b, t]:
                found[b, t] += weights[b, t, place]
    return found


def copying_nll(nll, known, copied, generated):
    chances = [g * np.exp(-n) * k + (1 - g) * c for n, k, c, g in zip(nll, known, copied, generated, strict=True)]
    return -np.log(np.array(chances) + 1e-12)
