"""What is told: a first page that is short and true, and arguments and results of public classes."""

import ast
import importlib.util
import re

import numpy as np
import pytest
from PIL import Image

from .files import PACKAGE, ROOT, subjects


def test_the_map_of_the_first_page_has_every_recipe():
    spec = importlib.util.spec_from_file_location("summarize", ROOT / "docs" / "results" / "summarize.py")
    summarize = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(summarize)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert summarize.put(text, "map", summarize.subjects_map()) == text, "python docs/results/summarize.py"


def test_the_first_page_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 120


def test_the_picture_of_the_first_page_is_there_for_light_and_for_dark_pages():
    """Of one page and one size (`python docs/picture.py RUN`), dark where the page is dark."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    names = re.findall(r'srcset="([^"]+)"|<img src="([^"]+)"', text)
    dark, light = (Image.open(ROOT / (one or other)).convert("L") for one, other in names)
    assert dark.size == light.size and np.median(dark) < 64 and np.median(light) > 192


def public_classes():
    """(file, class) of every public class of systems and parts."""
    for path in sorted(PACKAGE.glob("*/*.py")):
        if path.parent.name not in ("parts", *subjects()):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        lists = (n.value for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "__all__")
        names = ast.literal_eval(next(lists, ast.List([])))
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and node.name in names:
                yield pytest.param(node, id=f"{path.parent.name}/{path.stem}.{node.name}")


@pytest.mark.parametrize("node", public_classes())
def test_a_public_class_tells_its_arguments_and_what_forward_returns(node):
    methods = {m.name: m for m in node.body if isinstance(m, ast.FunctionDef)}
    told = ast.get_docstring(node) or ""
    if "__init__" in methods and len(ast.unparse(methods["__init__"].args).split(",")) > 1:
        assert "Args:" in told or "Args:" in (ast.get_docstring(methods["__init__"]) or ""), "its arguments"
    if "forward" in methods:
        assert ast.get_docstring(methods["forward"]), "what forward returns"
