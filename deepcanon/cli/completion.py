"""Tab completion: a script for the shell, made from the parsers themselves."""

import argparse
import typing
from collections.abc import Callable, Mapping

from deepcanon import heads
from deepcanon.cli.arguments import Parser, Usage

__all__ = ["completion_command"]

Command = Callable[[Parser, list[str]], int]
FILES = ("--data", "--config", "--to", "INPUT", "PATH", "FILE")
FOLDERS = ("--out", "DIR", "FOLDER")
EXAMPLES = {"bash": 'eval "$(deepcanon completion bash)"', "zsh": 'eval "$(deepcanon completion zsh)"'}


def completion_command(parser: Parser, arguments: list[str], commands: Mapping[str, tuple[str, Command]]) -> int:
    """Prints the script.

    Args:
        commands: text and function of each, by name.
    """
    parser.add_argument("shell", metavar="SHELL", choices=("bash", "zsh", "fish"), help="bash, zsh or fish")
    parser.epilog = "in the shell's own start file: " + "  or  ".join(EXAMPLES.values())
    given = parser.parse_all(arguments)
    try:
        import shtab
    except ImportError:
        raise Usage("completion needs shtab: pip install 'deepcanon[completion]'") from None
    print(shtab.complete(_tree(commands), given.shell))
    return 0


class _Probe(Parser):
    """Raises itself instead of parsing."""

    def parse_all(self, arguments: list[str], missing: Mapping[str, str] | None = None) -> typing.NoReturn:
        raise _Found(self)


class _Found(Exception):
    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser


def _options_of(command: Command, words: list[str]) -> list[argparse.Action]:
    try:
        command(_Probe(prog="deepcanon"), words)
    except _Found as found:
        return found.parser._actions
    raise AssertionError(f"a command that parses nothing: {words}")


def _tree(commands: Mapping[str, tuple[str, Command]]) -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog="deepcanon")
    there = root.add_subparsers()
    names = [stem.replace("_", "-") for stem in heads.stems()]
    for name, (text, command) in commands.items():
        part = there.add_parser(name, help=text)
        if name == "train":
            recipes = part.add_subparsers()
            for recipe in names:
                _fill(
                    recipes.add_parser(recipe, help=heads.summary(heads.head(recipe))), _options_of(command, [recipe])
                )
        elif name not in ("completion", "data", "runs"):
            _fill(part, _options_of(command, []), names if name in ("show", "verify") else None)
        elif words := {"data": ("list", "get", "where", "check"), "runs": ("list", "compare", "remove")}.get(name):
            part.add_argument("action", choices=words)
    return root


def _fill(part: argparse.ArgumentParser, actions: list[argparse.Action], names: list[str] | None = None) -> None:
    import shtab

    for action in actions:
        if isinstance(action, argparse._HelpAction):
            continue
        shown = {*action.option_strings, *([action.metavar] if isinstance(action.metavar, str) else [])}
        if names and not action.option_strings:
            action.choices = names
        elif shown & {*FOLDERS}:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif shown & {*FILES}:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        part._add_action(action)
