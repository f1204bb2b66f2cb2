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
    "Objective",
    "Rows",
    "add_triangle",
    "convex_optimizer",
    "descend",
    "largest_weights",
    "lbfgs",
    "steepest",
    "steps_of",
]

Both = Callable[..., tuple[Tensor, Tensor, Tensor]]
"""An objective and its gradients in weight and bias: means over rows, of (weight, bias, inputs, targets, penalty by its
name)."""


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


class Rows:
    """What steps are taken on: SGD takes the next batch; L-BFGS this process's rows of the whole split, prepared once.

    Args:
        run: gives batches, and says which rows are this process's.
        options: `optimizer`, `batch`, `learning_rate`.
        prepare: from raw inputs to those of the model.
    """

    def __init__(self, run: Any, options: Any, prepare: Callable[[Tensor], Tensor]) -> None:
        self.run, self.options, self.prepare = run, options, prepare
        self._kept: tuple[Any, Tensor, Tensor] | None = None

    def whole(self, split: Any) -> tuple[Tensor, Tensor, int]:
        """This process's inputs and targets, and the number of rows of all processes; kept for the next call."""
        if self._kept is None or self._kept[0] is not split:
            mine = slice(self.run.rank, None, self.run.world)
            self._kept = (split, self.prepare(self.run.to(split.x[mine])), self.run.to(split.y[mine]))
        return self._kept[1], self._kept[2], len(split)

    def of_step(self, split: Any, optimizer: torch.optim.Optimizer, step: int) -> tuple[Tensor, Tensor, int]:
        """The same of a step; the rate of SGD falls to 0 along half a cosine."""
        run, options = self.run, self.options
        if options.optimizer == "lbfgs":
            return self.whole(split)
        set_rate(optimizer, options.learning_rate * one_cycle(step, run.steps, warmup=0.0))
        rows = run.batch(split, options.batch)
        return self.prepare(rows.x), rows.y, options.batch


class Objective:
    """The objective over the rows of all processes, which sets the gradients of a model's `weight` and `bias`.

    What it was at the points of a step is kept for the next: L-BFGS begins by asking for the point that its line search
    ended at.

    Args:
        run: adds over the processes.
        model: has `weight` and `bias`.
        both: the objective and its gradients.
        penalty: decay or ridge, by its name; it counts once, whatever the number of processes.
    """

    def __init__(self, run: Any, model: Any, both: Both, **penalty: float) -> None:
        self.run, self.model, self.both, self.penalty = run, model, both, penalty
        self._known: list[tuple[Tensor, Tensor, list[Tensor]]] = []
        self._rows: tuple[Any, Any] = (None, None)

    def closure(self, inputs: Tensor, targets: Tensor, count: int) -> Callable[[], Tensor]:
        """What an optimizer calls in one step.

        Args:
            inputs, targets: this process's rows.
            count: rows of all processes.
        """
        if self._rows[0] is not inputs or self._rows[1] is not targets:
            self._rows, self._known = (inputs, targets), []
        self._known = self._here()
        return lambda: self._at_present(inputs, targets, count)

    def _here(self) -> list[tuple[Tensor, Tensor, list[Tensor]]]:
        """Of the points known the one where the model stands."""
        weight, bias = self.model.weight.detach(), self.model.bias.detach()
        return [known for known in self._known if torch.equal(known[0], weight) and torch.equal(known[1], bias)][-1:]

    def _at_present(self, inputs: Tensor, targets: Tensor, count: int) -> Tensor:
        found = self._here()
        if not found:
            weight, bias = self.model.weight.detach(), self.model.bias.detach()
            share = len(inputs) / count
            terms = self.both(weight, bias, inputs, targets, **self.penalty)
            found = [(weight.clone(), bias.clone(), [self.run.sum(term * share) for term in terms])]
            self._known += found
        objective, *slopes = found[0][2]
        self.model.weight.grad, self.model.bias.grad = (slope.clone() for slope in slopes)
        return objective


def descend(run: Any, options: Any, optimizer: Any, model: nn.Module, closure: Any) -> dict[str, Tensor]:
    """One step of an optimizer whose closure gives a tensor; the run ends where L-BFGS has arrived."""
    loss = optimizer.step(closure)
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
