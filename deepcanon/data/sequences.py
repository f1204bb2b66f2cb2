"""Sequences of numbers [N, T, F]: they are generated, and no file of them is read yet.

Targets are a number each [N], or whole numbers [N, T] that name the class asked at every step, `UNASKED` where none is.
The facts name the "classes" then, and the "symbols" of one-hot inputs; where they say "padded", a sequence ends before
its first step of which all numbers are zero.
"""

__all__ = ["ACCEPTS", "UNASKED"]

ACCEPTS = "no file of sequences is read yet"
UNASKED = -100
"""At a step of which nothing is asked; torch's losses leave it out by default."""
