"""Time of fractional and stochastic pooling with their gradients, against region loops and tuned peers.

    python benchmarks/pooling.py

One thread, CPU time, variants alternating in one process, medians. Maps of 128 x 32 x 28 x 28 in fp32 with the
channels last as in this package's networks (the peers are given the layout in which they are faster). Peers:

- loops: region by region, as the papers' definitions are mostly written: the maximum of a slice, or a multinomial draw;
- `torch.nn.functional.fractional_max_pool2d`, on the same regions (windows of 2, one offset for all maps);
- unfold and multinomial: all regions at once, `F.unfold`, one call of `torch.multinomial`, one gather.

The quality of fractional pooling is the largest difference of values and gradients, rounding of sums. Stochastic draws
differ: the same function compares the mean of 200 draws with the probability-weighted mean, in standard errors.
"""

import itertools
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import statistics
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.record import cpu_seconds, interleaved, ratio, record
from deepcanon.vision.fractional_pooling import borders, fractional_maxima, fractional_pool
from deepcanon.vision.pooling import StochasticPool

SHAPE, ROUNDS, REPEATS = (128, 32, 28, 28), 5, 2
OUT = 20
LAST, FIRST = torch.channels_last, torch.contiguous_format


def fractional_loops(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    b, c = rows.tolist(), columns.tolist()
    lines = [
        torch.stack([x[:, :, i : k + 1, j : l + 1].amax((2, 3)) for j, l in itertools.pairwise(c)], 2)
        for i, k in itertools.pairwise(b)
    ]
    return torch.stack(lines, 2)


def windows(u: float) -> list[Tensor]:
    """Rows of torch's windows of 2 for an offset."""
    alpha = (SHAPE[2] - 2) / (OUT - 1)
    starts = [int((i + u) * alpha) - int(u * alpha) for i in range(OUT - 1)] + [SHAPE[2] - 2]
    return [torch.tensor(starts), torch.tensor(starts) + 1]


def picked(regions: Tensor) -> Tensor:
    """One activation [N] of each region [N, 4] by `torch.multinomial`; 0 where none is positive."""
    some = regions.detach() + (regions.detach().sum(1, keepdim=True) == 0)
    return regions.gather(1, torch.multinomial(some, 1))[:, 0]


def stochastic_loops(x: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    lines = []
    for i in range(0, height - 1, 2):
        line = [picked(x[:, :, i : i + 2, j : j + 2].reshape(-1, 4)) for j in range(0, width - 1, 2)]
        lines.append(torch.stack(line, 1))
    return torch.stack(lines, 1).view(batch, channels, height // 2, width // 2)


def stochastic_unfolded(x: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    columns = F.unfold(x, 2, stride=2).view(batch, channels, 4, -1).transpose(2, 3)
    return picked(columns.reshape(-1, 4)).view(batch, channels, height // 2, width // 2)


OURS = StochasticPool()


def step(function, x: Tensor, *given) -> tuple[Tensor, Tensor]:
    """Values and the gradient of the maps."""
    leaf = x.detach().requires_grad_()
    y = function(leaf, *given)
    y.backward(GRADS[y.shape[-1]])
    return y.detach(), leaf.grad


def timed(function, x: Tensor, *given) -> float:
    def work():
        for _ in range(REPEATS):
            step(function, x, *given)

    return cpu_seconds(work) / REPEATS


def bias(function) -> float:
    """Of 200 draws of a small map: the largest distance of a mean from the expectation, in exact standard errors."""
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1)).relu()
    drawn = function(x.expand(200, -1, -1, -1).contiguous()).double().mean(0)
    values = F.unfold(x.double(), 2, stride=2).view(4, 4, 16)
    shares = values / values.sum(1, keepdim=True).clamp_min(1e-300)
    mean = (shares * values).sum(1)
    error = ((shares * values**2).sum(1) - mean**2).clamp_min(1e-14).sqrt() / 200**0.5
    return ((drawn.view(4, 16) - mean).abs() / error).max().item()


def row(peer: str, took: dict, target: float, quality: str) -> dict:
    ours, theirs = (statistics.median(took[name]) for name in ("ours", "peer"))
    return {
        "peer": peer,
        "version": torch.__version__,
        "ours": 1000 * ours,
        "peers": 1000 * theirs,
        "unit": "ms CPU, forward and backward",
        "ratio": ratio(took["ours"], took["peer"], larger_is_better=False),
        "target": target,
        "quality": quality,
    }


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    first = torch.randn(SHAPE)  # without ties, so that gradients can be compared
    last = first.contiguous(memory_format=LAST)
    rows = []

    sides = borders(28, OUT), borders(28, OUT)
    cases = [("region loops", lambda x: fractional_loops(x, *sides), lambda x: fractional_pool(x, *sides), 3.0)]
    lists = [windows(0.3), windows(0.6)]
    samples = torch.tensor([0.6, 0.3]).expand(*SHAPE[:2], 2).contiguous()
    kernel = lambda x: F.fractional_max_pool2d(x, 2, (OUT, OUT), _random_samples=samples)  # noqa: E731
    cases.append(("torch's fractional_max_pool2d", kernel, lambda x: fractional_maxima(x, *lists), 1.0))
    for name, theirs, ours, target in cases:
        mine, other = step(ours, last), step(theirs, first)
        apart = max((a - b).abs().max().item() for a, b in zip(mine, other, strict=True))
        fair = faster(theirs, first, last)
        took = interleaved(
            {"ours": lambda f=ours: timed(f, last), "peer": lambda f=theirs, x=fair: timed(f, x)}, ROUNDS
        )
        rows.append(row(f"fractional: {name}", took, target, f"values and gradients differ by {apart:.1g}"))

    first = first.relu()
    last = first.contiguous(memory_format=LAST)
    for name, theirs, target in (
        ("region loops", stochastic_loops, 3.0),
        ("unfold and multinomial", stochastic_unfolded, 3.0),
    ):
        fair = faster(theirs, first, last)
        took = interleaved({"ours": lambda: timed(OURS, last), "peer": lambda f=theirs, x=fair: timed(f, x)}, ROUNDS)
        quality = f"bias {bias(OURS):.1f} standard errors, peer {bias(theirs):.1f}"
        rows.append(row(f"stochastic: {name}", took, target, quality))
    record("pooling", rows)


def faster(function, first: Tensor, last: Tensor) -> Tensor:
    """The layout that suits a peer better."""
    return min((first, last), key=lambda x: min(timed(function, x) for _ in range(3)))


GRADS = {size: torch.randn(*SHAPE[:2], size, size) for size in (14, OUT)}

if __name__ == "__main__":
    main()
