"""Parsers of the command line: one-line errors with suggestions, defaults in every help text, Config fields as options.

Nothing here imports torch.
"""

import argparse
import contextlib
import difflib
import os
import typing
from typing import Any

from deepcanon import heads

__all__ = [
    "DIR_HELP",
    "SETTINGS",
    "Parser",
    "Usage",
    "add_field",
    "add_setting",
    "json_option",
    "number",
    "peek",
    "preset_says",
    "run_options",
    "shown",
]

DIR_HELP = "folder of the run; `last` is the newest in runs/"


class Usage(Exception):
    """A wrong command line, in one line."""


class Parser(argparse.ArgumentParser):
    """One-line errors with suggestions, and defaults in every help text."""

    def __init__(self, **keywords: Any):
        keywords.setdefault("formatter_class", Formatter)
        super().__init__(allow_abbrev=False, **keywords)

    def error(self, message: str) -> typing.NoReturn:
        raise Usage(f"{message} (see `{self.prog} --help`)")

    def parse_all(self, arguments: list[str]) -> argparse.Namespace:
        """Like `parse_args`, but an unknown option names the near ones."""
        found, rest = self.parse_known_args(arguments)
        if rest:
            known = [option for action in self._actions for option in action.option_strings]
            near = difflib.get_close_matches(rest[0].split("=")[0], known, 1, 0.6)
            self.error(f"unknown argument {rest[0]}{f', did you mean {near[0]}?' if near else ''}")
        return found


class Formatter(argparse.HelpFormatter):
    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=32, width=min(110, columns()))

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        if action.default in (None, argparse.SUPPRESS, "") or "default" in text or not action.option_strings:
            return text
        if isinstance(action.default, bool) and action.nargs == 0:
            return text
        return f"{text} (default: {shown(action.default)})".replace("%", "%%")


SETTINGS = {  # name -> (type, metavar, help); the same fields as engine.settings.Settings
    "data": (str, "D", "a name of `deepcanon data list`, or the path of your own data"),
    "seed": (int, "N", "everything random follows from it (default: 0)"),
    "steps": (int, "N", "training steps (default: the preset's, or the recipe's plan for other data)"),
    "minutes": (float, "M", "train for about so long; the number of steps is measured and printed"),
    "device": (("auto", "cpu", "cuda", "mps"), None, "where to compute (default: auto)"),
    "threads": (int, "N", "CPU threads; 0 measures one against all (default: 0)"),
    "precision": (("auto", "fp32", "bf16"), None, "of matrix products; auto measures (default: auto)"),
    "compile": ("flag", None, "compile the modules; slower for small ones"),
    "evaluate_every": (int, "N", "steps between evaluations (default: 20 evaluations in a run)"),
    "checkpoint_every": (float, "S", "seconds between checkpoints, at most 2 %% of the time (default: 30)"),
    "patience": (int, "N", "stop after N evaluations without a better value; 0 never (default: 0)"),
    "skip_bad": ("flag", None, "leave out unreadable examples, count them and record their names"),
}


def number(kind: type) -> Any:
    def parse(text: str) -> Any:
        try:
            return kind(text)
        except ValueError:
            word = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{text!r} is not {word}") from None

    return parse


def truth(text: str) -> bool:
    if text.lower() in ("true", "yes", "on", "1"):
        return True
    if text.lower() in ("false", "no", "off", "0"):
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


def add_setting(group: Any, name: str, kind: Any, metavar: str | None, text: str) -> None:
    option = f"--{name.replace('_', '-')}"
    if kind == "flag":
        group.add_argument(option, dest=name, nargs="?", const=True, type=truth, metavar="BOOL", help=text)
    elif isinstance(kind, tuple):
        group.add_argument(option, dest=name, choices=kind, help=text)
    else:
        group.add_argument(option, dest=name, type=str if kind is str else number(kind), metavar=metavar, help=text)


def add_field(group: Any, option: heads.Option, default: Any) -> None:
    """A Config field as an option; None means that it was not given, so that --config can come in between."""
    annotation: Any = option.annotation
    keywords: dict[str, Any] = {"dest": option.name}
    inner = [a for a in typing.get_args(annotation) if a is not type(None)]
    optional = type(None) in typing.get_args(annotation) and typing.get_origin(annotation) is not tuple
    if optional:
        annotation = inner[0]
    text = f"{option.help} (default: {shown(default)})".replace("%", "%%")
    if typing.get_origin(annotation) is typing.Literal:
        choices = typing.get_args(annotation)
        keywords |= {"choices": choices, "type": type(choices[0])}
    elif typing.get_origin(annotation) is tuple:
        keywords |= {"nargs": "*", "type": number(typing.get_args(annotation)[0]), "metavar": "N"}
    elif annotation is bool:
        keywords |= {"nargs": "?", "const": True, "type": truth, "metavar": "BOOL"}
    elif annotation is str:
        keywords |= {"type": str, "metavar": "TEXT"}
    else:
        keywords |= {"type": number(annotation), "metavar": "N" if annotation is int else "X"}
    keywords["help"] = text
    group.add_argument("--" + option.name.replace("_", "-"), **keywords)


def json_option(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON value on stdout, nothing else")


def run_options(parser: Parser) -> None:
    parser.add_argument("dir", metavar="DIR", help=DIR_HELP)
    parser.add_argument("--checkpoint", choices=("auto", "best", "last"), default="auto", help="auto: best, else last")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto", help="where to compute")


def preset_says(text: str, value: Any) -> str:
    return text if value is None else f"{text.split(' (default')[0]} (default: {shown(value)})".replace(" % ", " %% ")


def shown(value: Any) -> str:
    if isinstance(value, tuple | list):
        return " ".join(map(str, value)) or "none"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value) or '""'


def peek(arguments: list[str], option: str) -> str | None:
    """The value of an option before the parser that depends on it is made."""
    for i, word in enumerate(arguments):
        if word == option and i + 1 < len(arguments):
            return arguments[i + 1]
        if word.startswith(option + "="):
            return word.split("=", 1)[1]
    return None


def columns() -> int:
    try:
        return int(os.environ["COLUMNS"]) - 2
    except (KeyError, ValueError):
        with contextlib.suppress(OSError):
            return os.get_terminal_size().columns - 2
        return 100
