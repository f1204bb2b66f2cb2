"""The heads of the recipe files: docstring, Config, presets and targets, read without importing torch.

A recipe's head, all that stands above its other imports, uses only dataclasses, typing, `deepcanon.options`,
`deepcanon.model_options` and `deepcanon.targets`. It is run by itself, so that `list`, `show` and `--help` answer at
once.
"""

import ast
import dataclasses
import difflib
import inspect
import json
import re
import sys
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeAlias

from deepcanon import options
from deepcanon.errors import UsageError
from deepcanon.targets import Metric, Target, metric_of

__all__ = [
    "Head",
    "Option",
    "Preset",
    "UnknownRecipe",
    "fields_of",
    "head",
    "left_out",
    "preset",
    "record",
    "results_folder",
    "shown",
    "stems",
    "summary",
    "system_path",
    "unit_of",
]

PACKAGE = Path(__file__).parent
Preset: TypeAlias = tuple[Any, dict[str, Any]]  # a Config and the settings of a run


class UnknownRecipe(ValueError):
    """There is no recipe of that name; the text names similar ones."""


@dataclasses.dataclass(frozen=True)
class Option:
    """A field of a recipe's Config, or of the settings of a run."""

    name: str
    annotation: Any
    default: Any
    help: str
    group: str = ""  # of the help: a key of `options.GROUPS`


@dataclasses.dataclass(frozen=True)
class Head:
    """What a recipe file says before torch is needed."""

    stem: str
    path: Path
    doc: str
    system: str  # subject.stem of the system file
    data: tuple[str, ...]  # kinds of data it reads
    targets: tuple[Target, ...]
    metrics: dict[str, Metric]
    config: type
    presets: dict[str, Preset]  # what --preset takes: "smoke", "default", "paper", "verify:RUN", ...

    @cached_property
    def options(self) -> tuple[Option, ...]:
        """The fields of the recipe's Config."""
        return fields_of(self.config, self.path)

    @property
    def verified(self) -> dict[str, Preset]:
        """The runs that `verify` trains, by name."""
        return {name[7:]: pair for name, pair in self.presets.items() if name.startswith("verify:")}

    @property
    def name(self) -> str:
        return self.stem.replace("_", "-")

    @property
    def subject(self) -> str:
        return self.system.split(".")[0]


def stems() -> list[str]:
    """Every recipe there is: the folder listing is the catalogue."""
    return sorted(p.stem for p in (PACKAGE / "recipes").glob("*.py") if not p.stem.startswith("_"))


@cache
def head(name: str) -> Head:
    """The head of the recipe called `name` (hyphens or underscores).

    Raises:
        UnknownRecipe: there is none of that name.
    """
    stem = name.replace("-", "_")
    if stem not in stems():
        near = difflib.get_close_matches(stem, stems(), 3, 0.6)
        words = f"did you mean {' or '.join(n.replace('_', '-') for n in near)}?" if near else "see `deepcanon list`"
        raise UnknownRecipe(f"there is no recipe {name!r}: {words}")
    path = PACKAGE / "recipes" / f"{stem}.py"
    tree = ast.parse(_head_text(path.read_text(encoding="utf-8")))
    space: dict[str, Any] = {"__name__": f"deepcanon.recipes.{stem}"}
    # The package's own source, not data: the one place where code is run that was not imported.
    exec(compile(tree, str(path), "exec"), space)  # noqa: S102
    if missing := [needed for needed in ("SYSTEM", "DATA", "Config", "PRESETS") if needed not in space]:
        ends = (
            "it ends at the first import of anything but dataclasses, typing, deepcanon.options, model_options, targets"
        )
        raise UsageError(f"the head of {path.name} has no {', '.join(missing)}: {ends}")
    return Head(
        stem,
        path,
        inspect.cleandoc(ast.get_docstring(tree) or ""),
        space["SYSTEM"],
        tuple(space["DATA"]),
        tuple(space.get("TARGETS", ())),
        dict(space.get("METRICS", {})),
        space["Config"],
        dict(space["PRESETS"]),
    )


def _head_text(text: str) -> str:
    """The file up to the imports after its head: to parse the rest would take most of the time of `list`."""
    others = r"^(?:import|from) (?!dataclasses|typing|deepcanon\.(?:model_)?options|deepcanon\.targets)"
    found = re.compile(others, re.M).search(text, len(_doc_text(text)))
    return text[: found.start()] if found else text


def _doc_text(text: str) -> str:
    """The docstring at the beginning of a file, with its quotes."""
    found = re.match(r'r?""".*?"""', text, re.S)
    return found[0] if found else ""


@cache
def _field_texts(path: Path) -> dict[str, dict[str, str]]:
    """The help texts of a file's dataclasses, class by class: the string under a field."""
    text = path.read_text(encoding="utf-8")
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(_head_text(text) if path.parent.name == "recipes" else text).body:
        if isinstance(node, ast.ClassDef):
            texts, field = found.setdefault(node.name, {}), None
            for statement in node.body:
                if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                    field = statement.target.id
                elif field and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                    texts[field], field = " ".join(str(statement.value.value).split()), None
    return found


def fields_of(config: type, path: Path) -> tuple[Option, ...]:
    """The fields of a dataclass from `path`, which may inherit option groups: own fields first, then group by group.

    The help of a field is that of the nearest class that gives one: a default can be changed without its text.
    """
    texts: dict[str, str] = {}
    for base in reversed(config.__mro__):
        if dataclasses.is_dataclass(base):
            file = path if base is config else Path(str(sys.modules[base.__module__].__file__))
            texts |= _field_texts(file).get(base.__name__, {})
    hints = options.types_of(config)
    found = [
        Option(f.name, hints[f.name], f.default, texts.get(f.name, ""), options.group_of(config, f.name))
        for f in dataclasses.fields(config)
    ]
    return tuple(sorted(found, key=lambda option: [*options.GROUPS].index(option.group)))


def preset(recipe: Head, kind: str, data: str | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """(options, run settings) of a preset; `verify:RUN` names one of the runs that `verify` trains, `verify` the first.

    Options among the run settings (`{"data": "digits", "options": {"classes": ("3", "8")}}`) belong to that
    data set: with other `data` they are left out.

    Raises:
        UnknownRecipe: the recipe has no such preset.
    """
    wanted = f"verify:{next(iter(recipe.verified))}" if kind == "verify" and recipe.verified else kind
    if wanted not in recipe.presets:
        raise UnknownRecipe(f"{recipe.name} has no preset {kind!r}; it has {', '.join(recipe.presets)}")
    config, settings = recipe.presets[wanted]
    settings = dict(settings)
    own = settings.pop("options", {})
    return {**vars(config), **(own if data in (None, settings.get("data")) else {})}, settings


def left_out(recipe: Head, kind: str, data: str | None) -> tuple[dict[str, Any], str]:
    """What `preset` leaves out with this data: options, and the data set that they are chosen for."""
    settings = recipe.presets[kind][1] if kind in recipe.presets else {}
    own = settings.get("data", "")
    return (dict(settings.get("options", {})) if data not in (None, own) else {}), own


def shown(value: Any) -> str:
    """The value of an option as it is typed."""
    if isinstance(value, tuple | list):
        return " ".join(map(str, value)) or "none"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value) or '""'


def unit_of(stem: str, metric: str) -> str:
    """The unit of a recipe's metric as the title of an axis has it: " (share)"; "" if there is none."""
    try:
        found = metric_of(head(stem).metrics, metric)
    except UnknownRecipe:
        return ""
    return f" ({found.unit})" if found and found.unit else ""


def system_path(recipe: Head) -> Path:
    """The file of the system that a recipe trains."""
    return PACKAGE.joinpath(*recipe.system.split(".")).with_suffix(".py")


def summary(recipe: Head) -> str:
    """One line: what the system computes, from its file's docstring; of an experiment on another system, its own."""
    path = system_path(recipe)
    own = path.stem == recipe.stem and path.exists()
    doc = ast.get_docstring(ast.parse(_doc_text(path.read_text(encoding="utf-8")))) if own else recipe.doc
    return (doc or "").split("\n")[0]


def results_folder() -> Path:
    """docs/results of the source checkout, or the copy inside an installed package."""
    checkout = PACKAGE.parent
    return checkout / "docs" / "results" if (checkout / "pyproject.toml").exists() else PACKAGE / "results"


def record(stem: str) -> dict[str, Any]:
    """What was measured of a recipe, docs/results/STEM.json: {name, verify, benchmark}; empty if nothing was."""
    try:
        return json.loads((results_folder() / f"{stem}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
