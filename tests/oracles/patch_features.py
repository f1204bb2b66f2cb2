"""Features of learned patches in NumPy float64, one patch at a time: normalize, whiten, encode, and only then pool."""

import numpy as np


def normalized(patch, how):
    """A patch as a row; Coates, Ng and Lee add 10 to variances of pixels 0..255."""
    row = patch.reshape(-1).astype(np.float64)
    if how == "none":
        return row
    row = row - row.sum() / row.size
    return row if how == "brightness" else row / np.sqrt((row**2).sum() / row.size + 10 / 255**2)


def statistics(rows, eps):
    """Mean and the matrix of ZCA; eps is a share of the mean variance."""
    mean = rows.mean(0)
    values, vectors = np.linalg.eigh((rows - mean).T @ (rows - mean) / len(rows))
    scale = np.where(values > 1e-12 * values.max(), 1 / np.sqrt(values.clip(0) + eps * values.mean() + 1e-300), 0)
    return mean, vectors @ np.diag(scale) @ vectors.T


def code(v, learned, encoder):
    """Of one whitened patch: sigmoid units (weight, bias), or the triangle of the distances from (centroids,)."""
    if encoder == "sparse-autoencoder":
        weight, bias = learned
        return 1 / (1 + np.exp(-(weight @ v + bias)))
    z = np.array([np.sqrt(((v - centroid) ** 2).sum()) for centroid in learned[0]])
    return np.maximum(0, z.mean() - z)


def maps(images, patch, stride, codes):
    """codes(patch) at every place [N, K, h, w]."""
    places = [range(0, side - patch + 1, stride) for side in images.shape[2:]]
    return np.array(
        [[[codes(image[:, i : i + patch, j : j + patch]) for j in places[1]] for i in places[0]] for image in images]
    ).transpose(0, 3, 1, 2)


def pooled(values, grid):
    """Means over grid x grid regions, which share no place."""
    height, width = values.shape[2:]
    rows = [height * i // grid for i in range(grid + 1)]
    columns = [width * j // grid for j in range(grid + 1)]
    found = np.zeros((*values.shape[:2], grid, grid))
    for i in range(grid):
        for j in range(grid):
            part = values[:, :, rows[i] : rows[i + 1], columns[j] : columns[j + 1]]
            found[:, :, i, j] = part.sum((2, 3)) / (part.shape[2] * part.shape[3])
    return found.reshape(len(values), -1)


def naive(images, learned, mean, matrix, *, encoder, patch, stride=1, grid=2, normalize="none"):
    """The features without folding: every patch is whitened by itself."""
    return pooled(
        maps(images, patch, stride, lambda p: code(matrix @ (normalized(p, normalize) - mean), learned, encoder)), grid
    )


def logits(params, images, *, encoder, patch, stride=1, grid=2, contrast=False):
    """The module from its parameters: the filters are applied to the pixels of each patch."""
    flat = {name: value.reshape(len(value), -1) for name, value in params.items()}
    weight, bias = flat["convolution.weight"], params["convolution.bias"]

    def codes(p):
        row = p.reshape(-1)
        if contrast:  # what a folded filter gives for a patch is divided by the patch's deviation
            row = row / np.sqrt(((row - row.mean()) ** 2).mean() + 10 / 255**2)
        products = weight @ row + bias
        if encoder == "sparse-autoencoder":
            return 1 / (1 + np.exp(-products))
        v = flat["whitening.weight"] @ row + params["whitening.bias"]
        z = np.sqrt((v @ v - 2 * products).clip(0))
        return np.maximum(0, z.mean() - z)

    features = pooled(maps(images, patch, stride, codes), grid)
    return ((features - params["shift"]) / params["scale"]) @ params["output.weight"].T + params["output.bias"]


def kmeans(rows, centroids, spherical):
    """One pass, row by row; a centroid without rows stays. Returns the centroids and the mean squared distance."""
    sums, counts, error = np.zeros(centroids.shape), np.zeros(len(centroids)), 0.0
    for row in rows:
        distances = ((row - centroids) ** 2).sum(1)
        nearest = (centroids @ row).argmax() if spherical else distances.argmin()
        sums[nearest] += row
        counts[nearest] += 1
        error += distances[nearest] / len(rows)
    found = centroids.copy()
    for k in np.flatnonzero(counts):
        if spherical:
            length = np.sqrt((sums[k] ** 2).sum())
            found[k] = sums[k] / length if length else centroids[k]
        else:
            found[k] = sums[k] / counts[k]
    return found, error
