import numpy as np
import torch
from contract.cases import Case
from oracles import learning_curves as oracle

from deepcanon.foundations import diagnose, read_range
from deepcanon.foundations.learning_curves import periodicity, range_rate, smooth, trend

NO_GRADIENT = {"gradcheck": "curves are data"}
VERDICTS = ("not finite", "diverging", "oscillating", "falling", "plateau")


def wave(rng):
    return (np.sin(np.arange(40) * 1.1) + 0.3 * rng.normal(size=40),)


def judged(falling):
    """The verdict on a curve, upside down, and with a hole."""
    broken = torch.cat([falling, falling.new_tensor([float("nan")])])
    return torch.tensor([VERDICTS.index(diagnose(curve).verdict) for curve in (falling, 2 - falling, broken)])


def reading(losses):
    rates = torch.tensor([range_rate(step, len(losses), 1e-3, 1.0) for step in range(len(losses))], dtype=torch.float64)
    found = read_range(rates, losses, keep=0.7)
    told = [found.minimum, found.last, 10 * found.best, 10 * found.suggested, found.steepest, float(found.inside)]
    return torch.tensor(told, dtype=torch.float64)


def read(losses):
    """The same by the oracle."""
    rates, curve = oracle.rates(len(losses), 1e-3, 1.0), oracle.smooth(losses, 0.7)
    best = oracle.best(rates, losses, 0.7)
    inside = 0 < curve.argmin() < len(curve) - 1 and curve[-1] >= 1.5 * curve.min()
    return np.array([curve.min(), curve[-1], 10 * best, best, oracle.steepest(rates, losses, 0.7), float(inside)])


FUNCTIONS = (
    Case(
        name="smooth",
        build=None,
        call=lambda values: smooth(values, 0.8),
        inputs=lambda rng: (np.where(rng.random(30) < 0.1, np.inf, rng.normal(size=30)),),
        oracle=lambda params, values: oracle.smooth(values, 0.8),
        skips={**NO_GRADIENT, "finite": "before the first finite value there is no mean"},
    ),
    Case(
        name="trend",
        build=None,
        call=trend,
        inputs=lambda rng: (rng.normal(size=25) + np.arange(25) / 5,),
        oracle=lambda params, values: oracle.trend(values),
        skips=NO_GRADIENT,
    ),
    Case(
        name="periodicity",
        build=None,
        call=lambda values: periodicity(values, 3),
        inputs=wave,
        oracle=lambda params, values: oracle.periodicity(values, 3),
        skips=NO_GRADIENT,
    ),
    Case(
        name="range_rate",
        build=None,
        call=lambda x: torch.tensor([range_rate(step, 20, 1e-4, 3.0) for step in range(20)], dtype=x.dtype),
        inputs=lambda rng: (rng.normal(size=2),),
        oracle=lambda params, x: oracle.rates(20, 1e-4, 3.0),
    ),
    Case(
        name="diagnose",
        build=None,
        call=judged,
        inputs=lambda rng: (np.exp(-np.arange(100) / 40) + 0.02 * rng.normal(size=100),),
        oracle=lambda params, x: np.array([3, 1, 0]),
        skips=NO_GRADIENT,
    ),
    Case(
        name="read_range",
        build=None,
        call=reading,
        inputs=lambda rng: ((np.arange(120) / 100 - 0.8) ** 4 + 0.05 + 0.003 * rng.normal(size=120),),
        oracle=lambda params, x: read(x),
        skips=NO_GRADIENT,
    ),
)
