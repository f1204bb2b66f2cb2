"""Translators that write while they learn: true words up to a boundary, drawn ones behind it, sentences scored."""

import pytest
import torch

import deepcanon
from deepcanon.sequence import sentence_bleu
from deepcanon.techniques.own_words import LONGER


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    out = tmp_path_factory.mktemp("own") / "r"
    small = {"hidden": 8, "embedding": 6, "minimum_count": 1, "batch": 8, "words": 4, "whole": 0.5, "beam": 1}
    how = {"pairs": 200, "steps": 4, "threads": 1, "quiet": True}
    run = deepcanon.train("sequence-level-training", data="lexical-translation", out=out, **how, **small)
    return run.recipe


def given(recipe, rows=6):
    sources, targets, _ = recipe.forced(recipe.encoded("train"), range(rows))
    numbers = torch.rand(rows, targets.tokens.shape[1] + LONGER + 1, generator=torch.Generator().manual_seed(0))
    return sources, targets, numbers


def test_heads_are_true_and_log_probabilities_are_those_of_teacher_forcing(recipe):
    sources, targets, numbers = given(recipe)
    heads = torch.tensor([0, 1, 2, 1, 0, 2]).clamp(max=targets.lengths)
    with recipe.drawing():
        written = recipe.written(*sources, targets.tokens, heads, numbers)
    for row, (head, count) in enumerate(zip(heads.tolist(), written.counts.tolist(), strict=True)):
        words = written.words[row, :count]
        assert words[:head].tolist() == targets.tokens[row, :head].tolist()
        assert recipe.end not in words[:-1].tolist(), "a sentence is counted up to its first end"
        source = sources.tokens[row : row + 1, : int(sources.lengths[row])]
        inputs = torch.cat([torch.tensor([recipe.end]), words[:-1]])[None]
        model = recipe.model.eval()
        readout, _ = model(source, sources.lengths[row : row + 1], inputs)
        alone = model.output(readout)[0].log_softmax(1)[torch.arange(count), words]
        torch.testing.assert_close(written.log_probabilities[row, :count], alone, rtol=1e-4, atol=1e-5)
    assert written.log_probabilities.requires_grad


def test_a_reference_is_worth_one_and_whole_sentences_are_compared(recipe):
    sources, targets, numbers = given(recipe)
    references = [row[: n - 1] for row, n in zip(*(v.tolist() for v in targets), strict=True)]
    with recipe.drawing():
        true = recipe.written(*sources, targets.tokens, targets.lengths, numbers)
        drawn = recipe.written(*sources, targets.tokens, torch.zeros_like(targets.lengths), numbers)
    assert torch.equal(true.counts, targets.lengths)
    assert recipe.scored(true, references).tolist() == pytest.approx([1.0] * 6)
    for row, score in enumerate(recipe.scored(drawn, references).tolist()):
        words = drawn.words[row, : int(drawn.counts[row])].tolist()
        words = words[:-1] if words[-1] == recipe.end else words
        assert score == pytest.approx(sentence_bleu(words, references[row]))


def test_drawing_is_without_dropout_and_ends_in_training(recipe):
    recipe.model.train()
    with recipe.drawing():
        assert not recipe.model.training
    assert recipe.model.training


def test_the_last_part_has_a_rate_of_its_own(recipe):
    recipe.run.steps = 100
    assert recipe.first == 50
    assert recipe.rate(49) < 0.1 * recipe.config.learning_rate
    assert recipe.rate(50) == recipe.rate(99) == recipe.config.whole_rate
