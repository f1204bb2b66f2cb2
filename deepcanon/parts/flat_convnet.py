"""A small convolutional classifier on one flat vector: forward, backward and the optimizer's step without autograd.

LeCun, Bottou, Bengio, Haffner, Gradient-based learning applied to document recognition, 1998, for the network;
Chellapilla, Puri, Simard, High performance convolutional neural networks for document processing, 2006, for the
convolution as a matrix product.

    B images, C channels, O filters of k x k, s = k + 1, h x w pooled places an image, N = B h w; u, v in {0, 1}
    P [C s s + 1, N]   of every pooled place the s x s pixels that its 2 x 2 square of outputs sees, and a row of ones
    W_uv [O, C s s + 1]   the filters, moved by (u, v) within s x s, and the biases

    (1)  z_uv = W_uv P,   y = relu(max_uv z_uv)                      the first convolution with its pooling
    (2)  dW_uv = d_uv P^T,  dW = the sum over (u, v) of what stands where the filter stood;  db = the sum of d_uv
    (3)  z = W * y + b,   y' = relu(max of each 2 x 2 square of z)    the other convolutions
    (4)  dW, db and dy of a convolution are torch's
    (5)  a = relu(V y' + c),  logits = U a + e,  J = -sum t log softmax(logits),  t = labels / B, smoothed if asked
    (6)  dJ/dlogits = softmax(logits) / B - t,  then the product rule through (5)

d_uv is the gradient of y that `parts.pooling` routes to one of the four. The first convolution of one or three channels
has few products and many values: as (1) its outputs come as four planes, so pooling and its backward pass run over
whole planes, and no gradient of the images is computed. Everything is in buffers that are kept, and in views of them;
at small sizes a third of an eager step is calls of torch, allocations and views.

In bf16 all weights are rounded at once, products are those of bf16, the loss is in fp32, and the gradient is widened
at once: what autocast does, to its rounding. In float64 the results are autograd's to 1e-12.

>>> convolutions = [nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 8, 3, padding=1)]
>>> net = FlatConvNet(convolutions, nn.Linear(32, 16), nn.Linear(16, 10))
>>> loss = net.gradient(torch.zeros(5, 1, 8, 8), torch.arange(5))
>>> net.size, convolutions[0].weight.grad.shape
(1034, torch.Size([4, 1, 3, 3]))
"""

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from deepcanon.parts.flat_step import FlatParameters, stretches
from deepcanon.parts.pooling import WORDS, positive, route

__all__ = ["FlatConvNet"]

WIDE = 16
"""Filters from which those of a place lie together; fewer are too short for a vector instruction."""

aten = torch.ops.aten


class FlatConvNet(FlatParameters):
    """Convolutions with ReLU and 2 x 2 max pooling each, a hidden layer of ReLUs, and a linear layer.

    Args:
        convolutions: of the same size (an odd kernel, padded by half of it, stride 1), with a bias.
        hidden: its inputs are the last maps, flattened with the channels outermost.
        output: gives the logits.
        dropout: applied to the inputs and to the outputs of `hidden`, if it is one in training.
        dtype: what steps compute in; the parameters' own type if it is None.

    Raises:
        ValueError: a layer is of another kind.
    """

    def __init__(
        self,
        convolutions: Iterable[nn.Module],
        hidden: nn.Linear,
        output: nn.Linear,
        dropout: nn.Module | None = None,
        *,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.layers: list[Any] = [*convolutions, hidden, output]
        for layer in self.layers[:-2]:
            if not isinstance(layer, nn.Conv2d) or not _keeps_size(layer):
                raise ValueError(f"a convolution with an odd kernel that keeps the size expected, got {layer}")
        if len(self.layers) < 3 or any(layer.bias is None for layer in self.layers):
            raise ValueError("at least one convolution expected, and a bias in every layer")
        # Weights first: what decays and what does not are then two contiguous parts.
        super().__init__([layer.weight for layer in self.layers] + [layer.bias for layer in self.layers])
        self.dropout, self.dtype = dropout, dtype
        self.made_for: tuple[Any, ...] = ()

    def attach(self) -> bool:
        """Lays the parameters out in one vector, unless they are there already; returns whether it did."""
        if not super().attach():
            return False
        self.made_for = ()
        return True

    def _make(self, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        """Buffers for batches of a shape, computed in a type."""
        if self.made_for == (shape, dtype):
            return
        if dtype not in WORDS:
            raise ValueError(f"no steps by hand in {dtype}, only in {', '.join(map(str, WORDS))}")
        count, first = len(self.layers), self.layers[0]
        if len(shape) != 4 or shape[1] != first.in_channels or min(shape[2:]) < 2 ** (count - 2):
            raise ValueError(f"images {shape} do not fit {first} and {count - 2} poolings")
        self.low = self.vector.new_zeros(self.size + 1, dtype=dtype)  # one more is 0
        self.low_gradient = torch.zeros_like(self.low)
        whole = self.low[: self.size], self.low_gradient[: self.size]
        self.rounded, self.widened = whole
        views, slopes = (stretches(part, self.parameters) for part in whole)
        self.weights, self.biases = views[:count], views[count:]
        self.weight_slopes, self.bias_slopes = slopes[:count], slopes[count:]
        self.first = _First(shape, first, int(sum(weight.numel() for weight in self.weights)), self.low)
        self.later = [_Later(layer) for layer in self.layers[1:-2]]
        side = [extent >> (count - 2) for extent in shape[2:]]
        self.maps = torch.empty(shape[0], self.layers[-3].out_channels, *side, dtype=dtype)
        if self.maps[0].numel() != self.layers[-2].in_features:
            raise ValueError(f"maps {tuple(self.maps.shape[1:])} do not fit {self.layers[-2]}")
        self.map_slopes = torch.empty_like(self.maps.permute(0, 2, 3, 1), memory_format=torch.contiguous_format)
        wide = torch.promote_types(dtype, torch.float32)
        self.goal = torch.empty(shape[0], self.layers[-1].out_features, dtype=wide)
        self.made_for = (shape, dtype)

    @torch.no_grad()
    def gradient(
        self,
        images: Float[Tensor, "batch channels height width"],
        labels: Int[Tensor, "batch"],
        label_smoothing: float = 0.0,
    ) -> Float[Tensor, ""]:
        """The mean cross-entropy of a batch; its gradient is in `gradient_vector` and in the parameters' `.grad`.

        Args:
            images: prepared, of the parameters' type.
            labels: numbers of classes.
            label_smoothing: share of each label that is spread over all classes.
        """
        self.attach()
        self._make(tuple(images.shape), self.dtype or self.vector.dtype)
        self.rounded.copy_(self.vector)
        y = self.first.forward(images)
        for layer, weight, bias in zip(self.later, self.weights[1:], self.biases[1:], strict=False):
            y = layer.forward(y, weight, bias)
        self.maps.copy_(y)
        loss, slopes = self._head(self.maps.flatten(1), labels, label_smoothing)
        self.map_slopes.copy_(slopes.view_as(self.maps).permute(0, 2, 3, 1))
        d = self.map_slopes
        for index in range(len(self.later), 0, -1):
            d = self.later[index - 1].backward(
                d, self.weights[index], self.weight_slopes[index], self.bias_slopes[index]
            )
        self.gradient_vector.copy_(self.widened)
        self.first.backward(d, self.gradients[0], self.gradients[len(self.layers)])
        return loss

    def _head(self, a: Tensor, labels: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
        """Equations (5) and (6): the loss and the gradient of the flattened maps."""
        (v, u), (c, e) = self.weights[-2:], self.biases[-2:]
        drops = self.dropout is not None and self.dropout.training and getattr(self.dropout, "p", 0.0) > 0
        if drops:
            before = self.dropout(torch.ones_like(a))  # type: ignore[misc]
            a = a * before
        hidden = torch.addmm(c, a, v.t()).relu_()
        seen = hidden
        if drops:
            after = self.dropout(torch.ones_like(hidden))  # type: ignore[misc]
            seen = hidden * after
        logits = torch.addmm(e, seen, u.t())
        logs = torch.log_softmax(logits.to(self.goal.dtype), 1)
        rows, classes = logs.shape
        self.goal.fill_(smoothing / (rows * classes))
        self.goal.scatter_(1, labels[:, None], (1 - smoothing + smoothing / classes) / rows)
        loss = torch.dot(self.goal.view(-1), logs.view(-1)).neg_()
        d = torch.sub(logs.exp_().div_(rows), self.goal).to(logits.dtype)  # (6)
        torch.mm(d.t(), seen, out=self.weight_slopes[-1])
        torch.sum(d, 0, out=self.bias_slopes[-1])
        d = torch.mm(d, u)
        if drops:
            d.mul_(after)
        d = aten.threshold_backward(d, hidden, 0)
        torch.mm(d.t(), a, out=self.weight_slopes[-2])
        torch.sum(d, 0, out=self.bias_slopes[-2])
        d = torch.mm(d, v)
        return loss, d.mul_(before) if drops else d


def _keeps_size(layer: nn.Conv2d) -> bool:
    side = layer.kernel_size[0]
    plain = (layer.stride, layer.dilation, layer.groups, layer.padding_mode) == ((1, 1), (1, 1), 1, "zeros")
    return plain and side % 2 == 1 and layer.kernel_size == (side, side) and layer.padding == (side // 2, side // 2)


def _larger(words: Tensor, planes: list[Tensor], rows: tuple[Tensor, ...], y: Tensor) -> None:
    """The largest of four planes, followed by a ReLU (`parts.pooling`); as machine words up to the ReLU.

    Args:
        words: what the planes are of; below -inf nothing is left of it.
        planes: words of z_00, z_01, z_10, z_11.
        rows: words to hold the larger of two columns.
        y: to hold the result.
    """
    words.clamp_min_(-1 << WORDS[y.dtype][1])
    torch.maximum(planes[0], planes[1], out=rows[0])
    torch.maximum(planes[2], planes[3], out=rows[1])
    torch.maximum(*rows, out=y.view(words.dtype))
    y.relu_()


def _spread(d: Tensor, planes: list[Tensor], rows: tuple[Tensor, ...]) -> None:
    """The gradient of the largest overwrites the four planes and the larger of two columns."""
    route(d, rows)
    route(rows[0], (planes[0], planes[1]))
    route(rows[1], (planes[2], planes[3]))


class _First:
    """Equations (1) and (2), by one product each.

    Args:
        shape: of the images.
        layer: the convolution.
        bias: where in the vector its biases begin.
        low: the vector, in the type that is computed in, and a zero behind it.
    """

    def __init__(self, shape: tuple[int, ...], layer: nn.Conv2d, bias: int, low: Tensor) -> None:
        (batch, channels, height, width), filters, k = shape, layer.out_channels, layer.kernel_size[0]
        s, pad, h, w = k + 1, k // 2, height // 2, width // 2
        self.low, self.k, self.wide = low, k, filters >= WIDE
        self.sides, places, inputs = (batch, h, w, filters), batch * h * w, channels * s * s
        self.cut = (2, 2, filters, channels, s, s)
        padded = low.new_zeros(batch, channels, height + 2 * pad, width + 2 * pad)
        self.inside = padded[:, :, pad : pad + height, pad : pad + width]
        image, row, column = padded.stride(0), padded.stride(2), padded.stride(1)
        self.patches = low.new_ones(inputs + 1, places)  # P
        self.seen = self.patches[:inputs]
        self.targets = self.seen.view(channels, s, s, batch, h, w)
        self.sources = padded.as_strided(self.targets.shape, (column, row, 1, image, 2 * row, 2))
        self.order = self._places(channels, filters, k, bias, len(low) - 1)
        if self.wide:
            self.order = self.order.permute(1, 0)
        lies = (lambda a, b: (b, a)) if self.wide else (lambda a, b: (a, b))  # places first if wide
        self.filters = low.new_empty(lies(4 * filters, inputs + 1))
        self.order = self.order.reshape(-1).contiguous()
        self.z = low.new_empty(lies(4 * filters, places))
        self.slopes = low.new_empty(lies(4 * filters, inputs))
        self.y = low.new_empty(lies(filters, places))
        self.lies_last = low.new_empty(places, filters)  # with the channels last
        self.words = self.z.view(WORDS[low.dtype][0])
        self.planes = list(self.words.chunk(4, 1 if self.wide else 0))
        self.rows = tuple(torch.empty_like(self.y, dtype=self.words.dtype) for _ in range(2))
        self.d = torch.empty_like(self.y)

    @staticmethod
    def _places(channels: int, filters: int, k: int, bias: int, zero: int) -> Tensor:
        """Where in the vector each number of W_00, W_01, W_10, W_11 stands, as [4 O, C s s + 1]."""
        s = k + 1
        found = torch.full((2, 2, filters, channels, s, s), zero)
        weights = torch.arange(filters * channels * k * k).view(filters, channels, k, k)
        for u in (0, 1):
            for v in (0, 1):
                found[u, v, :, :, u : u + k, v : v + k] = weights
        biases = bias + torch.arange(filters).repeat(4)[:, None]
        return torch.cat([found.view(4 * filters, -1), biases], 1)

    def forward(self, images: Tensor) -> Tensor:
        self.inside.copy_(images)
        self.targets.copy_(self.sources)
        torch.index_select(self.low, 0, self.order, out=self.filters.view(-1))
        if self.wide:
            torch.mm(self.patches.t(), self.filters, out=self.z)
        else:
            torch.mm(self.filters, self.patches, out=self.z)
        _larger(self.words, self.planes, self.rows, self.y)
        y = self.y if self.wide else self.lies_last.copy_(self.y.t())
        return y.view(self.sides).permute(0, 3, 1, 2)

    def backward(self, d: Tensor, weight: Tensor, bias: Tensor) -> None:
        """From the gradient of y [B, h, w, O] to those of the filters and biases, which are written over."""
        d = d.reshape(self.lies_last.shape)
        if not self.wide:
            self.d.t().copy_(d)  # in this order torch copies along the places, which are many
            d = self.d
        d = positive(self.y.view(self.words.dtype), d.view(self.words.dtype))
        _spread(d, self.planes, self.rows)
        bias.copy_(d.view(self.y.dtype).sum(0 if self.wide else 1))
        if self.wide:
            slopes = torch.mm(self.seen, self.z, out=self.slopes).to(weight.dtype).t()
        else:
            slopes = torch.mm(self.z, self.seen.t(), out=self.slopes).to(weight.dtype)
        k, parts = self.k, slopes.reshape(self.cut)
        torch.add(parts[0, 0, ..., :k, :k], parts[0, 1, ..., :k, 1:], out=weight)
        weight.add_(parts[1, 0, ..., 1:, :k]).add_(parts[1, 1, ..., 1:, 1:])


class _Later:
    """Equations (3) and (4) of a convolution after a pooling."""

    def __init__(self, layer: nn.Conv2d) -> None:
        pad = layer.kernel_size[0] // 2
        self.how: tuple[Any, ...] = ([1, 1], [pad, pad], [1, 1], False, [0, 0], 1)

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """From the maps before it to those after its pooling, [B, O, h, w] with the channels last."""
        z = aten.convolution(x, weight, bias, *self.how).contiguous(memory_format=torch.channels_last)
        self.x, self.z, words = x, z, z.view(WORDS[z.dtype][0])
        (batch, filters, height, width), (image, _, row, column) = z.shape, z.stride()
        sides, strides = (batch, height // 2, width // 2, filters), (image, 2 * row, 2 * column, 1)
        self.planes = [words.as_strided(sides, strides, u * row + v * column) for u in (0, 1) for v in (0, 1)]
        self.rows = (words.new_empty(sides), words.new_empty(sides))
        self.y = z.new_empty(sides)
        _larger(words, self.planes, self.rows, self.y)
        return self.y.permute(0, 3, 1, 2)

    def backward(self, d: Tensor, weight: Tensor, weight_slope: Tensor, bias_slope: Tensor) -> Tensor:
        """From the gradient of its result [B, h, w, O] to that of the maps before it, [B, h', w', C]."""
        x, z, word = self.x, self.z, self.rows[0].dtype
        _spread(positive(self.y.view(word), d.contiguous().view(word)), self.planes, self.rows)
        if z.shape[2] % 2:
            z[:, :, -1] = 0
        if z.shape[3] % 2:
            z[:, :, :, -1] = 0
        found, slopes, biases = aten.convolution_backward(z, x, weight, [z.shape[1]], *self.how, (True, True, True))
        weight_slope.copy_(slopes)
        bias_slope.copy_(biases)
        return found.permute(0, 2, 3, 1)
