"""From the examples of a generated set to the data set that a reader of its kind would give."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import dialogues, documents, image_sets, pairs, point_sets, speech, stories, tables
from ..drawn import DrawnSplit, Noise
from ..errors import Problems, one_line
from ..sequences import UNASKED
from ..splits import Dataset, Split
from . import Task

__all__ = ["FORMS"]


def _whole(kind: str, name: str, task: Task, seed: int, facts: dict[str, Any], told: list[str]) -> Dataset:
    counts = {split: len(part) for split, part in task.splits.items()}
    listed = ", ".join(f"{split} {count:,}" for split, count in counts.items())
    endless = isinstance(task.splits["train"], DrawnSplit)
    how = "new ones in each batch; one pass is counted as" if endless else "drawn by the seed:"
    notes = [f"{kind}: {name}, generated", f"examples: {how} {listed}", *told]
    record = {"files": [], "counts": counts, "split": {}, "seed": seed, "skipped": []}
    return Dataset(kind, task.splits, facts, notes, record)


def _images(name: str, task: Task, seed: int, options: dict[str, Any]) -> Dataset:
    channels = image_sets.image_options(options)[1]
    if channels == 3:
        task = replace(task, splits={split: _in_colour(part) for split, part in task.splits.items()})
    train, classes = task.splits["train"], tuple(task.facts.get("classes", ()))
    size, endless = (train.x.shape[2], train.x.shape[3]), isinstance(train, DrawnSplit)
    notes = [f"images: {name}, generated, {size[1]}x{size[0]}{', new ones in each batch' if endless else ''}"]
    record: dict[str, Any] = {"files": []}
    data = image_sets.finish(
        task.splits, classes, size, train.x.shape[1], seed, options, Problems(), notes, record, [], wanted=(0.0, 0.0)
    )
    return replace(data, facts={**task.facts, **data.facts})


def _in_colour(part: Split) -> Split:
    """Grey pictures with three equal channels."""

    def widened(grey: Split) -> Split:
        parts = None if grey.parts is None else grey.parts.expand(-1, -1, 3, -1, -1)
        return Split(grey.x.expand(-1, 3, -1, -1), grey.y, parts=parts)

    whole = widened(part)
    draw = part.draw if isinstance(part, DrawnSplit) else None
    if draw is None:
        return whole

    def draw_in_colour(noise: Noise, size: int) -> Split:
        return widened(draw(noise, size))

    return DrawnSplit(whole.x, whole.y, parts=whole.parts, draw=draw_in_colour)


def _tables(name: str, task: Task, seed: int, options: dict[str, Any]) -> Dataset:
    tables.refuse_unused(tables.chosen_of(options), name, "is generated, with columns of its own", ("target_kind",))
    for part in task.splits.values():
        part.x = part.x.double()  # as every table; what is drawn later stays as the device has it
    first = task.splits["train"].x
    columns = task.facts.get("columns") or [f"x{number}" for number in range(first.shape[1])]
    facts = {"columns": columns, "target": "", "classes": None, "sources": [{"name": column} for column in columns]}
    data = _whole("tables", name, task, seed, facts, [f"table: {len(columns)} features, no target"])
    rows = [", ".join(f"{c}={v:.4g}" for c, v in zip(columns[:4], row, strict=False)) for row in first[:3].tolist()]
    return replace(data, examples=[f"row {i + 1}: {row}{', ...' * (len(columns) > 4)}" for i, row in enumerate(rows)])


def _documents(name: str, task: Task, seed: int, options: dict[str, Any]) -> Dataset:
    documents.refuse_columns(options, name)
    facts, classes = {"unit": "lines", **task.facts}, task.facts.get("classes", ())
    data = _whole("documents", name, task, seed, facts, [f"classes: {len(classes)}" if classes else "no labels"])
    return replace(data, examples=[one_line(text, 100) for text in task.splits["train"].x[:3]])


def _stories(name: str, task: Task, seed: int, options: dict[str, Any]) -> Dataset:
    facts, train = task.facts, task.splits["train"].x
    data = _whole(
        "stories", name, task, seed, stories.facts_of(facts["tasks"], train), [f"tasks: {', '.join(facts['tasks'])}"]
    )
    return replace(data, examples=stories.examples(train))


def _dialogues(name: str, task: Task, seed: int, options: dict[str, Any]) -> Dataset:
    if options.get("separator", dialogues.SEPARATOR) != dialogues.SEPARATOR:
        raise Problems().fail(name, "", "is generated, without a sign between turns", "leave --separator out")
    data = _whole("dialogues", name, task, seed, task.facts, [f"turns of a dialogue: {task.facts['turns']} at most"])
    return replace(data, examples=[one_line(" / ".join(turns), 140) for turns in task.splits["train"].x[:3]])


def _point_sets(name: str, task: Task, seed: int, options: dict[str, Any]) -> Dataset:
    train, problem = task.splits["train"], task.facts["problem"]
    facts = point_sets.facts_of(problem, train)
    told = [f"sets of {facts['fewest']} to {facts['most']} points, solved exactly: {problem}"]
    return replace(_whole("point_sets", name, task, seed, facts, told), examples=point_sets.examples(train))


Form = Callable[[str, Task, int, dict[str, Any]], Dataset]


def _sequences(name: str, task: Task, seed: int, options: dict[str, Any]) -> Dataset:
    train, symbols, classes = task.splits["train"], task.facts.get("symbols", ()), task.facts.get("classes", ())
    steps, features = train.x.shape[1:]
    facts = {**task.facts, "length": steps, "features": features}
    of = f"the {features} symbols {' '.join(symbols)}" if symbols else f"{features} number{'s' if features > 1 else ''}"
    asked = f", asked: {', '.join(classes)}" if classes else ", asked: bits" if "bits" in facts else ", asked: a number"
    data = _whole("sequences", name, task, seed, facts, [f"sequences: {steps} steps of {of}{asked}"])
    if symbols:
        read = [["".join(symbols[s] for s in row[row.any(1)].argmax(1))] for row in train.x[:3]]
    else:
        read = [[" ".join(f"{value:.3g}" for value in step) for step in row[:6].tolist()] for row in train.x[:3]]
        read = [[*row, "..."] if steps > len(row) else row for row in read]
    return replace(
        data,
        examples=[
            one_line("; ".join(row) + _answer(y, classes), 200) for row, y in zip(read, train.y[:3], strict=True)
        ],
    )


def _answer(y: Tensor, classes: Sequence[str]) -> str:
    if y.ndim > 1:  # bits, which are no line to read
        return ""
    if not classes:
        return f" -> {y.item():.4g}"
    return f" -> {''.join(classes[k] if k != UNASKED else '.' for k in y.tolist())}"


def _boxes(name: str, task: Task, seed: int, options: dict[str, Any]) -> Dataset:
    if image_sets.image_options(options)[1] == 3:
        task = replace(task, splits={split: _in_colour(part) for split, part in task.splits.items()})
    x, y = task.splits["train"].x, task.splits["train"].y
    facts = {"size": list(x.shape[2:]), "channels": x.shape[1], "classes": list(task.facts["classes"])}
    return _whole("boxes", name, task, seed, facts, [f"boxes: up to {y.shape[1]} in a picture"])


def _audio(name: str, task: Task, seed: int, options: dict[str, Any]) -> Dataset:
    sounds, classes = task.splits["train"].x, task.facts["classes"]
    if options.get("sample_rate"):
        what, remedy = f"is generated at {sounds.rate:,} samples a second", "leave --sample-rate out"
        raise Problems().fail(name, "", what, remedy)
    facts = {"rate": sounds.rate, "resampled": False, "longest": sounds.shape[1], "classes": list(classes)}
    said = f"recordings: {sounds.rate:,} samples a second, {sounds.seconds:,.1f} s in train; classes: {len(classes)}"
    return _whole("audio", name, task, seed, facts, [said])


def _pairs(name: str, task: Task, seed: int, options: dict[str, Any]) -> Dataset:
    said = [f"--{side} {options[side]}" for side in ("source", "target") if options.get(side)]
    if said:
        raise Problems().fail(name, "", "is generated, with sides of its own", f"leave {said[0]} out")
    longest = options.get("longest", pairs.LONGEST)
    splits: Any = task.splits.values()
    most = max(len(text.split()) for part in splits for text in (*part.x, *part.targets))
    if most > longest:
        what = f"has a source of {most} words, more than the model's limit of {longest}"
        raise Problems().fail(name, "", what, f"raise --longest to {most}, or lower --words")
    data = _whole("pairs", name, task, seed, {**task.facts, "longest": longest}, [])
    return replace(data, examples=pairs.shown(task.splits["train"]))


def _trees(name: str, task: Task, seed: int, options: dict[str, Any]) -> Dataset:
    facts = {"binarise": "no", "sentences": "refuse", **task.facts}
    if options.get("labels"):
        raise Problems().fail(name, "", "is generated, with labels of its own", "leave --labels out")
    train: Any = task.splits["train"]
    sizes = train.x.starts.diff()
    highest = {split: int(part.x.heights.max()) for split, part in task.splits.items()}
    said = f"trees: of up to {int(sizes.max() + 1) // 2} words in train; levels above the words: "
    told = [said + ", ".join(f"{split} {levels}" for split, levels in highest.items()),
            f"labels: {', '.join(task.facts['classes'])}"]  # fmt: skip
    data = _whole("trees", name, task, seed, facts, told)
    first = train.x.take(torch.arange(3))
    lines = []
    for begin, end in zip(first.starts.tolist(), first.starts.tolist()[1:], strict=False):
        words = " ".join(train.symbols[word] for word in first.words[begin:end].tolist() if word >= 0)
        lines.append(one_line(f"{words} -> {task.facts['classes'][int(first.labels[end - 1])]}", 160))
    return replace(data, examples=lines)


def _speech(name: str, task: Task, seed: int, options: dict[str, Any]) -> Dataset:
    train, symbols = task.splits["train"], list(task.facts["symbols"])
    if options.get("sample_rate"):
        what, remedy = f"is generated at {train.x.rate:,} samples a second", "leave --sample-rate out"
        raise Problems().fail(name, "", what, remedy)
    return speech.whole_of(task.splits, symbols, "characters", Path(name), seed, [f"{name}: generated"], {}, False)


FORMS: dict[str, Form] = {
    "images": _images, "boxes": _boxes, "audio": _audio, "tables": _tables, "documents": _documents,
    "sequences": _sequences, "speech": _speech, "trees": _trees, "pairs": _pairs, "stories": _stories,
    "point_sets": _point_sets, "dialogues": _dialogues,
}  # fmt: skip
"""By the kind of the examples."""
