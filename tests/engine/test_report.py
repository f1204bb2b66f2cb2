"""The report: one self-contained page, made from files alone, for any state of a run folder, safe to open."""

import json
import math
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pytest

from deepcanon.engine import charts
from deepcanon.engine.charts import Line, chart
from deepcanon.engine.figures import Text, Tiles
from deepcanon.engine.pictures import save_figures
from deepcanon.engine.report import write_report
from deepcanon.engine.svg.frame import linear_ticks, log_ticks, number

EVIL = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'&"
CAPTION = "What each unit looks for: strokes."


class Page(HTMLParser):
    """Tags, attributes and the plain text of a page; fails on what does not nest."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words, self.open = [], [], [], []
        self.feed(text)
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attributes]
        if tag not in {"meta", "img", "input", "br"} and not self.get_starttag_text().endswith("/>"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attributes]

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def make_run(folder, seed=0, rate=0.1, state="done", steps=200, name="convnet", rows=True):
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    config = {
        "name": name,
        "config": {"channels": [32, 64], "learning_rate": rate},
        "settings": {
            "data": "digits",
            "seed": seed,
            "steps": steps,
            "device": "cpu",
            "threads": 1,
            "precision": "fp32",
        },
        "version": "0.1.0",
        "environment": {"python": "3.11", "torch": "2.13.0"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    best = None
    with open(folder / "metrics.jsonl", "w") as file:
        for step in range(10, steps + 1, 10):
            row = {"step": step, "train/loss": 3 * math.exp(-step / 40) + 0.01 * random.random()}
            if step % 50 == 0:
                row["valid/loss"] = row["train/loss"] * 1.1
                row["valid/error"] = 0.5 * math.exp(-step / 60) + 0.001 * random.random()
                best = {"metric": "valid/error", "value": row["valid/error"], "step": step}
            if rows:
                file.write(json.dumps(row) + "\n")
    status = {"state": state, "step": steps, "steps": steps, "seconds": 61.5, "reason": None, "best": best}
    (folder / "status.json").write_text(json.dumps(status))
    for step in (50, 100, 150, 200):
        save_figures(folder / "figures", step, {"filters": Tiles(random.normal(size=(8, 5, 5)), caption=CAPTION)})
        save_figures(folder / "samples", step, {"sample": Text(f"text of step {step} {EVIL}", EVIL)})
    return folder


def report(*folders, to):
    path = write_report(list(folders), to)
    assert path == to
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    check_self_contained(page, text)
    return page, text


def check_self_contained(page, text):
    """No script, no handler, no address but pictures held in the page, and a policy that forbids the rest."""
    assert not {"script", "iframe", "object", "embed", "link", "base", "form"} & set(page.tags)
    for tag, key, value in page.attributes:
        assert not key.startswith("on"), (tag, key)
        if key == "href":
            assert value.startswith("data:image/png;base64,") if tag == "image" else value.startswith("#"), value
        if key in ("src", "srcset", "data", "action", "xlink:href"):
            assert value.startswith(
                ("data:image/png;base64,", "data:image/svg+xml;base64,", "data:audio/wav;base64,")
            ), value[:60]
    assert "url(" not in text and "@import" not in text and "javascript:" not in text
    policy = dict((k, v) for t, k, v in page.attributes if t == "meta" and k == "content" and "default-src" in v)
    assert policy["content"].startswith("default-src 'none'") and "media-src data:" in policy["content"], "sounds play"


def test_one_run_tells_everything_once(tmp_path):
    page, text = report(make_run(tmp_path / "convnet-1"), to=tmp_path / "report.html")
    for words in (
        "convnet", "digits", "done", "200", "1 min 2 s", "best valid/error", "learning_rate", "0.1", "32, 64", "torch",
        "2.13.0", "text of step 200", "text of step 50", "deepcanon resume", "deepcanon eval", "fp32",
    ):  # fmt: skip
        assert words in page.text, words
    assert page.tags.count("img") == 3  # earlier figures
    assert text.count('<svg class="fig"') == 4  # loss linear and log, error linear, filters
    assert "prefers-color-scheme:dark" in text and "@media print" in text


def test_train_and_valid_lie_in_one_chart_and_the_best_point_is_ringed(tmp_path):
    _, text = report(make_run(tmp_path / "a"), to=tmp_path / "r.html")
    figures = re.findall(r"<figure class='chart.*?</figure>", text, re.S)
    loss = next(figure for figure in figures if "<b>loss</b>" in figure)
    assert ">train</span>" in loss and ">valid</span>" in loss and "train 0.0" in loss
    error = next(figure for figure in figures if "<b>error</b>" in figure)
    assert error.count('class="ring') == 1


def test_text_from_files_cannot_become_markup(tmp_path):
    folder = make_run(tmp_path / "run<b>&'\"", name=EVIL)
    config = json.loads((folder / "config.json").read_text())
    config["config"][EVIL] = [EVIL, {EVIL: EVIL}]
    config["settings"]["data"] = EVIL
    config["environment"][EVIL] = EVIL
    config |= {"summary": EVIL, "defaults": {EVIL: EVIL}, "verbs": [EVIL, "predict"], "preset": EVIL}
    (folder / "config.json").write_text(json.dumps(config))
    status = {"state": EVIL, "step": EVIL, "steps": EVIL, "seconds": EVIL, "reason": EVIL}
    (folder / "status.json").write_text(json.dumps(status | {"best": {"metric": EVIL, "value": EVIL, "step": EVIL}}))
    facts = {"$dict": [["reader", {"$dict": [["kind", EVIL], ["classes", [EVIL, "a"]]]}], ["t", {"$tensor": "t"}]]}
    (folder / "facts").mkdir()
    (folder / "facts" / "facts.json").write_text(json.dumps(facts))
    with open(folder / "metrics.jsonl", "a") as file:
        file.write(json.dumps({"step": 300, f"valid/{EVIL}": 1.0, EVIL: 2.0}) + "\n")
        file.write(json.dumps({"step": 400, f"valid/{EVIL}": 1.5, EVIL: 3.0}) + "\n")
    (folder / "figures" / f"{EVIL.replace('/', '')}-00000001.txt").write_text(EVIL)
    (folder / "samples" / "</pre>.txt".replace("/", "")).write_text("</pre>" + EVIL)
    page, _ = report(folder, to=tmp_path / "r.html")
    assert EVIL in "".join(page.words)
    other = make_run(tmp_path / "other", rate=0.2)
    page, _ = report(folder, other, to=tmp_path / "two.html")
    assert EVIL in "".join(page.words)


@pytest.mark.parametrize("missing", ["config.json", "status.json", "metrics.jsonl", "figures", "all", "rows"])
def test_a_run_that_has_just_started_or_lost_files(tmp_path, missing):
    folder = make_run(tmp_path / "convnet-7", rows=missing != "rows")
    for path in list(folder.iterdir()):
        if missing in ("all", path.name):
            path.rename(tmp_path / f"gone-{path.name}")
    page, _ = report(folder, to=folder / "report.html")
    assert "convnet" in page.text
    assert ("Nothing has been measured yet" in page.text) == (missing in ("all", "rows", "metrics.jsonl"))
    report(folder, make_run(tmp_path / "other"), to=tmp_path / "two.html")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[1, 2]", b"null", b'"text"', b"[" * 100_000])
@pytest.mark.parametrize("name", ["config.json", "status.json", "metrics.jsonl", "facts/facts.json"])
def test_damaged_files_are_named_not_fatal(tmp_path, name, content):
    folder = make_run(tmp_path / "a")
    (folder / "facts").mkdir()
    (folder / name).write_bytes(content)
    report(folder, to=tmp_path / "r.html")


def test_rows_half_written_repeated_or_not_finite(tmp_path):
    folder = make_run(tmp_path / "a")
    with open(folder / "metrics.jsonl", "a") as file:
        file.write('{"step": 210, "train/loss": "nan", "valid/error": "inf", "valid/loss": "-inf"}\n')
        file.write(
            '{"step": 100, "train/loss": 1e99}\n{"step": 220, "train/loss": true, "text": "x", "deep": {"a": 1}}\n'
        )
        file.write('{"step": 230, "train/loss": 0.')
    page, _ = report(folder, to=tmp_path / "r.html")
    assert "1 not finite" in page.text and "nan" in page.text and "1e99" not in page.text
    assert "cannot be read" not in page.text


def test_pictures_that_are_none_and_links_out_of_the_folder_are_left_out(tmp_path):
    folder = make_run(tmp_path / "a")
    secret = tmp_path / "secret.txt"
    secret.write_text("SECRET-WORD")
    (folder / "samples" / "link-00000001.txt").symlink_to(secret)
    (folder / "figures" / "broken-00000001.png").write_bytes(b"\x89PNG\r\n\x1a\n half")
    (folder / "figures" / "vector-00000001.png").write_text("<svg onload='alert(1)'/>")
    page, text = report(folder, to=tmp_path / "r.html")
    assert "SECRET-WORD" not in text
    assert "broken-00000001.png cannot be shown" in page.text and "vector-00000001.png cannot be shown" in page.text


def test_long_runs_give_small_pages(tmp_path):
    folder = make_run(tmp_path / "a")
    with open(folder / "metrics.jsonl", "w") as file:
        file.writelines(
            json.dumps({"step": s, "train/loss": 1 / s, "train/norm": s % 7}) + "\n" for s in range(1, 20_001)
        )
    (folder / "samples" / "long-00000001.txt").write_text("x" * 1_000_000)
    _, text = report(folder, to=tmp_path / "r.html")
    assert len(text) < 400_000


def test_several_runs_are_compared(tmp_path):
    runs = [make_run(tmp_path / f"convnet-{seed}", seed=seed) for seed in range(3)]
    runs.append(make_run(tmp_path / "slow", rate=0.05, state="interrupted"))
    page, text = report(*runs, to=tmp_path / "r.html")
    assert "They differ in: learning_rate, seed" in page.text
    assert "channels" not in page.text.split("Runs")[1].split("Curves")[0]
    assert "interrupted" in page.text and "Over seeds" in page.text and "0, 1, 2" in page.text
    bests = [json.loads((run / "status.json").read_text())["best"]["value"] for run in runs[:3]]
    mean, spread = np.mean(bests), np.std(bests, ddof=1)
    assert f"{number(float(mean))} ± {spread:.2g}" in page.text
    figures = re.findall(r"<figure class='chart.*?</figure>", text, re.S)
    assert all(label in figures[0] for label in ("convnet-0", "convnet-1", "convnet-2", "slow"))


def test_runs_of_the_same_name_are_told_apart(tmp_path):
    page, _ = report(make_run(tmp_path / "x" / "run"), make_run(tmp_path / "y" / "run", seed=1), to=tmp_path / "r.html")
    assert "x/run" in page.text and "y/run" in page.text
    same = tmp_path / "x" / "run"
    page, _ = report(same, same, to=tmp_path / "r.html")
    assert "run (1)" in page.text and "run (2)" in page.text


def test_no_folder_no_report(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such run"):
        write_report([tmp_path / "absent"], tmp_path / "r.html")
    with pytest.raises(ValueError, match="at least one"):
        write_report([], tmp_path / "r.html")
    assert not list(tmp_path.iterdir())


def test_commands_fit_the_state_of_the_run(tmp_path):
    page, _ = report(make_run(tmp_path / "my run", state="interrupted"), to=tmp_path / "r.html")
    assert re.search(r"deepcanon resume '[^']*my run' continue where it stopped", page.text)
    page, _ = report(make_run(tmp_path / "b"), to=tmp_path / "r.html")
    assert "--steps 400" in page.text


# Charts


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(
    "values",
    [[1.0], [3.0, 3.0], [1e-9, 5.0], [-1.0, 1.0], [1e12, 2e12], [0.0, 0.0], [1.0, math.nan, 2.0, math.inf]],
)
def test_every_chart_is_well_formed_and_inside_its_frame(values, log):
    picture = chart("loss", [Line("train <&>", list(range(1, len(values) + 1)), values, mark=1)], log)
    root = ElementTree.fromstring(picture)
    for element in root.iter():
        for key in ("x1", "x2", "x", "cx"):
            if key in element.attrib:
                assert -1 <= float(element.attrib[key]) <= charts.WIDTH + 1
        for key in ("y1", "y2", "y", "cy"):
            if key in element.attrib:
                assert -1 <= float(element.attrib[key]) <= charts.HEIGHT + 50


def test_a_chart_puts_points_where_they_belong():
    root = ElementTree.fromstring(chart("loss", [Line("a", [0, 50, 100], [0.0, 1.0, 2.0])]))
    path = next(e for e in root.iter("path") if e.attrib["class"].startswith("line")).attrib["d"]
    points = [tuple(map(float, pair.split())) for pair in re.findall(r"[ML]([\d.]+ [\d.]+)", path)]
    (x0, y0), (x1, y1), (x2, y2) = points
    assert 20 < x0 < 80 and x2 == charts.WIDTH - charts.RIGHT and abs(x1 - (x0 + x2) / 2) < 0.1
    assert y0 > y1 > y2 and abs(y1 - (y0 + y2) / 2) < 0.11


def test_bins_keep_the_mean_the_ends_and_the_range():
    values = list(np.random.default_rng(0).normal(size=24_000))
    line = charts.binned(Line("a", list(range(24_000)), values))
    assert len(line.steps) == charts.BINS and line.steps[0] == 0 and line.steps[-1] == 23_999
    assert math.isclose(np.mean(line.values), np.mean(values), abs_tol=1e-12)
    assert max(line.high) == max(values) and min(line.low) == min(values)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3.2, 17), (0.001, 0.0042), (1e6, 5e7), (0, 97)])
def test_ticks_are_round_few_and_inside(low, high):
    ticks = linear_ticks(low, high)
    assert 3 <= len(ticks) <= 9 and ticks[0] >= low - 1e-12 and ticks[-1] <= high * (1 + 1e-12)
    gap = (ticks[1] - ticks[0]) / 10 ** math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9)
    assert min(abs(gap - round_) for round_ in (1, 2, 5)) < 1e-6


def test_log_ticks():
    assert log_ticks(0.01, 10) == pytest.approx([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10])
    assert len(log_ticks(1e-30, 1e10)) <= 9


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.123456, "0.1235"), (12345.6, "12,346"), (1e-7, "1e-7"), (3.0, "3"), (math.nan, "nan"), (1.5e30, "1.5e30")],
)
def test_numbers_for_people(value, text):
    assert number(value) == text


def test_loss_in_training_and_nll_of_held_out_data_share_a_chart(tmp_path):
    folder = make_run(tmp_path / "a")
    rows = [{"step": s, "train/loss": 2 / s, "valid/nll": 3 / s, "valid/error": 0.5} for s in range(1, 9)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    _, text = report(folder, to=tmp_path / "r.html")
    first = re.findall(r"<figure class='chart.*?</figure>", text, re.S)[0]
    assert all(words in first for words in ("<b>loss and nll</b>", "train loss", "valid nll"))
