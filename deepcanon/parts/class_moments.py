"""Counts, sums and scatter of the rows of each class, gathered over batches and processes.

Merging: Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances".
N_c rows of class c have the sum s_c, and S_c is the sum of their squared distances from their mean.

    merge: s = s1 + s2,   S = S1 + S2 + (N1 N2 / N)(mu1 - mu2)^2, class by class                 (1)

    >>> import torch
    >>> from deepcanon.parts.class_moments import class_moments
    >>> moments = class_moments(torch.tensor([[1.0], [3.0], [5.0]]), torch.tensor([0, 0, 1]), 2)
    >>> moments.sums.tolist(), moments.scatter.tolist(), moments.together().scatter.tolist()
    ([[4.0], [5.0]], [[2.0], [0.0]], [[8.0]])
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor

from deepcanon.parts.row_blocks import row_blocks
from deepcanon.parts.sparse_rows import class_sums, is_csr

__all__ = ["ROWS", "ClassMoments", "class_moments", "merge_classes"]

ROWS = 128  # at a time, so that they stay in the cache until all is done with them


class ClassMoments(NamedTuple):
    """What a fit needs to know of the data: N_c, s_c and S_c, in float64.

    S_c, which only the gaussian needs, is None where nobody needs it.
    """

    examples: Float[Tensor, "classes"]
    sums: Float[Tensor, "classes features"]
    scatter: Float[Tensor, "classes features"] | None

    def summed(self, add: Callable[[Tensor], Tensor]) -> "ClassMoments":
        """Of the parts of all processes together, equation (1); `add` gives the sum of a tensor over them."""
        examples, sums = add(self.examples), add(self.sums)
        if self.scatter is None:
            return ClassMoments(examples, sums, None)
        gap = self.sums / self.examples.clamp_min(1)[:, None] - sums / examples.clamp_min(1)[:, None]
        return ClassMoments(examples, sums, add(self.scatter + self.examples[:, None] * gap.square()))

    def scaled(self, shift: Float[Tensor, "features"], scale: Float[Tensor, "features"]) -> "ClassMoments":
        """Of (x - shift) / scale instead of x."""
        scatter = None if self.scatter is None else self.scatter / scale.square()
        return ClassMoments(self.examples, (self.sums - self.examples[:, None] * shift) / scale, scatter)

    def shift_and_scale(self) -> tuple[Float[Tensor, "features"], Float[Tensor, "features"]]:
        """Mean and standard deviation of every feature, of all classes together."""
        count, sums, scatter = self.together()
        if scatter is None:
            raise ValueError("without scatter there is no standard deviation: gather moments with scatter=True")
        return (sums / count)[0], (scatter / count).sqrt()[0]

    def together(self) -> "ClassMoments":
        """Of the same examples as one class, equation (1) over all classes at once."""
        count, sums = self.examples.sum(0, keepdim=True), self.sums.sum(0, keepdim=True)
        if self.scatter is None:
            return ClassMoments(count, sums, None)
        gap = self.sums / self.examples.clamp_min(1)[:, None] - sums / count.clamp_min(1)
        scatter = (self.scatter + self.examples[:, None] * gap.square()).sum(0, keepdim=True)
        return ClassMoments(count, sums, _beyond_rounding(count, sums, scatter))


def class_moments(
    inputs: Num[Tensor, "batch ..."],
    labels: Int[Tensor, "batch"],
    classes: int,
    *,
    prepare: Callable[[Tensor], Tensor] | None = None,
    scatter: bool = True,
) -> ClassMoments:
    """Of one batch, which may lack classes or be empty, and may be a sparse CSR tensor.

    Args:
        prepare: checks or changes some rows in float64 (all rows of a sparse tensor) before they are counted; with
            `scatter` it is asked twice.
        scatter: whether S_c is needed, which takes a second pass over the rows; sparse ones have none.
    """
    if inputs.ndim < 2 or labels.shape != inputs.shape[:1]:
        raise ValueError(f"inputs {tuple(inputs.shape)} and labels {tuple(labels.shape)} do not fit")
    if len(labels) and (int(labels.min()) < 0 or int(labels.max()) >= classes):
        raise ValueError(f"labels lie in 0..{classes - 1}, got {int(labels.min())}..{int(labels.max())}")
    prepare = prepare or _as_they_are
    examples = torch.bincount(labels, minlength=classes).double()
    if is_csr(inputs):
        if scatter:
            raise ValueError("sparse rows are counted, they have no scatter: make them dense with .toarray()")
        return ClassMoments(examples, class_sums(prepare(inputs), labels, classes), None)
    places = labels.split(ROWS)
    sums = torch.zeros(classes, inputs.shape[1:].numel(), dtype=torch.float64, device=inputs.device)
    for x, y in zip(row_blocks(inputs, torch.float64, ROWS), places, strict=True):
        sums.index_add_(0, y, prepare(x).flatten(1).double())
    if not scatter:
        return ClassMoments(examples, sums, None)
    means, spread = sums / examples.clamp_min(1)[:, None], torch.zeros_like(sums)
    room = means.new_empty(min(ROWS, len(labels)), means.shape[1])
    blocks = inputs.split(ROWS) if prepare is _as_they_are else row_blocks(inputs, torch.float64, ROWS)
    for x, y in zip(blocks, places, strict=True):
        place = None if means.requires_grad else room[: len(y)]
        apart = torch.index_select(means, 0, y, out=place).sub_(prepare(x).flatten(1))
        spread.index_add_(0, y, apart.square_())
    return ClassMoments(examples, sums, _beyond_rounding(examples[:, None], sums, spread))


def _beyond_rounding(count: Tensor, sums: Tensor, scatter: Tensor) -> Tensor:
    """The scatter, and 0 where the rounding of the sum explains it: equal values are at no distance from their mean."""
    off = torch.finfo(torch.float64).eps * (8 + count) * (sums / count.clamp_min(1)).abs()
    return scatter.where(scatter > count * off.square(), 0.0)


def _as_they_are(rows: Tensor) -> Tensor:
    return rows


def merge_classes(first: ClassMoments, second: ClassMoments) -> ClassMoments:
    """Of two disjoint parts of the data together, equation (1)."""
    if first.sums.shape != second.sums.shape:
        raise ValueError(f"moments {tuple(first.sums.shape)} and {tuple(second.sums.shape)} do not merge")
    count, n1, n2 = (n[:, None] for n in (first.examples + second.examples, first.examples, second.examples))
    if first.scatter is None or second.scatter is None:
        return ClassMoments(count[:, 0], first.sums + second.sums, None)
    gap = first.sums / n1.clamp_min(1) - second.sums / n2.clamp_min(1)
    sums, scatter = first.sums + second.sums, first.scatter + second.scatter
    scatter = scatter + n1 * n2 / count.clamp_min(1) * gap.square()  # (1)
    return ClassMoments(count[:, 0], sums, _beyond_rounding(count, sums, scatter))
