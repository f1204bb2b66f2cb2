"""GRU: equality with torch's kernel, conventions that are one model and others that are not, masks, keeping."""

import jaxtyping
import pytest
import torch
from torch import nn

from deepcanon.sequence import GRU
from deepcanon.sequence.gru import gru_step


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-6)])
def test_equals_torch_in_outputs_and_all_gradients(fast, dtype, tolerance):
    theirs, ours = nn.GRU(5, 7, 2, batch_first=True, dtype=dtype), GRU(5, 7, 2, fast=fast, dtype=dtype)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(3, 9, 5, dtype=dtype, requires_grad=True)
    state = torch.randn(2, 3, 7, dtype=dtype)
    results = []
    for module in (theirs, ours):
        output, h = module(x, state)
        loss = (output**2).mean() + (h**3).mean()
        results.append([output, h, *torch.autograd.grad(loss, [x, *module.parameters()])])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(b, a, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("reset", ["after", "before"])
def test_the_two_conventions_for_z_are_one_model(reset):
    keep, write = (GRU(4, 3, reset=reset, update=u, dtype=torch.float64, fast=False) for u in ("keep", "write"))
    state = {name: value.clone() for name, value in keep.state_dict().items()}
    for value in state.values():
        value[3:6] *= -1  # the part of z
    write.load_state_dict(state)
    x = torch.randn(2, 6, 4, dtype=torch.float64)
    torch.testing.assert_close(write(x)[0], keep(x)[0])


def test_the_two_places_of_the_reset_are_not():
    after, before = (GRU(4, 3, reset=r, dtype=torch.float64) for r in ("after", "before"))
    before.load_state_dict(after.state_dict())
    x = torch.randn(2, 6, 4, dtype=torch.float64)
    first, second = after(x)[0], before(x)[0]
    torch.testing.assert_close(first[:, 0], second[:, 0])  # from a state of zeros there is nothing to reset ...
    assert (first - second)[:, 1:].abs().min() > 1e-6  # ... and later they differ


def test_only_torchs_conventions_take_torchs_kernel(monkeypatch):
    called, kernel = [], torch.gru
    monkeypatch.setattr("deepcanon.parts.recurrence.KERNELS", {3: lambda *a: called.append(1) or kernel(*a)})
    x = torch.randn(2, 6, 4)
    for options, times in (({}, 1), ({"fast": False}, 0), ({"reset": "before"}, 0), ({"update": "write"}, 0)):
        called.clear()
        GRU(4, 3, **options)(x)
        assert len(called) == times


def test_masked_rows_keep_the_last_real_state_like_packed_sequences():
    module = GRU(4, 3, 2, dtype=torch.float64)
    lengths = torch.tensor([6, 2, 4])
    x = torch.randn(3, 6, 4, dtype=torch.float64)
    mask = torch.arange(6) < lengths[:, None]
    reference = nn.GRU(4, 3, 2, batch_first=True, dtype=torch.float64)
    reference.load_state_dict(module.state_dict())
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    theirs, h = reference(packed)
    padded, _ = nn.utils.rnn.pad_packed_sequence(theirs, batch_first=True)
    output, state = module(x, mask=mask)
    torch.testing.assert_close(output, padded, atol=1e-12, rtol=0)
    torch.testing.assert_close(state, h, atol=1e-12, rtol=0)


@pytest.mark.parametrize("update", ["keep", "write"])
def test_the_bias_is_towards_keeping_in_both_conventions(update):
    module = GRU(2, 4, update=update, keep_bias=20.0, dtype=torch.float64)
    state = torch.randn(1, 1, 4, dtype=torch.float64)
    output, _ = module(torch.randn(1, 50, 2, dtype=torch.float64), state)
    torch.testing.assert_close(output[0, -1], state[0, 0], atol=1e-5, rtol=0)


def test_wrong_shapes_and_names_are_told():
    with pytest.raises(ValueError, match="time >= 1, 4"):
        GRU(4, 3)(torch.zeros(2, 5, 3))
    # With the shape hook of the tests its error comes first.
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match="state"):
        GRU(4, 3)(torch.zeros(2, 5, 4), torch.zeros(1, 3, 3))
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match="reset"):
        gru_step(torch.zeros(2, 9), torch.zeros(2, 3), torch.zeros(9, 3), torch.zeros(9), reset="never")
