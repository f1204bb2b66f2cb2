"""What every estimator refuses and keeps; the systems that use it have scikit-learn's own checks on top."""

import numpy as np
import pytest
import torch

from deepcanon.parts.estimators import Estimator, NotFitted, labels_of, rows_of


class Mean(Estimator):
    LEARNED = ("mean_",)

    def __init__(self, *, shrink=0.0):
        super().__init__()
        self.shrink = shrink

    def fit(self, X):
        self.mean_ = rows_of(X, "Mean").mean(0)
        return self


def test_parameters_and_learned_tensors():
    model = Mean(shrink=0.5)
    assert model.get_params() == {"shrink": 0.5} and model.set_params(shrink=0.1).shrink == 0.1
    with pytest.raises(ValueError, match="Invalid parameter 'grow'"):
        model.set_params(grow=1)
    with pytest.raises(NotFitted, match="not fitted"):
        model.check_fitted()
    assert issubclass(NotFitted, ValueError) and issubclass(NotFitted, AttributeError)
    assert not model.state_dict()
    model.fit([[1.0, 2.0], [3.0, 4.0]])
    model.check_fitted(2, (7, 2))
    for shape in ((7, 3), (2,), (1, 1, 2)):
        with pytest.raises(ValueError, match="expecting 2 features"):
            model.check_fitted(2, shape)
    for other in (Mean(), Mean().fit(np.ones((2, 5)))):  # unfitted, or of another shape
        other.load_state_dict(model.state_dict())
        assert torch.equal(other.mean_, model.mean_) and other.mean_ is not model.mean_


def test_rows_are_finite_real_tables():
    assert rows_of([[1, 2]], "X").dtype == torch.float64 and rows_of(torch.ones(2, 3), "X").shape == (2, 3)
    big = np.full((2, 2), 1.5e308)  # finite, though their sum is not
    assert torch.isfinite(rows_of(big, "X")).all()
    for bad, said in (
        (np.ones(3), "Expected 2D"), (np.ones((3, 0)), "0 feature"), (np.ones((0, 3)), "0 sample"),
        (np.full((2, 2), np.inf), "infinity"), (np.ones((2, 2)) * 1j, "Complex"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            rows_of(bad, "X")
    with pytest.raises(ValueError, match="a minimum of 4"):
        rows_of(np.ones((3, 2)), "X", at_least=4)


def test_labels_are_numbered_in_order():
    places, classes = labels_of(np.array(["b", "a", "b"]), 3, "X")
    assert places.tolist() == [1, 0, 1] and classes == ["a", "b"]
    places, classes = labels_of(torch.tensor([7, -1, 7]), 3, "X")
    assert places.tolist() == [1, 0, 1] and classes == [-1, 7]
    for bad, said in (
        (None, "requires y"),
        ([1, 2], "one label"),
        ([0.5, 1, 2], "continuous"),
        ([0, np.nan, 1], "NaN"),
    ):
        with pytest.raises(ValueError, match=said):
            labels_of(bad, 3, "X")
