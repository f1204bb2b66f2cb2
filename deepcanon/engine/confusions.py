"""The confusion of a classifier as a figure, with examples that each cell counts, for those who look into it."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from deepcanon.data.errors import one_line
from deepcanon.engine.counted import Examples
from deepcanon.engine.figures import Heat
from deepcanon.engine.shown import THUMBNAILS, thumbnails
from deepcanon.parts.classification import confusion
from deepcanon.parts.sparse_rows import is_csr

__all__ = ["confusion_figure", "kept_of_cells"]

CONFUSION = "Rows are true classes, columns predicted ones: a good classifier has nearly all examples on the diagonal."
OF_A_CELL, LEAST, MOST = 24, 120, 600
"""Examples that are kept of one cell, and of all cells: the more, the smaller their pictures are."""
LETTERS, COLUMNS = 300, 100
"""Of a text, and columns of a table up to which its values are kept."""


def confusion_figure(
    logits: Tensor, labels: Tensor, names: Sequence[str], *, x: Any = None, columns: Sequence[str] = (),
    across: str = "predicted class", caption: str = CONFUSION, limits: Sequence[float] = (),
) -> Heat:  # fmt: skip
    """Row = true class, column = predicted class, as shares of the row.

    Args:
        logits: [N, K].
        labels: [N].
        names: of the K classes.
        x: the raw inputs: pictures uint8 [N, C, H, W], rows [N, F] of a table, or texts; others are not kept.
        columns: names of the columns of a table.
        across: what the columns of the matrix are.
    """
    logits, labels = logits.detach().cpu(), labels.cpu()
    counts = confusion(logits, labels)
    shares = counts.double() / counts.sum(1, keepdim=True).clamp_min(1)
    guesses = logits.argmax(1)
    chances = logits.double().softmax(1).gather(1, guesses[:, None])[:, 0]
    rows = kept_of_cells(labels, guesses, chances, _most(x))
    cells = torch.stack([labels[rows], guesses[rows]], 1)
    kept = Examples(counts.numpy(), cells.numpy(), rows.numpy(), chances[rows].numpy(), **_seen(x, rows, columns))
    return Heat(
        shares.numpy(), across, "true class", x_names=names, y_names=names, limits=limits,
        unit="share of the true class", caption=caption, examples=kept,
    )  # fmt: skip


def kept_of_cells(labels: Tensor, guesses: Tensor, chances: Tensor, most: int) -> Tensor:
    """Which examples are kept: of each cell the surest first, `most` in all; mistakes before right answers.

    Args:
        labels, guesses: [N], true and predicted classes.
        chances: [N], probabilities of the predicted classes.
    """
    cells = labels * (int(guesses.max()) + 1 if len(guesses) else 1) + guesses
    surest = chances.argsort(descending=True, stable=True)
    by_cell = surest[cells[surest].argsort(stable=True)]
    sorted_cells = cells[by_cell]
    rank = torch.empty_like(cells)
    rank[by_cell] = torch.arange(len(cells)) - torch.searchsorted(sorted_cells, sorted_cells)
    turn = 2 * rank + (labels == guesses)
    taken = surest[turn[surest].argsort(stable=True)]
    return taken[rank[taken] < OF_A_CELL][:most]


def _most(x: Any) -> int:
    """Examples of which a megabyte has room, within bounds."""
    if len(getattr(x, "shape", ())) != 4:
        return MOST
    return max(LEAST, min(MOST, THUMBNAILS // max(1, math.prod(x.shape[1:]))))


def _seen(x: Any, rows: Tensor, columns: Sequence[str]) -> dict[str, Any]:
    """What can be seen of some inputs."""
    if isinstance(x, list | tuple) and x and isinstance(x[0], str):
        return {"texts": [one_line(x[row], LETTERS) for row in rows.tolist()]}
    if is_csr(x) or not len(rows):
        return {}
    shape = tuple(getattr(x, "shape", ()))  # pictures may lie on disk
    if len(shape) == 4 and shape[1] in (1, 3) and x.dtype == torch.uint8:
        small = thumbnails(x[rows])
        return {} if small is None else {"images": small.numpy()}
    if len(shape) == 2 and len(columns) == shape[1] <= COLUMNS:
        return {"columns": list(columns), "values": x[rows].numpy()}
    return {}
