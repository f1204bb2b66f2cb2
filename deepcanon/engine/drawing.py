"""The figures, text samples and the report of a run, drawn as long as they cost little; failures never stop the run."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from deepcanon.engine import pictures
from deepcanon.engine.contract import Recipe
from deepcanon.engine.figures import Text
from deepcanon.engine.instances import eval_mode, seed_generators
from deepcanon.engine.report import write_report
from deepcanon.errors import Abandoned

__all__ = ["Drawing"]

SHARE = 20  # figures may take 1/20 of the time; the last ones are always drawn
FORGIVING = True  # the tests turn this off


class Drawing:
    """Draws into the folder of a run; `say` takes what could not be drawn, once."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.folder, self.say = folder, say
        self.drawn = self.cost = 0.0
        self.said: set[str] = set()

    def figures(self, recipe: Recipe[Any], step: int, last: bool) -> None:
        """Writes the recipe's pictures and text samples of this step, if it is time for them or they are the last."""
        if last or time.monotonic() - self.drawn >= SHARE * self.cost:
            self._forgiving(lambda: self._figures(recipe, step), "the figures could not be drawn")

    def _figures(self, recipe: Recipe[Any], step: int) -> None:
        began = time.monotonic()
        seed_generators(recipe.run.seed, step, "figures")
        with eval_mode(recipe), torch.no_grad():
            shown = recipe.figures()
        texts = {name: value for name, value in shown.items() if isinstance(value, Text)}
        pictures.save_figures(self.folder / "samples", step, texts)
        pictures.save_figures(self.folder / "figures", step, {n: v for n, v in shown.items() if n not in texts})
        self.drawn = time.monotonic()
        self.cost = self.drawn - began

    def report(self) -> None:
        """Writes `report.html`."""
        self._forgiving(
            lambda: write_report([self.folder], self.folder / "report.html"), "the report could not be written"
        )

    def _forgiving(self, draw: Callable[[], Any], what: str) -> None:
        try:
            draw()
        except Abandoned:
            raise
        except Exception as error:
            if not FORGIVING:
                raise
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            if (words := f"{what} ({reason}); the training is not affected") not in self.said:
                self.said.add(words)
                self.say(words)
