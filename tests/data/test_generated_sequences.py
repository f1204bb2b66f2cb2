"""Generated sequences: what is asked of them is a sum that can be counted."""

import numpy as np
import pytest

from deepcanon.data import DataError, open_data
from deepcanon.data.drawn import Streams
from deepcanon.data.tasks.adding import sequences


def test_the_adding_problem():
    data = open_data(("sequences",), "adding")
    x, y = data["train"].batch(Streams(0), 20_000).x.numpy(), data["train"].batch(Streams(0), 20_000).y.numpy()
    numbers, marks = x[..., 0], x[..., 1]
    counted = [sum(number for number, mark in sequence if mark == 1) for sequence in x[:200]]
    np.testing.assert_allclose(y[:200], counted, rtol=1e-6)
    assert set(np.unique(marks)) == {0.0, 1.0} and numbers.min() >= 0 and numbers.max() < 1
    assert (marks[:, :50].sum(1) == 1).all() and (marks[:, 50:].sum(1) == 1).all()
    assert marks.sum(0).min() > 300  # every place, 400 times on average
    (known,) = data.known
    assert ((y - 1) ** 2).mean() == pytest.approx(known.floor, abs=0.004) and known.optimum == 0


def test_the_length_is_a_reading_option(tmp_path):
    data = open_data(("sequences",), "adding", options={"sequences": {"length": 9}})
    assert data["test"].x.shape == (2000, 9, 2) and data.facts == {"length": 9, "features": 2}
    marks = data["test"].x[..., 1]
    assert bool((marks[:, :4].sum(1) == 1).all()), "of an odd length the second half is the longer one"
    with pytest.raises(ValueError, match="3 sequences of length 1"):
        sequences(3, 1, Streams(0).generator("x"))
    with pytest.raises(DataError, match=r"is not a generated set of sequences.*\(adding\)"):
        open_data(("sequences",), str(tmp_path))
