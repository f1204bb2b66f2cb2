r"""Attention: how well a query fits each place of a memory, weights over the real places, and the mean that they give.

Papers: Bahdanau, Cho and Bengio, "Neural Machine Translation by Jointly Learning to Align and Translate", 2015
(arXiv:1409.0473), A.1.2, the additive score; Luong, Pham and Manning, "Effective Approaches to Attention-based Neural
Machine Translation", 2015 (arXiv:1508.04025), eqs. 7 and 8, the others; Vinyals, Fortunato and Jaitly, "Pointer
Networks", 2015 (arXiv:1506.03134), eq. 3, the weights as the answer; Xu et al. 2015 (arXiv:1502.03044), eq. 14, and
See, Liu and Manning 2017 (arXiv:1704.04368), eqs. 10 to 13, coverage.

Legend: q a query [batch B, Q], or [B, time T, Q] where queries do not wait for each other; h_i the memory [B, places S,
H]; e scores, a weights, [B, S] or [B, T, S]; c the context, a mean of the memory; A the size of the additive score.

(1) additive:  e_i = v . tanh(W_q q + W_h h_i + b)        dot:      e_i = q . h_i,  which needs Q = H
    general:   e_i = q . (W_h h_i)                        location: e = W_q q, place i by its number alone
(2) a = softmax over the real places of e;  c = sum_i a_i h_i
(3) W_h h_i does not depend on the query: it is computed once for all steps (`keys`)
(4) pointer: a itself is the distribution over the places
(5) coverage: before step t place i has had C_ti = sum_{u<t} a_ui;
    loss = sum_t sum_i min(a_ti, C_ti) over the real steps
(6) uniform: e_i = 0, so c is the mean of the memory: what attention is compared with
(7) doubly stochastic: loss = sum_i (1 - sum_t a_ti)^2 over the real places, t over the REAL steps only

Departures: W_h h_i of the general score is computed on the side of the memory, once, as eq. (3) has it. On a CPU the
additive score takes tanh(x) as 2 sigmoid(2 x) - 1, equal to an ulp of 1: torch's tanh takes nine times as long.

>>> attention = Attention(4, 6, "additive", size=5)
>>> query, memory, real = torch.randn(2, 4), torch.randn(2, 3, 6), real_positions(torch.tensor([3, 2]), 3)
>>> context, weights = attention(query, memory, real)
>>> tuple(context.shape), weights.sum(1).allclose(torch.ones(2)), weights[1, 2].item()
((2, 6), True, 0.0)
"""

import math
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from deepcanon.parts.masks import masked_softmax, real_positions

__all__ = [
    "Attended", "Attention", "Score", "additive_scores", "attend", "coverage_before", "coverage_loss", "dot_scores",
    "doubly_stochastic_loss", "real_positions",
]  # fmt: skip

Score = Literal["additive", "dot", "general", "location", "uniform"]
CACHE = 1 << 17  # numbers of the additive score that are computed at a time: half a megabyte of float32


class Attended(NamedTuple):
    """c [batch, ..., hidden] and a [batch, ..., places] of eq. (2)."""

    context: Tensor
    weights: Tensor


def additive_scores(
    query: Float[Tensor, "batch ... size"],
    keys: Float[Tensor, "batch places size"],
    vector: Float[Tensor, "size"],
) -> Float[Tensor, "batch ... places"]:
    """v . tanh(query + keys), eq. (1): the query and the keys are projected already.

    Raises:
        ValueError: the shapes do not fit.
    """
    _fits(query, keys)
    if vector.shape != keys.shape[2:]:
        raise ValueError(f"vector {tuple(vector.shape)} does not fit keys {tuple(keys.shape)}")
    by_hand = query.device.type == "cpu" and query.dtype == keys.dtype == vector.dtype
    if by_hand and query.dtype in (torch.float32, torch.float64) and not torch.compiler.is_compiling():
        rows = query if query.ndim == 3 else query[:, None]
        return _Additive.apply(rows, keys, vector, torch.is_grad_enabled()).view(*query.shape[:-1], -1)
    if query.ndim == 3:
        keys = keys[:, None]
    return (query[..., None, :] + keys).tanh() @ vector


class _Additive(torch.autograd.Function):
    """Eq. (1) of some rows at a time, so that what is computed of them stays in the cache, and its derivative.

    With s = sigmoid(2 (query + key)) the score is 2 s . v - sum v, and the slope of tanh is 4 s (1 - s).
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, keys: Tensor, vector: Tensor, keep: bool) -> Tensor:
        (batch, time, size), places = query.shape, keys.shape[1]
        scores, many = query.new_empty(batch, time, places), max(1, CACHE // max(1, time * places * size))
        kept = query.new_empty(batch if keep else min(batch, many), time, places, size)
        query, keys = query + query, keys + keys
        for at in range(0, batch, many):
            rows = slice(at, at + many)
            some = scores[rows]
            here = kept[rows] if keep else kept[: len(some)]
            torch.add(query[rows, :, None], keys[rows, None], out=here).sigmoid_()
            torch.mv(here.view(-1, size), vector, out=some.view(-1))
        if keep:
            ctx.save_for_backward(kept, vector)
        ctx.many = many
        return scores.add_(scores).sub_(vector.sum())

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        kept, vector = ctx.saved_tensors
        (batch, time, places, size), grad = kept.shape, gradients[0].contiguous()
        d_query, d_keys = kept.new_empty(batch, time, size), kept.new_empty(batch, places, size)
        d_vector, slopes = torch.zeros_like(vector), kept.new_empty(min(batch, ctx.many), time, places, size)
        for at in range(0, batch, ctx.many):
            rows = slice(at, at + ctx.many)
            here, some = kept[rows], grad[rows]
            d_vector.addmv_(here.view(-1, size).T, some.view(-1))
            slope = torch.addcmul(here, here, here, value=-1, out=slopes[: len(here)]).mul_(some[..., None])
            torch.sum(slope, 2, out=d_query[rows])
            torch.sum(slope, 1, out=d_keys[rows])
        scale = 4 * vector
        return d_query.mul_(scale), d_keys.mul_(scale), d_vector.mul_(2).sub_(grad.sum()), None


def dot_scores(
    query: Float[Tensor, "batch ... size"], keys: Float[Tensor, "batch places size"]
) -> Float[Tensor, "batch ... places"]:
    """query . keys, eq. (1); keys are the memory itself (dot) or W_h h_i (general).

    Raises:
        ValueError: the shapes do not fit.
    """
    _fits(query, keys)
    if query.ndim == 2:
        return torch.bmm(keys, query[:, :, None])[:, :, 0]
    return torch.bmm(query, keys.transpose(1, 2))


def attend(
    scores: Float[Tensor, "batch ... places"],
    memory: Float[Tensor, "batch places hidden"],
    real: Bool[Tensor, "batch places"] | None = None,
) -> Attended:
    """Eq. (2).

    Raises:
        ValueError: the shapes do not fit.
    """
    if memory.ndim != 3 or scores.ndim not in (2, 3) or (scores.shape[0], scores.shape[-1]) != memory.shape[:2]:
        raise ValueError(f"scores {tuple(scores.shape)} do not fit a memory {tuple(memory.shape)}")
    weights = masked_softmax(scores, real)
    if weights.ndim == 2:
        return Attended(torch.bmm(weights[:, None], memory)[:, 0], weights)
    return Attended(torch.bmm(weights, memory), weights)


def coverage_before(weights: Float[Tensor, "batch time places"]) -> Float[Tensor, "batch time places"]:
    """C of eq. (5): what each place has had before each step."""
    return weights.cumsum(1) - weights


def coverage_loss(
    weights: Float[Tensor, "batch time places"], steps: Bool[Tensor, "batch time"]
) -> Float[Tensor, "batch"]:
    """The loss of eq. (5), of each row; ``steps`` says which steps are real.

    Raises:
        ValueError: the shapes do not fit.
    """
    _steps_fit(weights, steps)
    return torch.where(steps, torch.minimum(weights, coverage_before(weights)).sum(2), 0.0).sum(1)


def doubly_stochastic_loss(
    weights: Float[Tensor, "batch time places"],
    steps: Bool[Tensor, "batch time"],
    real: Bool[Tensor, "batch places"],
) -> Float[Tensor, "batch"]:
    """The loss of eq. (7), of each row.

    Raises:
        ValueError: the shapes do not fit.
    """
    _steps_fit(weights, steps)
    if real.shape != (len(weights), weights.shape[2]):
        raise ValueError(f"places {tuple(real.shape)} do not fit weights {tuple(weights.shape)}")
    total = torch.where(steps[:, :, None], weights, 0.0).sum(1)
    return torch.where(real, (1 - total) ** 2, 0.0).sum(1)


def _fits(query: Tensor, keys: Tensor) -> None:
    if keys.ndim != 3 or query.ndim not in (2, 3) or (query.shape[0], query.shape[-1]) != (len(keys), keys.shape[2]):
        raise ValueError(f"query {tuple(query.shape)} is not [batch, (time,) size] of keys {tuple(keys.shape)}")


def _steps_fit(weights: Tensor, steps: Tensor) -> None:
    if weights.ndim != 3 or steps.shape != weights.shape[:2]:
        raise ValueError(f"steps {tuple(steps.shape)} are not [batch, time] of weights {tuple(weights.shape)}")


class Attention(nn.Module):
    """A score with its weights, eqs. (1) to (4).

    The names of the parameters are those of the equations: ``query`` is W_q, ``memory`` is W_h, ``vector`` is v.

    Args:
        query_size, memory_size: Q and H; equal for the dot score.
        score: which of eq. (1).
        size: A of the additive score.
        longest: places that the location score knows.

    Raises:
        ValueError: no score has that name, or the sizes do not fit it.
    """

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        score: Score = "additive",
        *,
        size: int | None = None,
        longest: int | None = None,
        device=None,
        dtype=None,
    ):
        super().__init__()
        make = {"device": device, "dtype": dtype}
        if score not in ("additive", "dot", "general", "location", "uniform"):
            raise ValueError(f"score {score!r} is not 'additive', 'dot', 'general', 'location' or 'uniform'")
        if score == "dot" and query_size != memory_size:
            raise ValueError(f"the dot score needs a query as wide as the memory, not {query_size} and {memory_size}")
        if score == "location" and not longest:
            raise ValueError("the location score needs `longest`, the number of places it knows")
        self.query_size, self.memory_size, self.score, self.longest = query_size, memory_size, score, longest
        size = size or query_size
        if score == "additive":
            self.query: Any = nn.Linear(query_size, size, **make)
            self.memory: Any = nn.Linear(memory_size, size, bias=False, **make)
            self.vector = nn.Parameter(torch.empty(size, **make).uniform_(-1, 1) / math.sqrt(size))
        else:
            self.query = nn.Linear(query_size, longest or 0, bias=False, **make) if score == "location" else None
            self.memory = nn.Linear(memory_size, query_size, bias=False, **make) if score == "general" else None

    def keys(self, memory: Float[Tensor, "batch places hidden"]) -> Tensor:
        """What the scores need of the memory, eq. (3), once for all steps."""
        if memory.ndim != 3 or memory.shape[2] != self.memory_size:
            raise ValueError(f"memory {tuple(memory.shape)} is not [batch, places, {self.memory_size}]")
        return memory if self.memory is None else self.memory(memory)

    def scores(
        self, query: Float[Tensor, "batch ... query"], keys: Float[Tensor, "batch places size"]
    ) -> Float[Tensor, "batch ... places"]:
        """e of eq. (1) from what `keys` gave.

        Raises:
            ValueError: the shapes do not fit, or the memory has more places than the location score knows.
        """
        if query.shape[-1] != self.query_size:
            raise ValueError(f"query {tuple(query.shape)} is not [batch, (time,) {self.query_size}]")
        if self.score == "additive":
            return additive_scores(self.query(query), keys, self.vector)
        if self.score == "location":
            if keys.shape[1] > (self.longest or 0):
                raise ValueError(f"{keys.shape[1]} places are more than the {self.longest} of the location score")
            return F.linear(query, self.query.weight[: keys.shape[1]])
        if self.score == "uniform":
            return query.new_zeros(*query.shape[:-1], keys.shape[1])
        return dot_scores(query, keys)

    def forward(
        self,
        query: Float[Tensor, "batch ... query"],
        memory: Float[Tensor, "batch places hidden"],
        real: Bool[Tensor, "batch places"] | None = None,
        keys: Tensor | None = None,
    ) -> Attended:
        """(context, weights); ``keys`` where they were computed before. ValueError for shapes that do not fit."""
        keys = self.keys(memory) if keys is None else keys
        return attend(self.scores(query, keys), memory, real)
