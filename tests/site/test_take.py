"""Pictures for the site from a run that was trained before: a drawing as it is, and a text where there is none."""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs" / "site"))

import take

from deepcanon.engine.figures import Bars, Text
from deepcanon.engine.pictures import save_figures


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(take, "PICTURES", tmp_path / "pictures")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"name": "neural-lm", "preset": "default"}))
    (folder / "status.json").write_text(json.dumps({"state": "done"}))
    long = "\n".join(["a < b & c", "字" * 50, *map(str, range(30))])
    save_figures(folder / "samples", 3, {"sample": Text("earlier", "Said of the text.")})
    save_figures(folder / "samples", 20, {"sample": Text(long, "Said of the text.")})
    (folder / "figures").mkdir()
    return folder


def test_a_text_is_drawn_where_there_is_no_drawing(run):
    drawn = take.take("neural-lm", "", run)
    lines = [one.text for one in ElementTree.parse(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert drawn.name == "neural_lm.svg" and len(lines) == take.LINES
    assert lines[:1] + lines[2:4] == ["a < b & c", "0", "1"]
    assert lines[1].endswith("字…") and 2 * len(lines[1]) <= take.COLUMNS + 2
    about = json.loads(drawn.with_suffix(".json").read_text())
    assert about == {"figure": "sample", "caption": "Said of the text.", "command": "deepcanon train neural-lm"}


def test_a_drawing_comes_before_a_text(run):
    save_figures(run / "figures", 20, {"bars": Bars({"a": 1.0}, "weight", caption="Said of the bars.")})
    drawn = take.take("neural-lm", "", run)
    assert drawn.read_bytes() == (run / "figures" / "bars-00000020.svg").read_bytes()
    assert json.loads(drawn.with_suffix(".json").read_text())["caption"] == "Said of the bars."


@pytest.mark.parametrize("about", [{"state": "running"}, {"state": "done", "name": "mlp"}])
def test_another_run_is_refused(run, about):
    (run / "status.json").write_text(json.dumps({"state": about["state"]}))
    (run / "config.json").write_text(json.dumps({"name": about.get("name", "neural-lm"), "preset": "default"}))
    with pytest.raises(SystemExit, match="not neural-lm default done"):
        take.take("neural-lm", "", run)
