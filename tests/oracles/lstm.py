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
