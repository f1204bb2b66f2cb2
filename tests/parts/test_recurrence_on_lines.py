import pytest
import torch
from oracles import pixel_rnn as oracle

from deepcanon.parts.recurrence_on_lines import recur_on_lines
from deepcanon.sequence.lstm import LSTMRule

OFFSETS = {False: (-1, 0, 1), True: (0, -1)}
LAYER = {False: oracle.row_lstm, True: oracle.diagonal_lstm}


def drawn(diagonals, shape=(2, 3, 4), size=2):
    torch.manual_seed(0)
    inputs = torch.randn(*shape, 4 * size, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4 * size, len(OFFSETS[diagonals]), size, dtype=torch.float64, requires_grad=True)
    return inputs, weight


@pytest.mark.parametrize("shape", [(2, 3, 4), (1, 4, 3), (2, 1, 3), (2, 3, 1)])
@pytest.mark.parametrize("diagonals", [False, True])
def test_lines_equal_loops_over_pixels(diagonals, shape):
    inputs, weight = drawn(diagonals, shape)
    found = recur_on_lines(LSTMRule(), inputs, weight, OFFSETS[diagonals], diagonals=diagonals)
    for sums, hidden in zip(inputs.detach(), found.detach(), strict=True):
        truth = LAYER[diagonals](sums.permute(2, 0, 1).numpy(), weight.detach().numpy())
        torch.testing.assert_close(hidden.permute(2, 0, 1), torch.from_numpy(truth), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("diagonals", [False, True])
def test_derivatives_by_hand(diagonals):
    def call(inputs, weight):
        return recur_on_lines(LSTMRule(), inputs, weight, OFFSETS[diagonals], diagonals=diagonals)

    assert torch.autograd.gradcheck(call, drawn(diagonals))


def test_types_and_errors():
    inputs, weight = drawn(True)
    half = recur_on_lines(LSTMRule(), inputs.bfloat16(), weight.float(), (0, -1), diagonals=True)
    assert half.dtype == torch.bfloat16
    with pytest.raises(ValueError, match="height, width, sums"):
        recur_on_lines(LSTMRule(), inputs, weight, (0, -1, 1))
