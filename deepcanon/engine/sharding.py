"""A model in shards: each of several processes keeps a part of its weights, gradients and optimizer state (FSDP2).

torch's `fully_shard` gathers weights and shares out gradients by hooks around the `forward` of a module. Steps call
their models by other methods too (`features`, `nll`), so what is sharded here are holders of a model's modules, whose
own forward computes nothing: calling one gathers weights, and its backward pass adds up the gradients and keeps a part
of them. The model keeps its class and its keys. Within a step its weights are whole, plain tensors until
`run.backward`; from then on they, their gradients and what the optimizer remembers are DTensors, over which norms are
those of the whole.
"""

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from deepcanon.engine import processes
from deepcanon.engine.contract import Recipe, modules_of
from deepcanon.engine.slices import whole
from deepcanon.errors import DeepcanonError, UsageError
from deepcanon.parts.lbfgs import LBFGS
from deepcanon.settings import Settings

__all__ = ["Shards", "refuse", "take_one_step"]

WITHOUT = "leave --shard out"
BUCKET = 25 << 20
"""Bytes of weights that are sent together: their gradients are whole in a second place while they are."""


def refuse(recipe: type[Recipe[Any]], name: str, config: Any, settings: Settings) -> None:
    """Raises UsageError if settings ask for shards, and what a recipe declares, or another setting, rules them out."""
    if not settings.shard:
        return
    if processes.world() == 1:
        raise UsageError(f"--shard shares a model out among processes, and this is one: use torchrun, or {WITHOUT}")
    if recipe.parallel != "gradients":
        raise UsageError(f"--shard is for recipes whose processes share gradients; those of {name} do not: {WITHOUT}")
    if why := recipe.unsharded(config):
        raise UsageError(f"{name} does not train in shards: {why}; {WITHOUT}")
    if settings.compile:
        raise UsageError("--compile needs whole weights, and --shard cuts them up: leave one of them out")


def take_one_step(recipe: Recipe[Any], name: str) -> None:
    """A step of a scratch instance in shards.

    Raises:
        UsageError: its step cannot be taken so; nothing has been written yet.
    """
    try:
        recipe.run.shards = Shards(recipe)
        recipe.run.shards.step(recipe, 0)
    except FloatingPointError:  # the run itself will say at which step
        return
    except DeepcanonError as error:
        raise UsageError(f"{name} does not train in shards: {error}; {WITHOUT}") from error
    except Exception as error:
        if processes.lost(error):
            raise
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UsageError(f"the step of {name} cannot be taken in shards ({what}): {WITHOUT}") from error


class Shards:
    """The model of a recipe and what its optimizers remember, in shards from now on.

    Raises:
        UsageError: the model cannot be cut up, in a few words.
    """

    def __init__(self, recipe: Recipe[Any]) -> None:
        self.model, optimizers = _trained(recipe)
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        before = dict(self.model.named_parameters())
        for module in self.model.modules():
            if any(map(_is_channels_last, module.parameters(recurse=False))):
                module.register_forward_hook(_in_channels_last)
        for parameter in before.values():
            parameter.data = parameter.data.contiguous()  # FSDP2 takes no others
        mesh = init_device_mesh(recipe.run.device.type, (dist.get_world_size(),))
        self.holders: list[Any] = []
        for modules in groups_of(self.model, BUCKET):
            holder: Any = fully_shard(_Holder(modules, recipe.run.device), mesh=mesh, reshard_after_forward=False)
            # Sums: a mean over rows is weighted before (see `backward`), and gloo has no other reduction.
            holder.set_gradient_divide_factor(1.0)
            holder.set_force_sum_reduction_for_comms(True)
            self.holders.append(holder)
        after = dict(self.model.named_parameters())
        self.parameters = [parameter for parameter in after.values() if parameter.requires_grad]
        new = {id(parameter): after[name] for name, parameter in before.items()}
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["params"] = [new[id(parameter)] for parameter in group["params"]]
                if isinstance(optimizer, torch.optim.SGD):
                    group["fused"] = False  # torch has that kernel for shards of Adam and AdamW alone
            remembered = [(new[id(parameter)], entries) for parameter, entries in optimizer.state.items()]
            optimizer.state = defaultdict(dict)
            for parameter, entries in remembered:
                optimizer.state[parameter] = {name: _sliced(value, parameter) for name, value in entries.items()}
        self._gathered: list[Tensor] = []
        self._versions: list[int] = []

    def step(self, recipe: Recipe[Any], step: int) -> Mapping[str, Tensor]:
        """One step of the recipe: on whole weights up to `run.backward`, on shards after it."""
        self._gathered = [holder() for holder in self.holders]
        self._versions = [parameter._version for parameter in self.model.parameters()]
        metrics = recipe.step(step)
        if self._gathered:
            raise UsageError("its step computes gradients without run.backward")
        return whole(dict(metrics))

    def backward(self, loss: Tensor, modules: Sequence[nn.Module], count: float | None) -> Tensor:
        """What `gradients.backward_together` does, each process keeping the gradients of its shards."""
        gathered, self._gathered = self._gathered, []
        if not gathered:
            raise UsageError("its step calls run.backward more than once")
        plain = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        if {id(p) for module in modules for p in module.parameters() if p.requires_grad} != {id(p) for p in plain}:
            raise UsageError("its step updates a part of the model")
        if self._versions != [parameter._version for parameter in self.model.parameters()]:
            raise UsageError("its step changes weights before run.backward")  # of the gathered copy, which is dropped
        weighted = loss / dist.get_world_size() if count is None else loss * float(count)
        weighted.backward()
        missing = [parameter.grad is None for parameter in plain]
        told = torch.ones(2 + len(plain), dtype=torch.promote_types(loss.dtype, torch.float32), device=loss.device)
        told[0] = weighted.detach()
        if count is not None:
            told[1] = float(count)
        for place, parameter in enumerate(plain):
            if parameter.grad is None:  # the processes must send the same, whatever part of the model each used
                told[2 + place] = 0
                parameter.grad = torch.zeros_like(parameter)
            elif parameter.grad.is_sparse:
                raise UsageError("its gradients are sparse")
        dist.all_reduce(told)
        over, used = told[1], told[2:]
        earlier = [parameter.grad for parameter in self.parameters]
        for parameter in self.parameters:
            parameter.grad = None
        for group in gathered:  # after each, its whole weights and gradients are gone
            group.backward()
        for place, (parameter, before) in enumerate(zip(self.parameters, earlier, strict=True)):
            grad: Any = parameter.grad
            if missing[place] and not used[place]:  # nobody used it, and no optimizer moves it
                parameter.grad = grad = None
            elif count is not None:
                grad.to_local().div_(over.to(grad.dtype))
            if before is not None:
                parameter.grad = before if grad is None else grad.add_(before)
        return (told[0] if count is None else told[0] / over).to(loss.dtype)

    @contextlib.contextmanager
    def gathered(self) -> Iterator[None]:
        """Within it the model has whole, plain weights, for what computes without gradients."""
        with torch.no_grad():
            for holder in self.holders:
                holder()
        try:
            yield
        finally:
            for holder in self.holders:
                holder.reshard()


class _Holder(nn.Module):
    """Holds modules whose weights FSDP2 gathers when it is called, and whose gradients it shares out afterwards."""

    def __init__(self, modules: list[nn.Module], device: torch.device) -> None:
        super().__init__()
        self.modules_held = nn.ModuleList(modules)
        self.signal = torch.zeros((), device=device, requires_grad=True)  # the backward pass must have an end

    def forward(self) -> Tensor:
        return self.signal * 1


def groups_of(model: nn.Module, limit: int) -> list[list[nn.Module]]:
    """The model cut into groups of modules of about `limit` bytes, each of which is sent at once; none twice.

    A module with parameters of its own stays whole, and so does a model in which two modules share one.
    """
    groups: list[list[nn.Module]] = []
    size = limit
    for unit in _units(model, limit):
        if size >= limit:
            groups.append([])
            size = 0
        groups[-1].append(unit)
        size += sum(parameter.nbytes for parameter in unit.parameters())
    held = [id(parameter) for group in groups for unit in group for parameter in unit.parameters()]
    return groups if len(held) == len(set(held)) else [[model]]


def _units(module: nn.Module, limit: int) -> Iterator[nn.Module]:
    parameters = list(module.parameters())
    if (
        sum(parameter.nbytes for parameter in parameters) <= limit
        or next(module.parameters(recurse=False), None) is not None
    ):
        if parameters:
            yield module
    else:
        for child in module.children():
            yield from _units(child, limit)


def _trained(recipe: Recipe[Any]) -> tuple[nn.Module, list[torch.optim.Optimizer]]:
    """The one module that a recipe trains, and the optimizers that do."""
    modules = modules_of(recipe)
    trained = {id(p) for module in modules for p in module.parameters() if p.requires_grad}
    having = [module for module in modules if trained <= {id(p) for p in module.parameters()}]
    optimizers = [value for value in vars(recipe).values() if isinstance(value, torch.optim.Optimizer)]
    if not trained or not optimizers:
        raise UsageError("it has no module with an optimizer")
    if not having:
        raise UsageError("it trains more than one model")
    model = having[0]
    known = {id(parameter) for parameter in model.parameters()}
    if any(id(p) not in known for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]):
        raise UsageError("its optimizer moves tensors that are not in the model")
    if any(isinstance(optimizer, torch.optim.LBFGS | LBFGS) for optimizer in optimizers):
        raise UsageError("L-BFGS needs the whole gradient in each process")
    if scalars := [name for name, parameter in model.named_parameters() if not parameter.ndim]:
        raise UsageError(f"{scalars[0]} is a single number, which cannot be shared out")
    return model, optimizers


def _is_channels_last(weight: Tensor) -> bool:
    """Whether it lies in memory so, also where an axis of one makes that the same as contiguous."""
    there = weight.ndim == 4 and weight.stride() == torch.empty_like(weight, memory_format=torch.channels_last).stride()
    return there and weight.stride() != torch.empty(weight.shape, device="meta").stride()


def _in_channels_last(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
    """The output in the layout that channels_last weights give it, in whose order masks of dropout are drawn."""
    return output.contiguous(memory_format=torch.channels_last)


def _sliced(value: Any, parameter: Any) -> Any:
    """This process's part of what an optimizer remembers of a parameter entry by entry; anything else as it is."""
    from torch.distributed.tensor import distribute_tensor

    if not (isinstance(value, Tensor) and value.dim() and value.shape == parameter.shape):
        return value
    # No process sends anything, since all have the whole; of its own memory, or a slice would keep the whole alive.
    cut = distribute_tensor(value.contiguous(), parameter.device_mesh, parameter.placements, src_data_rank=None)
    return torch.empty_like(parameter, dtype=value.dtype).copy_(cut)
