"""A convolutional network over the words of a text in NumPy float64, window by window, from Kim's equations."""

import numpy as np


def features(params, tokens, widths):
    """The largest value of each feature map over the windows with a real word, [texts, filters of all widths]."""
    found = []
    for row in tokens:
        real = [t for t in range(len(row)) if row[t] != 0]
        maxima = []
        for number, width in enumerate(widths):
            w, b = params[f"filters.{number}.weight"], params[f"filters.{number}.bias"]
            best = np.zeros(len(b))
            for start in range(1 - width, len(row)):
                inside = [t for t in range(start, start + width) if t in real]
                if not inside:
                    continue
                for f in range(len(b)):
                    total = b[f] + sum(w[f, :, t - start] @ params["embedding.weight"][row[t]] for t in inside)
                    best[f] = max(best[f], total, 0.0)
            maxima.append(best)
        found.append(np.concatenate(maxima))
    return np.array(found)


def module(params, tokens, widths=(3, 4, 5)):
    """The logits [texts, classes]."""
    return features(params, tokens, widths) @ params["output.weight"].T + params["output.bias"]


def windows(real, width):
    """Which windows of `width` places hold a real word, the first one ending at the first place."""
    return np.array(
        [[any(row[max(0, end - width + 1) : end + 1]) for end in range(len(row) + width - 1)] for row in real]
    )


def largest(sums, inside):
    """The largest rectified sum over the windows inside, 0 without any."""
    return np.array([[max([0.0, *filters[keep]]) for filters in row] for row, keep in zip(sums, inside, strict=True)])
