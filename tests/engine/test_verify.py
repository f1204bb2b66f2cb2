"""Verifying: one recorded seed is not a verdict wherever a verdict is printed, and three that follow it are."""

import dataclasses
import importlib.util
import json

import pytest
from contract.files import ROOT

from deepcanon import cli, heads, verify
from deepcanon.claims import ONE_SEED
from deepcanon.targets import target


@pytest.fixture
def results(tmp_path, monkeypatch):
    """An empty folder instead of docs/results."""
    monkeypatch.setattr(heads, "results_folder", lambda: tmp_path / "results")
    return tmp_path / "results"


def summarize(results):
    """The lines of TABLE.md of the records in a folder."""
    spec = importlib.util.spec_from_file_location("summarize", ROOT / "docs" / "results" / "summarize.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.HERE = results
    return module.table().partition("## Foundations")[2]


def verdicts(results, capsys, *words):
    """Of a verification of `momentum`: what the terminal, the record, `show` and the table say, and the exit code."""
    code = cli.main(["verify", "momentum", "--record", "--out", str(results.parent / "runs"), *words])
    said = capsys.readouterr().out
    assert cli.main(["show", "momentum"]) == 0
    kept = json.loads((results / "momentum.json").read_text(encoding="utf-8"))["verify"]
    return code, said, capsys.readouterr().out.partition("targets:")[2], summarize(results), kept


def test_one_seed_is_not_a_verdict_until_there_are_three(results, capsys):
    code, said, shown, table, kept = verdicts(results, capsys, "--seeds", "1")
    count = len(heads.head("momentum").targets)
    assert code == 0 and {row["verdict"] for row in kept["targets"]} == {kept["verdict"]} == {ONE_SEED}
    for text, times in ((said, count + 1), (shown, count), (table, count)):
        assert text.count(ONE_SEED) == times and "shown" not in text and "reached" not in text
    weights = results.parent / "runs" / "momentum-ravine-0" / "checkpoints"
    written = {path: path.stat().st_mtime_ns for path in weights.rglob("*")}

    code, said, shown, table, kept = verdicts(results, capsys)
    assert code == 0 and kept["verdict"] == "shown" and kept["seeds"] == [0, 1, 2]
    assert written == {path: path.stat().st_mtime_ns for path in weights.rglob("*")}, "seed 0 was trained again"
    assert ONE_SEED not in said + shown + table
    assert shown.count("(shown)") == table.count("| shown |") == count


def test_a_record_grows_seed_by_seed(results, capsys, monkeypatch):
    assert verdicts(results, capsys, "--seeds", "1")[4]["verdict"] == ONE_SEED
    *_, kept = verdicts(results, capsys, "--seeds", "2", "--seed", "1")
    assert kept["verdict"] == "shown" and kept["seeds"] == [0, 1, 2]
    assert [row["seed"] for row in kept["runs"]["ravine"]] == [0, 1, 2]
    assert all(len(row["values"]) == 3 for row in kept["targets"])
    monkeypatch.setattr(verify, "_digest", lambda head: "other code")
    *_, kept = verdicts(results, capsys, "--seeds", "1", "--seed", "5", "--out", str(results.parent / "others"))
    assert kept["seeds"] == [5] and kept["verdict"] == ONE_SEED, "results of two programs are not one experiment"


def test_one_seed_on_the_wrong_side_is_not_a_verdict_but_no_success(results, capsys, monkeypatch):
    hard = target("ravine", "test/momentum <= 0.1", "P", "out of reach")
    head = dataclasses.replace(heads.head("momentum"), targets=(hard,))
    monkeypatch.setattr(heads, "head", lambda name: head)
    code, said, _, table, kept = verdicts(results, capsys, "--seeds", "1")
    assert code == 3 and kept["verdict"] == ONE_SEED and "missed" not in (said + table).lower()


@pytest.mark.parametrize("stem", heads.stems())
def test_no_record_claims_more_than_its_seeds(stem):
    for row in heads.record(stem).get("verify", {}).get("targets", []):
        assert (row["verdict"] == ONE_SEED) == (len(row["values"]) == 1 and not verify.repeats(stem)), row["metric"]


def test_options_next_to_the_data_of_a_preset_are_those_of_the_run(results, monkeypatch):
    head = heads.head("momentum")
    config, settings = head.presets["verify:ravine"]
    settings = {**settings, "options": {"condition": 10.0, "updates": 20}}
    changed = dataclasses.replace(head, presets={**head.presets, "verify:ravine": (config, settings)})
    monkeypatch.setattr(heads, "head", lambda name: changed)
    verify.verify("momentum", quick=True, out=results)
    kept = json.loads((results / "momentum-ravine-0" / "config.json").read_text(encoding="utf-8"))["config"]
    assert (kept["condition"], kept["updates"]) == (10.0, 20)
