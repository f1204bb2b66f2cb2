"""The verbs in Python: trains a recipe, resumes a run, loads one. The command line is a thin layer over this.

run = deepcanon.train("pointer-network", data="pairs.tsv", steps=2000)
run = deepcanon.load("runs/pointer-network-1")
run.predict(["a.png", "b.png"]);  run.module;  run.preprocess
"""

import functools
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from deepcanon import heads
from deepcanon.data import in_memory
from deepcanon.data.splits import Dataset
from deepcanon.engine import training
from deepcanon.engine.checkpoint import facts_of
from deepcanon.engine.checksums import differences, write_checked
from deepcanon.engine.in_memory import train_in_memory as train_of
from deepcanon.engine.metrics import read_metrics
from deepcanon.engine.report import write_report
from deepcanon.engine.run import Run
from deepcanon.errors import CheckpointError, NonFiniteError, UsageError
from deepcanon.resolving import introduction, moved_data, next_folder, opener, resolve, settle
from deepcanon.settings import Settings, build_config, read_config
from deepcanon.trained import Trained, load

__all__ = ["Trained", "child", "load", "report", "resume", "train", "train_in_memory"]

OWN = ("preset", "out", "config", "quiet", "plain", "say")
"""Keywords of `train` that are neither options of a recipe nor settings of a run."""


def train(
    name: str,
    *,
    preset: str = "default",
    out: str | Path | None = None,
    config: str | Path | None = None,
    data: Any = None,
    seed: int | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    device: str | None = None,
    threads: int | None = None,
    precision: str | None = None,
    quiet: bool = False,
    plain: bool = False,
    say: Callable[[str], None] = lambda line: None,
    **options: Any,
) -> Trained:
    """Trains a recipe in a new folder and returns the trained run.

    Args:
        name: of the recipe, as `deepcanon list` shows it.
        preset: "default", "smoke", "paper", "verify:RUN".
        out: the run's folder; runs/NAME-1, -2, ... if none is given.
        config: the `config.json` of another run to begin with.
        data: a name of the catalogue, a path, or arrays X or (X, y): rows [N, F] or pictures, which the run does not
            keep. Targets of whole numbers or text are classes.
        seed, steps, minutes, device, threads, precision: of the run; the preset's if not given.
        quiet: without a progress bar.
        plain: without pictures and report.
        options: the recipe's own (`deepcanon show NAME`), and the other settings of a run (evaluate_every ...).

    Raises:
        UsageError, DataError: an option or the data do not fit.
    """
    head, module = resolve(name)
    settings_given = {"seed": seed, "steps": steps, "minutes": minutes, "device": device, "threads": threads,
                      "precision": precision}  # fmt: skip
    options |= {name: value for name, value in settings_given.items() if value is not None}
    if data is not None:
        data = in_memory(data)
        options["data"] = str(data)
    if not isinstance(data, str | None) and module.Recipe.parallel == "trials":
        raise UsageError(f"{head.name} trains others, which read the data themselves: give a name or a path")
    base = None
    if config is not None:
        path = Path(config)
        base = read_config(path if path.is_dir() else path.parent)
    chosen, settings = settle(name, preset, options, base, OWN)
    others, chosen_for = heads.left_out(head, preset, None if base else settings.data)
    others = {name: value for name, value in others.items() if name not in options}
    if not out and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("under torchrun give --out DIR, so that all processes use the same folder")
    folder = Path(out) if out else next_folder(head.name)
    about = introduction(head, module, chosen, preset, settings.data)
    reading = opener(head, data)

    def open_(config: Any, settings: Settings) -> Dataset:
        """Reads the data, and names the folder once they can be used."""
        found = reading(config, settings)
        say(f"{folder}")
        if others:
            words = ", ".join(f"--{name.replace('_', '-')} {heads.shown(value)}" for name, value in others.items())
            say(f"not taken from the preset, since chosen for {chosen_for}: {words}")
        return found

    training.train(module.Recipe, head.name, chosen, settings, folder, open_, say, quiet, about, child, plain, load)
    return load(folder, data=None if isinstance(data, str) else data)


def train_in_memory(name: str, data: Any, *, preset: str = "default", **options: Any) -> Trained:
    """As `train` on arrays, quietly, without a run folder: nothing is written.

    Args:
        options: as of `train`.
    """
    head, module = resolve(name)
    held = in_memory(data)
    chosen, settings = settle(name, preset, {**options, "data": str(held)}, None, OWN)
    reading = opener(head, held)
    return Trained.of(*train_of(module.Recipe, head.name, chosen, settings, reading, load), data=held)


def untrained(name: str, data: str | None = None) -> Any:
    """The recipe that `train NAME --data DATA` begins with; nothing is written.

    Raises:
        UsageError, DataError: as `train`.
    """
    head, module = resolve(name)
    config, settings = settle(name, given={"data": data} if data else {})
    settings = settings.with_(steps=settings.steps or 1, threads=1, precision="fp32", device="cpu")
    found = opener(head)(config, settings)
    facts = {**module.Recipe.learn(config, found), "reader": found.describe()}
    run = Run(settings, None, lambda: found, module.Recipe.batches_per_step, lend=load)
    return training.make(module.Recipe, config, facts, run)


def child(
    folder: Path,
    stem: str,
    overrides: dict[str, Any],
    settings: dict[str, Any],
    checkpoint: str = "last",
    scored: Sequence[str] = ("valid", "test"),
) -> dict[str, Any]:
    """A trial of a recipe that compares (see `Run.trial`): trained, resumed, or read if it is done."""
    done = folder / "result.json"
    if done.is_file():
        if wrong := differences(folder).get(done.name):
            raise CheckpointError(f"{wrong}: remove {folder}, and the trial is trained again")
        return json.loads(done.read_text(encoding="utf-8"))
    head, module = resolve(stem)
    config = build_config(module.Config, overrides)
    result: dict[str, Any] = {"valid": {}, "test": {}, "curve": [], "curves": {}, "loss": [], "failed": None}
    try:
        if (folder / "config.json").is_file():
            facts = functools.partial(facts_of, folder)
            training.resume(module.Recipe, folder, opener(head, facts=facts), quiet=True, plain=True, lend=load)
        else:
            shutil.rmtree(folder, ignore_errors=True)
            chosen = build_config(Settings, settings)
            about = introduction(head, module, config, "trial", settings.get("data"))
            training.train(
                module.Recipe,
                head.name,
                config,
                chosen,
                folder,
                opener(head),
                quiet=True,
                about=about,
                plain=True,
                lend=load,
            )
        trained = Trained(folder, checkpoint)
        for split in scored:
            if split in training.splits(trained.recipe):
                result[split] = {k.split("/", 1)[1]: v for k, v in training.evaluate(trained.recipe, split).items()}
    except NonFiniteError as error:  # a diverging trial is a result
        result["failed"] = str(error).split(";")[0]
    rows, monitor = read_metrics(folder / "metrics.jsonl"), module.Recipe.monitor
    finite = (int, float)
    if monitor:
        result["curve"] = [[row["step"], row[monitor[0]]] for row in rows if isinstance(row.get(monitor[0]), finite)]
    names = dict.fromkeys(name for row in rows for name in row if name.startswith("valid/"))
    result["curves"] = {
        name.removeprefix("valid/"): [[row["step"], row[name]] for row in rows if isinstance(row.get(name), finite)]
        for name in names
    }
    result["loss"] = [[row["step"], row["train/loss"]] for row in rows if isinstance(row.get("train/loss"), finite)]
    write_checked(done, json.dumps(result) + "\n")
    return result


def resume(
    folder: str | Path,
    *,
    steps: int | None = None,
    data: Any = None,
    changed_data: bool = False,
    quiet: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Trained:
    """Resumes a run, or trains it further; returns the trained run, whose `status()` says how it ended.

    Args:
        steps: train to this many steps in all.
        data: where the data are now, if they moved; a run on arrays needs them again.
        changed_data: train on with data that are not those that the run was trained on.
    """
    folder = Path(folder)
    head, module = resolve(read_config(folder)["name"])
    facts = functools.partial(facts_of, folder)
    open_ = opener(head, None if data is None else in_memory(data), facts, moved_data(folder))
    training.resume(module.Recipe, folder, open_, steps, say, quiet, child, lend=load, changed_data=changed_data)
    return load(folder, data=None if isinstance(data, str) else data)


def report(runs: str | Path | Trained | Sequence[str | Path | Trained], to: str | Path = "report.html") -> Path:
    """Writes the report of a run, or of several with their curves overlaid and their options and metrics compared.

    Args:
        runs: folders, or runs that are loaded.
        to: the HTML file, or a folder for `report.html`.

    Returns:
        the file.

    Raises:
        UsageError: a folder is not that of a run, or there is none.
    """
    chosen = [runs] if isinstance(runs, str | Path | Trained) else list(runs)
    if not chosen:
        raise UsageError("a report needs at least one run")
    folders = [run.folder if isinstance(run, Trained) else Path(run) for run in chosen]
    for folder in folders:
        read_config(folder)
    return write_report(folders, Path(to))
