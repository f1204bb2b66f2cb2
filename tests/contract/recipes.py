"""The contracts of a recipe, each a function that raises AssertionError; `test_planted_bugs.py` proves that they can.

They run a recipe's smoke preset through the engine's own loop, in this process. What must die by SIGKILL is forked, so
that torch is imported once.
"""

import contextlib
import dataclasses
import importlib
import json
import math
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from deepcanon import heads
from deepcanon.data.errors import DataError
from deepcanon.data.splits import Split
from deepcanon.engine import state, training
from deepcanon.engine.errors import DeepcanonError
from deepcanon.engine.run import Run
from deepcanon.engine.settings import Settings, build_config
from deepcanon.run import child

TRACES = Path(__file__).parent.parent / "golden" / "traces.json"
REGENERATE = "regenerate by: .venv/bin/python tests/golden/regenerate.py traces (then look at the difference)"
# The end of a long L-BFGS fit, which processors reach by other ways: compared to a hundredth.
UNSTEADY = ("wide_largest", "wide_squared")
GIVEN = ("config", "facts", "run")  # what every recipe is handed; the engine keeps it


@dataclasses.dataclass(frozen=True)
class Trainee:
    """A recipe with the smallest run that shows what it does."""

    name: str
    recipe: type
    config: Any
    settings: Settings
    open_data: Callable[[Any, Settings], Any]

    def with_(self, config: dict | None = None, **settings: Any) -> "Trainee":
        changed = dataclasses.replace(self.config, **(config or {}))
        return dataclasses.replace(self, config=changed, settings=self.settings.with_(**settings))


@cache
def all_recipes() -> tuple[Trainee, ...]:
    """Every recipe file's smoke preset, on one thread in fp32."""
    return tuple(trainee(stem) for stem in heads.stems())


def trainee(stem: str) -> Trainee:
    from deepcanon.resolving import opener

    module = importlib.import_module(f"deepcanon.recipes.{stem}")
    head = heads.head(stem)
    options, settings = heads.preset(head, "smoke")
    fixed = {"threads": 1, "precision": "fp32", "device": "cpu"}
    return Trainee(
        head.name,
        module.Recipe,
        build_config(module.Config, options),
        build_config(Settings, {**settings, **fixed}),
        opener(head),
    )


# Running


def start(of: Trainee, steps: int | None = None, data: Any = None) -> tuple[Any, Callable[[], dict[str, float]]]:
    """A fresh recipe outside any folder, and a function that takes its next step as the engine does."""
    torch.set_num_threads(1)
    settings = of.settings
    training.seed_generators(settings.seed, 0, "learn")
    data = of.open_data(of.config, settings) if data is None else data
    facts = dict(of.recipe.learn(of.config, data))
    facts["reader"] = data.describe()
    batches = getattr(of.recipe, "batches_per_step", 1)
    steps = steps or settings.steps
    if steps is None:
        steps = training.make(of.recipe, of.config, facts, Run(settings, None, lambda: data, batches)).plan()
    run = Run(settings.with_(steps=steps), None, lambda: data, batches, child)
    recipe = training.make(of.recipe, of.config, facts, run)

    def take_step() -> dict[str, float]:
        training.seed_generators(run.seed, run.step, f"step/{run.rank}")
        metrics = {name: float(value) for name, value in recipe.step(run.step).items()}
        run.step += 1
        return metrics

    return recipe, take_step


def trace(
    of: Trainee, steps: int, prepare: Callable[[Any], None] | None = None, evaluated: bool = False
) -> list[dict[str, float]]:
    """The metrics of the first steps (fewer if the recipe stops by itself); without a loss, evaluation's too."""
    recipe, take_step = start(of, steps)
    if prepare:
        prepare(recipe)
    rows = []
    for _ in range(steps):
        rows.append(take_step())
        if recipe.run.stop_reason:
            break
    if evaluated and "loss" not in rows[-1]:
        rows.append({name: float(value) for name, value in training.evaluate(recipe, "valid").items()})
    return rows


def train(of: Trainee, folder: Path, **settings: Any) -> dict:
    """A whole run through the engine."""
    return training.train(
        of.recipe, of.name, of.config, of.settings.with_(**settings), folder, of.open_data, quiet=True, child=child
    )


def resume(of: Trainee, folder: Path) -> dict:
    return training.resume(of.recipe, folder, of.open_data, quiet=True, child=child)


def in_child(work: Callable[[], None], limit: float = 120.0) -> int:
    """Runs `work` in a forked process; returns its exit status, minus the signal that ended it."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError(f"no end after {limit} s")


# What changes


def fingerprint(value: Any, seen: frozenset[int] = frozenset()) -> Any:
    """Plain data that differs when `value` does.

    Raises:
        TypeError: the value cannot be looked into.
    """
    if value is None or isinstance(value, bool | int | str | bytes | Path):
        return value
    if isinstance(value, float):
        return repr(value)
    if id(value) in seen:
        return "seen"
    seen = seen | {id(value)}
    if isinstance(value, Tensor):
        plain = value.detach().cpu()
        raw = plain.float() if plain.dtype == torch.bfloat16 else plain
        return (tuple(plain.shape), str(plain.dtype), raw.numpy().tobytes())
    if isinstance(value, np.ndarray):
        return (value.shape, value.dtype.str, value.tobytes())
    if isinstance(value, np.generic):
        return repr(value)
    if isinstance(value, dict):
        return {str(key): fingerprint(item, seen) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [fingerprint(item, seen) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    if isinstance(value, torch.Generator):
        return fingerprint(value.get_state(), seen)
    if isinstance(value, nn.Module):
        return {"saved": fingerprint(value.state_dict(), seen), "unsaved": unsaved(value, seen)}
    if isinstance(value, torch.optim.Optimizer):
        return fingerprint(value.state_dict(), seen)
    if isinstance(value, torch.device | torch.dtype | type | range | slice) or callable(value):
        return repr(value) if not callable(value) or isinstance(value, type) else id(value)
    if hasattr(value, "state_dict"):
        return fingerprint(value.state_dict(), seen)
    if hasattr(value, "__dict__"):
        return fingerprint(vars(value), seen)
    raise TypeError(f"a {type(value).__name__}")


def unsaved(module: nn.Module, seen: frozenset[int] = frozenset()) -> dict[str, Any]:
    """What a module holds beside its state dict: non-persistent buffers and plain attributes."""
    found: dict[str, Any] = {}
    saved = set(module.state_dict())
    for prefix, part in module.named_modules():
        for name, value in {**part._buffers, **vars(part)}.items():
            key = f"{prefix}.{name}".lstrip(".")
            hook = name.startswith("_") and name not in part._buffers
            if hook or name == "training" or key in saved or isinstance(value, nn.Module | nn.Parameter):
                continue
            try:
                found[key] = fingerprint(value, seen)
            except TypeError:
                found[key] = id(value)
    return found


def check_state(of: Trainee, steps: int = 30) -> None:
    """Every attribute that changes in training is named in `state`, and what is named can be saved."""
    recipe, take_step = start(of, steps)
    before, hidden, blind = {}, {}, []
    for name in set(vars(recipe)) - set(GIVEN):
        try:
            before[name] = fingerprint(getattr(recipe, name))
        except TypeError as error:
            blind.append(f"{name} ({error})")
    named = set(of.recipe.state)
    for name in named:
        assert hasattr(recipe, name), f"state names {name}, which the recipe does not have"
        if isinstance(getattr(recipe, name), nn.Module):
            hidden[name] = unsaved(getattr(recipe, name))
    for _ in range(steps):
        take_step()
        if recipe.run.stop_reason:
            break
    for name in set(vars(recipe)) - set(GIVEN):
        try:
            after = fingerprint(getattr(recipe, name))
        except TypeError as error:
            blind.append(f"{name} ({error})")
            continue
        if name not in named and name not in (b.split(" ")[0] for b in blind):
            assert name in before, f"{name} came into being during training and is not named in state"
            assert before[name] == after, f"{name} changed during training and is not named in state"
    blind = sorted({b for b in blind if b.split(" ")[0] not in named})
    assert not blind, f"cannot look into {', '.join(blind)}: name it in state, or make it plain"
    for name, values in hidden.items():
        now = unsaved(getattr(recipe, name))
        changed = sorted(key for key in values.keys() | now.keys() if values.get(key) != now.get(key))
        assert not changed, f"{name} changes {', '.join(changed)}, which its state dict does not hold"
    tensors: dict[str, Tensor] = {}
    for name in named:
        state.pack(state.snapshot(getattr(recipe, name)), tensors, name)


# Resume, seeds, traces


def check_resume(of: Trainee, folder: Path, at: int | None = None) -> None:
    """Killed by SIGKILL in the middle of a step and resumed: the same bits as a run that was never stopped."""
    whole, broken = folder / "whole", folder / "broken"
    steps = min(of.settings.steps or 24, 24)
    of = of.with_(steps=steps, evaluate_every=5, log_every=1)
    steps = train(of, whole, checkpoint_every=0)["step"]
    at = at if at is not None else max(0, steps * 3 // 5)
    deadly = type("Deadly", (of.recipe,), {"step": dies_at(of.recipe, at), "__module__": of.recipe.__module__})

    def work() -> None:
        train(dataclasses.replace(of, recipe=deadly), broken, checkpoint_every=0)

    assert in_child(work) == -signal.SIGKILL, "the child did not die by SIGKILL"
    assert json.loads((broken / "status.json").read_text())["state"] == "running"
    assert resume(of, broken)["state"] == "done"
    check_same_run(whole, broken)


def dies_at(recipe: type, at: int) -> Callable:
    def step(self: Any, number: int) -> dict:
        metrics = recipe.step(self, number)
        if number == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return metrics

    return step


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


def check_same_seed(of: Trainee, steps: int = 20) -> None:
    """Two runs with one seed take the same steps to the last bit, whatever was drawn before them."""
    first = trace(of, steps)
    torch.manual_seed(time.time_ns() % 2**31)
    np.random.seed(int(time.time_ns() % 2**31))
    torch.rand(3)
    second = trace(of, steps)
    for step, (a, b) in enumerate(zip(first, second, strict=True)):
        assert repr(a) == repr(b), f"step {step}: {a} and then {b}"


def check_other_seed(of: Trainee, steps: int = 20) -> None:
    """Another seed takes other steps; so do seeds and steps that a sum would confuse."""
    first, second = (trace(of.with_(seed=seed), steps) for seed in (0, 1))
    assert [repr(row) for row in first] != [repr(row) for row in second], "seeds 0 and 1 give the same trace"


def source(stem: str) -> str:
    return heads.head(stem).path.read_text(encoding="utf-8")


def fits_in_closed_form(stem: str) -> bool:
    """Whether nothing is left to chance: no optimizer in the file."""
    return "torch.optim" not in source(stem)


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
    return {"arithmetic": kind, "steps": plain}


def check_golden(of: Trainee, golden: dict[str, dict] | None = None, rtol: float = 1e-4) -> None:
    """The first steps have the losses of the golden file."""
    golden = json.loads(TRACES.read_text(encoding="utf-8")) if golden is None else golden
    assert of.name in golden, f"{of.name} is not in {TRACES.name}; {REGENERATE}"
    expected, found = golden[of.name], golden_trace(of)
    assert expected["arithmetic"] == found["arithmetic"], f"runs in {found['arithmetic']} now; {REGENERATE}"
    expected, found = expected["steps"], found["steps"]
    assert len(expected) == len(found), f"{len(found)} steps, {len(expected)} before; {REGENERATE}"
    for step, (old, new) in enumerate(zip(expected, found, strict=True)):
        assert old.keys() == new.keys(), f"step {step}: metrics {sorted(new)}, before {sorted(old)}; {REGENERATE}"
        for name in old:
            same = math.isnan(new[name]) and math.isnan(old[name])  # an interval of one seed
            loose = 0.01 if name.split("/")[-1] in UNSTEADY else rtol
            near = same or math.isclose(new[name], old[name], rel_tol=loose, abs_tol=1e-7)
            assert near, f"step {step}: {name} is {new[name]}, was {old[name]}; {REGENERATE}"


@contextlib.contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def in_float64(recipe: Any) -> None:
    """Turns a fresh recipe's modules to float64; parameters stay the objects that the optimizer knows."""
    for value in vars(recipe).values():
        if isinstance(value, nn.Module):
            value.double()


# Learning


def one_batch(data: Any, rows: int = 32, characters: int = 300) -> Any:
    """The data set with one batch's worth of its training split, in the place of every split."""
    train = data["train"]
    few = Split(train.x[:characters]) if isinstance(train.x, str) else train.take(torch.arange(min(rows, len(train))))
    return dataclasses.replace(data, splits=dict.fromkeys(data.splits, few))


def learns_to_predict(stem: str) -> bool:
    """Whether "overfits one batch" means something: an optimizer lowers a loss that the split's nll measures."""
    text = source(stem)
    return not fits_in_closed_form(stem) and "environment" not in heads.head(stem).data and '("valid/' in text


def check_overfits(of: Trainee, steps: int = 400, share: float = 0.35) -> None:
    """On one batch the negative log-likelihood falls to a small share of what it was: gradients point downhill."""
    without = {f.name: 0.0 for f in dataclasses.fields(of.config) if "dropout" in f.name or "decay" in f.name}
    of = of.with_(without)
    recipe, take_step = start(of, steps, one_batch(of.open_data(of.config, of.settings)))
    before = float(training.evaluate(recipe, "train").get("train/nll", math.nan))
    if math.isnan(before):
        return
    for _ in range(steps):
        take_step()
        if recipe.run.stop_reason:
            break
    after = float(training.evaluate(recipe, "train")["train/nll"])
    assert after <= share * before, f"nll {before:.4g} fell to {after:.4g} only in {steps} steps on one batch"


# Several processes


def final_state(of: Trainee, steps: int = 20) -> dict[str, Tensor]:
    """The model after some steps in float64 without dropout: what one and two processes must agree on."""
    with default_dtype(torch.float64):
        of = of.with_({f.name: 0.0 for f in dataclasses.fields(of.config) if "dropout" in f.name})
        recipe, take_step = start(of, steps)
        in_float64(recipe)
        for _ in range(steps):
            take_step()
            if recipe.run.stop_reason:
                break
        return {name: value.clone() for name, value in recipe.model.state_dict().items() if isinstance(value, Tensor)}


def check_same_model(one: dict[str, Tensor], two: dict[str, Tensor], tolerance: float = 1e-9) -> None:
    """The model of several processes is that of one, relative to the largest entry of each tensor."""
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
    if getattr(recipe, "monitor", None):
        assert status["best"] and any(p.name.startswith("best-") for p in (folder / "checkpoints").iterdir())
    last = folder / "checkpoints" / f"step-{status['step']:09d}"
    assert last.is_dir(), f"no checkpoint of step {status['step']}"
    if hasattr(recipe, "figures"):
        drawn = [*(folder / "figures").glob("*.png"), *(folder / "samples").glob("*.txt")]
        assert drawn, "no figure was drawn"
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert (config["name"] in page and "<svg" in page) or len(rows) < 2, "the report shows no curve"
    left = [p.name for p in folder.rglob("*") if p.name.startswith(".tmp") or p.suffix in (".part", ".pkl", ".pt")]
    assert not left, f"left over: {left}"
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    assert size < 60_000_000, f"a smoke run of {size:,} bytes"


def check_self_sufficient(folder: Path, moved: Path, gone: list[Path], uses: Callable[[Any], None]) -> None:
    """The run folder works after its data were deleted and it was moved."""
    from deepcanon.run import load

    for path in gone:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.move(folder, moved)
    try:
        uses(load(moved))
    except (DeepcanonError, DataError, OSError, ValueError, RuntimeError, KeyError) as error:
        raise AssertionError(f"the moved run without its data fails: {type(error).__name__}: {error}") from error
