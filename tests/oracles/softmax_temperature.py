"""Softmax with a temperature by ratios: p_k = 1 / sum_j exp((a_j - a_k) / T), one row at a time."""

import math

import numpy as np


def softmax(logits, temperature):
    if logits.ndim > 1:
        return np.array([softmax(row, temperature) for row in logits])
    row = []
    for a in logits:
        gaps = [(b - a) / temperature for b in logits]
        row.append(0.0 if max(gaps) > 700 else 1 / sum(math.exp(g) for g in gaps))
    return np.array(row)


def log_softmax(logits, temperature):
    if logits.ndim > 1:
        return np.array([log_softmax(row, temperature) for row in logits])
    top = max(logits)
    total = math.log(sum(math.exp((b - top) / temperature) for b in logits))
    return np.array([(a - top) / temperature - total for a in logits])


def entropy(p):
    return np.array([-sum(v * math.log(v) for v in row if v > 0) for row in p])


def nll(logits, labels, temperature):
    return -np.mean([log_softmax(row, temperature)[k] for row, k in zip(logits, labels, strict=True)])


def reliability(p, labels, bins):
    """Counts, confidences and accuracies by going through the examples."""
    inside = [[] for _ in range(bins)]
    for row, label in zip(p, labels, strict=True):
        best = int(np.argmax(row))
        for b in range(bins):
            if b / bins < row[best] <= (b + 1) / bins:
                inside[b].append((row[best], float(best == label)))
    means = [np.mean(part, 0) if part else (0.0, 0.0) for part in inside]
    return np.array([len(part) for part in inside]), *np.array(means).T


def calibration_error(p, labels, bins):
    counts, confidence, accuracy = reliability(p, labels, bins)
    return float(np.sum(counts / counts.sum() * np.abs(accuracy - confidence)))
