"""Learning-rate schedules as pure functions of (step, steps): nothing to save, nothing to resume.

One cycle: Smith and Topin 2017, "Super-Convergence" (arXiv:1708.07120): a rise to the peak, then a fall to zero.
Departure: the fall is half a cosine rather than a line, and momentum stays constant.

    >>> from deepcanon.parts.schedules import one_cycle
    >>> [round(one_cycle(step, 10, warmup=0.2), 2) for step in (0, 1, 2, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.04]
"""

import math

__all__ = ["one_cycle"]


def one_cycle(step: int, steps: int, warmup: float = 0.2) -> float:
    """Share of the peak rate at `step` of `steps`: a line up over the first `warmup` share, then a cosine to 0."""
    if steps < 1 or step < 0 or not 0 <= warmup < 1:
        raise ValueError(f"step {step} of {steps} with warmup {warmup} is not a schedule")
    rise = warmup * steps
    if step < rise:
        return min(1.0, (step + 1) / rise)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rise) / (steps - rise))))
