"""Exported translators: onnxruntime writes what `generate --beam 1` writes, of sources of any length."""

import json

import numpy as np
import pytest
import torch
from contract.shapes import unchecked

import deepcanon

SMALL = {"hidden": 12, "embedding": 8, "steps": 60, "batch": 8, "minimum_count": 1, "learning_rate": 2e-2}
LINES = ["ein Hund läuft .\ta dog runs .", "zwei Katzen schlafen dort heute .\ttwo cats sleep there ."]
FORMS = {
    "attention": {},
    "seq2seq": {"peeky": True},
    "pointer-generator": {},
    "location-aware": {"form": "location-aware"},
    "scheduled-sampling": {"truth": "always"},
    "sequence-level-training": {"network": "location-aware"},
}


@pytest.fixture(scope="module", params=FORMS)
def recipe(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    (folder / "pairs.tsv").write_text("\n".join(LINES * 20) + "\n", encoding="utf-8")
    data = {"data": str(folder / "pairs.tsv"), "out": folder / "r", "threads": 1, "quiet": True}
    name = "attention" if request.param == "location-aware" else request.param
    return deepcanon.train(name, **data, **SMALL, **FORMS[request.param]).recipe


def batches(recipe):
    """One source alone, and three of unequal lengths, each with what is written of it and how likely that is."""
    for texts in (["ein Hund ."], ["zwei Katzen schlafen dort heute . " * 3, "ein Kater , ein Uhu läuft .", "läuft"]):
        rows = [recipe.numbers(text, 0) for text in texts]
        width = max(map(len, rows))
        source = torch.tensor([[*row, *[recipe.end] * (width - len(row))] for row in rows])
        written = [recipe.translated([text], 1)[0] for text in texts]
        yield source, torch.tensor([len(row) for row in rows]), written


def cut(row, end):
    return [*row, end][: [*row, end].index(end)]


def check(answer, recipe):
    """An answer (source, lengths) -> words and log probabilities is what the recipe decodes greedily."""
    for source, lengths, written in batches(recipe):
        words, chances = answer(source, lengths)
        each, more = recipe.bound
        assert words.shape == (len(source), each * source.shape[1] + more)
        for ours, record in zip(words.tolist(), written, strict=True):
            theirs = cut(record["numbers"], recipe.end)
            # A translation that does not end continues as far as its width allows.
            assert cut(ours, recipe.end)[: len(theirs)] == theirs[: len(cut(ours, recipe.end))]
        ended = [recipe.end in row for row in words.tolist()]
        assert any(ended)
        told = np.array([record["log_probability"] for record in written])
        np.testing.assert_allclose(np.array(chances)[ended], told[ended], rtol=1e-4, atol=1e-5)


def test_the_module_alone_is_the_greedy_search(recipe):
    module = recipe.export().module.eval()
    with torch.no_grad():
        check(module, recipe)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [*FORMS][:4], indirect=True)
def test_onnxruntime_writes_what_generate_writes(recipe, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    loaded = deepcanon.load(recipe.run.folder)
    with unchecked():
        loaded.export("onnx", tmp_path / "net.onnx")
    about = json.loads((tmp_path / "net.json").read_text(encoding="utf-8"))
    assert [one["shape"] for one in about["inputs"]] == [["batch", "width"], ["batch"]]
    assert about["source_words"][recipe.end] == "</s>" and "Hund" in about["source_words"]
    session = runtime.InferenceSession(str(tmp_path / "net.onnx"))
    check(
        lambda *given: session.run(None, dict(zip(("source", "lengths"), map(np.asarray, given), strict=True))), recipe
    )
