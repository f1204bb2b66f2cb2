"""Scores, weights and contexts of attention, one query and one place at a time, in NumPy float64; the translator."""

import numpy as np
from oracles import masks, seq2seq


def score(kind, query, place, number, params):
    """e_i of one query [Q] and one place of the memory [H], which has that number."""
    if kind == "additive":
        inside = params["query.weight"] @ query + params["query.bias"] + params["memory.weight"] @ place
        return params["vector"] @ np.tanh(inside)
    if kind == "general":
        return query @ (params["memory.weight"] @ place)
    if kind == "location":
        return params["query.weight"][number] @ query
    return 0.0 if kind == "uniform" else query @ place


def scores(kind, params, query, memory):
    """[batch, places], or [batch, time, places] of queries [batch, time, Q]."""
    found = np.zeros((*query.shape[:-1], memory.shape[1]))
    for where in np.ndindex(query.shape[:-1]):
        for number, place in enumerate(memory[where[0]]):
            found[(*where, number)] = score(kind, query[where], place, number, params)
    return found


def attention(kind, params, query, memory, real):
    """(context, weights)."""
    weights = masks.masked_softmax(scores(kind, params, query, memory), real)
    context = np.zeros((*query.shape[:-1], memory.shape[2]))
    for where in np.ndindex(query.shape[:-1]):
        for number, place in enumerate(memory[where[0]]):
            context[where] += weights[(*where, number)] * place
    return context, weights


def coverage(weights, steps):
    """The coverage loss of each row, and what each place has had before each step."""
    had, loss = np.zeros_like(weights), np.zeros(len(weights))
    for row in range(len(weights)):
        sofar = np.zeros(weights.shape[2])
        for t in range(weights.shape[1]):
            had[row, t] = sofar
            if steps[row, t]:
                loss[row] += sum(min(a, c) for a, c in zip(weights[row, t], sofar, strict=True))
            sofar = sofar + weights[row, t]
    return loss, had


def doubly_stochastic(weights, steps, real):
    loss = np.zeros(len(weights))
    for row in range(len(weights)):
        for place in range(weights.shape[2]):
            if real[row, place]:
                total = sum(weights[row, t, place] for t in range(weights.shape[1]) if steps[row, t])
                loss[row] += (1 - total) ** 2
    return loss


# The translator: each sentence alone, without padding


def annotations(params, source):
    """h_i of one sentence, and the backward state at its first word."""
    words = [params["source.weight"][word] for word in source]
    directions = {}
    for name, order in (("forwards", range(len(words))), ("backwards", range(len(words) - 1, -1, -1))):
        h = np.zeros(params[f"{name}.weight_hh"].shape[1])
        found = {}
        for place in order:
            h = found[place] = seq2seq.cell(words[place], h, params, name)
        directions[name] = found
    h = [np.concatenate([directions["forwards"][i], directions["backwards"][i]]) for i in range(len(words))]
    return np.stack(h), directions["backwards"][0]


def translated(params, source, inputs, form, kind):
    """(logits, weights) of one sentence."""
    h, first = annotations(params, source)
    own = {key.removeprefix("attention."): value for key, value in params.items() if key.startswith("attention.")}
    s, logits, looked = np.tanh(seq2seq.linear(first, params, "start_layer")), [], []
    for word in inputs:
        y = params["target.weight"][word]

        def look(query):
            context, weights = attention(kind, own, query[None], h[None], np.ones((1, len(h)), bool))
            return context[0], weights[0]

        if form == "bahdanau":
            c, a = look(s)
            s = seq2seq.cell(np.concatenate([y, c]), s, params, "decoder")
            r = np.concatenate([s, y, c])
        else:
            s = seq2seq.cell(y, s, params, "decoder")
            c, a = look(s)
            r = np.concatenate([s, c])
        logits.append(seq2seq.linear(np.tanh(seq2seq.linear(r, params, "readout")), params, "output"))
        looked.append(a)
    return np.stack(logits), np.stack(looked)


def module(params, source, lengths, inputs, form="bahdanau", kind="additive"):
    """Logits [batch, steps, words] and weights [batch, steps, places], 0 on pads."""
    logits, weights = [], np.zeros((len(source), inputs.shape[1], source.shape[1]))
    for row, length in enumerate(lengths):
        found, looked = translated(params, source[row, :length], inputs[row], form, kind)
        logits.append(found)
        weights[row, :, :length] = looked
    return np.stack(logits), weights
