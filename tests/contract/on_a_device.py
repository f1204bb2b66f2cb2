"""Takes steps of recipes on a device that stands in for a GPU, in a process of its own; leaves what it found in a file.

    python tests/contract/on_a_device.py FILE NAME...

A NAME is a recipe's stem, or `toys.NAME` for one of `contract/toys.py`; `NAME:option=value,...` sets options, and with
them no step may wait, whatever the recipe declares.
"""

import json
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from contract import standin, toys
from contract.trainees import Trainee, trainee
from deepcanon.data.splits import Dataset
from deepcanon.engine import devices, metrics, training
from deepcanon.engine.instances import eval_mode
from deepcanon.engine.run import Run
from deepcanon.settings import build_config

STEPS = 3


def trainee_of(name: str) -> Trainee:
    """The recipe of a name, with its options."""
    stem, _, given = name.partition(":")
    of = toys.TOYS[stem.removeprefix("toys.")] if stem.startswith("toys.") else trainee(stem)
    options = dict(pair.split("=") for pair in given.split(",") if pair)
    values = {key: type(getattr(of.config, key))(value) for key, value in options.items()}
    return of.with_(vars(build_config(type(of.config), {**vars(of.config), **values})))


def started(of: Trainee, data: Dataset, device: torch.device) -> Any:
    """A recipe that stands before its first step on the device."""
    training.seed_generators(of.settings.seed, 0, "learn")
    facts = {**of.recipe.learn(of.config, data), "reader": data.describe()}
    run = Run(of.settings.with_(steps=20), None, lambda: data, of.recipe.batches_per_step)
    run.device = device
    return training.make(of.recipe, of.config, facts, run)


def steps_of(recipe: Any) -> Iterator[dict[str, Any]]:
    """The metrics of the first steps, where they are."""
    for step in range(STEPS):
        recipe.run.step = step
        training.seed_generators(recipe.run.seed, step, "step/0")
        yield recipe.step(step)
        if recipe.run.stop_reason:
            return


def measured(recipe: Any) -> dict[str, Any]:
    """The metrics of one split, a small one since each operation takes its time here; figures are made too."""
    splits = training.splits(recipe)
    found = training.evaluate(recipe, "valid" if "valid" in splits else splits[-1])
    training.seed_generators(recipe.run.seed, recipe.run.step, "figures")
    with eval_mode(recipe), torch.no_grad():
        recipe.figures()
    return found


def on_the_device(of: Trainee, data: Dataset, strict: bool, float64: bool) -> dict[str, Any]:
    """What a recipe did on the stand-in.

    Args:
        strict: no step waits but the first, which may set up what stays (splits that are held, what is cached).
    """
    unread, waited = metrics.Unread(standin.DEVICE), set()
    unread.dtype = torch.float64 if float64 else torch.float32
    with standin.Standin(waits=True, float64=float64) as mode:
        recipe = started(of, data, standin.DEVICE)
        mode.waited.clear()
        taken = steps_of(recipe)
        for step in range(STEPS):
            mode.waits = step == 0 or not strict
            row = next(taken, None)
            if step:
                waited |= set(mode.waited)
            mode.waited.clear()
            if row is None:
                break
            unread.add(step, row)
        mode.waits = True
        return {"rows": [row for _, row in unread.read()], "measured": measured(recipe), "waited": sorted(waited)}


def found_of(name: str, float64: bool = True) -> dict[str, Any]:
    """The same, and what it does on the CPU, with the same noise; or the error that ended it."""
    of, kept = trainee_of(name), devices.generator
    gradients = of.recipe.parallel == "gradients"
    torch.set_num_threads(1)
    training.seed_generators(of.settings.seed, 0, "learn")
    data = of.open_data(of.config, of.settings)
    devices.generator = lambda device, seed: (
        standin.generator(seed) if device.type == standin.DEVICE.type else kept(device, seed)
    )
    try:
        found = on_the_device(of, data, gradients and (":" in name or not of.recipe.waits), float64)
    except Exception:
        return {"error": traceback.format_exc()}
    finally:
        devices.generator = kept
    here = started(of, data, torch.device("cpu"))
    rows = [{key: float(value) for key, value in row.items()} for row in steps_of(here)]
    return {"error": "", **found, "cpu": {"rows": rows, "measured": measured(here)}}


def main(file: str, names: list[str]) -> None:
    found = {name: found_of(name, float64="--no-float64" not in names) for name in names if not name.startswith("--")}
    Path(file).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
