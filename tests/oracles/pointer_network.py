"""The pointer network in NumPy float64: one set, one step, one score at a time."""

import numpy as np


def sigmoid(a):
    return 1.0 / (1.0 + np.exp(-a))


def cell(p, name, x, h, c):
    """torch's LSTM: input, forget, candidate and output blocks in this order."""
    sums = p[f"{name}.weight_ih_l0"] @ x + p[f"{name}.bias_ih_l0"] + p[f"{name}.weight_hh_l0"] @ h
    i, f, g, o = np.split(sums + p[f"{name}.bias_hh_l0"], 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def scores(p, d, memory):
    """u of eq. (2), one for each point and the last one for the end."""
    query = p["query.weight"] @ d + p["query.bias"]
    return np.array([p["vector"] @ np.tanh(p["memory.weight"] @ e + query) for e in memory])


def read(p, points):
    h = c = np.zeros(len(p["end"]))
    memory = []
    for point in points:
        h, c = cell(p, "encoder", point, h, c)
        memory.append(h)
    return [*memory, p["end"]], h, c


def module(p, points, targets):
    found = []
    for one, places in zip(points, targets, strict=True):
        memory, h, c = read(p, one)
        rows, shown = [], p["start"]
        for t in range(targets.shape[1] + 1):
            h, c = cell(p, "decoder", shown, h, c)
            rows.append(scores(p, h, memory))
            if t < len(places):
                shown = one[max(places[t], 0)]
        found.append(rows)
    return np.array(found)


def decoded(p, points, distinct=False, most=None):
    """The likeliest place at every step; -1 from the end on."""
    found = []
    for one in points:
        memory, h, c = read(p, one)
        places, shown = [], p["start"]
        for _ in range(most or len(one)):
            h, c = cell(p, "decoder", shown, h, c)
            u = scores(p, h, memory)
            if distinct:
                u[[*places, len(one)]] = -np.inf
            best = int(u.argmax())
            if best == len(one):
                break
            places.append(best)
            shown = one[best]
        found.append(places + [-1] * ((most or len(one)) - len(places)))
    return np.array(found)


def nll(_, logits, targets):
    batch, steps, places = logits.shape
    total, count = 0.0, 0
    for b in range(batch):
        answer = [int(t) for t in targets[b] if t >= 0]
        if len(answer) < steps:
            answer.append(places - 1)
        for t, k in enumerate(answer):
            total += np.log(np.exp(logits[b, t]).sum()) - logits[b, t, k]
            count += 1
    return np.array(total / count)
