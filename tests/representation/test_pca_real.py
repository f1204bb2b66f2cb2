import numpy as np
import pytest
import torch

from deepcanon.data import open_data
from deepcanon.representation import PCA

MNIST = {10: (26.71, 2), 18: (19.69, 2), 30: (13.866, 3), 50: (9.004, 3), 100: (4.403, 3)}
FASHION = {10: (19.09, 2), 30: (12.24, 2), 50: (9.396, 3)}


def pixels(name, split):
    data = open_data(("images",), name, options={"images": {"valid_share": 0.0}})
    return data[split].x.flatten(1).double() / 255


@pytest.mark.real_data("mnist")
def test_mnist_errors_total_variance_and_whiteness():
    train = pixels("mnist", "train")
    pca = PCA(100, whiten="pca").fit(train)
    assert pca.total_variance_.item() == pytest.approx(52.725, abs=5e-4)
    errors = pca.squared_errors(pixels("mnist", "test")).mean(0)
    assert {k: round(errors[k].item(), digits) for k, (_, digits) in MNIST.items()} == {
        k: value for k, (value, _) in MNIST.items()
    }
    codes = pca.transform(train)
    assert (codes.T @ codes / len(codes) - torch.eye(100)).abs().max() < 1e-6


@pytest.mark.real_data("fashion-mnist")
def test_fashion_mnist_errors():
    pca = PCA(50).fit(pixels("fashion-mnist", "train"))
    errors = pca.squared_errors(pixels("fashion-mnist", "test")).mean(0)
    for k, (value, digits) in FASHION.items():
        assert np.round(errors[k].item(), digits) == value
