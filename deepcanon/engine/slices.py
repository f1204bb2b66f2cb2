"""Tensors of which each of several processes holds a part: which they are, how they become whole, and their files.

torch's distributed checkpoint writes them, each process its own parts, by its writer of safetensors: the index that its
other writer leaves is pickled. A file says where each of its parts belongs, so that any number of processes, one of
them too, reads the tensors whole.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from deepcanon.errors import CheckpointError

__all__ = ["PREFIX", "assembled", "is_slice", "local", "whole", "write_parts"]

PREFIX = "shard-"
"""What the names of such files begin with."""


def is_slice(value: Any) -> bool:
    """Whether it is a tensor of which this process holds a part."""
    tensors = sys.modules.get("torch.distributed.tensor")  # imported where anything was cut up
    return tensors is not None and isinstance(value, tensors.DTensor)


def local(value: Any) -> Any:
    """The part that this process holds; anything else as it is."""
    return value.to_local() if is_slice(value) else value


def whole(value: Any) -> Any:
    """A value with whole tensors instead of slices; all processes must call it."""
    if is_slice(value):
        return value.full_tensor()
    if isinstance(value, dict):
        return {name: whole(item) for name, item in value.items()}
    return type(value)(whole(item) for item in value) if type(value) in (list, tuple) else value


def write_parts(folder: Path, tensors: dict[str, Tensor]) -> None:
    """Writes this process's parts of those tensors that are slices; all processes must call it.

    Raises:
        OSError, RuntimeError: a process could not write; all are told so.
    """
    slices = {key: tensor for key, tensor in tensors.items() if is_slice(tensor)}
    if not slices:
        return
    from torch.distributed import checkpoint

    try:
        checkpoint.save(slices, storage_writer=checkpoint.HuggingFaceStorageWriter(str(folder), save_distributed=True))
    except checkpoint.CheckpointException as error:
        why, _ = next(iter(error.failures.values()))  # torch's is not an Exception, which nobody would catch
        raise why if isinstance(why, OSError) else RuntimeError(f"{type(why).__name__}: {why}") from None


def assembled(files: dict[str, bytes], folder: Path) -> dict[str, Tensor]:
    """The whole tensors of a checkpoint by name, from the content of its files of parts.

    Args:
        folder: whose files these are.

    Raises:
        CheckpointError: a part is missing.
        ValueError, KeyError: a file is not one of parts.
    """
    parts: dict[str, list[tuple[list[int], Tensor]]] = {}
    for content in files.values():
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        places = json.loads(header["__metadata__"]["DCP_SHARDING_INFO"])
        for key, tensor in safetensors.torch.load(content).items():
            parts.setdefault(key, []).append((places[key]["saved_offsets"], tensor))
    tensors = {}
    for key, found in parts.items():
        ends = [[begin + size for begin, size in zip(place, part.shape, strict=True)] for place, part in found]
        shape = [max(sizes) for sizes in zip(*ends, strict=True)]
        if sum(part.numel() for _, part in found) != math.prod(shape):
            raise CheckpointError(f"{folder} lacks a part of {key}")
        tensors[key] = torch.empty(shape, dtype=found[0][1].dtype)
        for (place, part), end in zip(found, ends, strict=True):
            tensors[key][tuple(map(slice, place, end))] = part
    return tensors
