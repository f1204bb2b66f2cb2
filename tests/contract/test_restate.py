"""The script that brings records in line with targets: measured values stay, and a verdict needs its runs."""

import copy
import importlib.util
import json

import pytest

from contract.files import ROOT

spec = importlib.util.spec_from_file_location("restate", ROOT / "docs" / "results" / "restate.py")
restate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(restate)


@pytest.fixture
def record():
    return json.loads((ROOT / "docs" / "results" / "momentum.json").read_text(encoding="utf-8"))


def test_a_record_that_agrees_stays_as_it_is(record):
    assert restate.restated("momentum", copy.deepcopy(record)) == record


def test_measured_values_stay_and_are_judged_again(record):
    changed = copy.deepcopy(record)
    for run in changed["verify"]["runs"].values():
        for seed in run:
            seed["metrics"] = dict.fromkeys(seed["metrics"], 1e9)
    found = restate.restated("momentum", copy.deepcopy(changed))
    assert found["verify"]["runs"] == changed["verify"]["runs"] and found["verify"]["verdict"] == "missed"


@pytest.mark.parametrize("lose", ["run", "metric"])
def test_what_was_not_recorded_is_never_passed(record, lose):
    run, seeds = next(iter(record["verify"]["runs"].items()))
    if lose == "run":
        del record["verify"]["runs"][run]
    else:
        seeds[0]["metrics"] = {}
    with pytest.raises(ValueError, match="was not recorded"):
        restate.restated("momentum", record)


def test_a_run_moves_once(record):
    run = next(iter(record["verify"]["runs"]))
    kept, other = copy.deepcopy(record), {}
    restate.move(record, other, [run])
    assert other["verify"]["runs"] == {run: kept["verify"]["runs"][run]} and run not in record["verify"]["runs"]
    with pytest.raises(ValueError, match="both records"):
        restate.move(kept, other, [run])


def test_a_run_that_no_row_is_about_may_be_missing(record, capsys):
    run = next(iter(record["verify"]["runs"]))
    del record["verify"]["runs"][run]
    record["verify"]["targets"] = []
    found = restate.restated("momentum", record)
    assert found["verify"]["targets"] == [] and f"the run {run} was not recorded" in capsys.readouterr().out
