"""Words of scripts with marks and of scripts without blanks are never cut at a mark."""

import re
import unicodedata

import pytest

from deepcanon.parts.bag_of_words import words_of
from deepcanon.parts.rouge import words_of as scored_words
from deepcanon.parts.story_words import split_words
from deepcanon.parts.tokenization import detokenize, tokenize
from deepcanon.parts.word_expressions import UNSPACED, marks, sign_pattern
from deepcanon.parts.word_numbers import WordNumbers

SPLITTERS = {
    "tokenize": tokenize,
    "words_of": words_of,
    "scored_words": scored_words,
    "split_words": split_words,
    "letters": WordNumbers([], "letters").split,
    "marks": WordNumbers([]).split,
}
SPACED = {
    "Hindi": "हिन्दी में लिखा है",
    "Bengali": "বাংলা ভাষা",
    "Tamil": "தமிழ் மொழி",
    "pointed Hebrew": "שָׁלוֹם עולם",
    "vocalised Arabic": "مُحَمَّد كتاب",
    "Persian with a joiner apart": "می\u200cخواهم بروم",
    "decomposed French": "cafe\u0301 nai\u0308ve",
    "decomposed Vietnamese": unicodedata.normalize("NFD", "tiếng việt"),
    "Korean": "한국어 영화",
}
UNBROKEN = {
    "Chinese": ["我", "喜", "歡", "𠀀"],
    "Thai": ["ที่", "นี่", "ดี"],
    "decomposed Japanese": ["か\u3099", "く"],
    "Khmer": ["ភា", "សា"],
}


@pytest.mark.parametrize("split", SPLITTERS.values(), ids=SPLITTERS)
@pytest.mark.parametrize("text", SPACED.values(), ids=SPACED)
def test_words_with_marks_are_whole(split, text):
    assert split(text) == text.split()


@pytest.mark.parametrize("split", SPLITTERS.values(), ids=SPLITTERS)
@pytest.mark.parametrize("letters", UNBROKEN.values(), ids=UNBROKEN)
def test_scripts_without_blanks_have_a_word_for_each_letter_with_its_marks(split, letters):
    assert split("".join(letters)) == letters


def test_translations_into_such_scripts_come_back():
    for text in [*SPACED.values(), *map("".join, UNBROKEN.values())]:
        assert detokenize(tokenize(text)) == text


def test_the_apostrophe_of_print_joins_as_the_other_does():
    assert words_of("Don’t stop") == ["don’t", "stop"]
    assert WordNumbers([]).split("it’s, 3") == ["it’s", ",", "3"]


def test_emoji_of_several_code_points_are_one_sign():
    signs = ["👩\u200d👧", "❤\ufe0f", "👍🏽", "🇩🇪", "🇫🇷"]
    assert WordNumbers([]).split("".join(signs)) == signs
    assert re.findall(sign_pattern(), "a, b_!") == [",", "!"]


def test_a_mark_that_follows_nothing_is_a_sign():
    assert tokenize("\u0301abc") == ["\u0301", "abc"]


def test_marks_are_those_of_the_unicode_standard():
    expression = re.compile(f"[{marks()}]")
    for point in range(0x10000):
        letter = chr(point)
        assert bool(expression.match(letter)) == (unicodedata.category(letter) in ("Mn", "Mc", "Me")), hex(point)


def test_letters_outside_ascii_of_spaced_scripts_make_words():
    unspaced = re.compile(f"[{UNSPACED}]")
    for point in range(0x80, 0x10000):
        letter = chr(point)
        if letter.isalpha() and not unspaced.match(letter) and letter.lower() == letter:
            assert words_of(f"{letter}{letter} x") == [letter * 2, "x"], hex(point)
