"""Sounds as waves: of each the smallest and largest sample in bins of time."""

import numpy as np

from deepcanon.engine.figures import Line, Panels, Plot, plain
from deepcanon.engine.sounds import Sound

__all__ = ["waves"]

BINS = 400


def waves(sound: Sound) -> Panels:
    """A plot for each recording, all with the axis from -1 to 1 of the loudest sound there can be."""
    values = plain(sound.values)
    values = values.reshape(len(values), -1)
    edges = np.unique(np.linspace(0, values.shape[1], BINS + 1).astype(int))[:-1]
    time = edges / sound.rate
    plots = []
    for number, one in enumerate(values):
        low, high = np.minimum.reduceat(one, edges), np.maximum.reduceat(one, edges)
        name = sound.names[number] if number < len(sound.names) else str(number + 1)
        line = Line((low + high) / 2, time, band=(low, high))
        plots.append(Plot([line], x="time (s)", y="sample", title=name, y_range=(-1, 1)))
    return Panels(plots, columns=2, caption=sound.caption)
