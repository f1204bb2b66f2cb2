"""The contracts of a recipe, each a function that raises AssertionError; `test_planted_bugs.py` proves that they can.

Most look at one traced training (`smoke.py`, or `trained` for a toy).
"""

import dataclasses
import hashlib
import itertools
import json
import math
import shutil
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from contract import golden
from contract.trainees import (
    Trainee,
    default_dtype,
    in_float64,
    resume,
    start,
    steps_of,
    trace,
    train,
    trainee,
)
from contract.watch import Watch, fingerprint
from deepcanon.data.embedded import pydoc
from deepcanon.data.errors import DataError
from deepcanon.data.splits import Split
from deepcanon.engine import pictures, training
from deepcanon.engine.figures import Panels
from deepcanon.engine.pictures import read_captions, read_figure
from deepcanon.engine.slices import whole
from deepcanon.errors import DeepcanonError
from deepcanon.targets import Metric, metric_of

__all__ = ["Trainee", "start", "trace", "trainee"]  # and every check_

# The end of a long L-BFGS fit, which processors reach by other ways: compared to a hundredth.
UNSTEADY = ("wide_largest", "wide_squared")
DROPPED = 0.3  # by every dropout option, where processes are compared
LOOKED_AT = 25  # steps between two looks at whether a batch is learned


# State


def check_state(of: Trainee, steps: int = 30) -> None:
    """The same as `check_watched_state` for a recipe that is trained here, step by step."""
    watch = Watch()
    recipe, take_step = start(dataclasses.replace(of, recipe=watch.watched(of.recipe)), steps)
    for name in of.recipe.state:
        assert hasattr(recipe, name), f"state names {name}, which the recipe does not have"
    for _ in steps_of(recipe, take_step, steps):
        pass
    check_watched_state(watch)


def check_watched_state(watch: Watch) -> None:
    """Every attribute that a step changes is named in `state`, and all that is not named could be looked into."""
    changed = sorted(watch.changed)
    assert not changed, f"steps change {', '.join(changed)}: not named in state"
    blind = sorted(watch.blind)
    assert not blind, f"cannot look into {', '.join(blind)}: name it in state, or make it plain"


# Metrics


def check_metrics(metrics: Mapping[str, Metric], watch: Watch, measured: Iterable[str]) -> None:
    """Steps return 0-dim tensors, and METRICS describes whatever a step or an evaluation returns.

    Args:
        metrics: of the recipe's head.
        measured: names of evaluated metrics, with their split.
    """
    assert not watch.no_tensors, (
        f"step returns {', '.join(sorted(watch.no_tensors))}, which is not a tensor without axes"
    )
    names = {f"train/{name}" for row in watch.rows for name in row} | set(measured)
    unknown = sorted(name for name in names if metric_of(dict(metrics), name) is None)
    assert not unknown, f"METRICS does not describe {', '.join(unknown)}"


# Resume


def check_resume(of: Trainee, folder: Path) -> None:
    """Stopped in the middle of a step and resumed: the same bits as a run that was never stopped."""
    whole, stopped = folder / "whole", folder / "stopped"
    of = of.with_(steps=min(of.settings.steps or 24, 24), evaluate_every=5, log_every=1, checkpoint_every=0)
    train(dataclasses.replace(of, recipe=Watch(whole, copy=stopped).watched(of.recipe)), whole)
    assert json.loads((stopped / "status.json").read_text())["state"] == "running"
    assert resume(of, stopped)["state"] == "done"
    check_same_run(whole, stopped)


def check_same_run(one: Path, other: Path) -> None:
    """Two run folders hold the same weights, optimizer state and rows, bit for bit."""
    names = [sorted(p.name for p in (run / "checkpoints").iterdir()) for run in (one, other)]
    assert names[0] == names[1], f"checkpoints {names[0]} and {names[1]}"
    for folder in sorted((one / "checkpoints").iterdir()):
        for path in sorted(folder.iterdir()):
            if path.stem in ("run", "manifest"):  # they hold the seconds
                continue
            twin = other / "checkpoints" / folder.name / path.name
            assert twin.is_file(), f"{twin.name} is missing"
            assert path.read_bytes() == twin.read_bytes(), f"{folder.name}/{path.name} differs"
    rows = [(run / "metrics.jsonl").read_text() for run in (one, other)]
    assert rows[0] == rows[1], "metrics.jsonl differs"
    # Pictures on the way are drawn as time allows; the last ones always.
    last = names[0][-1].split("-")[-1].lstrip("0")
    for inside in ("figures", "samples"):
        drawn = [sorted(p.name for p in (run / inside).glob(f"*-*{last}.*")) for run in (one, other)]
        assert drawn[0] == drawn[1], f"{inside}: {sorted(set(drawn[0]) ^ set(drawn[1]))}"


# Seeds


def course(of: Trainee, steps: int, data: Any = None) -> Iterator[Any]:
    """The metrics of the steps of a training, one after the other, and at last its state."""
    recipe, take_step = start(of, steps, data)
    yield from steps_of(recipe, take_step, steps)
    yield state_of(recipe)


def state_of(recipe: Any) -> dict[str, Any]:
    """What the recipe names as its state, as plain data."""
    return {name: fingerprint(getattr(recipe, name)) for name in recipe.state}


def check_same_seed(of: Trainee, steps: int = 20, earlier: Iterable[Any] | None = None) -> None:
    """Two runs with one seed take the same steps to the last bit, whatever was drawn before them.

    Args:
        earlier: the course of `of` so far as it is known already.
    """
    first = list(course(of, steps) if earlier is None else earlier)
    torch.manual_seed(time.time_ns() % 2**31)
    np.random.seed(int(time.time_ns() % 2**31))
    torch.rand(3)
    for step, (a, b) in enumerate(itertools.zip_longest(first, course(of, steps))):
        last = step + 1 == len(first)
        assert repr(a) == repr(b), "the state differs" if last else f"step {step}: {a} and then {b}"


def check_other_seed(of: Trainee, steps: int = 20, earlier: Iterable[Any] | None = None) -> None:
    """Another seed takes other steps; of an experiment, whose steps only count trials, it comes to other results."""
    first = list(course(of, steps) if earlier is None else earlier)
    second = list(course(of.with_(seed=of.settings.seed + 1), steps))
    compared = slice(None) if of.recipe.parallel == "trials" else slice(-1)  # what stands last is the state
    assert repr(first[compared]) != repr(second[compared]), "two seeds give the same trace"


def check_deterministic(of: Trainee, steps: int = 20, earlier: Iterable[Any] | None = None) -> None:
    """A recipe that declares it takes the same steps from every seed on the same data."""
    data = of.open_data(of.config, of.settings)
    first = course(of, steps, data) if earlier is None else earlier
    second = course(of.with_(seed=of.settings.seed + 1), steps, data)
    for step, (a, b) in enumerate(itertools.zip_longest(first, second)):
        assert repr(a) == repr(b), f"declared deterministic, but two seeds differ in step {step}"


# Golden traces


def golden_trace(of: Trainee, steps: int = 20) -> dict[str, Any]:
    """What the golden file holds of a recipe: its first losses (or all metrics, if it has none of that name).

    In float64 where the recipe runs in it, since rounding differs between processors and training amplifies it.
    """
    for kind in ("float64", "float32"):
        try:
            with default_dtype(getattr(torch, kind)):
                rows = trace(of, steps, in_float64 if kind == "float64" else None, evaluated=True)
            break
        except (RuntimeError, TypeError):
            if kind == "float32":
                raise
    keep = [{"loss": row["loss"]} if "loss" in row else row for row in rows]
    plain = [{name: float(f"{value:.9g}") for name, value in row.items()} for row in keep]
    told = {"text": text_of(of)} if of.settings.data.startswith("pydoc") else {}
    return {"arithmetic": kind, **told, "steps": plain}


def text_of(of: Trainee) -> str:
    """Whose help topics a recipe learns from: every version of Python has its own."""
    text = pydoc(words=of.settings.data == "pydoc-words")
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def check_golden(of: Trainee, expected: dict[str, Any] | None = None, rtol: float = 1e-4) -> None:
    """The first steps have the losses of the golden file."""
    expected, hint = expected or golden.read("traces", of.stem), golden.regenerate("traces", of.stem)
    assert expected, f"{of.name} has no golden trace; {hint}"
    if "text" in expected and expected["text"] != text_of(of):
        pytest.skip("the trace is of the help topics of another Python")
    found = golden_trace(of)
    assert expected["arithmetic"] == found["arithmetic"], f"runs in {found['arithmetic']} now; {hint}"
    before, now = expected["steps"], found["steps"]
    assert len(before) == len(now), f"{len(now)} steps, {len(before)} before; {hint}"
    for step, (old, new) in enumerate(zip(before, now, strict=True)):
        assert old.keys() == new.keys(), f"step {step}: metrics {sorted(new)}, before {sorted(old)}; {hint}"
        for name in old:
            same = math.isnan(new[name]) and math.isnan(old[name])  # an interval of one seed
            loose = 0.01 if name.split("/")[-1] in UNSTEADY else rtol
            near = same or math.isclose(new[name], old[name], rel_tol=loose, abs_tol=1e-7)
            assert near, f"step {step}: {name} is {new[name]}, was {old[name]}; {hint}"


# Learning


def one_batch(data: Any, rows: int = 32, characters: int = 300) -> Any:
    """The data set with one batch's worth of its training split instead of every split."""
    train = data["train"]
    few = Split(train.x[:characters]) if isinstance(train.x, str) else train.take(torch.arange(min(rows, len(train))))
    return dataclasses.replace(data, splits=dict.fromkeys(data.splits, few))


def learns_to_predict(recipe: type, kinds: Iterable[str], metrics: Mapping[str, Metric]) -> bool:
    """Whether "overfits one batch" means something, by what the recipe declares: steps down the gradient of a
    likelihood that validation measures too, from examples that can be cut to a batch."""
    return recipe.parallel == "gradients" and bool(recipe.monitor) and "nll" in metrics and "environment" not in kinds


def check_overfits(of: Trainee, steps: int = 400, share: float = 0.35) -> None:
    """On one batch the negative log-likelihood falls to a small share of what it was: gradients point downhill."""
    without = {
        name: 0.0
        for name, value in vars(of.config).items()
        if isinstance(value, float) and ("dropout" in name or "decay" in name)
    }
    of = of.with_(without)
    recipe, take_step = start(of, steps, one_batch(of.open_data(of.config, of.settings)))
    done, before = 0, float(training.evaluate(recipe, "train")["train/nll"])
    now = before
    while now > share * before and done < steps and not recipe.run.stop_reason:
        done += len(list(steps_of(recipe, take_step, LOOKED_AT)))  # most need few steps
        now = float(training.evaluate(recipe, "train")["train/nll"])
    assert now <= share * before, f"nll {before:.4g} fell to {now:.4g} only in {done} steps on one batch"


# Several processes


def final_state(of: Trainee, steps: int = 10) -> dict[str, Tensor]:
    """The modules after some steps in float64, with dropout: what one and two processes must agree on."""
    rates = {f.name: DROPPED for f in dataclasses.fields(of.config) if f.name in ("dropout", "input_dropout")}
    if rates and hasattr(of.config, "layers"):
        rates["layers"] = 2  # with dropout between them
    with default_dtype(torch.float64):
        recipe, take_step = start(of.with_(rates), steps)
        in_float64(recipe)
        for _ in steps_of(recipe, take_step, steps):
            pass
        modules = {name: getattr(recipe, name) for name in recipe.state if isinstance(getattr(recipe, name), nn.Module)}
        held = {
            f"{name}.{key}": value
            for name, module in modules.items()
            for key, value in whole(module.state_dict()).items()
        }
        assert held, "no module is named in state"
        return {name: value.clone() for name, value in held.items() if isinstance(value, Tensor)}


def check_same_model(one: dict[str, Tensor], two: dict[str, Tensor], tolerance: float = 1e-9) -> None:
    """The modules of several processes are those of one, relative to the largest entry of each tensor."""
    assert one.keys() == two.keys(), sorted(one.keys() ^ two.keys())
    for name, value in one.items():
        a, b = value.double(), two[name].double()
        assert a.shape == b.shape, name
        scale = max(float(a.abs().max()), 1e-30) if a.numel() else 1.0
        gap = float((a - b).abs().max()) / scale if a.numel() else 0.0
        assert gap <= tolerance, f"{name} differs by {gap:.3g} between one process and two"


# Files


ARTEFACTS = ("config.json", "metrics.jsonl", "status.json", "checkpoints", "figures", "samples", "report.html")


def check_artefacts(folder: Path, recipe: type) -> None:
    """A finished run leaves what was promised, each readable."""
    for name in ARTEFACTS:
        assert (folder / name).exists(), f"{name} is missing"
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert {"name", "config", "settings", "version", "environment"} <= config.keys()
    status = json.loads((folder / "status.json").read_text(encoding="utf-8"))
    assert status["state"] == "done" and 0 < status["step"] <= status["steps"]
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rows and rows[-1]["step"] == status["step"], "metrics.jsonl does not end at the last step"
    assert any(key.startswith("train/") for row in rows for key in row), "no training metric was written"
    if recipe.monitor:
        assert status["best"] and any(p.name.startswith("best-") for p in (folder / "checkpoints").iterdir())
    last = folder / "checkpoints" / f"step-{status['step']:09d}"
    assert last.is_dir(), f"no checkpoint of step {status['step']}"
    check_figures(folder)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert (config["name"] in page and "<svg" in page) or len(rows) < 2, "the report shows no curve"
    left = [p.name for p in folder.rglob("*") if p.name.startswith(".tmp") or p.suffix in (".part", ".pkl", ".pt")]
    assert not left, f"left over: {left}"
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    assert size < 60_000_000, f"a smoke run of {size:,} bytes"


def check_figures(folder: Path) -> None:
    """Every figure and text has a caption of one sentence, every axis a title, and every picture file is XML."""
    said = read_captions(folder / "samples")
    texts = {pictures.FILE.fullmatch(path.name)["name"] for path in (folder / "samples").glob("*.txt")}
    assert set(said) == texts, f"captions of {sorted(said)}, texts {sorted(texts)}"
    known = {path.stem: read_figure(path) for path in (folder / "figures").glob("*.npz")}
    assert known or said, "no figure was drawn"
    for name, words in [*said.items(), *((name, figure.caption) for name, figure in known.items())]:
        assert 20 <= len(words) <= 220 and words[0].isupper() | (words[0] in "1(") and words.endswith("."), (
            name,
            words,
        )
    for name, figure in known.items():
        ElementTree.parse(folder / "figures" / f"{name}.svg")
        for one in figure.figures if isinstance(figure, Panels) else [figure]:
            for axis in ("x", "y"):
                assert getattr(one, axis, "a title"), f"{name}: no title of the {axis} axis"


def check_self_sufficient(folder: Path, moved: Path, gone: list[Path], uses: Callable[[Any], None]) -> None:
    """The run folder works after its data were deleted and it was moved."""
    from deepcanon.verbs import load

    for path in gone:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.move(folder, moved)
    try:
        uses(load(moved))
    except (DeepcanonError, DataError, OSError, ValueError, RuntimeError, KeyError) as error:
        raise AssertionError(f"the moved run without its data fails: {type(error).__name__}: {error}") from error
