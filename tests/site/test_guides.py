"""The guides of the site: their files are made, and every command and program on them is run as it stands."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs" / "site"))

import sharing

from deepcanon.cli import main
from deepcanon.serving import Server

ROOT = Path(__file__).resolve().parents[2]
GUIDES = ROOT / "docs" / "guides"
FILE = re.compile(r"`([\w.-]+)`:\n\n```text\n(.*?)```", re.S)
MODULE = re.compile(r"`([\w/.-]+\.py)`:\n\n```py\n(.*?)```", re.S)
BLOCK = re.compile(r"```(sh|python)\n(.*?)```", re.S)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to work in, with a few pictures of two classes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Server, "run", lambda self: self.socket.close())  # `serve` would not end
    numbers = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for k in range(8):
            pixels = numbers.integers(0, 256, (12, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{k}.png")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.stem for path in GUIDES.glob("*.md")))
def test_a_guide_does_what_it_says(name, folder, capsys):
    text = (GUIDES / f"{name}.md").read_text(encoding="utf-8")
    for file, content in FILE.findall(text):
        (folder / file).write_text(content, encoding="utf-8")
    for kind, block in BLOCK.findall(text):
        if kind == "python":
            exec(compile(block, f"{name}.md", "exec"), {})
            continue
        for line in block.strip().split("\n"):
            command, *arguments = shlex.split(line)
            assert command == "deepcanon"
            if "mnist" in arguments and "DEEPCANON_DATA" not in os.environ:
                continue
            assert main(arguments) == 0, f"{line}\n{capsys.readouterr().err}"


@pytest.mark.slow
def test_what_the_guide_on_data_shows_is_read_as_it_says(folder, capsys):
    text = (GUIDES / "own-data.md").read_text(encoding="utf-8")
    files = dict(FILE.findall(text))
    assert set(files) >= {"measurements.csv", "reviews.csv", "pairs.tsv", "talk.jsonl", "story.txt", "trees.txt"}
    kinds = {"talk.jsonl": "dialogues", "story.txt": "stories", "trees.txt": "trees", "points.csv": "point"}
    for file, kind in kinds.items():
        (folder / file).write_text(files[file], encoding="utf-8")
        capsys.readouterr()
        assert main(["data", "check", file, "--json"]) == 0
        assert kind in json.dumps(json.loads(capsys.readouterr().out))


@pytest.mark.slow
def test_the_system_that_is_added_works_as_it_stands(tmp_path):
    text = (GUIDES / "adding-a-system.md").read_text(encoding="utf-8")
    shutil.copytree(ROOT / "deepcanon", tmp_path / "deepcanon", ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("oracles", "cases", "contract"):
        (tmp_path / "tests" / folder).mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "contract" / "cases.py", tmp_path / "tests" / "contract" / "cases.py")
    files = dict(MODULE.findall(text))
    assert len(files) == 4
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    with open(tmp_path / "deepcanon" / "foundations" / "__init__.py", "a", encoding="utf-8") as file:
        file.write("from .perceptron import Perceptron as Perceptron\n")
    check = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "import numpy as np, torch\n"
        "from cases.perceptron import FUNCTIONS\n"
        "values = FUNCTIONS[0].inputs(np.random.default_rng(0))\n"
        "mine = FUNCTIONS[0].call(*map(torch.tensor, values))\n"
        "theirs = FUNCTIONS[0].oracle({}, *values)\n"
        "assert all(np.allclose(m.numpy(), t) and t.any() for m, t in zip(mine, theirs, strict=True))\n"
        "from deepcanon.cli import main\n"
        "assert main('train perceptron --preset smoke --out run'.split()) == 0\n"
        "assert main('eval run'.split()) == 0\n"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", check], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_table_of_what_is_shared_is_that_of_the_recipes():
    text = (GUIDES / "processes.md").read_text(encoding="utf-8")
    assert sharing.table() in text, "python docs/site/sharing.py prints the table for docs/guides/processes.md"


def test_the_measured_rates_of_two_processes_are_on_the_page_with_a_word_on_who_is_faster():
    assert "<!-- rates -->" in (GUIDES / "processes.md").read_text(encoding="utf-8")
    rows = json.loads((ROOT / "docs" / "results" / "processes.json").read_text(encoding="utf-8"))["benchmark"]
    table = sharing.rates().splitlines()[2:]
    assert len(table) == len(rows) > 0
    for line, row in zip(table, rows, strict=True):
        assert line.endswith(f"{'two are' if row['ratio'] > 1 else 'one is'} faster |")
