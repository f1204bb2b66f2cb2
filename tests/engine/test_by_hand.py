"""Steps by hand within a run: when, on one thread of BLAS, over processes, and the batches that they are given."""

from types import SimpleNamespace

import pytest
import torch
from contract.gloo import check_two_are_one
from contract.recipes import start, trainee
from contract.trainees import default_dtype, in_float64, steps_of
from torch import nn

from deepcanon.engine import by_hand
from deepcanon.engine.by_hand import OneBlasThread, written_out
from deepcanon.engine.run import Run
from deepcanon.parts.flat_perceptron import FlatPerceptron
from deepcanon.settings import Settings


def run_of(lines, **settings):
    told = Settings(
        **{"data": "digits", "seed": 0, "steps": 5, "device": "cpu", "threads": 1, "precision": "fp32", **settings}
    )
    return Run(told, say=lines.append)


SMALL, LARGE = FlatPerceptron([nn.Linear(4, 3)]), FlatPerceptron([nn.Linear(400, 300)])


@pytest.mark.parametrize(
    ("flat", "asked", "settings", "never", "expected"),
    [
        (SMALL, "auto", {}, False, True),
        (SMALL, "auto", {}, True, False),
        (SMALL, "auto", {"compile": True}, False, False),
        (SMALL, "auto", {"precision": "bf16"}, False, False),
        (SMALL, "autograd", {}, False, False),
        (SMALL, "explicit", {}, False, False),
        (LARGE, "auto", {}, False, False),
        (LARGE, "flat", {}, False, True),
        (LARGE, "flat", {}, True, False),
    ],
)
def test_steps_are_written_out_where_they_can_and_pay(flat, asked, settings, never, expected):
    lines = []
    assert written_out(run_of(lines, **settings), flat, asked, never) is expected
    way = "written out" if expected else "explicit" if asked == "explicit" else "autograd"
    assert len(lines) == 1 and lines[0].startswith(f"backward: {way}") and f"{flat.size:,} weights" in lines[0]


def test_blas_has_one_thread_within_and_as_many_as_before_after(monkeypatch):
    counts = []
    library = SimpleNamespace(count=3, get_num_threads=lambda: library.count)
    library.set_num_threads = lambda n: (counts.append(n), setattr(library, "count", n))
    monkeypatch.setattr(by_hand, "libraries", lambda: [library])
    with pytest.raises(KeyError), OneBlasThread():
        assert library.count == 1
        raise KeyError
    assert library.count == 3 and counts == [1, 3]


def test_the_blas_of_numpy_is_found():
    assert all(library.get_num_threads() >= 1 for library in by_hand.libraries())


# Several processes


def final_weights(steps=12):
    """Of the smoke preset in float64, trained by hand."""
    of = trainee("mlp").with_({"hidden": (9, 7)})
    with default_dtype(torch.float64):
        recipe, take_step = start(of, steps)
        in_float64(recipe)
        losses = [row["loss"] for row in steps_of(recipe, take_step, steps)]
    assert recipe.by_hand
    return {**{k: v.clone() for k, v in recipe.model.state_dict().items()}, "loss": torch.tensor(losses)}


@pytest.mark.parametrize("averaged", [True, False])
def test_two_processes_are_one(tmp_path, averaged):
    check_two_are_one(final_weights, tmp_path, averaged)
