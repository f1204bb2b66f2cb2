"""What is done with a generator apart from training it: sampled, shown, measured, taken out of its run.

The update is the recipe's own. The rest is the same for every network from normal noise to pictures or points: a recipe
holds the network as `average` and its data's transform as `preprocess`, and inherits the verbs.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from deepcanon.data.splits import Dataset, Split
from deepcanon.engine import shown
from deepcanon.engine.contract import Exports, Generates
from deepcanon.engine.export import Export
from deepcanon.engine.figures import Line, Plot
from deepcanon.engine.judge import judge_facts, judged_from
from deepcanon.engine.portions import in_portions
from deepcanon.engine.run import Run
from deepcanon.parts.judge import judge_against_real, passes
from deepcanon.parts.mixtures import mixture_cover
from deepcanon.parts.standardize import Standardize
from deepcanon.ranges import NonNegative
from deepcanon.verb_options import Sampling

__all__ = ["Draws", "NoiseSampling", "RawGenerator"]

PICTURES, POINTS = 100, 2_500  # that are shown
POINTS_SHOWN = "Samples over the data: they should cover every cluster as densely as the data, with few points between."


@dataclass(frozen=True, kw_only=True)
class NoiseSampling(Sampling):
    temperature: NonNegative = 1.0
    """Standard deviation of the noise: 1 as trained, lower gives safer, less varied samples."""


class GeneratorOptions(Protocol):
    """The options of a recipe that trains a generator."""

    @property
    def samples(self) -> int: ...
    @property
    def score(self) -> bool: ...


class RawGenerator(nn.Module):
    """Noise to raw values: pixels 0..255, or points in the data's own units."""

    def __init__(self, generator: nn.Module, scaled: Standardize) -> None:
        super().__init__()
        self.generator, self.scaled = generator, scaled

    def forward(self, noise: Tensor) -> Tensor:
        return self.scaled.inverse(self.generator(noise))


class Draws(Generates, Exports):
    """The verbs of a recipe that trains a generator on pictures or on points."""

    asked = NoiseSampling

    config: Any
    facts: dict[str, Any]
    run: Run

    preprocess: Standardize
    """Raw examples to those that the network draws."""
    average: nn.Module
    """Normal noise [N, noise] to examples: a moving average of the network that is trained."""

    @classmethod
    def learn(cls, config: GeneratorOptions, data: Dataset) -> dict[str, Any]:
        """What brings pixels into [-1, 1] or standardises columns; with --score a judge of the labelled images."""
        x = data["train"].x
        if data.kind == "images":
            shift, scale = torch.full((2, x.shape[1]), 127.5)
        else:
            shift, scale = (each.float() for each in data["train"].channel_statistics())
        judge = judge_facts(data, config.samples) if config.score else {}
        return {"shape": list(x.shape[1:]), "shift": shift, "scale": scale, **judge}

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an example: (channels, height, width) of a picture, (features,) of a point."""
        return tuple(self.facts["shape"])

    def drawn(self, noise: Tensor) -> Tensor:
        """The samples of rows of noise as the data are stored: pixels are whole numbers."""
        raw = RawGenerator(self.average, self.preprocess).eval()
        with self.run.autocast():
            values = in_portions(lambda rows: raw(rows.to(self.run.device)), noise)
        return values.round().clamp(0, 255).to(torch.uint8) if len(self.shape) == 3 else values

    def measured(self, samples: Tensor, real: Split) -> dict[str, float]:
        """What a judge makes of pictures; for points how well they cover a mixture whose centres are known."""
        if len(self.shape) == 1:
            truth = self.run.data.truth
            if "centres" not in truth:
                return {}
            known = truth["centres"], truth["sigma"]
            floor = mixture_cover(real.x.float(), *known)["good"]
            return {**mixture_cover(samples.cpu(), *known), "real_good": floor}
        judged = judged_from(self.facts, self.run.device)
        if judged is None or real.y is None:
            return {}
        found = judge_against_real(judged.judge, samples, real.x, real.y, judged.known)
        return {**found, "passed": float(passes(found))}

    def figures(self) -> dict[str, Any]:
        # The same noise each time, so that the pictures of a run show how one sample grows.
        generator = torch.Generator().manual_seed(0)
        count = PICTURES if len(self.shape) == 3 else POINTS
        samples = self.drawn(torch.randn(count, self.config.noise, generator=generator)).cpu()
        if len(self.shape) == 3:
            return {"samples": shown.samples(samples)}
        if len(samples[0]) != 2:
            return {}
        real = self.run.data["train"].x[:count]
        lines = [
            Line(points[:, 1], points[:, 0], name, style=".", colour=colour)
            for points, name, colour in ((real, "data", -1), (samples, "samples", 0))
        ]
        return {"samples": Plot(lines, "first coordinate", "second coordinate", equal=True, caption=POINTS_SHOWN)}

    def generate(self, asked: NoiseSampling, generator: torch.Generator) -> list[dict[str, Any]] | Tensor:
        noise = asked.temperature * torch.randn(asked.count, self.config.noise, generator=generator)
        samples = self.drawn(noise).cpu()
        if len(self.shape) == 3:
            return samples
        return [{"text": " ".join(f"{v:.4f}" for v in row), "point": row} for row in samples.tolist()]

    def walk(self, first: int, last: int, count: int) -> Tensor:
        """The samples [count, ...] on the way from one seed's noise to another's.

        The way is an arc: noise of many dimensions lies near a sphere, and a straight line would cut through its
        middle, where the generator was never trained. Seeds whose noises are opposite have no single arc.

        Args:
            count: of samples, with both ends; at least 2.
        """
        a, b = (torch.randn(self.config.noise, generator=torch.Generator().manual_seed(s)) for s in (first, last))
        share = torch.linspace(0, 1, count)[:, None]
        angle = torch.arccos((a @ b / (a.norm() * b.norm())).clamp(-1, 1))
        if angle.sin() < 1e-4:
            return self.drawn(torch.lerp(a, b, share)).cpu()
        arc = (((1 - share) * angle).sin() * a / a.norm() + (share * angle).sin() * b / b.norm()) / angle.sin()
        return self.drawn(arc * torch.lerp(a.norm(), b.norm(), share)).cpu()

    def export(self) -> Export:
        shape, size = self.shape, self.config.noise
        about = {"task": "generate", "noise": f"standard normal, length {size}", "shape": list(shape)}
        if len(shape) == 3:
            about |= {"range": [0, 255], "channel_order": "grey" if shape[0] == 1 else "RGB"}
        module, example = RawGenerator(self.average, self.preprocess), torch.zeros(2, size, device=self.run.device)
        return Export(module, (example,), ("noise",), ("pixels" if len(shape) == 3 else "points",), about)
