"""A run in a notebook: a page in a frame, figures as pictures and values, a bar below the cell."""

import html
import sys
import types

import pytest

import deepcanon
from deepcanon.engine.figures import Heat
from deepcanon.engine.progress import Progress
from deepcanon.errors import UsageError


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("notebook") / "a <run>"
    return deepcanon.train("mlp", preset="smoke", out=out, quiet=True, threads=1, precision="fp32")


def test_a_run_shows_itself_as_a_small_page(run):
    frame = run._repr_html_()
    assert frame.startswith("<iframe ") and frame.count("<") == 2, "the page is in the attribute, escaped"
    page = html.unescape(frame.split('srcdoc="')[1].removesuffix('"></iframe>'))
    assert page.startswith("<!doctype html>") and "<h1>mlp</h1>" in page and "a &lt;run&gt;" in page
    assert "done" in page and "valid/error" in page and page.count("<svg") >= 2
    assert "http://" not in page.replace("http://www.w3.org/", "") and "https://" not in page
    assert len(frame) < 300_000


def test_metrics_and_history_are_those_of_the_files(run):
    steps, values = run.history["valid/error"]
    assert steps == sorted(steps) and len(steps) == len(values) and steps[-1] == run.status()["step"]
    assert run.metrics["valid/error"] == values[-1] == run.status()["metrics"]["valid/error"]


def test_a_figure_is_values_and_a_picture(run):
    assert "confusion" in run.figures
    shown = run.figure("confusion")
    assert isinstance(shown.values, Heat) and shown.values.y == "true class" and shown.step == run.status()["step"]
    assert shown.svg().startswith("<svg") and shown._repr_html_().startswith("<img src='data:image/svg+xml;base64,")
    assert repr(shown).startswith(f"<figure confusion after step {shown.step}: ")
    with pytest.raises(UsageError, match=r"has no figure 'confuson'; it has .*confusion"):
        run.figure("confuson")


def test_a_cell_has_one_line_that_is_written_over(monkeypatch, capsys):
    shown = []

    class Display:
        def update(self, content):
            shown.append(content)

    shell = type("ZMQInteractiveShell", (), {})()
    display = types.ModuleType("IPython.display")
    display.HTML, display.display = str, lambda content, display_id: Display()
    top = types.ModuleType("IPython")
    top.get_ipython, top.display = lambda: shell, display
    monkeypatch.setitem(sys.modules, "IPython", top)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    bar = Progress(0, 100)
    bar.metrics({"train/loss": 0.5, "valid/<x>": 0.25})
    bar.shown -= 1
    bar.advance(50)
    bar.close(100)
    assert [text.split("</progress> ")[1].split()[0] for text in shown] == ["50/100", "100/100"]
    assert '<progress value="50" max="100"' in shown[0] and "valid/&lt;x&gt; 0.25" in shown[0]
    assert capsys.readouterr() == ("", "")
    shell.__class__.__name__ = "TerminalInteractiveShell"
    assert Progress(0, 100).cell is None, "IPython on a terminal"
    assert Progress(0, 100, quiet=True).cell is None
