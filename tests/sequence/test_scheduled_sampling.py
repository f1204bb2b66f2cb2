"""Scheduled sampling: coins of tokens, words drawn after mixed histories, one pass that sees the same distributions."""

import math

import pytest
import torch

import deepcanon
from deepcanon.sequence import AttentionSeq2Seq, Seq2Seq, drawn_words, mixed, true_share
from deepcanon.sequence.scheduled_sampling import exponential, halved_after, inverse_sigmoid, linear


def translators():
    torch.manual_seed(0)
    yield Seq2Seq(7, 6, 5, embedding_size=4, peeky=True).double().eval()
    for form in ("bahdanau", "luong"):
        yield AttentionSeq2Seq(7, 6, 5, embedding_size=4, form=form).double().eval()


def sentences(batch=64, time=7):
    random = torch.Generator().manual_seed(1)
    source = torch.randint(7, (batch, 4), generator=random)
    lengths = torch.randint(1, 5, (batch,), generator=random)
    inputs = torch.randint(6, (batch, time), generator=random)
    numbers = torch.rand((batch, time), generator=random, dtype=torch.float64)
    return source, lengths, inputs, numbers, random


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_words_are_drawn_from_what_the_one_pass_says_after_the_mixed_words(share):
    """A drawn word is what its number says of the distribution that the pass with gradients computes at its place."""
    source, lengths, inputs, numbers, random = sentences()
    keep = torch.rand(inputs.shape, generator=random) < share
    for module in translators():
        read = mixed(module.step, module.start(source, lengths), inputs, keep, numbers)
        probabilities = module.output(module(source, lengths, read)[0]).softmax(-1)
        assert probabilities.requires_grad and not read.is_floating_point()
        own = ~keep[:, 1:]
        before = probabilities.detach()[:, :-1]
        chance = before.gather(2, read[:, 1:, None])[..., 0]
        high = before.cumsum(-1).gather(2, read[:, 1:, None])[..., 0]
        drawn = numbers[:, 1:]
        assert bool(((high - chance - 1e-12 <= drawn) & (drawn <= high + 1e-12))[own].all())
        assert torch.equal(read[:, 0], inputs[:, 0])
        assert torch.equal(read[:, 1:][~own], inputs[:, 1:][~own])
        assert own.float().mean().item() == pytest.approx(1 - share, abs=0.1)


def test_coins_are_of_tokens_not_of_sentences():
    """With equal logits and half of the coins, within one sentence some words are kept and others drawn."""
    random = torch.Generator().manual_seed(2)
    inputs = torch.full((50, 40), 9)
    keep = torch.rand(inputs.shape, generator=random) < 0.5
    numbers = torch.rand(inputs.shape, generator=random)
    read = mixed(lambda words, state: (torch.zeros(len(words), 9), state), (), inputs, keep, numbers)
    kept = (read[:, 1:] == 9).float().mean(1)
    assert bool(((kept > 0.15) & (kept < 0.85)).all()), "a coin for each sentence would give 0 or 1"


def test_what_is_drawn_is_a_sample_and_not_the_likeliest_word():
    logits = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64).log().expand(20_000, 3)
    numbers = torch.rand(20_000, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    shares = drawn_words(logits, numbers).bincount(minlength=3) / 20_000
    assert shares.tolist() == pytest.approx([0.5, 0.3, 0.2], abs=4 * math.sqrt(0.25 / 20_000))
    ends = torch.tensor([0.0, 1.0 - 1e-16], dtype=torch.float64)
    assert drawn_words(logits[:2].float(), ends).tolist() == [0, 2]


def test_no_gradient_flows_through_the_drawing():
    source, lengths, inputs, numbers, _ = sentences(batch=3)
    for module in translators():
        keep = torch.zeros(inputs.shape, dtype=torch.bool)
        read = mixed(module.step, module.start(source, lengths), inputs, keep, numbers)
        given, grads = read.clone(), []
        for words in (read, given):
            module.zero_grad()
            module.output(module(source, lengths, words)[0]).log_softmax(-1)[..., 1].sum().backward()
            grads.append([p.grad.clone() for p in module.parameters() if p.grad is not None])
        assert all(torch.equal(one, other) for one, other in zip(*grads, strict=True))


def test_the_share_of_true_words_falls_from_one():
    for decay in ("linear", "exponential", "inverse-sigmoid"):
        shares = [true_share(decay, step, 500.0) for step in range(0, 2000, 25)]
        assert shares[0] == pytest.approx(1, abs=0.01) and shares[20] == pytest.approx(0.5)
        assert shares == sorted(shares, reverse=True) and shares[-1] < 0.1
        assert min(true_share(decay, step, 500.0, 0.25) for step in (0, 900, 10**6)) == 0.25
    assert inverse_sigmoid(10**9, 2.0) == 0 and linear(10**9, 0.1, 0.2) == 0.2 and exponential(0, 0.0) == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda: linear(-1, 0.1),
        lambda: linear(1, 0.1, 0.9, 0.5),
        lambda: exponential(1, 1.0),
        lambda: inverse_sigmoid(1, 0.5),
        lambda: halved_after("linear", 0.0),
        lambda: drawn_words(torch.zeros(2, 3), torch.zeros(3)),
        lambda: mixed(
            lambda words, state: (words, state),
            (),
            torch.zeros(2, 3).long(),
            torch.ones(2, 2).bool(),
            torch.zeros(2, 3),
        ),
    ],
)
def test_what_does_not_fit_is_refused(call):
    with pytest.raises((ValueError, TypeError)):
        call()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Of few pairs: each is a hundred numbers."""
    out = tmp_path_factory.mktemp("counter") / "r"
    options = {"hidden": 8, "embedding": 4, "batch": 4, "half": 0.01, "evaluate_every": 3, "pairs": 160}
    return deepcanon.train(
        "scheduled-sampling", data="noisy-counter", out=out, steps=2, threads=1, quiet=True, **options
    )


def test_drift_is_one_minus_chance_of_an_untrained_model_and_nothing_of_one_that_counts(run):
    measured = run.evaluate("valid")
    assert measured["drift"] == pytest.approx(0.9, abs=0.1)
    recipe, symbols = run.recipe, run.recipe.words

    class Counts:
        """Knows the count from the source alone, whatever it reads."""

        def start(self, source, lengths):
            rows = [[symbols[0].symbols[w] for w in row] for row in source.tolist()]
            return torch.tensor([[int(row[1]), int(row[3])] for row in rows])

        def step(self, words, state):
            start, stride = state.unbind(1)
            now = (start + stride) % 10
            places = torch.tensor([symbols[1].number[str(count)] for count in now.tolist()])
            return torch.nn.functional.one_hot(places, len(symbols[1])) * 3.0, torch.stack([now, stride], 1)

    model, recipe.model = recipe.model, Counts()
    try:
        assert float(recipe.drift("valid", recipe.run.data.truth["counted"])) == 0
    finally:
        recipe.model = model
    assert recipe.longest_answer(5) == 101


def test_how_much_is_true_follows_from_the_step_alone(run):
    recipe = run.recipe
    recipe.run.steps = 100
    assert recipe.share(0) > 0.5 and recipe.share(50) < 0.1
