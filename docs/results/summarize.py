"""Writes the overview in README.md and the whole table in docs/results/TABLE.md: python docs/results/summarize.py"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BEGIN, END = "<!-- results -->\n", "<!-- end of results -->\n"
SHOWN = 2  # targets of a system that the overview shows

sys.path.insert(0, str(ROOT))
from deepcanon import heads  # noqa: E402
from deepcanon.targets import MARKS  # noqa: E402


def number(value: float) -> str:
    return f"{value:.5g}"


def records() -> dict[str, dict]:
    return {path.stem: json.loads(path.read_text()) for path in sorted(HERE.glob("*.json"))}


def limit_of(target: dict) -> str:
    limit = f"{target['metric']} {target['relation'].replace('==', '=')} {number(target['target'])}"
    return limit + (f" +- {number(target['tolerance'])}" if "tolerance" in target else "")


def overview() -> list[str]:
    """One line for each recipe: what it is, how many targets it reaches, and the first of them."""
    found = records()
    lines = ["| system | what | targets reached | for example |", "| --- | --- | --- | --- |"]
    for stem in heads.stems():
        head = heads.head(stem)
        targets = found.get(stem, {}).get("verify", {}).get("targets", [])
        reached = f"{sum(t['passed'] for t in targets)} of {len(targets)}" if targets else "not measured yet"
        few = [f"{t['run']}: {limit_of(t)}: {number(t['value'])}" for t in targets[:SHOWN]]
        what = heads.summary(head).rstrip(".").replace("|", r"\|")
        lines.append(f"| {head.name} | {what} | {reached} | {'; '.join(few)} |")
    return lines


def rows() -> list[str]:
    """One line per target: what was wanted, what was measured, misses included, and where the figure comes from."""
    lines = ["| system | run | target | measured (per seed) | | source |", "| --- | --- | --- | --- | --- | --- |"]
    for record in records().values():
        for target in record.get("verify", {}).get("targets", []):
            values = ", ".join(number(value) for value in target["values"])
            if len(set(target["values"])) == 1:
                values = number(target["value"])
            elif target["statistic"] == "mean":
                values = f"**{number(target['value'])}** ({values})"
            verdict = "reached" if target["passed"] else "**missed**"
            source = f"{MARKS[target['mark']].split(':')[0]}: {target['source']}".replace("|", r"\|")
            lines.append(
                f"| {record['name']} | {target['run']} | {limit_of(target)} | {values} | {verdict} | {source} |"
            )
    return lines


def speed() -> list[str]:
    """One line per benchmark row: the ratio with its range over the rounds, and the processor for which it holds."""
    lines = [
        "| benchmark | peer | unit | ratio (rounds) | target | | processor | equal quality |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for stem, record in records().items():
        for row in record.get("benchmark", []):
            peer, target = f"{row['peer']} {row['version']}".strip(), row.get("target") or "none"
            ratio = f"{row['ratio']:,.2f}x"
            if "interval" in row:
                ratio += " ({:,.2f} to {:,.2f})".format(*row["interval"])
            verdict = row.get("verdict", "")
            verdict = {"missed": "**missed**", "no target": ""}.get(verdict, verdict)
            processor = row.get("conditions", {}).get("processor", "not recorded")
            cells = [stem, peer, row["unit"], ratio, target, verdict, processor, row.get("quality", "")]
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def main() -> None:
    readme = ROOT / "README.md"
    before, rest = readme.read_text().split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text(before + BEGIN + "\n".join([*overview(), "", *speed()]) + "\n" + END + after)
    head = (
        "# Every target and what was measured\n\nWritten by `summarize.py` from the records in this folder. Sources:\n"
    )
    head += "".join(f"\n- **{words.split(':')[0]}**:{words.split(':')[1]}" for words in MARKS.values()) + "\n\n"
    (HERE / "TABLE.md").write_text(head + "\n".join(rows()) + "\n")


if __name__ == "__main__":
    main()
