import pytest
import torch
from jaxtyping import TypeCheckError

from deepcanon.representation import mutual_information as system_file
from deepcanon.representation import ppmi, shifted_pmi
from deepcanon.representation.mutual_information import CooccurrenceCounts, cooccurrences, pmi_fit
from deepcanon.representation.word2vec import skip_gram_pairs

REFUSED = (ValueError, TypeCheckError)  # the second where the tests' check of shapes is first


def test_drawn_windows_have_the_expected_counts():
    words, sentences = torch.arange(30) % 7, torch.arange(30) // 10
    expected = cooccurrences(words, sentences, 4, 7)
    table = torch.zeros(7, 7, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    for _ in range(2000):
        pairs = skip_gram_pairs(words, sentences, torch.randint(1, 5, (30,), generator=generator))
        table += torch.bincount(pairs[0] * 7 + pairs[1], minlength=49).view(7, 7)
    torch.testing.assert_close(table[expected.words, expected.near] / 2000, expected.counts, rtol=0.1, atol=0.03)


def test_words_that_meet_by_chance_have_none():
    """Independent words: PMI 0; k noise words from the unigrams shift it by log k; a rare meeting is cut to 0."""
    frequencies = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    places = torch.cartesian_prod(torch.arange(3), torch.arange(3)).T
    pairs = CooccurrenceCounts(*places, torch.outer(frequencies, frequencies).flatten() * 1000)
    torch.testing.assert_close(ppmi(pairs, 3), torch.zeros(9, dtype=torch.float64))
    torch.testing.assert_close(shifted_pmi(pairs, frequencies, 4.0), torch.full((9,), 0.25, dtype=torch.float64).log())
    rare = pairs._replace(counts=pairs.counts * torch.where(places[0] == places[1], 2.0, 1.0))
    assert bool((ppmi(rare, 3) >= 0).all()) and bool((shifted_pmi(rare, frequencies) < 0).any())
    torch.testing.assert_close(ppmi(pairs, 5), ppmi(pairs, 3))


def test_texts_of_any_length():
    nothing, alone = torch.zeros(0, dtype=torch.long), torch.zeros(1, dtype=torch.long)
    for words in (nothing, alone):
        assert not len(cooccurrences(words, words, 3, 1).counts)
    with pytest.raises(REFUSED):
        cooccurrences(torch.zeros(3, dtype=torch.long), torch.zeros(2, dtype=torch.long), 3, 4)


def test_scores_are_compared_with_the_theorem_over_the_frequent_pairs(monkeypatch):
    words, sentences = torch.randint(0, 9, (400,)), torch.arange(400) // 10
    pairs, noise = cooccurrences(words, sentences, 3, 9), torch.full((9,), 1 / 9, dtype=torch.float64)
    table = torch.zeros(9, 9, dtype=torch.float64)
    table[pairs.words, pairs.near] = shifted_pmi(pairs, noise, 5.0)
    for rows in (10_000, 7):
        monkeypatch.setattr(system_file, "ROWS", rows)
        fit = pmi_fit(lambda w, c: 2 * table[w, c], pairs, noise, 5.0)  # ranks alone count
        assert fit.correlation == pytest.approx(1) and fit.pairs == len(pairs.counts)
        assert pmi_fit(lambda w, c: -table[w, c], pairs, noise, 5.0).correlation == pytest.approx(-1)
    often = pmi_fit(lambda w, c: table[w, c], pairs, noise, 5.0, least=15.0)
    assert often.pairs == int((pairs.counts >= 15).sum()) < len(pairs.counts)
    assert tuple(pmi_fit(lambda w, c: table[w, c], pairs, noise, 5.0, least=1e9)) == (0.0, 0)
