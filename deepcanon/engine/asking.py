"""What is asked of a trained run, as the options of a verb, and the decision between two classes by a threshold."""

import dataclasses
from typing import Any

from deepcanon.errors import UsageError
from deepcanon.settings import build_config

__all__ = ["asked_of", "decide"]


def asked_of(name: str, kind: type, given: dict[str, Any]) -> Any:
    """The options of a verb, as the dataclass that the recipe declares for it; None is not given.

    Args:
        name: of the recipe.

    Raises:
        UsageError: it has no such option, or a value is out of range.
    """
    given = {option: value for option, value in given.items() if value is not None}
    known = [field.name for field in dataclasses.fields(kind)]
    for option in given:
        if option not in known:
            options = ", ".join(f"--{k.replace('_', '-')}" for k in known)
            raise UsageError(f"{name} has no option --{option.replace('_', '-')} here, only {options}")
    return build_config(kind, given)


def decide(record: dict[str, Any], threshold: float) -> None:
    """The label of two classes by the probability of the second one, instead of the likelier.

    Raises:
        UsageError: the threshold is no probability, or the answer is not one of two classes.
    """
    if not 0 <= threshold <= 1:
        raise UsageError(f"a threshold is a probability from 0 to 1, not {threshold:g}")
    chances = record.get("probabilities", {})
    if len(chances) != 2:
        raise UsageError("a threshold decides between two classes: this run has others")
    first, second = chances
    record["label"] = second if chances[second] >= threshold else first
