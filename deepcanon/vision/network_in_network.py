"""Network in Network: a small perceptron at every pixel, and the mean of one map per class instead of dense layers.

Paper: Lin, Chen and Yan 2013, "Network In Network" (arXiv:1312.4400), section 3 and figure 2.

B images, C channels, H x W pixels, N maps of each layer, k side of the filters, K classes.

    f1[b,n,i,j] = relu(bias1[n] + sum_{c,u,v} weight1[n,c,u,v] x[b,c,i+u-k//2,j+v-k//2])   zero outside   (1)
    f2[b,n,i,j] = relu(bias2[n] + sum_m weight2[n,m] f1[b,m,i,j])       one pixel, all channels           (2)
    f3[b,n,i,j] = relu(bias3[n] + sum_m weight3[n,m] f2[b,m,i,j])                                         (3)
    logits[b,n] = mean of f3[b,n,i,j] over i and j                      in the last block, where N = K    (4)

(2) and (3) are 1 x 1 convolutions: the same linear layer on the vector of channels of every pixel, exactly. The
nonlinearity between them is what makes them more: without it the product of the three is one k x k convolution.
Between blocks the largest of each 3 x 3 square is taken at every second pixel, and dropout follows. Since (4) has no
weights, the maps of the last block can be looked at: they say where the network sees a class.

Departures: batch normalisation before each ReLU but the one of the class maps, if asked for (it did not exist in 2013;
it trains in a tenth of the steps). 3 x 3 filters are the default in the recipe, where the paper has 5 x 5 and 32 x 32
pixels. All layers of a block have as many maps (the authors' code has 192, 160 and 96 in the first). Dropout drops
units, as in the paper, not whole maps.

    >>> import torch
    >>> from deepcanon.vision import NetworkInNetwork
    >>> net = NetworkInNetwork(1, 10, widths=(8, 16), kernel_size=3)
    >>> net(torch.zeros(2, 1, 28, 28)).shape, net.class_maps(torch.zeros(2, 1, 28, 28)).shape
    (torch.Size([2, 10]), torch.Size([2, 10, 14, 14]))
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deepcanon.parts.convolution_unit import ConvolutionUnit

__all__ = ["MlpConv", "NetworkInNetwork"]


class MlpConv(nn.Module):
    """A convolution and two 1 x 1 convolutions, each with a ReLU: (1) to (3).

    Args:
        in_channels: of the maps.
        widths: maps of the three layers.
        kernel_size: of the first, odd: maps keep their size.
        normalised: how many of the layers, from the first on, have batch normalisation before the ReLU.

    Raises:
        ValueError: the kernel is even.
    """

    def __init__(
        self, in_channels: int, widths: tuple[int, int, int], *, kernel_size: int = 5, normalised: int = 0,
        device=None, dtype=None,
    ) -> None:  # fmt: skip
        super().__init__()
        before, sides = (in_channels, *widths[:2]), (kernel_size, 1, 1)
        self.layers = nn.ModuleList(
            ConvolutionUnit(fewer, more, side, batch_norm=place < normalised, device=device, dtype=dtype)
            for place, (fewer, more, side) in enumerate(zip(before, widths, sides, strict=True))
        )

    def forward(self, maps: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch n height width"]:
        """The maps of the third layer, as large as those that come in."""
        for layer in self.layers:
            maps = layer(maps)  # (1), (2), (3)
        return maps


class NetworkInNetwork(nn.Module):
    """Blocks of (1) to (3) with overlapping max pooling between them; the mean of the last block's maps are the logits.

    Args:
        in_channels: of the images.
        classes: how many logits there are.
        widths: maps of each block; the last block has as many and ends with one map per class.
        kernel_size: of each block's first convolution, odd.
        batch_norm: normalises before each ReLU but the last.
        dropout: probability of dropping a unit between blocks in training.

    Raises:
        ValueError: the kernel is even, or there are no blocks.
    """

    def __init__(
        self,
        in_channels: int,
        classes: int,
        *,
        widths: tuple[int, ...] = (192, 192, 192),
        kernel_size: int = 5,
        batch_norm: bool = False,
        dropout: float = 0.0,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        if not widths:
            raise ValueError("widths name the maps of at least one block")
        made = {"device": device, "dtype": dtype}
        self.in_channels, self.dropout = in_channels, nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            MlpConv(before, (width, width, width), kernel_size=kernel_size, normalised=3 * batch_norm, **made)
            for before, width in zip((in_channels, *widths), widths[:-1], strict=False)
        )
        before, last = (in_channels, *widths)[-2], widths[-1]
        self.output = MlpConv(before, (last, last, classes), kernel_size=kernel_size, normalised=2 * batch_norm, **made)

    def class_maps(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch classes rows columns"]:
        """The last block's maps, one per class: what (4) takes the mean of.

        Raises:
            ValueError: the images have other channels, or fewer than 2 pixels a side for each pooling.
        """
        if images.ndim != 4 or images.shape[1] != self.in_channels:
            raise ValueError(f"expected [batch, {self.in_channels}, height, width] images, got {tuple(images.shape)}")
        if min(images.shape[2:]) < 2 ** len(self.blocks):
            height, width = images.shape[2:]
            raise ValueError(f"images of {height} x {width} are too small for {len(self.blocks)} poolings by 2")
        return self.output(self._pooled(images))

    def _pooled(self, images: Tensor) -> Tensor:
        """The maps that the last block takes."""
        maps = images
        for block in self.blocks:
            maps = self.dropout(F.max_pool2d(block(maps), 3, 2, ceil_mode=True))
        return maps

    def features(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch last"]:
        """The maps before those of the classes, each averaged over its positions."""
        maps = self._pooled(images)
        for layer in self.output.layers[:-1]:
            maps = layer(maps)
        return maps.mean((2, 3))

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        """Logits for each image."""
        return self.class_maps(images).mean((2, 3))  # (4)
