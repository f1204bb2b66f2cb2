"""What the build adds: `deepcanon/__init__.pyi` (by hand: python hatch_build.py), and in a wheel the measured results.

To an editor `deepcanon.train(name, **options)` says nothing of a recipe's options. The stub has an overload of `train`
and `Estimator` for every recipe, made from the heads of the recipe files: editors complete `train("convnet", batch=`,
type checkers refuse `bath=`. Names that are no literal take the settings of a run alone, or `**options`.
It is made by the build and not kept in the repository, so that it is never older than the recipes.
"""

import dataclasses
import sys
import types
import typing
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT))

from deepcanon import heads, options
from deepcanon.ranges import plain_type, types_of
from deepcanon.settings import Settings

STUB = ROOT / "deepcanon" / "__init__.pyi"
HEAD = '''\
"""Written by hatch_build.py from the recipes' options."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack, overload

from deepcanon.estimator import Estimator as _Estimator
from deepcanon.verbs import Trained as Trained
from deepcanon.verbs import load as load
from deepcanon.verbs import report as report
from deepcanon.verbs import resume as resume

__version__: str
__all__ = ["Estimator", "Trained", "__version__", "load", "report", "resume", "train"]
'''
TRAIN = """\
def train(
    name: {name}, *, preset: {preset} = "default", out: str | Path | None = None,
    config: str | Path | None = None, data: Any = None, quiet: bool = False, plain: bool = False,
    say: Callable[[str], None] = ..., **options: Unpack[{options}],
) -> Trained:"""
INIT = """\
    @overload
    def __init__(
        self, name: {name}, *, preset: {preset} = "default", out: str | Path | None = None,
        **options: Unpack[{options}],
    ) -> None: ..."""


def written(annotation: Any) -> str:
    """A type as Python code: of a field's annotation, without its range; tuples may be lists."""
    annotation = plain_type(annotation)
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, inside))}]"
    if origin in (typing.Union, types.UnionType):
        return " | ".join(map(written, inside))
    if origin is tuple:
        items = list(dict.fromkeys(written(item) for item in inside if item is not Ellipsis))
        shown = ", ".join("..." if item is Ellipsis else written(item) for item in inside)
        return f"tuple[{shown}] | list[{' | '.join(items)}]"
    return "None" if annotation is type(None) else str(annotation.__name__)


def typed_dict(name: str, fields: dict[str, str], bases: list[str]) -> str:
    """A class of keyword arguments, each of which may be left out."""
    body = [f"    {field}: {kind}" for field, kind in fields.items()] or ["    pass"]
    return "\n".join([f"class {name}({', '.join(bases) or 'TypedDict'}, total=False):", *body])


def settings() -> str:
    """The settings of a run, without the data, which Python may give as arrays."""
    fields = {name: written(kind) for name, kind in types_of(Settings).items() if name != "data"}
    # What `train` does not pass on if it is None.
    unset = ("seed", "device", "threads", "precision")
    return typed_dict("_Settings", {n: f"{kind} | None" if n in unset else kind for n, kind in fields.items()}, [])


def groups() -> dict[type, dict[str, str]]:
    """The groups of shared options: of each the fields that are first declared there."""
    found: dict[type, dict[str, str]] = {}
    for group in vars(options).values():
        if isinstance(group, type) and hasattr(group, "GROUP"):  # of options, not of types
            inherited = {field.name for base in group.__bases__ if dataclasses.is_dataclass(base)
                         for field in dataclasses.fields(base)}  # fmt: skip
            found[group] = {n: written(kind) for n, kind in types_of(group).items() if n not in inherited}
    return found


def options_of(head: heads.Head, shared: dict[type, dict[str, str]]) -> str:
    """The options of a recipe; groups that it inherits unchanged are bases, since a field is declared once only."""
    fields = {name: written(kind) for name, kind in types_of(head.config).items()}
    bases = ["_Settings"]
    for group in head.config.__mro__:
        own = shared.get(group, {})
        if own and own.items() <= fields.items():
            bases.append(f"_{group.__name__}")
            fields = {name: kind for name, kind in fields.items() if name not in own}
    return typed_dict(f"_{camel(head)}", fields, bases)


def camel(head: heads.Head) -> str:
    return "".join(word.capitalize() for word in head.stem.split("_")) + "Options"


def told(head: heads.Head) -> str:
    """What an editor shows of a recipe: its summary, and each option with the default preset's value."""
    values = {**vars(head.config()), **heads.preset(head, "default")[0]}
    lines = [f"        {o.name} = {values[o.name]!r}: {o.help}" for o in head.options]
    text = "\n".join([f"{heads.summary(head)}", "", "    Options, and their values in the preset `default`:", *lines])
    return text.replace("\\", "\\\\").replace('"""', "'''")


def records() -> dict[str, str]:
    """By path, the place in a wheel of each measured result that `deepcanon show` tells: those of recipes."""
    found = ((stem, ROOT / "docs" / "results" / f"{stem}.json") for stem in heads.stems())
    return {str(path): f"deepcanon/results/{stem}.json" for stem, path in found if path.is_file()}


def stub() -> str:
    """The text of the stub."""
    shared, known = groups(), [heads.head(stem) for stem in heads.stems()]
    parts = [HEAD, settings()]
    parts += [typed_dict(f"_{group.__name__}", fields, []) for group, fields in shared.items() if fields]
    parts += [options_of(head, shared) for head in known]
    estimator = ["class Estimator(_Estimator):"]
    for head in known:
        names = ", ".join(repr(name) for name in dict.fromkeys((head.name, head.stem)))
        filled = {
            "name": f"Literal[{names}]",
            "preset": f"Literal[{', '.join(map(repr, head.presets))}]",
            "options": f"_{camel(head)}",
        }
        parts.append(f'@overload\n{TRAIN.format(**filled)}\n    """{told(head)}\n    """')
        if "tables" in head.data:
            estimator.append(INIT.format(**filled))
    anything = {"name": "str", "preset": "str", "options": "_Settings"}
    parts.append(f"@overload\n{TRAIN.format(**anything)} ...")
    parts.append("\n".join([*estimator, INIT.format(**anything)]))
    return "\n\n".join(parts) + "\n"


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # by hand, without the build system
    pass
else:

    class Stub(BuildHookInterface):  # type: ignore[type-arg]
        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            STUB.write_text(stub(), encoding="utf-8")
            if self.target_name == "wheel" and version != "editable":  # a checkout reads them where they are
                build_data["force_include"] |= records()


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
