"""A denoising autoencoder: reconstructs the clean input from a corrupted one, and so learns where the data are.

Papers: Vincent, Larochelle, Bengio and Manzagol 2008, "Extracting and composing robust features with denoising
autoencoders" (ICML); Vincent et al. 2010 (JMLR 11); for (5) Alain and Bengio 2014 (arXiv:1211.4246); for (6) Rifai et
al. 2011, "Contractive auto-encoders" (ICML).

x [N, D] clean, u [N, D] corrupted; h [N, H] hidden code; phi the hidden activation, s the output's.

    masking:   u_d = 0 with probability p, else x_d;   salt and pepper: u_d = 0 or 1, each with p/2      (1)
    Gaussian:  u = x + sigma e,  e ~ N(0, I)                                                           (2)
    h = phi(W u + b),   r(u) = s(V h + c),   V = W^T where the weights are tied                        (3)
    loss = E(r(u), x)                              against the CLEAN x, a new u at every step           (4)
    r*(u) - u = sigma^2 grad log p_sigma(u)        for (2) and squared error, p_sigma the density of u   (5)
    |J_h(x)|^2 = sum_jd (dh_j / dx_d)^2            what a contractive autoencoder penalises             (6)
    cos(r(u) - u, c(u) - u),  c(u) the point of a known support of the data that is nearest to u        (7)

Of Gaussian data the best linear r is the Wiener filter Sigma (Sigma + sigma^2 I)^-1; near a curved manifold r(u) - u
points back to it, and (7) is close to 1. With no corruption and H >= D the identity is a minimum, and nothing has to be
learned.

Departures: Glorot's initialisation; units other than the paper's logistic ones can be chosen.

    >>> import torch
    >>> from deepcanon.representation import DenoisingAutoencoder
    >>> from deepcanon.representation.denoising_autoencoder import mask_inputs
    >>> model, x = DenoisingAutoencoder(20, 8), torch.rand(4, 20)
    >>> u = mask_inputs(x, 0.25, torch.Generator().manual_seed(0))
    >>> tuple(model(u).shape), tuple(model.encode(x).shape)
    ((4, 20), (4, 8))
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deepcanon.parts.noise import normal, uniform

__all__ = [
    "CORRUPTIONS",
    "DenoisingAutoencoder",
    "add_gaussian",
    "jacobian_norm",
    "mask_inputs",
    "nearest",
    "salt_and_pepper",
    "way_back",
]


def _share(p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"a share of corrupted inputs lies in [0, 1], {p} does not")


def mask_inputs(
    inputs: Float[Tensor, "batch features"], p: float, generator: torch.Generator | None = None
) -> Float[Tensor, "batch features"]:
    """Equation (1), left: each value is set to 0 with probability p; the others stay as they are (no scaling)."""
    _share(p)
    kept = uniform(inputs.shape, inputs, generator) >= p
    return inputs * kept.to(inputs)


def salt_and_pepper(
    inputs: Float[Tensor, "batch features"], p: float, generator: torch.Generator | None = None
) -> Float[Tensor, "batch features"]:
    """Equation (1), right: each value is set to 0 or to 1 with probability p / 2 each."""
    _share(p)
    draw = uniform(inputs.shape, inputs, generator)
    return torch.where(draw < p / 2, 0.0, torch.where(draw < p, 1.0, inputs)).to(inputs.dtype)


def add_gaussian(
    inputs: Float[Tensor, "batch features"], sigma: float, generator: torch.Generator | None = None
) -> Float[Tensor, "batch features"]:
    """Equation (2)."""
    if not sigma >= 0:
        raise ValueError(f"a standard deviation of {sigma} is negative")
    return inputs + sigma * normal(inputs.shape, inputs, generator, inputs.dtype)


CORRUPTIONS = {"mask": mask_inputs, "gaussian": add_gaussian, "salt-pepper": salt_and_pepper}


class DenoisingAutoencoder(nn.Module):
    """Equation (3): one hidden layer.

    Args:
        features, hidden: D and H.
        activation: class of the hidden units' module.
        output: "sigmoid" for data in [0, 1], "linear" for other data.
        tied: V = W^T.
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        *,
        activation: type[nn.Module] = nn.Sigmoid,
        output: str = "sigmoid",
        tied: bool = True,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        if min(features, hidden) < 1:
            raise ValueError(f"{features} features and {hidden} hidden units: at least 1")
        if output not in ("sigmoid", "linear"):
            raise ValueError(f"output is sigmoid or linear, not {output!r}")
        make = {"device": device, "dtype": dtype}
        self.encoder = nn.Linear(features, hidden, **make)
        nn.init.xavier_uniform_(self.encoder.weight)
        nn.init.zeros_(self.encoder.bias)
        self.activation, self.output = activation(), output
        self.bias = nn.Parameter(torch.zeros(features, **make))
        self.weight = None if tied else nn.Parameter(torch.empty(features, hidden, **make))
        if self.weight is not None:
            nn.init.xavier_uniform_(self.weight)

    def encode(self, inputs: Float[Tensor, "batch features"]) -> Float[Tensor, "batch hidden"]:
        if inputs.ndim != 2 or inputs.shape[1] != self.encoder.in_features:
            raise ValueError(f"inputs {tuple(inputs.shape)} are not [batch, {self.encoder.in_features}]")
        return self.activation(self.encoder(inputs))  # (3)

    def logits(self, code: Float[Tensor, "batch hidden"]) -> Float[Tensor, "batch features"]:
        """V h + c of equation (3), the logits for a cross-entropy."""
        weight = self.encoder.weight.T if self.weight is None else self.weight
        return F.linear(code, weight, self.bias)

    def decode(self, code: Float[Tensor, "batch hidden"]) -> Float[Tensor, "batch features"]:
        z = self.logits(code)
        return torch.sigmoid(z) if self.output == "sigmoid" else z

    def forward(self, inputs: Float[Tensor, "batch features"]) -> Float[Tensor, "batch features"]:
        """r(u)."""
        return self.decode(self.encode(inputs))


def jacobian_norm(model: DenoisingAutoencoder, inputs: Float[Tensor, "batch features"]) -> Float[Tensor, "batch"]:
    """Equation (6) of the code, for each input: (dh_j/da_j)^2 sum_d W_jd^2, exact for units that act alone."""
    a = model.encoder(inputs)
    with torch.enable_grad():
        point = a.detach().requires_grad_()
        (slope,) = torch.autograd.grad(model.activation(point).sum(), point, create_graph=False)
    return slope.square() @ model.encoder.weight.square().sum(1)


def nearest(
    points: Float[Tensor, "points dimensions"], support: Float[Tensor, "support dimensions"]
) -> Float[Tensor, "points dimensions"]:
    """For each point the nearest point of the support."""
    if points.ndim != 2 or support.ndim != 2 or points.shape[1] != support.shape[1]:
        raise ValueError(f"points {tuple(points.shape)} do not lie in the space of the support {tuple(support.shape)}")
    return support[torch.cdist(points, support).argmin(1)]


def way_back(
    corrupted: Float[Tensor, "points dimensions"],
    reconstructed: Float[Tensor, "points dimensions"],
    support: Float[Tensor, "support dimensions"],
) -> dict[str, Tensor]:
    """How well r(u) - u points back to the support of the data, given by many points, and how far from it r(u) is.

    Returns:
        cosine: (7), mean over the points.
        distance: of r(u) from the support, as a share of that of u.
    """
    back = nearest(corrupted, support) - corrupted
    left = nearest(reconstructed, support) - reconstructed
    cosine = F.cosine_similarity(reconstructed - corrupted, back).mean()  # (7)
    return {"cosine": cosine, "distance": left.norm(dim=1).mean() / back.norm(dim=1).mean()}
