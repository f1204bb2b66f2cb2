"""Automatic differentiation: random graphs against torch.func, depth, fan-out, kinks, broadcasting, and the cost."""

import re

import jaxtyping
import numpy as np
import pytest
import torch

from deepcanon.engine.svg import draw
from deepcanon.errors import UsageError
from deepcanon.foundations import autodiff
from deepcanon.foundations.autodiff import Dual, Variable, backward, gradient, jvp, vjp
from deepcanon.foundations.primitives import PRIMITIVES
from deepcanon.parts.random_programs import (
    OPERATIONS,
    Derivatives,
    derivatives,
    execute,
    largest_difference,
    random_program,
)
from deepcanon.recipes import autodiff as recipe
from deepcanon.techniques.computation_graph import graph_of


def errors(count, operations=200, seed=0):
    """Largest relative errors of value, jvp and vjp against torch.func on random programs."""
    for number in range(count):
        random = np.random.default_rng([seed, number])
        leaves, program = random_program(random, operations)
        tangents = [np.asarray(random.normal(size=leaf.shape)) for leaf in leaves]
        value, tangent = jvp(lambda *x, p=program: execute(np, p, x), leaves, tangents)
        cotangent = random.normal(size=value.shape)
        _, adjoints = vjp(lambda *x, p=program: execute(np, p, x), leaves, cotangent)
        ours = Derivatives(value, tangent, adjoints)
        yield largest_difference(ours, derivatives(program, leaves, tangents, cotangent))


def test_random_graphs_equal_torch_func():
    """24 of the 1,000 that `deepcanon verify autodiff` compares."""
    assert max(errors(24)) < 1e-10


def test_random_programs_hold_every_operation_and_share_nodes():
    used = set()
    for seed in range(8):
        _, program = random_program(np.random.default_rng(seed), 200)
        used |= {name for name, _ in program}
        counts = np.bincount([place for _, arguments in program for place in arguments])
        assert len(program) == 200 and (counts > 1).sum() > 40
    assert used == set(OPERATIONS)


BUGS = {
    "one path only": ("multiply", "pull", lambda p: lambda i, a, out, xs: p.pull(i, a, out, xs) * (i == 0)),
    "tanh from its input": ("tanh", "pull", lambda p: lambda i, a, out, xs: a * (1 - xs[0] ** 2)),
    "sign of a difference": ("subtract", "push", lambda p: lambda i, t, out, xs: t),
    "max to the first only": ("maximum", "push", lambda p: lambda i, t, out, xs: t * (i == 0)),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_caught(monkeypatch, bug):
    name, direction, wrong = BUGS[bug]
    monkeypatch.setitem(PRIMITIVES, name, PRIMITIVES[name]._replace(**{direction: wrong(PRIMITIVES[name])}))
    assert max(errors(3)) > 1e-3


def test_forgotten_accumulation_is_caught(monkeypatch):
    source = backward

    def forgetful(output, cotangent=None, *, keep=False):
        sweep = source(output, cotangent, keep=True)
        return sweep._replace(adjoints={argument: part for argument, _, part in sweep.edges})

    monkeypatch.setattr(autodiff, "backward", forgetful)
    assert max(errors(3)) > 1e-3


def test_a_chain_of_50_000_operations_does_not_recurse():
    def chain(x):
        y = x
        for _ in range(25_000):
            y = y * 0.9999 + x
        return y

    x = Variable(1.0)
    slope = backward(chain(x)).adjoints[x]
    assert float(slope) == pytest.approx(0.9999**25_000 + (1 - 0.9999**25_000) / (1 - 0.9999), rel=1e-9)


def test_fan_out_of_2_to_the_60_paths_takes_60_operations():
    """x + x, of that again, ...: every path counts, but no node is visited twice."""
    x = y = Variable(1.0)
    for _ in range(60):
        y = y + y
    sweep = backward(y)
    assert sweep.adjoints[x] == 2.0**60 and len(sweep.nodes) == 61


def test_nodes_come_after_all_that_use_them():
    x = Variable(2.0)
    a = np.exp(x)
    out = a * x + np.sin(a) / (x + a)
    nodes = backward(out).nodes
    place = {node: i for i, node in enumerate(nodes)}
    assert nodes[0] is out and len(place) == len(nodes)
    for node in nodes:
        assert all(place[argument] > place[node] for argument in node.arguments if isinstance(argument, Variable))


def test_edges_sum_to_adjoints():
    x, y = Variable(1.5), Variable(2.0)
    sweep = backward(np.sin(x * y) + np.maximum(x, 2) ** 2 + x * x, keep=True)
    for node in sweep.nodes[1:]:
        assert sum(part for argument, _, part in sweep.edges if argument is node) == pytest.approx(sweep.adjoints[node])


@pytest.mark.parametrize(
    ("function", "at", "slope"),
    [
        (np.absolute, 0.0, 0.0),
        (lambda x: x.relu(), 0.0, 0.0),
        (lambda x: np.maximum(x, 0), 0.0, 0.5),
        (lambda x: np.maximum(x, x), 1.0, 1.0),
        (lambda x: np.minimum(x, 2 * x), 0.0, 1.5),
        (lambda x: np.concatenate([x.reshape(1), 2 * x.reshape(1), x.reshape(1) - 1]).max(), 0.0, 1.5),
        (lambda x: x**0, 0.0, 0.0),
        (lambda x: x**1, 0.0, 1.0),
        (lambda x: x**2, 0.0, 0.0),
    ],
)
def test_kinks_have_one_slope_in_both_modes(function, at, slope):
    assert gradient(function, (at,), "forward")[0] == gradient(function, (at,))[0] == slope


def test_ties_of_a_reduction_share():
    x = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    found = gradient(lambda v: np.max(v, 1).sum(), (x,))[0]
    np.testing.assert_allclose(found, [[0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]])
    np.testing.assert_array_equal(found, gradient(lambda v: np.max(v, 1).sum(), (x,), "forward")[0])
    np.testing.assert_array_equal(gradient(lambda v: -np.min(-v, 1).sum(), (x,))[0], found)


@pytest.mark.parametrize("shapes", [((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2, 3)), ((4, 1, 3), (2, 1)), ((1, 1), ())])
def test_broadcasting_is_summed_on_the_way_back(shapes):
    random = np.random.default_rng(0)
    x, y = (np.asarray(random.normal(size=shape)) for shape in shapes)
    ours = gradient(lambda a, b: np.sum(np.sin(a) * b + a / (2 + b**2)), (x, y))
    tensors = [torch.from_numpy(v).requires_grad_() for v in (x, y)]
    (tensors[0].sin() * tensors[1] + tensors[0] / (2 + tensors[1] ** 2)).sum().backward()
    for mine, theirs in zip(ours, tensors, strict=True):
        assert mine.shape == theirs.shape
        np.testing.assert_allclose(mine, theirs.grad.numpy(), rtol=1e-13)


def test_an_entry_that_is_read_twice_counts_twice():
    np.testing.assert_array_equal(gradient(lambda x: x[[0, 2, 2, 2]].sum(), (np.zeros(4),))[0], [1, 0, 3, 0])


def test_an_mlp_equals_torch():
    random = np.random.default_rng(1)
    shapes = ((8, 5), (5, 7), (7,), (7, 3), (3,))
    values = [random.normal(size=shape) for shape in shapes]
    labels = random.integers(3, size=8)

    def loss(x, w, b, v, c):
        scores = (x @ w + b).relu() @ v + c
        shifted = scores - np.max(scores, 1, keepdims=True)
        return np.mean(np.log(np.sum(np.exp(shifted), 1)) - shifted[np.arange(8), labels])

    x, w, b, v, c = (torch.from_numpy(value).requires_grad_() for value in values)
    torch.nn.functional.cross_entropy((x @ w + b).relu() @ v + c, torch.from_numpy(labels)).backward()
    for mine, theirs in zip(gradient(loss, values), (x, w, b, v, c), strict=True):
        np.testing.assert_allclose(mine, theirs.grad.numpy(), atol=1e-15, rtol=1e-11)


def test_the_two_modes_are_transposes():
    """<u, J v> = <J^T u, v> with a vector of outputs."""
    random = np.random.default_rng(2)
    leaves, program = random_program(random, 100)
    tangents = [np.asarray(random.normal(size=leaf.shape)) for leaf in leaves]
    value, tangent = jvp(lambda *x: execute(np, program, x), leaves, tangents)
    u = random.normal(size=value.shape)
    back = vjp(lambda *x: execute(np, program, x), leaves, u)[1]
    assert u @ tangent == pytest.approx(sum((a * t).sum() for a, t in zip(back, tangents, strict=True)), rel=1e-11)


def test_one_program_text_runs_on_arrays_duals_and_variables():
    def function(x):
        total = 0.0
        for row in x:  # iteration, builtin sum, comparison and in-place arithmetic
            total += sum(row) if row[0] > 0 else -2 * row[1]
        return total

    x = np.array([[1.0, 2.0], [-1.0, 5.0]])
    assert function(x) == float(function(Variable(x)).value) == float(function(Dual(x, x)).value) == -7.0
    np.testing.assert_array_equal(gradient(function, (x,))[0], [[1, 1], [0, -2]])


def test_in_place_arithmetic_leaves_the_old_value():
    x = y = Variable([1.0, 2.0])
    y += 1
    assert x.value.tolist() == [1.0, 2.0] and y.value.tolist() == [2.0, 3.0]


def test_what_does_not_depend_on_the_inputs_has_derivative_zero():
    value, tangent = jvp(lambda x: 3.0, (np.ones(2),), (np.ones(2),))
    assert value == 3.0 and tangent == 0.0
    assert gradient(lambda x, y: (y * y).sum(), (np.ones(2), np.ones(3)))[0].tolist() == [0.0, 0.0]
    assert gradient(lambda x: np.asarray(1.0), (np.ones(2),))[0].tolist() == [0.0, 0.0]


def test_refusals(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    x = Variable(np.ones(3))
    for work, kind, words in (
        (lambda: np.arctan(x), TypeError, "arctan has no derivative here; there are add"),
        (lambda: np.add.reduce(x), TypeError, r"add\.reduce"),
        (lambda: np.add(x, 1, out=np.zeros(3)), TypeError, "with .'out'."),
        (lambda: np.linalg.norm(x), TypeError, "norm has no derivative"),
        (lambda: x + Dual(1.0, 1.0), TypeError, "do not nest"),
        (lambda: Variable(x), TypeError, "do not nest"),
        (lambda: x + 1j, ValueError, "real"),
        (lambda: Variable("text"), ValueError, "real"),
        (lambda: backward(x), ValueError, r"\(3,\) needs a cotangent"),
        (lambda: backward(x, np.ones(2)), ValueError, r"\(2,\) of an output \(3,\)"),
        (lambda: Dual(np.ones(2), np.ones(3)), ValueError, r"\(3,\) of a value \(2,\)"),
        (lambda: jvp(np.sin, (1.0,), ()), ValueError, "0 tangents for 1 inputs"),
        (lambda: gradient(np.sin, (np.ones(2),), "forward"), ValueError, r"\(2,\) has no gradient"),
        (lambda: gradient(np.sin, (1.0,), "sideways"), ValueError, "forward or reverse"),
        (lambda: sum(Variable(1.0)), TypeError, "len"),
        (lambda: bool(x), ValueError, "ambiguous"),
    ):
        with pytest.raises(kind, match=words):
            work()


def test_the_graph_is_drawn_with_values_and_gradients():
    x, y = Variable(1.5, "x"), Variable(2.0, "y")
    graph = graph_of(np.sin(x * y) + np.maximum(x, 2) ** 2 + x * x, "title")
    texts = re.findall(r"<text[^>]*>([^<]*)<", draw(graph)[0])
    for wanted in ("x", "y", "sin", "max", "+", "1.5", "-1.98", "1.5 + 1.5", "1.02", "-1.485", "2", "6.391"):
        assert wanted in texts, (wanted, texts)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"expression": "sin("}, "cannot read"),
        ({"expression": "2"}, "no variable"),
        ({"at": "x=1"}, "the expression has x, y"),
        ({"at": "x=1, y=two"}, "two"),
        ({"expression": "log(x - y)", "at": "x=1, y=2"}, "is nan"),
    ],
)
def test_an_expression_that_does_not_fit_is_named(options, words):
    with pytest.raises(UsageError, match=words):
        recipe.Recipe.learn(recipe.Config(**options), None)
