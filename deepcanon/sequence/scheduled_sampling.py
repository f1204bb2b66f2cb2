r"""Scheduled sampling: in training the decoder reads more and more of its own words instead of the true ones.

Paper: Bengio, Vinyals, Jaitly and Shazeer, "Scheduled Sampling for Sequence Prediction with Recurrent Neural Networks",
2015 (arXiv:1506.03099), sections 2.4 and 4.

Legend: i steps of training that are done; e_i the probability of the TRUE word; y_t words of the target, y_0 the sign
at which sentences begin; x_t what the decoder reads to write word t + 1; s the source; p the model's own distribution.

(1) linear           e_i = max(e, k - c i)            0 <= e < 1
(2) exponential      e_i = k^i                        k < 1
(3) inverse sigmoid  e_i = k / (k + exp(i / k))       k >= 1
(4) x_0 = y_0;  a coin is thrown for each TOKEN: x_t = y_t with probability e_i, else x_t ~ p( . | x_0 .. x_{t-1}, s)
(5) the loss is that of teacher forcing, -sum_t log p(y_{t+1} | x_0 .. x_t, s): what is asked stays the true word

The word of (4) is drawn, not the likeliest one, from what the model says after the MIXED words before it; the drawing
is no part of the gradient. `mixed` makes all inputs step by step without gradients, and one pass over them then gives
the loss: that pass computes the same distributions, since what it reads is equal up to t. A word is drawn by a uniform
number u: the first one whose cumulative probability exceeds u. So what is drawn follows from numbers that are given.

All three begin at 1 (k = 1 in (1); (3) at k / (k + 1)) and are one half after 1 / (2 c), -ln 2 / ln k and k ln k steps:
`halved_after` finds the constant that makes it so, which makes them comparable.

Departures: none in the equations. The paper has beam search for captions and says nothing of dropout: where a model
has it, the words are drawn without it, from the distribution that decoding uses.

>>> [round(inverse_sigmoid(step, 10.0), 3) for step in (0, 23, 100)]
[0.909, 0.501, 0.0]
>>> halved_after("linear", 500.0), round(halved_after("inverse-sigmoid", 23.0), 2)
(0.001, 9.99)
>>> table = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).log()
>>> keep = torch.tensor([[True, True, False, False]])
>>> mixed(lambda words, state: (table[words], state), (), torch.tensor([[0, 0, 0, 0]]), keep, torch.rand(1, 4)).tolist()
[[0, 0, 1, 0]]
"""

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = ["Decay", "drawn_words", "exponential", "halved_after", "inverse_sigmoid", "linear", "mixed", "true_share"]

Decay = Literal["linear", "exponential", "inverse-sigmoid"]
Step = Callable[[Tensor, Any], tuple[Tensor, Any]]


def _checked(step: int) -> int:
    if step < 0:
        raise ValueError(f"step {step}: steps count from 0")
    return step


def linear(step: int, slope: float, least: float = 0.0, first: float = 1.0) -> float:
    """Eq. (1): max(e, k - c i).

    Raises:
        ValueError: c is negative, or not 0 <= e <= k <= 1.
    """
    if slope < 0 or not 0 <= least <= first <= 1:
        raise ValueError(f"slope {slope}, least {least}, first {first}: need slope >= 0 and 0 <= least <= first <= 1")
    return max(least, first - slope * _checked(step))


def exponential(step: int, k: float) -> float:
    """Eq. (2): k^i.

    Raises:
        ValueError: k does not lie in [0, 1).
    """
    if not 0 <= k < 1:
        raise ValueError(f"k {k} of the exponential schedule must lie in [0, 1)")
    return float(k ** _checked(step))


def inverse_sigmoid(step: int, k: float) -> float:
    """Eq. (3): k / (k + exp(i / k)).

    Raises:
        ValueError: k is less than 1.
    """
    if not k >= 1:
        raise ValueError(f"k {k} of the inverse sigmoid must be at least 1")
    power = _checked(step) / k
    return k / (k + math.exp(power)) if power < 700 else 0.0


def halved_after(decay: Decay, steps: float) -> float:
    """The constant, c of (1) or k of (2) and (3), with which the share of true words is one half after so many steps.

    Raises:
        ValueError: `steps` is not positive, or there is no such schedule.
    """
    if not steps > 0:
        raise ValueError(f"{steps} steps: the share cannot be one half before the first")
    if decay == "linear":
        return 0.5 / steps
    if decay == "exponential":
        return float(0.5 ** (1 / steps))
    if decay != "inverse-sigmoid":
        raise ValueError(f"no schedule {decay!r}: linear, exponential or inverse-sigmoid")
    k = max(math.e, steps / max(1.0, math.log(steps)))
    for _ in range(100):  # Newton's method for k ln k = steps, which is convex: k stays above 1
        k = (k + steps) / (1 + math.log(k))
    return max(1.0, k)


def true_share(decay: Decay, step: int, half: float, least: float = 0.0) -> float:
    """The probability of the true word after `step` steps, one half after `half` of them and never below `least`.

    In eq. (1) `least` is e; the other two have none in the paper.
    """
    constant = halved_after(decay, half)
    if decay == "linear":
        return linear(step, constant, least)
    return max(least, (exponential if decay == "exponential" else inverse_sigmoid)(step, constant))


def drawn_words(logits: Float[Tensor, "batch words"], numbers: Float[Tensor, "batch"]) -> Int[Tensor, "batch"]:
    """The first word of each row whose cumulative probability exceeds the uniform number of the row.

    Raises:
        ValueError: the shapes do not fit.
    """
    if logits.ndim != 2 or numbers.shape != logits.shape[:1]:
        raise ValueError(f"logits {tuple(logits.shape)} and numbers {tuple(numbers.shape)} do not fit")
    # A sum of float32 over thousands of words may end beside 1, so that numbers are a share of it.
    mass = logits.softmax(-1).cumsum(-1)
    wanted = numbers.to(mass.dtype) * mass[:, -1]
    return torch.searchsorted(mass, wanted[:, None], right=True)[:, 0].clamp(max=logits.shape[1] - 1)


@torch.no_grad()
def mixed(
    step: Step,
    state: Any,
    inputs: Int[Tensor, "batch time"],
    keep: Bool[Tensor, "batch time"],
    numbers: Float[Tensor, "batch time"],
) -> Int[Tensor, "batch time"]:
    """Eq. (4): inputs of which some are the model's own words.

    Args:
        step: (words [batch], state) -> (logits [batch, words], state), the model's.
        state: before the first word.
        inputs: y_0 .. y_{T-1}, the true ones; the first is always kept.
        keep: the coins, True for the true word.
        numbers: uniform in [0, 1), by which words are drawn; where a coin keeps the true word they have no effect.

    Raises:
        ValueError: the shapes do not fit.
    """
    if inputs.ndim != 2 or not inputs.shape[1] or keep.shape != inputs.shape or numbers.shape != inputs.shape:
        shapes = ", ".join(f"{name} {tuple(value.shape)}" for name, value in (("keep", keep), ("numbers", numbers)))
        raise ValueError(f"inputs {tuple(inputs.shape)} must be [batch, time >= 1], and {shapes} alike")
    words = inputs[:, 0]
    found = [words]
    for t in range(1, inputs.shape[1]):
        logits, state = step(words, state)
        words = torch.where(keep[:, t], inputs[:, t], drawn_words(logits, numbers[:, t]))
        found.append(words)
    return torch.stack(found, 1)
