"""The frame of every page, and the list of runs. Texts of run folders are escaped where they are put into a page."""

import datetime
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from deepcanon import heads
from deepcanon.engine.report.values import STATES, value_text
from deepcanon.engine.svg.frame import escape
from deepcanon.serving.shelf import Row, Shelf

__all__ = ["address", "framed", "list_page", "list_rows", "row_cells"]

HEADS = (
    ("run", "text"), ("recipe", "text"), ("data", "text"), ("state", "text"), ("step", "n"), ("best", "n"),
    ("changed", "n"),
)  # fmt: skip
NAMED = 8
"""Folders without a run that are named."""


def address(row: Row) -> str:
    """How addresses name a run."""
    return quote(row.id, safe="/")


def framed(title: str, body: str, up: str, script: str = "page.js", **attributes: str) -> str:
    """A page.

    Args:
        title: not escaped yet.
        body: HTML.
        up: from this page to the list, such as "../".
        script: the file that makes the page live.
        attributes: of the body, for the script (`data-...`), not escaped yet.
    """
    data = "".join(f" data-{name}='{escape(value)}'" for name, value in {"up": up, **attributes}.items())
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        "<meta name='color-scheme' content='light dark'>"
        f"<title>{escape(title)}</title><link rel='icon' href='data:,'><link rel='stylesheet' href='{up}style.css'>"
        f"<script type='module' src='{up}{script}'></script></head>\n"
        f"<body{data}><main>{body}</main></body></html>\n"
    )


def list_page(shelf: Shelf, rows: Sequence[Row], version: int, train: bool = False) -> str:
    """The runs of the folder in their order; by the version the page asks for what changed.

    Args:
        train: whether trainings may be started here.
    """
    heads = "".join(f"<th class='{kind}'><button type='button'>{name}</button></th>" for name, kind in HEADS)
    body = (
        f"<header><p class='eyebrow'>deepcanon serve</p><h1>Runs</h1><p class='folder'>{escape(shelf.folder)}</p>"
        f"</header>{_training() if train else ''}<form class='bar-of' action='compare'>"
        "<label>Search <input type='search' id='words' placeholder='recipe, data, state' autocomplete='off'></label>"
        "<button id='compare'>Compare the selected</button>"
        f"<span id='count' aria-live='polite'>{_count(rows)}</span>"
        f"<div class='wide'><table id='runs'><thead><tr><th><span class='hidden'>select</span></th>{heads}</tr></thead>"
        f"<tbody id='rows'>{list_rows(rows)}</tbody></table></div></form>{_others(shelf, rows)}"
    )
    return framed("deepcanon: runs", body, "", page="list", version=str(version), train=str(int(train)))


def list_rows(rows: Sequence[Row]) -> str:
    """The rows of the list as HTML."""
    return "".join(map(_row, rows))


def _training() -> str:
    """The form that starts a training; without data and steps the preset's are taken."""
    names = "".join(f"<option>{stem.replace('_', '-')}</option>" for stem in heads.stems())
    return (
        "<details class='panel'><summary>Train</summary><form id='train'><div class='cells'>"
        f"<label>recipe <select name='recipe'>{names}</select></label>"
        "<label>preset <input type='text' name='preset' value='default'></label>"
        "<label>data <input type='text' name='data' placeholder='those of the preset'></label>"
        "<label>steps <input type='number' name='steps' min='1' placeholder='those of the preset'></label></div>"
        "<button class='main'>Train</button> <span class='note' role='status'></span></form></details>"
    )


def _row(row: Row) -> str:
    if row.problem:
        label = f"<td></td><td>{escape(row.id)}</td><td colspan='2' class='why'>{escape(row.problem)}</td>"
        return f"<tr class='broken'>{label}<td class='state bad'>broken</td><td></td><td></td>{_when(row)}</tr>"
    box = f"<input type='checkbox' name='run' value='{escape(row.id)}' aria-label='select {escape(row.id)}'>"
    return f"<tr><td>{box}</td>{row_cells(row)}</tr>"


def row_cells(row: Row, up: str = "") -> str:
    """The cells of a run that can be shown; `up` leads from the page to the list."""
    best: dict[str, Any] = row.best or {}
    score = best.get("value")
    sorted_by = f" data-value='{score}'" if isinstance(score, int | float) else ""
    shown = f"<b>{escape(value_text(score))}</b> <small>{escape(best.get('metric'))}</small>" if best else ""
    step = "" if row.step is None else f"{row.step:,}"
    of = f" <small>of {row.steps:,}</small>" if row.steps is not None and step else ""
    return (
        f"<td><a href='{up}run/{address(row)}'>{escape(row.id)}</a></td><td>{escape(row.recipe)}</td>"
        f"<td>{escape(row.data)}</td><td class='state {STATES.get(row.state, 'pause')}'>{escape(row.state)}</td>"
        f"<td class='n' data-value='{row.step or 0}'>{step}{of}</td><td class='n'{sorted_by}>{shown}</td>{_when(row)}"
    )


def _when(row: Row) -> str:
    if not row.changed:
        return "<td class='n' data-value='0'></td>"
    text = datetime.datetime.fromtimestamp(row.changed).isoformat(" ", "minutes")
    return f"<td class='n' data-value='{row.changed:.3f}'>{text}</td>"


def _count(rows: Sequence[Row]) -> str:
    return f"{len(rows):,} run{'s' * (len(rows) != 1)}"


def _others(shelf: Shelf, rows: Sequence[Row]) -> str:
    """A line about the folders that hold no run."""
    if not rows and not shelf.others:
        return "<p class='none'>There are no runs here yet: <code>deepcanon train NAME</code> makes one.</p>"
    if not shelf.others:
        return ""
    named = ", ".join(map(escape, sorted(shelf.others)[:NAMED]))
    more = f" and {len(shelf.others) - NAMED:,} more" if len(shelf.others) > NAMED else ""
    return f"<p class='note'>Folders without a run: {named}{more}.</p>"
