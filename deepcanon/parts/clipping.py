r"""Clipping by the global norm, folded into a fused optimizer's own pass over the gradients.

Paper: Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", 2013 (arXiv:1211.5063).

(1) g <- g * min(1, limit / ||g||), the norm taken over ALL parameters together

A fused optimizer divides the gradients by ``optimizer.grad_scale`` while it reads them (that is how loss scaling
works), so that clipping costs no second reading and writing of every gradient.

>>> weight = torch.nn.Parameter(torch.ones(2))
>>> optimizer = torch.optim.SGD([weight], lr=1.0, fused=True)
>>> weight.grad = torch.tensor([3.0, 4.0])
>>> float(clip_in_step(optimizer, limit=1.0))
5.0
>>> [round(w, 3) for w in weight.tolist()]
[0.4, 0.2]
"""

import torch
from torch import Tensor

__all__ = ["clip_in_step"]


def clip_in_step(optimizer: torch.optim.Optimizer, limit: float) -> Tensor:
    """Takes the optimizer's step with gradients clipped to the norm ``limit``; returns the norm before clipping.

    An infinite limit never clips.

    Raises:
        FloatingPointError: the norm is NaN or infinite; no weight was changed. It is not checked on a GPU, since that
        would wait for it: there a fused optimizer skips the step by itself, and the returned norm shows it.
    """
    if not limit > 0:
        raise ValueError(f"limit {limit} must be positive")
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients, foreach=True)
    here = norm.device.type == "cpu"
    if here and not bool(norm.isfinite()):
        raise FloatingPointError(f"the norm of the gradients is {float(norm)}: no weight was changed")
    single = all(g.dtype == torch.float32 for g in gradients)
    if not (single and all(group.get("fused") for group in optimizer.param_groups)):
        torch._foreach_mul_(gradients, (limit / norm).clamp(max=1.0).to(gradients[0]))
        optimizer.step()
        return norm
    # (1)
    scale = {"grad_scale": (norm / limit).clamp(min=1.0)}
    vars(optimizer).update(scale if here else {**scale, "found_inf": (~norm.isfinite()).float()})
    try:
        optimizer.step()
    finally:
        for name in ("grad_scale", "found_inf"):
            vars(optimizer).pop(name, None)
    return norm
