"""Every script of `examples/` runs in an empty folder; what it prints is what a reader is to see there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

LEAVES = {
    "own_loop": {"convnet.pt"},
    "own_data": {"tumours"},
    "pipeline": set(),
    "seeds": {"comparison.html", *(f"rate-{rate}-seed-{seed}" for rate in ("0.001", "0.01") for seed in range(3))},
    "onnx_runtime": {"digits", "digits.onnx", "digits.json"},
    "onnx_boxes": {"shapes", "run", "boxes.onnx", "boxes.json"},
    "own_environment": {"lander"},
}
REACHES = {  # the least that the last number after these words must be
    "own_loop": {"test accuracy": 0.95},
    "own_data": {"test accuracy": 0.93, "malignant with probability": 0.9, "loaded mlp at step": 400},
    "pipeline": {"in five folds: accuracy": 0.93},
    "seeds": {"learning rate 0.01: validation accuracy": 0.94, "test accuracy": 0.93},
    "onnx_runtime": {"accuracy on all 1,797 images (it was trained on most of them):": 0.97},
    "onnx_boxes": {"held out:": 0.95, "pictures of 20 where `predict` finds the same:": 20},
    "own_environment": {"mean return of 100 episodes:": 0.2},
}


def test_the_overview_names_every_example():
    names = re.findall(r"^\| \[(\w+)\.py\]\(\1\.py\) \|", (ROOT / "examples" / "README.md").read_text(), re.M)
    assert sorted(names) == [path.stem for path in EXAMPLES] == sorted(LEAVES) == sorted(REACHES)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_runs_in_an_empty_folder(path, tmp_path):
    text = path.read_text(encoding="utf-8")
    assert 20 <= len(text.splitlines()) <= 66 and f"\nTo run it: python examples/{path.name}\n" in text
    done = subprocess.run([sys.executable, path], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert {left.name for left in tmp_path.iterdir()} == LEAVES[path.stem]
    for words, least in REACHES[path.stem].items():
        found = re.findall(rf"{re.escape(words)} (-?[\d.]+)", done.stdout)
        assert found and float(found[-1]) >= least, f"{words}: {done.stdout}"
