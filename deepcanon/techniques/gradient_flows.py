"""Gradient flow through networks of several kinds, each drawn at random, and how it is shown.

Sources: Pascanu, Mikolov and Bengio 2013 (arXiv:1211.5063) for recurrent networks; Hochreiter and Schmidhuber 1997 for
the memory of an LSTM.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from deepcanon.engine.figures import Panels, Plot, Text
from deepcanon.engine.shown import columns, curves
from deepcanon.foundations.gradient_flow import (
    cell_flow,
    driven_flow,
    memory_flow,
    perceptron_flow,
)
from deepcanon.foundations.initialization import initialize

__all__ = ["deep_flows", "flow_figures", "gated_flows", "recurrent_flows"]

NORMS = "Gradients over steps: level lines carry them, falling ones vanish, rising ones explode."
RANKS = "Singular values at the end: a level line keeps all directions, a steep one forgets most."
SHOWN = (1e-16, 1e8)

Flows = dict[str, Any]
"""A `GradientFlow` by the name of the network."""


def recurrent_flows(
    linear: Mapping[str, float], tanh: Mapping[str, float], length: int, hidden: int, input_scale: float,
    generator: torch.Generator,
) -> Flows:  # fmt: skip
    """s_t = W s_{t-1} + u_t, and tanh of the same, by name.

    Args:
        linear, tanh: the spectral radius of W by the network's name.
    """
    found = {}
    for networks, units in ((linear, nn.Identity()), (tanh, torch.tanh)):
        for name, radius in networks.items():
            found[name] = driven_flow(length, hidden, radius, units, input_scale=input_scale, generator=generator)
    return found


def gated_flows(
    forget_biases: Mapping[str, float], length: int, hidden: int, scheme: str, input_scale: float,
    generator: torch.Generator,
) -> Flows:  # fmt: skip
    """A GRU and LSTMs over their whole state; and the LSTMs' memories alone, mean of units.

    Args:
        forget_biases: of the LSTMs, by the end of their names.
        scheme: of their initial weights.
    """
    inputs = input_scale * torch.randn(length, 1, hidden, generator=generator, dtype=torch.float64)
    found = {"gru": cell_flow(initialize(nn.GRUCell(hidden, hidden).double(), scheme, generator), inputs)}
    for name, bias in forget_biases.items():
        lstm = initialize(nn.LSTMCell(hidden, hidden).double(), scheme, generator)
        nn.init.constant_(lstm.bias_ih.chunk(4)[1], bias)
        found[f"lstm_{name}"] = cell_flow(lstm, inputs)
        found[f"memory_{name}"] = memory_flow(lstm, inputs)
    return found


def deep_flows(networks: Mapping[str, str], depth: int, width: int, generator: torch.Generator) -> Flows:
    """Perceptrons of equal layers, by name.

    Args:
        networks: "activation-scheme" by the network's name.
    """
    found = {}
    for name, pair in networks.items():
        activation, scheme = pair.split("-", 1)
        found[name] = perceptron_flow(depth, width, activation, scheme, generator)
    return found


def flow_figures(
    norms: Mapping[str, Tensor], spectra: Mapping[str, Tensor], groups: Mapping[str, Sequence[str]], draws: int
) -> dict[str, Panels | Text]:
    """Norms over steps, singular values at the end, and a table of both ends.

    Args:
        norms: of the Jacobian after each step or layer, [steps], by network.
        spectra: its singular values at the end, by network.
        groups: names of networks by the title of their panel.
        draws: how many the norms are means of.
    """

    def panel(values: Mapping[str, Tensor], names: Sequence[str], x: str, y: str, title: str) -> Plot:
        some = {name.replace("_", " "): values[name].clamp(*SHOWN) for name in names if name in values}
        return Plot(curves(some, first=1), x, y, title, log="y")

    over = [panel(norms, names, "step, layer", "norm of Jacobian", title) for title, names in groups.items()]
    last = [panel(spectra, names, "rank", "singular value at the end", title) for title, names in groups.items()]
    head = ["network", "factor a step", "after all", f"(geometric means of {draws} draws)"]
    rows = [[name, f"{norm[-1] ** (1 / len(norm)):.6f}", f"{norm[-1]:.3g}", ""] for name, norm in norms.items()]
    shown: dict[str, Panels | Text] = {"norms": Panels(over, 2, NORMS), "singular-values": Panels(last, 2, RANKS)}
    return {**shown, "table": columns(head, rows, NORMS)}
