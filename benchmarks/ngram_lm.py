"""Counting a 5-gram Kneser-Ney model: against nltk.lm, with the same probabilities where the two models coincide.

nltk's KneserNeyInterpolated is the plain form: one discount at the orders above one, none for unigrams, no sentence
start of its own in an unpadded text. `NgramLM(discounts=0.1, start=False)` is that same model, so that probabilities
can be compared one by one. The text is a slice of the Penn Treebank where it is there, else of the embedded text.

KenLM, where it is installed, answers for the same model (modified Kneser-Ney on the whole text), which it reads from
the ARPA file that ours exports. Its Python package has a hash table; what fits a model, and what makes tries, are
programs of their own that it lacks.
"""

import importlib.metadata
import math
import statistics
import tempfile
from pathlib import Path

import torch
from nltk.lm import KneserNeyInterpolated
from nltk.util import everygrams
from record import cpu_seconds, interleaved, ratio, record

from deepcanon.data import DataError, arpa, open_data
from deepcanon.parts.vocabulary import Vocabulary
from deepcanon.sequence import NgramLM

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


def look_ups():
    """A row of both answering for one model, sentence by sentence there, all positions at once here."""
    try:
        import kenlm
    except ImportError:
        print("KenLM is not installed: its row is left out")
        return []
    data = open_data(("text",), material()[0])
    vocabulary = Vocabulary.build(data["train"].x, "words")
    text, sentences = vocabulary.encode(data["valid"].x)[None], data["valid"].x.strip("\n").split("\n")
    model = NgramLM(len(vocabulary), ORDER, end=vocabulary.end).fit(vocabulary.encode(data["train"].x))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.arpa")
        path.write_text("".join(arpa.lines_of_arpa(vocabulary, model.ngrams())), encoding="utf-8")
        other = kenlm.Model(str(path))
    nats = {
        "ours": -model(text).mean().item(),
        "kenlm": -math.log(10) * sum(map(other.score, sentences)) / text.numel(),
    }
    quality = f"{text.numel():,} tokens of {material()[0]}, {nats['ours']:.6f} and {nats['kenlm']:.6f} nats"
    assert math.isclose(*nats.values(), rel_tol=1e-6), quality
    forms = {"ours": lambda: model(text), "kenlm": lambda: list(map(other.score, sentences))}
    variants = {name: (lambda form=form: text.numel() / cpu_seconds(form)) for name, form in forms.items()}
    rates = interleaved(variants, ROUNDS)
    kept = sum(part.nbytes for part in (model.keys_, model.probability_, model.backoff_))
    return [
        {
            "peer": "KenLM, hash table", "version": importlib.metadata.version("kenlm"), "unit": "tokens/s looked up",
            "ours": statistics.median(rates["ours"]), "peers": statistics.median(rates["kenlm"]),
            "ratio": ratio(rates["ours"], rates["kenlm"]), "target": 1.0,
            "quality": f"{quality}; ours {kept / int(model.sizes_.sum()):.1f} bytes an n-gram",
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
            *look_ups(),
        ],
    )  # fmt: skip


if __name__ == "__main__":
    main()
