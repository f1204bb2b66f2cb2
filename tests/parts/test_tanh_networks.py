"""Networks side by side: each is torch's RNN, and the written-out backward pass is autograd's."""

import jaxtyping
import pytest
import torch
from torch import nn

from deepcanon.parts.tanh_networks import TanhNetworks


def networks(count=3, length=12):
    generator = torch.Generator().manual_seed(0)
    starts = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((2, 6), (6, 6), (6, 1))]
    model = TanhNetworks(count, *(0.4 * start for start in starts))
    for parameter in model.parameters():
        assert all(torch.equal(parameter[0], other) for other in parameter[1:])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    inputs = torch.randn(5, length, 2, generator=generator, dtype=torch.float64)
    return model, inputs, torch.randn(5, generator=generator, dtype=torch.float64)


def test_backpropagation_through_time_written_out_equals_autograd():
    model, inputs, targets = networks()
    losses, gradients = model.gradients(inputs, targets)
    expected = (model(inputs) - targets).square().mean(1)
    torch.testing.assert_close(losses, expected.detach())
    for (name, parameter), gradient in zip(
        model.named_parameters(), torch.autograd.grad(expected.sum(), list(model.parameters())), strict=True
    ):
        torch.testing.assert_close(gradients[name], gradient, msg=name)
        assert gradients[name].shape == parameter.shape


def test_each_of_the_networks_is_torchs_rnn():
    model, inputs, _ = networks()
    for k in range(3):
        rnn = nn.RNN(2, 6, batch_first=True, dtype=torch.float64)
        with torch.no_grad():
            rnn.weight_ih_l0.copy_(model.U[k].T)
            rnn.weight_hh_l0.copy_(model.W[k].T)
            rnn.bias_ih_l0.copy_(model.b[k, 0])
            rnn.bias_hh_l0.zero_()
        answer = rnn(inputs)[0][:, -1] @ model.v[k] + model.c[k]
        torch.testing.assert_close(model(inputs)[k], answer[:, 0])


def test_weights_that_do_not_fit_are_named(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=r"\(2, 6\), \(6, 5\), \(6, 1\) do not make a network"):
        TanhNetworks(2, torch.zeros(2, 6), torch.zeros(6, 5), torch.zeros(6, 1))
