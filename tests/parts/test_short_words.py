"""Words by a table of keys, and by expressions for ASCII alone: what a dictionary and the general expressions give."""

import itertools
import random

from deepcanon.parts import vocabulary
from deepcanon.parts.bag_of_words import any_word, words_of
from deepcanon.parts.short_words import ShortWords
from deepcanon.parts.vocabulary import Vocabulary
from deepcanon.parts.word_numbers import WordNumbers, any_mark

RANDOM = random.Random(0)
BLANKS = " \n\t\r\v\f\x1c\x1d\x1e\x1f"


def drawn(letters, count, longest=12):
    return ["".join(RANDOM.choices(letters, k=RANDOM.randint(1, longest))) for _ in range(count)]


def test_words_of_any_length_and_between_any_blanks_have_the_numbers_of_the_dictionary():
    known = dict.fromkeys([*drawn("ab", 900), *drawn("abc!~\x7f", 900), "é", "a\0b"])
    numbers = {word: number for number, word in enumerate(known, 1)}
    lookup = ShortWords(numbers)
    for count in (0, 1, 3, 2000):
        words = RANDOM.choices(
            [*(word for word in numbers if word.isascii() and "\0" not in word), "zz", "z" * 9], k=count
        )
        text = "".join(word + "".join(RANDOM.choices(BLANKS, k=RANDOM.randint(1, 3))) for word in words)
        for cut in (text, "\n" + text, text.rstrip()):
            parts = cut.replace("\n", " \0 ").split()
            assert lookup(cut).tolist() == [-1 if part == "\0" else numbers.get(part, 0) for part in parts]


def test_keys_that_share_a_place_are_told_apart():
    """With one place for a word most words find another one there: the last are looked up in the dictionary."""
    numbers = {word: number for number, word in enumerate(dict.fromkeys(drawn("abcdefgh", 3000, 8)), 1)}
    lookup = ShortWords(numbers)
    lost = [
        lookup.keys[table[(lookup.keys[:-1] * m) >> shift]] != lookup.keys[:-1] for m, shift, table in lookup.tables
    ]
    assert all(one.any() for one in lost[:2])
    assert lookup(" ".join(numbers)).tolist() == list(numbers.values())


def test_a_long_text_is_encoded_as_in_short_pieces(monkeypatch):
    text = "a rose is\n\n a rose unforgettable\r\ntulips </s> <unk>\n  \nis" * 40
    known = Vocabulary.build("a rose is unforgettable", "words")
    for end in (text, text + "\n", text + "é"):
        expected = known.encode(end)
        with monkeypatch.context() as patch:
            patch.setattr(vocabulary, "LONG", 1)
            assert known.encode(end).tolist() == expected.tolist()
            pieces = [*known.encode_pieces([end[:60], end[60:]], closed=False)]
        assert [n for piece in pieces for n in piece.tolist()] == [
            n for piece in known.encode_pieces([end[:60], end[60:]], closed=False) for n in piece.tolist()
        ]


def test_words_of_ascii_are_those_of_all_texts():
    signs = "aZ0_'-\x1c\x7f \n"
    for letters in itertools.product(signs, repeat=4):
        text = "".join(letters)
        assert words_of(text) == any_word().findall(text.lower())
        assert WordNumbers([]).split(text) == any_mark().findall(text.lower())
