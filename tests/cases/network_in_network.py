import torch
from contract.cases import Case
from oracles import network_in_network as oracle

from deepcanon.vision import MlpConv, NetworkInNetwork


def biased(module):
    """Without units that are silent everywhere: filters whose sum is 0, and positive biases.

    A pixel whose units are all silent would lie on the kink of the next ReLU, and nothing learns from it.
    """
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim == 4:
                parameter -= parameter.mean((1, 2, 3), keepdim=True)
            elif parameter.ndim == 1:
                parameter.uniform_(0.2, 1.0)
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
        covers=("MlpConv", "ConvolutionUnit"),
    ),
)
