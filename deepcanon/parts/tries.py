r"""One order of n-grams in few bytes: words sorted within the rows of their histories, found by interpolation.

The n-grams of one order are nodes, numbered by (node of the history h, scrambled word). Those of one history are a row,
from s(h) to s(h + 1). Multiples of an odd number near 2^k / phi spread evenly over the numbers below 2^k, also those of
the frequent words (Knuth, "The Art of Computer Programming", volume 3, section 6.4, multiplicative hashing):

(1) u(w) = w m mod 2^k with m odd and 2^k >= V, so that w = u m^-1 mod 2^k
(2) in its row the word stands near the place s(h) + floor(u (s(h + 1) - s(h)) / 2^k)

How far (2) is wrong is kept for every `STRIDE` places, so that a few words are left to compare, in a row of
thousands as in one of ten. All positions of a text are looked up at once, in the same few comparisons.

Numbers have the narrowest type that holds them. Starts are 16 bits, counted within blocks of histories. Probabilities
and weights that follow from small counts have few different values: each is listed once, and a node has its number in
that list. Where a list would not be shorter the values stand by themselves. Nothing is rounded, unless `quantize` is
asked for, which leaves the means of groups, found as by Lloyd ("Least squares quantization in PCM", 1982):

(3) each value belongs to the mean that is nearest by its logarithm, and each mean is that of its values, in turn

>>> history, words = torch.tensor([0, 0, 3]), scrambled(torch.tensor([2, 5, 5]), 7)
>>> keys = (history * 8 + words).sort().values
>>> level = Level(7).take(keys, 4, torch.tensor([0.5, 0.25, 0.5]).double(), torch.ones(4).double())
>>> (level.find(torch.tensor([0, 3, 3]), scrambled(torch.tensor([2, 5, 2]), 7))[1]).tolist()
[True, True, False]
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Integer
from torch import Tensor, nn

__all__ = ["Level", "bits_of", "narrowed", "scrambled", "unscrambled"]

STRIDE = 2  # 2^STRIDE places share one correction of (2)
BLOCK = 6  # 2^BLOCK histories share one wide start
NARROW = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
ROUNDS = 50  # of (3)
GOLDEN = 0.6180339887498949  # 1 / phi

Portions = Callable[[], Iterator[Tensor]]


def bits_of(vocabulary_size: int) -> int:
    """k of (1)."""
    return max(1, (vocabulary_size - 1).bit_length())


def scrambled(words: Int[Tensor, "*shape"], vocabulary_size: int) -> Int[Tensor, "*shape"]:
    """u(w), eq. (1)."""
    bits = bits_of(vocabulary_size)
    return words * _multiplier(bits) & (1 << bits) - 1


def unscrambled(scrambled: Int[Tensor, "*shape"], vocabulary_size: int) -> Int[Tensor, "*shape"]:
    """w of u(w), eq. (1)."""
    bits = bits_of(vocabulary_size)
    return scrambled * pow(_multiplier(bits), -1, 1 << bits) & (1 << bits) - 1


def _multiplier(bits: int) -> int:
    return int(GOLDEN * (1 << bits)) | 1


def narrowed(numbers: Int[Tensor, "*shape"]) -> Integer[Tensor, "*shape"]:
    """The same whole numbers in the narrowest type that holds them."""
    least, most = (int(numbers.min()), int(numbers.max())) if numbers.numel() else (0, 0)
    kind = next(kind for kind in NARROW if torch.iinfo(kind).min <= least and most <= torch.iinfo(kind).max)
    return numbers.to(kind)


class Level(nn.Module):
    """The n-grams of one order of 2 or more: of each a number, its value; and of each history one, its weight.

    Args:
        vocabulary_size: V.
    """

    words_: Tensor
    first_: Tensor
    start_: Tensor
    shift_: Tensor
    value_: Tensor
    values_: Tensor
    weight_: Tensor
    weights_: Tensor
    comparisons_: Tensor

    def __init__(self, vocabulary_size: int, device=None) -> None:
        super().__init__()
        self.vocabulary_size, self.bits = vocabulary_size, bits_of(vocabulary_size)
        # u of each node; the starts of blocks of histories, and those of histories in their block; corrections of (2);
        # numbers in the lists of values and of weights, empty where the list has one for each node; the comparisons
        # of a look-up.
        for name in ("words_", "first_", "start_", "shift_", "value_", "weight_"):
            self.register_buffer(name, torch.empty(0, dtype=torch.uint8, device=device))
        for name in ("values_", "weights_"):
            self.register_buffer(name, torch.empty(0, dtype=torch.float64, device=device))
        self.register_buffer("comparisons_", torch.tensor(0, device=device))

    def __len__(self) -> int:
        return len(self.words_)

    @property
    def histories(self) -> int:
        """How many n-grams one word shorter there are."""
        return max(len(self.start_) - 1, 0)

    @torch.no_grad()
    def take(
        self,
        keys: Int[Tensor, "nodes"],
        histories: int,
        values: Float[Tensor, "nodes"],
        weights: Float[Tensor, "histories"],
    ) -> "Level":
        """Keeps the n-grams whose keys, sorted, are ``history * 2^k + u``."""
        self.place(lambda: iter([keys]), len(keys), histories)
        return self.list_values(lambda: iter([values]), lambda: iter([weights]))

    @torch.no_grad()
    def place(self, keys: Portions, count: int, histories: int) -> None:
        """Keeps where n-grams are.

        Args:
            keys: gives their sorted keys, in portions, from the start at each call.
            count: how many n-grams there are.
        """
        device = self.words_.device
        length = torch.zeros(histories, dtype=torch.int64, device=device)
        for part in keys():
            history = part >> self.bits
            low = int(history[0]) if len(part) else 0
            many = torch.bincount(history - low)
            length[low : low + len(many)] += many
        start = torch.cat([length.new_zeros(1), length.cumsum(0)])
        self.words_ = torch.empty(count, dtype=_word_type(self.bits), device=device)
        first = torch.full((count // (1 << STRIDE) + 1,), count, device=device)
        node = place = 0
        for part in keys():
            if not len(part):
                continue
            history, words = part >> self.bits, part & (1 << self.bits) - 1
            near = start[history] + (words * length[history] >> self.bits)  # (2)
            stop = (int(near[-1]) >> STRIDE) + 1
            first[place:stop] = torch.searchsorted(near, torch.arange(place, stop, device=device) << STRIDE) + node
            self.words_[node : node + len(part)] = words
            node, place = node + len(part), stop
        self.shift_ = narrowed(first - (torch.arange(len(first), device=device) << STRIDE))
        # As many words at most stand near a few places, those of rows next to each other included.
        together = torch.cat([first, first.new_tensor([count])]).diff().max()
        self.comparisons_ = torch.tensor(int(together).bit_length(), device=device)
        self.first_, self.start_ = _blocked(start)

    @torch.no_grad()
    def list_values(self, values: Portions, weights: Portions) -> "Level":
        """Keeps the values of all n-grams and the weights of all histories, given in portions."""
        self.value_, self.values_ = _listed(values)
        self.weight_, self.weights_ = _listed(weights)
        return self

    @torch.no_grad()
    def quantize(self, bits: int, interpolated: bool) -> None:
        """Leaves at most 2^bits different values and as many weights, eq. (3); 0 and 1 among them stay as they are.

        Args:
            interpolated: weights are set to what the values leave of 1 before they are grouped.
        """
        nodes, histories = (torch.arange(count, device=self.words_.device) for count in (len(self), self.histories))
        values, weights = _grouped(self.value(nodes), 1 << bits), self.weight(histories)
        if interpolated:
            history = self.rows()[0]
            left = torch.maximum(1 - torch.bincount(history, values, len(histories)), weights / 2)
            weights = torch.where(torch.bincount(history, minlength=len(histories)) > 0, left, weights)
        self.value_, self.values_ = _listed(lambda: iter([values]))
        weights = _grouped(weights, 1 << bits)
        self.weight_, self.weights_ = _listed(lambda: iter([weights]))

    def starts(self, history: Int[Tensor, "rows"]) -> Int[Tensor, "rows"]:
        """s(h), also for the number after the last history."""
        return self.first_.index_select(0, history >> BLOCK).add_(self.start_.index_select(0, history))

    def find(
        self, history: Int[Tensor, "rows"], u: Int[Tensor, "rows"]
    ) -> tuple[Int[Tensor, "rows"], Bool[Tensor, "rows"]]:
        """The node of each n-gram, and whether it is there; where it is not the node is that of another one.

        Args:
            history: numbers of histories.
            u: of last words, eq. (1).
        """
        start, stop = self.starts(torch.cat([history, history + 1])).chunk(2)
        length = stop - start
        wide = torch.int32 if 2 * self.bits < 32 else torch.int64
        near = (length.to(wide) * u.to(wide) >> self.bits).to(start.dtype).add_(start)  # (2)
        place, last = near >> STRIDE, (stop - 1).clamp_(min=0)
        # No word of the row before this place is as near; what is told of a place in an earlier row is not later.
        low = torch.maximum(start, self.shift_.index_select(0, place) + (place << STRIDE))
        u = u.to(self.words_.dtype)
        # The first word of the row that is not below u is fewer than 2^comparisons places further.
        for half in [1 << n for n in reversed(range(int(self.comparisons_)))]:
            low.add_(self.words_.index_select(0, torch.minimum(low + (half - 1), last)) < u, alpha=half)
        low = torch.minimum(low, last)
        return low, (self.words_.index_select(0, low) == u).logical_and_(length > 0)

    def value(self, node: Int[Tensor, "rows"]) -> Float[Tensor, "rows"]:
        """What is kept of nodes."""
        return _value(self.value_, self.values_, node)

    def weight(self, history: Int[Tensor, "rows"]) -> Float[Tensor, "rows"]:
        """What is kept of histories."""
        return _value(self.weight_, self.weights_, history)

    def rows(self) -> tuple[Int[Tensor, "nodes"], Int[Tensor, "nodes"]]:
        """The history and the last word of every node."""
        every = torch.arange(len(self.start_), device=self.start_.device)
        words = unscrambled(self.words_.to(torch.int64), self.vocabulary_size)
        return every[:-1].repeat_interleave(self.starts(every).to(torch.int64).diff()), words

    def _load_from_state_dict(self, state_dict, prefix, *args, **kwargs):
        # Lengths and types depend on the text: take the stored ones before torch compares shapes.
        for name, mine in self.named_buffers():
            if (stored := state_dict.get(prefix + name)) is not None:
                setattr(self, name, torch.empty_like(stored, device=mine.device))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def _word_type(bits: int) -> torch.dtype:
    return next(kind for kind in NARROW if (1 << bits) - 1 <= torch.iinfo(kind).max)


def _blocked(start: Tensor) -> tuple[Tensor, Tensor]:
    """The starts of blocks of histories, and what to add to that of its block for each history."""
    kind = torch.int32 if int(start[-1]) < 1 << 31 else torch.int64
    first = start[:: 1 << BLOCK]
    inside = start - first.repeat_interleave(1 << BLOCK)[: len(start)]
    if int(inside.max()) >= 1 << 16:
        return first.to(kind), inside.to(kind)
    # 16 bits with a sign: half of their range lies below 0.
    return (first + (1 << 15)).to(kind), (inside - (1 << 15)).to(torch.int16)


def _listed(portions: Portions) -> tuple[Tensor, Tensor]:
    """The number of each value in the list of different ones, and that list; no numbers where that is not shorter."""
    different, count = torch.zeros(0, dtype=torch.float64), 0
    for values in portions():
        # On the CPU NumPy sorts numbers several times faster.
        fresh = torch.from_numpy(np.unique(values.numpy())) if values.device.type == "cpu" else values.unique()
        different = torch.cat([different.to(fresh.device), fresh]).unique() if count else fresh
        count += len(values)
    numbers = narrowed(torch.tensor([max(len(different) - 1, 0)])).dtype
    if different.nbytes + count * numbers.itemsize >= count * different.itemsize:
        return torch.empty(0, dtype=torch.uint8, device=different.device), torch.cat(list(portions()))
    return torch.cat([torch.searchsorted(different, values).to(numbers) for values in portions()]), different


def _grouped(values: Tensor, most: int) -> Tensor:
    """Each of the values, none below 0, or the mean of its group of `most`, eq. (3)."""
    different, inverse, counts = values.unique(return_inverse=True, return_counts=True)
    kept = (different == 0) | (different == 1)
    logs, weight = different[~kept].log(), counts[~kept].double()
    groups = most - int(kept.sum())
    if len(logs) <= groups:
        return values
    # Sums over neighbours are differences of these.
    total, mass = (torch.cat([part.new_zeros(1), part.cumsum(0)]) for part in (logs.exp() * weight, weight))
    means = logs[torch.linspace(0, len(logs) - 1, groups, device=logs.device).long()]
    for _ in range(ROUNDS):
        border = torch.searchsorted(logs, (means[1:] + means[:-1]) / 2)
        border = torch.cat([border.new_zeros(1), border, border.new_tensor([len(logs)])])
        inside = mass[border].diff()
        means = torch.where(inside > 0, (total[border].diff() / inside.clamp(min=1)).log(), means)  # (3)
    different[~kept] = means.exp().repeat_interleave(border.diff())
    return different[inverse]


def _value(numbers: Tensor, values: Tensor, index: Tensor) -> Tensor:
    if len(numbers):
        index = numbers.index_select(0, index).to(torch.int32)
    return values.index_select(0, index)
