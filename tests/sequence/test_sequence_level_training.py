"""Sequence-level training: by enumeration of all sentences the estimator is right, and a baseline makes it calmer."""

import pytest
import torch
from oracles import sequence_level_training as oracle

from deepcanon.sequence import Baseline, drawn_words, mixer_terms, risk, sentence_bleu
from deepcanon.sequence.sequence_level_training import tail_words

WORDS, TIME = 3, 3
SENTENCES = torch.from_numpy(oracle.sentences(WORDS, TIME))
BEFORE = torch.cat([torch.zeros(len(SENTENCES), 1).long(), SENTENCES[:, :-1]], 1)
STATES = torch.nn.functional.one_hot(BEFORE + WORDS * torch.arange(TIME), WORDS * TIME).double()
"""What is known before each word of each sentence: its place and the word before."""


@pytest.fixture(scope="module")
def world():
    """Logits [time, previous word, word] and the reward of each of the 27 sentences."""
    random = torch.Generator().manual_seed(0)
    logits = torch.randn((TIME, WORDS, WORDS), generator=random, dtype=torch.float64).requires_grad_()
    return logits, torch.rand(len(SENTENCES), generator=random, dtype=torch.float64)


def log_probabilities(logits):
    """Of the words of all sentences [27, time]."""
    return logits.log_softmax(2)[torch.arange(TIME), BEFORE, SENTENCES]


def gradients(world, baselines):
    """The estimate that each sentence gives of minus the gradient of the expected reward [27, parameters]."""
    logits, rewards = world
    words, three, none = log_probabilities(logits), torch.tensor([TIME]), torch.tensor([0])
    found = []
    for row in range(len(SENTENCES)):
        one = slice(row, row + 1)
        terms = mixer_terms(words[one], three, none, rewards[one], baselines[one].detach())
        (gradient,) = torch.autograd.grad(TIME * terms.reinforce, logits, retain_graph=True)
        found.append(gradient.flatten())
    return torch.stack(found)


def fitted(world):
    """A baseline that has learned by eq. (4) from all sentences, each as often as the model writes it."""
    logits, rewards = world
    baseline, chances = Baseline(WORDS * TIME, dtype=torch.float64), log_probabilities(logits).sum(1).exp().detach()
    optimizer = torch.optim.SGD(baseline.parameters(), lr=0.1)
    for _ in range(400):
        optimizer.zero_grad()
        ((baseline(STATES) - rewards[:, None]).square().sum(1) * chances).sum().backward()
        optimizer.step()
    return baseline(STATES).detach()


def test_the_mean_of_the_estimator_is_the_enumerated_gradient_whatever_the_baseline(world):
    logits, rewards = world
    chances = log_probabilities(logits).sum(1).exp().detach()
    assert chances.sum().item() == pytest.approx(1)
    exact = -torch.from_numpy(oracle.expected_reward_gradient(logits.detach().numpy(), rewards.numpy())).flatten()
    for baselines in (torch.zeros(len(SENTENCES), TIME).double(), fitted(world), 7 * STATES[..., 4]):
        torch.testing.assert_close(chances @ gradients(world, baselines), exact, rtol=1e-10, atol=1e-12)


def test_a_mean_over_drawn_sentences_is_within_three_sigma(world):
    logits, rewards = world
    count, random = 20_000, torch.Generator().manual_seed(1)
    last, rows = torch.zeros(count).long(), torch.zeros(count).long()
    for step in range(TIME):
        numbers = torch.rand(count, generator=random, dtype=torch.float64)
        last = drawn_words(logits.detach()[step, last], numbers)
        rows = WORDS * rows + last
    exact = -torch.from_numpy(oracle.expected_reward_gradient(logits.detach().numpy(), rewards.numpy())).flatten()
    for baselines in (torch.zeros(len(SENTENCES), TIME).double(), fitted(world)):
        drawn = gradients(world, baselines)[rows]
        sigma = drawn.std(0) / count**0.5
        assert bool(((drawn.mean(0) - exact).abs() <= 3 * sigma + 1e-12).all())


def test_the_baseline_makes_the_estimator_less_noisy(world):
    logits, _ = world
    chances = log_probabilities(logits).sum(1).exp().detach()
    noise = []
    for baselines in (torch.zeros(len(SENTENCES), TIME).double(), fitted(world)):
        each = gradients(world, baselines)
        noise.append(float(chances @ each.square().sum(1) - (chances @ each).square().sum()))
    assert noise[1] < 0.5 * noise[0]


def test_a_baseline_that_sees_the_word_it_judges_is_wrong(world):
    """The planted bug: the state AFTER the word was drawn; the mean is then another gradient."""
    logits, rewards = world
    chances = log_probabilities(logits).sum(1).exp().detach()
    exact = -torch.from_numpy(oracle.expected_reward_gradient(logits.detach().numpy(), rewards.numpy())).flatten()
    after = torch.nn.functional.one_hot(SENTENCES, WORDS).double()[..., 0]
    assert (chances @ gradients(world, after) - exact).abs().max() > 0.05


def test_the_head_is_cross_entropy_and_the_boundary_lies_between():
    log_p = -torch.rand((2, 4), dtype=torch.float64)
    lengths, rewards, zero = torch.tensor([4, 2]), torch.tensor([0.5, 0.25]).double(), torch.zeros(2, 4).double()
    whole = mixer_terms(log_p, lengths, torch.tensor([9, 2]), rewards, zero)
    assert float(whole.cross_entropy) == pytest.approx(-float(log_p[0].sum() + log_p[1, :2].sum()) / 6)
    assert float(whole.reinforce) == float(whole.baseline) == 0
    none = mixer_terms(log_p, lengths, torch.tensor([0, 0]), rewards, zero)
    assert float(none.cross_entropy) == 0
    assert float(none.reinforce) == pytest.approx(-float(0.5 * log_p[0].sum() + 0.25 * log_p[1, :2].sum()) / 6)
    assert [tail_words(step, 10.0, 3) for step in (0, 9, 10, 25)] == [3, 3, 6, 9]


def test_no_gradient_flows_from_the_baseline_into_the_states_nor_from_reinforce_into_the_baseline():
    states = torch.randn(2, 3, 5, requires_grad=True)
    baseline = Baseline(5)
    assert baseline(states).flatten().tolist() == pytest.approx([0.01] * 6)
    log_p = torch.zeros(2, 3, requires_grad=True)
    lengths, heads, rewards = torch.tensor([3, 2]), torch.tensor([1, 0]), torch.tensor([0.3, 0.9])
    terms = mixer_terms(log_p, lengths, heads, rewards, baseline(states))
    terms.baseline.backward()
    assert states.grad is None and log_p.grad is None
    assert float(baseline.linear.bias.grad) == pytest.approx(2 * (2 * (0.01 - 0.3) + 2 * (0.01 - 0.9)) / 5)
    baseline.zero_grad(set_to_none=True)
    terms = mixer_terms(log_p, lengths, heads, rewards, baseline(states))
    terms.reinforce.backward()
    assert baseline.linear.bias.grad is None
    assert log_p.grad.flatten().tolist() == pytest.approx([0, -0.29 / 5, -0.29 / 5, -0.89 / 5, -0.89 / 5, 0])


def test_sentence_bleu_is_sacrebleus():
    bleu = pytest.importorskip("sacrebleu.metrics").BLEU(
        smooth_method="add-k", smooth_value=1, tokenize="none", effective_order=False
    )
    random = torch.Generator().manual_seed(2)
    for _ in range(200):
        found, reference = (
            torch.randint(4, (int(torch.randint(1, 9, (), generator=random)),), generator=random).tolist()
            for _ in range(2)
        )
        texts = [" ".join(map(str, row)) for row in (found, reference)]
        theirs = bleu.sentence_score(texts[0], [texts[1]]).score / 100
        assert sentence_bleu(found, reference) == pytest.approx(theirs, abs=1e-9)
    assert sentence_bleu([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]) == 1 and sentence_bleu([], [1]) == 0
    assert sentence_bleu([1, 1, 1, 1], [1, 2, 3, 4]) < sentence_bleu([1, 2, 3, 5], [1, 2, 3, 4])


def test_the_risk_of_all_sentences_at_alpha_one_is_the_expected_cost(world):
    logits, rewards = world
    whole = log_probabilities(logits).sum(1)[None]
    assert risk(whole, 1 - rewards[None], 1.0).item() == pytest.approx((whole.exp() * (1 - rewards)).sum().item())
    twice = torch.cat([whole, whole[:, :5]], 1)
    different = torch.arange(32)[None] < 27
    costs = torch.cat([1 - rewards, 1 - rewards[:5]])[None]
    assert risk(twice, costs, 0.5, different).item() == pytest.approx(risk(whole, 1 - rewards[None], 0.5).item())


@pytest.mark.parametrize(
    "call",
    [
        lambda: sentence_bleu([1], []),
        lambda: tail_words(1, 0.0, 3),
        lambda: risk(torch.zeros(2, 3), torch.zeros(2, 3), 0.0),
        lambda: mixer_terms(torch.zeros(2, 3), torch.ones(2).long(), torch.ones(2).long(), torch.zeros(2),
                            torch.zeros(2, 3)[:, :2]),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(call):
    with pytest.raises((ValueError, TypeError)):
        call()


def test_following_the_estimator_raises_the_expected_reward(world):
    """By sentences that are drawn, 64 a step, and a baseline that learns along."""
    logits, rewards = world[0].detach().clone().requires_grad_(), world[1]
    baseline, random = Baseline(WORDS * TIME, dtype=torch.float64), torch.Generator().manual_seed(4)
    optimizer = torch.optim.SGD([logits, *baseline.parameters()], lr=1.0)

    def expected():
        return (log_probabilities(logits).sum(1).exp() @ rewards).item()

    before = expected()
    for _ in range(200):
        chances = log_probabilities(logits).sum(1).exp().detach()
        rows = torch.multinomial(chances, 64, replacement=True, generator=random)
        three, none = torch.full((64,), TIME), torch.zeros(64).long()
        terms = mixer_terms(log_probabilities(logits)[rows], three, none, rewards[rows], baseline(STATES[rows]))
        optimizer.zero_grad()
        (3 * terms.reinforce + 0.1 * terms.baseline).backward()
        optimizer.step()
    assert expected() > before + 0.5 * (rewards.max().item() - before)
