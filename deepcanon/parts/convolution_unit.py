"""A convolution of odd kernel with its ReLU, and batch normalisation between them if asked for.

Papers: He et al. 2015, "Delving Deep into Rectifiers" (arXiv:1502.01852), equation (10) for the initial weights;
Ioffe and Szegedy 2015, "Batch Normalization" (arXiv:1502.03167), section 3.2.

    z = bias + W * x, of the size of x, zero outside; no bias where (2) follows         (1)
    z <- batch_norm(z)                                                                  (2)
    y = relu(z)                                                                         (3)

W begins as N(0, 2 / fan_in), biases as 0.

    >>> import torch
    >>> from deepcanon.parts.convolution_unit import ConvolutionUnit
    >>> ConvolutionUnit(3, 8, 5)(torch.randn(2, 3, 9, 9)).shape
    torch.Size([2, 8, 9, 9])
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deepcanon.parts.batch_norm import BatchNorm2d

__all__ = ["ConvolutionUnit"]


class ConvolutionUnit(nn.Module):
    """Equations (1) to (3).

    Args:
        in_channels: of the maps that come in.
        out_channels: of those that leave.
        kernel_size: side of the filters, odd.
        batch_norm: whether (2) stands between.

    Raises:
        ValueError: the kernel is even.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int = 1, *, batch_norm: bool = False,
        device=None, dtype=None,
    ) -> None:  # fmt: skip
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"an even kernel ({kernel_size}) has no centre; use an odd one")
        made = {"device": device, "dtype": dtype}
        self.convolution = nn.Conv2d(
            in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=not batch_norm, **made
        )
        self.normalisation = BatchNorm2d(out_channels, **made) if batch_norm else None
        nn.init.kaiming_normal_(self.convolution.weight, nonlinearity="relu")
        if self.convolution.bias is not None:
            nn.init.zeros_(self.convolution.bias)

    def forward(self, maps: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch n height width"]:
        """Rectified maps of the size of those that come in."""
        maps = self.convolution(maps)  # (1)
        if self.normalisation is not None:
            maps = self.normalisation(maps)  # (2)
        return F.relu(maps, inplace=True)  # (3); neither (1) nor (2) keeps its output
