"""Features of patches: folding equals whitening every patch, toy versions do not; regions; passes of k-means."""

import itertools

import numpy as np
import pytest
import torch
from oracles import patch_features as oracle

from deepcanon.vision import PatchFeatures
from deepcanon.vision.patch_features import distant_rows, kmeans_means, kmeans_sums, region_means, triangle

ENCODERS = ("sparse-autoencoder", "kmeans", "spherical-kmeans")
NORMALIZATIONS = ("none", "brightness", "contrast")


def made(encoder, normalize="none", stride=1, dtype=torch.float64, channels=2):
    """A module with folded features, its images, and what the naive computation of the same needs."""
    rng = np.random.default_rng(3)
    images, pixels = rng.uniform(size=(4, channels, 9, 8)), channels * 9
    cut = [images[rng.integers(4), :, i : i + 3, j : j + 3] for i in range(6) for j in range(5) for _ in range(4)]
    rows = np.array([oracle.normalized(patch, normalize) for patch in cut])
    mean, matrix = oracle.statistics(rows, 0.1)
    weight = rng.normal(size=(5, pixels))
    learned = (weight, rng.normal(size=5)) if encoder == "sparse-autoencoder" else (weight,)
    net = PatchFeatures(
        channels, 3, size=(9, 8), features=5, patch=3, stride=stride, encoder=encoder, normalize=normalize, dtype=dtype
    )
    bias = torch.tensor(learned[1]) if len(learned) == 2 else None
    net.fold(torch.tensor(weight), bias, torch.tensor(mean), torch.tensor(matrix))
    naive = {"encoder": encoder, "patch": 3, "stride": stride, "normalize": normalize}
    return net.requires_grad_(False), images, (learned, mean, matrix), naive


def difference(net, images, expected):
    found = net.features(torch.tensor(images, dtype=net.shift.dtype)).double().numpy()
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("normalize", NORMALIZATIONS)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_folded_convolution_equals_whitening_every_patch(encoder, normalize):
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-6)):
        for stride in (1, 2):
            net, images, learned, naive = made(encoder, normalize, stride, dtype)
            expected = oracle.naive(images, *learned, **naive)
            assert difference(net, images, expected) < tolerance, (dtype, stride)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_bias_that_forgets_the_whitening_is_caught(encoder):
    net, images, learned, naive = made(encoder)
    expected = oracle.naive(images, *learned, **naive)
    weight = learned[0][0]
    plain = learned[0][1] if encoder == "sparse-autoencoder" else -0.5 * (weight**2).sum(1)
    net.convolution.bias.copy_(torch.tensor(plain))
    assert difference(net, images, expected) > 1e-2


@pytest.mark.parametrize("encoder", ENCODERS)
def test_pooling_before_the_nonlinearity_is_caught(encoder):
    net, images, learned, naive = made(encoder)
    expected = oracle.naive(images, *learned, **naive)
    (weight, *_), mean, matrix = learned
    if encoder == "sparse-autoencoder":
        values = oracle.maps(images, 3, 1, lambda p: weight @ (matrix @ (p.ravel() - mean)) + learned[0][1])
        early = 1 / (1 + np.exp(-oracle.pooled(values, 2)))
    else:
        values = oracle.maps(images, 3, 1, lambda p: np.sqrt(((matrix @ (p.ravel() - mean) - weight) ** 2).sum(1)))
        z = oracle.pooled(values, 2).reshape(4, 5, 4)
        early = np.maximum(0, z.mean(1, keepdims=True) - z).reshape(4, -1)
    assert difference(net, images, early) > 1e-2 > 1e-10 > difference(net, images, expected)


def test_a_box_filter_of_squared_pixels_is_not_the_norm_of_whitened_patches():
    net, images, learned, naive = made("kmeans")
    expected = oracle.naive(images, *learned, **naive)
    net.whitening.weight.copy_(torch.eye(18, dtype=torch.float64).view(18, 2, 3, 3))
    net.whitening.bias.zero_()
    assert difference(net, images, expected) > 1e-2


def test_regions_share_no_place_and_cover_the_map():
    maps = torch.rand(2, 3, 5, 7, dtype=torch.float64)
    np.testing.assert_allclose(region_means(maps, 3).numpy(), oracle.pooled(maps.numpy(), 3), atol=1e-14)
    assert torch.equal(region_means(maps, 1), maps[:, :, :5].mean((2, 3)))
    with pytest.raises(ValueError, match="cannot be divided into 6 x 6 regions"):
        region_means(maps, 6)


def test_the_triangle_is_zero_for_centroids_farther_than_the_mean():
    assert triangle(torch.tensor([[1.0, 2.0, 6.0]])).tolist() == [[2.0, 1.0, 0.0]]


@pytest.mark.parametrize("spherical", [False, True])
def test_a_pass_of_kmeans_is_the_oracles_and_the_shares_of_processes_add_up(spherical):
    rng = np.random.default_rng(1)
    rows, centroids = rng.normal(size=(50, 4)), rng.normal(size=(6, 4))
    centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
    if not spherical:
        centroids[5] = 100.0  # has no rows and stays
    expected, error = oracle.kmeans(rows, centroids, spherical)
    x, c = torch.tensor(rows), torch.tensor(centroids)
    parts = [kmeans_sums(x[first::2], c, spherical) for first in (0, 1)]
    sums, counts, errors = (one + other for one, other in zip(*parts, strict=True))
    np.testing.assert_allclose(kmeans_means(sums, counts, c, spherical).numpy(), expected, atol=1e-12)
    assert errors.item() / 50 == pytest.approx(error, abs=1e-12)
    assert counts.sum() == 50


def test_a_pass_of_kmeans_never_raises_the_distance():
    x = torch.randn(300, 5, generator=torch.Generator().manual_seed(0))
    centroids, errors = distant_rows(x, 8, torch.Generator().manual_seed(1)), []
    for _ in range(20):
        sums, counts, error = kmeans_sums(x, centroids, False)
        centroids = kmeans_means(sums, counts, centroids, False)
        errors.append(error.item())
    assert all(later <= earlier for earlier, later in itertools.pairwise(errors))
    assert errors[-1] < 0.9 * errors[0]


def test_starting_rows_differ_as_long_as_rows_do():
    x = torch.tensor([[0.0]] * 95 + [[1.0], [2.0], [3.0], [4.0], [5.0]])
    for seed in range(5):
        assert distant_rows(x, 6, torch.Generator().manual_seed(seed)).sort(0).values.flatten().tolist() == [*range(6)]
    assert len(distant_rows(x, 9, torch.Generator().manual_seed(0))) == 9


def test_a_patch_on_a_centroid_has_a_finite_gradient():
    net, images, (learned, mean, matrix), _ = made("kmeans")
    centroids = torch.tensor(learned[0]).clone()
    centroids[0] = torch.tensor(matrix @ (images[0, :, :3, :3].ravel() - mean))
    net.fold(centroids, None, torch.tensor(mean), torch.tensor(matrix))
    x = torch.tensor(images).requires_grad_()
    net.features(x).sum().backward()
    assert bool(x.grad.isfinite().all())


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="5 x 5 are too small for 2 x 2 regions of patches of 5 x 5"):
        PatchFeatures(1, 2, size=(5, 5), patch=5)
    with pytest.raises(ValueError, match="not 'pca' and 'none'"):
        PatchFeatures(1, 2, encoder="pca")
    net = PatchFeatures(1, 2, features=4)
    with pytest.raises(ValueError, match=r"expected \[batch, 1, 28, 28\]"):
        net(torch.zeros(1, 3, 28, 28))
    with pytest.raises(ValueError, match=r"weight \(3, 36\), centre \(36,\)"):
        net.fold(torch.zeros(3, 36), None, torch.zeros(36), torch.eye(36))
    with pytest.raises(ValueError, match="centroids have none"):
        net.fold(torch.zeros(4, 36), torch.zeros(4), torch.zeros(36), torch.eye(36))
