"""Options that count only with some values of another one are refused with others, and only then."""

import typing

import pytest

from deepcanon import heads
from deepcanon.errors import UsageError
from deepcanon.options import types_of
from deepcanon.resolving import resolve, settle


def pairs():
    """(recipe, option, the other one, its values) of all recipes."""
    for stem in heads.stems():
        head, module = resolve(heads.head(stem).name)
        groups = [vars(base).get("BELONGS", {}) for base in module.Config.__mro__]
        for known in (*groups, getattr(module, "BELONGS", {})):
            for option, (other, values) in known.items():
                yield head.name, option, other, values


def choices(hint):
    """The values of a Literal, also of one with a range."""
    return typing.get_args(typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint)


def changed(config, option):
    """Another value than the one that an option has anyway."""
    value = getattr(config, option)
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return next(one for one in choices(types_of(config)[option]) if one != value)
    if isinstance(value, tuple):
        return value[:1]
    return value + 1 if isinstance(value, int) else value / 2 + 0.0123


def test_an_option_without_effect_is_refused_and_what_belongs_together_is_not():
    tried = 0
    for name, option, other, values in pairs():
        config = resolve(name)[1].Config
        hint = types_of(config)[other]
        for value in set(values) & set(choices(hint) or values):
            settle(name, given={option: changed(config, option), other: value})
        idle = 16 if isinstance(values[0], int) else next(one for one in choices(hint) if one not in values)
        with pytest.raises(UsageError, match=f"--{option.replace('_', '-')} has no effect with --.* {idle}: leave it"):
            settle(name, given={option: changed(config, option), other: idle})
        settle(name, given={option: getattr(config, option), other: idle})
        tried += 1
    assert tried > 60


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        (
            "resnet",
            {"drop_factor": 0.9},
            "--drop-factor has no effect with --schedule one-cycle: leave it out",
        ),
        ("resnet", {"optimizer": "adamw", "momentum": 0.1}, "or give --optimizer sgd or momentum or nesterov"),
        ("softmax-regression", {"batch": 64}, "--batch has no effect with --optimizer lbfgs: leave it out, or give --"),
        ("sequence-level-training", {"candidates": 3}, "--candidates has no effect with --method mixer"),
    ],
)
def test_the_line_names_both_and_what_to_give(name, given, said):
    with pytest.raises(UsageError, match=said):
        settle(name, given=given)
