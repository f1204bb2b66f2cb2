"""Verifying: the minutes to expect, the runs, and what they say of each target."""

import sys
from pathlib import Path

from deepcanon import heads
from deepcanon.cli.arguments import Parser, json_option, number
from deepcanon.cli.output import fold, print_json
from deepcanon.collecting import heavy_imports

__all__ = ["verify_command"]


def verify_command(parser: Parser, arguments: list[str]) -> int:
    parser.add_argument("name", metavar="NAME", nargs="+", help="names of recipes")
    parser.add_argument(
        "--seeds",
        type=number(int),
        metavar="N",
        help="number of seeds (default: 3; 1 for experiments, whose trials have seeds of their own)",
    )
    parser.add_argument("--seed", type=number(int), metavar="FIRST", default=0, help="the first seed")
    parser.add_argument("--run", metavar="RUN", help="only one of the runs (default: all)")
    parser.add_argument("--quick", action="store_true", help="one seed: not a verdict, never recorded")
    parser.add_argument("--record", action="store_true", help="write docs/results (in a source checkout)")
    parser.add_argument("--out", metavar="DIR", default="runs/verify", help="where the runs go")
    parser.add_argument("--threads", type=number(int), metavar="N", default=1, help="CPU threads")
    json_option(parser)
    given = parser.parse_all(arguments)
    if given.quick and given.record:
        parser.error("--quick is never recorded")
    if given.seeds is not None and given.seeds < 1:
        parser.error(f"--seeds {given.seeds}: at least 1")
    recipes = [heads.head(name) for name in given.name]
    with heavy_imports():
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
            mark = (row["verdict"].upper() if row["verdict"] == "missed" else row["verdict"]).ljust(7)
            limit = f"{row['relation']} {row['target']}" + (f" +- {row['tolerance']}" if "tolerance" in row else "")
            found = f"{row['run']}: {row['metric']} {row['value']:.6g} {limit}"
            if "interval" in row:
                found += " [{:.4g}, {:.4g}]".format(*row["interval"])
            tell(fold(f"  {mark} {found} ({row['statistic']}; {row['source']})", " " * 8))
        tell(f"{recipe.name}: {result['verdict']}, {len(result['seeds'])} seed(s), {result['cpu_seconds']:.0f} CPU s")
        if given.record:
            tell(str(verify.record(result)))
    if given.json:
        print_json(results)
    return 0 if all(row["passed"] for result in results for row in result["targets"]) else 3
