"""The machine's order of operations, its starts, and what versions of it get wrong; the tasks of bits."""

import pytest
import torch
from oracles import neural_turing_machine as oracle

from deepcanon.cli import main
from deepcanon.data import DataError, open_data
from deepcanon.data.sequences import UNASKED
from deepcanon.data.tasks.bit_copy import longer
from deepcanon.sequence import NTM
from deepcanon.sequence.neural_turing_machine import address, write
from deepcanon.techniques.bit_tasks import bit_loss, bit_measures


def sharp(place, places=8):
    w = torch.full((1, 1, places), 1e-3)
    w[..., place] = 1 - 1e-3 * (places - 1)
    return w


def moved(before, shift, sharpening=1.0, gate=0.0):
    memory, one = torch.ones(1, before.shape[2], 3), torch.ones(1, 1)
    shift = torch.tensor(shift).reshape(1, 1, 3)
    return address(memory, before, torch.ones(1, 1, 3), one, gate * one, shift, sharpening * one)


def test_heads_move_around_a_circle():
    """Shifting by +1 goes to the next place, from the last one to the first."""
    for place, shift, wanted in ((2, [0.0, 0.0, 1.0], 3), (7, [0.0, 0.0, 1.0], 0), (0, [1.0, 0.0, 0.0], 7)):
        assert moved(sharp(place), shift)[0, 0].argmax() == wanted


def test_blurred_shifts_stay_sharp_only_if_sharpening_comes_after_them():
    """A hundred moves with a shift of 0.9: sharpened afterwards the head is at one place, sharpened before nowhere."""
    after = before = sharp(0)
    for _ in range(100):
        after = moved(after, [0.05, 0.05, 0.9], sharpening=3.0)
        before = moved((before**3) / (before**3).sum(), [0.05, 0.05, 0.9])
    assert after.max() > 0.95 and after[0, 0].argmax() == 100 % 8
    assert before.max() < 0.95


def test_contents_are_found_by_their_direction_not_their_length():
    memory = torch.eye(4)[None] * torch.tensor([0.1, 5.0, 1.0, 2.0])[:, None]
    one, still = torch.ones(1, 1), torch.tensor([[[0.0, 1.0, 0.0]]])
    w = address(memory, torch.full((1, 1, 4), 0.25), torch.eye(4)[None, None, 0], 20 * one, one, still, one)
    assert w[0, 0, 0] > 0.99


def test_everything_is_erased_before_anything_is_added():
    """Two heads at one place: the second must not erase what the first has added."""
    memory, at = torch.full((1, 3, 2), 5.0), torch.tensor([[[1.0, 0, 0], [1.0, 0, 0]]])
    new = write(memory, at, torch.tensor([[[0.0, 0.0], [1.0, 1.0]]]), torch.tensor([[[2.0, 2.0], [0.0, 0.0]]]))
    assert new[0, 0].tolist() == [2.0, 2.0] and new[0, 1:].unique().tolist() == [5.0]


def test_each_sequence_begins_with_an_empty_memory():
    torch.manual_seed(0)
    machine, x = NTM(3, 2, units=5, places=6, width=4), torch.randn(2, 4, 3)
    first, state = machine(x)
    assert torch.equal(machine(x)[0], first)
    assert not torch.allclose(machine(x, state)[0], first)  # and carries on only if told to
    whole, _ = machine(torch.cat([x, x], 1))
    assert torch.allclose(torch.cat([first, machine(x, state)[0]], 1), whole, atol=1e-6)
    assert machine.start(1).memory.unique().tolist() == [pytest.approx(1e-6)]
    assert machine.start(1).weights[0, :, 0].tolist() == [1.0, 1.0]


def test_weights_are_shares_at_every_step():
    torch.manual_seed(1)
    trace = NTM(3, 2, units=5, places=6, width=4, heads=2).trace(5 * torch.randn(3, 20, 3))
    assert tuple(trace.weights.shape) == (3, 20, 4, 6) and tuple(trace.added.shape) == (3, 20, 2, 4)
    assert (trace.weights >= 0).all() and torch.allclose(trace.weights.sum(3), torch.ones(3, 20, 4), atol=1e-5)


def test_the_memory_after_a_sequence_is_where_the_oracle_has_it():
    torch.manual_seed(2)
    machine, x = NTM(4, 3, units=6, places=7, width=5).double(), torch.randn(2, 6, 4, dtype=torch.float64)
    params = {name: value.detach().numpy() for name, value in machine.named_parameters()}
    wanted, (memory, *_) = oracle.machine(params, x.numpy(), 7, 5, 1)
    got, state = machine(x)
    assert (got.detach() - torch.tensor(wanted)).abs().max() < 1e-10
    assert (state.memory.detach() - torch.tensor(memory)).abs().max() < 1e-10


def test_settings_that_are_no_machine_are_refused():
    for options, said in (
        ({"places": 2}, "needs 3 or more"),
        ({"heads": 0}, "1 or more"),
    ):
        with pytest.raises(ValueError, match=said):
            NTM(3, 2, **options)
    with pytest.raises(ValueError, match=r"is not \[batch, time >= 1, 3\]"):
        NTM(3, 2)(torch.zeros(2, 4, 5))


# Tasks


def test_nothing_is_shown_while_bits_are_asked_and_the_answer_is_what_was_shown():
    copy = longer("copy", 5, 20, torch.Generator().manual_seed(0))
    assert torch.equal(copy.x[:, :5, :8].long(), copy.y[:, 6:]) and not copy.x[:, 6:].any()
    repeat = longer("repeat", 3, 20, torch.Generator().manual_seed(0))
    assert torch.equal(repeat.y[:, 4:-1, :8], repeat.x[:, :3, :8].long().repeat(1, 5, 1))
    assert repeat.y[:, -1, 8].all() and not repeat.x[:, 4:].any()
    recall = longer("recall", 4, 50, torch.Generator().manual_seed(0))
    for x, y in zip(recall.x, recall.y, strict=True):
        items = [x[4 * n + 1 : 4 * n + 4, :6] for n in range(4)]
        (asked,) = [n for n, item in enumerate(items[:-1]) if torch.equal(item, x[17:20, :6])]
        assert torch.equal(y[21:], items[asked + 1].long()) and x[16, 7] == x[20, 7] == 1
    for task, length in (("recall", 1), ("copy", 0), ("sort", 3)):
        with pytest.raises(ValueError, match="cannot be drawn"):
            longer(task, length, 1, torch.Generator())


@pytest.mark.parametrize(("task", "steps"), [("copy", 9), ("repeat", 26), ("recall", 32)])
def test_the_sets_are_drawn_by_the_seed_and_know_their_floor(task, steps):
    data = open_data(("sequences",), "bit-copy", options={"sequences": {"task": task, "longest": 4}})
    train = data["train"]
    assert train.x.shape[1] == steps and set(train.y.unique().tolist()) == {UNASKED, 0, 1}
    lengths = (train.y[:, :, 0] != UNASKED).sum(1)
    assert len(lengths.unique()) == {"copy": 4, "repeat": 13, "recall": 1}[task]
    bits, wrong, share = bit_measures(torch.zeros_like(data["test"].y, dtype=torch.float32), data["test"].y)
    assert bits == pytest.approx(float(next(iter(data.known)).floor), rel=1e-6)
    assert 0.4 < share < 0.6 and wrong == pytest.approx(share * bits, rel=1e-6)


def test_only_what_is_asked_counts():
    y = torch.tensor([[[1, 0], [UNASKED, UNASKED]]])
    logits = torch.tensor([[[3.0, 3.0], [50.0, -50.0]]], requires_grad=True)
    loss = bit_loss(logits, y)
    loss.backward()
    assert not logits.grad[0, 1].any() and bit_measures(logits.detach(), y)[1:] == (1.0, 0.5)
    assert loss.item() == pytest.approx((torch.tensor(3.0).exp().log1p() - 1.5).item(), rel=1e-5)


def test_other_sequences_are_refused_in_one_line(tmp_path, capsys):
    assert main(["train", "neural-turing-machine", "--data", "adding", "--out", str(tmp_path / "run")]) == 2
    assert "do not ask for bits: give some that do, such as --data bit-copy" in capsys.readouterr().err
    with pytest.raises(DataError, match="is neither a data set's name"):
        open_data(("sequences",), "bit-copi")


def test_options_without_effect_are_refused(tmp_path, capsys):
    for given, said in (
        (["--network", "lstm", "--places", "64"], "--places has no effect with --network lstm"),
        (["--layers", "3"], "--layers has no effect with --network ntm"),
    ):
        assert main(["train", "neural-turing-machine", "--data", "bit-copy", *given, "--out", str(tmp_path / "r")]) == 2
        assert said in capsys.readouterr().err
