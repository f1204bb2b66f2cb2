"""Figures that many recipes show, with their captions: filters, reconstructions, samples, maps, weights."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from deepcanon.engine.figures import Bars, Dots, Heat, Histogram, Line, Panels, Plot, Scatter, Text, Tiles
from deepcanon.parts.tiles import side_by_side, signed_tiles

__all__ = [
    "by_layer",
    "class_maps",
    "class_means",
    "columns",
    "curves",
    "embedding",
    "explained",
    "filters",
    "free_energies",
    "kernels",
    "map_of_groups",
    "maximised",
    "reconstructions",
    "samples",
    "separated",
    "table",
    "texts",
    "thumbnails",
    "unit_weights",
    "usage",
    "variance_kept",
    "weights",
    "words_of_units",
]

THUMBNAILS, SEEN = 1 << 20, 8
"""Bytes of all thumbnails of a map together, and pixels of a side below which one shows nothing."""
NUMBER = re.compile(r"[-+]?(\d|inf|nan)")
FILTERS = (
    "What each unit looks for in its input: trained filters show strokes, edges or blobs, untrained ones look like "
    "noise."
)
RECONSTRUCTIONS = "Inputs and their reconstructions: good ones keep the shape and leave out the noise."
SAMPLES = "Samples drawn by the model: good ones look like the training data and differ from each other."
EMBEDDING = (
    "Neighbours in the data lie together on the map: classes should form clumps; distances between clumps say little."
)
CLASS_MAPS = (
    "Pictures, and below each the maps whose means are the logits of the classes: white where a class is seen; a good "
    "network has one bright map for each picture, where the object is."
)
GREY = "Grey is 0; the largest weight of a tile is white if it is positive, black if it is negative."
TOGETHER = "Grey is 0; the largest weight of all is white if it is positive, black if it is negative."


def filters(
    rows: Tensor, shape: Sequence[int], caption: str = FILTERS, *, most: int = 400, names: Sequence[str] = (),
    together: bool = False,
) -> Tiles:  # fmt: skip
    """The first rows [K, D] of weights as pictures of `shape` (C, H, W).

    Args:
        together: whether all have one scale.
    """
    pixels = signed_tiles(rows[:most], shape, together=together).numpy()
    return Tiles(pixels, names=names, scale=TOGETHER if together else GREY, caption=caption)


def reconstructions(
    shape: Sequence[int], versions: Mapping[str, Tensor], caption: str = RECONSTRUCTIONS, *, signed: bool = False
) -> Tiles:
    """Versions [N, D] of the same inputs below each other: values in [0, 1], or `signed` ones with one grey scale."""
    if not signed:
        return Tiles(side_by_side([*versions.values()], shape).numpy(), versions=[*versions], caption=caption)
    channels, height, width = shape
    # All versions of an input are one tile of more rows, so that they have one grey scale.
    rows = torch.stack([rows.view(-1, *shape) for rows in versions.values()], 1)
    tall = rows.transpose(1, 2).reshape(len(rows), -1)
    pixels = signed_tiles(tall, (channels, len(versions) * height, width))
    parts = pixels.view(-1, channels, len(versions), height, width).transpose(1, 2)
    scale = "Grey is the mean of the data; the largest deviation in an input or its versions is white or black."
    return Tiles(parts.reshape(-1, *shape).numpy(), versions=[*versions], scale=scale, caption=caption)


def samples(images: Any, caption: str = SAMPLES, names: Sequence[str] = ()) -> Tiles:
    """Pictures [N, C, H, W] that a model drew, 0 to 255."""
    return Tiles(images.cpu().numpy() if isinstance(images, Tensor) else images, names=names, caption=caption)


def kernels(weight: Tensor) -> Tiles:
    """Kernels [K, C, H, W] of a convolution, averaged over their channels."""
    mean = weight.mean(1)
    return filters(mean.flatten(1), (1, *mean.shape[1:]))


def usage(used: Tensor, unit: str) -> Panels:
    """How often the units of a sparse code are used; `used` [examples, units] is true or false."""
    shares = 100 * used.double().mean(0).sort(descending=True).values
    figures = [
        Plot([Line(shares)], f"{unit}, by its use", "inputs that use it (%)"),
        Histogram({"": used.sum(1)}, f"{unit}s that an input uses", bins=30),
    ]
    return Panels(figures, caption=f"How often {unit}s are used: all of them sometimes, few at once.")


def variance_kept(shares: Tensor) -> Plot:
    """The shares of the variance [K] that components explain, added up."""
    line = Line(shares.cumsum(0), range(1, len(shares) + 1), style=".-")
    return Plot(
        [line], "components", "share of the variance", y_range=(0, 1.02),
        caption="Variance kept by the first components: the sooner the curve approaches 1, the fewer are needed.",
    )  # fmt: skip


def separated(sources: Tensor, mixed: Tensor, found: Tensor, product: Tensor, most: int = 400) -> dict[str, Any]:
    """True, mixed and found sources [N, K], and what was found times what mixed them [K, K]."""
    points = {"sources": sources, "mixed": mixed, "found": found}
    panels = [Scatter(rows[:most, :2], "first", "second", name) for name, rows in points.items()]
    matrix = Heat(
        product, "true source", "source that was found", unit="weight", diverging=True,
        caption="Found sources by true ones: one strong cell in each row means that every source was found.",
    )  # fmt: skip
    told = "True, mixed and found sources: the found ones should lie along the axes as the true ones do."
    return {"mixture": Panels(panels, caption=told), "found-and-mixed": matrix}


def weights(heights: Mapping[str, float], unit: str) -> Bars:
    """The largest weights of a linear model by the names of their columns."""
    return Bars(
        heights,
        unit,
        caption="The largest weights of the model: a long bar is a column with a large effect on the answer.",
    )


def unit_weights(rows: Tensor, columns: Sequence[str], unit: str = "unit") -> Heat:
    """Weights [units, columns] of a model of the rows of a table; `unit` is what a row of them is called."""
    return Heat(
        rows, "column", unit, x_names=columns, unit="weight", diverging=True,
        caption="What each unit takes from the columns: few strong weights are easy to name, many weak ones are not.",
    )  # fmt: skip


def words_of_units(weight: Tensor, words: Sequence[str], caption: str, units: int = 6, count: int = 8) -> Panels:
    """The words of the largest weights [words, units], for the units whose weights differ most."""
    weight = weight.detach()
    shown = []
    for unit in weight.std(0, correction=0).argsort(descending=True)[:units].tolist():
        most = weight[:, unit].topk(min(count, len(words)))
        names = [words[place] for place in most.indices.tolist()]
        shown.append(Dots({"": most.values}, names, "weight", title=f"unit {unit}"))
    return Panels(shown, caption=caption)


def free_energies(energies: Mapping[str, Any]) -> Histogram:
    """Free energies of examples by the name of their split."""
    return Histogram(
        energies, "free energy (nats)", density=True,
        caption="Free energy by split: they should agree; where training lies lower, the model overfits.",
    )  # fmt: skip


def class_means(images: Any, names: Sequence[str]) -> Tiles:
    """The mean picture of each class."""
    return samples(images, "The mean picture of each class, which is all that the model knows about it.", names)


def class_maps(images: Tensor, maps: Tensor, names: Sequence[str], most: int = 12) -> Tiles:
    """Images [N, C, H, W] of bytes and their maps [N, K, h, w] of all classes, enlarged to the images' size.

    Args:
        names: of the K classes.
        most: classes that are shown: those with the brightest maps, in their order.
    """
    bright = maps.mean((2, 3)).amax(0).topk(min(most, len(names))).indices.sort().values.tolist()
    shown = maps[:, bright].float().cpu().clamp_min(0)
    pixels = (255 * shown / shown.amax().clamp_min(1e-12)).round()
    pixels = torch.nn.functional.interpolate(pixels, size=tuple(images.shape[2:])).to(torch.uint8)
    stack = [images, *(pixels[:, place, None].expand_as(images) for place in range(len(bright)))]
    tiles = torch.stack(stack, 1).flatten(0, 1)
    versions = ["picture", *(names[place] for place in bright)]
    return Tiles(tiles.numpy(), versions=versions, scale="Black is 0, white the largest value.", caption=CLASS_MAPS)


def embedding(
    points: Any, axes: tuple[str, str], labels: Any, reader: Mapping[str, Any], images: Tensor | None = None
) -> Scatter:
    """A map of examples [N, 2], coloured by class or by the number that the target holds.

    Args:
        images: uint8 [N, C, H, W], the examples if they are pictures.
    """
    x, y = axes
    classes, small = reader.get("classes"), None if images is None else thumbnails(images)
    if labels is None or classes:
        return Scatter(points, x, y, groups=labels, names=classes or (), caption=EMBEDDING, images=small)
    return Scatter(points, x, y, values=labels, unit=reader["target"], caption=EMBEDDING, images=small)


def thumbnails(images: Tensor) -> Tensor | None:
    """Pictures uint8 [N, C, H, W] so small that all of them take a megabyte; None if nothing could be seen then."""
    count, channels, height, width = images.shape
    shrink = max(1, math.ceil(math.sqrt(images.numel() / THUMBNAILS)))
    if shrink == 1:
        return images
    if min(height, width) // shrink < SEEN or channels not in (1, 3):
        return None
    small = torch.empty(count, channels, height // shrink, width // shrink, dtype=torch.uint8)
    for rows in torch.arange(count).split(1024):
        small[rows] = F.avg_pool2d(images[rows].float(), shrink).round().to(torch.uint8)
    return small


def map_of_groups(points: Any, axes: tuple[str, str], groups: Any, names: Sequence[str], caption: str) -> Scatter:
    """Points [N, 2], coloured by class."""
    x, y = axes
    groups = groups if names else None
    return Scatter(points, x, y, groups=groups, names=names, equal=False, caption=caption)


def texts(drawn: Sequence[str]) -> Text:
    """Texts or bags of words that a model drew."""
    return table(drawn, "Text written by the model: words that occur together in the training texts.")


def table(lines: Sequence[str], caption: str) -> Text:
    """Lines of a table."""
    return Text("\n".join(lines) + "\n", caption)


def columns(
    head: Sequence[str], rows: Sequence[Sequence[str]], caption: str, *, before: Sequence[str] = (),
    after: Sequence[str] = (),
) -> Text:  # fmt: skip
    """A table whose columns are as wide as their widest cell: words to the left, numbers to the right.

    Args:
        head: a name for each column; of none, the rows stand alone.
        rows: as many cells each.
        before, after: lines above and below the table.
    """
    cells = [list(row) for row in ([head, *rows] if head else rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    numbers = [all(map(NUMBER.match, column)) for column in zip(*rows, strict=True)] or [False] * len(widths)
    sides = [str.rjust if number else str.ljust for number in numbers]
    lines = [
        "  ".join(side(cell, width) for side, cell, width in zip(sides, row, widths, strict=True)) for row in cells
    ]
    return table([*before, *(line.rstrip() for line in lines), *after], caption)


def curves(named: Mapping[str, Any], x: Any = None, *, first: int = 0, **how: Any) -> list[Line]:
    """A line for each name: over `x`, or over first, first + 1, ...; `how` is what else all lines have."""
    return [Line(y, range(first, first + len(y)) if x is None else x, name, **how) for name, y in named.items()]


def maximised(images: Tensor, layer: str) -> Tiles:
    """Inputs [U, C, H, W] that excite the units of a layer most, each with its own scale."""
    return Tiles(
        signed_tiles(images.flatten(1), images.shape[1:]).numpy(),
        f"layer {layer}",
        names=[f"unit {unit}" for unit in range(len(images))],
        scale="grey is the mean of the training images",
        caption=f"The inputs that excite units of {layer} most: edges in early layers, parts and whole shapes in later "
        "ones.",
    )


def by_layer(probes: Mapping[str, float], layers: Sequence[str]) -> Plot:
    """Accuracies of linear probes `probe_0`, `probe_1` ... on what each layer is given."""
    values = [probes[f"probe_{place}"] for place in range(len(layers))]
    return Plot(
        [Line(values, range(len(layers)), style="o-")],
        "layer that is given the features",
        "accuracy of a linear probe",
        ticks={name: place for place, name in enumerate(layers)},
        caption="How well a linear classifier reads the classes from what each layer is given: it rises with depth.",
    )


def explained(images: Tensor, ways: Mapping[str, Tensor], names: Sequence[str]) -> Tiles:
    """Pictures [N, C, H, W] with maps [N, h, w] of what decided, each map from 0 (black) to its largest (white).

    Args:
        names: what the network took each picture for.
    """
    channels, height, width = images.shape[1:]
    tiles = [_bytes(images)]
    for maps in ways.values():
        large = F.interpolate(maps[:, None].float().cpu().clamp_min(0), (height, width))
        large = large / large.amax((1, 2, 3), keepdim=True).clamp_min(1e-12)
        tiles.append((255 * large).round().to(torch.uint8).expand(-1, channels, -1, -1))
    return Tiles(
        torch.stack(tiles, 1).flatten(0, 1).numpy(),
        names=list(names),
        versions=["picture", *ways],
        scale="white: decided most; names: what the network saw",
        caption="Which pixels decided: for a network that looks at the thing itself, bright places lie on the thing.",
    )


def _bytes(images: Tensor) -> Tensor:
    """Pictures of any range as uint8."""
    if images.dtype == torch.uint8:
        return images.cpu()
    low, high = images.min(), images.max()
    return (255 * (images - low) / (high - low).clamp_min(1e-12)).round().to(torch.uint8).cpu()
