"""Skip-gram pairs per second, against the form of the tutorials: a DataLoader over pairs, two nn.Embedding, dense Adam.

    python benchmarks/word2vec.py

One thread, CPU time, the two alternating in one process, medians. Both learn from the same pairs of the same text, the
peer from a list made beforehand, ours with the pairs drawn as it goes; the peer draws its noise by the batch, which is
kinder than the tutorials that draw it by the pair. The second number is the CPU time until ours has the held-out loss
that the peer has when its rounds are over: Adam gets more out of a pair.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import statistics
import sys
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.record import cpu_seconds, interleaved, ratio, record
from deepcanon.data import DataError, open_data
from deepcanon.parts.vocabulary import Vocabulary
from deepcanon.representation import (
    Word2Vec,
    draw_noise,
    negative_sampling_loss,
    noise_distribution,
    noise_weights,
    skip_gram_pairs,
)

DIMENSIONS, WINDOW, NEGATIVES, ROUNDS = 300, 5, 5, 5
BATCH, PEER_BATCH, PAIRS = 500, 512, 512 * 50
LEAST = 10.0


class Pairs(Dataset):
    def __init__(self, centres, near):
        self.pairs = list(zip(centres.tolist(), near.tolist(), strict=True))

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        return self.pairs[index]


class Peer(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.inputs, self.outputs = nn.Embedding(size, DIMENSIONS), nn.Embedding(size, DIMENSIONS)
        nn.init.uniform_(self.inputs.weight, -0.5 / DIMENSIONS, 0.5 / DIMENSIONS)
        nn.init.zeros_(self.outputs.weight)

    def forward(self, centres, near, noise):
        v, u, n = self.inputs(centres), self.outputs(near), self.outputs(noise)
        right = nn.functional.logsigmoid((v * u).sum(1))
        wrong = nn.functional.logsigmoid(-torch.bmm(n, v[:, :, None])[:, :, 0]).sum(1)
        return -(right + wrong).mean()


def words_of(tokens):
    known = tokens >= 2
    return tokens[known], (tokens == 1).long().cumsum(0)[known]


def main():
    torch.set_num_threads(1)
    try:
        data, name = open_data(("text",), "ptb"), "Penn Treebank"
    except DataError as error:
        print(f"no Penn Treebank ({error}): the texts of pydoc instead")
        data, name = open_data(("text",), "pydoc"), "pydoc"
    vocabulary = Vocabulary.build(data["train"].x, "words", 5)
    size = len(vocabulary)
    words, sentences = words_of(vocabulary.encode(data["train"].x))
    noise = noise_distribution(words.bincount(minlength=size))
    generator = torch.Generator().manual_seed(0)

    held_words, held_sentences = (x[:20_000] for x in words_of(vocabulary.encode(data["valid"].x)))
    held = skip_gram_pairs(held_words, held_sentences, torch.randint(1, WINDOW + 1, held_words.shape))
    held_targets = torch.cat([held[1][:, None], draw_noise(noise, (len(held[1]), NEGATIVES), generator)], 1)

    def loss(inputs, outputs):
        scores = torch.einsum("btd,bd->bt", outputs[held_targets], inputs[held[0]])
        return float(negative_sampling_loss(scores, noise_weights(held_targets)).mean())

    torch.manual_seed(0)
    model, place = Word2Vec(size, DIMENSIONS), iter(range(10**9))

    def ours():
        done = 0

        def work():
            nonlocal done
            while done < PAIRS:
                begin = next(place) * BATCH % (len(words) - BATCH)
                here = slice(begin, begin + BATCH)
                reach = torch.randint(1, WINDOW + 1, (BATCH,), generator=generator)
                centres, near = skip_gram_pairs(words[here], sentences[here], reach)
                drawn = draw_noise(noise, (len(near), NEGATIVES), generator)
                model.update(centres[:, None], torch.cat([near[:, None], drawn], 1), 0.1, limit=8.0)
                done += len(near)

        seconds = cpu_seconds(work)
        return done / seconds

    some = slice(0, 200_000)
    reach = torch.randint(1, WINDOW + 1, (200_000,), generator=generator)[: len(words)]
    pairs = Pairs(*skip_gram_pairs(words[some], sentences[some], reach))
    peer = Peer(size)
    optimizer = torch.optim.Adam(peer.parameters(), lr=1e-3)
    batches = iter(DataLoader(pairs, PEER_BATCH, shuffle=True))

    def peers():
        def work():
            for _ in range(PAIRS // PEER_BATCH):
                centres, near = next(batches)
                drawn = torch.multinomial(noise, len(near) * NEGATIVES, replacement=True).view(-1, NEGATIVES)
                optimizer.zero_grad()
                peer(centres, near, drawn).backward()
                optimizer.step()

        return PAIRS / cpu_seconds(work)

    took = interleaved({"ours": ours, "peer": peers}, ROUNDS)
    with torch.no_grad():
        goal = loss(peer.inputs.weight, peer.outputs.weight)
        mine = loss(model.input_vectors, model.output_vectors)
    equal, spent = mine, [PAIRS / rate for rate in took["ours"]]
    while mine > goal and len(spent) < 20 * ROUNDS:
        spent.append(PAIRS / ours())
        with torch.no_grad():
            mine = loss(model.input_vectors, model.output_vectors)
    theirs = sum(PAIRS / rate for rate in took["peer"])
    print(f"{name}: {size:,} words, {DIMENSIONS} dimensions, {NEGATIVES} noise words")
    same = {"peer": "PyTorch: DataLoader over pairs, nn.Embedding, dense Adam", "version": torch.__version__}
    per_pair = {
        "ours": statistics.median(took["ours"]),
        "peers": statistics.median(took["peer"]),
        "unit": "pairs/s",
        "ratio": ratio(took["ours"], took["peer"]),
        "target": LEAST,
        "quality": f"held-out loss after {ROUNDS * PAIRS:,} pairs {equal:.3f}, theirs {goal:.3f}",
    }
    per_loss = {
        "ours": sum(spent),
        "peers": theirs,
        "unit": "CPU seconds to the same held-out loss",
        "ratio": theirs / sum(spent) if mine <= goal else 0.0,
        "target": LEAST,
        "quality": f"loss {mine:.3f} after {len(spent) * PAIRS:,} pairs, theirs {goal:.3f} after {ROUNDS * PAIRS:,}",
    }
    record("word2vec", [same | per_pair, same | per_loss])


if __name__ == "__main__":
    main()
