"""Recurrent language models: training against loops in plain PyTorch.

Training is the recipe's own step through the engine's `Run`, seeding and metrics included. Peers (`rnn_lm_loops.py`):
(1) the usual script in fp32; (2) what a careful user makes of it (bf16 autocast, a fused optimizer, no reading of the
loss); (3) the same with the C library's allocator told to keep freed memory, as our engine does. Each measurement is a
fresh process, rounds in turn. Models: the small and the medium one of words, and one of characters. Quality: the mean
loss of the last five steps, of three seeds, from the same weights and windows; where one of ours lies more than half a
per cent above its peer the ratio does not count.

    python benchmarks/rnn_lm.py [small] [medium] [characters]
"""

import statistics
import sys

import torch
from record import gemm_rate, interleaved, ratio, record
from rnn_lm_loops import SHAPES, Ours, Plain, Tuned, fresh_speed

ROUNDS, SEEDS, LAST = 5, (0, 1, 2), 5
TARGETS = {  # of our ratio to each loop
    "small": {"plain": 2.0, "tuned": 1.2, "tuned-kept": 1.0},
    "medium": {"plain": 2.0, "tuned": 0.0, "tuned-kept": 0.0},
    "characters": {"plain": 2.0, "tuned": 1.4, "tuned-kept": 1.15},
}
WORDS = {
    "plain": "plain nn.LSTM fp32 loop",
    "tuned": "tuned nn.LSTM loop, bf16",
    "tuned-kept": "tuned nn.LSTM loop, bf16, freed memory kept",
}
TRAINED = {"small": 60, "medium": 12, "characters": 30}  # steps until losses are compared


def losses(name):
    """Mean losses of the last steps, {loop: one for each seed}, all from the weights that ours begins with."""
    found, shape = {"ours": [], "plain": [], "tuned": []}, SHAPES[name]
    if shape.optimizer == "sgd":  # at rate 1 rounding grows within 15 steps, and so do the loops' distances
        shape = shape._replace(rate=0.2)
    for seed in SEEDS:
        ours = Ours(shape, seed)
        weights = {key: value.clone() for key, value in ours.weights.items()}
        loops = {"ours": ours, "plain": Plain(shape, seed, weights), "tuned": Tuned(shape, seed, weights)}
        for loop, trainer in loops.items():
            trainer.steps(TRAINED[name])
            found[loop].append(statistics.fmean(float(loss) for loss in trainer.losses[-LAST:]))
    return found


def told(name, ours, theirs):
    for mine, other in zip(ours, theirs, strict=True):
        assert mine < 1.005 * other, f"losses {ours} against {theirs}: the ratio does not count"
    shown = [" ".join(f"{value:.4f}" for value in values) for values in (ours, theirs)]
    return f"{SHAPES[name].data}: loss after {TRAINED[name]} steps, seeds 0 1 2: ours {shown[0]}, theirs {shown[1]}"


def floor(name):
    """Tokens per CPU second if a step were nothing but the matrix products of the script, in bf16."""
    torch.manual_seed(0)
    module = Plain(SHAPES[name], 0).module
    weights = [p.numel() for key, p in module.named_parameters() if p.ndim == 2 and "embedding" not in key]
    return gemm_rate(torch.bfloat16) / (6 * sum(weights))  # 2 FLOP a weight forward, 4 backward


def training(name):
    """A row for each loop; ratios are of rounds, in which each ran once. `a_step`: milliseconds and page faults."""
    shape = SHAPES[name]
    measured = interleaved({loop: lambda loop=loop: fresh_speed(loop, name) for loop in ("ours", *WORDS)}, ROUNDS)
    medians = {
        loop: {key: round(statistics.median(one[key] for one in of_rounds), 4) for key in of_rounds[0]}
        for loop, of_rounds in measured.items()
    }
    ms = {loop: [one["ms"] for one in of_rounds] for loop, of_rounds in measured.items()}
    reached, tokens = losses(name), 1000 * shape.batch * shape.window
    told_of = {loop: told(name, reached["ours"], reached[loop.removesuffix("-kept")]) for loop in WORDS}
    rule = {"adamw": "adam"}.get(shape.optimizer, shape.optimizer)
    sizes = f"{name}: {shape.layers} x {shape.hidden}, batch {shape.batch}, window {shape.window}, {rule}"
    return [
        {
            "peer": f"{words} ({sizes})", "version": torch.__version__, "unit": "tokens/CPU-s",
            "ours": tokens / medians["ours"]["ms"], "peers": tokens / medians[loop]["ms"],
            "ratio": ratio(ms["ours"], ms[loop], larger_is_better=False), "target": TARGETS[name][loop],
            "a_step": {"ours": medians["ours"], "peers": medians[loop]},
            "floor": floor(name), "quality": told_of[loop],
        }
        for loop, words in WORDS.items()
    ]  # fmt: skip


def main():
    torch.set_num_threads(1)
    asked = sys.argv[1:]
    rows = [row for name in SHAPES if not asked or name in asked for row in training(name)]
    record("rnn_lm", rows)


if __name__ == "__main__":
    main()
