"""LSTM: equality with torch's kernel, explicit BPTT, masks keep the last real state, one forget bias."""

import jaxtyping
import pytest
import torch
from oracles import lstm as oracle
from torch import nn

from deepcanon.engine.precision import has_bf16
from deepcanon.sequence import LSTM, LSTMCell, RecurrentLM
from deepcanon.sequence.lstm import LSTMState, lstm_layer
from deepcanon.sequence.rnn_lm import sequence_nll, window_nll

needs_bf16 = pytest.mark.skipif(not has_bf16("cpu"), reason="torch has no LSTM kernel in bf16 for this processor")


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-6)])
def test_equals_torch_in_outputs_and_all_gradients(fast, dtype, tolerance):
    theirs = nn.LSTM(5, 7, 2, batch_first=True, dtype=dtype)
    ours = LSTM(5, 7, 2, fast=fast, dtype=dtype)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(3, 9, 5, dtype=dtype, requires_grad=True)
    state = tuple(torch.randn(2, 3, 7, dtype=dtype) for _ in range(2))
    results = []
    for module in (theirs, ours):
        output, (h, c) = module(x, state)
        loss = (output**2).mean() + (h * c).mean()
        results.append([output, h, c, *torch.autograd.grad(loss, [x, *module.parameters()])])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(b, a, atol=tolerance, rtol=tolerance)


def test_autograd_equals_backpropagation_through_time_written_out():
    module = LSTM(4, 3, fast=False, dtype=torch.float64)
    x = torch.randn(2, 12, 4, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 12, 3, dtype=torch.float64)
    (module(x)[0] * weights).sum().backward()
    w_ih, w_hh, b_ih, b_hh = (p.detach().numpy() for p in module.parameters())
    d_x, d_ih, d_hh, d_b = oracle.backward(x.detach().numpy(), w_ih, w_hh, b_ih + b_hh, weights.numpy())
    found = [x.grad, *(p.grad for p in module.parameters())]
    for mine, true in zip(found, [d_x, d_ih, d_hh, d_b, d_b], strict=True):
        torch.testing.assert_close(mine, torch.from_numpy(true), atol=1e-10, rtol=1e-10)


def test_masked_rows_keep_the_last_real_state_like_packed_sequences():
    module = LSTM(4, 3, 2, dtype=torch.float64)
    lengths = torch.tensor([6, 2, 4])
    x = torch.randn(3, 6, 4, dtype=torch.float64)
    mask = torch.arange(6) < lengths[:, None]
    output, state = module(x, mask=mask)
    reference = nn.LSTM(4, 3, 2, batch_first=True, dtype=torch.float64)
    reference.load_state_dict(module.state_dict())
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    theirs, (h, c) = reference(packed)
    padded, _ = nn.utils.rnn.pad_packed_sequence(theirs, batch_first=True)
    for ours, other in ((output, padded), (state.hidden, h), (state.cell, c)):
        torch.testing.assert_close(ours, other, atol=1e-12, rtol=0)
    # What stands behind the end changes nothing.
    noise = torch.where(mask[:, :, None], x, 1e3 * torch.randn_like(x))
    assert torch.equal(module(noise, mask=mask)[0], output)


def test_state_carried_over_a_cut_equals_one_pass():
    module = LSTM(4, 3, 2, dtype=torch.float64)
    x = torch.randn(2, 9, 4, dtype=torch.float64)
    whole, end = module(x)
    first, state = module(x[:, :5])
    second, last = module(x[:, 5:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    torch.testing.assert_close(last.cell, end.cell)


def test_cell_steps_equal_the_sequence():
    module, cell = LSTM(4, 3, dtype=torch.float64), LSTMCell(4, 3, dtype=torch.float64)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in module.state_dict().items()})
    assert list(cell.state_dict()) == list(nn.LSTMCell(4, 3).state_dict())
    x = torch.randn(2, 5, 4, dtype=torch.float64)
    state = None
    for t in range(5):
        output, state = cell(x[:, t], state)
    torch.testing.assert_close(output, module(x)[0][:, -1])


def test_forget_bias_is_one_in_one_of_the_two_vectors():
    for module, ih, hh in ((LSTM(2, 4), "bias_ih_l0", "bias_hh_l0"), (LSTMCell(2, 4), "bias_ih", "bias_hh")):
        total = (getattr(module, ih) + getattr(module, hh)).detach()
        assert total.tolist() == [0.0] * 4 + [1.0] * 4 + [0.0] * 8
    # With an open forget gate and nothing coming in, memory stays near sigmoid(1) a step, not 0.5.
    cell = LSTMCell(2, 4)
    _, state = cell(torch.zeros(1, 2), LSTMState(torch.zeros(1, 4), torch.ones(1, 4)))
    torch.testing.assert_close(state.cell, torch.full((1, 4), torch.tensor(1.0).sigmoid().item()))


def test_wrong_shapes_are_named():
    module = LSTM(4, 3)
    with pytest.raises(ValueError, match="time >= 1, 4"):
        module(torch.zeros(2, 5, 3))
    with pytest.raises(ValueError, match="layers, batch, hidden"):
        module(torch.zeros(2, 5, 4), (torch.zeros(1, 3, 3), torch.zeros(1, 3, 3)))
    # With the shape hook of the tests its error comes first.
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match="mask"):
        module(torch.zeros(2, 5, 4), mask=torch.ones(2, 4, dtype=torch.bool))


def relative(found, true):
    return ((found.double() - true.double()).norm() / true.double().norm()).item()


@pytest.mark.parametrize(("batch", "time", "inputs", "hidden"), [(1, 1, 3, 4), (4, 7, 5, 8), (3, 20, 16, 64)])
def test_the_bf16_layer_is_the_exact_one_but_for_rounding(batch, time, inputs, hidden):
    exact = LSTM(inputs, hidden, fast=False, dtype=torch.float64)
    weights = [parameter.detach().float().requires_grad_() for parameter in exact.parameters()]
    x, state = torch.randn(batch, time, inputs), LSTMState(*torch.randn(2, batch, hidden).tanh())
    grow, end = torch.randn(batch, time, hidden), torch.randn(2, batch, hidden)
    results = []
    for double in (False, True):
        to = (lambda t: t.double()) if double else (lambda t: t)
        leaves = [to(t).detach().requires_grad_() for t in (x, *state)]
        if double:
            output, (h, c) = exact(leaves[0], (leaves[1][None], leaves[2][None]))
            h, c, parameters = h[0], c[0], list(exact.parameters())
        else:
            state = LSTMState(*leaves[1:])
            output, (h, c) = lstm_layer(leaves[0], state, *weights, products=torch.bfloat16)
            parameters = weights
        loss = (output.to(to(grow).dtype) * to(grow)).sum() + (h * to(end[0])).sum() + (c * to(end[1])).sum()
        results.append([output, h, c, *torch.autograd.grad(loss, [*leaves, *parameters])])
    for found, true in zip(*results, strict=True):
        assert found.shape == true.shape and relative(found, true) < 0.02


@needs_bf16
@pytest.mark.parametrize("layers", [1, 2])
def test_a_wide_model_takes_the_bf16_layer_and_learns_the_same(layers, monkeypatch):
    import deepcanon.sequence.rnn_lm as module

    monkeypatch.setattr(module, "WIDE", 32 * 64 - 1)
    model, tokens = RecurrentLM(20, 32, layers=layers), torch.randint(20, (3, 13))
    calls, gradients, states = [], [], []
    counted = lambda *arguments, **more: calls.append(1) or lstm_layer(*arguments, **more)  # noqa: E731
    monkeypatch.setattr(module, "lstm_layer", counted)
    for wide in (32 * 64 - 1, 32 * 64):
        monkeypatch.setattr(module, "WIDE", wide)
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            _, state = model(tokens[:, :6])
            logits, state = model(tokens[:, 6:12], tuple(s.detach() for s in state))
        sequence_nll(logits, tokens[:, 7:]).backward()
        gradients.append([parameter.grad.clone() for parameter in model.parameters()])
        states.append(state)
    assert len(calls) == 2 * layers
    for found, true in zip(gradients[0] + list(states[0]), gradients[1] + list(states[1]), strict=True):
        assert found.shape == true.shape and relative(found, true) < 0.05
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        monkeypatch.setattr(module, "WIDE", 32 * 64 - 1)
        model(tokens)
    assert len(calls) == 2 * layers, "evaluation keeps torch's kernel"


@needs_bf16
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tied": True},
        {"embedding_size": 0},
        {"layers": 2, "dropout": 0.4},
        {"layers": 2, "embedding_size": 8},  # only the upper layer is wide
        {"input_dropout": 0.3},
    ],
)
def test_the_loss_of_a_window_and_its_gradients_are_those_of_torchs_kernel_but_for_rounding(options, monkeypatch):
    import deepcanon.sequence.rnn_lm as module

    model = RecurrentLM(40, 32, **{"embedding_size": 32, **options})
    x, y = torch.randint(40, (2, 4, 12))
    results = []
    for wide in (32 * 41, 10**9):
        monkeypatch.setattr(module, "WIDE", wide)
        model.zero_grad()
        torch.manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16):
            if wide == 10**9:  # the plain way
                logits, state = model(x)
                loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten())
            else:
                loss, state = window_nll(model, x, y)
        loss.backward()
        results.append([loss, *state, *(parameter.grad.clone() for parameter in model.parameters())])
    for found, true in zip(*results, strict=True):
        assert relative(found, true) < 0.05
