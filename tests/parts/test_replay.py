"""The replay ring: what lies where after it wrapped, and that saving brings back the same ring."""

import numpy as np
import pytest
import torch

from deepcanon.parts.replay import Replay

COLUMNS = {"s": ((2,), "float32"), "a": ((), "int64")}


def filled(capacity, batches):
    """A ring, and the plain list of every row ever written."""
    ring, rows = Replay(capacity, COLUMNS), []
    for size in batches:
        a = np.arange(len(rows), len(rows) + size)
        ring.add(s=np.stack([a, -a], axis=1), a=a)
        rows += a.tolist()
    return ring, rows


@pytest.mark.parametrize("batches", [(3,), (3, 3), (3, 3, 3), (4, 4, 4), (7,), (2, 9, 1), (5, 5), (1,) * 13])
def test_ring_holds_exactly_the_newest_rows(batches):
    ring, rows = filled(5, batches)
    assert len(ring) == min(5, len(rows))
    taken = ring.take(np.arange(len(ring)))
    assert sorted(taken["a"].tolist()) == rows[-5:]
    assert torch.equal(taken["s"][:, 0], taken["a"].float())  # columns stay together
    assert torch.equal(taken["s"][:, 1], -taken["a"].float())
    for place, value in enumerate(taken["a"].tolist()):
        assert value % 5 == place  # row k lies at k mod C
    for count in range(1, len(ring) + 1):
        assert ring.take(ring.newest(count))["a"].tolist() == rows[-count:]


def test_take_has_the_shape_of_the_index_and_copies():
    ring, _ = filled(5, (5,))
    taken = ring.take(np.array([[0, 1], [4, 4]]))
    assert taken["s"].shape == (2, 2, 2) and taken["a"].tolist() == [[0, 1], [4, 4]]
    taken["a"].zero_()
    assert ring.take(np.array([4]))["a"].item() == 4


@pytest.mark.parametrize("written", [0, 3, 5, 12])
def test_state_round_trip_keeps_the_position(written):
    ring, _ = filled(5, (1,) * written)
    other = Replay(5, COLUMNS)
    other.load_state_dict(ring.state_dict())
    for each in (ring, other):
        each.add(s=np.full((3, 2), 9.0), a=np.array([100, 101, 102]))
    for name in COLUMNS:
        assert np.array_equal(ring.columns[name], other.columns[name])
    assert ring.written == other.written


def test_misuse_is_named():
    ring, _ = filled(3, (2,))
    with pytest.raises(ValueError, match="shape"):
        ring.add(s=np.zeros((2, 3)), a=np.zeros(2))
    with pytest.raises(ValueError, match="columns"):
        ring.add(s=np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"0\.\.1"):
        ring.take(np.array([2]))
    with pytest.raises(ValueError, match="empty"):
        Replay(3, COLUMNS).take(np.array([0]))
    with pytest.raises(ValueError, match="does not fit"):
        Replay(2, COLUMNS).load_state_dict(filled(3, (3,))[0].state_dict())
