"""A moving average of a network's weights and running statistics, from which samples or predictions are taken.

Polyak and Juditsky 1992, "Acceleration of stochastic approximation by averaging", with weights that fade exponentially:

    average <- m average + (1 - m) new          m the memory

>>> import torch
>>> average, new = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
>>> _ = average.weight.data.fill_(1.0), new.weight.data.fill_(2.0)
>>> follow(average, new, 0.75)
>>> average.weight.item()
1.25
"""

import torch
from torch import nn

__all__ = ["follow"]


@torch.no_grad()
def follow(average: nn.Module, new: nn.Module, memory: float) -> None:
    """Moves all floating-point parameters and buffers of `average` towards those of `new`, which has the same ones."""
    if not 0 <= memory <= 1:
        raise ValueError(f"the decay of a moving average is from 0 to 1, not {memory}")
    pairs = list(zip(average.state_dict().values(), new.state_dict().values(), strict=True))
    old, now = ([pair[place] for pair in pairs if pair[0].is_floating_point()] for place in (0, 1))
    torch._foreach_lerp_(old, now, 1 - memory)
