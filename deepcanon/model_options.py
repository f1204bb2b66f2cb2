"""Options that recipes of one kind of model share: generators, Boltzmann machines, value networks with a memory.

As in `deepcanon.options`, the text under a field is its help, and a recipe changes a default by declaring the field
again. Without torch or NumPy.
"""

from dataclasses import dataclass

from deepcanon.options import Batches, Count, NonNegative, Positive, Probability, Share, Training, Whole

__all__ = ["Adversarial", "ContrastiveDivergence", "Environments", "Exploration", "Generator", "Replay"]


@dataclass(frozen=True, kw_only=True)
class ContrastiveDivergence(Batches):
    gibbs: Count = 1
    """Gibbs steps of an update (k)."""
    learning_rate: Positive = 0.05
    """Initial learning rate; it falls linearly to zero."""
    momentum: Share = 0.5
    """Momentum of the stochastic gradient."""
    decay: NonNegative = 0.0001
    """L2 penalty of the weights."""
    temperatures: Whole = 1000
    """Steps of AIS on the test split; 0 leaves it out."""


# Generators


@dataclass(frozen=True, kw_only=True)
class Generator(Training):
    """What `engine.generator` reads."""

    noise: Count = 64
    """Length of the noise vector."""
    average: Share = 0.999
    """Decay of the moving average of the generator, which draws the samples; 0: no average."""
    samples: Count = 10_000
    """Samples per evaluation."""
    score: bool = False
    """Judge the samples with a classifier that is trained once for each data set."""


@dataclass(frozen=True, kw_only=True)
class Adversarial(Generator):
    batch: Count = 64
    """Real examples per step, and as many samples; both updates use them."""
    learning_rate: Positive = 1e-3
    """Step size of Adam for the generator."""
    discriminator_rate: Positive = 1.0
    """The discriminator's step size as a multiple of it."""
    decay: bool = True
    """Decrease the step size linearly to zero."""
    beta1: Share = 0.5
    """Adam's beta 1; small, as in DCGAN."""


# Policies


@dataclass(frozen=True, kw_only=True)
class Environments(Training):
    """What `engine.actor` reads."""

    environments: Count = 8
    """Copies of the environment that step at once."""
    scale: bool = True
    """Divide each observed number by its usual size, if that is known (CartPole, Acrobot)."""
    discount: Probability = 0.99
    """gamma: the weight of a reward one step later."""
    stop_at: float | None = None
    """Stop when an evaluation's mean return reaches this; by default all steps are taken."""


@dataclass(frozen=True, kw_only=True)
class Replay(Environments):
    updates: Count = 4
    """Updates of the network per training step (one step of every environment)."""
    batch: Count = 128
    """Transitions in one update."""
    replay_size: Count = 10_000
    """Transitions that the replay memory holds."""
    warmup: Whole = 1_000
    """Environment steps before the first update."""
    replay: bool = True
    """Sample from the memory; without it an update sees only the newest transitions (ablation)."""


@dataclass(frozen=True, kw_only=True)
class Exploration(Training):
    explore: Whole = 10_000
    """Environment steps over which the share of random actions falls."""
    epsilon_start: Probability = 1.0
    """Share of random actions at the start."""
    epsilon_end: Probability = 0.05
    """Share of random actions after `explore` steps."""
