"""What dividing the logits by a temperature does to a classifier: the figure that any classifier can show.

Source: Guo, Pleiss, Sun and Weinberger 2017, "On calibration of modern neural networks" (arXiv:1706.04599).
"""

import math

import torch
from torch import Tensor

from deepcanon.engine.figures import Line, Panels, Plot
from deepcanon.foundations.softmax_temperature import (
    calibration_error,
    entropy,
    fit_temperature,
    log_softmax_temperature,
    reliability,
    softmax_temperature,
)

__all__ = ["temperature"]

CALIBRATION = (
    "Loss and entropy over the temperature, and accuracy by confidence: a calibrated classifier lies on the diagonal, "
    "and its best T is near 1."
)


def temperature(logits: Tensor, labels: Tensor) -> Panels:
    """Loss and entropy over T; confidence and accuracy at T = 1 and at the best T.

    Args:
        logits: [n, classes] of examples that were not learned from.
        labels: [n] of the classes, counted from 0.
    """
    best, rows = fit_temperature(logits, labels), torch.arange(len(labels))
    grid = torch.logspace(-1.5, 1.5, 41).tolist()
    losses = [-log_softmax_temperature(logits, t)[rows, labels].mean() for t in grid]
    entropies = [entropy(softmax_temperature(logits, t)).mean() for t in grid]
    curves = Plot(
        [Line(losses, grid, "loss"), Line(entropies, grid, "entropy")],
        x="temperature T",
        y="nats",
        log="x",
        marks={f"best T = {best:.3g}": best},
        y_range=(0, 2 * math.log(logits.shape[1])),
    )
    lines = [Line([0, 1], [0, 1], colour=-1)]
    for place, t in enumerate((1.0, best)):
        probabilities = softmax_temperature(logits, t)
        counts, confidence, accuracy = reliability(probabilities, labels)
        error = calibration_error(probabilities, labels)
        label = f"T = {t:.3g}: calibration error {error:.3f}"
        some = counts > 0
        lines.append(Line(accuracy[some], confidence[some], label, style="o-", colour=place))
    reliable = Plot(lines, "confidence (mean of a bin)", "accuracy (share of the bin)")
    return Panels([curves, reliable], columns=2, caption=CALIBRATION)
