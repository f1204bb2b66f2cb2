"""Sampled softmax: the loss of a softmax over very many classes, estimated from a few that are drawn in every step.

Papers: Bengio and Senecal 2008, "Adaptive importance sampling to accelerate training of a neural probabilistic language
model" (IEEE Trans. Neural Networks 19); Jean, Cho, Memisevic and Bengio 2015, "On using very large target vocabulary
for neural machine translation" (arXiv:1412.2007); Madow 1949, "On the theory of systematic sampling" (Annals of
Mathematical Statistics 20), for (5).

V classes; h [F] hidden, w_c [F] and b_c weights and bias of class c, t the true class; S a set of classes found by m
draws from probabilities P_c, the same for all rows of a batch; Q_c the expected count of class c in S.

    o_c = w_c . h + b_c,   full softmax:  loss = log sum_c exp(o_c) - o_t                                (1)
    o'_c = o_c - log Q_c,   of the true class too                                                       (2)
    loss' = log( exp(o'_t) + sum over c in S, c != t, exp(o'_c) ) - o'_t                                 (3)
    m independent draws, each class counted once:  Q_c = 1 - (1 - P_c)^m                                (4)
    stratified:  lengths min(1, a P_c), a such that they add up to m, laid on a line, the likely classes first; one
        uniform point in each unit [k, k + 1) of the line takes the class that it falls on.             (5)
        A class with the share u of one unit and v of the next:  Q_c = 1 - (1 - u)(1 - v)
    log-uniform, classes sorted by falling frequency from 0:  P_c = log((c + 2) / (c + 1)) / log(V + 1)     (6)

The gradient of (3) differs from that of (1) by O(1 / m), and by nothing where every Q_c is 1, as in (5) with m = V.
Without the correction (2) frequent classes, which are drawn more often, come out too unlikely. (3) is a loss for
training, not a likelihood: evaluate by (1), which is what `SampledSoftmax` computes.

Departures
- A class that is drawn for a row of which it is the true one (an accidental hit) is left out of (3) in that row. That
  needs Q_c <= 1: with the usual Q_c = m P_c and repeated classes counted each time, the true class enters
  (3) with a weight that goes to 0 for frequent classes, and the gradient keeps a bias however many are drawn.
- (5) is the default: a sample of m at once, with counts that are known exactly and vary less than (4). Drawing until m
  distinct classes are found, as is common, knows their expected counts only given how many draws it took.

    >>> import torch
    >>> from deepcanon.sequence import SampledSoftmax
    >>> from deepcanon.sequence.sampled_softmax import log_uniform
    >>> head = SampledSoftmax(16, 50_000, 500, probabilities=log_uniform(50_000))
    >>> hidden, targets = torch.randn(8, 16), torch.randint(50_000, (8,))
    >>> head.loss(hidden, targets).backward()  # touches 508 classes at most
    >>> tuple(head(hidden).shape)  # to evaluate: all of them
    (8, 50000)
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from deepcanon.parts.noise import uniform

__all__ = [
    "Drawn",
    "Proposal",
    "SampledSoftmax",
    "bias_of_a_task",
    "draw_classes",
    "gradient_bias",
    "log_log_slope",
    "log_uniform",
    "proposal",
    "sampled_logits",
    "sampled_softmax_loss",
]


class Proposal(NamedTuple):
    """From what and how samples are drawn."""

    order: Int[Tensor, "classes"]  # the classes by falling probability
    edges: Float[Tensor, "classes"]  # where each of them ends on the line of (5), or among the cumulated P
    log_counts: Float[Tensor, "classes"]  # log Q_c, by class
    samples: int
    stratified: bool


class Drawn(NamedTuple):
    """Classes and the log Q_c of each; infinity where a class has occurred before, which removes it from (3)."""

    classes: Int[Tensor, "samples"]
    log_counts: Float[Tensor, "samples"]


def log_uniform(classes: int, *, device=None) -> Float[Tensor, "classes"]:
    """The probabilities (6) of classes whose numbers rise as their frequencies fall."""
    if classes < 1:
        raise ValueError(f"{classes} classes: at least 1")
    c = torch.arange(classes, dtype=torch.float64, device=device)
    return ((c + 2) / (c + 1)).log() / torch.tensor(classes + 1.0).double().log()  # (6)


def proposal(probabilities: Tensor, samples: int, stratified: bool = True) -> Proposal:
    """How to draw from probabilities [classes] (or counts: they are divided by their sum), equations (4) and (5).

    Raises:
        ValueError: a probability that is not above 0 (a true class must have a Q), no sample, or a stratified one of
            more than all classes.
    """
    if probabilities.ndim != 1 or not bool(((probabilities > 0) & probabilities.isfinite()).all()):
        raise ValueError(f"expected probabilities [classes], each finite and above 0, got {tuple(probabilities.shape)}")
    if samples < 1 or (samples > len(probabilities) and stratified):
        raise ValueError(f"{samples} samples of {len(probabilities)} classes: from 1 to all, more only if independent")
    p = probabilities.double() / probabilities.double().sum()
    p, order = p.sort(descending=True, stable=True)
    if not stratified:
        edges, counts = p.cumsum(0), -torch.expm1(samples * torch.log1p(-p))  # (4)
    else:
        # With k classes capped at 1, a = (m - k) / sum of the others; k is the first for which a P <= 1 in the rest.
        rest = p.flip(0).cumsum(0).flip(0)
        capped = torch.arange(len(p), device=p.device, dtype=p.dtype)
        free = ((samples - capped) * p <= rest) & (capped < samples)
        k = int(free.nonzero()[0]) if bool(free.any()) else samples
        lengths = torch.cat([torch.ones_like(p[:k]), (samples - k) * p[k:] / rest[k : k + 1]])
        edges = torch.cat([capped[:k] + 1, k + lengths[k:].cumsum(0)])
        begin = torch.cat([edges[:1] * 0, edges[:-1]])
        first = torch.minimum(lengths, begin.floor() + 1 - begin)  # (5): u; what is left of the length is v
        counts = 1 - (1 - first) * (1 - (lengths - first))
    log_counts = torch.empty_like(p)
    log_counts[order] = counts.log()
    return Proposal(order, edges, log_counts, samples, stratified)


def draw_classes(source: Proposal, generator: torch.Generator | None = None) -> Drawn:
    """A sample; the generator is one of the CPU, or of the device of `source`."""
    points = uniform((source.samples,), source.edges, generator, torch.float64)
    if source.stratified:
        points = points + torch.arange(source.samples, dtype=torch.float64, device=points.device)  # (5)
    else:
        points = (points * source.edges[-1]).sort().values
    last = len(source.edges) - 1  # rounding must not lead beyond the last class
    places = torch.searchsorted(source.edges, points, right=True).clamp(max=last)
    again = F.pad(places[1:] == places[:-1], (1, 0))
    classes = source.order[places]
    return Drawn(classes, source.log_counts[classes].masked_fill(again, torch.inf))


def _check(hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, log_counts: Tensor) -> None:
    fits = hidden.ndim == weight.ndim == 2 and hidden.shape[1] == weight.shape[1] and targets.shape == hidden.shape[:1]
    classes = weight.shape[:1]
    if not fits or log_counts.shape != classes or (bias is not None and bias.shape != classes):
        shapes = [tuple(x.shape) for x in (hidden, weight, targets, log_counts)]
        raise ValueError(
            f"expected hidden [rows, features], weight [classes, features], targets [rows] and a bias and a log count "
            f"for each class, got {shapes[0]}, {shapes[1]}, {shapes[2]}, {shapes[3]}"
        )


def sampled_logits(
    hidden: Float[Tensor, "rows features"],
    weight: Float[Tensor, "classes features"],
    bias: Float[Tensor, "classes"] | None,
    targets: Int[Tensor, "rows"],
    drawn: Drawn,
    log_counts: Float[Tensor, "classes"],
    *,
    sparse: bool = False,
) -> tuple[Float[Tensor, "rows"], Float[Tensor, "rows samples"]]:
    """o' of equation (2): of each row's true class, and of the classes drawn, minus infinity where (3) leaves one out.

    Args:
        sparse: the gradients of weight and bias as sparse tensors, as those of `nn.Embedding(sparse=True)`.
    """
    _check(hidden, weight, bias, targets, log_counts)
    rows = len(targets)
    wanted = torch.cat([targets, drawn.classes])
    # One look-up for both, so that a sparse gradient is one list of rows.
    vectors = F.embedding(wanted, weight, sparse=sparse)
    true = (hidden * vectors[:rows]).sum(1)
    others = hidden @ vectors[rows:].T
    if bias is not None:
        offsets = bias.gather(0, wanted, sparse_grad=sparse)
        true, others = true + offsets[:rows], others + offsets[rows:]
    true = true - log_counts[targets].to(true)
    others = others - drawn.log_counts.to(others)  # (2)
    return true, others.masked_fill(targets[:, None] == drawn.classes, -torch.inf)


def sampled_softmax_loss(
    hidden: Float[Tensor, "rows features"],
    weight: Float[Tensor, "classes features"],
    bias: Float[Tensor, "classes"] | None,
    targets: Int[Tensor, "rows"],
    drawn: Drawn,
    log_counts: Float[Tensor, "classes"],
    *,
    sparse: bool = False,
    reduction: str = "mean",
) -> Float[Tensor, "..."]:
    """Equation (3) in nats, in float32 or better: "mean" over the rows, "sum", or "none" [rows].

    Args:
        drawn, log_counts: `draw_classes(source)` and `source.log_counts` of a `proposal`.
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f'reduction is "mean", "sum" or "none", not {reduction!r}')
    true, others = sampled_logits(hidden, weight, bias, targets, drawn, log_counts, sparse=sparse)
    wide = torch.promote_types(true.dtype, torch.float32)
    loss = F.softplus(others.to(wide).logsumexp(1) - true.to(wide))  # (3), divided by exp(o'_t) inside the logarithm
    return loss if reduction == "none" else getattr(loss, reduction)()


def gradient_bias(
    logits: Float[Tensor, "rows classes"],
    weight: Float[Tensor, "classes features"],
    targets: Int[Tensor, "rows"],
    source: Proposal,
    draws: int = 200,
) -> float:
    """The size of (mean gradient of (3) over samples minus that of (1)) over that of (1), both with respect to h.

    With N = sum over c in S, c != t, of exp(o'_c) (w_c - w_t) and Z' the sum in (3), the gradient of (3) is N / Z'.
    What is linear in their deviations from their means, which are known, has mean zero and is subtracted: otherwise the
    noise of a few hundred samples would hide the bias. The two halves of the samples are multiplied, so that the
    remaining noise does not add to the size.
    """
    if logits.shape != (len(targets), len(weight)) or source.log_counts.shape != weight.shape[:1] or draws < 2:
        shapes = [tuple(x.shape) for x in (logits, weight, targets, source.log_counts)]
        raise ValueError(
            f"expected logits [rows, classes], weight [classes, features], targets [rows], a log count for each class "
            f"and at least 2 draws, got {shapes} and {draws} draws"
        )
    e = logits.double().softmax(1)  # exp(o_c), scaled so that the full sum is 1
    weight, own = weight.double(), e.gather(1, targets[:, None])[:, 0]
    full = e @ weight - weight[targets]
    kept = own * (-source.log_counts[targets]).exp()  # the true class's term of Z'
    mean = kept + 1 - own  # of Z'
    halves = torch.zeros(2, *full.shape, dtype=torch.float64)
    random = torch.Generator().manual_seed(source.samples)
    for number in range(draws):
        drawn = draw_classes(source, random)
        parts = e[:, drawn.classes] * (-drawn.log_counts).exp()
        parts = parts.masked_fill(targets[:, None] == drawn.classes, 0.0)
        total = parts.sum(1)
        sums = parts @ weight[drawn.classes] - total[:, None] * weight[targets]
        off = ((total + kept) / mean - 1)[:, None]
        linear = (sums - full) / mean[:, None] - full / mean[:, None] * off
        halves[number % 2] += sums / (total + kept)[:, None] - linear - full
    first, second = halves[0] / (draws - draws // 2), halves[1] / (draws // 2)
    return float((first * second).sum().abs().sqrt() / full.norm())


def bias_of_a_task(classes: int, samples: int, stratified: bool = True, draws: int = 200) -> float:
    """`gradient_bias` on a generated task, always the same: scores spread around the logarithms of (6)."""
    random, p = torch.Generator().manual_seed(0), log_uniform(classes)
    rows, features, spread = 16, 16, 0.3
    weight = spread * torch.randn(classes, features, generator=random, dtype=torch.float64)
    hidden = torch.randn(rows, features, generator=random, dtype=torch.float64)
    logits = hidden @ weight.T + p.log()
    edges = logits.softmax(1).cumsum(1)
    targets = torch.searchsorted(edges, edges[:, -1:] * torch.rand(rows, 1, generator=random, dtype=torch.float64))
    return gradient_bias(logits, weight, targets[:, 0], proposal(p, samples, stratified), draws)


def log_log_slope(curve: Mapping[int, float], nothing: float = 1e-12) -> float:
    """Of the least-squares line through the logarithms of (samples, bias); a bias up to `nothing` is rounding."""
    some = [(samples, bias) for samples, bias in curve.items() if bias > nothing]
    x, y = torch.tensor(some, dtype=torch.float64).log().T
    return float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())


class SampledSoftmax(nn.Module):
    """An output layer: `forward` gives the logits of all classes as `nn.Linear` does, `loss` trains it on a few.

    Its parameters have the names and shapes of `nn.Linear`'s.

    Args:
        features: F.
        classes: V.
        samples: m, classes drawn for a batch.
        probabilities: from which they are drawn, [classes], or counts; the default is (6).
        stratified: whether they are drawn by (5), else by (4).
        bias: whether there is one.
        sparse: the gradients as sparse tensors, for optimizers that take them (SGD, Adagrad, SparseAdam).
    """

    def __init__(
        self,
        features: int,
        classes: int,
        samples: int,
        *,
        probabilities: Tensor | None = None,
        stratified: bool = True,
        bias: bool = True,
        sparse: bool = False,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        self.samples, self.sparse, self.stratified = samples, sparse, stratified
        layer = nn.Linear(features, classes, bias, device=device, dtype=dtype)  # its initialisation too
        self.weight, self.bias = layer.weight, layer.bias
        source = proposal(log_uniform(classes) if probabilities is None else probabilities, samples, stratified)
        if len(source.order) != classes:
            raise ValueError(f"{len(source.order)} probabilities for {classes} classes")
        self.order: Tensor
        self.edges: Tensor
        self.log_counts: Tensor
        for name in ("order", "edges", "log_counts"):
            self.register_buffer(name, getattr(source, name).to(device), persistent=False)

    @property
    def source(self) -> Proposal:
        """The distribution that the samples are drawn from."""
        return Proposal(self.order, self.edges, self.log_counts, self.samples, self.stratified)

    def forward(self, hidden: Float[Tensor, "*batch features"]) -> Float[Tensor, "*batch classes"]:
        """o of equation (1) for every class."""
        return F.linear(hidden, self.weight, self.bias)

    def loss(
        self,
        hidden: Float[Tensor, "rows features"],
        targets: Int[Tensor, "rows"],
        *,
        generator: torch.Generator | None = None,
        reduction: str = "mean",
    ) -> Float[Tensor, "..."]:
        """Equation (3) on a new sample."""
        drawn = draw_classes(self.source, generator)
        return sampled_softmax_loss(
            hidden, self.weight, self.bias, targets, drawn, self.log_counts, sparse=self.sparse, reduction=reduction
        )

    def extra_repr(self) -> str:
        classes, features = self.weight.shape
        return f"{features}, {classes}, samples={self.samples}, stratified={self.stratified}, sparse={self.sparse}"
