"""Sequences of numbers [N, T, F] with a number each as target: they are generated, and no file of them is read yet."""

__all__ = ["ACCEPTS"]

ACCEPTS = "no file of sequences is read yet"
