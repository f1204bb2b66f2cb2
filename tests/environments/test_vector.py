"""Environment adapters: our Acrobot is gymnasium's, resets happen in the same step, resume is exact."""

import json
import sys

import numpy as np
import pytest

from deepcanon.engine.state import pack, unpack
from deepcanon.environments.films import draw, film_strip, write_film
from deepcanon.environments.generator_state import generator_state, restore_generator
from deepcanon.environments.vector import EXACT, Environments
from deepcanon.errors import UsageError

gymnasium = pytest.importorskip("gymnasium")


def swing(observation, rng):
    """Pumps most of the time, so that Acrobot's episodes end by success as well as by the time limit."""
    pump = np.where(observation[:, 5] > 0, 2, 0)
    return np.where(rng.random(len(observation)) < 0.9, pump, rng.integers(3, size=len(observation)))


@pytest.mark.parametrize("kind", ["random", "swing"])
def test_acrobot_equals_gymnasium_step_for_step(kind):
    count, rng = 3, np.random.default_rng(0)
    ours = Environments("Acrobot-v1", count, 5)
    peers = [gymnasium.make("Acrobot-v1") for _ in range(count)]
    observation, ends = ours.observation, {"terminated": 0, "truncated": 0}
    for row, peer in enumerate(peers):
        peer.reset(seed=row)
        peer.unwrapped.state = ours._backend.state[:, row].astype(np.float32)
    for _ in range(1000):
        action = rng.integers(3, size=count) if kind == "random" else swing(observation, rng)
        result = ours.step(action)
        for row, peer in enumerate(peers):
            seen, reward, terminated, truncated, _ = peer.step(int(action[row]))
            assert np.array_equal(seen, result.successor[row])
            assert (reward, terminated, truncated) == (
                result.reward[row], result.terminated[row], result.truncated[row],
            )  # fmt: skip
            ends["terminated"] += int(terminated)
            ends["truncated"] += int(truncated)
            if terminated or truncated:
                assert np.abs(ours._backend.state[:, row]).max() <= 0.1
                peer.reset()
                peer.unwrapped.state = ours._backend.state[:, row].astype(np.float32)
            else:
                assert np.array_equal(result.observation[row], result.successor[row])
        observation = result.observation
    assert ends["terminated" if kind == "swing" else "truncated"] > 0


def test_cartpole_equals_gymnasium_step_for_step():
    count, rng = 3, np.random.default_rng(0)
    ours = Environments("CartPole-v1", count, 5)
    peers = [gymnasium.make("CartPole-v1") for _ in range(count)]
    ours.reseed(5)
    observation, cuts = ours.observation, 0
    for row, peer in enumerate(peers):
        peer.reset(seed=row)
        peer.unwrapped.state = ours._backend.env.state[:, row].copy()
    for _ in range(1300):
        steer = (observation[:, 2] + 0.3 * observation[:, 3] + 0.05 * observation[:, 0] > 0).astype(np.int64)
        action = np.where(rng.random(count) < 0.02, 1 - steer, steer)
        result = ours.step(action)
        for row, peer in enumerate(peers):
            seen, reward, terminated, truncated, _ = peer.step(int(action[row]))
            np.testing.assert_allclose(seen, result.successor[row], atol=1e-5)
            assert (reward, terminated, truncated) == (
                result.reward[row], result.terminated[row], result.truncated[row],
            )  # fmt: skip
            cuts += int(truncated)
            if terminated or truncated:
                peer.reset()
                peer.unwrapped.state = ours._backend.env.state[:, row].copy()
        observation = result.observation
    assert cuts > 0


@pytest.mark.parametrize("identifier", EXACT)
def test_reset_happens_in_the_same_step(identifier):
    envs, rng = Environments(identifier, 4, 1), np.random.default_rng(1)
    before, ended, lengths = envs.observation, 0, []
    clock = np.zeros(4, dtype=int)
    for _ in range(1100):
        action = rng.integers(envs.actions, size=4)
        result = envs.step(action)
        clock += 1
        done = result.terminated | result.truncated
        assert np.array_equal(result.observation[~done], result.successor[~done])
        assert len(envs.finished) == done.sum()
        if done.any():
            fresh = Environments(identifier, 1, 0).observation[0]
            assert np.abs(result.observation[done] - fresh).max() < 0.3  # every start lies near every other
            assert not np.isclose(result.observation[done], result.successor[done]).all(axis=1).any()
            assert [length for _, length in envs.finished] == clock[done].tolist()
            lengths += clock[done].tolist()
            clock[done] = 0
            ended += 1
        # the next transition starts where this one says: no row spans two episodes, none is skipped
        assert np.array_equal(envs.observation, result.observation)
        assert not np.array_equal(before, result.observation)
        before = result.observation
    assert ended > 0 and max(lengths) <= 500


@pytest.mark.parametrize("identifier", EXACT)
@pytest.mark.parametrize("moment", [0, 1, 137, 505])
def test_restored_in_mid_episode_goes_on_to_the_same_bits(identifier, moment):
    first, rng = Environments(identifier, 3, 7), np.random.default_rng(2)
    for _ in range(moment):
        first.step(rng.integers(first.actions, size=3))
    tensors = {}
    tree = json.loads(json.dumps(pack(first.state_dict(), tensors, "environments")))
    second = Environments(identifier, 3, 12345)
    second.load_state_dict(unpack(tree, tensors))
    actions = rng.integers(first.actions, size=(600, 3))
    resets = 0
    for action in actions:
        assert np.array_equal(first.observation, second.observation)
        ours, theirs = first.step(action), second.step(action)
        for a, b in zip(ours, theirs, strict=True):
            assert np.array_equal(a, b)
        assert first.finished == second.finished and first.steps == second.steps
        resets += len(first.finished)
    assert resets > 0  # the random generator was needed, and was the same


def test_saved_state_is_a_copy():
    envs = Environments("CartPole-v1", 2, 0)
    state = envs.get_state()
    assert state["open"] is False
    envs.step(np.array([0, 1]))
    state = envs.get_state()
    kept = {name: np.copy(value) for name, value in state["physics"].items() if name != "generator"}
    for _ in range(50):
        envs.step(np.array([0, 1]))
    assert all(np.array_equal(value, state["physics"][name]) for name, value in kept.items())


def test_equal_seeds_equal_episodes_and_others_differ():
    a, b, c = (Environments("Acrobot-v1", 2, seed).observation for seed in (3, 3, 4))
    assert np.array_equal(a, b) and not np.array_equal(a, c)
    envs = Environments("CartPole-v1", 2, 3)
    assert not np.array_equal(envs.reseed([0, 5]), envs.reseed([3, 2]))


def test_generator_state_has_no_long_integers_and_goes_on():
    generator = np.random.default_rng(3)
    generator.integers(5, size=3, dtype=np.int32)  # leaves half a word behind
    state = generator_state(generator)
    assert all(isinstance(v, str) or v.bit_length() <= 64 for v in state.values())
    other = restore_generator(state)
    assert np.array_equal(generator.integers(9, size=20, dtype=np.int32), other.integers(9, size=20, dtype=np.int32))
    assert generator.normal() == other.normal()


class Counter(gymnasium.Env):
    """Counts its own steps; the observation is the count; cut after 3 (or terminal, by `terminal`)."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2, start=1)

    def __init__(self, terminal=False):
        self.terminal = terminal

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return np.array([0], np.float32), {}

    def step(self, action):
        assert action in (1, 2)
        self.count += 1
        over = self.count == 3
        return (
            np.array([self.count], np.float32), float(action),
            over and self.terminal, over and not self.terminal, {},
        )  # fmt: skip


@pytest.fixture
def counter():
    gymnasium.register("deepcanon/Counter-v0", entry_point=Counter)
    yield "deepcanon/Counter-v0"
    del gymnasium.registry["deepcanon/Counter-v0"]


def test_other_environments_keep_the_final_observation_and_start_again_on_restore(counter, capsys):
    envs = Environments(counter, 2, 0)
    assert not envs.exact and envs.actions == 2 and envs.observation_size == 1
    seen = [envs.step(np.array([0, 1])) for _ in range(4)]
    assert [step.successor[0, 0] for step in seen] == [1, 2, 3, 1]
    assert [step.observation[0, 0] for step in seen] == [1, 2, 0, 1]
    assert [bool(step.truncated[0]) for step in seen] == [False, False, True, False]
    assert seen[0].reward.tolist() == [1, 2]
    other = Environments(counter, 2, 0)
    other.load_state_dict(envs.state_dict())
    assert other.observation[0, 0] == 0 and other.steps == 8
    line = capsys.readouterr().err.strip()
    assert "new episodes start" in line and "\n" not in line


def test_what_cannot_run_is_said_in_one_line(monkeypatch):
    with pytest.raises(UsageError, match="Nowhere-v0"):
        Environments("Nowhere-v0", 1).observation
    with pytest.raises(UsageError, match="Discrete"):
        Environments("Pendulum-v1", 1).observation
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(UsageError, match=r"pip install 'deepcanon\[rl\]'"):
        Environments("CartPole-v1", 1).observation


def test_a_restore_into_other_copies_is_refused():
    envs = Environments("CartPole-v1", 2)
    with pytest.raises(ValueError, match="3 x Acrobot-v1"):
        Environments("Acrobot-v1", 3).load_state_dict(envs.state_dict())


def test_episodes_scores_each_copy_once():
    envs = Environments("CartPole-v1", 5)
    returns, lengths = envs.episodes(lambda observation: np.zeros(5, dtype=np.int64), 0)
    assert np.array_equal(returns, lengths) and (lengths >= 8).all() and (lengths <= 11).all()


@pytest.mark.parametrize("identifier", ["CartPole-v1", "Acrobot-v1"])
def test_pictures_show_the_state(identifier):
    rest = Environments(identifier, 1, 0).observation[0]
    other = rest.copy()
    other[:4] = (1.0, 0, 0.2, 0) if identifier.startswith("Cart") else (0, 1, 1, 0)
    one, two = draw(identifier, rest), draw(identifier, other)
    assert one.shape == (96, 96, 3) and one.dtype == np.uint8
    assert (one != two).any() and one.min() < 200
    assert draw("MountainCar-v0", rest) is None and film_strip("MountainCar-v0", rest[None]) is None
    assert film_strip(identifier, np.stack([rest] * 30)).shape == (12, 3, 96, 96)


def test_a_film_of_what_cannot_be_drawn_is_refused(tmp_path):
    with pytest.raises(ValueError, match="MountainCar-v0"):
        write_film("MountainCar-v0", np.zeros((2, 2)), tmp_path / "film.gif")
