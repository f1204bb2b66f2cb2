"""AG News as pairs: the cut, the signs of HTML, and the baselines that the first words of a description give."""

import re
from collections import Counter

import pytest

from deepcanon.data import DataError, open_data
from deepcanon.data.headlines import plain


def opened(**options):
    return open_data(("pairs",), "ag-news-headlines", options={"pairs": {"longest": 200, **options}})


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"Oil hits  #36;50\as Iraq #39;s exports stop", "Oil hits $50 as Iraq's exports stop"),
        ("&lt;DELL.O&gt; and &#39;more&#39;", "<DELL.O> and 'more'"),
        ("Johnson  amp; Johnson,  quot;a win quot;", 'Johnson & Johnson, "a win "'),
        ("Vol. #36; lamp; and 12#39;s", "Vol. $ lamp; and 12's"),
    ],
)
def test_signs_of_html_are_read_as_what_they_stand_for(written, read):
    assert plain(written) == read


def f_of_words(found, wanted):
    """ROUGE-1 from its definition, without the package."""
    ours, theirs = (Counter(re.findall(r"[^\W_]+", text.lower())) for text in (found, wanted))
    shared = sum(min(count, theirs[word]) for word, count in ours.items())
    precision, recall = shared / max(1, ours.total()), shared / max(1, theirs.total())
    return 2 * precision * recall / (precision + recall) if shared else 0.0


@pytest.mark.real_data("ag-news")
def test_the_cut_and_the_first_words_of_a_description():
    data = opened()
    assert data.counts() == {"train": 6100, "valid": 500, "test": 1000}
    assert data["train"].targets[0] == "Fears for T N pension after talks"
    assert "'disappointed'" in data["train"].x[0] and not any("#39;" in text for text in data["train"].x)
    assert any("the class is not read" in note for note in data.notes)
    test = data["test"]
    for count, score in ((8, 0.1918), (12, 0.2097)):
        leads = [" ".join(text.split()[:count]) for text in test.x]
        scores = [f_of_words(lead, title) for lead, title in zip(leads, test.targets, strict=True)]
        assert sum(scores) / len(scores) == pytest.approx(score, abs=5e-4)


@pytest.mark.real_data("ag-news")
def test_sides_and_limits_of_its_own():
    with pytest.raises(DataError, match="has no side 'class'; leave --source out"):
        opened(source="class")
    with pytest.raises(DataError, match=r"has a source of .* words and signs, more than the model's limit of 100"):
        opened(longest=100)
