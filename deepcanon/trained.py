"""A trained run and its verbs: metrics, predictions, codes, samples, games, export and report."""

import json
import math
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

from deepcanon.collecting import without_collection
from deepcanon.data import DataError, Inputs, as_inputs, in_memory, read_inputs
from deepcanon.data.splits import Dataset
from deepcanon.engine import training
from deepcanon.engine.asking import asked_of, decide
from deepcanon.engine.boxed import draw_boxes
from deepcanon.engine.contract import VERBS, Encodes, Exports, Generates, Plays, Predicts, verbs_of
from deepcanon.engine.experiment import Experiment, SizeExperiment
from deepcanon.engine.export import write_export
from deepcanon.engine.in_memory import Learned, recipe_of
from deepcanon.engine.language import Speaks
from deepcanon.engine.report import write_report
from deepcanon.engine.report.figures import figure_files
from deepcanon.engine.report.folder import read_run
from deepcanon.engine.report.notebook import Shown, figure_of, small_page
from deepcanon.engine.state import snapshot
from deepcanon.errors import UsageError
from deepcanon.resolving import moved_data, opener, resolve
from deepcanon.settings import Settings, read_config

V = TypeVar("V")

__all__ = ["Trained", "load"]


def load(
    folder: str | Path,
    checkpoint: str = "auto",
    device: str = "auto",
    data: Any = None,
    say: Callable[[str], None] = warnings.warn,
) -> "Trained":
    """A trained run; its data may be gone, and its folder may have been moved.

    Args:
        checkpoint: "best", "last" or "auto" (best, else last).
        data: another data set to evaluate on: a name, a path, or arrays (X, y).
        say: is told what is wrong with the run (a damaged checkpoint, changed files or data), and that an evaluation
            reads a part of a split.
    """
    return Trained(Path(folder), checkpoint, device, data, say)


class Trained:
    """A trained run and its verbs. `module` is the plain `nn.Module`, `preprocess` its input transform."""

    def __init__(
        self,
        folder: Path,
        checkpoint: str = "auto",
        device: str = "auto",
        data: Any = None,
        say: Callable[[str], None] = warnings.warn,
    ):
        self._folder: Path | None = folder
        self.say = say
        data = None if data is None else in_memory(data)
        content = read_config(folder)
        self.head, module = resolve(content["name"])
        if data and (self.head.data == ("nothing",) or issubclass(module.Recipe, Experiment | SizeExperiment)):
            raise UsageError(f"{self.head.name} compares on the data of its own run: leave --data out")
        read = opener(self.head, data, lambda: self.recipe.facts, moved_data(folder))

        def open_(config: Any, settings: Settings) -> Dataset:
            opened = read(config, settings)
            if not data and (changes := training.changes_of(folder, opened)):
                say(changes)
            return opened

        self.recipe, self.step, self.content = training.load(module.Recipe, folder, checkpoint, device, open_, load)
        self.config = self.recipe.config
        for note in self.content["notes"]:
            say(note)
        self.data = str(data or content["settings"].data)

    @classmethod
    def of(cls, learned: Learned, recipe: Any = None, *, data: Any = None) -> "Trained":
        """A run that has no folder: it predicts, encodes, generates, exports, and evaluates if it is given data.

        Args:
            recipe: that has learned this and can answer; a new one if none is given.
            data: arrays (X, y).
        """
        run = cls.__new__(cls)
        run._folder, run.say, run.step, run.config = None, warnings.warn, learned.step, learned.config
        run.head, module = resolve(learned.name)
        facts, data = learned.facts, None if data is None else in_memory(data)
        read = None if data is None else opener(run.head, data, lambda: facts)
        run.recipe = recipe_of(learned, module.Recipe, read, load) if recipe is None else recipe
        run.content = {"name": learned.name, "config": vars(learned.config), "settings": learned.settings}
        run.data = str(data or learned.settings.data)
        return run

    def learned(self) -> Learned:
        """What `of` makes the same run from, without its folder and its data."""
        parts = {name: getattr(self.recipe, name) for name in self.recipe.state}
        kept = {name: snapshot(value) for name, value in parts.items() if not isinstance(value, torch.optim.Optimizer)}
        return Learned(self.name, self.config, self.content["settings"], self.recipe.facts, self.step, kept)

    @property
    def folder(self) -> Path:
        """Of the run.

        Raises:
            UsageError: it has none.
        """
        if self._folder is None:
            raise UsageError(f"this run of {self.name} has no folder: give `out` when it is trained")
        return self._folder

    def __repr__(self) -> str:
        return f"<{self.name} at step {self.step}, run {self._folder or 'in memory'}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: state, scores and curves."""
        return small_page(self.folder)

    @property
    def name(self) -> str:
        return self.head.name

    @property
    def units(self) -> Mapping[str, str]:
        """Units of the metrics whose unit depends on the options, by name without the split: of a perplexity the token
        it is per, and which ends count."""
        return self.recipe.units(self.config)

    @property
    def metrics(self) -> dict[str, float]:
        """The newest value of every metric that was written while training, by "split/name"."""
        return {name: values[-1] for name, (_, values) in self.history.items()}

    @property
    def history(self) -> dict[str, tuple[list[int], list[float]]]:
        """Every metric's (steps, values), by "split/name"."""
        return read_run(self.folder).series

    def figure(self, name: str) -> Shown:
        """The newest figure of that name, as values and for a notebook; `run.figures` lists the names."""
        return figure_of(self.folder, name)

    @property
    def figures(self) -> list[str]:
        """Names of the figures that the run made."""
        return list(figure_files(read_run(self.folder), "figures", (".npz",)))

    @property
    def module(self) -> Any:
        if self.recipe.model is None:
            raise UsageError(f"{self.name} is an experiment: it leaves results, no module")
        return self.recipe.model

    @property
    def preprocess(self) -> Any:
        return self.recipe.preprocess

    def offers(self, mixin: type[V]) -> V:
        """The recipe, seen as what offers a verb.

        Raises:
            UsageError: the verb makes no sense for this system; the verbs that do are named.
        """
        if isinstance(self.recipe, mixin):
            return self.recipe
        verb = next(name for name, known in VERBS.items() if known is mixin)
        there = "".join(f", {name}" for name in verbs_of(type(self.recipe)))
        raise UsageError(f"{self.name} has no verb {verb}; it has eval, report{there}")

    def read(self, inputs: Any) -> Inputs:
        """Names and raw values of inputs, which are paths (files, folders, "-") or raw values themselves."""
        if isinstance(inputs, str | os.PathLike):
            inputs = [inputs]
        facts = self.recipe.facts["reader"]
        if isinstance(inputs, list | tuple) and all(isinstance(i, str | os.PathLike) for i in inputs):
            return read_inputs(self.recipe.inputs or facts["kind"], facts, [str(path) for path in inputs])
        values = as_inputs(facts, inputs, self.recipe.takes(self.config))
        return Inputs(list(map(str, range(len(values)))), values)

    def evaluate(self, split: str | None = None) -> dict[str, Any]:
        """Metrics of a split (test, else valid, else train), named without the split; with `split` among them."""
        there = training.splits(self.recipe)
        split = split or next(s for s in ("test", "valid", "train") if s in there)
        if split not in there:
            raise UsageError(f"{self.data} has no split {split}; it has {', '.join(there)}")
        if isinstance(self.recipe, Speaks) and (part := self.recipe.part_of(split)):
            self.say(part)
        values = training.evaluate(self.recipe, split)
        return {"split": split, **{name.split("/", 1)[1]: value for name, value in values.items()}}

    def predict(self, inputs: Any, threshold: float | None = None) -> list[dict[str, Any]]:
        """One record per input, in their order. Inputs are paths (files, folders, "-") or raw values.

        With a threshold, for two classes, the second one is the label where its probability is at least that.

        How an input was interpreted, if that must be reported, is its "note"; rows of a table that cannot be read
        come last, with an "error" instead of an answer.
        """
        return self.answer(self.read(inputs), threshold)

    def answer(self, given: Inputs, threshold: float | None = None) -> list[dict[str, Any]]:
        """The records of inputs that were read already; see `predict`.

        Raises:
            UsageError: a threshold, and the answers are not probabilities of two classes.
        """
        recipe = self.offers(Predicts)  # type: ignore[type-abstract]
        with torch.no_grad(), without_collection():
            records = recipe.predict(given.values) if len(given) else []
            rows = enumerate(zip(given.names, records, strict=True))
            found = [{"input": name, **given.restore(place, record)} for place, (name, record) in rows]
        if threshold is not None:
            for record in found:
                decide(record, threshold)
        for place, note in given.notes.items():
            found[place]["note"] = note
        where = [": ".join(filter(None, (problem.file, problem.place))) for problem in given.refused]
        wrong = [f"{problem.what}; {problem.remedy}" for problem in given.refused]
        return found + [{"input": name, "error": what} for name, what in zip(where, wrong, strict=True)]

    def surprises(self, given: Inputs) -> list[dict[str, Any]]:
        """Of a language model: {input, tokens: [{token, probability, bits}]} of each text that was read already.

        Raises:
            UsageError: this run is not of a language model.
        """
        recipe = self.recipe
        if not isinstance(recipe, Speaks):
            raise UsageError(f"{self.name} does not predict the tokens of a text: leave --tokens out")
        with torch.no_grad():
            found = [recipe.surprises(text) for text in given.values]
        return [
            {
                "input": name,
                "tokens": [
                    {"token": token, "probability": math.exp(-nats), "bits": nats / math.log(2)} for token, nats in each
                ],
            }
            for name, each in zip(given.names, found, strict=True)
        ]

    def draw(self, given: Inputs, answers: list[dict[str, Any]], folder: str | Path) -> list[Path]:
        """Draws the boxes that were found in pictures onto them, with class and score.

        Args:
            given: the pictures, as `read` gives them.
            answers: as `answer` gives them, in the same order.
            folder: takes a JPEG file for each picture.

        Raises:
            UsageError: the answers are not boxes in files, or a file of the inputs would be overwritten.
        """
        if not given.pictures or not all("boxes" in answer for answer in answers[: len(given)]):
            raise UsageError(f"{self.name} finds no boxes in files of pictures that could be drawn on them")
        return draw_boxes(given, answers, Path(folder))

    def encode(self, inputs: Any) -> torch.Tensor:
        """The representation [N, K] of inputs."""
        given = self.read(inputs)
        if given.refused:
            raise DataError(given.refused)
        return self.codes(given)

    def codes(self, given: Inputs) -> torch.Tensor:
        """The representation [N, K] of inputs that were read already."""
        recipe = self.offers(Encodes)  # type: ignore[type-abstract]
        with torch.no_grad():
            return recipe.encode(given.values)

    def generate(
        self,
        *,
        count: int | None = None,
        seed: int = 0,
        prompt: str | None = None,
        temperature: float | None = None,
        beam: int | None = None,
        length: int | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        rank: int | None = None,
        length_penalty: float | None = None,
        stop: Sequence[str] | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> Any:
        """Samples: a list of records for text, a tensor [N, C, H, W] for pictures, [N, T] for sounds, a `Forecast`.

        Args:
            tell: is given the one text of a language model piece by piece, as it is drawn.

        Raises:
            UsageError: an option that this system's samples do not have, or out of its range.
        """
        recipe = self.offers(Generates)  # type: ignore[type-abstract]
        given = {"count": count, "prompt": prompt, "temperature": temperature, "beam": beam, "length": length,
                 "top_k": top_k, "top_p": top_p, "rank": rank, "length_penalty": length_penalty,
                 "stop": None if stop is None else tuple(stop)}  # fmt: skip
        asked = asked_of(self.name, recipe.asked, given)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            if tell is None:
                return recipe.generate(asked, generator)
            if not isinstance(recipe, Speaks):
                raise UsageError(f"{self.name} does not draw a text token by token: nothing can be shown as it comes")
            if asked.beam or asked.rank or asked.count > 1:
                raise UsageError(
                    "one text that is drawn can be shown as it comes: leave --beam, --rank and --count out"
                )
            return recipe.generate(asked, generator, tell)

    def play(self, *, episodes: int = 1, seed: int = 0, to: str | Path = "") -> list[dict[str, Any]]:
        """One record per episode; `to` is a .gif file for a film of the first."""
        recipe = self.offers(Plays)  # type: ignore[type-abstract]
        asked = asked_of(self.name, recipe.asked_to_play, {"episodes": episodes, "seed": seed, "to": str(to)})
        with torch.no_grad():
            return recipe.play(asked)

    def export(self, form: str, to: str | Path) -> list[Path]:
        """Writes what was learned for use elsewhere, and a JSON that describes it.

        Args:
            form: "torch", "onnx" or "arpa"; "" takes the first that the recipe offers.
        """
        recipe = self.offers(Exports)  # type: ignore[type-abstract]
        form = form or recipe.formats[0]
        if form not in recipe.formats:
            raise UsageError(f"{self.name} is exported as {' or '.join(recipe.formats)}, not as {form}")
        return write_export(recipe.export(), form, Path(to))

    def report(self, to: str | Path | None = None) -> Path:
        """Writes the report again."""
        return write_report([self.folder], Path(to) if to else self.folder / "report.html")

    def status(self) -> dict[str, Any]:
        try:
            return json.loads((self.folder / "status.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
