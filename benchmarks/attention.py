"""Sequence to sequence with attention against loops over its steps: CPU seconds of a training step without the update.

    make bench NAME=attention

One thread, float32, 64 pairs of 8 to 14 words a side, 256 units, 5,900 words to write; forward, loss over the real
words, and gradients of all parameters; the variants alternating in one process, on the same weights.
Peers, with autograd:
    tutorial    the loop that most tutorials have: at every step the state is repeated along the source, concatenated
                with the annotations and projected together with them, the word and the context are concatenated for
                the unit and for the readout, and the output layer is applied; packed sequences for the encoder
    tuned       W h and the input products before the loop, output layer and loss once for all steps
Luong's form (general score) is compared with its own loops, equal mathematics too, and with the tutorial of Bahdanau's,
which is the choice that its users have.
Quality: relative difference of the losses, and of the gradients of the embeddings, in float32.
"""

import torch
import torch.nn.functional as F
from record import cpu_seconds, interleaved, record, row_of_seconds
from torch import Tensor, nn

from deepcanon.parts.masks import real_positions
from deepcanon.parts.vocabulary_loss import linear_nll
from deepcanon.sequence import AttentionSeq2Seq

BATCH, WIDTH, SOURCE, TARGET, HIDDEN, ROUNDS = 64, 14, 7800, 5900, 256, 7


class Loops(nn.Module):
    """The same network as `AttentionSeq2Seq`, from its weights, step by step."""

    def __init__(self, ours: AttentionSeq2Seq, hoisted: bool) -> None:
        super().__init__()
        self.ours, self.hoisted, size = ours, hoisted, ours.source.embedding_dim
        self.encoder = nn.GRU(size, HIDDEN, batch_first=True, bidirectional=True)
        for end, cell in (("", ours.forwards), ("_reverse", ours.backwards)):
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                setattr(self.encoder, f"{name}_l0{end}", getattr(cell, name))

    def forward(self, source: Tensor, lengths: Tensor, inputs: Tensor) -> Tensor:
        """Logits [batch, steps, words], or the readout if the output layer is applied once for all."""
        ours = self.ours
        packed = nn.utils.rnn.pack_padded_sequence(ours.source(source), lengths, batch_first=True, enforce_sorted=False)
        memory, last = self.encoder(packed)
        memory, _ = nn.utils.rnn.pad_packed_sequence(memory, batch_first=True, total_length=source.shape[1])
        hidden, shut = ours.start_layer(last[1]).tanh(), ~real_positions(lengths, source.shape[1])
        keys = ours.attention.memory(memory) if self.hoisted and ours.attention.memory is not None else None
        words = ours.target(inputs)
        sums = None
        if self.hoisted:
            sums = F.linear(words, ours.decoder.weight_ih[:, : words.shape[2]], ours.decoder.bias_ih).unbind(1)
        found = []
        for t, word in enumerate(words.unbind(1)):
            if ours.form == "luong":
                hidden = self.unit(word, None, hidden, sums and sums[t])
                context = self.look(hidden, memory, keys, shut)
                read = torch.cat([hidden, context], 1)
            else:
                context = self.look(hidden, memory, keys, shut)
                hidden = self.unit(word, context, hidden, sums and sums[t])
                read = torch.cat([hidden, word, context], 1)
            found.append(read if self.hoisted else ours.output(ours.readout(read).tanh()))
        stacked = torch.stack(found, 1)
        return ours.readout(stacked).tanh() if self.hoisted else stacked

    def look(self, query: Tensor, memory: Tensor, keys: Tensor | None, shut: Tensor) -> Tensor:
        attention = self.ours.attention
        if attention.score == "additive":
            if keys is not None:
                energy = (attention.query(query)[:, None] + keys).tanh()
            else:
                both = torch.cat([query[:, None].expand(-1, memory.shape[1], -1), memory], 2)
                weight = torch.cat([attention.query.weight, attention.memory.weight], 1)
                energy = F.linear(both, weight, attention.query.bias).tanh()
            scores = energy @ attention.vector
        else:
            keys = attention.memory(memory) if keys is None else keys
            scores = torch.bmm(keys, query[:, :, None])[:, :, 0]
        weights = scores.masked_fill(shut, -torch.inf).softmax(1)
        return torch.bmm(weights[:, None], memory)[:, 0]

    def unit(self, word: Tensor, context: Tensor | None, hidden: Tensor, sums: Tensor | None) -> Tensor:
        cell = self.ours.decoder
        if sums is None:
            return cell(word if context is None else torch.cat([word, context], 1), hidden)
        if context is not None:
            sums = sums + F.linear(context, cell.weight_ih[:, word.shape[1] :])
        (r, z, n), (r_h, z_h, n_h) = (
            part.chunk(3, 1) for part in (sums, F.linear(hidden, cell.weight_hh, cell.bias_hh))
        )
        r, z = (r + r_h).sigmoid(), (z + z_h).sigmoid()
        n = (n + r * n_h).tanh()
        return n + z * (hidden - n)


def batch() -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Sources, their lengths, inputs, the words to write, and the places of the real ones."""
    torch.manual_seed(0)
    lengths, steps = torch.randint(8, WIDTH + 1, (BATCH,)), torch.randint(8, WIDTH + 1, (BATCH,))
    lengths[0] = steps[0] = WIDTH
    source, inputs = torch.randint(SOURCE, (BATCH, WIDTH)), torch.randint(TARGET, (BATCH, WIDTH))
    wanted = torch.where(real_positions(steps, WIDTH), torch.randint(TARGET, (BATCH, WIDTH)), -100)
    return source, lengths, inputs, wanted, (wanted.flatten() >= 0).nonzero()[:, 0]


def passed(variant: str, ours: AttentionSeq2Seq, loops: dict[str, Loops], given: tuple, products=None) -> list[Tensor]:
    """The loss, and the gradients of the embeddings."""
    source, lengths, inputs, wanted, places = given
    ours.zero_grad()
    if variant == "tutorial":
        logits = loops["tutorial"](source, lengths, inputs)
        loss = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=-100)
    else:
        readout = loops["tuned"](source, lengths, inputs) if variant == "tuned" else ours(source, lengths, inputs)[0]
        real, words = readout.flatten(0, 1).index_select(0, places), wanted.flatten()[places]
        if variant == "tuned":
            loss = F.cross_entropy(ours.output(real), words)
        else:
            loss = linear_nll(real, ours.output.weight, ours.output.bias, words, products)
    loss.backward()
    return [loss.detach(), ours.source.weight.grad, ours.target.weight.grad]


def gap(one: list[Tensor], other: list[Tensor]) -> float:
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(one, other, strict=True))


def main():
    given, rows, seconds = batch(), [], {}
    for form, score, target in (("bahdanau", "additive", 2.2), ("luong", "general", 3.4)):
        torch.manual_seed(1)
        ours = AttentionSeq2Seq(SOURCE, TARGET, HIDDEN, form=form, score=score)
        loops = {name: Loops(ours, name == "tuned") for name in ("tutorial", "tuned")}
        exact = [value.clone() for value in passed("tutorial", ours, loops, given)]
        errors = {name: gap(passed(name, ours, loops, given), exact) for name in ("ours", "tuned")}
        errors["bf16"] = gap(passed("ours", ours, loops, given, torch.bfloat16), exact)
        measure = {
            name: lambda name=name, of=(ours, loops, given): cpu_seconds(lambda: passed(name, *of))
            for name in ("ours", "tutorial", "tuned")
        }
        measure["bf16"] = lambda of=(ours, loops, given): cpu_seconds(lambda: passed("ours", *of, torch.bfloat16))
        interleaved(measure, 1)  # memory is touched, kernels are chosen
        took = seconds[form] = interleaved(measure, ROUNDS)
        for peer in ("tutorial", "tuned"):
            for variant in ("ours", "bf16"):
                kind = "float32" if variant == "ours" else "products with the output layer in bf16"
                unit = f"CPU seconds, {form}, {score}, {kind}"
                quality = f"loss and gradients differ by {errors[variant]:.1e} of the tutorial's"
                wish = target if peer == "tutorial" else 0.0
                row = (f"torch, {peer} loop", torch.__version__, unit, took[variant], took[peer], wish, quality)
                rows.append(row_of_seconds(*row))
    other = "another network: its loss after training is in the record of the recipe"
    unit, took = "CPU seconds, ours in Luong's form, theirs in Bahdanau's, float32", seconds["bahdanau"]["tutorial"]
    peer = "torch, tutorial loop of the other form"
    rows.append(row_of_seconds(peer, torch.__version__, unit, seconds["luong"]["ours"], took, 3.4, other))
    record("attention", rows)


if __name__ == "__main__":
    main()
