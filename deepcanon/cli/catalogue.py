"""What there is, read without torch: the list of the recipes, and all that one of them says of itself."""

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import deepcanon
from deepcanon import heads
from deepcanon.cli.arguments import Parser, json_option, shown
from deepcanon.cli.output import print_json

__all__ = ["list_command", "show_command"]


def list_command(parser: Parser, arguments: list[str]) -> int:
    parser.add_argument("word", nargs="?", metavar="WORD", help="only recipes whose name, subject or text has it")
    json_option(parser)
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
        return print_json(rows)
    widths = [max((len(row[key]) for row in rows), default=0) for key in ("name", "subject")]
    for row in rows:
        kinds = ", ".join(row["data"])
        print(f"{row['name']:{widths[0]}}  {row['subject']:{widths[1]}}  {row['summary']}  [{kinds}]")
    if not rows:
        print(f"no recipe has {given.word!r}", file=sys.stderr)
    return 0


def show_command(parser: Parser, arguments: list[str]) -> int:
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
