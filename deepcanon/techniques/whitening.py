"""ZCA of the patches of a training split, which models of natural images take as their input.

Source: Bell and Sejnowski 1997, "The independent components of natural scenes are edge filters" (Vision Research 37).
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from deepcanon.parts.patches import patch_rows, without_mean
from deepcanon.representation.pca import PCA, zca_matrix

__all__ = ["Whitening", "whitening"]


class Whitening(NamedTuple):
    """centre [D], matrix [D, D] and components [D, D] in float64; deviation of all whitened values, []."""

    centre: Tensor
    matrix: Tensor
    deviation: Tensor
    components: Tensor


def whitening(train: Any, eps: float) -> Whitening:
    """Of patches, each without its mean.

    Args:
        train: the training split, of pixels 0..255.
        eps: added to the variances, as a share of their mean.

    Raises:
        ValueError: the patches do not vary.
    """
    rows = patch_rows(255.0, centred=False)
    x = without_mean(torch.cat([rows(part.x) for part in train.chunks()]).double())
    pca = PCA().fit(x)
    matrix = zca_matrix(pca, eps)
    return Whitening(pca.mean_, matrix, ((x - pca.mean_) @ matrix).std(), pca.components_)
