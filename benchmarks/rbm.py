"""A pass of the RBM recipe over binary digits against learnergy (CD-1) and scikit-learn's BernoulliRBM (PCD).

Ours is the recipe's own step through the engine's `Run`, seeding and metrics included. 784 binary pixels of MNIST (on
above one half) and 500 hidden units, batch 128, learning rate 0.1, constant; momentum 0.5 with learnergy, none with
scikit-learn, which has none. The peers compute in single precision; ours does too, and with products in bf16 where
the processor has it. learnergy reads rows of a tensor through its own Dataset, which is kind to it, and measures a
pseudo-likelihood at each batch. Its step takes nine products of this size, a step of CD-1 cannot do with less than
five: at equal arithmetic 1.8 is to be had, the rest is what stands around the products.
Quality: error of the mean-field reconstruction of the test digits after the passes that were timed, mean of three
seeds; ours may be no more than a hundredth larger for the ratio to count.

    make bench NAME=rbm          (MNIST under $DEEPCANON_DATA, or it is downloaded)
"""

import logging
import statistics

logging.disable(logging.INFO)

import learnergy
import sklearn
import torch
from learnergy.core import Dataset
from learnergy.models.bernoulli import RBM as Peer
from record import cpu_seconds, gemm_rate, ratio, record
from sklearn.neural_network import BernoulliRBM

from deepcanon.data import open_data
from deepcanon.engine.precision import has_bf16
from deepcanon.engine.run import Run
from deepcanon.engine.training import make, seed_generators
from deepcanon.recipes import rbm
from deepcanon.settings import Settings

VISIBLE, HIDDEN, BATCH, IMAGES, SEEDS, PASSES = 784, 500, 128, 12_800, (0, 1, 2), 4
PRODUCTS = {"cd": 5, "pcd": 6}  # of a batch with the weights: the least that each method can do with

PRECISIONS = {"bf16": torch.bfloat16, "fp32": torch.float32} if has_bf16("cpu") else {"fp32": torch.float32}

torch.set_num_threads(1)
data = open_data(("images",), "mnist", seed=0, options={"images": {"valid_share": 0.0}})
data["train"].x, data["train"].y = data["train"].x[:IMAGES], data["train"].y[:IMAGES]
facts = {**rbm.Recipe.learn(rbm.Config(), data), "reader": data.describe()}
binary = {split: (data[split].x.flatten(1) > 127).float() for split in ("train", "test")}


class Ours:
    """The recipe, driven as the engine drives it; so many steps are foreseen that its rate stays what it is."""

    def __init__(self, seed, method, momentum, precision):
        config = rbm.Config(
            hidden=HIDDEN, method=method, binarize="threshold", learning_rate=0.1, momentum=momentum, decay=0.0,
            batch=BATCH, valid_share=0.0,
        )  # fmt: skip
        settings = Settings(data="mnist", seed=seed, steps=10**9, threads=1, device="cpu", precision=precision)
        self.run = Run(settings, None, lambda: data)
        self.recipe = make(rbm.Recipe, config, facts, self.run)
        with torch.no_grad():
            self.recipe.model.visible_bias.zero_()  # as the peers begin

    def one_pass(self):
        for _ in range(IMAGES // BATCH):
            seed_generators(self.run.seed, self.run.step, "step/0")
            for value in self.recipe.step(self.run.step).values():
                float(value)
            self.run.step += 1

    def parts(self):
        model = self.recipe.model
        return model.weight.detach(), model.visible_bias.detach(), model.hidden_bias.detach()


class Learnergy:
    def __init__(self, seed, method, momentum):
        torch.manual_seed(seed)
        self.model = Peer(VISIBLE, HIDDEN, steps=1, learning_rate=0.1, momentum=momentum)
        self.rows = Dataset(binary["train"], torch.zeros(IMAGES), show_log=False)

    def one_pass(self):
        self.model.fit(self.rows, batch_size=BATCH, epochs=1)

    def parts(self):
        return self.model.W.detach(), self.model.a.detach(), self.model.b.detach()


class ScikitLearn:
    """Its `fit` starts over; a pass of it is the mini-batches of its loop."""

    def __init__(self, seed, method, momentum):
        self.model = BernoulliRBM(HIDDEN, learning_rate=0.1, batch_size=BATCH, n_iter=1, random_state=seed)
        self.order = torch.Generator().manual_seed(seed)

    def one_pass(self):
        rows = binary["train"][torch.randperm(IMAGES, generator=self.order)].numpy()
        for begin in range(0, IMAGES, BATCH):
            self.model.partial_fit(rows[begin : begin + BATCH])

    def parts(self):
        model = self.model
        found = model.components_.T, model.intercept_visible_, model.intercept_hidden_
        return tuple(torch.as_tensor(part).float() for part in found)


def error(weight, visible_bias, hidden_bias):
    """Squared error of a test digit's mean-field reconstruction."""
    x = binary["test"]
    mean = torch.sigmoid(visible_bias + torch.sigmoid(hidden_bias + x @ weight) @ weight.T)
    return (x - mean).square().sum(1).mean().item()


def compare(method, momentum, peer, precision):
    seconds, errors = {"ours": [], "peer": []}, {"ours": [], "peer": []}
    for seed in SEEDS:
        variants = {"ours": Ours(seed, method, momentum, precision), "peer": peer(seed, method, momentum)}
        for _ in range(PASSES):
            for name, variant in variants.items():
                seconds[name].append(cpu_seconds(variant.one_pass))
        for name, variant in variants.items():
            errors[name].append(error(*variant.parts()))
    return seconds, {name: statistics.mean(values) for name, values in errors.items()}


def main():
    rows, share = [], 60_000 / IMAGES
    for method, momentum, peer, name, version, target in (
        ("cd", 0.5, Learnergy, "learnergy RBM, CD-1", learnergy.__version__, 3.0),
        ("pcd", 0.0, ScikitLearn, "scikit-learn BernoulliRBM, PCD-1", sklearn.__version__, 1.0),
    ):
        for precision, kind in PRECISIONS.items():
            seconds, errors = compare(method, momentum, peer, precision)
            assert errors["ours"] <= 1.01 * errors["peer"], "the ratio does not count: our error is larger"
            flops = 2 * VISIBLE * HIDDEN * IMAGES * PRODUCTS[method]
            rows.append(
                {
                    "peer": f"{name}, ours in {precision}",
                    "version": version,
                    "ours": share * statistics.median(seconds["ours"]),
                    "peers": share * statistics.median(seconds["peer"]),
                    "unit": "CPU seconds per 60,000 digits",
                    "floor": share * flops / gemm_rate(kind),
                    "ratio": ratio(seconds["ours"], seconds["peer"], larger_is_better=False),
                    "target": target,
                    "quality": f"reconstruction error {errors['ours']:.3f}, theirs {errors['peer']:.3f}, three seeds",
                }
            )
    record("rbm", rows)


if __name__ == "__main__":
    main()
