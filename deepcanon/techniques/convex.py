"""Models of one layer, whose loss is convex: L-BFGS on all examples, one iteration a step, or SGD on batches.

Gradients are in closed form and added up over the rows of all processes; so are the factors of normal equations.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from deepcanon.engine.by_hand import OneBlasThread
from deepcanon.engine.preprocess import Prepared
from deepcanon.foundations.linear_regression import Triangle, merge_triangles
from deepcanon.parts import optimizers
from deepcanon.parts.lbfgs import LBFGS, AffineRows
from deepcanon.parts.schedules import one_cycle
from deepcanon.parts.standardize import Standardize
from deepcanon.techniques.optimizers import set_rate

__all__ = [
    "Objective",
    "Rows",
    "add_triangle",
    "convex_optimizer",
    "descend",
    "finite",
    "largest_weights",
    "lbfgs",
    "raw_logits",
    "rows_of_step",
    "steepest",
    "steps_of",
    "torch_lbfgs",
]

SAMPLE = 1000
ROUNDING = 1e-5  # nats that a logit may lose where the standardisation of its inputs lies in the weights

Both = Callable[..., tuple[Tensor, Tensor, Tensor]]
"""An objective and its gradients in weight and bias: means over rows, of (weight, bias, inputs, targets, penalty by its
name)."""


def lbfgs(parameters: Iterable[nn.Parameter], history: int) -> LBFGS:
    """One iteration per call of `step`, so that a checkpoint and a picture fit between any two; it never stops by
    itself.

    Args:
        history: pairs of differences that approximate the Hessian.
    """
    return LBFGS(parameters, history=history)


def torch_lbfgs(parameters: Iterable[nn.Parameter], history: int) -> optimizers.LBFGS:
    """The same by torch's own, for objectives that are not convex."""
    return optimizers.LBFGS(
        parameters,
        lr=1,
        max_iter=1,
        max_eval=20,
        history_size=history,
        tolerance_grad=0,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )


def convex_optimizer(options: Any, parameters: Iterable[nn.Parameter]) -> Any:  # whose closure gives a tensor
    """L-BFGS or SGD by the options `optimizer`, `history`, `learning_rate` and `momentum`."""
    if options.optimizer == "lbfgs":
        return lbfgs(parameters, options.history)
    return optimizers.SGD(parameters, options.learning_rate, options.momentum, fused=True)


def steps_of(run: Any, options: Any, examples: int) -> int:
    """L-BFGS: `iterations`; SGD: `epochs` in batches of `batch`."""
    return options.iterations if options.optimizer == "lbfgs" else run.steps_of(options.epochs, options.batch, examples)


class Rows(NamedTuple):
    """What a step is taken on: this process's rows, how many all processes have, what inputs are to be divided by."""

    inputs: Tensor
    targets: Tensor
    total: int
    unit: float = 1.0


def rows_of_step(run: Any, options: Any, prepared: Prepared, split: Any, optimizer: Any, step: int) -> Rows:
    """The whole split for L-BFGS, which steps as for centred inputs if the option `centre` says so; a batch for SGD.

    Bytes of pictures stay bytes: a pass over them takes less time than over prepared rows. The rate of SGD falls to 0
    along half a cosine.
    """
    if options.optimizer == "lbfgs":
        unit = prepared.unit(split)
        rows = Rows(*prepared.whole(split, raw=bool(unit)), len(split), unit or 1.0)
        if options.centre and optimizer.basis is None:
            optimizer.basis = AffineRows(_mean(run, rows, optimizer.param_groups[0]["params"][0].dtype))
        return rows
    set_rate(optimizer, options.learning_rate * one_cycle(step, run.steps, warmup=0.0))
    taken = prepared.batch(split, options.batch)
    return Rows(taken.x, taken.y, options.batch)


def _mean(run: Any, rows: Rows, dtype: torch.dtype) -> Tensor:
    """Of about a thousand of the rows of all processes, [F]: any vector near it would do."""
    every = max(1, rows.total // SAMPLE)
    mine = torch.arange(run.rank, rows.total, run.world, device=rows.inputs.device) % every == 0
    return run.sum(rows.inputs[mine].to(dtype).sum(0)) / (-(-rows.total // every) * rows.unit)


class _Point(NamedTuple):
    """An objective and its gradients, where it was taken."""

    weight: Tensor
    bias: Tensor
    objective: Tensor
    slopes: Tensor
    sums: Tensor


class Objective:
    """The objective over the rows of all processes, which sets the gradients of a model's `weight` and `bias`.

    Its values at the points of a step are kept for the next: L-BFGS begins by asking for the point that its line search
    ended at.

    Args:
        run: adds over the processes.
        model: has `weight` and `bias`.
        both: the objective and its gradients.
        penalty: decay or ridge, by its name; it counts once, whatever the number of processes.
    """

    def __init__(self, run: Any, model: Any, both: Both, **penalty: float) -> None:
        self.run, self.model, self.both, self.penalty = run, model, both, penalty
        self._known: list[_Point] = []
        self._rows: tuple[Any, Any] = (None, None)

    def closure(self, rows: Rows) -> Callable[[], Tensor]:
        """What an optimizer calls in one step; it begins where the model stands."""
        if self._rows[0] is not rows.inputs or self._rows[1] is not rows.targets:
            self._rows, self._known = (rows.inputs, rows.targets), []
        weight, bias = self.model.weight.detach(), self.model.bias.detach()
        here = [at for at in self._known if torch.equal(at.weight, weight) and torch.equal(at.bias, bias)][-1:]
        self._known = list(here)

        def evaluate() -> Tensor:
            at = here.pop() if here else self._evaluate(rows)
            self.model.weight.grad, self.model.bias.grad = at.slopes.clone(), at.sums.clone()
            return at.objective

        return evaluate

    def _evaluate(self, rows: Rows) -> "_Point":
        weight, bias, unit = self.model.weight.detach(), self.model.bias.detach(), rows.unit
        penalty = {name: value * unit * unit for name, value in self.penalty.items()}
        with OneBlasThread():
            objective, slopes, sums = self.both(weight / unit, bias, rows.inputs, rows.targets, **penalty)
        terms = [objective, slopes / unit, sums]
        if self.run.world > 1:
            terms = [self.run.sum(term * (len(rows.inputs) / rows.total)) for term in terms]
        point = _Point(weight.clone(), bias.clone(), *terms)
        self._known.append(point)
        return point


def descend(run: Any, options: Any, optimizer: Any, model: Any, closure: Any) -> dict[str, Tensor]:
    """One step of an optimizer whose closure gives a tensor; the run ends where L-BFGS has arrived."""
    loss = optimizer.step(closure)
    gradient = steepest(model.weight, model.bias)
    if options.optimizer == "lbfgs" and gradient <= options.tolerance:
        run.stop(f"the gradient vanishes: its largest entry is {gradient:.1e}")
    return {"loss": loss, "gradient": gradient}


def steepest(*parameters: Tensor) -> Tensor:
    """The largest absolute entry of the gradients."""
    return torch.stack([p.grad.abs().max() for p in parameters if p.grad is not None]).max()


def raw_logits(rows: Tensor, weight: Tensor, bias: Tensor, preprocess: nn.Module) -> Tensor | None:
    """The logits [N, K] of raw rows by one product, without a copy of them: the standardisation lies in the weights.

    W (x - s) / c + b = (W / c) x + b - (W / c) s. Of columns that lie far from 0, seen from their spread, the product
    loses the digits that the difference keeps.

    Args:
        weight, bias: [K, F] and [K], for standardised rows.
        preprocess: standardises the rows of a table.

    Returns:
        None where that would show, and of pictures.
    """
    scaled = preprocess.get_submodule("0")
    if rows.ndim != 2 or not rows.is_floating_point() or not isinstance(scaled, Standardize):
        return None
    weight, shift = weight.detach().double() / scaled.scale, scaled.shift.double()
    if float((weight.abs() @ shift.abs()).max()) * torch.finfo(rows.dtype).eps > ROUNDING:
        return None
    bias = (bias.detach().double() - weight @ shift).to(rows.dtype)
    return nn.functional.linear(rows, weight.to(rows.dtype), bias)


def finite(logits: Tensor) -> Tensor:
    """The same.

    Raises:
        ValueError: one is not finite, since a value of its row is not or is too large.
    """
    if not math.isfinite(float(logits.sum())) and not bool(logits.isfinite().all()):
        raise ValueError("Input X contains NaN or infinity, or numbers that are too large")
    return logits


def largest_weights(
    weight: Tensor, columns: Sequence[str], classes: Sequence[str] | None = None, count: int = 25
) -> dict[str, float]:
    """The weights of largest size by the names of their columns, [F], or of classes and columns, [K, F]."""
    if classes:
        columns = [f"{name}: {column}" for name in classes for column in columns]
    flat = weight.detach().cpu().flatten()
    return {columns[i]: float(flat[i]) for i in flat.abs().topk(min(count, len(flat))).indices.tolist()}


def add_triangle(run: Any, seen: Triangle, part: Triangle) -> Triangle:
    """The factor of the rows seen so far and of the parts of all processes, which add different rows."""
    slots = torch.zeros(run.world, *part.factor.shape, dtype=part.factor.dtype, device=part.factor.device)
    slots[run.rank] = part.factor
    # Rows are counted once, with the first part.
    counts = run.sum(part.examples) * (torch.arange(run.world, device=slots.device) == 0)
    parts = [Triangle(count, factor) for count, factor in zip(counts, run.sum(slots), strict=True)]
    return merge_triangles(Triangle(*(value.to(slots.device) for value in seen)), *parts)
