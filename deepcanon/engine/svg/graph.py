"""Nodes in columns, joined by arrows, as SVG."""

from deepcanon.engine.figures import Graph
from deepcanon.engine.svg.frame import svg, text, title, width_of

__all__ = ["graph"]

COLUMN, ROW = 132.0, 92.0


def graph(figure: Graph, hover: bool = True, alt: str = "") -> str:
    """Boxes with their texts; an arrow's texts lie nearer its tail, where few others cross it."""
    columns = list(figure.columns)
    tallest = max(columns.count(column) for column in columns)
    places, counts = [], dict.fromkeys(columns, 0)
    parts, top = title(figure.title, COLUMN * (max(columns) + 1))
    for column in columns:
        row = tallest - (counts[column] + 0.5) * tallest / columns.count(column)
        # Columns are shifted alternately, so that arrows along a row do not cross a node.
        places.append((COLUMN * (column + 0.5), top + 26 + ROW * row - 18 * (column % 2)))
        counts[column] += 1
    arrows, boxes = [], []
    for edge in figure.edges:
        (x, y), (u, v) = places[edge.tail], places[edge.head]
        length = max(1.0, ((u - x) ** 2 + (v - y) ** 2) ** 0.5)
        a, b = (u - x) / length, (v - y) / length
        back = width_of(figure.nodes[edge.head], 12) / 2 + 9 if abs(a) > 0.5 else 18
        p, q = u - back * a, v - back * b
        c, d, e, f = p - 7 * a + 4 * b, q - 7 * b - 4 * a, p - 7 * a - 4 * b, q - 7 * b + 4 * a
        head = f"M{c:.1f} {d:.1f}L{p:.1f} {q:.1f}L{e:.1f} {f:.1f}"
        arrows.append(f'<path class="axis" d="M{x:.1f} {y:.1f}L{p:.1f} {q:.1f}{head}"/>')
        middle = (x + 0.36 * (u - x), y + 0.36 * (v - y))
        if edge.above:
            boxes.append(text(edge.above, middle[0], middle[1] - 5, "middle", "small halo"))
        if edge.below:
            boxes.append(text(edge.below, middle[0], middle[1] + 13, "middle", "small red halo"))
    for index, (words, (x, y)) in enumerate(zip(figure.nodes, places, strict=True)):
        wide = width_of(words, 12) + 14
        kind = "box pale" if index in figure.given else "box"
        boxes.append(
            f'<rect class="{kind}" x="{x - wide / 2:.1f}" y="{y - 12:.1f}" width="{wide:.1f}" height="24" rx="6"/>'
        )
        boxes.append(text(words, x, y + 4, "middle", "word"))
        if index in figure.below:
            boxes.append(text(figure.below[index], x, y + 26, "middle", "small red halo"))
        if index in figure.right:
            boxes.append(text(figure.right[index], x + wide / 2 + 5, y + 4, kind="small"))
    overhang = max((width_of(words, 10.5) for words in figure.right.values()), default=0.0)
    width = COLUMN * (max(columns) + 1) + overhang
    more = f' style="min-width:{min(720.0, 0.72 * width):.0f}px"'
    return svg([*parts, *arrows, *boxes], width, top + 36 + ROW * tallest, alt, more)
