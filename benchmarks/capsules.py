"""Routing between capsules against the forms that people write: CPU seconds of one forward and backward pass.

    make bench NAME=capsules

One thread, float32, 64 pictures, 1,152 capsules of 8 units to ten of 16, three iterations, the variants alternating in
one process. Peers, all with autograd:
    public      votes by a broadcast matrix product with W expanded to [B, 1152, 10, 16, 8], sums by products and sums
    tuned       votes and sums by einsum (`deepcanon.vision.capsules.route`, which equals the paper's procedure)
Quality: largest difference of the parents and of the gradient of W from those of `tuned` in float64.
"""

import torch
from record import cpu_seconds, interleaved, record, row_of_seconds
from torch import Tensor

from deepcanon.vision.capsules import CapsuleLayer, route, squash

BATCH, CHILDREN, UNITS, PARENTS, OUT = 64, 1152, 8, 10, 16
ROUNDS, ITERATIONS = 5, 3
TARGETS = {"public": 5.0, "tuned": 5.0}


def public(u: Tensor, weight: Tensor) -> Tensor:
    """As most repositories have it."""
    matrices = weight.permute(0, 2, 3, 1)[None].expand(len(u), -1, -1, -1, -1)
    votes = torch.matmul(matrices, u[:, :, None, :, None].expand(-1, -1, PARENTS, -1, -1)).squeeze(-1)
    b = torch.zeros(len(u), CHILDREN, PARENTS, 1)
    for iteration in range(ITERATIONS):
        c = torch.softmax(b, dim=2)
        v = squash((c * votes).sum(dim=1, keepdim=True))
        if iteration < ITERATIONS - 1:
            b = b + (votes * v).sum(dim=-1, keepdim=True)
    return v[:, 0]


def main():
    torch.manual_seed(0)
    layer = CapsuleLayer(CHILDREN, UNITS, PARENTS, OUT, iterations=ITERATIONS)
    u, outer = squash(torch.randn(BATCH, CHILDREN, UNITS)), torch.randn(BATCH, PARENTS, OUT)

    def tuned(u: Tensor, weight: Tensor) -> Tensor:
        return route(torch.einsum("bik,ikjd->bijd", u, weight), ITERATIONS)[0]

    variants = {"ours": lambda u, weight: layer(u), "public": public, "tuned": tuned}

    def run(name: str) -> tuple[Tensor, Tensor]:
        x = u.clone().requires_grad_()
        v = variants[name](x, layer.weight)
        return v.detach(), torch.autograd.grad((v * outer).sum(), (x, layer.weight))[1]

    few = u[:8].double()
    exact_weight = layer.weight.detach().double().requires_grad_()
    exact = tuned(few, exact_weight)
    slope = torch.autograd.grad((exact * outer[:8].double()).sum(), exact_weight)[0]
    errors = {}
    for name, variant in variants.items():
        found = variant(u[:8], layer.weight)
        grad = torch.autograd.grad((found * outer[:8]).sum(), layer.weight)[0]
        errors[name] = max((found - exact).abs().max().item(), (grad - slope).abs().max().item())
    took = interleaved({name: lambda name=name: cpu_seconds(lambda: run(name)) for name in variants}, ROUNDS)
    rows = [
        row_of_seconds(
            f"torch, {name}", torch.__version__, "CPU seconds for routing 64 pictures, forward and backward",
            took["ours"], took[name], target, f"largest error {errors['ours']:.1e}, theirs {errors[name]:.1e}",
        )
        for name, target in TARGETS.items()
    ]  # fmt: skip
    record("capsules", rows)


if __name__ == "__main__":
    main()
