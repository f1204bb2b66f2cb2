"""Recurrent classifiers of texts in NumPy float64, text by text: only real words are read, from both ends."""

import numpy as np


def sigmoid(a):
    return 1.0 / (1.0 + np.exp(-a))


def step(cell, x, h, c, w_ih, w_hh, b_ih, b_hh):
    given, held = w_ih @ x + b_ih, w_hh @ h + b_hh
    if cell == "rnn":
        return np.tanh(given + held), c
    if cell == "gru":
        (i_r, i_z, i_n), (h_r, h_z, h_n) = np.split(given, 3), np.split(held, 3)
        z = sigmoid(i_z + h_z)
        return (1 - z) * np.tanh(i_n + sigmoid(i_r + h_r) * h_n) + z * h, c
    i, f, g, o = np.split(given + held, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def module(params, tokens, cell="lstm", both=True, pool="last", layers=1):
    """The logits [texts, classes]."""
    ends, found = ("", "_reverse")[: 1 + both], []
    size = params["layers.weight_hh_l0"].shape[1]
    for row in tokens:
        words = [params["embedding.weight"][token] for token in row if token != 0]
        if not words:
            found.append(np.zeros(size * len(ends)))
            continue
        for layer in range(layers):
            halves = []
            for end in ends:
                names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                weights = [params[f"layers.{name}_l{layer}{end}"] for name in names]
                h, c, states = np.zeros(size), np.zeros(size), []
                for x in reversed(words) if end else words:
                    h, c = step(cell, x, h, c, *weights)
                    states.append(h)
                halves.append(states[::-1] if end else states)
            words = [np.concatenate(pair) for pair in zip(*halves, strict=True)]
        if pool == "last":
            found.append(np.concatenate([words[-1][:size], words[0][size:]]))
        else:
            found.append(getattr(np, pool)(words, 0))
    return np.array(found) @ params["output.weight"].T + params["output.bias"]


def pooled(states, real, pool):
    """The mean or maximum over real steps."""
    rows = [row[keep] for row, keep in zip(states, real, strict=True)]
    return np.stack([getattr(np, pool)(r, 0) if len(r) else np.zeros(states.shape[2]) for r in rows])
