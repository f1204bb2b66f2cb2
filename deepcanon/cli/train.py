"""Training: the options of a recipe on the command line, a new run, and going on with one."""

from typing import Any

from deepcanon import heads
from deepcanon.cli.arguments import DIR_HELP, SETTINGS, Parser, add_field, add_setting, number, peek, preset_says
from deepcanon.cli.output import printer
from deepcanon.cli.places import folder_of

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

    say = printer()
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


def resume_command(parser: Parser, arguments: list[str]) -> int:
    parser.add_argument("dir", metavar="DIR", help=DIR_HELP)
    parser.add_argument("--steps", type=number(int), metavar="N", help="go further, to so many steps in all")
    given = parser.parse_all(arguments)
    from deepcanon.run import load, resume

    folder, say = folder_of(given.dir), printer()
    say(str(folder))
    status = resume(folder, steps=given.steps, say=say)
    if status["state"] == "done":
        reason = f" ({status['reason']})" if status["reason"] else ""
        say(f"done: step {status['step']} of {status['steps']}{reason}; `--steps N` goes further")
    say(_next_command(load(folder)))
    return 0
