"""How figures are drawn: values of `engine.figures` as matplotlib figures, in one style."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from deepcanon.engine.figures import (
    Bars,
    Dots,
    Figure,
    Graph,
    Heat,
    Histogram,
    Panels,
    Plot,
    Scatter,
    plain,
)

__all__ = ["draw"]

COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown", "tab:pink", "tab:olive")
NAMED = 30  # classes that an axis can name
MARKERS = "osD^v"  # one for ten classes


def draw(figure: Figure) -> Any:
    """A matplotlib figure of it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    panels = figure if isinstance(figure, Panels) else Panels([figure])
    columns = max(1, min(panels.columns, len(panels.figures)))
    rows = -(-len(panels.figures) // columns)
    widths, heights = zip(*map(_size, panels.figures), strict=True)
    canvas = Canvas(figsize=(1 + columns * max(widths), rows * max(heights)), layout="constrained")
    FigureCanvasAgg(canvas)  # without pyplot: nothing global, no window system is asked for
    for axes, one in zip(canvas.subplots(rows, columns, squeeze=False).flat, panels.figures, strict=False):
        DRAWERS[type(one)](axes, one)
        axes.set_title(one.title, fontsize=10)
    for axes in canvas.axes[len(panels.figures) : rows * columns]:
        axes.set_visible(False)
    return canvas


def _size(figure: Figure) -> tuple[float, float]:
    """Width and height in inches."""
    if isinstance(figure, Dots):
        return 6.5, max(3.7, 0.2 * len(figure.names) + 0.8)
    if isinstance(figure, Graph):
        tallest = max(figure.columns.count(column) for column in figure.columns)
        return 1.8 * (max(figure.columns) + 1), 1.5 * tallest + 0.6
    return 4.6, 3.7


def _colour(index: int | None, place: int) -> str:
    return "0.6" if index == -1 else COLOURS[(place if index is None else index) % len(COLOURS)]


def _plot(axes: Any, plot: Plot) -> None:
    for place, line in enumerate(plot.lines):
        y, colour = plain(line.y), _colour(line.colour, place)
        x = np.arange(len(y), dtype=np.float64) if line.x is None else plain(line.x)
        seen = np.isfinite(y) & np.isfinite(x)
        seen &= (x > 0) if "x" in plot.log else True
        seen &= (y > 0) if "y" in plot.log else True
        axes.plot(x[seen], y[seen], line.style, color=colour, label=line.label or None, linewidth=1.3, markersize=5)
        if line.band is not None:
            edges = [plain(edge)[seen] for edge in line.band]
            axes.fill_between(x[seen], *edges, color=colour, alpha=0.2, linewidth=0)
    for place, (label, at) in enumerate(plot.marks.items(), len(plot.lines)):
        axes.axvline(at, color=_colour(None, place), linestyle="--", linewidth=1, label=label)
    for place, (label, at) in enumerate(plot.levels.items(), len(plot.lines) + len(plot.marks)):
        axes.axhline(at, color=_colour(None, place), linestyle=":", linewidth=1, label=label)
    axes.set(xlabel=plot.x, ylabel=plot.y)
    if "x" in plot.log:
        axes.set_xscale("log")
    if "y" in plot.log:
        axes.set_yscale("log")
    if plot.ticks is not None:
        ticks = plot.ticks
        named = [*ticks.items()] if isinstance(ticks, Mapping) else [(f"{tick:,g}", tick) for tick in ticks]
        axes.set_xticks([at for _, at in named], [name for name, _ in named], fontsize=8)
        axes.minorticks_off()
    if plot.x_range:
        axes.set_xlim(*plot.x_range)
    if plot.y_range:
        axes.set_ylim(*plot.y_range)
    if plot.arrows is not None:
        places, moves = (plain(values) for values in plot.arrows)
        axes.quiver(*places.T, *moves.T, angles="xy", scale_units="xy", scale=1, width=0.003)
    if plot.equal:
        axes.set_aspect("equal", adjustable="datalim")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8)


def _scatter(axes: Any, scatter: Scatter) -> None:
    points = plain(scatter.points)
    groups = np.zeros(len(points)) if scatter.groups is None else plain(scatter.groups)
    size = max(2.0, min(20.0, 4000 / max(1, len(points))))
    if scatter.values is not None:
        cloud = axes.scatter(points[:, 0], points[:, 1], s=size, c=plain(scatter.values), cmap="viridis", linewidths=0)
        axes.figure.colorbar(cloud, ax=axes, label=scatter.unit)
    for place, group in enumerate(np.unique(groups) if scatter.values is None else ()):
        some = points[groups == group]
        name = scatter.names[int(group)] if 0 <= int(group) < len(scatter.names) else None
        style: dict[str, Any] = {"color": f"C{place % 10}", "marker": MARKERS[place // 10 % len(MARKERS)]}
        axes.scatter(some[:, 0], some[:, 1], s=size, label=name, linewidths=0, **style)
    for row, text in scatter.texts.items():
        axes.annotate(text, points[row], fontsize=8, xytext=(2, 2), textcoords="offset points")
    axes.set(xlabel=scatter.x, ylabel=scatter.y)
    if scatter.equal:
        axes.set_aspect("equal", adjustable="datalim")
    if 0 < len(scatter.names) <= NAMED and scatter.groups is not None:
        axes.legend(fontsize=7, markerscale=2, loc="center left", bbox_to_anchor=(1, 0.5))


def _heat(axes: Any, heat: Heat) -> None:
    values = plain(heat.values)
    values = np.where(np.isfinite(values), values, np.nan)
    most = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 1.0
    limits = {"vmin": -most, "vmax": most, "cmap": "RdBu_r"} if heat.diverging else {"cmap": "viridis"}
    image = axes.imshow(values, aspect="auto", interpolation="nearest", **limits)
    axes.figure.colorbar(image, ax=axes, label=heat.unit)
    axes.set(xlabel=heat.x, ylabel=heat.y)
    if 0 < len(heat.x_names) <= NAMED:
        axes.set_xticks(range(len(heat.x_names)), heat.x_names, fontsize=8, rotation=90)
    if 0 < len(heat.y_names) <= NAMED:
        axes.set_yticks(range(len(heat.y_names)), heat.y_names, fontsize=8)


def _histogram(axes: Any, histogram: Histogram) -> None:
    values = {name: plain(some) for name, some in histogram.values.items()}
    finite = {name: some[np.isfinite(some)] for name, some in values.items()}
    whole = np.concatenate([*finite.values(), np.zeros(0)])
    edges = np.histogram_bin_edges(whole if len(whole) else [0.0, 1.0], histogram.bins)
    for place, (name, some) in enumerate(finite.items()):
        axes.hist(some, edges, histtype="step", color=COLOURS[place % len(COLOURS)], label=name or None,
                  density=histogram.density)  # fmt: skip
    axes.set(xlabel=histogram.x, ylabel="density" if histogram.density else "count")
    if any(finite):
        axes.legend(fontsize=8)


def _bars(axes: Any, bars: Bars) -> None:
    names, heights = list(bars.heights), plain(list(bars.heights.values()))
    axes.bar(names, np.nan_to_num(heights), color=COLOURS[0])
    axes.set(ylabel=bars.y)
    axes.tick_params(axis="x", labelrotation=0 if len(names) < 6 else 60, labelsize=8)


def _dots(axes: Any, dots: Dots) -> None:
    rows = np.arange(len(dots.names))
    for place, (label, values) in enumerate(dots.series.items()):
        x = plain(values)
        seen = np.isfinite(x) & ((x > 0) if dots.log else True)
        axes.plot(x[seen], rows[seen], "oXs^v"[place % 5], color=_colour(None, place), label=label, markersize=5)
    for place, (label, at) in enumerate(dots.marks.items(), len(dots.series)):
        axes.axvline(at, color=_colour(None, place), linestyle="--", linewidth=1, label=label)
    axes.set(xlabel=dots.x, xscale="log" if dots.log else "linear", ylim=(len(rows) - 0.5, -0.5))
    axes.set_yticks(rows, dots.names, fontsize=7)
    axes.grid(axis="y", color="0.92")
    axes.legend(fontsize=8)


def _graph(axes: Any, graph: Graph) -> None:
    columns = list(graph.columns)
    tallest = max(columns.count(column) for column in columns)
    places, counts = [], dict.fromkeys(columns, 0)
    for column in columns:
        height = (counts[column] + 0.5) * tallest / columns.count(column)
        places.append((column, height + 0.2 * (column % 2)))  # arrows along a row do not cross a node
        counts[column] += 1
    axes.set(xlim=(-0.4, max(columns) + 0.7), ylim=(-0.1, tallest + 0.3))
    axes.axis("off")

    def write(text: str, place: Any, offset: tuple[int, int], colour: str = "black", **box: Any) -> None:
        style = {"facecolor": "white", "edgecolor": "none", "pad": 1} | box
        axes.annotate(text, place, offset, textcoords="offset points", ha="center", va="center", fontsize=8,
                      color=colour, bbox=style)  # fmt: skip

    arrow = {"arrowstyle": "->", "color": "grey", "shrinkA": 14, "shrinkB": 14}
    for edge in graph.edges:
        axes.annotate("", places[edge.head], places[edge.tail], arrowprops=arrow)
    for edge in graph.edges:
        (x, y), (u, v) = places[edge.tail], places[edge.head]
        middle = (x + 0.35 * (u - x), y + 0.35 * (v - y))  # nearer the tail: few edges cross there
        if edge.above:
            write(edge.above, middle, (0, 6))
        if edge.below:
            write(edge.below, middle, (0, -6), "red")
    for number, (text, place) in enumerate(zip(graph.nodes, places, strict=True)):
        frame = "lightgrey" if number in graph.given else "black"
        write(text, place, (0, 0), boxstyle="round", edgecolor=frame, pad=0.4)
        if number in graph.below:
            write(graph.below[number], place, (0, -19), "red")
        if number in graph.beside:
            write(graph.beside[number], place, (34, 0))


DRAWERS: dict[type, Any] = {
    Plot: _plot, Scatter: _scatter, Heat: _heat, Histogram: _histogram, Bars: _bars, Dots: _dots, Graph: _graph,
}  # fmt: skip
