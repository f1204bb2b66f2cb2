"""Checkpoints: nothing damaged is ever loaded, nothing foreign is ever run, a full disk harms nothing."""

import json
import math
import os
import pickle
import random
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from deepcanon.engine import checkpoint, state
from deepcanon.engine.checkpoint import Checkpoints, read_folder, write_folder
from deepcanon.errors import CheckpointError, DeepcanonError

VALUE = {
    "none": None,
    "flag": True,
    "count": 2**100,
    "nan": math.nan,
    "inf": -math.inf,
    "text": "ä\n",
    "tuple": (1, [2.5, "x"], {"inner": torch.arange(6).view(2, 3)}),
    "array": np.arange(6, dtype=">i2").reshape(3, 2),
    "bf16": torch.randn(3).bfloat16(),
    3: "an int key",
}


def equal(a, b) -> bool:
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
    return (a == b or (a != a and b != b)) and type(a) is type(b)


@pytest.fixture
def two(tmp_path: Path) -> Checkpoints:
    """Two sound checkpoints, steps 1 and 2."""
    for step in (1, 2):
        weights = {"model": {"weight": torch.full((4, 3), float(step))}}
        write_folder(
            tmp_path / f"step-{step:09d}", shared=weights, run={"step": step}, rank0={"carry": torch.ones(step)}
        )
    return Checkpoints(tmp_path)


def test_every_kind_of_value_comes_back(tmp_path):
    write_folder(tmp_path / "folder", part=VALUE)
    assert equal(read_folder(tmp_path / "folder")["part"], VALUE)


def test_tied_tensors_are_stored_once():
    weight = torch.randn(5, 5)
    tensors: dict = {}
    tree = state.pack({"a": weight, "b": weight.view(5, 5), "c": weight.t()}, tensors)
    assert len(tensors) == 2  # the transpose has other strides
    assert tree["$dict"][0][1] == tree["$dict"][1][1]


def test_unknown_things_are_refused_by_name():
    with pytest.raises(TypeError, match="cannot save model/x: a function"):
        state.pack({"x": test_unknown_things_are_refused_by_name}, {}, "model")


def test_a_restored_optimizer_has_the_layout_of_the_uninterrupted_run():
    def make():
        conv = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
        return conv, torch.optim.Adam(conv.parameters(), fused=True)

    torch.manual_seed(0)
    conv, optimizer = make()
    conv(torch.randn(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    tensors: dict = {}
    tree = state.pack(optimizer.state_dict(), tensors)
    contiguous = {key: tensor.contiguous().clone() for key, tensor in tensors.items()}

    class Owner:
        pass

    owner = Owner()
    other, owner.optimizer = make()
    state.restore(owner, "optimizer", state.unpack(tree, contiguous))
    moment = owner.optimizer.state[other.weight]["exp_avg"]
    assert moment.stride() == other.weight.stride()
    assert torch.equal(moment, optimizer.state[conv.weight]["exp_avg"])


def damaged(two: Checkpoints, count: int, damage) -> None:
    """Each damage of the newest checkpoint is refused by name, and the one before it is used."""
    newest = two.path("step", 2)
    files = [path for path in sorted(newest.iterdir()) if path.stat().st_size]
    chance = random.Random(0)
    for i in range(count):
        path = files[i % len(files)]
        good = path.read_bytes()
        path.write_bytes(damage(good, chance))
        with pytest.raises(CheckpointError) as refusal:
            read_folder(newest)
        assert str(newest) in str(refusal.value) and "\n" not in str(refusal.value)
        two.refused.clear()
        found = two.newest("step")
        assert found is not None and found[0] == 1 and len(two.refused) == 1
        path.write_bytes(good)
    assert two.newest("step")[0] == 2


def test_200_truncations_are_refused(two):
    damaged(two, 200, lambda good, chance: good[: chance.randrange(len(good))])


def test_200_flipped_bits_are_refused(two):
    def flip(good: bytes, chance: random.Random) -> bytes:
        bad = bytearray(good)
        bad[chance.randrange(len(bad))] ^= 1 << chance.randrange(8)
        return bytes(bad)

    damaged(two, 200, flip)


def test_a_checker_that_trusts_safetensors_alone_would_miss_flips(two, monkeypatch):
    """The planted bug: without the hashes, flipped bits load silently."""
    monkeypatch.setattr(checkpoint, "_digest", lambda content: "the same")
    for step in (3, 4):
        write_folder(two.path("step", step), shared={"w": torch.zeros(100)})
    path = two.path("step", 4) / "shared.safetensors"
    bad = bytearray(path.read_bytes())
    bad[-5] ^= 4
    path.write_bytes(bytes(bad))
    assert read_folder(two.path("step", 4))["shared"]["w"].abs().sum() > 0


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def test_a_planted_pickle_is_never_executed(two, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bomb = pickle.dumps(Bomb())
    newest = two.path("step", 2)
    for name in [p.name for p in newest.iterdir()] + ["extra.pkl", "model.pt", "data.pkl"]:
        copy = tmp_path / "step-000000009"
        shutil.copytree(newest, copy)
        (copy / name).write_bytes(bomb)
        try:
            read_folder(copy)
        except CheckpointError:
            assert name in ("manifest.json", *[p.name for p in newest.iterdir()])
        shutil.rmtree(copy)
    torch.save({"x": Bomb()}, tmp_path / "zip.pt")
    for target in ("shared.safetensors", "shared.json"):
        copy = tmp_path / "step-000000009"
        shutil.copytree(newest, copy)
        shutil.copy(tmp_path / "zip.pt", copy / target)
        with pytest.raises(CheckpointError):
            read_folder(copy)
        shutil.rmtree(copy)
    assert not (tmp_path / "exploded").exists()


def test_a_manifest_cannot_point_elsewhere(two):
    folder = two.path("step", 2)
    (folder.parent / "outside.json").write_text("{}")
    files = json.loads((folder / "manifest.json").read_text())["files"]
    files["../outside.json"] = checkpoint._digest(b"{}")
    (folder / "manifest.json").write_bytes(checkpoint._manifest(files))
    with pytest.raises(CheckpointError, match="names a file that does not belong to it"):
        read_folder(folder)


def test_a_deep_tree_is_refused_not_followed(two):
    folder = two.path("step", 2)
    files = json.loads((folder / "manifest.json").read_text())["files"]
    deep = b"[" * 100_000 + b"]" * 100_000
    (folder / "run.json").write_bytes(deep)
    files["run.json"] = checkpoint._digest(deep)
    (folder / "manifest.json").write_bytes(checkpoint._manifest(files))
    with pytest.raises(CheckpointError):
        read_folder(folder)


def test_a_full_disk_leaves_the_previous_checkpoint_whole(two):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, hard))
    try:
        with pytest.raises(DeepcanonError, match=r"cannot write .*step-000000002"):
            write_folder(two.path("step", 2), shared={"w": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [p.name for p in sorted(two.folder.iterdir())] == ["step-000000001", "step-000000002"]
    assert two.newest("step")[0] == 2
