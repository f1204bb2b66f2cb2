"""Using a run: measuring it, asking it, drawing from it, playing, taking its module out, its page."""

import os
from pathlib import Path

from deepcanon.cli.arguments import DIR_HELP, Parser, json_option, number, run_options
from deepcanon.cli.output import print_json
from deepcanon.cli.places import folder_of, load_run, place_of

__all__ = [
    "encode_command",
    "eval_command",
    "export_command",
    "generate_command",
    "play_command",
    "predict_command",
    "report_command",
]


def eval_command(parser: Parser, arguments: list[str]) -> int:
    run_options(parser)
    parser.add_argument("--data", metavar="D", help="evaluate on other data than the run's")
    parser.add_argument("--split", metavar="S", help="train, valid or test (default: test, else valid)")
    json_option(parser)
    given = parser.parse_all(arguments)
    trained = load_run(given, given.data)
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
        return print_json(content)
    print(f"{trained.name} at step {trained.step} on {trained.data or 'a task of its own'} ({split})")
    for name, value in values.items():
        print(f"  {name:16} {value:.6g}" if isinstance(value, float) else f"  {name:16} {value}")
    return 0


def predict_command(parser: Parser, arguments: list[str]) -> int:
    run_options(parser)
    parser.add_argument("input", metavar="INPUT", nargs="+", help="files, folders, or - for standard input")
    json_option(parser)
    given = parser.parse_all(arguments)
    trained = load_run(given)
    trained.can("predict")
    records = trained.predict(given.input)
    if given.json:
        return print_json(records)
    for record in records:
        chances = sorted(record.get("probabilities", {}).items(), key=lambda item: -item[1])[:3]
        words = ", ".join(f"{name} {chance:.3f}" for name, chance in chances)
        print(f"{record['input']}: {record.get('label', record.get('value'))}{f'  ({words})' if words else ''}")
    return 0


def generate_command(parser: Parser, arguments: list[str]) -> int:
    run_options(parser)
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
    json_option(parser)
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
    trained = load_run(given)
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

        to = place_of(given.to) if given.to else trained.folder / "samples" / f"generated-{given.seed}.png"
        tiles(samples).save(to)
        samples = [{"file": str(to), "count": len(samples)}]
    if given.json:
        return print_json(samples)
    for sample in samples:
        print(sample.get("text", sample.get("file")))
    return 0


def encode_command(parser: Parser, arguments: list[str]) -> int:
    run_options(parser)
    parser.add_argument("input", metavar="INPUT", nargs="+", help="files, folders, or - for standard input")
    parser.add_argument(
        "--to", metavar="FILE.npz", required=True, help="arrays `codes` [N, K] and `inputs` (their names)"
    )
    given = parser.parse_all(arguments)
    to = place_of(given.to)
    trained = load_run(given)
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


def play_command(parser: Parser, arguments: list[str]) -> int:
    run_options(parser)
    parser.add_argument("--episodes", type=number(int), metavar="N", default=5, help="how many")
    parser.add_argument("--seed", type=number(int), metavar="N", default=0, help="of the episodes")
    parser.add_argument("--to", metavar="FILE.gif", help="draw the first episode")
    json_option(parser)
    given = parser.parse_all(arguments)
    trained = load_run(given)
    trained.can("play")
    records = trained.play(given.episodes, given.seed, **({"gif": place_of(given.to)} if given.to else {}))
    if given.json:
        return print_json(records)
    for i, record in enumerate(records):
        print(f"episode {i}: return {record['return']:g} in {record['length']} steps")
    print(f"mean return {sum(r['return'] for r in records) / len(records):.4g}")
    return 0


def export_command(parser: Parser, arguments: list[str]) -> int:
    run_options(parser)
    parser.add_argument("--format", choices=("torch", "onnx"), default="torch", help="torch.export program, or ONNX")
    parser.add_argument(
        "--to", metavar="FILE", required=True, help="the file; a JSON beside it says what goes in and out"
    )
    given = parser.parse_all(arguments)
    trained = load_run(given)
    trained.can("export")
    for path in trained.export(given.format, given.to):
        print(path)
    return 0


def report_command(parser: Parser, arguments: list[str]) -> int:
    parser.add_argument("dir", metavar="DIR", nargs="+", help=f"{DIR_HELP}; several are compared")
    parser.add_argument("--to", metavar="FILE.html", help="(default: DIR/report.html, or report.html for several)")
    given = parser.parse_all(arguments)
    folders = [folder_of(name) for name in given.dir]
    from deepcanon.engine.report import write_report
    from deepcanon.engine.settings import read_config

    for folder in folders:
        read_config(folder)
    to = place_of(given.to) if given.to else folders[0] / "report.html" if len(folders) == 1 else Path("report.html")
    print(write_report(folders, to))
    return 0
