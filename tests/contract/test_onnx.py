"""Every vision recipe that exports: onnxruntime gives torch's numbers at two batch sizes, from raw pixels."""

import importlib

import numpy as np
import pytest
import torch

import deepcanon
from deepcanon import heads

from .files import recipe_files

FIXED = {"threads": 1, "precision": "fp32", "device": "cpu", "quiet": True, "plain": True}


def exporting():
    """Stems of recipes of vision systems; an experiment exports nothing, the networks that it trains do."""
    vision = [file.stem for file in recipe_files() if heads.head(file.stem).system.startswith("vision.")]
    classes = {stem: importlib.import_module(f"deepcanon.recipes.{stem}").Recipe for stem in vision}
    return [stem for stem, recipe in classes.items() if "onnx" in (getattr(recipe, "formats", None) or ())]


SEQUENCES = {
    "lstm": {}, "gru": {}, "identity-rnn": {}, "bidirectional": {}, "stack-rnn": {}, "grid-lstm": {},
    "grid-lstm in one dimension": {"dims": 1, "data": "parity", "length": 6},
}  # fmt: skip


def numbers(found):
    return [one.numpy() for one in (found if isinstance(found, tuple) else (found,))]


@pytest.mark.slow
@pytest.mark.parametrize("stem", exporting())
def test_onnxruntime_gives_the_numbers_of_torch_for_two_batch_sizes(stem, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    steps = {} if stem == "patch_features" else {"steps": 3}  # its phases follow each other
    run = deepcanon.train(stem.replace("_", "-"), preset="smoke", out=tmp_path / "run", **steps, **FIXED)
    run.export("onnx", tmp_path / "net.onnx")
    export, random = run.recipe.export(), torch.Generator().manual_seed(0)
    session = runtime.InferenceSession(str(tmp_path / "net.onnx"))
    before = None
    for count in (5, 1):
        shape = count, *export.inputs[0].shape[1:]
        pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=random)
        found = session.run(None, {export.input_names[0]: pixels.numpy()})
        with torch.no_grad():
            expected = numbers(export.module.eval()(pixels))
        assert len(found) == len(expected) == len(export.output_names)
        for ours, theirs in zip(found, expected, strict=True):
            assert len(ours) == count and np.isfinite(ours).all()
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 if "boxes" in export.output_names else 1e-5)
        assert before is None or not np.array_equal(found[-1][0], before)  # the picture counts
        before = found[-1][0]


@pytest.mark.slow
@pytest.mark.parametrize("name", SEQUENCES)
def test_networks_on_sequences_are_written_for_any_number_of_them(name, tmp_path):
    """As long as those of training; shorter ones are padded."""
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    run = deepcanon.train(name.split()[0], preset="smoke", out=tmp_path / "run", steps=1, **SEQUENCES[name], **FIXED)
    run.export("onnx", tmp_path / "net.onnx")
    export, x = run.recipe.export(), run.recipe.run.data["train"].x
    session = runtime.InferenceSession(str(tmp_path / "net.onnx"))
    for rows in (x[:5], x[5:6]):
        raw = rows.to(export.inputs[0].dtype)
        (found,) = session.run(None, {export.input_names[0]: raw.numpy()})
        with torch.no_grad():
            (expected,) = numbers(export.module.eval()(raw))
        assert len(found) == len(raw)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
