"""Convolution at random shapes: values and gradients by SciPy and by torch's kernels, and pictures of the conventions.

>>> import numpy as np
>>> from deepcanon.techniques.convolution_checks import draw_layer, errors_of_layer
>>> max(errors_of_layer(draw_layer(np.random.default_rng(0))).values()) < 1e-10
True
"""

from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from deepcanon.engine.figures import Heat, Panels, Tiles
from deepcanon.vision.convolution import (
    Padding,
    convolve,
    convolve_backward,
    output_size,
    padding_of,
    pool,
    pool_backward,
)

__all__ = ["CONVENTIONS", "Layer", "draw_layer", "errors_of_layer", "errors_of_pooling", "filtered", "windows"]

CONVENTIONS: tuple[Padding, ...] = ("valid", "same-torch", "same-tensorflow")


class Layer(NamedTuple):
    """A random layer: inputs [B, C, H, W], weights [N, C, k, l], biases [N], and how it is applied."""

    x: np.ndarray
    w: np.ndarray
    b: np.ndarray
    stride: tuple[int, int]
    padding: Any
    flipped: bool


def draw_layer(random: np.random.Generator) -> Layer:
    """Kernels of 1 to 5, strides of 1 to 3, every convention, both kinds of convolution."""
    kernel, stride = random.integers(1, 6, size=2), random.integers(1, 4, size=2)
    size, (batch, channels, filters) = kernel + random.integers(0, 9, size=2), random.integers(1, 4, size=3)
    x, w = random.normal(size=(batch, channels, *size)), random.normal(size=(filters, channels, *kernel))
    padding, flipped = str(random.choice(CONVENTIONS)), bool(random.integers(2))
    return Layer(x, w, random.normal(size=filters), (int(stride[0]), int(stride[1])), padding, flipped)


def _by_scipy(layer: Layer, pads: Any, grad: np.ndarray) -> tuple[np.ndarray, ...]:
    """y, dx, dw, db by `scipy.signal`, one map at a time; `grad` is that of the outputs."""
    from scipy.signal import convolve2d, correlate2d

    x, w, b, (down, across), _, flipped = layer
    (top, bottom), (left, right) = pads
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    forward, back = (convolve2d, correlate2d) if flipped else (correlate2d, convolve2d)
    rows, columns = grad.shape[2:]
    apart = np.zeros((*grad.shape[:2], (rows - 1) * down + 1, (columns - 1) * across + 1))
    apart[:, :, ::down, ::across] = grad
    y, dx, dw = np.zeros(grad.shape) + b[:, None, None], np.zeros(padded.shape), np.zeros(w.shape)
    height, width = w.shape[2:]
    for e, n, c in np.ndindex(len(x), len(w), x.shape[1]):
        y[e, n] += forward(padded[e, c], w[n, c], "valid")[::down, ::across]
        spread = back(apart[e, n], w[n, c], "full")
        dx[e, c, : spread.shape[0], : spread.shape[1]] += spread
        kernel = correlate2d(padded[e, c], apart[e, n], "valid")[:height, :width]
        dw[n, c] += kernel[::-1, ::-1] if flipped else kernel
    inner = dx[:, :, top : top + x.shape[2], left : left + x.shape[3]]
    return y, inner, dw, grad.sum((0, 2, 3))


def _difference(ours: Any, theirs: Any) -> float:
    """The largest difference of two lists of arrays, relative to the largest value of each array, or to 1."""
    gaps = [np.abs(np.asarray(a) - np.asarray(b)).max() / max(1, np.abs(b).max())
            for a, b in zip(ours, theirs, strict=True)]  # fmt: skip
    return float(max(gaps))


def errors_of_layer(layer: Layer) -> dict[str, float]:
    """Largest differences from SciPy: of the outputs and of the gradients of inputs, weights and biases."""
    x, w, b = (torch.from_numpy(array) for array in layer[:3])
    y, cache = convolve(x, w, b, stride=layer.stride, padding=layer.padding, flipped=layer.flipped)
    grad = torch.cos(torch.arange(y.numel()).double()).view_as(y)
    sides = zip(x.shape[2:], w.shape[2:], layer.stride, strict=True)
    pads = [padding_of(layer.padding, *side) for side in sides]
    theirs = _by_scipy(layer, pads, grad.numpy())
    ours = (y, *convolve_backward(grad, cache))
    names = ("outputs", "inputs", "weights", "biases")
    return {name: _difference([a], [c]) for name, a, c in zip(names, ours, theirs, strict=True)}


def errors_of_pooling(random: np.random.Generator) -> float:
    """Largest difference from torch's pooling and its gradient at a random shape, with ties among the values."""
    window, stride = random.integers(1, 5, size=2), random.integers(1, 4, size=2)
    pads = [int(random.integers(0, side // 2 + 1)) for side in window]
    x = torch.from_numpy(random.integers(0, 4, size=(2, 2, *(window + random.integers(0, 8, size=2)))).astype(float))
    how: dict[str, Any] = {
        "kernel_size": tuple(window.tolist()),
        "stride": tuple(stride.tolist()),
        "padding": tuple(pads),
    }
    ceil, counting = bool(random.integers(2)), bool(random.integers(2))
    worst = 0.0
    for kind in ("max", "mean"):
        leaf = x.clone().requires_grad_()
        if kind == "max":
            theirs = F.max_pool2d(leaf, ceil_mode=ceil, **how)
        else:
            theirs = F.avg_pool2d(leaf, ceil_mode=ceil, count_include_pad=counting, **how)
        grad = torch.cos(torch.arange(theirs.numel()).double()).view_as(theirs)
        theirs.backward(grad)
        both = ((pads[0], pads[0]), (pads[1], pads[1]))
        y, cache = pool(
            x, kind, how["kernel_size"], stride=how["stride"], padding=both, ceil=ceil, count_padding=counting
        )
        worst = max(worst, _difference([y, pool_backward(grad, cache)], [theirs.detach(), leaf.grad]))
    return worst


def windows(size: int, kernel: int, stride: int) -> Panels:
    """Which pixels each window of an axis covers, under each convention."""
    each = {name: padding_of(name, size, kernel, stride) for name in CONVENTIONS}
    before, after = (max(pads[side] for pads in each.values()) for side in range(2))
    pixels = ["pad"] * before + [str(place) for place in range(1, size + 1)] + ["pad"] * after
    shown = []
    for name, pads in each.items():
        count = output_size(size, kernel, stride, pads)
        seen = np.full((count, len(pixels)), np.nan)
        seen[:, before - pads[0] : before + size + pads[1]] = 0
        for row in range(count):
            first = before - pads[0] + row * stride
            seen[row, first : first + kernel] = np.arange(1, kernel + 1)
        title = f"{name}: {count} windows, zeros {pads[0]} + {pads[1]}"
        shown.append(Heat(seen, "pixel", "window", title, pixels, [str(i + 1) for i in range(count)], "weight"))
    said = (
        f"Which weight of a kernel of {kernel} meets which of {size} pixels (stride {stride}; 0: none). Both kinds of "
        "same padding give about as many windows as pixels, divided by the stride, but not always at the same pixels."
    )
    return Panels(shown, columns=1, caption=said)


def filtered(kernel: int) -> Tiles:
    """An F through a filter with one 1 at its first place: how far each convention shifts it, and flipping."""
    image = torch.zeros(1, 1, 16, 16, dtype=torch.float64)
    image[..., 3:13, 4:6] = image[..., 3:5, 4:11] = image[..., 7:9, 4:9] = 1
    weight = torch.zeros(1, 1, kernel, kernel, dtype=torch.float64)
    weight[..., 0, 0] = 1
    tiles, names = [], []
    for name in CONVENTIONS:
        maps = [convolve(image, weight, padding=name, flipped=flipped).outputs[0, 0] for flipped in (False, True)]
        tiles += [_on_a_canvas(map_) for map_ in (image[0, 0], *maps)]
        names.append(f"{name}\n{maps[0].shape[0]} x {maps[0].shape[1]}")
    said = (
        f"Filters of {kernel} x {kernel} whose only 1 stands first: cross-correlation copies the pixel above and to "
        "the left, true convolution that below and to the right; without padding, the frame moves instead. Grey is "
        "outside the map."
    )
    versions = ("image, 16 x 16", "cross-correlation", "true convolution")
    return Tiles(torch.stack(tiles).numpy(), "one filter, by each name", names, versions, caption=said)


def _on_a_canvas(map_: Tensor, side: int = 17) -> Tensor:
    """A map on a grey square, so that sizes can be compared."""
    canvas = torch.full((side, side), 0.25, dtype=map_.dtype)
    canvas[: map_.shape[0], : map_.shape[1]] = map_[:side, :side]
    return canvas
