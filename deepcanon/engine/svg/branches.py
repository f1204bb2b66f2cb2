"""Trees over the words of a sentence as SVG: words below, the root on top."""

from deepcanon.engine.branches import Branches
from deepcanon.engine.figures import plain
from deepcanon.engine.svg.frame import escape, legend, number, svg, text, title, width_of

__all__ = ["branches"]

ROW, GAP, HALF = 34.0, 14.0, 11.0  # height of a level, between words, half the height of a node
STRONGEST = 0.62  # opacity: the text must stay legible on it


def _colour(value: float) -> str:
    return f"fill:var(--{'r0' if value < 0 else 'r1'});fill-opacity:{STRONGEST * min(1.0, abs(value)):.3f}"


def _mark(value: float) -> str:
    return f'<rect x="2" y="-10" width="15" height="12" class="frame" style="{_colour(value)}"/>'


def branches(figure: Branches, hover: bool = True, alt: str = "") -> str:
    """Each inner node stands above the middle of its children, as high as its tallest branch has nodes."""
    children = [[int(k) for k in pair] for pair in plain(figure.children).tolist()]
    values = plain(figure.values).tolist()
    wide = [max(width_of(word, 12), width_of(figure.texts[k], 12) + 14) for k, word in enumerate(figure.words)]
    total = sum(wide) + GAP * (len(wide) + 1)
    parts, top = title(figure.title, max(total, 200.0)) if figure.title else ([], 4.0)
    marks = [(f"{number(value)}{f' {figure.unit}' if value == 1 else ''}", _mark(value)) for value in (-1.0, 0.0, 1.0)]
    named, top = legend(marks, top)
    parts += named
    across, height, edge = list[float](), list[int](), GAP
    for left, right in children:
        if left < 0:
            across.append(edge + wide[len(across)] / 2)
            edge += wide[len(across) - 1] + GAP
            height.append(0)
        else:
            across.append((across[left] + across[right]) / 2)
            height.append(1 + max(height[left], height[right]))
    base = top + ROW * max(height) + HALF + 4
    down = [base - ROW * level for level in height]
    for node, (left, right) in enumerate(children):
        if left >= 0:  # at right angles: slanted lines would cross
            x, y, u, v, top = across[left], down[left], across[right], down[right], down[node]
            parts.append(f'<path class="axis" d="M{x:.1f} {y:.1f}V{top:.1f}H{u:.1f}V{v:.1f}"/>')
    for node, words in enumerate(figure.texts):
        half = width_of(words, 12) / 2 + 7
        x, y = across[node], down[node]
        box = f'x="{x - half:.1f}" y="{y - HALF:.1f}" width="{2 * half:.1f}" height="{2 * HALF:.0f}" rx="6"'
        told = f"<title>{escape(words)}: {number(values[node])} {escape(figure.unit)}</title>" if hover else ""
        parts.append(
            f'<g>{told}<rect class="box" {box}/><rect {box} style="{_colour(values[node])}"/>'
            f"{text(words, x, y + 4, 'middle', 'word')}</g>"
        )
        if node in figure.expected:
            parts.append(text(figure.expected[node], x + half + 2, y - 4, kind="small red halo"))
    for place, word in enumerate(figure.words):
        parts.append(text(word, across[place], base + HALF + 16, "middle", "word"))
    return svg(parts, max(total, 200.0), base + HALF + 24, alt, f' style="min-width:{min(720.0, 0.8 * total):.0f}px"')
