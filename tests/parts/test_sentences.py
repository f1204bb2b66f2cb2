"""A text as words and sentence numbers: what is left out, shuffled, cut and thinned."""

import torch

from deepcanon.parts.sentences import sentences_of, shuffled, stretch, thinned

UNKNOWN, END = 0, 1
TOKENS = torch.tensor([2, 3, UNKNOWN, END, 4, END, UNKNOWN, END, 5, 2])


def test_unknown_words_and_ends_are_left_out_and_sentences_counted():
    text = sentences_of(TOKENS, 2, END)
    assert text.words.tolist() == [2, 3, 4, 5, 2]
    assert text.numbers.tolist() == [0, 0, 1, 3, 3]  # the third sentence has no known word


def test_shuffling_keeps_sentences_together():
    text = sentences_of(TOKENS, 2, END)
    seen = set()
    for seed in range(40):
        mixed = shuffled(text, torch.Generator().manual_seed(seed))
        assert bool((mixed.numbers.diff() >= 0).all())
        parts = [tuple(mixed.words[mixed.numbers == n].tolist()) for n in mixed.numbers.unique()]
        assert sorted(parts) == [(2, 3), (4,), (5, 2)]
        seen.add(tuple(parts))
    assert len(seen) == 6
    nothing = sentences_of(TOKENS[:0], 2, END)
    assert not len(shuffled(nothing).words)


def test_stretches_and_thinning():
    text = sentences_of(TOKENS, 2, END)
    assert [part.tolist() for part in stretch(text, 3, 9)] == [[5, 2], [3, 3]]
    kept = torch.tensor([0, 0, 1.0, 0.0, 0.5, 1.0])
    counts = sum(thinned(text, kept, torch.Generator().manual_seed(n)).words.bincount(minlength=6) for n in range(400))
    assert counts[[2, 3, 5]].tolist() == [800, 0, 400] and 150 < int(counts[4]) < 250
    assert [part.tolist() for part in thinned(text, torch.ones(6))] == [part.tolist() for part in text]
