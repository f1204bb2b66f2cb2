"""The catalogue, read without torch: the list of the recipes, and everything that one of them says of itself."""

import sys
import textwrap
from pathlib import Path
from typing import Any

from deepcanon import heads
from deepcanon.cli.arguments import Parser, json_option
from deepcanon.cli.output import fold, print_json, width
from deepcanon.options import GROUPS
from deepcanon.targets import MARKS

__all__ = ["list_command", "show_command"]


def list_command(parser: Parser, arguments: list[str]) -> int:
    parser.add_argument("word", nargs="?", metavar="WORD", help="only recipes whose name, subject or text contains it")
    json_option(parser)
    given = parser.parse_all(arguments)
    rows = []
    for stem in heads.stems():
        head = heads.head(stem)
        row = {"name": head.name, "subject": head.subject, "summary": heads.summary(head), "data": list(head.data)}
        if not given.word or given.word.lower() in " ".join([*map(str, row.values())]).lower():
            rows.append(row)
    if given.json:
        return print_json(rows)
    if rows and (columns := width()) is not None:
        _print_short(rows, columns)
        return 0
    widths = [max((len(row[key]) for row in rows), default=0) for key in ("name", "subject")]
    for row in rows:
        kinds = ", ".join(row["data"])
        print(f"{row['name']:{widths[0]}}  {row['subject']:{widths[1]}}  {row['summary']}  [{kinds}]")
    if not rows:
        print(f"no recipe has {given.word!r}", file=sys.stderr)
    return 0


def _print_short(rows: list[dict[str, Any]], columns: int) -> None:
    """On a terminal: by subject, a line for each recipe, cut where the terminal ends."""
    name = max(len(row["name"]) for row in rows)
    for subject in sorted({row["subject"] for row in rows}):
        print(subject)
        for row in (row for row in rows if row["subject"] == subject):
            summary = textwrap.shorten(row["summary"], max(20, columns - name - 4), placeholder=" ...")
            print(f"  {row['name']:{name}}  {summary}")
    print()
    print(fold("`deepcanon show NAME` tells all of one; `list WORD` shows those with a word (images, text, recurrent)"))


def show_command(parser: Parser, arguments: list[str]) -> int:
    parser.add_argument("name", metavar="NAME", help="of a recipe; with --layers also the folder of a run, or `last`")
    parser.add_argument("--source", action="store_true", help="print the system file itself")
    parser.add_argument("--layers", action="store_true", help="print the layers and their parameters")
    parser.add_argument("--data", metavar="D", help="with --layers: data whose shapes the layers are to fit")
    given = parser.parse_all(arguments)
    if given.layers:
        return _show_layers(given.name, given.data)
    if given.data:
        parser.error("--data belongs to --layers")
    head = heads.head(given.name)
    if given.source:
        print(heads.system_path(head).read_text(encoding="utf-8"), end="")
        return 0
    print(fold(f"{head.name} ({head.subject}): {head.doc}"))
    defaults, _ = heads.preset(head, "default")  # what `train NAME` takes: as in its help and in reports
    for group, title in GROUPS.items():
        if some := [option for option in head.options if option.group == group]:
            print(f"\n{title}:")
        for option in some:
            print(
                fold(f"  --{option.name.replace('_', '-')} {heads.shown(defaults[option.name])}\n      {option.help}")
            )
    print("\nmetrics:")
    for name, metric in head.metrics.items():
        more = [metric.unit, {"min": "lower is better", "max": "higher is better", "": ""}[metric.better]]
        more += [f"measured on {metric.split}"] if metric.split else []
        print(fold(f"  {name}: {'; '.join([metric.sentence, *filter(None, more)])}", "    "))
    print("\ntargets:")
    rows = heads.record(head.stem).get("verify", {}).get("targets", [])
    for target in head.targets:
        run = " - ".join(filter(None, (target.run, target.minus)))
        same = (run, target.metric, target.relation, target.value)
        measured = next((r for r in rows if (r["run"], r["metric"], r["relation"], r["target"]) == same), None)
        seen = "not measured yet"
        if measured:
            seen = f"measured {measured['value']:.6g} ({measured['verdict']})"
        print(fold(f"  {run}: {target.condition}; {seen}\n      {MARKS[target.mark].split(':')[0]}: {target.source}"))
    return 0


def _show_layers(name: str, data: str | None) -> int:
    """Of a run, or of what `train NAME` would build."""
    from deepcanon.cli.places import folder_of
    from deepcanon.engine.layers import layers, table
    from deepcanon.verbs import load, untrained

    run = name == "last" or (Path(name) / "config.json").is_file()
    print(table(layers(load(folder_of(name), data=data).recipe if run else untrained(name, data))))
    return 0
