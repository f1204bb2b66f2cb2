"""CTC in NumPy float64, of every path and every labelling; and what comes before it, written as sums."""

import itertools

import numpy as np
from oracles import bidirectional


def collapse(path):
    return tuple(symbol for symbol, _ in itertools.groupby(path) if symbol != 0)


def by_labels(log_probs):
    """The probability of every labelling of one row [T, K], summed over all K ** T paths."""
    found = {}
    time, symbols = log_probs.shape
    for path in itertools.product(range(symbols), repeat=time):
        chance = np.exp(sum(log_probs[t, symbol] for t, symbol in enumerate(path)))
        found[collapse(path)] = found.get(collapse(path), 0.0) + chance
    return found


def nll(log_probs, labels, frames):
    found = []
    for row, wanted, n in zip(log_probs, labels, frames, strict=True):
        chance = by_labels(row[:n]).get(tuple(k for k in wanted if k > 0), 0.0)
        found.append(-np.log(chance) if chance else np.inf)
    return np.array(found)


def align(log_probs, labels, frames):
    """Where each label begins on the likeliest of all paths."""
    begins = np.full(labels.shape, -1)
    for row, (log_p, wanted, n) in enumerate(zip(log_probs, labels, frames, strict=True)):
        wanted = tuple(k for k in wanted if k > 0)
        paths = [path for path in itertools.product(range(log_p.shape[1]), repeat=n) if collapse(path) == wanted]
        best = max(paths, key=lambda path: sum(log_p[t, k] for t, k in enumerate(path)))
        starts = [t for t, k in enumerate(best) if k and (t == 0 or best[t - 1] != k)]
        begins[row, : len(starts)] = starts
    return begins


def log_mel(x, rate, bands, window=0.025, hop=0.01):
    """One recording [T], frame by frame and band by band; the fixed matrices are kept in single precision."""
    single = lambda a: np.asarray(a, np.float32).astype(np.float64)  # noqa: E731
    width, step = round(window * rate), round(hop * rate)
    x = np.concatenate([x, np.zeros(max(0, width - len(x)))])
    size = 1
    while size < width:
        size *= 2
    mel = lambda hertz: 2595 * np.log10(1 + hertz / 700)  # noqa: E731
    marks = [700 * (10 ** (m / 2595) - 1) for m in np.linspace(0, mel(rate / 2), bands + 2)]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(width) / (width - 1))
    found = []
    for start in range(0, len(x) - width + 1, step):
        angle = -2 * np.pi * np.outer(np.arange(size // 2 + 1), np.arange(width)) / size
        parts = [single(hann * wave) @ x[start : start + width] for wave in (np.cos(angle), np.sin(angle))]
        power = parts[0] ** 2 + parts[1] ** 2
        energies = []
        for low, middle, high in zip(marks, marks[1:], marks[2:], strict=False):
            total = 0.0
            for k, carried in enumerate(power):
                hertz = k * rate / size
                if low < hertz < high:
                    up, down = (hertz - low) / (middle - low), (high - hertz) / (high - middle)
                    total += carried * single(min(up, down))
            energies.append(np.log(total + 1e-6))
        found.append(energies)
    return np.array(found)


def forward(params, x, lengths, rate=1000, bands=4, joined=2):
    """Log probabilities of each row [n, K + 1], row by row, so that no row sees another's padding; and n."""
    layers = {name.removeprefix("network."): value for name, value in params.items() if name.startswith("network.")}
    rows = []
    for samples, length in zip(x, lengths, strict=True):
        heard = log_mel(samples[:length], rate, bands)
        heard = np.concatenate([heard, np.zeros((-len(heard) % joined, bands))])
        steps = heard.reshape(-1, joined * bands)
        outputs, _ = bidirectional.module(layers, steps[None])
        logits = outputs[0] @ params["head.weight"].T + params["head.bias"]
        logits -= logits.max(1, keepdims=True)
        rows.append(logits - np.log(np.exp(logits).sum(1, keepdims=True)))
    return rows
