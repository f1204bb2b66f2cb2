"""The figures of a run folder as the values that they were drawn from."""

from deepcanon.engine.figures import Figure
from deepcanon.engine.pictures import read_figure
from deepcanon.engine.report.figures import figure_files
from deepcanon.engine.report.folder import RunFiles
from deepcanon.serving.shelf import Row

__all__ = ["FIGURES", "stored"]

FIGURES = "figures"
"""The folder of a run that holds them."""


def stored(row: Row, name: str, step: int) -> Figure | None:
    """What a run drew at a step; None if there is no such figure.

    Raises:
        ValueError: the file is damaged.
    """
    path = dict(figure_files(RunFiles(row.folder, row.id), FIGURES, (".npz",)).get(name, ())).get(step)
    return read_figure(path) if path else None
