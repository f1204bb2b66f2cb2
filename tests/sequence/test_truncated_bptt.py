"""Truncated BPTT: by hand equals autograd, passes to the beginning equal the whole, beyond them is exactly nothing."""

import resource
import subprocess
import sys

import jaxtyping
import pytest
import torch

from deepcanon.parts.recurrence import detach, scan
from deepcanon.sequence.truncated_bptt import bptt, passes, reach, states


def drawn(time=12, dtype=torch.float64, scale=1.0):
    random = torch.Generator().manual_seed(0)
    shapes = ((2, time, 3), (2, 4), (4, 3), (4, 4), (4,), (2, time, 4))
    return [scale * torch.randn(shape, generator=random, dtype=dtype) for shape in shapes]


def by_autograd(x, start, w_x, w_h, b, errors, k1, k2):
    """Each pass is computed again from a state that was detached k2 steps before its end."""
    leaves = [value.clone().requires_grad_() for value in (w_x, w_h, b, x, start)]
    values = states(x, start, w_x, w_h, b)
    total = 0.0
    for first, counted, stop in passes(x.shape[1], k1, k2):
        begin = leaves[4] if first == 0 else values[:, first]
        hidden = states(leaves[3][:, first:stop], begin, *leaves[:3])[:, 1:]
        total = total + (hidden[:, counted - first :] * errors[:, counted:stop]).sum()
    return torch.autograd.grad(total, leaves, allow_unused=True)


@pytest.mark.parametrize(("k1", "k2"), [(12, 12), (1, 1), (1, 12), (4, 4), (3, 7), (5, 30)])
def test_by_hand_equals_autograd(k1, k2):
    values = drawn()
    for mine, true in zip(bptt(*values, k1, k2), by_autograd(*values, k1, k2), strict=True):
        torch.testing.assert_close(mine, true, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("k1", [1, 4, 5, 12])
def test_passes_that_reach_to_the_beginning_equal_the_whole(k1):
    values = drawn()
    for mine, whole in zip(bptt(*values, k1, 12), bptt(*values), strict=True):
        torch.testing.assert_close(mine, whole, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize(("k1", "k2"), [(1, 1), (1, 5), (3, 5), (4, 4)])
def test_beyond_the_window_the_gradient_is_exactly_zero(k1, k2):
    norms = reach(*drawn()[:5], k1, k2)
    assert norms[:k2].min() > 0 and not norms[k2:].any()


def test_windows_of_carried_states_are_its_k1_equals_k2():
    """What the language model does: `scan` over a window, then `detach`. Zeroing the state would be another thing."""
    x, start, w_x, w_h, b, errors = drawn()
    leaves = [value.clone().requires_grad_() for value in (w_x, w_h, b)]

    def step(sums, h):
        h = torch.tanh(sums + h @ leaves[1].T)
        return h, h

    def total(carry):
        state = start
        for first in range(0, 12, 4):
            output, state = scan(step, x[:, first : first + 4] @ leaves[0].T + leaves[2], state)
            (output * errors[:, first : first + 4]).sum().backward()
            state = carry(state)
        return [leaf.grad.clone() for leaf in leaves]

    found = total(detach)
    for mine, true in zip(bptt(x, start, w_x, w_h, b, errors, 4, 4), found, strict=False):
        torch.testing.assert_close(mine, true, atol=1e-10, rtol=1e-10)
    for leaf in leaves:
        leaf.grad = None
    assert not torch.allclose(total(torch.zeros_like)[1], found[1])


LONG = """
import resource, sys, torch
from deepcanon.parts.recurrence import detach, scan
torch.set_num_threads(1)
w_x, w_h = torch.nn.Parameter(torch.randn(16, 1)), torch.nn.Parameter(torch.eye(16) * 0.9)
optimizer, state = torch.optim.SGD([w_x, w_h], 1e-3), torch.zeros(1, 16)
def step(sums, h):
    h = torch.tanh(sums + h @ w_h.T)
    return h, h
for window in range(int(sys.argv[1]) // 50):
    output, state = scan(step, torch.randn(1, 50, 1) @ w_x.T, state)
    optimizer.zero_grad()
    output.square().mean().backward()
    optimizer.step()
    state = detach(state) if sys.argv[2] == "detach" else state
    if window == 19:
        first = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - first)
"""


def test_memory_does_not_grow_with_the_length_of_the_sequence():
    done = subprocess.run([sys.executable, "-c", LONG, "10000", "detach"], capture_output=True, text=True)
    assert int(done.stdout) * resource.getpagesize() / 4096 < 4000, done.stdout + done.stderr  # KiB


def test_what_cannot_be_is_told():
    values = drawn()
    for k1, k2 in ((0, 3), (4, 3)):
        with pytest.raises(ValueError, match="1 <= k1 <= k2"):
            bptt(*values, k1, k2)
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match="errors"):
        bptt(*values[:5], values[5][:, 1:])
