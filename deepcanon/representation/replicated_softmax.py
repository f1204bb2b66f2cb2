"""The replicated softmax: a Boltzmann machine of word counts, whose hidden units are topics that multiply.

Papers: Salakhutdinov and Hinton 2009, "Replicated Softmax: an undirected topic model" (NIPS), for (1) to (8); Wallach,
Murray, Salakhutdinov and Mimno 2009, "Evaluation methods for topic models" (ICML), for (10).

v [N, K] word counts of documents of D = sum_k v_k words, h [N, J] in {0, 1}; W [K, J], b [K], c [J].

    E(v, h) = -v.W h - b.v - D c.h                     only the hidden bias is multiplied by D         (1)
    p(h_j = 1 | v) = sigmoid(D c_j + (v W)_j)                                                            (2)
    each of the D words is drawn from one softmax:  p(word k | h) = softmax(b + W h)_k                      (3)
    F(v) = -b.v - sum_j softplus(D c_j + (v W)_j)                                                          (4)
    Z_D = sum_h exp(D c.h) (sum_k exp(b_k + (W h)_k))^D,    its own Z for each length                       (5)
    -log p(words) = F(v) + log Z_D     of the words in their order: a bag of them has D! / prod_k v_k! orders   (6)
    AIS for each length: W, c times beta from 0 to 1, b all the way, so that the base is softmax(b)            (7)
    perplexity = exp(mean over documents of -log p / D)                                                   (8)

The directed model it is compared with, latent Dirichlet allocation: T topics phi [T, K], concentration a.

    p(words) = integral of Dirichlet(theta; a) prod_n sum_t theta_t phi_t,w(n)                              (9)
    p(w(n) | words before) ~ mean over particles of sum_t phi_t,w(n) (a + n_t) / (T a + n - 1), where n_t counts the
    topics of the words before; each of these is resampled given the others, then comes n                (10)

Merging two copies of a document doubles v and D: F becomes that of W, b, c doubled.

Departures: the base of AIS is the words' frequencies by b, not the uniform one. Documents have equal weight in the
gradient, however long, as in the paper; weights 1 / D can be given. The particles of (10) are resampled by how well
each predicted the word: the product over n is then an unbiased estimate of p(words), which without that it is not.

    >>> import torch
    >>> from deepcanon.representation import ReplicatedSoftmax
    >>> model, counts = ReplicatedSoftmax(6, 4), torch.tensor([[2.0, 0, 1, 0, 0, 0], [0, 0, 0, 1, 0, 0]])
    >>> model.gibbs(counts, 1).sum(1).tolist(), tuple(model(counts).shape)
    ([3.0, 1.0], (2, 4))
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from deepcanon.parts.bag_of_words import draw_words
from deepcanon.parts.noise import uniform
from deepcanon.parts.partition import binary_states, mean_weight

__all__ = [
    "ReplicatedSoftmax", "allocation_nats", "annealed_log_z", "exact_log_z", "left_to_right", "perplexities",
]  # fmt: skip

ENUMERABLE = 16  # hidden units whose states are summed over


def exact_log_z(
    lengths: Int[Tensor, "lengths"],
    weight: Float[Tensor, "words hidden"],
    word_bias: Float[Tensor, "words"],
    hidden_bias: Float[Tensor, "hidden"],
) -> Float[Tensor, "lengths"]:
    """Equation (5) in float64 by a sum over the states of the hidden units."""
    count = len(hidden_bias)
    if count > ENUMERABLE:
        raise ValueError(f"2^{count} states are too many for an exact log Z: {ENUMERABLE} hidden units at most, or AIS")
    h = binary_states(count).to(weight.device).double()
    each = h @ hidden_bias.double() + torch.logsumexp(word_bias.double() + h @ weight.double().T, 1)
    return torch.logsumexp(lengths.double()[:, None] * each, 1)  # (5)


@torch.no_grad()
def annealed_log_z(
    lengths: Int[Tensor, "lengths"],
    weight: Float[Tensor, "words hidden"],
    word_bias: Float[Tensor, "words"],
    hidden_bias: Float[Tensor, "hidden"],
    *,
    temperatures: int = 1000,
    chains: int = 50,
    generator: torch.Generator | None = None,
) -> tuple[Float[Tensor, "lengths"], Float[Tensor, "lengths"]]:
    """Equation (7): log Z of each length, and the standard error of the mean weight as a share of it."""
    if temperatures < 1 or chains < 2 or len(lengths) < 1 or lengths.min() < 1:
        raise ValueError(f"{temperatures} temperatures, {chains} chains, lengths from {lengths.tolist()[:1]}: too few")
    sizes = lengths.to(weight).repeat_interleave(chains)
    make: dict[str, Any] = {"generator": generator, "dtype": weight.dtype}

    def draw(logits: Tensor) -> Tensor:
        noise = torch.rand(len(sizes), int(lengths.max()), **make).to(weight.device)
        return draw_words(torch.softmax(logits, 1), sizes, noise)

    v = draw(word_bias.expand(len(sizes), -1))
    log_w = torch.zeros(len(sizes), dtype=torch.float64, device=weight.device)
    for k in range(temperatures):
        old, new = k / temperatures, (k + 1) / temperatures
        a = sizes[:, None] * hidden_bias + v @ weight
        log_w += (F.softplus(new * a) - F.softplus(old * a)).sum(1)
        h = (torch.rand(a.shape, **make).to(a.device) < torch.sigmoid(new * a)).to(a)
        v = draw(word_bias + new * h @ weight.T)
    found = mean_weight(log_w.view(len(lengths), chains))
    start = lengths * torch.logsumexp(word_bias.double(), 0) + len(hidden_bias) * math.log(2)
    return start + found.log_mean, found.error


def perplexities(
    model: "ReplicatedSoftmax",
    documents: Iterable[Float[Tensor, "_ words"]],
    log_shares: Float[Tensor, "words"],
    *,
    temperatures: int = 0,
    chains: int = 50,
    generator: torch.Generator | None = None,
    source: Callable[[Tensor], Tensor] | None = None,
) -> dict[str, Tensor]:
    """Equation (8) of documents that have a word, and by how many nats per word it is below that of single words.

    Args:
        documents: word counts, in parts.
        log_shares: of single words.
        temperatures: of (7), with `chains` chains for each length; 0 leaves it out.
        source: from word counts to log p(words) of the source of the documents, if that is known.

    Returns:
        free_energy (per word), empty (documents without a word), perplexity_unigram, perplexity_source; perplexity and
        gain by (5) if there are few hidden units; perplexity_ais, gain_ais and ais_error (the largest) by (7); ais_gap,
        the largest distance of both log Z.
    """
    parts = []
    for counts in documents:
        energy = model.free_energy(counts.to(model.weight))
        known = [source(counts)] if source else []
        parts.append(torch.stack([x.double() for x in (counts.sum(1), energy, counts @ log_shares, *known)]))
    columns = torch.cat(parts, 1)
    some = columns[0] > 0
    length, energy, *logs = columns[:, some]
    single, *others = (-(log_p / length).mean() for log_p in logs)
    found = {"free_energy": (energy / length).mean(), "empty": (~some).sum(), "perplexity_unigram": single.exp()}
    if others:
        found["perplexity_source"] = others[0].exp()
    different, places = length.long().unique(return_inverse=True)
    log_z: dict[str, Tensor] = {}
    if len(model.hidden_bias) <= ENUMERABLE:
        log_z[""] = exact_log_z(different, *model.parts())
    if temperatures:
        options: dict[str, Any] = {"temperatures": temperatures, "chains": chains, "generator": generator}
        log_z["_ais"], error = annealed_log_z(different, *model.parts(), **options)
        found["ais_error"] = error.max()
    for end, each in log_z.items():
        nats = ((energy + each[places]) / length).mean()
        found |= {f"perplexity{end}": nats.exp(), f"gain{end}": single - nats}
    if len(log_z) == 2:
        found["ais_gap"] = (log_z["_ais"] - log_z[""]).abs().max()
    return found


def allocation_nats(
    counts: Float[Tensor, "batch words"],
    topics: Float[Tensor, "topics words"],
    concentration: float,
    *,
    particles: int = 20,
    generator: torch.Generator | None = None,
) -> Float[Tensor, ""]:
    """The logarithm of (8) by (10), of the documents that have a word."""
    counts = counts[counts.sum(1) > 0]
    log_p = left_to_right(counts, topics, concentration, particles=particles, generator=generator)
    return -(log_p / counts.sum(1)).mean()


@torch.no_grad()
def left_to_right(
    counts: Float[Tensor, "batch words"],
    topics: Float[Tensor, "topics words"],
    concentration: float,
    *,
    particles: int = 10,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "batch"]:
    """Equation (10): log p of the words of each document under latent Dirichlet allocation, in a drawn order."""
    if topics.ndim != 2 or counts.ndim != 2 or counts.shape[1] != topics.shape[1]:
        raise ValueError(f"word counts {tuple(counts.shape)} and topics {tuple(topics.shape)} do not fit")
    if particles < 1 or not concentration > 0:
        raise ValueError(f"{particles} particles and concentration {concentration}: at least 1, and above 0")
    lengths, order = torch.sort(counts.sum(1).long(), descending=True)  # those with an n-th word are the first rows
    document, word = counts[order].nonzero(as_tuple=True)
    many = counts[order][document, word].long()
    document, word = document.repeat_interleave(many), word.repeat_interleave(many)
    noise = uniform((len(document),), counts, generator, torch.float64)
    place = torch.arange(len(document), device=counts.device) - (lengths.cumsum(0) - lengths)[document]
    words = torch.zeros(len(counts), int(lengths.max()), dtype=torch.long, device=counts.device)
    words[document, place] = word[(document + noise).argsort()]
    given = topics.T.contiguous()  # [words, topics]
    assigned = torch.zeros(len(counts), particles, words.shape[1], 1, dtype=torch.long, device=counts.device)
    total = torch.zeros(len(counts), dtype=torch.float64, device=counts.device)
    held = torch.full((len(counts), particles, len(topics)), concentration, dtype=topics.dtype, device=topics.device)

    steps = torch.arange(particles, dtype=topics.dtype, device=topics.device)

    def draw(p: Tensor, shift: Tensor | float = 0.0, scale: float = 1.0) -> Tensor:
        ends = p.cumsum(-1)
        places = (uniform((*p.shape[:-1], 1), p, generator, p.dtype) + shift) * scale
        return torch.searchsorted(ends, places * ends[..., -1:]).clamp_max_(p.shape[-1] - 1)

    for n in range(words.shape[1]):
        rows = int((lengths > n).sum())
        a_plus, z, one = held[:rows], assigned[:rows], torch.ones(rows, particles, 1, dtype=topics.dtype).to(held)
        for m in range(n):
            a_plus.scatter_add_(2, z[:, :, m], -one)
            z[:, :, m] = draw(a_plus * given[words[:rows, m], None])
            a_plus.scatter_add_(2, z[:, :, m], one)
        fit = (a_plus * given[words[:rows, n], None]).sum(2) / (len(topics) * concentration + n)
        total[:rows] += fit.mean(1).double().log()  # (10)
        chosen = draw(fit, steps, 1 / particles)[..., None]  # at even distances
        z.copy_(z.gather(1, chosen[..., None].expand_as(z)))
        a_plus.copy_(a_plus.gather(1, chosen.expand_as(a_plus)))
        z[:, :, n] = draw(a_plus * given[words[:rows, n], None])
        a_plus.scatter_add_(2, z[:, :, n], one)
    return torch.empty_like(total).scatter_(0, order, total)


class ReplicatedSoftmax(nn.Module):
    """Equations (1) to (6).

    Args:
        words, hidden: K and J.
        scale: standard deviation of the initial weights.
    """

    def __init__(self, words: int, hidden: int, *, scale: float = 0.01, device=None, dtype=None) -> None:
        super().__init__()
        if min(words, hidden) < 1:
            raise ValueError(f"{words} words and {hidden} hidden units: at least 1")
        make = {"device": device, "dtype": dtype}
        self.weight = nn.Parameter(scale * torch.randn(words, hidden, **make))
        self.word_bias = nn.Parameter(torch.zeros(words, **make))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden, **make))

    def inputs(self, counts: Float[Tensor, "batch words"]) -> Float[Tensor, "batch hidden"]:
        """D c + v W."""
        if counts.ndim != 2 or counts.shape[1] != len(self.weight):
            raise ValueError(f"word counts {tuple(counts.shape)} are not [batch, {len(self.weight)}]")
        return counts.sum(1, keepdim=True) * self.hidden_bias + counts @ self.weight

    def forward(self, counts: Float[Tensor, "batch words"]) -> Float[Tensor, "batch hidden"]:
        """The probabilities of the hidden units given word counts."""
        return torch.sigmoid(self.inputs(counts))  # (2)

    def words(self, hidden: Float[Tensor, "batch hidden"]) -> Float[Tensor, "batch words"]:
        return torch.softmax(self.word_bias + hidden @ self.weight.T, 1)  # (3)

    def free_energy(self, counts: Float[Tensor, "batch words"]) -> Float[Tensor, "batch"]:
        return -counts @ self.word_bias - F.softplus(self.inputs(counts)).sum(1)  # (4)

    def parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """W, b, c: the arguments of this file's functions."""
        return self.weight, self.word_bias, self.hidden_bias

    @torch.no_grad()
    def gibbs(
        self,
        counts: Float[Tensor, "batch words"],
        steps: int,
        generator: torch.Generator | None = None,
        *,
        longest: int = 0,
        share: tuple[int, int] = (0, 1),
    ) -> Float[Tensor, "batch words"]:
        """Documents of the same lengths after a number of steps of (2) and (3).

        Args:
            longest: words for which noise is drawn; 0 takes the longest document of the batch.
            share: (rank, world) of processes that run one set of chains: each draws the noise of all, takes its rows.
        """
        (rank, world), lengths = share, counts.sum(1)
        longest = longest or int(lengths.max())

        def noise(columns: int) -> Tensor:
            return uniform((world * len(counts), columns), counts, generator, self.weight.dtype)[rank::world]

        for _ in range(steps):
            p = self(counts)
            h = (noise(p.shape[1]) < p).to(p)
            counts = draw_words(self.words(h), lengths, noise(longest))
        return counts

    @torch.no_grad()
    def documents(
        self,
        shares: Float[Tensor, "words"],
        length: int,
        count: int,
        *,
        steps: int = 100,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "count words"]:
        """Documents of given lengths after a number of steps, starting from words drawn with these shares."""
        noise, lengths = uniform((count, length), shares, generator), shares.new_full((count,), float(length))
        start = draw_words(shares.expand(count, -1), lengths, noise)
        return self.gibbs(start.to(self.weight), steps, generator)

    def contrast(
        self, data: Float[Tensor, "n words"], samples: Float[Tensor, "n words"], by_length: bool = False
    ) -> Float[Tensor, ""]:
        """mean F(data) - mean F(samples): its gradient is that of CD. `by_length` divides each document by its D."""
        gap = self.free_energy(data) - self.free_energy(samples)
        return (gap / data.sum(1).clamp_min(1) if by_length else gap).mean()  # of an empty document it is 0
