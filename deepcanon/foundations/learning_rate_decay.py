"""Learning-rate decay: schedules as pure functions of (step, steps), and their effect on the noise at the end.

Papers: Robbins and Monro 1951, "A stochastic approximation method" (Ann. Math. Statist. 22); Bottou 2012, "Stochastic
gradient descent tricks" (Neural Networks: Tricks of the Trade, LNCS 7700); Loshchilov and Hutter 2016, "SGDR"
(arXiv:1608.03983) for the cosine.

t steps are done, T are planned; each function gives the share of the first rate for the NEXT step, 1 at t = 0.

    constant       1                                                                     (1)
    step           factor^k, k the number of drops at or before t                        (2)
    exponential    last^(t/T)                                                            (3)
    inverse        1 / (1 + (1/last - 1) t/T)                                            (4)
    cosine         last + (1 - last) (1 + cos(pi t/T)) / 2                               (5)

With last = 1 / (1 + eta h T), (4) is Bottou's eta_t = eta / (1 + eta h t), h the smallest curvature.

The noisy quadratic theta <- theta - eta_t (h theta + s xi), xi standard normal:

    eta_t = eta constant: variance -> eta s^2 / (h (2 - eta h))                          (6)
    Bottou's eta_t, c = 1/(eta h), any start theta_0: after t steps
    E theta^2 = ((c - 1)^2 theta_0^2 + t s^2 / h^2) / (t + c - 1)^2                      (7)

(6) is a floor however long one trains, (7) goes to zero as 1/t.

Per step or per epoch: `whole_epochs(step, per_epoch)` counts the epochs that are done, so that a schedule of
(whole_epochs(step, m), epochs) keeps the first rate through the whole first epoch. The step is all the state there
is: a resumed run that knows its step knows its rate.

Departures: the papers' schedules do not depend on T; these do, so that one setting serves runs of any length.

    >>> from deepcanon.foundations import inverse_decay, step_decay
    >>> from deepcanon.foundations.learning_rate_decay import whole_epochs
    >>> [round(inverse_decay(t, 10, last=0.1), 3) for t in (0, 5, 10)]
    [1.0, 0.182, 0.1]
    >>> [step_decay(whole_epochs(step, 5), 2, drops=(0.5,)) for step in (0, 4, 5, 9)]
    [1.0, 1.0, 0.1, 0.1]
"""

import math

__all__ = [
    "constant_rate",
    "cosine_decay",
    "exponential_decay",
    "inverse_decay",
    "inverse_variance",
    "stationary_variance",
    "step_decay",
    "whole_epochs",
]


def _progress(step: int, steps: int, last: float = 1.0) -> float:
    """t/T, 1 after the end."""
    if steps < 1 or step < 0:
        raise ValueError(f"step {step} of {steps}: steps count from 0, and there is at least one")
    if not 0 <= last <= 1:
        raise ValueError(f"a share of the first rate lies in [0, 1], {last} does not")
    return min(1.0, step / steps)


def constant_rate(step: int, steps: int) -> float:
    """Equation (1)."""
    _progress(step, steps)
    return 1.0  # (1)


def step_decay(step: int, steps: int, *, factor: float = 0.1, drops: tuple[float, ...] = (0.5, 0.75)) -> float:
    """Equation (2): times `factor` at each of `drops`, which are shares of all steps."""
    if not 0 < factor <= 1 or any(not 0 < drop <= 1 for drop in drops):
        raise ValueError(f"factor {factor} and drops {drops} must lie in (0, 1]")
    _progress(step, steps)
    return factor ** sum(step >= drop * steps for drop in drops)  # (2)


def exponential_decay(step: int, steps: int, *, last: float = 0.01) -> float:
    """Equation (3): the same factor at each step, down to `last`."""
    progress = _progress(step, steps, last)
    if last == 0:
        raise ValueError("an exponential never reaches 0: give a positive last share")
    return last**progress  # (3)


def inverse_decay(step: int, steps: int, *, last: float = 0.01) -> float:
    """Equation (4): 1/t, down to `last`."""
    progress = _progress(step, steps, last)
    if last == 0:
        raise ValueError("1/t never reaches 0: give a positive last share")
    return 1 / (1 + (1 / last - 1) * progress)  # (4)


def cosine_decay(step: int, steps: int, *, last: float = 0.0) -> float:
    """Equation (5): half a cosine down to `last`."""
    return last + (1 - last) * 0.5 * (1 + math.cos(math.pi * _progress(step, steps, last)))  # (5)


def whole_epochs(step: int, per_epoch: int) -> int:
    """Epochs that are done before `step`: the first argument of a schedule that changes per epoch."""
    if step < 0 or per_epoch < 1:
        raise ValueError(f"step {step} with {per_epoch} steps in an epoch")
    return step // per_epoch


def stationary_variance(rate: float, curvature: float, noise: float) -> float:
    """Equation (6); needs rate * curvature < 2, otherwise the variance diverges."""
    _check(rate, curvature, noise)
    return rate * noise**2 / (curvature * (2 - rate * curvature))  # (6)


def inverse_variance(step: int, rate: float, curvature: float, noise: float, start: float = 0.0) -> float:
    """Equation (7): the mean square after `step` steps from `start` under Bottou's schedule."""
    _check(rate, curvature, noise)
    if step < 0:
        raise ValueError(f"step {step}: steps count from 0")
    delay = 1 / (rate * curvature)
    if step == 0:
        return start**2
    return ((delay - 1) ** 2 * start**2 + step * (noise / curvature) ** 2) / (step + delay - 1) ** 2  # (7)


def _check(rate: float, curvature: float, noise: float) -> None:
    if not (0 < rate < math.inf and 0 < curvature < math.inf and 0 <= noise < math.inf):
        raise ValueError(f"rate {rate}, curvature {curvature} and noise {noise} must be finite and positive")
    if rate * curvature >= 2:
        raise ValueError(f"rate {rate} times curvature {curvature} is 2 or more: the iteration diverges")
