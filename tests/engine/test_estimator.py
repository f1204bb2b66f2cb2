"""Recipes on arrays in memory: by `train`, and as scikit-learn's estimators (its own checks: tests/contract)."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_diabetes, load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import deepcanon
from deepcanon import Estimator, heads
from deepcanon.cli import main
from deepcanon.data import DataError
from deepcanon.errors import UsageError
from deepcanon.verbs import resume

X, Y = load_digits(return_X_y=True)
NAMES = np.array(list("abcdefghij"))[Y]
QUICK = {"threads": 1, "quiet": True, "plain": True}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# train, load and resume


def test_a_run_on_arrays_answers_without_them_and_says_so_where_it_cannot(tmp_path, capsys):
    run = deepcanon.train("softmax-regression", data=(X, NAMES), steps=20, out="run", **QUICK)
    assert run.data == "arrays in memory" and run.evaluate("test")["accuracy"] > 0.9
    (tmp_path / "run").rename(tmp_path / "moved")
    again = deepcanon.load("moved")
    assert [r["label"] for r in again.predict(X[:50])] == [r["label"] for r in run.predict(X[:50])]
    with pytest.raises(DataError, match=r"^arrays in memory: were given by the caller.*; give data=\(x, y\) again$"):
        again.evaluate("test")
    assert deepcanon.load("moved", data=(X, NAMES)).evaluate("test") == run.evaluate("test")
    with pytest.raises(UsageError, match="arrays in memory has the classes 0"):
        deepcanon.load("moved", data=(X, Y)).evaluate("test")
    assert main(["eval", "moved"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and "again" in said.err


def test_resume_needs_the_arrays_again_and_goes_on_with_them():
    whole = deepcanon.train("rica", data=X[:, 20:26], steps=12, out="whole", **QUICK)
    deepcanon.train("rica", data=X[:, 20:26], steps=6, out="half", **QUICK)
    with pytest.raises(DataError, match="again"):
        resume("half", steps=12, quiet=True)
    assert resume("half", steps=12, data=X[:, 20:26], quiet=True).step == 12
    assert torch.equal(deepcanon.load("half").module.weight, whole.module.weight)


def test_pictures_and_what_compares_runs():
    run = deepcanon.train("convnet", preset="smoke", data=(X.reshape(-1, 8, 8) / 16, Y), steps=3, out="run", **QUICK)
    assert len(run.predict(X[:4].reshape(-1, 8, 8) / 16)) == 4
    with pytest.raises(UsageError, match="dropout trains others"):
        deepcanon.train("dropout", data=(X, Y))
    with pytest.raises(DataError, match="set of tables, but the recipe reads images"):
        deepcanon.train("convnet", data=(X, Y))
    with pytest.raises(DataError, match="set of tables, but the recipe reads nothing"):
        deepcanon.train("holdout", data=X)
    with pytest.raises(UsageError, match="needs targets"):
        deepcanon.train("linear-regression", data=X)


# The estimator


def test_equals_the_field_s_own(tmp_path):
    ours, theirs = Estimator("pca", components=5).fit(X), PCA(5).fit(X)
    np.testing.assert_allclose(np.abs(ours.transform(X)), np.abs(theirs.transform(X)), atol=1e-3)
    a, b = load_diabetes(return_X_y=True)
    line = Estimator("linear-regression").fit(a, b)
    np.testing.assert_allclose(line.predict(a), LinearRegression().fit(a, b).predict(a), rtol=1e-4)
    assert line.score(a, b) == pytest.approx(0.51775, abs=1e-4)
    assert list(tmp_path.iterdir()) == []  # nothing is left behind


def test_is_a_link_of_pipelines_and_searches():
    search = GridSearchCV(
        make_pipeline(StandardScaler(), Estimator("pca", components=2), Estimator("softmax-regression", steps=10)),
        {"estimator-1__components": [2, 20]},
        cv=2,
    )
    search.fit(X[:600], NAMES[:600])
    assert search.best_params_ == {"estimator-1__components": 20} and search.best_score_ > 0.8
    assert (search.predict(X[600:]) == NAMES[600:]).mean() > 0.8
    probabilities = search.predict_proba(X[600:610])
    assert probabilities.shape == (10, 10) and np.allclose(probabilities.sum(1), 1)
    assert (search.classes_[probabilities.argmax(1)] == search.predict(X[600:610])).all()
    assert cross_val_score(Estimator("naive-bayes"), X, Y, cv=2).min() > 0.7


def test_a_copy_of_a_fitted_one_answers_the_same_elsewhere(tmp_path):
    model = Estimator("mlp", steps=30, hidden=(16,)).fit(X, NAMES)
    assert (pickle.loads(pickle.dumps(model)).predict(X) == model.predict(X)).all()
    (tmp_path / "model").write_bytes(pickle.dumps(model))
    np.save(tmp_path / "rows.npy", X[:100])
    code = (
        "import pickle, numpy; m = pickle.load(open('model', 'rb'));"
        "print(''.join(m.predict(numpy.load('rows.npy'))), m.transform(numpy.load('rows.npy')).shape)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "".join(model.predict(X[:100])) + " (100, 16)\n"
    fresh = clone(model)
    assert fresh.get_params() == model.get_params() and not hasattr(fresh, "run_")


def test_out_keeps_the_run(tmp_path):
    model = Estimator("ica", out=tmp_path / "kept").fit(X[:, 20:24])
    assert (tmp_path / "kept" / "report.html").is_file()
    np.testing.assert_array_equal(deepcanon.load("kept").encode(X[:9, 20:24]).numpy(), model.transform(X[:9, 20:24]))
    with pytest.raises(ValueError, match="kept is not empty"):
        model.fit(X)


def test_what_a_recipe_is_follows_from_what_it_offers():
    kinds = {}
    for stem in heads.stems():
        try:
            model = Estimator(stem)
            kinds[stem] = (
                "classifier" if is_classifier(model) else "regressor" if is_regressor(model) else "transformer"
            )
            assert hasattr(model, "predict_proba") == is_classifier(model)
            assert hasattr(model, "score") == (kinds[stem] != "transformer")
        except ValueError as error:
            assert "an estimator needs a recipe that learns from rows of numbers" in str(error)
    classifiers = ["learning_curves", "logistic_regression", "mlp", "naive_bayes", "softmax_regression"]
    assert [s for s, kind in kinds.items() if kind == "classifier"] == [*classifiers, "stacked_autoencoder"]
    assert [s for s, kind in kinds.items() if kind == "regressor"] == ["linear_regression"]
    transformers = ["autoencoder", "denoising_autoencoder", "ica", "pca", "rbm", "rica", "tsne"]
    assert [s for s, kind in kinds.items() if kind == "transformer"] == transformers


@pytest.mark.parametrize(
    ("model", "y", "said"),
    [
        (Estimator("nonsense"), Y, "there is no recipe 'nonsense'"),
        (Estimator("dropout"), Y, "dropout compares others"),
        (Estimator("convnet"), Y, "convnet reads images"),
        (Estimator("pca", componens=3), Y, "pca has no option 'componens': did you mean components"),
        (Estimator("pca", components="3"), Y, "components is '3', not of type int"),
        (Estimator("pca", preset="huge"), Y, "no preset 'huge'"),
        (Estimator("mlp"), None, "requires y to be passed"),
        (Estimator("mlp"), Y + 0.5, "continuous"),
        (Estimator("mlp"), 0 * Y, "at least two classes; y holds one"),
    ],
)
def test_what_does_not_fit_is_a_value_error_and_leaves_nothing(tmp_path, model, y, said):
    with pytest.raises(ValueError, match=said):
        model.fit(X, y)
    assert list(tmp_path.iterdir()) == [] and not hasattr(model, "run_")


def test_one_thread_trains_unless_told_otherwise_and_the_caller_s_number_stays():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        model = Estimator("softmax-regression", steps=3).fit(X, Y)
        assert model.run_.content["settings"].threads == 1 and torch.get_num_threads() == 2
        pickle.loads(pickle.dumps(model))
        assert torch.get_num_threads() == 2
        assert Estimator("softmax-regression", steps=3, threads=2).fit(X, Y).run_.content["settings"].threads == 2
        with pytest.raises(ValueError, match="did you mean decay"):
            Estimator("softmax-regression", l2=0.1).fit(X, Y)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_fit_in_memory_has_the_bits_of_a_run_in_a_folder_and_writes_nothing(tmp_path, monkeypatch):
    for name, options in [("mlp", {"steps": 12, "hidden": (8,), "valid_share": 0.2}), ("naive-bayes", {})]:
        kept = Estimator(name, out=tmp_path / name, **options).fit(X, Y)
        with monkeypatch.context() as patch:
            patch.setattr("os.mkdir", None)
            patch.setattr("deepcanon.writing.replacing", None)
            mine = Estimator(name, **options).fit(X, Y)
        assert mine.run_.step == kept.run_.step and mine.run_.learned().state.keys() == kept.run_.learned().state.keys()
        for part, values in mine.run_.learned().state.items():
            for key, value in values.items():
                assert torch.equal(value, kept.run_.learned().state[part][key])
        np.testing.assert_array_equal(mine.predict_proba(X), kept.predict_proba(X))
        records = mine.run_.predict(X[:3])
        assert [r["label"] for r in records] == [str(label) for label in mine.predict(X[:3])]
        assert mine.run_.evaluate("train") == kept.run_.evaluate("train")
        with pytest.raises(UsageError, match="has no folder: give `out`"):
            mine.run_.report()


def test_the_best_weights_are_kept_in_memory_too():
    options = {"steps": 60, "evaluate_every": 5, "hidden": (64,), "valid_share": 0.3, "precision": "fp32"}
    noise = np.random.default_rng(0).permutation(Y)[:300]  # which is soon learned by heart
    mine = Estimator("mlp", **options).fit(X[:300], noise)
    best = deepcanon.train("mlp", data=(X[:300], noise), out="kept", test_share=0.0, **options, **QUICK)
    assert 0 < mine.run_.step == best.step < 60
    pairs = zip(mine.run_.module.parameters(), best.module.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_the_caller_s_rows_are_read_where_they_lie_and_stay_as_they_are():
    x, y = X[:200].copy(), Y[:200]
    for name, options in [("naive-bayes", {}), ("softmax-regression", {"steps": 3}), ("rbm", {"steps": 3})]:
        found = Estimator(name, **options).fit(x, y).run_
        assert found.recipe.run.data["train"].x.data_ptr() == x.ctypes.data
        np.testing.assert_array_equal(x, X[:200])
        kept = np.asfortranarray(x)[::-1][::-1]
        kept.flags.writeable = False
        other = Estimator(name, **options).fit(kept, y).run_.learned().state["model"]
        assert all(torch.equal(value, other[key]) for key, value in found.learned().state["model"].items())
    x[3, 4] = np.inf
    with pytest.raises(DataError, match=r"x\[3, 4\]: is inf, not finite or too large, and 1 more"):
        x[9, 1] = np.nan
        deepcanon.train("pca", data=x, out="run", **QUICK)


@pytest.mark.parametrize("name", ["softmax-regression", "logistic-regression"])
def test_linear_classifiers_answer_of_raw_rows_and_name_what_is_not_finite(name):
    x, y = X[Y < 2], Y[Y < 2]
    model, far = (Estimator(name, steps=9).fit(x + move, y) for move in (0, 1e7))
    narrow, frozen = x.astype(np.float32), x.copy()
    frozen.flags.writeable = False
    for rows in (x, narrow, frozen):
        found = model.predict_proba(rows)
        told = [record["probabilities"] for record in model.run_.predict(rows)]
        np.testing.assert_allclose(found, [[p["0"], p["1"]] for p in told], atol=1e-5)
    np.testing.assert_allclose(far.predict_proba(x + 1e7), model.predict_proba(x), atol=1e-4)
    narrow[3, 4] = np.inf
    with pytest.raises(ValueError, match=r"x\[3, 4\]: is inf, not finite or too large; correct it"):
        model.predict(narrow)
