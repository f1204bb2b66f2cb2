"""Curves of one run or of several: a chart for each metric."""

from deepcanon.engine.charts import Line, chart, escape, wants_log
from deepcanon.engine.report.folder import SPLITS, RunFiles, by_metric, split_and_metric

__all__ = ["curves_of"]


def curves_of(runs: list[RunFiles]) -> str:
    """One chart per metric; the splits of one run, or the runs of a comparison, lie over each other."""
    several = len(runs) > 1
    keys = list(dict.fromkeys(key for run in runs for key in run.series))
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
            charts.append(_chart_card(metric, lines, len(charts)))
    return f"<div class='charts'>{''.join(charts)}</div>" if charts else ""


def _chart_card(metric: str, lines: list[Line], index: int) -> str:
    entries: dict[str, tuple[int, bool]] = {}
    for line in lines:
        entries.setdefault(line.run or line.label, (line.colour % 8, line.faint and not line.run))
    legend = "".join(
        f"<span class='c{colour}{' faint' if faint else ''}'><i></i>{escape(name)}</span>"
        for name, (colour, faint) in entries.items()
    )
    if any(line.run and line.faint for line in lines):
        legend += "<span>thin: train</span>"
    ratio = wants_log(lines)
    head = f"<figcaption><b>{escape(metric)}</b><span class='legend'>{legend}</span></figcaption>"
    if ratio < 20:
        return f"<figure class='chart'>{head}{chart(metric, lines)}</figure>"
    log_first = ratio >= 100
    buttons = "".join(
        f"<input type='radio' name='scale{index}' id='scale{index}{kind}'{' checked' if on else ''}>"
        f"<label for='scale{index}{kind}'>{kind}</label>"
        for kind, on in (("linear", not log_first), ("log", log_first))
    )
    return (
        f"<figure class='chart two'>{head}{buttons}<div class='linear'>{chart(metric, lines)}</div>"
        f"<div class='log'>{chart(metric, lines, log=True)}</div></figure>"
    )
