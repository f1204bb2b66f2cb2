"""The budget of a system's tests: a session that one of them exceeds fails, and says so."""

import os
import subprocess
import sys

import pytest

from contract import budget
from contract.distribution import unit_of
from contract.files import TESTS

CONFTEST = """
def pytest_collection_modifyitems(items):
    for item in items:
        item.user_properties.append(("stem", item.callspec.params["stem"]))
"""
TESTS_OF_TWO = """
import time
import pytest

@pytest.mark.parametrize("stem", ["quick", "slow", "slow2"])
def test_it(stem):
    end = time.process_time() + (0.4 if stem == "slow" else 0.01)
    while time.process_time() < end:
        pass
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_dear_system_fails_the_session(workers, tmp_path):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_two.py").write_text(TESTS_OF_TWO)
    env = {**os.environ, "PYTHONPATH": str(TESTS), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}

    def run(seconds):
        options = ["-q", "-p", "contract.budget", "-p", "xdist", "-n", workers, "--stem-seconds", seconds]
        command = [sys.executable, "-m", "pytest", *options, str(tmp_path)]
        return subprocess.run(command, env=env, capture_output=True, text=True, cwd=tmp_path)

    within, above = run("20"), run("0.2")
    assert within.returncode == 0 and "CPU time" not in within.stdout, within.stdout + within.stderr
    assert above.returncode == 1 and "3 passed" in above.stdout, above.stdout + above.stderr
    assert "the tests of slow took 0." in above.stdout and "slow2" not in above.stdout


def test_where_all_systems_cost_more_the_limit_is_higher(monkeypatch):
    slow = {f"s{k}": 12.0 for k in range(budget.ENOUGH)}
    for costs, found in (
        (slow | {"dear": 95.0}, []),  # eight times the mean of 14
        (slow | {"dear": 200.0}, ["dear"]),
        ({"s": 1.0, "dear": 40.0}, ["dear"]),  # of a few systems the seconds count
        ({**dict.fromkeys(slow, 1.0), "dear": 31.0, "": 900.0}, ["dear"]),
    ):
        monkeypatch.setattr(budget, "spent", costs)
        assert budget.over(30.0) == found


def test_the_contracts_of_a_recipe_stay_together():
    folder = "tests/contract/test_recipes.py::"
    units = {unit_of(f"{folder}{test}") for test in ("test_smoke_run[rnn_lm]", "test_own_data_trains[rnn_lm-text]")}
    assert units == {"rnn_lm"}
    alone = [f"{folder}test_two_processes_equal_one", "tests/contract/test_coverage.py::test_presets[rnn_lm]"]
    assert [unit_of(nodeid) for nodeid in alone] == alone
