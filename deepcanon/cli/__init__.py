"""The command line. `list`, `show`, `--help` and `--version` answer without importing torch."""

import argparse
import contextlib
import difflib
import io
import os
import sys
from pathlib import Path

import deepcanon
from deepcanon import heads
from deepcanon.cli import catalogue, completion, data, runs, serve, train, use, verify
from deepcanon.cli.arguments import Parser, Usage
from deepcanon.cli.output import USAGE, is_utf8
from deepcanon.cli.streams import Output, complain, mute
from deepcanon.errors import short_of_memory

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; returns its exit code: 0 done, 1 failure, 2 usage or input, 3 a check failed, 130/143 signals."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot show a character shows its code
        if isinstance(stream, io.TextIOWrapper) and not is_utf8(stream):
            stream.reconfigure(errors="backslashreplace")
    if os.name == "nt":
        return complain("Windows is not supported (file locks, signals); its Linux subsystem is", 1)
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    arguments = [a for a in arguments if a != "--debug"]
    output = Output(sys.stdout)
    with contextlib.redirect_stdout(output):  # type: ignore[type-var]
        code = _guarded(arguments, debug)
        with contextlib.suppress(OSError):
            output.flush()
    if output.refusal is None:
        return code
    mute(output.stream)
    if isinstance(output.refusal, BrokenPipeError):  # the reader of our output (head, less) has enough
        return 0
    return complain(f"cannot write standard output: {output.refusal.strerror or output.refusal}", 1)


def _guarded(arguments: list[str], debug: bool) -> int:
    """The exit code of a command; whatever it raised is one line on standard error."""
    try:
        return _run(arguments)
    except SystemExit as end:  # --help and --version
        return int(end.code or 0)
    except KeyboardInterrupt:
        return complain("interrupted", 130)
    except Exception as error:
        if isinstance(sys.stdout, Output) and error is sys.stdout.refusal:
            return 1
        if debug:
            raise
        code = _exit_code(error)
        if code is not None:
            return complain("".join([str(error), *getattr(error, "__notes__", [])]), code)
        if short := short_of_memory(error):
            return complain(f"{short} (--debug shows where)", 1)
        where = error.__traceback__
        while where and where.tb_next:
            where = where.tb_next
        place = f" at {Path(where.tb_frame.f_code.co_filename).name}:{where.tb_lineno}" if where else ""
        return complain(f"{type(error).__name__}: {error}{place} (--debug shows the traceback)", 1)


def _exit_code(error: Exception) -> int | None:
    if isinstance(error, Usage | heads.UnknownRecipe):
        return USAGE
    # The classes are looked up, not imported: a command that needed neither engine nor data cannot have raised them.
    for module, name, code in (
        ("deepcanon.data", "DataError", USAGE),
        ("deepcanon.errors", "DeepcanonError", 0),
    ):
        known = getattr(sys.modules.get(module), name, None)
        if known and isinstance(error, known):
            return code or error.exit_code
    if isinstance(error, OSError) and error.filename:
        return 1
    return None


def _run(arguments: list[str]) -> int:
    parser = Parser(
        prog="deepcanon", description="The classic deep-learning systems, on your own data, with one command."
    )
    parser.add_argument("--version", action="version", version=f"deepcanon {deepcanon.__version__}")
    parser.add_argument("command", metavar="COMMAND", help=argparse.SUPPRESS)
    parser.usage = "deepcanon COMMAND [options]"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "commands:\n" + "\n".join(f"  {name:10} {doc}" for name, (doc, _) in COMMANDS.items())
    parser.epilog += "\n\n`deepcanon COMMAND --help` says more; --debug shows tracebacks."
    first = arguments[0] if arguments else "--help"
    if first.startswith("-"):
        parser.parse_all([first])
        return 0
    if first not in COMMANDS:
        near = difflib.get_close_matches(first, COMMANDS, 1, 0.5)
        parser.error(f"unknown command {first}{f', did you mean {near[0]}?' if near else ''}")
    doc, command = COMMANDS[first]
    parser = Parser(prog=f"deepcanon {first}", description=doc)
    try:
        return command(parser, arguments[1:]) or 0
    except ValueError as error:
        if first not in ("train", "data", "verify") and _exit_code(error) == USAGE:
            error.add_note(parser.of_training(str(error)))
        raise


def _completion(parser: Parser, arguments: list[str]) -> int:
    return completion.completion_command(parser, arguments, COMMANDS)


COMMANDS: dict[str, tuple[str, completion.Command]] = {
    "list": ("every recipe: name, subject, what it computes, what data it takes", catalogue.list_command),
    "show": ("a recipe's text, options, targets and measured results", catalogue.show_command),
    "train": ("train a recipe on a data set of the catalogue or on your own data", train.train_command),
    "resume": ("resume a run, or train it further", train.resume_command),
    "eval": ("metrics of a run", use.eval_command),
    "predict": ("one prediction per input", use.predict_command),
    "generate": ("samples from a generative model", use.generate_command),
    "encode": ("representations of inputs", use.encode_command),
    "play": ("let a trained agent play", use.play_command),
    "export": ("export the trained module for torch or ONNX", use.export_command),
    "report": ("one self-contained page of a run, or of several compared", use.report_command),
    "runs": ("the runs in a folder: list, compare, remove", runs.runs_command),
    "serve": ("the runs of a folder in a browser, live, and their models to try", serve.serve_command),
    "completion": ("tab completion for a shell", _completion),
    "verify": ("train the verify preset and compare with the published targets", verify.verify_command),
    "data": ("the catalogue: list, get, where; check your own data", data.data_command),
}
