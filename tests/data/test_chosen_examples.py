"""Some classes only, and a number of examples of each: every split, renumbered labels, refusals."""

import pytest
import torch

from deepcanon.data.errors import DataError
from deepcanon.data.examples import choose_examples
from deepcanon.data.splits import Dataset, Split

NAMES = ["ant", "bee", "cat", "dog"]


def animals():
    y = torch.arange(40) % 4
    splits = {"train": Split(torch.arange(40)[:, None], y), "test": Split(torch.arange(100, 108)[:, None], y[:8])}
    return Dataset("images", splits, {"classes": NAMES})


def test_only_some_classes_in_every_split_renumbered_in_the_order_given():
    data = choose_examples(animals(), {"classes": ("dog", "bee")}, seed=0)
    assert data.facts["classes"] == ["dog", "bee"] and animals().facts["classes"] == NAMES
    for split in data.splits.values():
        names = [["dog", "bee"][label] for label in split.y.tolist()]
        assert names == [NAMES[int(x) % 4] for x in split.x.flatten()]
    assert len(data["train"]) == 20 and len(data["test"]) == 4


def test_so_many_examples_of_each_class():
    data = choose_examples(animals(), {"per_class": 3}, seed=0)
    assert data["train"].y.bincount().tolist() == [3, 3, 3, 3] and len(data["test"]) == 8
    other = choose_examples(animals(), {"per_class": 3}, seed=1)
    assert not torch.equal(data["train"].x, other["train"].x)
    both = choose_examples(animals(), {"per_class": 3, "classes": ("cat", "ant")}, seed=0)
    assert both["train"].y.bincount().tolist() == [3, 3]


@pytest.mark.parametrize("only", [("ant", "cow"), ("ant", "ant")])
def test_classes_that_are_not_there_or_twice_are_refused(only):
    with pytest.raises(DataError, match="there are ant, bee, cat, dog, each to be given once"):
        choose_examples(animals(), {"classes": only}, seed=0)


def test_a_split_without_the_classes_is_refused():
    data = animals()
    data.splits["test"] = data["test"].take(torch.tensor([0, 4]))
    with pytest.raises(DataError, match="the test split has no example"):
        choose_examples(data, {"classes": ("bee", "cat")}, seed=0)
