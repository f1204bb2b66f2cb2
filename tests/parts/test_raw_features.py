"""Raw examples as rows of features, and back: pixels, columns, words."""

import pytest
import torch

from deepcanon.parts.raw_features import RawFeatures


def test_pixels_come_back():
    x = torch.randint(0, 256, (5, 3, 4, 2), dtype=torch.uint8)
    features = RawFeatures("images", RawFeatures.learn("images", x))
    rows = features(x)
    assert rows.shape == (5, 24) and rows.min() >= 0 and rows.max() <= 1
    assert torch.equal(features.pixels(rows), x)
    assert torch.equal(features.pixels(7 * rows, 7.0), x), "of counts the largest is white"
    split = object()
    assert features.counted(split) is split
    with pytest.raises(ValueError, match="no words"):
        features.counts(["a"])


@pytest.mark.parametrize("standardize", [True, False])
def test_columns_come_back_by_name(standardize):
    x = torch.tensor([[1.0, 10.0], [3.0, 30.0]])
    features = RawFeatures("tables", RawFeatures.learn("tables", x, standardize=standardize))
    rows = features(x)
    assert torch.equal(rows, torch.tensor([[-1.0, -1.0], [1.0, 1.0]]) if standardize else x)
    assert features.texts(rows, ["a", "b"]) == ["a=1, b=10", "a=3, b=30"]


def test_words_are_counted_and_come_back():
    texts = ["the film, the film", "a dull film"]
    facts = RawFeatures.learn("documents", texts, words=3)
    assert facts["words"] == ["film", "the", "a"] and facts["length"] == round((4 + 2) / 2)
    features, once = (RawFeatures("documents", facts, once=once) for once in (False, True))
    counts = features.counts(["the the film", "unheard"])
    assert features(counts).to_dense().tolist() == [[1, 2, 0], [0, 0, 0]]
    assert once(counts).to_dense().tolist() == [[1, 1, 0], [0, 0, 0]]
    assert features.texts(counts.to_dense()) == ["film the the", ""]
    scores = torch.tensor([[0.1, 0.0, 0.3], [-1.0, 2.0, 0.5]])
    assert features.largest_words(scores, ["x", "y"], most=1) == "x: a\ny: the\n"
    assert features.largest_words(scores, ["x", "y"]) == "x: a film\ny: the a\n"
