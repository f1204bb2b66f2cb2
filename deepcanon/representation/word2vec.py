"""Word vectors from a text: skip-gram and CBOW with negative sampling.

Papers: Mikolov et al. 2013, "Efficient estimation of word representations in vector space" (arXiv:1301.3781) and
"Distributed representations of words and phrases and their compositionality" (arXiv:1310.4546); Levy and Goldberg 2014,
"Neural word embedding as implicit matrix factorization" (NIPS), for (7) and (8); Duchi, Hazan and Singer 2011,
"Adaptive subgradient methods" (JMLR), for (10).

V words with counts n_w and frequencies f_w = n_w / sum n; v_w the input, u_w the output vector of D numbers; c the
largest window; k noise words; #(w, c) how often c occurs near w, #(w) = sum_c #(w, c).

    p(keep w) = min(1, sqrt(t / f_w)), drawn before windows are                                     (1)
    P(w) proportional to n_w^0.75                       the noise                                   (2)
    near i: the words at 1..r_i places to either side, r_i uniform on 1..c, within the sentence     (3)
    h = v_w (skip-gram: predict each near word)   or   h = mean of the near words' v (CBOW: predict w)   (4)
    loss = -log sigmoid(u_o . h) - sum over k words n drawn from P, n != o, log sigmoid(-u_n . h)   (5)
    g_j = sigmoid(u_j . h) - [j = o];   dh = sum_j g_j u_j;   du_j = g_j h                          (6)
    all #(w, c) pairs at once, per pair:  -#(w, c) log sigmoid(s) - k #(w) P(c) log sigmoid(-s)     (7)
    whose minimum is  s = u_c . v_w = log #(w, c) / (k #(w) P(c)),  PMI - log k for P = #(c) / #    (8)

Skip-gram is fast where a row of neighbouring words shares N noise words m, and no window is drawn: with
a_ij = (c + 1 - |i - j|) / c, the probability that (3) has j near i,

    loss_i = sum_j a_ij (-log sigmoid(u_j . v_i) - (k / N) sum_{m != j} log sigmoid(-u_m . v_i))    (9)

has the expectation of (5) over the windows, the noise and all pairs of i, and is a few products of matrices.

A step on a batch moves the vector e_w of a word by its summed gradient d_w, with AdaGrad's rate for each word:

    s_w <- s_w + |d_w|^2 / D;     e_w <- e_w - rate d_w / s_w^p                                     (10)

`Word2Vec.update` computes (6) for given pairs and noise without autograd and without the [pairs, 1 + k, D] array of the
vectors: the products with `embedding_bag`, the sums over equal words by sorting the pairs by word.
`Word2Vec.update_shared` does so for (9).

Departures
- The pairs of a batch share the parameters from before it, and a word moves once, by (10); the C tool updates after
  each pair, at one rate for all words. p = 1/2 is AdaGrad, p = 0 plain descent, under which the most frequent words of
  a large batch overshoot.
- (9) is ours: fewer noise words, which are not independent between the pairs of a row; no gradient differs in mean.
- The gradient of CBOW's mean (4) is divided by the number of near words, as the derivative says; the C tool adds the
  undivided dh to each of them.
- The C tool keeps with probability sqrt(t / f) + t / f; (1) is the paper's.
- In skip-gram the centre predicts its near words, as in the paper; the C tool lets the near word predict the centre,
  which on windows of both sides is the same set of pairs.

    >>> import torch
    >>> from deepcanon.representation import Word2Vec
    >>> from deepcanon.representation.word2vec import skip_gram_pairs
    >>> words, sentences = torch.tensor([0, 1, 2, 3]), torch.tensor([0, 0, 0, 1])
    >>> centres, near = skip_gram_pairs(words, sentences, reach=torch.tensor([1, 1, 2, 2]))
    >>> sorted(zip(centres.tolist(), near.tolist()))
    [(0, 1), (1, 0), (1, 2), (2, 0), (2, 1)]
    >>> Word2Vec(4, 8)(centres[:, None], near[:, None]).shape
    torch.Size([5, 1])
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

__all__ = [
    "SharedRows", "Word2Vec", "cbow_windows", "draw_noise", "keep_probabilities", "negative_sampling_loss",
    "noise_distribution", "noise_weights", "shared_noise_loss", "shared_rows", "skip_gram_pairs",
]  # fmt: skip


class SharedRows(NamedTuple):
    """Rows of a text whose words share noise words, and what each pair of a word and a target weighs in (9)."""

    words: Int[Tensor, "rows width"]
    near: Int[Tensor, "rows around"]
    """The words of the row and `window` more on either side."""
    noise: Int[Tensor, "rows shared"]
    right: Float[Tensor, "rows width around"]
    """a_ij; 0 for words that are not near."""
    wrong: Float[Tensor, "rows width shared"]
    """The weights of the noise words."""


def keep_probabilities(counts: Tensor, threshold: float) -> Float[Tensor, "words"]:
    """The probability that a token of each word stays in the text, equation (1); a threshold of 0 keeps all."""
    if counts.ndim != 1 or not bool((counts >= 0).all()) or not float(counts.sum()) > 0:
        raise ValueError(f"expected counts [words], none negative, not all zero, got {tuple(counts.shape)}")
    frequencies = counts.double() / counts.double().sum()
    # (1)
    return (threshold / frequencies).sqrt().clamp(max=1.0) if threshold else torch.ones_like(frequencies)


def noise_distribution(counts: Tensor, power: float = 0.75) -> Float[Tensor, "words"]:
    """The probabilities of the noise words, equation (2); words that never occur are never drawn."""
    if counts.ndim != 1 or not bool((counts >= 0).all()) or not float(counts.sum()) > 0:
        raise ValueError(f"expected counts [words], none negative, not all zero, got {tuple(counts.shape)}")
    raised = torch.where(counts > 0, counts.double().pow(power), 0.0)
    return raised / raised.sum()


def draw_noise(noise: Float[Tensor, "words"], shape: tuple[int, ...], generator=None) -> Int[Tensor, "..."]:
    """Words drawn independently from probabilities: the place of a uniform number among the cumulative sums."""
    edges = noise.double().cumsum(0)
    uniform = torch.rand(shape, dtype=torch.float64, generator=generator).to(noise.device) * edges[-1]
    last = int(noise.nonzero()[-1])  # rounding must not lead beyond the last word that can be drawn
    return torch.searchsorted(edges, uniform, right=True).clamp(max=last)


def _fit(words: Tensor, sentences: Tensor, reach: Tensor) -> None:
    if words.ndim != 1 or words.shape != sentences.shape or words.shape != reach.shape:
        shapes = ", ".join(str(tuple(x.shape)) for x in (words, sentences, reach))
        raise ValueError(f"expected words, sentences and reach of one length, got {shapes}")


def skip_gram_pairs(
    words: Int[Tensor, "tokens"], sentences: Int[Tensor, "tokens"], reach: Int[Tensor, "tokens"]
) -> tuple[Int[Tensor, "pairs"], Int[Tensor, "pairs"]]:
    """(centres, near words) of a text, equation (3).

    Args:
        sentences: the number of each token's sentence; no window leaves its own.
        reach: r_i, the window drawn for each token.
    """
    _fit(words, sentences, reach)
    centres, near = [words[:0]], [words[:0]]
    for gap in range(1, min(int(reach.max()) if len(reach) else 0, len(words) - 1) + 1):
        left, right, together = words[:-gap], words[gap:], sentences[gap:] == sentences[:-gap]
        onward, back = together & (reach[:-gap] >= gap), together & (reach[gap:] >= gap)
        centres += [left[onward], right[back]]
        near += [right[onward], left[back]]
    return torch.cat(centres), torch.cat(near)


def cbow_windows(
    words: Int[Tensor, "tokens"], sentences: Int[Tensor, "tokens"], reach: Int[Tensor, "tokens"]
) -> tuple[Int[Tensor, "centres"], Int[Tensor, "centres near"], Float[Tensor, "centres near"]]:
    """(centres, near words, their shares of the mean) of a text, equations (3) and (4).

    Empty places hold the centre with share 0; tokens without a neighbour are left out.
    """
    _fit(words, sentences, reach)
    size = len(words)
    widest = min(int(reach.max()) if size else 0, max(size - 1, 0))
    gaps = torch.cat([torch.arange(-widest, 0), torch.arange(1, widest + 1)]).to(words.device)
    places = torch.arange(size, device=words.device)[:, None] + gaps
    inside = (places >= 0) & (places < size) & (gaps.abs() <= reach[:, None])
    places = torch.where(inside, places, torch.arange(size, device=words.device)[:, None])
    inside &= sentences[places] == sentences[:, None]
    some = inside.any(1)
    near = torch.where(inside, words[places], words[:, None])[some]
    shares = inside[some].double()
    return words[some], near, shares / shares.sum(1, keepdim=True)  # (4)


def noise_weights(targets: Int[Tensor, "rows targets"]) -> Float[Tensor, "rows targets"]:
    """1 for the true word in the first column and for noise words, 0 where a noise word is the true one."""
    weights = (targets != targets[:, :1]).to(torch.get_default_dtype())
    weights[:, 0] = 1.0
    return weights


def negative_sampling_loss(
    scores: Float[Tensor, "rows targets"], weights: Float[Tensor, "rows targets"] | None = None
) -> Float[Tensor, "rows"]:
    """Equation (5) of each row: the true word's score is in the first column, the others are noise."""
    if scores.ndim != 2 or not scores.shape[1] or (weights is not None and weights.shape != scores.shape):
        shape = tuple(weights.shape) if weights is not None else "none"
        raise ValueError(f"expected scores [rows, 1 + noise] and weights like it, got {tuple(scores.shape)}, {shape}")
    terms = torch.cat([F.softplus(-scores[:, :1]), F.softplus(scores[:, 1:])], 1)  # (5): -log sigmoid(x)
    return (terms if weights is None else terms * weights).sum(1)


def _products(table: Tensor, places: Tensor, rows: Tensor) -> Float[Tensor, "rows places"]:
    """table[places[b, t]] . rows[b] without an array [rows, places, dims]: a weighted sum's slope in its weights."""
    with torch.enable_grad():
        weights = torch.ones_like(places, dtype=table.dtype).requires_grad_()
        sums = F.embedding_bag(places, table.detach(), per_sample_weights=weights, mode="sum")
        return torch.autograd.grad(sums, weights, rows)[0]


def shared_rows(
    words: Int[Tensor, "tokens"],
    sentences: Int[Tensor, "tokens"],
    noise: Int[Tensor, "rows shared"],
    window: int,
    negatives: int,
    *,
    dtype: torch.dtype | None = None,
) -> SharedRows:
    """A text in as many rows as there are rows of noise words, with the weights of equation (9).

    Args:
        sentences: the number of each token's sentence, from 0; no window leaves its own.
        noise: of each row, drawn from (2).
        negatives: k.
    """
    _fit(words, sentences, words)
    if noise.ndim != 2 or not noise.numel() or window < 1:
        raise ValueError(
            f"expected noise [rows, shared] and a window of at least 1, got {tuple(noise.shape)}, {window}"
        )
    rows, shared = noise.shape
    width = max(1, -(-len(words) // rows))
    around, empty = width + 2 * window, rows * width - len(words)
    padded, inside = F.pad(words, (window, window + empty)), F.pad(sentences, (window, window + empty), value=-1)
    own = F.pad(sentences, (0, empty), value=-2)  # unlike the -1 next to it, so that no word is near an empty place
    chances = [(window + 1 - abs(gap)) / window if gap else 0.0 for gap in range(-window, window + 1)]
    chance = torch.tensor(chances, dtype=dtype or torch.get_default_dtype(), device=words.device)
    together = (inside.unfold(0, len(chances), 1) == own[:, None]).view(rows, width, -1)
    right = chance.new_zeros(rows, width, around)
    diagonals = right.as_strided(together.shape, (width * around, around + 1, 1))
    torch.mul(together, chance, out=diagonals)  # a_ij
    near = padded.unfold(0, around, width)
    same = (near.int()[:, :, None] == noise.int()[:, None, :]).to(right)
    # (9): the weight of a noise word, without the near words that it is itself.
    wrong = torch.baddbmm(right.sum(2, keepdim=True).expand(-1, -1, shared), right, same, alpha=-1)
    own_words = padded[window : window + rows * width].view(rows, width)
    return SharedRows(own_words, near, noise, right, wrong.mul_(negatives / shared))


def shared_noise_loss(
    scores: Float[Tensor, "rows width targets"],
    right: Float[Tensor, "rows width around"],
    wrong: Float[Tensor, "rows width shared"],
) -> Float[Tensor, "rows width"]:
    """Equation (9) of each word of the rows; its scores with the words around come first, then those with the noise."""
    around = right.shape[-1]
    if scores.ndim != 3 or scores.shape[:2] != right.shape[:2] or scores.shape[2] != around + wrong.shape[-1]:
        shapes = ", ".join(str(tuple(x.shape)) for x in (scores, right, wrong))
        raise ValueError(f"expected scores [rows, width, around + shared] and their weights, got {shapes}")
    near, noise = scores.split([around, wrong.shape[-1]], 2)
    return (right * F.softplus(-near)).sum(2) + (wrong * F.softplus(noise)).sum(2)  # (9)


def _descend(
    table: Tensor, squares: Tensor, places: Tensor, weights: Tensor | None, rows: Tensor, rate: float, power: float
) -> None:
    """Equation (10) with d_w the sum of weights[b, t] rows[b] over the places[b, t] = w."""
    flat, order = places.flatten().sort()
    words, many = flat.unique_consecutive(return_counts=True)
    weights = None if weights is None else weights.flatten()[order]
    begin = many.cumsum(0) - many
    sums = F.embedding_bag(order // places.shape[1], rows, begin, per_sample_weights=weights, mode="sum")
    if power:
        grown = squares[words] + torch.linalg.vector_norm(sums, dim=1).square() / sums.shape[1]
        squares[words] = grown
        sums *= grown.clamp(min=torch.finfo(sums.dtype).tiny).pow(-power)[:, None]
    table.scatter_add_(0, words[:, None].expand_as(sums), sums.mul_(-rate))  # (10)


class Word2Vec(nn.Module):
    """Two tables of vectors: of the words that predict, and of the words that are predicted; and the s_w of each.

    Args:
        vocabulary_size: V.
        dimensions: D.
    """

    def __init__(self, vocabulary_size: int, dimensions: int = 300, *, device=None, dtype=None) -> None:
        super().__init__()
        if vocabulary_size < 1 or dimensions < 1:
            raise ValueError(f"{vocabulary_size} words of {dimensions} dimensions: both must be at least 1")
        size, kind = (vocabulary_size, dimensions), {"device": device, "dtype": dtype}
        # As in the C tool: small inputs, outputs of zero.
        self.input_vectors = nn.Parameter((torch.rand(size, **kind) - 0.5) / dimensions)
        self.output_vectors = nn.Parameter(torch.zeros(size, **kind))
        self.input_squares: Tensor
        self.output_squares: Tensor
        self.register_buffer("input_squares", torch.zeros(vocabulary_size, **kind))
        self.register_buffer("output_squares", torch.zeros(vocabulary_size, **kind))

    def forward(
        self,
        inputs: Int[Tensor, "rows near"],
        targets: Int[Tensor, "rows targets"],
        shares: Float[Tensor, "rows near"] | None = None,
    ) -> Float[Tensor, "rows targets"]:
        """The scores u_j . h of target words; `shares` are the weights of the mean (4), equal if not given."""
        self._check(inputs, targets, shares)
        near = F.embedding(inputs, self.input_vectors)
        hidden = near.mean(1) if shares is None else torch.einsum("bcd,bc->bd", near, shares.to(near))  # (4)
        return torch.einsum("btd,bd->bt", F.embedding(targets, self.output_vectors), hidden)

    @staticmethod
    def _check(inputs: Tensor, targets: Tensor, *like: Tensor | None) -> None:
        shapes = [tuple(x.shape) for x in (inputs, targets, *like) if x is not None]
        if inputs.ndim != 2 or targets.ndim != 2 or len(inputs) != len(targets):
            raise ValueError(f"expected inputs [rows, near] and targets [rows, targets], got {shapes[0]}, {shapes[1]}")
        if like[0] is not None and like[0].shape != inputs.shape:
            raise ValueError(f"shares {shapes[2]} do not fit inputs {shapes[0]}")

    @torch.no_grad()
    def update(
        self,
        inputs: Int[Tensor, "rows near"],
        targets: Int[Tensor, "rows targets"],
        learning_rate: float,
        *,
        shares: Float[Tensor, "rows near"] | None = None,
        weights: Float[Tensor, "rows targets"] | None = None,
        power: float = 0.0,
    ) -> Tensor:
        """One step (10) on the SUM of (5) over the rows; returns its mean before the step.

        Args:
            targets: the true word first, then the noise words.
            weights: of the terms of (5); the default leaves out noise words that are the true one.
            power: p of (10).
        """
        self._check(inputs, targets, shares)
        table = self.output_vectors
        if not len(inputs):
            return table.new_zeros(())
        shares = torch.full_like(inputs, 1.0, dtype=table.dtype) / inputs.shape[1] if shares is None else shares
        weights = noise_weights(targets) if weights is None else weights
        shares, weights = shares.to(table), weights.to(table)
        hidden = F.embedding_bag(inputs, self.input_vectors, per_sample_weights=shares, mode="sum")  # (4)
        scores = _products(table, targets, hidden)
        slopes = scores.sigmoid()
        slopes[:, 0] -= 1
        slopes *= weights  # (6): g
        back = F.embedding_bag(targets, table, per_sample_weights=slopes, mode="sum")  # (6): dh
        _descend(table, self.output_squares, targets, slopes, hidden, learning_rate, power)  # (6): du
        _descend(self.input_vectors, self.input_squares, inputs, shares, back, learning_rate, power)
        return negative_sampling_loss(scores, weights).mean()

    @torch.no_grad()
    def update_shared(self, rows: SharedRows, learning_rate: float, *, power: float = 0.0) -> Tensor:
        """One step (10) on the SUM of (9); returns its mean per pair before the step, of every sixteenth row."""
        table, right, wrong = (
            self.output_vectors,
            rows.right.to(self.output_vectors),
            rows.wrong.to(self.output_vectors),
        )
        targets = torch.cat([rows.near, rows.noise], 1)
        hidden, outputs = F.embedding(rows.words, self.input_vectors), F.embedding(targets, table)
        scores = torch.bmm(hidden, outputs.mT)
        few = slice(None, None, 16)  # the logarithms of all would take a tenth of the step's time
        loss = shared_noise_loss(scores[few], right[few], wrong[few]).sum() / right[few].sum().clamp(min=1e-12)
        slopes, around = scores.sigmoid_(), right.shape[2]
        slopes[:, :, :around].sub_(1).mul_(right)
        slopes[:, :, around:].mul_(wrong)  # (6): g, of (9)
        back, onward = torch.bmm(slopes, outputs), torch.bmm(slopes.mT, hidden)
        for vectors, squares, words, sums in (
            (table, self.output_squares, targets, onward),
            (self.input_vectors, self.input_squares, rows.words, back),
        ):
            _descend(vectors, squares, words.view(-1, 1), None, sums.flatten(0, 1), learning_rate, power)
        return loss
