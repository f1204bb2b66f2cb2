"""Parsers of the command line: one-line errors with suggestions, defaults in every help text, Config fields as options.

Nothing here imports torch.
"""

import argparse
import contextlib
import importlib
import os
import re
import sys
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepcanon import heads, settings
from deepcanon.ranges import plain_type

__all__ = [
    "DIR_HELP",
    "Parser",
    "Usage",
    "add_field",
    "environment_option",
    "import_environment",
    "json_option",
    "number",
    "peek",
    "run_options",
    "settings_options",
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

    def of_training(self, message: str) -> str:
        """What is added to a message that names options which only training has, "" if it names none."""
        named = re.findall(r"(?<!train with )--[a-z][a-z-]+", message)
        strange = [option for option in dict.fromkeys(named) if option not in self._option_string_actions]
        are = "is an option" if len(strange) == 1 else "are options"
        return f" ({', '.join(strange)} {are} of `deepcanon train`)" if strange else ""

    def parse_all(self, arguments: list[str], missing: Mapping[str, str] | None = None) -> argparse.Namespace:
        """Like `parse_args`, but an unknown option names the near ones.

        Args:
            missing: what is said of options that other parsers of this kind have.
        """
        found, rest = self.parse_known_args(arguments)
        if rest:
            if said := (missing or {}).get(rest[0].split("=")[0]):
                self.error(said)
            known = [option for action in self._actions for option in action.option_strings]
            near = settings.nearest(rest[0].split("=")[0], known) if rest[0].startswith("-") else []
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
        return f"{text} (default: {heads.shown(action.default)})".replace("%", "%%")


def settings_options() -> tuple[heads.Option, ...]:
    """The settings that every run has, as the dataclass has them."""
    return heads.fields_of(settings.Settings, Path(settings.__file__))


def number(kind: type) -> Any:
    """A parser of words as `kind`, with an error in words."""

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


def add_field(group: Any, option: heads.Option, default: Any) -> None:
    """A field of a dataclass as an option; None means that it was not given, so that --config can come in between."""
    annotation, keywords = option.annotation, dict[str, Any](dest=option.name)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        annotation = next(a for a in typing.get_args(annotation) if a is not type(None))
    annotation = plain_type(annotation)
    text = option.help if default is None else f"{option.help} (default: {heads.shown(default)})"
    if typing.get_origin(annotation) is typing.Literal:
        choices = typing.get_args(annotation)
        keywords |= {"choices": choices, "type": number(type(choices[0]))}
    elif typing.get_origin(annotation) is tuple:
        inner = plain_type(typing.get_args(annotation)[0])
        named = typing.get_args(inner) if typing.get_origin(inner) is typing.Literal else ()
        kind, name = (type(named[0]), None) if named else (inner, "NAME" if inner is str else "N")
        keywords |= {"nargs": "*", "type": number(kind), "metavar": name, "choices": named or None}
    elif annotation is bool:
        keywords |= {"nargs": "?", "const": True, "type": truth, "metavar": "BOOL"}
    elif annotation is str:
        keywords |= {"type": str, "metavar": "TEXT"}
    else:
        keywords |= {"type": number(annotation), "metavar": "N" if annotation is int else "X"}
    keywords["help"] = text.replace("%", "%%")
    group.add_argument("--" + option.name.replace("_", "-"), **keywords)


def environment_option(parser: Parser) -> None:
    """For environments of one's own: code runs only if the command itself names it, never because a run did."""
    text = "module to import first, which registers your own environment; every command on such a run needs it"
    parser.add_argument("--environment-module", metavar="MODULE", help=text)


def import_environment(given: argparse.Namespace) -> None:
    """Imports the module that --environment-module names, also from the working directory."""
    name = given.environment_module
    if not name:
        return
    sys.path.insert(0, os.getcwd())
    try:
        importlib.import_module(name)
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise Usage(f"--environment-module {name} cannot be imported ({reason})") from error
    finally:
        sys.path.remove(os.getcwd())


def json_option(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON value and nothing else")


def run_options(parser: Parser) -> None:
    parser.add_argument("dir", metavar="DIR", help=DIR_HELP)
    parser.add_argument("--checkpoint", choices=("auto", "best", "last"), default="auto", help="auto: best, else last")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto", help="where to compute")
    environment_option(parser)


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
