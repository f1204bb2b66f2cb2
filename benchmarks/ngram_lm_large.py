"""n-grams of a large text, drawn from the Kneser-Ney model of a real one: bytes, and what counting on disk takes.

The text is drawn with a seed from the 5-gram model of the Penn Treebank (else of the embedded text), so that its
n-grams are as often the same as those of a real text. Counting in memory and on disk are processes of their own, whose
peak of memory beyond the imported libraries is read; their models must have the same bits. `lmplz` of KenLM, which
sorts on disk too, and `build_binary` take part where they are on the PATH (see `ngram_lm.py`).

    python benchmarks/ngram_lm_large.py [TOKENS]
"""

import hashlib
import importlib.metadata
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from ngram_lm import ORDER, material, program
from record import record

from deepcanon.data import open_data
from deepcanon.parts.tries import scrambled
from deepcanon.parts.vocabulary import Vocabulary
from deepcanon.sequence import NgramLM
from deepcanon.techniques.counted_ngrams import log_sum

TOKENS, SEED, STREAMS, MEGABYTES = 10_000_000, 0, 10_000, 100


def sampled(model, count, seed):
    """`count` tokens drawn from a Kneser-Ney model: many texts side by side, then one behind the other."""
    generator, size = torch.Generator().manual_seed(seed), model.vocabulary_size
    levels = model.every_level()
    sums = [torch.cat([torch.zeros(1).double(), level.value(torch.arange(len(level))).cumsum(0)]) for level in levels]
    words, unigrams = [level.rows()[1] for level in levels], model.unigrams()[:-1].cumsum(0)
    fresh = [torch.full((STREAMS,), size), *(torch.full((STREAMS,), -1) for _ in levels[1:])]
    history, drawn = fresh, []
    for _ in range(-(-count // STREAMS)):
        # From the longest history down: what its own n-grams have, or else what the shorter history says.
        word, open_ = torch.full((STREAMS,), -1), torch.ones(STREAMS, dtype=torch.bool)
        for level, total, last, node in reversed(list(zip(levels, sums, words, history, strict=True))):
            place = (open_ & (node >= 0)).nonzero()[:, 0]
            place = place[torch.rand(len(place), generator=generator) >= level.weight(node[place])]
            first, stop = level.starts(node[place]), level.starts(node[place] + 1)
            share = torch.rand(len(place), generator=generator).double()
            at = torch.searchsorted(total, total[first] + share * (total[stop] - total[first]), right=True) - 1
            word[place] = last[at.clamp(first, stop - 1)]
            open_[place] = False
        share = torch.rand(int(open_.sum()), generator=generator).double()
        word[open_] = torch.searchsorted(unigrams, share * unigrams[-1], right=True).clamp(max=size - 1)
        drawn.append(word)
        u = scrambled(word, size)
        longer = [model.found(level, node, u) for level, node in zip(levels[:-1], history[:-1], strict=True)]
        ended = word == model.end
        history = [torch.where(ended, new, old) for new, old in zip(fresh, [word, *longer], strict=True)]
    return torch.stack(drawn, 1).flatten()[:count]


class OnDisk:
    """Numbers of a file that are read in stretches, as `data.tokens.Tokens` are."""

    def __init__(self, path):
        self.numbers = np.memmap(path, np.uint16, mode="r")

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, places):
        return torch.from_numpy(self.numbers[places].astype(np.int64))


def megabytes(name):
    """Of this process: VmHWM is the peak, VmRSS what it holds."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").split("\n")
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith(name))


def counted(path, size, end, bound):
    """Counts a file in this process and prints what it took, as JSON; the model is written beside the file."""
    torch.set_num_threads(1)
    model, tokens, before, began = NgramLM(size, ORDER, end=end), OnDisk(path), megabytes("VmRSS"), time.process_time()
    if bound:
        model.fit_on_disk(tokens, bound * 1_000_000, path.parent)
    else:
        model.fit(tokens[:])
    seconds, peak, digest = time.process_time() - began, megabytes("VmHWM") - before, hashlib.sha256()
    for tensor in model.buffers():
        digest.update(np.ascontiguousarray(tensor.numpy()).tobytes())
    torch.save(model.state_dict(), path.with_suffix(".pt"))
    print(json.dumps({"seconds": seconds, "peak": peak, "digest": digest.hexdigest()}))


def apart(*words):
    """What `counted` prints in a process of its own."""
    command = [sys.executable, __file__, "--counted", *map(str, words)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def lmplz(path, folder):
    """CPU seconds of lmplz with the same room for sorting; its ARPA file is model.arpa."""
    began = os.times()
    command = ["lmplz", "-o", str(ORDER), "--text", path, "--arpa", folder / "model.arpa"]
    # Where no word is rare enough for (4), which lmplz would refuse, both take 0.5, 1, 1.5.
    command += ["-S", f"{MEGABYTES}M", "-T", folder, "--discount_fallback"]
    subprocess.run(command, check=True, capture_output=True)
    ended = os.times()
    return ended.children_user + ended.children_system - began.children_user - began.children_system


def kenlm_rows(tokens, text, vocabulary, found, model, folder):
    """Rows against lmplz, which reads the same words, and against the bytes of its model as a trie."""
    if not (program("lmplz") and program("build_binary")):
        return []
    import kenlm

    symbols = ["unk" if i == vocabulary.unknown else symbol for i, symbol in enumerate(vocabulary.symbols)]

    def lines(numbers):
        words = " ".join([symbols[token] for token in numbers.tolist()])
        return [line.strip() for line in words.split(symbols[vocabulary.end])]

    path, trie = folder / "words.txt", folder / "model.trie"
    path.write_text("\n".join(lines(tokens)), encoding="utf-8")
    seconds = lmplz(path, folder)
    subprocess.run(["build_binary", "trie", folder / "model.arpa", trie], check=True, capture_output=True)
    other = kenlm.Model(str(trie))
    nats = -model(text[None]).mean().item(), -math.log(10) * sum(map(other.score, lines(text)[:-1])) / len(text)
    grams, kept = sum(model.sizes), trie.stat().st_size
    quality = f"{len(tokens):,} tokens drawn with seed {SEED}, {grams:,} n-grams, held-out text {nats[0]:.5f} and "
    quality += f"{nats[1]:.5f} nats"
    assert math.isclose(*nats, rel_tol=1e-3), quality
    shared = {"version": importlib.metadata.version("kenlm"), "target": 1.0, "quality": quality}
    ours, theirs = len(tokens) / found["seconds"], len(tokens) / seconds
    bytes_of = model.kept_bytes / grams, kept / grams
    return [
        {
            **shared, "peer": "KenLM, lmplz", "unit": f"tokens/s fit on disk, {MEGABYTES} MB to sort in", "ours": ours,
            "peers": theirs, "ratio": ours / theirs,
        },
        {
            **shared, "peer": "KenLM, trie", "unit": "bytes an n-gram of a large text", "ours": bytes_of[0],
            "peers": bytes_of[1], "ratio": bytes_of[1] / bytes_of[0],
        },
    ]  # fmt: skip


def main(count):
    torch.set_num_threads(1)
    data = open_data(("text",), material()[0])
    vocabulary = Vocabulary.build(data["train"].x, "words")
    source = NgramLM(len(vocabulary), ORDER, end=vocabulary.end).fit(vocabulary.encode(data["train"].x))
    tokens, text = sampled(source, count, SEED), vocabulary.encode(data["valid"].x)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "tokens")
        path.write_bytes(tokens.numpy().astype(np.uint16).tobytes())
        given = path, len(vocabulary), vocabulary.end
        inside, outside = apart(*given, 0), apart(*given, MEGABYTES)
        assert inside["digest"] == outside["digest"]
        model = NgramLM(len(vocabulary), ORDER, end=vocabulary.end)
        model.load_state_dict(torch.load(path.with_suffix(".pt")))
        rows = kenlm_rows(tokens, text, vocabulary, outside, model, Path(name))
    held, grams = model.kept_bytes, sum(model.sizes)
    exact = -model(text[None]).mean().item()
    model.quantize(8)
    loss = -model(text[None]).mean().item() + log_sum(model, text) - exact
    quality = (
        f"{count:,} tokens drawn with seed {SEED}, {grams:,} n-grams: the same bits; of the peak {held / 1e6:.0f} MB"
    )
    quality += f" are the model, {held / grams:.2f} bytes an n-gram ({model.kept_bytes / grams:.2f} with 8 bits, "
    quality += f"{loss:.5f} nats more); {outside['seconds']:.0f} CPU seconds, {inside['seconds']:.0f} in memory"
    record(
        "ngram_lm",
        [
            {
                "peer": "counting in memory", "version": "", "unit": f"MB at most, {MEGABYTES} to sort in",
                "ours": outside["peak"], "peers": inside["peak"], "ratio": inside["peak"] / outside["peak"],
                "target": 0.0, "quality": quality,
            },
            *rows,
        ],
    )  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["--counted"]:
        counted(Path(sys.argv[2]), *map(int, sys.argv[3:]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else TOKENS)
