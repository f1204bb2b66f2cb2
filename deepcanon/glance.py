"""What is seen of a run folder at a glance: recipe, data, state, steps, best value. Read without torch."""

import datetime
import json
from pathlib import Path
from typing import Any

__all__ = ["glance"]


def glance(folder: Path) -> dict[str, Any]:
    """What a list shows of a run; what cannot be read is empty."""
    config, status = (_json(folder / name) for name in ("config.json", "status.json"))
    settings, options = (value if isinstance(value := config.get(key), dict) else {} for key in ("settings", "config"))
    best = status.get("best") if isinstance(status.get("best"), dict) else {}
    written = max(
        (folder / name).stat().st_mtime for name in ("config.json", "status.json") if (folder / name).exists()
    )
    return {
        "run": str(folder),
        "recipe": config.get("name"),
        "data": settings.get("data"),
        "state": status.get("state"),
        "step": status.get("step"),
        "steps": status.get("steps"),
        "best": {key: best.get(key) for key in ("metric", "value", "step")} if best else None,
        "written": datetime.datetime.fromtimestamp(written).isoformat(" ", "minutes"),
        "options": {**{k: v for k, v in settings.items() if k != "steps"}, **options},
    }


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
