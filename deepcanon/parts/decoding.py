r"""Decoding: sampling and batched beam search over any step function ``(tokens, state) -> (log_probs, state)``.

Papers: Graves, "Sequence Transduction with Recurrent Neural Networks", 2012 (arXiv:1211.3711); Sutskever, Vinyals and
Le, "Sequence to Sequence Learning with Neural Networks", 2014 (arXiv:1409.3215); Wu et al., 2016 (arXiv:1609.08144),
the length penalty.

Legend: y_1 .. y_T the tokens after the start, T their number with the end token; K beam width; alpha length penalty.

(1) log p(y) = sum_t log p(y_t | y_<t): scores are sums of logarithms, products would underflow
(2) each step keeps the K best one-token extensions of all hypotheses
(3) a hypothesis that ends leaves the beam, which becomes narrower by one, and waits among the finished ones
(4) all finished ones, of whatever length, are ranked by score(y) = log p(y) / ((5 + T) / 6)^alpha

The K results are different sequences by construction. K = 1 is the greedy choice. With K >= V^(T-1) nothing is ever
discarded before the last step, so that the search is exhaustive. alpha = 0 (the default) ranks by log p(y) itself,
which favours short results; alpha about 0.6 to 1 evens that out.

Departures: a hypothesis that has not ended after ``length`` tokens counts as finished. Extensions are sought row by row
first (the K best of each hypothesis) and then among those K * K, which gives the same K as one search over K * V.

Shown by: rnn-lm

>>> table = torch.tensor([[0.1, 0.6, 0.3], [0.2, 0.1, 0.7], [0.9, 0.05, 0.05]]).log()
>>> found = beam_search(lambda tokens, state: (table[tokens], state), torch.tensor([0]), (), beam=2, length=3, end=2)
>>> found.tokens[0, 0].tolist(), round(float(found.scores[0, 0].exp()), 2)
([1, 2, 2], 0.42)
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deepcanon.parts.progress import told
from deepcanon.parts.recurrence import select_rows
from deepcanon.parts.sampling import sample

__all__ = ["Beam", "beam_search", "length_penalty", "sample_sequence"]

Step = Callable[[Tensor, Any], tuple[Tensor, Any]]
BLOCK = 64  # scores whose maximum is found before the largest are


class Beam(NamedTuple):
    """The K best sequences of each row, best first; where fewer exist the score is -inf.

    tokens are filled with the end token (else 0) after ``lengths``; scores are eq. (4), log_probs eq. (1).
    """

    tokens: Tensor
    lengths: Tensor
    scores: Tensor
    log_probs: Tensor


def length_penalty(lengths: Tensor, alpha: float) -> Tensor:
    """The divisor of eq. (4)."""
    return ((5 + lengths.double()) / 6) ** alpha


def largest(scores: Float[Tensor, "rows size"], count: int) -> tuple[Tensor, Tensor]:
    """What `scores.topk(count, 1)` gives: on a CPU in half the time for few of many, by the largest of each block.

    The ``count`` largest of a row lie within the ``count`` blocks with the largest maxima.
    """
    blocks = scores.shape[1] // BLOCK
    if scores.device.type != "cpu" or blocks < 8 * count:
        return scores.topk(count, 1)
    whole = blocks * BLOCK
    parts = scores[:, :whole].unflatten(1, (blocks, BLOCK))
    which = parts.amax(2).topk(count, 1).indices
    inside = parts.gather(1, which[:, :, None].expand(-1, -1, BLOCK)).flatten(1)
    values, place = torch.cat([inside, scores[:, whole:]], 1).topk(count, 1)
    block = which.gather(1, (place // BLOCK).clamp(max=count - 1))
    behind = place - count * BLOCK  # of those after the last block
    return values, torch.where(behind < 0, block * BLOCK + place % BLOCK, whole + behind)


@torch.no_grad()
def sample_sequence(
    step: Step,
    start: Int[Tensor, "batch"],
    state: Any,
    length: int,
    generator: torch.Generator | None = None,
    *,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    forbidden: Sequence[int] = (),
    end: int | None = None,
    stopped: Callable[[Tensor], Tensor] | None = None,
    seen: Callable[[Tensor], None] | None = None,
) -> tuple[Int[Tensor, "batch length"], Float[Tensor, "batch"]]:
    """Draws ``length`` tokens a row, fewer where ``end`` is drawn (it then fills the row).

    Args:
        stopped: (tokens so far [batch, t]) -> which rows are complete; what is drawn for them later has no meaning.
        seen: is given the tokens so far [batch, t] after each step, and after `stopped`.

    Returns the tokens and the log probability (1) of each row under the model itself (temperature 1, nothing cut), up
    to where it is complete.
    """
    tokens, out = start, []
    total = torch.zeros(len(start), dtype=torch.float64, device=start.device)
    ended = torch.zeros_like(start, dtype=torch.bool)
    for _ in told(range(length)):
        logits, state = step(tokens, state)
        tokens = sample(logits, generator, temperature, top_k, top_p, forbidden)
        if end is not None:
            tokens = torch.where(ended, end, tokens)
        gain = torch.log_softmax(logits.double(), -1).gather(1, tokens[:, None])[:, 0]
        total = total + torch.where(ended, 0.0, gain)
        out.append(tokens)
        if end is not None:
            ended = ended | (tokens == end)
        if stopped is not None:
            ended = ended | stopped(torch.stack(out, 1))
        if seen is not None:
            seen(torch.stack(out, 1))
        if (end is not None or stopped is not None) and bool(ended.all()):
            break
    return torch.stack(out, 1) if out else start[:, None][:, :0], total


@torch.no_grad()
def beam_search(
    step: Step,
    start: Int[Tensor, "batch"],
    state: Any,
    *,
    beam: int,
    length: int,
    end: int | None = None,
    alpha: float = 0.0,
    forbidden: Sequence[int] = (),
    logits: bool = False,
    state_axis: int = 0,
) -> Beam:
    """The ``beam`` best continuations of every row of a batch, all rows and hypotheses in one call of ``step``.

    Args:
        step: takes the last tokens [rows] and the state, gives log probabilities [rows, V] and the new state.
        start: the token that the first step reads, one for each row.
        state: nest of tensors whose axis ``state_axis`` is the row.
        length: most tokens of a result, with the end token.
        end: the token that ends a sequence; None: all results have ``length`` tokens.
        alpha: length penalty of eq. (4).
        forbidden: tokens that are never chosen (the others are not normalised again).
        logits: whether ``step`` gives unnormalised logits.
    """
    if start.ndim != 1 or beam < 1 or length < 1:
        raise ValueError(f"start {tuple(start.shape)} must be [batch]; beam {beam} and length {length} at least 1")
    batch, device = len(start), start.device
    row = torch.arange(batch, device=device)[:, None]
    tokens, state = start, state
    # log p of the hypotheses in the beam, of which the first step has one; long sums are compared: float64
    live = torch.zeros(batch, 1, dtype=torch.float64, device=device)
    history = torch.empty(batch, 1, 0, dtype=torch.int64, device=device)
    fill = 0 if end is None else end
    # One place more than the beam: a bin for what must not be written.
    done_tokens = torch.full((batch, beam + 1, length), fill, dtype=torch.int64, device=device)
    done_length = torch.zeros(batch, beam + 1, dtype=torch.int64, device=device)
    done_log_prob = torch.full((batch, beam + 1), -torch.inf, dtype=torch.float64, device=device)
    done = torch.zeros(batch, 1, dtype=torch.int64, device=device)
    for t in told(range(1, length + 1)):
        scores, state = step(tokens, state)
        if scores.ndim != 2 or len(scores) != batch * live.shape[1]:
            raise ValueError(f"step returned {tuple(scores.shape)}, not [{batch * live.shape[1]}, vocabulary]")
        if logits:  # one fused pass; a sum of exponentials alone would be three
            scores = scores.log_softmax(-1, dtype=torch.promote_types(scores.dtype, torch.float32))
        if forbidden:
            scores = scores.index_fill(-1, torch.as_tensor(list(forbidden), device=device), -torch.inf)
        best, choice = largest(scores, min(beam, scores.shape[1]))
        # (1)
        best = best.double().view(batch, live.shape[1], -1) + live[:, :, None]
        # (2)
        live, index = best.flatten(1).topk(min(beam, best[0].numel()), -1)
        parent = index // best.shape[2]
        token = choice.view(batch, -1).gather(1, index)
        # (3) The beam of a row is narrower by what has finished in it.
        rank = torch.arange(live.shape[1], device=device)
        live = live.masked_fill(rank >= beam - done, -torch.inf)
        history = torch.cat([history[row, parent], token[:, :, None]], 2)
        ended = live > -torch.inf
        if t < length:
            ended = ended & (token == fill) if end is not None else torch.zeros_like(ended)
        place = torch.where(ended, done + ended.cumsum(1) - 1, beam)
        done_tokens[row, place, :t] = history
        done_length[row, place] = t
        done_log_prob[row, place] = live
        done = done + ended.sum(1, keepdim=True)
        live = live.masked_fill(ended, -torch.inf)
        if t == length or (end is not None and not bool((live > -torch.inf).any())):
            break
        state = select_rows(state, (row * (best.shape[1]) + parent).flatten(), state_axis)
        tokens = token.flatten()
    # (4)
    log_probs, lengths = done_log_prob[:, :beam], done_length[:, :beam]
    found = log_probs > -torch.inf
    lengths = torch.where(found, lengths, 0)
    ranked = torch.where(found, log_probs / length_penalty(lengths, alpha), -torch.inf)
    order = ranked.sort(dim=1, descending=True, stable=True).indices
    behind = torch.arange(length, device=device) >= lengths[row, order][:, :, None]
    return Beam(
        done_tokens[row, order].masked_fill(behind, fill),
        lengths[row, order],
        ranked[row, order],
        log_probs[row, order],
    )
