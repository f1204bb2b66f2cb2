"""What is seen of a run folder at a glance: recipe, data, state, steps, best value. Read without torch."""

import datetime
import fcntl
import json
from pathlib import Path
from typing import Any

__all__ = ["LOCK", "glance", "is_held"]

LOCK = ".lock"
"""The file that a process holds while it works in a run folder."""


def glance(folder: Path) -> dict[str, Any]:
    """What a list shows of a run; what cannot be read is empty. A run that no process trains any more is "stopped",
    whatever it wrote last, and one whose config.json names no recipe is "damaged"."""
    config, status = (_json(folder / name) for name in ("config.json", "status.json"))
    settings, options = (value if isinstance(value := config.get(key), dict) else {} for key in ("settings", "config"))
    best = status.get("best") if isinstance(status.get("best"), dict) else {}
    written = max(
        (folder / name).stat().st_mtime for name in ("config.json", "status.json") if (folder / name).exists()
    )
    state = status.get("state") or "running"  # what has not written its status yet has just begun
    if state == "running" and not is_held(folder):
        state = "stopped"
    return {
        "run": str(folder),
        "recipe": config.get("name"),
        "data": settings.get("data"),
        "state": state if isinstance(config.get("name"), str) else "damaged",
        "step": status.get("step"),
        "steps": status.get("steps"),
        "best": {key: best.get(key) for key in ("metric", "value", "step")} if best else None,
        "written": datetime.datetime.fromtimestamp(written).isoformat(" ", "minutes"),
        "options": {**{k: v for k, v in settings.items() if k != "steps"}, **options},
    }


def is_held(folder: Path) -> bool:
    """Whether a process works in a run folder; nothing is written to find out."""
    try:
        with open(folder / LOCK, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # given back when the file is closed
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
