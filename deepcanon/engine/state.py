"""Turns the named state of a recipe into tensors and JSON, and puts it back.

What can be saved: `nn.Module`, `Optimizer` and any object with `state_dict`/`load_state_dict`; tensors, NumPy arrays,
numbers, strings, None, and lists, tuples and dicts of these. Nothing is pickled.

Restoring never adopts a loaded tensor: values are copied into tensors that have the layout of the uninterrupted run. A
fused optimizer that is given a contiguous moment for a channels_last parameter computes wrong numbers without an error.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from deepcanon.engine.slices import is_slice, local

__all__ = ["non_finite", "pack", "restore", "shared_between_processes", "snapshot", "unpack"]


def pack(value: Any, tensors: dict[str, Tensor], key: str = "", known: dict[tuple, str] | None = None) -> Any:
    """The JSON tree of `value`; its tensors are added to `tensors` under keys that begin with `key`.

    Tensors that share storage, shape and strides (tied weights) are stored once, unless processes share them out.

    Args:
        known: the keys of the tensors so far, by where they lie.

    Raises:
        TypeError: a value of another kind, named by its key.
    """
    known = {} if known is None else known
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else {"$float": repr(float(value))}
    if isinstance(value, Tensor):
        # An alias is found by identity of memory, so that a tied weight is not doubled.
        name = known.setdefault(_layout(value), key) if value.numel() and not is_slice(value) else key
        if name == key:
            tensors[key] = value.detach()
        return {"$tensor": name}
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biufc":
            raise TypeError(f"cannot save {key}: an array of {value.dtype}")
        flat = torch.from_numpy(np.frombuffer(np.ascontiguousarray(value).tobytes(), np.uint8).copy())
        tensors[key] = flat
        return {"$array": key, "dtype": value.dtype.str, "shape": list(value.shape)}
    if isinstance(value, list | tuple):
        items = [pack(item, tensors, f"{key}/{i}", known) for i, item in enumerate(value)]
        return items if isinstance(value, list) else {"$tuple": items}
    if isinstance(value, dict):
        for name in value:
            if not isinstance(name, str | int):
                raise TypeError(f"cannot save {key}: a key of type {type(name).__name__}")
        return {"$dict": [[name, pack(item, tensors, f"{key}/{name}", known)] for name, item in value.items()]}
    raise TypeError(f"cannot save {key}: a {type(value).__name__}")


def _layout(tensor: Tensor) -> tuple:
    return tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype


def unpack(tree: Any, tensors: dict[str, Tensor]) -> Any:
    """The inverse of `pack`."""
    if isinstance(tree, list):
        return [unpack(item, tensors) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if "$float" in tree:
        return float(tree["$float"])
    if "$tensor" in tree:
        return tensors[tree["$tensor"]]
    if "$array" in tree:
        raw = tensors[tree["$array"]].numpy().tobytes()
        return np.frombuffer(raw, np.dtype(tree["dtype"])).reshape(tree["shape"]).copy()
    if "$tuple" in tree:
        return tuple(unpack(item, tensors) for item in tree["$tuple"])
    return {name: unpack(item, tensors) for name, item in tree["$dict"]}


def non_finite(value: Any, key: str = "") -> str:
    """The name of the first tensor in a snapshot that holds NaN or infinity; "" if none does."""
    if isinstance(value, Tensor):
        value = local(value)
        # A finite sum means finite values, and costs no second tensor.
        fine = not value.is_floating_point() or math.isfinite(float(value.sum())) or bool(value.isfinite().all())
        return "" if fine else key
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    return next((found for name, item in items if (found := non_finite(item, f"{key}/{name}"))), "")


def shared_between_processes(value: Any) -> bool:
    """Modules and optimizers are equal in every process; everything else may differ and is saved by each."""
    return isinstance(value, nn.Module | torch.optim.Optimizer)


def snapshot(value: Any) -> Any:
    """What is saved of an attribute: its `state_dict`, or itself."""
    return value.state_dict() if hasattr(value, "state_dict") else value


def restore(owner: Any, name: str, saved: Any) -> None:
    """Puts a saved value back into attribute `name` of `owner`."""
    target = getattr(owner, name)
    if isinstance(target, torch.optim.Optimizer):
        target.load_state_dict(saved)
        for parameter, entries in target.state.items():
            for entry, value in entries.items():
                if isinstance(value, Tensor) and value.dim() and value.shape == parameter.shape:
                    entries[entry] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
                elif isinstance(value, Tensor):
                    entries[entry] = value.clone()
    elif hasattr(target, "load_state_dict"):
        target.load_state_dict(saved)
    else:
        setattr(owner, name, _like(target, saved))


def _like(target: Any, saved: Any) -> Any:
    """A copy of `saved` with the layout and device that the value in place has."""
    if isinstance(saved, Tensor):
        if isinstance(target, Tensor):
            if target.shape == saved.shape and target.dtype == saved.dtype:
                return torch.empty_like(target).copy_(saved)
            return saved.clone().to(target.device)
        return saved.clone()
    if isinstance(saved, list | tuple):
        inside = target if isinstance(target, list | tuple) and len(target) == len(saved) else [None] * len(saved)
        return type(saved)(_like(t, s) for t, s in zip(inside, saved, strict=True))
    if isinstance(saved, dict):
        known = target if isinstance(target, dict) else {}
        return {name: _like(known.get(name), item) for name, item in saved.items()}
    return saved
