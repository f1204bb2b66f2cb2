"""A forecast as a value: sampled continuations of a series, their bands as a figure and as rows of a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepcanon.engine.figures import Line, Panels, Plot, plain

__all__ = ["BANDS", "Forecast"]

BANDS = (0.05, 0.5, 0.95)
"""Quantiles of the sampled values: between the outer ones 90 % of them lie."""
SHOWN = 100  # values before the forecast that are drawn
COLUMNS_SHOWN = 6
CAPTION = (
    "Sampled continuations: the line is their median, 90 % of them lie in the band, and so should nine in ten of what"
    " follows."
)


@dataclass(frozen=True)
class Forecast:
    """Continuations of one series, in its own units.

    Attributes:
        paths: sampled values [N, T, F].
        names: of the columns.
        times: of the steps ahead [T]: dates, or "+1", "+2" ...
        before: the values that precede them [S, F].
        truth: what followed [T', F], if it is known.
    """

    paths: Any
    names: Sequence[str]
    times: Sequence[str]
    before: Any
    truth: Any = None

    def quantiles(self) -> np.ndarray:
        """[3, T, F], of `BANDS`."""
        return np.quantile(plain(self.paths).astype(np.float64), BANDS, axis=0)

    def rows(self) -> Iterator[dict[str, Any]]:
        """A record for each step ahead: of each column the mean and the quantiles."""
        mean, bands = plain(self.paths).astype(np.float64).mean(0), self.quantiles()
        for step, time in enumerate(self.times):
            row: dict[str, Any] = {"time": time}
            for place, name in enumerate(self.names):
                row[f"{name} mean"] = float(mean[step, place])
                for share, values in zip(BANDS, bands, strict=True):
                    row[f"{name} {100 * share:g}%"] = float(values[step, place])
            yield row

    def figure(self) -> Panels:
        """A plot for each of the first columns."""
        before, bands = plain(self.before).astype(np.float64)[-SHOWN:], self.quantiles()
        ahead = np.arange(1, len(self.times) + 1)
        plots = []
        for place, name in enumerate(self.names[:COLUMNS_SHOWN]):
            low, middle, high = bands[:, :, place]
            lines = [
                Line(before[:, place], np.arange(1 - len(before), 1), "series", colour=-1),
                Line(middle, ahead, "forecast", band=(low, high)),
            ]
            if self.truth is not None:
                known = plain(self.truth)[:, place]
                lines.append(Line(known, ahead[: len(known)], "what followed", style="."))
            dated = f", 1 is {self.times[0]}" if not self.times[0].startswith("+") else ""
            plots.append(Plot(lines, f"steps{dated}", name, marks={"last value": 0.5}))
        return Panels(plots, columns=min(2, len(plots)), caption=CAPTION)
