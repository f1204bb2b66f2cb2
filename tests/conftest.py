"""Set-up of all tests: paths, one thread, data that may be missing, and the run-time check of shapes.

jaxtyping's import hook checks every annotation of the systems while the tests run. It is a hook of the tests, never a
decorator in the package, and off where `DEEPCANON_SHAPES=off` (tests of torch.compile).
"""

import os
import sys
from pathlib import Path

TESTS = Path(__file__).parent
for place in (TESTS, TESTS.parent):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import jaxtyping
import pytest

SUBJECTS = sorted(
    f"deepcanon.{folder.name}"
    for folder in (TESTS.parent / "deepcanon").iterdir()
    if folder.is_dir() and folder.name not in ("data", "engine", "recipes", "cli", "__pycache__")
)
if os.environ.get("DEEPCANON_SHAPES") != "off":
    jaxtyping.install_import_hook(SUBJECTS, "beartype.beartype")

import torch

# One thread per test process: the processes share the cores, and equal bits need equal threads.
torch.set_num_threads(1)

FILES = {  # what must lie in $DEEPCANON_DATA for a set of the catalogue to count as there
    "mnist": "mnist",
    "fashion-mnist": "fashion-mnist",
    "tinyshakespeare": "tinyshakespeare",
    "ptb": "ptb",
    "movie-reviews": "nltk",
}


def pytest_collection_modifyitems(items):
    for item in items:
        for mark in item.iter_markers("real_data"):
            missing = [name for name in mark.args if not data_is_there(name)]
            if missing:
                reason = f"DEEPCANON_DATA holds no {', '.join(missing)}"
                item.add_marker(pytest.mark.skip(reason=reason))


def data_is_there(name):
    """Whether $DEEPCANON_DATA has a folder of that name with something in it."""
    folder = os.environ.get("DEEPCANON_DATA")
    place = Path(folder, FILES.get(name, name)) if folder else None
    return bool(place and place.is_dir() and any(place.iterdir()))


@pytest.fixture(autouse=True)
def _one_thread_and_fixed_seeds():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(1)
