"""Deep Q-learning: a network learns action values from replayed transitions and a frozen copy of itself.

Mnih et al., Playing Atari with deep reinforcement learning, arXiv:1312.5602, 2013.
Mnih et al., Human-level control through deep reinforcement learning, Nature 518, 2015 (target network).
van Hasselt, Guez, Silver, Deep reinforcement learning with double Q-learning, arXiv:1509.06461 (option).

    s, a, r, s'  a transition        z in {0, 1}  s' is terminal (a time limit is NOT terminal)
    Q(s, .; w)   the network         w-           its frozen copy, w- <- w every C updates
    gamma        the discount        B, A         batch, actions

    (1)  y = r + (1 - z) gamma max_a' Q(s', a'; w-)                          target
    (2)  y = r + (1 - z) gamma Q(s', argmax_a' Q(s', a'; w); w-)             target of the double form
    (3)  L(w) = E over uniformly replayed (s, a, r, s', z) of H(Q(s, a; w) - y),  y held constant
    (4)  H(d) = d^2 / 2 if |d| <= 1 else |d| - 1/2                           the error clipped to [-1, 1]
    (5)  epsilon_t falls linearly from epsilon_0 to epsilon_1 over the first T steps, then stays

Departures: the network is a multilayer perceptron on state vectors, not a convolutional one on four Atari
frames (no Atari preprocessing); (4) is the Huber loss whose gradient is the clipped error of the paper, as is common
today; the optimizer is the caller's (the paper: RMSProp). The update (1) is masked by termination only: an episode cut
by its time limit still has a future, so its last target bootstraps.

>>> import torch
>>> network, s = QNetwork(4, 2), torch.zeros(3, 4)
>>> y = td_target(torch.ones(3), torch.tensor([True, False, False]), torch.full((3, 2), 5.0), 0.9)
>>> [round(v, 4) for v in y.tolist()], td_loss(network(s), torch.zeros(3, dtype=torch.long), y).shape
([1.0, 5.5, 5.5], torch.Size([]))
"""

from itertools import pairwise

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

__all__ = ["QNetwork", "copy_network", "linear_epsilon", "td_loss", "td_target"]


def td_target(
    reward: Float[Tensor, "batch"],
    terminated: Bool[Tensor, "batch"],
    next_values: Float[Tensor, "batch actions"],
    discount: float,
    selector: Float[Tensor, "batch actions"] | None = None,
) -> Float[Tensor, "batch"]:
    """Equation (1), or (2) with the online network's values of s' as `selector`; carries no gradient."""
    if reward.ndim != 1 or next_values.ndim != 2 or terminated.shape != reward.shape:
        raise ValueError(
            "reward [batch], terminated [batch] and next_values [batch, actions] expected, got "
            f"{tuple(reward.shape)}, {tuple(terminated.shape)} and {tuple(next_values.shape)}"
        )
    if next_values.shape[0] != reward.shape[0]:
        raise ValueError(f"{reward.shape[0]} rewards but {next_values.shape[0]} rows of next_values")
    if terminated.dtype != torch.bool:
        raise ValueError(f"terminated must be boolean, got {terminated.dtype}")
    if selector is not None and selector.shape != next_values.shape:
        raise ValueError(
            f"selector {tuple(selector.shape)} must have the shape of next_values {tuple(next_values.shape)}"
        )
    with torch.no_grad():
        if selector is None:
            future = next_values.amax(dim=1)
        else:
            future = next_values.gather(1, selector.argmax(dim=1, keepdim=True)).squeeze(1)
        # (1), (2); filled, not multiplied: 0 * inf would poison the target
        return reward + discount * future.masked_fill(terminated, 0.0)


def td_loss(
    values: Float[Tensor, "batch actions"],
    action: Int[Tensor, "batch"],
    target: Float[Tensor, "batch"],
    delta: float = 1.0,
    reduction: str = "mean",
) -> Float[Tensor, "..."]:
    """Equations (3) and (4): the Huber loss between the value of the action taken and its target."""
    if values.ndim != 2 or action.ndim != 1 or target.ndim != 1:
        raise ValueError(
            "values [batch, actions], action [batch] and target [batch] expected, got "
            f"{tuple(values.shape)}, {tuple(action.shape)} and {tuple(target.shape)}"
        )
    if not values.shape[0] == action.shape[0] == target.shape[0]:
        raise ValueError(
            f"batch sizes differ: values {values.shape[0]}, action {action.shape[0]}, target {target.shape[0]}"
        )
    if target.requires_grad:
        raise ValueError("the target must carry no gradient: detach it")
    taken = values.gather(1, action.unsqueeze(1)).squeeze(1)  # Q(s, a; w)
    return nn.functional.huber_loss(taken, target, delta=delta, reduction=reduction)


def linear_epsilon(step: int, steps: int, start: float, end: float) -> float:
    """Equation (5): the share of random actions at `step`, linear over the first `steps`, constant after."""
    share = 1.0 if steps <= 0 else min(max(step / steps, 0.0), 1.0)
    return (1 - share) * start + share * end


def copy_network(target: nn.Module, source: nn.Module) -> None:
    """w- <- w, in place: parameters and buffers of `source` are copied into `target`."""
    with torch.no_grad():
        torch._foreach_copy_([*target.parameters(), *target.buffers()], [*source.parameters(), *source.buffers()])


class QNetwork(nn.Module):
    """Q(s, .; w): a perceptron from a state vector to one value per action, no activation at the end.

    Args:
        observation_size: values of a state.
        actions: how many there are.
        hidden: units of each hidden layer.
    """

    def __init__(
        self,
        observation_size: int,
        actions: int,
        *,
        hidden: tuple[int, ...] = (120, 84),
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if observation_size < 1 or actions < 1:
            raise ValueError(f"sizes must be positive, got {observation_size} and {actions}")
        sizes = (observation_size, *hidden)
        self.hidden = nn.ModuleList(nn.Linear(a, b, device=device, dtype=dtype) for a, b in pairwise(sizes))
        self.values = nn.Linear(sizes[-1], actions, device=device, dtype=dtype)

    @property
    def layers(self) -> list[nn.Linear]:
        """All layers, in the order in which they are applied."""
        return [*self.hidden, self.values]

    def forward(self, observation: Float[Tensor, "batch observation"]) -> Float[Tensor, "batch actions"]:
        """The value of every action in each state."""
        h = observation
        for layer in self.hidden:
            h = layer(h).relu()
        return self.values(h)
