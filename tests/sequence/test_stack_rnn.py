"""Stack-augmented network: discrete actions are a list, mixtures are expectations, nothing is lost; it counts."""

import itertools

import jaxtyping
import pytest
import torch

from deepcanon.data.tasks.counting_languages import strings
from deepcanon.parts.recurrence import scan
from deepcanon.recipes import stack_rnn as recipe
from deepcanon.sequence import StackRNN, stack_step
from deepcanon.sequence import stack_rnn as system
from deepcanon.sequence.stack_rnn import EMPTY

DOUBLE = torch.float64


def empty(batch, stacks, cells):
    return torch.full((batch, stacks, cells), EMPTY, dtype=DOUBLE)


def one_hot(kinds, count):
    return torch.eye(count, dtype=DOUBLE)[kinds]


def test_discrete_actions_make_the_stack_of_a_list():
    random = torch.Generator().manual_seed(0)
    batch, stacks, steps = 3, 2, 40
    kinds = torch.randint(3, (steps, batch, stacks), generator=random)
    pushed = torch.rand(steps, batch, stacks, generator=random, dtype=DOUBLE)
    ours, lists = empty(batch, stacks, steps), [[[] for _ in range(stacks)] for _ in range(batch)]
    popped_empty = 0
    for t in range(steps):
        ours = stack_step(ours, one_hot(kinds[t], 3), pushed[t])
        for n, s in itertools.product(range(batch), range(stacks)):
            mine = lists[n][s]
            if kinds[t, n, s] == 0:
                mine.append(pushed[t, n, s].item())
            elif kinds[t, n, s] == 1:
                popped_empty += not mine
                mine[-1:] = []
            expected = mine[::-1] + [EMPTY] * (steps - len(mine))
            assert ours[n, s].tolist() == expected  # to the bit: nothing is mixed
    assert popped_empty  # popping an empty stack leaves it empty, and was tried


@pytest.mark.parametrize("count", [2, 3])
def test_mixed_actions_are_the_expectation_over_drawn_ones(count):
    random = torch.Generator().manual_seed(1)
    steps = 5
    shares = torch.rand(steps, 1, 1, count, generator=random, dtype=DOUBLE).softmax(-1)
    pushed = torch.rand(steps, 1, 1, generator=random, dtype=DOUBLE)
    mixed, expected = empty(1, 1, steps), torch.zeros(1, 1, steps, dtype=DOUBLE)
    for t in range(steps):
        mixed = stack_step(mixed, shares[t], pushed[t])
    for path in itertools.product(range(count), repeat=steps):
        chance, stack = 1.0, empty(1, 1, steps)
        for t, kind in enumerate(path):
            chance = chance * shares[t, 0, 0, kind]
            stack = stack_step(stack, one_hot(torch.tensor([[kind]]), count), pushed[t])
        expected += chance * stack
    torch.testing.assert_close(mixed, expected, atol=1e-14, rtol=0)


def test_what_is_held_changes_by_what_is_pushed_and_popped_alone():
    random = torch.Generator().manual_seed(2)
    stacks = empty(4, 3, 30)
    for _ in range(28):
        actions = torch.randn(4, 3, 3, generator=random, dtype=DOUBLE).softmax(-1)
        pushed = torch.rand(4, 3, generator=random, dtype=DOUBLE)
        new = stack_step(stacks, actions, pushed)
        change = actions[..., 0] * (pushed - EMPTY) - actions[..., 1] * (stacks[..., 0] - EMPTY)
        torch.testing.assert_close((new - EMPTY).sum(2), (stacks - EMPTY).sum(2) + change, atol=1e-12, rtol=0)
        assert new.min() > EMPTY - 1e-12 and new.max() < 1
        stacks = new


def test_the_hidden_layer_sees_the_cells_that_it_reads_and_nothing_else():
    net = StackRNN(2, 4, 2, read=2, depth=6, dtype=DOUBLE)
    state, x = net.start(torch.zeros(1, 1, 2, dtype=DOUBLE)), torch.ones(1, 1, 2, dtype=DOUBLE)
    plain = net(x, state)[0]
    for cell in range(6):
        stacks = state.stacks.clone()
        stacks[..., cell] = 0.5
        assert torch.equal(net(x, state._replace(stacks=stacks))[0], plain) == (cell >= 2)
    hidden = torch.rand_like(state.hidden)
    assert torch.equal(net(x, state._replace(hidden=hidden))[0], plain)  # only the stacks remember


def test_recurrence_lets_the_hidden_layer_see_itself():
    net = StackRNN(2, 4, recurrent=True, dtype=DOUBLE)
    x = torch.ones(1, 1, 2, dtype=DOUBLE)
    state = net.start(x)
    assert not torch.equal(net(x, state)[0], net(x, state._replace(hidden=state.hidden + 1))[0])


@pytest.mark.parametrize("depth", [None, 9])
def test_two_pieces_are_the_whole(depth):
    net = StackRNN(3, 5, 2, keep=True, depth=depth, dtype=DOUBLE)
    x = torch.randn(2, 9, 3, dtype=DOUBLE)
    whole, last = net(x)
    first, state = net(x[:, :4])
    second, end = net(x[:, 4:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole, atol=1e-14, rtol=0)
    torch.testing.assert_close(end.stacks[..., :9], last.stacks[..., :9], atol=1e-14, rtol=0)


def test_what_a_bounded_stack_cannot_hold_is_lost_at_the_bottom():
    stacks, push = empty(1, 1, 2), one_hot(torch.tensor([[0]]), 2)
    for value in (0.1, 0.2, 0.3):
        stacks = stack_step(stacks, push, torch.full((1, 1), value, dtype=DOUBLE))
    assert stacks.flatten().tolist() == [0.3, 0.2]
    pop = one_hot(torch.tensor([[1]]), 2)
    assert stack_step(stacks, pop, torch.zeros(1, 1, dtype=DOUBLE)).flatten().tolist() == [0.2, EMPTY]


def counter(**options):
    """Pushes at an a, pops at a b; its third hidden unit says whether the top is empty at a b."""
    net = StackRNN(2, 3, read=1, dtype=DOUBLE, **options)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        net.weight_ih.copy_(torch.tensor([[40.0, -40], [-40, 40], [0, 0]]))
        net.weight_stack.copy_(torch.tensor([[0.0], [0], [-40]]))
        net.weight_action.copy_(torch.tensor([[40.0, -40, 0], [-40, 40, 0]]))
        net.weight_push.copy_(torch.tensor([[40.0, 40, 40]]))
    return net


def test_a_counter_made_by_hand_rises_falls_and_knows_the_end():
    split = strings("anbn", [(59,)])
    trace = counter(rounded=True).eval().trace(split.x.double())
    held = (trace.stacks[0, :, 0] - EMPTY).sum(1)
    expected = torch.tensor([*range(1, 60), *range(58, -1, -1)], dtype=DOUBLE)
    torch.testing.assert_close(held / 2, expected, atol=1e-6, rtol=0)


def test_rounding_is_for_evaluation_only():
    x = torch.randn(2, 6, 2, dtype=DOUBLE)
    net = StackRNN(2, 4, 2, rounded=True, dtype=DOUBLE)
    soft, hard = net.train().trace(x).actions, net.eval().trace(x).actions
    assert soft.max() < 1 and set(hard.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(soft[:, 0].argmax(-1), hard[:, 0].argmax(-1))


def test_gradients_reach_the_first_step_through_the_stack_alone():
    net = StackRNN(2, 4, dtype=DOUBLE)
    x = torch.randn(1, 20, 2, dtype=DOUBLE, requires_grad=True)
    net(x)[0][:, -1].sum().backward()
    assert x.grad[0, 0].abs().min() > 0


def test_wrong_shapes_and_options_are_told():
    with pytest.raises(ValueError, match="time >= 1, 4"):
        StackRNN(4, 3)(torch.zeros(2, 5, 3))
    with pytest.raises(ValueError, match="cannot be"):
        StackRNN(4, 3, read=3, depth=2)
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match="actions"):
        stack_step(torch.zeros(2, 1, 3), torch.zeros(2, 1, 4), torch.zeros(2, 1))


def test_the_targets_are_of_strings_longer_than_any_trained_on():
    for run in ("anbn", "anb2n", "anbncn"):
        config = recipe.PRESETS[f"verify:{run}"][0]
        assert (config.language, config.longest, config.beyond, config.recurrent) == (run, 20, 60, False)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("depth", [None, 4])
def test_the_derivative_by_hand_is_that_of_the_equations(keep, depth, monkeypatch):
    """While training the whole sequence has one derivative; otherwise autograd takes the equations step by step."""
    torch.manual_seed(0)
    net = StackRNN(3, 5, stacks=2, keep=keep, depth=depth, dtype=DOUBLE)
    x, outer = torch.randn(4, 7, 3, dtype=DOUBLE, requires_grad=True), torch.randn(4, 7, 5, dtype=DOUBLE)
    found, scanned = [], []
    monkeypatch.setattr(system, "scan", lambda *given: scanned.append(1) or scan(*given))
    for training in (True, False):
        outputs, state = net.train(training)(x)
        assert len(scanned) == (not training)
        loss = (outputs * outer).sum() + state.stacks.sin().sum() + state.hidden.cos().sum()
        found.append([outputs, state.stacks, *torch.autograd.grad(loss, [x, *net.parameters()])])
    for ours, equations in zip(*found, strict=True):
        torch.testing.assert_close(ours, equations, rtol=1e-12, atol=1e-12)
