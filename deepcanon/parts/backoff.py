r"""A back-off model as tables: p(w | h) of the n-grams that are listed, a weight b(h) of each history, and the look-up.

w a word out of V, h its history, h' the history without its oldest word. ARPA files hold such models.

    p(w | h) = the listed value of hw, if hw is listed, else b(h) p(w | h'),   b(h) = 1 if h is not listed        (1)

>>> one = Ngrams(torch.tensor([[0], [1], [2]]), torch.tensor([0.75, 0.25, 0.0]), torch.tensor([0.5, 1.0, 1.0]))
>>> two = Ngrams(torch.tensor([[0, 1]]), torch.tensor([0.625]), torch.tensor([1.0]))
>>> BackoffModel(2, 2).from_ngrams([one, two]).distribution(torch.tensor([[0]])).tolist()
[[0.375, 0.625]]
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

__all__ = ["BackoffModel", "Ngrams"]


class Ngrams(NamedTuple):
    """The n-grams of one order: p(w | h) of each, and b(h'') where the n-gram h'' is itself a history."""

    tokens: Int[Tensor, "ngrams order"]
    probability: Float[Tensor, "ngrams"]
    weight: Float[Tensor, "ngrams"]


class BackoffModel(nn.Module):
    """The n-grams of one order are nodes, numbered by sorting ``node of the history * V + word``: a look-up is one
    binary search an order, for all positions of a text at once.

    Args:
        vocabulary_size: V, the words that can be predicted (with sentence end and unknown word, without start).
        order: n, the longest n-gram.
        end: the token that ends a sentence; the history starts again after it. None: one unbroken sequence.
        start: whether the beginning of a sentence is a history of its own (token V in `ngrams`).
    """

    keys_: Tensor
    probability_: Tensor
    backoff_: Tensor
    sizes_: Tensor

    def __init__(
        self, vocabulary_size: int, order: int, *, end: int | None = None, start: bool = True, device=None
    ) -> None:
        super().__init__()
        if vocabulary_size < 1 or order < 1:
            raise ValueError(f"vocabulary_size {vocabulary_size} and order {order} must be at least 1")
        self.vocabulary_size, self.order, self.end, self.start = vocabulary_size, order, end, start
        # Node tables of all orders, concatenated: order 1 has V words and the start symbol (number V).
        self.register_buffer("keys_", torch.empty(0, dtype=torch.int64, device=device))
        self.register_buffer("probability_", torch.empty(0, dtype=torch.float64, device=device))
        self.register_buffer("backoff_", torch.empty(0, dtype=torch.float64, device=device))
        self.register_buffer("sizes_", torch.zeros(order, dtype=torch.int64, device=device))

    def forward(self, tokens: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        """log p of every token given those before it in its row (a row begins a sentence), in nats."""
        words = self.checked(tokens, 2)
        keys, probability, backoff = self.tables()
        node, p = words, probability[0][words]
        for order in range(2, self.order + 1):
            if not len(keys[order - 1]):  # no sentence is that long: there is nothing to add, and all weights are 1
                break
            context = self.contexts(words, node, first=order == 2)
            node = self._find(keys[order - 1], context, words)
            weight = torch.where(context >= 0, backoff[order - 2][context.clamp(min=0)], 1.0)
            p = torch.where(node >= 0, probability[order - 1][node.clamp(min=0)], weight * p)
        return p.log()

    def distribution(self, history: Int[Tensor, "batch time"]) -> Float[Tensor, "batch vocabulary"]:
        """p(. | history) over the whole vocabulary, one row for each history (which may be empty)."""
        history = self.checked(history, 2)[:, -max(self.order - 1, 1) :] if history.shape[1] else history
        batch, size = history.shape[0], self.vocabulary_size
        keys, probability, backoff = self.tables()
        p = probability[0][:size].expand(batch, size).clone()
        nothing = torch.full((batch, 1), -1, dtype=torch.int64, device=history.device)
        node = history
        for order in range(2, self.order + 1):
            if not len(keys[order - 1]):
                break
            # The context of the word that would come next: as in `contexts`, one column further.
            padded = torch.cat([node, nothing], 1)
            context = self.contexts(torch.cat([history, nothing], 1), padded, first=order == 2)[:, -1]
            p *= torch.where(context >= 0, backoff[order - 2][context.clamp(min=0)], 1.0)[:, None]
            # Every word seen after this context, for all rows at once: its children are adjacent in the sorted table.
            first = torch.searchsorted(keys[order - 1], context.clamp(min=0) * size)
            last = torch.searchsorted(keys[order - 1], (context.clamp(min=0) + 1) * size)
            many = torch.where(context >= 0, last - first, 0)
            row = torch.arange(batch, device=p.device).repeat_interleave(many)
            within = torch.arange(len(row), device=p.device) - (many.cumsum(0) - many)[row]
            child = first[row] + within
            p[row, keys[order - 1][child] % size] = probability[order - 1][child]
            if order < self.order and history.shape[1]:
                node = self._find(keys[order - 1], self.contexts(history, node, first=order == 2), history)
        return p

    def ngrams(self) -> list[Ngrams]:
        """All n-grams of each order from 1 on, as tokens, with probabilities and back-off weights (1 where none is
        needed). Token V, the sentence start, is among those of order 1 with probability 0."""
        keys, probability, backoff = self.tables()
        found: list[Ngrams] = []
        for order, (key, p) in enumerate(zip(keys, probability, strict=True)):
            tokens = key[:, None]
            if order:
                history = torch.div(key, self.vocabulary_size, rounding_mode="floor")
                tokens = torch.cat([found[-1].tokens[history], tokens % self.vocabulary_size], 1)
            found.append(Ngrams(tokens, p, backoff[order] if order < len(backoff) else torch.ones_like(p)))
        return found

    @torch.no_grad()
    def from_ngrams(self, ngrams: Sequence[Ngrams]) -> "BackoffModel":
        """Takes the tables of another model (an ARPA file) as they are, in any order within an order.

        Raises:
            ValueError: an n-gram is there twice, or its history is not among those one word shorter.
        """
        size = self.vocabulary_size
        if len(ngrams) != self.order:
            raise ValueError(f"{len(ngrams)} orders of n-grams do not make a model of order {self.order}")
        keys: list[Tensor] = []
        probability: list[Tensor] = []
        backoff: list[Tensor] = []
        for order, (tokens, p, weight) in enumerate(ngrams, 1):
            key = tokens[:, 0] if order == 1 else self._find_all(keys, tokens[:, :-1]) * size + tokens[:, -1]
            if bool((key < 0).any()):
                row = int((key < 0).nonzero()[0, 0])
                raise ValueError(
                    f"the history of n-gram {row + 1} of order {order} is not among those one word shorter"
                )
            key, place = key.sort(stable=True)
            if bool((twice := key[1:] == key[:-1]).any()):
                row = int(place[1:][twice].min())
                raise ValueError(f"n-gram {row + 1} of order {order} was there before")
            if order == 1:  # every word has a node, also one that the file lacks
                every = torch.arange(size + 1, device=key.device)
                p = torch.zeros(size + 1, dtype=torch.float64, device=key.device).index_put((key,), p[place])
                weight = torch.ones_like(p).index_put((key,), weight[place])
                key, place = every, every
            keys.append(key)
            probability.append(p[place])
            backoff.append(weight[place])
        return self.take(keys, probability, backoff[:-1])

    def take(self, keys: Sequence[Tensor], probability: Sequence[Tensor], backoff: Sequence[Tensor]) -> "BackoffModel":
        """Takes sorted keys and probabilities of all orders, and back-off weights of all but the highest."""
        self.keys_, self.probability_ = torch.cat(list(keys)), torch.cat(list(probability))
        self.backoff_ = torch.cat(list(backoff)) if backoff else self.probability_[:0]
        self.sizes_ = torch.tensor([len(k) for k in keys], device=self.keys_.device)
        return self

    def contexts(self, words: Tensor, node: Tensor, first: bool = True) -> Tensor:
        """Node of the history of every position: that of the n-gram one place before; -1 across a sentence border."""
        border = self.vocabulary_size if first and self.start else -1
        context = torch.cat([torch.full_like(node[..., :1], border), node[..., :-1]], -1)
        if self.end is not None:
            ended = torch.cat([torch.zeros_like(words[..., :1]), words[..., :-1] == self.end], -1)
            context = torch.where(ended.bool(), border, context)
        return context

    def _find_all(self, keys: Sequence[Tensor], tokens: Tensor) -> Tensor:
        """The node of each row of tokens; far below 0 if there is none."""
        node = tokens[:, 0]
        for level in range(1, tokens.shape[1]):
            node = self._find(keys[level], node, tokens[:, level])
        return torch.where(node < 0, -(2**40), node)

    def _find(self, keys: Tensor, context: Tensor, words: Tensor) -> Tensor:
        wanted = context * self.vocabulary_size + words
        place = torch.searchsorted(keys, wanted).clamp(max=max(len(keys) - 1, 0))
        if len(keys) == 0:
            return torch.full_like(words, -1)
        return torch.where((context >= 0) & (keys[place] == wanted), place, -1)

    def tables(self) -> tuple[tuple[Tensor, ...], ...]:
        """Keys, probabilities and back-off weights of each order, as `take` takes them."""
        if not len(self.probability_):
            raise ValueError("the model holds no n-grams yet: call fit first")
        sizes = self.sizes_.tolist()
        return self.keys_.split(sizes), self.probability_.split(sizes), self.backoff_.split(sizes[:-1])

    def checked(self, tokens: Tensor, ndim: int) -> Tensor:
        """The tokens as int64; ValueError if they are not `ndim`-dimensional whole numbers below V."""
        if tokens.ndim != ndim or tokens.is_floating_point():
            raise ValueError(f"expected {ndim}-dimensional whole numbers, not {tuple(tokens.shape)} {tokens.dtype}")
        if tokens.numel() and not 0 <= int(tokens.min()) <= int(tokens.max()) < self.vocabulary_size:
            raise ValueError(f"tokens must lie in [0, {self.vocabulary_size}), found {int(tokens.max())}")
        return tokens.to(torch.int64)

    def _load_from_state_dict(self, state_dict, prefix, *args, **kwargs):
        # The length of a fitted table depends on its text: take the stored length before torch compares shapes.
        for name in ("keys_", "probability_", "backoff_"):
            if (stored := state_dict.get(prefix + name)) is not None:
                setattr(self, name, getattr(self, name).new_empty(stored.shape))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
