"""Seeds, the order of examples and drawn splits: pure functions, and balanced."""

import subprocess
import sys

import pytest
import torch
from contract.files import PACKAGE, imports_of
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcanon.data.batches import Order
from deepcanon.data.errors import DataError
from deepcanon.data.seeds import stream_seed
from deepcanon.data.splits import Split, draw_splits, shares


@pytest.mark.parametrize(
    "code",
    [
        "import deepcanon.data, deepcanon.data.catalogue, deepcanon.data.seeds",
        "from deepcanon import cli; cli.main(['data', 'list'])",
    ],
)
def test_the_light_doors_import_neither_torch_nor_what_downloads(code):
    heavy = ("torch", "numpy", "PIL", "sklearn", "urllib.request", "http.client")
    code = f"{code}\nimport sys; print(end=str([name for name in {heavy} if name in sys.modules]), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stderr == "[]"


def test_the_files_of_this_room_import_each_other_one_way():
    known = {path.stem: path for path in (PACKAGE / "data").glob("*.py") if path.stem != "__init__"}
    wants = {
        stem: {
            found
            for _, name in imports_of(path)
            for found in name.split(".")[2:3]
            if found in known and name.startswith("deepcanon.data.")
        }
        for stem, path in known.items()
    }
    assert wants["published"] >= {"catalogue", "download", "checksums"}
    while free := [stem for stem, names in wants.items() if not names]:
        wants = {stem: names - set(free) for stem, names in wants.items() if stem not in free}
    assert not wants, f"imports go round in {sorted(wants)}"


def test_seeds_are_hashes_never_sums():
    seen = {stream_seed(s, t, name) for s in range(20) for t in range(20) for name in ("init", "order", "order1")}
    assert len(seen) == 1200
    assert all(0 <= value < 2**63 for value in seen)
    assert stream_seed(1, 23, "x") != stream_seed(12, 3, "x")
    assert stream_seed(0, 0, "init") == 6966450488716219107  # frozen: another value would change every run


@given(n=st.integers(1, 40), size=st.integers(1, 100), steps=st.integers(1, 12), seed=st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_batches_are_the_permutations_end_to_end(n, size, steps, seed):
    order = Order(n, seed, "order")
    rows = torch.cat([order.rows(step, size) for step in range(steps)])
    assert rows.dtype == torch.int64 and len(rows) == steps * size
    for epoch in range(len(rows) // n):
        assert rows[epoch * n : (epoch + 1) * n].sort().values.tolist() == list(range(n))
    # a pure function: any step, in any order, by another object
    fresh = Order(n, seed, "order")
    for step in reversed(range(steps)):
        assert torch.equal(fresh.rows(step, size), rows[step * size : (step + 1) * size])


def test_epochs_seeds_and_streams_differ_and_a_batch_may_be_written_to():
    order = Order(1000, 0, "order")
    first = order.rows(0, 1000)
    assert not torch.equal(first, order.rows(1, 1000))
    assert not torch.equal(first, Order(1000, 1, "order").rows(0, 1000))
    assert not torch.equal(first, Order(1000, 0, "noise").rows(0, 1000))
    first.zero_()
    assert order.rows(0, 1000).sum() == 499500
    with pytest.raises(ValueError, match="at least one row"):
        Order(0, 0, "order")
    with pytest.raises(ValueError, match="step from 0"):
        order.rows(-1, 4)


@given(
    counts=st.lists(st.integers(1, 60), min_size=1, max_size=6),
    valid=st.sampled_from([0.0, 0.1, 0.25]),
    test=st.sampled_from([0.0, 0.1, 0.3]),
    seed=st.integers(0, 3),
)
@settings(max_examples=80, deadline=None)
def test_drawn_splits_are_a_partition_with_every_class_in_train(counts, valid, test, seed):
    labels = torch.cat([torch.full((n,), c) for c, n in enumerate(counts)])
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]
    wanted = [(name, share) for name, share in (("valid", valid), ("test", test)) if share]
    splits = draw_splits(len(labels), labels, wanted, seed)
    assert sorted(torch.cat(list(splits.values())).tolist()) == list(range(len(labels)))
    assert set(labels[splits["train"]].tolist()) == set(range(len(counts)))
    for name, share in wanted:
        if name in splits:
            assert torch.equal(splits[name], splits[name].sort().values)
            assert len(splits[name]) <= max(1, round(len(labels) * share))
            if min(counts) >= 20:
                assert len(splits[name]) == round(len(labels) * share)
                for c, n in enumerate(counts):
                    assert abs((labels[splits[name]] == c).sum().item() - n * share) <= 1
    again = draw_splits(len(labels), labels, wanted, seed)
    assert all(torch.equal(splits[name], again[name]) for name in splits)


def test_without_labels_the_seed_draws():
    splits = draw_splits(100, None, [("valid", 0.1), ("test", 0.1)], 0)
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 80, "valid": 10, "test": 10}
    other = draw_splits(100, None, [("valid", 0.1), ("test", 0.1)], 1)
    assert not torch.equal(splits["valid"], other["valid"])
    assert list(draw_splits(1, None, [("valid", 0.1)], 0)) == ["train"]


def test_a_split_takes_rows_and_walks_in_chunks():
    split = Split(torch.arange(10), torch.arange(10) * 2)
    part = split.take(torch.tensor([3, 3, 9]))
    assert part.x.tolist() == [3, 3, 9] and part.y.tolist() == [6, 6, 18]
    assert [len(chunk) for chunk in split.chunks(4)] == [4, 4, 2]
    with pytest.raises(TypeError, match="no examples"):
        Split("text").take(torch.tensor([0]))


@pytest.mark.parametrize(
    "options", [{"valid_share": 1.0}, {"test_share": -0.1}, {"valid_share": 0.6, "test_share": 0.5}]
)
def test_shares_are_checked(options):
    with pytest.raises(DataError, match="leave nothing to train on"):
        shares(options)
