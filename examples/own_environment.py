"""Deep Q-learning in a gymnasium environment of your own.

`data=` takes the id under which the class is registered. Needs an extra: pip install 'deepcanon[rl]'

To run it: python examples/own_environment.py
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete

import deepcanon


class Lander(gymnasium.Env[np.ndarray, np.int64]):
    """A craft falls from a height of about 1 and must touch the ground slowly.

    Observation: height and vertical speed. Actions: 0 falls freely, 1 fires the engine. Reward: -0.02 a step, and at
    the end 1 minus three times the speed of the landing, or -1 for a craft that flies away.
    """

    observation_space = Box(-np.inf, np.inf, (2,), np.float32)
    action_space = Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.height, self.speed = self.np_random.uniform(0.8, 1.2), 0.0
        return np.array([self.height, self.speed], np.float32), {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.speed += 0.05 if action == 1 else -0.05
        self.height += 0.2 * self.speed
        landed, lost = self.height <= 0, self.height > 2
        reward = 1 - 3 * abs(self.speed) if landed else -1.0 if lost else -0.02
        return np.array([self.height, self.speed], np.float32), reward, bool(landed or lost), False, {}


gymnasium.register("Lander-v0", entry_point=Lander, max_episode_steps=100)

run = deepcanon.train(
    "dqn",
    data="Lander-v0",
    out="lander",
    seed=0,
    steps=2_000,  # of eight copies each
    evaluate_every=500,
    explore=8_000,
    quiet=True,
    plain=True,
)
for episode in run.play(episodes=3):
    print(f"return {episode['return']:.2f} after {episode['length']} steps")
print(f"mean return of 100 episodes: {run.evaluate('test')['return']:.2f} (free fall: -1.4, best possible: 0.4)")
