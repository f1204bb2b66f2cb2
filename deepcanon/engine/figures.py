"""Figures as plain values with labels: what recipes return. The engine draws them in one style, tests compare numbers.

    Plot([Line(losses, label="training"), Line(errors, rates, style=".-")], x="learning rate", y="error", log="x")
    Heat(shares, x="predicted class", y="true class", x_names=names, y_names=names)

Arrays [N, H, W] or [N, C, H, W] are pictures, shown as tiles; a str is a text sample.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal

import numpy as np

__all__ = [
    "Bars", "Dots", "Edge", "Figure", "Graph", "Heat", "Histogram", "Line", "Panels", "Plot", "Scatter", "arrays_of",
    "plain",
]  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A curve through (x, y), or points of one colour.

    Attributes:
        y: values [N]; what is not finite is left out.
        x: their places; 0, 1, ... if not given.
        band: (low, high), each [N], shaded around the curve.
        style: matplotlib's: "-", "--", ":", ".", "o", ".-", "o-", "*".
        colour: index into the colours; the next one if not given; -1 is grey.
    """

    y: Any
    x: Any = None
    label: str = ""
    band: tuple[Any, Any] | None = None
    style: str = "-"
    colour: int | None = None


@dataclass(frozen=True)
class Plot:
    """Curves on common axes.

    Attributes:
        x, y: what the axes show, with units.
        log: the axes that are logarithmic: "", "x", "y" or "xy".
        marks: vertical lines, place by label.
        levels: horizontal lines, height by label.
    """

    lines: Sequence[Line]
    x: str
    y: str
    title: str = ""
    log: Literal["", "x", "y", "xy"] = ""
    marks: Mapping[str, float] = field(default_factory=dict)
    levels: Mapping[str, float] = field(default_factory=dict)
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    ticks: Sequence[float] | Mapping[str, float] | None = None
    """Places on the x axis that are named: by their numbers, or place by name."""
    arrows: tuple[Any, Any] | None = None
    """(places, moves), each [N, 2]: a field of arrows in the units of the axes."""
    equal: bool = False
    """Whether both axes have one scale."""


@dataclass(frozen=True)
class Scatter:
    """Points in the plane.

    Attributes:
        points: [N, 2].
        groups: [N] whole numbers, a colour each; `names` are theirs.
        values: [N] numbers that colour the points instead, with a scale beside them; `unit` says what they are.
        texts: words beside some points, by row.
    """

    points: Any
    x: str = ""
    y: str = ""
    title: str = ""
    groups: Any = None
    names: Sequence[str] = ()
    texts: Mapping[int, str] = field(default_factory=dict)
    equal: bool = True
    """Whether both axes have one scale."""
    values: Any = None
    unit: str = ""


@dataclass(frozen=True)
class Heat:
    """A matrix [rows, columns] as colours; y runs over the rows."""

    values: Any
    x: str
    y: str
    title: str = ""
    x_names: Sequence[str] = ()
    y_names: Sequence[str] = ()
    unit: str = ""
    """What the colours say."""
    diverging: bool = False
    """Whether 0 is the middle of the colours."""


@dataclass(frozen=True)
class Histogram:
    """How often values occur: one histogram per label, over common bins."""

    values: Mapping[str, Any]
    x: str
    title: str = ""
    bins: int = 50
    density: bool = False


@dataclass(frozen=True)
class Bars:
    """A height for each name."""

    heights: Mapping[str, float]
    y: str
    title: str = ""


@dataclass(frozen=True)
class Dots:
    """A row for each of many names, with a point of every series in it.

    Attributes:
        series: values [N] by label; what is not finite is left out.
        names: N of them, from the top.
        marks: vertical lines, place by label.
    """

    series: Mapping[str, Any]
    names: Sequence[str]
    x: str
    title: str = ""
    log: Literal["", "x"] = ""
    marks: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Edge:
    """An arrow between two nodes of a graph, by their numbers, with a text above and one below it in red."""

    tail: int
    head: int
    above: str = ""
    below: str = ""


@dataclass(frozen=True)
class Graph:
    """Nodes in columns, joined by arrows.

    Attributes:
        nodes: the text of each.
        columns: [N] whole numbers from 0, the column of each node.
        beside, below: texts to the right of some nodes, and below some in red, by number.
        given: numbers of nodes whose frame is pale, such as constants.
    """

    nodes: Sequence[str]
    columns: Sequence[int]
    edges: Sequence[Edge]
    title: str = ""
    beside: Mapping[int, str] = field(default_factory=dict)
    below: Mapping[int, str] = field(default_factory=dict)
    given: Sequence[int] = ()


@dataclass(frozen=True)
class Panels:
    """Several figures side by side, `columns` in a row."""

    figures: Sequence[Any]
    columns: int = 3


Figure = Plot | Scatter | Heat | Histogram | Bars | Dots | Graph | Panels


def plain(values: Any) -> np.ndarray:
    """A tensor, array or list as a float64 array."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().double().numpy()
    return np.asarray(values, dtype=np.float64)


def arrays_of(figure: Any, prefix: str = "") -> dict[str, np.ndarray]:
    """The numbers that a figure draws, by name; they are saved as `.npz` next to the picture."""
    found: dict[str, np.ndarray] = {}
    for one in fields(figure):
        value, name = getattr(figure, one.name), f"{prefix}{one.name}"
        if isinstance(value, str | bool | int | float) or value is None:
            continue
        items: dict[str, Any] = {"": value}
        if isinstance(value, Mapping):
            items = {str(key): item for key, item in value.items()}
        elif isinstance(value, list | tuple) and value and is_dataclass(value[0]):
            items = {str(i): item for i, item in enumerate(value)}
        for key, item in items.items():
            place = f"{name}/{key}".rstrip("/").replace(" ", "_")
            if is_dataclass(item):
                found |= arrays_of(item, f"{place}/")
            elif item is not None and not isinstance(item, str):
                try:
                    found[place] = plain(item)
                except (TypeError, ValueError):  # names
                    continue
    return found
