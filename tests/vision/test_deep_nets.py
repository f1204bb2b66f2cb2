"""The perceptron with pieces from the tables over two processes: statistics and noise are those of the whole batch."""

from contract.gloo import check_two_are_one
from contract.recipes import final_state
from contract.trainees import trainee

KINDS = {
    "normalised": {"normalization": "batch", "activation": "rrelu"},
    "self-normalising": {"activation": "selu", "initialization": "lecun", "dropout_kind": "alpha", "dropout": 0.2},
    "highway": {"layer": "highway", "hidden": (8, 8, 8), "activation": "prelu"},
}


def weights():
    """Of all kinds, since starting processes is what takes the time."""
    states = {kind: final_state(trainee("mlp").with_(options), 5) for kind, options in KINDS.items()}
    return {f"{kind}.{name}": value for kind, state in states.items() for name, value in state.items()}


def test_two_processes_equal_one(tmp_path):
    check_two_are_one(weights, tmp_path, averaged=True)
