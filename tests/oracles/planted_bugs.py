"""The layers of the planted bugs in NumPy, with gradients by the complex step: f(x + ih) = f(x) + ih f'(x) + ..."""

import numpy as np

STEP = 1e-30


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.real.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def linear(x, w, b):
    return x @ w.T + b


def half_mean_square(x, t):
    return 0.5 * ((x - t) ** 2).mean()


def max_pool(x):
    windows = x.reshape(len(x), -1, 2)
    return np.where(windows[..., 0].real > windows[..., 1].real, windows[..., 0], windows[..., 1])


def batch_norm(x, w):
    centred = x - x.mean(0)
    return centred / np.sqrt((centred * centred).mean(0) + 1e-5) * w


def convolution(x, w):
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1)))
    return np.stack([np.einsum("bik,oik->bo", padded[:, :, t : t + 3], w) for t in range(x.shape[2])], 2)


def lstm(gates, cell):
    n = cell.shape[1]
    i, f, c, o = (gates[:, k * n : (k + 1) * n] for k in range(4))
    return sigmoid(o) * np.tanh(sigmoid(f) * cell + sigmoid(i) * np.tanh(c))


def recurrent(x, w):
    h = np.zeros_like(x[0])
    for step in x:
        h = np.tanh(step + h @ w)
    return h


LAYERS = {
    "transposed weight": linear,
    "no bias gradient": linear,
    "no sum over the broadcast rows": linear,
    "no 1/m of the mean": half_mean_square,
    "sign of the second argument": half_mean_square,
    "one use of two (fan-out)": lambda x: x + np.tanh(x),
    "relu masked by the gradient": lambda x: np.where(x.real > 0, x, 0),
    "tanh of the input": np.tanh,
    "softmax without its Jacobian": softmax,
    "batch statistics as constants": batch_norm,
    "average pooling not divided": lambda x: x.reshape(len(x), -1, 2).mean(2),
    "max pooling to the whole window": max_pool,
    "convolution off by one": convolution,
    "convolution kernel not turned": convolution,
    "embedding assigned, not added": lambda table: np.stack([table[i] for i in (0, 2, 2, 1, 2)]),
    "LSTM gates swapped": lstm,
    "recurrent weight at the last step only": recurrent,
    "attention scale forgotten": lambda q, k, v: softmax(q @ k.T / np.sqrt(q.shape[1])) @ v,
    "weight decay twice": lambda w: np.sin(w).sum() + 0.05 * (w * w).sum(),
}


def value_and_gradients(name, cotangent, *inputs):
    """The output, and (dy/dx_i)^T g for each input."""
    layer, found = LAYERS[name], []
    for which, x in enumerate(inputs):
        gradient = np.zeros_like(x)
        for index in np.ndindex(x.shape):
            moved = [a.astype(complex) for a in inputs]
            moved[which][index] += 1j * STEP
            gradient[index] = (cotangent * layer(*moved).imag).sum() / STEP
        found.append(gradient)
    return layer(*(a.astype(complex) for a in inputs)).real, *found
