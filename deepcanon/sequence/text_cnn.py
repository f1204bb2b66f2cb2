r"""A convolutional network over the words of a text: filters of several widths, and the maximum of each over time.

Paper: Kim, "Convolutional Neural Networks for Sentence Classification", 2014 (arXiv:1408.5882), whose equations are
(1) to (5) here. Word types are dropped as in Gal and Ghahramani, "A Theoretically Grounded Application of Dropout in
Recurrent Neural Networks", 2016 (arXiv:1512.05287), section 4.2.

Legend: n words of a text; x_i the vector of word i [D]; x_{i:i+h-1} those of h words in a row, joined [h D]; w, b one
of F filters of width h, and its bias; f the rectifier; c_i what the filter says of window i; c^ its feature; z the
features of all filters of all widths; r a mask of dropout; K classes. Shapes: batch B, time T.

(1) x_{1:n} = x_1, x_2, ..., x_n in a row, with vectors of zeros before the first and after the last
(2) c_i = f(w . x_{i:i+h-1} + b),   i = 2 - h, ..., n: every window that holds a word of the text
(3) c^ = max_i c_i
(4) y = W z + a, the logits of the K classes
(5) in training y = W (z o r) + a, r 0 with probability p and else 1 / (1 - p)

A product of (2) is the sum of h products of one word each, and a batch holds a word many times. On the CPU the products
of each DISTINCT word are therefore taken once, and windows add them up: the same numbers to rounding.

Token 0 is padding: no window that holds nothing else counts, so texts of one batch do not depend on how far they are
padded, nor on what vector stands for padding. A text without words has the features 0.

Departures: the authors' code lets windows of nothing but padding take part in (3), so that c^ >= f(b); here (3) is over
the text. Kim's z is scaled by p at test time, ours in training, which is the same. That the norm of each row of W stays
at most 3 is a matter of the update (`foundations.max_norm_`). Weights of filters begin as torch's convolutions do,
those of W uniform in +-1/sqrt(features), vectors of words uniform in +-0.25 as in the authors' code. Kim's paper has no
`embedding_dropout`; at 0 nothing is drawn.

>>> model = TextCNN(50, 2, dimensions=8, filters=4)
>>> tokens = torch.tensor([[5, 9, 2, 7], [3, 4, 0, 0]])
>>> longer = torch.nn.functional.pad(tokens, (0, 3))
>>> model.eval()(tokens).shape, torch.allclose(model(tokens), model(longer))
(torch.Size([2, 2]), True)
"""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from deepcanon.parts.word_embedding import PADDING, WordEmbedding

__all__ = ["TextCNN", "max_over_time", "windows_of"]

INITIAL = 0.25  # vectors of words are uniform within +- this


def windows_of(real: Bool[Tensor, "batch time"], width: int) -> Bool[Tensor, "batch windows"]:
    """Which of the T + h - 1 windows of (2) hold a word of the text, from i = 2 - h on.

    Raises:
        ValueError: the mask has another rank, or the width is below 1.
    """
    if real.ndim != 2 or width < 1:
        raise ValueError(f"a mask {tuple(real.shape)} and a width {width} are not [batch, time] and 1 or more")
    wide = F.pad(real.to(torch.float32)[:, None], (width - 1, width - 1))
    return F.max_pool1d(wide, width, 1)[:, 0] > 0


def max_over_time(
    sums: Float[Tensor, "batch filters windows"], inside: Bool[Tensor, "batch windows"]
) -> Float[Tensor, "batch filters"]:
    """(3) of the rectified sums of (2), over the windows inside; 0 without any, which no rectified value is below."""
    if sums.ndim != 3 or inside.shape != (sums.shape[0], sums.shape[2]):
        raise ValueError(f"sums {tuple(sums.shape)} and windows {tuple(inside.shape)} do not fit")
    return torch.where(inside[:, None], sums.relu(), 0.0).amax(2)


def _products(vectors: Float[Tensor, "words dimensions"], layers: Sequence[nn.Conv1d]) -> list[Tensor]:
    """Of each distinct word with each place of the filters, [U + 1, h, F] of each width.

    The last row stands for the zeros around a text.
    """
    weights = [layer.weight.permute(1, 2, 0) for layer in layers]  # [D, h, F]
    products = vectors @ torch.cat([weight.flatten(1) for weight in weights], 1)
    parts = F.pad(products, (0, 0, 0, 1)).split([weight[0].numel() for weight in weights], 1)
    return [part.unflatten(1, weight.shape[1:]) for part, weight in zip(parts, weights, strict=True)]


def _sums(products: Tensor, places: Int[Tensor, "batch time"], bias: Tensor) -> Float[Tensor, "batch windows filters"]:
    """The sums of (2) by the products of distinct words; `places` says which of them each token is."""
    width = products.shape[1]
    around = F.pad(places, (width - 1, width - 1), value=len(products) - 1)
    count, sums = places.shape[1] + width - 1, bias
    for step in range(width):
        sums = sums + F.embedding(around[:, step : step + count], products[:, step])
    return sums


class TextCNN(nn.Module):
    """Logits of the classes of texts.

    Args:
        symbols: number of tokens, padding (0) among them.
        classes: K.
        dimensions: D.
        widths: h of each group of filters.
        filters: F of each width.
        dropout: p of (5).
        embedding_dropout: probability that all occurrences of a word in a batch are read as zeros in training.
        frozen: whether the vectors of words stay as they are (Kim's CNN-static).
        fast: take the products of each distinct word once, on a CPU (equal to rounding).

    The first words' vectors may be replaced: `embedding.weight` [symbols, D], row 0 of zeros.
    """

    def __init__(
        self,
        symbols: int,
        classes: int,
        *,
        dimensions: int = 300,
        widths: Sequence[int] = (3, 4, 5),
        filters: int = 100,
        dropout: float = 0.5,
        embedding_dropout: float = 0.0,
        frozen: bool = False,
        fast: bool = True,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        if not widths or min(widths) < 1:
            raise ValueError(f"widths of filters are 1 or more, not {tuple(widths)}")
        placed = {"device": device, "dtype": dtype}
        self.embedding = WordEmbedding(symbols, dimensions, dropout=embedding_dropout, frozen=frozen, **placed)
        self.filters = nn.ModuleList([nn.Conv1d(dimensions, filters, width, **placed) for width in widths])
        self.drop = nn.Dropout(dropout)
        self.output = nn.Linear(filters * len(widths), classes, **placed)
        self.fast = fast
        self.reset_parameters()

    @property
    def layers(self) -> list[nn.Conv1d]:
        """The filters of each width."""
        return [cast(nn.Conv1d, layer) for layer in self.filters]

    def reset_parameters(self) -> None:
        """New weights, and vectors of words uniform within +-0.25."""
        self.embedding.reset_parameters(INITIAL)
        for layer in self.layers:
            layer.reset_parameters()
        self.output.reset_parameters()

    def features(self, tokens: Int[Tensor, "batch time"]) -> Float[Tensor, "batch features"]:
        """z, the features (3) of all filters.

        Raises:
            ValueError: the tokens are not [batch, time >= 1].
        """
        if tokens.ndim != 2 or not tokens.shape[1]:
            raise ValueError(f"tokens {tuple(tokens.shape)} are not [batch, time >= 1]")
        real, layers = tokens != PADDING, self.layers
        if self.fast and tokens.device.type == "cpu" and not torch.compiler.is_compiling():
            distinct, places = tokens.unique(return_inverse=True)
            products = _products(self.embedding(distinct), layers)
            each = zip(products, layers, strict=True)
            sums = [_sums(one, places, cast(Tensor, layer.bias)).transpose(1, 2) for one, layer in each]
        else:
            words = self.embedding(tokens).transpose(1, 2)
            # (1), (2)
            sums = [F.conv1d(words, layer.weight, layer.bias, padding=layer.kernel_size[0] - 1) for layer in layers]
        inside = [windows_of(real, layer.kernel_size[0]) for layer in layers]
        return torch.cat([max_over_time(s, i) for s, i in zip(sums, inside, strict=True)], 1)  # (3)

    def without_each(self, tokens: Int[Tensor, "batch time"], instead: int) -> Float[Tensor, "batch read classes"]:
        """The logits of each text, and then [B, 1 + T, K] those with each of its words in turn read as another.

        Only the windows that a word is in are added up again: (3) is the largest of them and of those before and after.

        Args:
            instead: the token that is read. In place of padding nothing else is read.
        """
        if tokens.ndim != 2 or not tokens.shape[1]:
            raise ValueError(f"tokens {tuple(tokens.shape)} are not [batch, time >= 1]")
        real, time = tokens != PADDING, tokens.shape[1]
        distinct, found = torch.cat([tokens.new_tensor([instead]), tokens.flatten()]).unique(return_inverse=True)
        other, places, features = found[0], found[1:].view_as(tokens), []
        for layer, narrow in zip(self.layers, _products(self.embedding(distinct), self.layers), strict=True):
            width, products = narrow.shape[1], narrow.to(layer.weight.dtype)
            sums = _sums(products, places, cast(Tensor, layer.bias))
            inside = torch.where(windows_of(real, width)[:, :, None], sums.relu(), 0.0)
            before = F.pad(inside.cummax(1).values, (0, 0, 1, 0))  # the largest of the windows before each
            after = F.pad(inside.flip(1).cummax(1).values.flip(1), (0, 0, 0, 1))  # and of the others
            best = torch.maximum(before[:, :time], after[:, width:])
            for step in range(width):
                first = width - 1 - step  # the window whose place `step` holds the first word
                change = products[other, step] - F.embedding(places, products[:, step])
                best = torch.maximum(best, sums[:, first : first + time] + change)
            whole = before[:, -1:]
            features.append(torch.cat([whole, torch.where(real[:, :, None], best, whole)], 1))
        return self.output(self.drop(torch.cat(features, 2)))  # (4), (5)

    def forward(self, tokens: Int[Tensor, "batch time"]) -> Float[Tensor, "batch classes"]:
        """The logits y of (4)."""
        return self.output(self.drop(self.features(tokens)))  # (4), (5)
