"""Variances over the layers of untrained networks as figures: by initialisation, and in theory.

Sources: Glorot and Bengio 2010; He et al. 2015 (arXiv:1502.01852); Poole et al. 2016 (arXiv:1606.05340).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from deepcanon.engine.figures import Line, Panels, Plot
from deepcanon.foundations.initialization import gain, propagated_variance

__all__ = ["spread_figure", "variance_figure", "wide_variance"]

VARIANCE = "Variance over layers: good initial weights keep it level, forward and back."
SPREAD = "Activations by layer: good ones neither shrink to a point nor pile up at the ends."
SHOWN = (1e-12, 1e12)

Arm = tuple[str, str]
"""An activation and an initial scheme."""


def wide_variance(depth: int, width: int, units: str, scheme: str, own_gain: bool = False) -> Tensor | None:
    """The variance of the units' inputs over that in the first layer, [depth], if layers were infinitely wide.

    None if the weights of the scheme are not independent of one another.

    Args:
        units: the activation.
        own_gain: whether weights are scaled by the gain of `units`, not of ReLU (he) or of linear units (others).
    """
    squared = gain(units if own_gain else "relu" if scheme == "he" else "linear") ** 2
    scale = {"he": squared, "glorot": squared, "small": width * 1e-4}.get(scheme)
    return propagated_variance(depth, units, scale) / scale if scale else None


def variance_figure(
    arms: Sequence[Arm], inputs: Tensor, gradients: Tensor, width: int, own_gain: bool = False
) -> Panels:
    """A panel for each activation: variances of the units' inputs above, of their gradients below.

    Args:
        inputs, gradients: variances [arms, depth] over that where the signal enters.
        width: of the layers, for the dotted curves of `wide_variance`.
    """
    plots, kinds = [], list(dict.fromkeys(units for units, _ in arms))
    layers = range(1, inputs.shape[1] + 1)
    for y, curves in (("variance of inputs (dotted: wide)", inputs), ("variance of their gradient", gradients)):
        for units in kinds:
            lines = []
            mine = [(scheme, curve) for (u, scheme), curve in zip(arms, curves, strict=True) if u == units]
            for colour, (scheme, curve) in enumerate(mine):
                lines.append(Line(curve.clamp(*SHOWN), layers, scheme, colour=colour))
                theory = wide_variance(len(layers), width, units, scheme, own_gain) if curves is inputs else None
                if theory is not None:
                    lines.append(Line(theory.clamp(*SHOWN), layers, style=":", colour=-1))
            plots.append(Plot(lines, "layer", y, units, log="y"))
    return Panels(plots, len(kinds), VARIANCE)


def spread_figure(arms: Sequence[Arm], layers: Sequence[int], shares: Tensor, ranges: Tensor) -> Panels:
    """How activations are spread in some layers, a panel for each arm.

    Args:
        layers: their numbers from 0.
        shares: [arms, layers, bins] of the units between the lowest and the highest activation of a layer.
        ranges: [arms, layers, 2], these two.
    """
    plots, x = [], "activation, 0 lowest of the layer, 1 highest"
    for arm, curves, ends in zip(arms, shares, ranges, strict=True):
        lines = []
        for layer, curve, (low, high) in zip(layers, curves, ends, strict=True):
            label = f"layer {layer + 1}: {low:.1g} to {high:.1g}"
            lines.append(Line(curve, torch.linspace(0, 1, len(curve)), label))
        plots.append(Plot(lines, x, "share of the units", ", ".join(arm)))
    return Panels(plots, len(dict.fromkeys(scheme for _, scheme in arms)), SPREAD)
