"""Convolution and pooling as layers: windows, padding by either convention, forward with a cache, backward from it.

Papers: LeCun et al. 1998, "Gradient-based learning applied to document recognition"; Dumoulin and Visin 2016, "A guide
to convolution arithmetic for deep learning" (arXiv:1603.07285), relationships 5 and 6; UFLDL tutorial, "Feature
extraction using convolution" (which flips the kernel).

B examples, C channels, H x W pixels, N filters of k x l, stride s (of rows; of columns likewise), p and q zeros before
and after.

    H'          = floor((H + p + q - k) / s) + 1                     number of windows                    (1)
    y[b,n,i,j]  = bias[n] + sum_{c,u,v} w[n,c,u,v] x[b,c,s i+u-p,s j+v-p]    cross-correlation            (2)
    y[b,n,i,j]  = bias[n] + sum_{c,u,v} w[n,c,k-1-u,l-1-v] x[b,c,s i+u-p,s j+v-p]    true convolution     (3)
    dw[n,c,u,v] = sum_{b,i,j} dy[b,n,i,j] x[b,c,s i+u-p,s j+v-p],   dbias[n] = sum_{b,i,j} dy[b,n,i,j]    (4)
    dx[b,c,r,t] = sum of dy[b,n,i,j] w[n,c,u,v] over n and over i, j, u, v with s i + u - p = r, ...      (5)
    mean:  y = (1/area) sum over the window, dx = dy / area for each of its pixels                        (6)
    max:   y = the largest of the window; its gradient goes to the first of equal ones in reading order   (7)

Libraries call (2) convolution. Padding by name:

    valid             p = q = 0
    same-torch        p = q = floor(k / 2), torch's `padding=k // 2`: ceil(H / s) windows if k is odd, and for even k
                      floor(H / s) + 1; the first window is centred on the first pixel (of its two middles the later)
    same-tensorflow   p + q = max((ceil(H / s) - 1) s + k - H, 0), p = floor((p + q) / 2): always ceil(H / s) windows;
                      an odd zero goes to the end, so that with a stride the windows lie elsewhere than torch's

With rounding up instead of (1), one more window may hang over the end if it begins on a pixel (torch's rule). Pixels
beyond the end never count in the area of (6); zeros of the padding do unless `count_padding` is off (TensorFlow's way).

Departures: none. `Convolution` computes what `torch.nn.Conv2d` does, with the gradients (4) and (5) written out; use
torch's layer where speed counts.

    >>> import torch
    >>> from deepcanon.vision.convolution import Convolution, pool
    >>> maps = Convolution(3, 12, 5, padding="same-torch")(torch.zeros(1, 3, 32, 32))
    >>> maps.shape, pool(maps, "max", 2).outputs.shape
    (torch.Size([1, 12, 32, 32]), torch.Size([1, 12, 16, 16]))
"""

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = [
    "Convolution",
    "convolve",
    "convolve_backward",
    "output_size",
    "padding_of",
    "pool",
    "pool_backward",
]

Padding = Literal["valid", "same-torch", "same-tensorflow"]
Pads = tuple[tuple[int, int], tuple[int, int]]
Sides = int | tuple[int, int]


def padding_of(padding: str, size: int, kernel: int, stride: int = 1) -> tuple[int, int]:
    """Zeros before and after an axis of `size` pixels, by the name of the convention."""
    if padding == "valid":
        return 0, 0
    if padding == "same-torch":
        return kernel // 2, kernel // 2
    if padding == "same-tensorflow":
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        return total // 2, total - total // 2
    raise ValueError(f"padding {padding!r} is none of valid, same-torch, same-tensorflow")


def output_size(size: int, kernel: int, stride: int = 1, pads: tuple[int, int] = (0, 0), *, ceil: bool = False) -> int:
    """Equation (1): the number of windows along an axis, rounded down or up.

    Raises:
        ValueError: no window fits, or one would see padding only.
    """
    before, after = pads
    if min(size, kernel, stride) < 1 or min(pads) < 0:
        raise ValueError(f"size {size}, kernel {kernel} and stride {stride} are 1 or more, padding {pads} 0 or more")
    if max(pads) >= kernel:
        raise ValueError(f"padding {pads} is not smaller than the kernel {kernel}: a window would see zeros only")
    room = size + before + after - kernel
    if room < 0:
        raise ValueError(f"a kernel of {kernel} does not fit into {size} pixels with padding {pads}")
    count = room // stride + 1  # (1)
    if ceil and room % stride and count * stride < size + before:
        count += 1
    return count


class Convolved(NamedTuple):
    """Outputs [B, N, H', W'], and the cache that `convolve_backward` takes."""

    outputs: Tensor
    cache: tuple[Any, ...]


class Pooled(NamedTuple):
    """Outputs [B, C, H', W'], and the cache that `pool_backward` takes."""

    outputs: Tensor
    cache: tuple[Any, ...]


def _pair(value: Sides) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _pads(padding: Padding | Pads, size: Sequence[int], kernel: Sequence[int], stride: Sequence[int]) -> Pads:
    if not isinstance(padding, str):
        return padding
    rows, columns = (padding_of(padding, *axis) for axis in zip(size, kernel, stride, strict=True))
    return rows, columns


def _windows(padded: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    """[B, C, H', W', k, l], a view."""
    return padded.unfold(2, kernel[0], stride[0]).unfold(3, kernel[1], stride[1])


def _padded(x: Tensor, pads: Pads, value: float = 0.0) -> Tensor:
    (top, bottom), (left, right) = pads
    return F.pad(x, (left, right, top, bottom), value=value)


def convolve(
    x: Float[Tensor, "batch channels height width"],
    weight: Float[Tensor, "filters in_channels kernel_height kernel_width"],
    bias: Float[Tensor, "biases"] | None = None,
    *,
    stride: Sides = 1,
    padding: Padding | Pads = "valid",
    flipped: bool = False,
) -> Convolved:
    """Equation (2), or (3) if `flipped`; padding by name, or as ((above, below), (left, right)).

    Raises:
        ValueError: shapes do not fit each other, or no window fits.
    """
    if x.ndim != 4 or weight.ndim != 4 or x.shape[1] != weight.shape[1]:
        raise ValueError(f"inputs {tuple(x.shape)} are [batch, channels, height, width], weights "
                         f"{tuple(weight.shape)} [filters, channels, height, width] with as many channels")  # fmt: skip
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"a bias of {tuple(bias.shape)} does not fit {len(weight)} filters")
    size, kernel, strides = tuple(x.shape[2:]), tuple(weight.shape[2:]), _pair(stride)
    pads = _pads(padding, size, kernel, strides)
    for axis in range(2):
        output_size(size[axis], kernel[axis], strides[axis], pads[axis])
    padded = _padded(x, pads)
    w = weight.flip(2, 3) if flipped else weight
    y = torch.einsum("bchwuv,ncuv->bnhw", _windows(padded, kernel, strides), w)  # (2), (3)
    if bias is not None:
        y = y + bias[:, None, None]
    return Convolved(y, (padded, w, size, strides, pads, flipped))


def convolve_backward(grad: Float[Tensor, "batch filters height width"], cache: tuple) -> tuple[Tensor, Tensor, Tensor]:
    """Equations (4) and (5): gradients of the inputs, the weights and the biases from that of the outputs."""
    padded, w, (height, width), (down, across), ((top, _), (left, _)), flipped = cache
    kernel, (rows, columns) = tuple(w.shape[2:]), tuple(grad.shape[2:])
    windows = _windows(padded, kernel, (down, across))
    if grad.shape[1] != len(w) or (rows, columns) != tuple(windows.shape[2:4]):
        raise ValueError(f"a gradient of {tuple(grad.shape)} does not fit outputs "
                         f"{(len(padded), len(w), *windows.shape[2:4])}")  # fmt: skip
    grad = grad.to(padded.dtype)  # under autocast the outputs are narrower
    dw = torch.einsum("bnhw,bchwuv->ncuv", grad, windows)  # (4)
    dx = torch.zeros_like(padded)
    for u in range(kernel[0]):
        for v in range(kernel[1]):
            seen = dx[:, :, u : u + down * rows : down, v : v + across * columns : across]
            seen[:, :, :rows, :columns] += torch.einsum("bnhw,nc->bchw", grad, w[:, :, u, v])  # (5)
    inner = dx[:, :, top : top + height, left : left + width]
    return inner, dw.flip(2, 3) if flipped else dw, grad.sum((0, 2, 3))


def pool(
    x: Float[Tensor, "batch channels height width"],
    kind: str,
    window: Sides,
    *,
    stride: Sides | None = None,
    padding: Padding | Pads = "valid",
    ceil: bool = False,
    count_padding: bool = True,
) -> Pooled:
    """Equation (6) or (7) in each window; the stride is the window if not given, so that windows do not overlap.

    Args:
        kind: "max" or "mean".
        ceil: one more window where the last does not reach the end.
        count_padding: zeros of the padding count in the area of a mean.

    Raises:
        ValueError: the input is not [B, C, H, W], the kind is another, or no window fits.
    """
    if x.ndim != 4 or kind not in ("max", "mean"):
        raise ValueError(f"expected max or mean of [batch, channels, height, width], got {kind} of {tuple(x.shape)}")
    kernel = _pair(window)
    strides, size = kernel if stride is None else _pair(stride), tuple(x.shape[2:])
    pads = _pads(padding, size, kernel, strides)
    counts = [output_size(size[a], kernel[a], strides[a], pads[a], ceil=ceil) for a in range(2)]
    # What hangs over the end: no zeros of the padding, only room for the last window.
    ends = [max((counts[a] - 1) * strides[a] + kernel[a] - size[a] - pads[a][0], pads[a][1]) for a in range(2)]
    room = ((pads[0][0], ends[0]), (pads[1][0], ends[1]))
    windows = _windows(_padded(x, room, -math.inf if kind == "max" else 0.0), kernel, strides).flatten(4)
    shares = windows.argmax(4) if kind == "max" else _areas(x, kernel, strides, pads, counts, count_padding)
    if kind == "max":
        y = windows.gather(4, shares[..., None])[..., 0]  # (7)
    else:
        y = windows.sum(4) / shares  # (6)
    return Pooled(y, (kind, shares, tuple(x.shape), kernel, strides, room))


def _areas(
    x: Tensor, kernel: Sequence[int], stride: Sequence[int], pads: Pads, counts: list[int], padding: bool
) -> Tensor:
    """Pixels of each window [H', W'] that count in its mean."""
    sides = []
    for size, extent, step, (before, after), count in zip(x.shape[2:], kernel, stride, pads, counts, strict=True):
        first = torch.arange(count, device=x.device) * step - before
        low, high = (-before, size + after) if padding else (0, size)
        sides.append((first + extent).clamp(max=high) - first.clamp(min=low))
    return (sides[0][:, None] * sides[1]).to(x.dtype)


def pool_backward(grad: Float[Tensor, "batch channels height width"], cache: tuple) -> Tensor:
    """The gradient of the inputs from that of the outputs: spread by 1/area (6), or to the largest (7)."""
    kind, shares, (batch, channels, height, width), kernel, (down, across), ((top, bottom), (left, right)) = cache
    rows, columns = grad.shape[2:]
    dx = grad.new_zeros(batch, channels, height + top + bottom, width + left + right)
    for u in range(kernel[0]):
        for v in range(kernel[1]):
            seen = dx[:, :, u : u + down * rows : down, v : v + across * columns : across]
            share = (shares == u * kernel[1] + v) * grad if kind == "max" else grad / shares
            seen[:, :, :rows, :columns] += share  # (6), (7)
    return dx[:, :, top : top + height, left : left + width]


class _Convolve(torch.autograd.Function):
    """Autograd asks `convolve_backward` for the gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, options: dict[str, Any]) -> Tensor:
        outputs, (padded, w, *rest) = convolve(x, weight, bias, **options)
        ctx.save_for_backward(padded, w)
        ctx.rest = rest
        return outputs

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        dx, dw, db = convolve_backward(grads[0], (*ctx.saved_tensors, *ctx.rest))
        return dx, dw, db if ctx.needs_input_grad[2] else None, None


class Convolution(nn.Module):
    """A convolution layer with its backward pass written out.

    Args:
        in_channels: of the inputs.
        out_channels: number of filters N.
        kernel_size: side of the filters, or (height, width).
        stride: of the windows.
        padding: a convention by name, or zeros ((above, below), (left, right)).
        flipped: true convolution (3) instead of cross-correlation (2).
        bias: adds one number to each map.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sides,
        *,
        stride: Sides = 1,
        padding: Padding | Pads = "valid",
        flipped: bool = False,
        bias: bool = True,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        made = {"device": device, "dtype": dtype}
        self.options = {"stride": stride, "padding": padding, "flipped": flipped}
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, *_pair(kernel_size), **made))
        self.bias = nn.Parameter(torch.empty(out_channels, **made)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform in +-1/sqrt(fan in), as torch's own layer."""
        bound = 1 / math.sqrt(self.weight[0].numel())
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch filters out_height out_width"]:
        """Maps of the filters."""
        return _Convolve.apply(images, self.weight, self.bias, self.options)

    def extra_repr(self) -> str:
        return f"{tuple(self.weight.shape)}, " + ", ".join(f"{name}={value}" for name, value in self.options.items())
