"""Convolution and pooling by loops over positions, and their gradients by the definition, in NumPy float64."""

import numpy as np


def starts(size, kernel, stride, before, after, ceil=False):
    """First positions of all windows, counted in the unpadded input: found by trying, not by a formula."""
    found, place = [], -before
    while place + kernel <= size + after:
        found.append(place)
        place += stride
    if ceil and place < size and (not found or found[-1] + kernel < size + after):
        found.append(place)  # one more that hangs over the end, as long as it begins on a pixel
    return found


def convolution(x, w, b, strides, pads, flipped=False):
    """Values, and functions of the gradient at the output: of the inputs, the weights and the biases."""
    rows = starts(x.shape[2], w.shape[2], strides[0], *pads[0])
    columns = starts(x.shape[3], w.shape[3], strides[1], *pads[1])
    y = np.zeros((len(x), len(w), len(rows), len(columns)))
    terms = []
    for i, top in enumerate(rows):
        for j, left in enumerate(columns):
            y[:, :, i, j] += b
            for u in range(w.shape[2]):
                for v in range(w.shape[3]):
                    r, c = top + u, left + v
                    if 0 <= r < x.shape[2] and 0 <= c < x.shape[3]:
                        place = (w.shape[2] - 1 - u, w.shape[3] - 1 - v) if flipped else (u, v)
                        y[:, :, i, j] += x[:, :, r, c] @ w[:, :, place[0], place[1]].T
                        terms.append((i, j, r, c, *place))

    def gradients(g):
        dx, dw = np.zeros(x.shape), np.zeros(w.shape)
        for i, j, r, c, u, v in terms:
            dx[:, :, r, c] += g[:, :, i, j] @ w[:, :, u, v]
            dw[:, :, u, v] += g[:, :, i, j].T @ x[:, :, r, c]
        return dx, dw, g.sum((0, 2, 3))

    return y, gradients


def pool(x, kind, window, strides, pads, ceil=False, count_padding=True):
    """Values, and the function of the gradient at the output that gives that of the inputs."""
    height, width = x.shape[2:]
    rows = starts(height, window[0], strides[0], *pads[0], ceil)
    columns = starts(width, window[1], strides[1], *pads[1], ceil)
    y, shares = np.zeros((*x.shape[:2], len(rows), len(columns))), []
    for i, top in enumerate(rows):
        for j, left in enumerate(columns):
            seen = [(r, c) for r in range(top, top + window[0]) for c in range(left, left + window[1])]
            inside = [(r, c) for r, c in seen if 0 <= r < height and 0 <= c < width]
            padded = [(r, c) for r, c in seen if r < height + pads[0][1] and c < width + pads[1][1]]
            values = np.stack([x[:, :, r, c] for r, c in inside])
            if kind == "max":
                y[:, :, i, j] = values.max(0)
                first = values.argmax(0)
                shares += [(i, j, r, c, first == place) for place, (r, c) in enumerate(inside)]
            else:
                area = len(padded) if count_padding else len(inside)
                y[:, :, i, j] = values.sum(0) / area
                shares += [(i, j, r, c, 1 / area) for r, c in inside]

    def gradient(g):
        dx = np.zeros(x.shape)
        for i, j, r, c, share in shares:
            dx[:, :, r, c] += share * g[:, :, i, j]
        return dx

    return y, gradient
