"""The first page: short, and true about what there is."""

import importlib.util

from .files import ROOT


def test_the_map_of_the_first_page_has_every_recipe():
    spec = importlib.util.spec_from_file_location("summarize", ROOT / "docs" / "results" / "summarize.py")
    summarize = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(summarize)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert summarize.put(text, "map", summarize.subjects_map()) == text, "python docs/results/summarize.py"


def test_the_first_page_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 120
