"""The content of a run folder before its first step, and whether it is still as the run wrote it."""

import json
import platform
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deepcanon.data.splits import Dataset
from deepcanon.engine import calibrate, machine, pictures, processes
from deepcanon.engine.checkpoint import Checkpoints, write_folder
from deepcanon.engine.checksums import write_first
from deepcanon.errors import UsageError
from deepcanon.glance import LOCK
from deepcanon.settings import Settings
from deepcanon.writing import writing

__all__ = ["begin", "changes_of", "environment", "forget_after", "refuse_links"]


def begin(folder: Path, facts: dict[str, Any], data: Dataset, settings: Settings, content: dict[str, Any]) -> None:
    """Writes what a run holds before its first step; `config.json` comes last and makes it a run."""
    for path in folder.iterdir():  # of a training that was killed before its config.json
        if path.name != LOCK:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    write_folder(folder / "facts", facts=facts)
    for inside in ("checkpoints", "figures", "samples"):
        with writing(folder / inside):
            (folder / inside).mkdir()
    record = {**data.record, "fingerprint": data.fingerprint()}
    if settings.data and Path(settings.data).exists():
        record["path"] = str(Path(settings.data).resolve())  # so that it is found from another working directory
    texts = {"data.json": record, "config.json": content}
    write_first(folder, {name: json.dumps(value, indent=1) + "\n" for name, value in texts.items()})


def changes_of(folder: Path, data: Dataset) -> str:
    """How the data of a run differ from those that it was trained on; "" if they do not, or if that was not noted."""
    try:
        record = json.loads((folder / "data.json").read_text(encoding="utf-8"))
        known, counts = dict(record["fingerprint"]), dict(record.get("counts", {}))
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    found = data.fingerprint()
    if found == known:
        return ""
    wrong = sorted(name for name in known.keys() | found.keys() if known.get(name) != found.get(name))
    sizes = [f"{name} {counts[name]:,} -> {n:,}" for name, n in data.counts().items() if counts.get(name, n) != n]
    which = ", ".join(wrong) + ("; examples: " + ", ".join(sizes) if sizes else "")
    return f"the data are not those that the run was trained on ({which})"


def forget_after(folder: Path, checkpoints: Checkpoints, step: int, best: int | None) -> None:
    """Removes what a run wrote after the step from which it resumes; `best` is the step of the best checkpoint."""
    checkpoints.drop_after(step)
    checkpoints.prune(best)  # a kill may have come before it
    for inside in ("figures", "samples"):
        pictures.drop_after(folder / inside, step)


def refuse_links(folder: Path) -> None:
    """Raises UsageError if the checkpoints of a run are a link out of its folder."""
    inside = folder / "checkpoints"
    if inside.is_symlink() and folder.resolve() not in inside.resolve().parents:
        raise UsageError(f"{inside} links to a place outside the run folder: copy the checkpoints into it")


def environment() -> dict[str, Any]:
    """Versions and hardware that a result may depend on."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": machine.processor()[0],
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": calibrate.available_threads(),
        "processes": processes.world(),
    }
