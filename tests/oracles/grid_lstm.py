"""Grid LSTM in NumPy float64: one block after another, in the order of the coordinates, one dimension at a time."""

import itertools

import numpy as np


def sigmoid(a):
    return 1.0 / (1.0 + np.exp(-a))


def lstm(seen, memory, weight, bias):
    """(h', m') of one dimension from all hidden vectors side by side; the blocks of the weights are i, f, g, o."""
    i, f, g, o = np.split(weight @ seen + bias, 4)
    memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(g)
    return np.tanh(sigmoid(o) * memory), memory


def block(hidden, memory, weight, bias, priority=False):
    """New (hidden, memory) of every dimension, lists of [size]; the last dimension is that of depth."""
    new_hidden, new_memory = [], []
    for n in range(len(hidden)):
        seen = hidden
        if priority and n == len(hidden) - 1:
            seen = [*new_hidden, hidden[n]]
        h, m = lstm(np.concatenate(seen), memory[n], weight[n], bias[n])
        new_hidden.append(h)
        new_memory.append(m)
    return new_hidden, new_memory


def one(params, x, depth, priority=False, start=None):
    """Of one example [*sides, features]: outputs [*sides, H], and of each side what leaves it [depth, *others, H].

    `start` holds what enters along each side, (hidden, memory) [depth, *others, H]; zeros if None.
    """
    weight, bias = params["weight"], params["bias"]
    sides, size = x.shape[:-1], bias.shape[2] // 4
    many = len(sides)
    shape = (depth, *sides)
    hidden, memory = np.zeros((2, many + 1, *shape, size))
    for here in itertools.product(*(range(n) for n in shape)):
        hs, ms = [], []
        for n in range(many + 1):
            axis = n + 1 if n < many else 0
            before = tuple(k - (a == axis) for a, k in enumerate(here))
            if before[axis] >= 0:
                h, m = hidden[(n, *before)], memory[(n, *before)]
            elif n == many:
                h, m = np.split(params["project.weight"] @ x[here[1:]] + params["project.bias"], 2)
            elif start is None:
                h, m = np.zeros((2, size))
            else:
                face = tuple(k for a, k in enumerate(here) if a != axis)
                h, m = start[n][0][face], start[n][1][face]
            hs.append(h)
            ms.append(m)
        layer = here[0] if len(weight) > 1 else 0
        hs, ms = block(hs, ms, weight[layer], bias[layer], priority)
        for n in range(many + 1):
            hidden[(n, *here)], memory[(n, *here)] = hs[n], ms[n]
    ends = [(hidden[n].take(-1, n + 1), memory[n].take(-1, n + 1)) for n in range(many)]
    return hidden[many, -1], ends


def module(params, x, depth, priority=False, start=None):
    """Of a batch: outputs [batch, *sides, H], and (hidden, memory) [depth, batch, *others, H] of each side."""
    found = []
    for row, example in enumerate(x):
        mine = None if start is None else [tuple(part[:, row] for part in pair) for pair in start]
        found.append(one(params, example, depth, priority, mine))
    outputs = np.stack([outputs for outputs, _ in found])
    ends = [tuple(np.stack([row[n][part] for _, row in found], 1) for part in range(2)) for n in range(x.ndim - 2)]
    return outputs, ends
