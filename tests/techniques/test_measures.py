"""What recipes measure beyond their own loss: probes of a code, hidden units that share, pairs of words."""

import math

import pytest
import torch
from torch import nn

from deepcanon.data.splits import Dataset, Split
from deepcanon.engine import Run
from deepcanon.engine.reconstructor import Reconstructor
from deepcanon.parts.judge import passes
from deepcanon.parts.sentences import Sentences
from deepcanon.representation.autoencoder import Autoencoder
from deepcanon.settings import Settings
from deepcanon.techniques.hidden_units import ablations, sharing, sharing_figure
from deepcanon.techniques.probe import probe
from deepcanon.techniques.word_pairs import WordPairs


def test_a_probe_finds_the_classes_that_a_code_shows_and_raw_inputs_hide():
    """Two classes by the sign of a product, which no linear classifier sees; the code is that product."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(600, 2, generator=random)
    y = 1 + (x.prod(1) > 0).long()
    y[::3], x[::3] = 0, 50.0  # a class that is not asked for
    data = Dataset("tables", {"train": Split(x[:400], y[:400]), "test": Split(x[400:], y[400:])}, {})
    found = probe(data, [1, 2], lambda rows: rows, lambda rows: rows.prod(1, keepdim=True))
    assert found["probe"] > 0.97 and 0.35 < found["probe_raw"] < 0.75
    assert found["probe_gain"] == found["probe"] - found["probe_raw"]


def test_hidden_units_that_are_copies_are_seen():
    torch.manual_seed(0)
    model = Autoencoder(6, 2, hidden=(5, 3))
    run = Run(Settings(device="cpu"))
    facts = {"shape": [6], "reader": {}}
    reconstructor = Reconstructor(run, model, nn.Identity(), facts)
    x = torch.rand(40, 6)
    found = sharing(reconstructor, x)
    assert found["collapsed"] == 0 and 1 < found["effective_rank"] <= 5
    assert [len(rises) for rises in ablations(reconstructor, x)] == [5, 3]
    assert found["ablation_1"] == ablations(reconstructor, x)[0].max() and "ablation_3" not in found
    assert len(sharing_figure(reconstructor, x).figures) == 2
    with torch.no_grad():
        model.encoder[0].weight.copy_(model.encoder[0].weight[:1].expand(5, 6))
    assert sharing(reconstructor, x)["collapsed"] == 1


def test_pairs_of_words_know_who_stands_together():
    """0 stands with 1 alone, 2 with 3 half as often: their PMI are log 3 and log 6, and all other pairs have none."""
    words = torch.tensor([0, 1] * 50 + [2, 3] * 25)
    text, counts = Sentences(words, torch.arange(75).repeat_interleave(2)), torch.bincount(words)
    pairs, noise = WordPairs(lambda: text, 1, counts, 2), counts / counts.sum()
    exact = pairs.fit(lambda a, b: torch.where(a < 2, math.log(3), math.log(6)), noise, 1.0, 1.0)
    assert exact["pmi_pairs"] == 4 and exact["pmi_correlation"] == pytest.approx(1)
    assert pairs.fit(lambda a, b: a.double(), noise, 1.0, 1e6) == {}, "none stands there so often"
    likeness = pairs.vectors @ pairs.vectors.T
    torch.testing.assert_close(likeness.diag(), torch.tensor([0, 0, math.log(6), math.log(6)], dtype=torch.float64))
    assert likeness[:2].abs().max() < 1e-6, "the two largest singular values are those of 2 and 3"


def test_samples_pass_where_all_four_bounds_hold():
    good = {"confident": 0.8, "smallest_class": 0.02, "class_kl": 0.03, "frechet": 60.0}
    assert passes(good)
    for name, wrong in {"confident": 0.79, "smallest_class": 0.01, "class_kl": 0.031, "frechet": 61.0}.items():
        assert not passes({**good, name: wrong})
