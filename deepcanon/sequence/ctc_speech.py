r"""Connectionist temporal classification: transcribes recordings, learned from transcripts without timing.

Papers: Graves, Fernandez, Gomez and Schmidhuber, "Connectionist Temporal Classification: Labelling Unsegmented Sequence
Data with Recurrent Neural Networks", ICML 2006, whose equations are named; Hannun et al. 2014 (arXiv:1408.2873),
Algorithm 1, for the prefix search.

Legend: x samples [batch B, T]; n real frames of a row, t from 1 to n; K symbols, number 0 is the blank; z labels of
length L; y_t probabilities over the blank and the symbols; l' the labels with a blank before, between and after them,
length 2 L + 1.

(1) y_t = softmax(V h_t + c),  h a network that reads log mel energies in both directions (Schuster and Paliwal 1997)
(2) B(path): repeated symbols become one, then blanks go (eq. 2)
(3) p(z | x) = sum over the paths with B(path) = z of prod_t y_t(path_t) (eq. 3)
(4) a_1(1) = y_1(blank),  a_1(2) = y_1(z_1),  else 0
    a_t(s) = y_t(l'_s) (a_{t-1}(s) + a_{t-1}(s-1) + [l'_s not blank and l'_s != l'_{s-2}] a_{t-1}(s-2)) (eqs. 6 and 7)
(5) p(z | x) = a_n(2 L + 1) + a_n(2 L) (eq. 8); everything here is computed of logarithms
(6) prefix search: of each prefix the probability of all paths to it that end in a blank, and of those that do not; a
    symbol that repeats the last one grows the prefix only from the former. With the width of all prefixes it is exact.

A transcript needs a frame for each symbol and one more between equal neighbours: with fewer, (3) is 0.

Departures: log mel energies of 10 ms, some neighbouring frames joined into one step, in place of the paper's cepstral
coefficients; the prefix search keeps a number of prefixes at every frame, as Hannun et al., without a language model.

>>> log_probs = torch.log(torch.tensor([[[0.6, 0.4], [0.6, 0.4]]]))  # two frames, one symbol
>>> greedy(log_probs, torch.tensor([2])), prefix_search(log_probs, torch.tensor([2]), 4)[0][0][0]
([[]], [1])
>>> round(ctc_nll(log_probs, torch.tensor([[1]]), torch.tensor([2])).neg().exp().item(), 6)  # 1 - 0.6 ** 2
0.64
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from deepcanon.parts.log_mel import LogMel
from deepcanon.parts.masks import reversed_rows
from deepcanon.parts.recurrence import weights_of
from deepcanon.sequence.bidirectional import Bidirectional, forward_layer

__all__ = ["BLANK", "CTCSpeech", "align", "collapse", "ctc_nll", "greedy", "needed_frames", "prefix_search"]

BLANK = 0
NONE = -1e30  # the logarithm of 0, finite, so that its gradients are 0 and not NaN


def needed_frames(labels: Int[Tensor, "batch labels"]) -> Int[Tensor, "batch"]:
    """The fewest frames in which labels [B, L] can be said, those below 1 being padding: L and a blank a repetition."""
    real = labels > 0
    return real.sum(1) + (real[:, 1:] & (labels[:, 1:] == labels[:, :-1])).sum(1)


def _with_blanks(labels: Tensor) -> tuple[Tensor, Tensor]:
    """l' of the legend [B, 2 L + 1], and where eq. (4) may come from s - 2."""
    batch, length = labels.shape
    states = labels.new_full((batch, 2 * length + 1), BLANK)
    states[:, 1::2] = labels.clamp(min=BLANK)
    skips = torch.zeros_like(states, dtype=torch.bool)
    skips[:, 2:] = (states[:, 2:] != BLANK) & (states[:, 2:] != states[:, :-2])
    return states, skips


def _came_from(a: Tensor, skips: Tensor) -> Tensor:
    """The three terms of eq. (4) [3, B, S] before they are added."""
    moved = torch.cat([a.new_full((len(a), 2), NONE), a], 1)
    one, two = moved[:, 1:-1], moved[:, :-2]
    return torch.stack([a, one, two.where(skips, NONE)])


def ctc_nll(
    log_probs: Float[Tensor, "batch time symbols"], labels: Int[Tensor, "batch labels"], frames: Int[Tensor, "batch"]
) -> Float[Tensor, "batch"]:
    """-log p(z | x), eqs. (3) to (5), in nats; infinite if the frames are too few. Equal to torch's `ctc_loss`.

    Args:
        log_probs: log y.
        labels: z, symbols from 1 on, after their end anything below 1.
        frames: n, 1 <= n <= time.
    """
    states, skips = _with_blanks(labels)
    emitted = log_probs.gather(2, states[:, None].expand(-1, log_probs.shape[1], -1))
    a = torch.cat([emitted[:, 0, :2], torch.full_like(emitted[:, 0, 2:], NONE)], 1)
    for t in range(1, log_probs.shape[1]):
        stepped = _came_from(a, skips).logsumexp(0) + emitted[:, t]
        a = torch.where((t < frames)[:, None], stepped, a)
    last = 2 * (labels > 0).sum(1, keepdim=True)
    end = a.gather(1, last)[:, 0]
    before = a.gather(1, (last - 1).clamp(min=0))[:, 0].where(last[:, 0] > 0, NONE)
    found = -torch.logaddexp(end, before)
    return found.where(found < -NONE / 2, torch.inf)


def align(
    log_probs: Float[Tensor, "batch time symbols"], labels: Int[Tensor, "batch labels"], frames: Int[Tensor, "batch"]
) -> Int[Tensor, "batch labels"]:
    """The frame, from 0 on, at which each label begins on the likeliest path; -1 where there is no label.

    It is eq. (4) with the greatest term in place of the sum.
    """
    states, skips = _with_blanks(labels)
    emitted = log_probs.gather(2, states[:, None].expand(-1, log_probs.shape[1], -1))
    a = torch.cat([emitted[:, 0, :2], torch.full_like(emitted[:, 0, 2:], NONE)], 1)
    moves = []
    for t in range(1, log_probs.shape[1]):
        best, move = _came_from(a, skips).max(0)
        real = (t < frames)[:, None]
        a = torch.where(real, best + emitted[:, t], a)
        moves.append(move.where(real, 0))
    last = 2 * (labels > 0).sum(1, keepdim=True)
    place = torch.where(a.gather(1, last) >= a.gather(1, (last - 1).clamp(min=0)), last, (last - 1).clamp(min=0))
    begins = torch.full_like(states, -1)  # of every state of l'; the labels are those of odd number
    for t in range(log_probs.shape[1] - 1, -1, -1):
        begins.scatter_(1, place, t)
        if t:
            place = place - moves[t - 1].gather(1, place)
    return begins[:, 1::2].where(labels > 0, -1)


def collapse(path: list[int]) -> list[int]:
    """B of eq. (2)."""
    kept = [symbol for symbol, before in zip(path, [BLANK, *path[:-1]], strict=True) if symbol != before]
    return [symbol for symbol in kept if symbol != BLANK]


def greedy(log_probs: Float[Tensor, "batch time symbols"], frames: Int[Tensor, "batch"]) -> list[list[int]]:
    """The labels of the likeliest path: of each frame the likeliest symbol."""
    paths = log_probs.argmax(2).tolist()
    return [collapse(path[:n]) for path, n in zip(paths, frames.tolist(), strict=True)]


def prefix_search(
    log_probs: Float[Tensor, "batch time symbols"], frames: Int[Tensor, "batch"], width: int
) -> tuple[list[list[list[int]]], Float[Tensor, "batch width"]]:
    """Eq. (6): the likeliest labels of each row, best first, and log p of each over the paths that were kept.

    Args:
        width: prefixes that are kept at every frame.
    """
    if width < 1:
        raise ValueError(f"a width of {width} keeps no prefix")
    batch, time = log_probs.shape[:2]
    beam = _Beam(batch, width, time, log_probs)
    for t in range(time):
        beam.advance(log_probs[:, t], t < frames)
    return beam.texts()


class _Beam:
    """The prefixes of every row: their last symbols, log p of the paths that end in a blank and that do not, and a
    number that tells a prefix from the others (a hash modulo 2^64)."""

    def __init__(self, batch: int, width: int, time: int, like: Tensor):
        self.width, self.device = width, like.device
        self.blank = like.new_full((batch, width), NONE)
        self.blank[:, 0] = 0.0
        self.symbol = like.new_full((batch, width), NONE)
        self.last = torch.zeros(batch, width, dtype=torch.int64, device=like.device)
        self.length = torch.zeros_like(self.last)
        self.text = torch.zeros(batch, width, time, dtype=torch.int64, device=like.device)
        self.key = self._dead() + torch.zeros_like(self.last)
        self.key[:, 0] = 0

    def _dead(self) -> Tensor:
        """Keys that no prefix has: those of places that hold none."""
        return -1 - torch.arange(self.width, device=self.device)

    def advance(self, log_p: Tensor, real: Tensor) -> None:
        """One frame [B, symbols]; rows that are not `real` stay as they are."""
        width, total = self.width, torch.logaddexp(self.blank, self.symbol)
        stays_blank = total + log_p[:, :1]
        repeats = self.symbol + log_p.gather(1, self.last).where(self.last > 0, NONE)
        number = torch.arange(1, log_p.shape[1], device=self.device)
        again = number == self.last[..., None]
        grown = torch.where(again, self.blank[..., None], total[..., None]) + log_p[:, None, 1:]
        keys = self.key[..., None] * 6364136223846793005 + number * 1442695040888963407 + 1
        # A grown prefix that is kept already is the same labels: its paths are added there.
        same = keys.flatten(1)[:, None] == self.key[..., None]
        merged = grown.flatten(1)[:, None].where(same, NONE).amax(2)
        stays_symbol = torch.logaddexp(repeats, merged)
        grown = grown.flatten(1).where(~same.any(1), NONE)
        scores = torch.cat([torch.logaddexp(stays_blank, stays_symbol), grown], 1)
        score, chosen = scores.topk(width, 1)
        new = chosen >= width
        parent = torch.where(new, (chosen - width) // len(number), chosen)
        added = torch.where(new, number[(chosen - width).clamp(min=0) % len(number)], self.last.gather(1, parent))
        length = self.length.gather(1, parent)
        text = self.text.gather(1, parent[..., None].expand(-1, -1, self.text.shape[2]))
        place = length.clamp(max=text.shape[2] - 1)[..., None]
        text = text.scatter(2, place, torch.where(new[..., None], added[..., None], text.gather(2, place)))
        key = torch.where(new, keys.flatten(1).gather(1, (chosen - width).clamp(min=0)), self.key.gather(1, parent))
        found = {
            "blank": stays_blank.gather(1, parent).where(~new, NONE),
            "symbol": torch.where(new, score, stays_symbol.gather(1, parent)),
            "last": added, "length": length + new, "text": text,
            "key": torch.where(score > NONE / 2, key, self._dead()),
        }  # fmt: skip
        for name, value in found.items():
            kept = getattr(self, name)
            setattr(self, name, torch.where(real.reshape(-1, *[1] * (value.ndim - 1)), value, kept))

    def texts(self) -> tuple[list[list[list[int]]], Tensor]:
        """The labels that are kept, best first, without the places that hold none; and their log p."""
        scores, order = torch.logaddexp(self.blank, self.symbol).sort(dim=1, descending=True, stable=True)
        found = []
        for row, places in enumerate(order.tolist()):
            alive = [p for p, score in zip(places, scores[row].tolist(), strict=True) if score > NONE / 2]
            found.append([self.text[row, p, : int(self.length[row, p])].tolist() for p in alive])
        return found, scores.where(scores > NONE / 2, -torch.inf)


class CTCSpeech(nn.Module):
    """Recordings to probabilities over blank and symbols, eq. (1).

    Args:
        energies: the log mel energies that are read.
        symbols: K, without the blank.
        joined: frames that become one step.
        hidden, layers: of a `Bidirectional` LSTM.
    """

    def __init__(
        self,
        energies: LogMel,
        symbols: int,
        *,
        joined: int = 3,
        hidden: int = 128,
        layers: int = 2,
        device=None,
    ):
        super().__init__()
        self.energies, self.joined = energies, joined
        bands = energies.filters.shape[1]
        self.network = Bidirectional(bands * joined, hidden, layers, device=device)
        self.head = nn.Linear(2 * hidden, symbols + 1, device=device)

    def frames(self, lengths: Int[Tensor, "batch"]) -> Int[Tensor, "batch"]:
        """n, the number of steps of recordings with this many samples."""
        return torch.div(self.energies.frames(lengths) + self.joined - 1, self.joined, rounding_mode="floor")

    def forward(
        self, x: Float[Tensor, "batch samples"], lengths: Int[Tensor, "batch"]
    ) -> tuple[Float[Tensor, "batch time symbols"], Int[Tensor, "batch"]]:
        """log y, and n of each row; there may be more steps than n. What follows a recording's samples has no effect.

        Args:
            lengths: the samples of each recording.
        """
        # A window more, so that the longest recording has all its frames, however short it is.
        x = nn.functional.pad(x, (0, self.energies.window))
        heard = self.energies(x.where(torch.arange(x.shape[1], device=x.device) < lengths[:, None], 0.0))
        inside = torch.arange(heard.shape[1], device=x.device) < self.energies.frames(lengths)[:, None]
        heard = nn.functional.pad(heard.where(inside[..., None], 0.0), (0, 0, 0, self.joined - 1))
        count = heard.shape[1] // self.joined
        firsts = self.joined * torch.arange(count, device=x.device)
        steps = torch.cat([heard.index_select(1, firsts + k) for k in range(self.joined)], 2)
        n = self.frames(lengths)
        return self.head(both_ways(self.network, steps, n)).log_softmax(2), n


def both_ways(network: Any, x: Float[Tensor, "batch time input"], n: Int[Tensor, "batch"]) -> Tensor:
    """What a `Bidirectional` LSTM reads of rows whose first n steps are real, on torch's kernel: the padding follows.

    Each row is turned around within its real steps, so that both directions read those first.
    """
    start = (x.new_zeros(x.shape[0], network.hidden_size),) * 2
    for layer in range(network.num_layers):
        forward, _ = forward_layer(x, start, weights_of(network, layer))
        backward, _ = forward_layer(reversed_rows(x, n), start, weights_of(network, layer, "_reverse"))
        x = torch.cat([forward, reversed_rows(backward, n)], 2)
    return x
