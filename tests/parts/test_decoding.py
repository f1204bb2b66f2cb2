"""Beam search: exhaustive when wide, batched = single, greedy when narrow, monotone on average; samples."""

import numpy as np
import pytest
import torch
from oracles import decoding as oracle

from deepcanon.parts.decoding import beam_search, largest, sample_sequence
from deepcanon.sequence import RecurrentLM

V, T = 5, 6


def tables(count, seed=0, sharp=1.5):
    a = np.random.default_rng(seed).normal(size=(count, T, V, V)) * sharp
    return torch.from_numpy(a - np.log(np.exp(a).sum(-1, keepdims=True)))


def search(table, beam, **options):
    def step(tokens, state):
        mine, t = state
        return mine[torch.arange(len(tokens)), t, tokens], (mine, t + 1)

    state = (table, torch.zeros(len(table), dtype=torch.int64))
    return beam_search(step, torch.zeros(len(table), dtype=torch.int64), state, beam=beam, length=T, **options)


def result(found, row, k=0):
    return tuple(found.tokens[row, k, : found.lengths[row, k]].tolist())


@pytest.mark.parametrize(("end", "alpha"), [(None, 0.0), (1, 0.0), (1, 0.8)])
def test_a_beam_of_all_prefixes_is_exhaustive(end, alpha):
    table = tables(2)
    found = search(table, V ** (T - 1), end=end, alpha=alpha)
    for row in range(2):
        score, tokens = oracle.enumerate_all(table[row].numpy(), 0, T, end, alpha)[0]
        assert result(found, row) == tokens
        assert float(found.scores[row, 0]) == pytest.approx(score, abs=1e-12)


@pytest.mark.parametrize(("end", "alpha", "beam"), [(None, 0.0, 4), (1, 0.0, 4), (1, 0.7, 3)])
def test_batched_equals_single_equals_lists(end, alpha, beam):
    table = tables(6, seed=1)
    found = search(table, beam, end=end, alpha=alpha)
    for row in range(6):
        alone = search(table[row : row + 1], beam, end=end, alpha=alpha)
        assert torch.equal(alone.tokens[0], found.tokens[row]) and torch.equal(alone.scores[0], found.scores[row])
        expected = oracle.sutskever(table[row].numpy(), 0, T, beam, end, alpha)
        assert [result(found, row, k) for k in range(len(expected))] == [tokens for _, tokens in expected]
        np.testing.assert_allclose(found.scores[row, : len(expected)], [s for s, _ in expected], atol=1e-12)


@pytest.mark.parametrize("end", [None, 1])
def test_beam_of_one_is_greedy(end):
    table = tables(20, seed=2)
    found = search(table, 1, end=end)

    def step(tokens, state):
        mine, t = state
        return mine[torch.arange(len(tokens)), t, tokens], (mine, t + 1)

    state = (table, torch.zeros(20, dtype=torch.int64))
    greedy, scores = sample_sequence(step, torch.zeros(20, dtype=torch.int64), state, T, temperature=0.0, end=end)
    width = greedy.shape[1]
    assert torch.equal(found.tokens[:, 0, :width], greedy)
    torch.testing.assert_close(found.log_probs[:, 0], scores)


def test_n_best_are_different_ordered_and_their_scores_are_their_log_probabilities():
    table = tables(8, seed=3)
    found = search(table, 10, end=1)
    for row in range(8):
        many = int((found.scores[row] > -torch.inf).sum())
        sequences = [result(found, row, k) for k in range(many)]
        assert len(set(sequences)) == many
        assert bool((found.scores[row].diff()[: many - 1] <= 0).all())
        for k, tokens in enumerate(sequences):
            previous, total = 0, 0.0
            for t, token in enumerate(tokens):
                total += float(table[row, t, previous, token])
                previous = token
            assert float(found.log_probs[row, k]) == pytest.approx(total, abs=1e-12)


def test_the_score_grows_with_the_width_on_average():
    table = tables(200, seed=4)
    means = [float(search(table, beam, end=1).scores[:, 0].mean()) for beam in (1, 2, 4, 16)]
    assert means == sorted(means) and means[-1] > means[0]


def test_finished_hypotheses_stay_comparable_and_the_length_penalty_decides():
    # Ending at once has 0.4; going on has 0.6, and then 0.6 again.
    first = torch.tensor([[0.0, 0.4, 0.6]]).log()
    later = torch.tensor([[0.0, 0.6, 0.4]]).log()

    def step(tokens, state):
        return (first if int(state[0, 0]) == 0 else later).expand(len(tokens), 3), state + 1

    for alpha, expected in ((0.0, (1,)), (2.0, (2, 1))):
        start = torch.zeros(1, dtype=torch.int64)
        found = beam_search(step, start, torch.zeros(1, 1), beam=3, length=5, end=1, alpha=alpha)
        assert result(found, 0) == expected


def test_logits_and_forbidden_tokens_and_nested_states():
    model = RecurrentLM(7, 6, layers=2, dtype=torch.float64)
    start = torch.tensor([1, 2, 3])
    plain = beam_search(
        lambda tokens, state: (model.step(tokens, state)[0].log_softmax(-1), model.step(tokens, state)[1]),
        start, model.start(3), beam=4, length=5, end=0, forbidden=[2], state_axis=1,
    )  # fmt: skip
    quick = beam_search(
        model.step, start, model.start(3), beam=4, length=5, end=0, forbidden=[2], logits=True, state_axis=1
    )
    assert torch.equal(plain.tokens, quick.tokens)
    torch.testing.assert_close(plain.scores, quick.scores)
    assert not bool((plain.tokens == 2).any())
    with pytest.raises(ValueError, match="beam 0"):
        beam_search(model.step, start, model.start(3), beam=0, length=2)


def test_samples_have_the_models_frequencies_and_their_own_log_probability():
    table = torch.tensor([0.5, 0.3, 0.2]).log()
    step = lambda tokens, state: (table.expand(len(tokens), 3), state)  # noqa: E731
    start = torch.zeros(4000, dtype=torch.int64)
    drawn, scores = sample_sequence(step, start, (), 2, torch.Generator().manual_seed(0))
    share = torch.bincount(drawn[:, 1], minlength=3) / 4000
    torch.testing.assert_close(share, table.exp(), atol=0.03, rtol=0)
    torch.testing.assert_close(scores, table.double()[drawn].sum(1))
    again, _ = sample_sequence(step, start, (), 2, torch.Generator().manual_seed(0))
    assert torch.equal(drawn, again)


@pytest.mark.parametrize("size", [7, 64, 64 * 40, 64 * 40 + 1, 64 * 40 + 63])
@pytest.mark.parametrize("count", [1, 3, 5])
def test_the_largest_are_found_by_blocks(size, count):
    scores = torch.randn(9, size, generator=torch.Generator().manual_seed(size))
    scores[1] = scores[1].sort().values  # all in one block, at the end
    scores[2] = scores[2].sort(descending=True).values
    scores[3, :-count] = -torch.inf
    scores[4, 3] = torch.inf
    for mine, theirs in zip(largest(scores, count), scores.topk(count, 1), strict=True):
        assert torch.equal(mine, theirs)
    equal = torch.zeros(2, size)  # which of equal ones are found is left open, that they are different is not
    values, places = largest(equal, count)
    assert torch.equal(values, torch.zeros(2, count)) and all(len(set(row)) == count for row in places.tolist())
