"""The settings of a run, apart from the recipe's own options, and `config.json`, which keeps both. Without torch."""

import dataclasses
import difflib
import json
import math
import types
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import deepcanon
from deepcanon.errors import UsageError
from deepcanon.ranges import Count, NonNegative, Positive, Range, Whole, plain_type, range_of, types_of

T = TypeVar("T")

__all__ = ["Settings", "build_config", "nearest", "read_config", "unknown_option", "value_of"]


@dataclasses.dataclass(frozen=True)
class Settings:
    """The options that every recipe has; what was chosen by measuring is written back before `config.json`."""

    data: str = ""
    """A name of `deepcanon data list`, or the path of your own data."""
    seed: Whole = 0
    """Seed of everything random."""
    steps: Count | None = None
    """Training steps; the preset's, or the recipe's plan for other data, if not given."""
    minutes: Positive | None = None
    """Train for about this long: converted by measuring into a number of steps, which is printed."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto takes a GPU if there is one."""
    threads: Annotated[int, Range("[0, 1024]")] = 0
    """CPU threads; 0 measures whether one or all of them are faster."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic of matrix products; auto measures if the recipe allows bf16."""
    allocator: Literal["keep", "leave"] = "keep"
    """Memory that a step frees: keep some for the next step, or leave it to the C library."""
    compile: bool = False
    """Compile the modules; slower for small ones."""
    shard: bool = False
    """Several processes share out weights, gradients and optimizer state (FSDP2): less memory, more exchange."""
    evaluate_every: Whole = 0
    """Steps between evaluations; 0: 20 in a run, fewer if they would take more than a fifth of its time."""
    checkpoint_every: NonNegative = 30.0
    """Seconds between checkpoints; never more than 2 % of the time is spent on them (0: after every step)."""
    patience: Whole = 0
    """Stop after this many evaluations without a better value; 0: never."""
    skip_bad: bool = False
    """Leave out unreadable examples, count them and record their names, instead of refusing the data."""
    log_every: Whole = 0
    """Steps that a row of metrics.jsonl averages over; 0: so many that there are about 400 rows."""
    keep_examples: Whole = 500
    """Training examples that a recipe which encodes keeps in the run, to show the nearest ones; 0: none."""

    def with_(self, **changes: Any) -> "Settings":
        return dataclasses.replace(self, **changes)


def value_of(annotation: Any, value: Any, name: str) -> Any:
    """`value` (from JSON or Python) as the annotation says.

    Raises:
        UsageError: it is of another type, none of the choices, or out of range.
    """
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        found, within = value_of(plain_type(annotation), value, name), range_of(annotation)
        if within is not None and found not in within:
            given = "" if isinstance(found, tuple) else f" {found}"
            finite = "a finite number, " if given and not math.isfinite(found) else ""
            raise UsageError(f"--{name.replace('_', '-')}{given}: {finite}{within}")
        return found
    if origin is Literal:
        if value in typing.get_args(annotation):
            return value
        raise UsageError(f"{name} is {value!r}, not one of {', '.join(map(str, typing.get_args(annotation)))}")
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in typing.get_args(annotation):
            return None
        inner = [a for a in typing.get_args(annotation) if a is not type(None)]
        return value_of(inner[0], value, name)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise UsageError(f"{name} is {value!r}, not a list")
        items = typing.get_args(annotation)
        if len(items) == 2 and items[1] is Ellipsis:
            return tuple(value_of(items[0], item, name) for item in value)
        if len(items) != len(value):
            raise UsageError(f"{name} takes {len(items)} values, not {len(value)}")
        return tuple(value_of(a, item, name) for a, item in zip(items, value, strict=True))
    if annotation is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if annotation is float and value in ("inf", "-inf", "nan"):
        return float(value)
    if type(value) is not annotation:
        raise UsageError(f"{name} is {value!r}, not of type {annotation.__name__}")
    return value


NEAR = 0.7  # of difflib's ratio: "epoch" and "epochs" are near, "lr" and "loss" are not
ABBREVIATIONS = {
    "lr": ("learning_rate", "learning_rates"),
    "bs": ("batch",),
    "batch_size": ("batch",),
    "epoch": ("epochs",),
    "iterations": ("steps",),
    "iters": ("steps",),
    "n_steps": ("steps",),
    "max_steps": ("steps",),
    "wd": ("weight_decay", "decay"),
    "l2": ("weight_decay", "decay"),
    "dataset": ("data",),
    "output": ("out",),
    "random_state": ("seed",),
    "gpu": ("device",),
    "cuda": ("device",),
    "n_jobs": ("threads",),
    "workers": ("threads",),
    "dtype": ("precision",),
    "amp": ("precision",),
}
"""What other programs call options."""


def nearest(name: str, known: Iterable[str], count: int = 1) -> list[str]:
    """The known names that somebody may have meant, nearest first; none if nothing is near.

    Args:
        name, known: of options, with or without leading dashes; in words that "-" or "_" joins.
    """
    by_words = {one.strip("-").replace("-", "_"): one for one in known}
    name = name.strip("-").replace("-", "_").lower()
    meant = [word for word in ABBREVIATIONS.get(name, ()) if word in by_words]
    near = meant or difflib.get_close_matches(name, by_words, count, NEAR)
    return [by_words[word] for word in near[:count]]


def unknown_option(name: str, known: Iterable[str], owner: str = "") -> UsageError:
    """What is said of an option that is not among the known ones.

    Args:
        owner: the recipe whose options these are.
    """
    names = sorted(known)
    near = nearest(name, names, 3)
    remedy = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(names)}"
    return UsageError(f"{owner or 'this'} has no option {name!r}: {remedy}")


def build_config(config_class: type[T], values: dict[str, Any], version: str = "") -> T:
    """A Config from JSON values; unknown names and values out of range are refused.

    Args:
        version: of the package that wrote the values, if they are from a file.

    Raises:
        UsageError: naming the option.
    """
    hints = types_of(config_class)
    for name in values:
        if name not in hints:
            if version:
                raise UsageError(
                    f"that run was written by deepcanon {version}, which had an option {name!r}; "
                    f"{deepcanon.__version__} has none: use that version, or train again"
                )
            raise unknown_option(name, hints)
    return config_class(**{name: value_of(hints[name], value, name) for name, value in values.items()})


def read_config(folder: Path) -> dict[str, Any]:
    """The `config.json` of a run folder, with its settings as `Settings`.

    Raises:
        UsageError: it is missing or damaged.
    """
    path = folder / "config.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        names = {field.name for field in dataclasses.fields(Settings)}
        settings = {key: value for key, value in content["settings"].items() if key in names}
        content["settings"] = build_config(Settings, settings)
        if not isinstance(content["name"], str) or not isinstance(content["config"], dict):
            raise KeyError("name")
        return content
    except FileNotFoundError:
        raise UsageError(f"{folder} is not a run folder (it has no config.json)") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"{path} is damaged: {type(error).__name__}") from error
