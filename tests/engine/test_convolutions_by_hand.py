"""Steps of `convnet` by hand within a run: when, over processes, stopped and resumed, and as good as autograd's."""

import pytest
import torch
from contract.gloo import check_two_are_one
from contract.recipes import check_resume, check_same_seed, check_state, start, trainee
from contract.trainees import default_dtype, in_float64, steps_of

from deepcanon.engine import by_hand, preparing
from deepcanon.engine.by_hand import written_out_in_bf16
from deepcanon.engine.run import Run
from deepcanon.recipes import convnet
from deepcanon.settings import Settings


@pytest.fixture
def bf16(monkeypatch):
    for module in (by_hand, preparing):
        monkeypatch.setattr(module, "has_bf16", lambda device: True)


def plain(**settings):
    """The smoke preset without normalisation, with dropout."""
    options = {"filters": (4, 16), "hidden": 12, "batch_norm": False, "batch": 16}
    return trainee("convnet").with_(options, **settings)


@pytest.mark.parametrize(
    ("known", "settings", "expected"),
    [
        (True, {"precision": "bf16"}, True),
        (False, {"precision": "bf16"}, False),
        (True, {"precision": "fp32"}, False),
        (True, {"precision": "bf16", "compile": True}, False),
    ],
)
def test_steps_are_written_out_in_bf16(bf16, known, settings, expected):
    lines = []
    told = Settings(data="digits", seed=0, steps=5, device="cpu", threads=1, **settings)
    assert written_out_in_bf16(Run(told, say=lines.append), known) is expected
    assert lines == [f"backward: {'written out, on one flat vector' if expected else 'autograd'}"]


def test_without_the_instructions_they_are_not(monkeypatch):
    monkeypatch.setattr(by_hand, "has_bf16", lambda device: False)
    assert not written_out_in_bf16(Run(Settings(data="digits", device="cpu", precision="bf16")), True)


@pytest.mark.parametrize("options", [{"batch_norm": True}, {"filters": (4,), "size": 32}])
def test_other_networks_are_left_to_autograd(bf16, options):
    recipe, take_step = start(plain(precision="bf16").with_(options), 2)
    assert recipe.flat is None
    take_step()


def test_resume_state_and_seed(bf16, tmp_path):
    of = plain(precision="bf16", steps=12)
    assert start(of, 2)[0].flat
    check_resume(of, tmp_path)
    check_state(of, 6)
    check_same_seed(of, 6)


def test_losses_are_those_of_autograd_in_bf16(bf16, monkeypatch):
    """Three seeds: the mean of the last losses may differ by the noise of rounding, not more."""
    means = []
    for hand in (True, False):
        monkeypatch.setattr(convnet, "written_out_in_bf16", lambda run, known, hand=hand: hand)
        found = []
        for seed in range(3):
            recipe, take_step = start(plain(precision="bf16", seed=seed, steps=40), 40)
            assert bool(recipe.flat) is hand
            found += [row["loss"] for row in steps_of(recipe, take_step, 40)][-10:]
        means.append(sum(found) / len(found))
    assert abs(means[0] - means[1]) < 0.05 * means[1]


# Several processes


def final_weights(steps=8):
    """In float64, by hand."""
    convnet.written_out_in_bf16 = lambda run, known: known
    with default_dtype(torch.float64):
        recipe, take_step = start(plain(), steps)
        recipe.flat.dtype = torch.float64
        in_float64(recipe)
        losses = [row["loss"] for row in steps_of(recipe, take_step, steps)]
    return {**{k: v.clone() for k, v in recipe.model.state_dict().items()}, "loss": torch.tensor(losses)}


@pytest.mark.parametrize("averaged", [True, False])
def test_two_processes_are_one(tmp_path, averaged, monkeypatch):
    monkeypatch.setattr(convnet, "written_out_in_bf16", convnet.written_out_in_bf16)  # restored at the end
    check_two_are_one(final_weights, tmp_path, averaged)
