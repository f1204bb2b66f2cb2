"""A LeNet-class convolutional classifier: convolution, ReLU, max pooling, one hidden layer, softmax.

Papers: LeCun, Bottou, Bengio and Haffner 1998, "Gradient-based learning applied to document recognition";
Ioffe and Szegedy 2015, "Batch Normalization" (arXiv:1502.03167) for the optional normalisation.

B images, C channels, H x W pixels, K filters of k x k, N classes.

    z[b,n,i,j] = bias[n] + sum_{c,u,v} weight[n,c,u,v] a[b,c,i+u-k//2,j+v-k//2]     zero outside   (1)
    m[b,n,i,j] = max of z over the 2 x 2 square at (2i, 2j)                                        (2)
    a'         = relu(batch_norm(m)), or relu(m) without normalisation                             (3)
    h          = relu(V flatten(a') + c)                                                           (4)
    logits     = U h + d                                                                           (5)

Departures from LeNet-5 (this is "LeNet-class", not LeNet-5): max pooling instead of learned sub-sampling, ReLU
instead of tanh, fully connected maps instead of the sparse C3 table, softmax instead of radial-basis outputs. Each
is faster to train and more accurate on MNIST (LeNet-5: 0.95 % error undistorted). The normalisation comes before the
nonlinearity as in its paper, but after the pooling: on a quarter of the values, which makes a step a fifth faster. Maps
larger than 7 x 7 after the last block are averaged down to at most 7 x 7, so that the hidden layer does not grow with
the photograph. With the channels last, (2) and (3) are computed by planes on a CPU (`parts.pooling`), to the same bits;
a step without autograd, equal to rounding, is in `parts.flat_convnet`. The convolution is the cross-correlation of
every library (the kernel is not flipped). Other poolings are injected; they stand behind the ReLU, since several are
defined for rectified maps only.

    >>> import torch
    >>> from deepcanon.vision import ConvNet
    >>> net = ConvNet(1, 10, size=(28, 28), channels=(32, 64))
    >>> net(torch.zeros(2, 1, 28, 28)).shape, net.features(torch.zeros(2, 1, 28, 28)).shape
    (torch.Size([2, 10]), torch.Size([2, 128]))
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deepcanon.parts.batch_norm import BatchNorm2d
from deepcanon.parts.pooling import max_pool

__all__ = ["ConvNet"]

GRID = 7


class ConvNet(nn.Module):
    """Blocks of convolution (same size), 2 x 2 max pooling, optional batch normalisation and ReLU; then two layers.

    Args:
        in_channels: of the images.
        classes: how many logits there are.
        size: (height, width) of the images, 2 ** len(channels) at least.
        channels: of each block.
        kernel_size: of the convolutions, odd.
        hidden: units of the hidden layer.
        batch_norm: normalises after each convolution.
        dropout: probability of dropping a unit before and after the hidden layer in training.
        poolings: one for each block instead of (2); they may change the number of channels, and what the last one
            gives may have any shape.
    """

    def __init__(
        self,
        in_channels: int,
        classes: int,
        *,
        size: tuple[int, int] = (28, 28),
        channels: tuple[int, ...] = (32, 64),
        kernel_size: int = 3,
        hidden: int = 128,
        batch_norm: bool = False,
        dropout: float = 0.0,
        poolings: Sequence[nn.Module] = (),
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"an even kernel ({kernel_size}) has no centre; use an odd one")
        if min(size) < 2 ** len(channels):
            raise ValueError(f"images of {size[0]} x {size[1]} are too small for {len(channels)} poolings by 2")
        made = {"device": device, "dtype": dtype}
        self.in_channels, self.size, self.dropout = in_channels, tuple(size), nn.Dropout(dropout)
        self.poolings = nn.ModuleList(poolings)
        shapes = [torch.Size((in_channels, *size))]
        for block, after in enumerate(channels):
            shapes.append(self._pooled(block, torch.Size((after, *shapes[-1][1:]))))
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before[0], after, kernel_size, padding=kernel_size // 2, bias=not batch_norm, **made)
            for before, after in zip(shapes, channels, strict=False)
        )
        self.normalisations = nn.ModuleList(BatchNorm2d(after, **made) for after in channels if batch_norm)
        last = shapes[-1]
        self.reduction = tuple(-(-extent // GRID) for extent in last[1:]) if len(last) == 3 else (1, 1)
        inputs = last.numel() if len(last) != 3 else last[0]
        if len(last) == 3:
            inputs *= (last[1] // self.reduction[0]) * (last[2] // self.reduction[1])
        self.hidden = nn.Linear(inputs, hidden, **made)
        self.output = nn.Linear(hidden, classes, **made)

    def _pooled(self, block: int, shape: torch.Size) -> torch.Size:
        """The shape of one example's maps after the pooling of a block."""
        if not self.poolings:
            return torch.Size((shape[0], shape[1] // 2, shape[2] // 2))
        pooling = self.poolings[block]
        training = pooling.training
        with torch.no_grad():
            found = pooling.eval()(torch.zeros(1, *shape)).shape[1:]  # outside training nothing is drawn
        pooling.train(training)
        return found

    @property
    def plain(self) -> bool:
        """Whether it is (1) to (5) without normalisation and averaging, as `parts.flat_convnet` has them."""
        return not self.normalisations and not self.poolings and self.reduction == (1, 1)

    @property
    def layers(self) -> tuple[nn.ModuleList, nn.Linear, nn.Linear, nn.Dropout]:
        """What has weights, in order, without normalisation; and the dropout."""
        return self.convolutions, self.hidden, self.output, self.dropout

    def features(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch hidden"]:
        """The penultimate layer, equation (4)."""
        if images.ndim != 4 or images.shape[1:] != (self.in_channels, *self.size):
            raise ValueError(f"expected [batch, {self.in_channels}, {self.size[0]}, {self.size[1]}] images, "
                             f"got {tuple(images.shape)}")  # fmt: skip
        maps = images
        for index, convolution in enumerate(self.convolutions):
            maps = convolution(maps)  # (1)
            if self.poolings:
                normalised = self.normalisations[index](maps) if self.normalisations else maps
                maps = self.poolings[index](F.relu(normalised))
                continue
            maps = max_pool(maps, rectified=not self.normalisations)  # (2), (3)
            if self.normalisations:
                maps = F.relu(self.normalisations[index](maps))  # (3)
        if self.reduction != (1, 1):
            maps = F.avg_pool2d(maps, self.reduction)
        return F.relu(self.hidden(self.dropout(maps.flatten(1))))  # (4)

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        """Logits for each image."""
        return self.output(self.dropout(self.features(images)))  # (5)
