"""The perceptron with pieces from the tables over two processes: statistics and noise are those of the whole batch."""

from contract.gloo import check_two_are_one
from contract.recipes import final_state
from contract.trainees import trainee

from deepcanon.cli import main

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


def test_a_comparison_ends_with_its_own_figures_and_their_meaning(tmp_path, capsys):
    words = ["train", "degradation", "--preset", "smoke", "--out", str(tmp_path / "run"), "--seeds", "1"]
    assert main([*words, "--train-steps", "2", "--threads", "1"]) == 0
    out = capsys.readouterr().out.splitlines()
    place = next(place for place, line in enumerate(out) if line.startswith("report: "))
    assert out[place - 1].startswith("residual_rise ") and "training loss of the deepest minus that" in out[place - 1]
    assert not any(line.startswith("residual_rise_low") for line in out), "one result has no interval"
