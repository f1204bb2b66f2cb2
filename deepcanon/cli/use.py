"""Using a run: eval, predict, encode, generate, play, export, report."""

import csv
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from deepcanon import verb_options
from deepcanon.cli import answers, deciding
from deepcanon.cli.arguments import DIR_HELP, Parser, add_field, json_option, number, run_options
from deepcanon.cli.output import USAGE, print_json
from deepcanon.cli.places import folder_of, load_run, place_of
from deepcanon.cli.samples import write_alignments, write_samples
from deepcanon.cli.surprise import shown
from deepcanon.data import DataError, read_inputs
from deepcanon.data.errors import one_line
from deepcanon.heads import fields_of
from deepcanon.verb_options import TextSampling
from deepcanon.writing import replacing

__all__ = [
    "encode_command",
    "eval_command",
    "export_command",
    "generate_command",
    "play_command",
    "predict_command",
    "report_command",
]


BOX = ("label", "score", "x", "y", "width", "height")


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
    if units := {name: unit for name, unit in trained.units.items() if name in values}:
        content["units"] = units
    if given.json:
        return print_json(content)
    print(f"{trained.name} at step {trained.step} on {trained.data or 'no data'} ({split})")
    for name, value in values.items():
        said = f"{value:<10.6g}" if isinstance(value, float) else str(value)
        print(f"  {name:18} {said} {units.get(name, '')}".rstrip())
    return 0


def predict_command(parser: Parser, arguments: list[str]) -> int:
    run_options(parser)
    parser.add_argument("input", metavar="INPUT", nargs="+", help="files, folders, or - for standard input")
    parser.add_argument(
        "--to", metavar="FILE.csv", help="write the predictions as a table, after the cells of the input rows"
    )
    parser.add_argument("--draw", metavar="FOLDER", help="draw found boxes on the pictures, into this folder")
    parser.add_argument(
        "--threshold", type=number(float), metavar="P", help="of two classes: the second one from this probability on"
    )
    parser.add_argument(
        "--top", type=number(int), metavar="K", help="show the K likeliest classes (default: 3; in JSON all)"
    )
    parser.add_argument(
        "--tokens", action="store_true",
        help="language models: the probability of each token; on a terminal the text, coloured by surprise",
    )  # fmt: skip
    json_option(parser)
    given = parser.parse_all(arguments)
    if given.top is not None and given.top < 1:
        parser.error(f"argument --top: {given.top} is not 1 or more")
    unused = [name for name in ("draw", "threshold", "top") if getattr(given, name) is not None]
    if given.tokens and unused:
        parser.error(f"--tokens tells probabilities of tokens: leave --{unused[0]} out")
    to = place_of(given.to) if given.to else None
    trained = load_run(given)
    found = trained.read(given.input)
    if given.tokens:
        return _tell_tokens(trained, found, to, given.json)
    records = trained.answer(found, given.threshold)
    if given.top and not any("probabilities" in record or "error" in record for record in records):
        parser.error("argument --top: the answers of this run are not classes: leave it out")
    if to:
        _write_answers(to, records, found.rows)
    if given.draw:
        drawn = trained.draw(found, records, given.draw)
        print(f"deepcanon: {len(drawn)} pictures with boxes in {given.draw}", file=sys.stderr)
    for record in records if given.top or not given.json else []:
        if "probabilities" in record:
            likeliest = sorted(record["probabilities"].items(), key=lambda item: -item[1])
            record["probabilities"] = dict(likeliest[: given.top or 3])
    if given.json:
        print_json(records)
    for record in [] if given.json else records:
        if "error" in record:
            of_training = parser.of_training(record["error"])
            print(f"deepcanon: {one_line(record['input'])}: {record['error']}{of_training}", file=sys.stderr)
            continue
        print(answers.line_of(record))
        if "words" in record:
            print(f"  {deciding.told(record['words'])}")
    return USAGE if found.refused else 0


def _tell_tokens(trained: Any, found: Any, to: Path | None, as_json: bool) -> int:
    """Writes and prints the probability of each token of texts."""
    records = trained.surprises(found)
    _tell_notes(found)
    if to:
        tokens = [{"input": record["input"], **token} for record in records for token in record["tokens"]]
        _write_answers(to, tokens, [])
    if as_json:
        return print_json(records)
    apart = " " if trained.recipe.vocabulary.unit == "words" else ""
    for record in records:
        for line in shown(record, apart):
            print(line)
    return 0


def _tell_notes(found: Any) -> None:
    """What was understood of inputs, where the answers have no place for it."""
    for place, note in found.notes.items():
        print(f"deepcanon: {found.names[place]}: {note}", file=sys.stderr)


def _write_answers(to: Path, records: list[dict[str, Any]], rows: list[dict[str, str]]) -> None:
    """A CSV file with one line for each answer: the cells of the row, if it came from a table, then what was found.

    Of boxes there is a line for each; a picture in which none was found has one with empty cells.
    """
    lines: list[dict[str, Any]] = []
    for place, record in enumerate(records):
        if "boxes" in record:
            rest = {key: value for key, value in record.items() if key != "boxes"}
            lines += [{"input": record["input"], **box, **rest} for box in record["boxes"] or [dict.fromkeys(BOX, "")]]
            continue
        cells = rows[place] if place < len(rows) else {}
        answer = {key: value for key, value in record.items() if key not in ("probabilities", "words")}
        if "words" in record:
            answer["decided by"] = deciding.named(record["words"])
        answer |= {f"p({name})": chance for name, chance in record.get("probabilities", {}).items()}
        line: dict[str, Any] = dict(cells)
        for name, value in answer.items():
            while name in line:  # a column of the input, which may come from another prediction
                name = f"predicted {name}"
            line[name] = value
        lines.append(line)
    names = list(dict.fromkeys(name for line in lines for name in line))
    with replacing(to) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(lines)


def generate_command(parser: Parser, arguments: list[str]) -> int:
    run_options(parser)
    asked = fields_of(TextSampling, Path(verb_options.__file__))  # the fullest: what a system does not have is refused
    for option in asked:
        add_field(parser, option, option.default)
    parser.add_argument(
        "--prompts", metavar="FILE", help="a text file with one prompt a line; blank lines are left out"
    )
    parser.add_argument(
        "--stream", action="store_true", help="show a text as it is drawn, as on a terminal, also in a file or a pipe"
    )
    parser.add_argument("--seed", type=number(int), metavar="N", default=0, help="seed of the samples")
    parser.add_argument(
        "--to",
        metavar="FILE",
        help="where pictures (.png), sounds (.wav) or forecasts (.csv) go (default: into the run's samples/)",
    )
    json_option(parser)
    given = parser.parse_all(arguments)
    to = place_of(given.to) if given.to else None
    if given.stream and given.json:
        parser.error("--json is one value at the end: leave --stream out")
    trained = load_run(given)
    wanted = {o.name: value for o in asked if (value := getattr(given, o.name)) is not None}
    if given.stream or (sys.stdout.isatty() and not given.json and _is_one_text(trained, wanted)):
        wanted["tell"] = _tell
    if given.prompts is not None:
        if "prompt" in wanted:
            parser.error("give --prompt or --prompts, not both")
        samples = _continued(trained, given.prompts, {"seed": given.seed, **wanted})
    else:
        samples = _one(trained, {"seed": given.seed, **wanted})
    if "tell" in wanted:
        return 0
    if not isinstance(samples, list):
        samples = write_samples(samples, trained, given.seed, to)
    elif drawn := write_alignments(samples, trained, given.seed, to):
        print(f"deepcanon: which words were looked at is drawn in {drawn}", file=sys.stderr)
    if given.json:
        return print_json(samples)
    for sample in samples:
        print(sample.get("text", sample.get("file")))
        for strange in answers.strangers(sample):
            print(f"deepcanon: {strange}", file=sys.stderr)
        if sample.get("copied"):
            print(f"deepcanon: copied words in brackets: {sample['marked']}", file=sys.stderr)
    return 0


def _is_one_text(trained: Any, wanted: dict[str, Any]) -> bool:
    """Whether what is asked of a run is one text that is drawn, token by token."""
    from deepcanon.engine.language import Speaks

    several = wanted.get("count", 1) > 1 or wanted.get("beam") or wanted.get("rank")
    return isinstance(trained.recipe, Speaks) and not several


def _tell(piece: str) -> None:
    print(piece, end="", flush=True)


def _one(trained: Any, wanted: dict[str, Any]) -> Any:
    """What a run generates; a text that was told as it came is ended as a line."""
    samples = trained.generate(**wanted)
    if "tell" in wanted:
        print()
    return samples


def _continued(trained: Any, prompts: str, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    """Samples for each prompt of a file; what is wrong with one is told with its line."""
    found, samples = read_inputs("text", {}, [prompts]), []
    _tell_notes(found)
    for name, prompt in zip(found.names, found.values, strict=True):
        try:
            samples += [{"prompt": prompt, **sample} for sample in _one(trained, {**wanted, "prompt": prompt})]
        except DataError as error:
            raise DataError(replace(problem, file=name) for problem in error.problems) from None
    return samples


def encode_command(parser: Parser, arguments: list[str]) -> int:
    run_options(parser)
    parser.add_argument("input", metavar="INPUT", nargs="+", help="files, folders, or - for standard input")
    parser.add_argument(
        "--to", metavar="FILE.npz", required=True, help="arrays `codes` [N, K] and `inputs` (their names)"
    )
    given = parser.parse_all(arguments)
    to = place_of(given.to)
    trained = load_run(given)
    import numpy as np

    found = trained.read(given.input)
    codes = trained.codes(found)
    _tell_notes(found)
    for problem in found.refused:
        print(f"deepcanon: {problem}{parser.of_training(str(problem))}", file=sys.stderr)
    with replacing(to) as temporary, open(temporary, "wb") as file:
        np.savez(file, codes=codes.float().cpu().numpy(), inputs=np.array(found.names))
    print(f"{given.to}: {codes.shape[0]} codes of {codes.shape[1]} numbers")
    return USAGE if found.refused else 0


def play_command(parser: Parser, arguments: list[str]) -> int:
    run_options(parser)
    parser.add_argument("--episodes", type=number(int), metavar="N", default=5, help="how many (default: 5)")
    parser.add_argument("--seed", type=number(int), metavar="N", default=0, help="seed of the episodes (default: 0)")
    parser.add_argument("--to", metavar="FILE.gif", help="a film of the first episode")
    json_option(parser)
    given = parser.parse_all(arguments)
    to = place_of(given.to) if given.to else ""
    records = load_run(given).play(episodes=given.episodes, seed=given.seed, to=to)
    if given.json:
        return print_json(records)
    for i, record in enumerate(records):
        print(f"episode {i}: return {record['return']:g} in {record['length']} steps")
    print(f"mean return {sum(r['return'] for r in records) / len(records):.4g}")
    return 0


def export_command(parser: Parser, arguments: list[str]) -> int:
    run_options(parser)
    parser.add_argument(
        "--format",
        choices=("torch", "onnx", "arpa"),
        default="",
        help="torch.export program, ONNX, or ARPA file of n-grams (default: the first that the recipe offers)",
    )
    parser.add_argument(
        "--to",
        metavar="FILE",
        required=True,
        help="the file to write; a JSON file next to it describes inputs and outputs",
    )
    given = parser.parse_all(arguments)
    to = place_of(given.to)
    for path in load_run(given).export(given.format, to):
        print(path)
    return 0


def report_command(parser: Parser, arguments: list[str]) -> int:
    parser.add_argument("dir", metavar="DIR", nargs="+", help=f"{DIR_HELP}; several are compared")
    parser.add_argument("--to", metavar="FILE.html", help="(default: DIR/report.html, or report.html for several)")
    given = parser.parse_all(arguments)
    folders = [folder_of(name) for name in given.dir]
    from deepcanon.engine.report import write_report
    from deepcanon.settings import read_config

    for folder in folders:
        read_config(folder)
    to = place_of(given.to) if given.to else folders[0] / "report.html" if len(folders) == 1 else Path("report.html")
    print(write_report(folders, to))
    return 0
