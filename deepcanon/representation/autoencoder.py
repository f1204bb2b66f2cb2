"""A deep autoencoder: layers down to a short linear code, and mirrored layers back up to the data.

Paper: Hinton and Salakhutdinov 2006, "Reducing the dimensionality of data with neural networks" (Science 313).

x [N, D] data, c [N, K] code, phi the hidden units' activation; L layers down, L up, each with weights of its own.

    a_0 = x,  a_l = phi(W_l a_{l-1} + b_l)  for l < L,   c = W_L a_{L-1} + b_L             linear code       (1)
    d_0 = c,  d_l = phi(V_l d_{l-1} + g_l)  for l < L,   z = V_L d_{L-1} + g_L             the decoder       (2)
    y = sigmoid(z) for data in [0, 1],   y = z for other data                                                (3)
    E = (1/N) sum_n sum_d (y_nd - x_nd)^2                         summed over the features, as in the paper   (4)

With no hidden layers and y = z the least E is that of PCA with K components, and the decoder spans their subspace
(Baldi and Hornik 1989): a linear autoencoder with a larger error is broken, and a deep one with a larger error is
useless.

Departures: ReLU units with He's initialisation, trained from the start by Adam, instead of logistic units that are
pre-trained as a stack of RBMs and fine-tuned by conjugate gradients; (4) is what is minimised (the paper minimises the
cross-entropy and reports (4)). Encoder and decoder weights are not tied, as in the paper after fine-tuning.

    >>> import torch
    >>> from deepcanon.representation import Autoencoder
    >>> model = Autoencoder(784, 30, hidden=(100, 50))
    >>> x = torch.rand(5, 784)
    >>> tuple(model.encode(x).shape), tuple(model(x).shape)
    ((5, 30), (5, 784))
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Autoencoder"]


def _stack(widths: tuple[int, ...], activation: type[nn.Module], make: dict) -> nn.Sequential:
    """Linear layers with activations between them, none after the last."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        linear = nn.Linear(before, after, **make)
        last = len(layers) == 2 * (len(widths) - 2)
        nn.init.normal_(linear.weight, std=((1 if last else 2) / before) ** 0.5)
        nn.init.zeros_(linear.bias)
        layers += [linear] if last else [linear, activation()]
    return nn.Sequential(*layers)


class Autoencoder(nn.Module):
    """Encoder (1), decoder (2) and output (3).

    Args:
        features: D.
        code: K, numbers in the code.
        hidden: widths of the encoder's hidden layers; the decoder mirrors them; () is the linear autoencoder.
        activation: class of the hidden units' module.
        output: "sigmoid" or "linear".
    """

    def __init__(
        self,
        features: int,
        code: int,
        *,
        hidden: tuple[int, ...] = (1000, 500, 250),
        activation: type[nn.Module] = nn.ReLU,
        output: str = "sigmoid",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        if min(features, code, *hidden) < 1:
            raise ValueError(f"widths {(features, *hidden, code)} are at least 1")
        if output not in ("sigmoid", "linear"):
            raise ValueError(f"output is sigmoid or linear, not {output!r}")
        make = {"device": device, "dtype": dtype}
        widths = (features, *hidden, code)
        self.encoder = _stack(widths, activation, make)
        self.decoder = _stack(widths[::-1], activation, make)
        self.output = output

    def encode(self, inputs: Float[Tensor, "batch features"]) -> Float[Tensor, "batch code"]:
        if inputs.ndim != 2 or inputs.shape[1] != self.encoder[0].in_features:
            raise ValueError(f"inputs {tuple(inputs.shape)} are not [batch, {self.encoder[0].in_features}]")
        return self.encoder(inputs)  # (1)

    def logits(self, code: Float[Tensor, "batch code"]) -> Float[Tensor, "batch features"]:
        """z of equation (2), the logits for a cross-entropy."""
        if code.ndim != 2 or code.shape[1] != self.decoder[0].in_features:
            raise ValueError(f"codes {tuple(code.shape)} are not [batch, {self.decoder[0].in_features}]")
        return self.decoder(code)  # (2)

    def decode(self, code: Float[Tensor, "batch code"]) -> Float[Tensor, "batch features"]:
        z = self.logits(code)
        return torch.sigmoid(z) if self.output == "sigmoid" else z  # (3)

    def forward(self, inputs: Float[Tensor, "batch features"]) -> Float[Tensor, "batch features"]:
        """The reconstruction of each row."""
        return self.decode(self.encode(inputs))
