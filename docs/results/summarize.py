"""Writes the table of results in README.md from the records in docs/results: python docs/results/summarize.py"""

import json
from pathlib import Path

HERE = Path(__file__).parent
README = HERE.parents[1] / "README.md"
BEGIN, END = "<!-- results -->\n", "<!-- end of results -->\n"


def number(value: float) -> str:
    return f"{value:.5g}"


def rows() -> list[str]:
    """One line per target: what was wanted and what was measured, misses included."""
    lines = ["| system | run | target | measured (per seed) | |", "| --- | --- | --- | --- | --- |"]
    for path in sorted(HERE.glob("*.json")):
        record = json.loads(path.read_text())
        for target in record.get("verify", {}).get("targets", []):
            limit = f"{target['metric']} {target['relation'].replace('==', '=')} {number(target['target'])}"
            if "tolerance" in target:
                limit += f" +- {number(target['tolerance'])}"
            values = ", ".join(number(value) for value in target["values"])
            if len(set(target["values"])) == 1:
                values = number(target["value"])
            elif target["statistic"] == "mean":
                values = f"**{number(target['value'])}** ({values})"
            verdict = "reached" if target["passed"] else "**missed**"
            lines.append(f"| {record['name']} | {target['run']} | {limit} | {values} | {verdict} |")
    return lines


def speed() -> list[str]:
    """One line per benchmark row."""
    lines = [
        "| benchmark | peer | unit | ratio | target | quality beside it |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for path in sorted(HERE.glob("*.json")):
        for row in json.loads(path.read_text()).get("benchmark", []):
            peer = f"{row['peer']} {row['version']}".strip()
            target = row.get("target") or "none"
            ratio = f"{row['ratio']:,.2f}x"
            lines.append(f"| {path.stem} | {peer} | {row['unit']} | {ratio} | {target} | {row.get('quality', '')} |")
    return lines


def table() -> str:
    return "\n".join([*rows(), "", *speed()]) + "\n"


def main() -> None:
    text = README.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    README.write_text(before + BEGIN + table() + END + after)


if __name__ == "__main__":
    main()
