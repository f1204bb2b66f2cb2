"""Generated pairs: their alignment and known scores, computed without their files."""

import itertools
import math

import pytest

from deepcanon.data import DataError, open_data
from deepcanon.data.tasks import rare_names


def opened(name, seed=0, **options):
    return open_data(("pairs",), name, seed=seed, options={"pairs": options})


def test_reverse_copy():
    data = opened("reverse-copy", words=6)
    for split in data.splits.values():
        for source, target in zip(split.x, split.targets, strict=True):
            assert target.split() == source.split()[::-1] and len(source.split()) <= 6
    exact, aligned = data.known
    assert aligned.floor == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4 + 1 / 5 + 1 / 6) / 6)
    assert exact.floor == pytest.approx(sum(60.0**-n for n in range(1, 7)) / 6)
    assert len({word for source in data["train"].x for word in source.split()}) == 60


def phrases(source):
    """A sentence cut before each noun, by another way than the file's."""
    found = []
    for word in source.split():
        if word.endswith("na"):
            found.append([])
        found[-1].append(word)
    return found


def test_lexical_translation_is_a_permutation_of_a_dictionary():
    data = opened("lexical-translation")
    words, alignment = data.truth["dictionary"], data.truth["alignment"]
    assert len(set(words.values())) == len(words) == 100
    for split in data.splits.values():
        for source, target in zip(split.x[:200], split.targets[:200], strict=True):
            turned = list(itertools.chain.from_iterable(phrase[::-1] for phrase in phrases(source)))
            assert [words[word] for word in turned] == target.split()
            places = alignment(source.split())
            assert [source.split()[place] for place in places] == turned
            assert sorted(places) == list(range(len(places)))
    assert opened("lexical-translation", seed=1).truth["dictionary"] != words


def test_lexical_translation_is_tested_on_longer_sentences():
    data = opened("lexical-translation", words=5)
    lengths = {name: {len(source.split()) for source in split.x} for name, split in data.splits.items()}
    assert lengths == {"train": {2, 3, 4, 5}, "valid": {2, 3, 4, 5}, "test": {6, 7, 8, 9, 10}}
    assert data.known[0].floor == pytest.approx((1 / 6 + 1 / 7 + 1 / 8 + 1 / 9 + 1 / 10) / 5)
    assert not set(data["train"].x) & set(data["test"].x)


def test_places_are_not_told_by_the_number_of_the_word_alone():
    """Where each target word looks depends on the words: no fixed order has even half of the places right."""
    data = opened("lexical-translation")
    alignment, counts = data.truth["alignment"], {}
    for source in data["valid"].x:
        for t, place in enumerate(alignment(source.split())):
            counts.setdefault(t, {}).setdefault(place, 0)
            counts[t][place] += 1
    best = sum(max(of.values()) for of in counts.values()) / sum(sum(of.values()) for of in counts.values())
    assert best < 0.6


@pytest.mark.parametrize("options", [{"source": "de"}, {"longest": 9}])
def test_options_that_do_not_fit(options):
    with pytest.raises(DataError):
        opened("reverse-copy", **options)


def test_rare_names_occur_in_one_example_each_and_are_told_again():
    data = opened("rare-names")
    templates = {text for pair in rare_names.TEMPLATES for text in pair}
    owners, seen = {}, set()
    for split, part in data.splits.items():
        for row, (source, target) in enumerate(zip(part.x, part.targets, strict=True)):
            names = [word for word in source.split() if word[0].isupper()]
            assert 2 <= len(names) == len(set(names)) <= 3
            for name in names:
                assert name not in owners, f"{name} is in {owners.get(name)} and in {split}"
                owners[name] = split, row
            letters = dict(zip(names, "AC" if "waited for" in source else "ABC", strict=False))
            told = " ".join(letters.get(word, word) for word in target.split())
            assert told in templates and {word for word in target.split() if word[0].isupper()} <= set(names)
            seen.add(told)
    assert seen == {told for _, told in rare_names.TEMPLATES}
    assert data.counts() == {"train": 6000, "valid": 500, "test": 1000} and len(owners) > 15_000
    assert opened("rare-names", seed=1)["train"].x != data["train"].x
    words = {word for text in data["train"].targets for word in text.split() if not word[0].isupper()}
    assert all(word in words or word in owners for text in data["test"].targets for word in text.split())


def test_a_noisy_counter_counts_and_forgets_its_noise():
    data = opened("noisy-counter")
    wrong = steps = 0
    for split in data.splits.values():
        for source, target in zip(split.x, split.targets, strict=True):
            _, start, _, stride = source.split()
            count, written = int(start), target.split()
            assert len(written) == 100 and stride in "123"
            for place, word in enumerate(written):
                count = (count + int(stride)) % 10
                wrong += word != str(count)
                assert data.truth["counted"](source.split())[place] == str(count)
            steps += 100
    assert wrong / steps == pytest.approx(0.1, abs=5 * (0.09 / steps) ** 0.5)
    nll, drift = data.known
    chances = [0.9, *[0.1 / 9] * 9]
    assert nll.optimum == pytest.approx(100 / 101 * -sum(p * math.log(p) for p in chances))
    assert nll.floor == pytest.approx(100 / 101 * -sum(math.log(1 / 10) / 10 for _ in range(10)))
    assert drift.floor == pytest.approx(9 / 10) and drift.optimum == 0
    assert opened("noisy-counter", seed=1)["train"].targets != data["train"].targets


@pytest.mark.parametrize("name", ["reverse-copy", "lexical-translation", "rare-names", "noisy-counter"])
def test_as_many_pairs_as_asked(name):
    """A tenth as many to validate and to test on."""
    assert {split: len(some.x) for split, some in opened(name, pairs=40).splits.items()} == {
        "train": 40,
        "valid": 4,
        "test": 4,
    }
