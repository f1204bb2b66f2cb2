"""Redundancy, rank and selectivity at their limits; symmetry that is not broken; one unit taken away."""

import pytest
import torch
from torch import nn

from deepcanon.parts.reconstruction import squared_error_of
from deepcanon.representation import Autoencoder
from deepcanon.representation.diversity import (
    ablation,
    collapsed,
    effective_rank,
    mean_absolute_cosine,
    selectivity,
)


def test_units_that_begin_equal_stay_equal_and_are_found():
    torch.manual_seed(0)
    x = torch.rand(64, 6)
    for start in ("zero", "equal", "random"):
        model = Autoencoder(6, 2, hidden=(5,), activation=nn.Sigmoid)
        if start != "random":
            for parameter in model.parameters():
                nn.init.constant_(parameter, 0.0 if start == "zero" else 0.1)
        optimizer = torch.optim.Adam(model.parameters(), 0.01)
        for _ in range(30):
            optimizer.zero_grad()
            squared_error_of(model(x), x).backward()
            optimizer.step()
        assert collapsed(model.encoder[0].weight) == (start != "random"), start


def test_diversity_at_its_limits():
    orthogonal, parallel = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64)).Q, torch.ones(4, 3)
    assert mean_absolute_cosine(orthogonal) < 1e-12 and effective_rank(orthogonal) == pytest.approx(6, abs=1e-9)
    assert mean_absolute_cosine(-2 * parallel) == pytest.approx(1) and effective_rank(parallel) == pytest.approx(1)
    assert effective_rank(torch.zeros(3, 3)) == 0 and collapsed(torch.zeros(3, 3))
    once = torch.zeros(10, 2)
    once[3, 0], once[:, 1] = 5.0, 2.0
    assert selectivity(once).tolist() == pytest.approx([1.0, 0.0], abs=1e-6)
    for wrong in (torch.ones(1, 3), torch.full((2, 2), torch.nan)):
        with pytest.raises(ValueError):
            mean_absolute_cosine(wrong)


def test_ablation_silences_one_unit_and_leaves_the_model_whole():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1, bias=False))
    x = torch.randn(20, 3)
    with torch.no_grad():
        model[2].weight[0] = torch.tensor([1.0, 0.0, 0.0, 2.0])
    error = lambda m: 1 + m(x).square().mean()  # noqa: E731
    rises = ablation(model, model[1], error, range(4))
    assert rises[1] == 0 and rises[2] == 0
    hidden = model[1](model[0](x))
    for unit in (0, 3):
        kept = hidden.clone()
        kept[:, unit] = 0
        expected = (1 + model[2](kept).square().mean()) / error(model) - 1
        assert rises[unit].item() == pytest.approx(expected.item(), rel=1e-6)
    assert torch.equal(ablation(model, model[1], error, 2), rises[::2]), "two units, evenly spread"
    assert torch.equal(ablation(model, model[1], error, 9), rises), "there are no more than four"
    assert not model[1]._forward_hooks
