"""How often rules call two models different, by simulation and by calculation, as a figure and a table."""

from collections.abc import Sequence

from torch import Tensor

from deepcanon.engine.figures import Line, Panels, Plot, Text
from deepcanon.engine.shown import columns
from deepcanon.foundations.holdout import wilson_interval

__all__ = ["alarm_figures"]

CAPTION = "False alarms of both rules should keep to the level; the power grows with examples."


def alarm_figures(
    sizes: Sequence[int], disagreements: Sequence[float], rule: Tensor, test: Tensor, exact: Tensor, gain: float,
    level: float,
) -> dict[str, Panels | Text]:  # fmt: skip
    """Rates at which equal models and models that differ are called different.

    Args:
        sizes: numbers of validation examples.
        disagreements: shares of them that exactly one of both models gets right.
        rule, test, exact: rates of the rule, of McNemar's test and of the rule by calculation, each
            [equal or better, sizes, disagreements].
        gain: difference in accuracy of the models that differ.
        level: false-positive rate of the test.
    """
    false: list[Line] = []
    power: list[Line] = []
    for place, size in enumerate(sizes):
        changed = [size * rate for rate in disagreements]
        for lines, kind in ((false, 0), (power, 1)):
            one, other = f"{size:,}: rule", f"{size:,}: McNemar"
            lines.append(Line(exact[kind, place], changed, colour=place))
            lines.append(Line(rule[kind, place], changed, one, style="o", colour=place))
            lines.append(Line(test[kind, place], changed, other, style="x", colour=place))
    x, differ = "examples on which the models differ", f"models that differ by {100 * gain:g} points"
    plots = [
        Plot(false, x, "rate", "equal models called different", log="x", levels={"level": level}),
        Plot(power, x, "rate (lines: of the rule, exact)", f"{differ} called different", log="x"),
    ]
    head = ["examples", "differ", "equal: rule", "exact", "McNemar", f"{100 * gain:g} points: rule", "McNemar"]
    rows, intervals = [], []
    for i, size in enumerate(sizes):
        for j, rate in enumerate(disagreements):
            equal = [f"{kind[0, i, j]:.2%}" for kind in (rule, exact, test)]
            better = [f"{kind[1, i, j]:.1%}" for kind in (rule, test)]
            rows.append([f"{size:,}", f"{rate:.1%}", *equal, *better])
        low, high = wilson_interval(round(0.9 * size), size)
        intervals.append(f"{size:,} examples, 90 % right: 95 % interval [{low:.2%}, {high:.2%}]")
    return {"rates": Panels(plots, caption=CAPTION), "table": columns(head, rows, CAPTION, after=intervals)}
