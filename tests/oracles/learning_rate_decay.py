"""Schedules step by step, and the variance of the noisy quadratic as a recursion of second moments."""

import math


def step(t, total, factor, drops):
    share = 1.0
    for drop in drops:
        if t / total >= drop:
            share *= factor
    return share


def exponential(t, total, last):
    return math.exp(t / total * math.log(last))


def inverse(t, total, last):
    """1 / (1 + a t) with a such that `last` is reached at the end."""
    a = (1 - last) / (last * total)
    return 1 / (1 + a * t)


def cosine(t, total, last):
    return last + (1 - last) * math.cos(math.pi * t / (2 * total)) ** 2


def second_moment(rates, curvature, noise, start):
    """E theta^2 after the steps: theta' = (1 - eta h) theta - eta s xi, xi independent of theta."""
    value = start**2
    for rate in rates:
        value = (1 - rate * curvature) ** 2 * value + (rate * noise) ** 2
    return value
