"""AdaGrad against momentum on one perceptron: the best of each, and how much the rate matters.

Task: classification by ReLU layers at constant rates; both methods try the same wide range of rates
for the same number of epochs. Data: images or the number columns of a table. Metrics: test error of
each at the rate that is best on validation; and the spread, the worst minus the best validation
error over rates from a tenth of the best to ten times the best (a run that diverges counts as error
1). No paper gives these; ours on MNIST: 2.76 % with AdaGrad and 2.35 % with momentum, whose spread
is 9.5 points larger. MNIST takes 3 minutes on one core.

    deepcanon train adagrad --data mnist
"""

from dataclasses import dataclass

from deepcanon.options import Batches, Examples, Images, Perceptron, Share, Tables, Tuning
from deepcanon.targets import metric, target, trial_metrics

SYSTEM = "foundations.adagrad"
DATA = ("images", "tables")
METRICS = {
    **trial_metrics("test error", "share", "min", "adagrad", "momentum"),
    "*_spread": metric("worst minus best error over a hundredfold range", "share", "min", "valid"),
    "spread_gap": metric("momentum's spread minus that of AdaGrad", "share", split="valid"),
}
TARGETS = (
    target("mnist", "test/difference <= 0.005", "P", "best AdaGrad minus best momentum"),
    target("mnist", "test/spread_gap >= 0", "P", "each over a hundredfold range of rates"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Images, Tables, Examples, Perceptron, Batches, Tuning):
    hidden: tuple[int, ...] = (256,)
    learning_rates: tuple[float, ...] = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    """Constant rates that both methods try; they should extend tenfold beyond the best of each."""
    momentum: Share = 0.9
    """Share of the last update that the arm with momentum keeps."""
    epochs: int = 4


FEW = Config(hidden=(16,), learning_rates=(0.03, 0.3), extend=0, epochs=3, batch=50, seeds=2)
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
SMALL = {"hidden": (64,), "learning_rates": RATES, "epochs": 10, "batch": 64}
PRESETS = {
    "smoke": (FEW, {"data": "digits"}),
    "default": (Config(), {"data": "digits", "options": SMALL}),
    "paper": (Config(epochs=20), {"data": "mnist"}),
    "verify:mnist": (Config(seeds=6), {"data": "mnist", "threads": 1}),
}

from deepcanon.engine import Experiment

RANGE = 10.5  # a tenth and ten times, and rounding
DIVERGED = 1.0  # the error of a run that breaks off


class Recipe(Experiment[Config]):
    trains = "mlp"
    shares = ("hidden", "epochs", "batch")
    wants = "classes"

    def arms(self):
        methods = {"adagrad": {}, "momentum": {"momentum": self.config.momentum}}
        return {m: {"optimizer": m, "schedule": "constant", **more} for m, more in methods.items()}

    def errors(self, arm):
        """Error on validation by rate, while tuning."""
        tuned = self.comparison.of(arm, "tune")
        return {r["options"]["learning_rate"]: min(r["valid"], DIVERGED) for r in tuned}

    def spread(self, arm):
        """Worst minus best error over the rates within a factor of ten of the best."""
        errors = self.errors(arm)
        best = min(errors, key=lambda rate: errors[rate])
        near = [error for rate, error in errors.items() if best / RANGE <= rate <= best * RANGE]
        return max(near) - min(near)

    def findings(self):
        if any(len(self.errors(arm)) < 2 for arm in self.arms()):
            return {}
        spreads = {f"{arm}_spread": self.spread(arm) for arm in self.arms()}
        return spreads | {"spread_gap": spreads["momentum_spread"] - spreads["adagrad_spread"]}
