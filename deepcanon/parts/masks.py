"""Which places of padded rows are real, and a softmax over those alone.

Rows of unequal length are padded to one width. What stands on a padded place must change nothing: a softmax gives it
exactly 0, because its score is -inf BEFORE the softmax; a weight that is set to 0 afterwards would leave the others
with a sum below 1.

Legend: n_b length of row b, i a place; e scores, a weights.

(1) real_bi = i < n_b
(2) a_bi = exp(e_bi) / sum_{j real} exp(e_bj) where real, else 0
(3) a row without any real place has the weights 0, not 0/0
(4) a row read backwards begins with its last REAL place: x'_bi = x_b,(n_b - 1 - i) where real, pads stay where they are

>>> real = real_positions(torch.tensor([2, 0]), 3)
>>> real.tolist()
[[True, True, False], [False, False, False]]
>>> masked_softmax(torch.zeros(2, 3), real).tolist()
[[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]
"""

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

__all__ = ["masked_softmax", "real_positions", "reversed_rows"]


def real_positions(lengths: Int[Tensor, "batch"], width: int) -> Bool[Tensor, "batch width"]:
    """Eq. (1), for rows that are padded at their ends.

    Raises:
        ValueError: the lengths are not one for each row, or the width is negative. Whether a length is within the width
            is for the reader of the data to check: here that would wait for the device.
    """
    if lengths.ndim != 1 or width < 0:
        raise ValueError(f"lengths {tuple(lengths.shape)} are not [batch], or the width {width} is negative")
    return torch.arange(width, device=lengths.device) < lengths[:, None]


def reversed_rows(x: Shaped[Tensor, "batch width ..."], lengths: Int[Tensor, "batch"]) -> Tensor:
    """Eq. (4), for rows that are padded at their ends; doing it twice gives x again.

    So a recurrence without masks reads backwards: pads come last, and what it computes of them is not looked at.

    Raises:
        ValueError: the lengths are not one for each row.
    """
    if x.ndim < 2 or lengths.shape != x.shape[:1]:
        raise ValueError(f"lengths {tuple(lengths.shape)} are not [batch] of x {tuple(x.shape)}")
    places = torch.arange(x.shape[1], device=x.device)
    behind = lengths[:, None] - 1 - places
    index = torch.where(behind >= 0, behind, places)
    index = index.view(*index.shape, *(1,) * (x.ndim - 2)).expand(x.shape)
    return x.gather(1, index)


def masked_softmax(
    scores: Float[Tensor, "batch ... places"], real: Bool[Tensor, "batch places"] | None = None
) -> Float[Tensor, "batch ... places"]:
    """The weights of eqs. (2) and (3) over the last axis; scores of several steps, [batch, time, places], too.

    A score on a padded place may be anything, also NaN: it reaches neither the weights nor a gradient.

    Args:
        real: which places count; None for all.

    Raises:
        ValueError: the mask is not [batch, places].
    """
    if scores.ndim < 2:
        raise ValueError(f"scores {tuple(scores.shape)} are not [batch, ..., places]")
    if real is None:
        return scores.softmax(-1)
    if real.shape != (scores.shape[0], scores.shape[-1]):
        raise ValueError(f"the mask {tuple(real.shape)} is not [batch, places] of scores {tuple(scores.shape)}")
    real = real.view(real.shape[0], *(1,) * (scores.ndim - 2), real.shape[1])
    empty = ~real.any(-1, keepdim=True)
    # (3): zeros as the scores of an empty row, so that its softmax and the derivative of that are finite
    weights = scores.masked_fill(~real, -torch.inf).masked_fill(empty, 0.0).softmax(-1)
    return weights.masked_fill(empty, 0.0)
