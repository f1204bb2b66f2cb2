"""The error of PCA with as many components as a code has numbers: what an autoencoder has to beat."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from deepcanon.representation.pca import PCA

__all__ = ["pca_errors", "pca_facts"]


def pca_facts(train: Any, prepare: nn.Module, components: int) -> dict[str, Tensor]:
    """Mean and directions of the training examples.

    Args:
        train: the training split.
        prepare: from raw inputs to rows [N, D].
        components: at most as many as there are features and examples.
    """
    rows = torch.cat([prepare(part.x) for part in train.chunks()])
    pca = PCA(min(components, rows.shape[1], len(rows))).fit(rows)
    return {"pca_mean": pca.mean_, "pca_components": pca.components_}


def pca_errors(facts: Mapping[str, Any], inputs: Tensor) -> Tensor:
    """The squared error [N] of prepared inputs [N, D] rebuilt from their components."""
    mean, components = (torch.as_tensor(facts[f"pca_{name}"]) for name in ("mean", "components"))
    centred = inputs.cpu().double() - mean
    return (centred - centred @ components.T @ components).square().sum(1)
