"""What each recipe shares among processes, as the table of the guide: python docs/site/sharing.py"""

import importlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from deepcanon import heads

ROOT = Path(__file__).resolve().parents[2]
SAID = {
    "gradients": "gradients: each process takes its rows of the batch",
    "statistics": "sums over its rows of the data: the step itself is computed alike in all",
    "trials": "trials: each process trains a model of its own",
}


def table() -> str:
    """A row for each way of sharing; last the recipes of one process, each with its reason."""
    of: dict[str, list[str]] = {kind: [] for kind in SAID}
    alone = []
    for stem in heads.stems():
        name, kind = stem.replace("_", "-"), importlib.import_module(f"deepcanon.recipes.{stem}").Recipe.parallel
        if kind in of:
            of[kind].append(name)
        else:
            alone.append(f"{name} ({kind.removeprefix('none:').strip()})")
    rows = [f"| {SAID[kind]} | {', '.join(names)} |" for kind, names in of.items()]
    return "\n".join(["| what is shared | recipes |", "| --- | --- |", *rows, f"| nothing | {', '.join(alone)} |"])


def rates() -> str:
    """What two processes gain, as it was measured: a row for each training of `benchmarks/processes.py`."""
    rows = json.loads((ROOT / "docs" / "results" / "processes.json").read_text(encoding="utf-8"))["benchmark"]
    lines = ["| training | one process, steps/s | two | ratio | |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        said = "two are faster" if row["ratio"] > 1 else "one is faster"
        name = row["peer"].removesuffix(", one process")
        lines.append(f"| {name} | {row['peers']:.3g} | {row['ours']:.3g} | {row['ratio']:.2f} | {said} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
