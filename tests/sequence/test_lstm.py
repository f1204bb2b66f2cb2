"""LSTM: equality with torch's kernel, explicit BPTT, masks keep the last real state, one forget bias."""

import jaxtyping
import pytest
import torch
from oracles import lstm as oracle
from torch import nn

from deepcanon.engine.precision import has_bf16
from deepcanon.parts.recurrence import lag_biases_
from deepcanon.sequence import LSTM, LSTMCell, RecurrentLM
from deepcanon.sequence.lstm import LSTMState, Variant, lstm_layer, lstm_step
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


VARIANTS = ({"peepholes": True}, {"coupled": True}, {"layer_norm": True})


@pytest.mark.parametrize("options", VARIANTS)
def test_variants_are_the_plain_network_where_they_add_nothing(options):
    plain, module = LSTM(4, 3, 2, dtype=torch.float64), LSTM(4, 3, 2, **options, dtype=torch.float64)
    x, state = torch.randn(2, 6, 4, dtype=torch.float64), {}
    for name, value in plain.state_dict().items():
        coupled = name.startswith(("weight", "bias")) and options.get("coupled")
        state[name] = torch.cat([value[:3], value[6:]]) if coupled else value
    for name in set(module.state_dict()) - set(state):
        state[name] = torch.zeros_like(module.state_dict()[name])
    module.load_state_dict(state)
    trace = module.trace(x)
    torch.testing.assert_close(trace.hidden, module(x)[0])
    if options.get("coupled"):
        torch.testing.assert_close(trace.forget, 1 - trace.input, atol=0, rtol=0)
    elif options.get("layer_norm"):  # all gains are 0: gates and candidates are those of the biases alone
        assert torch.equal(trace.input, torch.full_like(trace.input, 0.5)) and not trace.hidden.any()
    else:  # peepholes of 0
        torch.testing.assert_close(module(x)[0], plain(x)[0])


def test_layer_normalisation_takes_the_scale_of_the_weights_away():
    """Ba et al. 2016, section 5.1: the outputs do not depend on the scale or a common shift of a weight matrix."""
    module = LSTM(8, 6, layer_norm=True, dtype=torch.float64)
    x = torch.randn(3, 5, 8, dtype=torch.float64)
    before = module(x)[0]
    with torch.no_grad():
        module.weight_ih_l0.mul_(50).add_(torch.randn(8, dtype=torch.float64))
        module.weight_hh_l0.mul_(50)
    torch.testing.assert_close(module(x)[0], before, atol=1e-3, rtol=1e-3)


def test_coupled_gates_begin_with_the_same_forgetting():
    trace = LSTM(2, 4, coupled=True, forget_bias=1.0).trace(torch.zeros(1, 1, 2))
    torch.testing.assert_close(trace.forget, torch.ones(1, 1, 4).sigmoid())


def test_output_peepholes_see_the_new_memory_and_the_others_the_old_one():
    gates, cell, peephole = torch.zeros(1, 4), torch.ones(1, 1), torch.tensor([[2.0], [3.0], [5.0]])
    new = lstm_step(torch.tensor([[0.0, 0, 1, 0]]) + gates, cell, Variant(peephole))
    expected = torch.tensor(3.0).sigmoid() * 1 + torch.tensor(2.0).sigmoid() * torch.tensor(1.0).tanh()
    torch.testing.assert_close(new.cell.squeeze(), expected)
    torch.testing.assert_close(new.output.squeeze(), (5 * expected).sigmoid())


@pytest.mark.parametrize("coupled", [False, True])
def test_biases_for_lags(coupled):
    module = LSTM(2, 2000, coupled=coupled)
    lag_biases_(module.bias_ih_l0, 2000, 101)
    trace = module.trace(torch.zeros(1, 1, 2))
    lags = 1 / (1 - trace.forget.flatten())  # units forget in so many steps: 1 + u, u uniform from 1 to 100
    assert 2 <= lags.min() < 3 and 99 < lags.max() <= 101.1 and abs(lags.mean() - 51.5) < 2
    torch.testing.assert_close(trace.input, 1 - trace.forget, atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="lags up to 1"):
        lag_biases_(module.bias_ih_l0, 2000, 1)


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
