"""A restricted Boltzmann machine with binary or Gaussian visible units: CD, PCD, exact and annealed log Z.

Papers: Hinton 2002, "Training products of experts by minimizing contrastive divergence" (Neural Computation 14); Hinton
2010, "A practical guide to training restricted Boltzmann machines" (UTML TR 2010-003); Tieleman 2008 (ICML), PCD;
Salakhutdinov and Murray 2008, "On the quantitative analysis of deep belief networks" (ICML), AIS.

v [N, D] visible, h [N, H] in {0, 1}; W [D, H], b [D], c [H]; sigma [D] of Gaussian units; u = v (binary) or v / sigma.

    binary:    E(v, h) = -b.v - c.h - v.W h                                                               (1)
    Gaussian:  E(v, h) = sum_d (v_d - b_d)^2 / (2 sigma_d^2) - c.h - (v / sigma).W h                        (2)
    p(h_j = 1 | v) = sigmoid(c_j + (u W)_j)                                                              (3)
    p(v_d = 1 | h) = sigmoid(b_d + (W h)_d),   or   v_d ~ N(b_d + sigma_d (W h)_d, sigma_d^2)               (4)
    F(v) = -log sum_h exp(-E(v, h)) = A(v) - sum_j softplus(c_j + (u W)_j),  A the part of E without h     (5)
    log Z = log sum_h exp(c.h) prod_d (1 + exp(b_d + (W h)_d)),   or of Gaussian units                     (6)
            log sum_h exp(c.h + sum_d b_d m_d / sigma_d + m_d^2 / 2) + sum_d log(sqrt(2 pi) sigma_d),  m = W h
    -log p(v) = F(v) + log Z,   its slope that of  mean F(data) - mean F(samples of the model)             (7)
    dW = mean u'^T p(h|v') - mean u^T p(h|v),   dc = mean p(h|v') - mean p(h|v),   db = mean v' - mean v
            (Gaussian: over sigma^2),   the slope of (7) with data v and samples v'                         (8)
    CD-k takes its samples after k steps of (3), (4) from the data; PCD continues its chains of the last update
    AIS: W, c times beta, b from a base to its own; w = prod_k exp(F_k(v_k) - F_{k+1}(v_k)),  Z = Z_0 E[w]   (9)

(8) holds the probabilities of h, not samples of it, as the guide recommends for the last statistics; reconstructions
are driven by sampled states. A Gaussian reconstruction of CD is the mean of (4), without noise.

Departures: binary reconstructions are sampled (the guide allows probabilities). Log sigma may be learned, by PCD.

    >>> import torch
    >>> from deepcanon.representation import RBM
    >>> model, data = RBM(6, 4), torch.eye(6)
    >>> samples, hidden, _ = model.chain(data, 1)
    >>> weight, _, _ = model.slope(data, samples, hidden)  # of CD-1
    >>> tuple(model(data).shape), tuple(weight.shape)
    ((6, 4), (6, 4))
"""

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deepcanon.parts.divergences import gaussian_entropy, gaussian_fit
from deepcanon.parts.noise import normal, uniform
from deepcanon.parts.partition import binary_states, mean_weight
from deepcanon.parts.progress import told

__all__ = [
    "RBM", "Annealed", "Chain", "annealed_log_partition", "free_energy", "log_partition", "nll_estimates",
]  # fmt: skip

ENUMERABLE = 20  # units of the smaller layer whose states are summed over
STATES = 4096  # at a time


class Annealed(NamedTuple):
    """An estimate of log Z, and the logarithms of the mean weight less and plus three standard errors."""

    log_z: Tensor
    low: Tensor
    high: Tensor


class Chain(NamedTuple):
    """Visible units after some steps, the hidden probabilities of the first step, the visible means of the last."""

    visible: Float[Tensor, "batch visible"]
    hidden: Float[Tensor, "batch hidden"]
    mean: Float[Tensor, "batch visible"]


def _check(weight: Tensor, visible_bias: Tensor, hidden_bias: Tensor, sigma: Tensor | None) -> None:
    shapes = [tuple(x.shape) for x in (visible_bias, hidden_bias)]
    if weight.ndim != 2 or shapes != [(weight.shape[0],), (weight.shape[1],)]:
        raise ValueError(f"weights {tuple(weight.shape)} and biases {shapes[0]}, {shapes[1]} are not [D, H], [D], [H]")
    if sigma is not None and sigma.shape != visible_bias.shape:
        raise ValueError(f"sigma {tuple(sigma.shape)} is not [D] = {shapes[0]}")


def free_energy(
    visible: Float[Tensor, "batch visible"],
    weight: Float[Tensor, "visible hidden"],
    visible_bias: Float[Tensor, "visible"],
    hidden_bias: Float[Tensor, "hidden"],
    sigma: Float[Tensor, "visible"] | None = None,
) -> Float[Tensor, "batch"]:
    """Equation (5); with `sigma` of Gaussian units."""
    _check(weight, visible_bias, hidden_bias, sigma)
    if visible.ndim != 2 or visible.shape[1] != len(weight):
        raise ValueError(f"visible units {tuple(visible.shape)} are not [batch, {len(weight)}]")
    if sigma is None:
        alone, scaled = -visible @ visible_bias, visible
    else:
        alone, scaled = ((visible - visible_bias) / sigma).square().sum(1) / 2, visible / sigma
    return alone - F.softplus(hidden_bias + scaled @ weight).sum(1)  # (5)


def log_partition(
    weight: Float[Tensor, "visible hidden"],
    visible_bias: Float[Tensor, "visible"],
    hidden_bias: Float[Tensor, "hidden"],
    sigma: Float[Tensor, "visible"] | None = None,
) -> Float[Tensor, ""]:
    """Equation (6), exact, in float64: a sum over all states of the smaller layer (of Gaussian units the hidden)."""
    _check(weight, visible_bias, hidden_bias, sigma)
    weight, b, c = weight.double(), visible_bias.double(), hidden_bias.double()
    if sigma is None and weight.shape[0] < weight.shape[1]:
        weight, b, c = weight.T, c, b  # (1) is symmetric in the layers
    count = weight.shape[1]
    if count > ENUMERABLE:
        raise ValueError(f"2^{count} states are too many for an exact log Z: {ENUMERABLE} units at most, or AIS")
    sums = []
    for numbers in torch.arange(2**count, device=weight.device).split(STATES):
        h = binary_states(count, numbers).to(weight)
        m = h @ weight.T
        if sigma is None:
            inner = F.softplus(b + m).sum(1)
        else:
            inner = m @ (b / sigma.double()) + m.square().sum(1) / 2
        sums.append(torch.logsumexp(h @ c + inner, 0))  # (6)
    total = torch.logsumexp(torch.stack(sums), 0)
    return total if sigma is None else total + (math.sqrt(2 * math.pi) * sigma.double()).log().sum()


@torch.no_grad()
def annealed_log_partition(
    weight: Float[Tensor, "visible hidden"],
    visible_bias: Float[Tensor, "visible"],
    hidden_bias: Float[Tensor, "hidden"],
    sigma: Float[Tensor, "visible"] | None = None,
    *,
    base: Float[Tensor, "visible"] | None = None,
    temperatures: int = 1000,
    chains: int = 100,
    generator: torch.Generator | None = None,
) -> Annealed:
    """Equation (9): annealed importance sampling.

    Args:
        base: visible biases at beta = 0, such as the log odds of the data's means; None takes `visible_bias`.
        temperatures: steps of beta from 0 to 1, all of the same length.
        chains: number of chains, each with its own weight.
    """
    _check(weight, visible_bias, hidden_bias, sigma)
    if temperatures < 1 or chains < 2:
        raise ValueError(f"{temperatures} temperatures and {chains} chains: at least 1 and 2")
    base = visible_bias if base is None else base.to(visible_bias)
    make: dict[str, Any] = {"generator": generator, "dtype": weight.dtype}
    unit = torch.ones_like(visible_bias) if sigma is None else sigma

    def draw(inputs: Tensor) -> Tensor:  # visible units from b_beta + beta W h, or its Gaussian equivalent
        if sigma is None:
            return (torch.rand(inputs.shape, **make).to(inputs.device) < torch.sigmoid(inputs)).to(inputs)
        return inputs + sigma * torch.randn(inputs.shape, **make).to(inputs.device)

    v = draw(base.expand(chains, -1))
    log_w = torch.zeros(chains, dtype=torch.float64, device=weight.device)
    for k in range(temperatures):
        old, new = k / temperatures, (k + 1) / temperatures
        b_old, b_new = ((1 - beta) * base + beta * visible_bias for beta in (old, new))
        a = hidden_bias + (v / unit) @ weight
        if sigma is None:
            alone = v @ (b_new - b_old)
        else:
            alone = (((v - b_old) / sigma).square() - ((v - b_new) / sigma).square()).sum(1) / 2
        log_w += alone + (F.softplus(new * a) - F.softplus(old * a)).sum(1)  # (9)
        h = (torch.rand(a.shape, **make).to(a.device) < torch.sigmoid(new * a)).to(a)  # (3)
        v = draw(b_new + unit * (new * h @ weight.T))  # (4)
    start = log_partition(torch.zeros_like(weight[:, :1]), base, torch.zeros_like(hidden_bias[:1]), sigma)
    start = start + (len(hidden_bias) - 1) * math.log(2)
    found = mean_weight(log_w)
    return Annealed(start + found.log_mean, start + found.low, start + found.high)


def nll_estimates(
    model: "RBM",
    energy: Float[Tensor, ""],
    *,
    base: Float[Tensor, "visible"] | None = None,
    temperatures: int = 1000,
    chains: int = 200,
    generator: torch.Generator | None = None,
    compared: Float[Tensor, "batch visible"] | None = None,
) -> dict[str, Tensor]:
    """Equation (7) for examples of this mean free energy: "nll" where `model.enumerable`, by (9) "nll_ais" with the
    ends of its interval "nll_ais_low" and "nll_ais_high", and "ais_gap" between the two; 0 temperatures leave out (9).
    Of examples that are `compared`: "nll_gaussian" under the single Gaussian that fits them best, and the "gain"; if
    the examples do not span all dimensions, no Gaussian has a density, and both are left out.
    """
    found = {"nll": energy + model.log_partition()} if model.enumerable else {}
    entropy = None if compared is None else gaussian_entropy(gaussian_fit(compared)[1])
    if entropy is not None and entropy.isfinite():
        found["nll_gaussian"] = entropy
        found |= {"gain": found["nll_gaussian"] - found["nll"]} if "nll" in found else {}
    if not temperatures:
        return found
    options: dict[str, Any] = {"base": base, "temperatures": temperatures, "chains": chains}
    ais = annealed_log_partition(*model.parts(), generator=generator, **options)
    found |= {f"nll_ais{end}": energy + z for end, z in zip(("", "_low", "_high"), ais, strict=True)}
    return found | ({"ais_gap": (found["nll_ais"] - found["nll"]).abs()} if "nll" in found else {})


class RBM(nn.Module):
    """Equations (1) to (7).

    Args:
        visible, hidden: D and H.
        units: "bernoulli" or "gaussian" visible units.
        sigma: of Gaussian units at the start.
        learn_sigma: log sigma is a parameter.
        scale: standard deviation of the initial weights.
    """

    def __init__(
        self,
        visible: int,
        hidden: int,
        *,
        units: str = "bernoulli",
        sigma: float = 1.0,
        learn_sigma: bool = False,
        scale: float = 0.01,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        if min(visible, hidden) < 1:
            raise ValueError(f"{visible} visible and {hidden} hidden units: at least 1")
        if units not in ("bernoulli", "gaussian"):
            raise ValueError(f"units are bernoulli or gaussian, not {units!r}")
        if not sigma > 0 or (learn_sigma and units == "bernoulli"):
            raise ValueError(f"sigma {sigma} (learned: {learn_sigma}) is above 0, and learned of Gaussian units alone")
        make = {"device": device, "dtype": dtype}
        self.units = units
        self.weight = nn.Parameter(scale * torch.randn(visible, hidden, **make))
        self.visible_bias = nn.Parameter(torch.zeros(visible, **make))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden, **make))
        if units == "gaussian":
            log_sigma = torch.full((visible,), math.log(sigma), **make)
            if learn_sigma:
                self.log_sigma = nn.Parameter(log_sigma)
            else:
                self.register_buffer("log_sigma", log_sigma)

    @property
    def sigma(self) -> Tensor | None:
        return self.log_sigma.exp() if self.units == "gaussian" else None

    def parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """W, b, c, sigma: the arguments of this file's functions."""
        return self.weight, self.visible_bias, self.hidden_bias, self.sigma

    def forward(self, visible: Float[Tensor, "batch visible"]) -> Float[Tensor, "batch hidden"]:
        """Equation (3): probabilities of the hidden units."""
        if visible.ndim != 2 or visible.shape[1] != len(self.weight):
            raise ValueError(f"visible units {tuple(visible.shape)} are not [batch, {len(self.weight)}]")
        scaled = visible if self.sigma is None else visible / self.sigma
        return torch.addmm(self.hidden_bias, scaled, self.weight).sigmoid()  # (3)

    def visible_mean(self, hidden: Float[Tensor, "batch hidden"]) -> Float[Tensor, "batch visible"]:
        """Equation (4): probabilities or means of the visible units."""
        if self.sigma is None:
            return torch.addmm(self.visible_bias, hidden, self.weight.T).sigmoid()  # (4)
        return self.visible_bias + self.sigma * (hidden @ self.weight.T)

    @torch.no_grad()
    def chain(
        self,
        visible: Float[Tensor, "batch visible"],
        steps: int,
        generator: torch.Generator | None = None,
        *,
        mean: bool = False,
        share: tuple[int, int] = (0, 1),
    ) -> Chain:
        """A number of steps of (3) and (4), at least one.

        Args:
            mean: Gaussian units take their mean, as CD's reconstructions do; binary ones are sampled anyway.
            share: (rank, world) of processes that run one set of chains: each draws the noise of all, takes its rows.
        """
        rank, world = share

        def noise(kind, units: int) -> Tensor:
            return kind((world * len(visible), units), visible, generator, self.weight.dtype)[rank::world]

        first = p = self(visible)
        for step in told(range(steps)):
            p = self(visible) if step else p
            m = self.visible_mean(noise(uniform, p.shape[1]).lt_(p))
            if self.sigma is None:
                visible = noise(uniform, m.shape[1]).lt_(m)
            else:
                visible = m if mean else m + self.sigma * noise(normal, m.shape[1])
        return Chain(visible, first, m)

    def gibbs(self, visible: Float[Tensor, "batch visible"], steps: int, *given, **options) -> Tensor:
        """The visible units after a number of steps; the arguments are those of `chain`."""
        return self.chain(visible, steps, *given, **options).visible

    @torch.no_grad()
    def slope(
        self,
        data: Float[Tensor, "n visible"],
        samples: Float[Tensor, "m visible"],
        hidden: Float[Tensor, "n hidden"] | None = None,
    ) -> tuple[Float[Tensor, "visible hidden"], Float[Tensor, "visible"], Float[Tensor, "hidden"]]:
        """Equation (8) for W, b and c: the gradient of `contrast`; `hidden` are p(h|data) where they are known."""
        hidden, last = self(data) if hidden is None else hidden, self(samples)
        u, again = (data, samples) if self.sigma is None else (data / self.sigma, samples / self.sigma)
        # One product, so that in bf16 the two terms, which nearly cancel, are rounded once and together.
        each = torch.cat([last / len(samples), hidden / -len(data)])
        weight = (torch.cat([again, u]).T @ each).to(self.weight)
        visible = samples.mean(0) - data.mean(0)
        return weight, visible if self.sigma is None else visible / self.sigma**2, each.to(weight).sum(0)

    def samples(
        self, start: Float[Tensor, "batch visible"], steps: int, generator: torch.Generator | None = None
    ) -> Float[Tensor, "batch visible"]:
        """Visible units after a number of steps, to be shown: binary ones as probabilities of the last step."""
        found = self.gibbs(start.to(self.weight), steps, generator)
        return self.reconstruct(found) if self.sigma is None else found

    def reconstruct(self, visible: Float[Tensor, "batch visible"]) -> Float[Tensor, "batch visible"]:
        """Equation (4) of the probabilities of (3): nothing is sampled."""
        return self.visible_mean(self(visible))

    @property
    def enumerable(self) -> bool:
        """Whether `log_partition` can sum over all states."""
        visible, hidden = self.weight.shape
        return min(visible, hidden) <= ENUMERABLE if self.sigma is None else hidden <= ENUMERABLE

    def free_energy(self, visible: Float[Tensor, "batch visible"], rows: int = 2000) -> Float[Tensor, "batch"]:
        """Equation (5), some rows at a time."""
        return torch.cat([free_energy(some, *self.parts()) for some in visible.split(rows)])

    def contrast(self, data: Float[Tensor, "n visible"], samples: Float[Tensor, "m visible"]) -> Float[Tensor, ""]:
        """Equation (7): its gradient is that of CD or PCD; its value does not measure progress."""
        return self.free_energy(data).mean() - self.free_energy(samples).mean()

    def log_partition(self) -> Float[Tensor, ""]:
        return log_partition(*self.parts())
