"""Panels of the local page: what is offered of a run, what it answers, and the process that can be stopped."""

import base64
import http.client
import io
import json
import math
import re
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from PIL import Image
from serving.conftest import MARKUP

import deepcanon
from deepcanon.data import Inputs
from deepcanon.engine.generator import Draws
from deepcanon.engine.remembered import FILE, remember, remembered
from deepcanon.errors import UsageError
from deepcanon.serving import answers
from deepcanon.serving.answers import answer
from deepcanon.serving.panels import panels_of
from deepcanon.techniques.forecasting import Forecasting

CLASSES = (MARKUP, "plain")


def png(pixels):
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return {"name": "a.PNG", "base64": base64.b64encode(content.getvalue()).decode()}


@pytest.fixture(scope="module")
def trained(runs, tmp_path_factory):
    """Runs of three kinds of data, hardly trained."""
    place = tmp_path_factory.mktemp("data")
    rows = [f"{k % 7},{'red' if k % 3 else 'blue'},{CLASSES[k % 2]}" for k in range(40)]
    (place / "own.csv").write_text("\n".join(["size,colour,class", *rows]))
    (place / "own.txt").write_text("the cat sat on the mat . " * 80)
    how = {"preset": "smoke", "steps": 2, "threads": 1, "precision": "fp32", "quiet": True, "plain": True}
    runs.mkdir(exist_ok=True)
    made = {
        "picture": deepcanon.train("convnet", out=runs / "picture", **how),
        "code": deepcanon.train("autoencoder", out=runs / "code", **how),
        "row": deepcanon.train("mlp", out=runs / "row", data=str(place / "own.csv"), target="class", **how),
        "text": deepcanon.train("rnn-lm", out=runs / "text", data=str(place / "own.txt"), **how),
        "words": deepcanon.train("word2vec", out=runs / "words", data=str(place / "own.txt"), minimum_count=1, **how),
    }
    for name in ("picture", "code", "row"):  # as of runs that are not plain
        remember(made[name].folder, made[name].recipe.run.data, 500)
    return made


def told(trained, **asked):
    pieces = []
    return answer(trained, asked, pieces.append), "".join(pieces)


def test_panels_follow_verbs_and_kinds_of_input(trained):
    found = {name: panels_of(run) for name, run in trained.items()}
    (picture, encoder), (row, _), (words,) = found["picture"], found["row"], found["words"]
    assert encoder["verb"] == "encode" and encoder["input"] == picture["input"] and picture["input"]["examples"]
    besides = [[one["name"] for one in panel["more"]] for panel in (picture, encoder, row, words)]
    assert besides == [["looks", "nearest"], ["nearest"], ["nearest"], []]
    assert picture["verb"] == "predict" and picture["input"]["form"] == "picture"
    assert picture["input"]["size"] == [8, 8] and picture["input"]["channels"] == 1
    assert [c["name"] for c in row["input"]["columns"]] == ["size", "colour"]
    assert sorted(row["input"]["columns"][1]["choices"]) == ["blue", "red"]
    assert words["title"] == "Nearest words" and "man king woman ?" in words["input"]["hint"]
    generate, predict = found["text"][:2]
    assert [field["name"] for field in generate["fields"]][:3] == ["prompt", "temperature", "beam"]
    assert predict["input"]["form"] == "text"
    json.dumps(found)


def test_a_picture_is_classified_and_where_it_looks_is_drawn(trained):
    found, _ = told(trained["picture"], verb="predict", file=png(np.eye(8, dtype=np.uint8) * 255), looks=True)
    assert "probabilities" in found["html"] and "what speaks for" in found["html"] and found["html"].count("<svg") == 2
    broken = {"name": "../../x.png", "base64": base64.b64encode(b"no picture").decode()}
    with pytest.raises(UsageError, match=r"^input\.png"):
        told(trained["picture"], verb="predict", file=broken)
    with pytest.raises(UsageError, match="no input yet"):
        told(trained["picture"], verb="predict", text=" ")


def test_a_row_is_classified_and_markup_stays_text(trained):
    found, _ = told(trained["row"], verb="predict", row={"size": "3", "colour": MARKUP})
    assert "&lt;script&gt;" in found["html"] and "<script>" not in found["html"]
    assert "class='note'" in found["html"], "a colour that training did not know is told"


def test_a_representation_is_drawn_as_bars_or_as_colours(trained, monkeypatch):
    size = trained["picture"].encode(torch.zeros(1, 1, 8, 8, dtype=torch.uint8)).shape[1]
    for most, drawn in ((size, "unit 1"), (size - 1, "rows of units")):
        monkeypatch.setattr(answers, "BARS", most)
        found, _ = told(trained["picture"], verb="encode", file=png(np.eye(8, dtype=np.uint8) * 255))
        assert f"{size} numbers" in found["html"] and drawn in found["html"] and found["html"].count("<svg") == 1
    several, _ = told(trained["text"], verb="encode", text="the cat\nthe mat\n")
    assert several["html"].count("<svg") == 1


def test_the_nearest_examples_of_an_input_are_shown(trained):
    run = trained["picture"]
    place = [remembered(run.folder).places[number] + 1 for number in range(2)]
    for number in range(2):
        given, _ = told(run, verb="example", number=number)
        found, _ = told(run, verb="predict", nearest=True, **given)
        first, *others = re.findall(r"alt='example (\d+)'>.*?distance ([^,<]+), example", found["html"])
        assert first == (str(place[number]), "0") and len(others) == 7 and "training data" in found["html"]
    assert "Nearest" not in told(run, verb="predict", **given)[0]["html"]
    row, _ = told(trained["row"], verb="encode", row={"size": "3", "colour": "red"}, nearest=True)
    assert "size: 3, " in row["html"] and "distance 0, " in row["html"] and "&lt;script&gt;" in row["html"]
    with pytest.raises(UsageError, match="kept no pictures"):
        told(trained["row"], verb="example", number=0)


def test_why_nothing_is_nearest_is_said(trained, tmp_path):
    run, place = trained["code"], trained["code"].folder / FILE
    notes = {panel.get("note", "") for name in ("code", "words") for panel in panels_of(trained[name])}
    assert notes == {""}
    place.rename(tmp_path / FILE)
    try:
        assert panels_of(run)[1]["note"] == "No nearest examples: this run holds no examples.npz."
        assert panels_of(run)[1]["more"] == []
    finally:
        (tmp_path / FILE).rename(place)
    how = {"preset": "smoke", "steps": 1, "threads": 1, "precision": "fp32", "quiet": True, "keep_examples": 0}
    left_out = deepcanon.train("pca", out=tmp_path / "none", data="iris", **how)
    assert not (left_out.folder / FILE).exists()
    assert "trained with --keep-examples 0" in panels_of(deepcanon.load(left_out.folder))[0]["note"]


def test_words_have_neighbours(trained):
    found, _ = told(trained["words"], verb="predict", text="cat")
    assert "neighbours" in found["html"] and "mat" in found["html"]


def test_a_text_comes_in_pieces_and_each_token_with_its_alternatives(trained):
    run = trained["text"]
    found, text = told(run, verb="generate", options={"prompt": "the ", "length": 12})
    assert text.startswith("the ") and len(text) == 16
    assert "".join(token["token"] for token in found["tokens"]) == text
    expected = run.recipe.nll_of_each(run.recipe.vocabulary.encode(text, closed=False))
    assert [-math.log(token["p"]) for token in found["tokens"]] == pytest.approx(expected, rel=1e-4)
    for token in found["tokens"]:
        chances = [chance for _, chance in token["others"]]
        assert chances == sorted(chances, reverse=True) and sum(chances) <= 1 + 1e-9
    several, nothing = told(run, verb="generate", options={"count": 2, "length": 5})
    assert nothing == "" and several["html"].count("<pre>") == 2
    with pytest.raises(UsageError, match="temperature"):
        told(run, verb="generate", options={"temperature": -1.0})


def test_a_prompt_that_is_a_file_is_uploaded_and_no_path_is_opened():
    given = {}

    def generate(**options):
        given.update(options, text=options.get("prompt") and Path(options["prompt"]).read_text())
        return []

    recipe = SimpleNamespace(asked=Forecasting, facts={"reader": {"kind": "series"}})
    run = SimpleNamespace(recipe=recipe, generate=generate)
    told(run, verb="generate", options={"prompt": "/etc/passwd", "length": 3})
    assert "prompt" not in given and given["length"] == 3
    told(run, verb="generate", file={"name": "a.csv", "base64": base64.b64encode(b"a,b").decode()})
    assert given["text"] == "a,b" and given["prompt"].endswith("input.csv") and not Path(given["prompt"]).exists()


def test_a_walk_is_offered_of_generators_of_pictures():
    class Toy(Draws):
        facts = {"reader": {"kind": "images"}, "shape": [1, 4, 4]}
        inputs = ""

        def walk(self, first, last, count):
            return torch.linspace(first, last, count)[:, None, None, None].expand(count, 1, 4, 4)

    run = SimpleNamespace(recipe=Toy())
    assert [panel["verb"] for panel in panels_of(run)] == ["generate", "walk"]
    found, _ = told(run, verb="walk", options={"last seed": 9})
    assert len(found["frames"]) == 41 and all(frame.startswith("<img src='data:image/png") for frame in found["frames"])
    with pytest.raises(UsageError, match="whole number"):
        told(run, verb="walk", options={"first seed": "1"})


def test_codes_are_walked_through_and_changed_number_by_number(trained):
    run, ends = trained["code"], [png(np.eye(8, dtype=np.uint8) * 255), png(np.full((8, 8), 60, np.uint8))]
    assert [panel["verb"] for panel in panels_of(run)] == ["predict", "encode", "between"]
    frames = told(run, verb="between", files=ends)[0]["frames"]
    for end, frame in ((ends[0], frames[0]), (ends[1], frames[-1])):
        code = told(run, verb="encode", file=end)[0]["code"]
        assert all(low <= value <= high for value, (low, high) in zip(code["values"], code["ranges"], strict=True))
        assert told(run, verb="decode", code=code["values"])[0]["html"] == frame
    assert len(frames) == 41 and len(code["values"]) == 4 and frames[0] != frames[-1]
    for asked in ({"files": ends[:1]}, {"files": [*ends, ends[0]]}):
        with pytest.raises(UsageError, match="from one picture to another"):
            told(run, verb="between", **asked)
    for code in ([], ["1"], [1.0] * 17, None):
        with pytest.raises(UsageError, match="16 numbers at most"):
            told(run, verb="decode", code=code)
    with pytest.raises(UsageError, match="makes no pictures of codes"):
        told(trained["picture"], verb="decode", code=[1.0])


def test_points_are_joined_as_answered():
    given = Inputs(["a"], [torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.2, 0.2]])])
    recipe = SimpleNamespace(inputs="point_sets", facts={"reader": {}})
    for value, lines in (([0, 1, 2], 2), ([[0, 1, 3], [1, 2, 3]], 3), ([], 0)):  # with that of the legend
        run = SimpleNamespace(
            recipe=recipe, read=lambda path: given, answer=lambda given, value=value: [{"value": value}]
        )
        found, _ = told(run, verb="predict", text="x")
        assert found["html"].count('class="line') == lines


class Line:
    """A question whose answer is read line by line."""

    def __init__(self, server, run, **asked):
        place = urlsplit(server.address)
        self.line = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
        self.line.request("POST", f"{place.path}ask/{run}", json.dumps(asked))
        self.answer = self.line.getresponse()

    def __iter__(self):
        while text := self.answer.readline():
            yield json.loads(text)

    def leave(self):
        self.answer.close()
        self.line.close()


@pytest.mark.slow
def test_a_run_is_loaded_once_and_long_work_ends_when_nobody_waits(trained, server, ask):
    first = list(Line(server, "text", verb="describe"))
    assert [line.get("stage") for line in first[:2]] == ["loading the run", "working"] and first[-1]["done"]["panels"]
    endless = Line(server, "text", verb="generate", options={"length": 10_000_000})
    pieces = iter(endless)
    assert next(line for line in pieces if "piece" in line)["piece"]
    assert 0 < next(line for line in pieces if "share" in line)["share"] < 0.1
    second = Line(server, "text", verb="generate", options={"length": 3, "temperature": 0.0})
    lines = iter(second)
    assert next(lines)["stage"] == "waiting for another answer of this run"
    assert ask().status == 200, "the list is answered meanwhile"
    began = time.monotonic()
    endless.leave()
    rest = list(lines)
    assert "done" in rest[-1] and {"stage": "loading the run"} not in rest, "the process kept the run"
    assert time.monotonic() - began < 20
    wrong = list(Line(server, "text", verb="generate", options={"prompt": "\u2603"}))
    assert "did not occur in the training text" in wrong[-1]["error"]
    assert ask("ask/text", "POST", body="[").status == 400 and ask("ask/nowhere", "POST", body="{}").status == 404
    assert ask("try/text").status == 200
