import numpy as np
import torch
from contract.cases import Case
from oracles import learning_rate_decay as oracle

from deepcanon.foundations import cosine_decay, exponential_decay, inverse_decay, step_decay
from deepcanon.foundations.learning_rate_decay import constant_rate, inverse_variance, stationary_variance, whole_epochs

STEPS = 12


def schedule(name, ours, theirs):
    return Case(
        name=name,
        build=None,
        call=lambda times: torch.tensor([ours(int(t)) for t in times], dtype=torch.float64),
        inputs=lambda rng: (np.arange(STEPS + 1),),
        oracle=lambda params, times: np.array([theirs(int(t)) for t in times], dtype=np.float64),
        covers=(name,),
    )


DROPS = (0.25, 0.5, 0.75)
FUNCTIONS = (
    schedule("constant_rate", lambda t: constant_rate(t, STEPS), lambda t: 1.0),
    schedule(
        "step_decay",
        lambda t: step_decay(t, STEPS, factor=0.3, drops=DROPS),
        lambda t: oracle.step(t, STEPS, 0.3, DROPS),
    ),
    schedule(
        "exponential_decay",
        lambda t: exponential_decay(t, STEPS, last=0.02),
        lambda t: oracle.exponential(t, STEPS, 0.02),
    ),
    schedule("inverse_decay", lambda t: inverse_decay(t, STEPS, last=0.02), lambda t: oracle.inverse(t, STEPS, 0.02)),
    schedule("cosine_decay", lambda t: cosine_decay(t, STEPS, last=0.1), lambda t: oracle.cosine(t, STEPS, 0.1)),
    schedule("whole_epochs", lambda t: whole_epochs(t, 5), lambda t: [n for n in range(99) if 5 * n <= t][-1]),
    schedule(
        "inverse_variance",
        lambda t: inverse_variance(t, 0.3, 2.0, 1.5, start=0.7),
        lambda t: oracle.second_moment([0.3 / (1 + 0.3 * 2.0 * i) for i in range(t)], 2.0, 1.5, 0.7),
    ),
    Case(
        name="stationary_variance",
        build=None,
        call=lambda options: torch.tensor(stationary_variance(*options.tolist()), dtype=torch.float64),
        inputs=lambda rng: (rng.uniform(0.2, 1.2, size=3),),
        oracle=lambda params, options: oracle.second_moment([options[0]] * 2000, options[1], options[2], 3.0),
        gradcheck=False,
    ),
)
