"""UFLDL's convolutional network: one layer of sigmoid maps, mean pooling, softmax; momentum that rises.

Source: UFLDL tutorial (Stanford), "Convolutional neural network" and its exercise; starter code `cnnTrain.m`,
`minFuncSGD.m`, `cnnInitParams.m`.

B images, C channels, H x W pixels, K filters of k x k, pooling by q, N classes, a_t the rate, m_t the momentum.

    a[b,n,i,j] = sigmoid(bias[n] + sum_{c,u,v} weight[n,c,u,v] x[b,c,i+u,j+v])       valid: H - k + 1 rows       (1)
    p[b,n,i,j] = mean of a over the q x q square at (q i, q j)                                                   (2)
    logits     = V flatten(p) + d                                                                                (3)
    J          = mean cross-entropy + lambda / 2 (|weight|^2 + |V|^2)            weights only                    (4)
    v <- m_t v + a_t grad J,   theta <- theta - v;   m_t = 0.5 for the first 20 steps, then 0.95                 (5)
    a_t = a_0 / 2^(number of epochs before step t)                                                               (6)

The error that goes back through (2) is spread evenly: each pixel of a square has 1 / q^2 of that of its mean.

Departures: none in the equations. The text asks for 10 filters, the starter code has 20, which its comment on the
accuracy (about 97.4 %) is about. The filters start with N(0, 0.1^2), V uniform in +-sqrt(6 / (inputs + N + 1)).

    >>> import torch
    >>> from deepcanon.vision import UfldlConvNet
    >>> net = UfldlConvNet(1, 10, size=(28, 28))
    >>> net(torch.zeros(2, 1, 28, 28)).shape, net.features(torch.zeros(2, 1, 28, 28)).shape
    (torch.Size([2, 10]), torch.Size([2, 2000]))
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["UfldlConvNet", "halved_rate", "raised_momentum"]


def raised_momentum(step: int, momentum: float, first: float = 0.5, steps: int = 20) -> float:
    """Equation (5): the momentum of a step, lower in the first ones."""
    return first if step < steps else momentum


def halved_rate(step: int, steps_per_epoch: float) -> float:
    """Equation (6): the share of the first rate at a step."""
    return 0.5 ** math.floor(step / steps_per_epoch)


class UfldlConvNet(nn.Module):
    """Equations (1) to (3).

    Args:
        in_channels: of the images.
        classes: how many logits there are.
        size: (height, width) of the images.
        filters: number of filters.
        kernel_size: side of the filters.
        pool: side of the squares of the pooling; rows and columns that fill none are left out.
    """

    def __init__(
        self,
        in_channels: int,
        classes: int,
        *,
        size: tuple[int, int] = (28, 28),
        filters: int = 20,
        kernel_size: int = 9,
        pool: int = 2,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        sides = [(extent - kernel_size + 1) // pool for extent in size]
        if min(sides) < 1:
            raise ValueError(f"images of {size[0]} x {size[1]} are too small for filters of {kernel_size} x "
                             f"{kernel_size} and pooling by {pool}")  # fmt: skip
        made = {"device": device, "dtype": dtype}
        self.in_channels, self.size, self.pool = in_channels, tuple(size), pool
        self.convolution = nn.Conv2d(in_channels, filters, kernel_size, **made)
        self.output = nn.Linear(filters * sides[0] * sides[1], classes, **made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """As the starter code: see Departures."""
        nn.init.normal_(self.convolution.weight, std=0.1)
        bound = math.sqrt(6 / (self.output.in_features + self.output.out_features + 1))
        nn.init.uniform_(self.output.weight, -bound, bound)
        nn.init.zeros_(self.convolution.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.output.bias)

    def features(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch features"]:
        """The pooled maps as rows, equation (2)."""
        if images.ndim != 4 or images.shape[1:] != (self.in_channels, *self.size):
            raise ValueError(f"expected [batch, {self.in_channels}, {self.size[0]}, {self.size[1]}] images, "
                             f"got {tuple(images.shape)}")  # fmt: skip
        maps = torch.sigmoid(self.convolution(images))  # (1)
        return F.avg_pool2d(maps, self.pool).flatten(1)  # (2)

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        """Logits for each image."""
        return self.output(self.features(images))  # (3)
