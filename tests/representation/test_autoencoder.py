"""What an autoencoder must reach: PCA's subspace when it is linear, and a scale of its error that is the paper's."""

from unittest.mock import MagicMock

import jaxtyping
import numpy as np
import pytest
import torch
from oracles import autoencoder as oracle
from torch import nn

from deepcanon.parts.reconstruction import cross_entropy_of, squared_error_of
from deepcanon.recipes import autoencoder
from deepcanon.representation import PCA, Autoencoder


def test_a_linear_autoencoder_reaches_pca_and_spans_its_subspace():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 8)) @ np.diag([5, 4, 3, 1, 0.8, 0.5, 0.3, 0.2]) @ rng.normal(size=(8, 8)) + 2.0
    data = torch.from_numpy(x)
    model = Autoencoder(8, 3, hidden=(), output="linear", dtype=torch.float64)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=4000, history_size=30, tolerance_change=0,
                                  tolerance_grad=1e-9, line_search_fn="strong_wolfe")  # fmt: skip

    def closure():
        optimizer.zero_grad()
        loss = squared_error_of(model(data), data)
        loss.backward()
        return loss

    optimizer.step(closure)
    reached = squared_error_of(model(data), data).item()
    assert reached == pytest.approx(oracle.pca_error(x, 3), rel=1e-6)
    components = PCA(3).fit(data).components_
    basis = torch.linalg.qr(model.decoder[0].weight.detach()).Q
    cosines = torch.linalg.svdvals(components @ basis)
    assert torch.rad2deg(torch.acos(cosines.clamp(max=1))).max() < 1


def test_the_error_is_summed_over_features_and_averaged_over_examples():
    y, x = torch.zeros(3, 784), torch.full((3, 784), 0.5)
    assert squared_error_of(y, x).item() == pytest.approx(784 * 0.25)
    assert cross_entropy_of(y, x).item() == pytest.approx(784 * np.log(2))
    assert squared_error_of(y, x, "sum").item() == pytest.approx(3 * 784 * 0.25)
    assert squared_error_of(y.bfloat16(), x).dtype == torch.float32


def test_the_code_is_linear_and_the_output_bounded():
    model = Autoencoder(6, 2, hidden=(5,))
    codes = model.encode(50 * torch.randn(200, 6))
    assert codes.min() < 0 < codes.max() and isinstance(model.encoder[-1], nn.Linear)
    y = model.decode(1000 * torch.randn(50, 2))
    assert y.min() >= 0 and y.max() <= 1


def test_wrong_shapes_are_named(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # the user has no run-time check of shapes
    model = Autoencoder(6, 2, hidden=(5,))
    with pytest.raises(ValueError, match=r"\(3, 7\).*6"):
        model(torch.zeros(3, 7))
    with pytest.raises(ValueError, match=r"\(3, 3\).*2"):
        model.decode(torch.zeros(3, 3))
    with pytest.raises(ValueError, match="one"):
        squared_error_of(torch.zeros(3, 1), torch.zeros(3, 4))
    for wrong in ({"hidden": (0,)}, {"output": "relu"}):
        with pytest.raises(ValueError):
            Autoencoder(6, 2, **wrong)


def test_a_single_held_out_picture_leaves_out_the_figure_of_pairs_alone():
    recipe = autoencoder.Recipe.__new__(autoencoder.Recipe)
    recipe.config, recipe.model, recipe.reconstructor = autoencoder.Config(), MagicMock(), MagicMock()
    recipe.reconstructor.look.return_value.x = torch.zeros(1, 1, 4, 4)
    recipe.reconstructor.pictures.return_value, recipe.reconstructor.map.return_value = {"filters": 0}, {"map": 0}
    assert recipe.figures() == {"filters": 0, "map": 0}
