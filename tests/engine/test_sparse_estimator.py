"""Sparse counts and float32 through `Estimator`: read where they lie, the bits of dense rows in float64, or refused."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.utils.estimator_checks import check_estimator_sparse_array, check_estimator_sparse_tag

import deepcanon
from deepcanon import Estimator
from deepcanon.data import DataError

RNG = np.random.default_rng(0)
Y = np.arange(90) % 3
X = RNG.poisson(0.2 + (np.arange(12) % 3 == Y[:, None]), size=(90, 12)).astype(float)
COUNTS = ["multinomial", "bernoulli"]


def counting(kind, **options):
    return Estimator("naive-bayes", distribution=kind, binarize=kind == "bernoulli", **options)


@pytest.mark.parametrize("kind", COUNTS)
def test_sparse_counts_have_the_bits_of_dense_ones(kind):
    split = {"valid_share": 0.2, "test_share": 0.0}
    dense = counting(kind, **split).fit(X, Y)
    for form in (sp.csr_matrix, sp.csc_array, sp.coo_matrix):
        sparse = counting(kind, **split).fit(form(X), Y)
        for key, value in sparse.run_.module.state_dict().items():
            assert (value == dense.run_.module.state_dict()[key]).all()
        np.testing.assert_allclose(sparse.predict_proba(form(X)), dense.predict_proba(X), rtol=1e-12)
    assert sparse.run_.evaluate("valid") == pytest.approx(dense.run_.evaluate("valid"))
    again = pickle.loads(pickle.dumps(sparse))
    assert (again.predict(sp.csr_array(X)) == dense.predict(X)).all()
    assert [r["label"] for r in again.run_.predict(sp.csr_array(X))] == list(map(str, dense.predict(X)))


def test_scikit_learn_s_checks_of_sparse_input():
    for model in (counting("multinomial"), Estimator("naive-bayes")):
        check_estimator_sparse_tag("naive-bayes", model)
        check_estimator_sparse_array("naive-bayes", model)


def test_a_run_in_a_folder_knows_its_sparse_rows_again(tmp_path):
    data, settings = (sp.csr_matrix(X), Y), {"preset": "smoke", "quiet": True, "plain": True, "threads": 1}
    run = deepcanon.train("naive-bayes", data=data, out=tmp_path / "run", distribution="multinomial", **settings)
    again = deepcanon.load(tmp_path / "run", data=data, say=pytest.fail)
    assert again.evaluate("test") == run.evaluate("test")
    assert again.data == "arrays in memory"
    assert again.predict(torch.from_numpy(X).to_sparse()) == again.predict(sp.csr_matrix(X))
    assert [r["label"] for r in again.predict(sp.csr_matrix(X))] == [r["label"] for r in run.predict(X)]
    with pytest.raises(DataError, match=r"x: has shape \(90, 11\); give rows \[N, 12\] as in training"):
        again.predict(sp.csr_matrix(X[:, 1:]))


@pytest.mark.parametrize("model", [Estimator("naive-bayes"), Estimator("pca")])
def test_others_refuse_sparse_rows_in_one_line(model):
    with pytest.raises(TypeError, match=r"Sparse data was passed for X.*toarray"):
        model.fit(sp.csr_matrix(X), Y)
    with pytest.raises(DataError, match=r"^arrays in memory: x: is a sparse matrix; make it dense with \.toarray\(\)$"):
        deepcanon.train(model.name, data=(sp.csr_matrix(X), Y))


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix])
def test_what_is_not_a_count_is_named_by_its_place(form):
    fitted, bad, negative = counting("multinomial").fit(form(X), Y), X.copy(), X.copy()
    bad[4, 7], negative[5, 5] = np.nan, -1
    for ask in (fitted.predict, fitted.predict_proba, lambda x: fitted.fit(x, Y)):
        with pytest.raises(ValueError, match=r"x\[4, 7\]: is NaN, not finite or too large; correct it"):
            ask(form(bad))
        with pytest.raises(ValueError, match="Negative values in data"):
            ask(form(negative))
    bad[4, 7] = np.inf
    with pytest.raises(ValueError, match=r"x\[4, 7\]: is inf"):
        fitted.predict(form(bad))
    with pytest.raises(ValueError, match=r"holds complex numbers|Complex data"):
        fitted.fit(form(1j * X), Y)


@pytest.mark.parametrize("kind", ["gaussian", *COUNTS])
def test_float32_is_read_where_it_lies_and_has_the_bits_of_float64(kind):
    x = (X + 0.1).astype(np.float32)
    narrow, wide = counting(kind).fit(x, Y), counting(kind).fit(x.astype(float), Y)
    assert narrow.run_.recipe.run.data["train"].x.data_ptr() == x.ctypes.data
    for key, value in narrow.run_.module.state_dict().items():
        assert (value == wide.run_.module.state_dict()[key]).all()
    np.testing.assert_array_equal(narrow.predict_proba(x), wide.predict_proba(x.astype(float)))
