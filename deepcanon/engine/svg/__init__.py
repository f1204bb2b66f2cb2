"""Figures as SVG, light and dark: values of `engine.figures` become text for a page or a file.

Colours are classes whose values the page sets (`style.py`). Nothing is loaded and no script runs: values appear on
hover by rules of the style. Lengths of texts are estimated, since the reader's typeface is not known.
"""

from typing import Any

from deepcanon.engine.branches import Branches
from deepcanon.engine.figures import Bars, Dots, Figure, Framed, Graph, Heat, Histogram, Panels, Plot, Scatter, Tiles
from deepcanon.engine.passages import Passage
from deepcanon.engine.sounds import Sound
from deepcanon.engine.svg import branches, clouds, framed, graph, grids, passage, plots, rows, waves
from deepcanon.engine.svg.style import file_style

__all__ = ["draw", "draw_file", "size_of"]

DRAWERS: dict[type, Any] = {
    Plot: plots.plot, Scatter: clouds.scatter, Heat: grids.heat, Histogram: plots.histogram, Bars: rows.bars,
    Dots: rows.dots, Graph: graph.graph, Tiles: grids.tiles, Framed: framed.framed,
    Passage: passage.passage, Branches: branches.branches,
}  # fmt: skip
GAP = 16


def draw(figure: Figure, hover: bool = True) -> list[str]:
    """An `<svg>` for each panel; the caption is the alternative text of each."""
    figure = waves.waves(figure) if isinstance(figure, Sound) else figure
    panels = figure.figures if isinstance(figure, Panels) else [figure]
    said = figure.caption
    return [DRAWERS[type(one)](one, hover, " ".join(filter(None, (one.title, said)))) for one in panels]


def size_of(drawn: str) -> tuple[float, float]:
    """Width and height of a drawing in its own units."""
    width, height = drawn.split('viewBox="0 0 ', 1)[1].split('"', 1)[0].split()
    return float(width), float(height)


def draw_file(figure: Figure, hover: bool = True) -> str:
    """One SVG document with its own style: panels in rows, as many in each as the figure says."""
    figure = waves.waves(figure) if isinstance(figure, Sound) else figure
    panels = draw(figure, hover)
    columns = max(1, min(figure.columns, len(panels))) if isinstance(figure, Panels) else 1
    sizes = [size_of(one) for one in panels]
    width = columns * (max(w for w, _ in sizes) + GAP) - GAP
    placed, top = [], 0.0
    for first in range(0, len(panels), columns):
        for place, index in enumerate(range(first, min(len(panels), first + columns))):
            wide, tall = sizes[index]
            at = f'<svg x="{place * (width + GAP) / columns:.0f}" y="{top:.0f}" width="{wide:.0f}" height="{tall:.0f}" '
            placed.append(at + panels[index].removeprefix("<svg "))
        top += max(tall for _, tall in sizes[first : first + columns]) + GAP
    size = f'viewBox="0 0 {width:.0f} {top:.0f}" width="{width:.0f}" height="{top:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{file_style()}</style>'
    return f'{head}<rect width="100%" height="100%" style="fill:var(--paper)"/>{"".join(placed)}</svg>'
