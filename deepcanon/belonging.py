"""Options that count only with some values of another one: with others they are refused, instead of passed over."""

from collections.abc import Collection
from typing import Any, Literal, get_args, get_origin

from deepcanon.errors import UsageError
from deepcanon.ranges import Belongs, types_of

__all__ = ["refuse_idle"]


def refuse_idle(config: Any, given: Collection[str], own: Belongs) -> None:
    """Refuses an option that was given, and not as it is anyway, where another one leaves it without effect.

    Args:
        own: BELONGS of the recipe itself, besides those of the groups that its Config takes options from.

    Raises:
        UsageError: naming both.
    """
    groups = [vars(base).get("BELONGS", {}) for base in reversed(type(config).__mro__)]
    for name, (other, values) in [pair for known in (*groups, own) for pair in known.items()]:
        now = getattr(config, other)
        if name in given and now not in values and getattr(config, name) != getattr(type(config), name):
            option, needed = f"--{name.replace('_', '-')}", f"--{other.replace('_', '-')}"
            hint = types_of(type(config))[other]
            allowed = get_args(hint) if get_origin(hint) is Literal else values  # some recipes have fewer optimizers
            them = " or ".join(str(value) for value in values if value in allowed)
            raise UsageError(f"{option} has no effect with {needed} {now}: leave it out, or give {needed} {them}")
