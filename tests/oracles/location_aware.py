"""Attention that sees its last weights, one sentence and one place at a time, in NumPy float64."""

import numpy as np
from oracles import seq2seq


def around(words, weight, bias):
    """The layer of (1): the words in a window around each place, which ends at the ends of the sentence."""
    half, found = weight.shape[2] // 2, []
    for place in range(len(words)):
        total = bias.copy()
        for j in range(-half, half + 1):
            if 0 <= place + j < len(words):
                total += weight[:, :, half + j] @ words[place + j]
        found.append(np.tanh(total))
    return np.stack(found)


def features(before, weight):
    """(3) of one sentence: each place's sums of the weights around it."""
    half = weight.shape[2] // 2
    found = np.zeros((len(before), len(weight)))
    for place in range(len(before)):
        for j in range(-half, half + 1):
            if 0 <= place + j < len(before):
                found[place] += weight[:, 0, half + j] * before[place + j]
    return found


def translated(params, source, inputs):
    """(logits, weights) of one sentence."""
    words = np.stack([params["source.weight"][word] for word in source])
    h = around(words, params["around.weight"], params["around.bias"])
    s = np.tanh(seq2seq.linear(h.mean(0), params, "start_layer"))
    a, c, logits, looked = np.zeros(len(words)), np.zeros(words.shape[1]), [], []
    for word in inputs:
        y = params["target.weight"][word]
        asked = seq2seq.linear(np.concatenate([y, c]), params, "query")
        f = features(a, params["before.weight"])
        e = np.array(
            [
                params["vector"] @ np.tanh(asked + params["memory.weight"] @ h[i] + params["location.weight"] @ f[i])
                for i in range(len(words))
            ]
        )
        a = np.exp(e - e.max())
        a /= a.sum()
        c = sum(weight * value for weight, value in zip(a, words, strict=True))
        s = seq2seq.cell(np.concatenate([y, c]), s, params, "decoder")
        r = np.tanh(seq2seq.linear(np.concatenate([s, y, c]), params, "readout"))
        logits.append(seq2seq.linear(r, params, "output"))
        looked.append(a)
    return np.stack(logits), np.stack(looked)


def module(params, source, lengths, inputs):
    """Logits [batch, steps, words] and weights [batch, steps, places], 0 on pads."""
    logits, weights = [], np.zeros((len(source), inputs.shape[1], source.shape[1]))
    for row, length in enumerate(lengths):
        found, looked = translated(params, source[row, :length], inputs[row])
        logits.append(found)
        weights[row, :, :length] = looked
    return np.stack(logits), weights
