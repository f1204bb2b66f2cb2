"""What exported models say of words is enough to find them again in another program."""

import json
import re
from collections import Counter

import pytest

from deepcanon.parts.bag_of_words import BagOfWords
from deepcanon.parts.story_words import any_word, split_words
from deepcanon.parts.tokenization import token_pattern, tokenize
from deepcanon.parts.word_numbers import KINDS, WordNumbers

TEXTS = [
    "A rose is a rose, don't you think? 3.5 x_y",
    "Ein Käfer läuft schnell – l’été!",
    "यह फिल्म बहुत अच्छी है।",
    "我喜歡這部電影。",
    "",
]


def found_again(said, text):
    words = re.findall(said["pattern"], text.lower())
    return words[: said["longest"]] if said["longest"] else words


@pytest.mark.parametrize("options", [{}, {"order": 2}, {"blanks": True}, {"longest": 3, "order": 3}])
def test_counts_by_the_description_are_those_of_the_bag(options):
    bag = BagOfWords.build(TEXTS, 1000, **options)
    said = json.loads(json.dumps(bag.describe()))
    for text, ours in zip(TEXTS, bag.counts(bag.pack(TEXTS)).tolist(), strict=True):
        words = found_again(said, text)
        runs = Counter(
            " ".join(words[at : at + n]) for n in range(1, said["order"] + 1) for at in range(len(words) - n + 1)
        )
        assert ours == [runs[word] for word in said["words"]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("longest", [0, 2])
def test_numbers_by_the_description_are_those_of_the_words(kind, longest):
    numbers = WordNumbers.build(TEXTS[:4], kind, longest=longest)
    said = json.loads(json.dumps(numbers.describe()))
    place = {word: said["first"] + at for at, word in enumerate(said["words"])}
    for text in [*TEXTS, "A tulip, 你 है"]:
        assert numbers.encode(text).tolist() == [place.get(w, said["unknown"]) for w in found_again(said, text)]


@pytest.mark.parametrize("text", [*TEXTS, "T-Shirt-Träger <unk> it's", "it's a <unk> T-shirt"])
def test_patterns_of_sentences_and_stories_find_what_is_read(text):
    assert re.findall(token_pattern(), text) == tokenize(text)
    assert [word.lower() for word in any_word().findall(text)] == split_words(text)


def test_patterns_are_written_in_ascii_but_for_their_scripts():
    for pattern in (token_pattern(), any_word().pattern):
        assert not re.search(r"[\u0300-\u036f\u0900-\u0dff]", pattern)
