"""The LSTM in NumPy float64, one step and one gate at a time, and backpropagation through time written out."""

import numpy as np


def sigmoid(a):
    return 1.0 / (1.0 + np.exp(-a))


def step(x, h, c, w_ih, w_hh, bias):
    """h, c and what the backward pass needs."""
    size = h.shape[1]
    a = x @ w_ih.T + h @ w_hh.T + bias
    i = sigmoid(a[:, :size])
    f = sigmoid(a[:, size : 2 * size])
    g = np.tanh(a[:, 2 * size : 3 * size])
    o = sigmoid(a[:, 3 * size :])
    new = f * c + i * g
    return o * np.tanh(new), new, (x, h, c, i, f, g, o, new)


def layer(x, h, c, w_ih, w_hh, bias, mask=None):
    outputs = np.zeros((x.shape[0], x.shape[1], h.shape[1]))
    h, c = h.copy(), c.copy()
    for t in range(x.shape[1]):
        new_h, new_c, _ = step(x[:, t], h, c, w_ih, w_hh, bias)
        for row in range(len(x)):
            if mask is None or mask[row, t]:
                h[row], c[row] = new_h[row], new_c[row]
                outputs[row, t] = new_h[row]
    return outputs, h, c


def normed(a, gain, shift=0.0):
    centred = a - a.mean(1, keepdims=True)
    return gain * centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5) + shift


def variant_step(x, h, c, p):
    """h, c and the gates of one step of any variant; `p` holds what the variant has."""
    size = h.shape[1]
    into, back = x @ p["weight_ih"].T, h @ p["weight_hh"].T
    if "gain_ih" in p:
        into, back = normed(into, p["gain_ih"]), normed(back, p["gain_hh"])
    a = into + back + p["bias_ih"] + p["bias_hh"]
    parts = [a[:, k * size : (k + 1) * size] for k in range(a.shape[1] // size)]
    coupled = len(parts) == 3
    peep = p.get("peephole")
    i = sigmoid(parts[0] + (0 if peep is None else peep[0] * c))
    f = 1 - i if coupled else sigmoid(parts[1] + (0 if peep is None else peep[1] * c))
    g = np.tanh(parts[-2])
    c = f * c + i * g
    o = sigmoid(parts[-1] + (0 if peep is None else peep[-1] * c))
    return o * np.tanh(normed(c, p["gain_c"], p["shift_c"]) if "gain_c" in p else c), c, (i, f, g, o)


def variant(params, x):
    """All layers of any variant from a zero state; parameters by their names."""
    hidden, memory, number = [], [], 0
    while f"weight_ih_l{number}" in params:
        end = f"_l{number}"
        p = {name.removesuffix(end): value for name, value in params.items() if name.endswith(end)}
        h = c = np.zeros((len(x), p["weight_hh"].shape[1]))
        outputs = []
        for t in range(x.shape[1]):
            h, c, _ = variant_step(x[:, t], h, c, p)
            outputs.append(h)
        x, number = np.stack(outputs, 1), number + 1
        hidden.append(h)
        memory.append(c)
    return x, (np.stack(hidden), np.stack(memory))


def module(params, x, mask=None, prefix=""):
    """All layers from a zero state: outputs, last hidden vectors, last memories."""
    layers = sum(1 for name in params if "weight_ih_l" in name)
    hidden, memory = [], []
    for index in range(layers):
        w_ih, w_hh, b_ih, b_hh = (
            params[f"{prefix}{name}_l{index}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        zero = np.zeros((len(x), w_hh.shape[1]))
        x, h, c = layer(x, zero, zero, w_ih, w_hh, b_ih + b_hh, mask)
        hidden.append(h)
        memory.append(c)
    return x, (np.stack(hidden), np.stack(memory))


def backward(x, w_ih, w_hh, bias, d_out):
    """Gradients of sum(outputs * d_out) from a zero state: (d_x, d_w_ih, d_w_hh, d_bias). Shared weights: sums."""
    batch, length, _ = x.shape
    size = w_hh.shape[1]
    h = c = np.zeros((batch, size))
    tape = []
    for t in range(length):
        h, c, saved = step(x[:, t], h, c, w_ih, w_hh, bias)
        tape.append(saved)
    d_x, d_w_ih, d_w_hh, d_b = np.zeros_like(x), np.zeros_like(w_ih), np.zeros_like(w_hh), np.zeros(4 * size)
    d_h, d_c = np.zeros((batch, size)), np.zeros((batch, size))
    for t in reversed(range(length)):
        x_t, h_before, c_before, i, f, g, o, c_t = tape[t]
        d_h = d_h + d_out[:, t]
        squashed = np.tanh(c_t)
        d_c = d_c + d_h * o * (1 - squashed**2)
        d_a = np.concatenate(
            [
                d_c * g * i * (1 - i),
                d_c * c_before * f * (1 - f),
                d_c * i * (1 - g**2),
                d_h * squashed * o * (1 - o),
            ],
            1,
        )
        d_x[:, t] = d_a @ w_ih
        d_w_ih += d_a.T @ x_t
        d_w_hh += d_a.T @ h_before
        d_b += d_a.sum(0)
        d_h = d_a @ w_hh
        d_c = d_c * f
    return d_x, d_w_ih, d_w_hh, d_b
