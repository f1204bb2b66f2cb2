"""A recurrent language model in NumPy float64: one token and one stream at a time."""

import numpy as np
from oracles.lstm import sigmoid, step


def simple(x, h, w_ih, w_hh, b_ih, b_hh):
    return np.tanh(w_ih @ x + b_ih + w_hh @ h + b_hh)


def gru(x, h, w_ih, w_hh, b_ih, b_hh):
    size = len(h)
    a, b = w_ih @ x + b_ih, w_hh @ h + b_hh
    r = sigmoid(a[:size] + b[:size])
    z = sigmoid(a[size : 2 * size] + b[size : 2 * size])
    n = np.tanh(a[2 * size :] + r * b[2 * size :])
    return (1 - z) * n + z * h


def weights(params, layer):
    return [params[f"recurrent.{name}_l{layer}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]


def forward(params, tokens, hidden=None, memory=None):
    """Logits [batch, time, V] and the state after them, [layers, batch, H] each."""
    layers = sum(1 for name in params if name.startswith("recurrent.weight_ih_l"))
    size = params["recurrent.weight_hh_l0"].shape[1]
    kind = params["recurrent.weight_hh_l0"].shape[0] // size
    batch, length = tokens.shape
    h = np.zeros((layers, batch, size)) if hidden is None else hidden.copy()
    c = np.zeros((layers, batch, size)) if memory is None else memory.copy()
    vocabulary = len(params["output.bias"])
    logits = np.zeros((batch, length, vocabulary))
    for row in range(batch):
        for t in range(length):
            token = tokens[row, t]
            if "embedding.weight" in params:
                x = params["embedding.weight"][token]
            else:
                x = np.zeros(vocabulary)
                x[token] = 1.0
            for layer in range(layers):
                w_ih, w_hh, b_ih, b_hh = weights(params, layer)
                if kind == 4:
                    new_h, new_c, _ = step(x[None], h[layer, row][None], c[layer, row][None], w_ih, w_hh, b_ih + b_hh)
                    h[layer, row], c[layer, row] = new_h[0], new_c[0]
                else:
                    h[layer, row] = (gru if kind == 3 else simple)(x, h[layer, row], w_ih, w_hh, b_ih, b_hh)
                x = h[layer, row]
            logits[row, t] = params["output.weight"] @ x + params["output.bias"]
    return logits, ((h, c) if kind == 4 else (h,))


def nll(logits, targets):
    """-log softmax at the targets, one by one."""
    out = np.zeros(targets.shape)
    for row in range(targets.shape[0]):
        for t in range(targets.shape[1]):
            a = logits[row, t]
            out[row, t] = np.log(np.exp(a - a.max()).sum()) + a.max() - a[targets[row, t]]
    return out
