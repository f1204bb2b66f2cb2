from contract.cases import Case
from oracles import network_in_network as oracle
from torch import nn

from deepcanon.vision import MlpConv, NetworkInNetwork


def biased(module):
    """With biases other than 0: a pixel whose units are all silent would lie on the kink of the next ReLU."""
    for name, parameter in module.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter)
    return module


CASES = (
    Case(
        name="network_in_network",
        build=lambda: biased(NetworkInNetwork(2, 3, widths=(4, 5), kernel_size=3)),
        inputs=lambda rng: (rng.normal(size=(3, 2, 7, 6)),),
        oracle=oracle.logits,
        covers=("NetworkInNetwork",),
    ),
    Case(
        name="network_in_network_batch_norm",
        build=lambda: biased(NetworkInNetwork(1, 3, widths=(3, 4, 5), kernel_size=5, batch_norm=True)),
        inputs=lambda rng: (rng.normal(size=(2, 1, 8, 9)),),
        oracle=oracle.logits,
    ),
    Case(
        name="mlpconv",
        build=lambda: biased(MlpConv(3, (4, 5, 2), kernel_size=3)),
        inputs=lambda rng: (rng.normal(size=(2, 3, 5, 4)),),
        oracle=lambda params, maps: oracle.mlpconv({f"block.{k}": v for k, v in params.items()}, "block", maps),
        covers=("MlpConv",),
    ),
)
