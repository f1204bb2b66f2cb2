"""Casts inside a module in float64 are found and named, and a gradient check says so."""

import torch
from torch import nn

from deepcanon.foundations.gradient_check import check_module
from deepcanon.parts.narrowing import narrowings

X = torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(2, 3)


class Cast(nn.Module):
    def __init__(self, dtype):
        super().__init__()
        self.dtype, self.scale = dtype, nn.Parameter(torch.ones(()))

    def forward(self, x):
        return (x * self.scale).to(self.dtype).exp().double()


def test_layers_that_cast_are_named_in_the_order_of_use():
    net = nn.Sequential(nn.Linear(3, 3), Cast(torch.bfloat16), nn.Tanh(), Cast(torch.float32)).double()
    assert narrowings(net, X) == ("1 (Cast): bfloat16", "3 (Cast): float32")
    assert narrowings(Cast(torch.float32).double(), X) == ("the module itself (Cast): float32",)
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in net.modules()), (
        "nothing is left behind"
    )


def test_a_module_in_float64_throughout_has_none():
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.LayerNorm(4), nn.Linear(4, 2)).double()
    assert narrowings(net, X) == ()
    assert check_module(net, X).narrowed == () and "fewer digits" not in str(check_module(net, X))


def test_a_check_that_fails_for_a_cast_says_where_it_is():
    found = check_module(nn.Sequential(nn.Linear(3, 3), Cast(torch.float32)), X.clone().requires_grad_())
    assert not found.passed and found.narrowed == ("1 (Cast): float32",)
    assert str(found).endswith("fewer digits in 1 (Cast): float32")
