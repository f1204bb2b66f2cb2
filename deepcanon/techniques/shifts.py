"""Shifted images: how the maps of random filters change, and how accurate a trained classifier stays."""

from typing import Any

import torch
from torch import Tensor

from deepcanon.parts.augment import shift_images
from deepcanon.vision.translation_invariance import Subsampled, shift_error

__all__ = ["aliasing", "shifted_accuracies"]

LAYERS: dict[str, dict[str, Any]] = {
    "1": {"stride": 1},
    "2": {"stride": 2},
    "2, the largest": {"how": "max"},
    "2, blurred": {"how": "blur"},
}
"""By the stride, in words."""
DIRECTIONS = ((0, 1), (1, 0), (0, -1), (-1, 0))


def aliasing(images: Tensor, most: int, filters: int = 16) -> dict[str, list[float]]:
    """The shift errors of layers with the same random filters, at shifts by 0 to `most` pixels, in float64.

    Args:
        images: [N, C, H, W]; a last odd row or column is left out, so that a stride of 2 fits around the edges.
        filters: of 3 x 3 pixels; always the same ones.
    """
    height, width = (2 * (extent // 2) for extent in images.shape[2:])
    x = images[:, :, :height, :width].double()
    x = (x - x.mean()) / x.std().clamp_min(1e-9)
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(filters, x.shape[1], 3, 3, generator=generator, dtype=torch.float64)
    found = {}
    for name, options in LAYERS.items():
        layer = Subsampled(x.shape[1], filters, dtype=torch.float64, **options)
        with torch.no_grad():
            layer.weight.copy_(weight)
            found[name] = [float(shift_error(layer, x, pixels)) for pixels in range(most + 1)]
    return found


@torch.no_grad()
def shifted_accuracies(trained: Any, most: int) -> list[float]:
    """The accuracy of a trained run of images on its own test split, each image shifted by 0 to `most` pixels.

    Images move right, down, left and up in turn; what enters repeats the border.
    """
    trained.module.eval()
    recipe, counts = trained.recipe, [0] * (most + 1)
    split = recipe.run.data["test"]
    for start in range(0, len(split), 2000):
        some = split.take(torch.arange(start, min(start + 2000, len(split))))
        turn = torch.tensor(DIRECTIONS)[torch.arange(start, start + len(some)) % 4]
        for pixels in range(most + 1):
            with recipe.run.autocast():
                logits = recipe.classifier(shift_images(some.x, pixels * turn))
            counts[pixels] += int(logits.cpu().argmax(1).eq(some.y).sum())
    return [count / len(split) for count in counts]
