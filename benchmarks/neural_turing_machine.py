"""Training steps of a neural Turing machine against its public form and a tuned one, at equal losses and gradients.

The public form, as popular repositories have it: every head is a module with a linear layer of its own for each group
of parameters, the circular convolution goes row by row through the batch, contents are compared by
`F.cosine_similarity`. The tuned form is what a careful user makes of it: one linear layer a head, shifts by
`torch.roll` over the whole batch. All start from our weights; a step is the loss over a batch of copying (20 vectors of
8 bits, batch 32), its gradients, and clipping with the update left out. CPU seconds, one thread, the three in turn.

    make bench NAME=neural_turing_machine
"""

import statistics

import torch
import torch.nn.functional as F
from record import cpu_seconds, interleaved, record, row_of_seconds
from torch import nn

from deepcanon.data.tasks.bit_copy import longer
from deepcanon.sequence import NTM
from deepcanon.techniques.bit_tasks import bit_loss

BATCH, LENGTH, UNITS, PLACES, WIDTH = 32, 20, 100, 128, 20
SIZES = (WIDTH, 1, 1, 1, 3)  # key, strength, sharpening, gate, shift


class PublicHead(nn.Module):
    """A head with a linear layer for each of its parameters."""

    def __init__(self, weight, bias):
        super().__init__()
        self.layers = nn.ModuleList()
        for rows, offset in zip(weight.split(SIZES), bias.split(SIZES), strict=True):
            layer = nn.Linear(weight.shape[1], len(rows))
            layer.weight.data.copy_(rows)
            layer.bias.data.copy_(offset)
            self.layers.append(layer)

    def forward(self, h, memory, before):
        key, strength, sharpening, gate, shift = (layer(h) for layer in self.layers)
        strength, gate = F.softplus(strength), torch.sigmoid(gate)
        shift, sharpening = F.softmax(shift, dim=1), 1 + F.softplus(sharpening)
        content = F.softmax(strength * F.cosine_similarity(memory, key.unsqueeze(1), dim=-1, eps=1e-8), dim=1)
        gated = gate * content + (1 - gate) * before
        moved = torch.zeros_like(gated)
        for row in range(len(gated)):
            # kernel of -1, 0, 1 over places around a circle
            around = torch.cat([gated[row][-1:], gated[row], gated[row][:1]])
            kernel = shift[row].flip(0).view(1, 1, -1)
            moved[row] = F.conv1d(around.view(1, 1, -1), kernel).view(-1)
        powers = (moved + 1e-8) ** sharpening
        return powers / powers.sum(dim=1, keepdim=True)


class TunedHead(nn.Module):
    """One product for all parameters, shifts of the whole batch."""

    def __init__(self, weight, bias):
        super().__init__()
        self.layer = nn.Linear(weight.shape[1], len(weight))
        self.layer.weight.data.copy_(weight)
        self.layer.bias.data.copy_(bias)

    def forward(self, h, memory, before):
        key, strength, sharpening, gate, shift = self.layer(h).split(SIZES, dim=1)
        cosine = F.cosine_similarity(memory, key.unsqueeze(1), dim=-1, eps=1e-8)
        content = F.softmax(F.softplus(strength) * cosine, dim=1)
        gated = torch.lerp(before, content, torch.sigmoid(gate))
        shift = F.softmax(shift, dim=1)
        moved = shift[:, :1] * gated.roll(-1, 1) + shift[:, 1:2] * gated + shift[:, 2:] * gated.roll(1, 1)
        powers = (moved + 1e-8) ** (1 + F.softplus(sharpening))
        return powers / powers.sum(dim=1, keepdim=True)


class Peer(nn.Module):
    """The machine around two such heads."""

    def __init__(self, ours, head):
        super().__init__()
        self.controller, self.output, self.writing = ours.controller, ours.output, ours.writing
        rows = ours.addressing.weight.data.split(WIDTH + 6), ours.addressing.bias.data.split(WIDTH + 6)
        self.reads, self.writes = (head(weight, bias) for weight, bias in zip(*rows, strict=True))

    def forward(self, x):
        memory = x.new_full((len(x), PLACES, WIDTH), 1e-6)
        read = x.new_full((len(x), WIDTH), 1e-6)
        reads, writes = (F.one_hot(torch.zeros(len(x), dtype=torch.long), PLACES).float() for _ in range(2))
        outputs = []
        for t in range(x.shape[1]):
            h = torch.tanh(self.controller(torch.cat([x[:, t], read], dim=1)))
            reads, writes = self.reads(h, memory, reads), self.writes(h, memory, writes)
            erase, add = self.writing(h).chunk(2, dim=1)
            erased = torch.matmul(writes.unsqueeze(-1), torch.sigmoid(erase).unsqueeze(1))
            memory = memory * (1 - erased) + torch.matmul(writes.unsqueeze(-1), add.unsqueeze(1))
            read = torch.matmul(reads.unsqueeze(1), memory).squeeze(1)
            outputs.append(self.output(h))
        return torch.stack(outputs, dim=1)


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    ours = NTM(9, 8, units=UNITS, places=PLACES, width=WIDTH)
    peers = {"public form": Peer(ours, PublicHead), "tuned form": Peer(ours, TunedHead)}
    rows = longer("copy", LENGTH, BATCH, torch.Generator().manual_seed(0))

    def step(model):
        model.zero_grad()
        answers = model(rows.x)
        loss = bit_loss(answers[0] if isinstance(answers, tuple) else answers, rows.y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        return loss.item(), ours.controller.weight.grad.clone()

    loss, gradient = step(ours)
    far = max(abs(step(peer)[0] - loss) for peer in peers.values())
    apart = max((step(peer)[1] - gradient).abs().max().item() for peer in peers.values())
    quality = f"losses equal to {far:.1g}, gradients of the controller to {apart:.1g}"
    variants = {"ours": ours, **peers}
    found = interleaved({name: lambda m=model: cpu_seconds(lambda: step(m)) for name, model in variants.items()})
    record(
        "neural_turing_machine",
        [
            row_of_seconds(
                f"{name}, batch {BATCH}, 20 vectors", f"torch {torch.__version__}", "CPU seconds a step", found["ours"],
                found[name], target, quality,
            )
            for name, target in (("public form", 6.0), ("tuned form", 1.0))
        ],
    )  # fmt: skip
    print(f"ours {statistics.median(found['ours']):.4f} CPU seconds a step")


if __name__ == "__main__":
    main()
