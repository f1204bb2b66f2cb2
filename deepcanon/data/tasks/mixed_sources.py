"""Mixed sources: columns that are random mixtures of as many independent sources.

A row is A s: `--mixture` sources s of the distribution `--source` (Laplace with the density exp(-|s|) / 2, uniform in
[0, 1), or normal), and a square matrix A of standard normal numbers. Each split is new rows of one A.

    h(A s) = sum_k h(s_k) + log |det A|,   h = 1 + log 2, 0, (1/2) log(2 pi e)                            (1)
    of the Gaussian with the same covariance: (1/2) log(2 pi e var s_k) instead of h(s_k)                 (2)

(2) is the score of a model that sees correlations and nothing else; the gap to (1) is what independent components find,
and there is none where the sources are normal: they cannot be unmixed (Comon 1994, theorem 11).

>>> from deepcanon.data.tasks.mixed_sources import entropies
>>> [round(nats, 4) for nats in entropies("laplace")]
[1.6931, 1.7655]
"""

import math
from typing import Any

import numpy as np
import torch

from ..known import Known
from ..seeds import stream_seed
from ..splits import Split
from . import Task

__all__ = ["KIND", "draw", "entropies"]

KIND = "tables"
ENTROPY = {"laplace": 1 + math.log(2), "uniform": 0.0, "gaussian": 0.5 * math.log(2 * math.pi * math.e)}
VARIANCE = {"laplace": 2.0, "uniform": 1 / 12, "gaussian": 1.0}
OTHERS = 10  # the other splits have a row for this many of training


def entropies(source: str) -> tuple[float, float]:
    """Of a source, and of the Gaussian with its variance, in nats."""
    return ENTROPY[source], 0.5 * math.log(2 * math.pi * math.e * VARIANCE[source])


def draw(seed: int, options: dict[str, Any]) -> Task:
    """A finite set from the seed."""
    count, samples = options.get("mixture", 4), options.get("samples", 10_000)
    source = options.get("source", "laplace")
    random = np.random.Generator(np.random.PCG64(stream_seed(seed, 0, "mixture")))
    mixing = random.normal(size=(count, count))
    kinds = {"laplace": random.laplace, "uniform": random.uniform, "gaussian": random.normal}
    sizes = {"train": samples, "valid": max(2, samples // OTHERS), "test": max(2, samples // OTHERS)}
    sources = {split: kinds[source](size=(size, count)) for split, size in sizes.items()}
    volume = math.log(abs(np.linalg.det(mixing)))
    own, normal = (count * nats + volume for nats in entropies(source))
    known = Known("nll", normal, own, "nats", ("a Gaussian of the same covariance", "entropy of the sources"))
    truth = {"mixing": torch.from_numpy(mixing), "sources": torch.from_numpy(sources["train"])}
    splits = {split: Split(torch.from_numpy(rows @ mixing.T)) for split, rows in sources.items()}
    return Task(splits, (known,), {}, truth)
