import numpy as np
from contract.cases import Case
from oracles import pooling as oracle

from deepcanon.vision import ChannelMaxPool, GatedPool, KMaxPool, LpPool, MixedPool, SpatialPyramid, StochasticPool
from deepcanon.vision.pooling import (
    channel_max_pool,
    expected_pool,
    gated_pool,
    k_max_pool,
    lp_pool,
    mixed_pool,
    pyramid_pool,
    stochastic_pool,
)


def maps(rng):
    return (rng.normal(size=(2, 4, 7, 6)),)


def layer(name, build, call):
    return Case(name=name, build=build, inputs=maps, oracle=call)


def function(name, call, expected, more=lambda rng: (), **how):
    return Case(name=name, build=None, call=call, inputs=lambda rng: (*maps(rng), *more(rng)), oracle=expected, **how)


CASES = (
    layer("lp_pool", lambda: LpPool(3.0), lambda p, x: oracle.lp(x, 3.0, 2, 2)),
    layer("stochastic_pool", lambda: StochasticPool(), lambda p, x: oracle.expected(x, 2, 2)),
    layer("mixed_pool", lambda: MixedPool(3, 2), lambda p, x: oracle.mixed(x, p["share"], 3, 2)),
    layer("gated_pool", lambda: GatedPool(3, 2), lambda p, x: oracle.gated(x, p["weight"], 3, 2)),
    layer(
        "k_max_pool_of_maps",
        lambda: KMaxPool(2),
        lambda p, x: np.apply_along_axis(oracle.k_max, 2, np.apply_along_axis(oracle.k_max, 3, x, 3), 3),
    ),
    layer("channel_max_pool_layer", lambda: ChannelMaxPool(2), lambda p, x: x.reshape(2, 2, 2, 7, 6).max(2)),
    layer("spatial_pyramid", lambda: SpatialPyramid((4, 2, 1)), lambda p, x: oracle.pyramid(x, (4, 2, 1))),
)

FUNCTIONS = (
    function("lp_1", lambda x: lp_pool(x, 1.0, 2), lambda p, x: oracle.lp(x, 1.0, 2, 2)),
    function("lp_overlapping", lambda x: lp_pool(x, 2.5, 3, 2), lambda p, x: oracle.lp(x, 2.5, 3, 2)),
    function("lp_infinite", lambda x: lp_pool(x, float("inf"), 2), lambda p, x: oracle.lp(x, np.inf, 2, 2)),
    function("expected_pool", lambda x: expected_pool(x, 3, 2), lambda p, x: oracle.expected(x, 3, 2)),
    function(
        "stochastic",
        lambda x, u: stochastic_pool(x, u, 3, 2),
        lambda p, x, u: oracle.sampled(x, u, 3, 2),
        lambda rng: (rng.random((2, 4, 3, 2)),),
        constants=(1,),
    ),
    function(
        "mixed",
        lambda x, s: mixed_pool(x, s, 2),
        lambda p, x, s: oracle.mixed(x, s, 2, 2),
        lambda rng: (rng.random(()),),
    ),
    function(
        "gated",
        lambda x, w: gated_pool(x, w, 2),
        lambda p, x, w: oracle.gated(x, w, 2, 2),
        lambda rng: (rng.normal(size=(2, 2)),),
    ),
    function("k_max", lambda x: k_max_pool(x, 3), lambda p, x: np.apply_along_axis(oracle.k_max, 3, x, 3)),
    function("channel_max_pool", lambda x: channel_max_pool(x, 4), lambda p, x: x.max(1, keepdims=True)),
    function("pyramid", lambda x: pyramid_pool(x, (3, 1)), lambda p, x: oracle.pyramid(x, (3, 1))),
)
