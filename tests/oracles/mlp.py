"""A multilayer perceptron in NumPy float64: the forward pass, and the gradient by central differences."""

import numpy as np


def layers(params):
    """The (weight, bias) pairs in order of their position in the state dict."""
    positions = sorted({int(key.split(".")[-2]) for key in params})
    prefix = next(iter(params)).rsplit(".", 2)[0]
    return [(params[f"{prefix}.{i}.weight"], params[f"{prefix}.{i}.bias"]) for i in positions]


def logits(params, x):
    pairs = layers(params)
    for index, (weight, bias) in enumerate(pairs):
        x = np.einsum("mi,oi->mo", x, weight) + bias
        if index < len(pairs) - 1:
            x = np.where(x > 0, x, 0.0)
    return x


def linear(x, weight, bias, grad):
    """Outputs, and the gradients of sum(outputs * grad) in x, weight and bias, entry by entry."""
    outputs = np.array([[weight[o] @ row + bias[o] for o in range(len(bias))] for row in x])
    grad_x, grad_weight = np.zeros_like(x), np.zeros_like(weight)
    for m, o in np.ndindex(grad.shape):
        grad_x[m] += grad[m, o] * weight[o]
        grad_weight[o] += grad[m, o] * x[m]
    return outputs, grad_x, grad_weight, grad.sum(0)


def cross_entropy(a, y):
    """The mean loss and its gradient (softmax - onehot) / m."""
    p = np.exp(a - a.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return -np.log(p[np.arange(len(y)), y]).mean(), (p - np.eye(a.shape[1])[y]) / len(y)


def outputs_and_input_gradient(params, x):
    """Logits, and the gradient of their sum in the input by central differences (exact where nothing bends)."""
    return logits(params, x), numerical_gradient(lambda: logits(params, x).sum(), x, 1e-3)


def loss(params, x, y):
    a = logits(params, x)
    shifted = a - a.max(1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return -log_p[np.arange(len(y)), y].mean()


def numerical_gradient(function, array, step=1e-6):
    """Central differences of a scalar function in every entry of `array` (changed in place and put back)."""
    gradient = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        kept = array[index]
        array[index] = kept + step
        above = function()
        array[index] = kept - step
        below = function()
        array[index] = kept
        gradient[index] = (above - below) / (2 * step)
    return gradient
