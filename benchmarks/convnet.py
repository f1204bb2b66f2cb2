"""Training speed of `convnet` against a plain fp32 PyTorch loop and against Lightning's Trainer, on MNIST.

Ours is the recipe's own step through the engine's `Run`, seeding and metrics included: bf16 autocast, channels_last, a
fused optimizer, batches taken by index. Peers: (1) the loop of every tutorial on the network with 32 and 64 filters, of
3 x 3 (the recipe's default) and of 5 x 5: fp32, default AdamW, the normalised images in memory as one tensor, which
flatters it; (2) the Trainer with a Dataset that normalises one image at a time and a DataLoader, on LeNet-5's sizes (6
and 16 filters of 5 x 5, 120 units). All train the same module by the same rule and schedule, batch 64. Quality: test
accuracy after one pass over 12,000 images, mean of three seeds; ours may be no more than half a point lower for the
ratio to count.

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
from record import gemm_rate, interleaved, ratio, record
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from deepcanon.data import open_data
from deepcanon.engine.run import Run
from deepcanon.engine.training import make, seed_generators
from deepcanon.parts.schedules import one_cycle
from deepcanon.recipes import convnet
from deepcanon.settings import Settings
from deepcanon.vision import ConvNet

BATCH, IMAGES, SEEDS, ROUNDS, STEPS = 64, 12_000, (0, 1, 2), 7, 60
SHAPES = {
    "32-64 network": {"filters": (32, 64), "kernel": 3, "hidden": 128},  # the recipe's default
    "32-64 network of 5 x 5 filters": {"filters": (32, 64), "kernel": 5, "hidden": 128},
    "lenet": {"filters": (6, 16), "kernel": 5, "hidden": 120},
}

torch.set_num_threads(1)
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
data = open_data(("images",), "mnist", seed=0, options={"images": {"valid_share": 0.0}})
facts = {**convnet.Recipe.learn(convnet.Config(), data), "reader": data.describe()}
shift, scale = facts["shift"].view(1, 1, 1), facts["scale"].view(1, 1, 1)


def network(shape):
    return ConvNet(1, 10, channels=shape["filters"], kernel_size=shape["kernel"], hidden=shape["hidden"])


def accuracy(module):
    """Of a plain module in fp32 on the whole test set."""
    module.eval()
    test = data["test"]
    with torch.no_grad():
        guesses = [module((part.float() - shift) / scale).argmax(1) for part in test.x.split(1000)]
    return (torch.cat(guesses) == test.y).double().mean().item()


class Ours:
    """The recipe, driven as the engine drives it."""

    def __init__(self, shape, seed, steps, rows):
        config = convnet.Config(**shape, batch=BATCH, dropout=0.0, valid_share=0.0)
        settings = Settings(data="mnist", seed=seed, steps=steps, threads=1, precision="bf16", device="cpu")
        self.run = Run(settings, None, lambda: rows)
        self.recipe = make(convnet.Recipe, config, facts, self.run)

    def steps(self, count):
        for _ in range(count):
            seed_generators(self.run.seed, self.run.step, "step/0")
            for value in self.recipe.step(self.run.step).values():
                float(value)
            self.run.step += 1


class Plain:
    """The tutorial's loop."""

    def __init__(self, shape, seed, steps, rows):
        torch.manual_seed(seed)
        self.module, self.total, self.step = network(shape), steps, 0
        self.x, self.y = (rows["train"].x.float() - shift) / scale, rows["train"].y
        self.optimizer = torch.optim.AdamW(self.module.parameters(), lr=0.003, weight_decay=0.0)
        self.order = torch.randperm(len(self.x))

    def steps(self, count):
        for _ in range(count):
            begin = self.step * BATCH % (len(self.x) - BATCH + 1)
            rows = self.order[begin : begin + BATCH]
            for group in self.optimizer.param_groups:
                group["lr"] = 0.003 * one_cycle(self.step, self.total)
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.module(self.x[rows]), self.y[rows])
            loss.backward()
            self.optimizer.step()
            loss.item()
            self.step += 1


class PerImage(Dataset):
    def __init__(self, split):
        self.split = split

    def __len__(self):
        return len(self.split)

    def __getitem__(self, index):
        return (self.split.x[index].float() - shift) / scale, int(self.split.y[index])


class Lit(lightning.LightningModule):
    def __init__(self, shape, steps):
        super().__init__()
        self.module, self.total, self.clock = network(shape), steps, []

    def training_step(self, batch, index):
        return F.cross_entropy(self.module(batch[0]), batch[1])

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=0.003, weight_decay=0.0)
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
    trainer.fit(module, DataLoader(PerImage(rows["train"]), batch_size=BATCH, shuffle=True, drop_last=True))
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
    module = network(shape)
    with FlopCounterMode(display=False) as counter:
        module(torch.zeros(BATCH, 1, 28, 28)).sum().backward()
    return gemm_rate(dtype) * BATCH / counter.get_total_flops()


def ours_accuracy(shape, rows, steps):
    values = []
    for seed in SEEDS:
        ours = Ours(shape, seed, steps, rows)
        ours.steps(steps)
        values.append(accuracy(ours.recipe.model.to(memory_format=torch.contiguous_format)))
    return values


def told(ours, theirs):
    gap = 100 * (statistics.fmean(ours) - statistics.fmean(theirs))
    assert gap > -0.5, f"accuracy differs by {gap:.2f} points: the ratio does not count"
    shown = [" ".join(f"{100 * value:.2f}" for value in values) for values in (ours, theirs)]
    return f"test accuracy after {IMAGES} images, seeds 0 1 2: ours {shown[0]} %, theirs {shown[1]} %"


def against_plain(name, rows, steps):
    shape = SHAPES[name]
    ours, plain = Ours(shape, 0, 10_000, rows), Plain(shape, 0, 10_000, rows)
    ours.steps(5), plain.steps(5)
    rates = interleaved({"ours": lambda: rate(ours), "plain": lambda: rate(plain)}, ROUNDS)
    theirs = []
    for seed in SEEDS:
        other = Plain(shape, seed, steps, rows)
        other.steps(steps)
        theirs.append(accuracy(other.module))
    return {
        "peer": f"plain PyTorch loop, fp32, {name}", "version": torch.__version__,
        "ours": statistics.median(rates["ours"]), "peers": statistics.median(rates["plain"]),
        "unit": "images per CPU second", "ratio": ratio(rates["ours"], rates["plain"]), "target": 2.5,
        "floor": floor(shape, torch.bfloat16), "quality": told(ours_accuracy(shape, rows, steps), theirs),
    }  # fmt: skip


def main():
    rows, steps = few(), IMAGES // BATCH

    table = [against_plain(name, rows, steps) for name in SHAPES if name != "lenet"]
    shape = SHAPES["lenet"]
    small = Ours(shape, 0, 10_000, rows)
    small.steps(5)
    rates = interleaved({"ours": lambda: rate(small), "lightning": lambda: lightning_rate(shape, rows)}, ROUNDS)
    theirs = [accuracy(lightning_fit(shape, seed, steps, rows).module) for seed in SEEDS]
    table.append({
        "peer": "Lightning Trainer, per-sample DataLoader, LeNet", "version": lightning.__version__,
        "ours": statistics.median(rates["ours"]), "peers": statistics.median(rates["lightning"]),
        "unit": "images per CPU second", "ratio": ratio(rates["ours"], rates["lightning"]), "target": 1.8,
        "floor": floor(shape, torch.bfloat16), "quality": told(ours_accuracy(shape, rows, steps), theirs),
    })  # fmt: skip
    record("convnet", table)


if __name__ == "__main__":
    main()
