"""Brings the records in line with the recipes' TARGETS; measured values are never touched.

    python docs/results/restate.py                        rewrites the targets of every record
    python docs/results/restate.py --move FROM TO RUN...  gives some runs of one record to another, then rewrites both

A target is judged again from the recorded values, so that a record never shows another condition or source than the
recipe. A run whose metrics a target needs and lacks is named, and nothing is written; of a record that holds some of
the runs only (`verify --record --run NAME`), the others are named and left out.
"""

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from deepcanon import heads  # noqa: E402
from deepcanon.claims import judge, overall  # noqa: E402
from deepcanon.verify import cost, repeats, units  # noqa: E402


def restated(stem: str, record: dict[str, Any]) -> dict[str, Any]:
    """The record with the targets of the recipe, each judged by the values recorded.

    Raises:
        ValueError: a target's metric was not recorded, or a run in the record has no target's run.
    """
    kept = record["verify"]
    head = heads.head(stem)
    shown = {row["run"] for row in kept["targets"]}
    # A record may be of some runs only; a run that rows are about must not get lost.
    partial = {target.run for target in head.targets if not kept["runs"].get(target.run)} - shown
    for run in sorted(partial):
        print(f"{stem}: the run {run} was not recorded, and its targets are left out")
    for target in head.targets:
        if target.run in partial:
            continue
        if not kept["runs"].get(target.run):
            raise ValueError(f"{stem}: the run {target.run}, which a target is about, was not recorded")
        for run in filter(None, (target.run, target.minus)):
            for seed in kept["runs"].get(run, []):
                if target.metric not in seed["metrics"]:
                    raise ValueError(f"{stem}, {run}, seed {seed['seed']}: {target.metric} was not recorded")
    lost = kept["runs"].keys() - head.verified.keys()
    if lost:
        raise ValueError(f"{stem}: the verify preset has no run {', '.join(sorted(lost))}")
    rows = [row for target in head.targets if (row := judge(target, kept["runs"], repeats(stem))) is not None]
    kept = {**kept, "name": head.name, "targets": rows, "verdict": overall(rows), **cost(kept["runs"])}
    kept |= units(head, kept["runs"])
    return {**record, "name": head.name, "verify": kept}


def move(source: dict[str, Any], to: dict[str, Any], runs: list[str]) -> None:
    """Gives runs of one record to another, in place."""
    target = to.setdefault("verify", {**source["verify"], "runs": {}})
    for run in runs:
        if run in target["runs"]:
            raise ValueError(f"both records have a run {run}")
        target["runs"][run] = source["verify"]["runs"].pop(run)


def read(stem: str) -> dict[str, Any]:
    path = HERE / f"{stem}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def main(arguments: list[str]) -> None:
    records = {path.stem: read(path.stem) for path in sorted(HERE.glob("*.json"))}
    if arguments[:1] == ["--move"]:
        source, to, *runs = arguments[1:]
        records.setdefault(to, {})
        move(records[source], records[to], runs)
        records = {stem: records[stem] for stem in (source, to)}
    known = {stem: record for stem, record in records.items() if "verify" in record and stem in heads.stems()}
    new = {stem: restated(stem, record) for stem, record in known.items()}
    for stem, record in new.items():
        (HERE / f"{stem}.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ValueError as error:
        sys.exit(str(error))
