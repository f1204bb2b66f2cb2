"""Environments that an agent acts in, many copies at once with exact resume, and films of them."""
