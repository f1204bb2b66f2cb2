"""Trials and comparisons: tuned on validation, paired by seed, resumed where they were, the same in two processes."""

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from contract.files import ROOT

from deepcanon.engine import training
from deepcanon.engine.comparison import Comparison, interval
from deepcanon.engine.errors import UsageError
from deepcanon.engine.run import Run
from deepcanon.engine.settings import Settings
from deepcanon.recipes.mlp import Config
from deepcanon.resolving import opener, resolve
from deepcanon.run import child

SMALL = {"hidden": (8,), "batch": 64, "epochs": 1}
SETTINGS = Settings(data="digits", threads=1, precision="fp32", device="cpu")


class Recipe:
    """Two depths, two rates, two seeds."""

    state = ("comparison",)
    monitor = None
    parallel = "trials"
    splits = ("test",)

    @staticmethod
    def learn(config, data):
        return {}

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        self.comparison = Comparison(
            run, "mlp", {"shallow": SMALL, "deep": {**SMALL, "hidden": (8, 8)}},
            tune={"learning_rate": (0.01, 0.3)}, seeds=2, settings={"steps": 12},
        )  # fmt: skip

    def plan(self):
        return self.comparison.trials

    def step(self, step):
        return self.comparison.step(step)

    def evaluate(self, split):
        return self.comparison.verdict()

    def figures(self):
        return self.comparison.figures()


def train(folder, recipe=Recipe, settings=SETTINGS):
    open_data = opener(resolve("mlp")[0])
    return training.train(recipe, "toy", Config(), settings, folder, open_data, quiet=True, child=child)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("comparison") / "run"
    train(folder)
    return folder


def kept(folder):
    recipe, *_ = training.load(Recipe, folder)
    return recipe.comparison


def test_every_arm_is_tuned_equally_and_scored_on_the_same_seeds(whole):
    comparison = kept(whole)
    assert comparison.trials == 8 and len(comparison.results) == 8
    for arm in ("shallow", "deep"):
        tuned = comparison.of(arm, "tune")
        assert [r["options"]["learning_rate"] for r in tuned] == [0.01, 0.3]
        assert all(r["test"] is None for r in tuned), "tuning read the test split"
        best = min(tuned, key=lambda r: r["valid"])["options"]
        assert comparison.chosen(arm) == best and all(r["options"] == best for r in comparison.of(arm))
    configs = [json.loads((whole / "trials" / str(i) / "config.json").read_text()) for i in range(8)]
    seeds = [c["settings"]["seed"] for c in configs]
    assert len(set(seeds[:4])) == 1 and seeds[4] == seeds[5] != seeds[6] == seeds[7] != seeds[0]
    assert [c["config"]["hidden"] for c in configs] == [[8], [8, 8]] * 4
    assert (whole / "report.html").is_file() and not (whole / "trials" / "0" / "report.html").exists()
    assert {p.name.split("-")[0] for p in (whole / "figures").glob("*.png")} == {"comparison"}
    assert "95 % interval" in max((whole / "samples").glob("verdict-*.txt")).read_text()


def test_verdict_is_the_paired_difference(whole):
    comparison = kept(whole)
    found = comparison.verdict()
    pairs = [a - b for a, b in zip(comparison.scores("shallow"), comparison.scores("deep"), strict=True)]
    assert found["difference"] == pytest.approx(sum(pairs) / 2, abs=1e-12)
    assert found["shallow_worst"] == max(comparison.scores("shallow"))
    # with two pairs: t = 12.706, standard error = half the distance
    half = 12.7062047362 * abs(pairs[0] - pairs[1]) / 2
    assert found["high"] - found["low"] == pytest.approx(2 * half, rel=1e-9)


def test_a_killed_comparison_goes_on_with_the_trial_it_was_in(whole, tmp_path):
    folder = tmp_path / "run"

    class Deadly(Recipe):
        def step(self, step):
            if step == 5:
                begun = self.run.folder / "trials" / "5"
                train_some(begun, self.run)
                os.kill(os.getpid(), signal.SIGKILL)
            return super().step(step)

    if os.fork() == 0:
        train(folder, Deadly, SETTINGS.with_(checkpoint_every=0))
        os._exit(0)
    assert os.WIFSIGNALED(os.wait()[1])
    before = (folder / "trials" / "2" / "result.json").stat().st_mtime_ns
    training.resume(Recipe, folder, opener(resolve("mlp")[0]), quiet=True, child=child)
    assert kept(folder).results == kept(whole).results
    assert (folder / "trials" / "2" / "result.json").stat().st_mtime_ns == before, "a finished trial was trained again"


def train_some(folder: Path, run: Run):
    """What a kill in the middle of starting a trial leaves."""
    (folder / "facts").mkdir(parents=True)
    (folder / "facts" / "manifest.json").write_text("{")


def test_a_diverging_trial_is_a_result_and_never_chosen(tmp_path):
    run = Run(SETTINGS.with_(steps=4), tmp_path, child=child)
    arms = {"plain": SMALL}
    comparison = Comparison(run, "mlp", arms, tune={"learning_rate": (1e30, 0.1)}, seeds=1, settings={"steps": 12})
    for step in range(comparison.trials):
        rows = comparison.step(step)
    assert rows == {"trials": 3.0, "failed": 1.0} and run.stop_reason
    assert comparison.chosen("plain") == {"learning_rate": 0.1}
    assert comparison.results[0]["valid"] == math.inf and "loss" in comparison.results[0]["failed"]
    assert "failed: plain" in comparison.table() and math.isfinite(comparison.verdict()["plain"])


def test_two_processes_share_the_trials(whole, tmp_path):
    script = tmp_path / "work.py"
    script.write_text(
        f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'tests')!r}]\n"
        "from pathlib import Path\nfrom engine.test_comparison import train\n"
        f"train(Path({str(tmp_path / 'run')!r}))\n"
    )
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "DEEPCANON_SHAPES": "off"}
    done = subprocess.run(launch, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    two = kept(tmp_path / "run")
    assert two.results == kept(whole).results
    assert json.loads((tmp_path / "run" / "status.json").read_text())["step"] == 4


def test_what_makes_no_comparison_is_refused(tmp_path):
    run = Run(SETTINGS, tmp_path, child=child)
    for arms, options in (({}, {}), ({"a": {}}, {"seeds": 0}), ({"a": {}}, {"tune": {"batch": ()}})):
        with pytest.raises(ValueError):
            Comparison(run, "mlp", arms, **options)
    with pytest.raises(ValueError):
        Comparison(run, "mlp", {"a": {}}, better="more")
    with pytest.raises(UsageError):
        run.trial(0, "mlp", {"no_such_option": 1})
    with pytest.raises(UsageError):
        Run(SETTINGS, tmp_path).trial(0, "mlp", {})
    with pytest.raises(UsageError):
        training.train(Recipe, "toy", Config(), SETTINGS.with_(minutes=1.0), tmp_path / "m",
                       opener(resolve("mlp")[0]), quiet=True, child=child)  # fmt: skip


def test_interval_of_equal_differences_is_a_point():
    assert interval([0.5, 0.5, 0.5]) == (0.5, 0.5, 0.5)
    assert math.isnan(interval([0.5])[1])


def test_a_target_may_be_a_difference_of_two_runs():
    from deepcanon.verify import verdict

    def seeds(*values):
        return [{"seed": n, "metrics": {"test/error": value}} for n, value in enumerate(values)]

    target = {"run": "with", "minus": "without", "metric": "test/error", "relation": "<=", "value": 0.0}
    found = verdict(target, {"with": seeds(0.1, 0.2), "without": seeds(0.15, 0.22)})
    assert found["passed"] and found["run"] == "with - without"
    assert found["values"] == pytest.approx([-0.05, -0.02]) and found["worst"] == pytest.approx(-0.02)
    assert not verdict(target, {"with": seeds(0.3), "without": seeds(0.2)})["passed"]
    assert verdict(target, {"with": seeds(0.1)}) is None
