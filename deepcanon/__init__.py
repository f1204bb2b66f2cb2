"""deepcanon: the classic deep-learning systems, correct, fast, resumable, verified.

The verbs of the command line are functions here too (imported on first use, so that `import deepcanon` is fast):

    run = deepcanon.train("convnet", data="digits", steps=200)
    run = deepcanon.load("runs/convnet-1")
    run.predict("images/")
    run = deepcanon.resume("runs/convnet-1", steps=400)
    deepcanon.report(["runs/convnet-1", "runs/convnet-2"], to="both.html")
    run = deepcanon.train("pca", data=X)  # or (X, y): arrays instead of a name or path
    codes = deepcanon.Estimator("pca", components=5).fit_transform(X)  # in scikit-learn's pipelines and searches
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepcanon.estimator import Estimator as Estimator
    from deepcanon.verbs import Trained as Trained
    from deepcanon.verbs import load as load
    from deepcanon.verbs import report as report
    from deepcanon.verbs import resume as resume
    from deepcanon.verbs import train as train

__version__ = "0.2.0.dev0"
__all__ = ["Estimator", "Trained", "__version__", "load", "report", "resume", "train"]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name in ("Trained", "load", "report", "resume", "train"):
        return getattr(importlib.import_module("deepcanon.verbs"), name)
    if name == "Estimator":
        return importlib.import_module("deepcanon.estimator").Estimator
    raise AttributeError(f"module 'deepcanon' has no attribute {name!r}")
