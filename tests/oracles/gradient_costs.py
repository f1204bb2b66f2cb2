"""The energy of a mixed fluid, component by component."""

import math


def energy(x):
    """The Helmholtz energy of the numbers `x`: sums over components, and over pairs of them."""
    n = len(x)
    b = [0.5 * (1 + math.cos(i)) / n for i in range(n)]
    a = [math.sin(1 + i) / math.sqrt(n) for i in range(n)]
    volume = sum(bi * xi for bi, xi in zip(b, x, strict=True))
    ideal = sum(xi * math.log(xi / (1 - volume)) for xi in x)
    pairs = sum(x[i] * a[i] * a[j] * x[j] for i in range(n) for j in range(n))
    ratio = (1 + (1 + math.sqrt(2)) * volume) / (1 + (1 - math.sqrt(2)) * volume)
    return ideal - pairs / (math.sqrt(8) * volume) * math.log(ratio)
