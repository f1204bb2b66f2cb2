"""Every recipe on a device that stands in for a GPU: operands on one device, and no step that waits without a reason.

Steps, evaluations and figures are those of the CPU, with the same noise. The stand-in (`standin.py`) has a process of
its own; what was found there is looked at here.
"""

import json
import math
import os
import subprocess
import sys

import pytest

from contract.files import ROOT
from contract.test_recipes import STEMS, class_of

pytestmark = pytest.mark.timeout(1500)  # one process for all recipes: five minutes are too few on a slow machine
GRADIENTS = [stem for stem in STEMS if class_of(stem).parallel == "gradients"]
OTHERS = [stem for stem in STEMS if class_of(stem).parallel not in ("gradients", "trials")]
OPTIONS = [  # other ways through a step; none of them waits
    "convnet:shift=2", "denoising_autoencoder:corruption=gaussian", "denoising_autoencoder:corruption=salt-pepper",
    "gan:score=1", "logistic_regression:optimizer=sgd,penalty=0.1", "mlp:backward=explicit", "mlp:dropout=0.3",
    "mlp:normalization=batch", "mlp:layer=highway", "mlp:activation=rrelu",
    "mlp:activation=selu,dropout_kind=alpha,dropout=0.2",
    "rbm:method=cd", "rbm:visible=gaussian", "rnn_lm:dropout=0.2", "rnn_lm:samples=8",
    "softmax_regression:optimizer=sgd",
]  # fmt: skip
TOYS = {  # planted faults, and what is said of them
    "MasksOnTheCpu": "mul: operands on two devices",
    "CopiesAndWaits": "a copy to the device that is not non_blocking: the host waits",
    "DrawsWithTheOtherGenerator": "a generator of the CPU draws on the other",
    "AsksTheLoss": "_local_scalar_dense: the host waits for the device",
    "CountsByAMask": "index: the host waits for the device",
    "ReturnsFloats": "_local_scalar_dense: the host waits for the device",
}
CLOCK = "cpu_"  # metrics that are times


def found_on_a_device(names, folder, *flags):
    """What `on_a_device.py` left of each."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "DEEPCANON_SHAPES": "off"}
    command = [sys.executable, str(ROOT / "tests" / "contract" / "on_a_device.py"), str(folder / "found.json")]
    done = subprocess.run([*command, *names, *flags], env=env, capture_output=True, text=True, timeout=1400, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "found.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    names = [
        *GRADIENTS,
        *OPTIONS,
        *(f"toys.{name}" for name in ("Recipe", "SaysThatItWaits", "WaitsForNothing", *TOYS)),
    ]
    return found_on_a_device(names, tmp_path_factory.mktemp("device"))


def check(there):
    """It computed, and the same as on the CPU."""
    assert not there["error"], there["error"]
    here = there["cpu"]
    assert len(there["rows"]) == len(here["rows"])
    for now, before in zip([*there["rows"], there["measured"]], [*here["rows"], here["measured"]], strict=True):
        assert now.keys() == before.keys()
        for name, value in now.items():
            if CLOCK not in name:
                close = value == before[name] or math.isclose(value, before[name], rel_tol=1e-3, abs_tol=1e-6)
                assert close, f"{name} is {value}, on the CPU {before[name]}"


def check_waits(there, waits):
    """A reason to wait is given if there is waiting, and only then."""
    assert bool(there["waited"]) == bool(waits), f"waits for {there['waited']}, and says {waits!r}"


@pytest.mark.parametrize("name", GRADIENTS)
def test_steps_on_a_device(name, found):
    check(found[name])
    check_waits(found[name], class_of(name).waits)


@pytest.mark.parametrize("name", OPTIONS)
def test_steps_on_a_device_by_other_options(name, found):
    check(found[name])
    check_waits(found[name], "")


@pytest.mark.parametrize("name", TOYS)
def test_faults_are_seen(name, found):
    assert TOYS[name] in found[f"toys.{name}"]["error"]


def test_a_reason_to_wait_is_true(found):
    """A sound recipe passes, one that says why it waits too, and one that no longer waits may not say so."""
    check(found["toys.Recipe"])
    check_waits(found["toys.Recipe"], "")
    check(found["toys.SaysThatItWaits"])
    check_waits(found["toys.SaysThatItWaits"], "a loss that explodes is halved")
    with pytest.raises(AssertionError, match="says 'as it did once'"):
        check_waits(found["toys.WaitsForNothing"], "as it did once")


def test_recipes_without_float64_need_none(tmp_path):
    """Those that say so compute on a device that has none, as Apple's GPU; one that does not say so is refused it."""
    plain = [stem for stem in STEMS if not class_of(stem).float64]
    plain.append("dqn:warmup=8")  # it learns, from a memory on the device
    there = found_on_a_device([*plain, "rica"], tmp_path, "--no-float64")
    for name in plain:
        check(there[name])
    assert "the device has no float64" in there["rica"]["error"]


@pytest.mark.slow
def test_all_other_recipes_compute_on_a_device(tmp_path):
    """`--device auto` takes a GPU for them too; they may wait for it."""
    for there in found_on_a_device(OTHERS, tmp_path).values():
        check(there)
