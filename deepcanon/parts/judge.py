"""A small convolutional classifier that judges generated images: are they sure, even over the classes, like the data?

An untrained generator scores "all ten classes" when every sample counts for its most probable class. So classes are
counted only among samples of which the judge is sure (p > 0.9), and means and covariances of the judge's last hidden
features are compared with those of real images by the Frechet distance. The judge's accuracy and the distance between
two sets of real images (the floor) must be stated with every figure: both depend on the judge.

    >>> import torch
    >>> from deepcanon.parts.judge import Judge
    >>> Judge((1, 28, 28), 10)(torch.zeros(2, 1, 28, 28, dtype=torch.uint8)).shape
    torch.Size([2, 10])
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from .divergences import frechet_distance, gaussian_fit, kl_divergence
from .optimizers import Adam

__all__ = ["Judge", "Reference", "judge_against_real", "judge_samples", "passes", "reference", "train_judge"]

SURE = 0.9
PRESENT = 0.02
ROWS = 500  # at a time


class Judge(nn.Module):
    """Two convolutions and a hidden layer on raw pixels.

    Args:
        shape: (channels, height, width) of an image.
        classes: how many logits there are.
        features: units of the hidden layer, in which distances are measured.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int, *, features: int = 128) -> None:
        super().__init__()
        channels, height, width = shape
        self.first = nn.Conv2d(channels, 16, 5, padding=2)
        self.second = nn.Conv2d(16, 32, 5, padding=2)
        self.hidden = nn.Linear(32 * (height // 4) * (width // 4), features)
        self.output = nn.Linear(features, classes)

    def features(self, pixels: UInt8[Tensor, "batch channels height width"]) -> Float[Tensor, "batch features"]:
        x = (pixels.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
        x = F.max_pool2d(F.relu(self.first(x)), 2)
        x = F.max_pool2d(F.relu(self.second(x)), 2)
        return F.relu(self.hidden(x.flatten(1)))

    def forward(self, pixels: UInt8[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        """Logits for each image of pixels from 0 to 255."""
        return self.output(self.features(pixels))


def train_judge(
    pixels: UInt8[Tensor, "examples channels height width"],
    labels: Int[Tensor, "examples"],
    classes: int,
    *,
    steps: int = 1500,
    batch: int = 100,
    learning_rate: float = 3e-3,
) -> Judge:
    """Adam with a step size that falls to zero; draws from torch's default generator."""
    channels, height, width = pixels.shape[1:]
    judge = Judge((channels, height, width), classes)
    optimizer = Adam(judge.parameters(), learning_rate, fused=True)
    order = torch.randperm(len(pixels))
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * (1 - step / steps)
        start = step * batch % max(1, len(pixels) - batch + 1)
        rows = order[start : start + batch]
        with torch.autocast("cpu", torch.bfloat16):
            logits = judge(pixels[rows])
        loss = F.cross_entropy(logits.float(), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return judge.eval()


class Reference(NamedTuple):
    """What samples are compared with: features of real images, and their class shares."""

    mean: Float[Tensor, "features"]
    covariance: Float[Tensor, "features features"]
    shares: Float[Tensor, "classes"]


@torch.no_grad()
def _look(judge: Judge, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Features and class probabilities, some rows at a time, on the judge's device."""
    where = judge.output.weight.device
    features = torch.cat([judge.features(rows.to(where)) for rows in pixels.split(ROWS)])
    return features, judge.output(features).softmax(1)


def reference(judge: Judge, pixels: Tensor, labels: Tensor | None = None) -> Reference:
    """The judge's view of real images; class shares are those of the labels, else of its guesses."""
    features, probabilities = _look(judge, pixels)
    seen = probabilities.argmax(1) if labels is None else labels.to(features.device)
    counts = torch.bincount(seen, minlength=probabilities.shape[1]).double()
    return Reference(*gaussian_fit(features), counts / counts.sum())


def judge_samples(judge: Judge, samples: Tensor, real: Reference) -> dict[str, int | float]:
    """What the judge makes of samples: all shares are of 1.

    confident: share of samples of which it is sure; classes, smallest_class, class_kl: among these, the classes with a
    share of at least 2 %, the smallest share, and KL(samples, real) of the shares; frechet: distance of all samples.
    """
    features, probabilities = _look(judge, samples)
    sure, guess = probabilities.max(1)
    counts = torch.bincount(guess[sure > SURE], minlength=probabilities.shape[1]).double()
    shares = counts / counts.sum().clamp_min(1)
    return {
        "confident": (sure > SURE).double().mean().item(),
        "classes": int((shares >= PRESENT).sum()),
        "smallest_class": shares.min().item(),
        # Without one sure sample there is no histogram: the largest value that the formula can give.
        "class_kl": (kl_divergence(shares, real.shares) if counts.sum() else -real.shares.min().log()).item(),
        "frechet": frechet_distance(*gaussian_fit(features), real.mean, real.covariance).item(),
    }


def judge_against_real(
    judge: Judge,
    samples: UInt8[Tensor, "samples channels height width"],
    pixels: UInt8[Tensor, "examples channels height width"],
    labels: Int[Tensor, "examples"],
    known: Reference,
) -> dict[str, int | float]:
    """`judge_samples` against as many real images, and figures that put the result into perspective.

    frechet_floor: distance of the real images from `known`, which are other real ones; judge_accuracy: of the judge on
    all of them.

    Args:
        pixels, labels: real images that the judge has not learned from.
        known: its view of those that it has learned from; their class shares are the goal.
    """
    few = pixels[: len(samples)]
    real = reference(judge, few)._replace(shares=known.shares)
    with torch.no_grad():
        where = judge.output.weight.device
        guesses = torch.cat([judge(rows.to(where)).argmax(1) for rows in pixels.split(ROWS)]).to(labels.device)
    return {
        **judge_samples(judge, samples, real),
        "frechet_floor": judge_samples(judge, few, known)["frechet"],
        "judge_accuracy": (guesses == labels).float().mean().item(),
    }


def passes(judged: Mapping[str, int | float]) -> bool:
    """Whether samples are sure (80 %), even over the classes (2 % of each, KL 0.03) and near the data (Frechet 60)."""
    even = judged["smallest_class"] >= PRESENT and judged["class_kl"] <= 0.03
    return even and judged["confident"] >= 0.8 and judged["frechet"] <= 60
