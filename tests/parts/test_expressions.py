"""The reader of arithmetic: it computes what it says, and takes nothing that could run."""

import math

import numpy as np
import pytest

from deepcanon.parts.expressions import function_at, parse_expression


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("2 + 3 * 4 ** 2 / 8 - -1", (), 9.0),
        ("-x ** 2", (3.0,), -9.0),
        ("2 ** 3 ** 2", (), 512.0),
        ("exp(log(x)) + sqrt(y*y) - abs(-z)", (2.0, 3.0, 5.0), 0.0),
        ("max(x, y, 1) + min(x, y) + relu(x)", (-2.0, 3.0), 1.0),
        ("sin(x)**2 + cos(x)**2 + tanh(0*x)", (0.7,), 1.0),
        ("((x))", (4.5,), 4.5),
    ],
)
def test_it_computes(text, values, expected):
    _, function = parse_expression(text)
    assert float(function(*values)) == pytest.approx(expected)


def test_variables_come_sorted_and_arrays_broadcast():
    names, function = parse_expression("b * a + c2")
    assert names == ("a", "b", "c2")
    assert function(np.ones((2, 1)), np.ones(3), 1.0).shape == (2, 3)


def test_powers_of_whole_numbers_are_floats_and_end():
    with np.errstate(over="ignore"):
        assert math.isinf(float(parse_expression("9 ** 9 ** 9 ** 9")[1]()))


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')", "x.real", "x[0]", "lambda: 1", "[1, 2]", "x if y else z", "'text'", "1j",
        "True", "x := 1", "f(x)", "sin(x, y)", "max(x)", "sin(*x)", "sin(x=1)", "sin", "x and y", "x < y", "x // 2",
        "x % 2",
        "~x", "", "x y", "(" * 300, "+".join("x" * 300), "-" * 400 + "x", "exp.__class__", "(sin)(x).y",
    ],
)  # fmt: skip
def test_all_else_is_refused(text):
    with pytest.raises(ValueError):
        parse_expression(text)


def test_a_point_gives_each_name_its_value():
    names, values, function = function_at("y * x + 1", " x = 2, y=-0.5 ,")
    assert names == ("x", "y") and values == [2.0, -0.5] and function(*values) == 0.0


@pytest.mark.parametrize(
    ("expression", "at", "words"),
    [
        ("2 + 1", "", "no variable"),
        ("x + y", "x=1", "given is x; the expression has x, y"),
        ("x", "", "given is nothing"),
        ("x", "x=one", "one"),
        ("log(x)", "x=0", "is -inf at x=0"),
    ],
)
def test_a_point_that_does_not_fit_is_refused(expression, at, words):
    with pytest.raises(ValueError, match=words):
        function_at(expression, at)
