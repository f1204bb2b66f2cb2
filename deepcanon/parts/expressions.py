"""Reads arithmetic such as "sin(x*y) + max(x, 2)**2" as a function of its variables, without running text as code.

The text becomes a syntax tree, and the tree is walked. It may hold numbers, names, + - * / **, brackets and the
functions of `CALLS`; everything else is refused. The function takes numbers, arrays, and what behaves like arrays under
NumPy.

    >>> from deepcanon.parts.expressions import parse_expression
    >>> names, function = parse_expression("x**2 + max(x, y, 0.5)")
    >>> names, float(function(3.0, 4.0))
    (('x', 'y'), 13.0)
"""

import ast
import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

__all__ = ["function_at", "parse_expression"]

NODES = 200  # of a tree

CALLS: dict[str, Callable] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "abs": np.absolute,
    "relu": lambda x: x.relu() if hasattr(x, "relu") else np.maximum(x, 0.0),
    "max": lambda *xs: reduce(np.maximum, xs),
    "min": lambda *xs: reduce(np.minimum, xs),
}
SIGNS: dict[type, Callable] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
    ast.USub: np.negative,
    ast.UAdd: lambda x: x,
}


def parse_expression(text: str) -> tuple[tuple[str, ...], Callable]:
    """The names of the variables, sorted, and the function of them in that order.

    Raises:
        ValueError: the text is not such an expression.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"cannot read {text[:60]!r}: {getattr(error, 'msg', error)}") from None
    nodes = list(ast.walk(tree))
    if len(nodes) > NODES:
        raise ValueError(f"the expression has {len(nodes)} parts, {NODES} at most")
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    names = sorted({node.id for node in nodes if isinstance(node, ast.Name) and id(node) not in called})
    wrong = [name for name in names if name in CALLS]
    if wrong:
        raise ValueError(f"{wrong[0]} is a function: {wrong[0]}(...)")
    run = _walk(tree)
    return tuple(names), lambda *values: run(dict(zip(names, values, strict=True)))


def _walk(node: ast.expr) -> Callable[[dict[str, Any]], Any]:
    """The function of the variables that a part of the tree represents."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        number = float(node.value)
        return lambda variables: number
    if isinstance(node, ast.Name):
        name = node.id
        return lambda variables: variables[name]
    if isinstance(node, ast.BinOp | ast.UnaryOp) and type(node.op) in SIGNS:
        operation = SIGNS[type(node.op)]
        parts = [node.left, node.right] if isinstance(node, ast.BinOp) else [node.operand]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS and not node.keywords:
        operation, parts, many = CALLS[node.func.id], node.args, node.func.id in ("max", "min")
        if len(parts) < 2 if many else len(parts) != 1:
            raise ValueError(f"{node.func.id} takes {'two arguments or more' if many else 'one argument'}")
    else:
        raise ValueError(
            f"{ast.unparse(node)[:40]!r} is not part of an expression: numbers, names, + - * / **, brackets and "
            f"{', '.join(CALLS)}"
        )
    functions = [_walk(part) for part in parts]
    return lambda variables: operation(*(function(variables) for function in functions))


def function_at(expression: str, at: str) -> tuple[tuple[str, ...], list[float], Callable]:
    """(names, values, function) of an expression and a point such as "x=1.5, y=2".

    Raises:
        ValueError: one of them cannot be read, or the point does not fit the expression, or the value is not finite.
    """
    names, function = parse_expression(expression)
    given = {}
    for part in filter(str.strip, at.split(",")):
        name, _, number = part.partition("=")
        given[name.strip()] = float(number)
    if not names:
        raise ValueError(f"{expression!r} has no variable")
    if set(given) != set(names):
        raise ValueError(f"given is {', '.join(given) or 'nothing'}; the expression has {', '.join(names)}")
    values = [given[name] for name in names]
    with np.errstate(all="ignore"):
        value = float(function(*values))
    if not math.isfinite(value):
        raise ValueError(f"{expression!r} is {value} at {at}")
    return names, values, function
