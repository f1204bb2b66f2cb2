r"""n-gram language model: interpolated modified Kneser-Ney smoothing, any order, counted by sorting.

Papers: Kneser and Ney, "Improved backing-off for m-gram language modeling", ICASSP 1995; Chen and Goodman,
"An empirical study of smoothing techniques for language modeling", 1998 (the modified form, three discounts).

Legend: ``w`` a word (or character) out of V; ``h`` its history, the at most n-1 words before it; ``h'`` the history
without its oldest word; ``c(hw)`` how often ``hw`` occurs; ``N1+(. hw)`` how many different words precede ``hw``;
``n_j`` how many n-grams of one order have count j; D(c) the discount of a count, D(0) = 0.

(1) p(w | h) = (c(hw) - D(c(hw))) / sum_v c(hv) + gamma(h) p(w | h')
(2) gamma(h) = sum_v D(c(hv)) / sum_v c(hv), so that p(. | h) sums to 1; a history never seen has p(w | h) = p(w | h')
(3) below the highest order c(hw) is replaced by N1+(. hw), except where h begins at the sentence start
(4) Y = n_1 / (n_1 + 2 n_2);  D(1) = 1 - 2 Y n_2/n_1,  D(2) = 2 - 3 Y n_3/n_2,  D(3+) = 3 - 4 Y n_4/n_3
(5) the recursion ends in p(w) = (c(w) - D(c(w))) / sum_v c(v) + gamma / V

The sentence end is a word that is predicted; the sentence start occurs only in histories.

Departures: the estimates (4) need every n_j; an order in which one is 0 (tiny texts) uses 0.5, 1, 1.5, and
every D(j) is kept within [0, j]. ``discounts=0.75`` gives the plain form of 1995 (one discount, unigrams not
discounted, so that a word never seen has probability 0).

>>> tokens = torch.tensor([0, 1, 2, 0, 1, 3, 0, 2, 3])             # word 3 ends a sentence
>>> model = NgramLM(4, order=3, end=3).fit(tokens)
>>> next_word = model.distribution(torch.tensor([[0, 1]]))
>>> bool((next_word.sum() - 1).abs() < 1e-12)
True
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

__all__ = ["NgramLM", "modified_discounts"]


def modified_discounts(counts: Int[Tensor, "ngrams"]) -> Float[Tensor, "3"]:
    """D(1), D(2), D(3+) from the counts of counts, eq. (4); 0.5, 1, 1.5 where some n_j is 0."""
    if counts.ndim != 1:
        raise ValueError(f"counts must be one-dimensional, not {tuple(counts.shape)}")
    n = torch.bincount(counts.clamp(0, 5), minlength=6)[1:5].double()
    if bool((n == 0).any()):
        return n.new_tensor([0.5, 1.0, 1.5])
    share = n[0] / (n[0] + 2 * n[1])
    j = torch.arange(1, 4, device=n.device, dtype=n.dtype)
    # (4)
    discounts = j - (j + 1) * share * n[1:] / n[:-1]
    return torch.minimum(discounts.clamp(min=0), j)


class NgramLM(nn.Module):
    """Modified Kneser-Ney model over token numbers 0 .. vocabulary_size - 1.

    The n-grams of one order are nodes, numbered by sorting ``node of the history * V + word``: counting is one sort for
    each order and a look-up is one binary search, for all positions of a text at once.

    Args:
        vocabulary_size: V, the words that can be predicted (with sentence end and unknown word, without start).
        order: n, the longest n-gram.
        end: the token that ends a sentence; the history starts again after it. None: one unbroken sequence.
        start: whether the beginning of a sentence is a history of its own.
        discounts: "modified" (three an order, estimated) or one fixed number in [0, 1] for all counts.
    """

    keys_: Tensor
    probability_: Tensor
    backoff_: Tensor
    sizes_: Tensor
    discounts_: Tensor

    def __init__(
        self,
        vocabulary_size: int,
        order: int = 5,
        *,
        end: int | None = None,
        start: bool = True,
        discounts: str | float = "modified",
        device=None,
    ):
        super().__init__()
        if vocabulary_size < 1 or order < 1:
            raise ValueError(f"vocabulary_size {vocabulary_size} and order {order} must be at least 1")
        if isinstance(discounts, str) and discounts != "modified":
            raise ValueError(f"discounts must be 'modified' or a number, not {discounts!r}")
        if not isinstance(discounts, str) and not 0 <= discounts <= 1:
            raise ValueError(f"a fixed discount must lie in [0, 1], not {discounts}")
        self.vocabulary_size, self.order, self.end, self.start = vocabulary_size, order, end, start
        self.discounts = discounts
        # Node tables of all orders, concatenated: order 1 has V words and the start symbol (number V).
        self.register_buffer("keys_", torch.empty(0, dtype=torch.int64, device=device))
        self.register_buffer("probability_", torch.empty(0, dtype=torch.float64, device=device))
        self.register_buffer("backoff_", torch.empty(0, dtype=torch.float64, device=device))
        self.register_buffer("sizes_", torch.zeros(order, dtype=torch.int64, device=device))
        self.register_buffer("discounts_", torch.zeros(order, 3, dtype=torch.float64, device=device))

    @torch.no_grad()
    def fit(self, tokens: Int[Tensor, "time"]) -> "NgramLM":
        """Counts one text (its sentences concatenated) and computes every probability and back-off weight."""
        words = self._checked(tokens, 1)
        if words.numel() == 0:
            raise ValueError("fit needs at least one token")
        size = self.vocabulary_size
        starts = self._contexts(words, words) == size if self.start else torch.zeros_like(words, dtype=torch.bool)
        nodes, keys, fresh = [words], [torch.arange(size + 1, device=words.device)], [torch.zeros_like(starts)]
        for order in range(2, self.order + 1):
            context = self._contexts(words, nodes[-1], first=order == 2)
            present = context >= 0
            unique, inverse = torch.unique(context[present] * size + words[present], return_inverse=True)
            nodes.append(torch.full_like(words, -1).masked_scatter_(present, inverse))
            keys.append(unique)
            fresh.append(starts if order == 2 else torch.cat([fresh[-1].new_zeros(1), fresh[-1][:-1]]) & present)
        probability, backoff = [], []
        for order in range(1, self.order + 1):
            node, nodes_here = nodes[order - 1], len(keys[order - 1])
            seen = node >= 0
            if order == self.order:
                counts = torch.bincount(node[seen], minlength=nodes_here)
            else:
                # (3): every different (n+1)-gram counts once for the n-gram it ends in
                longer = nodes[order] >= 0
                suffix = node.new_zeros(len(keys[order])).scatter_(0, nodes[order][longer], node[longer])
                counts = torch.bincount(suffix, minlength=nodes_here)
                at_start = torch.bincount(node[fresh[order - 1]], minlength=nodes_here)
                counts = torch.where(at_start > 0, at_start, counts)
            table = self._discount_table(order, counts)
            taken = table[counts.clamp(max=3)]
            kept = counts - taken
            if order == 1:
                total = counts.sum()
                # (5)
                uniform = taken.sum() / total / size
                probability.append(torch.cat([(kept / total + uniform)[:size], kept.new_zeros(1)]))
                continue
            context = torch.div(keys[order - 1], size, rounding_mode="floor")
            contexts = len(keys[order - 2])
            total = torch.bincount(context, counts.double(), contexts)
            # (2)
            gamma = torch.bincount(context, taken, contexts) / total.clamp(min=1)
            gamma = torch.where(total > 0, gamma, 1.0)
            shorter = node.new_zeros(nodes_here).scatter_(0, node[seen], nodes[order - 2][seen])
            # (1)
            probability.append(kept / total[context] + gamma[context] * probability[-1][shorter])
            backoff.append(gamma)
        self.keys_ = torch.cat(keys)
        self.probability_ = torch.cat(probability)
        self.backoff_ = torch.cat(backoff) if backoff else self.backoff_[:0]
        self.sizes_ = torch.tensor([len(k) for k in keys], device=words.device)
        return self

    def forward(self, tokens: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        """log p of every token given those before it in its row (a row begins a sentence), in nats."""
        words = self._checked(tokens, 2)
        keys, probability, backoff = self._tables()
        node, p = words, probability[0][words]
        for order in range(2, self.order + 1):
            if not len(keys[order - 1]):  # no sentence is that long: (1) has nothing to add, and all weights are 1
                break
            context = self._contexts(words, node, first=order == 2)
            node = self._find(keys[order - 1], context, words)
            weight = torch.where(context >= 0, backoff[order - 2][context.clamp(min=0)], 1.0)
            p = torch.where(node >= 0, probability[order - 1][node.clamp(min=0)], weight * p)
        return p.log()

    def distribution(self, history: Int[Tensor, "batch time"]) -> Float[Tensor, "batch vocabulary"]:
        """p(. | history) over the whole vocabulary, one row for each history (which may be empty)."""
        history = self._checked(history, 2)[:, -max(self.order - 1, 1) :] if history.shape[1] else history
        batch, size = history.shape[0], self.vocabulary_size
        keys, probability, backoff = self._tables()
        p = probability[0][:size].expand(batch, size).clone()
        nothing = torch.full((batch, 1), -1, dtype=torch.int64, device=history.device)
        node = history
        for order in range(2, self.order + 1):
            if not len(keys[order - 1]):
                break
            # The context of the word that would come next: as in _contexts, one column further.
            padded = torch.cat([node, nothing], 1)
            context = self._contexts(torch.cat([history, nothing], 1), padded, first=order == 2)[:, -1]
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
                node = self._find(keys[order - 1], self._contexts(history, node, first=order == 2), history)
        return p

    def _contexts(self, words: Tensor, node: Tensor, first: bool = True) -> Tensor:
        """Node of the history of every position: that of the n-gram one place before; -1 across a sentence border."""
        border = self.vocabulary_size if first and self.start else -1
        context = torch.cat([torch.full_like(node[..., :1], border), node[..., :-1]], -1)
        if self.end is not None:
            ended = torch.cat([torch.zeros_like(words[..., :1]), words[..., :-1] == self.end], -1)
            context = torch.where(ended.bool(), border, context)
        return context

    def _find(self, keys: Tensor, context: Tensor, words: Tensor) -> Tensor:
        wanted = context * self.vocabulary_size + words
        place = torch.searchsorted(keys, wanted).clamp(max=max(len(keys) - 1, 0))
        if len(keys) == 0:
            return torch.full_like(words, -1)
        return torch.where((context >= 0) & (keys[place] == wanted), place, -1)

    def _discount_table(self, order: int, counts: Tensor) -> Tensor:
        """[D(0), D(1), D(2), D(3+)] of one order."""
        if isinstance(self.discounts, str):
            self.discounts_[order - 1] = modified_discounts(counts)
        else:
            self.discounts_[order - 1] = 0.0 if order == 1 else float(self.discounts)
        return torch.cat([self.discounts_.new_zeros(1), self.discounts_[order - 1]])

    def _tables(self) -> tuple[tuple[Tensor, ...], ...]:
        if not len(self.probability_):
            raise ValueError("the model has counted nothing yet: call fit first")
        sizes = self.sizes_.tolist()
        return self.keys_.split(sizes), self.probability_.split(sizes), self.backoff_.split(sizes[:-1])

    def _checked(self, tokens: Tensor, ndim: int) -> Tensor:
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
