"""Training speed of `resnet` against loops in plain PyTorch, ResNet-20 on Fashion-MNIST with batches of 128.

Peers (`resnet_loops.py`): (1) the loop that people write, an image at a time and in fp32; (2) what a careful user makes
of it: batches by index, bf16 autocast, channels last, a fused optimizer, ReLU in place; (3) the same with the C
library's allocator told to keep freed memory, as our engine does. Each measurement is a fresh process, rounds in turn.
Quality: test accuracy after one pass over the training images, mean of three seeds; ours may be no more than half a
point lower for the ratio to count. (Much shorter trainings say nothing: after 12,000 images seeds of one loop differ by
ten points and more.) The last line is the profile of our step: what part of it torch's convolutions take, which no loop
around them can shorten. All takes a quarter of an hour.

    make bench NAME=resnet          (Fashion-MNIST under $DEEPCANON_DATA, or it is downloaded)
"""

import statistics

import torch
from record import gemm_rate, interleaved, ratio, record
from resnet_loops import BATCH, STEPS, Network, Ours, Plain, Tuned, data, fresh_speed, scale, shift
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

SEEDS, ROUNDS = (0, 1, 2), 5
PASS = len(data["train"]) // BATCH
WORDS = {
    "plain": ("plain PyTorch loop, per-sample DataLoader, fp32", 2.5),
    "tuned": ("tuned PyTorch loop, bf16", 2.5),
    "tuned-kept": ("tuned PyTorch loop, bf16, freed memory kept", 1.0),
}

torch.set_num_threads(1)


def accuracy(module):
    """Of a plain module in fp32 on the whole test set."""
    module.eval()
    test = data["test"]
    with torch.no_grad():
        guesses = [module((part.float() - shift) / scale).argmax(1) for part in test.x.split(500)]
    return (torch.cat(guesses) == test.y).double().mean().item()


def trained(loop):
    values = []
    for seed in SEEDS:
        trainer = loop(seed, PASS, data)
        trainer.steps(PASS)
        values.append(accuracy(trainer.module))
    return values


def told(ours, theirs):
    gap = 100 * (statistics.fmean(ours) - statistics.fmean(theirs))
    shown = [" ".join(f"{100 * value:.2f}" for value in values) for values in (ours, theirs)]
    assert gap > -0.5, f"accuracy differs by {gap:.2f} points ({shown}): the ratio does not count"
    return f"test accuracy after {PASS} steps, seeds 0 1 2: ours {shown[0]} %, theirs {shown[1]} %"


def floor(dtype):
    """Images per second if a step were nothing but its FLOPs at the measured GEMM rate."""
    module = Network(torch.relu)
    with FlopCounterMode(display=False) as counter:
        module(torch.zeros(BATCH, 1, 28, 28)).sum().backward()
    return gemm_rate(dtype) * BATCH / counter.get_total_flops()


def shares():
    """Shares of our step's time, by kind of operation."""
    trainer = Ours(0, 10_000, data)
    trainer.steps(3)
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        trainer.steps(STEPS)
    kinds = {
        "convolutions": ("convolution",),
        "batch normalisation": ("batch_norm",),
        "ReLU and sums": ("threshold", "clamp_min", "aten::add"),
    }
    each = [(entry.key, entry.self_cpu_time_total) for entry in seen.key_averages()]
    total, found = sum(time for _, time in each), {}
    for kind, words in kinds.items():
        found[kind] = round(sum(time for name, time in each if any(word in name for word in words)) / total, 3)
    return {**found, "everything else": round(1 - sum(found.values()), 3)}


def main():
    names = ("ours", *WORDS)
    measured = interleaved({loop: lambda loop=loop: fresh_speed(loop) for loop in names}, ROUNDS)
    medians = {
        loop: {key: round(statistics.median(one[key] for one in of_rounds), 4) for key in of_rounds[0]}
        for loop, of_rounds in measured.items()
    }
    ms = {loop: [one["ms"] for one in of_rounds] for loop, of_rounds in measured.items()}
    print("milliseconds a step:", {loop: medians[loop]["ms"] for loop in names}, flush=True)
    ours, tuned = trained(Ours), trained(Tuned)
    qualities = {"plain": told(ours, trained(Plain)), "tuned": told(ours, tuned)}
    profiled, limit = shares(), floor(torch.bfloat16)
    record(
        "resnet",
        [
            {
                "peer": f"{words}, ResNet-20", "version": torch.__version__, "unit": "images per CPU second",
                "ours": 1000 * BATCH / medians["ours"]["ms"], "peers": 1000 * BATCH / medians[loop]["ms"],
                "ratio": ratio(ms["ours"], ms[loop], larger_is_better=False), "target": goal,
                "a_step": {"ours": medians["ours"], "peers": medians[loop]}, "profile": profiled, "floor": limit,
                "quality": qualities["plain" if loop == "plain" else "tuned"],
            }
            for loop, (words, goal) in WORDS.items()
        ],
    )  # fmt: skip
    print("our step:", ", ".join(f"{kind} {share:.0%}" for kind, share in profiled.items()))


if __name__ == "__main__":
    main()
