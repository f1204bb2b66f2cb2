"""What the files of one run folder say: its options, its status, its facts and the series of its metrics."""

import json
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

__all__ = ["SPLITS", "RunFiles", "as_dict", "by_metric", "read_run", "split_and_metric"]

SPLITS = ("train", "valid", "test")


@dataclass
class RunFiles:
    """What was read; what is missing or broken is left empty, and named in ``problems``."""

    folder: Path
    label: str
    config: dict = field(default_factory=dict)
    status: dict = field(default_factory=dict)
    facts: dict = field(default_factory=dict)
    data: dict = field(default_factory=dict)
    series: dict[str, tuple[list[int], list[float]]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.config.get("name") or self.folder.name).replace("_", "-")

    @property
    def best(self) -> dict:
        return as_dict(self.status.get("best"))

    @property
    def settings(self) -> dict:
        return as_dict(self.config.get("settings"))

    @property
    def reader(self) -> dict:
        return as_dict(self.facts.get("reader"))

    def metric(self, name: str) -> tuple[str, str, str]:
        """What "split/name" measures in words, its unit, and "min" or "max" if one is better; "" where unknown."""
        known = as_dict(self.config.get("metrics"))
        for key in (name, split_and_metric(name)[1]):
            for pattern, found in known.items():
                if key == pattern or ("*" in pattern and fnmatchcase(key, pattern)):
                    words = found if isinstance(found, list) else []
                    return tuple(str(word) for word in [*words, "", "", ""][:3])  # type: ignore[return-value]
        return "", "", ""

    def options(self) -> dict[str, object]:
        """Everything that was chosen: the recipe's options and the run's settings."""
        return {"name": self.name, **as_dict(self.config.get("config")), **self.settings}


def read_run(folder: Path) -> RunFiles:
    """Read a run folder, whatever state it is in."""
    run = RunFiles(folder, folder.name or str(folder))
    for name, path in (
        ("config", folder / "config.json"),
        ("status", folder / "status.json"),
        ("facts", folder / "facts" / "facts.json"),
        ("data", folder / "data.json"),
    ):
        if path.is_file():
            try:
                content = json.loads(path.read_text(encoding="utf-8", errors="replace"))
                setattr(run, name, as_dict(_untagged(content) if name == "facts" else content))
            except (ValueError, OSError, RecursionError) as error:
                run.problems.append(f"{path.name} cannot be read: {error}")
    metrics = folder / "metrics.jsonl"
    if metrics.is_file():
        broken = 0
        with open(metrics, encoding="utf-8", errors="replace") as file:
            for text in file:
                broken += not _add_row(run.series, text)
        # The last row of a run in progress may be incomplete.
        if broken > 1:
            run.problems.append(f"{broken} rows of metrics.jsonl cannot be read")
    return run


def _add_row(series: dict[str, tuple[list[int], list[float]]], text: str) -> bool:
    if not text.strip():
        return True
    try:
        row = json.loads(text)
        step = int(row["step"])
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return False
    for key, value in row.items():
        if key == "step" or isinstance(value, bool):
            continue
        if isinstance(value, str) and value in ("nan", "inf", "-inf"):
            value = float(value)
        if isinstance(value, int | float):
            steps, values = series.setdefault(str(key), ([], []))
            if not steps or step >= steps[-1]:
                steps.append(step)
                values.append(float(value))
    return True


def _untagged(tree: object) -> object:
    """The plain values of a stored part, whose dictionaries and tuples are tagged; tensors are left out."""
    if isinstance(tree, list):
        return [_untagged(item) for item in tree]
    if isinstance(tree, dict):
        if isinstance(tree.get("$dict"), list):
            pairs = [pair for pair in tree["$dict"] if isinstance(pair, list) and len(pair) == 2]
            return {str(name): _untagged(item) for name, item in pairs}
        if "$tuple" in tree:
            return _untagged(tree["$tuple"])
        return None if any(str(key).startswith("$") for key in tree) else tree
    return tree


def as_dict(value: object) -> dict:
    return value if isinstance(value, dict) else {}


def split_and_metric(key: str) -> tuple[str, str]:
    """("valid", "nll") of "valid/nll"; the split is empty where the key names none."""
    split, slash, metric = key.partition("/")
    return (split, metric) if slash else ("", key)


def by_metric(keys: list[str]) -> dict[str, list[str]]:
    """Keys by the metric they measure, those of one metric in the order of the splits."""
    groups: dict[str, list[str]] = {}
    for key in keys:
        split, metric = split_and_metric(key)
        groups.setdefault(metric if split in SPLITS else key, []).append(key)
    if groups.get("loss") == ["train/loss"] and groups.get("nll"):
        # The loss in training and the negative log-likelihood of held-out data belong side by side.
        groups = {"loss and nll": [*groups.pop("loss"), *groups.pop("nll")], **groups}
    order = {split: index for index, split in enumerate(SPLITS)}
    return {
        metric: sorted(group, key=lambda k: order.get(split_and_metric(k)[0], 9)) for metric, group in groups.items()
    }
