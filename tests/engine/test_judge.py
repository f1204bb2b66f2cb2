"""The judge: a pure function of the data and its seed, whether it was cached, damaged, or could not be kept at all."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from deepcanon.data.splits import Dataset, Split
from deepcanon.engine import judge as module
from deepcanon.engine.judge import judge_facts, judge_of, judged_from
from deepcanon.parts import judge as part

CLASSES = 3


def images(count=60, seed=0):
    """A bright square at one of three places, in noise."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % CLASSES
    pixels = torch.randint(0, 60, (count, 1, 8, 8), generator=random, dtype=torch.uint8)
    for row, label in enumerate(labels.tolist()):
        pixels[row, 0, 2 * label : 2 * label + 3, 1:4] += 150
    return Split(pixels, labels)


@pytest.fixture(autouse=True)
def quick(tmp_path, monkeypatch):
    """A cache of its own, and a training of few steps whose calls are counted."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    calls = []

    def train(pixels, labels, classes):
        calls.append(len(pixels))
        return part.train_judge(pixels, labels, classes, steps=15, batch=20)

    monkeypatch.setattr(module, "train_judge", train)
    return calls


def weights(judge):
    return judge.state_dict()


def equal(one, two):
    return all(torch.equal(value, weights(two)[name]) for name, value in weights(one).items())


def folders(tmp_path):
    return sorted(path for path in (tmp_path / "cache" / "deepcanon" / "judges").iterdir() if path.is_dir())


def test_it_is_trained_once_for_equal_data(quick, tmp_path):
    first = judge_of(images(), CLASSES)
    again = judge_of(images(), CLASSES)
    assert len(quick) == 1 and equal(first, again) and not again.training
    assert len(folders(tmp_path)) == 1
    assert json.loads((folders(tmp_path)[0] / "about.json").read_text())


@pytest.mark.parametrize("change", ["pixel", "label", "order", "fewer", "classes", "seed", "version", "torch"])
def test_what_it_follows_from_is_in_its_key(change, quick, tmp_path, monkeypatch):
    judge_of(images(), CLASSES)
    other, classes, seed = images(), CLASSES, 0
    if change == "pixel":
        other.x[5, 0, 0, 0] += 1
    elif change == "label":
        other.y[5] = (other.y[5] + 1) % CLASSES
    elif change == "order":
        other = other.take(torch.arange(60).flip(0))
    elif change == "fewer":
        other = other.take(torch.arange(59))
    elif change == "classes":
        classes += 1
    elif change == "seed":
        seed = 1
    elif change == "version":
        monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
    else:
        monkeypatch.setattr(torch, "__version__", "9.9")
    judge_of(other, classes, seed=seed)
    assert len(quick) == 2 and len(folders(tmp_path)) == 2


def test_neither_the_default_generator_nor_the_threads_matter_and_both_are_left_as_they_were(quick, tmp_path):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = judge_of(images(), CLASSES)
    assert torch.equal(torch.get_rng_state(), state)
    os.rename(tmp_path / "cache", tmp_path / "gone")
    torch.manual_seed(2)
    torch.set_num_threads(2)
    with torch.no_grad():
        second = judge_of(images(), CLASSES)
    assert torch.get_num_threads() == 2
    assert len(quick) == 2 and equal(first, second)


@pytest.mark.parametrize("damage", ["flipped", "truncated", "missing", "empty", "foreign"])
def test_a_damaged_copy_is_refused_and_trained_again(damage, quick, tmp_path):
    first = judge_of(images(), CLASSES)
    (folder,) = folders(tmp_path)
    path = folder / "judge.safetensors"
    raw = bytearray(path.read_bytes())
    if damage == "flipped":
        raw[-3] ^= 1
        path.write_bytes(bytes(raw))
    elif damage == "truncated":
        path.write_bytes(bytes(raw[: len(raw) // 2]))
    elif damage == "missing":
        path.unlink()
    elif damage == "empty":
        for inside in folder.iterdir():
            inside.unlink()
    else:  # a sound one, of other data
        judge_of(images(30, seed=1), CLASSES)
        (other,) = (place for place in folders(tmp_path) if place != folder)
        for inside in folder.iterdir():
            inside.write_bytes((other / inside.name).read_bytes())
        quick.pop()
    again = judge_of(images(), CLASSES)
    assert len(quick) == 2 and equal(first, again)
    assert equal(first, judge_of(images(), CLASSES)) and len(quick) == 2, "the damaged copy was not replaced"
    leftovers = [p.name for p in folder.parent.iterdir() if p.name.startswith(".tmp-")]
    assert not leftovers


@pytest.mark.parametrize("obstacle", ["file", "read-only", "full", "no locks"])
def test_without_a_writable_cache_it_is_trained_in_memory(obstacle, quick, tmp_path, monkeypatch):
    first = judge_of(images(), CLASSES)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    if obstacle == "file":
        (tmp_path / "other").write_text("in the way")
    elif obstacle == "read-only":  # also where the tests run as root, whom no mode stops
        monkeypatch.setattr(Path, "mkdir", refused)
    elif obstacle == "full":
        monkeypatch.setattr("deepcanon.engine.checkpoint._write", refused)
    else:
        monkeypatch.setattr(module.fcntl, "flock", refused)
    for _ in range(2):
        assert equal(first, judge_of(images(), CLASSES))
    assert len(quick) == 3
    monkeypatch.undo()
    kept = tmp_path / "other" / "deepcanon" / "judges"
    assert not kept.is_dir() or not [path for path in kept.iterdir() if path.is_dir()]


def refused(*_args, **_options):
    raise OSError(30, "Read-only file system")


CHILD = """
import sys, torch
sys.path.insert(0, {tests!r})
from engine import test_judge as t
from deepcanon.engine import judge as module
from deepcanon.parts import judge as part
def train(pixels, labels, classes):
    print("trained", flush=True)
    return part.train_judge(pixels, labels, classes, steps=15, batch=20)
module.train_judge = train
judge = module.judge_of(t.images(), t.CLASSES)
print(float(sum(value.double().sum() for value in judge.state_dict().values())))
"""


def test_of_two_processes_at_once_one_trains_and_both_have_the_same(tmp_path):
    tests = Path(__file__).parent.parent
    env = {**os.environ, "PYTHONPATH": str(tests.parent), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CHILD.format(tests=str(tests))]
    both = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    lines = [process.communicate(timeout=120)[0].split() for process in both]
    assert all(process.returncode == 0 for process in both)
    assert sum("trained" in words for words in lines) == 1 and lines[0][-1] == lines[1][-1]


def test_a_run_keeps_the_judge_among_its_facts(tmp_path):
    data = Dataset("images", {"train": images()}, {"classes": ["a", "b", "c"], "size": [8, 8], "channels": 1})
    facts = judge_facts(data, 40)
    judged = judged_from({"shape": [1, 8, 8], **facts})
    assert equal(judged.judge, judge_of(images(), CLASSES)) and not judged.judge.training
    assert judged.known.shares.tolist() == pytest.approx([1 / 3] * 3)
    expected = part.reference(judged.judge, images().x[:40], images().y)
    for mine, other in zip(judged.known, expected, strict=True):
        torch.testing.assert_close(mine, other)
    assert judge_facts(Dataset("images", {"train": Split(images().x)}, {}), 40) == {}
    assert judged_from({"shape": [1, 8, 8]}) is None
    with pytest.raises(ValueError, match="labels"):
        judge_of(Split(images().x), CLASSES)


def test_samples_are_judged_against_real_images():
    judge, real = judge_of(images(300), CLASSES), images(90, seed=1)
    known = part.reference(judge, images(300).x, images(300).y)
    good = part.judge_against_real(judge, images(60, seed=2).x, real.x, real.y, known)
    noise = torch.randint(0, 256, (60, 1, 8, 8), dtype=torch.uint8)
    bad = part.judge_against_real(judge, noise, real.x, real.y, known)
    assert good["judge_accuracy"] == bad["judge_accuracy"] > 0.8
    assert good["frechet_floor"] == bad["frechet_floor"]
    assert good["frechet"] < 10 * good["frechet_floor"] + 1 and bad["frechet"] > 5 * good["frechet"]
