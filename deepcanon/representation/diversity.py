"""How distributed and how diverse the units of a layer are: no single one should matter, no two should be alike.

Papers: Hinton, McClelland and Rumelhart 1986, "Distributed representations"; Bengio, Courville and Vincent 2013,
"Representation learning" (arXiv:1206.5538); Roy and Vetterli 2007, "The effective rank" (EUSIPCO); Vinje and Gallant
2000 (Science 287) for the selectivity.

Shown by: autoencoder

W [U, D] incoming weights of U units; A [N, U] their activations, not negative; s_i the singular values of W.

    cosine(W)      = mean over pairs i < j of |w_i . w_j| / (|w_i| |w_j|)                        redundancy  (1)
    rank(W)        = exp(-sum_i p_i log p_i),  p_i = s_i / sum_j s_j                             1 to min(U, D)  (2)
    selectivity_u  = (1 - (mean_n A_nu)^2 / mean_n A_nu^2) / (1 - 1/N)          0: always on, 1: for one example  (3)
    ablation_u     = E(unit u set to 0) / E - 1                                  relative rise of an error E      (4)

Units that begin equal stay equal under gradient descent (every copy has the same gradient): cosine 1, rank 1.
`collapsed` names that state: all weights zero, or every pair of units parallel. Departures: (3) takes absolute
activations, so that it is defined for tanh units too.

    >>> import torch
    >>> from deepcanon.representation import effective_rank
    >>> from deepcanon.representation.diversity import collapsed, mean_absolute_cosine
    >>> W = torch.eye(4)
    >>> mean_absolute_cosine(W).item(), round(effective_rank(W).item(), 4), collapsed(W), collapsed(torch.ones(4, 4))
    (0.0, 4.0, False, True)
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["ablation", "collapsed", "effective_rank", "mean_absolute_cosine", "selectivity"]


def _matrix(weight: Tensor) -> Tensor:
    if weight.ndim < 2 or weight.shape[0] < 2:
        raise ValueError(f"expected the incoming weights of two units or more [units, ...], got {tuple(weight.shape)}")
    if not bool(torch.isfinite(weight).all()):
        raise ValueError("the weights are not finite")
    return weight.flatten(1)


def mean_absolute_cosine(weight: Float[Tensor, "units ..."]) -> Float[Tensor, ""]:
    """Equation (1). A unit without weights counts as equal to every other one: it contributes nothing."""
    flat = _matrix(weight)
    norms = flat.norm(dim=1, keepdim=True)
    rows = flat / norms.clamp_min(torch.finfo(flat.dtype).tiny)
    cosines = (rows @ rows.T).abs()  # (1)
    cosines = torch.where((norms == 0) | (norms.T == 0), torch.ones_like(cosines), cosines)
    units = len(flat)
    return (cosines.sum() - cosines.diagonal().sum()) / (units * (units - 1))


def effective_rank(weight: Float[Tensor, "units ..."]) -> Float[Tensor, ""]:
    """Equation (2); 0 where all weights are 0."""
    values = torch.linalg.svdvals(_matrix(weight))
    total = values.sum()
    if total == 0:
        return total
    shares = values / total
    return torch.special.entr(shares).sum().exp()  # (2)


def selectivity(activations: Float[Tensor, "examples units"]) -> Float[Tensor, "units"]:
    """Equation (3) of each unit, from its absolute activations; 0 for a unit that is never on."""
    if activations.ndim != 2 or len(activations) < 2:
        raise ValueError(f"expected activations of two examples or more [N, U], got {tuple(activations.shape)}")
    size = activations.abs()
    power = size.square().mean(0)
    ratio = size.mean(0).square() / power.clamp_min(torch.finfo(size.dtype).tiny)
    return torch.where(power == 0, torch.zeros_like(power), (1 - ratio) / (1 - 1 / len(size)))  # (3)


def collapsed(weight: Float[Tensor, "units ..."], tolerance: float = 1e-6) -> bool:
    """Whether the symmetry between the units was never broken: weights zero, or all units parallel."""
    return bool(mean_absolute_cosine(weight) >= 1 - tolerance)


@torch.no_grad()
def ablation(
    module: nn.Module, layer: nn.Module, error: Callable[[nn.Module], Tensor], units: Sequence[int] | int
) -> Float[Tensor, "units"]:
    """Equation (4): what setting one unit of `layer`'s output [N, U] to 0 does to `error(module)`, unit by unit.

    Args:
        units: which are set to 0, one at a time; a number takes at most that many, evenly spread over the layer.
    """
    width, silent = 0, -1

    def silence(_: nn.Module, __: tuple, output: Tensor) -> Tensor:
        nonlocal width
        width = output.shape[1]
        if silent >= 0:
            output = output.clone()
            output[:, silent] = 0
        return output

    handle, rises = layer.register_forward_hook(silence), []
    try:
        whole = error(module)
        if isinstance(units, int):
            units = range(0, width, -(-width // units))
        for unit in units:
            silent = unit
            rises.append(error(module) / whole - 1)  # (4)
    finally:
        handle.remove()
    return torch.stack(rises)
