"""What a recipe shares that answers about points of the plane with polygons: batches of one size, whether a polygon is
right wherever it begins, its area or length, which triangles are right, and pictures of answers over the points."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import torch
from numpy import ndarray
from torch import Tensor, nn

from deepcanon.data.drawn import DrawnSplit
from deepcanon.data.point_sets import places_of
from deepcanon.data.splits import Dataset, Split
from deepcanon.engine.contract import Exports, Facts, Metrics, Recipe
from deepcanon.engine.export import Export
from deepcanon.engine.figures import Line, Panels, Plot
from deepcanon.parts.clipping import clip_in_step
from deepcanon.parts.plane import area, is_simple, length
from deepcanon.sequence.pointer_network import pointer_nll
from deepcanon.techniques.optimizers import set_rate
from deepcanon.techniques.schedules import scheduled

__all__ = ["PolygonAnswers", "asked_of", "averaged", "judged", "same_polygon", "trails", "triangles_of"]

C = TypeVar("C")
PART, SHOWN = 200, 6
BY_SIZE = ("accuracy", "area", "coverage", "length")
ASKED = {
    "hull": "the corners of the convex hull in order, from -1 on the end",
    "tour": "a tour through all points, each once",
    "delaunay": "the corners of the triangles, three for each, from -1 on the end",
}
ANSWERS = "Answers to held-out sets: the solid line covers the dashed one, the exact solution, where it is right."


class Answered(NamedTuple):
    """Sets of one size with their answers.

    Attributes:
        points, exact, given: the points [N, P, 2], and places in the order of the solution and of the answer.
        free: what was decoded with nothing forbidden; of tours another answer than `given`.
        nats, steps: the negative log-likelihood of the solutions, and how many steps they have.
    """

    size: int
    points: Tensor
    exact: Tensor
    given: Tensor
    free: Tensor
    nats: float
    steps: int


def same_polygon(first: list[int], second: list[int], either_way: bool = False) -> bool:
    """Whether two closed ways are the same, wherever they begin; with `either_way` in whichever direction."""
    if len(first) != len(second) or not first or first[0] not in second:
        return False
    start = second.index(first[0])
    turned = second[start:] + second[:start]
    return first == turned or (either_way and first[1:] == turned[:0:-1])


def triangles_of(places: list[int]) -> list[tuple[int, ...]]:
    """Each three places as a triangle, its numbers rising; the last one may have fewer."""
    return [tuple(sorted(places[at : at + 3])) for at in range(0, len(places), 3)]


def judged(problem: str, points: ndarray, exact: list[int], given: list[int], free: list[int]) -> dict[str, float]:
    """The scores of the answer about one set.

    A polygon that is not simple is wrong, and has no area; a tour that was decoded freely is invalid unless it visits
    each point once; triangles are valid if each has three corners and none is named twice, and are right as a set.
    """
    if problem == "tour":
        right, valid = same_polygon(given, exact, either_way=True), sorted(free) == list(range(len(points)))
        return {"accuracy": right, "invalid": not valid, "length": length(points[given]) / length(points[exact])}
    if problem == "delaunay":
        named, asked = triangles_of(given), set(triangles_of(exact))
        valid = all(len(set(one)) == 3 for one in named) and len(set(named)) == len(named) > 0
        covered = len(asked.intersection(named)) / len(asked)
        return {"accuracy": valid and set(named) == asked, "invalid": not valid, "coverage": covered}
    valid = len(set(given)) == len(given) > 2 and is_simple(points[given])
    scores: dict[str, float] = {"accuracy": valid and same_polygon(given, exact), "invalid": not valid}
    return {**scores, "area": abs(area(points[given])) / area(points[exact])} if valid else scores


def trails(edges: set[tuple[int, int]]) -> list[list[int]]:
    """Ways along edges that take each edge once: few lines that draw them all."""
    left: dict[int, set[int]] = {}
    for a, b in edges:
        left.setdefault(a, set()).add(b)
        left.setdefault(b, set()).add(a)
    found = []
    while any(left.values()):
        ends = [point for point, others in left.items() if others]
        here = min(ends, key=lambda point: (len(left[point]) % 2 == 0, point))  # a way begins where an odd number meets
        way = [here]
        while left[here]:
            after = min(left[here])
            left[here].discard(after)
            left[after].discard(here)
            way.append(after)
            here = after
        found.append(way)
    return found


class Pointing(nn.Module):
    """Sets of one size [batch, points, 2] to places [batch, steps], as `PolygonAnswers.decoded` has them."""

    def __init__(self, model: nn.Module, problem: str) -> None:
        super().__init__()
        self.model, self.problem = model, problem

    def forward(self, points: Tensor) -> Tensor:
        model: Any = self.model
        return model.decode(points, self.problem == "tour", places_of(self.problem, points.shape[1]))


class PolygonAnswers(Recipe[C], Exports):
    """A model `(points, answers) -> logits` with `decode(points, distinct)`, as `sequence.pointer_network` has it."""

    optimizer: Any

    @classmethod
    def learn(cls, config: Any, data: Dataset) -> Facts:
        return {"problem": data.facts["problem"], "most": data.facts["most"]}

    def of_one_size(self) -> tuple[Tensor, Tensor]:
        """(points, answers) of this process's share of a training batch, all sets of one size."""
        config: Any = self.config
        run, split = self.run, self.run.data["train"]
        if isinstance(split, DrawnSplit):
            drawn = run.examples(split, config.batch)
            return drawn.x, drawn.y
        counts = sizes_of(split)
        place = torch.randint(len(counts), (1,), generator=run.generator("size"))
        size = int(counts[place])
        mine = torch.nonzero(counts == size)[:, 0]
        rows = mine[run.indices(len(mine), config.batch, f"order {size}")]
        return split.x[rows, :size], split.y[rows, : places_of(self.facts["problem"], size)]

    def updated(self, step: int, loss: Tensor, asked: int) -> Mapping[str, Tensor]:
        """The update by a loss that is a mean over `asked` places, and its metrics."""
        config: Any = self.config
        rate = config.learning_rate * scheduled(config, step, self.run.steps)
        set_rate(self.optimizer, rate)
        self.optimizer.zero_grad()
        loss = self.run.backward(loss, self.model, count=asked)
        norm = clip_in_step(self.optimizer, config.clip)
        return {"loss": loss, "gradient_norm": norm, "learning_rate": torch.tensor(rate, dtype=torch.float64)}

    def decoded(self, points: Tensor, free: bool = False) -> Tensor:
        """The answers to sets of one size; a tour visits each point once, unless it is decoded freely."""
        problem = self.facts["problem"]
        return self.model.decode(points, problem == "tour" and not free, places_of(problem, points.shape[1])).cpu()

    def by_size(self, split: Split) -> Iterator[Answered]:
        """The sets of each size with their answers."""
        counts, problem = sizes_of(split), self.facts["problem"]
        dtype = next(self.model.parameters()).dtype
        for size in sorted(set(counts.tolist())):
            rows = torch.nonzero(counts == size)[:, 0]
            points, exact = split.x[rows, :size].to(dtype), split.y[rows, : places_of(problem, size)]  # type: ignore[index]
            given, free, nats = [], [], 0.0
            for x, y in zip(points.split(PART), exact.split(PART), strict=True):
                asked = asked_of(y)
                x, y = self.run.to(x), self.run.to(y)
                given.append(self.decoded(x))
                free.append(self.decoded(x, free=True) if problem == "tour" else given[-1])
                nats += pointer_nll(self.model(x, y), y).item() * asked
            yield Answered(size, points, exact, torch.cat(given), torch.cat(free), nats, asked_of(exact))

    def evaluate(self, split: str) -> Metrics:
        """Means over the sets of each size, and over all sets of no more points than those of training had (if there
        are none, over all); `nll` is a mean over the steps, as the loss is."""
        by_size: dict[str, float] = {}
        rows = []
        for some in self.by_size(self.run.data[split]):
            scores = self.scored(some)
            by_size |= {f"{name}_{some.size}": mean for name, mean in averaged(scores).items() if name in BY_SIZE}
            rows.append((some.size, scores, some.nats, some.steps))
        rows = [row for row in rows if row[0] <= self.facts["most"]] or rows
        whole = {name: [value for row in rows for value in row[1][name]] for name in rows[0][1]}
        return {"nll": sum(row[2] for row in rows) / sum(row[3] for row in rows), **averaged(whole), **by_size}

    def scored(self, some: Answered) -> dict[str, list[float]]:
        """The scores of sets of one size by their names; not all sets have each."""
        problem = self.facts["problem"]
        measured = {"hull": "area", "tour": "length", "delaunay": "coverage"}[problem]
        scores: dict[str, list[float]] = {name: [] for name in ("accuracy", "invalid", measured)}
        answers = zip(some.exact.tolist(), some.given.tolist(), some.free.tolist(), strict=True)
        for points, three in zip(some.points.double().cpu().numpy(), answers, strict=True):
            exact, given, free = ([place for place in one if place >= 0] for one in three)
            for name, value in judged(problem, points, exact, given, free).items():
                scores[name].append(float(value))
        return scores

    def figures(self) -> Mapping[str, Any]:
        panels = []
        for some in self.by_size(self.run.data[self.run.pictured]):
            x = some.points[0].cpu()
            lines = [Line(x[:, 1], x[:, 0], "points", style="o", colour=-1)]
            for colour, (name, places, style) in enumerate(
                (("exact", some.exact, "--"), ("answer", some.given, "-")), 1
            ):
                for number, way in enumerate(self.ways([place for place in places[0].tolist() if place >= 0])):
                    lines.append(Line(x[way, 1], x[way, 0], "" if number else name, style=style, colour=colour))
            panels.append(Plot(lines, "x", "y", f"{some.size} points", equal=True))
        return {"answers": Panels(panels[:SHOWN], columns=3, caption=ANSWERS)}

    def ways(self, places: list[int]) -> list[list[int]]:
        """The lines that draw an answer."""
        if self.facts["problem"] != "delaunay":
            return [[*places, *places[:1]]]
        corners = [(triangle[at - 1], triangle[at]) for triangle in triangles_of(places) for at in range(len(triangle))]
        return trails({(min(pair), max(pair)) for pair in corners if pair[0] != pair[1]}) or [[]]

    def predict(self, inputs: Any) -> list[dict[str, Any]]:
        """For each set of points [P, 2] the places of its answer, in order; of triangles a list for each."""
        dtype = next(self.model.parameters()).dtype
        sets = [points[~points.isnan().any(1)].to(dtype) for points in inputs]  # those of a split are padded
        answers: dict[int, list[int]] = {}
        for size in {len(points) for points in sets}:
            rows = [row for row, points in enumerate(sets) if len(points) == size]
            for part in torch.tensor(rows).split(PART):
                some = torch.stack([sets[row] for row in part.tolist()])
                answers |= dict(zip(part.tolist(), self.decoded(self.run.to(some)).tolist(), strict=True))
        named = [[place for place in answers[row] if place >= 0] for row in range(len(sets))]
        if self.facts["problem"] != "delaunay":
            return [{"value": places} for places in named]
        return [{"value": [list(triangle) for triangle in triangles_of(places)]} for places in named]

    def export(self) -> Export:
        """Sets of any size, all of a batch of one, to the places of their answers."""
        problem = self.facts["problem"]
        points = torch.rand(2, 6, 2, generator=torch.Generator().manual_seed(0)).to(next(self.model.parameters()))
        about = {"task": "point", "problem": problem, "answer": ASKED[problem], "columns": ["x", "y"],
                 "trained_on_points_up_to": self.facts["most"]}  # fmt: skip
        lengths = {"points": "points", "places": "steps"}
        return Export(Pointing(self.model, problem), (points,), ("points",), ("places",), about, lengths=lengths)


def averaged(scores: dict[str, list[float]]) -> dict[str, float]:
    """The mean of each; 0 of what no set has."""
    return {name: sum(values) / len(values) if values else 0.0 for name, values in scores.items()}


def asked_of(answers: Tensor) -> int:
    """How many steps are asked: the places, and the end after each answer."""
    return int((answers >= 0).sum()) + len(answers)


def sizes_of(split: Split) -> Tensor:
    """The number of points of each set."""
    return (~split.x[:, :, 0].isnan()).sum(1)
