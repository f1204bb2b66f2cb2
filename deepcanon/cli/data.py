"""The catalogue of public data, and what a recipe's reader makes of your own."""

from pathlib import Path

from deepcanon import heads
from deepcanon.cli.arguments import Parser, add_field, json_option
from deepcanon.cli.output import USAGE, fold, print_json
from deepcanon.settings import build_config

__all__ = ["data_command"]


def data_command(parser: Parser, arguments: list[str]) -> int:
    parser.usage = "deepcanon data [list | get NAME | where NAME | check [RECIPE] PATH] [--json]"
    parser.add_argument(
        "what", nargs="?", default="list", choices=("list", "get", "where", "check"), help="(default: list)"
    )
    parser.add_argument(
        "words", nargs="*", metavar="NAME", help="of a data set; for check a path, or a recipe and a path"
    )
    parser.add_argument("--data", metavar="PATH", help="the path of check, said as `train` has it")
    json_option(parser)
    given, rest = parser.parse_known_args(arguments)
    if given.data is not None:
        if given.what != "check":
            parser.error(f"--data belongs to check: deepcanon data check [RECIPE] --data {given.data}")
        given.words.append(given.data)
    if given.what == "check" and len(given.words) == 1:
        return _readers_of(parser, given.words[0], rest, given.json)
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
            return print_json(
                [{"name": e.name, "kind": e.kind, "summary": e.summary, "licence": e.licence} for e in rows]
            )
        for e in rows:
            print(fold(f"{e.name:20} {e.kind:12} {e.summary} ({e.licence})", " " * 34))
        return 0
    from deepcanon.data import published

    if given.what == "get":
        paths = published.get(given.words[0])
        where = {name: str(path) for name, path in paths.items()}
    else:
        found = published.where(given.words[0])
        where = {file.name: str(path) if path else "" for file, path in found.items()}
    if given.json:
        return print_json(where)
    for name, path in where.items():
        print(f"{name}: {path or 'not here; `deepcanon data get ' + given.words[0] + '` fetches it'}")
    if not where:
        print(f"{given.words[0]} needs no file")
    return 0


def _readers_of(parser: Parser, spec: str, rest: list[str], as_json: bool) -> int:
    """Without a recipe: what each reader makes of a path, and which recipes have that reader."""
    if rest:
        parser.error(f"{rest[0]} is an option of a recipe: deepcanon data check RECIPE {spec} {rest[0]}")
    from deepcanon.data import NEED_NOT_BE, DataError, Problem, check, foreign, kinds_of, meant_kinds

    kinds = kinds_of(spec)
    if not kinds:
        what, remedy = "no recipe reads this", "name a recipe to see why: deepcanon data check RECIPE PATH"
        if known := foreign(Path(spec)):
            what, remedy = known.what, known.remedy
        raise DataError([Problem(spec, "", what, remedy, skippable=False)])
    recipes = [heads.head(stem) for stem in heads.stems()]
    reports = {kind: check((kind,), spec) for kind in kinds}
    readers = {kind: [head.name for head in recipes if kind in head.data] for kind in kinds}
    meant = meant_kinds(spec)
    if as_json:
        print_json([{**report.as_json(), "recipes": readers[kind]} for kind, report in reports.items()])
    else:
        for kind, report in reports.items():
            if kind in NEED_NOT_BE and kind not in meant and report.problems:
                print(f"not {NEED_NOT_BE[kind]}: {report.problems[0]}")
                continue
            print("\n".join(report.lines()))
            print(fold(f"recipes that read {kind}: {', '.join(readers[kind]) or 'none'}", "  "))
    return USAGE if all(reports[kind].problems for kind in meant) else 0


def _check(parser: Parser, words: list[str], rest: list[str], as_json: bool) -> int:
    head = heads.head(words[0])
    values, _ = heads.preset(head, "default")
    sub = Parser(prog=parser.prog + " check")
    for option in head.options:
        if option.group == "data":
            add_field(sub, option, values[option.name])
    values.update({k: v for k, v in vars(sub.parse_all(rest)).items() if v is not None})
    from deepcanon.data import check
    from deepcanon.resolving import lacks, reading_options_of

    options = reading_options_of(head, build_config(head.config, values))
    report = check(head.data, words[1], options, lacks(head))
    if as_json:
        print_json(report.as_json())
    else:
        print("\n".join(report.lines()))
    return USAGE if report.problems else 0
