"""What is said of a run that was stopped: which folder goes on."""

from types import SimpleNamespace

from deepcanon.engine.keeping import InFolder
from deepcanon.engine.loop import Loop


def test_of_a_trial_the_experiment_goes_on(tmp_path):
    def said(folder):
        return Loop._continues(SimpleNamespace(folder=folder, kept=InFolder(folder, 0)))

    assert said(tmp_path / "trials" / "1") == f"; `deepcanon resume {tmp_path / 'trials' / '1'}` continues"
    (tmp_path / "config.json").write_text("{}", "utf-8")
    assert said(tmp_path / "trials" / "1") == f"; `deepcanon resume {tmp_path}` continues"
    assert said(tmp_path) == f"; `deepcanon resume {tmp_path}` continues"
