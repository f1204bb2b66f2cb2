"""Recurrent language models: training against a plain nn.LSTM loop, beam search against one model call a hypothesis.

Training peer: nn.Embedding, nn.LSTM, nn.Linear in fp32, cross_entropy, clip_grad_norm_ and the optimizer as it is by
default. Ours: the pieces of the recipe: bf16 autocast with the loss in fp32, the clip folded into a fused optimizer.
Both begin with the same weights and read the same windows of the same text (random tokens where it is not there), so
that their losses after the same steps stand side by side.

Beam search peer: the tutorial form, one call of the model and one sort for each hypothesis of each sentence, with the
same rules as `beam_search`, so that the n-best lists must be identical.

    python benchmarks/rnn_lm.py [small] [medium] [characters] [beam]
"""

import statistics
import sys

import torch
import torch.nn.functional as F
from record import cpu_seconds, gemm_rate, interleaved, ratio, record
from torch import nn

from deepcanon.data import DataError, open_data
from deepcanon.parts.clipping import clip_in_step
from deepcanon.parts.decoding import beam_search
from deepcanon.parts.recurrence import detach, streams, window
from deepcanon.parts.vocabulary import Vocabulary
from deepcanon.sequence import RecurrentLM
from deepcanon.sequence.rnn_lm import sequence_nll

SIZES = {  # data, hidden, layers, batch, window, steps a round, optimizer
    "small": ("ptb", 200, 2, 20, 20, 6, "sgd"),
    "medium": ("ptb", 650, 2, 20, 35, 2, "sgd"),
    "characters": ("tinyshakespeare", 512, 1, 32, 64, 4, "adam"),
}
ROUNDS, CLIP = 7, 5.0


class Plain(nn.Module):
    """The usual script's model."""

    def __init__(self, vocabulary, hidden, layers):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, hidden)
        self.recurrent = nn.LSTM(hidden, hidden, layers, batch_first=True)
        self.output = nn.Linear(hidden, vocabulary)

    def forward(self, x, state):
        h, state = self.recurrent(self.embedding(x), state)
        return self.output(h), state


def text_of(name):
    """(name, size of the vocabulary, tokens): words of the Penn Treebank, characters of others."""
    try:
        text = open_data(("text",), name)["train"].x
        found = Vocabulary.build(text, "words" if name == "ptb" else "characters")
        return name, len(found), found.encode(text)
    except DataError:
        size = 10_000 if name == "ptb" else 66
        return "random tokens", size, torch.randint(size, (900_000,))


def training(size):
    data, hidden, layers, batch, reach, steps, optimizer = SIZES[size]
    name, vocabulary, tokens = text_of(data)
    x, y = streams(tokens, batch)
    torch.manual_seed(0)
    plain = Plain(vocabulary, hidden, layers)
    for parameter in plain.parameters():
        nn.init.uniform_(parameter, -0.1, 0.1)
    ours = RecurrentLM(vocabulary, hidden, layers=layers)
    ours.load_state_dict(plain.state_dict())
    make, rate = {"sgd": (torch.optim.SGD, 1.0), "adam": (torch.optim.Adam, 1e-3)}[optimizer]
    theirs_optimizer = make(plain.parameters(), lr=rate)
    ours_optimizer = make(ours.parameters(), lr=rate, fused=True)
    position, carry, losses = {"ours": 0, "plain": 0}, {"ours": None, "plain": None}, {"ours": [], "plain": []}

    def batch_of(which):
        here = window(position[which], x.shape[1], reach)
        position[which] += 1
        return x[:, here.start : here.stop], y[:, here.start : here.stop]

    def plain_step():
        inputs, targets = batch_of("plain")
        theirs_optimizer.zero_grad()
        logits, state = plain(inputs, carry["plain"])
        loss = F.cross_entropy(logits.reshape(-1, vocabulary), targets.reshape(-1))
        loss.backward()
        nn.utils.clip_grad_norm_(plain.parameters(), CLIP)
        theirs_optimizer.step()
        carry["plain"] = tuple(s.detach() for s in state)
        losses["plain"].append(loss.item())

    def our_step():
        inputs, targets = batch_of("ours")
        with torch.autocast("cpu", torch.bfloat16):
            logits, state = ours(inputs, carry["ours"])
        carry["ours"] = detach(state)
        loss = sequence_nll(logits, targets)
        loss.backward()
        clip_in_step(ours_optimizer, CLIP)
        ours_optimizer.zero_grad()
        losses["ours"].append(loss.item())

    def rate_of(step):
        return lambda: steps * batch * reach / cpu_seconds(lambda: [step() for _ in range(steps)])

    plain_step()
    our_step()
    rates = interleaved({"ours": rate_of(our_step), "plain": rate_of(plain_step)}, ROUNDS)
    last = {which: statistics.fmean(values[-5:]) for which, values in losses.items()}
    done = len(losses["ours"])
    gap = abs(last["ours"] - last["plain"]) / last["plain"]
    assert gap < 0.02, f"losses {last} after {done} steps"
    # 2 FLOP a weight forward, 4 backward; the embedding is looked up.
    flops = 6 * sum(p.numel() for name, p in plain.named_parameters() if p.ndim == 2 and "embedding" not in name)
    return {
        "peer": f"plain nn.LSTM fp32 loop ({size}: {layers} x {hidden}, batch {batch}, window {reach}, {optimizer})",
        "version": torch.__version__, "unit": "tokens/CPU-s", "ours": statistics.median(rates["ours"]),
        "peers": statistics.median(rates["plain"]), "ratio": ratio(rates["ours"], rates["plain"]), "target": 2.0,
        "floor": gemm_rate(torch.bfloat16) / flops,
        "quality": f"{name}: loss {last['ours']:.4f}, theirs {last['plain']:.4f}, mean of the last 5 of {done} steps",
    }  # fmt: skip


def one_call_a_hypothesis(model, start, beam, length, end):
    """[(log probability, tokens)] of one sentence, best first: Python lists, one call for each hypothesis."""
    live, done = [([], 0.0, start, model.start(1))], []
    for t in range(length):
        options = []
        for tokens, total, last, state in live:
            logits, after = model.step(torch.tensor([last]), state)
            best, choice = torch.log_softmax(logits[0], -1).topk(beam)
            options += [
                ([*tokens, v], total + p, v, after) for v, p in zip(choice.tolist(), best.tolist(), strict=True)
            ]
        options.sort(key=lambda item: -item[1])
        live, room = [], beam - len(done)
        for option in options[:room]:
            (done if option[2] == end or t == length - 1 else live).append(option)
        if not live:
            break
    return sorted(((total, tokens) for tokens, total, _, _ in done), key=lambda item: -item[0])


@torch.no_grad()
def beams(vocabulary=8000, hidden=256, sentences=32, beam=5, length=30, end=0):
    torch.manual_seed(0)
    model = RecurrentLM(vocabulary, hidden, embedding_size=hidden).eval()
    # Sharp enough that scores do not lie within rounding of each other; the end comes up now and then.
    model.output.weight.mul_(12.0)
    model.embedding.weight.mul_(2.0)
    start = torch.randint(1, vocabulary, (sentences,))
    results = {}

    def batched():
        def search():
            results["ours"] = beam_search(
                model.step, start, model.start(sentences), beam=beam, length=length, end=end, logits=True, state_axis=1
            )

        return sentences * length / cpu_seconds(search)

    few = 4  # sentences that the peer translates in a round

    def single():
        def search():
            results["plain"] = [one_call_a_hypothesis(model, int(s), beam, length, end) for s in start[:few]]

        return few * length / cpu_seconds(search)

    rates = interleaved({"ours": batched, "plain": single}, ROUNDS)
    same = 0
    for row, found in enumerate(results["plain"]):
        for k, (total, tokens) in enumerate(found):
            mine = results["ours"].tokens[row, k, : results["ours"].lengths[row, k]].tolist()
            assert mine == tokens, (row, k, mine, tokens)
            assert abs(float(results["ours"].log_probs[row, k]) - total) < 1e-3
            same += 1
    return {
        "peer": f"one model call a hypothesis (LSTM {hidden}, vocabulary {vocabulary}, beam {beam}, {length} tokens)",
        "version": torch.__version__, "unit": "output tokens/CPU-s", "ours": statistics.median(rates["ours"]),
        "peers": statistics.median(rates["plain"]), "ratio": ratio(rates["ours"], rates["plain"]), "target": 12.0,
        "quality": f"{same} n-best sequences of {few} sentences identical, fp32 both, {sentences} sentences at once",
    }  # fmt: skip


def main():
    torch.set_num_threads(1)
    asked = sys.argv[1:]
    rows = [training(size) for size in SIZES if not asked or size in asked]
    if not asked or "beam" in asked:
        rows.append(beams())
    record("rnn_lm", rows)


if __name__ == "__main__":
    main()
