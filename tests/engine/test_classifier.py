"""What a recipe's classifier does apart from training: worked by hand for a model whose logits are its inputs."""

import pytest
import torch
from torch import nn

from deepcanon.data.splits import Dataset, Split
from deepcanon.engine import Classifier, Run, portions, require_classes
from deepcanon.errors import UsageError
from deepcanon.settings import Settings

READER = {"kind": "tables", "classes": ["no", "yes"], "columns": ["a", "b"]}
X = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 3.0], [5.0, 0.0], [1.0, 0.0]])
Y = torch.tensor([0, 1, 0, 1, 0])  # examples 2 and 3 are wrong, 3 with more confidence


def data(valid=True, x=X, y=Y):
    splits = {"train": Split(x, y), "test": Split(x[:1], y[:1])} | ({"valid": Split(x[1:], y[1:])} if valid else {})
    return Dataset("tables", splits, {name: value for name, value in READER.items() if name != "kind"})


def classifier(opened=None, shape=(2,), **options):
    run = Run(Settings(device="cpu"), None, lambda: opened or data())
    return Classifier(run, nn.Identity(), nn.Flatten(), shape, READER, **options)


def test_logits_come_some_rows_at_a_time(monkeypatch):
    monkeypatch.setattr(portions, "rows_at_a_time", lambda function, x: 2)
    seen = []
    found = classifier(prepare=lambda x: (seen.append(len(x)), x + 1)[1])(X)
    assert torch.equal(found, X + 1) and seen == [2, 2, 1]
    assert torch.equal(classifier()(X, lambda x: x[:, :1]), X[:, :1])


def test_measures_of_a_split_by_its_own_or_another_function():
    found = classifier().measure(data()["train"])
    assert found["accuracy"] == 0.6 and found["error"] == 0.4
    losses = torch.nn.functional.cross_entropy(X.double(), Y, reduction="none")
    assert found["nll"] == pytest.approx(losses.mean().item(), rel=1e-12)
    assert classifier().measure(data()["train"], lambda x: -x)["accuracy"] == 0.4


def test_a_look_takes_validation_or_else_training_or_what_is_given():
    assert torch.equal(classifier().look().x, X[1:])
    assert torch.equal(classifier(data(valid=False)).look(3).x, X[:3])
    seen = classifier().look(2, Split(X.flip(0), Y.flip(0)))
    assert torch.equal(seen.logits, X.flip(0)[:2]) and seen.y.tolist() == [0, 1]
    assert len(classifier().look(data=Split(X[:0], Y[:0])).x) == 0, "a split without examples is a split"


def test_confusion_is_shares_of_a_row_and_mistakes_are_images():
    it = classifier(data(valid=False))
    assert it.figures(it.look())["confusion"].values.tolist() == [[2 / 3, 1 / 3], [0.5, 0.5]]
    assert it.figures(it.look(1))["confusion"].values.tolist() == [[1.0, 0.0], [0.0, 0.0]]
    assert set(it.figures(it.look())) == {"confusion", "classes", "roc"}
    images = data(valid=False, x=X.view(5, 1, 1, 2))
    it = classifier(images, shape=(1, 1, 2))
    assert it.figures(it.look())["confident-mistakes"].images.tolist() == X[[3, 2]].view(2, 1, 1, 2).tolist()
    assert set(it.figures(it.look(2))) == {"confusion", "classes", "roc"}, "no mistake, no picture"


def test_answers_and_export_agree():
    it = classifier()
    answers, export = it.predict(X), it.export()
    assert [answer["label"] for answer in answers] == ["no", "yes", "yes", "no", "no"]
    probabilities = [[answer["probabilities"][name] for name in READER["classes"]] for answer in answers]
    torch.testing.assert_close(export.module(X), torch.tensor(probabilities))
    assert export.about == {"task": "classify", "classes": ["no", "yes"], "columns": ["a", "b"]}
    assert export.inputs[0].shape == (2, 2) and export.output_names == ("probabilities",)


def test_data_without_classes_are_refused_in_the_recipes_words():
    assert require_classes(data()) == ["no", "yes"]
    with pytest.raises(UsageError, match="a classifier needs classes: images in CLASS/ folders, a table"):
        require_classes(Dataset("tables", {"train": Split(X, Y)}, {}))
    with pytest.raises(UsageError, match=r"^give labels$"):
        require_classes(Dataset("images", {"train": Split(X)}, {"classes": ["no", "yes"]}), "give labels")
