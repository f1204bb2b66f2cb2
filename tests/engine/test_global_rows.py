"""Dropout masks of processes are the rows of the masks that one draws; a batch above the set is told."""

import pytest
import torch
from torch import nn

from deepcanon.engine.instances import seed_generators
from deepcanon.engine.run import Run
from deepcanon.settings import Settings


def run_of(rank, world):
    run = Run(Settings(device="cpu", threads=1, steps=1, seed=3))
    run.rank, run.world = rank, world
    return run


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [(8, 5), (4, 3, 7), (64, 100)])
def test_rows_of_dropout_equal_those_of_one_process(dtype, shape):
    x = torch.randn(shape).to(dtype)
    seed_generators(3, 0, "step/0")
    whole = nn.functional.dropout(x, 0.3)
    for world in (2, 4):
        for rank in range(world):
            seed_generators(3, 0, "step/0")
            assert torch.equal(run_of(rank, world).dropped(x[rank::world], nn.Dropout(0.3)), whole[rank::world])


@pytest.mark.parametrize("axes", [(0, 2, 3, 1), (1, 0, 2, 3)], ids=["channels last", "time before batch"])
def test_rows_of_dropout_follow_the_order_of_the_memory(axes):
    x = torch.randn(4, 3, 5, 7).permute(axes).contiguous().permute([axes.index(axis) for axis in range(4)])
    seed_generators(3, 0, "step/0")
    whole = nn.functional.dropout(x, 0.3)
    for rank in range(2):
        seed_generators(3, 0, "step/0")
        assert torch.equal(run_of(rank, 2).dropped(x[rank::2], nn.Dropout(0.3)), whole[rank::2])


@pytest.mark.parametrize("shape", [(2, 5, 3), (2, 1, 3), (2, 5, 1)])
@pytest.mark.parametrize("time_first", [True, False])
def test_a_single_row_of_each_process_follows_it_too(shape, time_first):
    x = torch.randn(shape)
    order = (lambda part: torch.stack(part.unbind(1)).transpose(0, 1)) if time_first else torch.clone
    seed_generators(3, 0, "step/0")
    whole = nn.functional.dropout(order(x), 0.3)
    for rank in range(2):
        seed_generators(3, 0, "step/0")
        assert torch.equal(run_of(rank, 2).dropped(order(x[rank::2]), nn.Dropout(0.3)), whole[rank::2])


def test_explicit_masks_are_rows_of_the_global_one():
    whole = run_of(0, 1).keep("mask", (6, 4), 0.5)
    assert set(whole.unique().tolist()) == {0.0, 2.0}
    for rank in range(3):
        assert torch.equal(run_of(rank, 3).keep("mask", (6, 4), 0.5), whole[rank::3])


def test_a_batch_that_is_larger_than_the_set_is_told_once():
    said = []
    run = Run(Settings(device="cpu", threads=1, steps=2, seed=3), say=said.append)
    run.step = 1
    for size in (32, 33, 33):
        assert len(run.indices(32, size)) == size
    assert said == []  # the first batch of an order speaks for all
    run = Run(Settings(device="cpu", threads=1, steps=2, seed=3), say=said.append)
    assert [len(run.indices(32, 80)), len(run.indices(32, 80))] == [80, 80]
    assert said == ["each step takes 80 examples of 32, some of them more than once"]
