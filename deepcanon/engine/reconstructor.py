"""What is done with an autoencoder apart from training it: measured, drawn, asked, taken out of its run.

The update is the recipe's own and is written there. The rest is the same for every system that encodes images or the
rows of a table and reconstructs them: a recipe holds a `Reconstructor` and passes the verbs on to it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from deepcanon.data.splits import Split
from deepcanon.engine.contract import Decodes, Exports, Predicts
from deepcanon.engine.export import Export, raw_export
from deepcanon.engine.figures import Heat, Line, Plot
from deepcanon.engine.portions import Portions
from deepcanon.engine.preprocess import raw_inputs
from deepcanon.engine.run import Run
from deepcanon.engine.shown import filters, map_of_groups, reconstructions
from deepcanon.parts.principal_plane import on_a_plane
from deepcanon.parts.reconstruction import squared_error_of

__all__ = ["Reconstructor", "Reconstructs", "corrupted"]

CODES = (
    "Codes of held-out inputs in the plane of their largest variance: a code that separates classes shows them as "
    "clusters."
)
COLUMNS = "The error of each column before and after: denoised should be darker."
MOVES = "Where noisy points are moved: every arrow should end at the curve."
TASKS = {"code": "encode", "reconstruction": "reconstruct"}


def corrupted(
    run: Run, x: Tensor, batch: int, corrupt: Callable[[Tensor, float, torch.Generator], Tensor], amount: float
) -> Tensor:
    """This process's rows `x` with their part of the noise that is drawn for the global `batch`, new at each step."""
    rows = run.rows(batch)
    whole = x.new_zeros(batch, *x.shape[1:])
    whole[rows] = x
    return corrupt(whole, amount, run.generator("corruption", run.device))[rows]


class Reconstructor:
    """Called with raw inputs it gives their reconstructions, some rows at a time.

    Args:
        run: of the recipe.
        model: with `encode`, `decode` and, from prepared inputs [N, D] to reconstructions [N, D], `forward`.
        preprocess: from raw inputs to prepared ones; it becomes part of the export.
        facts: of the recipe: "shape" of one raw input, (C, H, W) or (F,), and "reader", what was said of the data.
        outputs: what an export gives: "code", "reconstruction" or both.
    """

    def __init__(
        self,
        run: Run,
        model: Any,
        preprocess: nn.Module,
        facts: Mapping[str, Any],
        *,
        outputs: tuple[str, ...] = ("code", "reconstruction"),
    ) -> None:
        self.run, self.model = run, model
        self.preprocess: Any = preprocess
        self.shape, self.reader = facts["shape"], facts["reader"]
        self.outputs = outputs
        self.images, self.portions = len(self.shape) == 3, Portions()

    def __call__(self, x: Tensor, function: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """The reconstructions of raw inputs, or what another function makes of the prepared ones."""
        function = function or self.model
        return self.portions(lambda part: function(self.preprocess(part.to(self.run.device))), x, of=function)

    def encode(self, x: Tensor) -> Tensor:
        """The codes [N, K] of raw inputs."""
        return self(x, self.model.encode)

    def decode(self, codes: Tensor) -> Tensor:
        """The raw inputs that codes [N, K] stand for."""
        weight = next(self.model.parameters())
        rows = self.portions(lambda part: self.model.decode(part.to(weight)), codes, of="decode")
        return raw_inputs(self.preprocess, rows, self.shape)

    def errors(self, x: Tensor) -> Tensor:
        """The squared error [N] of each raw input's reconstruction, summed over the features."""
        return self(x, self._errors)

    def _errors(self, inputs: Tensor) -> Tensor:
        return squared_error_of(self.model(inputs), inputs, "none")

    def predict(self, inputs: Tensor) -> list[dict[str, Any]]:
        """The error of each input's reconstruction: large for what is unlike the training data."""
        return [{"value": value} for value in self.errors(inputs).tolist()]

    def look(self, count: int) -> Split:
        """The first `count` examples of the split that figures are of."""
        data = self.run.data[self.run.pictured]
        return data.take(torch.arange(min(count, len(data))))

    def pictures(self, weights: Tensor, **versions: Tensor) -> dict[str, Any]:
        """Of images: `weights` [H, D] as filters, and versions [N, D] of the same inputs by name."""
        if not self.images:
            return {}
        return {"reconstructions": reconstructions(self.shape, versions), "filters": filters(weights, self.shape)}

    def columns(self, x: Tensor, **versions: Tensor) -> Heat:
        """Of tables: the squared error of each column in versions [N, F] of prepared inputs x."""
        errors = torch.stack([(rows - x).square().mean(0) for rows in versions.values()], 1)
        names, unit = self.reader.get("columns") or (), "squared error (standardised)"
        return Heat(errors, "rows", "column", "", [*versions], names, unit, caption=COLUMNS)

    def moves(self, starts: Tensor, ends: Tensor, truth: Mapping[str, Tensor]) -> Plot:
        """Where inputs near a known curve are sent, in a plane.

        Args:
            starts, ends: prepared inputs [N, D].
            truth: "support", points of the curve in the data's own units [N, D], and "plane", its axes [D, 2].
        """
        plane, raw = truth["plane"].to(starts), self.preprocess[0].inverse
        across, up = (truth["support"].to(starts) @ plane).T
        places, after = raw(starts) @ plane, raw(ends) @ plane
        line, title = Line(up, across, colour=-1), f"r(u) - u near the curve, two of {len(plane)} dimensions"
        return Plot([line], "along a_1", "along b_1", title, arrows=(places, after - places), equal=True, caption=MOVES)

    def map(self, seen: Split) -> dict[str, Any]:
        """The codes of some examples in their two directions of largest variance, coloured by class."""
        codes = self.encode(seen.x).cpu().double()
        if min(codes.shape) < 2:
            return {}
        axes = ("first number of the code", "second number of the code")
        if codes.shape[1] > 2:
            codes = on_a_plane(codes)
            axes = ("first principal component", "second principal component")
        names = self.reader.get("classes") or ()
        return {"codes": map_of_groups(codes, axes, seen.y, names, CODES)}

    def export(self) -> Export:
        """Raw values in, codes or reconstructions or both out."""
        about: dict[str, Any] = {"task": " and ".join(TASKS[name] for name in self.outputs)}
        if "reconstruction" in self.outputs:
            about["output_range"] = [0, 1] if self.images else "standardised"
        module = _Outputs(self.preprocess, self.model, self.outputs)
        return raw_export(module, self.shape, self.reader, self.run.device, self.outputs, about)


class _Outputs(nn.Module):
    """What is asked of code and reconstruction, from raw inputs."""

    def __init__(self, preprocess: nn.Module, model: Any, outputs: tuple[str, ...]) -> None:
        super().__init__()
        self.preprocess, self.outputs = preprocess, outputs
        self.model: Any = model

    def forward(self, inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        code = self.model.encode(self.preprocess(inputs))
        if self.outputs == ("code",):
            return code
        found = {"code": code, "reconstruction": self.model.decode(code)}
        asked = tuple(found[name] for name in self.outputs)
        return asked if len(asked) > 1 else asked[0]


class Reconstructs(Predicts, Decodes, Exports):
    """The verbs of a recipe that holds a `Reconstructor`."""

    reconstructor: Reconstructor

    def predict(self, inputs: Any) -> list[dict[str, Any]]:
        return self.reconstructor.predict(inputs)

    def encode(self, inputs: Any) -> Tensor:
        return self.reconstructor.encode(inputs)

    def decode(self, codes: Tensor) -> Tensor:
        return self.reconstructor.decode(codes)

    def export(self) -> Export:
        return self.reconstructor.export()
