"""The loss of a pointer-generator, in three forms over the same network: CPU seconds of a training step, no update.

    make bench NAME=pointer_generator

One thread, float32, 16 articles of 200 to 400 words with 20 to 40 words to write, 256 units, a vocabulary of 20,000
words; forward, loss over the real words, and gradients of all parameters; the variants alternating in one process, on
the same weights. Encoder and decoder are ours in all forms, so that a ratio says what the loss costs, not the network.
Peers, with autograd:
    tutorial    at every step the output layer, the softmax over the vocabulary, zeros for the article's own words, and
                a scatter-add of the attention; of that distribution the target is gathered and its logarithm taken
    tuned       the output layer and the softmax once for all steps and real words, then the same distribution
Quality: relative difference of the losses, and of the gradients of the embedding, in float32.
"""

import torch
import torch.nn.functional as F
from record import cpu_seconds, interleaved, record, row_of_seconds
from torch import Tensor

from deepcanon.parts.masks import real_positions
from deepcanon.sequence import PointerGenerator
from deepcanon.sequence.pointer_generator import copied_mass, copying_nll, extended_distribution

BATCH, WORDS, HIDDEN, OWN, ROUNDS = 16, 20_000, 256, 30, 5
EPSILON = 1e-12


def batch() -> tuple[Tensor, ...]:
    """Articles, their lengths, inputs, targets, and which of these are real."""
    torch.manual_seed(0)
    lengths, steps = torch.randint(200, 401, (BATCH,)), torch.randint(20, 41, (BATCH,))
    lengths[0], steps[0] = 400, 40
    article = torch.randint(2, WORDS + OWN, (BATCH, 400))
    inputs = torch.randint(2, WORDS, (BATCH, 40))
    copied = article.gather(1, torch.randint(200, (BATCH, 40)))
    targets = torch.where(torch.rand(BATCH, 40) < 0.4, copied, torch.randint(2, WORDS, (BATCH, 40)))
    return article, lengths, inputs, targets, real_positions(steps, 40)


def ours(net: PointerGenerator, given: tuple[Tensor, ...]) -> Tensor:
    article, lengths, inputs, targets, real = given
    written = net(article, lengths, inputs)
    places = real.flatten().nonzero()[:, 0]
    mass = copied_mass(written.weights, article, targets)
    wanted, generated, copied = (part.flatten()[places] for part in (targets, written.generated, mass))
    logits = net.output(written.readout.flatten(0, 1)[places])
    nll = F.cross_entropy(logits, torch.where(wanted < WORDS, wanted, 0), reduction="none")
    return copying_nll(nll, (wanted < WORDS).float(), copied, generated).mean()


def tutorial(net: PointerGenerator, given: tuple[Tensor, ...]) -> Tensor:
    article, lengths, inputs, targets, real = given
    written, total = net(article, lengths, inputs), 0.0
    for t in range(inputs.shape[1]):
        words = net.output(written.readout[:, t]).softmax(1)
        generated = written.generated[:, t, None]
        whole = torch.cat([generated * words, torch.zeros(len(words), OWN)], 1)
        whole = whole.scatter_add(1, article, (1 - generated) * written.weights[:, t])
        loss = -(whole.gather(1, targets[:, t, None])[:, 0] + EPSILON).log()
        total = total + (loss * real[:, t]).sum()
    return total / real.sum()


def tuned(net: PointerGenerator, given: tuple[Tensor, ...]) -> Tensor:
    article, lengths, inputs, targets, real = given
    written = net(article, lengths, inputs)
    words = net.output(written.readout).softmax(2)
    whole = extended_distribution(words, written.weights, written.generated, article, OWN)
    chances = whole.gather(2, targets[:, :, None])[:, :, 0][real]
    return -(chances + EPSILON).log().mean()


WAYS = {"ours": ours, "tutorial": tutorial, "tuned": tuned}


def passed(way: str, net: PointerGenerator, given: tuple[Tensor, ...]) -> list[Tensor]:
    """The loss, and the gradient of the embedding."""
    net.zero_grad()
    loss = WAYS[way](net, given)
    loss.backward()
    return [loss.detach(), net.embedding.weight.grad]


def main():
    given = batch()
    torch.manual_seed(1)
    net = PointerGenerator(WORDS, HIDDEN)
    exact = [value.clone() for value in passed("tutorial", net, given)]
    found = {way: [value.clone() for value in passed(way, net, given)] for way in ("ours", "tuned")}
    errors = {
        way: max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(parts, exact, strict=True))
        for way, parts in found.items()
    }
    measure = {way: lambda way=way: cpu_seconds(lambda: passed(way, net, given)) for way in WAYS}
    interleaved(measure, 1)
    took = interleaved(measure, ROUNDS)
    quality = f"loss and gradients differ by {errors['ours']:.1e} of the tutorial's"
    rows = [
        row_of_seconds(
            f"torch, {peer} loop",
            torch.__version__,
            "CPU seconds, 16 articles of up to 400 words, float32",
            took["ours"],
            took[peer],
            target,
            quality,
        )
        for peer, target in (("tutorial", 1.2), ("tuned", 0.0))
    ]
    record("pointer_generator", rows)


if __name__ == "__main__":
    main()
