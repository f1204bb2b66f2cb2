"""What followed in an episode; the verbs themselves are tested on deep Q-learning (tests/rl/test_dqn.py)."""

import numpy as np
import pytest
import torch

from deepcanon.engine.actor import Episode, Remembers, discounted
from deepcanon.engine.run import Run
from deepcanon.settings import Settings

pytest.importorskip("gymnasium")


def test_returns_that_followed():
    rewards = np.array([1.0, 0.0, 2.0])
    assert discounted(rewards, 0.5).tolist() == [1.5, 1.0, 2.0]
    assert discounted(rewards, 0.5, after=8.0).tolist() == [2.5, 3.0, 6.0]
    assert discounted(rewards, 0.0).tolist() == rewards.tolist()
    assert discounted(rewards[:0], 0.5).tolist() == []


class Left(Remembers):
    """Pushes to the left, whatever it sees."""

    gives = "nothing"

    def __init__(self):
        self.run = Run(Settings(device="cpu", steps=5))
        self.facts = {"scale": [2.0, 1, 1, 1], "reader": {"id": "CartPole-v1", "actions": 2, "observation": [4]}}
        options = {"environments": 3, "replay_size": 20, "replay": True, "updates": 2, "batch": 5, "stop_at": None}
        self.config = type("Config", (), options)
        self.begin()

    def greedy(self, observation):
        return np.zeros(len(observation), dtype=np.int64)


def test_what_is_remembered_is_scaled_and_follows_on():
    of = Left()
    before = of.environments.observation.copy()
    of.act(np.array([0, 1, 0]))
    rows = of.memory.take(np.arange(3))
    np.testing.assert_allclose(rows["observation"].numpy(), before / of.scale)
    np.testing.assert_allclose(rows["successor"].numpy(), of.environments.observation / of.scale)
    assert rows["action"].tolist() == [0, 1, 0] and rows["reward"].tolist() == [1, 1, 1]
    assert {name: len(column) for name, column in of.sample().items()} == dict.fromkeys(rows, 10)
    for _ in range(40):
        of.act(of.greedy(of.environments.observation))
    progress = of.progress(epsilon=0.5)
    assert progress["env_steps"] == 123 and progress["epsilon"] == 0.5
    assert 8 <= float(progress["episode_return"]) <= 11
    assert all(isinstance(value, torch.Tensor) and value.dtype == torch.float64 for value in progress.values())


def test_an_episode_and_its_pictures():
    of = Left()
    episode = of.episode()
    assert isinstance(episode, Episode) and len(episode.observations) == len(episode.rewards) and not episode.cut
    assert of.episode().rewards.tolist() == episode.rewards.tolist()
    shown = of.episode_figures(episode, torch.zeros(len(episode.rewards), 2), ["a", "b"], 0.9, after=7.0)
    assert set(shown) == {"values", "episode"}
    lines = {line.label: line.y for line in shown["values"].lines}
    assert lines["return that followed"][-1] == 1.0  # it fell: nothing follows
    cut = of.episode_figures(episode._replace(cut=True), torch.zeros(len(episode.rewards), 1), ["a"], 0.9, after=7.0)
    assert cut["values"].lines[-1].y[-1] == pytest.approx(1 + 0.9 * 7)
