"""Addition: two whole numbers, digit by digit, and then the digits of their sum.

Two numbers of `--digits` D digits in `--base` B, with equal chances from 0 to B^D - 1, written highest digit first and
each after a separator; a last separator, and then D blanks, during which the D + 1 digits of the sum are
asked, highest first. So the first answer is asked when the last separator is read, and depends on all digits by their
carries. Every digit of a sum but the highest one is uniform; that one is 1 with probability (1 - B^-D) / 2.

Source: Zaremba and Sutskever 2014 (arXiv:1410.4615), section 5; Kalchbrenner, Danihelka and Graves 2016
(arXiv:1507.01526), section 4.2, where the two numbers have 15 digits.

>>> import torch
>>> from deepcanon.data.tasks.addition import alphabet, sequences
>>> split = sequences(1, 3, 10, torch.Generator().manual_seed(0))
>>> "".join(alphabet(10)[i] for i in split.x[0].argmax(1)), [i for i in split.y[0].tolist() if i >= 0]
('+044+239+___', [0, 2, 8, 3])
"""

from typing import Any

import torch
import torch.nn.functional as F

from ..drawn import Noise, drawn_splits
from ..known import Known
from ..sequences import UNASKED
from ..splits import Split
from . import Task

__all__ = ["KIND", "alphabet", "draw", "sequences"]

KIND = "sequences"
DIGITS, BASE = 5, 10
PASS = MEASURED = 2000


def alphabet(base: int) -> str:
    """Digits, separator and blank."""
    return "0123456789"[:base] + "+_"


def sequences(count: int, digits: int, base: int, generator: torch.Generator) -> Split:
    """Symbols one-hot [count, 3 digits + 3, base + 2], and the sum's digits at the last digits + 1 of the steps."""
    if count < 1 or digits < 1 or not 2 <= base <= 10:
        raise ValueError(f"{count} sums of numbers of {digits} digits in base {base} cannot be drawn")
    separator, blank = base, base + 1
    first, second = torch.randint(base, (2, count, digits), generator=generator)
    total, carry = torch.empty(count, digits + 1, dtype=torch.long), torch.zeros(count, dtype=torch.long)
    for place in reversed(range(digits)):
        column = first[:, place] + second[:, place] + carry
        total[:, place + 1], carry = column % base, column // base
    total[:, 0] = carry
    x = torch.full((count, 3 * digits + 3), blank)
    x[:, 0] = x[:, digits + 1] = x[:, 2 * digits + 2] = separator
    x[:, 1 : digits + 1], x[:, digits + 2 : 2 * digits + 2] = first, second
    y = torch.full_like(x, UNASKED)
    y[:, -digits - 1 :] = total
    return Split(F.one_hot(x, base + 2).float(), y)


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Sums without end."""
    digits, base = options.get("digits", DIGITS), options.get("base", BASE)

    def example(noise: Noise, size: int) -> Split:
        whole, rows = sequences(size, digits, base, noise.generator("sequences")), noise.rows(size)
        return Split(whole.x[rows], whole.y[rows])

    floor = (digits / base + (1 + base**-digits) / 2) / (digits + 1)
    known = (
        Known("accuracy", floor, 1.0, "", ("0 for the highest digit, and a guess", "every carry is right")),
        Known(
            "all_correct", base**-digits, 1.0, "", ("always the likeliest sum, 0 and the highest digits", "the same")
        ),
    )
    facts = {"symbols": list(alphabet(base)), "classes": list(alphabet(base)[:base])}
    return Task(drawn_splits(example, "addition", seed, PASS, MEASURED), known, facts)
