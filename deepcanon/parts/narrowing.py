"""Where a module in float64 computes in fewer digits: casts that its caller does not see.

>>> import torch
>>> from deepcanon.parts.narrowing import narrowings
>>> class Cast(torch.nn.Module):
...     def forward(self, x):
...         return x.float().exp().double()
>>> narrowings(torch.nn.Sequential(torch.nn.Tanh(), Cast()).double(), torch.ones(1, dtype=torch.float64))
('1 (Cast): float32',)
"""

from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["narrowings"]


def narrowings(module: nn.Module, *inputs: Any) -> tuple[str, ...]:
    """Names of the layers whose forward turns float64 into a narrower type, with that type, in the order of use.

    Args:
        module: in float64.
        inputs: what its forward takes.
    """
    inside: list[str] = []

    def enter(name: str) -> Any:
        return lambda layer, given: inside.append(f"{name or 'the module itself'} ({type(layer).__name__})")

    hooks = []
    for name, layer in module.named_modules():
        hooks += [layer.register_forward_pre_hook(enter(name)), layer.register_forward_hook(lambda *_: _drop(inside))]
    watch = _Watch(inside)
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]), watch:
            module(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return tuple(dict.fromkeys(watch.found))


def _drop(inside: list[str]) -> None:
    inside.pop()


class _Watch(TorchDispatchMode):
    """Notes every copy of a float64 tensor into a narrower floating type, and in which layer that was."""

    def __init__(self, inside: list[str]) -> None:
        super().__init__()
        self.inside, self.found = inside, list[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        copied = func is torch.ops.aten._to_copy.default and args[0].dtype == torch.float64
        if copied and result.is_floating_point() and result.dtype != torch.float64:
            where = self.inside[-1] if self.inside else "the module itself"
            self.found.append(f"{where}: {str(result.dtype).removeprefix('torch.')}")
        return result
