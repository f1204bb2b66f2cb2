"""A graph as a figure: nodes in columns, joined by arrows that carry texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Edge", "Graph"]


@dataclass(frozen=True)
class Edge:
    """An arrow between two nodes of a graph, by their numbers, with a text above and one below it in red."""

    tail: int
    head: int
    above: str = ""
    below: str = ""


@dataclass(frozen=True)
class Graph:
    """Nodes in columns, joined by arrows.

    Attributes:
        nodes: the text of each.
        columns: [N] whole numbers from 0, the column of each node.
        right, below: texts to the right of some nodes, and below some in red, by number.
        given: numbers of nodes whose frame is pale, such as constants.
    """

    nodes: Sequence[str]
    columns: Sequence[int]
    edges: Sequence[Edge]
    title: str = ""
    right: Mapping[int, str] = field(default_factory=dict)
    below: Mapping[int, str] = field(default_factory=dict)
    given: Sequence[int] = ()
    caption: str = ""
