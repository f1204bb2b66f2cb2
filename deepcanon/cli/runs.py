"""The runs in a folder: listed, compared in a table, removed. Read without torch."""

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

from deepcanon.cli.arguments import Parser, Usage, columns, json_option
from deepcanon.cli.output import print_json
from deepcanon.glance import glance

__all__ = ["runs_command"]

COLUMNS = ("run", "state", "step", "best", "data", "written", "recipe")
ACTIONS = ("list", "compare", "remove")
GAP = "  "


def runs_command(parser: Parser, arguments: list[str]) -> int:
    action = arguments[0] if arguments and arguments[0] in ACTIONS else "list"
    rest = arguments[1:] if arguments and arguments[0] in ACTIONS else arguments
    if action == "list":
        parser.usage = "deepcanon runs [list] [FOLDER] | compare DIR DIR... | remove DIR..."
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.epilog = (
            "list    runs in a folder, newest last\ncompare options that differ and best metrics, as a table\n"
        )
        parser.epilog += "remove  run folders, after a question; running ones are kept"
        parser.add_argument("folder", metavar="FOLDER", nargs="?", default="runs", help="where runs lie")
    else:
        parser.prog = f"deepcanon runs {action}"
        several = "two or more" if action == "compare" else "which"
        parser.add_argument("dir", metavar="DIR", nargs="+", help=f"{several} run folders")
        if action == "remove":
            parser.add_argument("--yes", action="store_true", help="do not ask")
    if action != "remove":
        json_option(parser)
    given = parser.parse_all(rest)
    return {"list": _list, "compare": _compare, "remove": _remove}[action](given)


def _list(given: argparse.Namespace) -> int:
    root = Path(given.folder)
    if not root.is_dir():
        raise Usage(f"there is no folder {root}; runs go to runs/NAME-1, -2, ...")
    found = sorted((glance(path.parent) for path in root.glob("*/config.json")), key=lambda row: row["written"])
    if given.json:
        return print_json([{key: value for key, value in row.items() if key != "options"} for row in found])
    _table([_cells(row) for row in found], COLUMNS)
    if not found:
        print(f"there are no runs in {root}", file=sys.stderr)
    return 0


def _compare(given: argparse.Namespace) -> int:
    if len(given.dir) < 2:
        raise Usage("runs compare takes two run folders or more")
    found = [glance(_checked(name)) for name in given.dir]
    names = dict.fromkeys(name for row in found for name in row["options"])
    missing = object()
    differing = [name for name in names if len({repr(row["options"].get(name, missing)) for row in found}) > 1]
    if given.json:
        kept = [{**row, "options": {name: row["options"].get(name) for name in differing}} for row in found]
        return print_json(kept)
    options = [name for name in differing if name not in ("out", "data")]
    heads = ("run", "recipe", "data", *(name.replace("_", "-") for name in options), "step", "best")
    rows = []
    for row in found:
        cells = _cells(row)
        values = {name.replace("_", "-"): _text(row["options"].get(name)) for name in options}
        rows.append({**values, **{name: cells[name] for name in heads if name in cells}})
    same = [name for name in ("recipe", "data") if len({row[name] for row in rows}) == 1]
    if same:
        print(", ".join(f"{name} {rows[0][name]}" for name in same))
    _table(rows, tuple(name for name in heads if name not in same))
    return 0


def _remove(given: argparse.Namespace) -> int:
    from deepcanon.engine.lock import hold

    folders = [_checked(name) for name in given.dir]
    if not given.yes:
        if not sys.stdin.isatty():
            raise Usage("runs remove asks before it removes: give --yes where nobody can answer")
        print("\n".join(map(str, folders)))
        if input(f"remove {'these' if len(folders) > 1 else 'this'}? [y/N] ").strip().lower() not in ("y", "yes"):
            return 0
    for folder in folders:
        with hold(folder):  # a run that is being trained stays
            shutil.rmtree(folder)
        print(f"removed {folder}")
    return 0


def _checked(name: str) -> Path:
    folder = Path(name)
    if folder.is_symlink():
        raise Usage(f"{folder} is a link: name the run folder itself")
    if not (folder / "config.json").is_file():
        raise Usage(f"{folder} is not a run folder (it has no config.json)")
    return folder


def _cells(row: dict[str, Any]) -> dict[str, str]:
    best = row["best"]
    score = f"{best['metric']} {_text(best['value'])}" if best else ""
    steps = f"{row['step']}/{row['steps']}" if row["step"] is not None else ""
    known = {key: _text(row[key]) for key in ("run", "recipe", "data", "state", "written")}
    return {**known, "step": steps, "best": score}


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return " ".join(map(_text, value))
    return "" if value is None else str(value)


def _table(rows: list[dict[str, str]], heads: tuple[str, ...]) -> None:
    """Prints columns; on a narrow terminal the last ones are left out, whole."""
    widths = {name: max(len(name), *(len(row.get(name, "")) for row in rows)) if rows else 0 for name in heads}
    shown: list[str] = []
    taken = 0
    for name in heads:
        taken += widths[name] + len(GAP)
        if taken - len(GAP) > columns() and len(shown) > 1:
            break
        shown.append(name)
    for row in [dict(zip(heads, heads, strict=True)), *rows] if rows else []:
        print(GAP.join(row.get(name, "").ljust(widths[name]) for name in shown).rstrip())
    if len(shown) < len(heads) and rows:
        left = ", ".join(name for name in heads if name not in shown)
        print(f"(too narrow for {left}; --json has all)", file=sys.stderr)
