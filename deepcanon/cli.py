"""The command line. `list`, `show`, `--help` and `--version` answer without importing torch."""

import argparse
import contextlib
import difflib
import json
import os
import sys
from pathlib import Path
from typing import Any

import deepcanon
from deepcanon import heads
from deepcanon.arguments import SETTINGS, Parser, Usage, add_field, add_setting, number, peek, preset_says, shown

__all__ = ["main"]

DIR_HELP = "folder of the run; `last` is the newest in runs/"
USAGE = 2


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; returns its exit code: 0 done, 1 failure, 2 usage or input, 3 a check failed, 130/143 signals."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    arguments = [a for a in arguments if a != "--debug"]
    try:
        return _run(arguments)
    except SystemExit as end:  # --help and --version
        return int(end.code or 0)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except BrokenPipeError:  # the reader of our output (head, less) has enough
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            raise
        code = _exit_code(error)
        if code is not None:
            return _fail(str(error), code)
        where = error.__traceback__
        while where and where.tb_next:
            where = where.tb_next
        place = f" at {Path(where.tb_frame.f_code.co_filename).name}:{where.tb_lineno}" if where else ""
        return _fail(f"{type(error).__name__}: {error}{place} (--debug shows the traceback)", 1)


def _exit_code(error: Exception) -> int | None:
    if isinstance(error, Usage | heads.UnknownRecipe):
        return USAGE
    # The classes are looked up, not imported: a command that needed neither engine nor data cannot have raised them.
    for module, name, code in (
        ("deepcanon.data", "DataError", USAGE),
        ("deepcanon.engine.errors", "DeepcanonError", 0),
    ):
        known = getattr(sys.modules.get(module), name, None)
        if known and isinstance(error, known):
            return code or error.exit_code
    if isinstance(error, OSError) and error.filename:
        return 1
    return None


def _fail(message: str, code: int) -> int:
    print(f"deepcanon: {' '.join(message.split())}", file=sys.stderr)
    return code


def _run(arguments: list[str]) -> int:
    parser = Parser(
        prog="deepcanon", description="The classic deep-learning systems, on your own data, by one command."
    )
    parser.add_argument("--version", action="version", version=f"deepcanon {deepcanon.__version__}")
    parser.add_argument("command", metavar="COMMAND", help=argparse.SUPPRESS)
    parser.usage = "deepcanon COMMAND [options]"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "commands:\n" + "\n".join(f"  {name:9} {doc}" for name, (doc, _) in COMMANDS.items())
    parser.epilog += "\n\n`deepcanon COMMAND --help` says more; --debug shows tracebacks."
    first = arguments[0] if arguments else "--help"
    if first.startswith("-"):
        parser.parse_all([first])
        return 0
    if first not in COMMANDS:
        near = difflib.get_close_matches(first, COMMANDS, 1, 0.5)
        parser.error(f"unknown command {first}{f', did you mean {near[0]}?' if near else ''}")
    doc, command = COMMANDS[first]
    return command(Parser(prog=f"deepcanon {first}", description=doc), arguments[1:]) or 0


# Without torch


def _list(parser: Parser, arguments: list[str]) -> int:
    parser.add_argument("word", nargs="?", metavar="WORD", help="only recipes whose name, subject or text has it")
    _json_option(parser)
    given = parser.parse_all(arguments)
    rows = []
    for stem in heads.stems():
        recipe = heads.head(stem)
        row = {
            "name": recipe.name,
            "subject": recipe.subject,
            "summary": heads.summary(recipe),
            "data": list(recipe.data),
        }
        if not given.word or given.word.lower() in " ".join([*map(str, row.values())]).lower():
            rows.append(row)
    if given.json:
        return _print_json(rows)
    widths = [max((len(row[key]) for row in rows), default=0) for key in ("name", "subject")]
    for row in rows:
        kinds = ", ".join(row["data"])
        print(f"{row['name']:{widths[0]}}  {row['subject']:{widths[1]}}  {row['summary']}  [{kinds}]")
    if not rows:
        print(f"no recipe has {given.word!r}", file=sys.stderr)
    return 0


def _show(parser: Parser, arguments: list[str]) -> int:
    parser.add_argument("name", metavar="NAME", help="of a recipe")
    parser.add_argument("--source", action="store_true", help="print the system file itself")
    given = parser.parse_all(arguments)
    recipe = heads.head(given.name)
    if given.source:
        print(heads.system_path(recipe).read_text(encoding="utf-8"), end="")
        return 0
    print(f"{recipe.name} ({recipe.subject}): {recipe.doc}\n\noptions:")
    for option in recipe.options:
        print(f"  --{option.name.replace('_', '-')} {shown(option.default)}\n      {option.help}")
    print("\ntargets:")
    results = _results(recipe.stem)
    for target in recipe.targets:
        run = " - ".join(name for name in (target["run"], target.get("minus")) if name)
        rows = results.get("targets", [])
        measured = next((r for r in rows if (r["run"], r["metric"]) == (run, target["metric"])), None)
        seen = "not measured yet"
        if measured:
            seen = f"measured {measured['value']:.6g} ({'reached' if measured['passed'] else 'missed'})"
        tolerance = f" +- {target['tolerance']}" if "tolerance" in target else ""
        print(f"  {run}: {target['metric']} {target['relation']} {target['value']}{tolerance}; {seen}")
    return 0


def _results(stem: str) -> dict[str, Any]:
    package = Path(deepcanon.__file__).parent
    for path in (package.parent / "docs" / "results" / f"{stem}.json", package / "results" / f"{stem}.json"):
        with contextlib.suppress(OSError, ValueError):
            return json.loads(path.read_text(encoding="utf-8")).get("verify", {})
    return {}


# Training


def _train(parser: Parser, arguments: list[str]) -> int:
    if not arguments or arguments[0].startswith("-"):
        parser.add_argument(
            "name",
            metavar="NAME",
            help="of a recipe: " + ", ".join(s.replace("_", "-") for s in heads.stems()),
        )
        parser.usage = "deepcanon train NAME [options]; `deepcanon train NAME --help` lists the options of a recipe"
        parser.parse_all(arguments)
    recipe = heads.head(arguments[0])
    kind = peek(arguments, "--preset") or "default"
    options, run_settings = heads.preset(recipe, kind)
    parser.prog = f"deepcanon train {recipe.name}"
    parser.description = recipe.doc.split("\n")[0]
    known = ", ".join(k for k in recipe.presets if k != "verify")
    runs = ", ".join(f"verify:{run}" for run in recipe.presets["verify"]())
    parser.add_argument("--preset", metavar="P", default="default", help=f"{known}, {runs}")
    parser.add_argument("--out", metavar="DIR", help="folder of the run (default: runs/NAME-1, -2, ...)")
    parser.add_argument("--config", metavar="FILE", help="the config.json of another run to begin with")
    group = parser.add_argument_group("run")
    for name, (kind_of, metavar, text) in SETTINGS.items():
        add_setting(group, name, kind_of, metavar, preset_says(text, run_settings.get(name)))
    group = parser.add_argument_group(f"options of {recipe.name}")
    for option in recipe.options:
        add_field(group, option, options[option.name])
    given = {k: v for k, v in vars(parser.parse_all(arguments[1:])).items() if v is not None}
    from deepcanon.run import train

    say = _say()
    chosen = {k: v for k, v in given.items() if k not in ("preset", "out", "config")}
    trained = train(
        recipe.name,
        preset=given["preset"],
        out=given.get("out"),
        config=given.get("config"),
        say=say,
        **chosen,
    )
    say(_next_command(trained))
    return 0


def _next_command(trained: Any) -> str:
    for verb, more in (
        ("generate", ""),
        ("play", ""),
        ("predict", " INPUT"),
        ("encode", " INPUT --to codes.npz"),
    ):
        if hasattr(trained.recipe, verb):
            return f"next: deepcanon {verb} {trained.folder}{more}"
    return f"next: deepcanon eval {trained.folder}"


def _say() -> Any:
    """Prints lines on stdout in the first process only."""
    return (lambda line: print(line, flush=True)) if os.environ.get("RANK", "0") == "0" else (lambda line: None)


def _resume(parser: Parser, arguments: list[str]) -> int:
    parser.add_argument("dir", metavar="DIR", help=DIR_HELP)
    parser.add_argument("--steps", type=number(int), metavar="N", help="go further, to so many steps in all")
    given = parser.parse_all(arguments)
    from deepcanon.run import load, resume

    folder, say = _folder(given.dir), _say()
    say(str(folder))
    status = resume(folder, steps=given.steps, say=say)
    if status["state"] == "done":
        reason = f" ({status['reason']})" if status["reason"] else ""
        say(f"done: step {status['step']} of {status['steps']}{reason}; `--steps N` goes further")
    say(_next_command(load(folder)))
    return 0


# Using a run


def _eval(parser: Parser, arguments: list[str]) -> int:
    _run_options(parser)
    parser.add_argument("--data", metavar="D", help="evaluate on other data than the run's")
    parser.add_argument("--split", metavar="S", help="train, valid or test (default: test, else valid)")
    _json_option(parser)
    given = parser.parse_all(arguments)
    trained = _load(given, given.data)
    values = trained.evaluate(given.split)
    split = values.pop("split")
    content = {
        "name": trained.name,
        "run": str(trained.folder),
        "data": trained.data,
        "split": split,
        "step": trained.step,
        "metrics": values,
    }
    if given.json:
        return _print_json(content)
    print(f"{trained.name} at step {trained.step} on {trained.data or 'a task of its own'} ({split})")
    for name, value in values.items():
        print(f"  {name:16} {value:.6g}" if isinstance(value, float) else f"  {name:16} {value}")
    return 0


def _predict(parser: Parser, arguments: list[str]) -> int:
    _run_options(parser)
    parser.add_argument("input", metavar="INPUT", nargs="+", help="files, folders, or - for standard input")
    _json_option(parser)
    given = parser.parse_all(arguments)
    trained = _load(given)
    trained.can("predict")
    records = trained.predict(given.input)
    if given.json:
        return _print_json(records)
    for record in records:
        chances = sorted(record.get("probabilities", {}).items(), key=lambda item: -item[1])[:3]
        words = ", ".join(f"{name} {chance:.3f}" for name, chance in chances)
        print(f"{record['input']}: {record.get('label', record.get('value'))}{f'  ({words})' if words else ''}")
    return 0


def _generate(parser: Parser, arguments: list[str]) -> int:
    _run_options(parser)
    parser.add_argument("--prompt", metavar="T", default="", help="text to go on from")
    parser.add_argument("--count", type=number(int), metavar="N", default=1, help="samples")
    parser.add_argument(
        "--temperature", type=number(float), metavar="T", default=1.0, help="1 as trained, less is safer"
    )
    parser.add_argument("--beam", type=number(int), metavar="K", default=0, help="beam search of that width; 0 samples")
    parser.add_argument("--length", type=number(int), metavar="N", help="symbols of a text sample")
    parser.add_argument("--top-k", type=number(int), metavar="K", help="only the K likeliest symbols")
    parser.add_argument(
        "--top-p", type=number(float), metavar="P", help="only the likeliest symbols of that total mass"
    )
    parser.add_argument("--seed", type=number(int), metavar="N", default=0, help="of the samples")
    parser.add_argument("--to", metavar="FILE.png", help="where pictures go (default: into the run's samples/)")
    _json_option(parser)
    given = parser.parse_all(arguments)
    for name, low in (
        ("count", 1),
        ("temperature", 0.0),
        ("beam", 0),
        ("length", 1),
        ("top_k", 1),
        ("top_p", 0.0),
    ):
        value = getattr(given, name)
        if value is not None and value < low:
            parser.error(f"--{name.replace('_', '-')} {value}: at least {low}")
    trained = _load(given)
    trained.can("generate")
    import inspect

    options = {k: getattr(given, k) for k in ("length", "top_k", "top_p") if getattr(given, k) is not None}
    taken = inspect.signature(trained.recipe.generate).parameters
    for name in options:
        if name not in taken:
            parser.error(f"{trained.name} has no option --{name.replace('_', '-')}")
    samples = trained.generate(given.prompt, given.count, given.temperature, given.beam, given.seed, **options)
    if not isinstance(samples, list):
        from deepcanon.engine.pictures import tiles

        to = _place(given.to) if given.to else trained.folder / "samples" / f"generated-{given.seed}.png"
        tiles(samples).save(to)
        samples = [{"file": str(to), "count": len(samples)}]
    if given.json:
        return _print_json(samples)
    for sample in samples:
        print(sample.get("text", sample.get("file")))
    return 0


def _encode(parser: Parser, arguments: list[str]) -> int:
    _run_options(parser)
    parser.add_argument("input", metavar="INPUT", nargs="+", help="files, folders, or - for standard input")
    parser.add_argument(
        "--to", metavar="FILE.npz", required=True, help="arrays `codes` [N, K] and `inputs` (their names)"
    )
    given = parser.parse_all(arguments)
    to = _place(given.to)
    trained = _load(given)
    trained.can("encode")
    names, values = trained._inputs(given.input)
    import numpy as np
    import torch

    with torch.no_grad():
        # Not trained.encode: texts already read would be taken for paths.
        codes = trained.recipe.encode(values)

    temporary = to.with_name(f".tmp-{to.name}")
    try:
        with open(temporary, "wb") as file:
            np.savez(file, codes=codes.float().cpu().numpy(), inputs=np.array(names))
        os.replace(temporary, to)
    finally:
        temporary.unlink(missing_ok=True)
    print(f"{given.to}: {codes.shape[0]} codes of {codes.shape[1]} numbers")
    return 0


def _play(parser: Parser, arguments: list[str]) -> int:
    _run_options(parser)
    parser.add_argument("--episodes", type=number(int), metavar="N", default=5, help="how many")
    parser.add_argument("--seed", type=number(int), metavar="N", default=0, help="of the episodes")
    parser.add_argument("--to", metavar="FILE.gif", help="draw the first episode")
    _json_option(parser)
    given = parser.parse_all(arguments)
    trained = _load(given)
    trained.can("play")
    records = trained.play(given.episodes, given.seed, **({"gif": _place(given.to)} if given.to else {}))
    if given.json:
        return _print_json(records)
    for i, record in enumerate(records):
        print(f"episode {i}: return {record['return']:g} in {record['length']} steps")
    print(f"mean return {sum(r['return'] for r in records) / len(records):.4g}")
    return 0


def _export(parser: Parser, arguments: list[str]) -> int:
    _run_options(parser)
    parser.add_argument("--format", choices=("torch", "onnx"), default="torch", help="torch.export program, or ONNX")
    parser.add_argument(
        "--to", metavar="FILE", required=True, help="the file; a JSON beside it says what goes in and out"
    )
    given = parser.parse_all(arguments)
    trained = _load(given)
    trained.can("export")
    for path in trained.export(given.format, given.to):
        print(path)
    return 0


def _report(parser: Parser, arguments: list[str]) -> int:
    parser.add_argument("dir", metavar="DIR", nargs="+", help=f"{DIR_HELP}; several are compared")
    parser.add_argument("--to", metavar="FILE.html", help="(default: DIR/report.html, or report.html for several)")
    given = parser.parse_all(arguments)
    folders = [_folder(name) for name in given.dir]
    from deepcanon.engine.report import write_report
    from deepcanon.engine.settings import read_config

    for folder in folders:
        read_config(folder)
    to = _place(given.to) if given.to else folders[0] / "report.html" if len(folders) == 1 else Path("report.html")
    print(write_report(folders, to))
    return 0


def _verify(parser: Parser, arguments: list[str]) -> int:
    parser.add_argument("name", metavar="NAME", nargs="+", help="of recipes")
    parser.add_argument(
        "--seeds", type=number(int), metavar="N", help="how many (default: 3; 1 where each run trains several itself)"
    )
    parser.add_argument("--seed", type=number(int), metavar="FIRST", default=0, help="the first")
    parser.add_argument("--run", metavar="RUN", help="only one of the runs (default: all)")
    parser.add_argument("--quick", action="store_true", help="one seed: not a verdict, never recorded")
    parser.add_argument("--record", action="store_true", help="write docs/results (in a source checkout)")
    parser.add_argument("--out", metavar="DIR", default="runs/verify", help="where the runs go")
    parser.add_argument("--threads", type=number(int), metavar="N", default=1, help="CPU threads")
    _json_option(parser)
    given = parser.parse_all(arguments)
    if given.quick and given.record:
        parser.error("--quick is never recorded")
    if given.seeds is not None and given.seeds < 1:
        parser.error(f"--seeds {given.seeds}: at least 1")
    recipes = [heads.head(name) for name in given.name]
    from deepcanon import verify

    def tell(line: str) -> None:
        print(line, file=sys.stderr if given.json else sys.stdout, flush=True)

    results = []
    for recipe in recipes:
        count = 1 if given.quick else given.seeds or verify.usual_seeds(recipe.name)
        minutes = verify.expected_minutes(recipe, count, given.run)
        tell(f"{recipe.name}: about {minutes:.0f} minutes" if minutes is not None else f"{recipe.name}: no record yet")
    for recipe in recipes:
        result = verify.verify(
            recipe.name,
            given.seeds or verify.usual_seeds(recipe.name),
            given.seed,
            given.quick,
            given.run,
            Path(given.out),
            tell,
            threads=given.threads,
        )
        results.append(result)
        for row in result["targets"]:
            mark = "ok    " if row["passed"] else "MISSED"
            limit = f"{row['relation']} {row['target']}" + (f" +- {row['tolerance']}" if "tolerance" in row else "")
            found = f"{row['run']}: {row['metric']} {row['value']:.6g} {limit}"
            tell(f"  {mark} {found} ({row['statistic']}; {row['source']})")
        tell(f"{recipe.name}: {result['verdict']}, {len(result['seeds'])} seed(s), {result['seconds']} s")
        if given.record:
            tell(str(verify.record(result)))
    if given.json:
        _print_json(results)
    return 0 if all(row["passed"] for result in results for row in result["targets"]) else 3


# Data


def _data(parser: Parser, arguments: list[str]) -> int:
    parser.usage = "deepcanon data [list | get NAME | where NAME | check RECIPE PATH] [--json]"
    parser.add_argument(
        "what", nargs="?", default="list", choices=("list", "get", "where", "check"), help="(default: list)"
    )
    parser.add_argument("words", nargs="*", metavar="NAME", help="of a data set; for check a recipe and a path")
    _json_option(parser)
    given, rest = parser.parse_known_args(arguments)
    wanted = {"list": 0, "get": 1, "where": 1, "check": 2}[given.what]
    if len(given.words) != wanted:
        parser.error(f"data {given.what} takes {wanted} name{'s' if wanted != 1 else ''}, not {len(given.words)}")
    if given.what == "check":
        return _check(parser, given.words, rest, given.json)
    if rest:
        parser.error(f"unknown argument {rest[0]}")
    from deepcanon.data import catalogue

    if given.what == "list":
        rows = [catalogue.entry(name) for name in catalogue.names()]
        if given.json:
            return _print_json(
                [{"name": e.name, "kind": e.kind, "summary": e.summary, "licence": e.licence} for e in rows]
            )
        for e in rows:
            print(f"{e.name:20} {e.kind:12} {e.summary} ({e.licence})")
        return 0
    if given.what == "get":
        paths = catalogue.get(given.words[0])
        where = {name: str(path) for name, path in paths.items()}
    else:
        found = catalogue.where(given.words[0])
        where = {file.name: str(path) if path else "" for file, path in found.items()}
    if given.json:
        return _print_json(where)
    for name, path in where.items():
        print(f"{name}: {path or 'not here; `deepcanon data get ' + given.words[0] + '` fetches it'}")
    if not where:
        print(f"{given.words[0]} needs no file")
    return 0


def _check(parser: Parser, words: list[str], rest: list[str], as_json: bool) -> int:
    recipe = heads.head(words[0])
    options, _ = heads.preset(recipe, "default")
    sub = Parser(prog=parser.prog + " check")
    for option in recipe.options:
        add_field(sub, option, options[option.name])
    options.update({k: v for k, v in vars(sub.parse_all(rest)).items() if v is not None})
    from deepcanon.data import check

    report = check(recipe.data, words[1], options)
    if as_json:
        _print_json(report.as_json())
    else:
        print("\n".join(report.lines()))
    return USAGE if report.problems else 0


# Pieces


def _json_option(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON value on stdout, nothing else")


def _run_options(parser: Parser) -> None:
    parser.add_argument("dir", metavar="DIR", help=DIR_HELP)
    parser.add_argument("--checkpoint", choices=("auto", "best", "last"), default="auto", help="auto: best, else last")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto", help="where to compute")


def _folder(name: str) -> Path:
    from deepcanon.run import last_folder

    return last_folder() if name == "last" and not Path("last").exists() else Path(name)


def _place(name: str) -> Path:
    """Where a file is to be written; its folder must be there before anything is computed."""
    path = Path(name)
    if not path.parent.is_dir():
        raise Usage(f"cannot write {path}: the folder {path.parent} does not exist")
    return path


def _load(given: argparse.Namespace, data: str | None = None) -> Any:
    from deepcanon.run import load

    return load(_folder(given.dir), given.checkpoint, given.device, data)


def _print_json(value: Any) -> int:
    print(json.dumps(value, indent=1, ensure_ascii=False))
    return 0


COMMANDS = {
    "list": ("every recipe: name, subject, what it computes, what data it takes", _list),
    "show": ("a recipe's text, options, targets and measured results", _show),
    "train": ("train a recipe on a data set of the catalogue or on your own data", _train),
    "resume": ("go on with a run, or go further", _resume),
    "eval": ("metrics of a run", _eval),
    "predict": ("one answer per input", _predict),
    "generate": ("samples of a generative model", _generate),
    "encode": ("representations of inputs", _encode),
    "play": ("let a trained agent play", _play),
    "export": ("take the trained module out, for torch or ONNX", _export),
    "report": ("one self-contained page of a run, or of several compared", _report),
    "verify": ("train the verify preset and compare with the published targets", _verify),
    "data": ("the catalogue: list, get, where; check your own data", _data),
}
