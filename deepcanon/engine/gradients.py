"""Gradients of the global batch: every process's own are added up while the backward pass is still going on.

Parameters are put into buckets in the reverse of their order, which is about the order in which their gradients are
ready. A bucket is sent as soon as it and all before it are full, so that processes whose graphs differ still send the
same buckets in the same order. With the last one go what the processes must know besides: the loss, what the means were
taken over, and which parameters had a gradient at all. A model of up to 25 MB thus needs one exchange a step.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

__all__ = ["backward_together"]

BUCKET = 25 << 20
"""Bytes after which a bucket is closed; torch's DistributedDataParallel closes its own there."""


def backward_together(loss: Tensor, parameters: Sequence[nn.Parameter], count: float | None = None) -> Tensor:
    """Adds the gradient of the loss over all processes to the parameters.

    A parameter that got no gradient in any process has none afterwards; one that got it in some has it in all.

    Args:
        loss: mean over this process's rows, a scalar.
        count: what the mean was taken over; None if that is the same in all processes.

    Returns:
        The mean over all processes, detached.
    """
    earlier = [parameter.grad for parameter in parameters]
    for parameter in parameters:
        parameter.grad = None
    # Before the backward pass, since a layer may carry gradients of one process into another (batch normalisation).
    weighted = loss / dist.get_world_size() if count is None else loss * float(count)
    flight = _Flight(parameters)
    hooks = [parameter.register_post_accumulate_grad_hook(flight.arrived) for parameter in parameters]
    try:
        weighted.backward()
    finally:
        for hook in hooks:
            hook.remove()
    total = flight.landed(weighted.detach(), count)
    for parameter, before in zip(parameters, earlier, strict=True):
        if before is not None:
            parameter.grad = before if parameter.grad is None else parameter.grad.add_(before)
    return total


def buckets_of(parameters: Sequence[nn.Parameter], limit: int) -> list[list[nn.Parameter]]:
    """The parameters from last to first, cut where the type or device changes and where `limit` bytes are reached."""
    buckets: list[list[nn.Parameter]] = []
    size = 0
    for parameter in reversed(parameters):
        like = buckets[-1][0] if buckets else None
        if like is None or size >= limit or (like.dtype, like.device) != (parameter.dtype, parameter.device):
            buckets.append([])
            size = 0
        buckets[-1].append(parameter)
        size += parameter.nbytes
    return buckets


class _Flight:
    """The buckets of one backward pass, on their way."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self.buckets = buckets_of(parameters, BUCKET)
        self.place = {id(p): i for i, bucket in enumerate(self.buckets) for p in bucket}
        self.missing = [len(bucket) for bucket in self.buckets]
        self.sent: list[tuple[Tensor, Any]] = []  # each with what can be waited for

    def arrived(self, parameter: Tensor) -> None:
        """Its gradient is complete."""
        self.missing[self.place[id(parameter)]] -= 1
        # The last bucket waits for the loss.
        while len(self.sent) < len(self.buckets) - 1 and self.missing[len(self.sent)] == 0:
            self.send(self.pieces(self.buckets[len(self.sent)]))

    def pieces(self, bucket: list[nn.Parameter]) -> list[Tensor]:
        return [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]

    def send(self, pieces: list[Tensor]) -> None:
        flat = torch.cat(pieces)
        self.sent.append((flat, dist.all_reduce(flat, async_op=True)))

    def landed(self, weighted: Tensor, count: float | None) -> Tensor:
        """Sends the rest, waits for all, and gives the parameters their gradients."""
        while len(self.sent) < len(self.buckets) - 1:
            self.send(self.pieces(self.buckets[len(self.sent)]))
        last = self.buckets[-1] if self.buckets else []
        dtype = torch.promote_types(weighted.dtype, torch.float32)
        shares = weighted.new_ones(2, dtype=dtype)
        shares[0] = weighted
        shares[1].fill_(1.0 if count is None else float(count))
        ends = [shares, self.used(dtype, weighted.device)]
        # What is told joins the last bucket where that costs neither digits nor a copy to another device.
        joined = bool(last) and (last[0].dtype, last[0].device) == (dtype, weighted.device)
        if joined:
            self.send([*self.pieces(last), *ends])
        else:
            if last:
                self.send(self.pieces(last))
            self.send(ends)
        for _, work in self.sent:
            work.wait()
        told = self.sent[-1][0][-2 - len(self.place) :]
        loss, over, used = told[0], told[1], told[2:]
        place = 0
        for bucket, (sums, _) in zip(self.buckets, self.sent, strict=False):
            sizes = [parameter.numel() for parameter in bucket]
            means = sums if count is None else sums / over.to(sums.dtype)
            for parameter, mean in zip(bucket, means[: sum(sizes)].split(sizes), strict=True):
                if parameter.grad is not None:
                    parameter.grad.copy_(mean.view_as(parameter))
                elif used[place]:  # the only number that is read from a device, and only where a gradient is missing
                    parameter.grad = mean.view_as(parameter).clone()
                place += 1
        return (loss if count is None else loss / over).to(weighted.dtype)

    def used(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        """1 for each parameter that has a gradient here, in the order of the buckets."""
        used = torch.ones(len(self.place), dtype=dtype, device=device)
        for place, parameter in enumerate(p for bucket in self.buckets for p in bucket):
            if parameter.grad is None:
                used[place] = 0
        return used
