"""Figures in a report: their captions, the verdict before all else, no address, a small page, damaged files."""

import base64
import json
import re
import wave

import numpy as np
import pytest
from engine.test_report import make_run, report

from deepcanon.engine import pictures
from deepcanon.engine.figures import Bars, Heat, Line, Panels, Plot, Sound, Text, Tiles
from deepcanon.engine.pictures import save_figures
from deepcanon.engine.svg.frame import escape

EVIL = "<script>alert('x')</script>\"'&"


def test_captions_stand_below_figures_and_are_their_alternative_text(tmp_path):
    folder = make_run(tmp_path / "a")
    said = f"Weights of the columns: {EVIL}"
    save_figures(folder / "figures", 200, {"weights": Bars({"a": 1.0}, "weight", caption=said)})
    page, text = report(folder, to=tmp_path / "r.html")
    assert f"<figcaption>{escape(said)}</figcaption>" in text
    assert ("svg", "aria-label", said) in page.attributes
    images = [value for tag, key, value in page.attributes if tag == "img" and key == "alt"]
    assert images and all(images)
    drawn = [value for tag, key, value in page.attributes if tag == "svg" and key == "role"]
    labels = [value for tag, key, value in page.attributes if tag == "svg" and key == "aria-label"]
    assert len(drawn) == len(labels) == text.count('<svg class="fig"') and all(labels)


def test_a_sound_is_played_by_the_page_and_lies_in_a_file(tmp_path):
    folder, values = make_run(tmp_path / "a"), np.random.default_rng(0).uniform(-1, 1, (2, 400))
    written = save_figures(folder / "figures", 200, {"samples": Sound(values, 8000, ["a", "b"], caption="Noise.")})
    files = sorted(path for path in written if path.suffix == ".wav")
    assert [path.name for path in files] == ["samples-1-00000200.wav", "samples-2-00000200.wav"]
    with wave.open(str(files[1])) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (8000, 1, 400)
        heard = np.frombuffer(file.readframes(400), "<i2") / 32768
    assert np.abs(heard - values[1]).max() <= 1 / 32768
    page, _ = report(folder, to=tmp_path / "r.html")
    played = [value for tag, key, value in page.attributes if tag == "audio" and key == "src"]
    assert [base64.b64decode(one.split(",")[1]) for one in played] == [path.read_bytes() for path in files]


def test_a_figure_is_enlarged_without_a_script(tmp_path):
    page, text = report(make_run(tmp_path / "a"), to=tmp_path / "r.html")
    boxes = [value for tag, key, value in page.attributes if tag == "input" and key == "id" and "zoom" in value]
    labels = [value for tag, key, value in page.attributes if tag == "label" and key == "for" and "zoom" in value]
    assert boxes == labels and len(boxes) == len(set(boxes)) == 4  # the filters; two scales of the loss, the error
    assert ".zoom:checked+.canvas{position:fixed" in text and "<script" not in text
    # Labels right inside a chart's figure are its buttons, which lie in its corner.
    before = re.findall(r"(<[^<>]*>)<input type='checkbox' class='zoom'", text)
    assert {tag.split()[0].strip("<>") for tag in before} == {"div", "figure"}
    assert not [tag for tag in before if "chart" in tag] and before.count("<figure>") == 1


def test_no_identifier_occurs_twice(tmp_path):
    folder = make_run(tmp_path / "a")
    plot = Plot([Line([1, 2])], "x", "y")
    save_figures(folder / "figures", 200, {"one": plot, "two": plot, "three": Panels([plot, plot])})
    page, _ = report(folder, to=tmp_path / "r.html")
    known = [value for _, key, value in page.attributes if key == "id"]
    assert len(known) == len(set(known))
    names = {value[1:] for tag, key, value in page.attributes if tag == "a" and key == "href"}
    assert names <= set(known)


def test_the_verdict_of_an_experiment_stands_first(tmp_path):
    folder = make_run(tmp_path / "dropout-1", name="dropout")
    rows = [{"step": step, "train/trials": step, "train/failed": 0} for step in range(1, 5)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    save_figures(folder / "samples", 200, {"verdict": Text("plain 0.2, dropout 0.1: shown\n", "Means and intervals.")})
    page, text = report(folder, to=tmp_path / "r.html")
    body = text.split("</header>", 1)[1]
    assert body.startswith("<section id='verdict'") and body.index("dropout 0.1: shown") < body.index("class='cards'")
    assert page.text.count("dropout 0.1: shown") == 1 and "Means and intervals." in page.text
    assert "<figure class='chart" not in text, "a count of trials is not a curve"


def test_the_verdict_of_a_comparison_stands_first(tmp_path):
    runs = [make_run(tmp_path / f"fast-{seed}", seed=seed) for seed in range(2)]
    runs.append(make_run(tmp_path / "slow", rate=0.05))
    for place, run in enumerate(runs):
        config = json.loads((run / "config.json").read_text())
        config["metrics"] = {"error": ["share of examples given another class", "share", "min"]}
        (run / "config.json").write_text(json.dumps(config))
        status = json.loads((run / "status.json").read_text())
        status["best"]["value"] = (0.1, 0.2, 0.3)[place]
        (run / "status.json").write_text(json.dumps(status))
    page, text = report(*runs, to=tmp_path / "r.html")
    assert text.split("</header>", 1)[1].startswith("<section id='verdict'")
    told = page.text.split("Verdict", 1)[1]
    assert "1. learning_rate 0.1: 0.15 (mean of 2 seeds, 0.1 to 0.2) 2. learning_rate 0.05: 0.3" in told
    assert "train more seeds" in told
    more = make_run(tmp_path / "slow-1", rate=0.05, seed=1)
    for name in ("config.json", "status.json"):
        content = (runs[2] / name).read_text()
        (more / name).write_text(content.replace('"seed": 0', '"seed": 1').replace('"value": 0.3', '"value": 0.15'))
    page, _ = report(*runs, more, to=tmp_path / "r.html")
    assert "The first two overlap over their seeds: no difference is shown." in page.text


def test_metrics_are_explained_and_axes_have_units(tmp_path):
    folder = make_run(tmp_path / "a")
    config = json.loads((folder / "config.json").read_text())
    config["metrics"] = {"err*": ["share of wrong answers", "share", "min"], "train/loss": ["objective", "nats", "min"]}
    (folder / "config.json").write_text(json.dumps(config))
    page, text = report(folder, to=tmp_path / "r.html")
    assert "Share of wrong answers; lower is better. The ring is the checkpoint that is kept as the best." in page.text
    assert ">share</text>" in text and ">nats</text>" in text and "share of wrong answers (share)" in page.text


def test_a_count_that_training_does_not_change_gets_no_curve(tmp_path):
    folder = make_run(tmp_path / "a")
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    rows = [{**row, "valid/parameters": 1434, "valid/stuck": 0.1} for row in rows]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = json.loads((folder / "config.json").read_text())
    config["metrics"] = {"parameters": ["weights and biases", "", ""], "stuck": ["share of errors", "share", "min"]}
    (folder / "config.json").write_text(json.dumps(config))
    page, _ = report(folder, to=tmp_path / "r.html")
    assert "Weights and biases." not in page.text and "weights and biases" in page.text
    assert "Share of errors; lower is better." in page.text, "a flat line of a score is a finding"


@pytest.mark.parametrize("damage", ["half", "link", "empty", "values", "kind", "bomb"])
def test_damaged_figures_are_named_not_fatal(tmp_path, damage):
    folder = make_run(tmp_path / "a")
    path = folder / "figures" / "heat-00000200.npz"
    save_figures(folder / "figures", 200, {"heat": Heat(np.eye(3), "x", "y")})
    whole = path.read_bytes()
    if damage == "half":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "link":
        path.rename(tmp_path / "elsewhere.npz")
        path.symlink_to(tmp_path / "elsewhere.npz")
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        fields = {"values": {"array": "values"}, "x": "x", "y": [1, {"map": []}], "title": 7}
        kind = {"values": "Heat", "kind": "eval", "bomb": "Heat"}[damage]
        shape = (3,) if damage == "values" else (3000, 3000)
        np.savez_compressed(path, figure=np.array(json.dumps({"kind": kind, "fields": fields})), values=np.zeros(shape))
    page, _ = report(folder, to=tmp_path / "r.html")
    assert ("heat-00000200.npz cannot be shown" in page.text) == (damage != "link")
    assert "filters" in page.text


def test_earlier_figures_that_did_not_change_are_shown_once(tmp_path):
    folder = make_run(tmp_path / "a")
    for step, value in ((50, 1.0), (100, 1.0), (150, 2.0), (200, 3.0)):
        save_figures(folder / "figures", step, {"slow": Bars({"height": value}, "y"), "still": Bars({"a": 1.0}, "y")})
    report(folder, to=tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text()
    assert [step for step in (50, 100, 150, 200) if f"slow, step {step}" in text] == [50, 150]
    assert "still, step" not in text


def test_picture_files_of_another_origin_are_still_shown(tmp_path):
    folder = make_run(tmp_path / "a")
    pictures.tiles(np.zeros((4, 8, 8), dtype=np.uint8)).save(folder / "figures" / "old-00000050.png")
    page, _ = report(folder, to=tmp_path / "r.html")
    assert ("img", "alt", "old") in page.attributes


def test_pages_stay_small(tmp_path):
    folder = make_run(tmp_path / "a")
    random = np.random.default_rng(0)
    for step in range(10, 210, 10):
        images = random.integers(0, 256, (100, 3, 32, 32), dtype=np.uint8)
        lines = [Line(random.normal(size=20_000).cumsum(), label=str(place)) for place in range(5)]
        shown = {"samples": Tiles(images), "curves": Panels([Plot(lines, "x", "y")] * 4)}
        save_figures(folder / "figures", step, shown)
    _, text = report(folder, to=tmp_path / "r.html")
    assert len(text) < 3_000_000
    assert len(re.findall(r"alt='samples, step", text)) == 1, "one earlier grid of noise is enough"
