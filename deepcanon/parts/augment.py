"""Random changes to whole batches of images: shift, mirror, turn, crop, cut out, recolour.

Papers: Krizhevsky, Sutskever and Hinton 2012, "ImageNet classification with deep convolutional neural networks",
section 4.1 (crops, mirrors); He et al. 2015 (arXiv:1512.03385), section 4.2 (shifts by up to 4 pixels); DeVries and
Taylor 2017, "Improved Regularization of Convolutional Neural Networks with Cutout" (arXiv:1708.04552); Jaderberg et
al. 2015 (arXiv:1506.02025), equation 1 (the affine sampler: output coordinates to input coordinates).

Images [B, C, H, W] of any dtype; integers stay integers in their range. The random numbers are given, one row for each
image, so that what happens to an image depends neither on the others nor on how a batch is divided over processes.
Boxes [B, M, 4] are (left, top, right, bottom) in pixels, and move with their images.

    >>> import torch
    >>> from deepcanon.parts.augment import flip_images
    >>> flip_images(torch.arange(3).reshape(1, 1, 1, 3), torch.tensor([True]))
    tensor([[[[2, 1, 0]]]])
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from deepcanon.parts.affine_points import affine_points

__all__ = [
    "affine_boxes", "affine_images", "affine_maps", "cut_boxes", "cut_out", "flip_boxes", "flip_images", "recolour",
    "shift_boxes", "shift_images",
]  # fmt: skip

GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the luma of ITU-R BT.601."""


def _check(images: Tensor, *rows: tuple[Tensor, tuple[int, ...]]) -> None:
    if images.ndim != 4:
        raise ValueError(f"expected images [B, C, H, W], got {tuple(images.shape)}")
    for given, rest in rows:
        if given.shape != (len(images), *rest):
            wanted = (len(images), *rest)
            raise ValueError(f"images {tuple(images.shape)} need random numbers {wanted}, got {tuple(given.shape)}")


def shift_images(
    images: Shaped[Tensor, "batch channels height width"], offsets: Int[Tensor, "batch 2"]
) -> Shaped[Tensor, "batch channels height width"]:
    """Moves each image by its own (down, right) pixels; what enters repeats the border."""
    _check(images, (offsets, (2,)))
    batch, channels, height, width = images.shape
    rows = (torch.arange(height, device=images.device) - offsets[:, :1]).clamp(0, height - 1)
    columns = (torch.arange(width, device=images.device) - offsets[:, 1:]).clamp(0, width - 1)
    index = (rows[:, :, None] * width + columns[:, None, :]).reshape(batch, 1, -1)
    return images.flatten(2).gather(2, index.expand(-1, channels, -1)).reshape(images.shape)


def shift_boxes(boxes: Float[Tensor, "batch m 4"], offsets: Int[Tensor, "batch 2"]) -> Float[Tensor, "batch m 4"]:
    """Boxes under `shift_images`; what enters at the border belongs to no box."""
    return boxes + offsets.flip(1).repeat(1, 2)[:, None]


def flip_images(
    images: Shaped[Tensor, "batch channels height width"], chosen: Bool[Tensor, "batch"]
) -> Shaped[Tensor, "batch channels height width"]:
    """Mirrors the chosen images left to right."""
    _check(images, (chosen, ()))
    return torch.where(chosen[:, None, None, None], images.flip(3), images)


def flip_boxes(
    boxes: Float[Tensor, "batch m 4"], chosen: Bool[Tensor, "batch"], width: int
) -> Float[Tensor, "batch m 4"]:
    """Boxes under `flip_images` of pictures of this width."""
    left, top, right, bottom = boxes.unbind(-1)
    return torch.where(chosen[:, None, None], torch.stack([width - right, top, width - left, bottom], -1), boxes)


def affine_maps(
    degrees: Float[Tensor, "batch"],
    scale: Float[Tensor, "batch"],
    centre: Float[Tensor, "batch 2"],
    size: tuple[int, int],
) -> Float[Tensor, "batch 2 3"]:
    """Maps from output to input coordinates, for `affine_images`: a window turned by an angle, scaled, and placed.

    Args:
        degrees: by which the picture turns, anticlockwise as seen.
        scale: side of the window as a share of the image's: 0.5 enlarges the picture twice.
        centre: (x, y) of the window in the image, from -1 to 1.
        size: (height, width) of the images, since coordinates from -1 to 1 are not square on a picture that is not.
    """
    height, width = size
    angle = degrees * (torch.pi / 180)
    cosine, sine = angle.cos() * scale, angle.sin() * scale
    # On the screen y points down: a picture that turns anticlockwise is sampled along axes turned clockwise.
    rows = (
        torch.stack([cosine, -sine * (height / width), centre[:, 0]], 1),
        torch.stack([sine * (width / height), cosine, centre[:, 1]], 1),
    )
    return torch.stack(rows, 1)


def affine_images(
    images: Shaped[Tensor, "batch channels height width"], maps: Float[Tensor, "batch 2 3"]
) -> Shaped[Tensor, "batch channels height width"]:
    """Samples each image bilinearly at (x, y) = map (x', y', 1) for every output pixel; outside, the border repeats.

    Coordinates run from -1 to 1 between the outer EDGES of the outer pixels (`align_corners=False`).
    """
    _check(images, (maps, (2, 3)))
    floating = images if images.is_floating_point() else images.float()
    grid = affine_points(maps.to(floating.dtype), (images.shape[2], images.shape[3]))
    sampled = F.grid_sample(floating, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return _as(images, sampled)


def affine_boxes(
    boxes: Float[Tensor, "batch m 4"], maps: Float[Tensor, "batch 2 3"], size: tuple[int, int]
) -> Float[Tensor, "batch m 4"]:
    """Boxes under `affine_images` of pictures of (height, width): the smallest that hold the moved corners.

    They are exact unless the map turns the picture.
    """
    sides = torch.tensor([size[1], size[0]], dtype=boxes.dtype, device=boxes.device)
    corners = torch.stack([boxes[..., pair] for pair in ([0, 1], [2, 1], [0, 3], [2, 3])], -2)
    own = 2 * corners / sides - 1 - maps[:, None, None, :, 2]
    (a, b), (c, d) = (row.unbind(-1) for row in maps[:, :, :2].unbind(-2))
    inverse = torch.stack([torch.stack([d, -b], -1), torch.stack([-c, a], -1)], -2) / (a * d - b * c)[:, None, None]
    there = (torch.einsum("bij,bmcj->bmci", inverse, own) + 1) / 2 * sides
    return torch.cat([there.amin(-2), there.amax(-2)], -1)


def cut_boxes(
    boxes: Float[Tensor, "batch m 4"], size: tuple[int, int]
) -> tuple[Float[Tensor, "batch m 4"], Float[Tensor, "batch m"]]:
    """The parts of boxes that are in pictures of (height, width), and which share of each box's area they are."""
    limits = torch.tensor([size[1], size[0], size[1], size[0]], dtype=boxes.dtype, device=boxes.device)
    cut = boxes.clamp_min(0).minimum(limits)
    areas = [(one[..., 2:] - one[..., :2]).clamp_min(0).prod(-1) for one in (cut, boxes)]
    return cut, areas[0] / areas[1].clamp_min(1e-30)


def cut_out(
    images: Shaped[Tensor, "batch channels height width"], centres: Int[Tensor, "batch 2"], side: int
) -> Shaped[Tensor, "batch channels height width"]:
    """Fills a square of each image with the image's own mean colour; the square may reach over the border.

    Args:
        centres: (row, column) of each square.
        side: of the squares in pixels.
    """
    _check(images, (centres, (2,)))
    if side < 1:
        raise ValueError(f"a square of {side} pixels cuts nothing out")
    height, width = images.shape[2:]
    start = centres - side // 2
    rows = torch.arange(height, device=images.device)[None, :]
    columns = torch.arange(width, device=images.device)[None, :]
    inside_rows = (rows >= start[:, :1]) & (rows < start[:, :1] + side)
    inside_columns = (columns >= start[:, 1:]) & (columns < start[:, 1:] + side)
    square = (inside_rows[:, :, None] & inside_columns[:, None, :])[:, None]
    means = _as(images, images.float().mean((2, 3), keepdim=True))
    return torch.where(square, means, images)


def recolour(
    images: Shaped[Tensor, "batch channels height width"], factors: Float[Tensor, "batch 3"]
) -> Shaped[Tensor, "batch channels height width"]:
    """Changes brightness, contrast and saturation: blends with black, with the mean grey, and with the grey picture.

    Args:
        factors: of brightness, contrast and saturation, 1 each for no change; grey images have no saturation.
    """
    _check(images, (factors, (3,)))
    floating = images if images.is_floating_point() else images.float()
    brightness, contrast, saturation = factors.to(floating.dtype)[:, :, None, None, None].unbind(1)
    bright = floating * brightness
    grey = _grey(bright)
    mean = grey.mean((1, 2, 3), keepdim=True)
    changed = mean + (bright - mean) * contrast
    if images.shape[1] == 3:
        grey = _grey(changed)
        changed = grey + (changed - grey) * saturation
    return _as(images, changed)


def _grey(images: Tensor) -> Tensor:
    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    weights = torch.tensor(GREY, dtype=images.dtype, device=images.device)
    return (images * weights[:, None, None]).sum(1, keepdim=True)


def _as(images: Tensor, values: Tensor) -> Tensor:
    """Values in the dtype of the images, rounded and within its range where that is an integer one."""
    if images.is_floating_point():
        return values.to(images.dtype)
    limits = torch.iinfo(images.dtype)
    return values.round().clamp(limits.min, limits.max).to(images.dtype)
