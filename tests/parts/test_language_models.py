"""What language models are asked: a long text in streams, continuations of a prompt, the token before a text."""

import math

import pytest
import torch
from jaxtyping import TypeCheckError
from torch.nn import functional as F

from deepcanon.parts.language_models import (
    border,
    continuations,
    mixture,
    perplexity,
    side_by_side,
    text_nll,
    token_nats,
)
from deepcanon.parts.vocabulary import Vocabulary

TEXT = "to be or not to be\nthat is the question\n" * 4
WEIGHT = torch.randn(5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def fading(tokens, state=None):
    """Logits from a mean of the past that halves at each token: a model whose memory is short."""
    past = torch.zeros(1, len(tokens), 5, dtype=torch.float64) if state is None else state[0]
    logits = []
    for token in tokens.T:
        past = past / 2 + F.one_hot(token, 5).double()
        logits.append(past[0] @ WEIGHT)
    return torch.stack(logits, 1), (past,)


def token_nll(logits, targets, reduction="none"):
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction=reduction).view(targets.shape)


@pytest.mark.parametrize("length", [2, 3, 100, 1000, 1003])
def test_streams_side_by_side_sum_to_one_reading(length):
    tokens = torch.randint(0, 5, (length,))
    logits, _ = fading(tokens[None, :-1])
    whole = float(token_nll(logits, tokens[None, 1:]).mean())
    assert text_nll(fading, [tokens], token_nll)[0] == pytest.approx(whole, rel=1e-12)
    # A warm-up of 60 halvings leaves nothing of what came before it.
    assert text_nll(fading, [tokens], token_nll, streams=7, warm=60, piece=11) == [pytest.approx(whole, rel=1e-12)]
    if length > 100:  # too short a warm-up is seen, so that the test can fail
        assert text_nll(fading, [tokens], token_nll, streams=7, warm=2, piece=11) != [pytest.approx(whole, rel=1e-6)]


def test_short_texts_are_read_side_by_side_and_each_once():
    random, shapes = torch.Generator().manual_seed(0), []
    texts = [torch.randint(0, 5, (int(n),), generator=random) for n in torch.randint(2, 40, (50,), generator=random)]

    def watched(tokens, state=None):
        shapes.append(tuple(tokens.shape))
        return fading(tokens, state)

    alone = [float(token_nll(fading(t[None, :-1])[0], t[None, 1:]).mean()) for t in texts]
    found = text_nll(watched, texts, token_nll, streams=8, piece=30)
    assert found == pytest.approx(alone, rel=1e-12)
    long = sum(len(text) > 31 for text in texts)
    together = [shape for shape in shapes if shape[0] > 1]
    assert 0 < long < 20 and len(shapes) < 2 * long + 10  # a long text in two pieces, and a few of many rows
    assert all(rows * (time + 1) <= 8 * 30 for rows, time in together)
    places = [place for some, _, _ in side_by_side(texts, range(len(texts)), 100) for place in some]
    assert sorted(places) == list(range(50))


@pytest.mark.parametrize("length", [3, 300, 5000])
def test_the_nats_of_single_tokens_have_the_mean_that_is_measured(length):
    tokens = torch.randint(0, 5, (length,), generator=torch.Generator().manual_seed(1))
    each = token_nats(fading, tokens, token_nll)
    wanted = token_nll(fading(tokens[None, :-1])[0], tokens[None, 1:])[0]
    torch.testing.assert_close(each, wanted, rtol=1e-9, atol=1e-9)
    assert float(each.mean()) == pytest.approx(text_nll(fading, [tokens], token_nll)[0], rel=1e-12)


def test_a_mixture_sums_to_one_and_is_one_model_at_each_end():
    generator = torch.Generator().manual_seed(0)
    p, q = torch.randn(2, 5, 7, generator=generator, dtype=torch.float64).log_softmax(2)
    q[0, 0] = -torch.inf  # a word that one model thinks impossible
    q[0] = q[0].log_softmax(0)
    for weight in (0.0, 0.3, 1.0):
        torch.testing.assert_close(mixture(p, q, weight).exp().sum(1), torch.ones(5, dtype=torch.float64))
        torch.testing.assert_close(mixture(p, q, weight).exp(), weight * p.exp() + (1 - weight) * q.exp())
    assert torch.equal(mixture(p, q, 1.0), p) and torch.equal(mixture(p, q, 0.0), q)
    with pytest.raises(ValueError, match="one shape, and 0 to 1"):
        mixture(p, q, 1.5)


def test_a_text_of_one_token_is_refused():
    for bad in (torch.zeros(1, dtype=torch.int64), torch.zeros(2, 3, dtype=torch.int64)):
        with pytest.raises((ValueError, TypeCheckError)):
            text_nll(fading, [bad], token_nll)


def test_perplexity_of_a_hopeless_model_is_large_and_no_overflow():
    assert perplexity(math.log(50)) == pytest.approx(50)
    assert math.isfinite(perplexity(1e6)) and perplexity(math.inf) == math.inf


def test_the_token_before_a_text():
    assert border(Vocabulary.build(TEXT, "words"), 9) == 1
    letters = Vocabulary.build(TEXT)
    assert letters.symbols[border(letters, 9)] == "\n"
    assert border(Vocabulary.build("abc"), 9) == 9


@pytest.mark.parametrize("unit", ["characters", "words"])
@pytest.mark.parametrize("logits", [True, False])
def test_continuations_of_a_chain_are_the_likeliest_by_beam_and_never_the_unknown(unit, logits):
    vocabulary = Vocabulary.build(TEXT, unit)
    table = torch.randn(len(vocabulary), len(vocabulary), generator=torch.Generator().manual_seed(2))
    table[:, vocabulary.unknown] = 9.0
    given = table if logits else table.log_softmax(-1)

    def step(tokens, state):
        return given[tokens], state + 1

    tokens = vocabulary.encode("to be", closed=False)
    common = {"prompt": "to be", "length": 4, "logits": logits}
    drawn = continuations(step, tokens, torch.zeros(1), vocabulary, torch.Generator().manual_seed(0), count=5, **common)
    assert len(drawn) == 5 and all(record["text"].startswith("to be") for record in drawn)
    assert not any("\ufffd" in record["text"] or "<unk>" in record["text"] for record in drawn)
    best = continuations(step, tokens, torch.zeros(1), vocabulary, beam=20, count=3, **common)
    assert len(best) == 3 and len({record["text"] for record in best}) == 3
    assert [record["score"] for record in best] == sorted((record["score"] for record in best), reverse=True)
    if unit == "characters":  # of words a sentence end makes a text shorter, and likelier
        greedy = continuations(step, tokens, torch.zeros(1), vocabulary, temperature=0.0, **common)
        assert best[0]["score"] >= greedy[0]["score"]
        one = continuations(step, tokens, torch.zeros(1), vocabulary, beam=1, **common)
        assert one[0]["text"] == greedy[0]["text"]


def drawn(vocabulary, generator_seed=0, prompt="a", **options):
    """Texts of a model that draws the next symbol by a fixed table, whatever came before the last one."""
    table = torch.randn(len(vocabulary), len(vocabulary), generator=torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(generator_seed)
    first = vocabulary.encode(prompt, closed=False)
    return continuations(
        lambda tokens, state: (table[tokens], state), first, (), vocabulary, generator, prompt=prompt, **options
    )


def test_ranked_samples_are_the_likeliest_of_those_that_are_drawn():
    vocabulary = Vocabulary.build("abcde")
    every = drawn(vocabulary, count=9, length=6)
    best = drawn(vocabulary, count=3, rank=9, length=6)
    wanted = sorted(every, key=lambda record: -record["score"])[:3]
    assert [r["text"] for r in best] == [r["text"] for r in wanted] and every[:3] != wanted
    assert [r["score"] for r in best] == pytest.approx([r["score"] for r in wanted])
    halved = drawn(vocabulary, count=3, rank=9, length=7, length_penalty=1.0)
    plain = drawn(vocabulary, count=3, rank=9, length=7)
    assert [r["score"] for r in halved] == pytest.approx([r["score"] / 2 for r in plain])  # (5 + 7) / 6 = 2


@pytest.mark.parametrize("unit", ["characters", "words"])
def test_samples_end_before_a_stop_and_their_score_with_it(unit):
    text = "abcde" if unit == "characters" else "a b c d e\n"
    vocabulary = Vocabulary.build(text, unit)
    stops = ("bc", "e") if unit == "characters" else ("b c", "e")
    whole = drawn(vocabulary, count=20, length=30)
    found = drawn(vocabulary, count=20, length=30, stop=stops)
    for one, other in zip(whole, found, strict=True):
        more = one["text"][1:]
        places = [at for stop in stops if (at := more.find(stop)) >= 0]
        # no blank comes before nothing
        assert other["text"].rstrip(" ") == ("a" + more[: min(places, default=len(more))]).rstrip(" ")
        assert other["score"] >= one["score"]
    assert any(len(other["text"]) < len(one["text"]) for one, other in zip(whole, found, strict=True))
    # of unequal lengths: the score is of the tokens up to the stop, and the penalty that of their number
    (full,), (one,) = (drawn(vocabulary, count=1, length=30, stop=some) for some in ((), stops))
    (ranked,) = drawn(vocabulary, count=1, rank=1, length=30, stop=stops, length_penalty=1.0)
    table = torch.randn(len(vocabulary), len(vocabulary), generator=torch.Generator().manual_seed(1)).double()
    before = int(vocabulary.encode("a", closed=False)[0])
    tokens = vocabulary.encode(full["text"][1:], closed=False).tolist()
    ended = next(n for n in range(1, 30) if any(stop in vocabulary.decode(tokens[:n]) for stop in stops))
    chances = [table[a].log_softmax(0)[b] for a, b in zip([before, *tokens], tokens[:ended], strict=False)]
    assert one["score"] == pytest.approx(float(sum(chances)))
    assert ranked["score"] == pytest.approx(one["score"] * 6 / (5 + ended))


@pytest.mark.parametrize("options", [{"beam": 2, "rank": 4}, {"beam": 2, "stop": ("a",)}, {"rank": 1, "count": 2}])
def test_what_does_not_go_together_is_refused(options):
    with pytest.raises(ValueError, match="a beam takes neither rank nor stop"):
        drawn(Vocabulary.build("abc"), **options)
