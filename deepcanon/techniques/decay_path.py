"""A softmax on fixed features for each of several weight decays, of which validation chooses one.

They are fitted from the largest decay, the simplest, to the smallest, each by L-BFGS from where the one before ended.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from deepcanon.foundations.softmax_regression import softmax_both
from deepcanon.techniques import convex

__all__ = ["DecayPath"]

ARRIVED = 1e-6  # largest entry of a gradient
NONE_YET = 2.0  # above every share of errors


class DecayPath(nn.Module):
    """Fits a linear layer in place and remembers the best one.

    Args:
        run: of the recipe.
        output: the layer.
        decays: to choose from.
        history: pairs of L-BFGS.

    Attributes:
        decays: from the largest to the smallest.
        optimizer: its state is part of a checkpoint, as this module is.
        error, decay: of the best layer so far.
    """

    def __init__(self, run: Any, output: nn.Linear, decays: Sequence[float], history: int) -> None:
        super().__init__()
        self.decays = sorted(decays, reverse=True)
        self.best = copy.deepcopy(output)
        self.error: Tensor
        self.decay: Tensor
        self.register_buffer("error", torch.tensor(NONE_YET, dtype=torch.float64))
        self.register_buffer("decay", torch.tensor(0.0, dtype=torch.float64))
        self.optimizer = convex.lbfgs(output.parameters(), history)
        self._output = [output]  # not a part of this module
        self._objectives = [convex.Objective(run, output, softmax_both, decay=decay) for decay in self.decays]

    def step(self, number: int, rows: convex.Rows) -> tuple[Mapping[str, Tensor], bool]:
        """One iteration for the decay of this number; whether it has arrived at the minimum."""
        loss = self.optimizer.step(self._objectives[number].closure(rows))
        gradient = convex.steepest(*self._output[0].parameters())
        return {"loss": loss, "gradient": gradient}, bool(gradient <= ARRIVED)

    def compare(self, number: int, error: float) -> None:
        """Ends the fit of a decay: it is kept if its error on validation is the lowest, of equal ones the first."""
        self.optimizer.state.clear()
        if error < self.error:
            self.error.fill_(error)
            self.decay.fill_(self.decays[number])
            self.best.load_state_dict(self._output[0].state_dict())

    def choose(self) -> None:
        """The layer becomes the best one."""
        self._output[0].load_state_dict(self.best.state_dict())
