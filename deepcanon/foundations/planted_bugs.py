"""Twenty classic mistakes in hand-written backward passes, each next to the correct one, for a gradient check to catch.

Papers: Rumelhart, Hinton and Williams 1986, "Learning representations by back-propagating errors" (Nature 323);
Baydin et al. 2015, arXiv:1502.05767, section 3.2 (the adjoint of a value is a sum over all its uses).

A layer y = f(x_1, ..., x_k) with cotangent g = dJ/dy, of the shape of y. A backward pass computes

    dJ/dx_i = (dy/dx_i)^T g       for each x_i                                         (1)

from g and what the forward pass kept. A `Pair` has the forward pass (inputs -> output, what is kept), the right
backward pass and a wrong one; `explicit` runs it as a function that torch differentiates through one of the two.

Each of these mistakes leaves a gradient of the right shape, and a network that often still learns: the loss falls, and
nothing is reported. Departures: none from (1); the layers are as small as they can be and still show the mistake.

Shown by: gradient-check

    >>> import torch
    >>> from deepcanon.foundations.planted_bugs import PAIRS, explicit
    >>> len(PAIRS), PAIRS[0].name
    (20, 'transposed weight')
    >>> x = torch.ones(4, 3, requires_grad=True)
    >>> explicit(next(pair for pair in PAIRS if pair.name == "tanh of the input"), x).shape
    torch.Size([4, 3])
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .gradient_check import GradientReport, check_gradients

__all__ = ["PAIRS", "Judged", "Pair", "explicit", "judge"]


class Pair(NamedTuple):
    """A layer with its right backward pass and a wrong one."""

    name: str  # of the mistake
    inputs: tuple[tuple[int, ...], ...]  # shapes of the float inputs
    forward: Callable[..., tuple[Tensor, tuple]]  # inputs -> output, kept
    right: Callable[..., tuple[Tensor, ...]]  # (g, *kept) -> gradients
    wrong: Callable[..., tuple[Tensor, ...]]


class _Explicit(torch.autograd.Function):
    @staticmethod
    def forward(ctx, pair: Pair, planted: bool, *inputs: Tensor) -> Tensor:
        output, ctx.kept = pair.forward(*inputs)
        ctx.backward_pass = pair.wrong if planted else pair.right
        return output

    @staticmethod
    def backward(ctx, g: Tensor) -> Any:
        return None, None, *ctx.backward_pass(g, *ctx.kept)  # (1)


def explicit(pair: Pair, *inputs: Tensor, planted: bool = False) -> Tensor:
    """The layer's output, differentiated by the right backward pass, or by the wrong one."""
    shapes = tuple(tuple(x.shape) for x in inputs)
    if shapes != pair.inputs:
        raise ValueError(f"{pair.name} takes inputs {pair.inputs}, not {shapes}")
    return _Explicit.apply(pair, planted, *inputs)


class Judged(NamedTuple):
    """What a gradient check says of both backward passes of a pair."""

    right: GradientReport
    wrong: GradientReport


def judge(pair: Pair, inputs: Sequence[Tensor], **settings: Any) -> Judged:
    """Checks both backward passes at one point; `settings` are those of `check_gradients`."""
    right, wrong = (
        check_gradients(lambda *x, planted=planted: explicit(pair, *x, planted=planted), inputs, **settings)
        for planted in (False, True)
    )
    return Judged(right, wrong)


def _linear(x, w, b):
    return x @ w.T + b, (x, w)


def _linear_back(g, x, w):
    return g @ w, g.T @ x, g.sum(0)


def _half_mean_square(x, t):
    return 0.5 * (x - t).square().mean(), (x - t,)


def _recurrent(x, w):
    """h_t = tanh(x_t + h_{t-1} W) from h = 0; the output is the last h. x [time, batch, n]."""
    states = [torch.zeros_like(x[0])]
    for step in x:
        states.append(torch.tanh(step + states[-1] @ w))
    return states[-1], (states, w)


def _recurrent_back(g, states, w, all_steps=True):
    grad_x, grad_w = [], torch.zeros_like(w)
    for t in range(len(states) - 1, 0, -1):
        before = g * (1 - states[t].square())
        grad_x.append(before)
        if all_steps or t == len(states) - 1:
            grad_w = grad_w + states[t - 1].T @ before
        g = before @ w.T
    return torch.stack(grad_x[::-1]), grad_w


def _lstm(gates, cell):
    i, f, c, o = gates.chunk(4, 1)
    i, f, c, o = i.sigmoid(), f.sigmoid(), c.tanh(), o.sigmoid()
    new = f * cell + i * c
    return o * new.tanh(), (i, f, c, o, cell, new)


def _lstm_back(g, i, f, c, o, cell, new, swapped=False):
    inner = g * o * (1 - new.tanh().square())
    forget, enter = inner * cell * f * (1 - f), inner * c * i * (1 - i)
    first, second = (forget, enter) if swapped else (enter, forget)
    return torch.cat([first, second, inner * i * (1 - c * c), g * new.tanh() * o * (1 - o)], 1), inner * f


def _batch_norm(x, w):
    std = (x.var(0, correction=0) + 1e-5).sqrt()
    normal = (x - x.mean(0)) / std
    return normal * w, (normal, std, w)


def _batch_norm_back(g, normal, std, w, through=True):
    inner = g * w
    whole = inner - inner.mean(0) - normal * (inner * normal).mean(0) if through else inner
    return whole / std, (g * normal).sum(0)


def _attention(q, k, v):
    p = (q @ k.T / math.sqrt(q.shape[1])).softmax(1)
    return p @ v, (q, k, v, p)


def _attention_back(g, q, k, v, p, scaled=True):
    grad_p = g @ v.T
    scores = p * (grad_p - (grad_p * p).sum(1, keepdim=True)) / (math.sqrt(q.shape[1]) if scaled else 1.0)
    return scores @ k, scores.T @ q, p.T @ g


def _convolution(x, w):
    return F.conv1d(x, w, padding=1), (x, w)


def _convolution_back(g, x, w, shift=0, flip=True):
    if flip:
        grad_x = F.conv_transpose1d(g, w, padding=1).roll(shift, 2)
    else:
        grad_x = F.conv1d(g, w.transpose(0, 1), padding=1)
    windows = F.pad(x, (1, 1)).unfold(2, w.shape[2], 1)
    return grad_x, torch.einsum("bot,bitk->oik", g, windows)


def _softmax(x):
    p = x.softmax(1)
    return p, (p,)


def _max_pool(x):
    windows = x.unflatten(1, (-1, 2))
    return windows.amax(2), (windows,)


def _dropout(x):
    scale = (torch.rand_like(x) >= 0.5).to(x.dtype) * 2
    return x * scale, (scale,)


def _decayed(w):
    return w.sin().sum() + 0.05 * w.square().sum(), (w,)


WORDS = (0, 2, 2, 1, 2)


def _embedding(table):
    return table[list(WORDS)], (table,)


def _embedding_back(g, table):
    return (torch.zeros_like(table).index_add(0, torch.tensor(WORDS), g),)


def _embedding_assigned(g, table):
    found = torch.zeros_like(table)
    found[list(WORDS)] = g
    return (found,)


ROWS = (4, 3)
PAIRS = (
    Pair("transposed weight", (ROWS, (3, 3), (3,)), _linear, _linear_back,
         lambda g, x, w: (g @ w.T, g.T @ x, g.sum(0))),
    Pair("no bias gradient", (ROWS, (2, 3), (2,)), _linear, _linear_back,
         lambda g, x, w: (g @ w, g.T @ x, torch.zeros_like(g[0]))),
    Pair("no sum over the broadcast rows", (ROWS, (2, 3), (2,)), _linear, _linear_back,
         lambda g, x, w: (g @ w, g.T @ x, g[0])),
    Pair("no 1/m of the mean", (ROWS, ROWS), _half_mean_square,
         lambda g, r: (g * r / r.numel(), -g * r / r.numel()), lambda g, r: (g * r, -g * r)),
    Pair("sign of the second argument", (ROWS, ROWS), _half_mean_square,
         lambda g, r: (g * r / r.numel(), -g * r / r.numel()), lambda g, r: (g * r / r.numel(), g * r / r.numel())),
    Pair("one use of two (fan-out)", (ROWS,), lambda x: (x + x.tanh(), (x.tanh(),)),
         lambda g, y: (g + g * (1 - y * y),), lambda g, y: (g * (1 - y * y),)),
    Pair("relu masked by the gradient", (ROWS,), lambda x: (x.relu(), (x,)),
         lambda g, x: (g * (x > 0),), lambda g, x: (g * (g > 0),)),
    Pair("tanh of the input", (ROWS,), lambda x: (x.tanh(), (x, x.tanh())),
         lambda g, x, y: (g * (1 - y * y),), lambda g, x, y: (g * (1 - x * x),)),
    Pair("softmax without its Jacobian", (ROWS,), _softmax,
         lambda g, p: (p * (g - (g * p).sum(1, keepdim=True)),), lambda g, p: (g * p * (1 - p),)),
    Pair("dropout mask drawn again", (ROWS,), _dropout,
         lambda g, scale: (g * scale,), lambda g, scale: (_dropout(g)[0],)),
    Pair("batch statistics as constants", ((6, 3), (3,)), _batch_norm, _batch_norm_back,
         partial(_batch_norm_back, through=False)),
    Pair("average pooling not divided", ((3, 8),), lambda x: (x.unflatten(1, (-1, 2)).mean(2), ()),
         lambda g: (g.repeat_interleave(2, 1) / 2,), lambda g: (g.repeat_interleave(2, 1),)),
    Pair("max pooling to the whole window", ((3, 8),), _max_pool,
         lambda g, w: (F.one_hot(w.argmax(2), 2).to(g.dtype).mul(g[..., None]).flatten(1),),
         lambda g, w: (g.repeat_interleave(2, 1),)),
    Pair("convolution off by one", ((2, 3, 7), (2, 3, 3)), _convolution, _convolution_back,
         partial(_convolution_back, shift=1)),
    Pair("convolution kernel not turned", ((2, 3, 7), (2, 3, 3)), _convolution, _convolution_back,
         partial(_convolution_back, flip=False)),
    Pair("embedding assigned, not added", ((3, 4),), _embedding, _embedding_back, _embedding_assigned),
    Pair("LSTM gates swapped", ((2, 12), (2, 3)), _lstm, _lstm_back, partial(_lstm_back, swapped=True)),
    Pair("recurrent weight at the last step only", ((4, 2, 3), (3, 3)), _recurrent, _recurrent_back,
         partial(_recurrent_back, all_steps=False)),
    Pair("attention scale forgotten", ((3, 4), (5, 4), (5, 2)), _attention, _attention_back,
         partial(_attention_back, scaled=False)),
    Pair("weight decay twice", (ROWS,), _decayed,
         lambda g, w: (g * (w.cos() + 0.1 * w),), lambda g, w: (g * (w.cos() + 0.2 * w),)),
)  # fmt: skip
