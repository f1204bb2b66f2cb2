"""Bidirectional layers: equality with torch's packed padding, what a naive flip breaks, residuals, the recipe."""

import jaxtyping
import pytest
import torch
from torch import nn

from deepcanon.cli import main
from deepcanon.sequence import Bidirectional, real_steps

LENGTHS = torch.tensor([9, 1, 4, 7])
CELLS = {"lstm": nn.LSTM, "gru": nn.GRU}


def flat(state):
    return list(state) if isinstance(state, tuple) else [state]


def started(cell, dtype=torch.float64):
    """A state for two layers, and what torch takes."""
    parts = [torch.randn(4, 4, 7, dtype=dtype) for _ in range(2 if cell == "lstm" else 1)]
    return tuple(parts) if cell == "lstm" else parts[0]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-6)])
def test_equals_torch_in_outputs_states_and_all_gradients(cell, padded, dtype, tolerance):
    theirs = CELLS[cell](5, 7, 2, batch_first=True, bidirectional=True, dtype=dtype)
    ours = Bidirectional(5, 7, 2, cell=cell, dtype=dtype)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(4, 9, 5, dtype=dtype, requires_grad=True)
    state = started(cell, dtype)
    if padded:
        packed = nn.utils.rnn.pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
        packed, expected = theirs(packed, state)
        output, _ = nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
    else:
        output, expected = theirs(x, state)
    results = []
    for output, state in ((output, expected), ours(x, state, real_steps(LENGTHS, 9) if padded else None)):
        module = ours if results else theirs
        loss = (output**2).mean() + sum((part**3).mean() for part in flat(state))
        results.append([output, *flat(state), *torch.autograd.grad(loss, [x, *module.parameters()])])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(b, a, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("cell", CELLS)
def test_a_row_does_not_depend_on_how_much_padding_follows(cell):
    module = Bidirectional(5, 7, 2, cell=cell, residual=True, dtype=torch.float64)
    x = torch.randn(4, 9, 5, dtype=torch.float64)
    output, state = module(x, mask=real_steps(LENGTHS, 9))
    for row, length in enumerate(LENGTHS.tolist()):
        alone, end = module(x[row : row + 1, :length])
        torch.testing.assert_close(output[row, :length], alone[0], atol=1e-12, rtol=0)
        assert not output[row, length:].any()
        for a, b in zip(flat(state), flat(end), strict=True):
            torch.testing.assert_close(a[:, row], b[:, 0], atol=1e-12, rtol=0)


@pytest.mark.parametrize("cell", CELLS)
def test_a_flip_of_padded_rows_without_their_lengths_is_caught(cell):
    module = Bidirectional(5, 7, cell=cell, dtype=torch.float64)
    with torch.no_grad():  # a bias, as any trained network has: else padding of zeros would change nothing
        for parameter in module.parameters():
            parameter.normal_()
    mask = real_steps(LENGTHS, 9)
    x = torch.randn(4, 9, 5, dtype=torch.float64) * mask[..., None]
    right, naive = module(x, mask=mask)[0], module(x)[0] * mask[..., None]
    torch.testing.assert_close(naive[0], right[0])  # the whole row has no padding ...
    torch.testing.assert_close(naive[..., :7], right[..., :7])  # ... and the forward half never meets it
    for row, length in enumerate(LENGTHS.tolist()[1:], 1):
        assert (naive - right)[row, length - 1, 7:].abs().max() > 1e-2


def test_the_directions_see_what_they_should():
    module = Bidirectional(2, 3, dtype=torch.float64)
    x = torch.randn(1, 6, 2, dtype=torch.float64, requires_grad=True)
    output, _ = module(x)
    for half, seen in ((output[0, 2, :3], [1, 1, 1, 0, 0, 0]), (output[0, 2, 3:], [0, 0, 1, 1, 1, 1])):
        (gradient,) = torch.autograd.grad(half.sum(), x, retain_graph=True)
        assert gradient[0].any(1).int().tolist() == seen


def test_residual_layers_that_write_nothing_hand_on_what_they_read():
    plain, deep = (Bidirectional(2, 3, layers, residual=True, dtype=torch.float64) for layers in (1, 3))
    deep.load_state_dict(plain.state_dict(), strict=False)
    for name, parameter in deep.named_parameters():
        if "_l0" not in name:
            nn.init.zeros_(parameter)
    x = torch.randn(2, 6, 2, dtype=torch.float64)
    torch.testing.assert_close(deep(x)[0], plain(x)[0])
    deep.residual = False
    assert not deep(x)[0].any()


def test_gaps_are_not_read():
    module = Bidirectional(2, 3, 2, dtype=torch.float64)
    x, mask = torch.randn(1, 6, 2, dtype=torch.float64), torch.tensor([[True, False, True, True, False, True]])
    torch.testing.assert_close(module(x, mask=mask)[0][mask], module(x[mask][None])[0][0])


def test_wrong_shapes_and_names_are_told():
    # With the shape hook of the tests its error comes first.
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match="rnn"):
        Bidirectional(4, 3, cell="rnn")
    with pytest.raises(ValueError, match="time >= 1, 4"):
        Bidirectional(4, 3)(torch.zeros(2, 5, 3))
    with pytest.raises(ValueError, match="2 layers, batch, hidden"):
        Bidirectional(4, 3, cell="gru")(torch.zeros(2, 5, 4), torch.zeros(1, 2, 3))
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match="mask"):
        Bidirectional(4, 3)(torch.zeros(2, 5, 4), mask=torch.ones(2, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="numbers from 0 to 5"):
        real_steps(torch.tensor([6, 2]), 5)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--data", "adding"], "give some that ask for a class at every step"),
        (["--data", "windowed-sums", "--direction", "forward", "--residual"], "leave it out"),
    ],
)
def test_the_recipe_refuses_what_it_cannot_do(arguments, told, tmp_path, capsys):
    run = ["train", "bidirectional", "--preset", "smoke", "--out", str(tmp_path / "run"), *arguments]
    assert main(run) == 2
    assert told in capsys.readouterr().err.replace("\n", " ")
