"""Products of Jacobians written out, and by central differences of the whole chain."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def tanh_chain(weight, drive, start):
    """J_1 ... J_T of h_t = tanh(W h_{t-1} + u_t) from equation (4)."""
    h, product, found = start, np.eye(len(start)), []
    for u in drive:
        h = np.tanh(weight @ h + u)
        product = np.diag(1 - h**2) @ weight @ product
        found.append(product)
    return found


def norms(jacobians):
    """(spectral, Frobenius, all singular values) through the eigenvalues of J^T J."""
    values = [np.sqrt(np.clip(np.linalg.eigvalsh(j.T @ j)[::-1], 0, None)) for j in jacobians]
    return [v[0] for v in values], [np.sqrt((j**2).sum()) for j in jacobians], values


def lstm(weight_ih, weight_hh, bias, inputs, hidden, memory):
    """One LSTM cell over time: hidden vectors, memories and forget gates, for one sequence."""
    gates_seen = []
    for x in inputs:
        i, f, g, o = np.split(weight_ih @ x + weight_hh @ hidden + bias, 4)
        gates_seen.append(sigmoid(f))
        memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(g)
        hidden = sigmoid(o) * np.tanh(memory)
    return hidden, memory, gates_seen


def memory_path(weight_ih, weight_hh, bias, inputs):
    size = weight_hh.shape[1]
    return np.cumprod(lstm(weight_ih, weight_hh, bias, inputs, np.zeros(size), np.zeros(size))[2], 0)


def numerical_jacobian(function, point, step=1e-6):
    columns = []
    for place in range(len(point)):
        shift = np.zeros(len(point))
        shift[place] = step
        columns.append((function(point + shift) - function(point - shift)) / (2 * step))
    return np.stack(columns, 1)


def lstm_jacobian(weight_ih, weight_hh, bias, inputs, state):
    """d(h_T, c_T) / d(h_0, c_0) by central differences."""
    size = weight_hh.shape[1]

    def run(both):
        hidden, memory, _ = lstm(weight_ih, weight_hh, bias, inputs, both[:size], both[size:])
        return np.concatenate([hidden, memory])

    return numerical_jacobian(run, state)
