r"""Poems by a recurrent character model that starts afresh for each one; their form, and how much is copied.

Papers: Zhang and Lapata, "Chinese Poetry Generation with Recurrent Neural Networks", EMNLP 2014, quatrains and their
perplexity per character; Graves, "Generating Sequences With Recurrent Neural Networks", 2013 (arXiv:1308.0850),
characters.

Legend: a poem w_1 .. w_T of characters, line ends and punctuation among them; w_0 = w_{T+1} the closing symbol, which
stands before and after it; h_t the top hidden vector [H] of `rnn_lm`; batch B; vocabulary V.

(1) p(poem) = prod_{t=1}^{T+1} p(w_t | w_0 .. w_{t-1}),   p(w_t | ...) = softmax(O h_{t-1} + b), from a state of zeros
(2) perplexity = exp(- sum over poems of log p / sum over poems of (T + 1)): per character, the end of a poem counts
(3) the form of a poem: how long its lines are, in characters without punctuation where they are Han, elsewhere in
    words. A line ends at a line end, and in Han also after one of , . ! ? ; : in full width
(4) a form is legal if poems of the training set have as many lines, and lines of each of its lengths
(5) copied is a line of four units or more that is a line of the training set

Departures: Zhang and Lapata write a quatrain line by line, each from a vector of all lines before it, after keywords;
here one network reads and writes characters. Tones and rhymes are not looked at.

>>> form("so much depends\nupon"), form("\u5e8a\u524d\u660e\u6708\u5149\uff0c\u7591\u662f\u5730\u4e0a\u971c\u3002")
((3, 1), (5, 5))
"""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from .rnn_lm import RecurrentLM, sequence_nll

__all__ = [
    "CLOSING", "PoemLM", "TrainingPoems", "copied_lines", "form", "is_legal", "lines_of", "longest_copy", "poem_nll",
    "training_poems", "writing_measures",
]  # fmt: skip

CLOSING = "\u2029"  # Unicode's end of a paragraph, which no poem holds
LEAST = 4  # units of a line that can be called copied
HAN = r"\u3400-\u9fff\U00020000-\U0003ffff"
HAN_ENDS = "\uff0c\u3002\uff01\uff1f\uff1b\uff1a"


def poem_nll(
    logits: Float[Tensor, "batch time vocabulary"],
    targets: Int[Tensor, "batch time"],
    inside: Bool[Tensor, "batch time"],
) -> Float[Tensor, ""]:
    """Nats per character, eqs. (1) and (2): logarithm of the perplexity of all poems of a batch.

    Args:
        targets: w_1 .. w_{T+1} of each poem, then padding.
        inside: what is no padding; at least one character is.

    Raises:
        ValueError: the shapes do not fit.
    """
    if logits.ndim != 3 or logits.shape[:2] != targets.shape or inside.shape != targets.shape:
        shapes = [tuple(part.shape) for part in (logits, targets, inside)]
        raise ValueError(f"logits, targets and mask {shapes} do not match")
    return (sequence_nll(logits, targets, "none") * inside).sum() / inside.sum()


def lines_of(poem: str) -> list[str]:
    """The lines of eq. (3), in Han without punctuation."""
    lines = [line for line in poem.split("\n") if line.strip()]
    if not re.search(f"[{HAN}]", poem):
        return [" ".join(line.split()) for line in lines]
    parts = (re.sub(f"[^{HAN}]", "", part) for line in lines for part in re.split(f"[{HAN_ENDS}]", line))
    return [part for part in parts if part]


def _length(line: str) -> int:
    return len(line) if re.match(f"[{HAN}]", line) else len(line.split())


def form(poem: str) -> tuple[int, ...]:
    """How long each line is, eq. (3)."""
    return tuple(map(_length, lines_of(poem)))


def is_legal(poem: str, forms: Collection[tuple[int, ...]]) -> bool:
    """Eq. (4), by the forms of the poems of the training set."""
    lengths = {length for one in forms for length in one}
    found = form(poem)
    return len(found) in {len(one) for one in forms} and lengths.issuperset(found)


def copied_lines(poem: str, lines: Collection[str]) -> list[str]:
    """The lines that are copied, eq. (5), by the lines of the training set."""
    return [line for line in lines_of(poem) if _length(line) >= LEAST and line in lines]


def longest_copy(poem: str, poems: str | Iterable[str]) -> str:
    """The longest run of characters of a poem that is in one of others; the first of several.

    Args:
        poems: the others, or a text of them in which `CLOSING` stands between two.
    """
    text = poems if isinstance(poems, str) else CLOSING.join(poems)
    found = ""
    for start in range(len(poem)):
        while start + len(found) < len(poem) and poem[start : start + len(found) + 1] in text:
            found = poem[start : start + len(found) + 1]
    return found


class TrainingPoems(NamedTuple):
    """What poems that are written are compared with: forms, lines, and the poems with `CLOSING` between them."""

    forms: frozenset[tuple[int, ...]]
    lines: frozenset[str]
    text: str


def training_poems(poems: Sequence[str]) -> TrainingPoems:
    """The poems of a training set as `writing_measures` takes them."""
    lines = frozenset(line for one in poems for line in lines_of(one))
    return TrainingPoems(frozenset(map(form, poems)), lines, CLOSING.join(poems))


def writing_measures(poems: Sequence[str], training: TrainingPoems) -> dict[str, float]:
    """Of poems that were written the shares that are `legal` and that have a `copied` line, and the mean characters of
    the `longest_copy`; ValueError if there is none."""
    if not poems:
        raise ValueError("no poem was written")
    measured: dict[str, list[float]] = {
        "legal": [is_legal(one, training.forms) for one in poems],
        "copied": [bool(copied_lines(one, training.lines)) for one in poems],
        "longest_copy": [len(longest_copy(one, training.text)) for one in poems],
    }
    return {name: sum(values) / len(values) for name, values in measured.items()}


class PoemLM(nn.Module):
    """A recurrent language model that reads the closing symbol before each poem, eq. (1).

    Args:
        vocabulary_size: V.
        hidden_size: H.
        closing: number of the closing symbol.
        options: of `RecurrentLM`.

    Raises:
        ValueError: the vocabulary has no such number.
    """

    def __init__(self, vocabulary_size: int, hidden_size: int, *, closing: int, **options):
        super().__init__()
        if not 0 <= closing < vocabulary_size:
            raise ValueError(f"closing {closing} is not a number below {vocabulary_size}")
        self.closing = closing
        self.model = RecurrentLM(vocabulary_size, hidden_size, **options)

    def forward(self, poems: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time1 vocabulary"]:
        """Logits of w_1 .. w_{T+1}; ValueError if the poems are not [batch, time]."""
        if poems.ndim != 2:
            raise ValueError(f"poems {tuple(poems.shape)} are not [batch, time]")
        before = poems.new_full((len(poems), 1), self.closing)
        return self.model(torch.cat([before, poems], 1))[0]
