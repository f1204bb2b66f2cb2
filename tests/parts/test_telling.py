"""A text that is told as it is drawn: the pieces add up to the text, come early, and none is taken back."""

import pytest
import torch

from deepcanon.parts.language_models import Stops, continuations
from deepcanon.parts.vocabulary import Vocabulary

LETTERS, WORDS = "the end of the theme.\n", "the cat sat on the mat\nthe dog ran\n"


def script(vocabulary, numbers):
    """A step that says the given tokens one after the other, whatever it is given."""
    table = torch.full((len(numbers) + 1, len(vocabulary)), -50.0)
    table[torch.arange(len(numbers)), torch.tensor(numbers)] = 50.0
    return lambda token, place: (table[place[:, 0]], place + 1)


def told(unit, text, written, prompt="", stop=()):
    vocabulary = Vocabulary.build(text, unit)
    numbers = vocabulary.encode(written).tolist()
    pieces: list[str] = []
    (found,) = continuations(
        script(vocabulary, numbers), torch.tensor([1]), torch.zeros(1, 1, dtype=torch.int64), vocabulary,
        torch.Generator().manual_seed(0), prompt=prompt, length=len(numbers), stop=stop, tell=pieces.append,
    )  # fmt: skip
    return pieces, found["text"]


@pytest.mark.parametrize("stop", [(), ("theme",), ("them", "end"), ("e.", "of th"), ("x",)])
@pytest.mark.parametrize("prompt", ["", "the "])
def test_the_pieces_add_up_to_the_text_whatever_ends_it(prompt, stop):
    pieces, whole = told("characters", LETTERS, LETTERS, prompt, stop)
    assert "".join(pieces) == whole and all(pieces)
    expected = prompt + LETTERS[: min((LETTERS.find(s) for s in stop if s in LETTERS), default=len(LETTERS))]
    assert whole == expected


def test_words_are_told_with_the_blanks_between_them():
    pieces, whole = told("words", WORDS, WORDS, prompt="the dog")
    assert "".join(pieces) == whole == "the dog " + WORDS
    assert pieces[:3] == ["the dog", " the", " cat"]
    pieces, whole = told("words", WORDS, WORDS, stop=("\nthe",))
    assert "".join(pieces) == whole == "the cat sat on the mat"


def test_only_what_may_become_a_stop_is_held_back():
    pieces, _ = told("characters", LETTERS, LETTERS, stop=("theme",))
    assert pieces == ["the ", *"end of ", "the "]  # "the" might have become "theme"
    stops = Stops(Vocabulary.build("abc"), ("abc",), 1)
    assert [stops.safe(text) for text in ("x", "xa", "xab", "xabb", "xabc", "xabcd")] == [
        "x",
        "x",
        "x",
        "xabb",
        "x",
        "x",
    ]
    assert stops.safe("x\ufffd") == "x", "half a character"


def test_several_texts_are_not_told():
    vocabulary = Vocabulary.build("ab")
    for options in ({"count": 2}, {"rank": 3}, {"beam": 2}):
        with pytest.raises(ValueError, match="only one text"):
            continuations(script(vocabulary, [1]), torch.tensor([1]), None, vocabulary, tell=print, **options)
