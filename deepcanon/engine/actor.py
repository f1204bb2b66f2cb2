"""What is done with a policy apart from training it: scored on separate episodes, played, filmed, exported.

The update is the recipe's own. The rest is the same for every policy of numbered actions: a recipe holds `model` and
`preprocess`, says which actions it takes (`greedy`), and inherits the verbs (`Acts`). One that learns from a replay
memory also inherits how experience is gathered (`Remembers`).
"""

import math
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from deepcanon.data.seeds import stream_seed
from deepcanon.data.splits import Dataset
from deepcanon.engine.contract import Exports, Metrics, Plays
from deepcanon.engine.export import Export
from deepcanon.engine.figures import Line, Plot, Tiles
from deepcanon.engine.run import Run
from deepcanon.environments.films import film_strip, write_film
from deepcanon.environments.vector import LONGEST, SCALES, Environments
from deepcanon.parts.replay import Replay
from deepcanon.verb_options import Playing
from deepcanon.writing import replacing

__all__ = ["Acts", "Episode", "Remembers", "discounted"]

VALUES = (
    "What the network expects during one greedy episode, and the return that followed: the highest expectation should "
    "be close to the grey line."
)
EPISODE = "One greedy episode from left to right, row by row: a trained policy keeps to its task until the end."
EPISODES = {"valid": 20, "test": 100}


class Episode(NamedTuple):
    """One greedy episode."""

    observations: np.ndarray  # [steps, size]
    rewards: np.ndarray  # [steps]
    cut: bool  # whether a time limit ended it, so that more would have followed


def discounted(rewards: np.ndarray, discount: float, after: float = 0.0) -> np.ndarray:
    """The discounted return that followed each step; `after` is what would have followed the last one."""
    followed = np.empty(len(rewards))
    for step in reversed(range(len(rewards))):
        followed[step] = after = float(rewards[step]) + discount * after
    return followed


class Acts(Plays, Exports):
    """The verbs of a recipe that trains a policy. It has the options `scale` and `stop_at`."""

    splits: tuple[str, ...] = ("valid", "test")
    gives: ClassVar[str]
    """What the model gives for a raw observation, for those who use its export."""

    config: Any
    facts: dict[str, Any]
    run: Run
    model: nn.Module
    preprocess: nn.Module

    @classmethod
    def learn(cls, config: Any, data: Dataset) -> dict[str, Any]:
        """The usual size of each observed number: known for some environments, otherwise 1."""
        known = SCALES.get(data.facts["id"]) if config.scale else None
        return {"scale": list(known or [1.0] * math.prod(data.facts["observation"]))}

    @abstractmethod
    def greedy(self, observation: np.ndarray) -> np.ndarray:
        """The best actions [N] according to the policy, for raw observations [N, size]."""

    @property
    def environment(self) -> str:
        """The environment's id."""
        return str(self.facts["reader"]["id"])

    @property
    def actions(self) -> int:
        """How many there are."""
        return int(self.facts["reader"]["actions"])

    @property
    def scale(self) -> np.ndarray:
        """By which observations are divided: `preprocess` without a tensor's overhead."""
        return np.array(self.facts["scale"], dtype=np.float32)

    def evaluate(self, split: str) -> Metrics:
        """Greedy episodes from starts that training never sees: 20 to choose weights by, 100 others to score."""
        environments, run = Environments(self.environment, EPISODES[split]), self.run
        returns, lengths = environments.episodes(
            self.greedy, stream_seed(run.seed, 0, f"{split} episodes"), run.breathe
        )
        enough = self.config.stop_at
        if split == "valid" and enough is not None and returns.mean() >= enough:
            run.stop(f"mean return {returns.mean():.1f} of {len(returns)} greedy episodes")
        return {
            "return": float(returns.mean()),
            "return_std": float(returns.std()),
            "worst": float(returns.min()),
            "length": float(lengths.mean()),
        }

    def play(self, asked: Playing) -> list[dict[str, Any]]:
        environments, seen = Environments(self.environment, asked.episodes), []

        def policy(observation: np.ndarray) -> np.ndarray:
            seen.append(observation[0])
            return self.greedy(observation)

        returns, lengths = environments.episodes(policy, stream_seed(asked.seed, 0, "play"))
        if asked.to:
            with replacing(Path(asked.to)) as temporary:
                write_film(self.environment, np.stack(seen[: lengths[0]]), temporary)
        played = zip(returns, lengths, strict=True)
        return [{"episode": i, "return": float(r), "length": int(n)} for i, (r, n) in enumerate(played)]

    def episode(self) -> Episode:
        """One greedy episode, the same start each time."""
        environments, seen, rewards = Environments(self.environment, 1, stream_seed(self.run.seed, 0, "figure")), [], []
        while True:
            self.run.breathe()
            seen.append(environments.observation)
            result = environments.step(self.greedy(environments.observation))
            rewards.append(float(result.reward[0]))
            ended = bool(result.terminated[0] or result.truncated[0])
            if ended or len(rewards) >= LONGEST:
                return Episode(np.concatenate(seen), np.array(rewards), not bool(result.terminated[0]))

    def episode_figures(
        self, episode: Episode, values: Tensor, names: list[str], discount: float, after: float
    ) -> dict[str, Any]:
        """Pictures of an episode for `figures`, and what a network expected next to what came.

        Args:
            values: the expectations [steps, K] that `names` names.
            after: what was expected where a time limit cut the episode.
        """
        came = discounted(episode.rewards, discount, after if episode.cut else 0.0)
        lines = [Line(values[:, place], label=name) for place, name in enumerate(names)]
        lines.append(Line(came, label="return that followed", style="--", colour=-1))
        title = f"{self.environment}: {episode.rewards.sum():g}"
        shown: dict[str, Any] = {
            "values": Plot(lines, "step of the episode", "discounted return", title, caption=VALUES)
        }
        strip = film_strip(self.environment, episode.observations)  # none of an environment that cannot be drawn
        return shown if strip is None else {**shown, "episode": Tiles(strip, caption=EPISODE)}

    def export(self) -> Export:
        about = {"environment": self.environment, "meaning": self.gives, "discount": self.config.discount}
        example = torch.zeros(2, len(self.scale))
        return Export(nn.Sequential(self.preprocess, self.model), (example,), ("observation",), ("values",), about)


class Remembers(Acts):
    """A policy that learns from transitions of several environments, the newest of which a memory holds.

    `environments`, `memory` and `recent` are state of the recipe; its options are `environments`, `replay_size`,
    `replay`, `updates` and `batch`.
    """

    environments: Environments
    memory: Replay
    recent: list[float]
    """Returns of the last 100 finished episodes."""

    def begin(self) -> None:
        """Opens the environments and an empty memory; call it in `build`."""
        size, seed = len(self.scale), stream_seed(self.run.seed, 0, "environment")
        self.environments = Environments(self.environment, self.config.environments, seed)
        columns: dict[str, tuple[tuple[int, ...], str]] = {
            "observation": ((size,), "float32"),
            "action": ((), "int64"),
            "reward": ((), "float32"),
            "terminated": ((), "bool"),
            "successor": ((size,), "float32"),
        }
        self.memory = Replay(self.config.replay_size, columns, self.run.device)
        self.recent = []

    def act(self, action: np.ndarray) -> None:
        """One step of every environment, remembered."""
        environments, scale = self.environments, self.scale
        observation = environments.observation
        result = environments.step(action)
        # Only `terminated` masks a bootstrap; the successor is the true one, never the next episode's first.
        self.memory.add(
            observation=observation / scale,
            action=action,
            reward=result.reward,
            terminated=result.terminated,
            successor=result.successor / scale,
        )
        self.recent = (self.recent + [score for score, _ in environments.finished])[-100:]

    def sample(self) -> dict[str, Tensor]:
        """The batches of the step's updates, one after the other, drawn uniformly with replacement.

        Without replay each batch is the newest transition of every environment.
        """
        config, held = self.config, len(self.memory)
        if config.replay:
            rows = self.run.numpy("replay").integers(held, size=config.updates * config.batch)
        else:
            rows = np.tile(self.memory.newest(min(config.environments, held)), config.updates)
        return {name: self.run.to(column) for name, column in self.memory.take(rows).items()}

    def progress(self, **numbers: float) -> dict[str, Tensor]:
        """Numbers for the metrics of a step, with how much has been seen and how well it went."""
        numbers["env_steps"] = self.environments.steps
        if self.recent:
            numbers["episode_return"] = sum(self.recent) / len(self.recent)
        return {name: torch.tensor(float(number), dtype=torch.float64) for name, number in numbers.items()}
