"""A backward sweep as a figure: the graph of a function with values and gradients; and what both modes cost."""

from collections.abc import Sequence

from deepcanon.engine.figures import Edge, Graph, Line, Plot
from deepcanon.foundations.autodiff import Variable, backward
from deepcanon.foundations.gradient_costs import count_operations, cpu_seconds

__all__ = ["cost_figure", "graph_of"]

SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**"}
SIGNS |= {"negative": "-", "absolute": "abs", "maximum": "max", "minimum": "min"}
CAPTION = (
    "The graph of the function: values in grey go forward along the arrows, gradients in red come back and are summed "
    "under the inputs."
)


COSTS = "Reverse mode costs a few evaluations for any inputs; forward mode grows with them."


def cost_figure(inputs: Sequence[int], elements: int) -> Plot:
    """The cost of a gradient by both modes, in operations and in CPU time.

    Args:
        inputs: numbers of inputs n.
        elements: numbers in a timed evaluation, points times inputs.
    """
    costs: dict = {"operations": [count_operations(n) for n in inputs]}
    costs["CPU seconds"] = [cpu_seconds(n, elements) for n in inputs]
    lines = []
    for colour, mode in enumerate(("forward", "reverse")):
        for (unit, rows), style in zip(costs.items(), ("o-", "x--"), strict=True):
            ratios = [getattr(row, mode) / row.once for row in rows]
            lines.append(Line(ratios, inputs, f"{mode}, {unit}", style=style, colour=colour))
    return Plot(lines, "inputs n", "cost of a gradient (evaluations)", log="xy", ticks=inputs, caption=COSTS)


def graph_of(output: Variable, title: str) -> Graph:
    """Nodes by their distance from the leaves; an edge shows what its user adds to the gradient of its argument, and
    the sums stand under the variables.
    """
    sweep = backward(output, keep=True)
    depth: dict = {}
    for node in reversed(sweep.nodes):
        inner = [depth[a] for a in node.arguments if isinstance(a, Variable)]
        depth[node] = 1 + max(inner, default=-1)
    nodes, columns, parts = list(sweep.nodes), [depth[n] for n in sweep.nodes], iter(sweep.edges)
    kinds = [n.primitive.name if n.primitive else "" for n in nodes]
    texts = [n.name or SIGNS.get(kind, kind) for n, kind in zip(nodes, kinds, strict=True)]
    place, given = {n: i for i, n in enumerate(nodes)}, []
    edges: dict = {}
    for node in sweep.nodes:
        for argument in node.arguments:
            if isinstance(argument, Variable):  # x * x: one edge with two gradients
                pair = place[argument], place[node]
                edges.setdefault(pair, []).append(f"{next(parts)[2]:.4g}")
            else:  # a constant is in the column before its user
                given.append(len(texts))
                edges[len(texts), place[node]] = []
                texts.append(f"{argument:.4g}")
                columns.append(depth[node] - 1)
    arrows = [
        Edge(tail, head, f"{nodes[tail].value:.4g}" if red else "", " + ".join(red))
        for (tail, head), red in edges.items()
    ]
    below = {place[n]: f"{sweep.adjoints[n]:.4g}" for n in nodes if n.primitive is None}
    right = {place[output]: f"{output.value:.4g}"}
    return Graph(texts, columns, arrows, title, right, below, given, CAPTION)
