"""Rows seen in the plane of their two directions of largest variance (Pearson 1901), for pictures.

>>> import torch
>>> from deepcanon.parts.principal_plane import on_a_plane
>>> on_a_plane(torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, 5.0]])).abs().tolist()
[[2.0, 0.0], [2.0, 0.0]]
"""

from jaxtyping import Float
from torch import Tensor, linalg, nn

__all__ = ["on_a_plane"]


def on_a_plane(vectors: Float[Tensor, "rows features"]) -> Float[Tensor, "rows 2"]:
    """The two coordinates of rows [N, D] along which they vary most; a second one of zeros if D or N is 1."""
    centred = vectors.double() - vectors.double().mean(0)
    _, _, directions = linalg.svd(centred, full_matrices=False)
    points = centred @ directions[:2].mT
    return nn.functional.pad(points, (0, 2 - points.shape[1]))
