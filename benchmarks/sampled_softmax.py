"""Time of a training step of the output layer by a sample of the classes, against all of them, over how many there are.

    python benchmarks/sampled_softmax.py

One thread, CPU time, the two alternating in one process, medians. A step is loss, backward pass and an update by SGD:
the full softmax is `nn.Linear` and `cross_entropy`, the sampled one `SampledSoftmax` with sparse gradients. The quality
with each ratio is the bias of the gradient at that many samples, relative to the full one; what it does to a language
model is measured by `deepcanon verify sampled-softmax`. The curve is drawn into docs/results/sampled_softmax.png.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import statistics
import sys
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.record import RESULTS, cpu_seconds, interleaved, ratio, record
from deepcanon.sequence import SampledSoftmax
from deepcanon.sequence.sampled_softmax import bias_of_a_task

CLASSES, SAMPLES = (10_000, 100_000, 1_000_000), 1000
ROWS, FEATURES, ROUNDS, SECONDS = 128, 128, 7, 0.3
LEAST = {10_000: 2.0, 100_000: 10.0, 1_000_000: 50.0}


def step_of(layer: nn.Module, loss) -> float:
    """CPU seconds of a step, repeated until the clock can tell."""
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.01)

    def work():
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    count, spent = 0, 0.0
    while spent < SECONDS:
        spent, count = spent + cpu_seconds(work), count + 1
    return spent / count


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows, curve = [], {}
    for classes in CLASSES:
        hidden, targets = torch.randn(ROWS, FEATURES), torch.randint(classes, (ROWS,))
        head = SampledSoftmax(FEATURES, classes, SAMPLES, sparse=True)
        layer = nn.Linear(FEATURES, classes)
        took = interleaved(
            {
                "ours": lambda h=head, x=hidden, t=targets: step_of(h, lambda: h.loss(x, t)),
                "peer": lambda w=layer, x=hidden, t=targets: step_of(w, lambda: nn.functional.cross_entropy(w(x), t)),
            },
            ROUNDS,
        )
        ours, theirs = (statistics.median(took[name]) for name in ("ours", "peer"))
        curve[classes] = (1000 * ours, 1000 * theirs)
        rows.append(
            {
                "peer": f"full softmax, {classes:,} classes",
                "version": torch.__version__,
                "ours": 1000 * ours,
                "peers": 1000 * theirs,
                "unit": f"ms CPU per step, {SAMPLES:,} samples",
                "ratio": ratio(took["ours"], took["peer"], larger_is_better=False),
                "target": LEAST[classes],
                "quality": f"bias of the gradient {bias_of_a_task(classes, SAMPLES):.2%} of its size",
            }
        )
        del head, layer
    record("sampled_softmax", rows)
    draw(curve)


def draw(curve: dict[int, tuple[float, float]]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 3.8), layout="constrained")
    axes = figure.subplots()
    for place, name in enumerate((f"{SAMPLES:,} samples", "full softmax")):
        axes.plot(list(curve), [times[place] for times in curve.values()], "o-", label=name)
    axes.set(xscale="log", yscale="log", xlabel="classes", ylabel="ms CPU per training step")
    axes.legend()
    figure.savefig(RESULTS / "sampled_softmax.png", dpi=100)


if __name__ == "__main__":
    main()
