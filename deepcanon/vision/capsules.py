"""Capsules: groups of units whose length says whether a thing is there, routed to parents by how well they agree.

Paper: Sabour, Frosst and Hinton 2017, "Dynamic Routing Between Capsules" (arXiv:1710.09829).

B pictures; I capsules u_i of K units below, J capsules v_j of D units above; W_ij a matrix [K, D]; T_k = 1 if class k
is there.

    v_j     = |s_j|^2 / (1 + |s_j|^2)  s_j / |s_j|                                          (1)
    u_hat_ij = u_i W_ij,     s_j = sum_i c_ij u_hat_ij                                      (2)
    c_ij    = exp(b_ij) / sum_k exp(b_ik)          over the PARENTS k of a child i          (3)
    b_ij    = 0 at first, for every picture; then b_ij += u_hat_ij . v_j                    (procedure 1)
    L_k     = T_k max(0, 0.9 - |v_k|)^2 + 0.5 (1 - T_k) max(0, |v_k| - 0.1)^2               (4)

Each child hands its vote out among the parents: the couplings (3) of a child sum to 1. They are found again for every
picture and thrown away; only W and the layers below are learned, with the gradient through all of the routing. The loss
adds 0.0005 times the SUM of squared errors of a reconstruction of pixels in [0, 1] (0.392 times their mean for 784)
from the capsules, all masked but that of the true class in training, and that of the longest in evaluation.

The network of 28 x 28 digits: 256 filters of 9 x 9, ReLU; 9 x 9 with stride 2 to 32 maps of 8-unit capsules, 6 x 6
places: 1,152 capsules; ten of 16 units; a decoder of 512, 1024 and 784 units: 8,215,568 weights.

Departures: (1) is computed with |s|^2 + 1e-12 (or less in float64) under the root, so that value and gradient of a
capsule of zeros are 0, not NaN; the longest capsule is given as the logits log |v_k|, whose softmax are the lengths
over their sum. The authors' code differs from their text: it adds a learned bias before (1), and halves (4), which
doubles the weight of the reconstruction. Here is the text. Neither stops the gradient in the first iterations, as some
versions do. Routing is computed for some pictures at a time, with a backward pass of its own: the votes of all of them,
0.7 MB each, never lie in memory, and equal `route` to rounding.

    >>> import torch
    >>> from deepcanon.vision import CapsuleNet
    >>> net = CapsuleNet(1, 10, size=(28, 28))
    >>> sum(p.numel() for p in net.parameters()), net.capsules(torch.rand(2, 1, 28, 28)).shape
    (8215568, torch.Size([2, 10, 16]))
"""

import math
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

__all__ = [
    "CapsuleLayer", "CapsuleNet", "lengths", "margin_loss", "reconstruction_loss", "route", "squash",
]  # fmt: skip

PRESENT, ABSENT, DOWN = 0.9, 0.1, 0.5  # m+, m- and lambda of equation (4)
WEIGHT = 0.0005  # of the reconstruction
TOGETHER = 8  # pictures that are routed at a time: their votes stay in the processor's cache


def _root(squares: Tensor) -> Tensor:
    return (squares + (1e-12 if squares.dtype != torch.float64 else 1e-30)).sqrt()


def squash(s: Float[Tensor, "*batch units"]) -> Float[Tensor, "*batch units"]:
    """Equation (1): the direction of s, a length below 1."""
    squares = s.square().sum(-1, keepdim=True)
    return s * (squares / (1 + squares) / _root(squares))  # (1)


def lengths(capsules: Float[Tensor, "*batch units"]) -> Float[Tensor, "*batch"]:
    """The length of each capsule; its gradient at 0 is 0."""
    return _root(capsules.square().sum(-1))


def route(
    votes: Float[Tensor, "batch children parents units"], iterations: int = 3
) -> tuple[Float[Tensor, "batch parents units"], Float[Tensor, "batch children parents"]]:
    """Procedure 1: the parents, and the couplings of the last iteration."""
    if votes.ndim != 4 or iterations < 1:
        raise ValueError(f"expected votes [B, I, J, D] and 1 iteration or more, got {tuple(votes.shape)}, {iterations}")
    b = votes.new_zeros(votes.shape[:3])
    for iteration in range(iterations):
        c = b.softmax(2)  # (3)
        v = squash(torch.einsum("bij,bijd->bjd", c, votes))  # (2), (1)
        if iteration < iterations - 1:
            b = b + torch.einsum("bijd,bjd->bij", votes, v)
    return v, c


def _votes(u: Tensor, weight: Tensor) -> Tensor:
    """u_hat of some pictures, laid out for the sums over children: [n J, I, D]."""
    inputs, _, parents, units = weight.shape
    made = torch.bmm(u.transpose(0, 1), weight.flatten(2)).view(inputs, len(u), parents, units)
    return made.permute(1, 2, 0, 3).reshape(len(u) * parents, inputs, units)


def _routed(votes: Tensor, parents: int, iterations: int) -> tuple[list[Tensor], list[Tensor]]:
    """Sums s [nJ, D] and couplings [nJ, I] of each iteration."""
    n, inputs, _ = votes.shape
    b, sums, shares = votes.new_zeros(n, inputs), [], []
    for iteration in range(iterations):
        c = b.view(-1, parents, inputs).softmax(1).view(n, inputs)  # (3)
        s = torch.bmm(c[:, None], votes)[:, 0]  # (2)
        sums.append(s)
        shares.append(c)
        if iteration < iterations - 1:
            b = b + torch.bmm(votes, squash(s)[:, :, None])[:, :, 0]
    return sums, shares


class _Routing(torch.autograd.Function):
    """Procedure 1 from the children and the weights, some pictures at a time; the votes are made again to go back."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, weight: Tensor, iterations: int) -> Tensor:
        parents, units = weight.shape[2:]
        found = [
            squash(_routed(_votes(some, weight), parents, iterations)[0][-1]).view(-1, parents, units)
            for some in u.split(TOGETHER)
        ]
        ctx.save_for_backward(u, weight)
        ctx.iterations = iterations
        return torch.cat(found)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor, None]:
        u, weight = ctx.saved_tensors
        inputs, _, parents, units = weight.shape
        flat = weight.flatten(2)
        to_u, to_weight = [], torch.zeros_like(flat)
        for some, outer in zip(u.split(TOGETHER), slope.split(TOGETHER), strict=True):
            votes = _votes(some, weight)
            sums, shares = _routed(votes, parents, ctx.iterations)
            to_v, to_b = outer.reshape(-1, units), torch.zeros_like(shares[0])
            left, right = [], []  # the gradient of the votes is a sum of products of these
            for iteration in reversed(range(ctx.iterations)):
                if iteration < ctx.iterations - 1:  # b of the next iterations holds votes . v of this one
                    left.append(to_b)
                    right.append(squash(sums[iteration]))
                    to_v = torch.bmm(to_b[:, None], votes)[:, 0]
                to_s = _squash_backward(sums[iteration], to_v)
                left.append(shares[iteration])
                right.append(to_s)
                if iteration:
                    c = shares[iteration].view(-1, parents, inputs)
                    to_c = torch.bmm(votes, to_s[:, :, None]).view(c.shape)
                    to_b = to_b + (c * (to_c - (c * to_c).sum(1, keepdim=True))).view_as(to_b)
            to_votes = torch.bmm(torch.stack(left, 2), torch.stack(right, 1))
            rows = to_votes.view(len(some), parents, inputs, units).permute(2, 0, 1, 3).reshape(inputs, len(some), -1)
            to_u.append(torch.bmm(rows, flat.mT).transpose(0, 1))
            to_weight.baddbmm_(some.permute(1, 2, 0), rows)
        return torch.cat(to_u), to_weight.view_as(weight), None


def _squash_backward(s: Tensor, slope: Tensor) -> Tensor:
    """The gradient of (1): v = s f with f = |s| / (1 + |s|^2)."""
    squares = s.square().sum(-1, keepdim=True)
    root = _root(squares)
    f = squares / (1 + squares) / root
    slope_of_f = (1 / (1 + squares).square() - squares / (2 * root.square() * (1 + squares))) / root  # by |s|^2
    return slope * f + s * (2 * slope_of_f * (s * slope).sum(-1, keepdim=True))


def margin_loss(
    found: Float[Tensor, "batch classes"], present: Shaped[Tensor, "batch classes"], reduction: str = "mean"
) -> Tensor:
    """Equation (4), summed over the classes: of lengths, and 1 for every class that is there.

    Args:
        reduction: over the pictures, "mean", "sum" or "none".
    """
    if found.shape != present.shape or found.ndim != 2:
        raise ValueError(f"expected lengths and classes [B, K], got {tuple(found.shape)} and {tuple(present.shape)}")
    there = present.to(found.dtype)
    losses = there * F.relu(PRESENT - found).square() + DOWN * (1 - there) * F.relu(found - ABSENT).square()  # (4)
    return _reduced(losses.sum(1), reduction)


def reconstruction_loss(
    drawn: Float[Tensor, "batch *picture"], pixels: Float[Tensor, "batch *picture"], reduction: str = "mean"
) -> Tensor:
    """0.0005 times the SUM over the pixels of squared errors; pixels from 0 to 1."""
    if drawn.shape != pixels.shape:
        raise ValueError(f"expected two pictures of one shape, got {tuple(drawn.shape)} and {tuple(pixels.shape)}")
    return _reduced(WEIGHT * (drawn - pixels).square().flatten(1).sum(1), reduction)


def _reduced(losses: Tensor, reduction: str) -> Tensor:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"no reduction {reduction!r}, only mean, sum and none")
    return losses if reduction == "none" else getattr(losses, reduction)()


class CapsuleLayer(nn.Module):
    """Capsules above that are routed to from those below, equations (1) to (3).

    Args:
        inputs, in_units: number of capsules below, and of the units of each.
        outputs, out_units: the same above.
        iterations: of the routing; with one, every vote counts 1 / outputs.
    """

    def __init__(
        self, inputs: int, in_units: int, outputs: int, out_units: int, *, iterations: int = 3, device=None, dtype=None
    ) -> None:
        super().__init__()
        if iterations < 1:
            raise ValueError(f"{iterations} iterations route nothing")
        self.iterations = iterations
        made = torch.empty(inputs, in_units, outputs, out_units, device=device, dtype=dtype)
        self.weight = nn.Parameter(nn.init.normal_(made, std=0.1))

    def votes(self, u: Float[Tensor, "batch inputs in_units"]) -> Float[Tensor, "batch inputs outputs out_units"]:
        """What each capsule below expects of each above."""
        return torch.einsum("bik,ikjd->bijd", u, self.weight)  # (2)

    def forward(self, u: Float[Tensor, "batch inputs in_units"]) -> Float[Tensor, "batch outputs out_units"]:
        """The capsules above."""
        if u.ndim != 3 or u.shape[1:] != self.weight.shape[:2]:
            raise ValueError(f"expected capsules [B, {', '.join(map(str, self.weight.shape[:2]))}], got "
                             f"{tuple(u.shape)}")  # fmt: skip
        if torch.compiler.is_compiling():
            return route(self.votes(u), self.iterations)[0]
        kind = u.device.type
        exact = torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()
        with exact:
            return _Routing.apply(u.to(self.weight.dtype), self.weight, self.iterations)


class CapsuleNet(nn.Module):
    """Two convolutions, capsules of classes, and a decoder that draws the picture from one of them.

    Args:
        in_channels, classes, size: of the pictures, (height, width) 17 x 17 at least with kernels of 9.
        filters: of the first convolution.
        maps: of capsules that the second one makes, at every place.
        units, class_units: of those capsules, and of one of a class.
        iterations: of the routing.
        decoder: hidden units of the decoder.
        kernel_size: of both convolutions.
        sets: classes that are there together, as many in each, by their numbers: `forward` gives a logit for each.
    """

    def __init__(
        self, in_channels: int, classes: int, *, size: tuple[int, int] = (28, 28), filters: int = 256, maps: int = 32,
        units: int = 8, class_units: int = 16, iterations: int = 3, decoder: tuple[int, ...] = (512, 1024),
        kernel_size: int = 9, sets: Sequence[Sequence[int]] = (), device=None, dtype=None,
    ) -> None:  # fmt: skip
        super().__init__()
        made = {"device": device, "dtype": dtype}
        self.shape, self.units, self.classes = (in_channels, *size), units, classes
        grid = [(extent - 2 * kernel_size + 1) // 2 + 1 for extent in size]
        if min(grid) < 1:
            least = 2 * kernel_size - 1
            raise ValueError(f"pictures of {size[0]} x {size[1]} are too small for two kernels of {kernel_size}: "
                             f"{least} x {least} at least")  # fmt: skip
        self.convolution = nn.Conv2d(in_channels, filters, kernel_size, **made)
        self.primary = nn.Conv2d(filters, maps * units, kernel_size, stride=2, **made)
        self.output = CapsuleLayer(maps * grid[0] * grid[1], units, classes, class_units, iterations=iterations, **made)
        widths = (classes * class_units, *decoder, math.prod(self.shape))
        layers = [
            layer for before, after in pairwise(widths) for layer in (nn.Linear(before, after, **made), nn.ReLU())
        ]
        self.decoder = nn.Sequential(*layers[:-1], nn.Sigmoid())
        members = torch.tensor([list(together) for together in sets], device=device) if len(sets) else None
        self.register_buffer("members", members, persistent=False)

    def capsules(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes units"]:
        """The capsule of each class."""
        if images.ndim != 4 or images.shape[1:] != self.shape:
            raise ValueError(f"expected [batch, {', '.join(map(str, self.shape))}] pictures, got {tuple(images.shape)}")
        maps = self.primary(F.relu(self.convolution(images)))
        batch, _, height, width = maps.shape
        u = maps.view(batch, -1, self.units, height, width).permute(0, 1, 3, 4, 2).reshape(batch, -1, self.units)
        return self.output(squash(u.to(self.output.weight.dtype)))

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch answers"]:
        """log |v| of each class, or summed over the classes of each set: the largest is the answer."""
        return self.logits(self.capsules(images))

    def logits(self, capsules: Float[Tensor, "batch classes units"]) -> Float[Tensor, "batch answers"]:
        """`forward` from the capsules; the best of all sets of two are the two longest capsules."""
        logs = lengths(capsules).log()
        return logs if self.members is None else logs[:, self.members].sum(2)

    def reconstruct(
        self, capsules: Float[Tensor, "batch classes units"], chosen: Shaped[Tensor, "batch"]
    ) -> Float[Tensor, "batch channels height width"]:
        """The picture, pixels from 0 to 1, from the capsule of one class; all others are masked.

        Args:
            chosen: the true classes in training, those of the longest capsules in evaluation.
        """
        mask = F.one_hot(chosen, self.classes).to(capsules)
        return self.decoder((capsules * mask[:, :, None]).flatten(1)).view(-1, *self.shape)
