"""Greedy training leaves the layers below alone, fine-tuning reaches them all."""

import pytest
import torch
from torch import nn

from deepcanon.parts.reconstruction import squared_error_of
from deepcanon.representation import StackedAutoencoder
from deepcanon.representation.stacked_autoencoder import phase_of


def changed(before, model):
    return {name for name, value in model.state_dict().items() if not torch.equal(before[name], value)}


def test_a_layer_is_trained_on_the_frozen_codes_below_it():
    torch.manual_seed(0)
    model, x = StackedAutoencoder(6, 3, hidden=(5, 4)), torch.rand(20, 6)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.pretrained(), 0.1)
    with torch.no_grad():
        h = model.codes(x, 1)
    squared_error_of(model.layers[1](h), h).backward()
    optimizer.step()
    assert changed(before, model) == {"layers.1.encoder.weight", "layers.1.encoder.bias", "layers.1.bias"}


def test_fine_tuning_reaches_every_layer_but_no_decoder():
    torch.manual_seed(0)
    model, x, y = StackedAutoencoder(6, 3, hidden=(5, 4)), torch.rand(20, 6), torch.randint(3, (20,))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.finetuned(), 0.5)
    for _ in range(2):  # the classifier begins at zero, so the layers below have no gradient in the first step
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    assert changed(before, model) == set(before) - {"layers.0.bias", "layers.1.bias"}


def test_what_each_layer_reconstructs_fits_its_range():
    logistic, rectified = StackedAutoencoder(6, 3), StackedAutoencoder(6, 3, activation=nn.ReLU, output="linear")
    assert [layer.output for layer in logistic.layers] == ["sigmoid", "sigmoid"]
    assert [layer.output for layer in rectified.layers] == ["linear", "linear"]
    with pytest.raises(ValueError):
        StackedAutoencoder(6, 3, hidden=())
    with pytest.raises(ValueError, match="depth 3"):
        logistic.codes(torch.rand(2, 6), 3)


def test_phases_follow_each_other_and_fill_the_steps():
    phases = [phase_of(step, 100, 2, 0.5, 0.1) for step in range(100)]
    assert [phase.part for phase in phases] == [0] * 25 + [1] * 25 + ["classifier"] * 10 + ["all"] * 40
    assert [phase.since for phase in phases] == [*range(25), *range(25), *range(10), *range(40)]
    assert {(phase.part, phase.steps) for phase in phases} == {(0, 25), (1, 25), ("classifier", 10), ("all", 40)}
    assert [phase_of(step, 5, 3, 0.0, 0.0).part for step in range(5)] == [0, 1, 2, "classifier", "all"], "one step each"
    assert phase_of(7, 100, 0, 0.5, 0.1) == ("all", 7, 100), "without layers to train first"
    for shares in ((0.5, 0.5), (-0.1, 0.1)):
        with pytest.raises(ValueError, match="below 1 together"):
            phase_of(0, 100, 2, *shares)
