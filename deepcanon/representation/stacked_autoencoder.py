"""A stack of autoencoders: each layer learns to reconstruct the codes of the one below, then all learn to classify.

Papers: Bengio, Lamblin, Popovici and Larochelle 2007, "Greedy layer-wise training of deep networks" (NIPS); Vincent et
al. 2010, "Stacked denoising autoencoders" (JMLR 11). Exercise: UFLDL, "Implement deep networks for digits".

x [N, D] inputs, h_k [N, H_k] codes of layer k, L layers, C classes; r_k the reconstruction of layer k; u = corrupt(h).

    h_0 = x,   h_k = phi(W_k h_{k-1} + b_k)                                                              (1)
    layer k:  min over (W_k, b_k, c_k) of E(r_k(corrupt(h_{k-1})), h_{k-1}),  W_1 .. W_{k-1} frozen       (2)
    a = V h_L + d,   classifier on the codes:  min over (V, d) of -log softmax(a)_y,  all W frozen          (3)
    fine-tuning:  min over all W, b, V, d of -log softmax(a)_y                                             (4)

Each layer has its own phase of the training, one after the other, then the classifier, then all of them: `phase_of`.
Without corruption in (2) this is the stacked autoencoder, with it the stacked denoising autoencoder: the noise is put
into the input of the layer that is being trained, never into the layers below it.

Departures: tied decoder weights without a sparsity penalty, where the UFLDL exercise stacks sparse autoencoders.

    >>> import torch
    >>> from deepcanon.representation import StackedAutoencoder
    >>> model, x = StackedAutoencoder(64, 10, hidden=(32, 16)), torch.rand(5, 64)
    >>> tuple(model.codes(x, 1).shape), tuple(model.codes(x).shape), tuple(model(x).shape)
    ((5, 32), (5, 16), (5, 10))
"""

from itertools import pairwise
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from deepcanon.representation.denoising_autoencoder import DenoisingAutoencoder

__all__ = ["Phase", "StackedAutoencoder", "phase_of"]


class Phase(NamedTuple):
    """What a step trains, and how far its phase has come."""

    part: int | str
    """A layer's number from 0, "classifier" or "all"."""
    since: int
    """Steps since the phase began."""
    steps: int
    """Of the whole phase."""


def phase_of(step: int, steps: int, layers: int, layers_share: float, classifier_share: float) -> Phase:
    """The phase of a step: (2) for each layer, (3), then (4); the shares are those of all steps, at least one each.

    Args:
        layers: how many are trained first; 0 goes to (4) at once.
        layers_share, classifier_share: of the layers together, and of the classifier.
    """
    if not layers:
        return Phase("all", step, steps)
    if min(layers_share, classifier_share) < 0 or layers_share + classifier_share >= 1:
        raise ValueError(
            f"shares of {layers_share} for the layers and {classifier_share} for the classifier, "
            "which are at least 0 and below 1 together"
        )
    each, last = max(1, int(steps * layers_share / layers)), max(1, int(steps * classifier_share))
    since = step - layers * each
    if since < 0:
        return Phase(step // each, step % each, each)
    if since < last:
        return Phase("classifier", since, last)
    return Phase("all", since - last, max(1, steps - layers * each - last))


class StackedAutoencoder(nn.Module):
    """Layers (1), (2) and a linear classifier (3) of their codes, which starts at zero.

    Args:
        features, classes: D and C.
        hidden: H_1 .. H_L.
        activation: class of the hidden units' module; its values are what the next layer reconstructs.
        output: of the first layer's reconstruction, "sigmoid" for data in [0, 1], "linear" for other data; the layers
            above reconstruct codes: by a sigmoid where the units are logistic, linearly where they are not.
    """

    def __init__(
        self,
        features: int,
        classes: int,
        *,
        hidden: tuple[int, ...] = (200, 200),
        activation: type[nn.Module] = nn.Sigmoid,
        output: str = "sigmoid",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        if not hidden or classes < 2:
            raise ValueError(f"hidden layers {hidden} and {classes} classes do not make a stack: at least 1 and 2")
        make = {"device": device, "dtype": dtype}
        above = "sigmoid" if activation is nn.Sigmoid else "linear"
        self.layers = nn.ModuleList(
            DenoisingAutoencoder(before, after, activation=activation, output=above if k else output, **make)
            for k, (before, after) in enumerate(pairwise((features, *hidden)))
        )
        self.classifier = nn.Linear(hidden[-1], classes, **make)
        nn.init.zeros_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)

    def codes(self, inputs: Float[Tensor, "batch features"], depth: int | None = None) -> Float[Tensor, "batch code"]:
        """h of the given depth; by default of the last layer."""
        depth = len(self.layers) if depth is None else depth
        if not 0 <= depth <= len(self.layers):
            raise ValueError(f"a stack of {len(self.layers)} layers has no codes at depth {depth}")
        for layer in self.layers[:depth]:
            inputs = layer.encode(inputs)  # (1)
        return inputs

    def pretrained(self) -> list[nn.Parameter]:
        """The parameters that equation (2) learns."""
        return list(self.layers.parameters())

    def finetuned(self) -> list[nn.Parameter]:
        """The parameters that equation (4) learns: encoders and classifier, without the decoders' biases."""
        encoders = [parameter for layer in self.layers for parameter in layer.encoder.parameters()]
        return [*encoders, *self.classifier.parameters()]

    def forward(self, inputs: Float[Tensor, "batch features"]) -> Float[Tensor, "batch classes"]:
        """Logits for each row."""
        return self.classifier(self.codes(inputs))  # (3)
