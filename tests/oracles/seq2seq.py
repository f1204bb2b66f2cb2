"""Encoder and decoder in NumPy float64: each sentence alone, without padding, one word at a time."""

import numpy as np
from oracles import gru


def cell(x, h, params, name):
    """One step of a GRU of vectors."""
    own = {key.removeprefix(f"{name}."): value for key, value in params.items() if key.startswith(f"{name}.")}
    return gru.step(x[None], h[None], own)[0]


def linear(x, params, name):
    return params[f"{name}.weight"] @ x + params[f"{name}.bias"]


def readouts(params, source, inputs, peeky=False, backwards=True):
    """r_t of one sentence: word numbers of its real source, and of its target's inputs."""
    z = np.zeros(params["encoder.weight_hh"].shape[1])
    for word in source[::-1] if backwards else source:
        z = cell(params["source.weight"][word], z, params, "encoder")
    s, found = np.tanh(linear(z, params, "start_layer")) if peeky else z, []
    for word in inputs:
        y = params["target.weight"][word]
        s = cell(np.concatenate([y, z]) if peeky else y, s, params, "decoder")
        found.append(np.tanh(linear(np.concatenate([s, y, z]), params, "readout")) if peeky else s)
    return np.stack(found)


def module(params, source, lengths, inputs, **how):
    """Logits [batch, steps, words]."""
    rows = [
        readouts(params, row[:length], given, **how) for row, length, given in zip(source, lengths, inputs, strict=True)
    ]
    return np.stack([[linear(r, params, "output") for r in row] for row in rows])
