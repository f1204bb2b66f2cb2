"""Figures of optimizers at work on a quadratic: paths in a ravine, distances over steps, walkers in noise."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from deepcanon.engine.figures import Line, Panels, Plot

__all__ = ["contractions", "noisy_walkers", "ravine"]

RAVINE = "The way down a ravine: good methods neither bounce between the walls nor crawl."
DISTANCE = "Distance over steps: a good method is as steep as its dotted line."
SEEN = 1e6  # coordinates beyond it are cut


def ravine(paths: Mapping[str, Tensor], curvatures: Tensor) -> Panels:
    """Paths over the contours of 1/2 sum h x^2 in the plane of the flattest and the steepest axis.

    Args:
        paths: places [steps, dimensions] by title, from one start.
        curvatures: h, rising.
    """
    plots, angle = [], torch.linspace(0, 2 * math.pi, 200)
    start = next(iter(paths.values()))[0]
    radius = start.square().mul(curvatures).sum().sqrt()  # of the start's contour
    low, high = curvatures[0].sqrt(), curvatures[-1].sqrt()
    for colour, (title, path) in enumerate(paths.items()):
        contours = [
            Line(s * radius / high * angle.sin(), s * radius / low * angle.cos(), colour=-1)
            for s in (0.25, 0.5, 0.75, 1.0)
        ]
        flat, steep = path[:, [0, -1]].clamp(-SEEN, SEEN).T
        walked = Line(steep, flat, style=".-", colour=colour)
        plots.append(Plot([*contours, walked], "flat axis", "steep axis", title))
    return Panels(plots, columns=1, caption=RAVINE)


def contractions(distances: Mapping[str, Tensor], best: Sequence[float], vanished: float) -> Plot:
    """Distances to the minimum over steps, and what the best contraction of each method alone would give.

    Args:
        distances: [steps] by method; the first method is the slowest and sets the scale.
        best: factor a step of each method.
        vanished: a distance below which rounding is all that is left.
    """
    lines, slowest = [], next(iter(distances.values()))
    floor = max(float(slowest.min()) ** 2, vanished)
    for place, ((name, distance), factor) in enumerate(zip(distances.items(), best, strict=True)):
        seen = distance[distance > floor]
        theory = seen[0] * factor ** torch.arange(len(seen), dtype=torch.float64)
        label = f"{name.replace('_', ' ')}, best {factor:.4f} a step"
        lines += [Line(seen, label=label, colour=place), Line(theory, style=":", colour=place)]
    title = "dotted: the best contraction alone"
    return Plot(lines, "step", "distance to the minimum", title, log="y", caption=DISTANCE)


def noisy_walkers(walkers: Mapping[str, Tensor], squares: Mapping[str, Tensor], reach: float) -> list[Plot]:
    """One of many walkers under each schedule, within the root mean square of all.

    Args:
        walkers: distances [steps] of one walker by schedule, of those schedules that are shown.
        squares: mean squares [steps] of all walkers by schedule; their order gives the colours.
        reach: the largest distance that is drawn.
    """
    plots, places = [], list(squares)
    for name, walker in walkers.items():
        spread = squares[name].sqrt()
        one = Line(walker, band=(-spread, spread), colour=places.index(name))
        title = f"{name}: one walker; band: root mean square of all"
        plots.append(Plot([one], "step", "distance", title, y_range=(-reach, reach)))
    return plots
