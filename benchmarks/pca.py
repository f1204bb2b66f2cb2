"""PCA of 10,000 images of 784 pixels against scikit-learn, with equal components: no gain is claimed.

    python benchmarks/pca.py

One thread, CPU time, the two alternating in one process, medians. Ours computes in float64; so does scikit-learn when
it is given float64, which is the comparison that counts. The one with float32 input stands beside it: scikit-learn
then computes in float32, ours still in float64.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import statistics
import sys
from pathlib import Path

import numpy as np
import sklearn
import torch
from sklearn.decomposition import PCA as Peer

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.record import cpu_seconds, gemm_rate, interleaved, record
from deepcanon.data import DataError, open_data
from deepcanon.representation import PCA

ROWS, KEPT, ROUNDS = 10_000, 50, 9
LEAST = 0.9


def compare(x):
    fitted = {}

    def fit(name, make):
        return lambda: cpu_seconds(lambda: fitted.update({name: make().fit(x)}))

    variants = {
        "ours": fit("ours", lambda: PCA(KEPT)),
        "peer": fit("peer", lambda: Peer(KEPT, svd_solver="covariance_eigh")),
    }
    interleaved(variants, 1)
    took = interleaved(variants, ROUNDS)
    cosines = np.abs((fitted["ours"].components_.numpy() * fitted["peer"].components_).sum(1))
    ratio = statistics.median(p / o for o, p in zip(took["ours"], took["peer"], strict=True))
    return statistics.median(took["ours"]), statistics.median(took["peer"]), ratio, cosines.min()


def main():
    torch.set_num_threads(1)
    try:
        x, name = open_data(("images",), "mnist")["train"].x[:ROWS].flatten(1).double().numpy() / 255, "MNIST"
    except DataError as error:  # the timing is the same on noise
        print(f"no MNIST ({error}): correlated noise instead")
        random = np.random.default_rng(0)
        x, name = random.normal(size=(ROWS, 784)) @ random.normal(size=(784, 784)), "noise"
    rate = gemm_rate(torch.float64)
    floor = (ROWS * 784**2 + 4 / 3 * 784**3) / rate  # half of the symmetric product, and the tridiagonal form
    print(f"{name}, {ROWS}x784 -> {KEPT}; floor {ROWS / floor:,.0f} rows/s at {rate / 1e9:.0f} GFLOP/s in float64")
    rows = []
    # scikit-learn given float32 computes in float32, ours in float64: no target there.
    for kind, target in (("float64", LEAST), ("float32", 0.0)):
        ours, peers, ratio, quality = compare(x.astype(kind))
        rows.append(
            {
                "peer": f"scikit-learn PCA covariance_eigh, {kind} input",
                "version": sklearn.__version__,
                "ours": ROWS / ours,
                "peers": ROWS / peers,
                "unit": "rows/s",
                "ratio": ratio,
                "target": target,
                "quality": f"smallest cosine between components {quality:.8f}",
            }
        )
    record("pca", rows)


if __name__ == "__main__":
    main()
