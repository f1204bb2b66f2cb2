"""A multilayer perceptron with backpropagation twice: by autograd, and by hand with explicit caches.

Paper: Rumelhart, Hinton and Williams 1986, "Learning representations by back-propagating errors" (Nature 323).

m rows; layer l maps a_{l-1} [m, n_{l-1}] to a_l [m, n_l]; delta_l = dJ/dz_l; * is the elementwise product.

    z_l      = a_{l-1} W_l^T + b_l,   a_l = relu(z_l), no relu in the last layer      (1)  caches a_{l-1} and z_l > 0
    J        = -(1/m) sum_i log softmax(z_L)_{i, y_i}                                 (2)
    delta_L  = (softmax(z_L) - onehot(y)) / m                                         (3)
    dJ/dW_l  = delta_l^T a_{l-1},   dJ/db_l = column sums of delta_l                  (4)
    dJ/da_{l-1} = delta_l W_l,   delta_{l-1} = dJ/da_{l-1} * (z_{l-1} > 0)            (5)

`forward_cached` returns outputs and a list of caches; `backward_cached` consumes that list from its end, returns the
gradient with respect to the INPUT and adds each weight's gradient to a dictionary, so a layer used twice
accumulates. Caches belong to the caller: two forwards before a backward do not overwrite each other, and each
cache is freed as soon as its layer is done.

Departures: ReLU units with He's initialisation (variance 2 / n_{l-1}) instead of sigmoids with small random
weights, which trains two wide layers in a few epochs; the derivative of relu at 0 is 0, as in torch. Other units
(`activation=`) have no explicit backward.

    >>> import torch
    >>> from deepcanon.foundations import MLP
    >>> from deepcanon.foundations.mlp import backward_cached, forward_cached
    >>> net, x = MLP(4, 3, hidden=(8,)), torch.randn(5, 4)
    >>> outputs, caches = forward_cached(net.layers, x)
    >>> grad_x, grads = backward_cached(net.layers, caches, torch.ones(5, 3))
    >>> grad_x.shape, grads[net.layers[0].weight].shape, len(caches)
    (torch.Size([5, 4]), torch.Size([8, 4]), 0)
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from deepcanon.foundations.dropout import Dropout

__all__ = [
    "MLP",
    "backward_cached",
    "cross_entropy_backward",
    "cross_entropy_forward",
    "dropout_backward",
    "dropout_forward",
    "forward_cached",
    "linear_backward",
    "linear_forward",
    "relu_backward",
    "relu_forward",
]

Cache = tuple[Tensor, ...]


def linear_forward(
    inputs: Float[Tensor, "batch before"], weight: Float[Tensor, "after before"], bias: Float[Tensor, "after"]
) -> tuple[Float[Tensor, "batch after"], Cache]:
    """Equation (1) without the relu."""
    if inputs.ndim != 2 or weight.ndim != 2 or inputs.shape[1] != weight.shape[1] or bias.shape != weight.shape[:1]:
        raise ValueError(f"inputs {tuple(inputs.shape)}, weight {tuple(weight.shape)} and bias "
                         f"{tuple(bias.shape)} do not fit")  # fmt: skip
    return F.linear(inputs, weight, bias), (inputs, weight)


def linear_backward(
    cache: Cache, grad_output: Float[Tensor, "batch after"]
) -> tuple[Float[Tensor, "batch before"], Float[Tensor, "after before"], Float[Tensor, "after"]]:
    """Gradients of inputs (5), weight and bias (4)."""
    inputs, weight = cache
    if grad_output.shape != (len(inputs), len(weight)):
        raise ValueError(f"gradient {tuple(grad_output.shape)} of an output ({len(inputs)}, {len(weight)})")
    return grad_output @ weight, grad_output.T @ inputs, grad_output.sum(0)


def relu_forward(inputs: Float[Tensor, "..."]) -> tuple[Float[Tensor, "..."], Cache]:
    return inputs.relu(), (inputs > 0,)


def relu_backward(cache: Cache, grad_output: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The right half of equation (5)."""
    return grad_output * cache[0]


def dropout_forward(
    inputs: Float[Tensor, "..."], probability: float, generator: torch.Generator | None = None
) -> tuple[Float[Tensor, "..."], Cache]:
    """Set each value to 0 with the given probability and divide the others by 1 - probability."""
    if not 0 <= probability < 1:
        raise ValueError(f"a dropout probability lies in [0, 1), {probability} does not")
    kept = torch.rand(inputs.shape, generator=generator, device=inputs.device) >= probability
    scale = kept.to(inputs.dtype) / (1 - probability)
    return inputs * scale, (scale,)


def dropout_backward(cache: Cache, grad_output: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    return grad_output * cache[0]


def cross_entropy_forward(
    logits: Float[Tensor, "batch classes"], labels: Int[Tensor, "batch"]
) -> tuple[Float[Tensor, ""], Cache]:
    """Equation (2)."""
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(f"logits {tuple(logits.shape)} and labels {tuple(labels.shape)} do not fit")
    log_probabilities = logits.log_softmax(1)
    return -log_probabilities.gather(1, labels[:, None]).mean(), (log_probabilities, labels)


def cross_entropy_backward(cache: Cache, grad_output: float | Tensor = 1.0) -> Float[Tensor, "batch classes"]:
    """Equation (3)."""
    log_probabilities, labels = cache
    target = F.one_hot(labels, log_probabilities.shape[1])
    return (log_probabilities.exp() - target) * (grad_output / len(labels))


@torch.no_grad()
def forward_cached(
    layers: nn.Sequential | Sequence[nn.Module], inputs: Float[Tensor, "batch before"]
) -> tuple[Tensor, list[Cache]]:
    """Run Linear, ReLU and Dropout layers in order; one cache for each, in the same order."""
    outputs, caches = inputs, []
    for layer in layers:
        if isinstance(layer, nn.Linear):
            outputs, cache = linear_forward(outputs, layer.weight, layer.bias)
        elif isinstance(layer, nn.ReLU):
            outputs, cache = relu_forward(outputs)
        elif isinstance(layer, nn.Dropout | Dropout):
            outputs, cache = dropout_forward(outputs, layer.p if layer.training else 0.0)
        else:
            raise ValueError(f"no explicit backward for a layer {type(layer).__name__}")
        caches.append(cache)
    return outputs, caches


@torch.no_grad()
def backward_cached(
    layers: nn.Sequential | Sequence[nn.Module], caches: list[Cache], grad_output: Float[Tensor, "batch after"]
) -> tuple[Float[Tensor, "batch before"], dict[Tensor, Tensor]]:
    """Gradient of the input and of every parameter. Empties `caches`: a second backward needs a second forward."""
    if len(caches) != len(layers):
        raise ValueError(f"{len(caches)} caches for {len(layers)} layers: each forward serves one backward")
    grad = grad_output
    grads: dict[Tensor, Tensor] = {}
    for layer in reversed(layers):
        cache = caches.pop()
        if isinstance(layer, nn.Linear):
            grad, grad_weight, grad_bias = linear_backward(cache, grad)
            for parameter, value in ((layer.weight, grad_weight), (layer.bias, grad_bias)):
                grads[parameter] = grads[parameter] + value if parameter in grads else value
        elif isinstance(layer, nn.ReLU):
            grad = relu_backward(cache, grad)
        else:
            grad = dropout_backward(cache, grad)
    return grad, grads


class MLP(nn.Module):
    """Linear layers with ReLU (or other units) between them, logits out; `features` gives the last hidden layer.

    Args:
        features: values of an input.
        classes: how many logits there are.
        hidden: units of each hidden layer; () is a linear classifier.
        dropout: probability of dropping a hidden unit in training.
        input_dropout: probability of dropping an input value in training.
        activation: makes the hidden units' module.
        normalization: from a number of units to a module between a linear map, which has no bias then, and its units.
        layer: from the sizes before and after it to a whole hidden layer; where it is None, the layer is as said above.
        dropout_layer: makes the modules that drop, from their probability.
    """

    def __init__(
        self,
        features: int,
        classes: int,
        *,
        hidden: tuple[int, ...] = (800, 800),
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        activation: Callable[[], nn.Module] = nn.ReLU,
        normalization: Callable[[int], nn.Module] | None = None,
        layer: Callable[[int, int], nn.Module | None] = lambda before, after: None,
        dropout_layer: Callable[[float], nn.Module] = Dropout,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        made = {"device": device, "dtype": dtype}
        layers: list[nn.Module] = [dropout_layer(input_dropout)] if input_dropout else []
        for before, after in pairwise((features, *hidden)):
            whole = layer(before, after)
            if whole is None:
                linear = _linear(before, after, bias=normalization is None, **made)
                normal = [] if normalization is None else [normalization(after)]
                layers += [linear, *normal, activation()]
            else:
                layers.append(whole)
            layers += [dropout_layer(dropout)] if dropout else []
        self.layers = nn.Sequential(*layers, _linear((features, *hidden)[-1], classes, **made)).to(**made)

    def features(self, inputs: Float[Tensor, "batch features"]) -> Float[Tensor, "batch hidden"]:
        return self.layers[:-1](inputs)

    def forward(self, inputs: Float[Tensor, "batch features"]) -> Float[Tensor, "batch classes"]:
        """Logits for each row."""
        return self.layers(inputs)  # (1)


def _linear(before: int, after: int, *, bias: bool = True, device=None, dtype=None) -> nn.Linear:
    linear = nn.Linear(before, after, bias=bias, device=device, dtype=dtype)
    nn.init.normal_(linear.weight, std=(2 / before) ** 0.5)
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)
    return linear
