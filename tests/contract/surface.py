"""The command line in plain data: what the golden files of `tests/golden/cli` freeze."""

import argparse
import types
import typing
from pathlib import Path
from typing import Any

from deepcanon import cli, heads, verb_options
from deepcanon.cli.arguments import settings_options
from deepcanon.options import plain_type, range_of
from deepcanon.verb_options import ClassSampling, Playing, Sampling, TextSampling


def in_words(annotation: Any) -> str:
    """A type as a reader of a golden file would say it: "float, from 0 to below 1", "sgd | adamw", "list of int"."""
    if typing.get_origin(annotation) is typing.Annotated:
        within = range_of(annotation)
        return in_words(plain_type(annotation)) + (f", {within}" if within else "")
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return " | ".join(map(str, inner))
    if origin is tuple:
        return "list of " + ", ".join(in_words(item) for item in inner if item is not Ellipsis)
    if origin in (typing.Union, types.UnionType):
        return " or ".join("none" if item is type(None) else in_words(item) for item in inner)
    return annotation.__name__


def as_data(fields: typing.Iterable[heads.Option], grouped: bool = True) -> dict[str, dict[str, Any]]:
    found = {}
    for option in sorted(fields, key=lambda option: option.name):
        default = list(option.default) if isinstance(option.default, tuple) else option.default
        found[option.name] = {"type": in_words(option.annotation), "default": default}
        if grouped:
            found[option.name]["group"] = option.group or "own"
    return found


def options_of(stem: str) -> dict[str, dict[str, Any]]:
    """Name, type, default and group in the help of every option of a recipe."""
    return as_data(heads.head(stem).options)


def commands() -> dict[str, dict[str, Any]]:
    """The arguments and options of every command, as the parsers have them; of `train` without the recipe's own."""
    found: dict[str, dict[str, Any]] = {}

    def note(parser: cli.Parser, arguments: list[str]) -> None:
        found[parser.prog] = dict(sorted(argument(action) for action in parser._actions))
        raise SystemExit(0)

    original = cli.Parser.parse_known_args
    cli.Parser.parse_known_args = note
    try:
        for name in cli.COMMANDS:
            words = {"train": heads.stems()[0], "data": "list"}
            cli.main([name, words.get(name, "x")])
    finally:
        cli.Parser.parse_known_args = original
    programs = [f"{program} " for program in found]
    without = [name for name in cli.COMMANDS if not any(p.startswith(f"deepcanon {name} ") for p in programs)]
    assert not without, f"no parser of {', '.join(without)}: see `deepcanon {without[0]} x --debug`"
    train = found.pop(next(program for program in found if program.startswith("deepcanon train")))
    own = {f"--{option.name.replace('_', '-')}" for option in heads.head(heads.stems()[0]).options}
    found["deepcanon train NAME"] = {name: what for name, what in train.items() if name not in own}
    found["settings of a run"] = as_data(settings_options(), grouped=False)
    for asked in (Sampling, ClassSampling, TextSampling, Playing):  # of `generate` and `play`, as recipes name them
        found[asked.__name__] = as_data(heads.fields_of(asked, Path(verb_options.__file__)), grouped=False)
    return found


def argument(action: argparse.Action) -> tuple[str, dict[str, Any]]:
    name = ", ".join(action.option_strings) or str(action.metavar or action.dest)
    what: dict[str, Any] = {}
    if action.choices:
        what["choices"] = list(action.choices)
    if action.nargs is not None:
        what["nargs"] = action.nargs
    if action.default not in (None, argparse.SUPPRESS):
        what["default"] = action.default
    return name, what
