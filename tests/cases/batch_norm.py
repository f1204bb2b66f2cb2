from contract.cases import Case
from oracles import batch_norm as oracle
from torch import nn

from deepcanon.vision import BatchNorm
from deepcanon.vision.batch_norm import batch_norm_backward, batch_norm_forward, fold, running_statistics

EPS = 1e-3


def both(x, weight, bias, grad):
    outputs, cache = batch_norm_forward(x, weight, bias, EPS)
    return outputs, *batch_norm_backward(cache, grad)


def both_by_jacobian(params, x, weight, bias, grad):
    return oracle.forward(x, weight, bias, EPS), *oracle.backward(x, weight, grad, EPS)


def updated(x, mean, variance):
    _, cache = batch_norm_forward(x, mean, mean)
    return running_statistics(mean, variance, cache, 0.3)


def folded(pair, x):
    """A linear map and its normalisation, as one map."""
    return nn.functional.linear(x, *fold(pair[0].weight, pair[0].bias, pair[1]))


def one_after_another(params, x):
    z = x @ params["0.weight"].T + params["0.bias"]
    return oracle.evaluated({name[2:]: value for name, value in params.items() if name[0] == "1"}, z)


def drawn(rng, *shape):
    return rng.normal(size=shape)


CASES = (
    Case(
        name="batch_norm",
        build=lambda: BatchNorm(4),
        inputs=lambda rng: (2 + 3 * drawn(rng, 6, 4),),
        oracle=oracle.evaluated,
        covers=("Cache",),
    ),
    Case(
        name="batch_norm_images",
        build=lambda: BatchNorm(3),
        inputs=lambda rng: (drawn(rng, 4, 3, 5, 2),),
        oracle=oracle.evaluated,
    ),
    Case(
        name="batch_norm_folded",
        build=lambda: nn.Sequential(nn.Linear(5, 4), BatchNorm(4)),
        call=folded,
        inputs=lambda rng: (drawn(rng, 6, 5),),
        oracle=one_after_another,
        covers=("fold",),
        export=False,
        skips={"gradients": "for inference", "gradcheck": "for inference"},
    ),
)

FUNCTIONS = (
    Case(
        name="batch_norm_by_hand",
        build=None,
        call=both,
        inputs=lambda rng: (drawn(rng, 7, 3), drawn(rng, 3), drawn(rng, 3), drawn(rng, 7, 3)),
        oracle=both_by_jacobian,
        covers=("batch_norm_forward", "batch_norm_backward"),
    ),
    Case(
        name="batch_norm_by_hand_images",
        build=None,
        call=both,
        inputs=lambda rng: (drawn(rng, 3, 2, 4, 3), drawn(rng, 2), drawn(rng, 2), drawn(rng, 3, 2, 4, 3)),
        oracle=both_by_jacobian,
    ),
    Case(
        name="running_statistics",
        build=None,
        call=updated,
        inputs=lambda rng: (drawn(rng, 7, 3), drawn(rng, 3), rng.uniform(0.5, 2, 3)),
        oracle=lambda params, x, mean, variance: oracle.running(mean, variance, x, 0.3),
    ),
)
