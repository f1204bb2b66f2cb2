"""Shifted test images: a perceptron, a network with dense layers, one that averages its maps.

Task: train three classifiers on images as they are, test them on images shifted by 0 to 8 pixels.
Data: images. Metric: points of accuracy lost at 4 pixels. The weights of a convolution are shared
by all places, those of the dense layers above it are not; the network in network has no dense
layers. The picture `aliasing` shows what a stride does to a shift by an odd number of pixels: no
paper gives these numbers for MNIST.

    deepcanon train translation-invariance --data mnist
"""

from dataclasses import dataclass

from deepcanon.options import Batches, Count, Images, Repeats
from deepcanon.targets import metric, target, trial_metrics

SYSTEM = "vision.translation_invariance"
DATA = ("images",)
ARMS = ("mlp", "convnet", "network_in_network")
METRICS = trial_metrics("test accuracy", "share", "max", *ARMS) | {
    "mlp_lost": metric("accuracy of the perceptron minus that on shifted images", "share", "min"),
    "convnet_lost": metric("the same of the network with dense layers", "share", "min"),
    "network_in_network_lost": metric("the same of the network that averages", "share", "min"),
    "even": metric("largest shift error, strides that divide the shift", "", "min"),
    "odd": metric("least shift error of stride 2 at odd shifts", ""),
    "odd_blurred": metric("largest shift error of stride 2 with a blur at odd shifts", "", "min"),
}
TARGETS = (
    target("mnist", "worst test/even <= 1e-12", "X", "circular convolution commutes with shifts"),
    target("mnist", "test/odd >= 0.1", "P", "aliasing of stride 2 on digits"),
    target("mnist", "test/network_in_network_lost <= 0.05", "P", "shifts of the digits by 4 px"),
    target("mnist", "test/mlp_lost >= 0.25", "P", "shifts of the digits by 4 px"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Images, Batches, Repeats):
    shifts: Count = 8
    """Largest shift of the test images in pixels: up, down, left and right in turn."""
    judged: Count = 4
    """Shift at which the losses of accuracy are reported."""
    epochs: int = 3


FEW = {"shifts": 2, "judged": 2, "epochs": 4, "seeds": 3, "batch": 32}
PRESETS = {
    "smoke": (Config(shifts=2, judged=1, epochs=1, seeds=1), {"data": "digits"}),
    "default": (Config(), {"data": "digits", "options": FEW}),
    "paper": (Config(seeds=5, epochs=10), {"data": "mnist"}),
    "verify:mnist": (Config(), {"data": "mnist", "threads": 1}),
}

import statistics
from typing import Any

import torch

from deepcanon.engine import Experiment
from deepcanon.engine.figures import Line, Plot
from deepcanon.errors import UsageError
from deepcanon.techniques.shifts import aliasing, shifted_accuracies

CURVES = (
    "Accuracy on test images by their shift (bands: range over seeds): weights that are shared by "
    "all places keep it, dense layers lose it."
)
ALIASING = (
    "Distance of the maps of a shifted image from shifted maps, random filters on training images: "
    "0 at stride 1; at stride 2 the odd shifts are other maps, a blur makes it less."
)


class Recipe(Experiment[Config]):
    trains = "convnet"
    shares = ("batch", "epochs")
    metric, better = "accuracy", "max"
    precisions = ("fp32", "bf16")
    wants = "classes"

    @classmethod
    def learn(cls, config, data):
        if config.judged > config.shifts:
            raise UsageError(f"--judged {config.judged} is larger than --shifts {config.shifts}")
        if min(data.facts["size"]) <= config.shifts:
            raise UsageError(f"--shifts {config.shifts} leaves nothing of {data.facts['size']}")
        some = data["train"].take(torch.arange(min(64, len(data["train"]))))
        return {"aliasing": aliasing(some.x, config.shifts)}

    def arms(self):
        averaging = {"recipe": "network-in-network", "batch_norm": True, "widths": (16, 32, 64)}
        arms: dict[str, dict[str, Any]] = {
            "mlp": {"recipe": "mlp", "hidden": (800, 800)},
            "convnet": {},
            "network_in_network": averaging,
        }
        # The weights that are scored are those that a finished trial is loaded with.
        return {arm: {"checkpoint": "auto", **options} for arm, options in arms.items()}

    def step(self, step):
        measured = super().step(step)
        for place, result in enumerate(self.comparison.results):
            if "shifted" in result or result["failed"]:
                continue
            if trained := self.run.finished_trial(place):
                result["shifted"] = shifted_accuracies(trained, self.config.shifts)
        return measured

    def accuracies(self, arm):
        """Of each trial of an arm: [trials, shifts + 1]."""
        return [r["shifted"] for r in self.comparison.of(arm) if r.get("shifted")]

    def findings(self):
        found, place = {}, self.config.judged
        for arm in ARMS:
            if each := self.accuracies(arm):
                found[f"{arm}_lost"] = statistics.fmean(one[0] - one[place] for one in each)
        plain, strided, blurred = (self.facts["aliasing"][k] for k in ("1", "2", "2, blurred"))
        exact = [*plain, *strided[::2], *blurred[::2]]
        odd = {"odd": min(strided[1::2]), "odd_blurred": max(blurred[1::2])}
        return {**found, "even": max(exact), **odd}

    def figures(self):
        shown, lines = dict(super().figures()), []
        for place, arm in enumerate(ARMS):
            if each := self.accuracies(arm):
                values = torch.tensor(each, dtype=torch.float64)
                band = (values.amin(0), values.amax(0))
                lines.append(Line(values.mean(0), None, arm, band, "o-", place))
        x = "shift (pixels)"
        if lines:
            shown["accuracy-by-shift"] = Plot(lines, x, "test accuracy", caption=CURVES)
        errors = [
            Line(values, label=f"stride {name}", style="o-")
            for name, values in self.facts["aliasing"].items()
        ]
        return {**shown, "aliasing": Plot(errors, x, "shift error", caption=ALIASING)}
