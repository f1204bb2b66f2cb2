"""Counting a 5-gram Kneser-Ney model: against nltk.lm, with the same probabilities where the two models coincide.

nltk's KneserNeyInterpolated is the plain form: one discount at the orders above one, none for unigrams, no sentence
start of its own in an unpadded text. `NgramLM(discounts=0.1, start=False)` is that same model, so that probabilities
can be compared one by one. The text is a slice of the Penn Treebank where it is there, else of the embedded text.

KenLM, where it is installed, answers for the same model (modified Kneser-Ney on the whole text), which it reads from
the ARPA file that ours exports. Its Python package has a hash table. What makes tries (`build_binary`) and what fits a
model (`lmplz`) are programs that the package lacks and its source distribution has; their rows are measured where they
are on the PATH. `compile_query_only.sh` of that distribution makes the first; the second needs Boost.
"""

import importlib.metadata
import math
import os
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path

import torch
from nltk.lm import KneserNeyInterpolated
from nltk.util import everygrams
from record import cpu_seconds, interleaved, ratio, record

from deepcanon.data import DataError, arpa, open_data
from deepcanon.parts.vocabulary import Vocabulary
from deepcanon.sequence import NgramLM
from deepcanon.techniques.counted_ngrams import log_sum

ORDER, TOKENS, ROUNDS, COMPARED = 5, 111_000, 5, 150
DISCOUNT = 0.1


def material():
    """(name, vocabulary, tokens to count, tokens to score)."""
    try:
        name, data = "ptb", open_data(("text",), "ptb")
        train, other = data["train"].x, data["valid"].x
    except DataError:
        name, data = "pydoc", open_data(("text",), "pydoc")
        train, other = data["train"].x, data["valid"].x
    vocabulary = Vocabulary.build(train, "words")
    tokens = vocabulary.encode(train)[:TOKENS]
    seen = torch.zeros(len(vocabulary), dtype=torch.bool)
    seen[tokens] = True
    scored = vocabulary.encode(other)
    # nltk gives words that it has not counted probability 0.
    return name, vocabulary, tokens, scored[seen[scored]]


def kenlm_rows():
    """Rows of one model: both answer (sentence by sentence there, all positions at once here), and its bytes."""
    try:
        import kenlm
    except ImportError:
        print("KenLM is not installed: its rows are left out")
        return []
    data = open_data(("text",), material()[0])
    vocabulary = Vocabulary.build(data["train"].x, "words")
    text, sentences = vocabulary.encode(data["valid"].x)[None], data["valid"].x.strip("\n").split("\n")
    train = vocabulary.encode(data["train"].x)
    model = NgramLM(len(vocabulary), ORDER, end=vocabulary.end).fit(train)
    grams = sum(model.sizes)
    with tempfile.TemporaryDirectory() as folder:
        path, trie = Path(folder, "model.arpa"), Path(folder, "model.trie")
        path.write_text("".join(arpa.lines_of_arpa(vocabulary, model.ngrams())), encoding="utf-8")
        others = {"hash table": kenlm.Model(str(path))}
        if program("build_binary"):
            subprocess.run(["build_binary", "trie", path, trie], check=True, capture_output=True)
            others["trie"] = kenlm.Model(str(trie))
        kept = trie.stat().st_size / grams if trie.exists() else 0.0
        rounded = quantised(kenlm, path, model, text, sentences) if trie.exists() else []
        fitted = fits(data, vocabulary, train, Path(folder)) if program("lmplz") else []
    mine = -model(text).mean().item()
    theirs = {name: -math.log(10) * sum(map(one.score, sentences)) / text.numel() for name, one in others.items()}
    assert all(math.isclose(mine, nats, rel_tol=1e-6) for nats in theirs.values()), (mine, theirs)
    forms = {"ours": lambda: model(text), "words": lambda: model(vocabulary.encode(data["valid"].x)[None])}
    forms |= {name: (lambda one=one: list(map(one.score, sentences))) for name, one in others.items()}
    rates = interleaved(
        {name: (lambda form=form: text.numel() / cpu_seconds(form)) for name, form in forms.items()}, ROUNDS
    )
    shared = {"version": importlib.metadata.version("kenlm"), "target": 1.0}
    rows = [
        {
            **shared, "peer": f"KenLM, {name}", "unit": "tokens/s looked up", "ours": statistics.median(rates["ours"]),
            "peers": statistics.median(rates[name]), "ratio": ratio(rates["ours"], rates[name]),
            "quality": f"{text.numel():,} tokens of {material()[0]}, {mine:.6f} and {nats:.6f} nats; ours is given"
            " numbers, KenLM sentences of words",
        }
        for name, nats in theirs.items()
    ]  # fmt: skip
    name = next(reversed(others))
    rows.append(
        {
            **shared, "peer": f"KenLM, {name}", "unit": "tokens/s looked up, words numbered by both", "target": 0.0,
            "ours": statistics.median(rates["words"]), "peers": statistics.median(rates[name]),
            "ratio": ratio(rates["words"], rates[name]), "quality": f"{mine:.6f} and {theirs[name]:.6f} nats",
        }
    )  # fmt: skip
    if kept:
        ours = model.kept_bytes / grams
        quality = f"{grams:,} n-grams of order 1 to {ORDER}, {mine:.6f} and {theirs['trie']:.6f} nats"
        quality += "; ours keeps float64 to the bit, KenLM float32 and its vocabulary"
        rows.append(
            {
                **shared, "peer": "KenLM, trie", "unit": "bytes an n-gram", "ours": ours, "peers": kept,
                "ratio": kept / ours, "quality": quality,
            }
        )  # fmt: skip
    return rows + rounded + fitted


def quantised(kenlm, path, model, text, sentences):
    """A row of the bytes of both with 8 bits for probabilities and weights, and the nats that each loses."""
    small = path.with_suffix(".small")
    subprocess.run(["build_binary", "-q", "8", "-b", "8", "trie", path, small], check=True, capture_output=True)
    ours, other = NgramLM(len(model.probability_) - 1, ORDER, end=model.end), kenlm.Model(str(small))
    ours.load_state_dict(model.state_dict())
    ours.quantize(8)
    exact, grams = -model(text).mean().item(), sum(model.sizes)
    mine = -ours(text).mean().item() - exact
    theirs = -math.log(10) * sum(map(other.score, sentences)) / text.numel() - exact
    both = ours.kept_bytes / grams, small.stat().st_size / grams
    quality = (
        f"{mine:+.5f} and {theirs:+.5f} nats on held-out text; ours {mine + log_sum(ours, text[0]):+.5f} with what "
    )
    quality += "its sums over all words differ from 1, KenLM's not known"
    return [
        {
            "peer": "KenLM, trie", "version": importlib.metadata.version("kenlm"),
            "unit": "bytes an n-gram with 8 bits",
            "ours": both[0], "peers": both[1], "ratio": both[1] / both[0], "target": 0.0, "quality": quality,
        }
    ]  # fmt: skip


def program(name):
    """Whether a program of KenLM is on the PATH; a line if it is not."""
    found = shutil.which(name)
    if not found:
        print(f"{name} of KenLM is not on the PATH: its rows are left out")
    return found


def fits(data, vocabulary, train, folder):
    """A row of both fitting the same text: lmplz with the CPU seconds of all its threads, the ARPA file included."""
    import kenlm

    path, written = folder / "text", folder / "lmplz.arpa"
    # To lmplz <unk> is not a word of a text.
    path.write_text(data["train"].x.replace(vocabulary.symbols[0], "unk"), encoding="utf-8")

    def theirs():
        began = os.times()
        command = ["lmplz", "-o", str(ORDER), "--text", path, "--arpa", written, "-S", "1G", "-T", folder]
        subprocess.run(command, check=True, capture_output=True)
        ended = os.times()
        return len(train) / (ended.children_user + ended.children_system - began.children_user - began.children_system)

    made = {}

    def ours():
        made["model"] = NgramLM(len(vocabulary), ORDER, end=vocabulary.end)
        return len(train) / cpu_seconds(lambda: made["model"].fit(train))

    rates = interleaved({"ours": ours, "theirs": theirs}, ROUNDS)
    sentences = data["valid"].x.replace(vocabulary.symbols[0], "unk").strip("\n").split("\n")
    text, other = vocabulary.encode(data["valid"].x)[None], kenlm.Model(str(written))
    nats = -made["model"](text).mean().item(), -math.log(10) * sum(map(other.score, sentences)) / text.numel()
    quality = f"{len(train):,} tokens; held-out text {nats[0]:.5f} and {nats[1]:.5f} nats; lmplz counts one word more, "
    quality += "reads words and writes its ARPA file"
    assert math.isclose(*nats, rel_tol=1e-4), quality
    return [
        {
            "peer": "KenLM, lmplz", "version": importlib.metadata.version("kenlm"), "unit": "tokens/s fit",
            "ours": statistics.median(rates["ours"]), "peers": statistics.median(rates["theirs"]),
            "ratio": ratio(rates["ours"], rates["theirs"]), "target": 1.0, "quality": quality,
        }
    ]  # fmt: skip


def main():
    torch.set_num_threads(1)
    name, vocabulary, tokens, text = material()
    scored = text[:COMPARED]
    words = [vocabulary.symbols[i] for i in tokens.tolist()]
    models = {}

    def ours():
        models["ours"] = NgramLM(len(vocabulary), ORDER, discounts=DISCOUNT, start=False)
        return len(tokens) / cpu_seconds(lambda: models["ours"].fit(tokens))

    def modified():
        model = NgramLM(len(vocabulary), ORDER, end=vocabulary.end)
        return len(tokens) / cpu_seconds(lambda: model.fit(tokens))

    def nltk():
        models["nltk"] = KneserNeyInterpolated(ORDER, DISCOUNT)
        return len(tokens) / cpu_seconds(
            lambda: models["nltk"].fit([everygrams(words, max_len=ORDER)], vocabulary_text=words)
        )

    rates = interleaved({"ours": ours, "modified": modified, "nltk": nltk}, ROUNDS)
    symbols = [vocabulary.symbols[i] for i in scored.tolist()]
    theirs = []

    def score():
        for i, word in enumerate(symbols):
            theirs.append(models["nltk"].score(word, tuple(symbols[max(0, i - ORDER + 1) : i])))

    slow = len(symbols) / cpu_seconds(score)
    mine = models["ours"](scored[None])[0].exp()
    fast = text.numel() / cpu_seconds(lambda: models["ours"](text[None]))
    gap = max(abs(a - b) / b for a, b in zip(mine.tolist(), theirs, strict=True))
    nll = [-statistics.fmean(map(math.log, p)) for p in (mine.tolist(), theirs)]
    equal = f"{len(symbols)} probabilities equal to {gap:.1g} relative, {nll[0]:.6f} and {nll[1]:.6f} nats"
    quality = f"{name}, {len(tokens):,} tokens, order {ORDER}: {equal}"
    assert gap < 1e-9, quality
    shared = {
        "peer": "nltk.lm KneserNeyInterpolated",
        "version": importlib.metadata.version("nltk"),
        "quality": quality,
    }
    record(
        "ngram_lm",
        [
            {
                **shared, "unit": "tokens/s fit", "ours": statistics.median(rates["ours"]),
                "peers": statistics.median(rates["nltk"]), "ratio": ratio(rates["ours"], rates["nltk"]), "target": 20.0,
            },
            {
                **shared, "unit": "tokens/s fit, ours with three discounts and sentence borders",
                "ours": statistics.median(rates["modified"]), "peers": statistics.median(rates["nltk"]),
                "ratio": ratio(rates["modified"], rates["nltk"]), "target": 20.0,
            },
            {
                **shared, "unit": "tokens/s scored", "ours": fast, "peers": slow, "ratio": fast / slow,
                "target": 10_000.0,
            },
            *kenlm_rows(),
        ],
    )  # fmt: skip


if __name__ == "__main__":
    main()
