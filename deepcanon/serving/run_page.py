"""The page of one run: state and curves that follow a training, figures and texts over time, options, trials."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from deepcanon.engine.figures import Scatter
from deepcanon.engine.pictures import read_captions
from deepcanon.engine.report.curves import curves_of
from deepcanon.engine.report.figures import VERDICT, drawn_file, figure_files, text_file, texts_of
from deepcanon.engine.report.folder import RunFiles, as_dict, read_run
from deepcanon.engine.report.one_run import cards_of, option_table
from deepcanon.engine.svg.frame import escape
from deepcanon.serving.matrices import matrix_html, matrix_of
from deepcanon.serving.pages import address, framed, row_cells
from deepcanon.serving.shelf import Row, Shelf
from deepcanon.serving.stored import FIGURES, stored

__all__ = ["figure_html", "live", "run_page", "stamp_of"]

FOLDERS = ("figures", "samples")
TRIED = {"predict", "encode", "generate", "play"}
"""Verbs that have a panel."""
PICTURES, TEXTS = (".npz", ".png"), (".txt",)


def stamp_of(row: Row) -> str:
    """Differs when anything that the page shows has changed."""
    parts: list[int] = []
    for name in ("config.json", "status.json", "metrics.jsonl", *FOLDERS):
        try:
            found = (row.folder / name).stat()
            parts += [found.st_mtime_ns, found.st_size]
        except OSError:
            parts.append(0)
    return "-".join([row.state, *map(str, parts)])


def run_page(shelf: Shelf, row: Row, train: bool = False) -> str:
    """The page of a run; with `train` it can be resumed, and stopped if this server trains it."""
    run = _read(row)
    up = "../" * (row.id.count("/") + 1)
    summary, verbs = run.config.get("summary"), run.config.get("verbs")
    links = [f"<a href='{up}report/{address(row)}'>report</a>"]
    if isinstance(verbs, list) and not TRIED.isdisjoint(map(str, verbs)):
        links.insert(0, f"<a class='main' href='{up}try/{address(row)}'>try it</a>")
    verdict = texts_of(run, "samples", first=True)
    if train:
        links.append("<button type='button' id='resume' hidden>Resume</button>")
        links.append(
            "<button type='button' id='stop' hidden>Stop</button><span class='note' id='told' role='status'></span>"
        )
    trials = shelf.trials(row)
    shown = live(row, run)
    body = [
        f"<p class='way'><a href='{up}'>all runs</a></p>",
        f"<header><p class='eyebrow'>{escape(run.name)}</p><h1>{escape(row.id)}</h1>",
        f"<p class='lead'>{escape(summary)}</p>" if summary else "",
        f"<p class='links'>{''.join(links)}</p></header>",
        f"<section class='verdict'><h2>Verdict</h2>{verdict}</section>" if verdict else "",
        f"<div id='cards'>{shown['cards']}</div><div id='problems'>{shown['problems']}</div>",
        f"<section><h2>Curves</h2><div id='curves'>{shown['curves']}</div></section>",
        "<section><h2>Over time</h2><div class='pictures' id='figures'></div>",
        "<noscript>The report has the pictures.</noscript></section>",
        f"<section><h2>Trials</h2>{_trials(trials, up)}</section>" if trials else "",
        f"<section><h2>Options</h2>{option_table(run)}</section>",
    ]
    figures = json.dumps(shown["figures"])
    return framed(
        f"{row.id}: deepcanon",
        "".join(body),
        up,
        page="run",
        run=address(row),
        stamp=shown["stamp"],
        state=row.state,
        train=str(int(train)),
        figures=figures,
    )


def live(row: Row, run: RunFiles | None = None) -> dict[str, Any]:
    """What changes while a run is trained: HTML of its cards and curves, and of each figure the steps that are there.

    "figures" is a list of [folder, name, [steps]].
    """
    stamp = stamp_of(row)  # before anything is read: what changes meanwhile is seen next time
    run = run or _read(row)
    figures = [
        [folder, name, [step for step, _ in files]]
        for folder in FOLDERS
        for suffixes in (PICTURES, TEXTS)
        for name, files in figure_files(run, folder, suffixes).items()
        if (folder, name) != ("samples", VERDICT)
    ]
    curves = curves_of([run]) or "<p class='none'>Nothing has been measured yet.</p>"
    problems = "".join(f"<p class='warn'>{escape(problem)}</p>" for problem in run.problems)
    return {
        "stamp": stamp,
        "state": row.state,
        "cards": cards_of(run),
        "problems": problems,
        "curves": curves,
        "figures": figures,
    }


def figure_html(row: Row, folder: str, name: str, step: int) -> str | None:
    """A figure or a text of a step, with its caption; None if it is not there."""
    if folder not in FOLDERS:
        return None
    run = RunFiles(row.folder, row.id)
    for suffixes in (PICTURES, TEXTS):
        path = dict(figure_files(run, folder, suffixes).get(name, ())).get(step)
        if path:
            try:
                return _drawn(row, path, name, step)
            except (OSError, ValueError) as error:
                return f"<p class='warn'>{escape(path.name)} cannot be shown: {escape(error)}</p>"
    return None


def _drawn(row: Row, path: Path, name: str, step: int) -> str:
    """A figure; a matrix that counts examples as a table that opens them, below a map the way to it."""
    if path.suffix.lower() == ".txt":
        shown, caption = f"<pre>{escape(text_file(path))}</pre>", read_captions(path.parent).get(name, "")
    else:
        shown, caption, _ = drawn_file(path, name)
    html = f"<div class='canvas'>{shown}</div>"
    more = ""
    if path.suffix.lower() == ".npz" and path.parent.name == FIGURES:
        figure = stored(row, name, step)
        if matrix := matrix_of(figure):
            html = matrix_html(matrix, html)
        if isinstance(figure, Scatter):
            up, asked = "../" * (row.id.count("/") + 1), urlencode({"name": name, "step": step})
            more = f"<p class='links'><a href='{up}map/{address(row)}?{escape(asked)}'>look closer</a></p>"
    return f"{html}<figcaption>{escape(caption)}</figcaption>{more}"


def _read(row: Row) -> RunFiles:
    """The files of a run, with the state that it is in and the step that it has reached: `status.json` may lag."""
    run = read_run(row.folder)
    if row.state != run.status.get("state"):
        known = as_dict(run.status)
        gone = "its process is gone" if known.get("state") == "running" else None
        run.status = {**known, "state": row.state, "reason": gone}
    reached = max((steps[-1] for steps, _ in run.series.values()), default=0)
    if row.state == "running" and type(told := run.status.get("step")) is int and told < reached:
        run.status = {**run.status, "step": reached}
    return run


def _trials(trials: list[Row], up: str) -> str:
    rows = "".join(
        f"<tr><td>{escape(trial.id)}</td><td colspan='6' class='why'>{escape(trial.problem)}</td></tr>"
        if trial.problem
        else f"<tr>{row_cells(trial, up)}</tr>"
        for trial in trials
    )
    heads = "".join(f"<th>{name}</th>" for name in ("trial", "recipe", "data", "state", "step", "best", "changed"))
    return f"<div class='wide'><table><tr>{heads}</tr>{rows}</table></div>"
