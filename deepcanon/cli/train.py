"""Training: the options of a recipe on the command line, a new run, and resuming one."""

import math
from collections.abc import Callable
from typing import Any

from deepcanon import heads
from deepcanon.cli.arguments import (
    DIR_HELP,
    Parser,
    add_field,
    environment_option,
    import_environment,
    number,
    peek,
    settings_options,
)
from deepcanon.cli.output import printer
from deepcanon.cli.places import folder_of
from deepcanon.collecting import heavy_imports
from deepcanon.options import GROUPS
from deepcanon.targets import metric_of

__all__ = ["resume_command", "train_command"]


def train_command(parser: Parser, arguments: list[str]) -> int:
    if not arguments or arguments[0].startswith("-"):
        parser.add_argument(
            "name",
            metavar="NAME",
            help="of a recipe: " + ", ".join(s.replace("_", "-") for s in heads.stems()),
        )
        parser.usage = "deepcanon train NAME [options]; `deepcanon train NAME --help` lists the options of a recipe"
        parser.parse_all(arguments)
    head = heads.head(arguments[0])
    kind = peek(arguments, "--preset") or "default"
    options, run_settings = heads.preset(head, kind, peek(arguments, "--data"))
    parser.prog = f"deepcanon train {head.name}"
    parser.description = head.doc.split("\n")[0]
    parser.add_argument("--preset", metavar="P", default="default", help=", ".join(head.presets))
    parser.add_argument("--out", metavar="DIR", help="folder of the run (default: runs/NAME-1, -2, ...)")
    parser.add_argument("--config", metavar="FILE", help="the config.json of another run to start from")
    if "environment" in head.data:
        environment_option(parser)
    titles = {**GROUPS, "": f"options of {head.name}"}
    groups = {name: parser.add_argument_group(title) for name, title in titles.items()}
    for option in head.options:
        add_field(groups[option.group], option, options[option.name])
    group = parser.add_argument_group("run")
    for option in settings_options():
        add_field(group, option, run_settings.get(option.name, option.default))
    alone = f"{head.name} does not begin with the weights of another run: leave --init-from out"
    found = parser.parse_all(arguments[1:], {"--init-from": alone})
    if "environment" in head.data:
        import_environment(found)
    given = {k: v for k, v in vars(found).items() if v is not None}
    with heavy_imports():
        from deepcanon.resolving import resolve
        from deepcanon.verbs import train

        resolve(head.name)
    say = printer()
    chosen = {k: v for k, v in given.items() if k not in ("preset", "out", "config", "environment_module")}
    trained = train(
        head.name,
        preset=given["preset"],
        out=given.get("out"),
        config=given.get("config"),
        say=say,
        **chosen,
    )
    _conclude(trained, say)
    return 0


def _conclude(trained: Any, say: Callable[[str], None]) -> None:
    """The last lines: what came out, the page about it, and the next command."""
    from deepcanon.engine.instances import splits

    trained.say = say
    words = trained.recipe.conclusion()
    scored = set(splits(trained.recipe)) & {"test", "valid"}
    if not words and scored and trained.status()["state"] == "done":
        metrics = trained.evaluate()
        split = metrics.pop("split")
        # what is not finite is text
        said = {name: value for name, value in metrics.items() if isinstance(value, float | str)}
        units = trained.units
        values = ", ".join(f"{name} {float(value):.4g} {units.get(name, '')}".rstrip() for name, value in said.items())
        words = f"{split} (weights of step {trained.step}): {values}"
    report = trained.folder / "report.html"
    for line in (words, *_findings(trained), f"report: {report}" if report.exists() else "", _next_command(trained)):
        if line:
            say(line)


def _findings(trained: Any) -> list[str]:
    """Of a comparison that is done, the figures that are its own and no scores of its arms, with their meaning."""
    from deepcanon.engine import Experiment

    recipe = trained.recipe
    if not isinstance(recipe, Experiment) or trained.status()["state"] != "done" or not recipe.comparison.results:
        return []
    found = trained.evaluate("test")
    known, metrics = {"split", *recipe.comparison.verdict()}, heads.head(trained.name).metrics
    lines = []
    for name, value in found.items():
        if name not in known and not math.isnan(float(value)):  # of an interval that takes more results
            meaning = metric_of(metrics, name)
            lines.append(f"{name} {float(value):.4g}" + (f": {meaning.sentence}" if meaning else ""))
    return lines


def _next_command(trained: Any) -> str:
    from deepcanon.engine.contract import verbs_of

    inputs = {"generate": "", "play": "", "predict": " INPUT", "encode": " INPUT --to codes.npz"}
    there = verbs_of(type(trained.recipe))
    verb = next((verb for verb in inputs if verb in there), "eval")
    return f"next: deepcanon {verb} {trained.folder}{inputs.get(verb, '')}"


def resume_command(parser: Parser, arguments: list[str]) -> int:
    parser.add_argument("dir", metavar="DIR", help=DIR_HELP)
    parser.add_argument("--steps", type=number(int), metavar="N", help="train further, up to this many steps in total")
    parser.add_argument("--data", metavar="D", help="where the data are now, if they were moved")
    parser.add_argument(
        "--changed-data",
        action="store_true",
        help="continue although the data are not those that the run was trained on",
    )
    environment_option(parser)
    given = parser.parse_all(arguments)
    import_environment(given)
    with heavy_imports():
        from deepcanon.verbs import resume
    folder, say = folder_of(given.dir), printer()
    say(str(folder))
    trained = resume(folder, steps=given.steps, data=given.data, changed_data=given.changed_data, say=say)
    status = trained.status()
    if status["state"] == "done":
        reason = f" ({status['reason']})" if status["reason"] else ""
        say(f"done: step {status['step']} of {status['steps']}{reason}; `--steps N` trains further")
    _conclude(trained, say)
    return 0
