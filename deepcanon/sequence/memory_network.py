r"""End-to-end memory network: answers a question by reading the sentences of a story several times.

Paper: Sukhbaatar, Szlam, Weston and Fergus, "End-To-End Memory Networks", 2015 (arXiv:1503.08895), after Weston, Chopra
and Bordes, "Memory Networks", 2014 (arXiv:1410.3916).

Legend: batch B, sentences S of a story, the newest first, words W of one, vocabulary V, width d, hops K, memories M,
restarts R; x_ij word j of sentence i, J its number of words, q_j word j of the question; A^k, C^k [V, d] embeddings
of hop k, B that of the question; T_A, T_C [M, d] a vector for each age; u the internal state, p the attention.

(1) m_i = sum_j l_j o A x_ij + T_A(i),   c_i = sum_j l_j o C x_ij + T_C(i),   u^1 = sum_j l_j o B q_j
(2) l_kj = (1 - j/J) - (k/d) (1 - 2 j/J)
(3) p_i = exp(u^k . m_i) / (sum_i' exp(u^k . m_i') + (M - n)), n sentences: a memory that holds nothing has the vector 0
    and so the score 0
(4) u^{k+1} = u^k + sum_i p_i c_i
(5) answer = softmax(W u^{K+1})
(6) adjacent tying: A^{k+1} = C^k, T_A^{k+1} = T_C^k, B = A^1, W^T = C^K: K + 1 matrices in all
(7) linear start: p_i = u . m_i in the first part of a training, without the softmax of (3)
(8) random noise: a share of empty memories comes between the sentences in training, so that ages are not exact
(9) g_r <- g_r min(1, 40 / ||g_r||), for each restart r alone

Since l is linear in k, (1) is two bags of words and no loop: with P_i = sum_j (1 - j/J) e(x_ij) and Q_i = sum_j (1 -
2 j/J) e(x_ij), both [V], the k-th entry of sum_j l_j o A x_ij is (P_i A)_k - (k/d) (Q_i A)_k. All sentences of a batch,
all K + 1 matrices and all restarts are one product.

Restarts are models of the same shape, trained side by side on the same batches from weights of their own: the paper
trains ten and keeps the one with the lowest TRAINING error, since some fall into poor minima.

Departures: the weights of (2) are doubled, so that their mean is 1, that of a plain bag of words. Empty memories of (3)
are counted, not stored: what pads a story has no effect, but attention may rest on nothing, without which questions of
yes or no fail (one restart of bAbI's task 6: 21 instead of 8 % wrong). Those of (8) shift the ages of the others.

>>> net = MemoryNetwork(6, memories=4, width=3, hops=2)  # words 0 to 5; 6 stands for none
>>> story = torch.tensor([[[0, 1, 2], [3, 1, 6], [6, 6, 6]]])  # two sentences, and padding
>>> reading = net(story, torch.tensor([[4, 0]]))
>>> tuple(reading.logits.shape), tuple(reading.attention.shape), reading.attention[0, 0, :, 2].tolist()
((1, 1, 6), (1, 1, 2, 3), [0.0, 0.0])
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from deepcanon.parts.masks import masked_softmax

__all__ = ["MemoryNetwork", "Reading", "answer_nll", "clip_restarts", "noisy_ages", "word_bags"]

SCALE = 2.0  # of the weights of (2): their mean is 1


class Reading(NamedTuple):
    """Logits [batch, restarts, words], and what each hop attended to [batch, restarts, hops, sentences]."""

    logits: Tensor
    attention: Tensor


def word_bags(
    words: Int[Tensor, "... words"], vocabulary: int, position: bool = True, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "... bags"]:
    """P and Q of each sentence [..., 2 vocabulary], for eq. (1); without `position` plain counts, and Q is 0.

    Args:
        words: numbers below `vocabulary`; that number itself stands for no word, behind or between others.
    """
    real = words != vocabulary
    place = torch.arange(1, words.shape[-1] + 1, device=words.device)
    longest = (real * place).amax(-1, keepdim=True).clamp_min(1)
    share = place.to(dtype) / longest
    first, second = (SCALE * (1 - share), SCALE * (1 - 2 * share)) if position else (torch.ones_like(share), 0 * share)
    bags = torch.zeros(*words.shape[:-1], 2 * vocabulary + 1, dtype=dtype, device=words.device)
    spare = torch.full_like(words, 2 * vocabulary)  # takes what no word gives
    bags = bags.scatter_add(-1, torch.where(real, words, spare), first)
    return bags.scatter_add(-1, torch.where(real, words + vocabulary, spare), second)[..., :-1]


def noisy_ages(
    lengths: Int[Tensor, "batch"], draws: Float[Tensor, "batch draws"], share: float, memories: int
) -> Int[Tensor, "batch places"]:
    """Ages of sentences, the newest first, after up to `share` as many empty memories came between them, eq. (8).

    Args:
        draws: uniform in [0, 1): the last of each row says how many are empty, the others which; one place less than
            draws is given an age, those beyond the story the last one.
        memories: ages are below this.
    """
    if draws.ndim != 2 or lengths.shape != draws.shape[:1]:
        raise ValueError(f"draws {tuple(draws.shape)} are not rows for lengths {tuple(lengths.shape)}")
    places = torch.arange(draws.shape[1] - 1, device=draws.device)
    count = lengths[:, None]
    room = count + (draws[:, -1:] * ((share * count).ceil() + 1)).floor()
    # The `count` smallest draws among the first `room` places are where sentences stand.
    rank = draws[:, :-1].masked_fill(places >= room, 2.0).argsort(1).argsort(1)
    stand = torch.where(rank < count, places, len(places) + memories)
    return stand.sort(1).values.clamp(max=memories - 1)


def answer_nll(
    logits: Float[Tensor, "batch restarts words"], answers: Int[Tensor, "batch"]
) -> Float[Tensor, "batch restarts"]:
    """Negative log-likelihood of each answer in nats, under every restart.

    Raises:
        ValueError: the shapes do not fit.
    """
    if logits.ndim != 3 or answers.shape != logits.shape[:1]:
        raise ValueError(f"answers {tuple(answers.shape)} do not fit logits {tuple(logits.shape)}")
    return F.cross_entropy(logits.transpose(1, 2), answers[:, None].expand(logits.shape[:2]), reduction="none")


def clip_restarts(gradients: Sequence[Tensor], limit: float) -> Float[Tensor, "restarts"]:
    """Scales gradients [restarts, ...] in place by eq. (9); returns the norm of each restart before."""
    norms = torch.stack([g.flatten(1).square().sum(1) for g in gradients]).sum(0).sqrt()
    scale = (limit / norms).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(scale.view(-1, *(1,) * (gradient.ndim - 1)))
    return norms


class MemoryNetwork(nn.Module):
    """Embeddings [restarts, hops + 1, vocabulary, width] and vectors of ages [restarts, hops + 1, memories, width].

    Args:
        vocabulary: V; the number V stands for no word.
        memories: M, the most sentences that are read.
        position: weight words by eq. (2); without, a sentence is a bag of words.
        temporal: add the vectors of ages.
        restarts: R.
        deviation: standard deviation of the initial weights.
    """

    def __init__(
        self,
        vocabulary: int,
        memories: int = 50,
        *,
        width: int = 20,
        hops: int = 3,
        position: bool = True,
        temporal: bool = True,
        restarts: int = 1,
        deviation: float = 0.1,
        device=None,
        dtype=None,
    ):
        super().__init__()
        if min(vocabulary, memories, width, hops, restarts) < 1:
            raise ValueError("vocabulary, memories, width, hops and restarts must be 1 or more")
        self.vocabulary, self.memories, self.width, self.hops = vocabulary, memories, width, hops
        self.position, self.temporal, self.restarts = position, temporal, restarts
        make = {"device": device, "dtype": dtype}
        shape = restarts, hops + 1
        self.embedding = nn.Parameter(torch.empty(*shape, vocabulary, width, **make).normal_(std=deviation))
        self.times = nn.Parameter(torch.empty(*shape, memories, width, **make).normal_(std=deviation))

    def forward(
        self,
        story: Int[Tensor, "batch sentences words"],
        question: Int[Tensor, "batch asked"],
        ages: Int[Tensor, "batch sentences"] | None = None,
        linear: bool = False,
    ) -> Reading:
        """Answers to questions.

        Args:
            story: the newest sentence first; a sentence without any word is padding.
            ages: of the sentences; 0, 1, ... if not given.
            linear: eq. (7).

        Raises:
            ValueError: more sentences than memories, or shapes that do not fit.
        """
        batch, sentences, _ = story.shape
        if sentences > self.memories:
            raise ValueError(f"{sentences} sentences do not fit into {self.memories} memories")
        if question.ndim != 2 or question.shape[0] != batch:
            raise ValueError(f"questions {tuple(question.shape)} do not fit stories {tuple(story.shape)}")
        dtype = self.embedding.dtype
        real = (story != self.vocabulary).any(2)
        bags = word_bags(story, self.vocabulary, self.position, dtype)
        places = torch.arange(1, self.width + 1, device=story.device).to(dtype) / self.width  # k / d
        weights = torch.cat([self.embedding, -self.embedding * places], 2)
        u = torch.matmul(word_bags(question, self.vocabulary, self.position, dtype), weights[:, 0])  # (1), [R, B, d]
        if self.temporal:
            if ages is None:
                ages = torch.arange(sentences, device=story.device).expand(batch, sentences)
            bags = torch.cat([bags, F.one_hot(ages, self.memories).to(dtype)], 2)
            weights = torch.cat([weights, self.times], 2)
        # (1) of all hops and, by (6), both sides of each
        features = weights.shape[2]
        memory = torch.matmul(bags.view(1, batch * sentences, features), weights.view(-1, features, self.width))
        memory = memory.view(self.restarts, self.hops + 1, batch, sentences, self.width)
        attention = []
        for hop in range(self.hops):
            scores = torch.matmul(memory[:, hop], u[..., None])[..., 0]
            p = scores * real if linear else self._attend(scores, real)
            u = u + torch.matmul(p[:, :, None], memory[:, hop + 1])[:, :, 0]  # (4)
            attention.append(p)
        logits = torch.matmul(u, self.embedding[:, self.hops].transpose(1, 2))  # (5), (6)
        return Reading(logits.transpose(0, 1), torch.stack(attention, 1).permute(2, 0, 1, 3))

    def _attend(self, scores: Float[Tensor, "restarts batch sentences"], real: Tensor) -> Tensor:
        """Eq. (3): all the empty memories together are one more place, whose score is the logarithm of their number."""
        empty = (self.memories - real.sum(1)).to(scores.dtype)
        places = torch.cat([real, (empty > 0)[:, None]], 1).repeat(self.restarts, 1)
        more = empty.clamp_min(1).log()[None, :, None].expand(self.restarts, -1, 1).to(scores.dtype)
        whole = torch.cat([scores, more], 2).flatten(0, 1)
        return masked_softmax(whole, places)[:, :-1].view_as(scores)
