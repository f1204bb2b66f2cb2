"""Figures as plain values with labels: what recipes return. The engine draws them in one style, tests compare numbers.

    Plot([Line(losses, label="training"), Line(errors, rates, style=".-")], x="learning rate", y="error", log="x",
         caption="Error by learning rate: the best rate lies at the bottom of a wide valley.")
    Heat(shares, x="predicted class", y="true class", x_names=names, y_names=names)
    Tiles(images, names=["3", "5"])
    Sound(values, rate=8000)
    Text("a sample")

Every figure has a `caption`: one sentence that says what is seen and what good looks like. It is shown below the figure
in the report and is its alternative text. `engine.shown` has the figures that many recipes show.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal, get_args

import numpy as np

from deepcanon.engine.branches import Branches
from deepcanon.engine.counted import Examples
from deepcanon.engine.graphs import Edge, Graph
from deepcanon.engine.passages import Passage
from deepcanon.engine.sounds import Sound

__all__ = [
    "Bars", "Dots", "Edge", "Examples", "Figure", "Framed", "Graph", "Heat", "Histogram", "Line", "Panels", "Plot",
    "Scatter", "Sound", "Text", "Tiles", "as_pictures", "from_arrays", "plain", "to_arrays",
]  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A curve through (x, y), or points of one colour.

    Attributes:
        y: values [N]; what is not finite is left out.
        x: their places; 0, 1, ... if not given.
        band: (low, high), each [N], shaded around the curve.
        style: "-", "--" or ":" joins the points, ".", "o", "x" or "*" marks them; or both, as in "o-".
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
    caption: str = ""


@dataclass(frozen=True)
class Scatter:
    """Points in the plane.

    Attributes:
        points: [N, 2].
        groups: [N] whole numbers, a colour each; `names` are theirs.
        values: [N] numbers that colour the points instead, with a colour scale; `unit` says what they are.
        texts: words next to some points, by row.
        images: [N, H, W] or [N, C, H, W], uint8: a picture of each point, for the local page; never drawn.
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
    caption: str = ""
    images: Any = None


@dataclass(frozen=True)
class Heat:
    """A matrix [rows, columns] as colours; y runs over the rows.

    Attributes:
        examples: some of those that the cells count, for the local page; never drawn.
    """

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
    limits: Sequence[float] = ()
    """The values of the first and the last colour; those of the matrix if not given."""
    caption: str = ""
    examples: Examples | None = None


@dataclass(frozen=True)
class Histogram:
    """How often values occur: one histogram per label, over common bins."""

    values: Mapping[str, Any]
    x: str
    title: str = ""
    bins: int = 50
    density: bool = False
    caption: str = ""


@dataclass(frozen=True)
class Bars:
    """A height for each name."""

    heights: Mapping[str, float]
    y: str
    title: str = ""
    caption: str = ""


@dataclass(frozen=True)
class Dots:
    """A row for each of many names, with a point of every series in it.

    Attributes:
        series: values [N] by label, or one without a label; what is not finite is left out.
        names: N of them, from the top.
        marks: vertical lines, place by label.
    """

    series: Mapping[str, Any]
    names: Sequence[str]
    x: str
    title: str = ""
    log: Literal["", "x"] = ""
    marks: Mapping[str, float] = field(default_factory=dict)
    caption: str = ""


@dataclass(frozen=True)
class Tiles:
    """Small pictures in a grid.

    Attributes:
        images: [N, H, W] or [N, C, H, W], C = 1 (grey) or 3; uint8 as it is, other numbers from black for the
            smallest of all to white for the largest.
        names: a text of one or two lines under each.
        versions: names of versions: as many images that follow each other show one thing, and stand below each other.
        scale: what the shades say, if not what a photograph says.
    """

    images: Any
    title: str = ""
    names: Sequence[str] = ()
    versions: Sequence[str] = ()
    scale: str = ""
    caption: str = ""


@dataclass(frozen=True)
class Framed:
    """Pictures with boxes on them.

    Attributes:
        images: as in `Tiles`.
        boxes: for each kind of box (such as "found"), numbers [N, 5]: place of the picture, left, top, right and bottom
            in its pixels.
        words: for each kind, a short text for each of its boxes.
    """

    images: Any
    boxes: Mapping[str, Any]
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)
    title: str = ""
    caption: str = ""


@dataclass(frozen=True)
class Text:
    """A text sample or a table in a monospaced font."""

    text: str
    caption: str = ""


@dataclass(frozen=True)
class Panels:
    """Several figures side by side, `columns` in a row; the caption is that of all."""

    figures: Sequence[Any]
    columns: int = 3
    caption: str = ""


Figure = Plot | Scatter | Heat | Histogram | Bars | Dots | Graph | Tiles | Framed | Sound | Passage | Branches | Panels
KINDS: dict[str, Any] = {one.__name__: one for one in (Line, Edge, Examples, *get_args(Figure))}


def plain(values: Any) -> np.ndarray:
    """A tensor, array or list as a float64 array."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().double().numpy()
    return np.asarray(values, dtype=np.float64)


def to_arrays(figure: Figure) -> dict[str, np.ndarray]:
    """The figure as arrays: its numbers by name ("lines/0/y"), and under "figure" the rest of it as JSON."""
    arrays: dict[str, np.ndarray] = {}
    rest = json.dumps(_apart(figure, "", arrays), ensure_ascii=False)
    return {**arrays, "figure": np.array(rest)}


def from_arrays(arrays: Mapping[str, np.ndarray]) -> Figure:
    """The figure that `to_arrays` took apart.

    Raises:
        ValueError: the arrays are not a figure.
    """
    try:
        figure = _together(json.loads(str(arrays["figure"])), arrays)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"these arrays are not a figure: {type(error).__name__}: {error}") from None
    if not isinstance(figure, get_args(Figure)):
        raise ValueError("these arrays are not a figure")
    return figure


def _apart(value: Any, place: str, arrays: dict[str, np.ndarray]) -> Any:
    """`value` as JSON in which the names of arrays stand for them."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if is_dataclass(value):
        front = f"{place}/" if place else ""
        kept = {one.name: _apart(getattr(value, one.name), front + one.name, arrays) for one in fields(value)}
        return {"kind": type(value).__name__, "fields": kept}
    if isinstance(value, Mapping):
        return {"map": [[key, _apart(item, f"{place}/{key}".replace(" ", "_"), arrays)] for key, item in value.items()]}
    numbers = _numbers(value, place)
    if numbers is None:
        return [_apart(item, f"{place}/{index}", arrays) for index, item in enumerate(value)]
    arrays[place] = numbers
    return {"array": place}


def _numbers(value: Any, place: str) -> np.ndarray | None:
    """An array, tensor or list of numbers as an array; None for a list of anything else."""
    if isinstance(value, list | tuple) and (not value or any(isinstance(v, str) or is_dataclass(v) for v in value)):
        return None
    if place.endswith("images"):
        return as_pictures(value)
    try:
        return plain(value)
    except (TypeError, ValueError, RuntimeError):  # lists of unequal length, or of tensors on another device
        return None


def _together(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """What `_apart` took apart."""
    if isinstance(value, list):
        return [_together(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    if "map" in value:
        return {key: _together(item, arrays) for key, item in value["map"]}
    return KINDS[value["kind"]](**{name: _together(item, arrays) for name, item in value["fields"].items()})


def as_pictures(images: Any) -> np.ndarray:
    """Pictures as an array [N, H, W] or [N, C, H, W].

    Raises:
        ValueError: it is not an array of pictures, is empty, or has another number of channels than 1 (grey) or 3
        (colour).
    """
    if hasattr(images, "detach"):
        images = images.detach().cpu()
        if str(images.dtype) in ("torch.bfloat16", "torch.float16"):
            images = images.float()
        images = images.numpy()
    array = np.asarray(images)
    if array.dtype == bool:
        array = array.astype(np.uint8) * 255
    if array.dtype.kind not in "uif":
        raise ValueError(f"pictures are numbers; got {array.dtype}")
    if array.ndim not in (3, 4) or 0 in array.shape:
        raise ValueError(f"pictures are [N, H, W] or [N, C, H, W], not empty; got {array.shape}")
    if array.ndim == 4 and array.shape[1] not in (1, 3):
        raise ValueError(f"pictures [N, C, H, W] have C = 1 (grey) or 3 (colour); got {array.shape}")
    return array
