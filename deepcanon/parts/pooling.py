"""Maximum pooling over squares of 2 x 2 by whole planes instead of by indices, with or without a ReLU after it.

Source: LeCun et al. 1998 for sub-sampling between convolutions; the order of the bits is IEEE 754, section 5.10.

B images, C channels, H x W pixels, h = H // 2, w = W // 2; u, v in {0, 1} count the rows and columns of a square.

    c[b,n,i',j] = max(z[b,n,i',2j], z[b,n,i',2j+1])        the larger of two columns, i' < 2h        (1)
    m[b,n,i,j]  = max(c[b,n,2i,j], c[b,n,2i+1,j])          the larger of two rows                    (2)
    y           = relu(m), if rectified; y = m if not                                                (3)

The gradient goes to the first of equal maxima in reading order, as in `torch.nn.functional.max_pool2d`, whose
values and gradients these are, bit for bit. With s = [first < second], taken for the rows and then for the columns,

    d second = s d,   d first = (1 - s) d                                                            (4)

so that no index is kept: an index takes eight bytes where a value takes two, and its scatter fills the map with zeros
first. Both products are bit masks: s is the sign of a difference, spread over the word.

Floats of one sign are ordered as the integers with the same bits. Where (3) follows, a negative value does not matter,
so the planes are compared as integers; what is below zero becomes -inf first, which (3) makes 0, and a NaN that fills a
square is kept. Of a square that holds +inf, the gradient may go to another value.

Without (3) a zero below zero counts as smaller than one above it. The map `z` is overwritten: by its values in
training, by its gradient in the backward pass. So it must be the output of something that does not keep it, as a
convolution does not, and a second backward pass is refused by autograd.

    >>> import torch
    >>> from deepcanon.parts.pooling import max_pool
    >>> max_pool(torch.tensor([[[[1.0, -2.0], [3.0, 0.0]]]]))
    tensor([[[[3.]]]])
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

__all__ = ["WORDS", "max_pool", "positive", "route"]

WORDS = {torch.bfloat16: (torch.int16, 7), torch.float32: (torch.int32, 23), torch.float64: (torch.int64, 52)}
"""Of a float type: integers of its size, and the bits of its fraction."""


def max_pool(
    z: Float[Tensor, "batch channels height width"], rectified: bool = False
) -> Float[Tensor, "batch channels half_height half_width"]:
    """The largest of each 2 x 2 square, (1) to (3); a last odd row or column is left out.

    By planes on a CPU, of maps with the channels last; elsewhere, and in an export, by torch's own pooling.
    """
    if z.ndim != 4 or min(z.shape[2:]) < 2:
        raise ValueError(f"expected [batch, channels, height >= 2, width >= 2], got {tuple(z.shape)}")
    lies_so = z.device.type == "cpu" and z.dtype in WORDS and z.is_contiguous(memory_format=torch.channels_last)
    if not lies_so or (z.is_leaf and z.requires_grad) or torch.compiler.is_compiling():
        m = F.max_pool2d(z, 2)
        return F.relu(m) if rectified else m
    if torch.is_grad_enabled() and z.requires_grad:
        return _Pooling.apply(z, rectified)
    _, m = _larger(_squares(z))
    return (m.relu_() if rectified else m).permute(0, 3, 1, 2)


def _squares(z: Tensor) -> Tensor:
    """[B, C, H, W] as [B, h, 2 (u), w, 2 (v), C], a view."""
    batch, channels, height, width = z.shape
    h, w = height // 2, width // 2
    if height % 2 or width % 2:
        z = z[:, :, : 2 * h, : 2 * w]
    return z.permute(0, 2, 3, 1).view(batch, h, 2, w, 2, channels)


def _larger(squares: Tensor) -> tuple[Tensor, Tensor]:
    """Equations (1) and (2): c [B, h, 2, w, C] and m [B, h, w, C]."""
    c = torch.maximum(*squares.unbind(4))
    return c, torch.maximum(*c.unbind(2))


def positive(y: Tensor, grad: Tensor) -> Tensor:
    """Words of the gradient of m from words of y (3) and of its gradient: 0 where y is 0."""
    return y.neg().bitwise_right_shift_(8 * y.element_size() - 1).bitwise_and_(grad)


def route(grad: Tensor, pair: tuple[Tensor, ...]) -> None:
    """Equation (4) on words: the gradients overwrite the values."""
    first, second = pair
    shift = 8 * grad.element_size() - 1
    smaller = torch.sub(first, second).view(grad.dtype).bitwise_right_shift_(shift)  # -1 where it is, else 0
    if first.dtype != grad.dtype:
        first, second = first.view(grad.dtype), second.view(grad.dtype)
    torch.bitwise_and(grad, smaller, out=second)
    torch.bitwise_xor(grad, second, out=first)


class _Pooling(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, rectified: bool) -> Tensor:
        word, fraction = WORDS[z.dtype]
        if rectified:
            z.view(word).clamp_min_(-1 << fraction)  # the bits of -inf
        squares = _squares(z).view(word) if rectified else _squares(z)
        c, m = _larger(squares)
        y = m.view(z.dtype).relu_() if rectified else m
        ctx.save_for_backward(z, c, y)
        ctx.rectified = rectified
        return y.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        z, c, y = ctx.saved_tensors
        word, _ = WORDS[z.dtype]
        grad = grads[0].permute(0, 2, 3, 1).view(word)
        if ctx.rectified:
            grad = positive(y.view(word), grad)
        squares = _squares(z).view(word) if ctx.rectified else _squares(z)
        route(grad, c.unbind(2))
        route(c.view(word), squares.unbind(4))
        if z.shape[2] % 2:
            z[:, :, -1] = 0
        if z.shape[3] % 2:
            z[:, :, :, -1] = 0
        return z, None
