"""DQN on CartPole-v1 against stable-baselines3: CPU-seconds to the first passing evaluation.

Both sides train the same network by the same updates: equal layers, inputs divided by the same scale, batch,
optimizer (Adam, one constant step size), Huber loss, clip, discount, exploration, replay size, warm-up,
environments, updates per step of the environments, and period of the target network. After every 100 steps both
are judged by the same 20 greedy episodes from the same starts; a mean of 475 passes. Only training is timed
(one thread, the CPU-time clock of the process): evaluations, which stable-baselines3 runs much slower, count
for neither. Seeds alternate between the sides in one process.

Reported with it: updates until then (equal in distribution: the gain must not come from updating less) and
environment steps per CPU-second. A run that does not pass within the budget counts with all its seconds.
"""

import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))

import stable_baselines3.dqn.dqn
from record import gemm_rate, record
from stable_baselines3 import DQN
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from deepcanon.data.seeds import stream_seed
from deepcanon.engine.run import Run
from deepcanon.environments.vector import SCALES, Environments
from deepcanon.recipes.dqn import Config, Recipe
from deepcanon.settings import Settings

ENVIRONMENT, PASS, EVERY, STEPS, SEEDS = "CartPole-v1", 475.0, 100, 5_000, 7
CONFIG = Config(anneal=False)


class Clock:
    """CPU-seconds of training: stopped during evaluations."""

    def __init__(self):
        self.total, self.began = 0.0, time.process_time()

    def stop(self):
        self.total += time.process_time() - self.began

    def start(self):
        self.began = time.process_time()


def score(policy, seed):
    envs = Environments(ENVIRONMENT, 20)
    with torch.no_grad():
        return envs.episodes(policy, stream_seed(seed, 0, "valid episodes"))[0].mean()


def ours(seed, limit=STEPS):
    settings = Settings(data=ENVIRONMENT, seed=seed, steps=STEPS, device="cpu", threads=1, precision="fp32")
    run = Run(settings)
    torch.manual_seed(stream_seed(seed, 0, "init"))
    clock = Clock()
    scale = list(SCALES[ENVIRONMENT])
    reader = {"id": ENVIRONMENT, "observation": [4], "actions": 2}
    recipe = Recipe(CONFIG, {"scale": scale, "reader": reader}, run)
    result = 0.0
    for step in range(limit):
        run.step = step
        metrics = recipe.step(step)
        {name: float(value) for name, value in metrics.items()}  # as the engine reads them
        if (step + 1) % EVERY == 0:
            clock.stop()
            result = score(recipe.greedy, seed)
            clock.start()
            if result >= PASS:
                break
    clock.stop()
    return clock.total, recipe.updates, recipe.environments.steps, result


class Scaled(BaseFeaturesExtractor):
    """The same input scaling, inside the network."""

    def __init__(self, observation_space):
        super().__init__(observation_space, 4)
        self.register_buffer("scale", torch.tensor(SCALES[ENVIRONMENT]))

    def forward(self, observation):
        return observation / self.scale


class SameLoss:
    """torch's functions, with stable-baselines3's smooth L1 loss given the same point where it turns linear."""

    def __getattr__(self, name):
        return getattr(torch.nn.functional, name)

    @staticmethod
    def smooth_l1_loss(values, target):
        return torch.nn.functional.huber_loss(values, target, delta=CONFIG.delta)


class Judge(BaseCallback):
    def __init__(self, seed, clock):
        super().__init__()
        self.seed, self.clock, self.result = seed, clock, 0.0

    def _on_step(self):
        # called before the step's updates: the first call of a multiple sees the updates of EVERY steps before
        if self.n_calls > EVERY and (self.n_calls - 1) % EVERY == 0:
            self.clock.stop()
            network = self.model.q_net
            self.result = score(lambda o: network(torch.from_numpy(o)).argmax(1).numpy(), self.seed)
            self.clock.start()
        return self.result < PASS


def theirs(seed, limit=STEPS):
    clock = Clock()
    stable_baselines3.dqn.dqn.F = SameLoss()
    c, envs = CONFIG, make_vec_env(ENVIRONMENT, CONFIG.environments, seed=seed)
    model = DQN(
        "MlpPolicy", envs, learning_rate=c.learning_rate, buffer_size=c.replay_size, learning_starts=c.warmup,
        batch_size=c.batch, tau=1.0, gamma=c.discount, train_freq=1, gradient_steps=c.updates,
        # stable-baselines3 counts environment steps here
        target_update_interval=c.target_period * c.environments // c.updates,
        exploration_fraction=c.explore / (limit * c.environments), exploration_initial_eps=c.epsilon_start,
        exploration_final_eps=c.epsilon_end, max_grad_norm=c.gradient_clip, seed=seed, device="cpu", verbose=0,
        policy_kwargs={"net_arch": list(c.hidden), "features_extractor_class": Scaled},
    )  # fmt: skip
    judge = Judge(seed, clock)
    model.learn(limit * c.environments, callback=judge, log_interval=None)
    clock.stop()
    return clock.total, model._n_updates, model.num_timesteps, judge.result


def main():
    torch.set_num_threads(1)
    np.random.seed(0)
    rows = {"deepcanon": [], "stable-baselines3": []}
    for train in (ours, theirs):  # what torch and the peer import on first use is not part of training
        train(1000, limit=200)
    for seed in range(SEEDS):
        for name, train in (("deepcanon", ours), ("stable-baselines3", theirs)):
            seconds, updates, steps, result = train(seed)
            rows[name].append((seconds, updates, steps, result))
            print(f"seed {seed} {name:18} {seconds:6.2f} CPU-s  {updates:6d} updates  {steps:6d} steps  "
                  f"return {result:.1f}  {1e6 * seconds / updates:.0f} us per update", flush=True)  # fmt: skip
    median = {n: [statistics.median(r[i] for r in found) for i in range(3)] for n, found in rows.items()}
    ours_s, peer_s = median["deepcanon"][0], median["stable-baselines3"][0]
    passed = {n: sum(int(r[3] >= PASS) for r in found) for n, found in rows.items()}
    total = {n: [sum(r[i] for r in found) for i in range(3)] for n, found in rows.items()}
    per_update = {n: total[n][0] / total[n][1] for n in rows}
    rate = {n: total[n][2] / total[n][0] for n in rows}
    multiplications = 4 * CONFIG.hidden[0] + CONFIG.hidden[0] * CONFIG.hidden[1] + CONFIG.hidden[1] * 2
    flops = 2 * multiplications * CONFIG.batch * 4  # target forward, forward, and backward twice a forward
    rate_of_products = gemm_rate(torch.float32, 256)
    print(f"stable-baselines3 {stable_baselines3.__version__}: median {peer_s:.2f} CPU-s, ours {ours_s:.2f}: "
          f"{peer_s / ours_s:.2f}x (passed {passed}, median updates "
          f"{ {n: m[1] for n, m in median.items()} })")  # fmt: skip
    print(f"per update: {1e6 * per_update['stable-baselines3']:.0f} us, ours {1e6 * per_update['deepcanon']:.0f}: "
          f"{per_update['stable-baselines3'] / per_update['deepcanon']:.2f}x; steps/s (not claimed): "
          f"{rate['stable-baselines3']:.0f}, ours {rate['deepcanon']:.0f}")  # fmt: skip
    print(f"floor: {flops / 1e6:.1f} MFLOP an update at {rate_of_products / 1e9:.0f} GFLOP/s = "
          f"{1e6 * flops / rate_of_products:.0f} us")  # fmt: skip
    quality = (f"first evaluation >= 475 (20 greedy episodes) in {passed['deepcanon']} of {SEEDS} runs, peer "
               f"{passed['stable-baselines3']} of {SEEDS}; median updates {median['deepcanon'][1]:.0f} and "
               f"{median['stable-baselines3'][1]:.0f}")  # fmt: skip
    common = {"peer": "stable-baselines3 DQN", "version": stable_baselines3.__version__, "quality": quality}
    record("dqn", [
        {**common, "unit": "CPU-s to the first passing evaluation", "ours": round(ours_s, 2),
         "peers": round(peer_s, 2), "ratio": round(peer_s / ours_s, 2), "target": 1.5},
        {**common, "unit": "CPU-us per update, acting included", "ours": round(1e6 * per_update["deepcanon"]),
         "peers": round(1e6 * per_update["stable-baselines3"]), "target": 1.5,
         "ratio": round(per_update["stable-baselines3"] / per_update["deepcanon"], 2)},
    ])  # fmt: skip


if __name__ == "__main__":
    main()
