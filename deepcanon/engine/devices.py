"""The device of a run: which one a process takes, what is held on it, and how values get there without waiting.

A copy from ordinary memory makes the host wait until the GPU has done all that it was given before; one from pinned
memory does not. Splits that fit are held on the device, so that a batch is an index there.
"""

import dataclasses
import os
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from deepcanon.data.splits import Split
from deepcanon.errors import UsageError
from deepcanon.settings import Settings

__all__ = [
    "backend", "device_of", "fits", "generator", "held_on", "local_rank", "moved", "settle_device", "settle_float64",
]  # fmt: skip

SHARE = 4
"""A split is held on the device if it takes a quarter of the memory that is free there."""


def settle_device(settings: Settings) -> Settings:
    """The device that `auto` stands for.

    Raises:
        UsageError: the device asked for is not available.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if settings.device == "auto":
        return settings.with_(device="cuda" if there["cuda"] else "mps" if there["mps"] else "cpu")
    if not there.get(settings.device):
        found = ", ".join(name for name, here in there.items() if here)
        raise UsageError(f"--device {settings.device}: this machine has {found}")
    return settings


def settle_float64(
    settings: Settings, asked: str, computes: bool, facts: Mapping[str, Any], splits: Iterable[Any] = ()
) -> tuple[Settings, str]:
    """What needs float64 is computed on the CPU where the GPU is Apple's; and a line that says so, or "".

    Args:
        asked: for which device.
        computes: whether the recipe does so whatever the data are.
        facts: of the recipe; its inputs are of the type of "shift".

    Raises:
        UsageError: that GPU was asked for by its name.
    """
    values = [facts.get("shift"), *(value for split in splits for value in (split.x, split.y))]
    held = any(isinstance(value, Tensor) and value.dtype == torch.float64 for value in values)
    if settings.device != "mps" or not (computes or held):
        return settings, ""
    what = "this recipe computes" if computes else "the columns of these data are held"
    reason = f"{what} in float64, which Apple's GPU does not have"
    if asked == "auto":
        return settings.with_(device="cpu"), f"{reason}: using the CPU"
    raise UsageError(f"--device mps: {reason}: use --device cpu or auto")


def backend() -> str:
    """Of the process group: collectives of tensors on the CPU by gloo, of those on GPUs by NCCL."""
    return "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"


def local_rank() -> int:
    """Which process of its machine this is, as torchrun says."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def device_of(kind: str) -> torch.device:
    """The device that this process takes: of several GPUs the one of its own number.

    Raises:
        UsageError: the machine has more processes than GPUs.
    """
    if kind != "cuda" or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return torch.device(kind)
    mine, there = local_rank(), torch.cuda.device_count()
    if mine >= there:
        raise UsageError(f"process {mine} on this machine has no GPU: start at most {there} processes")
    torch.cuda.set_device(mine)
    return torch.device(kind, mine)


def moved(value: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device; the host does not wait for a GPU."""
    if value.device.type == device.type:
        return value
    if device.type == "cuda" and value.device.type == "cpu" and value.layout is torch.strided:
        value = value.pin_memory()  # torch keeps the memory until the copy is done
    # On mps an asynchronous copy may read memory that was freed already, and may be read too early on the host.
    return value.to(device, non_blocking="mps" not in (device.type, value.device.type) and device.type != "cpu")


def generator(device: torch.device, seed: int) -> torch.Generator:
    """A seeded generator on the device."""
    return torch.Generator(device).manual_seed(seed)


def fits(needed: int, device: torch.device) -> bool:
    """Whether this many bytes are a small part of what is free on the device."""
    if device.type == "cuda":
        return needed * SHARE <= torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return needed * SHARE <= torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return True


def held_on(split: Any, device: torch.device) -> Any:
    """A split with its tensors on the device; itself on the CPU, or where it holds no tensors or does not fit."""
    if device.type == "cpu" or type(split) is not Split or not isinstance(split.x, Tensor):
        return split
    if split.x.layout is not torch.strided:
        return split
    y, parts = split.y, split.parts
    needed = split.x.nbytes + sum(0 if one is None else one.nbytes for one in (y, parts))
    if not fits(needed, device):
        return split
    y, parts = (None if one is None else moved(one, device) for one in (y, parts))
    return dataclasses.replace(split, x=moved(split.x, device), y=y, parts=parts)
