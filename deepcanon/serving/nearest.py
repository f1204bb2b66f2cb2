"""The training examples whose representation lies nearest to that of an input."""

import weakref
from typing import Any

import torch
from torch import Tensor

from deepcanon.data import Inputs
from deepcanon.data.errors import one_line
from deepcanon.engine.contract import Encodes
from deepcanon.engine.remembered import FILE, KINDS, Remembered, remembered
from deepcanon.engine.report.values import value_text
from deepcanon.engine.svg.frame import escape
from deepcanon.errors import UsageError
from deepcanon.serving.matrices import small_picture
from deepcanon.trained import Trained

__all__ = ["example", "has_examples", "nearest", "none_kept", "ranges"]

NEAREST = 8
"""Examples that are shown."""
LETTERS = 300
"""Of a text."""
SAME = 1e-5
"""Of the length of a code: codes that are nearer than that differ by rounding."""

_known: "weakref.WeakKeyDictionary[Trained, tuple[Remembered, Tensor]]" = weakref.WeakKeyDictionary()


def has_examples(trained: Trained) -> bool:
    """Whether the run encodes, and kept examples."""
    return isinstance(trained.recipe, Encodes) and (trained.folder / FILE).is_file()


def none_kept(trained: Trained) -> str:
    """Why no example is nearest, of a run whose examples could be kept; "" if they are there."""
    encodes = isinstance(trained.recipe, Encodes)
    if has_examples(trained) or not encodes or trained.recipe.facts["reader"]["kind"] not in KINDS:
        return ""
    why = f"holds no {FILE}" if trained.recipe.run.settings.keep_examples else "was trained with --keep-examples 0"
    return f"No nearest examples: this run {why}."


def example(trained: Trained, number: int) -> Tensor:
    """A raw picture [C, H, W] of the training split; numbers begin again after the last.

    Raises:
        UsageError: the run kept no pictures.
    """
    x = remembered(trained.folder).x if has_examples(trained) else None
    if not isinstance(x, Tensor) or x.ndim != 4:
        raise UsageError("this run kept no pictures of its training examples")
    return x[number % len(x)]


def nearest(trained: Trained, given: Inputs) -> str:
    """HTML of the examples that are nearest to the first input by the distance of their codes."""
    kept, codes = _encoded(trained)
    code = trained.codes(Inputs(given.names[:1], given.values[:1])).flatten(1).double().cpu()
    far = (codes - code).norm(dim=1)
    far = torch.where(far > SAME * code.norm(), far, 0.0)
    order = far.argsort(stable=True)[:NEAREST].tolist()
    items = "".join(
        f"<li>{_shown(trained, kept, row)}<small>{_said(trained, kept, row, far)}</small></li>" for row in order
    )
    kind = "examples" if isinstance(kept.x, Tensor) and kept.x.ndim == 4 else "texts"
    note = (
        f"Of {len(codes):,} examples of the training data, by the distance of their representations; half of them are "
        f"further than {value_text(far.median().item())}."
    )
    return f"<h3>Nearest examples</h3><ul class='{kind}'>{items}</ul><p class='note'>{note}</p>"


def ranges(trained: Trained, code: Tensor) -> list[tuple[float, float]]:
    """The least and the largest value of each number of a code [K] among the examples, and the code's own."""
    around = code.double().cpu()[None]
    codes = _encoded(trained)[1] if has_examples(trained) else around
    low, high = torch.cat([codes, around]).aminmax(dim=0)
    wide = torch.where(high > low, 0.0, around[0].abs().clamp_min(1.0))
    return list(zip((low - wide).tolist(), (high + wide).tolist(), strict=True))


def _encoded(trained: Trained) -> tuple[Remembered, Tensor]:
    """The examples and their codes [E, K], which are computed once."""
    if trained not in _known:
        kept = remembered(trained.folder)
        codes = trained.codes(Inputs([str(place) for place in kept.places], kept.x)).flatten(1).double().cpu()
        _known[trained] = kept, codes
    return _known[trained]


def _said(trained: Trained, kept: Remembered, row: int, far: Tensor) -> str:
    reader = trained.recipe.facts["reader"]
    classes, label = reader.get("classes"), ""
    if kept.y is not None:
        target = kept.y[row]
        known = classes and float(target).is_integer() and 0 <= target < len(classes)
        label = f"{classes[int(target)] if known else value_text(target)}, "
    return escape(f"{label}distance {value_text(far[row].item())}, example {kept.places[row] + 1:,}")


def _shown(trained: Trained, kept: Remembered, row: int) -> str:
    one: Any = kept.x[row]
    if isinstance(one, str):
        return escape(one_line(one, LETTERS)) + " "
    if one.ndim == 3 and one.shape[0] in (1, 3) and one.dtype == torch.uint8:
        return small_picture(one.numpy(), f"example {kept.places[row] + 1}")
    names = trained.recipe.facts["reader"].get("columns") or ()
    if one.ndim == 1 and len(names) == len(one):
        return (
            escape(", ".join(f"{name}: {value_text(value)}" for name, value in zip(names, one.tolist(), strict=True)))
            + " "
        )
    return ""
