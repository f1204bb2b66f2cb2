"""WaveNet against interpolated n-grams of the same codes, in bits per sample; and cached generation against windows.

    make bench NAME=wavenet

Bits: 8-bit mu-law codes of the spoken digits, each recording from its first sample on. An n-gram of order k is

    p_k(q | h) = (n(h q) + s_k p_{k-1}(q | h')) / (n(h) + s_k),   p_0 = 1 / 256,

n the counts of the training recordings, h' without the oldest code: MacKay and Peto 1995, "A hierarchical Dirichlet
language model". Each strength s_k is chosen on the validation recordings, the grid growing while its edge is best, and
so is the order; the chosen model is measured once on the test recordings. Its bits are the recipe's target. Ours are
those of the record, the mean over its seeds.

Generation: CPU seconds of 200 samples by `WaveNet.step` and by what is written first, the network over a window of the
receptive field for each sample. Quality: largest difference of logits.
"""

import json
import math

import numpy as np
import torch
from record import RESULTS, cpu_seconds, interleaved, record, row_of_seconds

from deepcanon.data import DataError, open_data
from deepcanon.sequence import WaveNet, mu_law_encode

LEVELS, SILENCE, LONGEST = 256, 128, 6
STRENGTHS = [10.0, 30.0, 100.0, 300.0]
SAMPLES, ROUNDS = 200, 5


def grams(split):
    """The last `LONGEST` codes at each sample [N, LONGEST], silence before the first one of a recording."""
    found = []
    for row in range(len(split.x)):
        codes = np.pad(mu_law_encode(split.x[row]).numpy(), (LONGEST - 1, 0), constant_values=SILENCE)
        found.append(np.lib.stride_tricks.sliding_window_view(codes, LONGEST))
    return np.concatenate(found).astype(np.int64)


def numbered(rows, order):
    """One number for the last `order` codes of each row."""
    powers = LEVELS ** np.arange(order - 1, -1, -1)
    return rows[:, LONGEST - order :] @ powers


def counted(seen, wanted):
    """How often each wanted number was seen."""
    values, counts = np.unique(seen, return_counts=True)
    places = np.searchsorted(values, wanted).clip(max=len(values) - 1)
    return np.where(values[places] == wanted, counts[places], 0)


def tuned(measure, grid):
    """(best value, where), the grid extended threefold at the edge that is best."""
    found = {at: measure(at) for at in grid}
    while (best := min(found, key=found.get)) in (min(found), max(found)):
        further = best / 3 if best == min(found) else best * 3
        found[further] = measure(further)
    return found[best], best


def ngrams(train, valid, test):
    """Lowest validation bits over the orders: (order, strengths, validation bits, test bits)."""
    shared = {"valid": np.full(len(valid), 1 / LEVELS), "test": np.full(len(test), 1 / LEVELS)}
    chosen, results = [], []
    for order in range(1, LONGEST + 1):
        seen, counts = numbered(train, order), {}
        for name, rows in (("valid", valid), ("test", test)):
            wanted = numbered(rows, order)
            counts[name] = counted(seen, wanted), counted(seen // LEVELS, wanted // LEVELS)

        def mixed(name, strength, counts=counts):
            full, history = counts[name]
            return (full + strength * shared[name]) / (history + strength)

        bits, strength = tuned(lambda s, mixed=mixed: float(-np.log2(mixed("valid", s)).mean()), STRENGTHS)
        shared = {name: mixed(name, strength) for name in shared}
        chosen.append(strength)
        results.append((bits, order, list(chosen), float(-np.log2(shared["test"]).mean())))
        print(f"{order}-gram: {bits:.3f} bits on validation, strengths {chosen}", flush=True)
    bits, order, strengths, measured = min(results)
    return order, strengths, bits, measured


def bits_row():
    try:
        data = open_data(("audio",), "fsdd")
    except DataError as error:
        print(f"no row of bits: {error}")
        return []
    order, strengths, valid, test = ngrams(*(grams(data[name]) for name in ("train", "valid", "test")))
    place = RESULTS / "wavenet.json"
    runs = json.loads(place.read_text())["verify"]["targets"] if place.is_file() else []
    values = next((one["values"] for one in runs if one["metric"] == "test/bits"), [])
    print(f"{order}-gram: {valid:.3f} bits on validation, {test:.3f} on test; ours by seed: {values or 'no record'}")
    if not values:
        return []
    ours = float(np.mean(values))
    return [
        {
            "peer": f"interpolated {order}-gram", "version": f"strengths {', '.join(f'{s:g}' for s in strengths)}",
            "unit": "bits per sample of fsdd, test", "ours": ours, "peers": test, "ratio": test / ours, "target": 1.0,
            "quality": "the same codes, each recording from its first sample on",
        }
    ]  # fmt: skip


@torch.no_grad()
def generation_row():
    torch.manual_seed(0)
    model = WaveNet().eval()
    reach, (codes,) = model.receptive_field, torch.randint(LEVELS, (1, SAMPLES))

    def cached():
        state, found = model.start(1), []
        for code in codes:
            logits, state = model.step(code[None], state)
            found.append(logits)
        return torch.cat(found)

    def windows():
        return torch.cat([model(codes[None, max(0, t + 1 - reach) : t + 1])[:, -1] for t in range(SAMPLES)])

    error = float((cached() - windows()).abs().max())
    if not math.isfinite(error) or error > 1e-3:
        raise SystemExit(f"the logits differ by {error}")
    times = interleaved({"ours": lambda: cpu_seconds(cached), "windows": lambda: cpu_seconds(windows)}, ROUNDS)
    unit = f"CPU seconds of the first {SAMPLES} samples"
    quality = f"largest difference of logits {error:.1e}"
    return row_of_seconds(
        "torch, a window for each sample", torch.__version__, unit, times["ours"], times["windows"], 1.0, quality
    )


if __name__ == "__main__":
    record("wavenet", [generation_row(), *bits_row()])
