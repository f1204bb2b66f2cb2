"""How well samples cover a mixture of equal Gaussians: modes, share of good samples, reverse KL.

The task is that of Metz et al. 2016 (arXiv:1611.02163) and VEEGAN (arXiv:1705.07761): a sample is good when it lies
within 3 standard deviations of a centre, which a share 1 - exp(-9/2) = 98.89 % of real points in the plane does. A
mode counts from `enough` good samples, since a single stray sample means nothing.

    share_k = good samples nearest to centre k / all good samples
    reverse KL = sum_k share_k log(share_k K),      0 for even cover, log K for one mode
"""

import torch
from jaxtyping import Float
from torch import Tensor

from .divergences import kl_divergence

__all__ = ["mixture_cover"]


def mixture_cover(
    samples: Float[Tensor, "samples features"],
    centres: Float[Tensor, "modes features"],
    sigma: float,
    *,
    enough: int = 20,
) -> dict[str, int | float]:
    """modes, good (share of all samples) and reverse_kl (log K when no sample is good)."""
    if samples.ndim != 2 or centres.ndim != 2 or samples.shape[1] != centres.shape[1]:
        raise ValueError(f"samples {tuple(samples.shape)} do not fit centres {tuple(centres.shape)}")
    distance, nearest = torch.cdist(samples, centres).min(1)
    good = distance <= 3 * sigma
    counts = torch.bincount(nearest[good], minlength=len(centres)).double()
    even = torch.full_like(counts, 1 / len(centres))
    shares = counts / counts.sum() if counts.sum() else torch.eye(len(centres), dtype=counts.dtype)[0]
    return {
        "modes": int((counts >= enough).sum()),
        "good": good.double().mean().item(),
        "reverse_kl": kl_divergence(shares, even).item(),
    }
