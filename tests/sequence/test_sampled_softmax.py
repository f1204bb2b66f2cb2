"""Samples and their expected counts, the bias by enumeration of every sample, sparse gradients, errors."""

import itertools
import math

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError
from oracles import sampled_softmax as oracle

from deepcanon.sequence import SampledSoftmax, sampled_softmax_loss
from deepcanon.sequence.sampled_softmax import (
    bias_of_a_task,
    draw_classes,
    gradient_bias,
    log_log_slope,
    log_uniform,
    proposal,
)

P = np.array([0.45, 0.25, 0.15, 0.1, 0.05])
SOURCE = proposal(log_uniform(3), 1)


def task(seed=0, classes=5, features=3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=features), rng.normal(size=(classes, features)), rng.normal(size=classes)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("stratified", [True, False])
@pytest.mark.parametrize("samples", [1, 3, 7, 19])
def test_classes_are_drawn_as_often_as_their_counts_say(stratified, samples):
    source, many = proposal(log_uniform(20), samples, stratified), 4000
    seen, random = torch.zeros(20), generator()
    for _ in range(many):
        drawn = draw_classes(source, random)
        once = drawn.classes[drawn.log_counts.isfinite()]
        assert len(once.unique()) == len(once) and set(once.tolist()) == set(drawn.classes.tolist())
        seen[once] += 1
    expected = source.log_counts.exp()
    error = (expected * (1 - expected) / many).clamp(min=0).sqrt()
    assert ((seen / many - expected).abs() <= 4.5 * error + 1e-12).all()


def test_a_stratified_sample_holds_every_class_that_is_frequent_enough_and_hardly_repeats():
    source = proposal(log_uniform(10_000), 1000)
    surely = (source.log_counts == 0).nonzero()[:, 0]
    assert len(surely) > 100
    for seed in range(20):
        drawn = draw_classes(source, generator(seed))
        once = drawn.classes[drawn.log_counts.isfinite()]
        assert set(surely.tolist()) <= set(once.tolist()) and len(once) > 950


def test_the_line_is_whole_with_two_million_classes():
    source = proposal(log_uniform(2_000_000), 5000)
    assert float(source.edges[-1]) == pytest.approx(5000, abs=1e-6)
    drawn = draw_classes(source, generator())
    assert int(drawn.classes.max()) < 2_000_000 and bool((source.log_counts <= 0).all())


@pytest.mark.parametrize("stratified", [True, False])
def test_the_loss_on_average_has_the_gradient_of_all_its_samples(stratified):
    """The mean over many drawn samples is the expectation by enumeration: drawing, counts and loss fit together."""
    (hidden, weight, bias), target, samples = task(), 3, 2
    expected = oracle.expected_gradient(hidden, weight, bias, target, P, samples, stratified)
    source, random = proposal(torch.from_numpy(P), samples, stratified), generator()
    total, many = torch.zeros(3, dtype=torch.float64), 1500
    h, w, b = (torch.from_numpy(x) for x in (hidden, weight, bias))
    for _ in range(many):
        leaf = h[None].clone().requires_grad_()
        drawn = draw_classes(source, random)
        sampled_softmax_loss(leaf, w, b, torch.tensor([target]), drawn, source.log_counts).backward()
        total += leaf.grad[0]
    assert np.abs(total.numpy() / many - expected).max() < 0.08


def test_the_bias_falls_with_the_samples_and_vanishes_with_all_classes():
    hidden, weight, bias = task(1)
    sizes = []
    for samples in (1, 2, 3, 4, 5):
        gaps = [
            oracle.expected_gradient(hidden, weight, bias, t, P, samples, True)
            - oracle.full_gradient(hidden, weight, bias, t)
            for t in range(5)
        ]
        sizes.append(np.linalg.norm(gaps))
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > 0.1 and sizes[-1] < 1e-12


def test_repeated_classes_with_m_times_p_keep_a_bias():
    """Why a class counts once: with Q = m P and repetitions the true class loses its weight where m P > 1."""
    (hidden, weight, bias), p = task(0, classes=3), np.array([0.6, 0.3, 0.1])
    full, sizes = oracle.full_gradient(hidden, weight, bias, 0), {"repeated": [], "once": []}
    for samples in (4, 7):
        repeated = sum(
            math.prod(p[c] for c in drawn) * oracle.gradient(hidden, weight, bias, 0, list(drawn), samples * p)
            for drawn in itertools.product(range(3), repeat=samples)
        )
        once = oracle.expected_gradient(hidden, weight, bias, 0, p, samples, False)
        sizes["repeated"].append(np.linalg.norm(repeated - full))
        sizes["once"].append(np.linalg.norm(once - full))
    assert sizes["once"][1] < sizes["once"][0]
    assert sizes["repeated"][1] > 1.5 * sizes["repeated"][0]


def test_without_the_correction_frequent_classes_come_out_too_unlikely():
    """Scores fitted to a distribution over 30 classes by 8 samples: right with the correction, flattened without."""
    p = log_uniform(30)
    source, fitted = proposal(p, 8), {}
    for name, counts in (("corrected", source), ("not", source._replace(log_counts=0 * source.log_counts))):
        bias = torch.zeros(30, dtype=torch.float64, requires_grad=True)
        nothing, random, last = torch.zeros(30, 1, dtype=torch.float64), generator(), []
        for step in range(500):
            drawn = draw_classes(counts, random)
            each = sampled_softmax_loss(
                nothing, nothing, bias, torch.arange(30), drawn, counts.log_counts, reduction="none"
            )
            (slope,) = torch.autograd.grad((each * p).sum(), bias)
            bias.data -= 5 / (1 + step / 50) * slope
            last.append(bias.detach().clone())
        fitted[name] = torch.stack(last[250:]).mean(0).softmax(0)
    assert (fitted["corrected"] - p).abs().max() < 0.02
    assert fitted["not"][0] < 0.6 * p[0]


@pytest.mark.parametrize("bias", [True, False])
def test_sparse_gradients_are_the_dense_ones(bias):
    torch.manual_seed(0)
    head = SampledSoftmax(4, 50, 7, bias=bias)
    hidden, targets = torch.randn(6, 4), torch.randint(50, (6,))
    found = []
    for sparse in (False, True):
        head.sparse = sparse
        head.zero_grad()
        head.loss(hidden, targets, generator=generator()).backward()
        grads = [p.grad for p in head.parameters()]
        assert all(g.is_sparse == sparse for g in grads)
        found.append([g.to_dense() for g in grads])
    for dense, thin in zip(*found, strict=True):
        torch.testing.assert_close(thin, dense)
    touched = found[0][0].abs().sum(1) > 0
    assert 0 < int(touched.sum()) <= 13


def test_it_takes_the_place_of_a_linear_layer():
    layer, head = torch.nn.Linear(4, 9), SampledSoftmax(4, 9, 3)
    head.load_state_dict(layer.state_dict(), strict=True)
    x = torch.randn(2, 5, 4)
    assert torch.equal(head(x), layer(x))
    assert "samples=3" in repr(head)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_it_takes_counts_and_half_precision(reduction):
    head = SampledSoftmax(4, 9, 3, probabilities=torch.tensor([90, 50, 20, 9, 5, 3, 2, 1, 1]), dtype=torch.bfloat16)
    loss = head.loss(torch.randn(6, 4).bfloat16(), torch.randint(9, (6,)), reduction=reduction)
    assert loss.dtype == torch.float32 and bool(loss.isfinite().all()) and bool((loss >= 0).all())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: proposal(torch.tensor([0.5, 0.0]), 1), "above 0"),
        (lambda: proposal(torch.tensor([0.5, float("nan")]), 1), "finite"),
        (lambda: proposal(torch.ones(3), 4), "4 samples of 3 classes"),
        (lambda: proposal(torch.ones(3), 0), "0 samples"),
        (lambda: log_uniform(0), "0 classes"),
        (lambda: SampledSoftmax(2, 3, 1, probabilities=torch.ones(4)), "4 probabilities for 3 classes"),
        (lambda: SampledSoftmax(2, 3, 1).loss(torch.zeros(2, 2), torch.zeros(3, dtype=torch.long)), "rows|targets"),
        (lambda: SampledSoftmax(2, 3, 1).loss(torch.zeros(2, 2), torch.zeros(2).long(), reduction="max"), "'max'"),
        (lambda: gradient_bias(torch.zeros(2, 3), torch.zeros(3, 2), torch.zeros(2).long(), SOURCE, 1), "1 draws"),
    ],
)
def test_errors_say_what_is_wrong(call, words):
    with pytest.raises((ValueError, TypeCheckError), match=words):
        call()


def test_the_measured_bias_is_that_of_the_enumeration():
    """On a task that is small enough to sum over every sample."""
    hidden, weight, bias = task(3)
    logits = torch.from_numpy(weight @ hidden + bias)[None]
    for stratified in (True, False):
        exact = oracle.expected_gradient(hidden, weight, bias, 2, P, 3, stratified)
        full = oracle.full_gradient(hidden, weight, bias, 2)
        source = proposal(torch.from_numpy(P), 3, stratified)
        found = gradient_bias(logits, torch.from_numpy(weight), torch.tensor([2]), source, 2000)
        assert found == pytest.approx(np.linalg.norm(exact - full) / np.linalg.norm(full), rel=0.15)


def test_the_bias_of_the_generated_task_is_always_the_same_and_nothing_with_all_classes():
    assert bias_of_a_task(200, 16, draws=20) == bias_of_a_task(200, 16, draws=20) > 1e-3
    assert bias_of_a_task(200, 200, draws=4) < 1e-12


def test_the_slope_is_the_power_and_leaves_rounding_out():
    curve = {m: 3 * m**-1.25 for m in (16, 64, 256)}
    assert log_log_slope(curve | {1024: 1e-17}) == pytest.approx(-1.25, rel=1e-12)
