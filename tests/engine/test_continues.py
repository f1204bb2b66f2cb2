"""What is said of a run that was stopped: which folder goes on."""

from deepcanon.engine.keeping import InFolder, InMemory


def test_of_a_trial_the_experiment_goes_on(tmp_path):
    trial = tmp_path / "trials" / "1"
    assert InFolder(trial, 0).continues() == f"; `deepcanon resume {trial}` continues"
    (tmp_path / "config.json").write_text("{}", "utf-8")
    assert InFolder(trial, 0).continues() == f"; `deepcanon resume {tmp_path}` continues"
    assert InFolder(tmp_path, 0).continues() == f"; `deepcanon resume {tmp_path}` continues"
    assert InMemory().continues() == ""
