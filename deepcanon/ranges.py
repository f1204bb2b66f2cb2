"""What an option may be, as annotated types: Share, Positive, Count, Some[Count] ... Without torch or NumPy."""

import dataclasses
import math
import typing
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

__all__ = [
    "Belongs", "Count", "NonNegative", "Number", "Positive", "Probability", "Range", "Share", "Some", "Whole",
    "plain_type", "range_of", "types_of",
]  # fmt: skip

Belongs = dict[str, tuple[str, tuple[Any, ...]]]
"""BELONGS of a recipe or of a group of options: by option, the other one and its values with which it counts."""


@dataclass(frozen=True)
class Range:
    """The numbers that an option may be, in interval notation: Range("[0, 1)") is 0 <= x < 1."""

    interval: str

    def __contains__(self, value: Any) -> bool:
        low, high = (float(end) for end in self.interval[1:-1].split(","))
        above = low <= value if self.interval[0] == "[" else low < value
        below = value <= high if self.interval[-1] == "]" else value < high
        return bool(above and below)

    def __str__(self) -> str:
        low, high = (float(end) for end in self.interval[1:-1].split(","))
        if low == -math.inf and high == math.inf:
            return "a finite number"
        start = f"from {low:g}" if self.interval[0] == "[" else f"above {low:g}"
        if high == math.inf:
            return f"at least {low:g}" if self.interval[0] == "[" else start
        return f"{start} {'to' if self.interval[-1] == ']' else 'to below'} {high:g}"


@dataclass(frozen=True)
class NotEmpty:
    """Of a list."""

    def __contains__(self, value: Any) -> bool:
        return len(value) > 0

    def __str__(self) -> str:
        return "give at least one"


T = TypeVar("T")
Some = Annotated[tuple[T, ...], NotEmpty()]
"""A list that must not be empty."""
Share = Annotated[float, Range("[0, 1)")]
"""A share of a whole, but not all of it."""
Probability = Annotated[float, Range("[0, 1]")]
Positive = Annotated[float, Range("(0, inf)")]
NonNegative = Annotated[float, Range("[0, inf)")]
Number = Annotated[float, Range("(-inf, inf)")]
"""Any finite number."""
Count = Annotated[int, Range("[1, inf)")]
Whole = Annotated[int, Range("[0, inf)")]


def range_of(annotation: Any) -> Range | NotEmpty | None:
    """The range of an annotated type, if it has one; of a list, that it must not be empty."""
    found = [part for part in getattr(annotation, "__metadata__", ()) if isinstance(part, Range | NotEmpty)]
    return found[0] if found else None


def plain_type(annotation: Any) -> Any:
    """The annotation without its range."""
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is Annotated else annotation


_read: dict[type, dict[str, Any]] = {}  # annotations, which take a millisecond to read


def types_of(config: type) -> dict[str, Any]:
    """The annotations of a dataclass, with ranges: a field that is declared again keeps the range of its group."""
    if config in _read:
        return _read[config]
    found: dict[str, Any] = {}
    for base in reversed(config.__mro__):
        for name, annotation in typing.get_type_hints(base, include_extras=True).items():
            if name not in found or _without_ranges(annotation) != _without_ranges(found[name]) or _ranged(annotation):
                found[name] = annotation
    names = [field.name for field in dataclasses.fields(config)]
    return _read.setdefault(config, {name: found[name] for name in names})


def _without_ranges(annotation: Any) -> Any:
    annotation = plain_type(annotation)
    inner = typing.get_args(annotation)
    return (typing.get_origin(annotation), *map(_without_ranges, inner)) if inner else annotation


def _ranged(annotation: Any) -> bool:
    return range_of(annotation) is not None or any(map(_ranged, typing.get_args(plain_type(annotation))))
