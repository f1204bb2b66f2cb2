"""How values, times and states of a run are written in its page."""

import math

from deepcanon.engine.svg.frame import number

__all__ = ["STATES", "time_text", "value_text"]

STATES = {
    "done": "good", "running": "going", "stopped": "pause", "interrupted": "pause", "failed": "bad",
}  # fmt: skip
"""The look of a state; others look like a pause."""


def value_text(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value) if not (isinstance(value, int) and abs(value) < 10_000) else str(value)
    if isinstance(value, list | tuple):
        if len(value) > 24:
            return ", ".join(map(value_text, value[:20])) + f", … ({len(value)} in all)"
        return ", ".join(map(value_text, value)) if value else "none"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {value_text(entry)}" for key, entry in list(value.items())[:24])
    return str(value)


def time_text(seconds: float) -> str:
    if not math.isfinite(seconds):
        return str(seconds)
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
