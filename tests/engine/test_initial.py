"""A run that begins with the weights of another: what is copied, what stays, what learns slowly, what is refused."""

import shutil

import numpy as np
import pytest
import safetensors.torch
import torch

import deepcanon
from deepcanon.errors import UsageError

SHAPE = {"filters": (4, 6), "hidden": 8, "batch_norm": True, "batch": 32, "quiet": True}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A short training on the embedded digits."""
    folder = tmp_path_factory.mktemp("first") / "run"
    return deepcanon.train("convnet", data="digits", out=folder, steps=20, seed=5, **SHAPE)


def pictures(classes, count=120, side=8, channels=1):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, size=(count, channels, side, side), dtype=np.uint8)
    return x, np.array([f"class {i % classes}" for i in range(count)])


def begin(first, tmp_path, data=None, steps=1, name="second", **options):
    said = []
    given = {**SHAPE, "init_from": str(first.folder), **options}
    run = deepcanon.train(
        "convnet",
        data=pictures(3) if data is None else data,
        out=tmp_path / name,
        steps=steps,
        say=said.append,
        **given,
    )
    return run, "\n".join(said)


def weights(run):
    return {name: value.clone() for name, value in run.module.state_dict().items()}


def test_layers_are_copied_but_the_classes(first, tmp_path):
    run, said = begin(first, tmp_path, learning_rate=1e-12)
    mine, theirs = weights(run), weights(first)
    for name in mine:
        if name.startswith("output"):
            assert mine[name].shape != theirs[name].shape
        elif "running" not in name and "tracked" not in name:
            torch.testing.assert_close(mine[name], theirs[name], atol=1e-9, rtol=0)
    assert "convolutions, normalisations, hidden at 0.1 of the learning rate; new: output" in said
    assert torch.equal(run.preprocess.shift, first.preprocess.shift), "its normalisation comes with the weights"


def test_the_same_classes_keep_their_layer(first, tmp_path):
    run, said = begin(first, tmp_path, data="digits", learning_rate=1e-12)
    torch.testing.assert_close(weights(run)["output.weight"], weights(first)["output.weight"], atol=1e-9, rtol=0)
    assert "new:" not in said


def test_frozen_layers_keep_their_bits_and_their_batch_statistics(first, tmp_path):
    run, said = begin(first, tmp_path, steps=5, freeze=("convolutions", "normalisations"), copied_rate=1.0)
    mine, theirs = weights(run), weights(first)
    for name in mine:
        if name.startswith(("convolutions", "normalisations")):
            assert torch.equal(mine[name], theirs[name]), name
    assert not torch.equal(mine["hidden.weight"], theirs["hidden.weight"])
    assert "frozen: convolutions, normalisations" in said
    run, said = begin(first, tmp_path, steps=5, freeze=("all",), name="third")
    assert torch.equal(weights(run)["hidden.weight"], theirs["hidden.weight"])
    assert "of the learning rate" not in said


def test_what_was_copied_learns_more_slowly(first, tmp_path):
    plain = {"optimizer": "gradient-descent", "learning_rate": 0.01, "schedule": "constant"}
    fast, _ = begin(first, tmp_path, copied_rate=1.0, **plain)
    slow, _ = begin(first, tmp_path, copied_rate=0.25, name="slow", **plain)
    old = weights(first)["hidden.weight"]
    moved = [weights(run)["hidden.weight"] - old for run in (fast, slow)]
    torch.testing.assert_close(moved[1], moved[0] / 4, atol=1e-7, rtol=1e-3)
    head = [weights(run)["output.weight"] for run in (fast, slow)]
    torch.testing.assert_close(*head, atol=1e-7, rtol=0)


def test_a_choice_of_layers(first, tmp_path):
    run, said = begin(first, tmp_path, copy=("convolutions.0",), hidden=11, learning_rate=1e-12)
    theirs = weights(first)
    torch.testing.assert_close(
        weights(run)["convolutions.0.weight"], theirs["convolutions.0.weight"], atol=1e-9, rtol=0
    )
    assert not torch.allclose(weights(run)["convolutions.1.weight"], theirs["convolutions.1.weight"], atol=1e-3)
    assert "new: convolutions, normalisations, hidden, output" in said


def test_a_file_of_weights(first, tmp_path):
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file({k: v.contiguous() for k, v in first.module.state_dict().items()}, path)
    run, _ = begin(first, tmp_path, init_from=str(path), mean=(0.5,), std=(0.25,), learning_rate=1e-12)
    torch.testing.assert_close(weights(run)["hidden.weight"], weights(first)["hidden.weight"], atol=1e-9, rtol=0)
    assert run.preprocess.shift.tolist() == [127.5] and run.preprocess.scale.tolist() == [63.75]


def test_resuming_is_as_if_never_stopped_though_the_source_is_gone(first, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(first.folder, source)
    given = {"init_from": str(source), "freeze": ("convolutions.0",), "checkpoint_every": 0, "data": "digits"}
    whole, _ = begin(first, tmp_path, steps=6, name="whole", **given)
    begin(first, tmp_path, steps=6, name="cut", **given)
    shutil.rmtree(source)
    cut = tmp_path / "cut"
    for kept in (cut / "checkpoints").iterdir():
        shutil.rmtree(kept)  # killed before the first checkpoint: the copy in the folder is what it begins with
    again = deepcanon.resume(cut, quiet=True)
    assert all(torch.equal(a, b) for a, b in zip(weights(whole).values(), weights(again).values(), strict=True))
    longer, other = (deepcanon.resume(path, steps=9, quiet=True) for path in (whole.folder, cut))
    assert all(torch.equal(a, b) for a, b in zip(weights(longer).values(), weights(other).values(), strict=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filters": (5, 6)}, r"convolutions.0.weight is \(4, 1, 3, 3\) there and \(5, 1, 3, 3\) here"),
        ({"filters": (4, 6, 7)}, "convolutions.2.weight is not there"),
        ({"copy": ("nothing",)}, "the model has no such layer, only convolutions"),
        ({"freeze": ("output",)}, "nothing of that name is copied"),
        ({"freeze": ("all",), "data": "digits"}, "every layer is copied and frozen, so nothing learns"),
        ({"init_from": "missing"}, "no such run or file"),
        ({"init_from": "", "freeze": ("hidden",)}, "--freeze needs --init-from"),
        ({"init_from": "", "copied_rate": 0.5}, "--copied-rate needs --init-from"),
        ({"mean": (0.5,)}, "need 1 numbers each"),
        ({"data": pictures(3, channels=3)}, "takes images of 1 channels: give --channels 1"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line_and_leaves_nothing(first, tmp_path, options, message):
    with pytest.raises(UsageError, match=message) as error:
        begin(first, tmp_path, **options)
    assert "\n" not in str(error.value) and not (tmp_path / "second").exists()


def test_a_file_that_holds_no_weights_is_refused(first, tmp_path):
    path = tmp_path / "model.pth"
    path.write_bytes(b"not safetensors")
    with pytest.raises(UsageError, match="cannot be read as safetensors"):
        begin(first, tmp_path, init_from=str(path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x * torch.nan, "hidden.weight holds numbers that are not finite"),
        (lambda x: x.double() * 1e300, "hidden.weight holds numbers that are not finite in float32"),
        (lambda x: x.to(torch.complex64), "hidden.weight holds complex64, not float32"),
        (lambda x: x.to(torch.int32), "hidden.weight holds int32, not float32"),
    ],
)
def test_weights_that_the_model_cannot_hold_are_refused_and_leave_nothing(first, tmp_path, change, message):
    path = tmp_path / "weights.safetensors"
    state = {name: value.contiguous() for name, value in first.module.state_dict().items()}
    safetensors.torch.save_file({**state, "hidden.weight": change(state["hidden.weight"])}, path)
    with pytest.raises(UsageError, match=message):
        begin(first, tmp_path, init_from=str(path))
    assert not (tmp_path / "second").exists()


def test_other_precisions_and_other_names_are_said(first, tmp_path):
    path = tmp_path / "weights.safetensors"
    state = {name: value.contiguous() for name, value in first.module.state_dict().items()}
    other = {"hidden.weight": state["hidden.weight"].half(), "momentum.weight": torch.zeros(2)}
    safetensors.torch.save_file({**state, **other}, path)
    _, said = begin(first, tmp_path, init_from=str(path))
    assert "; float16 read as float32; not used: momentum" in said
