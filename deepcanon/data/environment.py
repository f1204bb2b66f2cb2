"""The environment reader: checks the id of a Gymnasium environment and says what its observations and actions are."""

import difflib
from pathlib import Path
from typing import Any

from .errors import DataError, Problem, Problems, one_line
from .splits import Dataset

__all__ = ["ACCEPTS", "fits", "knows", "read"]

ACCEPTS = "environment: the id of a Gymnasium environment such as CartPole-v1"


def fits(path: Path) -> bool:
    """No path is an environment."""
    return False


def _problem(spec: str, what: str, remedy: str) -> DataError:
    return DataError(Problem(one_line(spec, 80), "", what, remedy, skippable=False))


def knows(spec: str) -> bool:
    """Whether Gymnasium has an environment of this id."""
    try:
        import gymnasium
    except ImportError:
        return False
    return spec in gymnasium.registry


def read(
    spec: str | Path, seed: int = 0, options: dict[str, Any] | None = None, problems: Problems | None = None
) -> Dataset:
    """Checks the id; there are no examples, so the data set has no splits."""
    spec = str(spec)
    try:
        import gymnasium
    except ImportError:
        raise _problem(spec, "needs gymnasium", "pip install 'deepcanon[rl]'") from None
    # only what gymnasium lists: it would import the module named before a colon
    if spec not in gymnasium.registry:
        near = difflib.get_close_matches(spec, sorted(gymnasium.registry), 3, cutoff=0.5)
        raise _problem(
            spec,
            "is not an environment that gymnasium knows",
            f"did you mean {', '.join(near)}?" if near else ACCEPTS,
        )
    try:
        environment = gymnasium.make(spec)
        seen, taken = environment.observation_space, environment.action_space
        environment.close()
    except Exception as error:  # whatever an environment needs and does not find
        raise _problem(spec, f"cannot be made ({one_line(error, 120)})", "install what it needs") from None
    if not isinstance(taken, gymnasium.spaces.Discrete) or not isinstance(seen, gymnasium.spaces.Box):
        raise _problem(
            spec,
            f"shows {type(seen).__name__} and takes {type(taken).__name__}",
            "choose one with Box and Discrete",
        )
    facts = {"id": spec, "observation": list(seen.shape), "actions": int(taken.n)}
    notes = [f"environment: {spec}, observation {list(seen.shape)}, {int(taken.n)} actions"]
    return Dataset("environment", {}, facts, notes, {"id": spec})
