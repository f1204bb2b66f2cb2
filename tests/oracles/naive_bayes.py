"""Naive Bayes from its definition: class by class, feature by feature, with sums of logarithms."""

import math

import numpy as np


def fit(x, y, classes, kind, smoothing):
    """Priors, means or probabilities, variances."""
    prior, theta, variance = [], [], []
    for c in range(classes):
        mine = x[y == c]
        prior.append(len(mine) / len(x))
        if kind == "gaussian":
            theta.append(mine.mean(0))
            variance.append(mine.var(0) + smoothing * x.var(0).max())
        elif kind == "bernoulli":
            theta.append((mine.sum(0) + smoothing) / (len(mine) + 2 * smoothing))
        else:
            theta.append((mine.sum(0) + smoothing) / (mine.sum() + x.shape[1] * smoothing))
    return np.array(prior), np.array(theta), np.array(variance)


def joint(x, prior, theta, variance, kind):
    rows = []
    for example in x:
        row = []
        for c, p in enumerate(prior):
            total = math.log(p)
            for f, value in enumerate(example):
                t = theta[c, f]
                if kind == "gaussian":
                    v = variance[c, f]
                    total += math.log(math.exp(0) / math.sqrt(2 * math.pi * v)) - (value - t) ** 2 / (2 * v)
                elif kind == "bernoulli":
                    total += value * math.log(t) + (1 - value) * math.log(1 - t)
                else:
                    total += value * math.log(t)
            row.append(total)
        rows.append(row)
    return np.array(rows)


def bits(log_likelihood, features):
    return np.array([-math.log2(math.exp(value / features)) for value in log_likelihood])


def telling(theta):
    """Of each class and feature p log(p / q), where q is the mean probability in the other classes."""
    rows = []
    for c in range(len(theta)):
        other = [theta[d] for d in range(len(theta)) if d != c]
        rows.append([p * math.log(p / (sum(o[f] for o in other) / len(other))) for f, p in enumerate(theta[c])])
    return np.array(rows)
