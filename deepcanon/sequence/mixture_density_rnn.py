r"""Mixture density RNN: the density of the next values of a series, a Gaussian mixture whose parameters an LSTM gives.

Papers: Graves, "Generating Sequences with Recurrent Neural Networks", 2013 (arXiv:1308.0850), section 4.1; Bishop,
"Mixture Density Networks", 1994; Lewandowski, Kurowicka and Joe 2009 for correlations of more than two columns.

Legend: x_t values of a step [batch B, columns F]; h_t output of the LSTM [H]; K components; pi_k weights, mu_k means
[F], sigma_k scales [F], rho_k correlations [F (F - 1) / 2]; a hat marks what the linear layer gives, [P] in all.

(16) y_t = (pi_k, mu_k, sigma_k, rho_k for k = 1 .. K)
(17) y^_t = b_y + W_y h_t
(19) pi = softmax(pi^)
(20) mu = mu^
(21) sigma = exp(sigma^) + floor
(22) rho = tanh(rho^)
(23) p(x_{t+1} | x_1 .. x_t) = sum_k pi_k N(x_{t+1} | mu_k, sigma_k, rho_k)
(24) N(x | mu, sigma, rho) = exp(-Z / (2 (1 - rho^2))) / (2 pi sigma_1 sigma_2 sqrt(1 - rho^2)) of two columns, with
(25) Z = z_1^2 + z_2^2 - 2 rho z_1 z_2,  z = (x - mu) / sigma
(26) the loss is -sum_t log p(x_{t+1} | x_1 .. x_t), by log-sum-exp over the components

Of F columns, (24) and (25) are with z = L e, e normal, and L the Cholesky factor of the correlations:
L_ij = rho_ij prod_{k<j} sqrt(1 - rho_ik^2), L_ii = prod_{k<i} sqrt(1 - rho_ik^2). So rho_ij is the correlation of
columns i and j given those before j; of two columns it is the paper's. -log p is of a density: it may be negative, and
if x = (u - shift) / scale then -log p(u) = -log p(x) + sum log scale.

Departures: a floor under sigma, without which a component that collapses on a value that repeats has an unbounded
likelihood (0 is the paper's); no end-of-stroke bit, eq. (18); stacked layers have no skip connections, so that torch's
kernel runs them (of one layer there are none).

>>> net = MixtureDensityRNN(2, 8, components=3)
>>> outputs, state = net(torch.zeros(4, 6, 2))
>>> mixture_nll(net.mixture(outputs), torch.zeros(4, 6, 2)).shape
torch.Size([4, 6])
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["GaussianMixture", "MixtureDensityRNN", "mixture_mean", "mixture_nll", "mixture_of", "mixture_sample"]

State = tuple[Tensor, Tensor]


class GaussianMixture(NamedTuple):
    """K components over F columns, for any leading axes."""

    log_weights: Tensor
    """[..., K], normalised."""
    means: Tensor
    """[..., K, F]."""
    log_scales: Tensor
    """[..., K, F]."""
    raw_correlations: Tensor
    """rho^, [..., K, F (F - 1) / 2], row by row below the diagonal; of no entries if columns are independent."""


def output_size(features: int, components: int, correlated: bool = True) -> int:
    """P of eq. (17)."""
    return components * (1 + 2 * features + correlated * features * (features - 1) // 2)


def mixture_of(outputs: Float[Tensor, "... P"], features: int, components: int, floor: float = 0.0) -> GaussianMixture:
    """Eqs. (19) to (22) from outputs of eq. (17); components are independent in the columns if P leaves no rho.

    Raises:
        ValueError: P is not of so many components and columns.
    """
    size = outputs.shape[-1]
    if size not in (output_size(features, components), output_size(features, components, False)):
        raise ValueError(f"{size} outputs are not of {components} components over {features} columns")
    if outputs.dtype in (torch.bfloat16, torch.float16):
        outputs = outputs.float()
    widths = [components, components * features, components * features]
    weights, means, scales, raw = outputs.split([*widths, size - sum(widths)], -1)
    log_scales = scales.unflatten(-1, (components, features))
    if floor:
        least = math.log(floor)
        log_scales = least + F.softplus(log_scales - least)  # log(exp(sigma^) + floor)
    # (19) to (22)
    return GaussianMixture(
        weights.log_softmax(-1),
        means.unflatten(-1, (components, features)),
        log_scales,
        raw.unflatten(-1, (components, (size - sum(widths)) // components)),
    )


def _log_cosh(values: Tensor) -> Tensor:
    """-log sqrt(1 - tanh^2), in a form that does not overflow."""
    return values.abs() + F.softplus(-2 * values.abs()) - math.log(2)


def _factor(mixture: GaussianMixture) -> Tensor:
    """L [..., F, F] of the correlations, which have F (F - 1) / 2 entries."""
    raw, features = mixture.raw_correlations, mixture.means.shape[-1]
    row, column = torch.tril_indices(features, features, -1, device=raw.device)
    below = raw.new_zeros(*raw.shape[:-1], features, features)
    below[..., row, column] = raw
    log_cosh = _log_cosh(below)
    before = log_cosh.cumsum(-1) - log_cosh
    return below.tanh() * (-before).exp() + torch.diag_embed((-before.diagonal(dim1=-2, dim2=-1)).exp())


def _whitened(raw: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """(L^-1 z, log det L [...]) row by row, without the matrix L of `_factor`, which takes longer."""
    found, log_volume = z[..., :1], torch.zeros_like(z[..., 0])
    for row in range(1, z.shape[-1]):
        first = row * (row - 1) // 2
        below = raw[..., first : first + row]
        log_cosh = _log_cosh(below)
        total, reach = log_cosh.sum(-1), below.tanh()
        if row > 1:  # nothing stands before a first one
            reach = reach * (log_cosh - log_cosh.cumsum(-1)).exp()
        known = (reach * found).sum(-1)
        found = torch.cat([found, ((z[..., row] - known) * total.exp()).unsqueeze(-1)], -1)
        log_volume = log_volume - total
    return found, log_volume


def mixture_nll(mixture: GaussianMixture, values: Float[Tensor, "... F"]) -> Float[Tensor, "..."]:
    """-log p of eq. (23) in nats, in the units of `values`.

    Raises:
        ValueError: the shapes do not fit.
    """
    if values.shape != (*mixture.log_weights.shape[:-1], mixture.means.shape[-1]):
        raise ValueError(f"values {tuple(values.shape)} do not fit means {tuple(mixture.means.shape)}")
    # (25)
    z = (values.unsqueeze(-2) - mixture.means) / mixture.log_scales.exp()
    log_volume = mixture.log_scales.sum(-1)
    if mixture.raw_correlations.shape[-1]:
        z, log_diagonal = _whitened(mixture.raw_correlations, z)
        log_volume = log_volume + log_diagonal
    # (24)
    log_normal = -0.5 * z.square().sum(-1) - log_volume - 0.5 * values.shape[-1] * math.log(2 * math.pi)
    # (23), (26)
    return -(mixture.log_weights + log_normal).logsumexp(-1)


def mixture_mean(mixture: GaussianMixture) -> Float[Tensor, "... F"]:
    """The expected values."""
    return (mixture.log_weights.exp().unsqueeze(-1) * mixture.means).sum(-2)


def mixture_sample(mixture: GaussianMixture, generator: torch.Generator | None = None) -> Float[Tensor, "... F"]:
    """Values drawn from eq. (23): a component, then its Gaussian. The noise is drawn where the generator lives."""
    weights, means = mixture.log_weights.exp(), mixture.means
    device = means.device if generator is None else generator.device
    rows, features, dtype = weights.shape[:-1], means.shape[-1], means.dtype
    uniform = torch.rand(*rows, 1, generator=generator, dtype=dtype, device=device).to(means.device)
    z = torch.randn(*rows, features, generator=generator, dtype=dtype, device=device).to(means.device)
    chosen = (weights.cumsum(-1) < uniform).sum(-1, keepdim=True).clamp(max=weights.shape[-1] - 1)
    one = GaussianMixture(*(part.take_along_dim(_widened(chosen, part), len(chosen.shape) - 1) for part in mixture))
    one = GaussianMixture(one.log_weights, *(part.squeeze(-2) for part in one[1:]))
    if one.raw_correlations.shape[-1]:
        z = (_factor(one) @ z.unsqueeze(-1)).squeeze(-1)
    return one.means + one.log_scales.exp() * z


def _widened(chosen: Tensor, part: Tensor) -> Tensor:
    """Indices [..., 1] with the further axes of a part of a mixture."""
    return chosen if part.ndim == chosen.ndim else chosen.unsqueeze(-1)


class MixtureDensityRNN(nn.Module):
    """Outputs at each step from which `mixture` makes the density of the NEXT step's values.

    Args:
        features: F, columns.
        hidden: H, units of a layer.
        layers: of the LSTM.
        components: K.
        correlated: whether a component has correlations; of one column there are none.
        floor: smallest scale, in the units of the values.
    """

    def __init__(
        self,
        features: int,
        hidden: int = 64,
        layers: int = 1,
        *,
        components: int = 5,
        correlated: bool = True,
        floor: float = 1e-3,
        device=None,
        dtype=None,
    ):
        super().__init__()
        if min(features, hidden, layers, components) < 1 or floor < 0:
            raise ValueError(
                f"{features} columns, {hidden} units, {layers} layers, {components} components, floor {floor}"
            )
        make = {"device": device, "dtype": dtype}
        self.features, self.components, self.floor = features, components, floor
        self.lstm = nn.LSTM(features, hidden, layers, batch_first=True, **make)
        self.output = nn.Linear(hidden, output_size(features, components, correlated), **make)

    def forward(
        self, x: Float[Tensor, "batch time features"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch time P"], State]:
        """Eq. (17) after each step, and the LSTM's state after the last one.

        Raises:
            ValueError: x is not [batch, time >= 1, features].
        """
        if x.ndim != 3 or not x.shape[1] or x.shape[2] != self.features:
            raise ValueError(f"x {tuple(x.shape)} is not [batch, time >= 1, {self.features}]")
        h, state = self.lstm(x, state)
        return self.output(h), state

    def mixture(self, outputs: Float[Tensor, "... P"]) -> GaussianMixture:
        """The densities that outputs stand for."""
        return mixture_of(outputs, self.features, self.components, self.floor)
