"""The softmax over a sample of the classes: proposals, losses, and expectations by enumeration of every sample."""

import itertools
import math

import numpy as np


def log_uniform(classes):
    return np.array([math.log((c + 2) / (c + 1)) / math.log(classes + 1) for c in range(classes)])


def lengths(probabilities, samples):
    """min(1, a P) with the a for which they add up to the number of samples, by bisection."""
    low, high = 0.0, samples / min(probabilities)
    for _ in range(200):
        middle = (low + high) / 2
        if np.minimum(1, middle * probabilities).sum() < samples:
            low = middle
        else:
            high = middle
    return np.minimum(1, high * probabilities)


def overlaps(probabilities, samples):
    """[units, classes]: how much of each unit of the line belongs to each class, the likely ones first."""
    table, begin = np.zeros((samples, len(probabilities))), 0.0
    pieces = lengths(probabilities, samples)
    for c in sorted(range(len(pieces)), key=lambda c: (-probabilities[c], c)):
        for unit in range(samples):
            table[unit, c] = max(0.0, min(begin + pieces[c], unit + 1) - max(begin, unit))
        begin += pieces[c]
    return table


def expected_counts(probabilities, samples, stratified):
    units = overlaps(probabilities, samples) if stratified else np.tile(probabilities, (samples, 1))
    return 1 - np.prod(1 - units, axis=0)


def full_loss(hidden, weight, bias, target):
    logits = weight @ hidden + bias
    return math.log(sum(math.exp(o) for o in logits)) - logits[target]


def sampled_logits(hidden, weight, bias, target, sample, counts):
    """Of the target, then of each class of the sample; None where it is the target."""
    corrected = [weight[c] @ hidden + bias[c] - math.log(counts[c]) for c in range(len(weight))]
    row = [corrected[target]]
    for c in sample:
        row.append(None if c == target else corrected[c])
    return row


def sampled_loss(hidden, weight, bias, target, sample, counts):
    row = sampled_logits(hidden, weight, bias, target, sample, counts)
    return math.log(sum(math.exp(o) for o in row if o is not None)) - row[0]


def gradient(hidden, weight, bias, target, sample, counts):
    """Of the sampled loss with respect to hidden."""
    row = sampled_logits(hidden, weight, bias, target, sample, counts)
    some = [(c, math.exp(o)) for c, o in zip([target, *sample], row, strict=True) if o is not None]
    total = sum(e for _, e in some)
    return sum(e / total * weight[c] for c, e in some) - weight[target]


def full_gradient(hidden, weight, bias, target):
    e = np.exp(weight @ hidden + bias)
    return (e / e.sum()) @ weight - weight[target]


def every_sample(probabilities, samples, stratified):
    """(probability, classes drawn) of all samples; a class that comes twice is there once."""
    units = overlaps(probabilities, samples) if stratified else np.tile(probabilities, (samples, 1))
    for drawn in itertools.product(range(len(probabilities)), repeat=samples):
        p = math.prod(unit[c] for unit, c in zip(units, drawn, strict=True))
        if p > 0:
            yield p, sorted(set(drawn))


def expected_gradient(hidden, weight, bias, target, probabilities, samples, stratified):
    counts = expected_counts(probabilities, samples, stratified)
    return sum(
        p * gradient(hidden, weight, bias, target, sample, counts)
        for p, sample in every_sample(probabilities, samples, stratified)
    )
