"""Deep Q-learning: problems whose values are known, where an end is not terminal, copies, draws and resume."""

import math
from dataclasses import replace

import jaxtyping
import numpy as np
import pytest
import torch
from oracles import dqn as oracle

from deepcanon.engine.run import Run
from deepcanon.environments.vector import SCALES
from deepcanon.recipes.dqn import Config, Recipe
from deepcanon.rl import QNetwork, td_loss, td_target
from deepcanon.rl.dqn import copy_network, linear_epsilon
from deepcanon.settings import Settings
from deepcanon.verb_options import Playing

gymnasium = pytest.importorskip("gymnasium")


def test_target_is_masked_by_termination_even_of_a_value_that_blew_up():
    reward, terminated = torch.tensor([1.0, 1.0]), torch.tensor([True, False])
    y = td_target(reward, terminated, torch.tensor([[math.inf, 1.0], [2.0, 3.0]]), 0.5)
    assert y.tolist() == [1.0, 2.5]


def test_target_carries_no_gradient():
    values = torch.randn(4, 2, requires_grad=True)
    y = td_target(torch.zeros(4), torch.zeros(4, dtype=torch.bool), values, 0.9)
    assert not y.requires_grad
    with pytest.raises(ValueError, match="gradient"):
        td_loss(values, torch.zeros(4, dtype=torch.long), values.amax(1))


def test_double_target_selects_by_one_network_and_values_by_the_other():
    zero, no = torch.zeros(1), torch.tensor([False])
    frozen, online = torch.tensor([[10.0, 1.0]]), torch.tensor([[0.0, 1.0]])
    assert td_target(zero, no, frozen, 1.0).item() == 10
    assert td_target(zero, no, frozen, 1.0, online).item() == 1


def test_loss_gradient_is_the_clipped_error_of_the_action_taken():
    rng = np.random.default_rng(0)
    values = torch.tensor(3 * rng.normal(size=(9, 4)), requires_grad=True)
    action, y = torch.tensor(rng.integers(4, size=9)), torch.tensor(3 * rng.normal(size=9))
    td_loss(values, action, y).backward()
    expected = oracle.loss_gradient(values.detach().numpy(), action.numpy(), y.numpy())
    np.testing.assert_allclose(values.grad.numpy(), expected, atol=1e-12)
    assert np.abs(expected).max() == pytest.approx(1 / 9)


@pytest.mark.parametrize(
    "call",
    [
        lambda: td_target(torch.ones(3, 1), torch.ones(3, dtype=torch.bool), torch.ones(3, 2), 0.9),
        lambda: td_target(torch.ones(3), torch.ones(3), torch.ones(3, 2), 0.9),
        lambda: td_target(torch.ones(3), torch.ones(3, dtype=torch.bool), torch.ones(2, 2), 0.9),
        lambda: td_target(torch.ones(3), torch.ones(3, dtype=torch.bool), torch.ones(3, 2), 0.9, torch.ones(3, 1)),
        lambda: td_loss(torch.ones(3, 2), torch.ones(3, dtype=torch.long), torch.ones(3, 1)),
        lambda: td_loss(torch.ones(3, 2), torch.ones(2, dtype=torch.long), torch.ones(3)),
        lambda: QNetwork(0, 2),
    ],
)
def test_shapes_that_would_broadcast_are_refused(call, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # or the tests' own check answers first
    with pytest.raises(ValueError, match=r"\[batch|rows of|boolean|selector|batch sizes|positive"):
        call()


def test_epsilon_is_the_oracles_line():
    for step in (0, 1, 49, 50, 99, 100, 1000):
        assert linear_epsilon(step, 100, 1.0, 0.1) == pytest.approx(oracle.epsilon(step, 100, 1.0, 0.1))
    assert linear_epsilon(0, 0, 1.0, 0.1) == linear_epsilon(7, 7, 1.0, 0.1) == 0.1


def test_copy_is_exact_and_leaves_no_tie():
    one, two = QNetwork(3, 2), QNetwork(3, 2)
    copy_network(two, one)
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b) and a.data_ptr() != b.data_ptr()
    with torch.no_grad():
        one.values.bias.add_(1)
    assert not torch.equal(one.values.bias, two.values.bias)


# The recipe on problems with known values


class OneStep(gymnasium.Env):
    """Three contexts, two actions, a table of rewards, over after one step."""

    table = np.array([[1.0, -1.0], [0.25, 0.5], [-2.0, 3.0]])
    observation_space = gymnasium.spaces.Discrete(3)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.context = int(self.np_random.integers(3))
        return self.context, {}

    def step(self, action):
        return 0, float(self.table[self.context, action]), True, False, {}


class Walk(gymnasium.Env):
    """Reward 1 a step; cut after every step though nothing ended; the observation never changes."""

    observation_space = gymnasium.spaces.Discrete(1)
    action_space = gymnasium.spaces.Discrete(2)
    terminal = False

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {}

    def step(self, action):
        return 0, 1.0, self.terminal, not self.terminal, {}


class Mortal(Walk):
    """The same, over for good after every step."""

    terminal = True


@pytest.fixture(autouse=True)
def register():
    for kind in (OneStep, Walk, Mortal):
        gymnasium.register(f"deepcanon/{kind.__name__}-v0", entry_point=kind)
    yield
    for kind in (OneStep, Walk, Mortal):
        del gymnasium.registry[f"deepcanon/{kind.__name__}-v0"]


EXACT = Config(
    environments=8, updates=2, batch=64, hidden=(), learning_rate=0.1, replay_size=2000, warmup=100,
    epsilon_end=1.0, target_period=20, gradient_clip=0.0,
)  # fmt: skip


def make(identifier, size, actions, config, steps, seed=0):
    settings = Settings(data=identifier, seed=seed, steps=steps, device="cpu", threads=1, precision="fp32")
    run = Run(settings)
    torch.manual_seed(seed)
    facts = {"reader": {"kind": "environment", "id": identifier, "observation": [size], "actions": actions}}
    facts["scale"] = SCALES.get(identifier, [1.0] * size)
    return Recipe(config, facts, run)


def advance(recipe, first, last):
    rows = []
    for step in range(first, last):
        recipe.run.step = step
        rows.append(recipe.step(step))
    return rows


def test_one_step_problem_is_solved_exactly():
    recipe = make("deepcanon/OneStep-v0", 3, 2, EXACT, 150)
    advance(recipe, 0, 150)
    values = recipe.model(torch.eye(3)).detach().numpy()
    np.testing.assert_allclose(values, OneStep.table, atol=0.02)
    # every episode got the best reward that its context offers
    score = recipe.evaluate("valid")
    assert score["length"] == 1 and score["worst"] == 0.5


@pytest.mark.parametrize(("name", "value"), [("Walk", 2.0), ("Mortal", 1.0)])
def test_a_time_limit_is_no_end_and_an_end_is(name, value):
    """With discount 1/2, rewards of 1 for ever are worth 2; a bootstrap masked by the limit, too, gives 1."""
    recipe = make(f"deepcanon/{name}-v0", 1, 2, replace(EXACT, discount=0.5), 150)
    advance(recipe, 0, 150)
    assert recipe.model(torch.ones(1, 1)).detach().numpy() == pytest.approx(value, abs=0.02)


SMALL = Config(
    environments=4, updates=3, batch=16, hidden=(16,), replay_size=150, warmup=40, explore=300, target_period=30
)


def equal(one, two):
    assert all(torch.equal(a, b) for a, b in zip(one.model.parameters(), two.model.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(one.target.parameters(), two.target.parameters(), strict=True))
    for name, column in one.memory.columns.items():
        assert np.array_equal(column, two.memory.columns[name])


@pytest.mark.parametrize(("identifier", "size", "actions"), [("CartPole-v1", 4, 2), ("Acrobot-v1", 6, 3)])
def test_equal_seeds_give_equal_runs_and_a_restored_run_goes_on_to_the_same_bits(identifier, size, actions):
    from deepcanon.engine.state import restore, snapshot

    one, two, three = (make(identifier, size, actions, SMALL, 90) for _ in range(3))
    advance(one, 0, 90)
    advance(two, 0, 53)
    for name in Recipe.state:
        restore(three, name, snapshot(getattr(two, name)))
    trace = advance(three, 53, 90)
    advance(two, 53, 90)
    equal(one, two)
    equal(one, three)
    assert trace[-1]["env_steps"] == 360 and trace[-1]["updates"] == one.updates == 3 * (90 - 9)
    other = make(identifier, size, actions, SMALL, 90, seed=1)
    advance(other, 0, 12)
    assert not torch.equal(one.model.values.weight, other.model.values.weight)


def test_target_network_is_the_network_of_the_last_copy():
    recipe = make("CartPole-v1", 4, 2, SMALL, 60)
    kept = [p.clone() for p in recipe.model.parameters()]
    copies = 0
    for step in range(60):
        before = recipe.updates
        advance(recipe, step, step + 1)
        if recipe.updates // 30 > before // 30:
            kept, copies = [p.clone() for p in recipe.model.parameters()], copies + 1
        assert all(torch.equal(a, b) for a, b in zip(kept, recipe.target.parameters(), strict=True))
    assert copies == recipe.updates // 30 == 5


@pytest.mark.parametrize("change", [{"double": True}, {"target_network": False}, {"replay": False}])
def test_options_change_the_run(change):
    fast = replace(SMALL, learning_rate=0.02)
    plain, other = (make("CartPole-v1", 4, 2, c, 60) for c in (fast, replace(fast, **change)))
    advance(plain, 0, 60)
    rows = advance(other, 0, 60)
    assert math.isfinite(float(rows[-1]["loss"])) and plain.updates == other.updates
    assert not torch.equal(plain.model.values.weight, other.model.values.weight)


def test_without_replay_an_update_sees_the_newest_transitions_alone():
    recipe = make("CartPole-v1", 4, 2, replace(SMALL, replay=False), 60)
    advance(recipe, 0, 50)
    batch = recipe.sample()
    newest = recipe.memory.take(recipe.memory.newest(4))
    for name, column in batch.items():
        assert torch.equal(column, torch.cat([newest[name]] * 3))


def test_evaluation_disturbs_nothing_and_repeats():
    one, two = (make("CartPole-v1", 4, 2, SMALL, 80) for _ in range(2))
    advance(one, 0, 40)
    advance(two, 0, 40)
    scores = [one.evaluate("valid"), one.evaluate("valid")]
    assert scores[0] == scores[1] and one.evaluate("test") != scores[0]
    advance(one, 40, 80)
    advance(two, 40, 80)
    equal(one, two)


def test_play_counts_and_films(tmp_path):
    from PIL import Image

    recipe = make("CartPole-v1", 4, 2, SMALL, 10)
    played = recipe.play(Playing(episodes=3, seed=0, to=str(tmp_path / "film.gif")))
    assert [p["episode"] for p in played] == [0, 1, 2]
    assert all(p["return"] == p["length"] >= 5 for p in played)
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == -(-played[0]["length"] // 2)


def test_stop_at_ends_the_run_at_a_passing_evaluation():
    recipe = make("CartPole-v1", 4, 2, replace(SMALL, stop_at=5.0), 10)
    recipe.evaluate("test")
    assert recipe.run.stop_reason is None
    recipe.evaluate("valid")
    assert "20 greedy episodes" in recipe.run.stop_reason


@pytest.mark.parametrize(
    "change", [{}, {"double": True}, {"target_network": False}, {"replay": False}, {"delta": 0.2, "gradient_clip": 0.1}]
)
def test_update_by_hand_is_that_of_autograd(change):
    """One transition batch after the other in float64, the actions given: same weights, same target network."""
    config = replace(SMALL, learning_rate=0.01, **change)
    ours, theirs = (make("CartPole-v1", 4, 2, config, 60) for _ in range(2))
    theirs.by_hand = False
    for recipe in (ours, theirs):
        recipe.model.double()
        recipe.target.double()
    random = np.random.default_rng(0)
    for _ in range(20):
        batches = {
            "observation": torch.tensor(random.normal(size=(48, 4))),
            "action": torch.tensor(random.integers(2, size=48)),
            "reward": torch.tensor(random.normal(size=48)),
            "terminated": torch.tensor(random.random(48) < 0.2),
            "successor": torch.tensor(random.normal(size=(48, 4))),
        }
        for recipe in (ours, theirs):
            recipe.learn_from(batches)
        assert float(ours.loss) == pytest.approx(float(theirs.loss), rel=1e-10)
    assert ours.by_hand and ours.updates == theirs.updates == 60
    for one, two in ((ours.model, theirs.model), (ours.target, theirs.target)):
        for a, b in zip(one.parameters(), two.parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-11, rtol=1e-10)


def test_a_run_by_hand_acts_as_one_by_autograd():
    ours, theirs = (make("CartPole-v1", 4, 2, SMALL, 60) for _ in range(2))
    theirs.by_hand = False
    for one, two in zip(advance(ours, 0, 60), advance(theirs, 0, 60), strict=True):
        assert one.keys() == two.keys()
        assert all(float(one[name]) == pytest.approx(float(two[name]), rel=1e-4) for name in one)
