"""What a recipe does while it trains: the metrics of its steps, the attributes that change, its folder in mid-step."""

import shutil
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

GIVEN = ("config", "facts", "run")  # what every recipe is handed; the engine keeps it
FUNCTIONS = types.FunctionType | types.MethodType | types.BuiltinFunctionType
COPIED = (0, 1, 2, 5, 10, 18)  # steps in whose middle the folder is copied, each copy in place of the one before


class Watch:
    """Notes of one training.

    Args:
        folder: of the run that is watched; a scratch instance is watched if it is None.
        root: what is copied in mid-step, if that is not `folder` (the whole experiment, when a trial is watched).
        copy: where the copies go; none are made if it is not given. The last is what SIGKILL would have left on disk.
        copied: in which steps.

    Attributes:
        rows: the metrics of each step, as numbers.
        recipe: the instance that was trained.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        root: Path | None = None,
        copy: Path | None = None,
        copied: tuple[int, ...] = COPIED,
    ) -> None:
        self.folder, self.root, self.copy, self.copied = folder, root or folder, copy, copied
        self.rows: list[dict[str, float]] = []
        self.recipe: Any = None
        self.no_tensors: set[str] = set()  # metrics of a step that are no 0-dim tensors
        self.changed: set[str] = set()  # what a step changed and `state` does not name
        self.blind: set[str] = set()  # what could not be looked into

    def watched(self, recipe: type) -> type:
        """The recipe class, watched."""

        class Watched(recipe):  # type: ignore[misc, valid-type]
            def step(this, step: int) -> Mapping[str, Any]:
                whole = super().step
                return self.step(this, step, whole) if this.run.folder == self.folder else whole(step)

        Watched.__name__, Watched.__qualname__, Watched.__module__ = (
            recipe.__name__,
            recipe.__qualname__,
            recipe.__module__,
        )
        return Watched

    def step(self, recipe: Any, number: int, take: Callable[[int], Mapping[str, Any]]) -> Mapping[str, Any]:
        self.recipe = recipe
        before = self.look(recipe)
        values = take(number)
        after = self.look(recipe)
        self.changed |= {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        self.no_tensors |= {n for n, v in values.items() if not (isinstance(v, Tensor) and v.dim() == 0)}
        self.rows.append({name: float(value) for name, value in values.items()})
        if self.copy and number in self.copied:
            shutil.rmtree(self.copy, ignore_errors=True)
            shutil.copytree(str(self.root), self.copy)
        return values

    def look(self, recipe: Any) -> dict[str, Any]:
        """Fingerprints of what is not saved: unnamed attributes, and what named modules hold apart from their state."""
        named = [getattr(recipe, name) for name in recipe.state]
        saved = [
            part for value in named if isinstance(value, nn.Module) for part in (*value.modules(), *value.parameters())
        ]
        known = frozenset(map(id, (*(vars(recipe)[name] for name in GIVEN), *named, *saved)))
        found: dict[str, Any] = {}
        for name, value in vars(recipe).items():
            try:
                if name in recipe.state:
                    hidden = unsaved(value, known) if isinstance(value, nn.Module) else {}
                    found |= {f"{name}.{inner} (not in its state dict)": held for inner, held in hidden.items()}
                elif name not in GIVEN and name not in recipe.computed:
                    found[name] = fingerprint(value, known)
            except TypeError as error:
                self.blind.add(f"{name} ({error})")
        return found


def fingerprint(value: Any, seen: frozenset[int] = frozenset()) -> Any:
    """Plain data that differs when `value` does; what is in `seen` is left out.

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
    if isinstance(value, torch.device | torch.dtype | type | range | slice):
        return repr(value)
    if hasattr(value, "state_dict"):
        return fingerprint(value.state_dict(), seen)
    if isinstance(value, FUNCTIONS):
        return id(value)
    if hasattr(value, "__dict__"):
        return fingerprint(vars(value), seen)
    if callable(value):
        return id(value)
    raise TypeError(f"a {type(value).__name__}")


def unsaved(module: nn.Module, seen: frozenset[int] = frozenset()) -> dict[str, Any]:
    """What a module holds apart from its state dict: non-persistent buffers and plain attributes."""
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
