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


class Tuned(nn.Module):
    """Both heads side by side: one product of the controller a step, the inputs' and the outputs' once for all steps,
    cosines by one batched product, shifts by `torch.roll`."""

    def __init__(self, ours):
        super().__init__()
        self.controller, self.heads, self.output = ours.controller, ours.interface, ours.output

    def forward(self, x):
        batch = len(x)
        memory = x.new_full((batch, PLACES, WIDTH), 1e-6)
        read = x.new_full((batch, WIDTH), 1e-6)
        weights = F.one_hot(torch.zeros(batch, 2, dtype=torch.long), PLACES).float()
        inputs = x.shape[2]
        given = F.linear(x, self.controller.weight[:, :inputs], self.controller.bias)
        recurrent = self.controller.weight[:, inputs:].t()
        outputs = []
        for t in range(x.shape[1]):
            h = torch.tanh(torch.addmm(given[:, t], read, recurrent))
            asked, erase, add = self.heads(h).split([2 * sum(SIZES), WIDTH, WIDTH], dim=1)
            key, strength, sharpening, gate, shift = asked.view(batch, 2, -1).split(SIZES, dim=2)
            scale = memory.norm(dim=2).unsqueeze(1) * key.norm(dim=2, keepdim=True) + 1e-8
            content = F.softmax(F.softplus(strength) * torch.bmm(key, memory.transpose(1, 2)) / scale, dim=2)
            gated = torch.lerp(weights, content, torch.sigmoid(gate))
            shift = F.softmax(shift, dim=2)
            moved = shift[..., :1] * gated.roll(-1, 2) + shift[..., 1:2] * gated + shift[..., 2:] * gated.roll(1, 2)
            powers = (moved + 1e-8) ** (1 + F.softplus(sharpening))
            weights = powers / powers.sum(dim=2, keepdim=True)
            at = weights[:, 1].unsqueeze(2)
            memory = memory * (1 - at * torch.sigmoid(erase).unsqueeze(1)) + at * add.unsqueeze(1)
            read = torch.bmm(weights[:, :1], memory).squeeze(1)
            outputs.append(h)
        return self.output(torch.stack(outputs, dim=1))


class Public(nn.Module):
    """The machine around two such heads."""

    def __init__(self, ours):
        super().__init__()
        self.controller, self.output = ours.controller, ours.output
        parts = [sum(SIZES), sum(SIZES), 2 * WIDTH]
        rows = ours.interface.weight.data.split(parts), ours.interface.bias.data.split(parts)
        *heads, (weight, bias) = zip(*rows, strict=True)
        self.reads, self.writes = (PublicHead(weight, bias) for weight, bias in heads)
        self.writing = nn.Linear(UNITS, 2 * WIDTH)
        self.writing.weight.data.copy_(weight)
        self.writing.bias.data.copy_(bias)

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
    peers = {"public form": Public(ours), "tuned form": Tuned(ours)}
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
