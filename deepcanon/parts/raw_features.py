"""Rows of features from raw examples, as counting and linear models see them: pixels in [0, 1], columns, word counts.

What must be known of the training data is learned once and kept as plain facts: the shape, a shift and a scale, or the
words that are counted.

    >>> import torch
    >>> from deepcanon.parts.raw_features import RawFeatures
    >>> pixels = RawFeatures("images", RawFeatures.learn("images", torch.zeros(2, 1, 2, 2, dtype=torch.uint8)))
    >>> pixels(torch.tensor([[[[0, 51], [102, 255]]]], dtype=torch.uint8)).tolist()
    [[0.0, 0.20000000298023224, 0.4000000059604645, 1.0]]
    >>> words = RawFeatures("documents", RawFeatures.learn("documents", ["a rose is a rose", "roses"], words=2))
    >>> words(words.counts(["is a rose a rose"])).to_dense().tolist()
    [[2.0, 2.0]]
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Num, UInt8
from torch import Tensor, nn

from deepcanon.parts.bag_of_words import BagOfWords
from deepcanon.parts.sparse_rows import is_csr, with_values
from deepcanon.parts.standardize import Standardize, input_statistics

__all__ = ["RawFeatures"]


class RawFeatures(nn.Module):
    """From pixels [N, C, H, W], columns [N, F] or word counts [N, W] to rows of features.

    Args:
        kind: "images", "tables" or "documents".
        facts: what `learn` found.
        once: documents: a word counts once, however often it occurs.
    """

    def __init__(self, kind: str, facts: dict[str, Any], *, once: bool = False) -> None:
        super().__init__()
        self.kind, self.shape = kind, tuple(facts["shape"])
        self.bag = BagOfWords(facts["words"]) if kind == "documents" else None
        self.rows: nn.Module
        if self.bag:
            self.rows = nn.Hardtanh(0.0, 1.0) if once else nn.Identity()
        else:
            scaled = Standardize(torch.as_tensor(facts["shift"]), torch.as_tensor(facts["scale"]))
            self.rows = nn.Sequential(scaled, nn.Flatten())

    @staticmethod
    def learn(kind: str, x: Any, *, words: int = 5000, standardize: bool = True) -> dict[str, Any]:
        """Facts of training examples, a tensor or the texts of documents; "length" is the mean number of known words.

        Args:
            words: documents: most frequent words that are counted.
            standardize: tables: give each column mean 0 and standard deviation 1.
        """
        if kind == "documents":
            bag = BagOfWords.build(x, words)
            length = max(1, round(len(bag.pack(x).numbers) / len(x)))
            return {"shape": [len(bag)], "words": list(bag.words), "length": length}
        batches = (x,) if is_csr(x) else x.split(1024)  # counts are not standardised: their number is looked at
        shift, scale = input_statistics(batches, kind == "images", None if standardize else False)
        return {"shape": list(x.shape[1:]), "shift": shift, "scale": scale}

    def forward(self, raw: Num[Tensor, "batch ..."]) -> Float[Tensor, "batch features"]:
        """Rows of features from raw values; sparse word counts stay sparse."""
        return with_values(raw, self.rows) if is_csr(raw) else self.rows(raw)

    def shift_and_scale(self) -> tuple[Float[Tensor, "features"], Float[Tensor, "features"]]:
        """Of every feature of images or tables, in float64: `forward` gives (raw - shift) / scale."""
        scaled = self.rows.get_submodule("0")
        wide = (value.double().view(-1, *(1,) * (len(self.shape) - 1)) for value in (scaled.shift, scaled.scale))
        shift, scale = (value.expand(self.shape).flatten() for value in wide)
        return shift, scale

    def counts(self, texts: Sequence[str]) -> Float[Tensor, "batch words"]:
        """Documents as word counts, a sparse CSR tensor."""
        if self.bag is None:
            raise ValueError(f"{self.kind} have no words to count")
        return self.bag.sparse_counts(self.bag.pack(texts))

    def counted(self, split: Any) -> Any:
        """A split of documents as word counts; any other as it is."""
        return split if self.bag is None else split.counted(self.bag)

    def pixels(self, rows: Float[Tensor, "batch features"], top: float | Tensor = 1.0) -> UInt8[Tensor, "batch c h w"]:
        """Features of images as pixels, where `top` is white."""
        return (rows / top * 255).round().clamp(0, 255).to(torch.uint8).view(-1, *self.shape).cpu()

    def texts(self, rows: Float[Tensor, "batch features"], columns: Sequence[str] = ()) -> list[str]:
        """Features as texts: the words of documents, or the columns of a table by name in their own units."""
        if self.bag:
            return self.bag.texts(rows)
        values = self.rows.get_submodule("0").inverse(rows).tolist()
        return [", ".join(f"{name}={v:.4g}" for name, v in zip(columns, row, strict=True)) for row in values]

    def largest_words(self, scores: Float[Tensor, "classes words"], names: Sequence[str], most: int = 30) -> str:
        """A line for each class: the words of the largest scores, as far as they are above 0."""
        if self.bag is None:
            raise ValueError(f"{self.kind} have no words")
        lines = []
        for name, row in zip(names, scores, strict=True):
            best = row.argsort(descending=True)[:most].tolist()
            lines.append(f"{name}: {' '.join(self.bag.words[i] for i in best if row[i] > 0)}\n")
        return "".join(lines)
