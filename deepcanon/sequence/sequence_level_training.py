r"""Sequence-level training: a decoder learns from the score of whole sentences that it has written itself.

Papers: Ranzato, Chopra, Auli and Zaremba, "Sequence Level Training with Recurrent Neural Networks", 2016
(arXiv:1511.06732), section 3.2, MIXER; Shen et al., "Minimum Risk Training for Neural Machine Translation", 2016
(arXiv:1512.02433), eqs. 10 and 11; Lin and Och, "ORANGE", 2004 (COLING), smoothed BLEU; Williams, "Simple Statistical
Gradient-Following Algorithms", 1992, REINFORCE.

Legend: y* the reference; y a sentence of T words, its end among them; s the boundary: words up to s are those of y*,
the later ones are drawn from the model; r the reward of the COMPLETE sentence; h_t the state that writes word t; b_t
its baseline; p the model; K candidates y_k of one source, costs d_k; alpha the sharpness.

(1) r = BLEU(y, y*) of one sentence: brevity times the geometric mean of the shares of n-grams, n = 1 .. 4, that y* has
    too, each as often as y* has it; for n > 1 one is added to both numbers, since most sentences lack one of length 4
(2) head:  -sum_{t <= s} log p(y*_t | y*_<t)                                    cross-entropy
(3) tail:  -sum_{t > s} (r - b_t) log p(y_t | y_<t),   y_t ~ p                  REINFORCE; r - b_t is a number
(4) baseline:  b_t = w . h_t + c,  learns sum_{t > s} (b_t - r)^2               no gradient into h_t
(5) s = T* - m, m rising from 0 to T* and beyond: in the end all words are drawn
(6) risk:  sum_k Q_k d_k,  Q_k = p(y_k)^alpha / sum_j p(y_j)^alpha,  d_k = 1 - r_k

The mean of the gradient of (3) is that of -E r whatever b_t is, as long as it does not depend on y_t .. y_T; a baseline
near the mean reward of what may still come makes it less noisy. It starts with w = 0 and c = 0.01.

Departures: the boundary of (5) is counted from the end of each reference, where Ranzato et al. have one for all
sentences, which they unroll for 25 steps; (1) is smoothed as Lin and Och do.

>>> round(sentence_bleu([1, 2, 3, 9], [1, 2, 3, 4]), 4)
0.658
>>> log_p = torch.tensor([[-1.0, -2.0, -3.0]], requires_grad=True)
>>> rewards, baselines = torch.tensor([0.5]), torch.tensor([[0.1, 0.1, 0.1]])
>>> terms = mixer_terms(log_p, torch.tensor([3]), torch.tensor([1]), rewards, baselines)
>>> [round(value.item(), 3) for value in terms]
[0.333, 0.667, 0.107]
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from deepcanon.parts.masks import real_positions

__all__ = ["Baseline", "MixerTerms", "mixer_terms", "risk", "sentence_bleu", "tail_words"]

ORDER = 4


class MixerTerms(NamedTuple):
    """Eqs. (2) to (4), each over the number of all real words; the first two have the gradient of the model."""

    cross_entropy: Tensor
    reinforce: Tensor
    baseline: Tensor


def sentence_bleu(found: Sequence[int], reference: Sequence[int]) -> float:
    """Eq. (1), from 0 to 1: of words, or their numbers, without the sign of the end.

    Raises:
        ValueError: the reference has no word.
    """
    if not reference:
        raise ValueError("the reference has no word")
    logs = 0.0
    for n in range(1, ORDER + 1):
        mine, theirs = (Counter(zip(*(row[i:] for i in range(n)), strict=False)) for row in (found, reference))
        right, more = sum((mine & theirs).values()), int(n > 1)
        if not right + more:
            return 0.0
        logs += math.log((right + more) / (max(0, len(found) - n + 1) + more))
    return math.exp(min(0.0, 1 - len(reference) / len(found)) + logs / ORDER)


def tail_words(step: int, every: float, more: int) -> int:
    """m of eq. (5): ``more`` words at once, and as many again after every so many steps.

    Raises:
        ValueError: a number is not positive.
    """
    if step < 0 or every <= 0 or more < 1:
        raise ValueError(f"step {step}, every {every}, more {more}: need a step from 0 and positive numbers")
    return more * (1 + int(step / every))


class Baseline(nn.Module):
    """Eq. (4): the reward that is to be expected, from states [..., H] through which no gradient flows back.

    Args:
        size: H.
    """

    def __init__(self, size: int, *, device=None, dtype=None):
        super().__init__()
        self.linear = nn.Linear(size, 1, device=device, dtype=dtype)
        nn.init.zeros_(self.linear.weight)
        nn.init.constant_(self.linear.bias, 0.01)

    def forward(self, states: Float[Tensor, "*batch states"]) -> Float[Tensor, "*batch"]:
        """b_t of each state."""
        return self.linear(states.detach())[..., 0]


def mixer_terms(
    log_probabilities: Float[Tensor, "batch time"],
    lengths: Int[Tensor, "batch"],
    heads: Int[Tensor, "batch"],
    rewards: Float[Tensor, "batch"],
    baselines: Float[Tensor, "batch time"],
) -> MixerTerms:
    """Eqs. (2) to (4).

    Args:
        log_probabilities: of the words of each sentence, true ones up to its boundary and drawn ones behind it.
        lengths: words of each sentence, its end among them; what stands behind has no meaning.
        heads: s, the true words of each; 0 draws all.

    Raises:
        ValueError: the shapes do not fit.
    """
    batch = log_probabilities.shape[:1]
    if log_probabilities.ndim != 2 or baselines.shape != log_probabilities.shape:
        raise ValueError(f"log probabilities {tuple(log_probabilities.shape)} and baselines {tuple(baselines.shape)}")
    if lengths.shape != batch or heads.shape != batch or rewards.shape != batch:
        raise ValueError(f"lengths, heads and rewards must be [{batch[0]}]")
    time = log_probabilities.shape[1]
    real, head = real_positions(lengths, time), real_positions(heads, time)
    first, second = real & head, real & ~head
    words = lengths.sum()
    gain = rewards.detach()[:, None] - baselines
    zero = log_probabilities.new_zeros(())
    cross_entropy = -torch.where(first, log_probabilities, zero).sum() / words
    reinforce = -torch.where(second, gain.detach() * log_probabilities, zero).sum() / words
    return MixerTerms(cross_entropy, reinforce, torch.where(second, gain.square(), zero).sum() / words)


def risk(
    log_probabilities: Float[Tensor, "batch candidates"],
    costs: Float[Tensor, "batch candidates"],
    alpha: float,
    different: Bool[Tensor, "batch candidates"] | None = None,
) -> Float[Tensor, ""]:
    """Eq. (6), mean over the sources.

    Args:
        log_probabilities: log p(y_k) of whole sentences.
        different: False for a candidate that is another one again, which counts once.

    Raises:
        ValueError: the shapes do not fit, or alpha is not positive.
    """
    if log_probabilities.ndim != 2 or costs.shape != log_probabilities.shape or not alpha > 0:
        raise ValueError(f"log p {tuple(log_probabilities.shape)}, costs {tuple(costs.shape)}, alpha {alpha} > 0")
    sharp = alpha * log_probabilities
    if different is not None:
        sharp = sharp.masked_fill(~different, -torch.inf)
    return (sharp.softmax(1) * costs.detach()).sum(1).mean()
