"""A matrix that counts examples, as a table whose cells open them: any figure of that kind that a run holds."""

import io
from typing import Any, NamedTuple

import numpy as np

from deepcanon.engine.figures import Figure, Heat, as_pictures, plain
from deepcanon.engine.report.figures import image_tag
from deepcanon.engine.report.values import value_text
from deepcanon.engine.svg.frame import escape
from deepcanon.engine.svg.grids import in_cell

__all__ = ["Matrix", "cell_html", "matrix_html", "matrix_of", "png_of", "small_picture"]

SIDE = 30
"""Rows or columns up to which a matrix is a table; of a larger one the cells that count most are listed."""
LISTED = 40
"""Cells of a large matrix that are listed."""
NARROW = 12
"""Columns that fit into half of a page."""


class Matrix(NamedTuple):
    """Numbers [R, C] of a matrix, how many examples each counts, and what is kept of them.

    Attributes:
        rows, columns: their names.
        cells: [E, 2], row and column of each example that is kept.
    """

    figure: Heat
    values: np.ndarray
    counts: np.ndarray
    rows: list[str]
    columns: list[str]
    cells: np.ndarray


def matrix_of(figure: Figure | None) -> Matrix | None:
    """The matrix of a figure; None unless it is one that counts examples.

    Raises:
        ValueError: what it holds does not fit together.
    """
    if not isinstance(figure, Heat) or figure.examples is None:
        return None
    values, kept = plain(figure.values), figure.examples
    try:
        counts, cells = plain(kept.counts).astype(int), plain(kept.cells).astype(int).reshape(-1, 2)
        count = len(cells)
        held = [kept.places, kept.chances, *(part for part in (kept.images, kept.texts, kept.values) if _there(part))]
        fits = (
            values.ndim == 2
            and values.size > 0
            and counts.shape == values.shape
            and all(len(part) == count for part in held)
        )
        fits = fits and (kept.values is None or np.shape(kept.values) == (count, len(kept.columns)))
    except (TypeError, ValueError) as error:
        raise ValueError(f"its examples cannot be read: {error}") from None
    if not fits:
        raise ValueError("its examples do not fit to the matrix")
    rows, columns = (
        [str(name) for name in names] if len(names) == size else [str(place) for place in range(size)]
        for names, size in zip((figure.y_names, figure.x_names), values.shape, strict=True)
    )
    return Matrix(figure, values, counts, rows, columns, cells)


def _there(part: object) -> bool:
    return part is not None and len(part) > 0  # type: ignore[arg-type]


def matrix_html(matrix: Matrix, drawn: str) -> str:
    """The table, or the drawn figure and the largest cells off the diagonal; `matrix.js` opens the cells.

    Args:
        drawn: the figure of a matrix that is too large for a table, as HTML.
    """
    room = "<div class='of-cell' role='status'></div>"
    if max(matrix.values.shape) <= SIDE:
        return f"<div class='wide'>{_table(matrix)}</div>{room}"
    order = np.argsort(-matrix.counts, axis=None, kind="stable")
    places = (divmod(int(place), len(matrix.columns)) for place in order)
    most = [(row, column) for row, column in places if row != column and matrix.counts[row, column]][:LISTED]
    listed = "".join(
        f"<li>{_button(matrix, row, column, f'{matrix.rows[row]} → {matrix.columns[column]}', '')} "
        f"<small>{matrix.counts[row, column]:,}</small></li>"
        for row, column in most
    )
    axes = f"{matrix.figure.y} → {matrix.figure.x}"
    said = f"<p class='note'>{escape(axes)}, the most frequent ones:</p>" if listed else ""
    return f"{drawn}{said}<ol class='cells-of'>{listed}</ol>{room}"


def _table(matrix: Matrix) -> str:
    """Numbers as the report writes them, and below them how many examples they count."""
    small = bool((np.abs(np.nan_to_num(matrix.values)) <= 1).all())
    low, high = float(np.nanmin(matrix.values)), float(np.nanmax(matrix.values))
    first, lines = True, []
    for row, name in enumerate(matrix.rows):
        cells = []
        for column in range(len(matrix.columns)):
            count, value = matrix.counts[row, column], float(matrix.values[row, column])
            if not count:
                cells.append("<td></td>")
                continue
            share = (value - low) / (high - low or 1.0)
            tab = "" if first else " tabindex='-1'"
            first = False
            shown = f"{tab} style='--share:{share if np.isfinite(share) else 0:.3f}'"
            cells.append(
                f"<td>{_button(matrix, row, column, in_cell(value, small), shown, f'<small>{count:,}</small>')}</td>"
            )
        lines.append(f"<tr><th scope='row' title='{escape(name)}'>{escape(name)}</th>{''.join(cells)}</tr>")
    heads = "".join(
        f"<th scope='col' title='{escape(name)}'><span>{escape(name)}</span></th>" for name in matrix.columns
    )
    axes = f"{escape(matrix.figure.y)} ↓<br>{escape(matrix.figure.x)} →"
    large = " large" if len(matrix.columns) > NARROW else ""
    large += " long" if len(matrix.columns) > 4 and max(map(len, matrix.columns)) > 4 else ""
    return (
        f"<table class='matrix{large}' data-rows='{len(matrix.rows)}' data-columns='{len(matrix.columns)}'>"
        f"<thead><tr><th class='axes'>{axes}</th>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    )


def _button(matrix: Matrix, row: int, column: int, words: str, attributes: str, more: str = "") -> str:
    count = int(matrix.counts[row, column])
    label = f"{_of(matrix, row, column)}: {count:,} example{'s' * (count != 1)}"
    return (
        f"<button type='button' class='cell' data-row='{row}' data-column='{column}' aria-expanded='false' "
        f"aria-label='{escape(label)}' title='{escape(label)}'{attributes}>{escape(words)}{more}</button>"
    )


def _of(matrix: Matrix, row: int, column: int) -> str:
    return f"{matrix.figure.y} {matrix.rows[row]}, {matrix.figure.x} {matrix.columns[column]}"


def cell_html(matrix: Matrix, row: int, column: int) -> str | None:
    """The examples that a cell counts, as far as they were kept; None if there is no such cell."""
    if not (0 <= row < len(matrix.rows) and 0 <= column < len(matrix.columns)):
        return None
    count = int(matrix.counts[row, column])
    kept: Any = matrix.figure.examples
    places = np.nonzero((matrix.cells == (row, column)).all(1))[0].tolist()
    some = f"; the {len(places)} surest are kept" if 0 < len(places) < count else ""
    none = "; the run kept none of them" if count and not places else ""
    where = _of(matrix, row, column)
    head = f"<h4>{escape(where)}</h4><p class='note'>{count:,} example{'s' * (count != 1)}{some}{none}</p>"
    numbers, chances = plain(kept.places), plain(kept.chances)
    said = {place: f"{100 * chances[place]:.3g}\u00a0%, example {int(numbers[place]) + 1:,}" for place in places}
    if _there(kept.images):
        images = as_pictures(kept.images)
        shown = {place: small_picture(images[place], f"{where}, {said[place]}") for place in places}
        items = [f"<li>{shown[place]}<small>{said[place]}</small></li>" for place in places]
        return f"{head}<ul class='examples'>{''.join(items)}</ul>"
    if _there(kept.texts):
        items = [f"<li>{escape(kept.texts[place])} <small>{said[place]}</small></li>" for place in places]
        return f"{head}<ul class='texts'>{''.join(items)}</ul>"
    if _there(kept.values) and len(kept.columns):
        heads = "".join(f"<th scope='col'>{escape(name)}</th>" for name in kept.columns)
        table = plain(kept.values)
        lines = "".join(
            f"<tr><th scope='row'>{said[place]}</th>"
            + "".join(f"<td class='n'>{escape(value_text(value))}</td>" for value in table[place].tolist())
            + "</tr>"
            for place in places
        )
        return f"{head}<div class='wide'><table><tr><th></th>{heads}</tr>{lines}</table></div>"
    return f"{head}<p class='note'>{escape('; '.join(said.values()))}</p>"


def small_picture(image: np.ndarray, alt: str) -> str:
    """A small picture [H, W] or [C, H, W] as HTML."""
    return image_tag("png", png_of(image), alt)


def png_of(image: np.ndarray) -> bytes:
    """A picture [H, W] or [C, H, W], pixel for pixel."""
    from PIL import Image

    image = image[None] if image.ndim == 2 else image
    pixels, content = image.astype(np.uint8).transpose(1, 2, 0), io.BytesIO()
    Image.fromarray(pixels[..., 0] if len(image) == 1 else pixels).save(content, "PNG")
    return content.getvalue()
