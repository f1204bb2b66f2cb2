from contract.cases import Case
from oracles import dqn as oracle

from deepcanon.rl import QNetwork, td_loss, td_target

CASES = (
    Case(
        name="q_network",
        build=lambda: QNetwork(4, 3, hidden=(7, 5)),
        inputs=lambda rng: (rng.normal(size=(6, 4)),),
        oracle=oracle.values,
        covers=("QNetwork",),
    ),
)

FUNCTIONS = (
    Case(
        name="td_target",
        build=None,
        call=lambda r, z, q: td_target(r, z, q, 0.9),
        inputs=lambda rng: (rng.normal(size=8), rng.random(8) < 0.4, rng.normal(size=(8, 3))),
        oracle=lambda params, r, z, q: oracle.target(r, z, q, 0.9),
        skips={"gradcheck": "the target carries no gradient, by definition"},
    ),
    Case(
        name="td_target_double",
        build=None,
        call=lambda r, z, q, online: td_target(r, z, q, 0.9, online),
        inputs=lambda rng: (
            rng.normal(size=8),
            rng.random(8) < 0.4,
            rng.normal(size=(8, 3)),
            rng.normal(size=(8, 3)),
        ),
        oracle=lambda params, r, z, q, online: oracle.target(r, z, q, 0.9, online),
        skips={"gradcheck": "the target carries no gradient, by definition"},
    ),
    Case(
        name="td_loss",
        build=None,
        call=td_loss,
        inputs=lambda rng: (2 * rng.normal(size=(8, 3)), rng.integers(3, size=8), 2 * rng.normal(size=8)),
        oracle=lambda params, q, a, y: oracle.loss(q, a, y),
        constants=(1, 2),
    ),
)
