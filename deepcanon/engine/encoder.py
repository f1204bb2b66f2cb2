"""What is done with a code apart from learning it: computed for many inputs, its filters drawn, taken out of its run.

How the code is learned is the recipe's own and is written there. The rest is the same for every code of images or of
the rows of a table: a recipe holds an `Encoder` and passes the verbs on to it.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from deepcanon.engine.contract import Encodes, Exports, Facts
from deepcanon.engine.export import Export, raw_export
from deepcanon.engine.figures import Tiles
from deepcanon.engine.portions import Portions
from deepcanon.engine.preprocess import raw_inputs
from deepcanon.engine.run import Run
from deepcanon.engine.shown import FILTERS, filters

__all__ = ["Encoder", "Encoding"]


class Encoder:
    """Called with raw inputs it gives their codes, some rows at a time.

    Args:
        run: of the recipe.
        layers: from raw inputs to prepared ones, and on to codes [N, K]; together they are the export.
        facts: of the recipe: "shape" of one raw input, (C, H, W) or (F,), and what the "reader" said of the data.
        code: from prepared inputs to codes, if that is not what all layers but the first do.
        about: what else a user of the export must know.

    Attributes:
        prepared: from the name of a split to all its prepared inputs, which are kept.
    """

    def __init__(
        self,
        run: Run,
        layers: Sequence[nn.Module],
        facts: Facts,
        *,
        code: Callable[[Tensor], Tensor] | None = None,
        about: dict[str, Any] | None = None,
    ) -> None:
        self.run, self.layers, self.code = run, tuple(layers), code
        self.shape, self.reader, self.about = facts["shape"], facts["reader"], about or {}
        self.images = len(self.shape) == 3
        self.prepared, self.portions = functools.cache(self._prepared), Portions()

    def __call__(self, x: Any) -> Tensor:
        """The codes of raw inputs."""
        code = self.code or nn.Sequential(*self.layers[1:])
        return self.portions(lambda part: code(self.layers[0](self.run.to(part))), x, of="code")

    def prepare(self, x: Any) -> Tensor:
        """Raw inputs as the model takes them."""
        return self.portions(lambda part: self.layers[0](self.run.to(part)), x, of="prepared")

    def over(self, x: Any, function: Callable[[Tensor], Tensor]) -> Tensor:
        """What a function makes of prepared inputs, some rows at a time."""
        return self.portions(lambda part: function(self.layers[0](self.run.to(part))), x, of=function)

    def raw(self, rows: Tensor) -> Tensor:
        """Raw inputs, on the CPU, from prepared ones."""
        return raw_inputs(self.layers[0], rows, self.shape)

    def _prepared(self, split: str) -> Tensor:
        return self.prepare(self.run.data[split].x)

    def mine(self, split: str) -> Tensor:
        """All prepared inputs of a split; of the training split only those of this process."""
        rows = self.prepared(split)
        return rows[self.run.rank :: self.run.world] if split == "train" else rows

    def tiles(self, rows: Tensor, most: int = 400, caption: str = FILTERS) -> Tiles:
        """The first filters [K, D] as pictures, if the inputs are images; 0 is grey."""
        return filters(rows, self.shape, caption, most=most)

    def export(self) -> Export:
        """Raw values in, codes out."""
        about = {"task": "encode", **self.about}
        module = nn.Sequential(*self.layers)
        return raw_export(module, self.shape, self.reader, self.run.device, ("code",), about)


class Encoding(Encodes, Exports):
    """The verbs of a recipe that holds an `Encoder`."""

    encoder: Encoder

    def encode(self, inputs: Any) -> Tensor:
        return self.encoder(inputs)

    def export(self) -> Export:
        return self.encoder.export()
