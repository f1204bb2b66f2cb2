"""A sparse autoencoder: one hidden layer whose units are each active on a small, given share of the examples.

Sources: Ng 2011, "Sparse autoencoder" (CS294A lecture notes; the UFLDL exercise); Raina et al. 2007, "Self-taught
learning" (ICML): features from unlabelled data of other classes.

x_i [D] of m examples in [0.1, 0.9] (or any, with a linear output), h_i [H] hidden, y_i [D] output.

    h = sigmoid(W_1 x + b_1),   y = sigmoid(W_2 h + b_2)  or  W_2 h + b_2                                (1)
    rho_j = (1/m) sum_i h_ij                       the mean activation over the WHOLE batch               (2)
    KL(rho | rho_j) = rho log(rho / rho_j) + (1 - rho) log((1 - rho) / (1 - rho_j))                     (3)
    J = (1/m) sum_i |y_i - x_i|^2 / 2 + (lambda / 2) (|W_1|^2 + |W_2|^2) + beta sum_j KL(rho | rho_j)      (4)
    squash(x) = 0.4 (clip(x, -3 s, 3 s) / (3 s) + 1) + 0.1,   s the standard deviation of all values      (5)

(2) couples the examples: the gradient of (3) at one of them needs the mean over all of them first, so a penalty that
averages KL(rho | h_ij) over examples, or takes rho_j from another batch, is a different objective.

Departures: rho_j is kept above 1e-12 and below 1 - 1e-12 (in single precision 1e-7), where (3) is finite.

    >>> import torch
    >>> from deepcanon.representation import SparseAutoencoder, sparse_objective
    >>> model = SparseAutoencoder(64, 25)
    >>> loss = sparse_objective(model, torch.rand(10, 64), rho=0.01, beta=3.0, decay=1e-4)
    >>> loss.ndim, tuple(model.best_inputs().shape)
    (0, (25, 64))
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["SparseAutoencoder", "Squash", "sparse_backward", "sparse_objective", "sparsity_penalty", "squash"]

EDGE = 1e-12


def sparsity_penalty(mean_activation: Float[Tensor, "hidden"], rho: float) -> Float[Tensor, ""]:
    """Equation (3), summed over the units."""
    if not 0 < rho < 1:
        raise ValueError(f"a target activation lies between 0 and 1, {rho} does not")
    if mean_activation.ndim != 1:
        raise ValueError(f"expected one mean activation for each unit, got {tuple(mean_activation.shape)}")
    edge = max(EDGE, torch.finfo(mean_activation.dtype).eps)
    seen = mean_activation.clamp(edge, 1 - edge)
    wanted = torch.full((), rho, dtype=seen.dtype, device=seen.device)
    return (wanted * (wanted / seen).log() + (1 - wanted) * ((1 - wanted) / (1 - seen)).log()).sum()  # (3)


def squash(inputs: Tensor, deviation: float | Tensor) -> Tensor:
    """Equation (5)."""
    three = 3 * torch.as_tensor(deviation, dtype=inputs.dtype, device=inputs.device)
    return 0.4 * ((inputs / three.clamp_min(torch.finfo(inputs.dtype).tiny)).clamp(-1, 1) + 1) + 0.1


class Squash(nn.Module):
    """Equation (5) as a layer.

    Args:
        deviation: s.
    """

    def __init__(self, deviation: float | Tensor) -> None:
        super().__init__()
        self.deviation: Tensor
        self.register_buffer("deviation", torch.as_tensor(deviation))

    def forward(self, inputs: Float[Tensor, "batch features"]) -> Float[Tensor, "batch features"]:
        """Values in [0.1, 0.9], of the same shape."""
        return squash(inputs, self.deviation)

    def inverse(self, outputs: Float[Tensor, "batch features"]) -> Float[Tensor, "batch features"]:
        """The values that give `outputs`, which lie in [0.1, 0.9]; what was cut off stays cut off."""
        return (outputs - 0.5) / 0.4 * (3 * self.deviation.to(outputs))


class SparseAutoencoder(nn.Module):
    """Equation (1). Weights start uniform in +-sqrt(6 / (D + H + 1)), biases at 0, as in the exercise.

    Args:
        features, hidden: D and H.
        output: "sigmoid" or "linear".
    """

    def __init__(self, features: int, hidden: int, *, output: str = "sigmoid", device=None, dtype=None) -> None:
        super().__init__()
        if min(features, hidden) < 1:
            raise ValueError(f"{features} features and {hidden} hidden units: at least 1")
        if output not in ("sigmoid", "linear"):
            raise ValueError(f"output is sigmoid or linear, not {output!r}")
        make = {"device": device, "dtype": dtype}
        self.encoder, self.decoder = nn.Linear(features, hidden, **make), nn.Linear(hidden, features, **make)
        self.output = output
        bound = (6 / (features + hidden + 1)) ** 0.5
        for layer in (self.encoder, self.decoder):
            nn.init.uniform_(layer.weight, -bound, bound)
            nn.init.zeros_(layer.bias)

    def encode(self, inputs: Float[Tensor, "batch features"]) -> Float[Tensor, "batch hidden"]:
        if inputs.ndim != 2 or inputs.shape[1] != self.encoder.in_features:
            raise ValueError(f"inputs {tuple(inputs.shape)} are not [batch, {self.encoder.in_features}]")
        return self.encoder(inputs).sigmoid()  # (1)

    def decode(self, hidden: Float[Tensor, "batch hidden"]) -> Float[Tensor, "batch features"]:
        z = self.decoder(hidden)
        return z.sigmoid() if self.output == "sigmoid" else z

    def forward(self, inputs: Float[Tensor, "batch features"]) -> Float[Tensor, "batch features"]:
        """The reconstruction of each row."""
        return self.decode(self.encode(inputs))

    def best_inputs(self) -> Float[Tensor, "hidden features"]:
        """The input of norm 1 that drives each unit most: w / |w|."""
        weight = self.encoder.weight.detach()
        return weight / weight.norm(dim=1, keepdim=True).clamp_min(torch.finfo(weight.dtype).tiny)


def sparse_objective(
    model: SparseAutoencoder,
    inputs: Float[Tensor, "batch features"],
    *,
    rho: float = 0.01,
    beta: float = 3.0,
    decay: float = 1e-4,
) -> Float[Tensor, ""]:
    """Equation (4) on a batch."""
    hidden = model.encode(inputs)
    error = 0.5 * (model.decode(hidden) - inputs).square().sum(1).mean()
    weights = model.encoder.weight.square().sum() + model.decoder.weight.square().sum()
    return error + 0.5 * decay * weights + beta * sparsity_penalty(hidden.mean(0), rho)  # (2), (4)


def sparse_backward(
    model: SparseAutoencoder,
    inputs: Float[Tensor, "rows features"],
    count: int | None = None,
    add: Callable[[Tensor], Tensor] = lambda tensor: tensor,
    *,
    rho: float = 0.01,
    beta: float = 3.0,
    decay: float = 1e-4,
) -> Float[Tensor, ""]:
    """Equation (4) over the rows of all processes, in float64; sets the gradients of the model's parameters.

    Its sums are in float64, since a line search compares objectives that differ by less than float32 resolves.

    Args:
        inputs: the rows of this process.
        count: of the rows of all processes; that of `inputs` if not given.
        add: sums a tensor over the processes.
    """
    count = count or len(inputs)
    model.zero_grad()
    with torch.enable_grad():
        hidden = model.encode(inputs)
        total = hidden.sum(0, dtype=torch.float64)
        error = 0.5 * (model.decode(hidden) - inputs).square().sum(dtype=torch.float64) / count
        mean = (add(total.detach()) / count).requires_grad_()  # (2)
        penalty = beta * sparsity_penalty(mean, rho)
        (slope,) = torch.autograd.grad(penalty, mean)
        # d penalty / d parameter = sum_i (slope / count) dh_i: the share of this process's rows.
        (error + (slope / count * total).sum()).backward()
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.grad = add(parameter.grad)
    weights = (model.encoder.weight, model.decoder.weight)
    for weight in weights:
        weight.grad += decay * weight.detach()
    size = sum(weight.detach().double().square().sum() for weight in weights)
    return add(error.detach()) + penalty.detach() + 0.5 * decay * size
