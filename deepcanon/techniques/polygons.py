"""What a recipe shares that answers about points of the plane with polygons: batches of one size, whether a polygon is
right wherever it begins, its area or length, and pictures of answers over the points."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from deepcanon.data.drawn import DrawnSplit
from deepcanon.data.splits import Dataset, Split
from deepcanon.engine.contract import Facts, Metrics, Recipe
from deepcanon.engine.figures import Line, Panels, Plot
from deepcanon.parts.clipping import clip_in_step
from deepcanon.parts.plane import area, is_simple, length
from deepcanon.sequence.pointer_network import pointer_nll
from deepcanon.techniques.optimizers import set_rate
from deepcanon.techniques.schedules import scheduled

__all__ = ["PolygonAnswers", "same_polygon"]

C = TypeVar("C")
PART, SHOWN = 200, 6
ANSWERS = "Answers to held-out sets: the solid line covers the dashed one, the exact solution, where it is right."


def same_polygon(first: list[int], second: list[int], either_way: bool = False) -> bool:
    """Whether two closed ways are the same, wherever they begin; with `either_way` in whichever direction."""
    if len(first) != len(second) or not first or first[0] not in second:
        return False
    start = second.index(first[0])
    turned = second[start:] + second[:start]
    return first == turned or (either_way and first[1:] == turned[:0:-1])


class PolygonAnswers(Recipe[C]):
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
        return split.x[rows, :size], split.y[rows, :size]

    def updated(self, step: int, loss: Tensor, asked: int) -> Mapping[str, Tensor]:
        """The update by a loss that is a mean over `asked` places, and its metrics."""
        config: Any = self.config
        rate = config.learning_rate * scheduled(config, step, self.run.steps)
        set_rate(self.optimizer, rate)
        self.optimizer.zero_grad()
        loss = self.run.backward(loss, self.model, count=asked)
        norm = clip_in_step(self.optimizer, config.clip)
        return {"loss": loss, "gradient_norm": norm, "learning_rate": torch.tensor(rate, dtype=torch.float64)}

    @property
    def tours(self) -> bool:
        return self.facts["problem"] == "tour"

    def by_size(self, split: Split) -> Iterator[tuple[int, Tensor, Tensor, Tensor, float]]:
        """(size, points, answers, what was decoded, nats a step) of the sets of each size."""
        counts = sizes_of(split)
        dtype = next(self.model.parameters()).dtype
        for size in sorted(set(counts.tolist())):
            rows = torch.nonzero(counts == size)[:, 0]
            points, answers = split.x[rows, :size].to(dtype), split.y[rows, :size]  # type: ignore[index]
            found, total = [], 0.0
            for x, y in zip(points.split(PART), answers.split(PART), strict=True):
                x, y = self.run.to(x), self.run.to(y)
                found.append(self.model.decode(x, distinct=self.tours).cpu())
                total += pointer_nll(self.model(x, y), y).item() * len(x)
            yield size, points, answers, torch.cat(found), total / len(rows)

    def evaluate(self, split: str) -> Metrics:
        rows: list[dict[str, float]] = []
        found: dict[str, float] = {}
        for size, points, answers, decoded, nll in self.by_size(self.run.data[split]):
            told = {"nll": nll, **self.measured(points, answers, decoded)}
            found |= {f"{name}_{size}": told[name] for name in ("accuracy", "area") if name in told}
            rows += [told] if size <= self.facts["most"] else []
        means = {
            name: [row[name] for row in rows if name in row]
            for name in ("nll", "accuracy", "invalid", "area", "length")
        }
        return {**{name: sum(some) / len(some) for name, some in means.items() if some}, **found}

    def measured(self, points: Tensor, answers: Tensor, decoded: Tensor) -> dict[str, float]:
        """Metrics of sets of one size; an answer that is not a simple polygon is wrong and has no area."""
        right, valid, shares, ways = 0, 0, [], []
        for x, exact, given in zip(points.double().cpu().numpy(), answers.tolist(), decoded.tolist(), strict=True):
            exact, given = ([place for place in one if place >= 0] for one in (exact, given))
            if self.tours:
                right += same_polygon(given, exact, either_way=True)
                valid += len(set(given)) == len(x)
                ways.append(length(x[given]) / length(x[exact]))
                continue
            fine = is_simple(x[given]) if len(set(given)) == len(given) > 2 else False
            valid += fine
            right += fine and same_polygon(given, exact)
            shares += [abs(area(x[given])) / area(x[exact])] if fine else []
        count = len(points)
        found = {"accuracy": right / count, "invalid": 1 - valid / count}
        if self.tours:
            return {**found, "length": float(np.mean(ways))}
        return {**found, "area": float(np.mean(shares)) if shares else 0.0}

    def figures(self) -> Mapping[str, Any]:
        panels = []
        for size, points, answers, decoded, _ in self.by_size(self.run.data[self.run.pictured]):
            for x, exact, given in zip(points[:1], answers[:1].tolist(), decoded[:1].tolist(), strict=True):
                lines = [Line(x[:, 1], x[:, 0], "points", style="o", colour=-1)]
                for name, way, style in (("exact", exact, "--"), ("answer", given, "-")):
                    places = [place for place in way if place >= 0]
                    closed = x[[*places, *places[:1]]]
                    lines.append(Line(closed[:, 1], closed[:, 0], name, style=style))
                panels.append(Plot(lines, "x", "y", f"{size} points", equal=True))
        return {"answers": Panels(panels[:SHOWN], columns=3, caption=ANSWERS)}

    def predict(self, inputs: Any) -> list[dict[str, Any]]:
        """For each set of points [P, 2] the places of its answer, in order."""
        dtype = next(self.model.parameters()).dtype
        sets = [points[~points.isnan().any(1)].to(dtype) for points in inputs]  # those of a split are padded
        answers: dict[int, list[int]] = {}
        for size in {len(points) for points in sets}:
            rows = [row for row, points in enumerate(sets) if len(points) == size]
            for part in torch.tensor(rows).split(PART):
                some = torch.stack([sets[row] for row in part.tolist()])
                decoded = self.model.decode(self.run.to(some), distinct=self.tours).tolist()
                answers |= dict(zip(part.tolist(), decoded, strict=True))
        return [{"value": [place for place in answers[row] if place >= 0]} for row in range(len(sets))]


def sizes_of(split: Split) -> Tensor:
    """The number of points of each set."""
    return (~split.x[:, :, 0].isnan()).sum(1)
