"""Exported networks on trees: node by node they say what level by level is said, of trees of any shape."""

import json

import numpy as np
import pytest
import torch
from contract.shapes import unchecked

import deepcanon
from deepcanon.parts.trees import Trees
from deepcanon.sequence import MVRNN, RNTN, RecursiveNetwork
from deepcanon.techniques.exported_trees import NodeByNode
from deepcanon.techniques.tree_models import TreeClassifier

BATCHES = ([((0, 1), 2)], [3, ((1, (2, 0)), (0, (1, 3))), (0, 1)])


def rows_of(trees):
    """What the program reads of a batch of trees."""
    sizes = trees.starts.diff().tolist()
    words = trees.words.split(sizes)
    sides = (trees.children[:, side].clamp_min(0).split(sizes) for side in (0, 1))
    return [torch.nn.utils.rnn.pad_sequence(rows, batch_first=True) for rows in (words, *sides)]


def check(answer, classifier):
    """An answer (words, left, right) -> probabilities is what the forest says of every node."""
    for nested in BATCHES:
        trees = Trees.of(nested)
        with torch.no_grad():
            in_order = classifier(trees.forest()).softmax(1)
        expected = torch.empty_like(in_order)
        expected[trees.order()] = in_order
        found = answer(*rows_of(trees))
        for row, wanted in zip(found, expected.split(trees.starts.diff().tolist()), strict=True):
            np.testing.assert_allclose(np.asarray(row)[: len(wanted)], wanted.numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("network", [RecursiveNetwork(4, 3), RNTN(4, 3), MVRNN(4, 3, rank=2), MVRNN(4, 3, rank=None)])
def test_node_by_node_is_the_same_as_level_by_level(network):
    classifier = TreeClassifier(network, 3, 5)
    with torch.no_grad():
        check(NodeByNode(classifier), classifier)


@pytest.mark.slow
def test_onnxruntime_labels_every_node(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    run = deepcanon.train("mv-rnn", preset="smoke", steps=3, out=tmp_path / "run", threads=1, quiet=True)
    with unchecked():
        run.export("onnx", tmp_path / "net.onnx")
    about = json.loads((tmp_path / "net.json").read_text(encoding="utf-8"))
    assert {tuple(one["shape"]) for one in about["inputs"]} == {("batch", "nodes")} and "true" in about["vocabulary"]
    session = runtime.InferenceSession(str(tmp_path / "net.onnx"))
    names = ("words", "left", "right")
    check(
        lambda *given: session.run(None, {n: v.numpy() for n, v in zip(names, given, strict=True)})[0],
        run.recipe.model.eval(),
    )
