"""Formulas of propositional logic as trees, true or false; test formulas are deeper than any that was learned.

A formula is `true`, `false`, `not` next to a formula, or a formula next to (`and` next to a formula), so that every
node has two children; the operators are those of `--operators`:

    (true (true (_ not) (false false)))                     not false
    (false (true true) (_ (_ and) (false false)))           true and false

The nodes of formulas have the labels false and true, operators and what is an operator with its right side have none.
The 2,000 training formulas have 0 to `--depth` operators below each other, as many of each depth; validation has 1,000
of the same depths, the test 200 of each depth from `depth` + 1 to `--deeper`.

A vector of one number for each word is enough for a network whose operators act on what is next to them: `mv-rnn`. A
network whose words are vectors alone, `recursive-network`, learns it with one number from some seeds only.

Source: Socher, Huval, Manning and Ng, "Semantic Compositionality through Recursive Matrix-Vector Spaces", EMNLP 2012,
section 4.2, whose operators are not and and.

>>> from deepcanon.data.tree_lines import written
>>> written(formula("not", [truth(False)]))
'(true (_ not) (false false))'
"""

from collections.abc import Sequence
from typing import Any

import torch

from deepcanon.parts.trees import Trees

from ..drawn import Streams
from ..errors import DataError, Problem
from ..known import Known
from ..splits import Split
from ..tree_lines import Tree
from ..trees import TreeSplit, packed
from . import Task

__all__ = ["KIND", "draw", "formula", "truth"]

KIND = "trees"
BINARY = {"and": lambda p, q: p and q, "or": lambda p, q: p or q, "xor": lambda p, q: p != q}
NAMES = ("false", "true")
WORDS = ("false", "true", "not", "and", "or", "xor")
TRAINED, MEASURED, EACH = 2000, 1000, 200


def truth(value: bool) -> Tree:
    """The formula `true` or `false`."""
    return Tree([NAMES[value]], [NAMES[value]], [(-1, -1)], [0])


def _joined(left: Tree, right: Tree, label: str | None) -> Tree:
    """A node over two trees; leaves stay before inner nodes."""
    sides = (left, right)
    leaves = [len(tree.heights) - len(tree.heights) // 2 for tree in sides]
    total, places = sum(leaves), list[list[int]]()
    first_leaf, first_inner = 0, total
    for tree, count in zip(sides, leaves, strict=True):
        inner = len(tree.heights) - count
        places.append([*range(first_leaf, first_leaf + count), *range(first_inner, first_inner + inner)])
        first_leaf, first_inner = first_leaf + count, first_inner + inner
    size = total + sum(len(tree.heights) for tree in sides) - total
    words: list[str | None] = [None] * (size + 1)
    labels, children, heights = [*words], [(-1, -1)] * (size + 1), [0] * (size + 1)
    for tree, place in zip(sides, places, strict=True):
        for node, at in enumerate(place):
            words[at], labels[at], heights[at] = tree.words[node], tree.labels[node], tree.heights[node]
            a, b = tree.children[node]
            children[at] = (place[a], place[b]) if a >= 0 else (-1, -1)
    children[size] = (places[0][-1], places[1][-1])
    labels[size], heights[size] = label, 1 + max(tree.heights[-1] for tree in sides)
    return Tree(words, labels, children, heights)


def formula(operator: str, sides: Sequence[Tree]) -> Tree:
    """`not` of one formula, or another operator of two."""
    word = Tree([operator], [None], [(-1, -1)], [0])
    values = [tree.labels[-1] == "true" for tree in sides]
    if operator == "not":
        return _joined(word, sides[0], NAMES[not values[0]])
    return _joined(sides[0], _joined(word, sides[1], None), NAMES[BINARY[operator](*values)])


def _drawn(depth: int, operators: Sequence[str], generator: torch.Generator) -> Tree:
    """A formula with exactly so many operators below each other."""

    def below(count: int) -> int:
        return int(torch.randint(count, (1,), generator=generator))

    if depth == 0:
        return truth(bool(below(2)))
    operator = operators[below(len(operators))]
    deep = _drawn(depth - 1, operators, generator)
    if operator == "not":
        return formula(operator, [deep])
    other = _drawn(below(depth), operators, generator)
    return formula(operator, [deep, other] if below(2) else [other, deep])


def _split(depths: Sequence[int], operators: Sequence[str], generator: torch.Generator) -> TreeSplit:
    return TreeSplit(_trees([_drawn(depth, operators, generator) for depth in depths]), WORDS)


def _trees(formulas: Sequence[Tree]) -> Trees:
    labels = {name: number for number, name in enumerate(NAMES)}
    return packed(formulas, {word: number for number, word in enumerate(WORDS)}, labels)


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Formulas to learn from, and deeper ones to test on.

    Raises:
        DataError: the test formulas would not be deeper, or an operator comes twice.
    """
    operators = tuple(options.get("operators", ("not", "and")))
    depth, deeper = options.get("depth", 2), options.get("deeper", 6)
    if deeper <= depth:
        what = f"{deeper} is not more than the depth {depth} of training formulas"
        raise DataError(Problem("--deeper", "", what, f"give {depth + 1} or more", skippable=False))
    if not operators or len(set(operators)) < len(operators):
        raise DataError(Problem("--operators", "", "names none, or one twice", "give each once", skippable=False))

    def some(split: str, depths: Sequence[int]) -> Split:
        return _split(depths, operators, Streams(seed).generator(f"logic/{split}"))

    learned = [row % (depth + 1) for row in range(TRAINED + MEASURED)]
    depths = [d for d in range(depth + 1, deeper + 1) for _ in range(EACH)]
    splits = {"train": some("train", learned[:TRAINED]), "valid": some("valid", learned[TRAINED:])}
    test = some("test", depths)
    splits["test"] = test
    roots = test.y.float().mean().item() if test.y is not None else 0.5
    floor = max(roots, 1 - roots)
    known = (
        Known("accuracy", floor, 1.0, "", ("always the more frequent value, of the test", "formulas have values")),
    )
    facts = {"classes": list(NAMES), "labels": list(NAMES), "ordered": False, "depths": [depth, deeper]}
    told = f"operators below each other: 0 to {depth} in train and valid, {depth + 1} to {deeper} in test"
    return Task(splits, known, facts, {"depths": torch.tensor(depths)}, (told,))
