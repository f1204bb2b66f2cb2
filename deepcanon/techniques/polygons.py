"""What a recipe shares that answers about points of the plane with polygons: batches of one size, whether a polygon is
right wherever it begins, its area or length, and pictures of answers over the points."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

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
BY_SIZE = ("accuracy", "area", "length")
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

    def by_size(self, split: Split) -> Iterator[tuple[int, Tensor, Tensor, Tensor, tuple[float, int]]]:
        """(size, points, answers, what was decoded, (nats, steps asked)) of the sets of each size."""
        counts = sizes_of(split)
        dtype = next(self.model.parameters()).dtype
        for size in sorted(set(counts.tolist())):
            rows = torch.nonzero(counts == size)[:, 0]
            points, answers = split.x[rows, :size].to(dtype), split.y[rows, :size]  # type: ignore[index]
            found, total, steps = [], 0.0, 0
            for x, y in zip(points.split(PART), answers.split(PART), strict=True):
                asked = asked_of(y)
                x, y = self.run.to(x), self.run.to(y)
                found.append(self.model.decode(x, distinct=self.tours).cpu())
                total, steps = total + pointer_nll(self.model(x, y), y).item() * asked, steps + asked
            yield size, points, answers, torch.cat(found), (total, steps)

    def evaluate(self, split: str) -> Metrics:
        """Means over the sets of each size, and over all sets of no more points than those of training had (if there
        are none, over all); `nll` is a mean over the steps, as the loss is."""
        found: dict[str, float] = {}
        rows = []
        for size, points, answers, decoded, cost in self.by_size(self.run.data[split]):
            scores = self.judged(points, answers, decoded)
            found |= {f"{name}_{size}": mean for name, mean in averaged(scores).items() if name in BY_SIZE}
            rows.append((size, scores, cost))
        rows = [row for row in rows if row[0] <= self.facts["most"]] or rows
        whole = {name: [value for _, scores, _ in rows for value in scores[name]] for name in rows[0][1]}
        nats, steps = (sum(row[2][part] for row in rows) for part in (0, 1))
        return {"nll": nats / steps, **averaged(whole), **found}

    def judged(self, points: Tensor, answers: Tensor, decoded: Tensor) -> dict[str, list[float]]:
        """The metrics of each set; an answer that is not a simple polygon is wrong and has no area."""
        scores: dict[str, list[float]] = {name: [] for name in ("accuracy", "invalid", "length" if self.tours else "area")}
        for x, exact, given in zip(points.double().cpu().numpy(), answers.tolist(), decoded.tolist(), strict=True):
            exact, given = ([place for place in one if place >= 0] for one in (exact, given))
            if self.tours:
                scores["accuracy"].append(same_polygon(given, exact, either_way=True))
                scores["invalid"].append(len(set(given)) < len(x))
                scores["length"].append(length(x[given]) / length(x[exact]))
                continue
            fine = is_simple(x[given]) if len(set(given)) == len(given) > 2 else False
            scores["accuracy"].append(fine and same_polygon(given, exact))
            scores["invalid"].append(not fine)
            scores["area"] += [abs(area(x[given])) / area(x[exact])] if fine else []
        return scores

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


def averaged(scores: dict[str, list[float]]) -> dict[str, float]:
    """The mean of each; 0 of what no set has."""
    return {name: sum(values) / len(values) if values else 0.0 for name, values in scores.items()}


def asked_of(answers: Tensor) -> int:
    """How many steps are asked: the places, and the end after each answer."""
    return int((answers >= 0).sum()) + len(answers)


def sizes_of(split: Split) -> Tensor:
    """The number of points of each set."""
    return (~split.x[:, :, 0].isnan()).sum(1)
