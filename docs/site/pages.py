"""A page for every system and recipe: what it computes, how to train it, its options, what was measured of it."""

import importlib.util
import json
import re
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import listing

from deepcanon import heads, options
from deepcanon.targets import MARKS

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "pictures"
SUBJECTS = {
    "foundations": "Foundations",
    "representation": "Representation learning",
    "vision": "Vision",
    "sequence": "Sequences: language, speech, series",
    "generative": "Generative models",
    "rl": "Reinforcement learning",
}


@cache
def tables() -> ModuleType:
    """The module that writes the tables of results, which stands next to the records."""
    path = ROOT / "docs" / "results" / "summarize.py"
    spec = importlib.util.spec_from_file_location("summarize", path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def md(text: str) -> str:
    """Text as Markdown shows it, whatever signs it has."""
    return re.sub(r"([\\`*_{}\[\]<>$#|~^])", r"\\\1", text)


def prose(text: str) -> str:
    """A paragraph of a docstring: ``code`` stays code, arXiv numbers become links, all else is text."""
    found = []
    for place, part in enumerate(re.split(r"``?([^`]+)``?", " ".join(text.split()))):
        if place % 2:
            found.append(f"`{part}`")
        else:
            found.append(re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", md(part)))
    return "".join(found)


@cache
def system_files() -> dict[str, Path]:
    """The files of systems by stem, in the order of the subjects."""
    return {
        path.stem: path
        for subject in SUBJECTS
        for path in sorted((heads.PACKAGE / subject).glob("*.py"))
        if not path.stem.startswith("_")
    }


@cache
def stems() -> list[str]:
    """All that has a page: files of systems, and recipes of experiments on other systems."""
    return sorted({*system_files(), *heads.stems()})


def subject_of(stem: str) -> str:
    """The room in which it stands."""
    files = system_files()
    return files[stem].parent.name if stem in files else heads.head(stem).subject


@cache
def summary_of(stem: str) -> str:
    """Its first line."""
    files = system_files()
    return listing.read(files[stem]).summary if stem in files else heads.summary(heads.head(stem))


def kinds_of(stem: str) -> tuple[str, ...]:
    """The kinds of data that its recipe reads."""
    return heads.head(stem).data if stem in heads.stems() else ()


def page(stem: str) -> str:
    """The page of a stem in MyST Markdown."""
    files = system_files()
    source = listing.read(files[stem]) if stem in files else None
    recipe = heads.head(stem) if stem in heads.stems() else None
    name = stem.replace("_", "-")
    parts = [f"# {name}", f"**{prose(summary_of(stem))}**", *_picture(stem)]
    if recipe:
        parts += _training(recipe)
    if source:
        parts += _equations(source, files[stem])
    if recipe:
        parts += [*_results(stem), *_options(recipe)]
    parts += _neighbours(stem, source)
    return "\n\n".join(parts) + "\n"


def picture_of(stem: str) -> Path | None:
    """A recorded run's picture of it, if one was taken."""
    found = sorted(PICTURES.glob(f"{stem}.*"))
    return next((path for path in found if path.suffix in (".svg", ".webp")), None)


def _picture(stem: str) -> list[str]:
    path = picture_of(stem)
    if not path:
        return []
    about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    caption = f"{prose(about['caption'])} {md('(')}`{about['command']}`{md(')')}"
    alt = about["caption"].replace("\n", " ")
    return [f"```{{figure}} ../pictures/{path.name}\n:alt: {alt}\n\n{caption}\n```"]


def _training(recipe: heads.Head) -> list[str]:
    lines, commands = [], []
    for line in recipe.doc.split("\n")[1:]:
        (commands if line.startswith("    ") else lines).append(line)
    parts = ["## Train it", *(prose(part) for part in "\n".join(lines).split("\n\n") if part.strip())]
    given = "\n".join(line.strip() for line in commands if line.strip())
    parts.append(f"```sh\n{given or f'deepcanon train {recipe.name}'}\n```")
    rows = ["| preset | trains on | command |", "| --- | --- | --- |"]
    for key, (_, settings) in recipe.presets.items():
        named, _, run = key.partition(":")
        command = f"deepcanon train {recipe.name}" + ("" if key == "default" else f" --preset {key}")
        if named == "verify":
            command = f"deepcanon verify {recipe.name}" + (f" --run {run}" if len(recipe.verified) > 1 else "")
        steps = settings.get("steps")
        length = f", {steps:,} {'step' if steps == 1 else 'steps'}" if steps else ""
        rows.append(f"| {md(key)} | {md(str(settings.get('data', 'own data')))}{length} | `{command}` |")
    kinds = ", ".join(md(kind.replace("_", " ")) for kind in recipe.data)
    return [*parts, f"Kinds of data: {kinds}.", "\n".join(rows)]


def _equations(source: listing.Source, path: Path) -> list[str]:
    parts = ["## Equations and code"]
    if source.papers:
        parts.append(f"Sources: {prose(source.papers)}")
    where = path.relative_to(ROOT).as_posix()
    parts.append(f"A number leads from an equation to the line of `{where}` that computes it, and back.")
    missing = [number for number, lines in listing.places(source).items() if not lines]
    if missing:
        words = ", ".join(f"({number})" for number in missing)
        parts.append(
            md(f"No line of this file names {words}: what they say follows from the others, or stands in a part.")
        )
    parts.append(f"```{{raw}} html\n{listing.beside(source)}\n```")
    if source.departures:
        items = re.split(r"(?:^|\n)- ", source.departures)
        listed = [f"- {prose(item)}" for item in items[1:]]
        first = prose(items[0]) if items[0].strip() else ""
        parts += ["### Departures", "\n".join([first, "", *listed]).strip()]
    if source.example:
        parts += ["### Example", f"```pycon\n{source.example.rstrip()}\n```"]
    return parts


def _results(stem: str) -> list[str]:
    record, recipe = heads.record(stem), heads.head(stem)
    parts = []
    if recipe.targets:
        parts.append("## Targets, and what was measured")
        rows = record.get("verify", {})
        if rows.get("targets"):
            parts.append("\n".join(tables().targets_of(stem, rows)).replace("<", r"\<"))
            runs = [seed for seeds in rows["runs"].values() for seed in seeds]
            parts.append(f"{rows['cpu_seconds']:,.0f} CPU seconds in {len(runs)} runs.")
        else:
            lines = ["| run | target | source |", "| --- | --- | --- |"]
            for one in recipe.targets:
                mark = MARKS[one.mark].split(":")[0]
                lines.append(f"| {md(one.run)} | {md(one.condition)} | {mark}: {md(one.source)} |")
            parts += ["Nothing is recorded yet.", "\n".join(lines)]
    if rows := record.get("benchmark"):
        lines = ["| against | of | ratio (rounds) | target | |", "| --- " * 5 + "|"]
        for row in rows:
            ratio = f"{row['ratio']:,.2f}x"
            if "interval" in row:
                ratio += " ({:,.2f} to {:,.2f})".format(*row["interval"])
            word = row.get("verdict", "")
            word = {"missed": "**missed**", "no target": ""}.get(word, word)
            peer = f"{row['peer']} {row['version']}".strip()
            lines.append(f"| {md(peer)} | {md(row['unit'])} | {ratio} | {row.get('target') or 'none'} | {word} |")
        parts += ["## Speed", "Above 1, this package is faster.", "\n".join(lines)]
    return parts


def _options(recipe: heads.Head) -> list[str]:
    parts, groups = ["## Options"], {}
    for option in recipe.options:
        groups.setdefault(option.group, []).append(option)
    for group in sorted(groups, key=list(options.GROUPS).index):
        found, title = groups[group], options.GROUPS[group] if group else "of the model"
        lines = [f"### {title.capitalize()}", "", "| option | default | |", "| --- | --- | --- |"]
        for option in found:
            flag = "--" + option.name.replace("_", "-")
            text = prose(option.help or "")
            lines.append(f"| `{flag}` | `{heads.shown(option.default)}` | {text} |")
        parts.append("\n".join(lines))
    return parts


def neighbours(stem: str) -> list[str]:
    """Pages that belong to it: what trains it, what it is shown by, what it shows."""
    files, found = system_files(), []
    if stem in heads.stems():
        found.append(heads.head(stem).system.split(".")[1])
    if stem in files:
        found += re.findall(r"[\w-]+", listing.read(files[stem]).shown_by)
    for other in heads.stems():
        if heads.head(other).system.split(".")[1] == stem:
            found.append(other)
    for other, path in files.items():
        if stem.replace("_", "-") in re.findall(r"[\w-]+", listing.read(path).shown_by):
            found.append(other)
    found = [name.replace("-", "_") for name in found]
    return [name for name in dict.fromkeys(found) if name != stem and name in stems()]


def _neighbours(stem: str, source: listing.Source | None) -> list[str]:
    near = [f"[{name.replace('_', '-')}]({name}.md): {prose(summary_of(name))}" for name in neighbours(stem)]
    return ["## See also", "\n".join(f"- {line}" for line in near)] if near else []


def about(stem: str) -> dict[str, Any]:
    """What the gallery knows of a page."""
    picture = picture_of(stem)
    return {
        "stem": stem,
        "name": stem.replace("_", "-"),
        "summary": summary_of(stem),
        "subject": subject_of(stem),
        "kinds": kinds_of(stem),
        "picture": picture.name if picture else "",
        "equations": _first_equations(stem),
    }


def _first_equations(stem: str) -> list[str]:
    """The first lines with numbers of its file, as the gallery shows them where there is no picture."""
    path = system_files().get(stem)
    lines = [line for part in listing.read(path).equations for line in part.split("\n")] if path else []
    return [line.strip() for line in lines if listing.number_of(line)][:4]
