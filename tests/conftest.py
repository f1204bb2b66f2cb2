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
from contract.budget import (
    pytest_addoption,
    pytest_runtest_logreport,
    pytest_runtest_makereport,
    pytest_runtest_protocol,
    pytest_sessionfinish,
    pytest_terminal_summary,
)
from contract.distribution import pytest_xdist_make_scheduler, unit_of
from contract.files import recipe_files, subjects, system_files

if os.environ.get("DEEPCANON_SHAPES") != "off":
    checked = [f"deepcanon.{room}" for room in ("parts", *subjects())]
    jaxtyping.install_import_hook(checked, "beartype.beartype")

import torch
from contract.cases import Case
from contract.modules import file_of

from deepcanon.engine import drawing

__all__ = [
    "pytest_addoption", "pytest_runtest_logreport", "pytest_runtest_makereport", "pytest_runtest_protocol",
    "pytest_sessionfinish", "pytest_terminal_summary", "pytest_xdist_make_scheduler",
]  # fmt: skip

drawing.FORGIVING = False  # a picture that fails is a failure here

# One thread per test process: the processes share the cores, and equal bits need equal threads.
torch.set_num_threads(1)

FILES = {  # what must lie in $DEEPCANON_DATA for a set of the catalogue to count as there
    "mnist": "mnist",
    "fashion-mnist": "fashion-mnist",
    "tinyshakespeare": "tinyshakespeare",
    "ptb": "ptb",
    "movie-reviews": "nltk",
}


STEMS = {path.stem for path in (*system_files(), *recipe_files())}


def pytest_collection_modifyitems(items):
    """Each test is noted as its system's; the contracts of a recipe follow each other (`contract/smoke.py`)."""
    first = {}
    for place, item in enumerate(items):
        stem = stem_of(item)
        if stem:
            item.user_properties.append(("stem", stem))
        first.setdefault(unit_of(item.nodeid), place)
    items.sort(key=lambda item: first[unit_of(item.nodeid)])
    for item in items:
        for mark in item.iter_markers("real_data"):
            missing = [name for name in mark.args if not data_is_there(name)]
            if missing:
                reason = f"DEEPCANON_DATA holds no {', '.join(missing)}"
                item.add_marker(pytest.mark.skip(reason=reason))


def stem_of(item):
    """The system that a test is about: by its parameters, else by its file's name in the folder of a subject."""
    given = item.callspec.params if hasattr(item, "callspec") else {}
    if isinstance(given.get("case"), Case):
        return file_of(given["case"])
    if "stem" in given:
        return given["stem"]
    path = given.get("path")
    if isinstance(path, Path):
        return path.stem if path.parent.name in (*subjects(), "recipes") else ""
    stem = item.path.stem.removeprefix("test_")
    return stem if item.path.parent.name in subjects() and stem in STEMS else ""


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
