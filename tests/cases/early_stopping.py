import numpy as np
import torch
from contract.cases import Case
from oracles import early_stopping as oracle

from deepcanon.foundations import EarlyStopping
from deepcanon.foundations.early_stopping import (
    best_evaluation,
    generalisation_loss,
    stop_by_gl,
    stop_by_patience,
    stop_by_pq,
    stop_by_up,
    training_progress,
)

NEVER = -1


def curves(rng):
    """A validation curve that turns upwards, and a training curve that falls; rounded, so that there are ties."""
    steps = np.arange(60) / 12
    valid = 0.5 + (steps - 1.8) ** 2 / 10 + rng.normal(size=60) / 25
    return np.round(valid, 2), np.exp(-steps / 3) + 0.05 + rng.random(60) / 50


def places(valid, train):
    found = [
        best_evaluation(valid),
        stop_by_gl(valid, 5.0),
        stop_by_pq(valid, train, 0.75, 5),
        stop_by_up(valid, 2, 5),
        stop_by_patience(valid, 7, 0.0),
        stop_by_patience(valid, 5, 0.02),
    ]
    return torch.tensor([NEVER if place is None else place for place in found])


def followed(valid, train):
    """The same step by step."""
    rules = [EarlyStopping("gl"), EarlyStopping("pq"), EarlyStopping("up", successive=2), EarlyStopping(patience=7)]
    for pair in zip(valid.tolist(), train.tolist(), strict=True):
        for rule in rules:
            rule.update(*pair)
    stops = [NEVER if rule.stopped is None else rule.stopped for rule in rules]
    return torch.tensor([rules[0].best, *stops])


def expected(valid, train, which=slice(None)):
    found = [
        oracle.best(valid),
        oracle.gl(valid, 5.0),
        oracle.pq(valid, train, 0.75, 5),
        oracle.up(valid, 2, 5),
        oracle.patience(valid, 7, 0.0),
        oracle.patience(valid, 5, 0.02),
    ]
    return np.array([NEVER if place is None else place for place in found][which])


FUNCTIONS = (
    Case(
        name="early_stopping_places",
        build=None,
        call=places,
        inputs=curves,
        oracle=lambda params, valid, train: expected(valid, train),
        covers=("best_evaluation", "stop_by_gl", "stop_by_pq", "stop_by_up", "stop_by_patience"),
        skips={"gradcheck": "places carry no gradient"},
    ),
    Case(
        name="early_stopping_followed",
        build=None,
        call=followed,
        inputs=curves,
        oracle=lambda params, valid, train: expected(valid, train, slice(5)),
        covers=("EarlyStopping",),
        skips={"gradcheck": "places carry no gradient"},
    ),
    Case(
        name="generalisation_loss",
        build=None,
        call=lambda valid, train: (generalisation_loss(valid), training_progress(train, 5)),
        inputs=curves,
        oracle=lambda params, valid, train: (
            np.array(oracle.generalisation_loss(valid)),
            np.array([value for value in oracle.progress(train, 5) if value is not None]),
        ),
        covers=("training_progress",),
        skips={"gradcheck": "histories are data"},
    ),
)
