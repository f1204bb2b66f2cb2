"""The field of unit charges in the plane under the kernel 1 / (1 + r^2): on a grid by splines and FFT, or exactly.

Papers: Linderman et al. 2019, "Fast interpolation-based t-SNE" (arXiv 1712.09005), forces by interpolation on a grid;
the form here, one grid whose spline is differentiated, is the smooth particle mesh Ewald method of Essmann et al. 1995
(J. Chem. Phys. 103). N charges y_j, a grid of spacing h, cubic B-spline M.

    potential(y) = sum_j 1 / (1 + |y - y_j|^2)                                                         (1)
    push(y) = -1/2 grad potential(y) = sum_j (y - y_j) / (1 + |y - y_j|^2)^2                           (2)
    charge(g) = sum_j M(y_j / h - g)                       16 nodes for each charge                    (3)
    c = IFFT[FFT[charge] FFT[kernel - m] / FFT[M]^2]       the kernel interpolated in both arguments   (4)
    potential(y) ~ N m + sum_g c(g) M(y / h - g);   (2) by the derivative of M                         (5)

m is the mean of the kernel over the grid, which is left out so that float32 resolves what varies in a small map.
The grid is as wide as the charges, padded to twice that, so that the period of the FFT is never felt. h is `SPACING`,
or halved until the charges span `CELLS` cells: a map of size 1e-4 is resolved as well as a wide one. The spectrum in
(4) depends on h and the size of the grid only, and is kept.

>>> import torch
>>> from deepcanon.parts.plane_field import GridField, exact_field
>>> y = torch.randn(500, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
>>> exact, close = exact_field(y, y), GridField(y)(y)
>>> bool((exact.push - close.push).norm() < 2e-3 * exact.push.norm())
True
"""

import functools
import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["Field", "GridField", "exact_field"]

SPACING = 0.5
CELLS = 32
MARGIN = 8
"""Nodes between the charges and their images: what (4) smears beyond the support of the kernel dies out there."""
ENTRIES = 1 << 18
"""Pairs in a block of the exact sums: it stays in the cache."""
CHUNK = 1 << 13
"""Points that are spread or read at once."""


class Field(NamedTuple):
    """The potential of equation (1) at some points, and the push of equation (2)."""

    potential: Float[Tensor, "points"]
    push: Float[Tensor, "points dims"]


def exact_field(charges: Float[Tensor, "charges dims"], at: Float[Tensor, "points dims"]) -> Field:
    """Equations (1) and (2) pair by pair, in any number of dimensions."""
    if charges.ndim != 2 or at.ndim != 2 or charges.shape[1] != at.shape[1]:
        raise ValueError(f"charges {tuple(charges.shape)} and points {tuple(at.shape)} lie in different spaces")
    potential, push = at.new_empty(len(at)), torch.empty_like(at)
    size = max(1, ENTRIES // len(charges))
    for start in range(0, len(at), size):
        rows = slice(start, start + size)
        gaps = at[rows, None] - charges
        w = 1 / (1 + gaps.square().sum(2))
        potential[rows] = w.sum(1)  # (1)
        push[rows] = (w.square()[..., None] * gaps).sum(1)  # (2)
    return Field(potential, push)


def smooth_size(least: int) -> int:
    """The smallest even number from `least` on that has no prime factor above 5: FFTs of such sizes are fast."""
    size = least + least % 2
    while True:
        rest = size
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return size
        size += 2


def splines(t: Float[Tensor, "2 points"]) -> tuple[Float[Tensor, "4 2 points"], Float[Tensor, "4 2 points"]]:
    """The cubic B-spline at the nodes -1, 0, 1, 2 around places t in [0, 1), and its derivative by t."""
    s, square = 1 - t, t * t
    value = torch.stack(
        [s * s * s / 6, (t / 2 - 1) * square + 2 / 3, ((t + 1 - square) * t + 1 / 3) / 2, square * t / 6]
    )
    slope = torch.stack([s * s / -2, (1.5 * t - 2) * t, (1 - 1.5 * t) * t + 0.5, square / 2])
    return value, slope


@functools.lru_cache(maxsize=8)
def influence(
    rows: int, columns: int, spacing: float, dtype: torch.dtype, device: torch.device
) -> tuple[Float[Tensor, "rows half"], float]:
    """FFT[kernel - m] / FFT[M]^2 of equation (4), and m. Both are real, as the kernel and the spline are even."""

    def along(size: int) -> tuple[Tensor, Tensor]:
        place = torch.arange(size, dtype=torch.float64, device=device)
        near = torch.minimum(place, size - place) * spacing
        return near.square(), (4 + 2 * torch.cos(place * (2 * math.pi / size))) / 6

    (x, down), (y, across) = along(rows), along(columns)
    kernel = torch.fft.rfft2(1 / (1 + x[:, None] + y)).real
    mean = float(kernel[0, 0]) / (rows * columns)
    kernel[0, 0] = 0
    return (kernel / (down[:, None] * across[: columns // 2 + 1]).square()).to(dtype), mean


class Spread(NamedTuple):
    """Points on the grid: sixteen nodes around each, and along both axes the splines there and their derivatives."""

    nodes: Int[Tensor, "4 4 points"]
    value: Float[Tensor, "4 2 points"]
    slope: Float[Tensor, "4 2 points"]


class GridField:
    """The field of charges in the plane by equations (3) to (5), called with points; without any, at the charges.

    Points outside the box of the charges are answered as the nearest point of the box.

    Args:
        charges: their places [N, 2].

    Attributes:
        spacing: h.
        coefficients: c of equation (4) [rows, columns].
        constant: N m of equation (5).
    """

    def __init__(self, charges: Float[Tensor, "charges 2"]) -> None:
        if charges.ndim != 2 or charges.shape[1] != 2 or len(charges) == 0:
            raise ValueError(f"expected charges [N, 2], got {tuple(charges.shape)}")
        low, high = torch.aminmax(charges, dim=0)
        spans = (high - low).tolist()
        if not all(map(math.isfinite, spans)):
            raise ValueError("a charge lies at no finite place")
        widest = max(*spans, 1e-30)
        self.spacing = SPACING * 2.0 ** min(0, math.floor(math.log2(widest / (CELLS * SPACING))))
        rows, columns = (int(span / self.spacing) + 5 for span in spans)
        self.low, self.last, self.columns = low[:, None], (high - low)[:, None] / self.spacing, columns
        steps = torch.arange(4, device=charges.device)
        self.steps = (steps[:, None] * columns + steps)[..., None]
        self.charges = [self.spread(part) for part in charges.split(CHUNK)]
        charge = charges.new_zeros(rows * columns)
        for nodes, value, _ in self.charges:
            charge.scatter_add_(0, nodes.view(-1), (value[:, None, 0] * value[:, 1]).view(-1))  # (3)
        full = smooth_size(2 * rows + MARGIN), smooth_size(2 * columns + MARGIN)
        spectrum = torch.fft.rfft(charge.view(rows, columns), n=full[1], dim=1)
        spectrum = torch.fft.fft(spectrum, n=full[0], dim=0)
        factor, mean = influence(*full, self.spacing, charges.dtype, charges.device)
        spectrum, self.constant = spectrum.mul_(factor), len(charges) * mean
        spectrum = torch.fft.ifft(spectrum, dim=0)[:rows]
        self.coefficients = torch.fft.irfft(spectrum, n=full[1], dim=1)[:, :columns].contiguous()  # (4)

    def spread(self, part: Float[Tensor, "points 2"]) -> Spread:
        """The first point of the box lies at node 1, so that there is one before it."""
        place = ((part.mT - self.low) / self.spacing).clamp_min(0).minimum(self.last)
        first = place.floor()
        value, slope = splines(place - first)
        row, column = first.long()
        return Spread((row * self.columns + column) + self.steps, value, slope)

    def __call__(self, at: Float[Tensor, "points 2"] | None = None) -> Field:
        """Equation (5)."""
        parts = self.charges if at is None else [self.spread(part) for part in at.split(CHUNK)]
        grid, found = self.coefficients.view(-1), []
        for nodes, value, slope in parts:
            (x, y), (slope_x, slope_y) = value.unbind(1), slope.unbind(1)
            c = grid.index_select(0, nodes.view(-1)).view(nodes.shape)
            along, across = (c * y).sum(1), (c * x[:, None]).sum(0)
            found.append(torch.stack([along * x, along * slope_x, across * slope_y]).sum(1))
        potential, *push = torch.cat(found, 1)
        return Field(potential + self.constant, torch.stack(push, 1) / (-2 * self.spacing))
