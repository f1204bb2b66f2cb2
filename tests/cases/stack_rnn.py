import numpy as np
from contract.cases import Case
from oracles import stack_rnn as oracle

from deepcanon.sequence import StackRNN
from deepcanon.sequence.stack_rnn import stack_step

WAYS = {
    "keep": {"keep": True},
    "recurrent": {"recurrent": True, "read": 1},
    "shallow": {"depth": 3},
    "rounded": {"keep": True, "rounded": True},
}


def sequence(rng):
    return (rng.normal(size=(3, 5, 4)),)


def masked(rng):
    # The middle row has a gap, the last one is short.
    mask = np.array([[1, 1, 1, 1, 1], [1, 0, 1, 1, 0], [1, 1, 0, 0, 0]], dtype=bool)
    return rng.normal(size=(3, 5, 4)), mask


def way_of(options):
    return {name: value for name, value in options.items() if name in ("read", "rounded", "depth")}


CASES = (
    Case("stack_rnn", lambda: StackRNN(4, 3, 2), sequence, oracle.module, causal=True, covers=("StackState",)),
    *(
        Case(
            f"stack_rnn_{name}",
            lambda options=options: StackRNN(4, 3, 2, **options),
            sequence,
            lambda params, x, options=options: oracle.module(params, x, **way_of(options)),
            causal=True,
        )
        for name, options in WAYS.items()
    ),
    Case(
        "stack_rnn_masked",
        lambda: StackRNN(4, 3, 2),
        masked,
        oracle.module,
        causal=True,
        call=lambda module, x, mask: module(x, None, mask),
    ),
    Case(
        "stack_rnn_trace",
        lambda: StackRNN(4, 3, 2),
        sequence,
        lambda params, x: (oracle.module(params, x)[0], oracle.module(params, x)[1][1]),
        call=lambda module, x: (module.trace(x).hidden, module.trace(x).stacks[:, -1]),
        covers=("StackTrace",),
    ),
)
FUNCTIONS = (
    Case(
        "stack_step",
        None,
        lambda rng: tuple(rng.normal(size=s) for s in ((2, 3, 5), (2, 3, 3), (2, 3))),
        oracle.moved_all,
        call=stack_step,
    ),
)
