"""Learning curves read by rule: smoothing, divergence, oscillation and plateau, and the learning-rate range test.

Papers: Bengio 2012, "Practical recommendations for gradient-based training of deep architectures" (arXiv:1206.5533);
Smith 2015, "Cyclical learning rates for training neural networks" (arXiv:1506.01186) for the range test; Fisher 1929,
"Tests of significance in harmonic analysis".

x_0 ... x_T are losses in the order of the steps; keep in [0, 1); n points in the window, the newest part of a curve.

    m_t = sum_s keep^(t-s) x_s / sum_s keep^(t-s)   the mean, corrected for its start; x_s not finite: weight 0   (1)
    x_t = a + c t / (n - 1) + e_t   least squares in the window: c the change over it, se(c), noise = sd(e)       (2)
    g   = max_k I_k / sum_k I_k   of the periodogram I of e;  P(g > x) = sum_j (-1)^(j-1) C(m,j) (1 - jx)^(m-1)   (3)
    r_t = lowest (highest / lowest)^(t / (T - 1))   the rates of a range test of T steps                          (4)
    s^2 = median (x_t-1 - 2 x_t + x_t+1)^2 / (6 * 0.4549),  se(m) = s sqrt((1 - keep) / (1 + keep))               (5)
    log best = sum_t w_t log r_t / sum_t w_t,   w_t = exp(-(m_t - min m) / (3 se(m)))                             (6)

`diagnose` says, in this order,
- "not finite": some loss is NaN or infinite;
- "diverging": the mean of the last fifth lies above the lowest fifth by at least half of what had been gained (or above
  the first), and by more than three times its error;
- "oscillating": one frequency holds a quarter of the power around the trend (3), beyond chance, with swings above
  `tolerance` and above the trend;
- "falling": the trend (2) falls by more than `tolerance` of the level and by more than three times its error;
- "plateau": none of these.
Bengio's advice for the first three, and first of all, is the same: a lower learning rate.

`read_range` reads a range test: the smoothed loss falls, has its minimum, and rises where the rate is too large. The
minimum is flat and noisy, so that its place is mostly chance: another rounding of the weights moves it 2.6-fold. Hence
the best rate is the middle of all that are about as good (6): one whose loss lies three standard errors (5) above the
minimum counts a third. The noise s is that of neighbours in the newest half of the losses up to the minimum (0.4549:
the median of a squared standard normal number). The suggested rate is a tenth of it, where the loss still fell;
Bengio's rule, a half of the largest rate that does not diverge, is `largest / 2`. The fall is steepest in the middle of
that third of the losses up to the minimum whose line of least squares over log r falls fastest.

Departures: the thresholds and (6) are ours, since the papers tell how curves look, not where one kind ends. Smith's
rates rise linearly; ours rise by a constant factor, so that every order of magnitude gets as many steps. An average
over a NaN is usually NaN; (1) leaves it out, so that a curve can be drawn up to its end.

    >>> import torch
    >>> from deepcanon.foundations import diagnose, read_range
    >>> from deepcanon.foundations.learning_curves import range_rate
    >>> steps = torch.arange(200.0)
    >>> diagnose(torch.exp(-steps / 80)).verdict, diagnose(torch.exp(steps / 80)).verdict
    ('falling', 'diverging')
    >>> rates = torch.tensor([range_rate(step, 100, 1e-4, 10.0) for step in range(100)])
    >>> reading = read_range(rates, 0.2 + (rates.log10() + 1) ** 2 / 10, keep=0.0)
    >>> reading.inside, round(reading.best, 3), round(reading.suggested, 4)
    (True, 0.1, 0.01)
"""

import math
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = [
    "Diagnosis",
    "RangeReading",
    "diagnose",
    "periodicity",
    "range_rate",
    "range_words",
    "read_range",
    "smooth",
    "trend",
]

Verdict = Literal["not finite", "diverging", "oscillating", "falling", "plateau"]
Losses = Float[Tensor, "steps"]
SLOWEST = 3  # periods that a window must hold before they count as an oscillation
SURE = 3.0  # standard errors
MEDIAN = 0.45493642311957283  # of the square of a standard normal number
PEAK = 0.25  # of the power: a frequency between two of the transform puts two fifths into each
CHANCE = 1e-3
LEAST = 30  # losses of a diagnosis
TINY = 1e-300  # a curve without noise: the minimum alone counts


class Diagnosis(NamedTuple):
    """What a curve does, and the numbers that say so; those of the trend are of its newest half."""

    verdict: Verdict
    level: float
    """Mean loss of the window."""
    change: float
    """Change of the trend over the window, and its standard error."""
    error: float
    noise: float
    """Standard deviation around the trend."""
    advice: str


class RangeReading(NamedTuple):
    """What a range test says. Rates; losses are smoothed."""

    suggested: float
    """A tenth of `best`."""
    best: float
    """The middle of the rates whose loss is about as low as the minimum, equation (6)."""
    steepest: float
    """The rate around which the loss fell fastest per factor."""
    largest: float
    """The largest rate before the loss rose above `factor` times its minimum, or was not finite."""
    minimum: float
    last: float
    """The loss at the end; infinite where it is not finite."""
    inside: bool
    """The minimum lies strictly between the first and the last rate, and the loss rose beyond `factor` after it."""


ADVICE = {
    "not finite": "lower the learning rate first, by a factor of 10; then clip gradients and look at the data",
    "diverging": "lower the learning rate first, by a factor of 3",
    "oscillating": "lower the learning rate or the momentum, or shuffle: the swings have a period",
    "falling": "continue",
    "plateau": "lower the learning rate; if the loss stays, training is done or the network too small",
}


def smooth(values: Losses, keep: float = 0.9) -> Float[Tensor, "steps"]:
    """Equation (1); NaN before the first finite value."""
    if values.ndim != 1 or not 0 <= keep < 1:
        raise ValueError(f"smoothing takes a vector and 0 <= keep < 1, got {tuple(values.shape)} and {keep}")
    total, weight, found = 0.0, 0.0, []
    for value in values.detach().double().tolist():
        finite = math.isfinite(value)
        total, weight = keep * total + (value if finite else 0.0), keep * weight + finite
        found.append(total / weight if weight > 0 else math.nan)  # (1)
    return torch.tensor(found, dtype=torch.float64, device=values.device)


def trend(values: Losses) -> tuple[Tensor, Tensor, Tensor]:
    """Equation (2): change over the whole vector, its standard error, and the noise around the line."""
    x = _finite(values, least=3)
    time = torch.linspace(-0.5, 0.5, len(x), dtype=x.dtype, device=x.device)
    spread = time.square().sum()
    change = (time * x).sum() / spread
    rest = x - x.mean() - change * time
    noise = (rest.square().sum() / (len(x) - 2)).sqrt()
    return change, noise / spread.sqrt(), noise


def periodicity(values: Losses, slowest: int = SLOWEST) -> tuple[Tensor, Tensor]:
    """Equation (3): the largest share of one frequency in the residuals of the trend, and its probability by chance.

    Frequencies of `slowest` periods in the vector and more count; a vector of even length loses its first value.
    """
    x = _finite(values, least=2 * slowest + 5)
    x = x[(len(x) + 1) % 2 :]
    time = torch.linspace(-0.5, 0.5, len(x), dtype=x.dtype, device=x.device)
    rest = x - x.mean() - (time * x).sum() / time.square().sum() * time
    power = torch.fft.rfft(rest).abs().square()[slowest:]
    total, count = power.sum(), len(power)
    # What is left of a straight line is rounding, which has no period.
    if total <= 1e-24 * len(x) ** 2 * x.square().mean():
        return x.new_zeros(()), x.new_ones(())
    share = power.max() / total
    p, g = 0.0, float(share)
    if g > 0.2:  # beyond that (3) is a sum of few terms of alternating sign; below it, it is rounding, and no peak
        terms = [(-1) ** (j - 1) * math.comb(count, j) * (1 - j * g) ** (count - 1) for j in range(1, int(1 / g) + 1)]
        p = min(1.0, max(0.0, math.fsum(terms)))
    else:
        p = 1.0
    return share, x.new_tensor(p)


def diagnose(losses: Losses, tolerance: float = 0.01) -> Diagnosis:
    """What the curve does, from its newest half; `tolerance` is the share of the level that counts as a change."""
    if losses.ndim != 1 or len(losses) < LEAST:
        raise ValueError(f"a diagnosis takes a vector of at least {LEAST} losses, got {tuple(losses.shape)}")
    x = losses.detach().double()
    if not bool(x.isfinite().all()):
        nan = math.nan
        return Diagnosis("not finite", nan, nan, nan, nan, ADVICE["not finite"])
    window = x[len(x) // 2 :]
    change, error, noise = (float(value) for value in trend(window))
    level = float(window.mean())
    verdict: Verdict = "plateau"
    small = tolerance * abs(level)
    share, chance = (float(value) for value in periodicity(window))
    if _diverges(x):
        verdict = "diverging"
    elif chance < CHANCE and share > PEAK and noise > small and noise > abs(change):
        verdict = "oscillating"
    elif change < -max(small, SURE * error):
        verdict = "falling"
    return Diagnosis(verdict, level, change, error, noise, ADVICE[verdict])


def _diverges(x: Losses) -> bool:
    fifth = len(x) // 5
    parts = x[len(x) - 5 * fifth :].view(5, fifth)
    means = parts.mean(1)
    lowest, last = means.min(), means[-1]
    # The noise is that of neighbours, so that a fall or a rise within a part does not count as noise.
    error = x.diff().square().mean().div(2).sqrt() / fifth**0.5
    rise, gained = last - lowest, means[0] - lowest
    return bool(rise > SURE * 2**0.5 * error and rise > 0.5 * gained and rise > 0.05 * lowest.abs())


def range_rate(step: int, steps: int, lowest: float, highest: float) -> float:
    """Equation (4): the learning rate at a step of a range test."""
    if steps < 2 or not 0 <= step < steps or not 0 < lowest < highest:
        raise ValueError(f"step {step} of {steps} from rate {lowest} to {highest} is not a range test")
    return lowest * (highest / lowest) ** (step / (steps - 1))


def read_range(rates: Losses, losses: Losses, keep: float = 0.9, factor: float = 1.5) -> RangeReading:
    """Reads a range test from its rates, which rise, and the training losses at them."""
    if rates.ndim != 1 or rates.shape != losses.shape or len(rates) < 3:
        raise ValueError(
            f"{tuple(rates.shape)} rates and {tuple(losses.shape)} losses are not a range test of 3 steps or more"
        )
    if not (factor > 1 and bool((rates.diff() > 0).all()) and bool(rates[0] > 0)):
        raise ValueError("a range test needs positive rates that rise, and a factor above 1")
    broken = (~losses.isfinite()).nonzero()[:, 0]
    end = int(broken[0]) if len(broken) else len(losses)
    if end < 2:
        raise ValueError("the loss is not a number from the start: begin at a lower rate")
    curve, grown = smooth(losses[:end], keep), rates[:end].double()
    place = int(curve.argmin())
    minimum, last = float(curve[place]), float(curve[-1]) if end == len(losses) else math.inf
    beyond = (curve[place:] > factor * minimum).nonzero()[:, 0]
    stop = place + int(beyond[0]) if len(beyond) else end
    raw, logs = losses[: place + 1].detach().double(), grown.log()
    error = _noise(raw[place // 2 :]) * math.sqrt((1 - keep) / (1 + keep))  # (5)
    weights = ((minimum - curve) / max(SURE * error, TINY)).exp()
    best = float(((weights * logs).sum() / weights.sum()).exp())  # (6)
    inside = 0 < place < len(losses) - 1 and last >= factor * minimum
    steepest = _steepest(logs[: place + 1], raw)
    return RangeReading(best / 10, best, steepest, float(grown[stop - 1]), minimum, last, inside)


def _noise(x: Losses) -> float:
    """s of equation (5): of second differences, which a trend hardly affects; 0 of fewer than 3 losses."""
    if len(x) < 3:
        return 0.0
    return math.sqrt(float(x.diff(n=2).square().median()) / (6 * MEDIAN))


def _steepest(logs: Losses, losses: Losses) -> float:
    """The middle of the third of the points over which the line of least squares falls fastest."""
    size = min(len(logs), max(2, len(logs) // 3))
    x, y = logs.unfold(0, size, 1), losses.unfold(0, size, 1)
    apart = x - x.mean(1, keepdim=True)
    slopes = (apart * y).sum(1) / apart.square().sum(1)
    return float(x[int(slopes.nan_to_num().argmin())].mean().exp())


def range_words(reading: RangeReading, rates: Losses, losses: Losses) -> str:
    """What a range test of these rates and losses says, in three or four lines."""
    if reading.inside:
        shape = f"a U: the minimum {reading.minimum:.3g} lies around rate {reading.best:.3g}, inside the range"
    elif reading.last <= reading.minimum:
        shape = "still falling at the largest rate: test up to a larger one (--highest)"
    else:
        shape = "no U: the loss has not risen after its minimum; test a wider range"
    half = reading.largest / 2
    lines = [
        shape,
        f"suggested rate {reading.suggested:.2g}; steepest fall at {reading.steepest:.2g}",
        f"largest rate that does not diverge {reading.largest:.2g}, half of it {half:.2g}",
    ]
    before = losses[rates <= reading.best]
    if len(before) >= LEAST:
        seen = diagnose(before)
        lines.append(f"the curve up to the minimum: {seen.verdict}; {seen.advice}")
    return "\n".join(lines) + "\n"


def _finite(values: Tensor, least: int) -> Tensor:
    if values.ndim != 1 or len(values) < least:
        raise ValueError(f"expected a vector of at least {least} values, got {tuple(values.shape)}")
    x = values.detach().double()
    if not bool(x.isfinite().all()):
        raise ValueError("a value is not finite")
    return x
