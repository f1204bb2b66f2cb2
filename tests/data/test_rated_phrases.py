"""Rated sentences and phrases as documents: words as written, ratings joined to classes, published counts."""

import pytest

from deepcanon.data import open_data
from deepcanon.data.rated_phrases import labelled, rated_phrases

TREE = "(3 (2 It) (4 (2 -LRB-) (4 (2 1\\/2) (4 good))))"


def test_each_node_is_a_phrase():
    assert rated_phrases(TREE) == [
        ("It", 2), ("(", 2), ("1/2", 2), ("good", 4), ("1/2 good", 4), ("( 1/2 good", 4), ("It ( 1/2 good", 3),
    ]  # fmt: skip


def test_words_are_those_of_the_tree_whatever_its_shape():
    """A blank that does not break is part of a word, and so is what other programs take for the end of a line."""
    line = "(3 (4 (2 8\u00a01\\/2) (1 -lrb-)) (2 (2 -LCB-) (0 a\u2028b\\*)))"
    assert rated_phrases(line) == [
        ("8\u00a01/2", 2), ("(", 1), ("8\u00a01/2 (", 4), ("{", 2), ("a\u2028b*", 0), ("{ a\u2028b*", 2),
        ("8\u00a01/2 ( { a\u2028b*", 3),
    ]  # fmt: skip
    assert list(labelled("sst-5", f"{line}\n\n{line}\n", False)) == [("8\u00a01/2 ( { a\u2028b*", "positive")] * 2


@pytest.mark.real_data("sst")
def test_sentences_are_those_of_the_trees():
    documents, trees = open_data(("documents",), "sst-5"), open_data(("trees",), "sst")
    for split in ("train", "valid", "test"):
        x, symbols = trees[split].x, trees[split].symbols
        for row, text in enumerate(documents[split].x):
            numbers = x.words[x.starts[row] : x.starts[row + 1]].tolist()
            assert text == " ".join(symbols[number] for number in numbers if number >= 0)


def test_ratings_are_joined_and_phrases_are_told_once():
    text = f"{TREE}\n{TREE}\n(2 (2 It) (1 ends))\n"
    assert list(labelled("sst-5", text, False)) == [("It ( 1/2 good", "positive")] * 2 + [("It ends", "neutral")]
    assert list(labelled("sst-2", text, False)) == [("It ( 1/2 good", "positive")] * 2
    two = list(labelled("sst-2", text, True))
    assert two == [*[(words, "positive") for words in ("good", "1/2 good", "( 1/2 good", "It ( 1/2 good")],
                   ("ends", "negative")]  # fmt: skip
    three = list(labelled("sst-3", text, True))
    assert len(three) == len(set(three)) == 9 and ("It", "neutral") in three


@pytest.mark.real_data("sst")
@pytest.mark.parametrize(
    ("name", "train", "valid", "test"),
    [("sst-2", 6920, 872, 1821), ("sst-3", 8544, 1101, 2210), ("sst-5", 8544, 1101, 2210)],
)
def test_published_counts(name, train, valid, test):
    data = open_data(("documents",), name)
    assert data.counts() == {"train": train, "valid": valid, "test": test}
    assert len(data.facts["classes"]) == int(name[-1])
    if name == "sst-5":  # in the order of their names: the shares of the roots of the test trees
        shares = dict(zip(data.facts["classes"], data["test"].y.bincount().tolist(), strict=True))
        assert shares == {"very negative": 279, "negative": 633, "neutral": 389, "positive": 510, "very positive": 399}
