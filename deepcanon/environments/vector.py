"""Vector environments that can be saved in mid-episode and restored bit for bit.

`Environments(id, count)` runs `count` copies at once behind one interface, whatever is below:
CartPole is gymnasium's own numpy vector environment, Acrobot is the numpy vector environment of this file,
any other gymnasium id runs in gymnasium's SyncVectorEnv. Nothing is opened before it is used.

A step resets every finished copy at once (autoreset in the SAME step). So `Transition` keeps two
observations: `successor`, the true s' of the transition that was taken, also when the episode ended there,
and `observation`, from which the next action is chosen, which is a fresh first observation after an end.
Only (s, a, r, successor, terminated) belongs in a replay memory; a row that spans two episodes does not exist.

Exact resume: `get_state` holds physics, clocks and the state of the random generator as arrays, numbers
and strings. Environments without an adapter (`exact` is False) cannot be saved: on restore they start new
episodes, and say so in one line.
"""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from deepcanon.environments.generator_state import generator_state, restore_generator
from deepcanon.errors import UsageError

__all__ = ["EXACT", "SCALES", "Environments", "Transition"]

EXACT = ("CartPole-v0", "CartPole-v1", "Acrobot-v1")  # ids that resume exactly
LONGEST = 10_000  # steps of an episode that is scored, if the environment sets no limit
LIMITS = {"CartPole-v0": 200, "CartPole-v1": 500, "Acrobot-v1": 500}  # steps after which an episode is cut
SCALES = {  # what counts as a large value of each observed number: the limit of the episode, or a usual speed
    "CartPole-v0": (2.4, 2.0, 0.21, 2.0),
    "CartPole-v1": (2.4, 2.0, 0.21, 2.0),
    "Acrobot-v1": (1.0, 1.0, 1.0, 1.0, 4.0, 8.0),
}


class Transition(NamedTuple):
    observation: np.ndarray  # [count, size] float32: what the next action responds to
    reward: np.ndarray  # [count] float32
    terminated: np.ndarray  # [count] bool: the successor is terminal, its value is 0
    truncated: np.ndarray  # [count] bool: the time limit cut the episode, the successor has a value
    successor: np.ndarray  # [count, size] float32: s' of this transition, before any reset


def _gymnasium() -> Any:
    try:
        import gymnasium
    except ImportError:
        raise UsageError("environments need gymnasium: pip install 'deepcanon[rl]'") from None
    return gymnasium


class _CartPole:
    """gymnasium's numpy vector environment, with the reset moved from the next step into the same one."""

    observation_size, actions = 4, 2

    def __init__(self, identifier: str, count: int) -> None:
        gymnasium = _gymnasium()
        made = gymnasium.make_vec(identifier, num_envs=count, vectorization_mode="vector_entry_point")
        self.env = made.unwrapped
        self.env.max_episode_steps = LIMITS[identifier]

    def reset(self, generator: np.random.Generator) -> np.ndarray:
        self.env.np_random = generator
        return self.env.reset()[0]

    def step(self, action: np.ndarray) -> Transition:
        env = self.env
        successor, reward, terminated, truncated, _ = env.step(action)
        observation = successor
        if env.prev_done.any():
            done = env.prev_done
            env.state[:, done] = env.np_random.uniform(env.low, env.high, size=(4, int(done.sum())))
            env.steps[done] = 0
            env.prev_done = np.zeros_like(done)
            observation = env.state.T.astype(np.float32)
        return Transition(observation, reward, terminated, truncated, successor)

    def get_state(self) -> dict:
        return {
            "state": self.env.state.copy(),
            "clock": self.env.steps.copy(),
            "generator": generator_state(self.env.np_random),
        }

    def set_state(self, state: dict) -> None:
        env = self.env
        env.np_random = restore_generator(state["generator"])
        env.reset()  # opens the episode bookkeeping; the state drawn here is replaced, and the draws undone:
        env.np_random = restore_generator(state["generator"])
        env.state = np.array(state["state"], dtype=np.float64)
        env.steps = np.array(state["clock"], dtype=np.int32)


class _Acrobot:
    """Two links of length and mass 1 hanging from a joint; torque -1, 0 or 1 between them; swing up.

    Sutton, Generalization in reinforcement learning, 1996, with the dynamics of Sutton and Barto's book and
    the observation, time step, speed limits and start of gymnasium's Acrobot-v1, for all copies at once.
    Rows of `state`: angle of link 1 from hanging, angle of link 2 relative to link 1, their two speeds.
    """

    observation_size, actions = 6, 3
    gravity, time_step = 9.8, 0.2
    speed_limits = (4 * np.pi, 9 * np.pi)

    def __init__(self, identifier: str, count: int) -> None:
        self.count, self.limit = count, LIMITS[identifier]
        self.state = np.zeros((4, count))
        self.clock = np.zeros(count, dtype=np.int32)

    def reset(self, generator: np.random.Generator) -> np.ndarray:
        self.generator = generator
        self.state = self._start(self.count)
        self.clock = np.zeros(self.count, dtype=np.int32)
        return self._observe()

    def _start(self, count: int) -> np.ndarray:
        return self.generator.uniform(-0.1, 0.1, size=(4, count)).astype(np.float32).astype(np.float64)

    def _observe(self) -> np.ndarray:
        one, two, speed_one, speed_two = self.state
        rows = (np.cos(one), np.sin(one), np.cos(two), np.sin(two), speed_one, speed_two)
        return np.stack(rows, axis=1).astype(np.float32)

    def _derivative(self, state: np.ndarray, torque: np.ndarray) -> np.ndarray:
        # masses, lengths and moments of inertia are 1, the centres of mass lie at 1/2
        one, two, speed_one, speed_two = state
        cosine, sine = np.cos(two), np.sin(two)
        d1 = 0.25 + (1.25 + cosine) + 1.0 + 1.0
        d2 = (0.25 + 0.5 * cosine) + 1.0
        phi2 = 0.5 * self.gravity * np.cos(one + two - np.pi / 2)
        phi1 = (
            -0.5 * speed_two**2 * sine
            - speed_two * speed_one * sine
            + 1.5 * self.gravity * np.cos(one - np.pi / 2)
            + phi2
        )
        ratio = d2 / d1
        pull = torque + ratio * phi1 - 0.5 * speed_one**2 * sine - phi2
        acceleration_two = pull / (1.25 - d2**2 / d1)
        acceleration_one = -(d2 * acceleration_two + phi1) / d1
        return np.stack((speed_one, speed_two, acceleration_one, acceleration_two))

    def _integrate(self, torque: np.ndarray) -> np.ndarray:
        # one classical Runge-Kutta step
        half, state = self.time_step / 2, self.state
        k1 = self._derivative(state, torque)
        k2 = self._derivative(state + half * k1, torque)
        k3 = self._derivative(state + half * k2, torque)
        k4 = self._derivative(state + self.time_step * k3, torque)
        return state + self.time_step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    def step(self, action: np.ndarray) -> Transition:
        state = self._integrate(action - 1.0)
        angles = state[:2]
        while (high := angles > np.pi).any():  # angles are kept in [-pi, pi]
            angles[high] -= 2 * np.pi
        while (low := angles < -np.pi).any():
            angles[low] += 2 * np.pi
        for row, bound in zip(state[2:], self.speed_limits, strict=True):
            np.clip(row, -bound, bound, out=row)
        self.state = state
        self.clock += 1
        terminated = -np.cos(state[0]) - np.cos(state[1] + state[0]) > 1.0  # the tip is above the line
        truncated = self.clock >= self.limit
        reward = np.where(terminated, 0.0, -1.0).astype(np.float32)
        observation = successor = self._observe()
        done = terminated | truncated
        if done.any():
            self.state[:, done] = self._start(int(done.sum()))
            self.clock[done] = 0
            observation = self._observe()
        return Transition(observation, reward, terminated, truncated, successor)

    def get_state(self) -> dict:
        return {
            "state": self.state.copy(),
            "clock": self.clock.copy(),
            "generator": generator_state(self.generator),
        }

    def set_state(self, state: dict) -> None:
        self.generator = restore_generator(state["generator"])
        self.state = np.array(state["state"], dtype=np.float64)
        self.clock = np.array(state["clock"], dtype=np.int32)


class _Other:
    """Any gymnasium id with numbered actions and observations that flatten to a vector; cannot be saved."""

    def __init__(self, identifier: str, count: int) -> None:
        gymnasium = _gymnasium()

        def build() -> Any:
            return gymnasium.wrappers.FlattenObservation(gymnasium.make(identifier))

        try:
            self.env = gymnasium.vector.SyncVectorEnv(
                [build] * count, autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP
            )
        except (gymnasium.error.Error, ImportError, NotImplementedError) as error:
            raise UsageError(f"environment {identifier}: {' '.join(str(error).split())}") from None
        space = self.env.single_action_space
        if not isinstance(space, gymnasium.spaces.Discrete):
            raise UsageError(f"environment {identifier}: numbered (Discrete) actions are needed, it has {space}")
        self.first, self.actions = int(space.start), int(space.n)
        self.observation_size = int(np.prod(self.env.single_observation_space.shape))

    def reset(self, generator: np.random.Generator) -> np.ndarray:
        seeds = generator.integers(2**31, size=self.env.num_envs)
        return np.array(self.env.reset(seed=[int(seed) for seed in seeds])[0], dtype=np.float32)

    def step(self, action: np.ndarray) -> Transition:
        observation, reward, terminated, truncated, infos = self.env.step(action + self.first)
        observation = np.array(observation, dtype=np.float32)
        successor = observation
        if "final_obs" in infos:
            successor = observation.copy()
            for row in np.flatnonzero(infos["_final_obs"]):
                successor[row] = infos["final_obs"][row]
        return Transition(observation, np.array(reward, np.float32), terminated.copy(), truncated.copy(), successor)


class Environments:
    """`count` copies of one environment. `observation` is what the next actions respond to; `finished` holds
    (return, length) of the episodes that ended in the last step; `steps` counts environment steps."""

    def __init__(self, identifier: str, count: int, seed: int | list[int] = 0) -> None:
        if count < 1:
            raise ValueError(f"at least one environment is needed, got {count}")
        self.id, self.count, self.seed = identifier, count, seed
        self.exact = identifier in EXACT
        self.steps = 0
        self.finished: list[tuple[float, int]] = []
        self._backend: Any = None

    def _open(self) -> Any:
        if self._backend is None:
            kind = _CartPole if self.id.startswith("CartPole-") else _Acrobot
            self._backend = (kind if self.exact else _Other)(self.id, self.count)
            self.reseed(self.seed)
        return self._backend

    @property
    def observation(self) -> np.ndarray:
        self._open()
        return self._observation

    @property
    def observation_size(self) -> int:
        return self._open().observation_size

    @property
    def actions(self) -> int:
        return self._open().actions

    def reseed(self, seed: int | list[int]) -> np.ndarray:
        """Starts new episodes in all copies, from this seed (a list of numbers is hashed, never summed)."""
        self._observation = self._open().reset(np.random.default_rng(seed))
        self._returns = np.zeros(self.count)
        self._lengths = np.zeros(self.count, dtype=np.int64)
        return self._observation

    def step(self, action: np.ndarray) -> Transition:
        """One step of every copy; a copy whose episode ended starts its next one within this step."""
        result: Transition = self._open().step(action)
        self._observation = result.observation
        self._returns += result.reward
        self._lengths += 1
        self.steps += self.count
        done = result.terminated | result.truncated
        self.finished = []
        if done.any():
            self.finished = [(float(self._returns[i]), int(self._lengths[i])) for i in np.flatnonzero(done)]
            self._returns[done] = 0.0
            self._lengths[done] = 0
        return result

    def get_state(self) -> dict:
        """Everything the next step depends on, as arrays, numbers, strings and nests of these."""
        state: dict = {"id": self.id, "count": self.count, "seed": self.seed, "steps": self.steps, "open": False}
        if self._backend is not None:
            state["open"] = True
            if self.exact:
                state["physics"] = self._backend.get_state()
                state["observation"] = self._observation.copy()
                state["returns"] = self._returns.copy()
                state["lengths"] = self._lengths.copy()
        return state

    def set_state(self, state: dict) -> None:
        """Continues where `get_state` was; without an adapter new episodes start, and a line says so."""
        if (state["id"], state["count"]) != (self.id, self.count):
            raise ValueError(f"saved: {state['count']} x {state['id']}, these are {self.count} x {self.id}")
        self.seed, self.steps, self.finished = state["seed"], int(state["steps"]), []
        if not state["open"]:
            return
        backend = self._open()
        if self.exact:
            backend.set_state(state["physics"])
            self._observation = np.array(state["observation"], dtype=np.float32)
            self._returns = np.array(state["returns"], dtype=np.float64)
            self._lengths = np.array(state["lengths"], dtype=np.int64)
        else:
            seed = self.seed if isinstance(self.seed, list) else [self.seed]
            self.reseed([*seed, self.steps])
            print(f"{self.id} cannot be saved in mid-episode: new episodes start", file=sys.stderr)

    state_dict = get_state  # what the engine's checkpoint calls
    load_state_dict = set_state

    def episodes(
        self, policy: Any, seed: int | list[int], between: Callable[[], None] = lambda: None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return and length of the first episode of each copy under `policy(observation) -> actions`.

        An environment that never ends by itself is cut after LONGEST steps, and a line says so.

        Args:
            between: called between steps; may raise to end a long evaluation.
        """
        observation = self.reseed(seed)
        returns, lengths = np.zeros(self.count), np.zeros(self.count, dtype=np.int64)
        running = np.ones(self.count, dtype=bool)
        while running.any():
            between()
            if lengths.max() >= LONGEST:
                print(f"{self.id}: {int(running.sum())} episodes are cut after {LONGEST:,} steps", file=sys.stderr)
                break
            result = self.step(policy(observation))
            returns += np.where(running, result.reward, 0.0)
            lengths += running
            running &= ~(result.terminated | result.truncated)
            observation = result.observation
        return returns, lengths
