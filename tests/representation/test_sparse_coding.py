"""Optimality of the codes, the peers' solutions, and what happens when the norm of the atoms is free."""

import warnings

import jaxtyping
import numpy as np
import pytest
import torch
from oracles import sparse_coding as oracle

from deepcanon.data import open_data
from deepcanon.representation import PCA, SparseCoding, fista
from deepcanon.representation.sparse_coding import (
    infer_codes,
    kkt_violation,
    shrink,
    sparse_coding_objective,
    update_dictionary,
)


def unit(rows):
    return rows / rows.norm(dim=1, keepdim=True)


def problem(examples=300, atoms=40, features=20, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    d = unit(torch.randn(atoms, features, generator=generator, dtype=torch.float64))
    return d.to(dtype), torch.randn(examples, features, generator=generator, dtype=torch.float64).to(dtype)


def drawn(examples=1500, atoms=15, features=10, active=2):
    """Sums of few atoms of a known dictionary."""
    random = np.random.default_rng(3)
    d = random.normal(size=(atoms, features))
    d /= np.linalg.norm(d, axis=1, keepdims=True)
    s = np.zeros((examples, atoms))
    for row in s:
        row[random.choice(atoms, active, replace=False)] = random.choice([-1, 1], active) * random.uniform(1, 3, active)
    return d, s, s @ d + 0.02 * random.normal(size=(examples, features))


@pytest.mark.parametrize(("dtype", "penalty"), [(torch.float64, 0.3), (torch.float32, 0.3), (torch.float64, 0.05)])
def test_every_code_is_optimal(dtype, penalty):
    """Violation of the optimality conditions at most 1e-4 on every example."""
    d, x = problem(dtype=dtype)
    found = infer_codes(d, x, penalty, tolerance=9e-5)
    seen = oracle.violation(found.codes.double().numpy(), d.double().numpy(), x.double().numpy(), penalty)
    assert seen.max() <= 1e-4 and found.violation.max() <= 9e-5
    np.testing.assert_allclose(found.violation, seen, atol=1e-5)
    assert 0.2 < (found.codes == 0).double().mean() < 0.95
    slack = kkt_violation(found.codes + 1e-3, d, x, penalty)
    assert slack.min() > 1e-4  # the measure does not pass what is near only


@pytest.mark.parametrize("algorithm", ["lasso_cd", "lasso_lars"])
def test_codes_are_scikit_learns(algorithm):
    encode = pytest.importorskip("sklearn.decomposition").sparse_encode
    d, x = problem(60, 30, 20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = encode(x.numpy(), d.numpy(), algorithm=algorithm, alpha=0.4, max_iter=5000)
    ours = infer_codes(d, x, 0.4, tolerance=1e-8).codes
    np.testing.assert_allclose(ours, peer, atol=2e-4 if algorithm == "lasso_cd" else 1e-6)
    scores = (sparse_coding_objective(codes, d, x, 0.4).sum() for codes in (ours, torch.from_numpy(peer)))
    assert next(scores) <= next(scores) * (1 + 1e-9)


def test_orthonormal_atoms_have_codes_in_closed_form():
    d = torch.linalg.qr(torch.randn(7, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64))[0]
    x = torch.randn(5, 7, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert torch.allclose(infer_codes(d, x, 0.5, tolerance=1e-12).codes, shrink(x @ d.T, 0.5), atol=1e-5)
    big = float((x @ d.T).abs().max()) * 1.01
    assert (infer_codes(d, x, big).codes == 0).all()


def test_examples_do_not_disturb_each_other():
    """More of them than are worked on at once: each ends where it ends alone, whatever it starts from."""
    d, x = problem(3000)
    all_of_them = infer_codes(d, x, 0.3, tolerance=1e-9)
    for row in (0, 1700, 2999):
        alone = infer_codes(d, x[row : row + 1], 0.3, tolerance=1e-9)
        assert torch.allclose(alone.codes[0], all_of_them.codes[row], atol=1e-12)
        assert alone.steps[0] == all_of_them.steps[row]
    again = infer_codes(d, x, 0.3, tolerance=1e-9, start=all_of_them.codes)
    assert (again.steps == again.steps.min()).all() and torch.allclose(again.codes, all_of_them.codes, atol=1e-8)
    short = infer_codes(d, x, 0.3, tolerance=1e-9, max_iter=10)
    assert (short.steps == 10).all() and short.violation.max() > 1e-3


def test_fista_keeps_the_bound_of_beck_and_teboulle():
    """J(s_k) - J* <= 2 L |s*|^2 / (k + 1)^2; the same steps without momentum are far behind."""
    d, x = problem(30, 60, 20)
    best = infer_codes(d, x, 0.02, tolerance=1e-10, max_iter=20_000).codes
    least, largest = sparse_coding_objective(best, d, x, 0.02), torch.linalg.matrix_norm(d, 2) ** 2
    plain, gaps = torch.zeros_like(best), {}
    for k in range(1, 101):
        plain = shrink(plain - (plain @ d - x) @ d.T / largest, 0.02 / largest)
        if k in (1, 5, 20, 100):
            gap = sparse_coding_objective(fista(d, x, 0.02, k), d, x, 0.02) - least
            assert (gap >= -1e-9).all() and (gap <= 2 * largest * best.square().sum(1) / (k + 1) ** 2).all()
            gaps[k] = gap.mean()
    without = (sparse_coding_objective(plain, d, x, 0.02) - least).mean()
    assert gaps[100] < 0.2 * without


def test_smooth_penalty_tends_to_the_absolute_value():
    d, x = problem(40, 25, 20)
    sharp = infer_codes(d, x, 0.3, tolerance=1e-9)
    least, before = sparse_coding_objective(sharp.codes, d, x, 0.3), np.inf
    for eps in (1e-2, 1e-4, 1e-6):
        smooth = infer_codes(d, x, 0.3, eps=eps, tolerance=1e-5, max_iter=5000)
        assert smooth.violation.max() <= 1e-5
        gap = sparse_coding_objective(smooth.codes, d, x, 0.3, eps) - least
        assert (gap >= -1e-9).all() and (gap <= 0.3 * 25 * eps**0.5 + 1e-9).all()
        distance = float((smooth.codes - sharp.codes).abs().max())
        assert distance < 0.3 * before
        before = distance
    assert before < 2e-2


def test_the_slope_of_the_smooth_objective_is_what_the_violation_measures():
    d, x = problem(6, 9, 7)
    codes = torch.randn(6, 9, generator=torch.Generator().manual_seed(5), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(sparse_coding_objective(codes, d, x, 0.3, 0.1).sum(), codes)
    seen = kkt_violation(codes.detach(), d, x, 0.3, 0.1)
    assert torch.allclose(slope.abs().amax(1) / 0.3, seen, rtol=1e-12)
    numeric = torch.zeros_like(slope)
    for index in np.ndindex(*codes.shape):
        nudge = torch.zeros_like(slope)
        nudge[index] = 1e-6
        values = [sparse_coding_objective(codes.detach() + sign * nudge, d, x, 0.3, 0.1).sum() for sign in (1, -1)]
        numeric[index] = (values[0] - values[1]) / 2e-6
    assert torch.allclose(slope, numeric, atol=1e-7)


@pytest.mark.parametrize("norm", ["ball", "sphere"])
def test_updated_atoms_are_a_minimum(norm):
    """The slope A D - B vanishes at atoms inside the ball and is along the atom for those on it."""
    d, x = problem(200, 12, 8)
    codes = infer_codes(d, x, 0.3).codes
    codes[:, 0] *= 4  # such an atom wants to be short
    a, b = codes.T @ codes, codes.T @ x
    found = update_dictionary(d, a, b, norm=norm, sweeps=300)
    slope, length = a @ found - b, found.norm(dim=1)
    across = slope - (slope * found).sum(1, keepdim=True) / length.square()[:, None] * found
    assert across.abs().max() < 1e-6 * b.abs().max()
    if norm == "sphere":
        assert torch.allclose(length, torch.ones(12, dtype=torch.float64))
    else:
        assert length.max() <= 1 + 1e-12 and length.min() < 0.9
        assert slope[length < 0.999].abs().max() < 1e-6 * b.abs().max()
        assert ((slope * found).sum(1) <= 1e-6).all()  # no atom on the ball would rather be shorter


def test_without_a_bound_on_the_norm_codes_shrink_to_nothing():
    """Least squares for D, as if the constraint were forgotten: the penalty is escaped, not paid."""
    x = torch.from_numpy(drawn(400)[2])
    model = SparseCoding(15, penalty=0.3, rounds=15).fit(x)
    d, sizes = model.dictionary_, []
    for _ in range(15):
        codes = infer_codes(d, x, 0.3).codes
        sizes.append(float(codes.abs().mean()))
        d = torch.linalg.lstsq(codes, x).solution
    kept = model.infer(x).codes.abs().mean()
    assert sizes[-1] < 0.6 * sizes[0] and sizes[-1] < 0.6 * kept
    assert d.norm(dim=1).mean() > 1.5 and model.dictionary_.norm(dim=1).max() <= 1 + 1e-12


def test_objective_is_within_a_percent_of_scikit_learns():
    """From the same first atoms."""
    peer = pytest.importorskip("sklearn.decomposition").DictionaryLearning
    x = drawn(200)[2]
    first = x[:15] / np.linalg.norm(x[:15], axis=1, keepdims=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = peer(15, alpha=0.3, max_iter=150, fit_algorithm="cd", dict_init=first, code_init=np.zeros((200, 15)))
        theirs.fit(x)
    d = torch.from_numpy(theirs.components_)
    rows = torch.from_numpy(x)
    reached = float(sparse_coding_objective(infer_codes(d, rows, 0.3).codes, d, rows, 0.3).mean())
    ours = SparseCoding(15, penalty=0.3, first_atoms=first).fit(x)
    assert ours.objective_ <= 1.01 * reached


def whitened_patches(count, side=5):
    """Of scikit-learn's two photographs, as the recipe prepares them."""
    options = {"patch": side, "patches": 2 * count, "channels": 1}
    x = open_data(("images",), "photos", options={"images": options})["train"].x[:count].flatten(1).double() / 255
    x = x - x.mean(1, keepdim=True)
    pca = PCA().fit(x)
    variance = pca.explained_variance_
    x = (x - pca.mean_) @ pca.components_.T * (variance + 0.1 * variance.mean()).rsqrt() @ pca.components_
    return x / x.std()


@pytest.mark.parametrize("peer", ["DictionaryLearning", "MiniBatchDictionaryLearning"])
def test_objective_on_patches_is_within_a_percent_of_scikit_learns(peer):
    """The same patches of photographs and the same lambda, each from first atoms of its own choice."""
    x = whitened_patches(200)
    options = {"max_iter": 30, "batch_size": 50} if peer.startswith("Mini") else {"max_iter": 30}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        make = getattr(pytest.importorskip("sklearn.decomposition"), peer)
        theirs = make(24, alpha=1.0, fit_algorithm="cd", transform_algorithm="lasso_cd", random_state=0, **options).fit(
            x
        )
    d = torch.from_numpy(theirs.components_)
    reached = float(sparse_coding_objective(infer_codes(d, x, 1.0).codes, d, x, 1.0).mean())
    ours = SparseCoding(24, penalty=1.0, rounds=30).fit(x)
    assert ours.objective_ <= 1.01 * reached
    codes = torch.from_numpy(ours.transform(x.numpy()))
    assert float(sparse_coding_objective(codes, ours.dictionary_, x, 1.0).mean()) == pytest.approx(ours.objective_)


@pytest.mark.parametrize("online", [False, True])
def test_a_known_dictionary_is_found_again(online):
    d, _, x = drawn()
    model = SparseCoding(15, penalty=0.15, norm="sphere", rounds=60, seed=2)
    if online:
        for part in range(0, 12_000, 100):
            model.partial_fit(x[part % 1500 : part % 1500 + 100])
        assert int(model.n_iter_) == 120
    else:
        model.fit(x)
    cosines = np.abs(model.dictionary_.numpy() @ d.T).max(0)
    assert (cosines > 0.98).mean() >= (0.8 if online else 1.0)  # mini-batches end in a minimum near by


def test_atoms_without_use_are_replaced():
    x = drawn(300)[2]
    x[:, -1] = 0
    first = np.random.default_rng(0).normal(size=(12, 10))
    first[5:8] = np.eye(10)[-1]  # nothing lies there
    model = SparseCoding(12, penalty=0.2, first_atoms=first, rounds=20).fit(x)
    assert (model.transform(x) != 0).any(0).all()
    few = SparseCoding(9, penalty=0.2, rounds=3).fit(x[:4])  # fewer examples than atoms
    assert torch.isfinite(few.dictionary_).all() and few.dictionary_.norm(dim=1).max() <= 1 + 1e-12


def test_manners():
    x = drawn(60)[2]
    model = SparseCoding(8, penalty=0.3, rounds=5)
    assert model.get_params()["n_atoms"] == 8 and model.set_params(norm="sphere") is model
    for use in (model.transform, model.inverse_transform, lambda x: model(torch.from_numpy(x))):
        with pytest.raises(ValueError, match="not fitted"):
            use(x)
    codes = model.fit_transform(x)
    assert isinstance(codes, np.ndarray) and codes.shape == (60, 8) and model.n_features_in_ == 10
    assert isinstance(model.transform(torch.from_numpy(x)), torch.Tensor)
    missed = np.square(x - model.inverse_transform(codes)).sum() / np.square(x).sum()
    assert missed < 0.5
    other = SparseCoding(8, penalty=0.3)
    other.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(other.transform(x), codes)
    long = SparseCoding(8, penalty=0.3, unrolled=400)
    long.load_state_dict(model.state_dict())
    np.testing.assert_allclose(long(torch.from_numpy(x)), codes, atol=1e-3)
    with pytest.warns(UserWarning, match="did not converge"):
        model.set_params(max_iter=1, tolerance=0.0).transform(x)


def test_bad_input_is_named(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # the user has no run-time check of shapes
    d, x = problem(5, 6, 4)
    for bad in (x[0], x[:, :2]):
        with pytest.raises(ValueError):
            infer_codes(d, bad, 0.3)
    for penalty, eps in ((0.0, 0.0), (-1.0, 0.0), (0.3, -1.0), (float("nan"), 0.0)):
        with pytest.raises(ValueError, match="penalty"):
            fista(d, x, penalty, 3, eps)
    with pytest.raises(ValueError, match="NaN"):
        infer_codes(d, x.index_fill(0, torch.tensor([1]), float("nan")), 0.3)
    with pytest.raises(ValueError, match=r"codes \(5, 4\)"):
        kkt_violation(x, d, x, 0.3)
    with pytest.raises(ValueError, match="sums"):
        update_dictionary(d, torch.eye(5).double(), d)
    with pytest.raises(ValueError, match="norm is one of"):
        update_dictionary(d, torch.eye(6).double(), d, norm="cube")
    for options in ({"n_atoms": 0}, {"norm": "cube"}, {"rounds": 0}, {"first_atoms": np.ones((2, 2))}, {"penalty": 0}):
        with pytest.raises(ValueError):
            SparseCoding(**options).fit(x)
    for bad in (x[0], x[:0], x * np.nan):
        with pytest.raises(ValueError):
            SparseCoding().fit(bad)
    assert infer_codes(d, x[:0], 0.3).codes.shape == (0, 6)
    assert (infer_codes(0 * d, x, 0.3).codes == 0).all()
