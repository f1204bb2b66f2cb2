"""Classes of different sizes: balanced batches, and weights in the loss."""

import numpy as np
import pytest
import torch

import deepcanon
from deepcanon.data.errors import DataError
from deepcanon.data.examples import choose_examples
from deepcanon.data.splits import Dataset, Split
from deepcanon.parts.classification import balanced_error, balanced_weights, by_class, confusion, cross_entropy


def uneven():
    y = torch.tensor([0] * 20 + [1] * 7 + [2] * 3)
    return Dataset("images", {"train": Split(torch.arange(30)[:, None], y)}, {"classes": ["a", "b", "c"]})


def test_every_class_is_as_frequent_as_the_largest():
    data = choose_examples(uneven(), {"order": "balanced"}, seed=1)
    train = data["train"]
    assert train.y.bincount().tolist() == [20, 20, 20] and not train.ordered
    times = train.x.flatten().bincount(minlength=30)
    for label, low in ((0, 1), (1, 2), (2, 6)):
        mine = times[uneven()["train"].y == label]
        assert set(mine.tolist()) <= {low, low + 1}, "repeated as a whole, the rest drawn without repetition"
    assert any("every class 20 times" in note for note in data.notes)
    again = choose_examples(uneven(), {"order": "balanced"}, seed=1)
    assert torch.equal(again["train"].x, train.x)


def test_without_classes_it_is_refused():
    data = Dataset("images", {"train": Split(torch.zeros(3, 1))}, {"classes": []})
    with pytest.raises(DataError, match="--order balanced"):
        choose_examples(data, {"order": "balanced"}, seed=0)


def test_weighted_loss_is_a_mean_over_examples_so_that_parts_add_up():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(8, 3)), np.array([0, 0, 0, 0, 1, 1, 1, 2])
    weights = balanced_weights(torch.tensor([4, 3, 1]))
    np.testing.assert_allclose(weights, [8 / 12, 8 / 9, 8 / 3])
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    smooth = 0.1
    targets = np.eye(3)[labels] * (1 - smooth) + smooth / 3
    each = -(targets * np.log(chances)).sum(1) * weights.numpy()[labels]
    x, y = torch.from_numpy(logits), torch.from_numpy(labels)
    assert float(cross_entropy(x, y, smooth, weights)) == pytest.approx(each.mean(), abs=1e-12)
    halves = [cross_entropy(x[part::2], y[part::2], smooth, weights) for part in range(2)]
    assert float(sum(halves) / 2) == pytest.approx(each.mean(), abs=1e-12)
    with pytest.raises(ValueError, match="every class"):
        balanced_weights(torch.tensor([1, 0]))


@pytest.mark.parametrize("option", [{"class_weights": "balanced"}, {"order": "balanced"}])
def test_a_rare_class_is_found(tmp_path, option):
    """Of 2 % rare examples in noise the plain loss finds few; weights or repetition find most."""
    rng = np.random.default_rng(0)
    y = (np.arange(1500) % 50 == 0).astype(int)
    x = rng.normal(128, 40, size=(1500, 1, 8, 8)) + 14 * y[:, None, None, None]
    images = (x.clip(0, 255).astype(np.uint8), y)
    recall = {}
    for name, given in (("plain", {}), ("balanced", option)):
        run = deepcanon.train(
            "convnet", data=images, out=tmp_path / name, steps=200, filters=(4,), hidden=8, batch=64, dropout=0.0,
            learning_rate=0.01, quiet=True, **given,
        )  # fmt: skip
        guesses = [row["label"] for row in run.predict(torch.from_numpy(images[0][y == 1]))]
        recall[name] = np.mean([guess == "1" for guess in guesses])
    assert recall["balanced"] >= recall["plain"] + 0.3, recall


def test_precision_and_recall_are_sklearns():
    from sklearn.metrics import precision_score, recall_score

    rng = np.random.default_rng(3)
    logits, labels = rng.normal(size=(60, 4)), rng.integers(0, 3, size=60)  # of the fourth class there is no example
    x, y, guesses = torch.from_numpy(logits), torch.from_numpy(labels), logits.argmax(1)
    precision, recall = by_class(confusion(x, y))
    np.testing.assert_allclose(precision, precision_score(labels, guesses, average=None, labels=range(4)), atol=1e-12)
    np.testing.assert_allclose(recall[:3], recall_score(labels, guesses, average=None, labels=range(3)), atol=1e-12)
    assert recall[3].isnan()
    assert balanced_error(x, y) == pytest.approx(1 - recall[:3].mean().item(), abs=1e-12)
