"""Curves of one run or of several: a chart for each metric."""

from deepcanon.engine.charts import Line, chart, wants_log
from deepcanon.engine.report.enlarging import enlarging
from deepcanon.engine.report.folder import SPLITS, RunFiles, by_metric, split_and_metric
from deepcanon.engine.svg.frame import escape
from deepcanon.engine.svg.style import COLOURS

__all__ = ["curves_of"]

COUNTS = ("train/trials", "train/failed", "train/env_steps")
"""Numbers that only say how far a run is; they get no curves."""
BETTER = {"min": "lower is better", "max": "higher is better"}


def curves_of(runs: list[RunFiles]) -> str:
    """One chart per metric; the splits of one run, or the runs of a comparison, lie over each other."""
    several = len(runs) > 1
    keys = list(dict.fromkeys(key for run in runs for key in run.series if key not in COUNTS))
    charts: list[str] = []
    for metric, group in by_metric(keys).items():
        lines = []
        for index, run in enumerate(runs):
            present = [key for key in group if key in run.series]
            if several:
                # A single point (the test split, measured at the end) is in the table, not in the curves.
                present = [key for key in present if len(run.series[key][0]) > 1]
            for key in present:
                split = split_and_metric(key)[0] if split_and_metric(key)[0] in SPLITS else ""
                colour = index if several else (SPLITS.index(split) if split else 0)
                faint = split == "train" and len(present) > 1
                kind = split if len({split_and_metric(k)[1] for k in group}) == 1 else key.replace("/", " ")
                label = " ".join(filter(None, (run.label if several else "", kind or ("" if several else key))))
                mark = run.best.get("step") if key == run.best.get("metric") else None
                mark = mark if isinstance(mark, int) else None
                whose = run.label if several else ""
                lines.append(Line(label, *run.series[key], colour, faint, mark, run=whose))
        if max((len(line.steps) for line in lines), default=0) > 1:
            known = next(
                (found for run in runs for key in reversed(group) if (found := run.metric(key))[0]), ("", "", "")
            )
            if known[0] and not known[2] and all(len(set(line.values)) == 1 for line in lines):
                continue  # a count such as that of the weights, which training does not change, is in the table
            charts.append(_chart_card(metric, lines, len(charts), *known))
    three = " three" if len(charts) == 3 else ""
    return f"<div class='charts{three}'>{''.join(charts)}</div>" if charts else ""


def _chart_card(metric: str, lines: list[Line], index: int, sentence: str, unit: str, better: str) -> str:
    """A chart with its legend, its caption, and buttons for the two scales where both are of use."""
    entries: dict[str, tuple[int, bool]] = {}
    for line in lines:
        entries.setdefault(line.run or line.label, (line.colour % COLOURS, line.faint and not line.run))
    legend = "".join(
        f"<span class='c{colour}{' faint' if faint else ''}'><i></i>{escape(name)}</span>"
        for name, (colour, faint) in entries.items()
    )
    if any(line.run and line.faint for line in lines):
        legend += "<span>thin: train</span>"
    said = "; ".join(filter(None, (sentence, BETTER.get(better))))
    said = f"{said[:1].upper()}{said[1:]}." if said else f"{metric} over the steps of the training."
    if any(line.mark is not None for line in lines):
        said += " The ring is the checkpoint that is kept as the best."
    head = f"<div class='head'><b>{escape(metric)}</b><span class='legend'>{legend}</span></div>"
    foot = f"<figcaption>{escape(said)}</figcaption>"
    alt = f"{metric} over steps. {said}"
    ratio = wants_log(lines)
    if ratio < 20:
        drawn = _enlarging(chart(metric, lines, False, unit, alt), f"{metric}{index}", legend)
        return f"<figure class='chart'>{head}<div>{drawn}</div>{foot}</figure>"
    log_first = ratio >= 100
    buttons = "".join(
        f"<input type='radio' name='scale{index}' id='scale{index}{kind}'{' checked' if on else ''}>"
        f"<label for='scale{index}{kind}'>{kind}</label>"
        for kind, on in (("linear", not log_first), ("log", log_first))
    )
    for kind in ("linear", "log"):
        drawn = chart(metric, lines, kind == "log", unit, alt)
        buttons += f"<div class='{kind}'>{_enlarging(drawn, f'{metric}{index}{kind}', legend)}</div>"
    return f"<figure class='chart two'>{head}{buttons}{foot}</figure>"


def _enlarging(drawn: str, name: str, legend: str) -> str:
    """A chart that fills the window when it is clicked; its legend is enlarged with it."""
    return enlarging(f"<span class='legend enlarged'>{legend}</span>{drawn}", f"curve of {name}")
