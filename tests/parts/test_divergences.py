import math

import numpy as np
import pytest
import torch
from beartype.roar import BeartypeCallHintViolation
from jaxtyping import TypeCheckError
from oracles import divergences as oracle
from oracles import gan as gan_oracle

from deepcanon.parts.divergences import (
    frechet_distance,
    gaussian_entropy,
    gaussian_fit,
    jensen_shannon,
    kl_divergence,
)
from deepcanon.parts.judge import Judge, judge_samples, reference, train_judge
from deepcanon.parts.mixtures import mixture_cover


def test_frechet_distance_equals_the_root_of_scipy():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6)), rng.normal(size=(150, 6)) * 2 + 1
    ours = frechet_distance(*gaussian_fit(torch.from_numpy(x)), *gaussian_fit(torch.from_numpy(y)))
    assert ours.item() == pytest.approx(oracle.frechet(x, y), rel=1e-9)


def test_frechet_distance_in_closed_form():
    # Of commuting covariances: squared gap of the means plus that of the standard deviations.
    a, b = torch.tensor([1.0, 4.0, 9.0]), torch.tensor([4.0, 4.0, 1.0])
    mean = torch.tensor([1.0, 2.0, 2.0])
    d = frechet_distance(torch.zeros(3), a.diag(), mean, b.diag())
    assert d.item() == pytest.approx(9 + 1 + 0 + 4)
    singular = torch.zeros(3, 3)
    assert frechet_distance(mean, singular, mean, b.diag()).item() == pytest.approx(9)
    assert frechet_distance(mean, b.diag(), mean, b.diag()).item() == pytest.approx(0, abs=1e-12)
    with pytest.raises((ValueError, TypeCheckError, BeartypeCallHintViolation)):
        frechet_distance(torch.zeros(3), a.diag(), torch.zeros(2), torch.eye(2))


def test_kl_and_jsd():
    rng = np.random.default_rng(1)
    p, q = rng.dirichlet(np.ones(5), size=3), rng.dirichlet(np.ones(5), size=3)
    tp, tq = torch.from_numpy(p), torch.from_numpy(q)
    np.testing.assert_allclose(kl_divergence(tp, tq), oracle.kl(p, q))
    np.testing.assert_allclose(jensen_shannon(tp, tq), gan_oracle.jensen_shannon(p, q))
    apart = jensen_shannon(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]))
    assert apart.item() == pytest.approx(math.log(2))
    assert kl_divergence(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])).item() == math.inf


def test_mixture_cover():
    centres = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
    samples = centres.repeat_interleave(torch.tensor([30, 19, 1]), 0)
    far = torch.full((50, 2), 9.0)
    cover = mixture_cover(torch.cat([samples, far]), centres, 0.05)
    assert cover["modes"] == 1  # 19 and 1 good samples are no mode
    assert cover["good"] == 0.5
    shares = np.array([30, 19, 1]) / 50
    assert cover["reverse_kl"] == pytest.approx((shares * np.log(shares * 3)).sum())
    assert mixture_cover(far, centres, 0.05) == {"modes": 0, "good": 0.0, "reverse_kl": pytest.approx(math.log(3))}


def test_judge_tells_good_samples_from_noise_and_from_collapse():
    torch.manual_seed(0)
    labels = torch.arange(400) % 4
    pixels = torch.randint(0, 60, (400, 1, 8, 8), dtype=torch.uint8)
    for i, label in enumerate(labels):
        pixels[i, 0, 2 * label : 2 * label + 2] += 150
    judge = train_judge(pixels[:300], labels[:300], 4, steps=150, batch=50)
    real = reference(judge, pixels[:300], labels[:300])
    good = judge_samples(judge, pixels[300:], real)
    assert good["confident"] > 0.95
    assert good["classes"] == 4
    assert good["class_kl"] < 0.01
    collapsed = judge_samples(judge, pixels[labels == 1], real)
    assert collapsed["classes"] == 1
    assert collapsed["smallest_class"] == 0
    assert collapsed["class_kl"] == pytest.approx(math.log(4), rel=1e-3)
    assert collapsed["frechet"] > 3 * good["frechet"]
    grey = judge_samples(judge, torch.full((50, 1, 8, 8), 60, dtype=torch.uint8), real)
    assert grey["frechet"] > 3 * good["frechet"]
    untrained = judge_samples(Judge((1, 8, 8), 4), pixels[300:], real)
    assert untrained["confident"] == 0


def test_entropy_of_a_gaussian_is_what_its_samples_cost():
    covariance = torch.tensor([[2.0, 0.5], [0.5, 1.0]])
    density = torch.distributions.MultivariateNormal(torch.zeros(2), covariance)
    assert gaussian_entropy(covariance).item() == pytest.approx(density.entropy().item(), rel=1e-6)
    x = torch.randn(500, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mean, fitted = gaussian_fit(x)
    best = torch.distributions.MultivariateNormal(mean, fitted)
    assert gaussian_entropy(fitted).item() == pytest.approx(-best.log_prob(x).mean().item(), abs=0.01)
    with pytest.raises((ValueError, TypeCheckError), match=r"square|covariance"):
        gaussian_entropy(torch.zeros(2, 3))
