"""Dropout with inverted scaling, the moments of the next layer, and the max-norm constraint that goes with it.

Papers: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov 2014, "Dropout: a simple way to prevent neural
networks from overfitting" (JMLR 15); Hinton et al. 2012 (arXiv:1207.0580); Srebro, Rennie and Jaakkola 2004 (max-norm).

`p` is the probability to DROP a unit, as in torch. In the paper p is the probability to KEEP it: the paper's p = 0.8
for inputs and 0.5 for hidden units are 0.2 and 0.5 here. m rows, n units; y [m, n] goes in; W [k, n] and b [k] are the
next layer; w_i is row i of W, the incoming weights of unit i.

    r_ij ~ Bernoulli(1 - p), independent for every example i and unit j, new in every step             (1)
    drop(y) = r * y / (1 - p) in training,   drop(y) = y otherwise                                       (2)
    E[W drop(y) + b] = W y + b,   Var[W drop(y) + b] = p / (1 - p) * (W * W)(y * y)                    (3)
    w_i <- w_i * min(1, c / |w_i|)   after each step of the optimizer: max-norm                        (4)

Departures
- Inverted scaling: the paper multiplies the weights by 1 - p after training; we divide the units by 1 - p during it.
  The two networks are the same up to the scale that the learning rate sees, and ours needs no change for inference.
- p = 1 is refused (torch returns zeros): a layer that drops everything has no mean to preserve.
- The paper constrains hidden units' incoming weights; `max_norm_` takes any weight [units, ...], of a convolution too.

Masks compare uniform numbers with p. On a CPU that takes a quarter of the time of the Bernoulli draws in torch's own
dropout, which cost as much as the matrix product of a layer of a thousand units.

    >>> import torch
    >>> from deepcanon.foundations import Dropout, max_norm_
    >>> layer, x = Dropout(0.5), torch.ones(2, 8)
    >>> sorted(set(layer(x, torch.Generator().manual_seed(0)).flatten().tolist())), bool((layer.eval()(x) == x).all())
    ([0.0, 2.0], True)
    >>> max_norm_(torch.tensor([[3.0, 4.0], [0.3, 0.4]]), 2.5)
    tensor([[1.5000, 2.0000],
            [0.3000, 0.4000]])
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

__all__ = ["Dropout", "drop", "dropout_mask", "dropout_moments", "max_norm_", "rescale"]


def _check(p: float) -> None:
    if not 0 <= p < 1:
        raise ValueError(f"a dropout probability lies in [0, 1), {p} does not")


def dropout_mask(
    like: Float[Tensor, "..."], p: float, generator: torch.Generator | None = None
) -> Float[Tensor, "..."]:
    """Equation (1): ones where a value is kept, zeros where it is dropped, each entry drawn by itself."""
    _check(p)
    device = like.device if generator is None else generator.device
    uniform = torch.rand(like.shape, generator=generator, device=device, dtype=torch.float32)
    return (uniform >= p).to(like)


def rescale(
    inputs: Float[Tensor, "*shape"], kept: Float[Tensor, "*shape"] | Bool[Tensor, "*shape"], p: float
) -> Float[Tensor, "*shape"]:
    """Equation (2) for a mask that is given."""
    _check(p)
    if kept.shape != inputs.shape:
        raise ValueError(f"a mask {tuple(kept.shape)} for inputs {tuple(inputs.shape)}: every value has its own")
    return inputs * (kept.to(inputs.dtype) / (1 - p))


def drop(
    inputs: Float[Tensor, "..."], p: float, generator: torch.Generator | None = None, training: bool = True
) -> Float[Tensor, "..."]:
    """Equations (1) and (2): a new mask in training, the unchanged inputs otherwise."""
    _check(p)
    if not training or p == 0:
        return inputs
    return rescale(inputs, dropout_mask(inputs, p, generator), p)


def dropout_moments(
    inputs: Float[Tensor, "batch units"], weight: Float[Tensor, "after units"], bias: Float[Tensor, "after"], p: float
) -> tuple[Float[Tensor, "batch after"], Float[Tensor, "batch after"]]:
    """Equation (3): mean and variance over all masks of a linear layer's output after dropout."""
    _check(p)
    if inputs.ndim != 2 or weight.ndim != 2 or inputs.shape[1] != weight.shape[1] or bias.shape != weight.shape[:1]:
        raise ValueError(f"inputs {tuple(inputs.shape)}, weight {tuple(weight.shape)} and bias "
                         f"{tuple(bias.shape)} do not fit")  # fmt: skip
    # (3): the masks of different units are independent, and Var[r / (1 - p)] = p / (1 - p)
    return inputs @ weight.T + bias, p / (1 - p) * inputs.square() @ weight.square().T


@torch.no_grad()
def max_norm_(weight: Float[Tensor, "units ..."], limit: float) -> Float[Tensor, "units ..."]:
    """Equation (4) in place, on a weight [units, ...]; returns the weight. Call it after the optimizer's step."""
    if not limit > 0:
        raise ValueError(f"a limit of {limit} leaves no weights: it must be positive")
    if weight.ndim < 2:
        raise ValueError(f"max-norm needs the incoming weights of units [units, ...], got {tuple(weight.shape)}")
    norms = weight.flatten(1).norm(dim=1)
    share = (limit / norms.clamp_min(limit)).to(weight.dtype)
    return weight.mul_(share.reshape(-1, *[1] * (weight.ndim - 1)))


class Dropout(nn.Dropout):
    """Drops each value of its input with probability `p` in training mode; the identity in eval mode.

    `forward` takes a generator, so that masks can be repeated; without one torch's default generator draws them.

    Args:
        p: probability of a drop, 0 <= p < 1.
    """

    def __init__(self, p: float = 0.5) -> None:
        _check(p)
        super().__init__(p)

    def forward(self, inputs: Float[Tensor, "..."], generator: torch.Generator | None = None) -> Float[Tensor, "..."]:
        """The inputs with dropped values, scaled by 1 / (1 - p) in training; unchanged otherwise."""
        return drop(inputs, self.p, generator, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"
