"""Loops that an exported graph keeps: what they compute, and that the graph takes sequences of other lengths."""

import pytest
import torch
from contract.shapes import unchecked
from torch import nn

from deepcanon.parts.exported_loops import looped, put, recurrent_states


class Running(nn.Module):
    """h_t = tanh(x_t + h_{t-1} / 2), by a loop."""

    def forward(self, x):
        return recurrent_states(lambda row, hidden: (row + hidden / 2).tanh(), x, torch.zeros_like(x[:, 0]))


def by_hand(x):
    hidden, states = torch.zeros_like(x[:, 0]), []
    for row in x.unbind(1):
        hidden = (row + hidden / 2).tanh()
        states.append(hidden)
    return torch.stack(states, 1)


def test_a_loop_ends_after_the_count_or_where_it_is_told_to():
    def body(t, values):
        return (values[0] + t,)

    start = (torch.zeros((), dtype=torch.int64),)
    assert looped(body, start, 0)[0] == 0 and looped(body, start, 5)[0] == 0 + 1 + 2 + 3 + 4
    assert looped(body, start, 5, lambda values: values[0] < 3)[0] == 0 + 1 + 2
    rows = put(torch.zeros(2, 3, 1), torch.tensor(1), torch.tensor([[7.0], [8.0]]))
    assert rows[:, :, 0].tolist() == [[0, 7, 0], [0, 8, 0]]


@pytest.mark.slow
def test_an_exported_recurrence_takes_other_lengths_and_numbers_of_rows():
    x = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(Running()(x), by_hand(x))
    any_size = torch.export.Dim.DYNAMIC
    with unchecked():
        program = torch.export.export(Running(), (x,), dynamic_shapes=({0: any_size, 1: any_size},)).module()
    for rows, time in ((3, 7), (1, 2)):
        other = torch.randn(rows, time, 3, generator=torch.Generator().manual_seed(time))
        torch.testing.assert_close(program(other), by_hand(other))
