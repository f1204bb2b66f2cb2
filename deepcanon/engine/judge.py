"""The judge of generated images, trained once for each data set and then read from the cache.

The judge is a pure function of the data, its seed, `VERSION` and the arithmetic of the machine: it is trained on one
thread, from a stream of its own that neither reads nor moves torch's default generator. So no result depends on whether
it was cached, and runs that differ in seed are judged by one network. A run keeps a copy among its facts.

The cache is `judges/<SHA-256 of all that>/` by the downloads: safetensors and JSON, written aside and renamed, with
every byte checked on reading. A damaged copy is trained again; where nothing can be written the judge stays in memory.
"""

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch

from deepcanon.data.published import cache_folder
from deepcanon.data.seeds import stream_seed
from deepcanon.data.splits import Dataset, Split
from deepcanon.engine.checkpoint import read_folder, write_folder
from deepcanon.engine.precision import widest
from deepcanon.errors import CheckpointError, DeepcanonError
from deepcanon.parts.judge import Judge, Reference, reference, train_judge

__all__ = ["VERSION", "Judged", "judge_facts", "judge_of", "judged_from"]

VERSION = 1
"""Of the network and its training in `parts.judge`: increase it when either changes."""


class Judged(NamedTuple):
    """A judge, and what it saw of training images."""

    judge: Judge
    known: Reference


def judge_facts(data: Dataset, looked_at: int) -> dict[str, Any]:
    """The judge of a data set and its view of the first training images, as a run keeps them; without labels nothing.

    Args:
        looked_at: how many images.
    """
    train = data["train"]
    if data.kind != "images" or train.y is None:
        return {}
    judge = judge_of(train, len(data.facts["classes"]))
    known = reference(judge, train.x[:looked_at], train.y)
    weights = {f"judge.{name}": value for name, value in judge.state_dict().items()}
    return {**weights, **{f"known.{name}": value for name, value in known._asdict().items()}}


def judged_from(facts: dict[str, Any], device: torch.device | None = None) -> Judged | None:
    """What `judge_facts` put into a run, on a device; None if it is not there. The facts name an image's `shape`.

    Its measures are in float64: where the device has none, it stays on the CPU.
    """
    known = {name: facts[f"known.{name}"] for name in Reference._fields if f"known.{name}" in facts}
    if not known:
        return None
    judge = Judge(tuple(facts["shape"]), len(known["shares"]))
    judge.load_state_dict({key[6:]: value for key, value in facts.items() if key.startswith("judge.")})
    here = device if device is not None and widest(device.type) == torch.float64 else torch.device("cpu")
    there = {name: torch.as_tensor(value).to(here) for name, value in known.items()}
    return Judged(judge.eval().requires_grad_(False).to(here), Reference(**there))


def judge_of(train: Split, classes: int, *, seed: int = 0) -> Judge:
    """The judge of labelled images, in eval mode.

    Args:
        train: pixels 0..255 and labels.
        seed: of the judge's weights and of the order of its examples.
    """
    about = _about(train, classes, seed)
    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    folder = cache_folder() / "judges" / key
    judge = _read(folder, about)
    if judge is not None:
        return judge
    with _alone(folder) as writable:
        judge = _read(folder, about) if writable else None  # another process may have trained it meanwhile
        if judge is None:
            judge = _train(train, classes, seed)
            if writable:
                with contextlib.suppress(DeepcanonError):  # a full disk: the next run trains it again
                    write_folder(folder, about=about, judge=judge.state_dict())
    return judge


def _about(train: Split, classes: int, seed: int) -> dict[str, Any]:
    """Everything that the judge depends on."""
    if train.y is None:
        raise ValueError("a judge needs labels, but the images have none")
    content = hashlib.sha256()
    for part in train.chunks():
        for values in (part.x, part.y):
            content.update(values.numpy().tobytes())  # type: ignore[union-attr]
    return {
        "version": VERSION,
        "seed": seed,
        "classes": classes,
        "shape": list(train.x.shape),
        "types": [str(train.x.dtype), str(train.y.dtype)],
        "sha256": content.hexdigest(),
        # What determines the rounding.
        "torch": torch.__version__,
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }


def _train(train: Split, classes: int, seed: int) -> Judge:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several add in another order
    try:
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.default_generator.manual_seed(stream_seed(seed, 0, "learn"))
            return train_judge(train.x, train.y, classes)  # type: ignore[arg-type]
    finally:
        torch.set_num_threads(threads)


def _read(folder: Path, about: dict[str, Any]) -> Judge | None:
    """The judge of a folder of the cache; None if there is none, or one that is damaged or of other data."""
    try:
        parts = read_folder(folder)
        if parts["about"] != about:
            return None
        judge = Judge(tuple(about["shape"][1:]), about["classes"])
        judge.load_state_dict(parts["judge"])
    except (
        CheckpointError,
        KeyError,
        TypeError,
        AttributeError,
        RuntimeError,
    ):  # the last: other tensors than a judge's
        return None
    return judge.eval()


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Makes other processes that want the same judge wait; False if the cache cannot be written or locked."""
    handle = -1
    with contextlib.suppress(OSError):
        folder.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        locked = handle >= 0
        if locked:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
            except OSError:
                locked = False
        yield locked
    finally:
        if handle >= 0:
            os.close(handle)
