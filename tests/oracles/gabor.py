"""Gabor functions pixel by pixel, and the best fit of one by a general solver from a grid of starts."""

import itertools
import math

import numpy as np
from scipy.optimize import brentq, least_squares


def gabor(parameters, height, width):
    """Each row x0, y0, angle, frequency, log su, log sv, a, b as a picture."""
    pictures = np.zeros((len(parameters), height, width))
    for n, (x0, y0, angle, f, su, sv, a, b) in enumerate(parameters):
        for row, column in itertools.product(range(height), range(width)):
            x, y = column - (width - 1) / 2 - x0, row - (height - 1) / 2 - y0
            u, v = x * math.cos(angle) + y * math.sin(angle), -x * math.sin(angle) + y * math.cos(angle)
            envelope = math.exp(-(u**2) / (2 * math.exp(su) ** 2) - v**2 / (2 * math.exp(sv) ** 2))
            wave = a * math.cos(2 * math.pi * f * u) + b * math.sin(2 * math.pi * f * u)
            pictures[n, row, column] = envelope * wave
    return pictures


def best_r2(patch, angles=4, frequencies=(0.12, 0.25)):
    """R2 of the best Gabor function that trust-region least squares finds from a grid of angles and frequencies."""
    height, width = patch.shape
    side = max(height, width)
    p = (patch - patch.mean()).ravel()
    rows, columns = np.mgrid[:height, :width]
    x, y = columns.ravel() - (width - 1) / 2, rows.ravel() - (height - 1) / 2

    def missed(q):
        x0, y0, angle, f, su, sv, a, b = q
        u = (x - x0) * np.cos(angle) + (y - y0) * np.sin(angle)
        v = -(x - x0) * np.sin(angle) + (y - y0) * np.cos(angle)
        wave = a * np.cos(2 * np.pi * f * u) + b * np.sin(2 * np.pi * f * u)
        g = np.exp(-(u**2) / (2 * np.exp(2 * su)) - v**2 / (2 * np.exp(2 * sv))) * wave
        return g - g.mean() - p

    big = 100 * np.abs(p).max()
    low = [-width / 2, -height / 2, -10, 0.5 / side, math.log(0.5), math.log(0.5), -big, -big]
    high = [width / 2, height / 2, 10, 0.5, math.log(side / 2), math.log(side / 2), big, big]
    center = np.abs(p).argmax()
    errors = []
    for k, f in itertools.product(range(angles), frequencies):
        at = [
            x[center],
            y[center],
            k * math.pi / angles,
            f,
            math.log(side / 6),
            math.log(side / 6),
            p[center],
            p[center] / 3,
        ]
        errors.append(2 * least_squares(missed, np.clip(at, low, high), bounds=(low, high), max_nfev=80).cost)
    return 1 - min(errors) / (p**2).sum()


def edge_like(parameters, height, width):
    """Localised and band-pass: half heights of the envelope found by search, the spectrum by sums over fine samples."""
    found = []
    for _, _, _, f, su, sv, a, b in parameters:
        full = [2 * brentq(lambda x, s=s: math.exp(-(x**2) / (2 * s**2)) - 0.5, 0, 5 * s) for s in np.exp([su, sv])]
        u = np.linspace(-7, 7, 301) * math.exp(su)
        g = np.exp(-(u**2) / (2 * math.exp(2 * su))) * (a * np.cos(2 * np.pi * f * u) + b * np.sin(2 * np.pi * f * u))
        waves = np.linspace(0, f + 0.6 / math.exp(su), 300)
        spectrum = np.abs(np.exp(-2j * np.pi * waves[:, None] * u) @ g)
        found.append(height * width / (full[0] * full[1]) >= 4 and spectrum[0] <= spectrum.max() / 2)
    return np.array(found)
