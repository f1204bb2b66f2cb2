"""The ROC curve and its area, against the pairs that they count and against scikit-learn."""

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError
from sklearn.metrics import roc_auc_score, roc_curve

from deepcanon.parts.classification import measures, roc, roc_area


def drawn(seed, ties):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, 200)
    scores = generator.standard_normal(200) + labels
    return torch.from_numpy(scores.round(1) if ties else scores), torch.from_numpy(labels)


@pytest.mark.parametrize("ties", [False, True])
def test_the_area_is_the_share_of_pairs_in_order(ties):
    scores, labels = drawn(0, ties)
    ones, zeros = scores[labels == 1].numpy(), scores[labels == 0].numpy()
    difference = ones[:, None] - zeros
    pairs = ((difference > 0) + 0.5 * (difference == 0)).mean()
    assert roc_area(scores, labels) == pytest.approx(pairs, abs=1e-12)
    assert roc_area(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@pytest.mark.parametrize("ties", [False, True])
def test_the_curve_is_that_of_every_threshold(ties):
    scores, labels = drawn(1, ties)
    false, true, thresholds = roc(scores, labels)
    theirs = roc_curve(labels, scores, drop_intermediate=False)
    for ours, expected in zip((false, true, thresholds), theirs, strict=True):
        np.testing.assert_allclose(ours.numpy(), expected, atol=1e-12)
    for rate, hit, threshold in zip(false, true, thresholds, strict=True):
        assert hit == pytest.approx((scores[labels == 1] >= threshold).double().mean().item())
        assert rate == pytest.approx((scores[labels == 0] >= threshold).double().mean().item())


def test_what_has_no_curve_is_refused_and_not_measured():
    with pytest.raises(ValueError, match="both classes"):
        roc(torch.tensor([0.1, 0.2]), torch.tensor([1, 1]))
    with pytest.raises((ValueError, TypeCheckError), match=r"vectors of one length|Expected type"):
        roc(torch.zeros(3, 1), torch.zeros(3, dtype=torch.long))
    logits = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 2.0]])
    assert measures(logits, torch.tensor([1, 0, 1]))["auc"] == 1.0
    assert "auc" not in measures(logits, torch.tensor([1, 1, 1]))
    assert "auc" not in measures(torch.zeros(3, 4), torch.tensor([0, 1, 2]))
