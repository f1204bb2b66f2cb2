"""`deepcanon verify`: trains the runs of a recipe's verify preset over several seeds and compares with its TARGETS.

A finished run of the same code, options and seed is used again, so that an interrupted verification continues.
"""

import ast
import hashlib
import json
import statistics
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import deepcanon
from deepcanon import heads
from deepcanon.claims import ONE_SEED, judge, overall
from deepcanon.engine import machine, training
from deepcanon.engine.checkpoint import write_text
from deepcanon.engine.experiment import Experiment, SizeExperiment
from deepcanon.errors import UsageError
from deepcanon.resolving import introduction, opener, resolve
from deepcanon.settings import Settings, build_config, read_config
from deepcanon.targets import metric_of
from deepcanon.verbs import Trained, child, load, resume

__all__ = ["cost", "repeats", "units", "usual_seeds", "verify"]

SOURCE = Path(__file__).parents[1]
TRIAL = ("arm", "phase", "seed", "options", "valid", "test", "failed")
"""What a record keeps of each trial of an experiment."""


def verify(
    name: str,
    seeds: int = 3,
    first_seed: int = 0,
    quick: bool = False,
    only: str | None = None,
    out: Path = Path("runs/verify"),
    say: Callable[[str], None] = lambda line: None,
    quiet: bool = False,
    threads: int = 1,
) -> dict[str, Any]:
    """Trains and compares.

    Args:
        seeds, first_seed: which seeds; `quick` takes only the first and is not a verdict.
        only: one of the verify preset's runs.
        threads: one by default, so that the CPU seconds can be compared between machines and busy times.

    Returns:
        {name, targets: [{run, metric, relation, target, value, source, passed, ...}], seeds, seconds, runs, verdict}
    """
    head, module = resolve(name)
    presets = head.verified
    if only is not None and only not in presets:
        raise UsageError(f"{head.name} verifies {', '.join(presets)}; there is no {only!r}")
    numbers = [first_seed] if quick else list(range(first_seed, first_seed + seeds))
    digest = _digest(head)
    measured: dict[str, list[dict[str, Any]]] = {}
    for run in [only] if only else list(presets):
        options, run_settings = heads.preset(head, f"verify:{run}")
        config = build_config(module.Config, options)
        for seed in numbers:
            settings = build_config(Settings, {"threads": threads, **run_settings, "seed": seed})
            folder = out / f"{head.name}-{run}-{seed}"
            say(f"{head.name}, {run}, seed {seed}: {folder}")
            about = {**introduction(head, module, config, f"verify:{run}", settings.data), "digest": digest}
            if _is_of(folder, digest, config, settings):
                resume(folder, say=say, quiet=quiet)
            else:
                if folder.exists():
                    raise UsageError(
                        f"{folder} was written by another version of {head.name}: remove it, or give --out"
                    )
                training.train(
                    module.Recipe,
                    head.name,
                    config,
                    settings,
                    folder,
                    opener(head),
                    say,
                    quiet,
                    about,
                    child,
                    lend=load,
                )
            measured.setdefault(run, []).append({**_measure(folder, seed), "code": _code(digest, config, settings)})
    rows = [row for target in head.targets if (row := judge(target, measured, repeats(name))) is not None]
    return {
        "name": head.name,
        "version": deepcanon.__version__,
        "targets": rows,
        **units(head, measured),
        "seeds": numbers,
        **cost(measured),
        "runs": measured,
        "verdict": ONE_SEED if quick else overall(rows),
        "environment": {**training.environment(), **machine.conditions(), "threads": threads},
    }


def usual_seeds(name: str) -> int:
    """Three; one for a comparison, whose trials have seeds of their own."""
    return 1 if resolve(name)[1].Recipe.parallel == "trials" else 3


def repeats(name: str) -> bool:
    """Whether one seed of a recipe holds repetitions of its own: an experiment's trials, or its groups of examples."""
    return issubclass(resolve(name)[1].Recipe, Experiment | SizeExperiment)


def expected_minutes(head: heads.Head, seeds: int, only: str | None = None) -> float | None:
    """Minutes that the recorded results took, per seed, times the seeds; None without a record."""
    runs = heads.record(head.stem).get("verify", {}).get("runs", {})
    wanted = [rows for run, rows in runs.items() if only in (None, run)]
    seconds = [statistics.mean(seed["metrics"]["seconds"] for seed in rows) for rows in wanted]
    return sum(seconds) * seeds / 60 if seconds else None


def record(result: dict[str, Any]) -> Path:
    """Writes a verification into docs/results; runs that were not trained this time keep their record.

    So do other seeds of a run that had the same code and options, so that a long record can grow seed by seed.

    Raises:
        UsageError: outside a source checkout.
    """
    if not (SOURCE / "pyproject.toml").exists():
        raise UsageError("--record writes into docs/results of a source checkout, and this is not one")
    stem = result["name"].replace("-", "_")
    path = heads.results_folder() / f"{stem}.json"
    before = heads.record(stem)
    kept = before.get("verify", {})
    result = dict(result)
    runs: dict[str, list[dict[str, Any]]] = dict(kept.get("runs", {}))
    for run, rows in result["runs"].items():
        runs[run] = rows if repeats(stem) else _joined(runs.get(run, []), rows)
    result |= {"runs": runs, "seeds": sorted({row["seed"] for rows in runs.values() for row in rows})}
    judged = (judge(target, runs, repeats(stem)) for target in heads.head(stem).targets)
    result["targets"] = [row for row in judged if row is not None]
    result["verdict"] = overall(result["targets"])
    result |= {**units(heads.head(stem), result["runs"]), **cost(result["runs"])}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps({**before, "name": result["name"], "verify": result}, indent=1) + "\n")
    return path


def _joined(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The seeds of a run, those of before too that had the same code and options."""
    seeds, codes = {row["seed"] for row in now}, {row["code"] for row in now}
    others = [row for row in before if row["seed"] not in seeds and row.get("code") in codes]
    return sorted([*others, *now], key=lambda row: row["seed"])


def cost(measured: dict[str, list[dict[str, Any]]]) -> dict[str, float]:
    """Seconds by the clock and CPU seconds of all runs together, also of those that were finished before."""
    metrics = [seed["metrics"] for seeds in measured.values() for seed in seeds]
    return {name: round(sum(m.get(name, 0.0) for m in metrics), 1) for name in ("seconds", "cpu_seconds")}


def units(head: heads.Head, runs: Collection[str]) -> dict[str, dict[str, Mapping[str, str]]]:
    """What a record says of units that depend on the options of a run: "units", by run and metric; else nothing."""
    module = resolve(head.name)[1]
    found: dict[str, Mapping[str, str]] = {}
    for run in runs:
        of = module.Recipe.units(build_config(module.Config, dict(vars(head.verified[run][0]))))
        if known := {name: unit for name, unit in of.items() if metric_of(head.metrics, name)}:
            found[run] = known
    return {"units": found} if found else {}


def _measure(folder: Path, seed: int) -> dict[str, Any]:
    """Metrics of the chosen weights (best, else last) and of the last ones, and what they cost."""
    chosen = Trained(folder)
    split = next((s for s in ("test", "valid", "train") if s in training.splits(chosen.recipe)), "test")
    named = (target.metric.split("/")[0] for target in chosen.head.targets)  # a target may be of another split
    others = [s for s in dict.fromkeys(named) if s != split and s in training.splits(chosen.recipe)]
    values = {k: v for s in (split, *others) for k, v in training.evaluate(chosen.recipe, s).items()}
    status = chosen.status()
    result = dict(values)
    if chosen.step != status["step"]:
        last = Trained(folder, checkpoint="last")
        result.update({f"last/{k}": v for k, v in training.evaluate(last.recipe, split).items()})
    else:
        result.update({f"last/{k}": v for k, v in values.items()})
    result.update(
        {
            "steps": status["step"],
            "seconds": status["seconds"],
            "cpu_seconds": status["cpu_seconds"],
            "cpu_minutes": round(status["cpu_seconds"] / 60, 3),
        }
    )
    settings, environment = chosen.content["settings"], chosen.content["environment"]
    about: dict[str, Any] = {"step": chosen.step, "threads": settings.threads, "precision": settings.precision}
    about |= {"data": settings.data, "processor": environment.get("processor", "not recorded")}
    if isinstance(chosen.recipe, Experiment):
        about["trials"] = [{key: trial[key] for key in TRIAL} for trial in chosen.recipe.comparison.results]
    return {"seed": seed, "metrics": result, **about}


def _digest(head: heads.Head) -> str:
    """Of the code of recipe and system, without texts and targets: a run of other code is not used again."""
    dumps = []
    for path in (head.path, heads.system_path(head)):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                node.body = [part for part in node.body if not _says_only(part)]
        dumps.append(ast.dump(tree))
    return hashlib.sha256("\0".join(dumps).encode()).hexdigest()[:16]


def _code(digest: str, config: Any, settings: Settings) -> str:
    """Of the code, the options and the steps: seeds that differ in nothing else are one experiment."""
    options = {**vars(config), "steps": settings.steps, "data": settings.data, "precision": settings.precision}
    return hashlib.sha256(f"{digest} {json.dumps(options, sort_keys=True, default=str)}".encode()).hexdigest()[:16]


def _says_only(node: ast.stmt) -> bool:
    """A docstring, the targets, the presets (their options are compared themselves), or what only refuses options."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Assign):
        return getattr(node.targets[0], "id", None) in ("TARGETS", "METRICS", "PRESETS", "BELONGS")
    return False


def _is_of(folder: Path, digest: str, config: Any, settings: Settings) -> bool:
    """Whether a run folder is one of this code, these options and as many steps."""
    try:
        content = read_config(folder)
        options = vars(build_config(type(config), content["config"]))
        same = options == vars(config) and settings.steps in (None, content["settings"].steps)
        return same and content["digest"] == digest
    except (UsageError, KeyError):
        return False
