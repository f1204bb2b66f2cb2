from contract.cases import Case
from oracles import capsules as oracle

from deepcanon.vision import CapsuleLayer, CapsuleNet, margin_loss, reconstruction_loss
from deepcanon.vision.capsules import lengths, route, squash

SMALL = {"size": (8, 9), "filters": 3, "maps": 2, "units": 4, "class_units": 3, "decoder": (5,), "kernel_size": 3}
SETS = ((0, 1), (0, 2), (1, 2))
DRAWS = "the decoder is not part of forward; its gradient is tested in tests/vision/test_capsules.py"

CASES = (
    Case(
        name="capsule_layer",
        build=lambda: CapsuleLayer(5, 4, 3, 2),
        inputs=lambda rng: (rng.normal(size=(3, 5, 4)),),
        oracle=oracle.layer,
        covers=("CapsuleLayer",),
    ),
    Case(
        name="capsule_net",
        build=lambda: CapsuleNet(1, 3, **SMALL),
        inputs=lambda rng: (rng.normal(size=(3, 1, 8, 9)),),
        oracle=lambda params, x: oracle.logits(params, x, 4),
        covers=("CapsuleNet",),
        skips={"gradients": DRAWS},
    ),
    Case(
        name="capsule_net_sets",
        build=lambda: CapsuleNet(2, 3, **SMALL, iterations=2, sets=SETS),
        inputs=lambda rng: (rng.normal(size=(2, 2, 8, 9)),),
        oracle=lambda params, x: oracle.logits(params, x, 4, 2, SETS),
        skips={"gradients": DRAWS},
    ),
    Case(
        name="capsule_net_reconstruct",
        build=lambda: CapsuleNet(1, 3, **SMALL),
        inputs=lambda rng: (rng.normal(size=(3, 1, 8, 9)), rng.integers(3, size=3)),
        call=lambda net, x, chosen: net.reconstruct(net.capsules(x), chosen).flatten(1),
        oracle=lambda params, x, chosen: oracle.decoded(params, oracle.capsules(params, x, 4), chosen),
    ),
)

FUNCTIONS = (
    Case(
        name="capsule_squash",
        build=None,
        call=squash,
        inputs=lambda rng: (rng.normal(size=(4, 3, 5)),),
        oracle=lambda params, s: oracle.squash(s),
        rows=True,
    ),
    Case(
        name="lengths",
        build=None,
        call=lengths,
        inputs=lambda rng: (rng.normal(size=(4, 3, 5)),),
        oracle=lambda params, v: (v**2).sum(2) ** 0.5,
        rows=True,
    ),
    Case(
        name="route",
        build=None,
        call=route,
        inputs=lambda rng: (rng.normal(size=(2, 5, 3, 4)),),
        oracle=lambda params, votes: oracle.route(votes),
        rows=True,
    ),
    Case(
        name="margin_loss",
        build=None,
        call=lambda found, present: margin_loss(found, present, "none"),
        inputs=lambda rng: (rng.uniform(size=(6, 4)), rng.integers(2, size=(6, 4))),
        oracle=lambda params, found, present: oracle.margin(found, present),
        rows=True,
        covers=("margin_loss",),
    ),
    Case(
        name="capsule_reconstruction_loss",
        build=None,
        call=lambda drawn, pixels: reconstruction_loss(drawn, pixels, "none"),
        inputs=lambda rng: (rng.uniform(size=(3, 2, 4, 4)), rng.uniform(size=(3, 2, 4, 4))),
        oracle=lambda params, drawn, pixels: oracle.reconstruction(drawn, pixels),
        rows=True,
        covers=("reconstruction_loss",),
    ),
)
