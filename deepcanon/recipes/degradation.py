"""Degradation: deeper plain networks train worse, deeper residual networks do not.

Task: classification of images by narrow networks of 8, 20 and 44 layers, plain and with shortcuts
that have no parameters, so that both have equally many; each at its own best rate. Metric: rise of
the training loss (mean over the last fifth of the steps) from the shallowest to the deepest. On
CIFAR-10 plain networks of 56 layers train worse than those of 20 (He et al. 2015, figure 1),
residual ones better (figure 6); ours, on the embedded digits with 4 filters: after 100 steps at one
rate, the test loss with 8 and 32 layers is 0.20 and 1.30 nats for plain networks, 0.14 and 0.08 for
residual ones. A minute.

    deepcanon train degradation --data mnist
"""

from dataclasses import dataclass

from deepcanon.options import Count, Examples, Images, Tuning
from deepcanon.targets import metric, target

SYSTEM = "vision.resnet"
DATA = ("images",)
RISE = "training loss of the deepest minus that of the shallowest"
METRICS = {
    "loss_*": metric("training loss at the end, mean over the trials of an arm", "nats", "min"),
    "*_rise": metric(f"{RISE}, mean over the seeds", "nats"),
    "*_rise_low": metric(f"{RISE}, lower end of the 95 % interval", "nats"),
    "*_rise_high": metric(f"{RISE}, upper end of the 95 % interval", "nats"),
    "plain*": metric("test loss of a plain network, mean or worst of its trials", "nats", "min"),
    "residual*": metric("test loss of a residual one, mean or worst of its trials", "nats", "min"),
    "difference_*": metric("test loss of the first arm minus another's", "nats"),
    "low_*": metric("the same, lower end of the 95 % interval", "nats"),
    "high_*": metric("the same, upper end of the 95 % interval", "nats"),
}
TARGETS = (
    target("fashion-mnist", "test/plain_rise >= 0", "P", "He et al. 2015, figure 1"),
    target("fashion-mnist", "test/residual_rise <= 0", "P", "He et al. 2015, figure 6"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Images, Examples, Tuning):
    depths: tuple[Count, ...] = (8, 20, 44)
    """Layers of the networks, 6 n + 2 each, rising."""
    width: Count = 4
    """Filters of the first stage; the others have two and four times as many."""
    batch: Count = 64
    """Examples per step of a trial."""
    train_steps: Count = 1000
    """Steps of each trial."""
    size: int = 14
    learning_rates: tuple[float, ...] = (0.05, 0.15, 0.45)
    extend: int = 1


FEW = Config(depths=(8, 14), width=2, train_steps=20, size=0, learning_rates=(0.1,), seeds=2)
SMALL = {"depths": (8, 32), "size": 0, "train_steps": 300, "learning_rates": (0.03, 0.1)}
LONG = Config(depths=(20, 56), width=16, size=0, train_steps=64_000)
ONE = {"threads": 1, "precision": "fp32"}
PRESETS = {
    "smoke": (FEW, {"data": "digits"}),
    "default": (Config(), {"data": "digits", "options": SMALL}),
    "paper": (LONG, {"data": "fashion-mnist"}),
    "verify:fashion-mnist": (Config(), {"data": "fashion-mnist", **ONE}),
}

from itertools import product
from statistics import fmean

from deepcanon.claims import interval
from deepcanon.engine import Experiment
from deepcanon.engine.figures import Panels, Plot
from deepcanon.errors import UsageError

LOSSES = "Mean and range over seeds: plain networks train worse with depth, residual ones do not."
SHORTCUTS = {"plain": "none", "residual": "A"}
ROWS, LAST = 20, 4  # means of the training loss that a trial logs, and those at its end that count


class Recipe(Experiment[Config]):
    trains = "resnet"
    shares = ("width", "batch")
    precisions = ("fp32", "bf16")
    wants = "classes"
    metric = "nll"

    @classmethod
    def learn(cls, config, data):
        if len(config.depths) < 2 or any(depth % 6 != 2 or depth < 8 for depth in config.depths):
            raise UsageError("--depths needs two numbers of layers or more, 6 n + 2 each: 8 14 20")
        return {}

    def arms(self):
        return {
            f"{kind}{depth}": {"depth": depth, "shortcut": SHORTCUTS[kind], "weight_decay": 0.0}
            for kind, depth in product(SHORTCUTS, self.config.depths)
        }

    def trial_settings(self):
        steps = self.config.train_steps
        return {"steps": steps, "evaluate_every": steps, "log_every": max(1, steps // ROWS)}

    def findings(self):
        depths = self.config.depths
        losses = {arm: self.comparison.last_losses(arm, LAST) for arm in self.arms()}
        found = {f"loss_{arm}": fmean(values) for arm, values in losses.items() if values}
        for kind in SHORTCUTS:
            pairs = zip(losses[f"{kind}{depths[-1]}"], losses[f"{kind}{depths[0]}"], strict=False)
            if rises := [deep - shallow for deep, shallow in pairs]:
                ends = ("rise", "rise_low", "rise_high")
                found |= zip((f"{kind}_{end}" for end in ends), interval(rises), strict=True)
        return found

    def figures(self):
        plots, axes = [], ("step of a trial", "training loss (nats)")
        for kind in SHORTCUTS:
            arms = enumerate(f"{kind}{depth}" for depth in self.config.depths)
            lines = [one for i, arm in arms for one in self.comparison.course(arm, i, "loss")]
            plots.append(Plot(lines, *axes, log="y"))
        return {**super().figures(), "losses": Panels(plots, columns=2, caption=LOSSES)}
