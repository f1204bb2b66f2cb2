"""The page of several runs: in what they differ, what each reached, the spread over seeds, curves over each other."""

import json
import math
import statistics

from deepcanon.engine.report.curves import curves_of
from deepcanon.engine.report.figures import figure_files, small_figure, texts_of
from deepcanon.engine.report.folder import RunFiles, split_and_metric
from deepcanon.engine.report.values import STATES, time_text, value_text
from deepcanon.engine.svg.frame import escape, number
from deepcanon.engine.svg.style import COLOURS

__all__ = ["page_of_several"]

SEEDLIKE = ("seed", "out", "minutes")
"""Settings in which two runs may differ and still be one experiment repeated."""


def page_of_several(runs: list[RunFiles]) -> tuple[str, str]:
    """Title and body."""
    names = list(dict.fromkeys(run.name for run in runs))
    title = f"{len(runs)} runs of {', '.join(names)}" if len(names) < 4 else f"{len(runs)} runs"
    differing = _differing(runs)
    measured = _measured(runs)
    lead = "They differ in: " + ", ".join(differing) if differing else "All have the same options."
    body = [
        f"<header><p class='eyebrow'>deepcanon comparison</p><h1>{escape(title)}</h1>",
        f"<p class='lead'>{escape(lead)}</p></header>",
    ]
    body += [f"<p class='warn'>{escape(run.label)}: {escape(problem)}</p>" for run in runs for problem in run.problems]
    for name, title_of, content in (
        ("verdict", "Verdict", _verdict(runs, differing)),
        ("runs", "Runs", _run_table(runs, differing, measured)),
        ("seeds", "Over seeds", _seed_table(runs, differing, measured)),
        ("curves", "Curves", curves_of(runs)),
        ("figures", "Latest figures", _latest_figures(runs)),
    ):
        if content:
            body.append(f"<section id='{name}'><h2>{title_of}</h2>{content}</section>")
    return title, "".join(body)


def _latest_figures(runs: list[RunFiles]) -> str:
    latest = []
    for index, run in enumerate(runs):
        shown = []
        for name, files in figure_files(run, "figures", (".npz", ".png")).items():
            step, path = files[-1]
            if picture := small_figure(path, name):
                caption = f"<figcaption>{escape(name.replace('_', ' '))}, step {step:,}</figcaption>"
                shown.append(f"<figure>{picture}{caption}</figure>")
        if shown:
            latest.append(
                f"<h3 class='c{index % COLOURS}'><i></i>{escape(run.label)}</h3><div class='row'>{''.join(shown)}</div>"
            )
    return "".join(latest)


def _differing(runs: list[RunFiles]) -> list[str]:
    options = [run.options() for run in runs]
    keys = dict.fromkeys(key for each in options for key in each)
    missing = object()
    return [
        key
        for key in keys
        if key != "out" and any(o.get(key, missing) != options[0].get(key, missing) for o in options)
    ]


def _measured(runs: list[RunFiles]) -> list[str]:
    """The keys whose last values are compared: what was evaluated, or else what was trained."""
    keys = list(dict.fromkeys(key for run in runs for key in run.series))
    evaluated = [key for key in keys if split_and_metric(key)[0] in ("valid", "test")]
    return evaluated or [key for key in keys if split_and_metric(key)[0] == "train"][:4]


def _best_of(run: RunFiles) -> float:
    value = run.best.get("value")
    if isinstance(value, str) and value in ("nan", "inf", "-inf"):
        value = float(value)
    return float(value) if isinstance(value, int | float) else math.nan


def _last(run: RunFiles, key: str) -> float:
    return run.series[key][1][-1] if key in run.series else math.nan


def _watched(runs: list[RunFiles]) -> str:
    """The metric that decides the best checkpoint, where it is the same in all runs."""
    names = {str(run.best.get("metric") or "") for run in runs}
    return names.pop() if len(names) == 1 else ""


def _run_table(runs: list[RunFiles], differing: list[str], measured: list[str]) -> str:
    watched = _watched(runs)
    head = "<th>run</th>" + "".join(f"<th>{escape(key)}</th>" for key in differing)
    head += "<th>state</th><th class='n'>step</th><th class='n'>time</th>"
    head += f"<th class='n'>best {escape(watched)}</th>" if watched else ""
    head += "".join(f"<th class='n'>{escape(key)}</th>" for key in measured)
    rows = []
    for index, run in enumerate(runs):
        options, status = run.options(), run.status
        state = str(status.get("state") or "unknown")
        seconds = status.get("seconds")
        time = time_text(seconds) if isinstance(seconds, int | float) else "–"
        cells = [f"<td class='label c{index % COLOURS}'><i></i>{escape(run.label)}</td>"]
        cells += [f"<td>{escape(value_text(options.get(key)))}</td>" for key in differing]
        cells.append(f"<td class='state {STATES.get(state, 'pause')}'>{escape(state)}</td>")
        cells.append(f"<td class='n'>{escape(value_text(status.get('step')))}</td><td class='n'>{escape(time)}</td>")
        if watched:
            cells.append(f"<td class='n'><b>{_maybe(_best_of(run))}</b></td>")
        cells += [f"<td class='n'>{_maybe(_last(run, key))}</td>" for key in measured]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f"<div class='wide'><table><tr>{head}</tr>{''.join(rows)}</table></div>"


def _maybe(value: float) -> str:
    return "–" if math.isnan(value) else number(value)


def _groups(runs: list[RunFiles], differing: list[str]) -> tuple[list[str], list[list[RunFiles]]]:
    """Options in which the runs differ apart from their seeds, and the runs that are equal in them."""
    groups: dict[str, list[RunFiles]] = {}
    kept = [key for key in differing if key not in SEEDLIKE]
    for run in runs:
        options = run.options()
        groups.setdefault(json.dumps([options.get(key) for key in kept], default=str), []).append(run)
    return kept, list(groups.values())


def _verdict(runs: list[RunFiles], differing: list[str]) -> str:
    """Which runs reached most, and whether it can be told; what experiments say of themselves."""
    parts = []
    watched = _watched(runs)
    better = runs[0].metric(watched)[2]
    kept, groups = _groups(runs, differing)
    found = []
    for group in groups:
        values = [value for run in group if math.isfinite(value := _best_of(run))]
        options = group[0].options()
        words = ", ".join(f"{key} {value_text(options.get(key))}" for key in kept)
        if values:
            found.append((statistics.fmean(values), values, words or group[0].label))
    if better and len(found) > 1:
        found.sort(key=lambda entry: entry[0] if better == "min" else -entry[0])
        rows = []
        for place, (mean, values, words) in enumerate(found[:8]):
            seeds = f" (mean of {len(values)} seeds, {number(min(values))} to {number(max(values))})"
            rows.append(f"{place + 1}. {words}: {number(mean)}{seeds if len(values) > 1 else ''}")
        parts.append(f"<p>{'Lowest' if better == 'min' else 'Highest'} best {escape(watched)} first:</p>")
        parts.append(f"<pre>{escape(chr(10).join(rows))}</pre><p class='caption'>{escape(_told(found, better))}</p>")
    for run in runs:
        if text := texts_of(run, "samples", first=True):
            parts.append(f"<h3>{escape(run.label)}</h3>{text}")
    return f"<div class='verdict'>{''.join(parts)}</div>" if parts else ""


def _told(found: list, better: str) -> str:
    """Whether the first two places differ by more than their seeds do."""
    (_, first, _), (_, second, _) = found[:2]
    if len(first) < 2 or len(second) < 2:
        return "With one seed each nothing tells a difference from chance: train more seeds."
    apart = max(first) < min(second) if better == "min" else min(first) > max(second)
    if apart:
        return "The first is ahead of the second with every seed."
    return "The first two overlap over their seeds: no difference is shown."


def _seed_table(runs: list[RunFiles], differing: list[str], measured: list[str]) -> str:
    """Mean and spread over the runs that are equal but for their seed."""
    kept, groups = _groups(runs, differing)
    if max(map(len, groups)) < 2:
        return ""
    watched = _watched(runs)
    head = "".join(f"<th>{escape(key)}</th>" for key in kept) + "<th>seeds</th>"
    head += f"<th class='n'>best {escape(watched)}</th>" if watched else ""
    head += "".join(f"<th class='n'>{escape(key)}</th>" for key in measured)
    rows = []
    for group in groups:
        options = group[0].options()
        cells = [f"<td>{escape(value_text(options.get(key)))}</td>" for key in kept]
        cells.append(f"<td>{escape(', '.join(value_text(run.options().get('seed')) for run in group))}</td>")
        columns = [[_best_of(run) for run in group]] if watched else []
        columns += [[_last(run, key) for run in group] for key in measured]
        cells += [f"<td class='n'>{_mean_and_spread(values)}</td>" for values in columns]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    note = "<p class='note'>Mean ± sample standard deviation; below, the smallest and the largest.</p>"
    return f"<div class='wide'><table><tr>{head}</tr>{''.join(rows)}</table></div>{note}"


def _mean_and_spread(values: list[float]) -> str:
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return "–"
    lost = f"<br><small class='bad'>{len(values) - len(finite)} not finite</small>" if len(finite) < len(values) else ""
    if len(finite) == 1:
        return number(finite[0]) + lost
    spread = statistics.stdev(finite)
    return (
        f"<b>{number(statistics.fmean(finite))}</b> ± {spread:.2g}"
        f"<br><small>{number(min(finite))} to {number(max(finite))}</small>{lost}"
    )
