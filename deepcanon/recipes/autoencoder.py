"""A deep autoencoder of images or tables: short codes, reconstructions, and how far they beat PCA.

Task: codes of K numbers from which the data can be drawn again. Data: images (pixels in [0, 1]) or the number columns
of a table (standardised). Metric: squared error per example, summed over features; MNIST test with 30 numbers: 3.00
(Hinton and Salakhutdinov 2006), PCA 13.87. Each evaluation gives PCA's error with as many components beside it: above
that a deep autoencoder is of no use. On the test split also how diverse the first layer's filters are, and how much the
error rises when one hidden unit is taken away.

    deepcanon train autoencoder --data mnist
"""

from dataclasses import dataclass
from typing import Literal

SYSTEM = "representation.autoencoder"
DATA = ("images", "tables")
# fmt: off
TARGETS = (
    {"run": "mnist-short", "metric": "test/error", "relation": "<=", "value": 5.0,
     "mark": "P", "source": "B06 within 8 minutes; 3.00 in Hinton and Salakhutdinov 2006"},
    {"run": "mnist-short", "metric": "cpu_minutes", "relation": "<=", "value": 8, "statistic": "worst",
     "mark": "P", "source": "B06"},
    {"run": "mnist", "metric": "test/error", "relation": "<=", "value": 4.0,
     "mark": "P", "source": "B06 within 15 minutes"},
    {"run": "mnist", "metric": "cpu_minutes", "relation": "<=", "value": 15, "statistic": "worst",
     "mark": "P", "source": "B06"},
    {"run": "mnist", "metric": "test/pca_error", "relation": "==", "value": 13.866, "tolerance": 0.0005,
     "mark": "R", "source": "B06: what PCA leaves with as many numbers"},
    {"run": "mnist", "metric": "test/ablation_1", "relation": "<=", "value": 0.15, "statistic": "worst",
     "mark": "P", "source": "B16: removing any one of 64 units of hidden layer 1"},
    {"run": "mnist", "metric": "test/ablation_2", "relation": "<=", "value": 0.15, "statistic": "worst",
     "mark": "P", "source": "B16: removing any one of 64 units of hidden layer 2"},
    {"run": "mnist", "metric": "test/ablation_3", "relation": "<=", "value": 0.15, "statistic": "worst",
     "mark": "P", "source": "B16: removing any one of 64 units of hidden layer 3"},
    {"run": "mnist-zero", "metric": "test/collapsed", "relation": "==", "value": 1, "tolerance": 0.0,
     "mark": "X", "source": "B16: units that begin equal stay equal"},
)
# fmt: on


@dataclass(frozen=True)
class Config:
    code: int = 30
    """Numbers in the code."""
    hidden: tuple[int, ...] = (1000, 500, 250)
    """Widths of the encoder's hidden layers; the decoder mirrors them. Nothing gives the linear autoencoder."""
    activation: Literal["relu", "tanh", "sigmoid"] = "relu"
    """Hidden units."""
    objective: Literal["squared", "cross-entropy"] = "squared"
    """What is minimised; cross-entropy is for images."""
    initialization: Literal["he", "zero"] = "he"
    """zero shows what happens when no symmetry is broken."""
    learning_rate: float = 1e-3
    """Peak of the one-cycle schedule of Adam."""
    warmup: float = 0.1
    """Share of the steps over which the rate rises to its peak."""
    batch: int = 250
    """Examples per step."""
    epochs: int = 30
    """Passes over the training set, where no steps are given."""
    size: int = 0
    """Images: side in pixels; 0 as they are."""
    channels: int = 0
    """Images: 1 grey, 3 colour; 0 as they are."""
    target: str = ""
    """Tables: the column that is not an input; the last if not given."""
    valid_share: float = 0.1
    """Share of the training data that is held out for validation."""
    test_share: float = 0.1
    """Share that is held out for the test where the data bring none."""


def smoke():
    return Config(code=4, hidden=(32, 16), batch=64), {"data": "digits", "steps": 60}


def default():
    return Config(code=8, hidden=(128, 64), batch=64, epochs=100), {"data": "digits"}


def paper():
    return Config(valid_share=0.0), {"data": "mnist"}


def verify():
    full = Config(valid_share=0.0)
    again = {"data": "mnist", "threads": 1}
    zero = Config(hidden=(64,), initialization="zero", valid_share=0.0)
    return {
        "mnist-short": (full, {**again, "steps": 240 * 20}),
        "mnist": (full, {**again, "steps": 240 * 38}),
        "mnist-zero": (zero, {**again, "steps": 240}),
    }


import torch
from torch import nn

from deepcanon.engine import raw_export
from deepcanon.engine.errors import UsageError
from deepcanon.parts.reconstruction import cross_entropy_of, squared_error_of
from deepcanon.parts.schedules import one_cycle
from deepcanon.parts.standardize import Standardize, channel_statistics, unit_pixels
from deepcanon.parts.tiles import side_by_side, signed_tiles
from deepcanon.representation.autoencoder import Autoencoder
from deepcanon.representation.diversity import ablation, collapsed, effective_rank, mean_absolute_cosine, selectivity
from deepcanon.representation.pca import PCA

UNITS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
ABLATED, EXAMPLES = 64, 1000  # units of each hidden layer that are taken away one by one, and examples on which


class Recipe:
    state = ("model", "optimizer")
    monitor = ("valid/error", "min")
    parallel = "gradients"
    precisions = ("fp32", "bf16")

    @staticmethod
    def learn(config, data) -> dict:
        train, images = data["train"], data.describe()["kind"] == "images"
        if len(train) < 2:
            raise UsageError("the data have one example to train on: two at least")
        if config.objective == "cross-entropy" and not images:
            raise UsageError("--objective cross-entropy is for images: columns are not in [0, 1]")
        shift, scale = unit_pixels(train.x.shape[1]) if images else channel_statistics(p.x for p in train.chunks())
        facts = {"shape": list(train.x.shape[1:]), "shift": shift, "scale": scale}
        prepare = nn.Sequential(Standardize(shift, scale), nn.Flatten())
        rows = torch.cat([prepare(part.x) for part in train.chunks()])
        pca = PCA(min(config.code, rows.shape[1], len(rows))).fit(rows)
        return {**facts, "pca_mean": pca.mean_, "pca_components": pca.components_}

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        self.images = facts["reader"]["kind"] == "images"
        self.model = Autoencoder(
            torch.Size(facts["shape"]).numel(), config.code, hidden=config.hidden,
            activation=UNITS[config.activation], output="sigmoid" if self.images else "linear",
        ).to(run.device)  # fmt: skip
        if config.initialization == "zero":
            for parameter in self.model.parameters():
                nn.init.zeros_(parameter)
        self.preprocess = nn.Sequential(Standardize(facts["shift"], facts["scale"]), nn.Flatten()).to(run.device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), config.learning_rate, fused=True)

    def plan(self) -> int:
        return self.config.epochs * max(1, len(self.run.data["train"]) // self.config.batch)

    def step(self, step: int) -> dict:
        config, run = self.config, self.run
        x = self.preprocess(run.batch(run.data["train"], config.batch).x)
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * one_cycle(step, run.steps, config.warmup)
        self.optimizer.zero_grad()
        with run.autocast():
            z = self.model.logits(self.model.encode(x))
        if config.objective == "cross-entropy":
            loss = cross_entropy_of(z, x)
        else:
            wide = z.to(torch.promote_types(z.dtype, torch.float32))
            loss = squared_error_of(wide.sigmoid() if self.images else wide, x)
        loss = run.backward(loss, self.model)
        self.optimizer.step()
        return {"loss": loss}

    def rows(self, x, function):
        return torch.cat([function(self.preprocess(part.to(self.run.device))) for part in x.split(2000)])

    def errors(self, x):
        return self.rows(x, lambda inputs: squared_error_of(self.model(inputs), inputs, "none"))

    def pca_errors(self, x):
        mean, components = (torch.as_tensor(self.facts[f"pca_{name}"]) for name in ("mean", "components"))

        def function(inputs):
            centred = inputs.cpu().double() - mean
            return (centred - centred @ components.T @ components).square().sum(1)

        return self.rows(x, function)

    def evaluate(self, split: str) -> dict:
        x, first = self.run.data[split].x, self.model.encoder[0].weight.float()
        found = {"error": self.errors(x).double().mean(), "pca_error": self.pca_errors(x).mean()}
        if split == "test" and self.config.hidden:
            found |= {"filter_cosine": mean_absolute_cosine(first), "effective_rank": effective_rank(first)}
            found["collapsed"] = float(collapsed(first))
            found |= {f"ablation_{layer + 1}": rises.max() for layer, rises in enumerate(self.ablations(x))}
        return found

    def ablations(self, x):
        """Relative rise of the error for each of up to 64 units that is taken away, of each layer before the code."""
        inputs = self.preprocess(x[:EXAMPLES].to(self.run.device))
        layers = self.model.encoder[1::2]  # what follows the linear maps
        spread = (range(0, width, -(-width // ABLATED)) for width in self.config.hidden)
        return [
            ablation(self.model, layer, lambda model: squared_error_of(model(inputs), inputs), units)
            for layer, units in zip(layers, spread, strict=True)
        ]

    def figures(self) -> dict:
        split = self.run.data["valid" if "valid" in self.run.data else "train"]
        shown: dict = {}
        if self.images:
            x, shape = self.preprocess(split.x[:32].to(self.run.device)), self.facts["shape"]
            shown["reconstructions"] = side_by_side((x, self.model(x)), shape).numpy()
            shown["filters"] = signed_tiles(self.model.encoder[0].weight[:100], shape).numpy()
        codes = self.rows(split.x[:3000], self.model.encode).float().cpu()
        if min(codes.shape) > 1:
            shown["codes"] = self.map(codes, None if split.y is None else split.y[: len(codes)])
        if self.config.hidden:
            shown["units"] = self.units(split.x[:EXAMPLES])
        return shown

    def map(self, codes, labels):
        """The codes in their two directions of largest variance, coloured by class."""
        from matplotlib.figure import Figure

        flat = codes if codes.shape[1] == 2 else PCA(2).fit(codes).transform(codes)
        figure = Figure(figsize=(5, 4.4), layout="constrained")
        axes = figure.subplots()
        names = self.facts["reader"].get("classes")
        if labels is None or not names or labels.dtype.is_floating_point:
            axes.scatter(flat[:, 0], flat[:, 1], s=4)
        else:
            for number, name in enumerate(names[:20]):
                mine = flat[labels == number]
                axes.scatter(mine[:, 0], mine[:, 1], s=4, color=f"C{number % 10}", label=name)
            axes.legend(markerscale=3, fontsize=7)
        axes.set(title="codes" if codes.shape[1] == 2 else "codes, first two principal components")
        return figure

    def units(self, x):
        """How the units share the work: selectivity of those before the code, and what a removal costs in each."""
        from matplotlib.figure import Figure

        active = self.rows(x, self.model.encoder[:-1]).float()
        figure = Figure(figsize=(7, 2.8), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.hist(selectivity(active).cpu().numpy(), bins=20, range=(0, 1))
        left.set(xlabel="selectivity (0: always on)", ylabel="hidden units")
        for layer, rises in enumerate(self.ablations(x)):
            right.plot(100 * rises.sort(descending=True).values.cpu(), ".-", label=f"layer {layer + 1}")
        right.set(xlabel="unit taken away, worst first", ylabel="error rises by, %")
        right.legend(fontsize=7)
        return figure

    def encode(self, inputs):
        return self.rows(inputs, self.model.encode)

    def predict(self, inputs) -> list[dict]:
        """The error of each input's reconstruction: large for what is unlike the training data."""
        return [{"value": float(value)} for value in self.errors(inputs)]

    def export(self):
        about = {"task": "encode and reconstruct", "output_range": [0, 1] if self.images else "standardised"}
        module, outputs = Both(self.preprocess, self.model), ("code", "reconstruction")
        return raw_export(module, self.facts["shape"], self.facts["reader"], self.run.device, outputs, about)


class Both(nn.Module):
    """Code and reconstruction of raw inputs."""

    def __init__(self, preprocess: nn.Module, model: Autoencoder) -> None:
        super().__init__()
        self.preprocess, self.model = preprocess, model

    def forward(self, inputs):
        code = self.model.encode(self.preprocess(inputs))
        return code, self.model.decode(code)
