"""The perceptron with pieces from the tables over two processes: statistics and noise are those of the whole batch."""

import pytest
from contract.gloo import check_two_are_one
from contract.recipes import final_state
from contract.trainees import trainee

KINDS = {
    "normalised": {"normalization": "batch", "activation": "rrelu"},
    "self-normalising": {"activation": "selu", "initialization": "lecun", "dropout_kind": "alpha", "dropout": 0.2},
    "highway": {"layer": "highway", "hidden": (8, 8, 8), "activation": "prelu"},
}


def normalised():
    return final_state(trainee("mlp").with_(KINDS["normalised"]), 5)


def self_normalising():
    return final_state(trainee("mlp").with_(KINDS["self-normalising"]), 5)


def highway():
    return final_state(trainee("mlp").with_(KINDS["highway"]), 5)


@pytest.mark.parametrize("weights", [normalised, self_normalising, highway])
def test_two_processes_equal_one(weights, tmp_path):
    check_two_are_one(weights, tmp_path, averaged=True)
