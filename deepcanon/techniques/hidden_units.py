"""How the hidden units of an autoencoder share the work: different filters, and no indispensable unit."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from deepcanon.engine.figures import Histogram, Line, Panels, Plot
from deepcanon.engine.reconstructor import Reconstructor
from deepcanon.parts.reconstruction import squared_error_of
from deepcanon.representation import diversity

__all__ = ["ablations", "sharing", "sharing_figure"]

ABLATED, EXAMPLES = 64, 1000  # units of a layer that are removed one by one, and examples used
SHARED = "How hidden units share the work: none should be idle."


def ablations(reconstructor: Reconstructor, x: Tensor) -> list[Tensor]:
    """Relative rise of the error without one unit of up to 64, by hidden layer.

    Args:
        reconstructor: of a model whose `encoder` alternates linear maps and hidden layers.
        x: raw inputs, of which the first thousand are used.
    """
    inputs, model = reconstructor(x[:EXAMPLES], nn.Identity()), reconstructor.model

    def error(model: nn.Module) -> Tensor:
        return squared_error_of(model(inputs), inputs)

    return [diversity.ablation(model, layer, error, ABLATED) for layer in model.encoder[1::2]]


def sharing(reconstructor: Reconstructor, x: Tensor) -> Mapping[str, Tensor]:
    """filter_cosine, effective_rank and collapsed of the first layer's filters; ablation_1, ...: the largest rises."""
    first = reconstructor.model.encoder[0].weight.float()
    found = {
        "filter_cosine": diversity.mean_absolute_cosine(first),
        "effective_rank": diversity.effective_rank(first),
        "collapsed": torch.tensor(float(diversity.collapsed(first))),
    }
    rises = enumerate(ablations(reconstructor, x), 1)
    return found | {f"ablation_{layer}": rise.max() for layer, rise in rises}


def sharing_figure(reconstructor: Reconstructor, x: Tensor) -> Panels:
    """How selective the last hidden units before the code are, and what each removal costs."""
    active = reconstructor(x[:EXAMPLES], reconstructor.model.encoder[:-1]).float()
    selective = {"hidden units": diversity.selectivity(active)}
    lines = [
        Line(100 * rises.sort(descending=True).values, label=f"layer {number}", style=".-")
        for number, rises in enumerate(ablations(reconstructor, x), 1)
    ]
    left = Histogram(selective, "selectivity (0: always on, 1: for one example)", bins=20)
    right = Plot(lines, "removed unit, worst first", "rise of the error (%)")
    return Panels([left, right], caption=SHARED)
