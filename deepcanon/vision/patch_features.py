"""Features of learned patches: whitening folded into the filters of a convolution, pooling by region, and a softmax.

Sources: UFLDL tutorial (Stanford), "Convolution and pooling" and "Linear decoders", `cnnConvolve.m`: units of a sparse
autoencoder; Coates, Ng and Lee 2011, "An analysis of single-layer networks in unsupervised feature learning" (AISTATS):
k-means with the triangle activation. Spherical k-means: Coates and Ng 2012, "Learning feature representations with
k-means". No arXiv numbers.

B images, C channels, H x W pixels in [0, 1], patches x [D] of C x k x k, K features, h x w places of a patch, g x g
regions; mean mu [D] and ZCA matrix M [D, D] of training patches y; unit weights W [K, D], b [K], or centroids c_j [D].

    y = x,   or x - m(x),   or (x - m(x)) / s(x),   s(x)^2 = var(x) + 10 / 255^2      over the D values         (1)
    v = M (y - mu)                                                                                              (2)
    f = sigmoid(W v + b)                                                               sparse autoencoder       (3)
    f_j = max(0, mean_i z_i - z_j),   z_j = |v - c_j|                                  triangle                 (4)
    p = mean of f over each of the g x g regions, which share no place                 AFTER (3) or (4)         (5)
    logits = V (p - shift) / scale + d                                                 training statistics      (6)

No patch is whitened by itself: with P = I - 1 1^T / D where (1) takes the mean away, else P = I,

    W v + b  = (W M P) x + (b - W M mu)                                                one convolution          (7)
    z_j^2    = |v|^2 - 2 ((c_j^T M P) x - c_j^T M mu - |c_j|^2 / 2)                    the same, W = c          (8)
    |v|^2    = |(M P) x - M mu|^2                                                      D more filters           (9)

|v|^2 is a quadratic form in the pixels, so a box filter of their squares is not enough; D filters are exact. Division
by s(x) is not linear: it cannot be folded. The products with x in (7) to (9) are then divided by s at each place, which
is exact too, with s from D filters P, since a box filter of squares minus a squared mean would cancel.

k-means: each v to the nearest c_j, or, spherical, to that of the largest c_j . v; then c_j is the mean, or the sum at
length 1, of its own.                                                                                          (10)

Departures: means, where Coates et al. sum over quadrants: (6) makes that the same. A softmax instead of an SVM. A
centroid that no patch is nearest to stays. In (8) rounding leaves |v - c_j| uncertain by the root of the type's epsilon
times |v| where a patch lies on a centroid; elsewhere by a few epsilons.

    >>> import torch
    >>> from deepcanon.vision import PatchFeatures
    >>> net = PatchFeatures(1, 10, size=(28, 28), features=50)
    >>> net(torch.rand(2, 1, 28, 28)).shape, net.features(torch.rand(2, 1, 28, 28)).shape
    (torch.Size([2, 10]), torch.Size([2, 200]))
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deepcanon.parts.row_blocks import row_blocks

__all__ = ["PatchFeatures", "distant_rows", "kmeans_means", "kmeans_sums", "normalized", "region_means", "triangle"]

ADDED = 10 / 255**2  # to variances: Coates et al. add 10 for pixels 0..255
NORMALIZATIONS = ("none", "brightness", "contrast")
ENCODERS = ("sparse-autoencoder", "kmeans", "spherical-kmeans")


def normalized(patches: Float[Tensor, "patches *pixels"], how: str) -> Float[Tensor, "patches features"]:
    """Equation (1), each patch as a row: "none", "brightness" (without its mean), "contrast" (divided by s as well)."""
    if how not in NORMALIZATIONS:
        raise ValueError(f"normalize is {', '.join(NORMALIZATIONS)}, not {how!r}")
    rows = patches.flatten(1)
    if how == "none":
        return rows
    rows = rows - rows.mean(1, keepdim=True)
    return rows if how == "brightness" else rows / (rows.square().mean(1, keepdim=True) + ADDED).sqrt()


def triangle(distances: Float[Tensor, "batch features *places"]) -> Float[Tensor, "batch features *places"]:
    """Equation (4) of distances z."""
    return (distances.mean(1, keepdim=True) - distances).relu_()


def region_means(maps: Float[Tensor, "batch features height width"], grid: int) -> Float[Tensor, "batch pooled"]:
    """Equation (5), feature by feature, [B, K g g]: region i has the rows from floor(i h / g) to floor((i + 1) h / g).

    Raises:
        ValueError: there are fewer places than regions.
    """
    if maps.ndim != 4 or not 1 <= grid <= min(maps.shape[2:]):
        raise ValueError(f"maps {tuple(maps.shape)} cannot be divided into {grid} x {grid} regions")
    rows, columns = ([side * i // grid for i in range(grid + 1)] for side in maps.shape[2:])
    means = [
        maps[:, :, rows[i] : rows[i + 1], columns[j] : columns[j + 1]].mean((2, 3))
        for i in range(grid)
        for j in range(grid)
    ]
    return torch.stack(means, 2).flatten(1)


def distant_rows(
    rows: Float[Tensor, "rows features"], count: int, generator: torch.Generator
) -> Float[Tensor, "count features"]:
    """Rows to start k-means from, each drawn in proportion to its squared distance from those before (k-means++).

    Source: Arthur and Vassilvitskii 2007, "k-means++: the advantages of careful seeding". Where fewer rows than
    `count` differ, the rest are drawn uniformly.
    """
    found = [rows[torch.randint(len(rows), (1,), generator=generator)]]
    distances = (rows - found[0]).square().sum(1)
    for number in torch.rand(count - 1, generator=generator, dtype=torch.float64).tolist():
        sums = distances.cumsum(0, dtype=torch.float64)
        place = torch.searchsorted(sums, number * sums[-1]) if sums[-1] > 0 else torch.tensor(int(number * len(rows)))
        found.append(rows[place.clamp(max=len(rows) - 1)][None])
        distances = torch.minimum(distances, (rows - found[-1]).square().sum(1))
    return torch.cat(found)


def kmeans_sums(
    rows: Float[Tensor, "rows features"], centroids: Float[Tensor, "clusters features"], spherical: bool
) -> tuple[Float[Tensor, "clusters features"], Float[Tensor, "clusters"], Float[Tensor, ""]]:
    """Of equation (10): the sum and the number of each centroid's rows, and the sum of their squared distances.

    All in float64, so that the sums of several processes may be added.
    """
    sums = torch.zeros_like(centroids, dtype=torch.float64)
    counts, error = sums.new_zeros(len(centroids)), sums.new_zeros(())
    lengths = centroids.square().sum(1)
    for block in row_blocks(rows, rows.dtype):
        scores = block @ centroids.T
        nearest = (scores if spherical else scores - 0.5 * lengths).argmax(1)
        sums.index_add_(0, nearest, block.double())
        counts += nearest.bincount(minlength=len(centroids))
        error += (block - centroids[nearest]).square().sum()
    return sums, counts, error


def kmeans_means(
    sums: Float[Tensor, "clusters features"],
    counts: Float[Tensor, "clusters"],
    centroids: Float[Tensor, "clusters features"],
    spherical: bool,
) -> Float[Tensor, "clusters features"]:
    """Equation (10): the next centroids, from the sums over all rows; one without rows stays."""
    size = (sums.norm(dim=1) if spherical else counts)[:, None]
    return torch.where(size > 0, sums / size, centroids).to(centroids.dtype)


class PatchFeatures(nn.Module):
    """Equations (3) to (9). Until `fold` is called, the features are random and the whitening is the identity.

    Args:
        in_channels, classes: C and the number of logits.
        size: (height, width) of the images.
        features: K.
        patch: k.
        stride: pixels from one place of a patch to the next.
        grid: g.
        encoder: "sparse-autoencoder" for (3), "kmeans" or "spherical-kmeans" for (4).
        normalize: of (1): "none", "brightness" or "contrast".
    """

    def __init__(
        self,
        in_channels: int,
        classes: int,
        *,
        size: tuple[int, int] = (28, 28),
        features: int = 400,
        patch: int = 6,
        stride: int = 1,
        grid: int = 2,
        encoder: str = "kmeans",
        normalize: str = "none",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        if encoder not in ENCODERS or normalize not in NORMALIZATIONS:
            known = f"{', '.join(ENCODERS)} and {', '.join(NORMALIZATIONS)}"
            raise ValueError(f"encoder and normalize are of {known}, not {encoder!r} and {normalize!r}")
        if min(features, patch, stride, grid) < 1 or (min(size) - patch) // stride + 1 < grid:
            asked = f"{grid} x {grid} regions of patches of {patch} x {patch} with stride {stride}"
            raise ValueError(f"images of {size[0]} x {size[1]} are too small for {asked}: make one of these smaller")
        made, pixels = {"device": device, "dtype": dtype}, in_channels * patch * patch
        self.in_channels, self.size, self.grid = in_channels, size, grid
        self.encoder, self.normalize = encoder, normalize
        self.convolution = nn.Conv2d(in_channels, features, patch, stride, **made)
        self.whitening = None
        if encoder != "sparse-autoencoder":
            self.whitening = nn.Conv2d(in_channels, pixels, patch, stride, **made)
        self.output = nn.Linear(features * grid * grid, classes, **made)
        self.shift: Tensor
        self.scale: Tensor
        self.register_buffer("shift", torch.zeros(self.output.in_features, **made))
        self.register_buffer("scale", torch.ones(self.output.in_features, **made))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weights N(0, 1 / D), biases and logits 0, whitening the identity."""
        weight = self.convolution.weight
        pixels = weight[0].numel()
        rows, zero = torch.randn_like(weight).flatten(1) / pixels**0.5, weight.new_zeros(pixels)
        bias = None if self.whitening else weight.new_zeros(len(rows))
        self.fold(rows, bias, zero, torch.eye(pixels, dtype=weight.dtype, device=weight.device))
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    @torch.no_grad()
    def fold(
        self,
        weight: Float[Tensor, "features pixels"],
        bias: Float[Tensor, "features"] | None,
        centre: Float[Tensor, "pixels"],
        matrix: Float[Tensor, "pixels pixels"],
    ) -> None:
        """Equations (7) to (9), computed in float64: the filters take pixels from now on.

        Args:
            weight: W of (3), or the centroids of (4).
            bias: b of (3); None with centroids.
            centre, matrix: mu and M.
        """
        rows, white, mu = weight.double(), matrix.double(), centre.double()
        if rows.shape != (self.convolution.out_channels, len(mu)) or white.shape != (len(mu), len(mu)):
            given = f"weight {tuple(weight.shape)}, centre {tuple(centre.shape)} and matrix {tuple(matrix.shape)}"
            raise ValueError(f"{given} do not fit filters {tuple(self.convolution.weight.shape)}")
        if (bias is None) != (self.whitening is not None):
            raise ValueError("units of a sparse autoencoder have biases, centroids have none")
        start = -0.5 * rows.square().sum(1) if bias is None else bias.double()
        _set(self.convolution, self._centred(rows @ white), start - rows @ (white @ mu))  # (7), (8)
        if self.whitening is not None:
            _set(self.whitening, self._centred(white), -white @ mu)  # (9)

    def _centred(self, rows: Tensor) -> Tensor:
        """Rows times P."""
        return rows if self.normalize == "none" else rows - rows.mean(1, keepdim=True)

    def maps(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch features rows columns"]:
        """Equation (3) or (4) at every place."""
        if images.ndim != 4 or images.shape[1:] != (self.in_channels, *self.size):
            raise ValueError(f"expected [batch, {self.in_channels}, {self.size[0]}, {self.size[1]}] images, "
                             f"got {tuple(images.shape)}")  # fmt: skip
        deviation = self._deviation(images) if self.normalize == "contrast" else None
        products = _apply(self.convolution, images, deviation)  # (7)
        if self.whitening is None:
            return products.sigmoid_()  # (3)
        norms = _apply(self.whitening, images, deviation).square().sum(1, keepdim=True)  # (9)
        # In place: a pass over new memory takes longer than the arithmetic.
        squares = products.mul_(-2).add_(norms)  # (8)
        return triangle(squares.clamp_min_(torch.finfo(squares.dtype).tiny).sqrt_())  # (4)

    def _deviation(self, images: Tensor) -> Tensor:
        """s of (1) at every place."""
        weight = self.convolution.weight
        pixels = weight[0].numel()
        eye = torch.eye(pixels, dtype=weight.dtype, device=weight.device)
        filters = self._centred(eye).view(pixels, *weight.shape[1:])
        centred = F.conv2d(images, filters, stride=self.convolution.stride)
        return (centred.square().mean(1, keepdim=True) + ADDED).sqrt()

    def features(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch pooled"]:
        """Equation (5), [B, K g g]."""
        return region_means(self.maps(images), self.grid)

    def classify(self, features: Float[Tensor, "batch pooled"]) -> Float[Tensor, "batch classes"]:
        """Equation (6)."""
        return self.output((features - self.shift) / self.scale)

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        """Logits for each image."""
        return self.classify(self.features(images))


def _set(layer: nn.Conv2d, rows: Tensor, bias: Tensor) -> None:
    layer.weight.copy_(rows.view_as(layer.weight))
    layer.bias.copy_(bias)  # type: ignore[union-attr]


def _apply(layer: nn.Conv2d, images: Tensor, deviation: Tensor | None) -> Tensor:
    """The layer's products with the pixels, divided by the deviation at each place if there is one."""
    if deviation is None:
        return layer(images)
    return F.conv2d(images, layer.weight, stride=layer.stride) / deviation + layer.bias[:, None, None]  # type: ignore[index]
