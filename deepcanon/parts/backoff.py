r"""A back-off model as tables: p(w | h) of the n-grams that are listed, a weight b(h) of each history, and the look-up.

w a word out of V, h its history, h' the history without its oldest word. ARPA files hold such models.

    p(w | h) = the listed value of hw, if hw is listed, else b(h) p(w | h'),   b(h) = 1 if h is not listed        (1)

An interpolated model may list what is added to the shorter history's share instead: p(w | h) = value + b(h) p(w | h').

>>> one = Ngrams(torch.tensor([[0], [1], [2]]), torch.tensor([0.75, 0.25, 0.0]), torch.tensor([0.5, 1.0, 1.0]))
>>> two = Ngrams(torch.tensor([[0, 1]]), torch.tensor([0.625]), torch.tensor([1.0]))
>>> BackoffModel(2, 2).from_ngrams([one, two]).distribution(torch.tensor([[0]])).tolist()
[[0.375, 0.625]]
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from deepcanon.parts.tries import Level, bits_of, scrambled, unscrambled

__all__ = ["BackoffModel", "Ngrams"]

SORTED_KEYS = ("keys_", "probability_", "backoff_", "sizes_")


class Ngrams(NamedTuple):
    """The n-grams of one order: p(w | h) of each, and b(h'') where the n-gram h'' is itself a history."""

    tokens: Int[Tensor, "ngrams order"]
    probability: Float[Tensor, "ngrams"]
    weight: Float[Tensor, "ngrams"]


class BackoffModel(nn.Module):
    """The nodes of order 1 are the words and the start; those of longer n-grams are kept by `tries.Level`.

    Where `interpolated_` holds, the values of the orders above one are added to what the shorter history gives:
    p(w | h) = value(hw) + b(h) p(w | h'). Else they are p(w | h) themselves.

    Args:
        vocabulary_size: V, the words that can be predicted (with sentence end and unknown word, without start).
        order: n, the longest n-gram.
        end: the token that ends a sentence; the history starts again after it. None: one unbroken sequence.
        start: whether the beginning of a sentence is a history of its own (token V in `ngrams`).
    """

    probability_: Tensor
    interpolated_: Tensor

    def __init__(
        self, vocabulary_size: int, order: int, *, end: int | None = None, start: bool = True, device=None
    ) -> None:
        super().__init__()
        if vocabulary_size < 1 or order < 1:
            raise ValueError(f"vocabulary_size {vocabulary_size} and order {order} must be at least 1")
        self.vocabulary_size, self.order, self.end, self.start = vocabulary_size, order, end, start
        # p of order 1: V words and the start symbol (number V).
        self.register_buffer("probability_", torch.empty(0, dtype=torch.float64, device=device))
        self.register_buffer("interpolated_", torch.tensor(False, device=device))
        self.levels = nn.ModuleList(Level(vocabulary_size, device=device) for _ in range(order - 1))

    def forward(self, tokens: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        """log p of every token given those before it in its row (a row begins a sentence), in nats."""
        words = self.checked(tokens, 2)
        p, interpolated = self.unigrams().index_select(0, words.flatten()), bool(self.interpolated_)
        history = self.contexts(words, words, first=False).flatten()
        goes_on, u = history >= 0, scrambled(words, self.vocabulary_size).flatten().to(torch.int32)
        position = torch.arange(len(u), device=p.device)
        if self.start:
            history = torch.where(goes_on, history, self.vocabulary_size)
        else:
            history, position = history[goes_on], position[goes_on]
        history = history.to(torch.int32)
        goes_on = torch.cat([goes_on[1:], goes_on.new_zeros(1)])  # whether this position is in the history of the next
        for level in self._levels():
            # Only positions whose history was found are looked at: fewer with each order.
            node, found = level.find(history, u.index_select(0, position))
            backed = level.weight(history).mul_(p.index_select(0, position))
            value = level.value(node)
            value = value.mul_(found).add_(backed) if interpolated else torch.where(found, value, backed)
            p.index_copy_(0, position, value)
            following = found.logical_and_(goes_on.index_select(0, position)).nonzero()[:, 0]
            history, position = node.index_select(0, following), position.index_select(0, following).add_(1)
        return p.log().view(words.shape)

    def distribution(self, history: Int[Tensor, "batch time"]) -> Float[Tensor, "batch vocabulary"]:
        """p(. | history) over the whole vocabulary, one row for each history (which may be empty)."""
        history = self.checked(history, 2)[:, -max(self.order - 1, 1) :] if history.shape[1] else history
        batch, size = history.shape[0], self.vocabulary_size
        p, interpolated = self.unigrams()[:size].expand(batch, size).clone(), bool(self.interpolated_)
        nothing = torch.full((batch, 1), -1, dtype=torch.int64, device=history.device)
        node, u = history, scrambled(history, size)
        for order, level in enumerate(self._levels(), 2):
            # The context of the word that would come next: as in `contexts`, one column further.
            padded = torch.cat([node, nothing], 1)
            context = self.contexts(torch.cat([history, nothing], 1), padded, first=order == 2)[:, -1]
            row = (context >= 0).nonzero()[:, 0]
            context = context[row]
            p[row] *= level.weight(context)[:, None]
            # Every word seen after this context, for all rows at once: its children are adjacent.
            first = level.starts(context)
            many = level.starts(context + 1) - first
            row, before = row.repeat_interleave(many), (many.cumsum(0) - many - first).repeat_interleave(many)
            child = torch.arange(len(row), device=p.device) - before
            word = unscrambled(level.words_[child].to(torch.int64), size)
            p[row, word] = level.value(child) + (p[row, word] if interpolated else 0.0)
            if order < self.order and history.shape[1]:
                node = self.found(level, self.contexts(history, node, first=order == 2), u)
        return p

    def ngrams(self) -> list[Ngrams]:
        """All n-grams of each order from 1 on, as tokens, with probabilities and back-off weights (1 where none is
        needed). Token V, the sentence start, is among those of order 1 with probability 0."""
        p = self.unigrams()
        node = torch.arange(len(p), device=p.device)
        found, shorter = [Ngrams(node[:, None], p, torch.ones_like(p))], node
        for order, level in enumerate(self.levels, 2):
            weight = level.weight(node)
            found[-1] = found[-1]._replace(weight=weight)
            history, words = level.rows()
            u, node = scrambled(words, self.vocabulary_size), torch.arange(len(words), device=p.device)
            value = level.value(node)
            if self.interpolated_:
                # The n-gram without its oldest word has the words of its history without it, and the last one.
                shorter = words if order == 2 else self.levels[order - 3].find(shorter[history], u)[0]
                value = value + weight[history] * found[-1].probability[shorter]
            tokens = torch.cat([found[-1].tokens[history], words[:, None]], 1)
            found.append(Ngrams(tokens, value, torch.ones_like(value)))
        return found

    @torch.no_grad()
    def from_ngrams(self, ngrams: Sequence[Ngrams]) -> "BackoffModel":
        """Takes the tables of another model (an ARPA file) as they are, in any order within an order.

        Raises:
            ValueError: an n-gram is there twice, or its history is not among those one word shorter.
        """
        size, bits = self.vocabulary_size, bits_of(self.vocabulary_size)
        if len(ngrams) != self.order:
            raise ValueError(f"{len(ngrams)} orders of n-grams do not make a model of order {self.order}")
        weights = torch.ones(0)
        for order, (tokens, p, weight) in enumerate(ngrams, 1):
            key = tokens[:, 0]
            if order > 1:
                history = self._find_all(tokens[:, :-1])
                if bool((history < 0).any()):
                    row = int((history < 0).nonzero()[0, 0])
                    raise ValueError(
                        f"the history of n-gram {row + 1} of order {order} is not among those one word shorter"
                    )
                key = (history << bits) + scrambled(tokens[:, -1], size)
            key, place = key.sort(stable=True)
            if bool((twice := key[1:] == key[:-1]).any()):
                row = int(place[1:][twice].min())
                raise ValueError(f"n-gram {row + 1} of order {order} was there before")
            p, weight = p[place].double(), weight[place].double()
            if order == 1:  # every word has a node, also one that the file lacks
                self.probability_ = p.new_zeros(size + 1).index_put((key,), p)
                weights = torch.ones_like(self.probability_).index_put((key,), weight)
                continue
            self.levels[order - 2].take(key, len(weights), p, weights)
            weights = weight
        self.interpolated_ = torch.zeros_like(self.interpolated_)
        return self

    def quantize(self, bits: int) -> "BackoffModel":
        """Keeps at most 2^bits different values and weights of each order above one: a byte each for 8 bits.

        Sums over all words are 1 but for what the groups of weights differ.
        """
        if not 2 <= bits <= 16:
            raise ValueError(f"bits must lie in [2, 16], not {bits}")
        for level in self._levels():
            level.quantize(bits, bool(self.interpolated_))
        return self

    def adopt(self, other: "BackoffModel") -> "BackoffModel":
        """Answers from now on with the n-grams of another model of the same vocabulary and order."""
        if (other.vocabulary_size, other.order) != (self.vocabulary_size, self.order):
            raise ValueError(f"a model of {other.vocabulary_size} words and order {other.order} does not fit")
        self.probability_, self.interpolated_, self.levels = other.unigrams(), other.interpolated_, other.levels
        return self

    @property
    def sizes(self) -> list[int]:
        """How many n-grams there are of each order; of order 1 one for each word, and the start."""
        return [len(self.probability_), *map(len, self.every_level())]

    @property
    def kept_bytes(self) -> int:
        """Bytes of all tensors that a look-up reads, which are those of a checkpoint."""
        return sum(part.nbytes for part in self.buffers())

    def contexts(self, words: Tensor, node: Tensor, first: bool = True) -> Tensor:
        """Node of the history of every position: that of the n-gram one place before; -1 across a sentence border."""
        border = self.vocabulary_size if first and self.start else -1
        context = torch.cat([torch.full_like(node[..., :1], border), node[..., :-1]], -1)
        if self.end is not None:
            ended = torch.cat([torch.zeros_like(words[..., :1]), words[..., :-1] == self.end], -1)
            context = torch.where(ended.bool(), border, context)
        return context

    def _find_all(self, tokens: Tensor) -> Tensor:
        """The node of each row of tokens, -1 if there is none."""
        node, u = tokens[:, 0], scrambled(tokens, self.vocabulary_size)
        for level, column in zip(self.every_level(), u[:, 1:].unbind(1), strict=False):
            node = self.found(level, node, column)
        return node

    def found(self, level: Level, history: Tensor, u: Tensor) -> Tensor:
        """The node of each n-gram of a level, -1 where there is none or the history is below 0."""
        if not len(level):
            return torch.full_like(u, -1)
        node, found = level.find(history.clamp(min=0).flatten(), u.flatten())
        return torch.where(found.view(u.shape) & (history >= 0), node.view(u.shape).to(torch.int64), -1)

    def every_level(self) -> list[Level]:
        """The n-grams of each order above one."""
        return list(cast("Iterable[Level]", self.levels))

    def _levels(self) -> Iterator[Level]:
        """The orders above one, as far as there are n-grams: no sentence may be that long."""
        return itertools.takewhile(len, self.every_level())

    def unigrams(self) -> Float[Tensor, "words"]:
        """p(w) of every word, and 0 for the start."""
        if not len(self.probability_):
            raise ValueError("the model holds no n-grams yet: call fit first")
        return self.probability_

    def checked(self, tokens: Tensor, ndim: int) -> Tensor:
        """The tokens as int64; ValueError if they are not `ndim`-dimensional whole numbers below V."""
        if tokens.ndim != ndim or tokens.is_floating_point():
            raise ValueError(f"expected {ndim}-dimensional whole numbers, not {tuple(tokens.shape)} {tokens.dtype}")
        if tokens.numel() and not 0 <= int(tokens.min()) <= int(tokens.max()) < self.vocabulary_size:
            raise ValueError(f"tokens must lie in [0, {self.vocabulary_size}), found {int(tokens.max())}")
        return tokens.to(torch.int64)

    def _load_from_state_dict(self, state_dict, prefix, *args, **kwargs):
        if prefix + "keys_" in state_dict:
            self._take_sorted_keys(*(state_dict.pop(prefix + name) for name in SORTED_KEYS))
            mine = {prefix + name: tensor.clone() for name, tensor in self.state_dict().items()}
            state_dict.update({name: tensor for name, tensor in mine.items() if name not in state_dict})
        # An unfitted model has no probabilities: take the stored length before torch compares shapes.
        if (stored := state_dict.get(prefix + "probability_")) is not None:
            self.probability_ = self.probability_.new_empty(stored.shape)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _take_sorted_keys(self, keys: Tensor, probability: Tensor, backoff: Tensor, sizes: Tensor) -> None:
        """The form of version 0.1: sorted numbers ``history * V + word`` of all orders, p and b of each."""
        found: list[Ngrams] = []
        weights = torch.cat([backoff, torch.ones_like(probability[len(backoff) :])])
        for key, p, weight in zip(*(part.split(sizes.tolist()) for part in (keys, probability, weights)), strict=True):
            tokens = key[:, None]
            if found:
                tokens = torch.cat([found[-1].tokens[key // self.vocabulary_size], tokens % self.vocabulary_size], 1)
            found.append(Ngrams(tokens, p, weight))
        self.from_ngrams(found)
