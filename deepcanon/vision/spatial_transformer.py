"""A spatial transformer: a network that looks at a picture, chooses an affine map, and samples the picture along it.

Paper: Jaderberg, Simonyan, Zisserman and Kavukcuoglu 2015, "Spatial Transformer Networks" (arXiv:1506.02025).

B pictures U of C channels and H x W pixels; output V of H' x W'. Coordinates (x, y) run from -1 to 1 over the picture,
y downwards; t is a pixel of the output, s the place in the input from which it comes.

    theta    = localiser(U)                                       [B, 2, 3]                     (0)
    (x_s, y_s) = theta (x_t, y_t, 1)                              from OUTPUT to INPUT          (1)
    V[t]     = sum_{n,m} U[n,m] max(0, 1 - |x_s' - m|) max(0, 1 - |y_s' - n|)                   (5)

where x_s', y_s' are x_s, y_s in pixels: x' = ((x + 1) W - 1) / 2 (`align_corners=False`: -1 and 1 are the outer EDGES
of the outer pixels) or (x + 1) (W - 1) / 2 (`True`: their centres). Its gradients are (6) and (7) of the paper: V is
linear in U, and dV/dx_s' is the slope of the bilinear surface, from which theta learns. theta maps the output to the
input: a digit that leans by +30 degrees is set upright by the map that turns the GRID by +30 degrees.

The localiser's last layer begins with weights 0 and the bias of the identity: the module starts as a copy of its input,
and learns best with a smaller learning rate than what follows it. Localisers (appendix A.4): "connected", two layers of
32 units, or "convolutional", twice 20 filters of 5 x 5 with 2 x 2 max pooling, and a layer of 20.

Departures: the convolutions keep the size (padding 2), so that pictures from 4 x 4 are served. `outside="border"`
repeats the border where (5) reads outside the picture; "zeros" is the paper's sum. On standardised pictures 0 is a grey
that they have nowhere. Nothing is padded or cropped afterwards: places outside are read from `outside` alone.

    >>> import torch
    >>> from deepcanon.vision import SpatialTransformer
    >>> module, pictures = SpatialTransformer(1, (28, 28)), torch.rand(2, 1, 28, 28)
    >>> bool(torch.allclose(module(pictures), pictures, atol=1e-5)), module.theta(pictures)[0].tolist()
    (True, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from deepcanon.parts.affine_points import affine_points

__all__ = ["SpatialTransformer", "affine_points", "bilinear_sample", "spread", "turned_by"]

Outside = Literal["zeros", "border"]
Maps = Literal["affine", "rotation", "attention"]
IDENTITY = {"affine": (1.0, 0, 0, 0, 1, 0), "rotation": (0.0,), "attention": (1.0, 0, 0)}
"""What the last layer says of each kind of map at first."""
UNITS, FILTERS, KERNEL = 32, 20, 5


def affine_maps(pose: Float[Tensor, "batch numbers"], maps: Maps = "affine") -> Float[Tensor, "batch 2 3"]:
    """theta from what the last layer says: six numbers as they are, an angle in radians, or (scale, x, y).

    A map by a positive angle turns what is seen anticlockwise. On pictures that are not square it also shears.
    """
    if pose.ndim != 2 or pose.shape[1] != len(IDENTITY[maps]):
        raise ValueError(f"{maps} maps are of {len(IDENTITY[maps])} numbers, got {tuple(pose.shape)}")
    if maps == "affine":
        return pose.view(-1, 2, 3)
    nothing = torch.zeros_like(pose[:, 0])
    if maps == "rotation":
        cosine, sine = pose[:, 0].cos(), pose[:, 0].sin()
        rows = (cosine, -sine, nothing, sine, cosine, nothing)
    else:
        scale, x, y = pose.unbind(1)  # section 3.2
        rows = (scale, nothing, x, nothing, scale, y)
    return torch.stack(rows, 1).view(-1, 2, 3)


def bilinear_sample(
    images: Float[Tensor, "batch channels height width"],
    points: Float[Tensor, "batch rows columns 2"],
    *,
    align_corners: bool = False,
    outside: Outside = "zeros",
) -> Float[Tensor, "batch channels rows columns"]:
    """Equation (5), over the four pixels that are not 0 in its sum.

    `torch.nn.functional.grid_sample` computes the same in one kernel, which the module calls.
    """
    if images.ndim != 4 or points.ndim != 4 or points.shape[3] != 2 or len(images) != len(points):
        raise ValueError(f"expected [B, C, H, W] and [B, H', W', 2], got {tuple(images.shape)}, {tuple(points.shape)}")
    height, width = images.shape[2:]
    extents = torch.tensor([width, height], dtype=points.dtype, device=points.device)
    pixels = (points + 1) * (extents - 1) / 2 if align_corners else ((points + 1) * extents - 1) / 2
    if outside == "border":
        pixels = pixels.clamp(torch.zeros_like(extents), extents - 1)
    first = pixels.detach().floor()
    found = images.new_zeros(*images.shape[:2], *points.shape[1:3])
    for m in (0, 1):
        for n in (0, 1):
            x, y = first[..., 0] + m, first[..., 1] + n
            share = (1 - (pixels[..., 0] - x).abs()) * (1 - (pixels[..., 1] - y).abs())
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            index = (y.clamp(0, height - 1) * width + x.clamp(0, width - 1)).long().flatten(1)
            values = images.flatten(2).gather(2, index[:, None].expand(-1, images.shape[1], -1))
            found = found + values.view_as(found) * (share * inside)[:, None]  # (5)
    return found


def turned_by(theta: Float[Tensor, "batch 2 3"]) -> Float[Tensor, "batch"]:
    """By how many degrees a map turns what is seen, anticlockwise: the angle of the rotation that is nearest to it."""
    return torch.rad2deg(torch.atan2(theta[:, 1, 0] - theta[:, 0, 1], theta[:, 0, 0] + theta[:, 1, 1]))


def spread(degrees: Float[Tensor, "n"], classes: Int[Tensor, "n"]) -> Float[Tensor, ""]:
    """Standard deviation of angles within classes, about the mean direction of each.

    Every class may have an upright position of its own, but all of it the same.
    """
    angles = torch.deg2rad(degrees)
    sums = angles.new_zeros(int(classes.max()) + 1, 2)
    mean = sums.index_add(0, classes, torch.stack([angles.cos(), angles.sin()], 1))
    apart = degrees - torch.rad2deg(torch.atan2(mean[:, 1], mean[:, 0]))[classes]
    return (torch.remainder(apart + 180, 360) - 180).square().mean().sqrt()


class SpatialTransformer(nn.Module):
    """Samples each picture along an affine map that is computed from it.

    Args:
        channels: of the pictures.
        size: (height, width) of the pictures, 4 x 4 at least for a convolutional localiser.
        output_size: of what is sampled; that of the pictures if None.
        localiser: "connected" or "convolutional".
        maps: "affine", or only the "rotation" of one angle, or the "attention" of a square window: scale and place.
        reduction: the localiser sees the means of squares of so many pixels: a large picture's map costs less then.
        align_corners: whether -1 and 1 are the centres of the outer pixels, not their outer edges.
        outside: what is read outside the picture: zeros, or its border.
    """

    def __init__(
        self,
        channels: int,
        size: tuple[int, int],
        *,
        output_size: tuple[int, int] | None = None,
        localiser: Literal["connected", "convolutional"] = "connected",
        maps: Maps = "affine",
        reduction: int = 1,
        align_corners: bool = False,
        outside: Outside = "zeros",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        made = {"device": device, "dtype": dtype}
        self.channels, self.size, self.output_size = channels, tuple(size), output_size or size
        self.align_corners, self.outside, self.reduction, self.maps = align_corners, outside, reduction, maps
        size = (size[0] // reduction, size[1] // reduction)
        if localiser == "connected":
            self.localiser = nn.Sequential(
                nn.Flatten(), nn.Linear(channels * size[0] * size[1], UNITS, **made), nn.ReLU(),
                nn.Linear(UNITS, UNITS, **made), nn.ReLU(),
            )  # fmt: skip
        else:
            if min(size) < 4:
                raise ValueError(f"{size[0]} x {size[1]} pixels are too few for two poolings by 2")
            self.localiser = nn.Sequential(
                nn.Conv2d(channels, FILTERS, KERNEL, padding=2, **made), nn.MaxPool2d(2), nn.ReLU(),
                nn.Conv2d(FILTERS, FILTERS, KERNEL, padding=2, **made), nn.MaxPool2d(2), nn.ReLU(),
                nn.Flatten(), nn.Linear(FILTERS * (size[0] // 4) * (size[1] // 4), FILTERS, **made), nn.ReLU(),
            )  # fmt: skip
        identity = torch.tensor(IDENTITY[maps])
        self.pose = nn.Linear(UNITS if localiser == "connected" else FILTERS, len(identity), **made)
        nn.init.zeros_(self.pose.weight)
        with torch.no_grad():
            self.pose.bias.copy_(identity)

    def theta(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch 2 3"]:
        """The map of each picture, equation (0)."""
        if images.ndim != 4 or images.shape[1:] != (self.channels, *self.size):
            raise ValueError(f"expected [batch, {self.channels}, {self.size[0]}, {self.size[1]}] pictures, "
                             f"got {tuple(images.shape)}")  # fmt: skip
        seen = F.avg_pool2d(images, self.reduction) if self.reduction > 1 else images
        return affine_maps(self.pose(self.localiser(seen)), self.maps)  # (0)

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels h w"]:
        """The pictures along their maps."""
        points = affine_points(self.theta(images).to(images.dtype), self.output_size, align_corners=self.align_corners)
        return F.grid_sample(
            images, points, mode="bilinear", padding_mode=self.outside, align_corners=self.align_corners
        )  # (5)
