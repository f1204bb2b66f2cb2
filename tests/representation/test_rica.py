import numpy as np
import pytest
import torch
from oracles import rica as oracle
from scipy.optimize import minimize

from deepcanon.representation import ICA, RICA, rica_objective
from deepcanon.representation.ica import amari_index
from deepcanon.representation.rica import distinct_share, rica_both, rica_gradient

EXACT = {"sparsity": "smooth-l1", "eps": 1e-3, "scale_rows": False}


def minimum(x, weight, penalty, steps=300, **options):
    """The weight that L-BFGS finds from here."""
    x = torch.as_tensor(x)

    def both(flat):
        value, slope = rica_both(torch.from_numpy(flat).view(weight.shape), x, penalty=penalty, **{**EXACT, **options})
        return float(value), slope.numpy().ravel()

    found = minimize(both, np.asarray(weight).ravel(), jac=True, method="L-BFGS-B", options={"maxiter": steps})
    return torch.from_numpy(found.x).view(weight.shape), found.fun


def white_mixture(sources=4, examples=5_000, seed=0):
    random = np.random.default_rng(seed)
    s, mixing = random.laplace(size=(examples, sources)), random.normal(size=(sources, sources))
    ica = ICA(tolerance=1e-10, seed=seed).fit(s @ mixing.T)
    z = (s @ mixing.T - ica.mean_.numpy()) @ ica.whitening_.numpy().T
    return torch.from_numpy(z), ica, ica.whitening_ @ torch.from_numpy(mixing)


def test_complete_case_with_a_growing_penalty_becomes_ica():
    """The objective and the sources of ICA (W orthonormal, E|s| least), and W W^T = I is approached."""
    z, ica, product = white_mixture()
    weight = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64))[0]
    sizes, gaps = [], []
    for penalty in (1.0, 10.0, 100.0, 1000.0):
        weight, _ = minimum(z, weight, penalty)
        sizes.append(float(rica_objective(weight, z, penalty=0.0, eps=1e-3)))
        gaps.append(float((weight @ weight.T - torch.eye(4)).abs().max()))
    assert amari_index(weight @ product) <= 0.03
    assert gaps == sorted(gaps, reverse=True) and gaps[-1] < 2e-3
    least = min(float(rica_objective(ica.rotation_, z, penalty=0.0, eps=1e-3)), sizes[-1])
    assert sizes[-1] == pytest.approx(least, rel=2e-3)
    assert float(rica_objective(ica.rotation_, z, penalty=0.0, eps=1e-3)) == pytest.approx(sizes[-1], rel=5e-3)


def test_without_the_encoder_term_the_gradient_is_wrong():
    """The classic slip: only the decoder's W^T is differentiated."""
    random = np.random.default_rng(0)
    w, x = random.normal(size=(6, 4)), random.normal(size=(50, 4))
    right = rica_gradient(torch.from_numpy(w), torch.from_numpy(x), penalty=1.0).numpy()
    step = 1e-6 * random.normal(size=w.shape)
    rise = oracle.objective(w + step, x, 1.0) - oracle.objective(w - step, x, 1.0)
    assert rise == pytest.approx(2 * (right * step).sum(), rel=1e-6)
    codes = x @ w.T
    decoder_only = codes.T @ (2 * (codes @ w - x)) / len(x) + (codes / np.sqrt(codes**2 + 1e-2)).T @ x / len(x)
    assert abs(2 * (decoder_only * step).sum() - rise) > 0.05 * abs(rise)


def test_closed_form_equals_autograd_through_the_scaling_of_rows():
    for scale_rows in (False, True):
        w = torch.randn(9, 4, dtype=torch.float64, requires_grad=True)
        x = torch.randn(30, 4, dtype=torch.float64)
        rica_objective(w, x, penalty=0.6, scale_rows=scale_rows).backward()
        mine = rica_gradient(w.detach(), x, penalty=0.6, scale_rows=scale_rows)
        torch.testing.assert_close(mine, w.grad, rtol=1e-10, atol=1e-12)
        assert not scale_rows or (mine * w.detach()).sum(1).abs().max() < 1e-12  # length does not matter


def test_the_penalty_keeps_codes_from_dying():
    z, _, _ = white_mixture(examples=1_000)
    start = torch.randn(8, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) / 8**0.5
    dead, _ = minimum(z, start, 0.0)
    alive, _ = minimum(z, start, 10.0)
    assert dead.norm() < 0.05 < alive.norm()
    missed = (z @ alive.T @ alive - z).square().sum(1).mean() / z.square().sum(1).mean()
    assert missed < 0.02


def test_surplus_units_die_without_scaled_rows_and_live_with_them():
    z, _, _ = white_mixture(examples=2_000)
    start = torch.randn(16, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) / 4
    free, _ = minimum(z, start, 2.0, steps=400)
    lengths = free.norm(dim=1)
    assert (lengths > 0.1 * lengths.max()).sum() <= 6
    scaled, _ = minimum(z, start, 2.0, steps=400, scale_rows=True)
    rows = scaled / scaled.norm(dim=1, keepdim=True)
    frame = rows.T @ rows
    assert (frame - 4 * torch.eye(4)).abs().max() < 0.5  # near to the tight frame K / D


def test_distinct_share_counts_copies_of_either_sign():
    rows = torch.eye(4, 6)
    assert distinct_share(rows) == 1
    assert distinct_share(torch.cat([rows, -3 * rows[:1]])) == pytest.approx(3 / 5)
    assert distinct_share(torch.zeros(2, 3)) == 1


def test_bad_arguments():
    w, x = torch.randn(3, 4), torch.randn(5, 4)
    for function in (rica_objective, rica_gradient):
        with pytest.raises(ValueError, match="no inputs"):
            function(w, x[:0], penalty=1.0)
        with pytest.raises(ValueError, match="not negative"):
            function(w, x, penalty=-1.0)
        with pytest.raises(ValueError, match="one of"):
            function(w, x, penalty=1.0, sparsity="cube")
    with pytest.raises(ValueError, match="does not fit"):
        rica_both(w, x[:, :3], penalty=1.0, sparsity="smooth-l1", eps=0.1, scale_rows=False)
    with pytest.raises(ValueError, match="at least 1"):
        RICA(0, 3)
    with pytest.raises(ValueError, match="rows"):
        distinct_share(torch.zeros(0, 3))


def test_codes_have_the_precision_of_the_weights():
    model, x = RICA(3, 5, scale_rows=True), torch.randn(4, 3, dtype=torch.float64)
    assert model(x).dtype == torch.float32
    torch.testing.assert_close(model(x), model(x.float()))
