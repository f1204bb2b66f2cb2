"""LSTMs over the rows and the diagonals of pictures against step loops: CPU seconds of a forward and backward pass.

    make bench NAME=pixel_rnn

One thread, float32, 16 pictures of 28 x 28, hidden vectors of 64, 128 and 256, the variants alternating in one process.
Peers, both with autograd:
    loop        a 1-D convolution of the hidden vectors at every line, gates by chunks; diagonals by a loop over padded
                rows (the form of most repositories)
    tuned       the neighbours side by side and one matrix product a line (`deepcanon.sequence.pixel_rnn` as it is
                exported)
Quality: largest difference of hidden vectors and of the gradient of the weights from `tuned` in float64, two pictures.
"""

import torch
import torch.nn.functional as F
from record import cpu_seconds, interleaved, record, row_of_seconds
from torch import Tensor

from deepcanon.parts.recurrence_on_lines import recur_on_lines
from deepcanon.sequence.lstm import LSTMRule
from deepcanon.sequence.pixel_rnn import by_autograd

BATCH, SIDE, ROUNDS = 16, 28, 5
SIZES = {64: 0.95, 128: 0.95, 256: 1.5}
OFFSETS = {"row": (-1, 0, 1), "diagonal": (0, -1)}


def loop(sums: Tensor, weight: Tensor, offsets: tuple[int, ...], *, diagonals: bool) -> Tensor:
    """A convolution along the line at every step; sums [N, H, W, 4 h]."""
    side, size = sums.shape[1], weight.shape[2]
    kernel = weight.permute(0, 2, 1)
    if diagonals:
        kernel = kernel.flip(2)  # from above first
        lines = torch.stack([F.pad(sums[:, i], (0, 0, i, side - 1 - i)) for i in range(side)], 1).permute(2, 0, 3, 1)
    else:
        lines = sums.permute(1, 0, 3, 2)
    pad = (1, 0) if diagonals else (1, 1)
    hidden = cell = lines.new_zeros(lines.shape[1], size, side)
    found = []
    for line in lines:
        i, f, o, g = (line + F.conv1d(F.pad(hidden, pad), kernel)).chunk(4, 1)
        cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
        hidden = o.sigmoid() * cell.tanh()
        found.append(hidden)
    maps = torch.stack(found, 1)  # [N, lines, h, places]
    if not diagonals:
        return maps.permute(0, 1, 3, 2)
    return torch.stack([maps[:, i : i + side, :, i] for i in range(side)], 1)


def ours(sums: Tensor, weight: Tensor, offsets: tuple[int, ...], *, diagonals: bool) -> Tensor:
    return recur_on_lines(LSTMRule(), sums, weight, offsets, diagonals=diagonals)


VARIANTS = {"ours": ours, "loop": loop, "tuned": by_autograd}


def passed(name: str, kind: str, sums: Tensor, weight: Tensor, outer: Tensor) -> tuple[Tensor, Tensor]:
    """Hidden vectors, and the gradient of the weights."""
    leaves = sums.detach().requires_grad_(), weight.detach().requires_grad_()
    hidden = VARIANTS[name](*leaves, OFFSETS[kind], diagonals=kind == "diagonal")
    return hidden.detach(), torch.autograd.grad((hidden * outer).sum(), leaves)[1]


def main():
    rows = []
    for kind, offsets in OFFSETS.items():
        for size, target in SIZES.items():
            torch.manual_seed(0)
            sums = torch.randn(BATCH, SIDE, SIDE, 4 * size)
            weight = torch.randn(4 * size, len(offsets), size) / (len(offsets) * size) ** 0.5
            outer = torch.randn(BATCH, SIDE, SIDE, size)
            few = [part[:2] for part in (sums, outer)]
            exact = passed("tuned", kind, few[0].double(), weight.double(), few[1].double())
            errors = {}
            for name in VARIANTS:
                found = passed(name, kind, few[0], weight, few[1])
                errors[name] = max(float((a - b).abs().max()) for a, b in zip(found, exact, strict=True))
            measure = {
                name: lambda name=name, given=(kind, sums, weight, outer): cpu_seconds(lambda: passed(name, *given))
                for name in VARIANTS
            }
            interleaved(measure, 1)  # memory is touched, kernels are chosen
            took = interleaved(measure, ROUNDS)
            for name in ("loop", "tuned"):
                unit = f"CPU seconds for the {kind} LSTM, H = {size}, forward and backward"
                quality = f"largest error {errors['ours']:.1e}, theirs {errors[name]:.1e}"
                peer = f"torch, {name}"
                rows.append(row_of_seconds(peer, torch.__version__, unit, took["ours"], took[name], target, quality))
    record("pixel_rnn", rows)


if __name__ == "__main__":
    main()
