"""How features of whitened patches are learned without labels: k-means, or a sparse autoencoder with a linear output.

A learner is a module that holds the whitening as well, all that the filters of a convolution are folded from. Its
updates are over the rows of all processes.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepcanon.data.patches import cut_splits
from deepcanon.engine.figures import Tiles
from deepcanon.engine.shown import filters
from deepcanon.representation.pca import PCA, zca_matrix
from deepcanon.representation.sparse_autoencoder import SparseAutoencoder, sparse_backward
from deepcanon.techniques.convex import torch_lbfgs
from deepcanon.vision.patch_features import PatchFeatures, distant_rows, kmeans_means, kmeans_sums, normalized

__all__ = ["KMeans", "PatchLearner", "SparseUnits", "patch_learner", "standardize", "training_patches"]

LEARNED = (
    "What the filters look for in whitened patches, before the whitening is folded into them: trained ones show edges "
    "and spots, untrained ones noise."
)


class PatchLearner(nn.Module):
    """Whitening, and features of what is whitened.

    Args:
        pixels: D, values of a patch.
    """

    descent: Any = None
    """Its optimizer, if it has one."""

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.centre: Tensor
        self.matrix: Tensor
        self.register_buffer("centre", torch.zeros(pixels))
        self.register_buffer("matrix", torch.eye(pixels))

    def learn_whitening(self, rows: Tensor, eps: float) -> None:
        """Mean and ZCA of training patches [N, D]; `eps` as in `zca_matrix`.

        Raises:
            ValueError: the patches do not vary.
        """
        pca = PCA().fit(rows.double())
        self.centre.copy_(pca.mean_)
        self.matrix.copy_(zca_matrix(pca, eps))

    def whitened(self, rows: Tensor) -> Tensor:
        """The whitened patches [N, D]."""
        return (rows - self.centre) @ self.matrix

    def begin(self, rows: Tensor, generator: torch.Generator) -> None:
        """What is done once with all whitened patches, before the first update."""

    @abstractmethod
    def update(self, rows: Tensor, run: Any) -> tuple[Tensor, bool]:
        """One update on all whitened patches; what is minimised, before it, and whether nothing moves any more."""

    @abstractmethod
    def features(self) -> tuple[Tensor, Tensor | None]:
        """Weights [K, D] of what is whitened, and biases [K] if there are any."""

    def picture(self, shape: Sequence[int]) -> Tiles:
        """The features as pictures of a patch's shape (C, k, k)."""
        return filters(self.features()[0], shape, LEARNED)

    def fold_into(self, model: PatchFeatures) -> None:
        """Makes the filters of a model those of the present features."""
        model.fold(*self.features(), self.centre, self.matrix)


class KMeans(PatchLearner):
    """Centroids.

    Args:
        pixels: D.
        features: K.
        spherical: whether they have length 1.
    """

    def __init__(self, pixels: int, features: int, spherical: bool) -> None:
        super().__init__(pixels)
        self.spherical = spherical
        self.centroids: Tensor
        self.register_buffer("centroids", torch.zeros(features, pixels))

    def begin(self, rows: Tensor, generator: torch.Generator) -> None:
        found = distant_rows(rows, len(self.centroids), generator)
        self.centroids.copy_(F.normalize(found) if self.spherical else found)

    def update(self, rows: Tensor, run: Any) -> tuple[Tensor, bool]:
        sums, counts, error = map(
            run.sum, kmeans_sums(rows[run.rank :: run.world], self.centroids, self.spherical)
        )  # fmt: skip
        moved = kmeans_means(sums, counts, self.centroids, self.spherical)
        arrived = torch.equal(moved, self.centroids)
        self.centroids.copy_(moved)
        return error / len(rows), arrived

    def features(self) -> tuple[Tensor, None]:
        return self.centroids, None


class SparseUnits(PatchLearner):
    """The hidden units of a sparse autoencoder with a linear output.

    Args:
        pixels: D.
        features: K.
        history: pairs of L-BFGS.
        penalties: rho, beta and decay of `sparse_objective`.
    """

    def __init__(self, pixels: int, features: int, history: int, **penalties: float) -> None:
        super().__init__(pixels)
        self.penalties = penalties
        self.autoencoder = SparseAutoencoder(pixels, features, output="linear")
        self.descent = torch_lbfgs(self.autoencoder.parameters(), history)

    def update(self, rows: Tensor, run: Any) -> tuple[Tensor, bool]:
        mine = rows[run.rank :: run.world]
        loss = self.descent.step(
            lambda: sparse_backward(self.autoencoder, mine, len(rows), run.sum, **self.penalties)
        )  # fmt: skip
        return loss, False

    def features(self) -> tuple[Tensor, Tensor]:
        return self.autoencoder.encoder.weight, self.autoencoder.encoder.bias


def patch_learner(options: Any, pixels: int) -> PatchLearner:
    """The learner that the options `encoder`, `features` and those of the autoencoder ask for."""
    if options.encoder == "sparse-autoencoder":
        penalties = {"rho": options.rho, "beta": options.beta, "decay": options.feature_decay}
        return SparseUnits(pixels, options.features, options.history, **penalties)
    return KMeans(pixels, options.features, options.encoder == "spherical-kmeans")


def training_patches(run: Any, prepare: Callable[[Tensor], Tensor], options: Any) -> Tensor:
    """Normalised patches [N, D] of training images, from places that the seed of the run alone decides.

    Raises:
        DataError: the images are smaller than a patch.
    """
    cut = cut_splits({"train": run.data["train"]}, options.patch, options.patches, run.seed)["train"].x
    return normalized(prepare(run.to(cut)), options.normalize)


def standardize(run: Any, model: PatchFeatures, rows: Tensor, total: int) -> None:
    """Gives a model the mean and standard deviation of the features [N, F] of all processes' rows.

    Features that do not vary have the deviation 1.

    Args:
        total: rows of all processes.
    """
    mean = run.sum(rows.sum(0, dtype=torch.float64)) / total
    squares = torch.stack([(part - mean).square().sum(0) for part in rows.split(1024)]).sum(0)
    deviation = (run.sum(squares) / total).sqrt()
    model.shift.copy_(mean)
    model.scale.copy_(torch.where(deviation > 1e-7, deviation, 1.0))
