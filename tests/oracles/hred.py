"""Hierarchical encoder-decoder in NumPy float64: each dialogue alone, turn by turn, one word at a time."""

import numpy as np
from oracles.seq2seq import cell, linear


def split_turns(stream, end):
    """The turns of a stream that begins with `end`: each is the words that follow such a sign, with the sign after
    them if there is one."""
    turns, words = [], None
    for word in stream:
        if words is not None:
            words.append(int(word))
        if word == end:
            if words is not None:
                turns.append(words)
            words = []
    return turns, words


def zeros(params, name):
    return np.zeros(params[f"{name}.weight_hh"].shape[1])


def readouts(params, stream, end=1, context="session", every_step=False):
    """r of one dialogue, after each word of its stream."""
    table = params["embedding.weight"]
    closed, rest = split_turns(stream, end)
    found, session, flat = [], zeros(params, "session") if context != "stream" else None, zeros(params, "decoder")
    for number, words in enumerate([*closed, rest]):
        if context == "stream":
            hidden = flat
        else:
            hidden = np.tanh(linear(session, params, "start"))
        heard = [end, *(words[:-1] if number < len(closed) else words)]
        for word in heard:
            x = table[word]
            given = np.concatenate([x, session]) if every_step else x
            hidden = cell(given, hidden, params, "decoder")
            r = linear(hidden, params, "of_state") + params["of_word.weight"] @ x
            found.append(r + params["of_session.weight"] @ session if every_step else r)
        flat = hidden
        if context == "stream" or number == len(closed):
            continue
        utterance = zeros(params, "encoder")
        for word in words:
            utterance = cell(table[word], utterance, params, "encoder")
        before = session if context == "session" else np.zeros_like(session)
        session = cell(utterance, before, params, "session")
    return np.stack(found)


def module(params, streams, **how):
    """Logits [batch, time, words]."""
    return np.stack([[linear(r, params, "output") for r in readouts(params, row, **how)] for row in streams])
