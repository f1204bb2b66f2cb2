"""The generated formulas: their values by Python's own operators, their depths, their trees."""

import numpy as np
import pytest
import torch

from deepcanon.data import DataError, check, open_data
from deepcanon.parts.trees import NOTHING


def read(**options):
    return open_data(("trees",), "logic", options={"trees": options})


def text(split, row):
    """The words of a tree, and its nodes as nested tuples of (label, word) and (label, left, right)."""
    trees = split.x.take(torch.tensor([row]))
    words, children, labels = trees.words.tolist(), trees.children.tolist(), trees.labels.tolist()

    def node(k):
        if words[k] >= 0:
            return labels[k], split.symbols[words[k]]
        return labels[k], node(children[k][0]), node(children[k][1])

    return node(len(words) - 1)


def value(node):
    """Value and depth of a formula by Python's operators; every label on the way is compared with them."""
    label, *rest = node
    if len(rest) == 1:
        assert label == (rest[0] == "true")
        return rest[0] == "true", 0
    left, right = rest
    if left[1:] == ("not",):
        inner, depth = value(right)
        found = not inner
    else:
        first, a = value(left)
        assert right[0] == NOTHING and right[1][0] == NOTHING
        second, b = value(right[2])
        depth, operator = max(a, b), right[1][1]
        found = {"and": first and second, "or": first or second, "xor": first ^ second}[operator]
    assert label == found
    return found, depth + 1


@pytest.mark.parametrize("operators", [("not", "and"), ("not", "and", "or", "xor"), ("xor",)])
def test_every_formula_has_the_value_that_its_labels_say(operators):
    data = read(operators=operators, depth=2, deeper=4)
    for split, depths in (("train", [0, 1, 2]), ("valid", None), ("test", [3, 4])):
        part = data[split]
        for row in range(0, len(part), 7):
            found, depth = value(text(part, row))
            assert part.y[row] == found
            assert depths is None or depth in depths
    assert data.truth["depths"].tolist() == [3] * 200 + [4] * 200
    used = {part.symbols[w] for part in data.splits.values() for w in part.x.words.tolist() if w >= 0}
    assert used == {"true", "false", *operators}


def test_a_seed_gives_the_same_formulas_and_another_one_others():
    one, same = read(), read()
    other = open_data(("trees",), "logic", seed=1, options={"trees": {}})
    assert one.fingerprint() == same.fingerprint() and one.fingerprint()["test"] != other.fingerprint()["test"]
    assert one.counts() == {"train": 2000, "valid": 1000, "test": 800}


def test_the_floor_is_the_share_of_the_more_frequent_value():
    data = read()
    (known,) = data.known
    share = np.bincount(data["test"].y.numpy()).max() / 800
    assert known.floor == pytest.approx(share) and known.optimum == 1.0


def test_options_that_do_not_fit_are_refused():
    for options, said in (
        ({"depth": 3, "deeper": 3}, "--deeper: 3 is not more than the depth 3 .*; give 4 or more"),
        ({"operators": ("and", "and")}, "--operators: names none, or one twice"),
        ({"labels": 2}, "logic: is generated, with labels of its own; leave --labels out"),
    ):
        with pytest.raises(DataError, match=said):
            read(**options)
    assert check(("trees",), "logic").examples[0].endswith(("-> false", "-> true"))
