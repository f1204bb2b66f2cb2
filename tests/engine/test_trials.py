"""Trials and comparisons: tuned on validation, paired by seed, resumed where they were, the same in two processes."""

import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from contract.files import ROOT
from torch import nn

from deepcanon import heads
from deepcanon.claims import interval
from deepcanon.engine import Experiment, training
from deepcanon.engine.figures import Panels
from deepcanon.engine.run import Run
from deepcanon.engine.svg import draw
from deepcanon.engine.trials import Trials
from deepcanon.errors import UsageError
from deepcanon.options import Batches, Images, Tuning, Whole
from deepcanon.resolving import opener, resolve
from deepcanon.settings import Settings
from deepcanon.targets import target
from deepcanon.verbs import child, load

SMALL = {"hidden": (8,), "batch": 64, "epochs": 1}
SETTINGS = Settings(data="digits", threads=1, precision="fp32", device="cpu")


@dataclass(frozen=True, kw_only=True)
class Config(Images, Batches, Tuning):
    """Of a comparison of two depths at two rates, from two seeds."""

    hidden: tuple[int, ...] = (8,)
    epochs: int = 1
    batch: int = 64
    learning_rates: tuple[float, ...] = (0.01, 0.3)
    extend: Whole = 0
    seeds: Whole = 2


class Recipe(Experiment[Config]):
    trains = "mlp"
    shares = ("hidden", "epochs", "batch")
    wants = "classes"

    def arms(self):
        return {"shallow": {}, "deep": {"hidden": (8, 8)}}

    def trial_settings(self):
        return {"steps": 12}

    def findings(self):
        return {"rate": self.comparison.chosen("deep")["learning_rate"]}


def train(folder, recipe=Recipe, settings=SETTINGS, config=None):
    open_data = opener(resolve("mlp")[0])
    return training.train(recipe, "toy", config or Config(), settings, folder, open_data, quiet=True, child=child)


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
    assert {p.name.split("-")[0] for p in (whole / "figures").glob("*.svg")} == {"comparison", "scores"}
    assert "no interval" in max((whole / "samples").glob("verdict-*.txt")).read_text(), "of two seeds"
    shared = [c["config"] for c in configs]
    assert all((c["batch"], c["epochs"], c["valid_share"]) == (64, 1, 0.1) for c in shared)


def test_verdict_is_the_paired_difference(whole):
    comparison = kept(whole)
    found = comparison.verdict()
    pairs = [a - b for a, b in zip(comparison.scores("shallow"), comparison.scores("deep"), strict=True)]
    assert found["difference"] == pytest.approx(sum(pairs) / 2, abs=1e-12)
    assert found["shallow_worst"] == max(comparison.scores("shallow"))
    assert math.isnan(found["low"]) and math.isnan(found["high"]), "two pairs have no interval"
    three = results(first=(0.3, 0.31, 0.35), other=(0.1, 0.13, 0.12)).verdict()
    # t = 4.303; differences 0.2, 0.18, 0.23 have a standard deviation of sqrt(0.00127 / 2)
    half = 4.3026527297 * (0.0012666666667 / 2 / 3) ** 0.5
    assert three["high"] - three["low"] == pytest.approx(2 * half, rel=1e-9)


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
    comparison = Trials(run, "mlp", arms, tune={"learning_rate": (1e30, 0.1)}, seeds=1, settings={"steps": 12})
    for step in range(comparison.trials):
        rows = comparison.step(step)
    assert {name: float(value) for name, value in rows.items()} == {"trials": 3.0, "failed": 1.0} and run.stop_reason
    assert comparison.chosen("plain") == {"learning_rate": 0.1}
    assert comparison.results[0]["valid"] == math.inf and "loss" in comparison.results[0]["failed"]
    assert "failed: plain" in comparison.table() and math.isfinite(comparison.verdict()["plain"])


def test_two_processes_share_the_trials(whole, tmp_path):
    script = tmp_path / "work.py"
    script.write_text(
        f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'tests')!r}]\n"
        "from pathlib import Path\nfrom engine.test_trials import train\n"
        f"train(Path({str(tmp_path / 'run')!r}))\n"
    )
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "DEEPCANON_SHAPES": "off"}
    done = subprocess.run(launch, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    two = kept(tmp_path / "run")
    assert two.results == kept(whole).results
    assert json.loads((tmp_path / "run" / "status.json").read_text())["step"] == 4


def test_further_metrics_are_kept_and_a_trained_trial_can_be_loaded(tmp_path):
    run = Run(SETTINGS, tmp_path, child=child, lend=load)
    also = ("train/nll", "valid/accuracy", "train/nothing")
    arms = {"broken": {**SMALL, "learning_rate": 1e30}, "sound": SMALL}
    trials = Trials(run, "mlp", arms, seeds=1, also=also, settings={"steps": 5})
    assert trials.trained("sound") is None
    while not run.stop_reason:
        trials.step(0)
    (broken,), (sound,) = trials.of("broken"), trials.of("sound")
    assert broken["failed"] and all(math.isnan(value) for value in broken["also"].values())
    found = trials.trained("sound")
    measured = training.evaluate(found.recipe, "train")["train/nll"]
    assert sound["also"]["train/nll"] == pytest.approx(measured, rel=1e-6)
    assert math.isnan(sound["also"]["train/nothing"]) and 0 < sound["also"]["valid/accuracy"] <= 1
    assert trials.trained("broken") is None and isinstance(found.module, nn.Module)
    bare = Trials(Run(SETTINGS, tmp_path, child=child), "mlp", arms, seeds=1)
    bare.load_state_dict(trials.state_dict())
    assert bare.trained("sound") is None, "a run that cannot load others"


def test_what_makes_no_comparison_is_refused(tmp_path):
    run = Run(SETTINGS, tmp_path, child=child)
    for arms, options in (({}, {}), ({"a": {}}, {"seeds": -1}), ({"a": {}}, {"tune": {"batch": ()}})):
        with pytest.raises(ValueError):
            Trials(run, "mlp", arms, **options)
    with pytest.raises(ValueError):
        Trials(run, "mlp", {"a": {}}, better="more")
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
    assert math.isnan(interval([0.5, 0.5])[1]), "two that agree by chance would show anything"


def results(better="min", **scores):
    """Trials with these test scores, which were never trained."""
    run = Run(SETTINGS.with_(steps=1), None, child=child)
    trials = Trials(run, "mlp", {arm: {} for arm in scores}, seeds=len(next(iter(scores.values()))), better=better)
    trials.results = [
        {"arm": arm, "phase": "seeds", "seed": seed, "options": {}, "valid": score, "test": score,
         "curve": [[10, 0.5], [20, score]], "loss": [], "failed": None}
        for arm, each in scores.items() for seed, score in enumerate(each)
    ]  # fmt: skip
    return trials


@pytest.mark.parametrize(
    ("better", "other", "words"),
    [
        ("min", (0.10, 0.11, 0.13), ": other is better\n"),
        ("min", (0.10, 0.39, 0.30), ": no difference is shown\n"),
        ("min", (0.35, 0.29, 0.30), ": no difference is shown\n"),
        ("min", (0.40, 0.41, 0.43), ": first is better\n"),
        ("max", (0.40, 0.41, 0.43), ": other is better\n"),
        ("max", (0.10, 0.11, 0.13), ": first is better\n"),
        ("min", (0.10, math.inf, 0.1), ": no difference is shown\n"),
    ],
)
def test_the_table_says_what_is_shown(better, other, words):
    table = results(better, first=(0.30, 0.31, 0.32), other=other).table()
    assert table.endswith(words), table


def test_one_pair_shows_nothing():
    assert results(first=(0.3,), other=(0.1,)).table().endswith(": no difference is shown\n")


def test_the_step_to_a_value():
    trials = results(first=(0.2,))
    assert [trials.steps_to(trials.results[0], value) for value in (0.5, 0.3, 0.2, 0.1)] == [10, 20, 20, math.inf]
    trials = results("max", first=(0.8,))
    assert [trials.steps_to(trials.results[0], value) for value in (0.5, 0.6, 0.9)] == [10, 20, math.inf]


def test_the_figures_are_plain_values(whole):
    shown = kept(whole).figures()
    curves, tuning = shown["comparison"].figures
    assert isinstance(shown["comparison"], Panels) and [line.label for line in curves.lines] == ["shallow", "deep"]
    results = kept(whole).of("deep")
    for step, mean, low, high in zip(curves.lines[1].x, curves.lines[1].y, *curves.lines[1].band, strict=True):
        both = [dict(map(tuple, result["curve"]))[step] for result in results]
        assert (mean, low, high) == pytest.approx((sum(both) / 2, min(both), max(both)))
    assert tuning.x == "learning rate" and tuning.log == "x" and tuning.lines[0].x == [0.01, 0.3]
    assert tuning.ticks == {"0.01": 0.01, "0.3": 0.3}
    assert tuning.lines[0].y == [result["valid"] for result in kept(whole).of("shallow", "tune")]


def test_options_without_numbers_are_named_under_the_tuning(tmp_path):
    trials = Trials(Run(SETTINGS, tmp_path), "mlp", {"one": {}}, tune={"activation": ("relu", "tanh")}, seeds=1)
    trials.results = [
        {"arm": "one", "phase": "tune", "seed": 0, "options": {"activation": name}, "valid": value, "test": None,
         "curve": [], "loss": [], "failed": None}
        for name, value in (("relu", 0.2), ("tanh", 0.1))
    ]  # fmt: skip
    curves, tuning = trials.figures()["comparison"].figures
    assert curves.lines == [] and tuning.ticks == {"relu": 0.0, "tanh": 1.0} and tuning.lines[0].y == [0.2, 0.1]
    drawn = draw(trials.figures()["comparison"])[1]
    assert ">relu</text>" in drawn and ">tanh</text>" in drawn


def test_no_seeds_train_nothing(tmp_path):
    folder = tmp_path / "run"
    status = train(folder, config=Config(seeds=0))
    assert status["step"] == 1 and "no trials" in status["reason"] and not (folder / "trials").exists()
    recipe, *_ = training.load(Recipe, folder)
    assert dict(recipe.evaluate("test")) == {"rate": 0.01} and recipe.figures() == {}


def test_a_target_may_be_a_difference_of_two_runs():
    from deepcanon.claims import judge

    def seeds(*values):
        return [{"seed": n, "metrics": {"test/error": value}} for n, value in enumerate(values)]

    with_out = target("with - without", "test/error <= 0", "P", "the second run is not better")
    found = judge(with_out, {"with": seeds(0.1, 0.2), "without": seeds(0.15, 0.22)}, False)
    assert found["passed"] and found["run"] == "with - without"
    assert found["values"] == pytest.approx([-0.05, -0.02]) and found["worst"] == pytest.approx(-0.02)
    assert not judge(with_out, {"with": seeds(0.3), "without": seeds(0.2)}, False)["passed"]
    assert judge(with_out, {"with": seeds(0.1)}, False) is None


def test_axes_of_trials_name_the_unit_of_the_metric():
    shown = results(first=(0.30, 0.31), other=(0.1, 0.2)).figures()
    assert shown["comparison"].figures[0].y == "error on validation (share)"
    assert shown["scores"].x == "error on test (share)"
    assert heads.unit_of("rnn-lm", "nll") == " (nats per token)"
    assert heads.unit_of("rnn-lm", "perplexity") == " (per token)"
    assert heads.unit_of("poem", "ratio") == heads.unit_of("no-such-recipe", "nll") == ""


def test_the_curve_of_a_trial_is_that_of_the_compared_metric_not_of_the_monitored_one(tmp_path):
    run = Run(SETTINGS, tmp_path, child=child, lend=load)
    settings = {"steps": 6, "evaluate_every": 2}
    trials = Trials(run, "mlp", {"one": SMALL}, seeds=1, metric="accuracy", better="max", settings=settings)
    trials.step(0)
    rows = [json.loads(line) for line in next(tmp_path.glob("trials/*/metrics.jsonl")).read_text().splitlines()]
    expected = [[row["step"], row["valid/accuracy"]] for row in rows if "valid/accuracy" in row]
    (result,) = trials.of("one")
    assert len(expected) == 3 and result["curve"] == expected
    assert trials.figures()["comparison"].figures[0].y.startswith("accuracy on validation")
    assert trials.steps_to(result, expected[-1][1]) <= 6


@pytest.mark.parametrize("better", ["min", "max"])
def test_fewer_than_three_seeds_show_nothing(better):
    for first, other in (((0.3,), (0.1,)), ((0.3, 0.3), (0.1, 0.1)), ((0.3, 0.31), (0.1, 0.2))):
        table = results(better, first=first, other=other).table()
        assert "no interval, which takes 3 finite results: no difference is shown" in table
    assert "95 % interval [" in results(first=(0.3, 0.31, 0.3), other=(0.1, 0.2, 0.2)).table()
