r"""The GRU with a derivative written by hand: alone, and with attention to a memory at every step.

Papers: Cho et al. 2014 (arXiv:1406.1078), eqs. 5 to 8, the unit; Bahdanau, Cho and Bengio 2015 (arXiv:1409.0473),
A.1.2, the attention; Appleyard, Kocisky and Blunsom 2016 (arXiv:1604.01946), products of several steps taken together.

Legend: g_t what the input adds to the sums, [batch B, 3 H]; s_t state [B, H]; h_i memory [B, places S, E];
k_i = W_k h_i keys [B, S, A], computed once; v [A]; a_t weights [B, S]; c_t context [B, E]; the three blocks of sums
are r, z, n.

(1) u_ti = tanh(W_q s_{t-1} + k_i);  e_ti = v . u_ti;  a_t = softmax over the real places;  c_t = sum_i a_ti h_i
(2) x_t = g_t + W_c c_t;   y_t = W_h s_{t-1} + b_h
(3) r, z = sigmoid(x_t + y_t);   n = tanh(x_t + r * y_t);   s_t = n + z * (s_{t-1} - n)

Backwards, with D the derivative by what is named:
(4) D n = D s (1 - z) (1 - n^2);  D z = D s (s_{t-1} - n) z (1 - z);  D r = D n y_n r (1 - r);
    D x = [D r, D z, D n];  D y = [D r, D z, r D n]
(5) D c = D x W_c;  D a_i = D c . h_i;  D e = a (D a - sum_i a_i D a_i);  D u_i = D e_i v (1 - u_i^2)
(6) D s_{t-1} = z D s + D y W_h + (sum_i D u_i) W_q;  D k_i = sum_t D u_ti;  D h_i = sum_t a_ti D c_t
(7) of weights, one product over all steps: D W_c = sum_t D x^T c, D W_h = sum_t D y^T s_{t-1}, D W_q likewise

tanh(x) is 2 sigmoid(2 x) - 1 here, equal to an ulp of 1: torch's tanh takes nine times as long as its sigmoid on a CPU.

>>> rule, x, start = GRURule(), torch.randn(2, 5, 3), (torch.zeros(2, 4),)
>>> gru = torch.nn.GRU(3, 4, batch_first=True)
>>> from deepcanon.parts.recurrence_by_hand import recur
>>> outputs, _ = recur(rule, x, start, *gru.parameters())
>>> torch.allclose(outputs, gru(x)[0], atol=1e-5)
True
"""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from deepcanon.parts.recurrence_by_hand import StepRule, without_autocast

__all__ = ["GRURule", "attentive_gru"]


def _tanh_(x: Tensor) -> Tensor:
    return x.add_(x).sigmoid_().mul_(2).sub_(1)


class GRURule(StepRule):
    """Eqs. (3) and (4); a_t = [n of the input | r | z | n of the state]."""

    input_blocks, hidden_blocks, kept = (1, 2, 0), (1, 2, 3), 1

    def forward(self, sums, hidden, memory, new_hidden, new_memory, kept):
        """Fills h_t and n, and turns the sums of r and z into gates."""
        (n_x, r, z, n_h), n = sums.blocks, kept[0]
        size = n.shape[1]
        sums.whole[:, size : 3 * size].sigmoid_()
        torch.addcmul(n_x, r, n_h, out=n)
        _tanh_(n)
        torch.sub(hidden, n, out=new_hidden).mul_(z).add_(n)

    def backward(self, d_sums, d_hidden, d_memory, sums, hidden, memory, kept):
        (d_n, d_r, d_z, d_n_h), (_, r, z, n_h), n = d_sums.blocks, sums.blocks, kept[0]
        aten, size = torch.ops.aten, n.shape[1]
        direct = d_hidden * z
        torch.sub(d_hidden, direct, out=d_n)
        aten.tanh_backward.grad_input(d_n, n, grad_input=d_n)
        torch.sub(hidden, n, out=d_z).mul_(d_hidden)
        torch.mul(d_n, n_h, out=d_r)
        d_gates = d_sums.whole[:, size : 3 * size]
        aten.sigmoid_backward.grad_input(d_gates, sums.whole[:, size : 3 * size], grad_input=d_gates)
        torch.mul(d_n, r, out=d_n_h)
        return direct


def attentive_gru(
    given: Float[Tensor, "batch time sums"],
    start: Float[Tensor, "batch hidden"],
    memory: Float[Tensor, "batch places size"],
    keys: Float[Tensor, "batch places score"],
    real: Bool[Tensor, "batch places"],
    weight_q: Float[Tensor, "score hidden"],
    vector: Float[Tensor, "score"],
    weight_c: Float[Tensor, "sums size"],
    weight_h: Float[Tensor, "sums hidden"],
    bias_h: Float[Tensor, "sums"],
) -> tuple[Float[Tensor, "batch time hidden"], Float[Tensor, "batch time size"], Float[Tensor, "batch time places"]]:
    """States, contexts and weights of all steps, eqs. (1) to (3); differentiable once.

    Args:
        given: g_t: W_x of the inputs and its bias, by one product for all steps.
        keys: W_k h_i and its bias.

    Raises:
        ValueError: the shapes do not fit.
    """
    batch, time, sums = given.shape
    size = start.shape[1]
    if not time or sums != 3 * size or weight_h.shape != (sums, size) or len(weight_c) != sums:
        shapes = [tuple(part.shape) for part in (given, start, weight_c, weight_h)]
        raise ValueError(f"sums, start and weights {shapes} do not fit")
    if memory.shape[:2] != keys.shape[:2] or real.shape != memory.shape[:2] or len(memory) != batch:
        raise ValueError(f"memory {tuple(memory.shape)}, keys {tuple(keys.shape)}, mask {tuple(real.shape)} do not fit")
    states, contexts, weights = _AttentiveGRU.apply(
        given, start, memory, keys, real, weight_q, vector, weight_c, weight_h, bias_h
    )
    return states.transpose(0, 1), contexts.transpose(0, 1), weights.transpose(0, 1)


class _AttentiveGRU(torch.autograd.Function):
    """Time first inside."""

    @staticmethod
    def forward(ctx: Any, given, start, memory, keys, real, weight_q, vector, weight_c, weight_h, bias_h):
        (batch, time, _), (places, score) = given.shape, keys.shape[1:]
        size = start.shape[1]
        exact = torch.promote_types(given.dtype, torch.float32)
        given, memory, keys = given.to(exact), memory.to(exact), keys.to(exact)

        def empty(*shape: int) -> Tensor:
            return torch.empty(*shape, dtype=exact, device=given.device)

        with without_autocast(given.device):
            # A place that is a pad gets -inf; of a row without any real place all weights become 0 afterwards.
            some = real.any(1, keepdim=True)
            shut = torch.zeros_like(real, dtype=exact).masked_fill_(~real & some, -torch.inf)
            some = some.to(exact)
            x = given.transpose(0, 1).clone(memory_format=torch.contiguous_format)
            inner, weights = empty(time, batch, places, score), empty(time, batch, places)
            contexts, states = empty(time, batch, memory.shape[2]), empty(time + 1, batch, size)
            new, behind = empty(time, batch, size), empty(time, batch, size)
            states[0] = start
            w_q, w_c, w_h = weight_q.T, weight_c.T, weight_h.T
            for t in range(time):
                state, u, a = states[t], inner[t], weights[t]
                # (1)
                _tanh_(torch.add(keys, torch.mm(state, w_q)[:, None], out=u))
                scores = torch.mv(u.view(-1, score), vector).view(batch, places).add_(shut)
                torch.mul(scores.softmax(1), some, out=a)
                torch.bmm(a[:, None], memory, out=contexts[t][:, None])
                # (2)
                gates = x[t].addmm_(contexts[t], w_c)
                y = torch.addmm(bias_h, state, w_h)
                # (3)
                gates[:, : 2 * size].add_(y[:, : 2 * size]).sigmoid_()
                behind[t] = y[:, 2 * size :]
                n = torch.addcmul(gates[:, 2 * size :], gates[:, :size], behind[t], out=new[t])
                _tanh_(n)
                torch.sub(state, n, out=states[t + 1]).mul_(gates[:, size : 2 * size]).add_(n)
        ctx.save_for_backward(
            memory, weight_q, vector, weight_c, weight_h, x, inner, weights, contexts, states, new, behind
        )
        ctx.types = given.dtype, start.dtype
        # They are saved: what is handed out is a copy, which may be changed.
        return states[1:].clone(), contexts.clone(), weights.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_states, d_contexts, d_weights):
        memory, weight_q, vector, weight_c, weight_h, x, inner, weights, contexts, states, new, behind = (
            ctx.saved_tensors
        )
        time, batch, size = new.shape
        score = inner.shape[3]
        with without_autocast(x.device):
            d_x, d_y, d_c = torch.empty_like(x), torch.empty_like(x), torch.empty_like(contexts)
            d_q = inner.new_empty(time, batch, score)
            d_e, d_keys, scratch = torch.empty_like(weights), torch.zeros_like(inner[0]), torch.empty_like(inner[0])
            d_state = torch.zeros_like(states[0])
            for t in reversed(range(time)):
                d_state += d_states[t]
                r, z, _ = x[t].split(size, 1)
                n, state, gates = new[t], states[t], d_x[t]
                d_r, d_z, d_n = gates.split(size, 1)
                # (4)
                direct = d_state * z
                torch.mul(d_state - direct, 1 - n * n, out=d_n)
                torch.mul(d_state, state - n, out=d_z).mul_(z).mul_(1 - z)
                torch.mul(d_n, behind[t], out=d_r).mul_(r).mul_(1 - r)
                d_y[t, :, : 2 * size] = gates[:, : 2 * size]
                torch.mul(d_n, r, out=d_y[t, :, 2 * size :])
                # (5)
                torch.addmm(d_contexts[t], gates, weight_c, out=d_c[t])
                d_a = torch.bmm(memory, d_c[t][:, :, None])[:, :, 0].add_(d_weights[t])
                a = weights[t]
                torch.mul(a, d_a - (a * d_a).sum(1, keepdim=True), out=d_e[t])
                torch.mul(inner[t], inner[t], out=scratch).neg_().add_(1).mul_(vector).mul_(d_e[t][:, :, None])
                # (6)
                d_keys += scratch
                torch.sum(scratch, 1, out=d_q[t])
                d_state = direct.addmm_(d_y[t], weight_h).addmm_(d_q[t], weight_q)
            d_memory = torch.bmm(weights.permute(1, 2, 0), d_c.transpose(0, 1))
            # (7)
            before, flat_y, flat_q = states[:-1].flatten(0, 1), d_y.flatten(0, 1), d_q.flatten(0, 1)
            d_weight_c = d_x.flatten(0, 1).T @ contexts.flatten(0, 1)
            d_vector = d_e.flatten() @ inner.view(-1, score)
        of_given, of_start = ctx.types
        return (
            d_x.transpose(0, 1).to(of_given), d_state.to(of_start), d_memory, d_keys, None, flat_q.T @ before, d_vector,
            d_weight_c, flat_y.T @ before, flat_y.sum(0),
        )  # fmt: skip
