"""Each contract catches a planted bug: the very check that the contract uses fails on a broken module or recipe.

Each bug has a correct twin, on which the same check passes.
"""

import ast
import dataclasses
import json
import os
import shutil
import signal
from abc import abstractmethod
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from contract import modules, recipes, test_coverage, toys, trainees
from contract.cases import CONTRACTS, Case
from contract.files import PACKAGE
from contract.watch import Watch
from deepcanon import options
from deepcanon.engine import training
from deepcanon.errors import UsageError

# Modules


class Sound(nn.Module):
    """A causal recurrence: h_t = tanh(W x_t + U h_{t-1} + b), with a buffer that scales."""

    def __init__(self, features=3, hidden=4):
        super().__init__()
        self.input = nn.Linear(features, hidden)
        self.recurrent = nn.Linear(hidden, hidden, bias=False)
        self.register_buffer("scale", torch.ones(hidden) * 0.9)

    def activate(self, x):
        return torch.tanh(x)

    def forward(self, x):
        state, outputs = x.new_zeros(len(x), self.scale.shape[0]), []
        for t in range(x.shape[1]):
            state = self.activate(self.input(x[:, t]) + self.recurrent(state)) * self.scale
            outputs.append(state)
        return torch.stack(outputs, 1)


def oracle(params, x):
    state, outputs = np.zeros((len(x), 4)), []
    for t in range(x.shape[1]):
        a = x[:, t] @ params["input.weight"].T + params["input.bias"] + state @ params["recurrent.weight"].T
        state = np.tanh(a) * params["scale"]
        outputs.append(state)
    return np.stack(outputs, 1)


def case(cls, **changes):
    values = {
        "name": cls.__name__, "build": cls, "inputs": lambda rng: (rng.normal(size=(3, 5, 3)),), "oracle": oracle,
        "causal": True, "compile": True,
    }  # fmt: skip
    return Case(**{**values, **changes})


class GivesNaN(Sound):
    def forward(self, x):
        return (super().forward(x) - 2).sqrt()


class ForgetsPrecision(Sound):
    def forward(self, x):
        return super().forward(x).float()


class DetachesItsInput(Sound):
    def forward(self, x):
        with torch.no_grad():
            first = self.input(x)
        return torch.tanh(first) + self.recurrent(x.new_ones(len(x), x.shape[1], 4))


class AddsOneInAMillion(Sound):
    def forward(self, x):
        return super().forward(x) * (1 + 1e-6)


class Transposes(Sound):
    def forward(self, x):
        return super().forward(x).transpose(1, 2)


class WrongBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.tanh(x)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * (1 - torch.tanh(x))  # the square is missing


class HasAWrongGradient(Sound):
    def activate(self, x):
        return WrongBackward.apply(x)


class MixesRows(Sound):
    def forward(self, x):
        return super().forward(x - x.mean(0))


class NormalisesOverTheBatch(Sound):
    def forward(self, x):
        return F.batch_norm(super().forward(x).transpose(1, 2), None, None, training=True).transpose(1, 2)


class LooksAhead(Sound):
    def forward(self, x):
        return super().forward(x) + 1e-6 * x.flip(1).cumsum(1).flip(1).sum(-1, keepdim=True)


class KeepsStateForItself(Sound):
    def __init__(self):
        super().__init__()
        self.offset = float(torch.rand(()))

    def forward(self, x):
        return super().forward(x) + self.offset


class HasABufferThatIsNotSaved(Sound):
    def __init__(self):
        super().__init__()
        self.register_buffer("offset", torch.rand(4), persistent=False)

    def forward(self, x):
        return super().forward(x) + self.offset


class CancelsInHalfPrecision(Sound):
    def forward(self, x):
        return (self.input(x) + 1000.0) - 1000.0 + (self.input(x) * 300 - self.input(x) * 299)


class AsksForTheCompiler(Sound):
    def forward(self, x):
        outputs = super().forward(x)
        return outputs + 1 if torch.compiler.is_compiling() else outputs


class BranchesOnValues(Sound):
    def forward(self, x):
        return super().forward(x) if float(x.sum()) > 0 else -super().forward(x)


PLANTED = [
    ("finite", GivesNaN, {}),
    ("finite", ForgetsPrecision, {}),
    ("gradients", DetachesItsInput, {}),
    ("oracle", AddsOneInAMillion, {}),
    ("oracle", Transposes, {}),
    ("gradcheck", HasAWrongGradient, {}),
    ("rows", MixesRows, {}),
    ("rows", NormalisesOverTheBatch, {}),
    ("causal", LooksAhead, {}),
    ("save", KeepsStateForItself, {}),
    ("save", HasABufferThatIsNotSaved, {}),
    ("bf16", CancelsInHalfPrecision, {}),
    ("export", BranchesOnValues, {}),
]


@pytest.mark.parametrize(("contract", "cls", "changes"), PLANTED, ids=lambda value: getattr(value, "__name__", None))
def test_a_broken_module_is_caught(contract, cls, changes):
    broken = case(cls, **changes)
    assert broken.applies(contract)
    with pytest.raises(Exception) as caught:
        modules.CHECKS[contract](broken)
    expected = (AssertionError,) if contract != "export" else (AssertionError, RuntimeError)
    torch_refuses = type(caught.value).__module__.startswith("torch")  # what cannot be exported at all
    assert isinstance(caught.value, expected) or torch_refuses, repr(caught.value)


def test_a_module_that_compiles_to_something_else_is_caught():
    """Without the code generator, which takes a minute here and adds nothing to the proof."""
    modules.check_compile(case(Sound), backend="aot_eager")
    with pytest.raises(AssertionError, match="differs"):
        modules.check_compile(case(AsksForTheCompiler), backend="aot_eager")


@pytest.mark.parametrize("contract", [c for c in CONTRACTS if c not in ("keys", "compile")])
def test_the_sound_module_passes(contract):
    modules.CHECKS[contract](case(Sound))


def test_renamed_keys_are_caught():
    golden = json.loads(json.dumps({"Sound": modules.keys_of(case(Sound))}))
    modules.check_keys(case(Sound), golden)
    for change in (
        {"build": lambda: nn.Sequential(Sound())},
        {"build": lambda: Sound(hidden=5)},
        {"build": lambda: Sound().half()},
        {"name": "unknown"},
    ):
        with pytest.raises(AssertionError, match="regenerate"):
            modules.check_keys(case(Sound, **change), golden)


def test_a_wrong_function_is_caught():
    inputs = {"inputs": lambda rng: (rng.normal(size=(4, 6)),)}
    right = Case("entropy", None, call=lambda x: x.softmax(1), oracle=softmax, rows=True, **inputs)
    for contract in ("finite", "oracle", "gradcheck", "rows"):
        modules.CHECKS[contract](right)
    wrong = Case("entropy", None, call=lambda x: x.softmax(0), oracle=softmax, rows=True, **inputs)
    for contract in ("oracle", "rows"):
        with pytest.raises(AssertionError):
            modules.CHECKS[contract](wrong)


def softmax(params, x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def test_a_skip_needs_a_known_contract_and_a_reason():
    with pytest.raises(ValueError, match="no such contract"):
        case(Sound, skips={"gradchek": "typing error"})
    with pytest.raises(ValueError, match="needs a reason"):
        case(Sound, skips={"gradcheck": " "})


# Recipes

TOY = toys.TOYS
HIDDEN = (
    "ForgetsCarry", "ForgetsCount", "ForgetsMomentum", "HidesStateInModule", "HidesStateInACallable", "HidesAnIterator",
)  # fmt: skip


@pytest.mark.parametrize("name", HIDDEN)
def test_unnamed_state_is_caught(name):
    with pytest.raises(AssertionError, match=r"named in state|cannot look into"):
        recipes.check_state(TOY[name])


@pytest.mark.parametrize("name", ["ForgetsCarry", "ForgetsMomentum", "DrawsFromItsOwnGenerator"])
def test_a_resume_that_goes_another_way_is_caught(name, tmp_path):
    with pytest.raises(AssertionError, match="differs"):
        recipes.check_resume(TOY[name], tmp_path)


def test_the_copy_in_mid_step_is_what_a_kill_leaves(tmp_path):
    """So the contract of resume needs no killed process for each recipe."""
    of = TOY["Recipe"].with_(evaluate_every=2, log_every=1, checkpoint_every=0)
    copied, killed = tmp_path / "copied", tmp_path / "killed"
    watch = Watch(tmp_path / "whole", copy=copied, copied=(7,))
    trainees.train(dataclasses.replace(of, recipe=watch.watched(of.recipe)), tmp_path / "whole")

    class Deadly(toys.Recipe):
        def step(self, step):
            metrics = super().step(step)
            if step == 7:
                os.kill(os.getpid(), signal.SIGKILL)
            return metrics

    def work():
        trainees.train(dataclasses.replace(of, recipe=Deadly), killed)

    Deadly.__module__ = toys.__name__
    assert trainees.in_child(work) == -signal.SIGKILL
    assert json.loads((killed / "status.json").read_text())["state"] == "running"
    recipes.check_same_run(copied, killed)
    assert trainees.resume(of, killed)["state"] == "done"
    recipes.check_same_run(tmp_path / "whole", killed)


def test_a_run_that_draws_from_nowhere_is_caught():
    with pytest.raises(AssertionError, match="and then"):
        recipes.check_same_seed(TOY["DrawsFromNowhere"])


def test_a_seed_without_effect_is_caught():
    with pytest.raises(AssertionError, match="same trace"):
        recipes.check_other_seed(TOY["IgnoresTheSeed"])
    recipes.check_deterministic(TOY["IgnoresTheSeed"])


def test_chance_that_is_declared_away_is_caught():
    with pytest.raises(AssertionError, match="declared deterministic"):
        recipes.check_deterministic(TOY["Recipe"])


def test_gradients_that_point_uphill_are_caught():
    with pytest.raises(AssertionError, match="fell to"):
        recipes.check_overfits(TOY["ClimbsUphill"])


def test_a_changed_trace_is_caught():
    golden = recipes.golden_trace(TOY["Recipe"])
    recipes.check_golden(TOY["Recipe"], golden)
    with pytest.raises(AssertionError, match="regenerate"):
        recipes.check_golden(TOY["Recipe"].with_({"learning_rate": 0.0505}), golden)
    with pytest.raises(AssertionError, match="regenerate"):
        recipes.check_golden(TOY["Recipe"])  # which has no file


def watched_run(name, folder):
    """A training of a toy, watched, and what it measures at its end."""
    watch = Watch(folder)
    trainees.train(dataclasses.replace(TOY[name], recipe=watch.watched(TOY[name].recipe)), folder)
    return watch, training.evaluate(watch.recipe, "valid")


@pytest.mark.parametrize(
    ("name", "says"), [("ReturnsFloats", "loss, which is not a tensor"), ("MeasuresTheUndescribed", "valid/sharpness")]
)
def test_metrics_that_wait_or_are_not_described_are_caught(name, says, tmp_path):
    with pytest.raises(AssertionError, match=says):
        recipes.check_metrics(toys.METRICS, *watched_run(name, tmp_path / "run"))


def test_the_sound_recipe_passes(tmp_path):
    of = TOY["Recipe"]
    recipes.check_state(of)
    recipes.check_resume(of, tmp_path)
    recipes.check_same_seed(of)
    recipes.check_other_seed(of)
    recipes.check_overfits(of)
    recipes.check_metrics(toys.METRICS, *watched_run("Recipe", tmp_path / "watched"))


def test_two_processes_that_do_not_agree_are_caught():
    """`test_recipes.py` runs the toys with local statistics, gradients, noise and dropout in two processes."""
    one = recipes.final_state(TOY["Recipe"])
    recipes.check_same_model(one, {name: value.clone() for name, value in one.items()})
    other = {name: value * (1 + 1e-8) if value.is_floating_point() else value for name, value in one.items()}
    with pytest.raises(AssertionError, match="differs by"):
        recipes.check_same_model(one, other)


def test_missing_artefacts_are_caught(tmp_path):
    trainees.train(TOY["Recipe"], tmp_path / "run")
    recipes.check_artefacts(tmp_path / "run", toys.Recipe)
    for index, name in enumerate((*recipes.ARTEFACTS, "checkpoints/step-000000012")):
        copy = tmp_path / str(index)
        shutil.copytree(tmp_path / "run", copy)
        shutil.rmtree(copy / name) if (copy / name).is_dir() else (copy / name).unlink()
        with pytest.raises((AssertionError, FileNotFoundError)):
            recipes.check_artefacts(copy, toys.Recipe)
    (tmp_path / "run" / "model.pkl").write_bytes(b"")
    with pytest.raises(AssertionError, match="left over"):
        recipes.check_artefacts(tmp_path / "run", toys.Recipe)
    trainees.train(TOY["DrawsNothing"], tmp_path / "nothing")
    with pytest.raises(AssertionError, match="no figure"):
        recipes.check_artefacts(tmp_path / "nothing", toys.Recipe)


@pytest.mark.parametrize(("name", "fails"), [("Recipe", False), ("OpensDataToStart", True)])
def test_a_run_that_needs_its_data_is_caught(name, fails, tmp_path, monkeypatch):
    import deepcanon.verbs

    of = TOY[name]
    trainees.train(of, tmp_path / "run")

    def load(folder):
        return training.load(of.recipe, folder)[0]

    def uses(recipe):
        assert len(recipe.predict(torch.zeros(3, 2, 3, 3))) == 3

    monkeypatch.setattr(deepcanon.verbs, "load", load)
    data = tmp_path / "data"
    data.mkdir()
    if fails:
        with pytest.raises(AssertionError, match="without its data fails"):
            recipes.check_self_sufficient(tmp_path / "run", tmp_path / "moved", [data], uses)
    else:
        recipes.check_self_sufficient(tmp_path / "run", tmp_path / "moved", [data], uses)
    assert not data.exists() and not (tmp_path / "run").exists()


# Rules of the house


@pytest.mark.parametrize(
    "text",
    [
        "import pickle", "from pickle import loads", "import joblib", "eval('1')", "exec('x = 1')", "__import__('os')",
        "numpy.load(path, allow_pickle=True)", "torch.load(path)", "torch.load(path, weights_only=False)",
        "archive.extractall(to)", "subprocess.run(line, shell=True)", "torch.jit.load(path)", "os.system(line)",
        "f(allow_pickle=flag)",
    ],
)  # fmt: skip
def test_calls_that_run_data_are_caught(text):
    assert test_coverage.forbidden_in(ast.parse(text), "deepcanon/data/text.py")


@pytest.mark.parametrize(
    "text", ["numpy.load(path, allow_pickle=False)", "model.eval()", "re.compile('a')", "subprocess.run(['ls'])"]
)
def test_calls_that_do_not_are_left_alone(text):
    assert not test_coverage.forbidden_in(ast.parse(text), "deepcanon/data/text.py")


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("foundations/mlp.py", "deepcanon.engine"),
        ("foundations/mlp.py", "deepcanon.data.splits"),
        ("foundations/mlp.py", "deepcanon.vision.convnet"),
        ("foundations/mlp.py", "sklearn"),
        ("parts/schedules.py", "deepcanon.foundations.mlp"),
        ("engine/run.py", "deepcanon.verbs"),
        ("engine/run.py", "deepcanon.recipes.mlp"),
        ("engine/run.py", "deepcanon.foundations.mlp"),
        ("data/text.py", "deepcanon.engine.run"),
        ("recipes/mlp.py", "deepcanon.recipes.pca"),
        ("recipes/mlp.py", "deepcanon.cli"),
        ("foundations/mlp.py", "deepcanon.options"),
        ("parts/schedules.py", "deepcanon.errors"),
        ("data/text.py", "deepcanon.environments"),
        ("environments/vector.py", "deepcanon.engine.run"),
        ("engine/run.py", "deepcanon.techniques.losses"),
        ("techniques/losses.py", "deepcanon.recipes.mlp"),
        ("verbs.py", "deepcanon.verify"),
        ("heads.py", "deepcanon.settings"),
    ],
)
def test_imports_against_the_direction_are_caught(path, module):
    assert test_coverage.wrong_imports(PACKAGE / path, [(1, module)])


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("foundations/mlp.py", "deepcanon.parts.schedules"),
        ("recipes/mlp.py", "deepcanon.engine"),
        ("engine/run.py", "deepcanon.data.seeds"),
        ("engine/classifier.py", "deepcanon.parts.classification"),
        ("engine/run.py", "deepcanon.options"),
        ("data/text.py", "deepcanon.errors"),
        ("environments/vector.py", "deepcanon.errors"),
        ("techniques/losses.py", "deepcanon.foundations.losses"),
        ("recipes/mlp.py", "deepcanon.techniques.losses"),
        ("verify.py", "deepcanon.verbs"),
        ("foundations/mlp.py", "torch.nn"),
    ],
)
def test_imports_along_the_direction_are_left_alone(path, module):
    assert not test_coverage.wrong_imports(PACKAGE / path, [(1, module)])


class Unfaithful(toys.Recipe):
    """A recipe of whose declarations one is changed."""


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"state": ()}, "assert"),
        ({"parallel": "sometimes"}, "sometimes"),
        ({"monitor": ("test/nll", "min")}, "test/nll"),
        ({"monitor": ("valid/sharpness", "min")}, "METRICS does not describe"),
        ({"wants": "dogs"}, "dogs"),
        ({"inputs": "smells"}, "smells"),
        ({"encode": lambda self, inputs: inputs}, "inherit Encodes"),
        ({"learn": lambda config, data: {}}, "not a classmethod"),
        ({"plan": abstractmethod(lambda self: 1)}, "without plan"),
    ],
)
def test_a_wrong_declaration_is_caught(change, says):
    head = SimpleNamespace(metrics=toys.METRICS, options=())
    test_coverage.check_recipe_class(Unfaithful, head)
    with pytest.raises(AssertionError, match=says):
        test_coverage.check_recipe_class(type("Recipe", (Unfaithful,), change), head)


def test_a_default_out_of_its_range_is_caught():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config:
        batch: options.Count = 0

    with pytest.raises(UsageError, match="--batch 0"):
        test_coverage.check_ranges(Config, Config())


def test_a_public_name_without_a_case_is_caught(monkeypatch):
    from deepcanon.foundations import mlp

    monkeypatch.setattr(mlp, "__all__", [*mlp.__all__, "unheard_of"])
    monkeypatch.setattr(mlp, "unheard_of", lambda x: x, raising=False)
    with pytest.raises(AssertionError, match="no case covers"):
        test_coverage.test_every_public_name_has_a_case(PACKAGE / "foundations" / "mlp.py")
