from cases.network_in_network import biased
from contract.cases import Case
from oracles import inception as oracle

from deepcanon.vision import Inception, MiniGoogLeNet

NO_HEADS = "evaluation does not compute the auxiliary heads: the case in training mode checks them"


def small(**options):
    return biased(MiniGoogLeNet(2, 3, stem=4, stages=((16,), (32, 32)), auxiliary=4, **options))


CASES = (
    Case(
        name="inception",
        build=lambda: biased(Inception(3, 2, (3, 4), (2, 3), 2)),
        inputs=lambda rng: (rng.normal(size=(2, 3, 6, 5)),),
        oracle=oracle.inception,
        covers=("Inception",),
    ),
    Case(
        name="mini_googlenet",
        build=lambda: small(dropout=0.0, auxiliary_dropout=0.0),
        inputs=lambda rng: (rng.normal(size=(2, 2, 10, 9)),),
        oracle=oracle.googlenet,
        training=True,
        covers=("MiniGoogLeNet", "AuxiliaryHead"),
    ),
    Case(
        name="mini_googlenet_batch_norm",
        build=lambda: small(batch_norm=True),
        inputs=lambda rng: (rng.normal(size=(2, 2, 8, 8)),),
        oracle=lambda params, images: oracle.googlenet(params, images)[0],
        skips={"gradients": NO_HEADS},
    ),
)
