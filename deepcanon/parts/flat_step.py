"""A step of torch's Adam, AdamW or SGD on parameters that are contiguous parts of one vector: one kernel call for all.

Kingma, Ba, Adam: a method for stochastic optimization, ICLR 2015; Loshchilov, Hutter, arXiv:1711.05101 (AdamW).

    theta the vector of all parameters, g its gradient, t the step, r the rate, c the decay

    (1)  v1 <- beta1 v1 + (1 - beta1) g,   v2 <- beta2 v2 + (1 - beta2) g^2
    (2)  theta <- theta - r (v1 / (1 - beta1^t)) / (sqrt(v2 / (1 - beta2^t)) + epsilon)
    (3)  AdamW: theta <- (1 - r c) theta before (2);  Adam and SGD: g <- g + c theta before (1) or (4)
    (4)  SGD: u <- mu u + g (u = g at first),   theta <- theta - r u, with Nesterov theta - r (g + mu u)

`optimizer.step()` spends 20 us on finding out which tensors there are; the kernel that it calls needs 2 to 4 us for ten
thousand weights. The state stays the optimizer's: each entry is a part of v1, v2 or u, so that its `state_dict` is
that of torch. An optimizer of another kind, or one that is not fused, takes its own step.

>>> weight = torch.nn.Parameter(torch.ones(2))
>>> weight.grad, sgd = torch.ones(2), torch.optim.SGD([weight], 0.5, fused=True)
>>> FlatStep(sgd, [weight], weight.data, weight.grad)()
>>> weight.tolist()
[0.5, 0.5]
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from deepcanon.parts import optimizers

__all__ = ["FlatParameters", "FlatStep", "stretches"]

ADAM, SGD = ("exp_avg", "exp_avg_sq"), ("momentum_buffer",)
MOMENTS: dict[type, tuple[str, ...]] = {
    torch.optim.Adam: ADAM, torch.optim.AdamW: ADAM, torch.optim.SGD: SGD,
    optimizers.Adam: ADAM, optimizers.AdamW: ADAM, optimizers.SGD: SGD,
}  # fmt: skip
"""What torch calls v1, v2 and u."""


def stretches(vector: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """The parts of a vector in the shapes of the parameters, in their order."""
    parts = vector.split([parameter.numel() for parameter in parameters])
    return [part.view(parameter.shape) for part, parameter in zip(parts, parameters, strict=True)]


class FlatParameters:
    """Parameters that become views of one vector, and their `.grad` of another, with the step of their optimizer.

    `load_state_dict` copies into the views; what replaces their memory (`.double()`) is seen by the next `attach`.

    Args:
        parameters: on the CPU, all of one type; the vector has this order.

    Attributes:
        vector, gradient_vector: theta and g.
        size: how many weights there are.
    """

    vector: Tensor
    gradient_vector: Tensor

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.parameters = list(parameters)
        if len({id(parameter) for parameter in self.parameters}) < len(self.parameters):
            raise ValueError("a parameter is used twice: layers that share weights have no flat vector")
        self.size = sum(parameter.numel() for parameter in self.parameters)
        self.places: list[int] = []
        self._step: FlatStep | None = None

    def state_dict(self) -> dict[str, Any]:
        """Nothing: the weights are the module's, the moments the optimizer's, everything else lasts for one step."""
        return {}

    def attach(self) -> bool:
        """Lays the parameters out in one vector, unless they are there already; returns whether it did."""
        if [parameter.data_ptr() for parameter in self.parameters] == self.places:
            return False
        kinds = {(parameter.dtype, parameter.device.type) for parameter in self.parameters}
        if len(kinds) > 1 or next(iter(kinds))[1] != "cpu":
            raise ValueError(f"parameters of one type on the CPU expected, got {sorted(map(str, kinds))}")
        self.vector = torch.cat([parameter.detach().flatten() for parameter in self.parameters])
        self.gradient_vector = torch.zeros_like(self.vector)
        self.views, self.gradients = (
            stretches(vector, self.parameters) for vector in (self.vector, self.gradient_vector)
        )
        for parameter, view, slope in zip(self.parameters, self.views, self.gradients, strict=True):
            parameter.data = view
            if parameter.requires_grad:
                parameter.grad = slope
        self.places = [parameter.data_ptr() for parameter in self.parameters]
        self._step = None
        return True

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """One step of an optimizer of these parameters."""
        if self._step is None or not self._step.holds(optimizer):
            self._step = FlatStep(optimizer, self.parameters, self.vector, self.gradient_vector)
        self._step()


class FlatStep:
    """The step of an optimizer.

    Args:
        optimizer: its parameters are among those given.
        parameters: contiguous parts of `vector`, in order.
        vector, gradient: theta and g.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, parameters: Sequence[Tensor], vector: Tensor, gradient: Tensor
    ) -> None:
        self.optimizer, self.state = optimizer, optimizer.state
        groups = optimizer.param_groups
        owned = {id(parameter) for group in groups for parameter in group["params"]}
        self.by_kernel = owned == set(map(id, parameters)) and type(optimizer) in MOMENTS and all(map(_plain, groups))
        if not self.by_kernel:
            return
        names = MOMENTS[type(optimizer)]
        self.adam = names == ADAM
        if not self.adam and not groups[0]["momentum"]:
            names = ()
        self.first = not any(names[0] in self.state[p] for p in parameters) if names else False
        steps = torch.zeros(len(parameters))
        if self.adam:
            for step, parameter in zip(steps, parameters, strict=True):
                step.copy_(self.state[parameter].get("step", step))
                self.state[parameter]["step"] = step
        self.steps, self.step = steps.numpy(), steps[0]
        vectors = [vector, gradient, *(self._moment(name, parameters, vector) for name in names)]
        self.whole = [[part] for part in vectors]
        self.parts = [[_of(group, parameters, part) for part in vectors] for group in groups]
        self.alike = len({repr(_options(group)) for group in groups}) == 1

    def holds(self, optimizer: torch.optim.Optimizer) -> bool:
        """Whether this is the optimizer, and its state the one that it had (`load_state_dict` makes another)."""
        return optimizer is self.optimizer and optimizer.state is self.state

    def _moment(self, name: str, parameters: Sequence[Tensor], vector: Tensor) -> Tensor:
        """A vector that holds the entries of this name, which become its parts; 0 where there is none."""
        moment = torch.zeros_like(vector)
        for part, parameter in zip(stretches(moment, parameters), parameters, strict=True):
            if name in self.state[parameter]:
                part.copy_(self.state[parameter][name])
            self.state[parameter][name] = part
        return moment

    def __call__(self) -> None:
        if not self.by_kernel:
            self.optimizer.step()
            return
        if self.adam:
            self.steps += 1
        groups = self.optimizer.param_groups
        first = groups[0]
        if self.alike and all(g["weight_decay"] == first["weight_decay"] and g["lr"] == first["lr"] for g in groups):
            self._kernel(first, self.whole)
        else:
            for group, parts in zip(groups, self.parts, strict=True):
                self._kernel(group, parts)
        self.first = False

    def _kernel(self, group: dict[str, Any], vectors: list[list[Tensor]]) -> None:
        """Equations (1) to (3), or (4), on some parts of theta, g and the moments."""
        if self.adam:
            kernel = torch._fused_adamw_ if group["decoupled_weight_decay"] else torch._fused_adam_
            (beta1, beta2), (weights, gradients, v1, v2) = group["betas"], vectors
            kernel(
                weights, gradients, v1, v2, [], [self.step] * len(vectors[0]), lr=group["lr"], beta1=beta1, beta2=beta2,
                weight_decay=group["weight_decay"], eps=group["eps"], amsgrad=False, maximize=False,
            )  # fmt: skip
            return
        weights, gradients, *momentum = vectors
        torch._fused_sgd_(
            weights, gradients, momentum[0] if momentum else [], lr=group["lr"], momentum=group["momentum"],
            weight_decay=group["weight_decay"], dampening=group["dampening"], nesterov=group["nesterov"],
            maximize=False, is_first_step=self.first,
        )  # fmt: skip


def _plain(group: dict[str, Any]) -> bool:
    """Whether a group needs only the equations above, by the fused kernel."""
    unusual = ("amsgrad", "maximize", "capturable", "differentiable")
    return bool(group.get("fused")) and not any(group.get(name) for name in unusual) and isinstance(group["lr"], float)


def _options(group: dict[str, Any]) -> list[Any]:
    """What two groups must have in common to be stepped together, whatever their rate and decay."""
    return sorted((name, value) for name, value in group.items() if name not in ("params", "lr", "weight_decay"))


def _of(group: dict[str, Any], parameters: Sequence[Tensor], vector: Tensor) -> list[Tensor]:
    """The parts of a vector that belong to a group, adjacent ones joined."""
    owned, begin = {id(parameter) for parameter in group["params"]}, 0
    found: list[tuple[int, int]] = []
    for parameter in parameters:
        end = begin + parameter.numel()
        if id(parameter) in owned:
            if found and found[-1][1] == begin:
                found[-1] = (found[-1][0], end)
            else:
                found.append((begin, end))
        begin = end
    return [vector[begin:end] for begin, end in found]
