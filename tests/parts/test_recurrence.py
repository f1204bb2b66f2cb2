"""The loop by hand equals torch's kernels and backpropagation written out; masks, layers, windows, states."""

from typing import NamedTuple

import jaxtyping
import pytest
import torch
from cases.recurrence import Elman
from oracles import recurrence as oracle
from torch import nn

from deepcanon.parts.recurrence import (
    StepRule,
    detach,
    kernel_layer,
    recur,
    scan,
    select_rows,
    stacked,
    streams,
    window,
)


class TorchGRU(StepRule):
    """torch's form: the reset gate acts on the recurrent product, so that the candidate needs both products apart.

    a_t = [n of the input | r | z | n of the state].
    """

    input_blocks, hidden_blocks, kept = (1, 2, 0), (1, 2, 3), 1

    def forward(self, sums, hidden, memory, new, kept):
        n_x, r, z, n_h = sums.chunk(4, 1)
        r.sigmoid_()
        z.sigmoid_()
        n = torch.tanh(n_x + r * n_h, out=kept[0])
        return (1 - z) * n + z * hidden

    def backward(self, d_sums, d_hidden, d_memory, sums, hidden, memory, kept):
        (_, r, z, n_h), n = sums.chunk(4, 1), kept[0]
        d_n = d_hidden * (1 - z) * (1 - n**2)
        parts = d_n, d_n * n_h * r * (1 - r), d_hidden * (hidden - n) * z * (1 - z), d_n * r
        torch.cat(parts, 1, out=d_sums)
        return d_hidden * z


@pytest.mark.parametrize(("rule", "kernel"), [(Elman, nn.RNN), (TorchGRU, nn.GRU)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_loop_by_hand_equals_torchs_kernel_in_outputs_and_all_gradients(rule, kernel, dtype):
    module = kernel(5, 7, batch_first=True, dtype=dtype)
    x, h = torch.randn(3, 9, 5, dtype=dtype), torch.randn(3, 7, dtype=dtype)
    weight = torch.randn(3, 9, 7, dtype=dtype)
    parameters, results = list(module.parameters()), []
    for by_hand in (False, True):
        leaves = [value.clone().requires_grad_() for value in (x, h)]
        if by_hand:
            output, (last,) = recur(rule(), leaves[0], leaves[1:], *parameters)
        else:
            output, last = module(leaves[0], leaves[1][None])
            last = last[0]
        loss = (output * weight).sum() + (last**2).sum()
        results.append([output, last, *torch.autograd.grad(loss, [*leaves, *parameters])])
    tolerance = 1e-10 if dtype == torch.float64 else 2e-5
    for found, true in zip(*reversed(results), strict=True):
        assert found.dtype == dtype
        torch.testing.assert_close(found, true, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("by_hand", [True, False])
def test_gradients_equal_backpropagation_through_time_written_out(by_hand):
    shapes = (2, 12, 4), (2, 3), (3, 4), (3, 3), (3,)
    leaves = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    d_outputs, d_last = torch.randn(2, 12, 3, dtype=torch.float64), torch.randn(2, 3, dtype=torch.float64)
    x, h, w_x, w_h, bias = leaves
    if by_hand:
        outputs, (last,) = recur(Elman(), x, (h,), w_x, w_h, bias, torch.zeros_like(bias))
    else:
        outputs, last = scan(lambda a, h: (torch.tanh(a + h @ w_h.T),) * 2, x @ w_x.T + bias, h)
    found = torch.autograd.grad((outputs * d_outputs).sum() + (last * d_last).sum(), leaves)
    true = oracle.backward(*(value.detach().numpy() for value in (*leaves, d_outputs, d_last)))
    for mine, other in zip(found, true, strict=True):
        torch.testing.assert_close(mine, torch.from_numpy(other), atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("rule", [Elman, TorchGRU])
def test_products_in_bf16_change_the_results_by_rounding_only_and_autocast_changes_nothing(rule):
    module = (nn.GRU if rule is TorchGRU else nn.RNN)(5, 16, batch_first=True)
    x, h = torch.randn(3, 9, 5, requires_grad=True), torch.zeros(3, 16)

    def result(products, autocast=False):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            output, (last,) = recur(rule(), x, (h,), *module.parameters(), products=products)
            loss = (output.float() ** 2).sum() + last.sum()
            return [output, last, *torch.autograd.grad(loss, [x, *module.parameters()])]

    exact, half = result(None), result(torch.bfloat16)
    assert half[0].dtype == torch.bfloat16 and half[1].dtype == exact[0].dtype == torch.float32
    for found, true in zip(half, exact, strict=True):
        assert ((found.float() - true).norm() / true.norm()).item() < 0.03
    for products, without in ((None, exact), (torch.bfloat16, half)):
        for found, true in zip(result(products, autocast=True), without, strict=True):
            assert torch.equal(found, true)


def test_what_the_derivative_needs_is_not_changed_by_who_writes_into_the_outputs():
    x, w_x, w_h = torch.randn(1, 3, 2), torch.randn(4, 2), torch.randn(4, 4, requires_grad=True)
    zero = torch.zeros(4)
    gradients = []
    for spoiled in (False, True):
        output, (last,) = recur(Elman(), x, (torch.zeros(1, 4),), w_x, w_h, zero, zero)
        loss = output.sum() + last.sum()
        if spoiled:
            output.data.zero_()
            last.data.zero_()
        gradients += torch.autograd.grad(loss, w_h)
    assert torch.equal(*gradients)


def test_a_masked_step_keeps_a_nested_state():
    class State(NamedTuple):
        h: torch.Tensor
        stack: tuple

    def step(x, state):
        return x, State(state.h + x, (state.stack[0] * 2,))

    start = State(torch.zeros(2, 3), (torch.ones(2, 4, 5),))
    mask = torch.tensor([[True, False, True], [False, False, True]])
    outputs, end = scan(step, torch.ones(2, 3, 3), start, mask)
    assert isinstance(end, State) and outputs[:, :, 0].tolist() == mask.float().tolist()
    assert end.h[:, 0].tolist() == [2, 1] and end.stack[0][:, 0, 0].tolist() == [4, 2]


def test_dropout_lies_between_layers_only():
    def layer(number, x, start):
        return x + 1, start

    x, state = torch.ones(2, 50, 3), (torch.zeros(3, 2, 3),)
    still, ends = stacked(layer, x, state)
    assert bool((still == 4).all()) and ends[0].shape == (3, 2, 3)
    # Layer 1 gives 2, which becomes 0 or 4; then 1 or 5 -> 0, 2 or 10; the last layer adds 1 and nothing is dropped.
    assert sorted(stacked(layer, x, state, nn.Dropout(0.5))[0].unique().tolist()) == [1, 3, 11]


@pytest.mark.parametrize("kernel", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_layers_one_by_one_are_the_bits_of_torchs_kernel_with_its_dropout(kernel, dtype):
    module = kernel(5, 7, 3, batch_first=True, dropout=0.4, dtype=dtype)
    states = [torch.randn(3, 4, 7, dtype=dtype) for _ in range(1 + (kernel is nn.LSTM))]
    x, results = torch.randn(4, 9, 5, dtype=dtype), []

    def layer(number, x, start):
        weights = [getattr(module, f"{name}_l{number}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        return kernel_layer(x, start, weights)

    for alone in (False, True):
        torch.manual_seed(4)
        if alone:
            output, ends = stacked(layer, x, states, nn.Dropout(0.4))
        else:
            output, end = module(x, tuple(states) if len(states) > 1 else states[0])
            ends = end if len(states) > 1 else (end,)
        loss = (output**2).sum() + sum((part**2).sum() for part in ends)
        results.append([output, *ends, *torch.autograd.grad(loss, list(module.parameters()))])
    for found, true in zip(*results, strict=True):
        assert torch.equal(found, true)


def test_states_are_nests_of_any_kind():
    class State(NamedTuple):
        h: torch.Tensor
        more: dict

    state = State(torch.arange(6.0).view(3, 2).requires_grad_(), {"c": [torch.arange(3)], "steps": 4})
    chosen = select_rows(state, torch.tensor([2, 2, 0]))
    assert isinstance(chosen, State) and chosen.more["steps"] == 4
    assert chosen.h[:, 0].tolist() == [4, 4, 0] and chosen.more["c"][0].tolist() == [2, 2, 0]
    assert select_rows((state.h,), torch.tensor([1]), axis=1)[0].tolist() == [[1], [3], [5]]
    cut = detach(chosen)
    assert isinstance(cut, State) and chosen.h.requires_grad and not cut.h.requires_grad


def test_windows_cover_each_stream_once_and_then_again():
    x, y = streams(torch.arange(47), 4)
    assert x.shape == (4, 11) and torch.equal(x + 1, y)
    seen = [window(step, 11, 3) for step in range(8)]
    assert [t for w in seen[:4] for t in range(w.start, w.stop)] == list(range(11))
    assert [w.fresh for w in seen] == [True, False, False, False] * 2
    assert seen[4] == seen[0]
    with pytest.raises(ValueError, match="too few for 4 streams"):
        streams(torch.arange(4), 4)
    with pytest.raises(ValueError, match="not describe a window"):
        window(0, 11, 0)


def test_wrong_shapes_are_refused():
    x, h, w_x, w_h, bias = (torch.zeros(shape) for shape in ((2, 6, 3), (2, 4), (4, 3), (4, 4), (4,)))
    # With the shape hook of the tests its error may come first.
    refused = (ValueError, jaxtyping.TypeCheckError)
    with pytest.raises(refused):
        recur(Elman(), torch.zeros(2, 6, 5), (h,), w_x, w_h, bias, bias)
    with pytest.raises(refused):
        recur(Elman(), x, (torch.zeros(3, 4),), w_x, w_h, bias, bias)
    with pytest.raises(refused):
        scan(lambda x, h: (x, h), x, h, torch.ones(2, 5, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"is not 1 of \(2, 4\)"):
        recur(Elman(), x, (h, h), w_x, w_h, bias, bias)
    with pytest.raises(ValueError, match="do not fit 4 hidden units"):
        recur(TorchGRU(), x, (h,), w_x, w_h, bias, bias)
    with pytest.raises(ValueError, match="time >= 1"):
        scan(lambda x, h: (x, h), torch.zeros(2, 0, 3), h)
