"""HRED against the loops over turns that people write: CPU seconds of a training step without the update.

    make bench NAME=hred

One thread, float32, 32 dialogues of 4 to 12 turns with 2 to 60 words each (13 on average), 192 units of each network,
10,000 words; forward, loss over the real words, and gradients of all parameters; the variants alternating in one
process, on the same weights.
Peers, with autograd:
    tutorial    turn after turn of all dialogues: packed sequences for the encoder, a cell for the session, the decoder
                over the turn padded to the longest of the batch, the output layer for every place
    tuned       all turns of the batch at once, in one rectangle: packed sequences for encoder and decoder, the output
                layer and the loss once, for real words alone
Quality: relative difference of the losses, and of the gradients of the word vectors, in float32.
"""

import torch
import torch.nn.functional as F
from record import cpu_seconds, interleaved, record, row_of_seconds
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from deepcanon.parts.turns import turns_of
from deepcanon.parts.vocabulary_loss import linear_nll
from deepcanon.sequence import HRED

BATCH, WORDS, HIDDEN, EMBEDDING, END, ROUNDS = 32, 10_000, 192, 128, 1, 7
Talk = list[list[int]]


def dialogues() -> list[Talk]:
    """Turns of words; lengths as skewed as those of real turns."""
    random = torch.Generator().manual_seed(0)
    found = []
    for _ in range(BATCH):
        turns = int(torch.randint(4, 13, (), generator=random))
        lengths = (2 + 12 * torch.empty(turns).exponential_(1.0, generator=random)).long().clamp(max=60).tolist()
        found.append([torch.randint(2, WORDS, (n,), generator=random).tolist() for n in lengths])
    return found


class Loops(nn.Module):
    """The same network as `HRED` with `every_step`, from its weights."""

    def __init__(self, ours: HRED) -> None:
        super().__init__()
        self.ours = ours
        for name, cell in (("encoder", ours.encoder), ("session", ours.session), ("decoder", ours.decoder)):
            layer = nn.GRU(cell.input_size, cell.hidden_size, batch_first=True)
            for own in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                setattr(layer, f"{own}_l0", getattr(cell, own))
            setattr(self, name, layer)

    def encoded(self, turns: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(self.ours.embedding(turns), lengths, batch_first=True, enforce_sorted=False)
        return self.encoder(packed)[1][0]

    def read(self, hidden: Tensor, words: Tensor, session: Tensor) -> Tensor:
        ours = self.ours
        return ours.of_state(hidden) + ours.of_word(words) + ours.of_session(session)


def padded(turns: list[list[int]], fill: int) -> Tensor:
    return pad_sequence([torch.tensor(turn) for turn in turns], batch_first=True, padding_value=fill)


def tutorial(loops: Loops, talks: list[Talk]) -> Tensor:
    """The loss, turn after turn; a dialogue that is over has empty turns, which are not counted."""
    ours, longest = loops.ours, max(len(turn) for talk in talks for turn in talk) + 1
    session, total, count = torch.zeros(len(talks), HIDDEN), torch.zeros(()), 0
    for number in range(max(map(len, talks))):
        turns = [[*talk[number], END] if number < len(talk) else [END] for talk in talks]
        here = [number < len(talk) for talk in talks]
        wanted = F.pad(padded(turns, -100), (0, longest - max(map(len, turns))), value=-100)
        wanted[~torch.tensor(here)] = -100
        words = ours.embedding(F.pad(wanted.clamp(min=0)[:, :-1], (1, 0), value=END))
        above = session[:, None].expand(-1, longest, -1)
        hidden, _ = loops.decoder(torch.cat([words, above], 2), ours.start(session).tanh()[None])
        logits = ours.output(loops.read(hidden, words, above))
        total = total + F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=-100, reduction="sum")
        count += int((wanted >= 0).sum())
        vector = loops.encoded(padded(turns, END), torch.tensor([len(turn) for turn in turns]))
        session = loops.session(vector[:, None], session[None])[1][0]
    return total / count


def tuned(loops: Loops, talks: list[Talk]) -> Tensor:
    """The loss, all turns at once."""
    ours = loops.ours
    turns = [[*turn, END] for talk in talks for turn in talk]
    lengths = torch.tensor([len(turn) for turn in turns])
    vectors = loops.encoded(padded(turns, END), lengths).split([len(talk) for talk in talks])
    states, _ = loops.session(pad_sequence(list(vectors), batch_first=True))
    before = torch.cat([F.pad(row[: len(talk) - 1], (0, 0, 1, 0)) for row, talk in zip(states, talks, strict=True)])
    wanted = padded(turns, -100)
    words = ours.embedding(F.pad(wanted.clamp(min=0)[:, :-1], (1, 0), value=END))
    above = before[:, None].expand(-1, wanted.shape[1], -1)
    given = pack_padded_sequence(torch.cat([words, above], 2), lengths, batch_first=True, enforce_sorted=False)
    hidden, _ = pad_packed_sequence(loops.decoder(given, ours.start(before).tanh()[None])[0], batch_first=True)
    real = wanted >= 0
    return F.cross_entropy(ours.output(loops.read(hidden, words, above)[real]), wanted[real])


def side_by_side(ours: HRED, talks: list[Talk]) -> Tensor:
    streams = [torch.tensor([word for turn in talk for word in (*turn, END)]) for talk in talks]
    lengths, targets = torch.tensor(list(map(len, streams))), pad_sequence(streams, batch_first=True, padding_value=END)
    inputs = F.pad(targets[:, :-1], (1, 0), value=END)
    places = (torch.arange(targets.shape[1]) < lengths[:, None]).flatten().nonzero()[:, 0]
    readout = ours(inputs, turns_of(inputs, lengths, END)).flatten(0, 1).index_select(0, places)
    return linear_nll(readout, ours.output.weight, ours.output.bias, targets.flatten()[places])


def passed(variant: str, ours: HRED, loops: Loops, talks: list[Talk]) -> list[Tensor]:
    """The loss, and the gradient of the word vectors."""
    ours.zero_grad()
    loss = (
        side_by_side(ours, talks)
        if variant == "ours"
        else {"tutorial": tutorial, "tuned": tuned}[variant](loops, talks)
    )
    loss.backward()
    return [loss.detach(), ours.embedding.weight.grad]


def gap(one: list[Tensor], other: list[Tensor]) -> float:
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(one, other, strict=True))


def main():
    torch.manual_seed(1)
    ours = HRED(WORDS, HIDDEN, embedding_size=EMBEDDING, end=END, every_step=True)
    loops, talks = Loops(ours), dialogues()
    exact = [value.clone() for value in passed("tutorial", ours, loops, talks)]
    error = max(gap(passed(name, ours, loops, talks), exact) for name in ("ours", "tuned"))
    measure = {
        name: lambda name=name: cpu_seconds(lambda: passed(name, ours, loops, talks))
        for name in ("ours", "tutorial", "tuned")
    }
    interleaved(measure, 1)  # memory is touched, kernels are chosen
    took = interleaved(measure, ROUNDS)
    quality = f"loss and gradients differ by {error:.1e} of the tutorial's at most"
    unit = "CPU seconds, 10,000 words, float32"
    rows = [
        row_of_seconds(f"torch, {peer}", torch.__version__, unit, took["ours"], took[peer], wish, quality)
        for peer, wish in (("tutorial", 2.0), ("tuned", 0.0))
    ]
    record("hred", rows)


if __name__ == "__main__":
    main()
