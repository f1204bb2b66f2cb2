"""A neural Turing machine in NumPy float64: loops over rows, steps, heads, places."""

import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def softplus(a):
    return np.log1p(np.exp(a))


def softmax(a):
    e = np.exp(a - a.max())
    return e / e.sum()


def address(memory, before, key, strength, gate, shift, sharpening):
    """Of one row and head: eqs. 5 to 9 of the paper, place by place."""
    places = len(memory)
    likeness = [m @ key / (np.sqrt(m @ m) * np.sqrt(key @ key) + 1e-8) for m in memory]
    content = softmax(strength * np.array(likeness))
    q = gate * content + (1 - gate) * before
    moved = np.zeros(places)
    for i in range(places):
        for s, offset in zip(shift, (-1, 0, 1), strict=True):
            moved[i] += q[(i - offset) % places] * s
    powers = (moved + 1e-8) ** sharpening
    return powers / powers.sum()


def addresses(memory, before, key, strength, gate, shift, sharpening):
    """Of all rows and heads."""
    return np.stack([
        np.stack([
            address(memory[b], before[b, h], key[b, h], strength[b, h], gate[b, h], shift[b, h], sharpening[b, h])
            for h in range(before.shape[1])
        ])
        for b in range(len(memory))
    ])  # fmt: skip


def write(memory, weights, erase, add):
    found = memory.copy()
    for b in range(len(memory)):
        for i in range(memory.shape[1]):
            for h in range(weights.shape[1]):
                found[b, i] *= 1 - weights[b, h, i] * erase[b, h]
            for h in range(weights.shape[1]):
                found[b, i] += weights[b, h, i] * add[b, h]
    return found


def machine(params, x, places, width, heads, controller="feedforward"):
    """Outputs, and the last memory, weights, what was read and the controller's state."""
    batch, time, _ = x.shape
    units = params["output.weight"].shape[1]
    outputs = np.zeros((batch, time, len(params["output.bias"])))
    memory = np.full((batch, places, width), 1e-6)
    weights = np.zeros((batch, 2 * heads, places))
    weights[:, :, 0] = 1
    read = np.full((batch, heads * width), 1e-6)
    state = np.zeros((2, batch, units))
    for b in range(batch):
        for t in range(time):
            sums = params["controller.weight"] @ np.concatenate([x[b, t], read[b]]) + params["controller.bias"]
            if controller == "lstm":
                i, f, g, o = np.split(sums + params["recurrent.weight"] @ state[0, b], 4)
                state[1, b] = sigmoid(f) * state[1, b] + sigmoid(i) * np.tanh(g)
                h = state[0, b] = sigmoid(o) * np.tanh(state[1, b])
            else:
                h = np.tanh(sums)
            outputs[b, t] = params["output.weight"] @ h + params["output.bias"]
            interface = params["interface.weight"] @ h + params["interface.bias"]
            asked = interface[: 2 * heads * (width + 6)].reshape(2 * heads, width + 6)
            new = np.zeros((2 * heads, places))
            for head, row in enumerate(asked):
                rest = row[width:]
                new[head] = address(
                    memory[b], weights[b, head], row[:width], softplus(rest[0]), sigmoid(rest[2]), softmax(rest[3:]),
                    1 + softplus(rest[1]),
                )  # fmt: skip
            weights[b] = new
            both = interface[2 * heads * (width + 6) :].reshape(2, heads, width)
            memory[b] = write(memory[b : b + 1], new[None, heads:], sigmoid(both[:1]), both[1:])[0]
            read[b] = np.concatenate([new[head] @ memory[b] for head in range(heads)])
    return outputs, (memory, weights, read, state)
