"""Boxes that a detector found and true ones: as records for people, as figures, for measuring, and for export."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from deepcanon.engine.export import Export, raw_export
from deepcanon.parts.boxes import Boxes
from deepcanon.vision.object_detection import boxes_and_scores, detections

__all__ = ["Decoded", "as_answers", "as_frames", "detector_export", "found_in", "true_boxes"]

PIXELS, MOST = 128 * 64 * 64, 100


class Decoded(nn.Module):
    """From raw pixels [B, C, H, W] to the box of every anchor [B, P, 4] and its scores [B, P, K], all in one module.

    Args:
        preprocess, model: from raw pixels to what the detector takes, and the detector.
        anchors: corners [P, 4].
        size: (height, width) of the pictures.
    """

    anchors: Tensor

    def __init__(self, preprocess: nn.Module, model: nn.Module, anchors: Tensor, size: tuple[int, int]) -> None:
        super().__init__()
        self.preprocess, self.model, self.size = preprocess, model, size
        self.register_buffer("anchors", anchors)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return boxes_and_scores(self.model(self.preprocess(images)), self.anchors, self.size)


def found_in(
    images: Any, module: Decoded, autocast: Any, device: torch.device, *, least: float, overlap: float
) -> list[Boxes]:
    """The boxes of each picture after suppression, on the CPU; pictures are read and computed a portion at a time.

    Args:
        images: raw pixels [N, C, H, W], in memory or streamed.
        autocast: makes the context of the run's precision.
        least, overlap: smallest score, and largest overlap of two boxes of a class.

    Raises:
        ValueError: they are not of the size that the detector learned.
    """
    height, width = images.shape[2:]
    if (height, width) != module.size:
        wanted = f"{module.size[1]}x{module.size[0]}"
        raise ValueError(f"pictures of {width}x{height} pixels: the detector learned from {wanted}; files are scaled")
    answers = []
    for part in images.split(max(1, min(128, PIXELS // (height * width)))):
        with torch.no_grad(), autocast():
            found = module.model(module.preprocess(part.to(device)))
        cpu = type(found)(*(one.float().cpu() for one in found))
        answers += detections(cpu, module.anchors.cpu(), module.size, least=least, threshold=overlap, most=MOST)
    return answers


def detector_export(
    module: Decoded, reader: dict[str, Any], device: torch.device, *, least: float, overlap: float
) -> Export:
    """The export of a detector: raw pixels to the boxes and scores of all anchors; suppression is left to the user."""
    about = {
        "task": "detect",
        "classes": reader["classes"],
        "boxes": "left, top, right, bottom in pixels of the input, one for each anchor",
        "scores": "probability of each class at each anchor; they are independent and need not add up to 1",
        "final": {"least_score": least, "largest_overlap": overlap, "most": MOST, "candidates": 4 * MOST},
        "how": "of each picture, take the best candidates among all (anchor, class) with a score of least_score or "
        "more, best first; keep one unless its intersection over union with a kept box of its class is above "
        "largest_overlap; give the first most of them",
        "picture": "a picture is scaled to cover the size, and its middle is kept; boxes are scaled back by the user",
    }
    shape = (reader["channels"], *module.size)
    return raw_export(module, shape, reader, device, ("boxes", "scores"), about)


def true_boxes(y: Tensor) -> list[Boxes]:
    """The boxes of each picture of a split, y [N, M, 5] (see `data.boxes`)."""
    return [Boxes(row[row[:, 0] >= 0, 1:], row[row[:, 0] >= 0, 0].long()) for row in y.cpu()]


def as_answers(found: Sequence[Boxes], names: Sequence[str]) -> list[dict[str, Any]]:
    """A record for each picture: its boxes, best first, with label, score and place in pixels."""
    answers = []
    for boxes, labels, scores in found:
        rows = zip(boxes.tolist(), labels.tolist(), [] if scores is None else scores.tolist(), strict=True)
        listed = [
            {
                "label": names[label], "score": score, "x": left, "y": top, "width": right - left,
                "height": bottom - top,
            }
            for (left, top, right, bottom), label, score in rows
        ]  # fmt: skip
        answers.append({"boxes": listed})
    return answers


def as_frames(found: Sequence[Boxes], names: Sequence[str]) -> tuple[Tensor, list[str]]:
    """Rows [N, 5] (place of the picture, corners) of all boxes, and the words for each: class, and score if any."""
    rows, words = [torch.zeros(0, 5)], []
    for place, (boxes, labels, scores) in enumerate(found):
        rows.append(torch.cat([torch.full((len(boxes), 1), float(place)), boxes.float()], 1))
        for number, label in enumerate(labels.tolist()):
            words.append(names[label] + ("" if scores is None else f" {100 * float(scores[number]):.0f} %"))
    return torch.cat(rows), words
