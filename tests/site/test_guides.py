"""The guides of the site: their files are made, and every command and program on them is run as it stands."""

import json
import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepcanon.cli import main
from deepcanon.serving import Server

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "guides"
FILE = re.compile(r"`([\w.-]+)`:\n\n```text\n(.*?)```", re.S)
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
