"""Writes TABLE.md and SPEED.md, and in README.md the map and the chosen results: python docs/results/summarize.py"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WORDS = """Verdicts: **shown**, the 95 % interval clears the target (over the seeds; of an experiment with one seed over
its trials); **reached**, the value does, but the interval does not, or there is none; **missed**, neither does.
What an experiment finds of an exact or recomputed target without an interval is judged by its value.
One seed of a recipe that is not an experiment is **not a verdict**, for an exact target too."""
CHOSEN = (  # what the README shows: (record, run, metric, what it says)
    ("convnet", "mnist", "test/error", "convolutional network, MNIST: test error"),
    ("rnn_lm", "short", "valid/nll", "character LSTM, Shakespeare: nats per character on validation"),
    ("ngram_lm", "ptb-5", "test/perplexity", "Kneser-Ney 5-grams, Penn Treebank: test perplexity"),
    ("word2vec", "ptb", "test/pmi_correlation", "word2vec, Penn Treebank: correlation with shifted PMI"),
    ("gan", "mnist", "test/confident", "GAN, MNIST: share of samples whose class a judge is sure of"),
    ("dqn", "cartpole", "test/return", "deep Q-learning, CartPole: mean return"),
)

sys.path.insert(0, str(ROOT))
from deepcanon import heads  # noqa: E402
from deepcanon.targets import MARKS, metric_of  # noqa: E402


def number(value: float) -> str:
    return f"{value:.5g}"


def records() -> dict[str, dict]:
    return {path.stem: json.loads(path.read_text()) for path in sorted(HERE.glob("*.json"))}


def limit_of(target: dict) -> str:
    limit = f"{target['metric']} {target['relation'].replace('==', '=')} {number(target['target'])}"
    return limit + (f" +- {number(target['tolerance'])}" if "tolerance" in target else "")


def subject_of(stem: str) -> str:
    """The subject of a recipe; of a benchmark without one: the package itself."""
    return heads.head(stem).subject if stem in heads.stems() else "package"


def by_subject(stems: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for stem in stems:
        found.setdefault(subject_of(stem), []).append(stem)
    return {subject: found[subject] for subject in sorted(found, key=lambda name: (name == "package", name))}


def subjects_map() -> list[str]:
    """A line for each subject: its recipes."""
    lines = ["| subject | recipes |", "| --- | --- |"]
    for subject, stems in by_subject(heads.stems()).items():
        lines.append(f"| {subject} | {', '.join(heads.head(stem).name for stem in stems)} |")
    return lines


def chosen() -> list[str]:
    """A line for each of the chosen results, with its verdict."""
    lines = ["| result | target | measured | |", "| --- | --- | --- | --- |"]
    for stem, run, metric, words in CHOSEN:
        rows = json.loads((HERE / f"{stem}.json").read_text(encoding="utf-8"))["verify"]["targets"]
        row = next(row for row in rows if (row["run"], row["metric"]) == (run, metric))
        lines.append(f"| {words} | {limit_of(row).removeprefix(metric).strip()} | {measured(row)} | {row['verdict']} |")
    return lines


def measured(row: dict) -> str:
    """The value, and those of the seeds where they differ."""
    if len(set(row["values"])) == 1:
        return number(row["value"])
    return f"**{number(row['value'])}** ({', '.join(number(value) for value in row['values'])})"


def last(row: dict, runs: dict) -> str:
    """What the last weights give, seed by seed, where the chosen ones are others."""
    seeds = [seed["metrics"] for seed in runs[row["run"].partition(" - ")[0]]]
    values = [metrics.get(f"last/{row['metric']}", metrics.get(row["metric"])) for metrics in seeds]
    same = " - " in row["run"] or None in values or values == row["values"]
    return "" if same else f"; last weights {', '.join(number(value) for value in values)}"


def targets_of(stem: str, record: dict) -> list[str]:
    """A line for each target: what was wanted and measured, misses included, and where the target comes from."""
    lines = ["| run | target | measured (per seed) | 95 % interval | | source |", "| --- " * 6 + "|"]
    metrics = heads.head(stem).metrics if stem in heads.stems() else {}
    for row in record["targets"]:
        known = metric_of(metrics, row["metric"])
        split = f" (on {known.split})" if known and known.split and "/" in row["metric"] else ""
        ends = f"{number(row['interval'][0])} to {number(row['interval'][1])}" if "interval" in row else ""
        word = row["verdict"] if row["verdict"] != "missed" else "**missed**"
        source = f"{MARKS[row['mark']].split(':')[0]}: {row['source']}".replace("|", r"\|")
        seen = measured(row) + last(row, record["runs"])
        unit = record.get("units", {}).get(row["run"], {}).get(row["metric"].split("/")[-1], "")
        lines.append(
            f"| {row['run']} | {f'{limit_of(row)} {unit}'.rstrip()}{split} | {seen} | {ends} | {word} | {source} |"
        )
    return lines


def table() -> str:
    """Every target by subject and recipe, with what the runs cost and where they ran."""
    lines = ["# Every target and what was measured", "", "Written by `summarize.py` from the records in this folder."]
    lines += ["", "Where targets come from:", ""]
    lines += [f"- **{words.split(':')[0]}**:{words.split(':')[1]}" for words in MARKS.values()]
    lines += ["", WORDS]
    found = {stem: record["verify"] for stem, record in records().items() if record.get("verify", {}).get("targets")}
    for subject, stems in by_subject(list(found)).items():
        lines += ["", f"## {subject.capitalize()}"]
        for stem in stems:
            record = found[stem]
            seeds = [seed for seeds in record["runs"].values() for seed in seeds]
            processors = sorted({seed.get("processor", "not recorded") for seed in seeds})
            cost = f"{record['cpu_seconds']:,.0f} CPU seconds in {len(seeds)} runs; processor: {', '.join(processors)}"
            what = heads.summary(heads.head(stem)) if stem in heads.stems() else ""
            name = stem.replace("_", "-")
            lines += ["", f"### {name}", "", what, "", *targets_of(stem, record), "", cost]
    return "\n".join(lines) + "\n"


def speed() -> str:
    """A line for each row of a benchmark: the ratio with its range over the rounds, and where it was measured."""
    lines = ["# Speed against other libraries", "", "Written by `summarize.py`. Ratios above 1: ours is faster."]
    lines += ["One thread, CPU seconds, variants alternating; a ratio holds for its processor."]
    found = {stem: record["benchmark"] for stem, record in records().items() if record.get("benchmark")}
    for stem in (stem for stems in by_subject(list(found)).values() for stem in stems):
        lines += ["", f"## {stem.replace('_', '-')}", ""]
        lines += ["| peer | unit | ratio (rounds) | target | | equal quality | processor |", "| --- " * 7 + "|"]
        for row in found[stem]:
            peer, target = f"{row['peer']} {row['version']}".strip(), row.get("target") or "none"
            ratio = f"{row['ratio']:,.2f}x"
            if "interval" in row:
                ratio += " ({:,.2f} to {:,.2f})".format(*row["interval"])
            verdict = row.get("verdict", "")
            verdict = {"missed": "**missed**", "no target": ""}.get(verdict, verdict)
            processor = row.get("conditions", {}).get("processor", "not recorded")
            cells = [peer, row["unit"], ratio, target, verdict, row.get("quality", ""), processor]
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def put(text: str, name: str, lines: list[str]) -> str:
    """A text with the lines between `<!-- name -->` and `<!-- end of name -->`."""
    before, rest = text.split(f"<!-- {name} -->\n")
    after = rest.split(f"<!-- end of {name} -->\n")[1]
    return f"{before}<!-- {name} -->\n" + "\n".join(lines) + f"\n<!-- end of {name} -->\n{after}"


def main() -> None:
    readme = ROOT / "README.md"
    text = put(readme.read_text(encoding="utf-8"), "map", subjects_map())
    readme.write_text(put(text, "results", chosen()), encoding="utf-8")
    (HERE / "TABLE.md").write_text(table(), encoding="utf-8")
    (HERE / "SPEED.md").write_text(speed(), encoding="utf-8")


if __name__ == "__main__":
    main()
