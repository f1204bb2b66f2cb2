"""Distances between two distributions: Kullback-Leibler, Jensen-Shannon, and Frechet between Gaussians.

Papers: Lin 1991 (JSD); Dowson and Landau 1982 (the closed form); Heusel et al. 2017 (arXiv:1706.08500), who apply it
to features of a classifier: its value depends on the features and the number of samples, so compare like with like.

    KL(p, q)  = sum_i p_i log(p_i / q_i)                                       in nats          (1)
    JSD(p, q) = (KL(p, m) + KL(q, m)) / 2,   m = (p + q) / 2                   0 .. log 2       (2)
    d^2       = |mu1 - mu2|^2 + tr(S1 + S2 - 2 (S1^(1/2) S2 S1^(1/2))^(1/2))                     (3)
    H         = 1/2 log det(2 pi e S)    of a Gaussian in nats: the cost of data under their best fit (4)

    >>> import torch
    >>> from deepcanon.parts.divergences import frechet_distance, kl_divergence
    >>> kl_divergence(torch.tensor([0.5, 0.5]), torch.tensor([0.5, 0.5])).item()
    0.0
    >>> frechet_distance(torch.zeros(2), torch.eye(2), torch.ones(2), torch.eye(2)).item()
    2.0
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["frechet_distance", "gaussian_entropy", "gaussian_fit", "jensen_shannon", "kl_divergence"]


def kl_divergence(p: Float[Tensor, "... outcomes"], q: Float[Tensor, "... outcomes"]) -> Float[Tensor, "..."]:
    """Equation (1) along the last axis; infinite where q is 0 and p is not."""
    if p.shape != q.shape:
        raise ValueError(f"distributions {tuple(p.shape)} and {tuple(q.shape)} differ in shape")
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(-1)


def jensen_shannon(p: Float[Tensor, "... outcomes"], q: Float[Tensor, "... outcomes"]) -> Float[Tensor, "..."]:
    """Equation (2)."""
    middle = (p + q) / 2
    return (kl_divergence(p, middle) + kl_divergence(q, middle)) / 2


def gaussian_fit(features: Float[Tensor, "batch features"]) -> tuple[Tensor, Tensor]:
    """Mean and unbiased covariance in float64."""
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"expected [batch >= 2, features], got {tuple(features.shape)}")
    x = features.double()
    mean = x.mean(0)
    x = x - mean
    return mean, x.T @ x / (len(x) - 1)


def gaussian_entropy(covariance: Float[Tensor, "features features"]) -> Float[Tensor, ""]:
    """Equation (4), in float64."""
    if covariance.ndim != 2 or covariance.shape[0] != covariance.shape[1]:
        raise ValueError(f"a covariance is square, not {tuple(covariance.shape)}")
    return 0.5 * torch.logdet(2 * math.pi * math.e * covariance.double())


def frechet_distance(
    mean1: Float[Tensor, "features"],
    covariance1: Float[Tensor, "features features"],
    mean2: Float[Tensor, "features"],
    covariance2: Float[Tensor, "features features"],
) -> Tensor:
    """Equation (3): the squared distance, in float64. The symmetric form needs no root of a general matrix."""
    size = mean1.shape[0]
    if mean2.shape != (size,) or covariance1.shape != (size, size) or covariance2.shape != (size, size):
        raise ValueError(
            f"means {tuple(mean1.shape)}, {tuple(mean2.shape)} and covariances {tuple(covariance1.shape)}, "
            f"{tuple(covariance2.shape)} do not fit"
        )
    first, second = covariance1.double(), covariance2.double()
    values, vectors = torch.linalg.eigh(first)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ second @ root).clamp_min(0).sqrt().sum()
    gap = (mean1.double() - mean2.double()).square().sum()
    return (gap + first.trace() + second.trace() - 2 * cross).clamp_min(0)
