"""What a shift of the image does to a layer: exact equivariance at stride 1, aliasing at larger strides, and a blur.

Papers: Fukushima 1980, "Neocognitron", and LeCun et al. 1998 for shared weights; Azulay and Weiss 2018, "Why do deep
convolutional networks generalize so poorly to small image transformations?" (arXiv:1805.12177), section 2; Zhang 2019,
"Making Convolutional Networks Shift-Invariant Again" (arXiv:1904.11486), section 3, for the blur.

x images [B, C, H, W], S_d the circular shift by d pixels along the rows, k side of the filters, s stride.

    f(x)[b,n,i,j] = bias[n] + sum_{c,u,v} weight[n,c,u,v] x[b,c,(s i+u-k//2) mod H,(s j+v-k//2) mod W]      (1)
    f(S_d x)      = S_{d/s} f(x)            exactly, if s divides d; so always for s = 1                    (2)
    e_d           = min_m |f(S_d x) - S_m f(x)| / |f(S_d x)|       the shift error: 0 where (2) holds       (3)
    g(x)          = every s-th pixel of [1 2 1]/4 * x, rows and columns                                     (4)

Where s does not divide d, no shift of f(x) is f(S_d x): the outputs between the kept ones are other numbers, as far as
f at stride 1 has frequencies above half the rate of sampling (aliasing). Pooling has a stride too. A blur (4) before
subsampling takes those frequencies out and makes e_d smaller, never 0. A network with only stride 1 and the mean of its
maps at the end is invariant to circular shifts, exactly.

Departures: (4) is the smallest binomial filter of Zhang's section 3.

    >>> import torch
    >>> from deepcanon.vision import Subsampled, shift_error
    >>> torch.manual_seed(0)  # doctest: +ELLIPSIS
    <torch...>
    >>> layer, x = Subsampled(1, 4, stride=2, dtype=torch.float64), torch.randn(2, 1, 8, 8, dtype=torch.float64)
    >>> bool(shift_error(layer, x, 2) < 1e-12), bool(shift_error(layer, x, 1) > 0.1)
    (True, True)
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Subsampled", "blurred_subsample", "circular_convolution", "shift_error"]

Images = Float[Tensor, "batch channels height width"]


def circular_convolution(
    images: Images, weight: Float[Tensor, "n channels k k"], bias: Float[Tensor, "n"], stride: int = 1
) -> Float[Tensor, "batch n rows columns"]:
    """Equation (1), of ceil(H / stride) x ceil(W / stride) outputs.

    Raises:
        ValueError: the shapes do not fit, or the kernel is even or larger than the image.
    """
    k = weight.shape[-1]
    if images.ndim != 4 or weight.shape[1:] != (images.shape[1], k, k) or bias.shape != weight.shape[:1]:
        what = f"images {tuple(images.shape)}, weight {tuple(weight.shape)} and bias {tuple(bias.shape)}"
        raise ValueError(f"{what} do not fit")
    if k % 2 == 0 or k > min(images.shape[2:]):
        raise ValueError(f"a kernel of {k} x {k} is even or larger than images of {tuple(images.shape[2:])}")
    around = F.pad(images, (k // 2,) * 4, mode="circular") if k > 1 else images
    return F.conv2d(around, weight, bias, stride)  # (1)


def blurred_subsample(images: Images, stride: int = 2) -> Float[Tensor, "batch channels rows columns"]:
    """Equation (4), around the edges.

    Raises:
        ValueError: these are no images.
    """
    if images.ndim != 4:
        raise ValueError(f"expected images [batch, channels, height, width], got {tuple(images.shape)}")
    rows = (images.roll(1, 2) + 2 * images + images.roll(-1, 2)) / 4
    blurred = (rows.roll(1, 3) + 2 * rows + rows.roll(-1, 3)) / 4
    return blurred[:, :, ::stride, ::stride]  # (4)


def shift_error(function: Callable[[Tensor], Tensor], images: Images, pixels: int) -> Float[Tensor, ""]:
    """Equation (3) of a function from images to maps: of shifts along the rows by so many pixels."""
    moved, still = function(images.roll(pixels, 3)), function(images)
    nearest = torch.stack([(moved - still.roll(step, 3)).norm() for step in range(still.shape[3])]).amin()
    return nearest / moved.norm()  # (3)


class Subsampled(nn.Module):
    """A circular convolution with a ReLU, of which every stride-th pixel is kept: as it is, the largest, or blurred.

    Args:
        in_channels: of the images.
        out_channels: of the maps.
        kernel_size: of the filters, odd.
        stride: pixels from one output to the next.
        how: "stride" as in (1); "max" takes the largest of each stride x stride square; "blur" is (4).

    Raises:
        ValueError: `how` is none of them.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, kernel_size: int = 3, stride: int = 2, how: str = "stride",
        device=None, dtype=None,
    ) -> None:  # fmt: skip
        super().__init__()
        if how not in ("stride", "max", "blur"):
            raise ValueError(f'how is "stride", "max" or "blur", not {how!r}')
        made = {"device": device, "dtype": dtype}
        self.stride, self.how = stride, how
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, kernel_size, kernel_size, **made))
        self.bias = nn.Parameter(torch.zeros(out_channels, **made))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")

    def forward(self, images: Images) -> Float[Tensor, "batch n rows columns"]:
        """Rectified maps, smaller by the stride."""
        maps = F.relu(circular_convolution(images, self.weight, self.bias, self.stride if self.how == "stride" else 1))
        if self.how == "max":
            return F.max_pool2d(maps, self.stride)
        return blurred_subsample(maps, self.stride) if self.how == "blur" else maps
