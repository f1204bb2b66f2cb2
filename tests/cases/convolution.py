from contract.cases import Case
from oracles import convolution as oracle

from deepcanon.vision import Convolution
from deepcanon.vision.convolution import convolve, convolve_backward, pool, pool_backward

SIDES = ((1, 0), (0, 1))


def images(rng):
    return (rng.normal(size=(2, 2, 7, 6)),)


def parts(rng):
    return (
        rng.normal(size=(2, 2, 5, 7)),
        rng.normal(size=(3, 2, 2, 3)),
        rng.normal(size=3),
        rng.normal(size=(2, 3, 3, 3)),
    )


def both_ways(x, w, b, grad):
    y, cache = convolve(x, w, b, stride=(2, 3), padding=((1, 1), (2, 0)), flipped=True)
    return y, *convolve_backward(grad, cache)


def expected(params, x, w, b, grad):
    y, gradients = oracle.convolution(x, w, b, (2, 3), ((1, 1), (2, 0)), flipped=True)
    return y, *gradients(grad)


def pooled(kind):
    def call(x):
        y, cache = pool(x, kind, (3, 2), stride=2, padding=SIDES, ceil=True, count_padding=False)
        return y, pool_backward(y.square(), cache)

    def known(params, x):
        y, gradient = oracle.pool(x, kind, (3, 2), (2, 2), SIDES, ceil=True, count_padding=False)
        return y, gradient(y**2)

    return Case(name=f"pool_{kind}", build=None, call=call, inputs=images, oracle=known, gradcheck=False)


CASES = (
    Case(
        name="convolution",
        build=lambda: Convolution(2, 3, (2, 3), stride=(2, 1), padding="same-tensorflow"),
        inputs=images,
        oracle=lambda p, x: oracle.convolution(x, p["weight"], p["bias"], (2, 1), ((0, 1), (1, 1)))[0],
        covers=("Convolution",),
    ),
    Case(
        name="convolution_flipped",
        build=lambda: Convolution(2, 3, 2, padding="same-torch", flipped=True, bias=False),
        inputs=images,
        oracle=lambda p, x: oracle.convolution(x, p["weight"], 0, (1, 1), ((1, 1), (1, 1)), flipped=True)[0],
    ),
)

FUNCTIONS = (
    Case(name="convolve", build=None, call=both_ways, inputs=parts, oracle=expected, gradcheck=False),
    pooled("max"),
    pooled("mean"),
)
