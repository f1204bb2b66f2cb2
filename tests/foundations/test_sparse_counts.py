"""Naive Bayes on sparse counts and on float32: the bits of dense counts in float64, and scikit-learn's answers."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.naive_bayes import BernoulliNB, MultinomialNB

from deepcanon.foundations import NaiveBayes
from deepcanon.foundations.naive_bayes import class_moments
from deepcanon.parts.sparse_rows import csr_rows, rows_at


def drawn(features=6):
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=120)
    y[:3] = np.arange(3)
    return rng.poisson(1 + y[:, None] * (np.arange(features) % 7), size=(120, features)).astype(float), y


@pytest.mark.parametrize(("kind", "options"), [("multinomial", {}), ("bernoulli", {"threshold": 0.5})])
@pytest.mark.parametrize("form", [sp.csr_matrix, sp.csc_array, lambda x: torch.from_numpy(x).to_sparse()])
def test_sparse_counts_have_the_bits_of_dense_ones(kind, options, form):
    x, y = drawn(features=30)
    x[:, 4:] *= np.random.default_rng(5).random((len(x), 26)) < 0.2
    x[7] = 0
    dense, sparse = NaiveBayes(kind, **options).fit(x, y), NaiveBayes(kind, **options).fit(form(x), y)
    for name in NaiveBayes.LEARNED:
        assert torch.equal(getattr(dense, name), getattr(sparse, name))
    np.testing.assert_allclose(sparse.predict_proba(form(x)), dense.predict_proba(x), rtol=1e-12)
    theirs, counts = MultinomialNB() if kind == "multinomial" else BernoulliNB(binarize=0.5), sp.csr_matrix(x)
    expected = theirs.fit(counts, y).predict_log_proba(counts)
    np.testing.assert_allclose(sparse.predict_log_proba(form(x)), expected, rtol=1e-9)


def test_sparse_counts_stay_as_they_are_and_what_has_no_meaning_is_refused():
    twice = sp.csr_matrix((np.array([0.4, 0.4, 1.0]), np.array([1, 1, 0]), np.array([0, 2, 3])), shape=(2, 2))
    model = NaiveBayes("bernoulli", threshold=0.5).fit(twice, [0, 1])
    assert twice.nnz == 3 and model.theta_.tolist() == [[1 / 3, 2 / 3], [2 / 3, 1 / 3]]
    twice.data.flags.writeable = False
    model.fit(twice, [0, 1])
    for sparse, kind, said in [
        (twice, "gaussian", "convert a sparse matrix"),
        (-twice, "multinomial", "Negative values"),
        (2 * twice, "bernoulli", r"lie in \[0, 1\]"),
        (twice * np.nan, "multinomial", "NaN or infinity"),
        (twice * 1j, "multinomial", "Complex"),
    ]:
        with pytest.raises((TypeError, ValueError), match=said):
            NaiveBayes(kind).fit(sparse, [0, 1])
    with pytest.raises(ValueError, match="would count as 1"):
        NaiveBayes("bernoulli", threshold=-1.0).fit(twice, [0, 1])
    with pytest.raises(ValueError, match="smoothing above 0"):
        NaiveBayes("bernoulli", smoothing=0.0, threshold=0.5).fit(twice, [0, 1]).predict(twice)
    with pytest.raises(ValueError, match="have no scatter"):
        class_moments(csr_rows(twice), torch.tensor([0, 1]), 2)


@pytest.mark.parametrize("kind", ["gaussian", "multinomial"])
def test_what_is_derived_from_the_state_is_derived_again_when_it_changes(kind):
    x, y = drawn()
    model, other = NaiveBayes(kind, smoothing=0.5).fit(x, y), NaiveBayes(kind, smoothing=0.5).fit(x, (y + 1) % 3)
    before, wanted = model.predict_proba(x), other.predict_proba(x)
    assert not np.allclose(before, wanted)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        copied.load_state_dict(other.state_dict())  # writes into the buffers
        np.testing.assert_array_equal(copied.predict_proba(x), wanted)
    model.load_state_dict(other.state_dict())
    np.testing.assert_array_equal(model.predict_proba(x), wanted)
    model.theta_ = state["theta_"]  # replaces one
    assert not np.allclose(model.predict_proba(x), wanted)
    model.theta_.copy_(other.theta_)
    np.testing.assert_array_equal(model.predict_proba(x), wanted)
    with torch.inference_mode():
        fitted = NaiveBayes(kind, smoothing=0.5).fit(x, y)
        np.testing.assert_array_equal(fitted.predict_proba(x), before)
        fitted.load_state_dict(other.state_dict())
        np.testing.assert_array_equal(fitted.predict_proba(x), wanted)


def test_rows_of_a_sparse_matrix_are_taken_by_number():
    x, _ = drawn()
    rows, wanted = csr_rows(sp.csr_matrix(x)), torch.tensor([7, 0, 7, 119])
    np.testing.assert_array_equal(rows_at(rows, wanted).to_dense(), x[wanted])
    assert rows_at(rows, wanted[:0]).shape == (0, 6)
    assert torch.equal(rows_at(torch.from_numpy(x), wanted), torch.from_numpy(x)[wanted])


@pytest.mark.parametrize("kind", ["gaussian", "multinomial"])
def test_float32_is_computed_in_float64(kind):
    x, y = drawn()
    x = x.astype(np.float32)
    narrow, wide = NaiveBayes(kind).fit(x, y), NaiveBayes(kind).fit(x.astype(np.float64), y)
    assert torch.equal(narrow.theta_, wide.theta_) and torch.equal(narrow.variance_, wide.variance_)
    np.testing.assert_array_equal(narrow.predict_log_proba(x), wide.predict_log_proba(x.astype(np.float64)))


def test_the_moments_of_all_classes_together_are_those_of_one_class():
    x, y = (torch.from_numpy(values) for values in drawn())
    whole, one = class_moments(x, y, 3).together(), class_moments(x, 0 * y, 1)
    for mine, other in zip(whole, one, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-12, atol=0)
    assert class_moments(x, y, 3, scatter=False).together().scatter is None
    shift, scale = torch.arange(6.0).double(), torch.arange(1.0, 7).double()
    for mine, other in zip(
        class_moments(x, y, 3).scaled(shift, scale), class_moments((x - shift) / scale, y, 3), strict=True
    ):
        torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-12)
