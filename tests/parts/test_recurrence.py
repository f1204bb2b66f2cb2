"""The loop equals backpropagation written out, layers equal torch's kernel; masks, windows, states."""

from typing import NamedTuple

import jaxtyping
import pytest
import torch
from oracles import recurrence as oracle
from torch import nn

from deepcanon.parts.recurrence import (
    detach,
    kernel_layer,
    scan,
    select_rows,
    stacked,
    streams,
    window,
)


def test_gradients_equal_backpropagation_through_time_written_out():
    leaves, d_outputs, d_last = oracle.example()
    x, h, w_x, w_h, bias = leaves = [torch.from_numpy(value).requires_grad_() for value in leaves]
    outputs, last = scan(lambda a, h: (torch.tanh(a + h @ w_h.T),) * 2, x @ w_x.T + bias, h)
    loss = (outputs * torch.from_numpy(d_outputs)).sum() + (last * torch.from_numpy(d_last)).sum()
    true = oracle.backward(*(value.detach().numpy() for value in leaves), d_outputs, d_last)
    for mine, other in zip(torch.autograd.grad(loss, leaves), true, strict=True):
        torch.testing.assert_close(mine, torch.from_numpy(other), atol=1e-10, rtol=1e-10)


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
    x, h = torch.zeros(2, 6, 3), torch.zeros(2, 4)
    # With the shape hook of the tests its error may come first.
    with pytest.raises((ValueError, jaxtyping.TypeCheckError)):
        scan(lambda x, h: (x, h), x, h, torch.ones(2, 5, dtype=torch.bool))
    with pytest.raises(ValueError, match="time >= 1"):
        scan(lambda x, h: (x, h), torch.zeros(2, 0, 3), h)
