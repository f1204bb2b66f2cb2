"""Techniques by name: optimizers, schedules, initial weights, losses, activations, for recipes to inject into systems.

The names are the Literals of the option groups in `deepcanon.options`; a test keeps both equal.
"""
