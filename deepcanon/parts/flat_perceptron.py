"""A small perceptron on one flat vector: forward, backward and the optimizer's step by hand, without autograd.

Rumelhart, Hinton, Williams, Learning representations by back-propagating errors, Nature 323, 1986.
    m rows    a_0 = x [m, n_0]    W_l [n_l, n_{l-1}], b_l [n_l]    J the mean loss over the rows    f the activation
    theta = (W_1 ... W_L, b_1 ... b_L), one vector; g = dJ/dtheta, another

    (1)  a_l = f(a_{l-1} W_l^T + b_l), l < L;   z = W_L a_{L-1}^T + b_L   [n_L, m]
    (2)  s = dJ/dz [n_L, m]                  cross-entropy (softmax(z) - onehot(y)) / m, or what the caller computes
    (3)  dJ/dW_L = s a_{L-1},  dJ/db_L = s 1,  dJ/da_{L-1} = s^T W_L
    (4)  d_l = dJ/da_l * f'(a_l),  dJ/dW_l = d_l^T a_{l-1},  dJ/db_l = 1^T d_l,  dJ/da_{l-1} = d_l W_l
         f' from the value:  relu a > 0    tanh 1 - a^2    sigmoid a (1 - a)

At a few thousand weights a step of autograd and `torch.optim` is overhead: a hundred calls of torch, 1 to 4 us each.
Here the products are NumPy's (keep its BLAS to one thread), the optimizer is one kernel on the whole vector. Results
are those of autograd and `torch.optim` to rounding. The outputs z lie classes first, for a softmax along the long axis.

The modules stay torch's: each parameter becomes a view of theta and its `.grad` a view of g. `load_state_dict`
copies into the views; what replaces their memory (`.double()`) is seen at the next call, which lays out new vectors.

>>> net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
>>> adam, flat = torch.optim.Adam(net.parameters(), 0.01, fused=True), FlatPerceptron([net[0], net[2]])
>>> loss = flat.gradient(np.ones((5, 3), np.float32), lambda z: cross_entropy_slopes(z, np.zeros(5, np.int64)))
>>> flat.step(adam)
>>> flat.size, net[0].weight.grad.shape, round(float(loss), 1) > 0
(26, torch.Size([4, 3]), True)
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from deepcanon.parts.flat_step import FlatParameters

__all__ = ["FEW", "SLOPES", "FlatPerceptron", "cross_entropy_slopes", "squared_slopes"]

FEW = 100_000
"""Weights up to which it pays: beyond them a step is mostly arithmetic, at which torch is faster."""

QUIET: dict[str, Any] = dict.fromkeys(("over", "invalid", "divide"), "ignore")  # whoever calls looks at the loss

Array = np.ndarray
Loss = Callable[[Array], tuple[Any, Array]]
"""From the outputs z [n_L, m] to J and s = dJ/dz (2)."""


def _relu(z: Array) -> Array:
    return np.maximum(z, np.zeros(z.shape[1], z.dtype), out=z)


def _tanh(z: Array) -> Array:
    return np.tanh(z, out=z)


def _sigmoid(z: Array) -> Array:
    torch.from_numpy(z).sigmoid_()
    return z


ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "relu": (_relu, lambda a: a > 0),
    "tanh": (_tanh, lambda a: 1 - a * a),
    "sigmoid": (_sigmoid, lambda a: a * (1 - a)),
}
"""Name -> f, which may write over its argument, and f' from the value of f."""


def cross_entropy_slopes(
    z: Float[Array, "classes batch"], labels: Int[Array, "batch"]
) -> tuple[Any, Float[Array, "classes batch"]]:
    """The mean of -log softmax(z)_y over the rows, and its slopes (2)."""
    m = len(labels)
    z = z - np.maximum.reduce(z, 0)
    p = np.exp(z)
    total = np.add.reduce(p, 0)
    places = labels * m + np.arange(m)  # of z_y in memory
    loss = np.add.reduce(np.log(total) - z.take(places)) / m
    p /= total
    p.reshape(-1)[places] -= 1
    p /= m
    return loss, p


def squared_slopes(
    z: Float[Array, "classes batch"], labels: Int[Array, "batch"]
) -> tuple[Any, Float[Array, "classes batch"]]:
    """Half the squared error of sigmoid(z) against one-hot labels, summed over the classes, and its slopes."""
    m = len(labels)
    a = _sigmoid(z.copy())
    error = a.copy()
    error.reshape(-1)[labels * m + np.arange(m)] -= 1
    loss = 0.5 * np.vdot(error, error) / m
    error *= a * (1 - a)
    error /= m
    return loss, error


SLOPES: dict[str, Callable[[Array, Array], tuple[Any, Array]]] = {
    "cross-entropy": cross_entropy_slopes, "squared": squared_slopes,
}  # fmt: skip
"""Losses of classifiers by name."""


class FlatPerceptron(FlatParameters):
    """Linear layers with one activation between them; called with rows [m, n_0] it gives the outputs z [n_L, m].

    Args:
        layers: on the CPU, each with a bias, in the order in which they are applied.
        activation: a name in `ACTIVATIONS`.
    """

    def __init__(self, layers: Sequence[nn.Linear], activation: str = "relu") -> None:
        self.layers = list(layers)
        if activation not in ACTIVATIONS:
            raise ValueError(f"no backward by hand for {activation}, only for {', '.join(ACTIVATIONS)}")
        if not self.layers or any(not isinstance(layer, nn.Linear) or layer.bias is None for layer in self.layers):
            raise ValueError("linear layers with a bias expected")
        self.activate, self.slope = ACTIVATIONS[activation]
        # Weights first: what decays and what does not are then two contiguous parts.
        super().__init__([layer.weight for layer in self.layers] + [layer.bias for layer in self.layers])

    def attach(self) -> bool:
        """Lays the parameters out in one vector, unless they are there already; returns whether it did."""
        if not super().attach():
            return False
        count = len(self.layers)
        arrays = [view.numpy() for view in self.views]
        self.weights, self.biases = arrays[:count], arrays[count:]
        arrays = [slope.numpy() for slope in self.gradients]
        self.weight_slopes, self.bias_slopes = arrays[:count], arrays[count:]
        return True

    # Forward and backward

    def forward(self, x: Float[Array, "batch features"]) -> list[Array]:
        """Equation (1): a_0 ... a_{L-1}, z."""
        self.attach()
        last, a = len(self.layers) - 1, np.ascontiguousarray(x, self.biases[0].dtype)
        found = [a]
        for l in range(last):
            a = a @ self.weights[l].T
            a += self.biases[l]
            a = self.activate(a)
            found.append(a)
        z = self.weights[last] @ a.T
        z += self.biases[last][:, None]
        return [*found, z]

    def __call__(self, x: Float[Array, "batch features"]) -> Float[Array, "outputs batch"]:
        with np.errstate(**QUIET):
            return self.forward(x)[-1]

    def backward(self, found: list[Array], s: Float[Array, "outputs batch"]) -> None:
        """Equations (3) and (4): the gradient is written over what `gradient_vector` held.

        Args:
            found: what `forward` returned; a_1 ... a_{L-1} stay as they are.
            s: the slopes of the loss in z.
        """
        last, ones = len(self.layers) - 1, np.ones(s.shape[1], s.dtype)
        np.matmul(s, found[last], out=self.weight_slopes[last])
        np.dot(s, ones, out=self.bias_slopes[last])
        d = s.T
        for l in range(last - 1, -1, -1):
            d = d @ self.weights[l + 1]
            d *= self.slope(found[l + 1])
            np.matmul(d.T, found[l], out=self.weight_slopes[l])
            np.dot(ones, d, out=self.bias_slopes[l])

    def gradient(self, x: Float[Array, "batch features"], loss: Loss) -> Float[Tensor, ""]:
        """The loss of a batch; its gradient is in `gradient_vector` and in the parameters' `.grad`."""
        with np.errstate(**QUIET):
            found = self.forward(x)
            value, s = loss(found[-1])
            self.backward(found, s)
        return torch.from_numpy(np.asarray(value))

    def clip(self, limit: float) -> float:
        """Scales the gradient to the norm `limit` if it is longer; returns the norm that it had.

        Raises:
            FloatingPointError: the norm is NaN or infinite; the gradient stays.
        """
        g = self.gradient_vector.numpy()
        norm = float(np.dot(g, g)) ** 0.5
        if not norm < float("inf"):
            raise FloatingPointError(f"the norm of the gradients is {norm}: no weight was changed")
        if norm > limit:
            g *= limit / norm
        return norm
