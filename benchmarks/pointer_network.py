"""Training steps of a pointer network against its public form and a tuned one, at equal losses and gradients.

The public form, as popular repositories have it: encoder and decoder are `LSTMCell`s in Python loops, and every step of
the decoder projects the whole memory again before it scores it. The tuned form reads the points with `nn.LSTM` and
projects the memory once, and loops over the decoder alone. All start from our weights; a step is the loss over a batch
of hulls (128 sets of 10 points, 128 units), its gradients, and clipping with the update left out. CPU seconds, one
thread, the three in turn.

    make bench NAME=pointer_network
"""

import torch
from record import cpu_seconds, interleaved, record, row_of_seconds
from torch import nn

from deepcanon.data.drawn import Streams
from deepcanon.data.tasks.convex_hull import draw
from deepcanon.sequence import PointerNetwork, pointer_nll

HIDDEN, BATCH, POINTS, STEPS = 128, 128, 10, 5


def cell_of(lstm):
    """A cell with the weights of a layer."""
    cell = nn.LSTMCell(lstm.input_size, lstm.hidden_size)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in lstm.state_dict().items()})
    return cell


class Peer(nn.Module):
    """The network with its loops in Python."""

    def __init__(self, ours, tuned):
        super().__init__()
        self.tuned = tuned
        self.encoder = ours.encoder if tuned else cell_of(ours.encoder)
        self.decoder = cell_of(ours.decoder)
        self.memory, self.query = ours.memory, ours.query
        self.vector, self.start, self.end = ours.vector, ours.start, ours.end

    def forward(self, points, targets):
        batch, size, _ = points.shape
        if self.tuned:
            hidden, (h, c) = self.encoder(points)
            h, c = h[0], c[0]
        else:
            h = c = points.new_zeros(batch, HIDDEN)
            seen = []
            for t in range(size):
                h, c = self.encoder(points[:, t], (h, c))
                seen.append(h)
            hidden = torch.stack(seen, 1)
        memory = torch.cat([hidden, self.end.expand(batch, 1, -1)], 1)
        keys = self.memory(memory)
        shown, logits = self.start.expand(batch, -1), []
        for t in range(size + 1):
            h, c = self.decoder(shown, (h, c))
            keys = keys if self.tuned else self.memory(memory)
            logits.append(torch.tanh(keys + self.query(h).unsqueeze(1)) @ self.vector)
            if t < size:
                shown = points[torch.arange(batch), targets[:, t].clamp_min(0)]
        return torch.stack(logits, 1)


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    ours = PointerNetwork(2, HIDDEN)
    peers = {"public form": Peer(ours, False), "tuned form": Peer(ours, True)}
    sets = draw(0, {"fewest": POINTS, "most": POINTS}).splits["train"].batch(Streams(0), BATCH)

    def step(model):
        model.zero_grad()
        loss = pointer_nll(model(sets.x, sets.y), sets.y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        return loss.item(), ours.memory.weight.grad.clone()

    loss, gradient = step(ours)
    found = {name: step(peer) for name, peer in peers.items()}
    far = max(abs(other - loss) for other, _ in found.values())
    apart = max((other - gradient).abs().max().item() for _, other in found.values())
    quality = f"losses equal to {far:.1g}, gradients of the memory to {apart:.1g}"
    variants = {"ours": ours, **peers}
    seconds = interleaved(
        {name: lambda m=model: cpu_seconds(lambda: [step(m) for _ in range(STEPS)]) for name, model in variants.items()}
    )
    rows = [
        row_of_seconds(
            f"pointer network, {name}", f"torch {torch.__version__}", f"s for {STEPS} steps", seconds["ours"],
            seconds[name], target, quality,
        )
        for name, target in (("public form", 4.0), ("tuned form", 1.0))
    ]  # fmt: skip
    record("pointer_network", rows)


if __name__ == "__main__":
    main()
