import numpy as np
import torch
from contract.cases import Case
from oracles import attention as oracle

from deepcanon.parts.attention import (
    Attention,
    additive_scores,
    attend,
    coverage_before,
    coverage_loss,
    dot_scores,
    doubly_stochastic_loss,
)
from deepcanon.parts.gru_by_hand import attentive_gru
from deepcanon.sequence import AttentionSeq2Seq
from deepcanon.sequence.attention import annotations, gru_cell, gru_layer

REAL = np.array([[1, 1, 1, 1], [1, 1, 1, 0], [1, 0, 0, 0]], dtype=bool)
STEPS = np.array([[1, 1], [1, 0], [1, 1]], dtype=bool)
SCORES = ("additive", "dot", "general", "location", "uniform")


def build(score):
    width = 5 if score == "dot" else 4
    return Attention(width, 5, score, size=3, longest=6)


def inputs(score, time=()):
    width = 5 if score == "dot" else 4
    return lambda rng: (rng.normal(size=(3, *time, width)), rng.normal(size=(3, 4, 5)), REAL)


def weights(rng):
    values = rng.random(size=(3, 2, 4))
    return values / values.sum(2, keepdims=True)


def sentences(rng):
    """Two sources of 4 and 2 words, the targets' inputs; what stands on pads is drawn too."""
    return rng.integers(0, 7, size=(2, 4)), np.array([4, 2]), rng.integers(0, 6, size=(2, 3))


def translate(module, *values):
    readout, weights = module(*values)
    return module.output(readout), weights


CELL = (("weight_ih", (9, 4)), ("weight_hh", (9, 3)), ("bias_ih", (9,)), ("bias_hh", (9,)))


def cell_of(rng):
    return [rng.normal(size=shape) for _, shape in CELL]


def named(values, name):
    return {f"{name}.{key}": value for (key, _), value in zip(CELL, values, strict=True)}


def cell(*values):
    made = torch.nn.GRUCell(4, 3, dtype=values[0].dtype)
    for (key, _), value in zip(CELL, values, strict=True):
        delattr(made, key)
        setattr(made, key, value)
    return made


def layer_oracle(params, x, start, *weights):
    return oracle.seq2seq.gru.layer(x, start, {key: value for (key, _), value in zip(CELL, weights, strict=True)})[0]


def annotations_oracle(params, x, lengths, *weights):
    """The words are their own embeddings."""
    table = named(weights[:4], "forwards") | named(weights[4:], "backwards")
    both, firsts = np.zeros((*x.shape[:2], 6)), []
    for row, length in enumerate(lengths):
        h, first = oracle.annotations({**table, "source.weight": x[row]}, range(length))
        both[row, :length] = h
        firsts.append(first)
    return both, np.stack(firsts)


def annotated(x, lengths, *weights):
    h, first = annotations(x, lengths, cell(*weights[:4]), cell(*weights[4:]))
    return torch.where((torch.arange(x.shape[1]) < lengths[:, None])[:, :, None], h, 0.0), first


def attentive_inputs(rng):
    shapes = ((2, 3, 9), (2, 3), (2, 4, 5), (2, 4, 2), (2, 3), (2,), (9, 5), (9, 3), (9,))
    given, start, memory, keys, *weights = (rng.normal(size=shape) for shape in shapes)
    return given, start, memory, keys, REAL[:2], *weights


def attentive_oracle(params, given, start, memory, keys, real, w_q, v, w_c, w_h, b_h):
    """Loops over rows and steps: the sums are those of a GRU whose input product is given."""
    states, contexts, weights = [], [], []
    eyes = {"query.weight": w_q, "query.bias": np.zeros(2), "memory.weight": np.eye(2), "vector": v}
    identity = {"weight_ih": np.eye(9), "bias_ih": np.zeros(9), "weight_hh": w_h, "bias_hh": b_h}
    s = start
    for t in range(given.shape[1]):
        a = oracle.masks.masked_softmax(oracle.scores("additive", eyes, s, keys), real)
        c = np.stack([row @ h for row, h in zip(a, memory, strict=True)])
        s = oracle.seq2seq.gru.step(given[:, t] + c @ w_c.T, s, identity)
        for found, value in ((states, s), (contexts, c), (weights, a)):
            found.append(value)
    return tuple(np.stack(found, 1) for found in (states, contexts, weights))


WAYS = [(form, score) for form in ("bahdanau", "luong") for score in SCORES]
CASES = tuple(
    Case(
        f"attention_seq2seq_{form}_{score}",
        lambda form=form, score=score: AttentionSeq2Seq(
            7, 6, 4, embedding_size=3, form=form, score=score, longest=5, fast=score == "additive"
        ),
        sentences,
        lambda params, *values, form=form, score=score: oracle.module(params, *values, form, score),
        call=translate,
        covers=("AttentionSeq2Seq",),
    )
    for form, score in WAYS
) + tuple(
    Case(
        f"attention_{score}{'_of_steps' if time else ''}",
        lambda score=score: build(score),
        inputs(score, time),
        lambda params, *values, score=score: oracle.attention(score, params, *values),
        call=lambda module, *values: tuple(module(*values)),
        covers=("Attention",),
        skips={"gradients": "uniform weights depend on no query"} if score == "uniform" else {},
    )
    for score in SCORES
    for time in ((), (2,))
)
FUNCTIONS = (
    Case(
        "gru_layer",
        None,
        lambda rng: (rng.normal(size=(2, 5, 4)), rng.normal(size=(2, 3)), *cell_of(rng)),
        layer_oracle,
        call=lambda x, start, *weights: gru_layer(x, start, cell(*weights)),
        covers=("GRURule",),
    ),
    Case(
        "gru_cell",
        None,
        lambda rng: (rng.normal(size=(2, 4)), rng.normal(size=(2, 3)), *cell_of(rng)),
        lambda params, x, start, *weights: layer_oracle(params, x[:, None], start, *weights)[:, 0],
        call=lambda x, start, *weights: gru_cell(x, start, cell(*weights)),
        rows=False,
    ),
    Case(
        "annotations",
        None,
        lambda rng: (rng.normal(size=(2, 4, 4)), np.array([4, 2]), *cell_of(rng), *cell_of(rng)),
        annotations_oracle,
        call=annotated,
    ),
    Case("attentive_gru", None, attentive_inputs, attentive_oracle, call=attentive_gru),
    Case(
        "additive_scores",
        None,
        lambda rng: (rng.normal(size=(2, 3, 5)), rng.normal(size=(2, 4, 5)), rng.normal(size=5)),
        lambda params, query, keys, v: oracle.scores(
            "additive",
            {"query.weight": np.eye(5), "query.bias": np.zeros(5), "memory.weight": np.eye(5), "vector": v},
            query,
            keys,
        ),
        call=additive_scores,
    ),
    Case(
        "dot_scores",
        None,
        lambda rng: (rng.normal(size=(2, 5)), rng.normal(size=(2, 4, 5))),
        lambda params, *values: oracle.scores("dot", params, *values),
        call=dot_scores,
    ),
    Case(
        "attend",
        None,
        lambda rng: (rng.normal(size=(3, 4)), rng.normal(size=(3, 4, 5)), REAL),
        lambda params, scores, memory, real: oracle.attention(
            "location", {"query.weight": np.eye(4)}, scores, memory, real
        ),
        call=lambda *values: tuple(attend(*values)),
        rows=True,
    ),
    Case(
        "coverage_loss",
        None,
        lambda rng: (weights(rng), STEPS),
        lambda params, *values: oracle.coverage(*values),
        call=lambda values, steps: (coverage_loss(values, steps), coverage_before(values)),
        rows=True,
    ),
    Case(
        "doubly_stochastic_loss",
        None,
        lambda rng: (weights(rng), STEPS, REAL),
        lambda params, *values: oracle.doubly_stochastic(*values),
        call=doubly_stochastic_loss,
        rows=True,
    ),
)
