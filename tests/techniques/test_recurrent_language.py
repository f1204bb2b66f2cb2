"""How recurrent language models of papers are set up: the scale of the gradients, initial weights, rates by epoch."""

import math

import pytest
import torch

from deepcanon import heads
from deepcanon.data import open_data
from deepcanon.engine.run import Run
from deepcanon.recipes import rnn_lm as recipe
from deepcanon.settings import Settings
from deepcanon.techniques.schedules import scheduled

TEXT = "to be or not to be\nthat is the question\n" * 20


def trainee(tmp_path, **options):
    (tmp_path / "own.txt").write_text(TEXT, encoding="utf-8")
    given = {"hidden": 16, "embedding": 8, "batch": 4, "window": 8, "dropout": 0.0, **options}
    config = recipe.Config(**given)
    data = open_data(("text",), str(tmp_path / "own.txt"), options={"text": {"valid_share": 0.1, "test_share": 0.0}})
    run = Run(Settings(steps=40, seed=0, device="cpu"), None, lambda: data)
    torch.manual_seed(0)
    return recipe.Recipe(config, recipe.Recipe.learn(config, data), run)


def test_a_sum_over_the_window_is_as_many_times_the_gradient_and_the_same_loss(tmp_path):
    steps = {}
    for summed in (False, True):
        options = {"optimizer": "sgd", "momentum": 0.0, "learning_rate": 0.01, "weight_decay": 0.0, "clip": math.inf}
        made = trainee(tmp_path, summed=summed, schedule="constant", **options)
        before = {name: value.clone() for name, value in made.model.state_dict().items()}
        metrics = made.step(0)
        moves = {name: value - before[name] for name, value in made.model.state_dict().items()}
        steps[summed] = moves, metrics
    for name, move in steps[True][0].items():
        torch.testing.assert_close(move, 8 * steps[False][0][name], atol=1e-6, rtol=1e-4)
    assert torch.equal(steps[True][1]["loss"], steps[False][1]["loss"]), "what is told is the mean"
    assert steps[True][1]["gradient_norm"] == pytest.approx(8 * float(steps[False][1]["gradient_norm"]), rel=1e-5)


def test_uniform_initial_weights_reach_every_parameter(tmp_path):
    for parameter in trainee(tmp_path, uniform=0.05).model.parameters():
        assert 0.03 < float(parameter.detach().abs().max()) <= 0.05


@pytest.mark.parametrize(
    ("preset", "full", "decay", "epochs", "size"),
    [("small", 5, 2.0, 13, 200), ("medium", 7, 1.2, 39, 650), ("large", 15, 1.15, 55, 1500)],
)
def test_presets_of_zaremba_have_the_rates_and_sizes_of_the_authors_script(preset, full, decay, epochs, size):
    config, settings = heads.head("rnn-lm").presets[preset]
    assert settings == {"data": "ptb"} and config.epochs == epochs and config.summed
    per_epoch = 929_588 // 20 // config.window
    for epoch in range(epochs):
        rate = config.learning_rate * scheduled(config, epoch * per_epoch + 1, epochs * per_epoch)
        assert rate == pytest.approx(decay ** -max(0, epoch + 1 - full))
    assert (config.hidden, config.embedding, config.layers, config.batch, config.unit) == (size, size, 2, 20, "words")
