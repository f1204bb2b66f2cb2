"""t-SNE against openTSNE and scikit-learn: CPU seconds until a map is no worse, next to the divergence of the maps.

    make bench NAME=tsne          (MNIST under $DEEPCANON_DATA, or it is downloaded; an hour)
    python benchmarks/tsne.py 5000

Digits on 50 principal components, perplexity 30, one start for all, exaggeration 12 for 250 steps, all else as each
library has it: ours and openTSNE (FFT) interpolate among 90 neighbours, exact ones or as openTSNE finds them if it is
not told; scikit-learn takes Barnes-Hut trees. The peers take 1,000 steps, ours 1,250: after 1,000 its map of one set of
5,000 digits in three was worse than openTSNE's, by 0.003. Each of three rounds draws its own digits; a row counts only
if our map is no worse in any of them. KL(P || Q) of every map is computed by one function: P of the 90 neighbours, Z of
all pairs, in float64; from 5,000 points on scikit-learn is left out. One thread, variants alternating in one process.
"""

import functools
import sys

import sklearn
import torch
from record import cpu_seconds, record, row_of_seconds
from sklearn.manifold import TSNE as BarnesHut

from deepcanon.data import open_data
from deepcanon.parts.plane_field import exact_field
from deepcanon.representation import PCA, TSNE
from deepcanon.representation.tsne import sparse_probabilities

try:
    import openTSNE
except ImportError:
    openTSNE = None
    print("openTSNE is not installed: its rows are left out")

SIZES, ROUNDS, TARGET, TREES = (2_000, 5_000, 20_000), 3, 1.5, 2_000
STEPS, THEIRS = 1_250, 1_000


def peers(x, start):
    """Maps by name, and their versions."""
    rows, start = x.numpy(), start.numpy()

    def barnes_hut():
        return BarnesHut(perplexity=30.0, init=start, method="barnes_hut", n_jobs=1).fit_transform(rows)

    def fft(neighbours):
        options = {"negative_gradient_method": "fft", "neighbors": neighbours, "n_jobs": 1}
        return openTSNE.TSNE(perplexity=30, initialization=start, n_iter=THEIRS - 250, **options).fit(rows)

    found = {}
    if openTSNE is not None:
        for neighbours in ("exact", "auto"):
            made = functools.partial(fft, neighbours)
            found[f"openTSNE, FFT, neighbours {neighbours}"] = made, openTSNE.__version__
    return found | ({"scikit-learn TSNE, Barnes-Hut": (barnes_hut, sklearn.__version__)} if len(x) <= TREES else {})


def divergence(y, p):
    """KL(P || Q): P sparse, Z by all pairs."""
    y = torch.as_tensor(y).double()
    return float(p.constant + p.pull(y)[1] + (exact_field(y, y).potential.sum() - len(y)).log())


def compare(points):
    data = open_data(("images",), "mnist", options={"images": {"valid_share": 0.0}})["train"]
    seconds, reached, versions = {"ours": []}, {"ours": []}, {}
    for seed in range(ROUNDS):
        drawn = torch.randperm(len(data.x), generator=torch.Generator().manual_seed(seed))[:points]
        pixels = data.x[drawn].flatten(1).double() / 255
        x = PCA(50).fit(pixels).transform(pixels)
        others, p = peers(x, TSNE().begin(x).y), sparse_probabilities(x, dtype=torch.float64)
        variants = {"ours": lambda x=x: TSNE(max_iter=STEPS).fit_transform(x)} | {
            name: make for name, (make, _) in others.items()
        }
        versions |= {name: version for name, (_, version) in others.items()}
        for name, make in variants.items():
            maps = []
            seconds.setdefault(name, []).append(cpu_seconds(lambda make=make, maps=maps: maps.append(make())))
            reached.setdefault(name, []).append(divergence(maps[0], p))
            print(points, seed, name, f"{seconds[name][-1]:.1f} s, KL {reached[name][-1]:.4f}", flush=True)
    for name, version in versions.items():
        if any(ours > theirs for ours, theirs in zip(reached["ours"], reached[name], strict=True)):
            print(f"no row against {name}: {reached['ours']} is worse than {reached[name]}")
            continue
        ours, theirs = (" ".join(f"{kl:.4f}" for kl in reached[who]) for who in ("ours", name))
        quality = f"KL of three sets of digits {ours}, theirs {theirs}; {STEPS:,} and {THEIRS:,} steps"
        yield row_of_seconds(name, version, f"CPU seconds, {points:,} points", seconds["ours"], seconds[name], TARGET,
                             quality)  # fmt: skip


def main():
    for points in map(int, sys.argv[1:] or SIZES):
        record("tsne", list(compare(points)))


if __name__ == "__main__":
    main()
