"""Pieces used by two systems or more, in pure torch."""
