r"""Questions to every language model over a vocabulary: how well it predicts a text, and how a text continues.

w_1 .. w_T the tokens of a text.

    nll = -1 / (T - 1) sum_{t=2}^T log p(w_t | w_1 .. w_{t-1}),      perplexity = exp(nll)                (1)

A recurrent model reads a long text in a few streams side by side. Each stream begins with the state after the tokens
just before it, not with that of the whole text, so that the sum is (1) up to what a model remembers for longer.

>>> import torch
>>> from deepcanon.parts.vocabulary import Vocabulary
>>> vocabulary = Vocabulary.build("abab")
>>> table = torch.tensor([[0.0, 9, 0], [0, 0, 9], [0, 9, 0]])
>>> step = lambda tokens, state: (table[tokens], state)
>>> continuations(step, vocabulary.encode("a"), (), vocabulary, prompt="a", temperature=0.0, length=3)[0]["text"]
'abab'
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from deepcanon.parts.decoding import Step, beam_search, sample_sequence
from deepcanon.parts.decoding import length_penalty as length_penalty_of
from deepcanon.parts.recurrence import select_rows
from deepcanon.parts.vocabulary import REPLACEMENT, Vocabulary

__all__ = [
    "Stops", "bits_per_character", "border", "continuations", "mixture", "perplexity", "side_by_side", "text_nll",
    "token_nats",
]  # fmt: skip

LARGEST = 700.0  # nats; exp of more overflows


def perplexity(nll: float) -> float:
    """exp(nll) of (1); for a hopeless model a large number instead of an overflow.

    Infinite where a token had the probability 0.
    """
    return math.inf if nll == math.inf else math.exp(min(nll, LARGEST))


def bits_per_character(nll: float, tokens: int, characters: int) -> float:
    """The bits of all tokens of a text over its characters, which models of words and of characters share.

    Args:
        nll: nats per token.
        tokens, characters: how many the text has.
    """
    return nll * tokens / (math.log(2) * characters)


def border(vocabulary: Vocabulary, otherwise: int) -> int:
    """The token that precedes a text: the sentence end, for characters the line end, or `otherwise`."""
    return vocabulary.number.get("\n", otherwise) if vocabulary.end is None else vocabulary.end


@torch.no_grad()
def text_nll(
    model: Callable[..., tuple[Float[Tensor, "rows time vocabulary"], tuple[Tensor, ...]]],
    texts: Sequence[Any],
    token_nll: Callable[[Tensor, Tensor, str], Float[Tensor, "rows time"]],
    *,
    streams: int = 16,
    warm: int = 256,
    piece: int = 256,
) -> list[float]:
    """Equation (1) of each text, each token predicted once. Long texts are read one by one, short ones side by side.

    Args:
        model: (tokens [rows, time], state) -> logits of the next tokens, and the state: tensors [layers, rows, ...]
            that are zero before a text. Without a state it begins a text.
        texts: each of two tokens or more, int64 [tokens]: tensors, or what is sliced and indexed as they are and read
            from disk (`deepcanon.data.tokens.Tokens`).
        token_nll: (logits, targets, "none") -> nats of each token.
        streams: rows at most; a text of fewer than `2 warm` tokens for each is read in fewer.
        warm: tokens before its beginning that each stream but the first has read.
        piece: tokens of each stream that are read at a time; a text is short if it has no more to predict.
    """
    for tokens in texts:
        if tokens.ndim != 1 or len(tokens) < 2:
            raise ValueError(f"tokens {tuple(tokens.shape)} are not a text of two or more")
    found = [0.0] * len(texts)
    short = [place for place, tokens in enumerate(texts) if len(tokens) <= piece + 1]
    for places, rows, inside in side_by_side(texts, short, streams * piece):
        nats = token_nll(model(rows[:, :-1], None)[0], rows[:, 1:], "none") * inside[:, 1:]
        means = nats.double().sum(1) / (inside.sum(1) - 1)
        for place, mean in zip(places, means.tolist(), strict=True):
            found[place] = mean
    for place in sorted(set(range(len(texts))) - set(short)):
        found[place] = _long_nll(model, texts[place], token_nll, streams, warm, piece)
    return found


def side_by_side(
    texts: Sequence[Any], places: Sequence[int], most: int
) -> Iterator[tuple[list[int], Int[Tensor, "rows time"], Bool[Tensor, "rows time"]]]:
    """Texts of similar length as the rows of tensors of at most `most` tokens: places, tokens, what is text.

    Texts are those of `text_nll`. A row is padded after its text, which a model that reads forwards does not see.
    """
    order = sorted(places, key=lambda place: len(texts[place]))
    while order:
        longest = len(texts[order[-1]])
        count = max(1, most // max(1, longest))
        here, order = order[-count:], order[:-count]
        rows = pad_sequence([texts[place][:] for place in here], batch_first=True)
        lengths = torch.tensor([len(texts[place]) for place in here], device=rows.device)
        yield here, rows, torch.arange(rows.shape[1], device=rows.device) < lengths[:, None]


@torch.no_grad()
def token_nats(
    model: Callable[..., Any],
    tokens: Any,
    token_nll: Callable[..., Tensor],
    *,
    streams: int = 16,
    warm: int = 256,
    piece: int = 256,
) -> Float[Tensor, "predicted"]:
    """-log p(w_t | w_1 .. w_{t-1}) of each token of a text but the first, in float64: the terms of (1).

    Args:
        tokens: int64 [tokens], two or more.
        model, token_nll, streams, warm, piece: as of `text_nll`; one stream is exact.
    """
    if tokens.ndim != 1 or len(tokens) < 2:
        raise ValueError(f"tokens {tuple(tokens.shape)} are not a text of two or more")
    found = torch.empty(len(tokens) - 1, dtype=torch.float64, device=tokens.device)
    for at, nats in _pieces(model, tokens, token_nll, streams, warm, piece):
        here = at < len(found)
        found[at[here]] = nats[here].double()
    return found


def mixture(
    log_p: Float[Tensor, "*tokens"], log_q: Float[Tensor, "*tokens"], weight: float
) -> Float[Tensor, "*tokens"]:
    """log(weight p + (1 - weight) q) of two models' log probabilities, without underflow; in float64.

    The mixture of two distributions is one; with the weights 1 and 0 it is that of one model.
    """
    if log_p.shape != log_q.shape or not 0 <= weight <= 1:
        raise ValueError(f"{tuple(log_p.shape)} and {tuple(log_q.shape)} with weight {weight}: one shape, and 0 to 1")
    share = torch.tensor([weight, 1 - weight], dtype=torch.float64, device=log_p.device).log()
    return torch.logaddexp(log_p.double() + share[0], log_q.double() + share[1])


def _long_nll(
    model: Callable[..., Any], tokens: Any, token_nll: Callable[..., Tensor], streams: int, warm: int, piece: int
) -> float:
    total, count = 0.0, len(tokens) - 1
    for at, nats in _pieces(model, tokens, token_nll, streams, warm, piece):
        total += float((nats * (at < count)).double().sum())
    return total / count


def _pieces(
    model: Callable[..., Any], tokens: Any, token_nll: Callable[..., Tensor], streams: int, warm: int, piece: int
) -> Iterator[tuple[Int[Tensor, "rows time"], Float[Tensor, "rows time"]]]:
    """Places among the tokens that are predicted and their nats, piece by piece; places beyond the end mean nothing."""
    count = len(tokens) - 1
    many = max(1, min(streams, count // (2 * warm)))
    length = -(-count // many)
    begin = torch.arange(many, device=tokens.device)[:, None] * length
    state = None
    if many > 1:
        before = begin[1:] + torch.arange(-min(warm, length), 0, device=tokens.device)
        _, warmed = model(tokens[before])
        state = tuple(torch.cat([torch.zeros_like(s[:, :1]), s], 1) for s in warmed)
    for start in range(0, length, piece):
        at = begin + torch.arange(start, min(start + piece, length), device=tokens.device)
        inside = at.clamp(max=count - 1)  # the last stream may be short
        logits, state = model(tokens[inside], state)
        yield at, token_nll(logits, tokens[inside + 1], "none")


def continuations(
    step: Step,
    tokens: Int[Tensor, "prompt"],
    state: Any,
    vocabulary: Vocabulary,
    generator: torch.Generator | None = None,
    *,
    prompt: str = "",
    count: int = 1,
    temperature: float = 1.0,
    beam: int = 0,
    length: int = 400,
    top_k: int = 0,
    top_p: float = 1.0,
    rank: int = 0,
    length_penalty: float = 0.0,
    stop: Sequence[str] = (),
    logits: bool = True,
    state_axis: int = 0,
    tell: Callable[[str], None] | None = None,
) -> list[dict[str, Any]]:
    """Texts that continue a prompt, {text, score}: drawn, or with a beam the best ones, of words up to a sentence end.

    The unknown symbol is never drawn. A score is the log probability of what follows the prompt; of ranked texts and
    those of a beam it is divided by the length penalty.

    Args:
        tokens: of the prompt, at least one.
        state: after all tokens but the last, of one row.
        prompt: the text that comes before what is drawn.
        rank: texts that are drawn, of which the `count` best are kept, best first; 0: `count`, in the order drawn.
        stop: a text ends before the first of these in what is drawn.
        logits: whether `step` gives logits, not log probabilities.
        state_axis: the axis of the rows in the state.
        tell: is given the text that is drawn, piece by piece as it comes and with the prompt; of one text only.

    Raises:
        ValueError: stops or ranks are asked of a beam search, or fewer texts are ranked than kept; or pieces of more
            than one text, or of one that is searched, are to be told.
    """
    if tell and (beam or rank or count > 1):
        raise ValueError(f"beam {beam}, rank {rank}, count {count}: only one text that is drawn is told as it comes")
    if (beam and (rank or stop)) or 0 < rank < count or "" in stop:
        raise ValueError(f"beam {beam}, rank {rank}, count {count}, stop {stop}: a beam takes neither rank nor stop")
    never = [vocabulary.unknown] if len(vocabulary) > 1 else []
    if beam:
        found = beam_search(
            step, tokens[-1:], state, beam=max(beam, count), length=length, end=vocabulary.end, forbidden=never,
            alpha=length_penalty, logits=logits, state_axis=state_axis,
        )  # fmt: skip
        drawn = [t[:n] for t, n in zip(found.tokens[0], found.lengths[0], strict=True)][:count]
        texts, scores = [vocabulary.decode(t) for t in drawn], found.scores[0]
    else:
        many = rank or count
        rows, stops = select_rows(state, tokens.new_zeros(many), state_axis), Stops(vocabulary, stop, many)
        telling = Telling(stops, prompt, tell) if tell else None
        numbers, scores = sample_sequence(
            step, tokens[-1:].expand(many), rows, length, generator,
            temperature=temperature, top_k=top_k, top_p=top_p, forbidden=never, stopped=stops if stop else None,
            seen=telling,
        )  # fmt: skip
        order = list(range(many))
        lengths = torch.tensor([n or numbers.shape[1] for n in stops.lengths])
        drawn = [t[:n] for t, n in zip(numbers, lengths.tolist(), strict=True)]
        if rank:
            scores = scores.cpu() / length_penalty_of(lengths, length_penalty)
            order = scores.argsort(descending=True, stable=True).tolist()[:count]
        drawn, scores = [drawn[row] for row in order], scores[order]
        texts = [stops.cut(vocabulary.decode(t)) for t in drawn]
        if telling:
            telling.end(texts[0])
    return [{"text": vocabulary.join(prompt, t), "score": float(s)} for t, s in zip(texts, scores, strict=False)]


class Stops:
    """Notices which of the texts that are being drawn hold one of some texts.

    Args:
        vocabulary: of the tokens.
        stop: the texts that end a sample.
        rows: samples that are drawn at once.

    Attributes:
        lengths: tokens of each row up to there; 0 while there is none.
    """

    def __init__(self, vocabulary: Vocabulary, stop: Sequence[str], rows: int) -> None:
        self.vocabulary, self.stop, self.lengths = vocabulary, stop, [0] * rows
        self.known: dict[tuple[int, ...], bool] = {}
        # A token has a byte or more; of whole characters fewer tokens would do.
        self.longest = max((len(text.encode("utf-8", "surrogatepass")) for text in stop), default=0)

    def __call__(self, tokens: Int[Tensor, "rows tokens"]) -> Bool[Tensor, "rows"]:
        """Which rows are complete."""
        for row, tail in enumerate(tokens[:, -self.longest - 1 :].tolist()):
            if not self.lengths[row] and self._holds(tuple(tail)):
                self.lengths[row] = tokens.shape[1]
        return torch.tensor([length > 0 for length in self.lengths], device=tokens.device)

    def _holds(self, tail: tuple[int, ...]) -> bool:
        """Whether one of the texts is in what these tokens say; many rows end in the same few."""
        if tail not in self.known:
            text = self.vocabulary.decode(tail)
            self.known[tail] = any(stop in text for stop in self.stop)
        return self.known[tail]

    def cut(self, text: str) -> str:
        """The text before the first stop."""
        return text[: min((at for stop in self.stop if (at := text.find(stop)) >= 0), default=len(text))]

    def safe(self, text: str) -> str:
        """As much of a text that may be continued as will stay: not what may become a stop, nor half a character."""
        if any(stop in text for stop in self.stop):
            return self.cut(text)
        text = text.rstrip(REPLACEMENT)
        open_ = (n for n in range(min(len(text), self.longest - 1), 0, -1) if self._begins(text[-n:]))
        return text[: len(text) - next(open_, 0)]

    def _begins(self, end: str) -> bool:
        return any(stop.startswith(end) for stop in self.stop)


class Telling:
    """Tells a text while it is drawn: each piece as soon as no later token can take it back.

    Args:
        stops: of one row.
        prompt: what comes first.
        tell: takes the pieces, of which none is empty.
    """

    def __init__(self, stops: Stops, prompt: str, tell: Callable[[str], None]) -> None:
        self.stops, self.prompt, self.tell, self.told = stops, prompt, tell, 0
        self.end("")

    def __call__(self, tokens: Int[Tensor, "1 tokens"]) -> None:
        self.end(self.stops.safe(self.stops.vocabulary.decode(tokens[0])))

    def end(self, text: str) -> None:
        """Tells what is new of the text that was drawn."""
        whole = self.stops.vocabulary.join(self.prompt, text)
        if len(whole) > self.told:
            self.tell(whole[self.told :])
            self.told = len(whole)
