r"""The loss of a softmax over a large vocabulary, with its gradient computed along with it, a few rows at a time.

Legend: N rows (tokens); h_n hidden vector [H]; W [V, H], b [V] the output layer; y_n target; p_n probabilities [V].

(1) z_n = W h_n + b,   p_n = softmax(z_n),   L_n = -log p_n[y_n],   L = (1 / N) sum_n L_n
(2) d_n = dL_n / dz_n = p_n - onehot(y_n);   dL / dW = (1 / N) sum_n d_n h_n^T,   dL / db = (1 / N) sum_n d_n,
    dL / dh_n = (1 / N) W^T d_n

The logits are the largest tensor of a model of words. In bf16 they cost half, but the softmax has to be taken in
float32; done as a whole, copies of them and of their gradient cost more than a recurrence. So a few rows at a time are
converted to float32, and (2) is made while the probabilities are in the cache, with one exponential for each, and
written over the logits. The factor 1 / N is left to the products, which are smaller.

>>> hidden, weight, bias = torch.randn(6, 3), torch.randn(9, 3), torch.zeros(9)
>>> targets = torch.tensor([1, 0, 8, 3, 3, 2])
>>> loss = linear_nll(hidden, weight, bias, targets)
>>> torch.allclose(loss, torch.nn.functional.cross_entropy(hidden @ weight.T, targets))
True
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deepcanon.parts.recurrence_by_hand import without_autocast

__all__ = ["linear_nll", "rows_nll"]

PIECE = 2**19  # logits that are converted to float32 at a time


def linear_nll(
    hidden: Float[Tensor, "rows features"],
    weight: Float[Tensor, "classes features"],
    bias: Float[Tensor, "classes"],
    targets: Int[Tensor, "rows"],
    products: torch.dtype | None = None,
) -> Float[Tensor, ""]:
    """L of eq. (1) in nats, in float32 or better; differentiable once.

    Args:
        products: type of the matrix products and of the logits; that of the weights if not given.
    """
    rows, features = hidden.shape
    if weight.ndim != 2 or weight.shape[1] != features or bias.shape != weight.shape[:1] or targets.shape != (rows,):
        shapes = [tuple(part.shape) for part in (hidden, weight, bias, targets)]
        raise ValueError(f"hidden, weight, bias and targets {shapes} do not match")
    return _LinearNLL.apply(hidden, weight, bias, targets, products or weight.dtype)


def rows_nll(
    logits: Float[Tensor, "rows classes"], targets: Int[Tensor, "rows"], scale: float = 1.0
) -> Float[Tensor, "rows"]:
    """L_n of eq. (1) times ``scale``, in float32, of logits in bf16; differentiable once."""
    wish = torch.is_grad_enabled() and logits.requires_grad
    return _RowsNLL.apply(logits, targets, scale, wish)


def _pieces(count: int, classes: int) -> list[slice]:
    size = max(1, PIECE // classes)
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def _nll_and_slopes(
    logits: Tensor, bias: Tensor | None, targets: Tensor, slopes: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """L_n of each row, and the sum over the rows of d_n; ``slopes``, which may be the logits, is filled with d_n."""
    wide = torch.promote_types(logits.dtype, torch.float32)
    pieces = _pieces(*logits.shape)
    nll = torch.empty(len(logits), dtype=wide, device=logits.device)
    size = (pieces[0].stop if pieces else 0), logits.shape[1]
    z, p = (torch.empty(size, dtype=wide, device=logits.device) for _ in range(2))
    total = None if bias is None else torch.zeros_like(bias, dtype=wide)
    for here in pieces:
        rows = here.stop - here.start
        piece, softmax, wanted = z[:rows].copy_(logits[here]), p[:rows], targets[here, None]
        if bias is not None:
            piece += bias
        # (1); of the largest class p is 1 / V at least, so that nothing is lost where the target's underflows
        torch.softmax(piece, 1, out=softmax)
        highest, at = softmax.max(1, keepdim=True)
        nll[here] = (piece.gather(1, at) - highest.log() - piece.gather(1, wanted))[:, 0]
        if slopes is None:
            continue
        # (2)
        softmax.scatter_add_(1, wanted, softmax.new_full(wanted.shape, -1.0))
        if total is not None:
            total += softmax.sum(0)
        slopes[here] = softmax
    return nll, total


def _once(what: str) -> None:
    if torch.is_grad_enabled():  # with create_graph
        raise RuntimeError(f"the loss of {what} has no second derivative: give logits in float32 to cross_entropy")


class _LinearNLL(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, products: torch.dtype):
        with without_autocast(hidden.device):
            h, w = hidden.to(products), weight.to(products)
            slopes = h @ w.T
            nll, d_bias = _nll_and_slopes(slopes, bias, targets, slopes)
        ctx.save_for_backward(h, w, slopes, d_bias)
        ctx.dtypes = hidden.dtype, weight.dtype, bias.dtype
        return nll.mean()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor):
        _once("a linear layer in one pass")
        h, w, slopes, d_bias = ctx.saved_tensors
        share = gradient / len(h)
        with without_autocast(h.device):
            d_hidden, d_weight = slopes @ w, slopes.T @ h
        parts = zip((d_hidden, d_weight, d_bias), ctx.dtypes, strict=True)
        return *(part.to(dtype).mul_(share) for part, dtype in parts), None, None


class _RowsNLL(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, targets: Tensor, scale: float, wish: bool) -> Tensor:
        slopes = torch.empty_like(rows) if wish else None
        nll, _ = _nll_and_slopes(rows, None, targets, slopes)
        if slopes is not None:
            ctx.save_for_backward(slopes if scale == 1.0 else slopes.mul_(scale))
        return nll.mul_(scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        _once("bf16 logits")
        (slopes,) = ctx.saved_tensors
        if bool((gradient == 1).all()):  # the loss itself is differentiated: the gradients are complete
            return slopes, None, None, None
        pieces = _pieces(*slopes.shape)
        return (
            torch.cat([(slopes[here].float() * gradient[here, None]).to(slopes) for here in pieces]),
            None,
            None,
            None,
        )
