"""Exact t-SNE against openTSNE and scikit-learn: CPU seconds to the same divergence, computed by one function.

    make bench NAME=tsne          (MNIST under $DEEPCANON_DATA, or it is downloaded; three quarters of an hour)
    python benchmarks/tsne.py 2000

The first 2,000 and 5,000 digits on 50 principal components, perplexity 30, the start of ours for all, exaggeration 12
for 250 steps. The peers take 1,000 steps and approximate: openTSNE by interpolation (FFT), scikit-learn by Barnes-Hut;
ours takes the fewest of hundreds of steps whose divergence is no larger. KL(P || Q) of every map is that of the exact P
in float64. One thread, variants alternating in one process; three rounds at 5,000 points, where one takes minutes.
"""

import sys

import sklearn
import torch
from record import cpu_seconds, interleaved, record, row_of_seconds
from sklearn.manifold import TSNE as BarnesHut

from deepcanon.data import open_data
from deepcanon.representation import PCA, TSNE
from deepcanon.representation.tsne import joint_probabilities, tsne_cost

try:
    import openTSNE
except ImportError:
    openTSNE = None
    print("openTSNE is not installed: its rows are left out")

SIZES, HUNDREDS, ROUNDS, TARGET = (2_000, 5_000), range(400, 1501, 100), {2_000: 5, 5_000: 3}, 1.0


def peers(x, start):
    """Maps by name, and their versions."""
    rows = x.numpy()

    def barnes_hut():
        return BarnesHut(perplexity=30.0, init=start.numpy(), method="barnes_hut", n_jobs=1).fit_transform(rows)

    found = {"scikit-learn TSNE, Barnes-Hut": (barnes_hut, sklearn.__version__)}
    if openTSNE is not None:

        def fft():
            options = {"negative_gradient_method": "fft", "neighbors": "exact", "n_jobs": 1}
            return openTSNE.TSNE(perplexity=30, initialization=start.numpy(), n_iter=750, **options).fit(rows)

        found["openTSNE, FFT"] = (fft, openTSNE.__version__)
    return found


def compare(points):
    data = open_data(("images",), "mnist", options={"images": {"valid_share": 0.0}})["train"]
    x = PCA(50).fit(data.x[:10_000].flatten(1).double() / 255).transform(data.x[:points].flatten(1).double() / 255)
    p, maps = joint_probabilities(x), {}

    def variant(name, make):
        return lambda: cpu_seconds(lambda: maps.update({name: make()}))

    def divergence(y):
        return float(tsne_cost(torch.as_tensor(y).double(), p))

    others = peers(x, TSNE().begin(x).y)
    goals = {name: divergence(make()) for name, (make, _) in others.items()}
    print(f"{points} points: {goals}", flush=True)
    fewest = steps_to(x, p, goals)
    variants = {name: variant(name, make) for name, (make, _) in others.items() if name in fewest}
    for steps in {steps for steps, _ in fewest.values()}:
        variants[steps] = variant(steps, lambda steps=steps: TSNE(max_iter=steps).fit_transform(x))
    took = interleaved(variants, ROUNDS[points])
    for name, (steps, reached) in fewest.items():
        quality = f"KL {reached:.4f} after {steps} steps, theirs {goals[name]:.4f} after 1,000"
        unit = f"CPU seconds to the same KL, {points:,} points"
        yield row_of_seconds(name, others[name][1], unit, took[steps], took[name], TARGET, quality)


def steps_to(x, p, goals):
    """Of each peer: how many steps of ours reach its divergence, and what ours is then."""
    model, fewest = TSNE(), {}
    now = model.begin(x)
    for step in range(HUNDREDS[-1]):
        now, _ = model.step(now, p, step)
        if step + 1 in HUNDREDS:
            reached = float(tsne_cost(now.y, p))
            for name, goal in goals.items():
                if reached <= goal:
                    fewest.setdefault(name, (step + 1, reached))
            if len(fewest) == len(goals):
                return fewest
    for name in goals.keys() - fewest.keys():
        print(f"no row against {name}: {reached:.4f} after {HUNDREDS[-1]} steps, theirs {goals[name]:.4f}")
    return fewest


def main():
    for points in map(int, sys.argv[1:] or SIZES):
        record("tsne", list(compare(points)))


if __name__ == "__main__":
    main()
