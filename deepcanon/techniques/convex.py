"""Models of one layer, whose loss is convex: L-BFGS on all examples, one iteration a step, or SGD on batches.

Gradients are in closed form and added up over the rows of all processes; so are the factors of normal equations.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from deepcanon.foundations.linear_regression import Triangle, merge_triangles
from deepcanon.parts.optimizers import LBFGS, SGD
from deepcanon.parts.schedules import one_cycle
from deepcanon.techniques.optimizers import set_rate

__all__ = [
    "add_triangle",
    "backward",
    "convex_optimizer",
    "descend",
    "largest_weights",
    "lbfgs",
    "rows_of_step",
    "steepest",
    "steps_of",
]

Terms = tuple[Callable[..., Tensor], Callable[..., tuple[Tensor, Tensor]]]
"""An objective and its gradients: means over rows, of (weight, bias, inputs, targets, penalty by its name)."""


def lbfgs(parameters: Iterable[nn.Parameter], history: int) -> LBFGS:
    """One iteration per call of `step`, so that a checkpoint and a picture fit between any two; it never stops itself.

    Args:
        history: pairs of differences that stand for the Hessian.
    """
    return LBFGS(
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
    return SGD(parameters, options.learning_rate, options.momentum, fused=True)


def steps_of(run: Any, options: Any, examples: int) -> int:
    """L-BFGS: `iterations`; SGD: `epochs` in batches of `batch`."""
    return options.iterations if options.optimizer == "lbfgs" else run.steps_of(options.epochs, options.batch, examples)


def rows_of_step(
    run: Any, options: Any, split: Any, optimizer: torch.optim.Optimizer, step: int
) -> tuple[Tensor, Tensor, int]:
    """This process's inputs and targets of a step, and the number of rows of all processes.

    L-BFGS takes the whole split; SGD the next batch, at a rate that falls to 0 along half a cosine.
    """
    if options.optimizer == "lbfgs":
        mine = slice(run.rank, None, run.world)
        return run.to(split.x[mine]), run.to(split.y[mine]), len(split)
    set_rate(optimizer, options.learning_rate * one_cycle(step, run.steps, warmup=0.0))
    rows = run.batch(split, options.batch)
    return rows.x, rows.y, options.batch


def backward(
    run: Any, model: Any, terms: Terms, inputs: Tensor, targets: Tensor, count: int, **penalty: float
) -> Tensor:
    """The objective over the rows of all processes; sets the gradients of the model's `weight` and `bias`.

    Args:
        run: adds over the processes.
        inputs, targets: this process's rows.
        count: rows of all processes.
        penalty: decay or ridge, by its name; it counts once, whatever the number of processes.
    """
    share, weight, bias = len(inputs) / count, model.weight.detach(), model.bias.detach()
    objective, gradient = terms
    slopes = gradient(weight, bias, inputs, targets, **penalty)
    for parameter, slope in zip((model.weight, model.bias), slopes, strict=True):
        parameter.grad = run.sum(slope * share)
    return run.sum(objective(weight, bias, inputs, targets, **penalty) * share)


def descend(
    run: Any,
    options: Any,
    optimizer: Any,  # whose closure gives a tensor
    model: nn.Module,
    terms: Terms,
    rows: tuple[Tensor, Tensor, int],
    **penalty: float,
) -> dict[str, Tensor]:
    """One step on `rows` (inputs, targets and the count of `backward`); the run ends where L-BFGS has arrived."""
    inputs, targets, count = rows
    loss = optimizer.step(lambda: backward(run, model, terms, inputs, targets, count, **penalty))
    gradient = steepest(model)
    if options.optimizer == "lbfgs" and gradient <= options.tolerance:
        run.stop(f"the gradient vanishes: its largest entry is {gradient:.1e}")
    return {"loss": loss, "gradient": gradient}


def steepest(model: nn.Module) -> Tensor:
    """The largest entry of the gradients, without its sign."""
    return torch.stack([p.grad.abs().max() for p in model.parameters() if p.grad is not None]).max()


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
