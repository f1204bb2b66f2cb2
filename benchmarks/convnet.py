"""Training speed of `convnet` against three loops in plain PyTorch and against Lightning's Trainer, on MNIST.

Ours is the recipe's own step through the engine's `Run`, seeding and metrics included. Peers (`convnet_loops.py`),
batch 64, the same layers, rule and schedule: (1) the loop of every tutorial in fp32; (2) what a careful user makes of
it (bf16 autocast, channels last, fused AdamW, batches by index, no reading of the loss); (3) the same with the C
library's allocator told to keep freed memory, as our engine does. These are on the network with 32 and 64 filters of
3 x 3 (the recipe's default) and of 5 x 5, and on LeNet-5's sizes (6 and 16 filters of 5 x 5, 120 units); each
measurement is a fresh process, rounds in turn. (4) Lightning's Trainer with a Dataset that normalises one image at a
time and a DataLoader, on LeNet-5's sizes, in this process. Quality: test accuracy after one pass over 12,000 images,
mean of three seeds; ours may be no more than half a point lower for the ratio to count.

    make bench NAME=convnet          (MNIST under $DEEPCANON_DATA, or it is downloaded)
"""

import logging
import statistics
import time
import warnings

warnings.filterwarnings("ignore")

import lightning
import torch
import torch.nn.functional as F
from convnet_loops import BATCH, RATE, SHAPES, Network, Ours, Plain, Tuned, data, fresh_speed, scale, shift
from driven import PerImage
from record import gemm_rate, interleaved, ratio, record
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

from deepcanon.parts.schedules import one_cycle

IMAGES, SEEDS, ROUNDS, STEPS = 12_000, (0, 1, 2), 7, 60
TARGETS = {  # of our ratio to each loop
    "32-64 network": {"plain": 2.5, "tuned": 1.4, "tuned-kept": 1.0},
    "32-64 network of 5 x 5 filters": {"plain": 2.5, "tuned": 1.0, "tuned-kept": 1.0},
    "lenet": {"plain": 1.8, "tuned": 1.3, "tuned-kept": 1.1},
}
WORDS = {
    "plain": "plain PyTorch loop, fp32",
    "tuned": "tuned PyTorch loop, bf16",
    "tuned-kept": "tuned PyTorch loop, bf16, freed memory kept",
}

torch.set_num_threads(1)
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


def accuracy(module):
    """Of a plain module in fp32 on the whole test set."""
    module.eval()
    test = data["test"]
    with torch.no_grad():
        guesses = [module((part.float() - shift) / scale).argmax(1) for part in test.x.split(1000)]
    return (torch.cat(guesses) == test.y).double().mean().item()


class Lit(lightning.LightningModule):
    def __init__(self, shape, steps):
        super().__init__()
        self.module, self.total, self.clock = Network(shape), steps, []

    def training_step(self, batch, index):
        return F.cross_entropy(self.module(batch[0]), batch[1])

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=RATE, weight_decay=0.0)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: one_cycle(min(step, self.total), self.total)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_batch_end(self, *_):
        self.clock.append(time.process_time())


def lightning_fit(shape, seed, steps, rows):
    lightning.seed_everything(seed, verbose=False)
    module = Lit(shape, steps)
    trainer = lightning.Trainer(accelerator="cpu", devices=1, max_steps=steps, max_epochs=-1, logger=False,
                                enable_checkpointing=False, enable_progress_bar=False,
                                enable_model_summary=False)  # fmt: skip
    trainer.fit(
        module, DataLoader(PerImage(rows["train"], shift, scale), batch_size=BATCH, shuffle=True, drop_last=True)
    )
    return module


def few():
    """The first 12,000 training images."""
    import copy

    part = copy.copy(data)
    part.splits = {"train": data["train"].take(torch.arange(IMAGES)), "test": data["test"]}
    return part


def rate(trainer):
    began = time.process_time()
    trainer.steps(STEPS)
    return STEPS * BATCH / (time.process_time() - began)


def lightning_rate(shape, rows):
    clock = lightning_fit(shape, 0, STEPS + 5, rows).clock
    return STEPS * BATCH / (clock[-1] - clock[4])


def floor(shape, dtype):
    """Images per second if a step were nothing but its FLOPs at the measured GEMM rate."""
    module = Network(shape)
    with FlopCounterMode(display=False) as counter:
        module(torch.zeros(BATCH, 1, 28, 28)).sum().backward()
    return gemm_rate(dtype) * BATCH / counter.get_total_flops()


def trained(loop, shape, rows, steps):
    values = []
    for seed in SEEDS:
        trainer = loop(shape, seed, steps, rows)
        trainer.steps(steps)
        values.append(accuracy(trainer.module))
    return values


def told(ours, theirs):
    gap = 100 * (statistics.fmean(ours) - statistics.fmean(theirs))
    assert gap > -0.5, f"accuracy differs by {gap:.2f} points: the ratio does not count"
    shown = [" ".join(f"{100 * value:.2f}" for value in values) for values in (ours, theirs)]
    return f"test accuracy after {IMAGES} images, seeds 0 1 2: ours {shown[0]} %, theirs {shown[1]} %"


def against_loops(name, rows, steps):
    """A row for each loop; ratios are of rounds, in which each ran once. `a_step`: milliseconds and page faults."""
    shape, names = SHAPES[name], ("ours", *WORDS)
    measured = interleaved({loop: lambda loop=loop: fresh_speed(loop, name) for loop in names}, ROUNDS)
    medians = {
        loop: {key: round(statistics.median(one[key] for one in of_rounds), 4) for key in of_rounds[0]}
        for loop, of_rounds in measured.items()
    }
    ms = {loop: [one["ms"] for one in of_rounds] for loop, of_rounds in measured.items()}
    ours = trained(Ours, shape, rows, steps)
    qualities = {"plain": told(ours, trained(Plain, shape, rows, steps))}
    qualities["tuned"] = qualities["tuned-kept"] = told(ours, trained(Tuned, shape, rows, steps))
    return [
        {
            "peer": f"{WORDS[loop]}, {name}", "version": torch.__version__, "unit": "images per CPU second",
            "ours": 1000 * BATCH / medians["ours"]["ms"], "peers": 1000 * BATCH / medians[loop]["ms"],
            "ratio": ratio(ms["ours"], ms[loop], larger_is_better=False), "target": TARGETS[name][loop],
            "a_step": {"ours": medians["ours"], "peers": medians[loop]},
            "floor": floor(shape, torch.bfloat16), "quality": qualities[loop],
        }
        for loop in WORDS
    ]  # fmt: skip


def against_lightning(rows, steps):
    shape = SHAPES["lenet"]
    small = Ours(shape, 0, 10_000, rows)
    small.steps(5)
    rates = interleaved({"ours": lambda: rate(small), "lightning": lambda: lightning_rate(shape, rows)}, ROUNDS)
    theirs = [accuracy(lightning_fit(shape, seed, steps, rows).module) for seed in SEEDS]
    return {
        "peer": "Lightning Trainer, per-sample DataLoader, LeNet", "version": lightning.__version__,
        "ours": statistics.median(rates["ours"]), "peers": statistics.median(rates["lightning"]),
        "unit": "images per CPU second", "ratio": ratio(rates["ours"], rates["lightning"]), "target": 1.8,
        "quality": told(trained(Ours, shape, rows, steps), theirs),
    }  # fmt: skip


def main():
    rows, steps = few(), IMAGES // BATCH
    table = [row for name in SHAPES for row in against_loops(name, rows, steps)]
    record("convnet", [*table, against_lightning(rows, steps)])


if __name__ == "__main__":
    main()
