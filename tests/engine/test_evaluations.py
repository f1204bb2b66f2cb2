from types import SimpleNamespace

import pytest
import torch

import deepcanon
from deepcanon.data.splits import Split
from deepcanon.engine import calibrate
from deepcanon.engine.calibrate import EVALUATIONS, evaluations
from deepcanon.errors import UsageError

RECIPE = SimpleNamespace(monitor=("valid/error", "min"), parallel="gradients", batches_per_step=1)


def often(steps, batch=64, examined=6000, kind="images", options=None, **recipe):
    options = options or {}

    class Data(dict):
        pass

    x = ("a bc " * examined)[: 5 * examined // 2] if kind == "text" else torch.zeros(examined)
    data = Data(valid=Split(x)) if examined else Data()
    data.kind = kind
    config = SimpleNamespace(**({"batch": batch} if batch else {}), **options)
    return evaluations(SimpleNamespace(**{**vars(RECIPE), **recipe}), config, data, steps)


def test_evaluations_take_a_fifth_of_the_time_of_the_steps_at_most():
    for steps in (400, 2000, 5000, 20_000):
        count = often(steps)
        assert count in (3, EVALUATIONS) or count * 6000 / 3 <= 0.2 * steps * 64
    assert [often(steps) for steps in (10, 400, 2000, 20_000)] == [3, 3, 12, 20]
    assert often(1000, batches_per_step=2) == often(2000) == often(2000, kind="documents")
    # Of a text the tokens count: here two characters and a half to a word.
    words, letters = ({"unit": unit, "window": 4} for unit in ("words", "characters"))
    assert often(400, batch=16, kind="text", options=words) == often(400)
    assert often(5000, batch=16, kind="text", options=letters) == often(2000)


@pytest.mark.parametrize(
    "given", [{"examined": 0}, {"batch": 0}, {"kind": "text"}, {"parallel": "trials"}, {"examined": 50}]
)
def test_the_rest_is_evaluated_twenty_times(given):
    assert often(1000, **given) == EVALUATIONS


def test_minutes_count_the_evaluations_that_there_will_be(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(calibrate.time, "perf_counter", lambda: clock[0])
    recipe = SimpleNamespace(calibrate_at=0, run=SimpleNamespace(stop_reason=None))

    def takes(seconds):
        return lambda: clock.__setitem__(0, clock[0] + seconds)

    for often, left in ((lambda steps: EVALUATIONS, 54 - 21 * 2), (lambda steps: 3, 54 - 4 * 2)):
        steps = calibrate.steps_in_minutes(recipe, takes(0.125), takes(2.0), often, 1.0)
        assert steps == int(left / 0.125)


SMALL = {"steps": 1, "data": "digits", "hidden": (4,), "threads": 1, "precision": "fp32"}
LAST = "no validation split: the last weights are kept, not the best ones"


def said(folder, name, **options):
    lines = []
    deepcanon.train(name, out=folder, say=lines.append, **options)
    return [line for line in lines if "the last weights are kept" in line]


def test_it_is_said_that_no_validation_split_is_left(tmp_path):
    assert said(tmp_path / "a", "mlp", **SMALL, valid_share=0.0) == [f"{LAST} (--valid-share 0.1 holds one out)"]
    assert said(tmp_path / "b", "mlp", **SMALL, valid_share=0.1) == []
    with pytest.raises(UsageError, match=r"--patience 3 needs .* no validation split is left: --valid-share 0.1 holds"):
        said(tmp_path / "c", "mlp", **SMALL, valid_share=0.0, patience=3)
    assert not (tmp_path / "c").exists()


def test_nothing_is_said_where_weights_are_not_chosen_on_validation(tmp_path):
    pytest.importorskip("gymnasium")  # a policy is measured in episodes, without splits of examples
    assert said(tmp_path / "a", "dqn", preset="smoke", steps=1) == []
    assert said(tmp_path / "b", "pca", preset="smoke") == []
    with pytest.raises(UsageError, match=r"--patience 3 needs .* does not choose weights on validation: leave it out"):
        said(tmp_path / "c", "pca", preset="smoke", patience=3)
