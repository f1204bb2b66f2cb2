"""Learning rates beyond the edge of what was tried: found, bounded, and the same in any number of processes."""

import math

import pytest

from deepcanon.engine.run import Run
from deepcanon.engine.trials import Trials
from deepcanon.settings import Settings

RATES = (0.01, 0.03, 0.1)


def made(optimum, tmp_path, world=1, rates=RATES, **options):
    """Trials that are never trained: an arm's error is the distance of its rate from the optimum, in decades."""
    run = Run(Settings(threads=1, precision="fp32", device="cpu"), tmp_path)
    run.world, gathered = world, []
    run.gather = lambda result: gathered.pop()

    def trial(index, stem, overrides, settings, checkpoint, test):
        error = abs(math.log10(overrides["learning_rate"] / overrides["optimum"]))
        done = {"error": error}
        return {"valid": done, "test": done if test else None, "curve": [], "loss": [], "failed": None}

    run.trial, run.say = trial, lambda line: None
    arms = {name: {"optimum": value} for name, value in optimum.items()}
    trials = Trials(run, "mlp", arms, tune={"learning_rate": rates}, **{"extend": 4, "seeds": 2, **options})
    for step in range(trials.trials):
        together = trials._ready()[:world]  # what all processes train
        gathered.append([trials._train(0, *one) for one in together])
        trials.step(step)
        if run.stop_reason:
            break
    return trials


def rates(trials, arm):
    return [result["options"]["learning_rate"] for result in trials.of(arm, "tune")]


@pytest.mark.parametrize("world", [1, 2, 3])
def test_an_arm_whose_best_rate_lies_on_the_edge_tries_further_ones(tmp_path, world):
    trials = made({"inside": 0.03, "above": 0.5, "below": 0.001}, tmp_path, world)
    assert rates(trials, "inside") == [*RATES]
    assert rates(trials, "above") == [*RATES, 0.333, 1.11], "0.333 is best, so that 1.11 is tried and no more"
    assert rates(trials, "below") == [*RATES, 0.00333, 0.00111, 0.00037]
    assert trials.chosen("above") == {"learning_rate": 0.333} and trials.chosen("below") == {"learning_rate": 0.00111}
    assert [result["phase"] for result in trials.results[-6:]] == ["seeds"] * 6, "then all arms are scored"
    assert len(trials.of("above")) == 2 and trials._run.stop_reason == "every trial is done"
    assert "edge" not in trials.table()


def test_the_search_is_bounded_and_an_edge_that_stays_is_flagged(tmp_path):
    trials = made({"far": 1e6}, tmp_path, extend=2)
    assert rates(trials, "far") == [*RATES, 0.333, 1.11]
    assert "far: test error 5.955 (5.955, 5.955) at learning-rate 1.11 (learning-rate at the edge" in trials.table()
    assert rates(made({"far": 1e6}, tmp_path, extend=0), "far") == [*RATES]


def test_one_rate_is_taken_as_it_is_and_two_have_two_edges(tmp_path):
    one = made({"arm": 1.0}, tmp_path, rates=(0.1,))
    assert one.of("arm", "tune") == [] and one.scores("arm") == [1.0, 1.0]
    assert rates(made({"arm": 0.01}, tmp_path, rates=(0.01, 0.1)), "arm") == [0.01, 0.1, 0.001]


def test_results_so_far_say_what_comes_next(tmp_path):
    whole = made({"above": 0.5, "below": 0.001}, tmp_path)
    again = Trials(
        whole._run, "mlp", whole._arms, tune={"learning_rate": RATES}, extend=4, seeds=2
    )  # as after a restart, at any point
    for done in range(len(whole.results)):
        again.load_state_dict({"results": whole.results[:done]})
        phase, arm, seed, options = again._ready()[0]
        expected = whole.results[done]
        assert (phase, arm, seed) == (expected["phase"], expected["arm"], expected["seed"])
        assert (options or again.chosen(arm)) == expected["options"]
