"""What can be tried of a trained run: a panel for each verb that its recipe declares, fitted to what the verb takes.

A panel follows from the verb, from the kind of the inputs and from the declared options alone, never from the name of a
recipe: a new recipe has its panels by itself, and a new kind of data takes files until it has a panel of its own.
"""

import inspect
import typing
from pathlib import Path
from typing import Any

from deepcanon.data import PATHS
from deepcanon.engine.contract import Decodes, Encodes, Generates, Plays, Predicts
from deepcanon.engine.generator import Draws
from deepcanon.engine.language import Speaks
from deepcanon.engine.word_vectors import HoldsWords
from deepcanon.heads import Option, fields_of
from deepcanon.ranges import plain_type
from deepcanon.serving.nearest import has_examples, none_kept
from deepcanon.trained import Trained
from deepcanon.verb_options import ClassSampling

__all__ = ["decodes_pictures", "draws_text", "input_kind", "panels_of"]

PICTURES = ("images", "boxes")
WRITTEN = {
    "text": "a text in each line",
    "documents": "one document",
    "pairs": "a sentence in each line",
    "stories": "1 Mary went to the garden.\n2 John went to the office.\n3 Where is Mary?",
    "dialogues": "hello __eou__ hi , how are you ? __eou__",
    "trees": "a sentence or a tree in brackets, in each line",
}
"""Kinds of data that are typed, with how they look."""
FIRST = ("prompt", "temperature", "beam", "length", "count")
"""Options of `generate` that are at hand; others are folded away."""
LOOKS = {"name": "looks", "words": "where it looks", "ticked": False}
NEAREST = {"name": "nearest", "words": "nearest examples", "ticked": True}
"""What may be asked besides."""
SEED = {"name": "seed", "kind": "int", "default": 0, "help": "Of what is drawn; another one draws another."}


def panels_of(trained: Trained) -> list[dict[str, Any]]:
    """JSON that says of each panel its verb and what it takes."""
    recipe = trained.recipe
    panels: list[dict[str, Any]] = []
    given = _input(trained) if isinstance(recipe, Predicts | Encodes) else None
    near, note = [NEAREST] if has_examples(trained) else [], none_kept(trained)
    if isinstance(recipe, Predicts) and given:
        looks = [LOOKS] if given["kind"] == "images" and trained.recipe.facts["reader"].get("classes") else []
        panels.append(
            {"verb": "predict", "title": _question(trained), "input": given, "more": [*looks, *near], "note": note}
        )
    if isinstance(recipe, Generates):
        fields = [_field(trained, option) for option in _options(recipe.asked)]
        fields.sort(key=lambda field: FIRST.index(field["name"]) if field["name"] in FIRST else len(FIRST))
        panels.append({"verb": "generate", "title": "Generate", "fields": [*fields, SEED]})
    if isinstance(recipe, Draws) and len(recipe.shape) == 3:
        ends = [{**SEED, "name": f"{end} seed", "default": place} for place, end in enumerate(("first", "last"))]
        panels.append({"verb": "walk", "title": "Walk from one sample to another", "fields": ends})
    if isinstance(recipe, Encodes) and not isinstance(recipe, HoldsWords) and given:
        panels.append({"verb": "encode", "title": "Encode", "input": given, "more": near, "note": note})
    if decodes_pictures(trained):
        panels.append({"verb": "between", "title": "Walk from one picture to another", "inputs": [given, given]})
    if isinstance(recipe, Plays):
        panels.append({"verb": "play", "title": "Watch an episode", "fields": [SEED]})
    if draws_text(trained):
        panels.sort(key=lambda panel: panel["verb"] != "generate")  # to write is what one looks for first
    return panels


def input_kind(trained: Trained) -> str:
    """The kind of data that `predict` and `encode` take."""
    return trained.recipe.inputs or trained.recipe.facts["reader"]["kind"]


def decodes_pictures(trained: Trained) -> bool:
    """Whether codes stand for pictures that can be shown."""
    return isinstance(trained.recipe, Decodes) and input_kind(trained) == "images"


def draws_text(trained: Trained) -> bool:
    """Whether texts are drawn token by token."""
    return isinstance(trained.recipe, Speaks)


def _question(trained: Trained) -> str:
    if isinstance(trained.recipe, HoldsWords):
        return "Nearest words"
    return "How well is it predicted?" if draws_text(trained) else "Predict"


def _input(trained: Trained) -> dict[str, Any] | None:
    kind, reader = input_kind(trained), trained.recipe.facts["reader"]
    if kind not in PATHS:
        return None
    found: dict[str, Any] = {"kind": kind}
    if kind in PICTURES:
        found |= {"form": "picture", "size": list(reader["size"]), "channels": int(reader["channels"])}
        return {**found, "examples": kind == "images" and has_examples(trained)}
    if kind == "tables" and reader.get("header") != "no":
        columns: list[dict[str, Any]] = [
            {"name": s["name"], "choices": s.get("categories") or []} for s in reader.get("sources", ())
        ]
        if columns:
            return {**found, "form": "row", "columns": columns}
    if isinstance(trained.recipe, HoldsWords):
        return {**found, "form": "text", "hint": "a word in each line; an analogy is: man king woman ?"}
    if kind == "point_sets":
        return {**found, "form": "points"}
    if kind in WRITTEN:
        return {**found, "form": "text", "hint": WRITTEN[kind]}
    return {**found, "form": "file"}


def _options(asked: type) -> tuple[Option, ...]:
    return fields_of(asked, Path(inspect.getfile(asked)))


def _field(trained: Trained, option: Option) -> dict[str, Any]:
    kind = plain_type(option.annotation)
    found: dict[str, Any] = {"name": option.name, "help": option.help, "default": option.default}
    if option.name in trained.recipe.asked.FILES:
        return {**found, "kind": "file"}
    classes = trained.recipe.facts["reader"].get("classes")
    if option.name == "prompt" and classes and issubclass(trained.recipe.asked, ClassSampling):
        return {**found, "kind": "choice", "choices": [str(name) for name in classes]}
    if typing.get_origin(kind) is tuple:
        return {**found, "kind": "lines", "default": list(option.default)}
    if typing.get_origin(kind) is typing.Literal:
        return {**found, "kind": "choice", "choices": [str(word) for word in typing.get_args(kind)]}
    return {**found, "kind": {int: "int", float: "float", bool: "bool"}.get(kind, "text")}
