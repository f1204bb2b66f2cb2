"""A language model mixed with n-grams: one distribution, each model at an end, the weight of the validation text."""

import numpy as np
import pytest
import torch

import deepcanon
from deepcanon.errors import UsageError
from deepcanon.parts.language_models import mixture
from deepcanon.sequence.ngram_lm import NgramLM

WORDS = "the cat sat on a mat\nthe dog ran to the cat\na bird sat on the dog\n"


@pytest.fixture(scope="module", params=["words", "characters"])
def run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "text.txt").write_text(WORDS * 30, encoding="utf-8")
    options = {"preset": "smoke", "unit": request.param, "test_share": 0.2, "ngram": 3, "quiet": True}
    return deepcanon.train("rnn-lm", data=str(folder / "text.txt"), steps=30, out=folder / "run", **options)


@torch.no_grad()
def both(run, tokens):
    """log p of every next token [tokens, vocabulary] of the network and of n-grams."""
    vocabulary = run.recipe.vocabulary
    ngrams = NgramLM(len(vocabulary), 3, end=vocabulary.end).fit(run.recipe.tokens("train"))
    network = run.module(tokens[None])[0][0].double().log_softmax(1)
    return network, torch.cat([ngrams.distribution(tokens[None, : n + 1][:, -2:]) for n in range(len(tokens))]).log()


def test_the_mixture_is_a_distribution_between_the_two_models(run):
    network, ngrams = both(run, run.recipe.tokens("test")[:40])
    for weight in (0.0, 0.4, 1.0):
        sums = mixture(network, ngrams, weight).exp().sum(1)
        torch.testing.assert_close(sums, torch.ones_like(sums), atol=1e-9, rtol=0)
    assert torch.equal(mixture(network, ngrams, 1.0), network)
    assert torch.equal(mixture(network, ngrams, 0.0), ngrams)


def test_an_evaluation_of_the_test_text_measures_both_and_the_mixture(run):
    found, score = run.evaluate("test"), {}
    logs = {}
    for name in ("valid", "test"):
        tokens = run.recipe.tokens(name)
        logs[name] = [log.gather(1, tokens[1:, None])[:, 0].numpy() for log in both(run, tokens[:-1])]
    for weight in np.linspace(0, 1, 101):
        mixed = {n: -np.log(weight * np.exp(p) + (1 - weight) * np.exp(q)).mean() for n, (p, q) in logs.items()}
        score[weight] = mixed
    best = min(score, key=lambda weight: score[weight]["valid"])
    assert found["weight"] == pytest.approx(best, abs=0.02)
    assert found["nll"] == pytest.approx(score[1.0]["test"], abs=2e-3)
    assert found["ngram_nll"] == pytest.approx(score[0.0]["test"], rel=1e-6)
    assert found["mixed_nll"] == pytest.approx(score[best]["test"], abs=2e-3)
    assert found["mixed_perplexity"] == pytest.approx(np.exp(found["mixed_nll"]))
    assert found["ratio"] == pytest.approx(found["mixed_perplexity"] / found["ngram_perplexity"])
    assert "bits_per_character" in found and "mixed_nll" not in run.evaluate("valid")
    assert run.units["mixed_perplexity"] == run.units["perplexity"]


def test_a_negative_order_is_refused(tmp_path):
    with pytest.raises(UsageError, match="--ngram -1: at least 0"):
        deepcanon.train("rnn-lm", preset="smoke", ngram=-1, out=tmp_path / "run", quiet=True)
