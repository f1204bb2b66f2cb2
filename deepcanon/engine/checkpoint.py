"""Checkpoints: folders of safetensors and JSON with the SHA-256 of each file, never left incomplete.

A folder is written under a temporary name, every file and the folder are flushed to disk, and it is renamed.
Reading checks every byte against the manifest, since most flipped bits in a safetensors file load silently.
Nothing is unpickled.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from deepcanon.engine import slices
from deepcanon.engine.state import pack, unpack
from deepcanon.errors import CheckpointError, DeepcanonError, UsageError
from deepcanon.writing import TEMPORARY, replacing, writing

__all__ = ["Checkpoints", "facts_of", "read_folder", "sweep", "write_folder", "write_text"]


def write_text(path: Path, text: str) -> None:
    """Replaces a file by `text` such that it holds either the old or the new content."""
    with replacing(path) as temporary:
        _write(temporary, text.encode())


def write_part(folder: Path, part: str, value: Any) -> None:
    """Writes `PART.json`, and `PART.safetensors` if it has whole tensors, into a folder that is not in place yet."""
    tensors: dict[str, Tensor] = {}
    tree = pack(value, tensors)
    plain = {key: tensor.cpu().contiguous() for key, tensor in tensors.items() if not slices.is_slice(tensor)}
    if plain:
        _write(folder / f"{part}.safetensors", safetensors.torch.save(plain))
    _write(folder / f"{part}.json", json.dumps(tree).encode())


def write_slices(folder: Path, value: Any) -> None:
    """Writes what this process holds of tensors that all share out; `write_part` writes the rest, in one process."""
    tensors: dict[str, Tensor] = {}
    pack(value, tensors)
    slices.write_parts(folder, tensors)


def seal(folder: Path, final: Path) -> None:
    """Writes the manifest of a temporary folder and puts it in place."""
    files = {path.name: _digest(path.read_bytes()) for path in sorted(folder.iterdir())}
    _write(folder / "manifest.json", _manifest(files))
    _flush(folder)
    if final.exists():
        shutil.rmtree(final)
    os.rename(folder, final)
    _flush(final.parent)


@contextlib.contextmanager
def taking_shape(final: Path) -> Iterator[Path]:
    """The temporary folder of `final`, which is removed if it cannot be written.

    Raises:
        DeepcanonError: the disk is full or not writable; what was there before is intact.
    """
    temporary = final.with_name(TEMPORARY + final.name)
    try:
        with writing(final):
            yield temporary
    except DeepcanonError:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def write_folder(final: Path, **parts: Any) -> None:
    """Writes a verified folder, one part per keyword, all or nothing.

    Raises:
        DeepcanonError: the disk is full or not writable; what was there before is intact.
    """
    with taking_shape(final) as temporary:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()  # not its parents: a folder that was removed is not created again
        for part, value in parts.items():
            write_part(temporary, part, value)
        seal(temporary, final)


def read_folder(folder: Path) -> dict[str, Any]:
    """The parts of a verified folder.

    Raises:
        CheckpointError: a file is missing, truncated or altered, or the folder is not a checkpoint.
    """
    try:
        raw = (folder / "manifest.json").read_bytes()
        files = json.loads(raw)["files"]
        if _manifest(files) != raw:
            raise CheckpointError(f"{folder / 'manifest.json'} was altered")
        contents = {}
        for name, digest in files.items():
            if not re.fullmatch(r"[a-z0-9_-]+\.(json|safetensors)", name):
                raise CheckpointError(f"{folder / 'manifest.json'} names a file that does not belong to it")
            contents[name] = (folder / name).read_bytes()
            if _digest(contents[name]) != digest:
                raise CheckpointError(f"{folder / name} was truncated or altered (its SHA-256 differs)")
        parts = {}
        shared_out = {name: contents.pop(name) for name in files if name.startswith(slices.PREFIX)}
        joined = slices.assembled(shared_out, folder)
        for name in contents:
            part, kind = name.rsplit(".", 1)
            if kind == "json":
                raw_tensors = contents.get(f"{part}.safetensors")
                tensors = safetensors.torch.load(raw_tensors) if raw_tensors is not None else {}
                parts[part] = unpack(json.loads(contents[name]), {**joined, **tensors})
        return parts
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"cannot read {error.filename or folder}: {error.strerror or error}") from error
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        safetensors.SafetensorError,
    ) as error:
        raise CheckpointError(f"{folder} is not a checkpoint: {type(error).__name__}") from error


def facts_of(folder: Path) -> dict[str, Any]:
    """What the run of a folder learned of its data before it trained."""
    return read_folder(folder / "facts")["facts"]


class Checkpoints:
    """The checkpoints of one run: `step-N` (the last two) and `best-N`."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.refused: list[str] = []  # why a checkpoint was passed over

    def named(self, kind: str) -> list[Path]:
        """Folders of one kind, newest first."""
        if not self.folder.is_dir():
            return []
        found = [p for p in self.folder.iterdir() if re.fullmatch(kind + r"-\d{9}", p.name) and p.is_dir()]
        return sorted(found, reverse=True)

    def path(self, kind: str, step: int) -> Path:
        return self.folder / f"{kind}-{step:09d}"

    def readable(self, kind: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """(step, parts) of each sound checkpoint, newest first; why others were refused is kept in `refused`."""
        for folder in self.named(kind):
            try:
                parts = read_folder(folder)
            except CheckpointError as error:
                self.refused.append(str(error))
                continue
            yield int(folder.name[-9:]), parts

    def newest(self, kind: str) -> tuple[int, dict[str, Any]] | None:
        return next(self.readable(kind), None)

    def prune(self, keep_best: int | None, keep: int = 2) -> None:
        """Leaves the newest `keep` and the best checkpoint, and no temporary folder."""
        for folder in self.named("step")[keep:]:
            shutil.rmtree(folder, ignore_errors=True)
        for folder in self.named("best"):
            if int(folder.name[-9:]) != keep_best:
                shutil.rmtree(folder, ignore_errors=True)
        sweep(self.folder)

    def drop_after(self, step: int) -> None:
        """Removes what is newer than the checkpoint from which the run resumes."""
        for kind in ("step", "best"):
            for folder in self.named(kind):
                if int(folder.name[-9:]) > step:
                    shutil.rmtree(folder, ignore_errors=True)


def own_part(parts: dict[str, Any], before: int, rank: int, world: int) -> dict[str, Any]:
    """What a process keeps for itself; nothing if the state is the same in all, and then any number may resume.

    Args:
        parts: of the checkpoint.
        before: how many processes wrote it.

    Raises:
        UsageError: another number of processes cannot share out what those kept.
    """
    if before == world:
        return parts[f"rank{rank}"]
    if own := [name for name, value in parts["rank0"].items() if value is not None]:
        what = f"{before} process{'es' * (before > 1)} trained this run, and each kept {', '.join(own)} of its own"
        raise UsageError(f"{what}: resume it with {before}")
    return parts["rank0"]


def sweep(folder: Path) -> None:
    """Removes what a killed process left half-written there and in the folders within."""
    for path in (*folder.glob(f"{TEMPORARY}*"), *folder.glob(f"*/{TEMPORARY}*")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _manifest(files: dict[str, str]) -> bytes:
    listed = json.dumps(files, sort_keys=True)
    return json.dumps({"files": files, "sha256": _digest(listed.encode())}, sort_keys=True).encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
