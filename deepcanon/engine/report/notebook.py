"""A run in a notebook: a small separate page, and single figures."""

from dataclasses import dataclass
from pathlib import Path

from deepcanon.engine import pictures
from deepcanon.engine.figures import Figure
from deepcanon.engine.report.curves import curves_of
from deepcanon.engine.report.figures import figure_files, image_tag
from deepcanon.engine.report.folder import read_run
from deepcanon.engine.report.one_run import cards_of
from deepcanon.engine.report.style import STYLE
from deepcanon.engine.svg import draw_file
from deepcanon.engine.svg.frame import escape
from deepcanon.errors import UsageError

__all__ = ["Shown", "figure_of", "small_page"]

HEIGHT = 620
"""Pixels of the frame; what is longer scrolls in it."""


@dataclass(frozen=True)
class Shown:
    """A figure of a run; a notebook draws it.

    Attributes:
        name: of the figure.
        step: after which it was made.
        values: the plain values, a class of `deepcanon.engine.figures`.
    """

    name: str
    step: int
    values: Figure

    def __repr__(self) -> str:
        return f"<figure {self.name} after step {self.step}: {self.values.caption or type(self.values).__name__}>"

    def svg(self) -> str:
        """The picture as the text of an .svg file."""
        return draw_file(self.values)

    def _repr_html_(self) -> str:
        return image_tag("svg+xml", self.svg().encode("utf-8", "replace"), self.values.caption or self.name)


def figure_of(folder: Path, name: str) -> Shown:
    """The newest figure of that name in a run folder.

    Raises:
        UsageError: there is none; those that are there are named.
    """
    files = figure_files(read_run(folder), "figures", (".npz",))
    if name not in files:
        raise UsageError(f"{folder} has no figure {name!r}; it has {', '.join(files) or 'none'}")
    step, path = files[name][-1]
    return Shown(name, step, pictures.read_figure(path))


def small_page(folder: Path) -> str:
    """State, scores and curves in a frame, whose styles leave the notebook's own alone."""
    run = read_run(folder)
    body = f"<h1>{escape(run.name or run.label)}</h1><p>{escape(folder)}</p>{cards_of(run)}{curves_of([run])}"
    page = f"<!doctype html><html><head><style>{STYLE}</style></head><body><main>{body}</main></body></html>"
    style = f"width:100%;height:{HEIGHT}px;border:0"
    return f'<iframe title="{escape(run.label)}" style="{style}" srcdoc="{escape(page)}"></iframe>'
