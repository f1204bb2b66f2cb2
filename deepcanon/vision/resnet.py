"""A residual network: blocks of convolutions that learn what to add to their input.

Papers: He, Zhang, Ren and Sun 2015, "Deep Residual Learning for Image Recognition" (arXiv:1512.03385), sections 3 and
4.2; Ioffe and Szegedy 2015 (arXiv:1502.03167) for the normalisation BN; He et al. 2015 (arXiv:1502.01852), equation
10, for the initial weights.

x [B, C, H, W] the input of a block, W_i the weights of its convolutions (without bias), sigma the ReLU, s the stride.

    F(x) = BN(W_2 * sigma(BN(W_1 * x)))                                  basic: two 3 x 3                  (1)
    F(x) = BN(W_3 * sigma(BN(W_2 * sigma(BN(W_1 * x)))))                 bottleneck: 1 x 1, 3 x 3, 1 x 1   (2)
    y    = sigma(F(x) + x)                                               ReLU AFTER the addition           (3)
    y    = sigma(F(x) + shortcut(x))        where the number of channels or the size changes               (4)
    A:  shortcut(x)[c, i, j] = x[c, s i, s j], 0 for the new channels    no parameters                     (5)
    B:  shortcut(x) = BN(W_s * x)                                        1 x 1, stride s                   (6)
    logits = V mean_{h,w}(a) + d                                         after the last block              (7)

CIFAR form (`ResNet.cifar`, depth 6 n + 2): a 3 x 3 convolution, three stages of n basic blocks with 16, 32 and 64
filters and maps of the whole, half and a quarter of the side, shortcut A: 0.27 million parameters at depth 20.
ImageNet form (`ResNet.imagenet`, depth 18, 34 or 50): 7 x 7 with stride 2, 3 x 3 max pooling with stride 2, four stages
from 64 filters, shortcut B where shapes change. Its parameters have the names and shapes of torchvision, so that a
published state dict loads by `load_state_dict`; the numbers are 11,689,512, 21,797,672 and 25,557,032.

Any size is served, since maps are averaged: sides are divided by 4 (CIFAR form) or 32 (ImageNet form) and rounded up.
28 x 28 end as 7 x 7 in the CIFAR form and 8 x 8 as 2 x 2; in the ImageNet form both end as 1 x 1 and the stages before
see 2 x 2 and less, so give it 64 pixels or more. In training a map of 1 x 1 needs a batch of at least two.

A common misreading is y = x + sigma(W x): one layer, and the ReLU inside the branch, so that the sum never falls.

Departures: the bottleneck has its stride in the 3 x 3 convolution, as the published weights need it (`stride_at="1x1"`
is the paper's; same parameters, half a point of accuracy less on ImageNet). As in the paper, the scale of the last
normalisation of a block starts at 1, not at 0 as in later recipes, so a new block is not the identity. `fc` starts as
torch's linear layer does. `shortcut="none"` is the plain network of section 4.

    >>> import torch
    >>> from deepcanon.vision import ResNet
    >>> net = ResNet.cifar(20)
    >>> net(torch.zeros(2, 3, 32, 32)).shape, net.features(torch.zeros(2, 3, 32, 32)).shape
    (torch.Size([2, 10]), torch.Size([2, 64]))
"""

from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deepcanon.parts.batch_norm import BatchNorm2d

__all__ = ["ResNet", "ResidualBlock", "zero_padded"]

Shortcut = Literal["A", "B", "none"]
StrideAt = Literal["1x1", "3x3"]

EXPANSION = 4
"""Channels of a bottleneck's output for each of its filters."""
IMAGENET = {18: ((2, 2, 2, 2), False), 34: ((3, 4, 6, 3), False), 50: ((3, 4, 6, 3), True)}
"""Blocks of each stage, and whether they are bottlenecks; table 1 of the paper."""


def zero_padded(
    images: Float[Tensor, "batch channels height width"], channels: int, stride: int = 1
) -> Float[Tensor, "batch more rows columns"]:
    """Equation (5): every `stride`-th row and column, and zeros as the channels that are new.

    Raises:
        ValueError: there are more channels already.
    """
    if images.ndim != 4 or images.shape[1] > channels:
        raise ValueError(f"images {tuple(images.shape)} cannot be padded to {channels} channels")
    return F.pad(images[:, :, ::stride, ::stride], (0, 0, 0, 0, 0, channels - images.shape[1]))


class _Pointwise(nn.Conv2d):
    """A 1 x 1 convolution that is given only the pixels that its stride leaves.

    Where channels lie last and are fewer than eight, oneDNN's own form of the stride (`jit_1x1:avx2`, weight gradient)
    writes outside its memory, and the process is aborted some time later.
    """

    def forward(self, input: Tensor) -> Tensor:
        rows, columns = self.stride
        return F.conv2d(input[:, :, ::rows, ::columns], self.weight, self.bias)


class ResidualBlock(nn.Module):
    """Equations (1) to (6).

    Args:
        inputs: channels of the input.
        filters: of the 3 x 3 convolutions; a bottleneck gives four times as many channels.
        stride: of the block.
        bottleneck: (2) instead of (1).
        shortcut: A, B, or none for a plain block.
        stride_at: the convolution of a bottleneck that has the stride.
    """

    def __init__(
        self,
        inputs: int,
        filters: int,
        *,
        stride: int = 1,
        bottleneck: bool = False,
        shortcut: Shortcut = "A",
        stride_at: StrideAt = "3x3",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        made = {"device": device, "dtype": dtype}
        self.stride, self.shortcut, self.channels = stride, shortcut, filters * (EXPANSION if bottleneck else 1)
        if bottleneck:
            first, second = (stride, 1) if stride_at == "1x1" else (1, stride)
            self.conv1: nn.Conv2d = _Pointwise(inputs, filters, 1, first, bias=False, **made)
            self.bn1 = BatchNorm2d(filters, **made)
            self.conv2 = nn.Conv2d(filters, filters, 3, second, padding=1, bias=False, **made)
            self.bn2 = BatchNorm2d(filters, **made)
            self.conv3 = nn.Conv2d(filters, self.channels, 1, bias=False, **made)
            self.bn3 = BatchNorm2d(self.channels, **made)
        else:
            self.conv1 = nn.Conv2d(inputs, filters, 3, stride, padding=1, bias=False, **made)
            self.bn1 = BatchNorm2d(filters, **made)
            self.conv2 = nn.Conv2d(filters, filters, 3, padding=1, bias=False, **made)
            self.bn2 = BatchNorm2d(filters, **made)
        self.bottleneck, self.changes = bottleneck, stride != 1 or inputs != self.channels
        self.downsample: nn.Sequential | None = None
        if shortcut == "B" and self.changes:
            projection = _Pointwise(inputs, self.channels, 1, stride, bias=False, **made)
            self.downsample = nn.Sequential(projection, BatchNorm2d(self.channels, **made))

    def residual(self, images: Float[Tensor, "batch inputs height width"]) -> Tensor:
        """F(x)."""
        out = self.bn2(self.conv2(F.relu_(self.bn1(self.conv1(images)))))  # (1)
        return self.bn3(self.conv3(F.relu_(out))) if self.bottleneck else out  # (2)

    def forward(self, images: Float[Tensor, "batch inputs height width"]) -> Tensor:
        """y, of `channels` channels."""
        out = self.residual(images)
        if self.downsample is not None:
            out += self.downsample(images)  # (4), (6)
        elif self.shortcut != "none":
            out += zero_padded(images, self.channels, self.stride) if self.changes else images  # (3), (4), (5)
        return F.relu_(out)


class ResNet(nn.Module):
    """A stem, stages of residual blocks, and one linear layer on the averaged maps.

    Args:
        in_channels: of the images.
        classes: how many logits there are.
        blocks: of each stage; the first block of each stage but the first halves the side.
        width: filters of the first stage; each stage has twice those of the one before.
        bottleneck: blocks of three convolutions.
        large_stem: 7 x 7 with stride 2 and max pooling instead of 3 x 3.
        shortcut: A, B, or none for a plain network.
        stride_at: the convolution of a bottleneck that has the stride.
    """

    def __init__(
        self,
        in_channels: int,
        classes: int,
        *,
        blocks: tuple[int, ...] = (3, 3, 3),
        width: int = 16,
        bottleneck: bool = False,
        large_stem: bool = False,
        shortcut: Shortcut = "A",
        stride_at: StrideAt = "3x3",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        if not blocks or min(blocks) < 1:
            raise ValueError(f"every stage needs a block, {blocks} are given")
        made = {"device": device, "dtype": dtype}
        self.in_channels, self.large_stem, self.stages = in_channels, large_stem, len(blocks)
        side, stride = (7, 2) if large_stem else (3, 1)
        self.conv1 = nn.Conv2d(in_channels, width, side, stride, padding=side // 2, bias=False, **made)
        self.bn1 = BatchNorm2d(width, **made)
        inputs = width
        for stage, count in enumerate(blocks):
            stack: list[nn.Module] = []
            for number in range(count):
                block = ResidualBlock(
                    inputs,
                    width * 2**stage,
                    stride=2 if stage and not number else 1,
                    bottleneck=bottleneck,
                    shortcut=shortcut,
                    stride_at=stride_at,
                    **made,
                )
                stack.append(block)
                inputs = block.channels
            self.add_module(f"layer{stage + 1}", nn.Sequential(*stack))
        self.fc = nn.Linear(inputs, classes, **made)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    @classmethod
    def cifar(
        cls, depth: int, in_channels: int = 3, classes: int = 10, *, width: int = 16, shortcut: Shortcut = "A"
    ) -> "ResNet":
        """Section 4.2: depth 6 n + 2, such as 20, 32, 44, 56 and 110.

        Raises:
            ValueError: the depth is another.
        """
        if depth < 8 or depth % 6 != 2:
            raise ValueError(f"the CIFAR form has 6 n + 2 layers (8, 14, 20, 32, 44, 56, 110), not {depth}")
        return cls(in_channels, classes, blocks=((depth - 2) // 6,) * 3, width=width, shortcut=shortcut)

    @classmethod
    def imagenet(
        cls, depth: int, in_channels: int = 3, classes: int = 1000, *, width: int = 64, shortcut: Shortcut = "B"
    ) -> "ResNet":
        """Table 1: depth 18, 34 or 50.

        Raises:
            ValueError: the depth is another.
        """
        if depth not in IMAGENET:
            raise ValueError(f"the ImageNet form has 18, 34 or 50 layers, not {depth}")
        blocks, bottleneck = IMAGENET[depth]
        return cls(in_channels, classes, blocks=blocks, width=width, bottleneck=bottleneck, large_stem=True,
                   shortcut=shortcut)  # fmt: skip

    def maps(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch last rows columns"]:
        """The output of the last block."""
        if images.ndim != 4 or images.shape[1] != self.in_channels:
            raise ValueError(f"expected [batch, {self.in_channels}, height, width] images, got {tuple(images.shape)}")
        out = F.relu_(self.bn1(self.conv1(images)))
        if self.large_stem:
            out = F.max_pool2d(out, 3, 2, padding=1)
        for stage in range(self.stages):
            out = self.get_submodule(f"layer{stage + 1}")(out)
        return out

    def features(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch last"]:
        """The maps of the last block, each averaged over its positions."""
        return self.maps(images).mean((2, 3))

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        """Logits for each image."""
        return self.fc(self.features(images))  # (7)
