"""What scripts of image classifiers share: a recipe driven as the engine drives it, and images one at a time."""

import torch
from torch.utils.data import Dataset

from deepcanon.engine.run import Run
from deepcanon.engine.training import make, seed_generators
from deepcanon.settings import Settings

__all__ = ["Driven", "PerImage"]


class Driven:
    """The steps of a recipe: the engine's `Run`, seeding and metrics included.

    Args:
        recipe: the class.
        config, facts: what it is made from.
        rows: the data set.
        settings: of the run.
    """

    def __init__(self, recipe, config, facts, rows, **settings):
        self.run = Run(Settings(**{"threads": 1, "precision": "bf16", "device": "cpu", **settings}), None, lambda: rows)
        self.recipe = make(recipe, config, facts, self.run)

    @property
    def module(self):
        """The network, with contiguous weights as plain loops have them."""
        return self.recipe.model.to(memory_format=torch.contiguous_format)

    def steps(self, count):
        for _ in range(count):
            seed_generators(self.run.seed, self.run.step, "step/0")
            self.losses = self.recipe.step(self.run.step)
            self.run.step += 1


class PerImage(Dataset):
    """What people write: an image at a time, normalised when it is asked for."""

    def __init__(self, split, shift, scale):
        self.split, self.shift, self.scale = split, shift, scale

    def __len__(self):
        return len(self.split)

    def __getitem__(self, index):
        return (self.split.x[index].float() - self.shift) / self.scale, int(self.split.y[index])
