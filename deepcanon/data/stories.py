"""The stories reader: stories with questions and answers, as a list of `Question` for each split.

What is held out is drawn by whole stories, since the questions of one story share its sentences.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from . import published
from .archives import tar_members
from .errors import DataError, Problem, Problems, one_line
from .first_lines import first_lines
from .image_sets import list_folder
from .inputs import Inputs
from .named_splits import Told, splits_by_name
from .splits import ORDER, SPLIT_NAMES, Dataset, Split, draw_splits, shares
from .story_lines import Question, Story, looks_like_stories, stories_of
from .text import decode, filled, is_text, load

__all__ = [
    "ACCEPTS", "StorySplit", "chosen_tasks", "examples", "facts_of", "fits", "inputs", "read", "read_named",
    "recognises",
]  # fmt: skip

ACCEPTS = (
    "stories: a .txt file of numbered lines (1 begins a story; question, tab, answer, tab, supporting lines), "
    "a folder with train.txt (and valid.txt, test.txt), or a folder of tasks NAME_train.txt, NAME_test.txt"
)
EMPTY = "give a file of numbered lines"
LAST_WORD = re.compile(r"(.+?)[._-]([^._-]+)")
Found = dict[str, dict[str, list[Story]]]  # task -> split -> stories


class StorySplit(Split):
    """Questions `x`, each with the story before it and its answer; there are no `y`."""

    def take(self, indices: Tensor) -> Split:
        return StorySplit([self.x[i] for i in indices.tolist()])


def fits(path: Path) -> bool:
    """Whether the path looks like stories: the beginning of a .txt file, one of the first of a folder, says so."""
    files = [p for p in list_folder(path)[1] if is_text(p)] if path.is_dir() else [path] if is_text(path) else []
    return any(looks_like_stories(first_lines(file, 400)) for file in files[:20])


recognises = fits  # nothing else looks so


def read(path: Path, seed: int = 0, options: dict[str, Any] | None = None, problems: Problems | None = None) -> Dataset:
    """Reads stories in any of the accepted forms; missing splits are drawn by seed, task by task.

    Raises:
        DataError: a line is not in the form, a story asks nothing, or there is nothing to train on.
    """
    problems, told = problems or Problems(), Told()
    if path.is_dir():
        files = _listed(path, problems, told)
    elif is_text(path):
        files = {_task_of(path)[0]: {"train": path}}
    else:
        raise problems.fail(path, "", "is not a file of stories", f"accepted are {ACCEPTS}")
    wanted = chosen_tasks(list(files), options)
    found: Found = {
        task: {split: _stories(p, task, problems, told) for split, p in files[task].items()} for task in wanted
    }
    problems.settle()
    for task, splits in found.items():
        if not splits["train"]:
            file = files[task]["train"]
            raise problems.fail(file, "", "holds no story to train on", f"accepted are {ACCEPTS}")
    return _dataset(found, seed, options, problems, path.name, told)


def _listed(path: Path, problems: Problems, told: Told) -> dict[str, dict[str, Path]]:
    """The files of a folder, by task and split."""
    folders, files = list_folder(path)
    texts = [p for p in files if is_text(p)]
    told.unread = [p for p in files if not is_text(p)] + folders
    if not texts:
        raise problems.fail(path, "", "holds no .txt file", f"accepted are {ACCEPTS}")
    groups: dict[str, dict[str, Path]] = {}
    named = [p for p in texts if _task_of(p)[1]]
    if not named:
        splits = splits_by_name(texts, problems)
        told.unread += [p for p in texts if splits and p not in splits.values()]
        groups = {path.name or "stories": splits} if splits else {_task_of(p)[0]: {"train": p} for p in texts}
    for p in named:
        task, split = _task_of(p)
        if split in groups.setdefault(task, {}):
            what = f"is a second {split} split of {one_line(task, 60)} next to {groups[task][split].name}"
            raise problems.fail(p, "", what, "keep one of them")
        groups[task][split] = p
    told.unread += [p for p in texts if named and p not in named]
    for task, some in groups.items():
        if "train" not in some:
            split, p = next(iter(some.items()))
            what = f"is the {split} split of {one_line(task, 60)}, of which there is no train split"
            raise problems.fail(p, "", what, "add it, or give the file itself")
    return dict(sorted(groups.items(), key=lambda item: _in_order(item[0])))


def _task_of(path: Path) -> tuple[str, str]:
    """The task and the split ("" if none) that a file's name says: qa1_facts and train of qa1_facts_train.txt."""
    stem = re.sub(r"\.txt(\.gz)?$", "", path.name, flags=re.I)
    said = LAST_WORD.fullmatch(stem)
    split = SPLIT_NAMES.get(said[2].lower(), "") if said else ""
    return (said[1], split) if said and split else (stem, "")


def _in_order(name: str) -> list[tuple[bool, int, str]]:
    """qa2 before qa10."""
    return [(not part.isdecimal(), int(part[:9]) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", name)]


def chosen_tasks(names: list[str], options: dict[str, Any] | None) -> list[str]:
    """The tasks that the option `tasks` asks for, by name or by what stands before the first underscore."""
    asked = list((options or {}).get("tasks", ()))
    chosen = []
    for word in asked:
        found = [name for name in names if word in (name, name.split("_")[0])]
        if not found:
            have = one_line(", ".join(names), 300)
            raise DataError(Problem("", "", f"there is no task {one_line(word, 40)!r}", f"--tasks takes some of {have}",
                                    skippable=False))  # fmt: skip
        chosen += [name for name in found if name not in chosen]
    return chosen or names


def _stories(path: Path, task: str, problems: Problems, told: Told) -> list[Story]:
    return stories_of(path, filled(path, problems, told, EMPTY), task, problems, told)


def read_named(name: str, seed: int = 0, options: dict[str, Any] | None = None) -> Dataset:
    """`babi`: 20 tasks, each with 1,000 questions for training and 1,000 for the test."""
    (path,) = published.get(name).values()
    problems, told = Problems(), Told()
    members = tar_members(path, r"[^/]+/en/qa.+\.txt")
    files: dict[str, dict[str, bytes]] = {}
    for member, content in members.items():
        task, split = _task_of(Path(member))
        files.setdefault(task, {})[split] = content
    found: Found = {}
    for task in chosen_tasks(sorted(files, key=_in_order), options):
        found[task] = {
            split: stories_of(f"{name}: {task}", decode(content, task, problems) or "", task, problems, told)
            for split, content in files[task].items()
        }
    problems.settle()
    return _dataset(found, seed, options, problems, name, told)


def _dataset(
    found: Found, seed: int, options: dict[str, Any] | None, problems: Problems, name: str, told: Told
) -> Dataset:
    """The data set of stories by task and split; of each task the missing splits are drawn by the seed."""
    valid, test = shares(options)
    splits: dict[str, list[Question]] = {split: [] for split in ORDER}
    counts, drawn, lost = dict.fromkeys(ORDER, 0), set[str](), set[str]()
    for given in found.values():
        missing = [(s, share) for s, share in (("valid", valid), ("test", test)) if not given.get(s) and share > 0]
        train = given["train"]
        parts = {split: list(stories) for split, stories in given.items()}
        if missing:
            parts |= {split: [train[i] for i in rows.tolist()]
                      for split, rows in draw_splits(len(train), None, missing, seed).items()}  # fmt: skip
        drawn |= {f"{share:.0%} {split}" for split, share in missing if parts.get(split)}
        lost |= {split for split, _ in missing if not parts.get(split)}
        for split, stories in parts.items():
            counts[split] += len(stories)
            splits[split] += [question for story in stories for question in story.questions]
    whole: dict[str, Split] = {split: StorySplit(rows) for split, rows in splits.items() if rows}
    told_of = ", ".join(f"{split} {counts[split]:,} ({len(part):,} questions)" for split, part in whole.items())
    notes = [f"stories: {told_of}", f"tasks: {len(found)} ({one_line(', '.join(found), 200)})"]
    if drawn:
        notes.append(f"drawn by the seed, whole stories of each task: {', '.join(sorted(drawn))}")
    notes += [f"too few stories for a split: {' and '.join(sorted(lost))}"] * bool(lost)
    notes += [*_repeated(splits), *told.lines(), *problems.left_out()]
    record = {
        "path": name,
        "counts": {split: len(part) for split, part in whole.items()},
        "skipped": problems.skipped(),
    }
    facts = facts_of(list(found), splits["train"])
    return Dataset("stories", whole, facts, notes, record, examples(splits["train"]))


def facts_of(tasks: list[str], train: Sequence[Question]) -> dict[str, Any]:
    """The names of the tasks, and the most sentences before a question of the training set."""
    return {"tasks": tasks, "sentences": max(len(question.story) for question in train)}


def examples(questions: Sequence[Question]) -> list[str]:
    """Three questions with the end of the story before them."""
    return [one_line(f"{' '.join(q.story[-3:])} {q.text} {q.answer}", 140) for q in questions[:3]]


def _repeated(splits: dict[str, list[Question]]) -> list[str]:
    """What is reported of questions that a model has seen, and of answers that it has not."""
    notes = []
    seen = {(q.task, q.story, q.text) for q in splits["train"]}
    answers = {(q.task, q.answer) for q in splits["train"]}
    for split in ORDER[1:]:
        again = sum((q.task, q.story, q.text) in seen for q in splits[split])
        strange = sum((q.task, q.answer) not in answers for q in splits[split])
        notes += [f"questions of {split} that are in train too, after the same story: {again:,}"] * bool(again)
        notes += [f"questions of {split} whose answer no question of train has: {strange:,}"] * bool(strange)
    return notes


def inputs(describe: dict[str, Any], paths: Sequence[str]) -> Inputs:
    """The questions of files, each with the story before it; their answers may be missing, a question mark at the end
    of a line makes it a question. A folder gives those of its .txt files."""
    problems, found = Problems(), Inputs([], [])
    for given in paths:
        path, start, unread = Path(given), len(found.names), Told()
        files = [path]
        if path.is_dir():
            folders, some = list_folder(path)
            files = [p for p in some if is_text(p)]
            unread.unread = [p for p in [*folders, *some] if p not in files]
            if not files:
                problems.add(given, "", "holds no .txt file", "give .txt files of numbered lines")
        elif given != "-" and not is_text(path):
            raise problems.fail(
                given, "", "is not a file of stories", "give .txt files of numbered lines, or - for stdin"
            )
        for p in files:
            name, told = ("stdin" if given == "-" else str(p)), Told()
            text = decode(sys.stdin.buffer.read(), name, problems) if given == "-" else load(p, problems)
            for story in stories_of(name, text or "", _task_of(p)[0], problems, told, asking=True):
                found.names += [f"{name}:{question.line}" for question in story.questions]
                found.values += story.questions
        found.tell(start, unread.not_read())
    problems.settle()
    if not found.names:
        raise DataError(Problem(", ".join(paths), "", "holds no question", EMPTY, skippable=False))
    return found
