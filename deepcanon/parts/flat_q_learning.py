"""The updates of deep Q-learning on flat vectors, without autograd: equations (1) to (4) of `deepcanon.rl.dqn`.

Mnih et al., Human-level control through deep reinforcement learning, Nature 518, 2015; van Hasselt, Guez, Silver, Deep
reinforcement learning with double Q-learning, arXiv:1509.06461 (`double`).

    (1)  y = r + (1 - z) gamma max_a' Q(s', a'; w-)    double: Q(s', argmax_a' Q(s', a'; w); w-)
    (2)  d = Q(s, a; w) - y,    c = d clipped to [-delta, delta]
    (3)  J = mean over the batch of c (d - c / 2)      d^2 / 2 up to delta, delta (|d| - delta / 2) beyond
    (4)  dJ/dQ(s, a) = c / m for the action taken, 0 for all others

>>> y = targets(np.ones(2), np.array([True, False]), np.array([[5.0, 5.0], [7.0, 7.0]]), 0.5)
>>> loss, slopes = td_slopes(np.zeros((2, 2)), np.array([0, 1]), y)
>>> y.tolist(), float(loss), slopes.tolist()
([1.0, 4.5], 2.25, [[-0.5, 0.0], [0.0, -0.5]])
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from deepcanon.parts.flat_perceptron import FlatPerceptron

__all__ = ["FlatQLearning", "targets", "td_slopes"]


def targets(
    reward: Float[np.ndarray, "batch"],
    terminated: Bool[np.ndarray, "batch"],
    next_values: Float[np.ndarray, "actions batch"],
    discount: float,
    selector: Float[np.ndarray, "actions batch"] | None = None,
) -> Float[np.ndarray, "batch"]:
    """Equation (1); the values have the actions first."""
    if selector is None:
        future = np.maximum.reduce(next_values, 0)
    else:
        future = next_values[selector.argmax(0), np.arange(len(reward))]
    future[terminated] = 0.0  # filled, not multiplied: 0 * inf would poison the target
    future *= discount
    future += reward
    return future


def td_slopes(
    values: Float[np.ndarray, "actions batch"],
    action: Int[np.ndarray, "batch"],
    target: Float[np.ndarray, "batch"],
    delta: float = 1.0,
) -> tuple[Any, Float[np.ndarray, "actions batch"]]:
    """Equations (2) to (4): the loss and its slopes in the values."""
    m = len(target)
    places = action * m + np.arange(m)  # of Q(s, a) in memory
    d = values.take(places) - target
    c = np.minimum(np.maximum(d, -delta), delta)
    slopes = np.zeros_like(values)
    slopes.reshape(-1)[places] = c / m
    return np.dot(c, d - 0.5 * c) / m, slopes


class FlatQLearning:
    """What an agent does with its networks: called with observations it gives their values [actions, batch].

    Args:
        online, frozen: the layers of the network, and of its copy.
        options: has discount, delta, double, gradient_clip (the largest norm; 0 never clips), and target_network
            (whether the copy values the next state, or the network itself).
    """

    def __init__(self, online: Sequence[nn.Linear], frozen: Sequence[nn.Linear], options: Any) -> None:
        self.online, self.options = FlatPerceptron(online), options
        self.frozen = FlatPerceptron(frozen) if options.target_network else self.online

    def __call__(self, observation: Float[np.ndarray, "batch size"]) -> Float[np.ndarray, "actions batch"]:
        return self.online(observation)

    def bootstrap(self, batch: dict[str, np.ndarray]) -> Float[np.ndarray, "batch"]:
        """Equation (1) for the columns reward, terminated and successor of a batch."""
        successor = batch["successor"]
        selector = self.online(successor) if self.options.double else None
        return targets(batch["reward"], batch["terminated"], self.frozen(successor), self.options.discount, selector)

    def update(self, optimizer: torch.optim.Optimizer, transitions: dict[str, Tensor], count: int) -> Tensor:
        """A number of updates, each on its share of the transitions; returns the loss of the last one."""
        columns = {name: column.numpy() for name, column in transitions.items()}
        size = len(columns["reward"]) // count
        # No update changes the frozen copy, so one product gives the targets of all updates.
        fixed = self.bootstrap(columns) if self.frozen is not self.online and not self.options.double else None
        loss = torch.zeros(())
        for start in range(0, size * count, size):
            rows = slice(start, start + size)
            batch = {name: column[rows] for name, column in columns.items()}
            loss = self._one(optimizer, batch, self.bootstrap(batch) if fixed is None else fixed[rows])
        return loss

    def _one(self, optimizer: torch.optim.Optimizer, batch: dict[str, np.ndarray], target: np.ndarray) -> Tensor:
        action, options = batch["action"], self.options
        loss = self.online.gradient(batch["observation"], lambda q: td_slopes(q, action, target, options.delta))
        if options.gradient_clip:
            self.online.clip(options.gradient_clip)
        self.online.step(optimizer)
        return loss
