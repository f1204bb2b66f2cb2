"""Generated sequences: what is asked of them is counted, added and enumerated again, and so are the known scores."""

import itertools
import math

import numpy as np
import pytest

from deepcanon.data import DataError, check, open_data
from deepcanon.data.drawn import Streams
from deepcanon.data.sequences import UNASKED
from deepcanon.data.tasks import adding, addition, ar2, copying, parity, windowed_sums


def opened(name, **options):
    return open_data(("sequences",), name, options={"sequences": options})


def drawn(data, count):
    """NumPy arrays of a batch."""
    batch = data["train"].batch(Streams(0), count)
    return batch.x.numpy(), batch.y.numpy()


def known(data):
    return {score.metric: (score.floor, score.optimum) for score in data.known}


def test_the_adding_problem():
    data = opened("adding")
    x, y = drawn(data, 20_000)
    numbers, marks = x[..., 0], x[..., 1]
    counted = [sum(number for number, mark in sequence if mark == 1) for sequence in x[:200]]
    np.testing.assert_allclose(y[:200], counted, rtol=1e-6)
    assert set(np.unique(marks)) == {0.0, 1.0} and numbers.min() >= 0 and numbers.max() < 1
    assert (marks[:, :50].sum(1) == 1).all() and (marks[:, 50:].sum(1) == 1).all()
    assert marks.sum(0).min() > 300  # every place, 400 times on average
    floor, optimum = known(data)["mse"]
    assert ((y - 1) ** 2).mean() == pytest.approx(floor, abs=0.004) and optimum == 0


def test_the_length_is_a_reading_option(tmp_path):
    data = opened("adding", length=9)
    assert data["test"].x.shape == (2000, 9, 2) and data.facts == {"length": 9, "features": 2}
    marks = data["test"].x[..., 1]
    assert bool((marks[:, :4].sum(1) == 1).all()), "of an odd length the second half is the longer one"
    with pytest.raises(DataError, match=r"is not a generated set of sequences.*\(adding, addition, "):
        open_data(("sequences",), str(tmp_path))


@pytest.mark.parametrize("task", [adding, addition, ar2, copying, parity, windowed_sums])
def test_sizes_that_cannot_be_are_named(task):
    sizes = (3, 0, 10) if task is addition else (3, 0)
    with pytest.raises(ValueError, match=r"^3 "):
        task.sequences(*sizes, Streams(0).generator("x"))


def test_copying_shows_ten_symbols_and_asks_for_them_after_the_delay():
    data = opened("copying", length=7)
    x, y = drawn(data, 4000)
    symbols = x.argmax(2)
    assert x.shape == (4000, 27, 10) and (x.sum(2) == 1).all()
    for read, asked in zip(symbols[:50].tolist(), y[:50].tolist(), strict=True):
        assert max(read[:10]) < 8 and read[10:] == [8] * 6 + [9] + [8] * 10
        assert asked == [8] * 17 + read[:10]
    assert np.bincount(symbols[:, :10].ravel()).min() > 4000  # each of eight, 5,000 times on average
    # Blanks at first, then equal chances of eight: what that costs in the mean of all steps, and how often it is right.
    answers = np.full((27, 9), 0.0)
    answers[:17, 8], answers[17:, :8] = 1, 1 / 8
    chances = answers[np.arange(27), y]
    nll, accuracy = known(data)["nll"], known(data)["accuracy"]
    assert -np.log(chances).mean() == pytest.approx(nll[0], rel=1e-12) and nll[1] == 0
    assert chances.mean() == pytest.approx(accuracy[0], rel=1e-12)
    assert known(opened("copying", length=100))["nll"][0] == pytest.approx(0.1733, abs=5e-5)


def test_parity_is_asked_once_and_depends_on_every_bit():
    data = opened("parity", length=6)
    x, y = drawn(data, 6400)
    assert (y[:, :-1] == UNASKED).all() and set(np.unique(x)) == {0.0, 1.0}
    assert (y[:, -1] == [sum(bits) % 2 for bits in x[..., 0].astype(int).tolist()]).all()
    assert len(np.unique(x, axis=0)) == 64, "every string occurs"
    # Over all strings, of those that agree in all bits but one, half are odd: nothing else is to be known without it.
    odd = [sum(bits) % 2 for bits in itertools.product((0, 1), repeat=6)]
    assert np.mean(odd) == 0.5 == known(data)["accuracy"][0]


@pytest.mark.parametrize(("digits", "base"), [(2, 10), (3, 2)])
def test_addition_is_right_and_its_floor_that_of_all_sums(digits, base):
    data = opened("addition", digits=digits, base=base)
    x, y = drawn(data, 300)
    names = "0123456789"[:base] + "+_"
    assert data.facts["symbols"] == list(names) and x.shape[1:] == (3 * digits + 3, base + 2)
    for read, asked in zip(x.argmax(2), y, strict=True):
        text = "".join(names[k] for k in read)
        first, second = text[1 : digits + 1], text[digits + 2 : 2 * digits + 2]
        assert text == f"+{first}+{second}+" + "_" * digits
        answer = "".join(names[k] for k in asked if k != UNASKED)
        assert (asked[: -digits - 1] == UNASKED).all() and len(answer) == digits + 1
        assert int(answer, base) == int(first, base) + int(second, base)
    # The best constant answer, over all pairs of numbers.
    sums = [a + b for a, b in itertools.product(range(base**digits), repeat=2)]
    places = [[s // base**place % base for s in sums] for place in range(digits + 1)]
    shares = [max(np.bincount(place)) / len(sums) for place in places]
    assert known(data)["accuracy"][0] == pytest.approx(np.mean(shares), rel=1e-12)
    assert known(data)["all_correct"][0] == pytest.approx(max(np.bincount(sums)) / len(sums), rel=1e-12)


def test_ar2_is_stationary_and_its_noise_is_what_remains():
    data = opened("ar2", length=30)
    x, y = drawn(data, 40_000)
    series = np.concatenate([x[..., 0], y[:, None]], 1).astype(np.float64)
    first, second = data.truth["coefficients"].double().numpy()
    noise = series[:, 2:] - first * series[:, 1:-1] - second * series[:, :-2]
    assert series.var(0) == pytest.approx(np.ones(31), abs=0.04), "from the first value on"
    assert noise.var(0) == pytest.approx(data.truth["variance"], rel=0.04)
    assert abs(np.corrcoef(noise[:, 3], noise[:, 4])[0, 1]) < 0.02
    # The stationary covariance solves P = A P A' + Q: by iteration, with the noise's variance as it is said to be.
    a, q = np.array([[first, second], [1, 0]]), np.diag([data.truth["variance"], 0])
    p = np.zeros((2, 2))
    for _ in range(400):
        p = a @ p @ a.T + q
    assert p[0, 0] == pytest.approx(1, rel=1e-6)
    mse, nll = known(data)["mse"], known(data)["nll"]
    assert mse == (1.0, pytest.approx(data.truth["variance"]))
    for variance, entropy in zip((1.0, data.truth["variance"]), nll, strict=True):
        assert entropy == pytest.approx(0.5 * math.log(2 * math.pi * math.e * variance), rel=1e-12)


def test_windowed_sums_are_those_of_the_paper_and_one_side_decides_as_often_as_is_said():
    data = opened("windowed-sums", length=40)
    x, y = drawn(data, 4000)
    x, real = x[..., 0].astype(np.float64), x[..., 0] != 0
    assert (real[:, :20]).all() and (real.sum(1) == [row.nonzero()[0][-1] + 1 for row in real]).all()
    assert set(real.sum(1)) == set(range(20, 41)) and x.min() > -0.5 and x.max() < 0.5
    assert (y[~real] == UNASKED).all() and abs(y[real].mean() - 0.5) < 0.01

    def side(row, t, steps, weights):
        return sum(w * row[t + k] for k, w in zip(steps, weights, strict=True) if 0 <= t + k < 40)

    right, asked = 0, 0
    for row, answers in zip(x[:300], y[:300], strict=True):
        for t in (answers != UNASKED).nonzero()[0]:
            past = side(row, t, range(-10, 0), [(1 - k / 10) / 10 for k in range(10, 0, -1)])
            ahead = side(row, t, range(20), [(1 - k / 20) / 20 for k in range(20)])
            assert abs(past + ahead) < 1e-7 or answers[t] == (past + ahead > 0)
            right, asked = right + (answers[t] == (past + row[t] / 20 > 0)), asked + 1
    assert right / asked == pytest.approx(data.truth["causal"], abs=0.02)
    assert known(data)["accuracy"] == (0.5, 1.0)


RULES = {
    "anbn": lambda n: "a" * n + "b" * n,
    "anb2n": lambda n: "a" * n + "b" * 2 * n,
    "anbncn": lambda n: "a" * n + "b" * n + "c" * n,
    "anbncndn": lambda n: "a" * n + "b" * n + "c" * n + "d" * n,
    "anbmcnm": lambda n, m: "a" * n + "b" * m + "c" * (n + m),
}


@pytest.mark.parametrize("language", RULES)
def test_counting_languages_ask_for_what_follows_from_the_prefix(language):
    rule, bound = RULES[language], 9
    two = language == "anbmcnm"
    of = [nm for nm in itertools.product(range(2, bound), repeat=1 + two) if sum(nm) < bound]
    words = [rule(*nm) for nm in of]
    data = opened("counting-languages", language=language, longest=6, beyond=bound)
    test = data["test"]
    names = data.facts["symbols"]
    found = ["".join(names[k] for k in row[row.any(1)].argmax(1)) for row in test.x]
    assert sorted(found) == sorted(words) and data.truth["numbers"].tolist() == [nm[0] for nm in of]
    # A symbol is asked where every word that begins like this one, and is long enough, has the same one next. The words
    # go far beyond the longest, and of the two-letter ones a prefix of a's alone says nothing.
    far = [nm for nm in itertools.product(range(1, 3 * bound), repeat=1 + two) if sum(nm) < 3 * bound]
    endless = [rule(*nm) + "a" for nm in far]
    for word, asked in zip(found, test.y.tolist(), strict=True):
        told = ["" if k == UNASKED else names[k] for k in asked]
        for t in range(len(word)):
            after = {other[t + 1] for other in endless if other.startswith(word[: t + 1])}
            assert told[t] == (after.pop() if len(after) == 1 else ""), (word, t)
        assert not any(told[len(word) :])
    asked = test.y[test.y != UNASKED].numpy()
    assert known(data)["accuracy"] == (pytest.approx(np.bincount(asked).max() / len(asked)), 1.0)
    longest = max(sum(nm) for nm in of if sum(nm) < 6)
    x, _ = drawn(data, 500)
    lengths = {int(row.any(1).sum()) for row in x}
    assert lengths == {len(rule(*nm)) for nm in of if sum(nm) <= longest}, "training strings are the short ones"


def test_bounds_without_strings_are_refused_with_the_remedy():
    with pytest.raises(DataError, match=r"--longest: 4 leaves no string of anbmcnm.*give 5 or more"):
        opened("counting-languages", language="anbmcnm", longest=4)


def test_examples_are_told_in_symbols():
    assert check(("sequences",), "counting-languages").as_json()["examples"][0].startswith("aaa")
    (one, *_) = check(("sequences",), "addition", options={"sequences": {"digits": 2}}).as_json()["examples"]
    read, _, asked = one.partition(" -> ")
    assert read[0] == read[3] == read[6] == "+" and int(asked.strip(".")) == int(read[1:3]) + int(read[4:6])
    assert check(("sequences",), "adding").as_json()["examples"][0].count(";") == 6
