"""The heads of the recipe files: docstring, Config, presets and targets, read without importing torch.

A recipe's head uses only dataclasses, typing and literals. It is cut out of the file's syntax tree and run by
itself, so that `list`, `show` and `--help` answer at once.
"""

import ast
import dataclasses
import difflib
import inspect
import re
import typing
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["PRESETS", "Head", "Option", "UnknownRecipe", "head", "preset", "stems", "summary", "system_path"]

PACKAGE = Path(__file__).parent
PRESETS = ("smoke", "default", "paper", "verify")


class UnknownRecipe(ValueError):
    """There is no recipe of that name; the text says which names are near."""


@dataclasses.dataclass(frozen=True)
class Option:
    """A field of a recipe's Config."""

    name: str
    annotation: Any
    default: Any
    help: str


@dataclasses.dataclass(frozen=True)
class Head:
    """What a recipe file says before torch is needed."""

    stem: str
    path: Path
    doc: str
    system: str  # subject.stem of the system file
    data: tuple[str, ...]  # kinds of data it reads
    targets: tuple[dict[str, Any], ...]
    config: type
    options: tuple[Option, ...]
    presets: dict[str, Callable[[], Any]]

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
    module = ast.Module([node for node in tree.body if _belongs_to_head(node)], [])
    # The package's own source, not data: the one place where code is run that was not imported.
    exec(compile(module, str(path), "exec"), space)  # noqa: S102
    config = space["Config"]
    node = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Config")
    return Head(
        stem,
        path,
        inspect.cleandoc(ast.get_docstring(tree) or ""),
        space["SYSTEM"],
        tuple(space["DATA"]),
        tuple(space.get("TARGETS", ())),
        config,
        _options(config, node),
        {kind: space[kind] for kind in PRESETS if kind in space},
    )


def _head_text(text: str) -> str:
    """The file up to the imports behind its head: to parse the rest would take most of the time of `list`."""
    found = re.compile(r"^(?:import|from) (?!dataclasses|typing)", re.M).search(text, len(_doc_text(text)))
    return text[: found.start()] if found else text


def _doc_text(text: str) -> str:
    """The docstring at the beginning of a file, with its quotes."""
    found = re.match(r'r?""".*?"""', text, re.S)
    return found[0] if found else ""


def _belongs_to_head(node: ast.stmt) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.module in ("dataclasses", "typing")
    if isinstance(node, ast.Assign):
        named = all(isinstance(target, ast.Name) and target.id.isupper() for target in node.targets)
        own = any(isinstance(target, ast.Name) and target.id == "TARGETS" for target in node.targets)
        return named and (own or _is_literal(node.value))  # what TARGETS is made of is the head's too
    if isinstance(node, ast.FunctionDef):
        return node.name in PRESETS
    return isinstance(node, ast.ClassDef) and node.name == "Config"


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


def _options(config: type, node: ast.ClassDef) -> tuple[Option, ...]:
    """The fields of a Config; the string under a field is its help text."""
    texts, field = {}, None
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            field = statement.target.id
        elif field and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            texts[field], field = " ".join(str(statement.value.value).split()), None
    hints = typing.get_type_hints(config)
    return tuple(Option(f.name, hints[f.name], f.default, texts.get(f.name, "")) for f in dataclasses.fields(config))


def preset(recipe: Head, kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(options, run settings) of a preset; `verify:RUN` names one of the runs that `verify` trains.

    Raises:
        UnknownRecipe: the recipe has no such preset.
    """
    name, _, which = kind.partition(":")
    runs = recipe.presets["verify"]() if name == "verify" and "verify" in recipe.presets else {}
    if name == "verify" and runs and (which or next(iter(runs))) in runs:
        config, settings = runs[which or next(iter(runs))]
    elif name != "verify" and name in recipe.presets and not which:
        config, settings = recipe.presets[name]()
    else:
        known = [k for k in recipe.presets if k != "verify"] + [f"verify:{run}" for run in runs]
        raise UnknownRecipe(f"{recipe.name} has no preset {kind!r}; it has {', '.join(known)}")
    return dict(vars(config)), dict(settings)


def system_path(recipe: Head) -> Path:
    """The file of the system that a recipe trains."""
    return PACKAGE.joinpath(*recipe.system.split(".")).with_suffix(".py")


def summary(recipe: Head) -> str:
    """One line: what the system computes, from its file's docstring."""
    path = system_path(recipe)
    doc = ast.get_docstring(ast.parse(_doc_text(path.read_text(encoding="utf-8")))) if path.exists() else recipe.doc
    return (doc or "").split("\n")[0]
