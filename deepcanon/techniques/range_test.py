"""A learning-rate range test as figures: the loss over the rate, and what it says.

Source: Smith 2017, "Cyclical learning rates for training neural networks" (arXiv:1506.01186), section 3.3.
"""

from torch import Tensor

from deepcanon.engine.figures import Line, Plot, Text
from deepcanon.foundations.learning_curves import RangeReading, range_words, smooth

__all__ = ["range_figures"]

RANGE = "Loss while the rate rises: good rates lie where it falls fastest, well before it turns up."
VERDICT = "What the curve says: a rate to train with, and the largest that does not diverge."
FIRST = 20  # steps whose mean loss sets the scale


def range_figures(found: RangeReading | None, rates: Tensor, losses: Tensor, keep: float) -> dict[str, Plot | Text]:
    """The loss of each step, smoothed with decay `keep`, over its rate; a sentence alone while there is no result.

    Args:
        found: the result, or None while the test is too short.
        rates, losses: of the steps so far, [steps].
    """
    if found is None:
        return {"verdict": Text(f"{len(rates)} steps: too few to read\n", VERDICT)}
    lines = [Line(losses, rates, "loss", colour=-1), Line(smooth(losses, keep), rates, "smoothed")]
    marked = {name: getattr(found, name) for name in ("suggested", "best", "largest")}
    marks = {f"{name} {rate:.2g}": rate for name, rate in marked.items()}
    axes, top = ("learning rate", "training loss (nats per example)"), 2.2 * losses[:FIRST].mean()
    curve = Plot(lines, *axes, log="x", marks=marks, y_range=(0.0, float(top)), caption=RANGE)
    return {"range": curve, "verdict": Text(range_words(found, rates, losses), VERDICT)}
