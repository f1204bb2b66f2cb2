"""What recipes of trees share: the loss, the metrics by NumPy, negated words, answers about files, pictures."""

import json
import re

import numpy as np
import pytest
import torch
from contract.own_trees import own_trees
from contract.trainees import start, trainee

import deepcanon
from deepcanon.cli import main
from deepcanon.data import open_data
from deepcanon.engine.svg import draw
from deepcanon.parts.trees import NOTHING
from deepcanon.techniques.tree_models import node_loss, polarity, tree_measures

SENTIMENT = [
    "(4 (2 a) (4 (4 good) (2 film)))", "(0 (2 a) (0 (0 bad) (2 film)))", "(1 (2 not) (4 good))", "(3 (2 not) (0 bad))",
    "(2 (2 a) (2 film))",
]  # fmt: skip


def test_the_loss_is_the_mean_over_labelled_nodes():
    logits = torch.randn(5, 3, dtype=torch.float64)
    labels = torch.tensor([2, NOTHING, 0, 1, NOTHING])
    shares = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(1, keepdims=True)
    right = -np.mean([np.log(shares[k, labels[k]]) for k in (0, 2, 3)])
    assert node_loss(logits, labels).item() == pytest.approx(right, abs=1e-12)
    assert node_loss(logits, torch.full((5,), NOTHING)).item() == 0
    with pytest.raises(ValueError, match=r"logits \(5, 3\) and labels \(4,\) do not fit"):
        node_loss(logits, labels[:4])


def test_metrics_are_of_roots_nodes_and_sides():
    """Five classes: neutral roots are left out of "binary", whose sides are sums of probabilities, not the argmax."""
    chances = torch.tensor([
        [0.40, 0.00, 0.00, 0.30, 0.30],  # argmax 0, but more of it is positive
        [0.00, 0.00, 0.90, 0.06, 0.04],  # neutral by argmax, on the positive side
        [0.50, 0.10, 0.20, 0.10, 0.10],
        [0.10, 0.10, 0.60, 0.10, 0.10],
    ])  # fmt: skip
    labels, roots = torch.tensor([3, 4, 0, 2]), torch.tensor([0, 1, 3])
    found = tree_measures((chances + 1e-9).log(), labels, roots, ordered=True)
    assert found["accuracy"] == pytest.approx(1 / 3) and found["node_accuracy"] == pytest.approx(2 / 4)
    assert found["binary"] == 1.0  # of the roots 3 and 4; the third is neutral
    torch.testing.assert_close(
        polarity((chances + 1e-9).log())[:2], torch.tensor([0.2, 0.1]).double(), atol=1e-6, rtol=0
    )
    assert "binary" not in tree_measures(chances.log(), labels, roots, ordered=False)


@pytest.fixture
def run(tmp_path):
    (tmp_path / "t.txt").write_text("\n".join(SENTIMENT * 12) + "\n")
    options = {"hidden": 6, "batch": 4, "minimum_count": 1, "learning_rate": 0.1, "weight_decay": 0.0}
    return deepcanon.train("rntn", data=str(tmp_path / "t.txt"), preset="smoke", steps=150, out=tmp_path / "run",
                           threads=1, precision="fp32", device="cpu", quiet=True, **options)  # fmt: skip


def test_a_few_phrases_are_learned_with_their_negation(run):
    found = run.evaluate("test")
    assert found["accuracy"] == found["binary"] == found["node_accuracy"] == 1.0
    assert run.recipe.facts["negated"] == ["good"] and found["negation"] == 1.0
    alone, negated = run.recipe.negated(["good"])
    assert alone[0] > 0 > negated[0]


def test_a_file_of_trees_is_answered_with_a_label_at_every_node(run, tmp_path, capsys):
    path = tmp_path / "asked.txt"
    path.write_text("(_ (_ Not) (_ good))\n(1 unheard)\na sentence\n")
    records = run.predict([str(path)])
    assert [r["label"] for r in records[:2]] == ["1", records[1]["label"]]
    assert records[0]["tree"] == "(1 (2 Not) (4 good))" and "unknown" not in records[0]
    assert records[1]["unknown"] == ["unheard"]
    assert "is a sentence without a tree; write its tree in brackets" in records[2]["error"].replace(path.name, "")
    assert main(["predict", str(tmp_path / "run"), str(path), "--json"]) == 2
    out, error = capsys.readouterr()
    assert json.loads(out)[0]["tree"] == "(1 (2 Not) (4 good))" and "Traceback" not in error


def test_sentences_branch_if_training_said_so(tmp_path):
    (tmp_path / "t.txt").write_text("\n".join(SENTIMENT * 12) + "\n")
    run = deepcanon.train("recursive-network", data=str(tmp_path / "t.txt"), preset="smoke", steps=3, sentences="right",
                          out=tmp_path / "run", threads=1, quiet=True)  # fmt: skip
    (tmp_path / "s.txt").write_text("a good film\n")
    (record,) = run.predict([str(tmp_path / "s.txt")])
    assert re.fullmatch(r"\(. \(. a\) \(. \(. good\) \(. film\)\)\)", record["tree"])
    assert record["note"] == "a tree that branches to the right"


def test_trees_are_drawn_with_words_labels_and_mistakes(run):
    figures = run.recipe.figures()
    pictures = figures["trees"].figures
    text = "".join(draw(figures["trees"]))
    assert all(word in text for word in pictures[0].words)
    one = pictures[0]
    assert len(one.texts) == len(one.values) == len(one.children) == 2 * len(one.words) - 1
    assert set(one.texts) <= {"--", "-", "0", "+", "++"} and set(one.expected.values()) <= {"--", "-", "0", "+", "++"}


def test_past_gradients_are_forgotten_when_that_is_asked():
    """After so many passes the sums of AdaGrad hold the last gradient alone."""
    of = trainee("rntn").with_({"forget": 1, "batch": 1000})
    recipe, take_step = start(of, 5)
    for _ in range(2):
        take_step()
    weight = recipe.model.head.weight
    before, old = recipe.optimizer.state[weight]["sum"].clone(), weight.detach().clone()
    take_step()  # 2,000 formulas in batches of 1,000: the third step begins the second pass
    held = recipe.optimizer.state[weight]["sum"]
    assert (held < before).any()  # sums of squares only grow unless they are forgotten
    torch.testing.assert_close(held, (weight.grad + recipe.config.weight_decay * old).square())


def test_words_are_those_of_training_and_case_is_an_option(tmp_path):
    data = open_data(("trees",), str(own_trees(tmp_path / "own")), options={"trees": {}})
    of = trainee("mv_rnn")
    learned = of.recipe.learn(of.config, data)
    assert learned["vocabulary"][0] == "<unk>" and "(" in learned["vocabulary"] and learned["negated"]
    rare = of.recipe.learn(of.with_({"minimum_count": 1000}).config, data)
    assert rare["vocabulary"] == ["<unk>"] and rare["negated"] == []
