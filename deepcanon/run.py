"""The verbs in Python: trains a recipe, goes on with a run, loads one. The command line is a thin skin over this.

run = deepcanon.train("pointer-network", data="pairs.tsv", steps=2000)
run = deepcanon.load("runs/pointer-network-1")
run.predict(["a.png", "b.png"]);  run.module;  run.preprocess
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deepcanon.data import as_inputs, in_memory, open_data, read_inputs
from deepcanon.engine import training
from deepcanon.engine.checkpoint import write_text
from deepcanon.engine.errors import NonFiniteError, UsageError
from deepcanon.engine.export import write_export
from deepcanon.engine.metrics import read_metrics
from deepcanon.engine.report import write_report
from deepcanon.engine.settings import Settings, build_config, read_config
from deepcanon.resolving import VERBS, introduction, next_folder, opener, resolve, settle

__all__ = ["Trained", "child", "load", "resume", "train"]


def train(
    name: str,
    *,
    preset: str = "default",
    out: str | Path | None = None,
    config: str | Path | None = None,
    data: Any = None,
    quiet: bool = False,
    plain: bool = False,
    say: Callable[[str], None] = lambda line: None,
    **options: Any,
) -> "Trained":
    """Trains a recipe in a new folder and returns the trained run.

    Args:
        name: of the recipe, as `deepcanon list` shows it.
        preset: "default", "smoke", "paper", "verify:RUN".
        out: the run's folder; runs/NAME-1, -2, ... if none is given.
        config: the `config.json` of another run to begin with.
        data: a name of the catalogue, a path, or arrays X or (X, y): rows [N, F] or pictures, which the run does not
            keep. Targets of whole numbers or text are classes.
        plain: without pictures and report.
        options: seed, steps, minutes, device, threads, precision ... and the recipe's own.

    Raises:
        UsageError, DataError: an option or the data do not fit.
    """
    recipe, module = resolve(name)
    if data is not None:
        data = in_memory(data)
        options["data"] = str(data)
    if not isinstance(data, str | None) and getattr(module.Recipe, "parallel", "") == "trials":
        raise UsageError(f"{recipe.name} trains others, which read the data themselves: give a name or a path")
    base = None
    if config is not None:
        path = Path(config)
        base = read_config(path if path.is_dir() else path.parent)
    chosen, settings = settle(name, preset, options, base)
    if not out and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("under torchrun give --out DIR, so that every process means the same folder")
    folder = Path(out) if out else next_folder(recipe.name)
    say(f"{folder}")
    about = introduction(recipe, module, preset)
    open_ = opener(recipe, data)
    training.train(module.Recipe, recipe.name, chosen, settings, folder, open_, say, quiet, about, child, plain)
    return load(folder, data=None if isinstance(data, str) else data)


def child(
    folder: Path,
    stem: str,
    overrides: dict[str, Any],
    settings: dict[str, Any],
    checkpoint: str = "last",
    test: bool = True,
) -> dict[str, Any]:
    """A trial of a recipe that compares (see `Run.trial`): trained, gone on with, or read where it is done."""
    done = folder / "result.json"
    if done.is_file():
        return json.loads(done.read_text(encoding="utf-8"))
    recipe, module = resolve(stem)
    config = build_config(module.Config, overrides)
    result: dict[str, Any] = {"valid": {}, "test": {}, "curve": [], "loss": [], "failed": None}
    try:
        if (folder / "config.json").is_file():
            training.resume(module.Recipe, folder, opener(recipe), quiet=True, plain=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
            chosen, about = build_config(Settings, settings), introduction(recipe, module, "trial")
            training.train(
                module.Recipe, recipe.name, config, chosen, folder, opener(recipe), quiet=True, about=about, plain=True
            )
        trained = Trained(folder, checkpoint)
        for split in ("valid", "test") if test else ("valid",):
            if split in training.splits(trained.recipe):
                result[split] = {k.split("/", 1)[1]: v for k, v in training.evaluate(trained.recipe, split).items()}
    except NonFiniteError as error:  # a diverging trial is a result
        result["failed"] = str(error).split(";")[0]
    rows, monitor = read_metrics(folder / "metrics.jsonl"), getattr(module.Recipe, "monitor", None)
    finite = (int, float)
    if monitor:
        result["curve"] = [[row["step"], row[monitor[0]]] for row in rows if isinstance(row.get(monitor[0]), finite)]
    result["loss"] = [[row["step"], row["train/loss"]] for row in rows if isinstance(row.get("train/loss"), finite)]
    write_text(done, json.dumps(result) + "\n")
    return result


def resume(
    folder: str | Path,
    *,
    steps: int | None = None,
    data: Any = None,
    quiet: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Goes on with a run, or goes further; returns its final status. A run on arrays needs them again as `data`."""
    folder = Path(folder)
    recipe, module = resolve(read_config(folder)["name"])
    open_ = opener(recipe, None if data is None else in_memory(data))
    return training.resume(module.Recipe, folder, open_, steps, say, quiet, child)


def load(
    folder: str | Path,
    checkpoint: str = "auto",
    device: str = "auto",
    data: Any = None,
) -> "Trained":
    """A trained run; its data may be gone, and its folder may have been moved.

    Args:
        checkpoint: "best", "last" or "auto" (best, else last).
        data: another data set to evaluate on: a name, a path, or arrays (X, y).
    """
    return Trained(Path(folder), checkpoint, device, data)


class Trained:
    """A trained run and its verbs. `module` is the plain `nn.Module`, `preprocess` its input transform."""

    def __init__(self, folder: Path, checkpoint: str = "auto", device: str = "auto", data: Any = None):
        self.folder = folder
        data = None if data is None else in_memory(data)
        content = read_config(folder)
        self.head, module = resolve(content["name"])
        if data and (self.head.data == ("task",) or getattr(module.Recipe, "parallel", "") == "trials"):
            raise UsageError(f"{self.head.name} compares on the data of its own run: leave --data out")

        def open_(config: Any, settings: Settings) -> Any:
            options = dict(vars(config))
            facts = self.recipe.facts["reader"]
            if facts.get("kind") == "images" and not options.get("patch"):  # read at the size of the training data
                options.update(size=facts["size"][0], channels=facts["channels"])
            opened = open_data(
                self.head.data,
                data or settings.data,
                seed=settings.seed,
                options=options,
                skip_bad=settings.skip_bad,
            )
            mine, theirs = facts.get("classes"), opened.describe().get("classes")
            if data and mine and theirs and list(mine) != list(theirs):
                raise UsageError(f"{data} has the classes {', '.join(theirs)}; the run knows {', '.join(mine)}")
            return opened

        self.recipe, self.step, self.content = training.load(module.Recipe, folder, checkpoint, device, open_)
        self.config = self.recipe.config
        self.data = str(data or content["settings"].data)

    @property
    def name(self) -> str:
        return self.head.name

    @property
    def module(self) -> Any:
        if not hasattr(self.recipe, "model"):
            raise UsageError(f"{self.name} is an experiment: it leaves results, no module")
        return self.recipe.model

    @property
    def preprocess(self) -> Any:
        return getattr(self.recipe, "preprocess", None)

    def can(self, verb: str) -> None:
        """Refuses a verb that makes no sense for this system.

        Raises:
            UsageError: naming the verbs that do.
        """
        if not hasattr(self.recipe, verb):
            there = [v for v in VERBS if hasattr(self.recipe, v)]
            raise UsageError(f"{self.name} has no verb {verb}; it has eval, report{''.join(f', {v}' for v in there)}")

    def _inputs(self, inputs: Any) -> tuple[list[str], Any]:
        if isinstance(inputs, str | os.PathLike):
            inputs = [inputs]
        if isinstance(inputs, list | tuple) and all(isinstance(i, str | os.PathLike) for i in inputs):
            facts = self.recipe.facts["reader"]
            return read_inputs(facts["kind"], facts, [str(path) for path in inputs])
        return [str(i) for i in range(len(inputs))], as_inputs(self.recipe.facts["reader"], inputs)

    def evaluate(self, split: str | None = None) -> dict[str, Any]:
        """Metrics of a split (test, else valid, else train), named without the split; with `split` among them."""
        there = training.splits(self.recipe)
        split = split or next(s for s in ("test", "valid", "train") if s in there)
        if split not in there:
            raise UsageError(f"{self.data} has no split {split}; it has {', '.join(there)}")
        values = training.evaluate(self.recipe, split)
        return {"split": split, **{name.split("/", 1)[1]: value for name, value in values.items()}}

    def predict(self, inputs: Any) -> list[dict[str, Any]]:
        """One record per input, in their order. Inputs are paths (files, folders, "-") or raw values."""
        import torch

        self.can("predict")
        names, values = self._inputs(inputs)
        with torch.no_grad():
            records = self.recipe.predict(values)
        return [{"input": name, **record} for name, record in zip(names, records, strict=True)]

    def encode(self, inputs: Any) -> Any:
        """The representation [N, K] of inputs, as a tensor."""
        import torch

        self.can("encode")
        with torch.no_grad():
            return self.recipe.encode(self._inputs(inputs)[1])

    def generate(
        self,
        prompt: str = "",
        count: int = 1,
        temperature: float = 1.0,
        beam: int = 0,
        seed: int = 0,
        **options: Any,
    ) -> Any:
        """Samples: a list of records for text, a tensor [N, C, H, W] for pictures."""
        import torch

        self.can("generate")
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            return self.recipe.generate(
                prompt=prompt, count=count, temperature=temperature, beam=beam, generator=generator, **options
            )

    def play(self, episodes: int = 1, seed: int = 0, **options: Any) -> list[dict[str, Any]]:
        """One record per episode."""
        import torch

        self.can("play")
        with torch.no_grad():
            return self.recipe.play(episodes, seed, **options)

    def export(self, form: str, to: str | Path) -> list[Path]:
        """Writes the module for use elsewhere ("torch" or "onnx") and a JSON that describes it."""
        self.can("export")
        return write_export(self.recipe.export(), form, Path(to))

    def report(self, to: str | Path | None = None) -> Path:
        """Writes the report anew."""
        return write_report([self.folder], Path(to) if to else self.folder / "report.html")

    def status(self) -> dict[str, Any]:
        try:
            return json.loads((self.folder / "status.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
