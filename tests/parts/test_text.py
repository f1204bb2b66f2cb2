"""Vocabulary and truncated sampling: round trips, unknown symbols, ties, extremes."""

import pytest
import torch

from deepcanon.parts.sampling import sample, truncated_probabilities
from deepcanon.parts.vocabulary import END, UNKNOWN, Vocabulary, encode_once


@pytest.mark.parametrize("text", ["to be, or\nnot!\n", "Grüße, 世界 𝔘 é\u0301\t\n", "aaa"])
def test_characters_round_trip(text):
    vocabulary = Vocabulary.build(text)
    assert vocabulary.decode(vocabulary.encode(text)) == text
    assert 0 not in vocabulary.encode(text) and len(vocabulary) == len(set(text)) + 1
    again = Vocabulary.from_json(vocabulary.to_json())
    assert again.symbols == vocabulary.symbols and again.unit == "characters"
    assert vocabulary.end is None


def test_unknown_characters_are_number_0():
    vocabulary = Vocabulary.build("abc")
    assert vocabulary.encode("aézb").tolist() == [1, 0, 0, 2]
    assert vocabulary.decode([1, 0]) == "a\ufffd"
    assert Vocabulary([UNKNOWN]).encode("xy").tolist() == [0, 0]


def test_words_end_their_lines():
    vocabulary = Vocabulary.build("the cat sat\n\n the <unk> sat \n", "words")
    assert vocabulary.symbols == (UNKNOWN, END, "cat", "sat", "the")
    assert vocabulary.encode("the cat sat\n\nthe dog\n").tolist() == [4, 2, 3, 1, 4, 0, 1]
    assert vocabulary.encode("the cat", closed=False).tolist() == [4, 2]
    assert vocabulary.encode("sat\nthe", closed=False).tolist() == [3, 1, 4]
    assert vocabulary.decode([4, 2, 1, 4]) == "the cat\nthe"
    assert vocabulary.join("the", "cat\n") == "the cat\n" and vocabulary.join("the", "\n") == "the\n"


def test_rare_symbols_become_unknown():
    text = "a a a b b c"
    assert Vocabulary.build(text, "words", minimum_count=2).symbols == (UNKNOWN, END, "a", "b")
    assert Vocabulary.build(text, "words", maximum_size=3).symbols == (UNKNOWN, END, "a")


@pytest.mark.parametrize("unit", ["characters", "words"])
def test_the_characters_of_a_text_are_those_that_its_tokens_write(unit):
    text = "to be or\nnot to be\n"
    vocabulary = Vocabulary.build(text, unit)
    tokens = vocabulary.encode(text)
    assert vocabulary.characters([text]) == vocabulary.written(tokens) == len(text)
    first = len("to ") if unit == "words" else 1
    assert vocabulary.characters([text], 1) == vocabulary.written(tokens[1:]) == len(text) - first
    assert vocabulary.characters(["to be or\n", "not to be\n"]) == len(text)
    if unit == "words":
        assert vocabulary.characters(["to  tulip\n\n"]) == len("to tulip\n")


def test_encode_once_remembers():
    vocabulary, text = Vocabulary.build("abc"), "abcabc"
    assert encode_once(text, vocabulary) is encode_once(text, vocabulary)


@pytest.mark.parametrize("symbols", [["a"], [UNKNOWN, "a", "a"], [UNKNOWN, "ab"]])
def test_impossible_vocabularies_are_refused(symbols):
    with pytest.raises(ValueError):
        Vocabulary(symbols)


def test_extremes_of_truncation():
    logits = torch.tensor([[1.0, 1.0, 1.0, 1.0], [9.0, 0.0, 0.0, -torch.inf]])
    kept = truncated_probabilities(logits, top_k=2)
    assert (kept > 0).sum(1).tolist() == [2, 2]  # of equal ones exactly two
    kept = truncated_probabilities(logits, top_p=1e-9)
    assert (kept > 0).sum(1).tolist() == [1, 1]
    torch.testing.assert_close(kept.sum(1), torch.ones(2, dtype=torch.float64))
    cold = truncated_probabilities(logits, temperature=1e-3)
    assert float(cold[1, 0]) == 1.0
    for bad in ({"temperature": -1.0}, {"top_k": -1}, {"top_p": 0.0}):
        with pytest.raises(ValueError):
            truncated_probabilities(logits, **bad)


def test_float32_probabilities_of_a_large_vocabulary_can_be_drawn_from():
    logits = torch.randn(2, 200_000)
    drawn = sample(logits, torch.Generator().manual_seed(0), forbidden=[0])
    assert drawn.shape == (2,) and bool((drawn > 0).all())
