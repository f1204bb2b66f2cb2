"""Scores, weights and contexts of attention, one query and one place at a time, in NumPy float64."""

import numpy as np
from oracles import masks


def score(kind, query, place, number, params):
    """e_i of one query [Q] and one place of the memory [H], which has that number."""
    if kind == "additive":
        inside = params["query.weight"] @ query + params["query.bias"] + params["memory.weight"] @ place
        return params["vector"] @ np.tanh(inside)
    if kind == "general":
        return query @ (params["memory.weight"] @ place)
    if kind == "location":
        return params["query.weight"][number] @ query
    return query @ place


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
