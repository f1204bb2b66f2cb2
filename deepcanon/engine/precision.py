"""Which arithmetic a device has."""

import functools

import torch

__all__ = ["has_bf16", "widest"]


@functools.cache
def has_bf16(device: str) -> bool:
    """Whether matrix products in bf16 are of use: a CPU without the instructions takes sixty times as long for them as
    in fp32, and has no kernel for an LSTM at all."""
    if device == "cpu":
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return device != "cuda" or torch.cuda.is_bf16_supported()


def widest(device: str) -> torch.dtype:
    """The widest numbers of a device: Apple's GPU has no float64."""
    return torch.float32 if device == "mps" else torch.float64
